// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import GRDB
import OrderedCollections

/// Puts documents into the database, inside a transaction of the caller's.
struct DocumentInserter {
    enum Outcome {
        case inserted, replaced, unchanged, duplicate
        /// Given before in this run, by this file or another one, with the same content.
        case repeated
    }

    /// The sources that are there beside the one that a document comes from: what they gave is not replaced by others.
    var present: Set<Int64> = []

    /// The fields that the corpus has.
    private(set) var fields: Set<String>

    /// How many fields each source brought.
    private var brought: [Int64: Int] = [:]
    /// Fields that found no room, by the source that has them, until they are told.
    private(set) var leftOut: [Int64: Set<String>] = [:]

    init(fields: Set<String>) { self.fields = fields }

    /// The fields of a source that found no room, told once.
    mutating func takeLeftOut(of source: Int64) -> Set<String> { leftOut.removeValue(forKey: source) ?? [] }

    static func fields(_ db: Database) throws -> Set<String> {
        Set(try String.fetchAll(db, sql: "SELECT name FROM fields"))
    }

    /// The row of a source, made when it is new.
    static func sourceID(_ db: Database, path: String) throws -> Int64 {
        if let id = try Int64.fetchOne(db, sql: "SELECT id FROM sources WHERE path = ?", arguments: [path]) {
            return id
        }
        try db.execute(
            sql:
                "INSERT INTO sources (path, size, modified, options, run, complete, position, line) VALUES (?, 0, 0, '', 0, 0, 0, 0)",
            arguments: [path])
        return db.lastInsertedRowID
    }

    /// Inserts a document, or replaces the one of the same id when its content differs.
    /// - Parameters:
    ///   - run: the ingestion run; the same id twice in one run (above 0) with another content is a `duplicate` and not
    ///     stored.
    ///   - scopes: what stands before the id, with a colon, where another source that is `present` has it already: tables
    ///     in one folder all count from 1. The first that makes the id its own is taken; empty for none.
    /// - Returns: with the id that the document has in the end.
    mutating func insert(
        _ db: Database, _ document: PreparedDocument, source: Int64, run: Int64, scopes: [String] = []
    ) throws -> (outcome: Outcome, id: String) {
        var own = document
        let hash = Int64(bitPattern: document.hash)
        for id in [document.id] + scopes.map({ "\($0):\(document.id)" }) {
            guard id.utf8.count <= PreparedDocument.idLimit else { break }
            own.id = id
            guard !scopes.isEmpty, let other = try owner(db, id), other.source != source, present.contains(other.source)
            else { return (try store(db, own, source: source, run: run), id) }
            if other.hash == hash {
                try DocumentClaims.add(db, id: id, source: source, run: run, hash: hash)
                return (.repeated, id)
            }
        }
        return (.duplicate, document.id)
    }

    /// Whose a document is, and the hash of its content.
    private func owner(_ db: Database, _ id: String) throws -> (source: Int64, hash: Int64)? {
        let find = try db.cachedStatement(sql: "SELECT source, hash FROM documents WHERE id = ?")
        return try Row.fetchOne(find, arguments: [id]).map { ($0[0], $0[1]) }
    }

    private mutating func store(
        _ db: Database, _ document: PreparedDocument, source: Int64, run: Int64
    ) throws -> Outcome {
        let document = try withFields(db, document, source: source)
        let hash = Int64(bitPattern: document.hash)
        if try put(db, document, hash: hash, source: source, run: run) { return .inserted }
        let find = try db.cachedStatement(sql: "SELECT row, hash, run, source FROM documents WHERE id = ?")
        guard let old = try Row.fetchOne(find, arguments: [document.id]) else { return .unchanged }
        if run > 0, old[2] == run { return old[1] == hash ? .repeated : .duplicate }
        let row: Int64 = old[0]
        let other: Int64 = old[3]
        if other != source {
            try DocumentClaims.remove(db, id: document.id, source: source)
            try DocumentClaims.add(db, id: document.id, source: other, run: old[2], hash: old[1])
        }
        if old[1] == hash {
            if old[2] != run || old[3] != source {
                try db.cachedStatement(sql: "UPDATE documents SET run = ?, source = ? WHERE row = ?")
                    .execute(arguments: [run, source, row])
            }
            return .unchanged
        }
        if other == source { try DocumentClaims.contentChanged(db, id: document.id, hash: hash) }
        try Self.delete(db, row: row)
        _ = try put(db, document, hash: hash, source: source, run: run)
        return .replaced
    }

    private func put(
        _ db: Database, _ document: PreparedDocument, hash: Int64, source: Int64, run: Int64
    ) throws -> Bool {
        let insert = try db.cachedStatement(
            sql: """
                INSERT INTO documents (id, source, run, hash, metadata, passages) VALUES (?, ?, ?, ?, ?, ?)
                ON CONFLICT (id) DO NOTHING
                """)
        insert.setUncheckedArguments([
            document.id, source, run, hash, document.metadata, PassageBlob(document.passages),
        ])
        try insert.execute()
        guard db.changesCount == 1 else { return false }
        let texts = try db.cachedStatement(sql: "INSERT INTO texts (row, title, text) VALUES (?, ?, ?)")
        texts.setUncheckedArguments([db.lastInsertedRowID, document.title, document.text])
        try texts.execute()
        return true
    }

    /// The document with the fields that the corpus has, or takes on with it. Its hash stays that of all it came with.
    private mutating func withFields(
        _ db: Database, _ document: PreparedDocument, source: Int64
    ) throws -> PreparedDocument {
        var left: Set<String> = []
        for name in document.fieldNames where !fields.contains(name) {
            guard fields.count < CorpusWriter.fieldLimit,
                brought[source, default: 0] < CorpusWriter.fieldsOfSource, name.utf8.count <= 256
            else {
                left.insert(name)
                continue
            }
            try db.execute(sql: "INSERT OR IGNORE INTO fields VALUES (?, NULL)", arguments: [name])
            fields.insert(name)
            brought[source, default: 0] += 1
        }
        guard !left.isEmpty, var metadata = try JSONValue(parsing: document.metadata).object else { return document }
        leftOut[source, default: []].formUnion(left)
        metadata.removeAll { left.contains($0.key) }
        var kept = document
        kept.metadata = JSONValue.object(metadata).serialized()
        return kept
    }

    /// Deletes a document by id. Returns whether it was there.
    static func delete(_ db: Database, id: String) throws -> Bool {
        let find = try db.cachedStatement(sql: "SELECT row FROM documents WHERE id = ?")
        guard let row = try Int64.fetchOne(find, arguments: [id]) else { return false }
        try delete(db, row: row)
        try db.execute(sql: "DELETE FROM claims WHERE id = ?", arguments: [id])
        return true
    }

    static func delete(_ db: Database, row: Int64) throws {
        try db.cachedStatement(sql: "DELETE FROM documents WHERE row = ?").execute(arguments: [row])
        try db.cachedStatement(sql: "DELETE FROM texts WHERE row = ?").execute(arguments: [row])
    }
}

/// The cuts of a document as a BLOB; also when there are none, where an empty `Data` would become an empty text.
private struct PassageBlob: DatabaseValueConvertible {
    let bytes: [UInt8]

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    var databaseValue: DatabaseValue { bytes.withUnsafeBytes { Foundation.Data($0) }.databaseValue }

    static func fromDatabaseValue(_ value: DatabaseValue) -> PassageBlob? {
        Foundation.Data.fromDatabaseValue(value).map { PassageBlob(Array($0)) }
    }
}
