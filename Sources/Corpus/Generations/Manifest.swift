// SPDX-License-Identifier: Apache-2.0

public import Base
import GRDB
import Text

/// One generation of a corpus's index files: what the manifest says of it.
public struct GenerationManifest: Sendable, Hashable {
    /// A file of a generation. A file can serve several generations when nothing in it changed.
    public struct File: Sendable, Hashable {
        /// What the file is: `passages`, `columns`, `texts.0`, or a role of an index.
        public var role: String
        /// The name in the corpus's folder.
        public var name: String
        /// The size in bytes.
        public var size: Int
        /// The XXH64 of the whole file, taken in chained pieces of 1 MiB.
        public var checksum: UInt64
        /// What its writer wants to know when it is read again.
        public var parameters: JSONValue
    }

    /// The generation's number; grows by one or more with each.
    public var number: Int
    /// The number of documents.
    public var documentCount: Int
    /// The number of passages.
    public var passageCount: Int
    /// When it was published, in seconds since 1970.
    public var published: Int
    /// The state of the documents from which it was made.
    var changes: Int
    /// The files by role.
    public var files: [String: File]

    /// The live generation; nil while none was published.
    static func live(_ db: Database) throws -> GenerationManifest? {
        guard
            let row = try Row.fetchOne(
                db,
                sql:
                    "SELECT number, changes, documents, passages, published FROM generations ORDER BY number DESC LIMIT 1"
            )
        else { return nil }
        var manifest = GenerationManifest(
            number: row[0], documentCount: row[2], passageCount: row[3], published: row[4], changes: row[1], files: [:])
        let files = try Row.fetchAll(
            db, sql: "SELECT role, name, size, checksum, parameters FROM files WHERE generation = ?",
            arguments: [manifest.number])
        for file in files {
            let parameters: String = file[4]
            manifest.files[file[0]] = File(
                role: file[0], name: file[1], size: file[2], checksum: UInt64(bitPattern: file[3] as Int64),
                parameters: try JSONValue(parsing: parameters))
        }
        return manifest
    }

    /// The names of the files of every generation that the manifest lists: the live one, and for a while the one before.
    static func listedFileNames(_ db: Database) throws -> Set<String> {
        Set(try String.fetchAll(db, sql: "SELECT name FROM files"))
    }

    /// Strikes generations before the live one. Inside a transaction.
    static func forgetPrevious(_ db: Database) throws {
        for table in ["generations WHERE number", "files WHERE generation"] {
            try db.execute(sql: "DELETE FROM \(table) < (SELECT max(number) FROM generations)")
        }
    }

    /// Makes this the live generation and forgets all but the one before. Inside a transaction.
    func publish(_ db: Database) throws {
        try db.execute(
            sql: "INSERT INTO generations (number, changes, documents, passages, published) VALUES (?, ?, ?, ?, ?)",
            arguments: [number, changes, documentCount, passageCount, published])
        for file in files.values.sorted(by: { $0.role < $1.role }) {
            try db.execute(
                sql: "INSERT INTO files VALUES (?, ?, ?, ?, ?, ?)",
                arguments: [
                    number, file.role, file.name, file.size, Int64(bitPattern: file.checksum),
                    file.parameters.serialized(),
                ])
        }
        let previous = try Int.fetchOne(
            db, sql: "SELECT max(number) FROM generations WHERE number < ?", arguments: [number])
        try db.execute(sql: "DELETE FROM generations WHERE number < ?", arguments: [previous ?? 0])
        try db.execute(sql: "DELETE FROM files WHERE generation < ?", arguments: [previous ?? 0])
    }
}

/// The checksum of a whole file: XXH64 of pieces of 1 MiB, each seeded with the one before, so that it can be streamed.
enum FileChecksum {
    static let pieceSize = 1 << 20

    static func of(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
        var hash: UInt64 = 0
        var start = 0
        while start < bytes.count {
            let end = min(start + pieceSize, bytes.count)
            hash = XXH64.hash(UnsafeRawBufferPointer(rebasing: bytes[start..<end]), seed: hash)
            start = end
        }
        return hash
    }

    static func of(path: String) throws -> (checksum: UInt64, size: Int) {
        let file = try MappedFile(corpusFile: path)
        file.advise(.sequential)
        return (of(file.bytes), file.bytes.count)
    }
}
