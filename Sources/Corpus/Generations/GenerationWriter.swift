// SPDX-License-Identifier: Apache-2.0

public import Base
import Foundation
import GRDB
public import OrderedCollections
import Text

/// A generation that is being made: its documents and passages are fixed and readable; index files are added, then all
/// of it becomes the live generation in one transaction. Until then readers see nothing of it.
///
/// ```swift
/// let generation = try writer.beginGeneration()
/// try buildKeywordIndex(of: generation.reader, to: generation.newFile(role: "keyword"))
/// try generation.finish(role: "keyword", parameters: ["k1": 1.2])
/// let reader = try generation.publish()
/// ```
/// A value that is let go without `publish` leaves only files that the next writer removes.
public final class GenerationWriter {
    /// The generation's number.
    public let number: Int
    /// The generation's documents, passages and columns.
    public private(set) var reader: CorpusReader
    /// The live generation before this one; nil for the first, or when its files are damaged.
    public let previous: CorpusReader?

    private let writer: CorpusWriter
    private var manifest: GenerationManifest
    private var unfinished: Set<String> = []

    init(writer: CorpusWriter, manifest: GenerationManifest, reader: CorpusReader, previous: CorpusReader?) {
        self.writer = writer
        self.manifest = manifest
        self.reader = reader
        self.previous = previous
        number = manifest.number
    }

    /// Whether documents differ from those of `previous`. When not, every ordinal is the same and index files can be
    /// carried over.
    public var documentsChanged: Bool {
        previous?.manifest.files["passages"]?.name != manifest.files["passages"]?.name
    }

    /// The path at which to write the file of a role, `role.000007.idx`. Call `finish(role:parameters:)` when it is whole.
    /// - Precondition: the role is made of letters, digits, `-` and `.`, and is not one of the store's own.
    public func newFile(role: String) -> String {
        precondition(
            !role.isEmpty && role.utf8.allSatisfy { $0 > 44 && $0 < 123 && $0 != 47 }, "a role is a plain name: \(role)"
        )
        precondition(!Self.isReserved(role), "the role \(role) is the store's own")
        unfinished.insert(role)
        return writer.path + "/" + Self.fileName(role: role, generation: number, extension: "idx")
    }

    /// Takes a written file into the generation: synchronises it to the disk and notes its size and checksum.
    /// - Parameter parameters: what its reader must know, kept in the manifest (`GenerationManifest.File.parameters`).
    public func finish(role: String, parameters: JSONValue = .object([:])) throws {
        let name = Self.fileName(role: role, generation: number, extension: "idx")
        try take(role: role, name: name, parameters: parameters)
        unfinished.remove(role)
    }

    /// Takes the file of a role over from the generation before, unchanged.
    /// - Returns: false when that generation has no such file, or it is not there in the size that it was written in.
    @discardableResult public func carryOver(role: String) -> Bool {
        guard let file = previous?.manifest.files[role], isWhole(role: role) else { return false }
        manifest.files[role] = file
        return true
    }

    /// Whether the file of a role of the generation before is there in the size that it was written in. One that was deleted
    /// or cut off is built anew.
    public func isWhole(role: String) -> Bool {
        guard let file = previous?.manifest.files[role] else { return false }
        return FileSystem.status(writer.path + "/" + file.name).map { Int($0.st_size) == file.size } ?? false
    }

    /// For each passage, its ordinal in `previous`, or `UInt32.max` when it is new or changed: what an index build can
    /// reuse. A passage's ordinal only moves when documents before it were deleted.
    public func previousPassageOrdinals() throws -> [PassageOrdinal] {
        guard let previous else { return [UInt32](repeating: .max, count: reader.passageCount) }
        var result: [UInt32] = []
        result.reserveCapacity(reader.passageCount)
        var old = 0
        for document in 0..<reader.documentCount {
            let entry = try reader.entry(DocumentOrdinal(document))
            while old < previous.documentCount, try previous.entry(DocumentOrdinal(old)).row < entry.row { old += 1 }
            let range = try reader.passageRange(of: DocumentOrdinal(document))
            if old < previous.documentCount, try previous.entry(DocumentOrdinal(old)).row == entry.row {
                let from = try previous.passageRange(of: DocumentOrdinal(old)).lowerBound
                for offset in 0..<UInt32(range.count) { result.append(from + offset) }
            } else {
                result.append(contentsOf: repeatElement(.max, count: range.count))
            }
        }
        return result
    }

    /// Makes this the live generation, in one transaction. The files of the one before stay until the next is published, for
    /// readers that are opening them; readers that have them open keep them longer.
    /// - Returns: a reader of the published generation.
    @discardableResult public func publish() throws -> CorpusReader {
        precondition(unfinished.isEmpty, "unfinished files: \(unfinished.sorted())")
        try FileSystem.synchronize(folder: writer.path)
        manifest.published = Int(Date().timeIntervalSince1970)
        try writer.write { try manifest.publish($0) }
        try writer.removeGarbage(keepingPrevious: true)
        reader = try CorpusReader(path: writer.path, manifest: manifest)
        return reader
    }

    private func take(role: String, name: String, parameters: JSONValue) throws {
        let path = writer.path + "/" + name
        try FileSystem.synchronize(file: path)
        let sum = try FileChecksum.of(path: path)
        manifest.files[role] = GenerationManifest.File(
            role: role, name: name, size: sum.size, checksum: sum.checksum,
            parameters: SectionFile.adding(identityOf: path, to: parameters))
    }

    static func isReserved(_ role: String) -> Bool {
        role == "passages" || role == "columns" || role.hasPrefix("texts.")
    }

    static func fileName(role: String, generation: Int, extension suffix: String) -> String {
        let digits = String(generation)
        return role + "." + String(repeating: "0", count: max(0, 6 - digits.utf8.count)) + digits + "." + suffix
    }
}

extension CorpusWriter {
    /// Starts a generation from the committed documents: writes passage table, texts and metadata columns.
    ///
    /// Texts of documents that the live generation has are not written again; with no change nothing is.
    /// - Parameter isCancelled: asked now and then; true ends with `CorpusError` `cancelled` and changes nothing.
    public func beginGeneration(isCancelled: @escaping () -> Bool = { false }) throws -> GenerationWriter {
        let (live, changes, last) = try read { db in
            (
                try GenerationManifest.live(db), try db.changeCount(),
                try Int.fetchOne(db, sql: "SELECT seq FROM sqlite_sequence WHERE name = 'generations'") ?? 0
            )
        }
        let previous = try? live.map { try CorpusReader(path: path, manifest: $0) }
        var manifest = GenerationManifest(
            number: last + 1, documentCount: 0, passageCount: 0, published: 0, changes: changes, files: [:])
        if let live, let previous, live.changes == changes {
            manifest.documentCount = live.documentCount
            manifest.passageCount = live.passageCount
            manifest.files = live.files.filter { GenerationWriter.isReserved($0.key) }
            let reader = try CorpusReader(path: path, manifest: manifest)
            return GenerationWriter(writer: self, manifest: manifest, reader: reader, previous: previous)
        }
        try BaseFilesBuilder(folder: path, previous: previous, isCancelled: isCancelled).build(self, &manifest)
        let reader = try CorpusReader(path: path, manifest: manifest)
        return GenerationWriter(writer: self, manifest: manifest, reader: reader, previous: previous)
    }

    /// Publishes a generation with no index files, for corpora that are only read by id, filtered and aggregated.
    @discardableResult public func publish() throws -> CorpusReader {
        let generation = try beginGeneration()
        if !generation.documentsChanged, let previous = generation.previous { return previous }
        return try generation.publish()
    }

    /// Writes the texts anew without those of deleted documents, and gives the database's free pages back to the disk.
    /// Index files stay as they are, because no ordinal changes.
    /// - Returns: the bytes of the folder before and after.
    /// - Throws: `CorpusError` `badArgument` while changes wait to be published: index first.
    @discardableResult public func compact() throws -> (before: Int, after: Int) {
        let before = try folderSize()
        let (live, changes, last) = try read { db in
            (
                try GenerationManifest.live(db), try db.changeCount(),
                try Int.fetchOne(db, sql: "SELECT seq FROM sqlite_sequence WHERE name = 'generations'") ?? 0
            )
        }
        if let live {
            guard live.changes == changes else {
                throw CorpusError(
                    .badArgument, "\(path) has changes that are not indexed yet; index first, then compact")
            }
            var manifest = live
            manifest.number = last + 1
            for role in live.files.keys where GenerationWriter.isReserved(role) { manifest.files[role] = nil }
            try BaseFilesBuilder(folder: path, previous: nil, isCancelled: { false }).build(self, &manifest)
            let reader = try CorpusReader(path: path, manifest: manifest)
            try GenerationWriter(writer: self, manifest: manifest, reader: reader, previous: nil).publish()
        }
        try removeGarbage(keepingPrevious: false)
        try CorpusDatabase.translating(path) {
            try queue.vacuum()
            try queue.writeWithoutTransaction { _ = try $0.checkpoint(.truncate) }
        }
        return (before, try folderSize())
    }

    private func folderSize() throws -> Int {
        try FileSystem.names(in: path).reduce(0) { $0 + Int(FileSystem.status(path + "/" + $1)?.st_size ?? 0) }
    }
}
