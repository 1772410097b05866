// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import GRDB
import OrderedCollections
import Text

/// The one writer of a corpus: it adds, changes and deletes documents and starts generations.
///
/// Documents are committed in batches. They become visible to readers when a generation is published
/// (`beginGeneration`, then `GenerationWriter.publish`). Whatever happens to the process, the last published generation
/// stays readable and committed batches stay committed. Calls block on the disk: keep them off Swift's cooperative pool.
public final class CorpusWriter: Sendable {
    /// The corpus's folder.
    public let path: String
    /// What was decided at creation.
    public let options: CorpusOptions
    let queue: DatabaseQueue
    private let lock: WriterLock

    /// The most metadata fields that a corpus can have. What documents have beyond them stays in their texts alone.
    public static let fieldLimit = 2048
    /// The most fields that one source brings, so that a wide table leaves room for the fields of others.
    static let fieldsOfSource = 1024

    /// Creates a corpus, or opens the one that is there.
    /// - Parameters:
    ///   - path: the folder, by convention `name.forage`.
    ///   - options: for a new corpus; for an existing one nil takes its own. Others than its own are refused, because
    ///     passages of two sizes would mix.
    /// - Throws: `CorpusError`: `locked` while another process writes, `notACorpus` for a folder with other files in it.
    public static func open(creatingAt path: String, options: CorpusOptions? = nil) throws -> CorpusWriter {
        if FileSystem.status(path) == nil {
            guard mkdir(path, 0o755) == 0 || errno == EEXIST else { throw CorpusError.system("create", path) }
        }
        guard FileSystem.isFolder(path) else {
            throw CorpusError(.notACorpus, "\(path) is a file, not a corpus folder")
        }
        let known: Set = ["lock", CorpusDatabase.fileName]
        let names = try FileSystem.names(in: path)
        if !names.contains(CorpusDatabase.fileName),
            let stranger = names.first(where: { !known.contains($0) && !$0.hasPrefix(".") })
        {
            throw CorpusError(
                .notACorpus, "\(path) is no corpus and not empty (it holds \(stranger)); choose another folder")
        }
        return try CorpusWriter(path: path, creating: true, options: options)
    }

    /// Opens an existing corpus for changes.
    /// - Throws: `CorpusError`: `notACorpus`, `locked`, `damaged`, `unsupportedVersion`, `system`.
    public convenience init(path: String) throws {
        guard FileSystem.isFolder(path) else { throw CorpusError(.notACorpus, "there is no corpus at \(path)") }
        guard FileSystem.status(path + "/" + CorpusDatabase.fileName) != nil else {
            throw CorpusError(.notACorpus, "\(path) is no corpus: it has no \(CorpusDatabase.fileName)")
        }
        try self.init(path: path, creating: false, options: nil)
    }

    private init(path: String, creating: Bool, options: CorpusOptions?) throws {
        self.path = path
        lock = try WriterLock(folder: path)
        let queue = try CorpusDatabase.openForWriting(folder: path, creating: creating)
        self.queue = queue
        self.options = try CorpusDatabase.translating(path) {
            try queue.write { db in
                if let stored = try db.setting("options") {
                    let own = try JSONDecoder().decode(CorpusOptions.self, from: Data(stored.utf8))
                    if let options, options != own {
                        throw CorpusError(
                            .badArgument,
                            "\(path) was made with passages of \(own.fingerprint), not \(options.fingerprint); leave the option out or make a new corpus"
                        )
                    }
                    return own
                }
                let chosen = options ?? CorpusOptions()
                let encoder = JSONEncoder()
                encoder.outputFormatting = .sortedKeys
                try db.set("options", to: String(decoding: encoder.encode(chosen), as: UTF8.self))
                return chosen
            }
        }
        let published = try read { try GenerationManifest.live($0)?.published } ?? 0
        try removeGarbage(keepingPrevious: Date().timeIntervalSince1970 - Double(published) < 60)
    }

    func write<Result>(_ body: (Database) throws -> Result) throws -> Result {
        try CorpusDatabase.translating(path) { try queue.write(body) }
    }

    func read<Result>(_ body: (Database) throws -> Result) throws -> Result {
        try CorpusDatabase.translating(path) { try queue.read(body) }
    }

    /// Whether documents changed since the live generation was made, or there is none.
    public var hasUnpublishedChanges: Bool {
        get throws {
            try read { db in
                guard let live = try GenerationManifest.live(db) else { return true }
                return try db.changeCount() != live.changes
            }
        }
    }

    /// The number of committed documents, published or not.
    public var committedDocumentCount: Int {
        get throws { try read { try Int.fetchOne($0, sql: "SELECT count(*) FROM documents") ?? 0 } }
    }

    /// Adds documents, in one transaction. A document with an id that is there already replaces it, unless it is the same.
    /// - Returns: how many were new or changed.
    @discardableResult public func add(_ documents: [Document]) throws -> Int {
        let splitter = PassageSplitter(options.passages)
        let prepared = try documents.map { document in
            var metadata = JSONObject()
            for (name, value) in document.metadata.sorted(by: { $0.key < $1.key }) { metadata[name] = value.json }
            try Self.check(id: document.id)
            return (
                PreparedDocument(
                    id: document.id, title: document.title, text: document.text, metadata: metadata, splitter: splitter),
                document.source
            )
        }
        return try write { db in
            var inserter = DocumentInserter(fields: try DocumentInserter.fields(db))
            var changed = 0
            var sources: [String: Int64] = [:]
            for (document, path) in prepared {
                let source = try sources[path] ?? DocumentInserter.sourceID(db, path: path)
                sources[path] = source
                if try inserter.insert(db, document, source: source, run: 0).outcome != .unchanged { changed += 1 }
            }
            if changed > 0 { try db.countChange() }
            return changed
        }
    }

    /// Deletes documents by id, in one transaction. Ids that are not there are passed over.
    /// - Returns: the ids that were not there, in the order given.
    @discardableResult public func delete(ids: [String]) throws -> [String] {
        try write { db in
            var missing: [String] = []
            for id in ids where try !DocumentInserter.delete(db, id: id) { missing.append(id) }
            if missing.count < ids.count { try db.countChange() }
            return missing
        }
    }

    /// Declares a field's type, which then overrides what its values look like; nil takes the declaration back.
    /// Takes effect with the next generation. Values that cannot be read as that type count as missing.
    public func declare(field: String, type: FieldType?) throws {
        try write { db in
            try db.execute(
                sql: "INSERT INTO fields VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET declared = excluded.declared",
                arguments: [field, type?.rawValue])
            if db.changesCount > 0 { try db.countChange() }
        }
    }

    static func check(id: String) throws {
        guard !id.isEmpty else { throw CorpusError(.badInput, "a document's id is empty") }
        guard !id.utf8.contains(0) else { throw CorpusError(.badInput, "a document's id holds U+0000") }
        guard id.utf8.count <= PreparedDocument.idLimit else {
            throw CorpusError(
                .badInput,
                "a document's id has \(id.utf8.count) bytes; at most \(PreparedDocument.idLimit) are accepted")
        }
    }

    /// Removes files that belong to no generation: what an interrupted writer left, and what was replaced.
    ///
    /// The files of the generation before the live one stay until the next is published, or for a minute: a reader that
    /// has just looked at the manifest must still find them.
    func removeGarbage(keepingPrevious: Bool) throws {
        let kept = try write { db in
            if !keepingPrevious { try GenerationManifest.forgetPrevious(db) }
            return try GenerationManifest.listedFileNames(db)
        }
        for name in try FileSystem.names(in: path) where !kept.contains(name) && Self.isIndexFile(name) {
            unlink(path + "/" + name)
        }
    }

    /// Whether a name is of the form `role.000007.ext`.
    static func isIndexFile(_ name: String) -> Bool {
        let parts = name.split(separator: ".")
        return parts.count >= 3 && parts[parts.count - 2].utf8.count == 6
            && parts[parts.count - 2].utf8.allSatisfy { $0 >= 48 && $0 < 58 }
    }
}
