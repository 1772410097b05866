// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
public import Encoders
import Foundation
public import Postgres
import Search
import Text

/// The one writer of a corpus in PostgreSQL, for as long as this value lives: it holds the writer's advisory lock, brings a
/// staging folder on this machine to the live generation, and publishes that folder's next generation.
///
/// Documents are read, cut, analysed and encoded in the staging folder, as for any corpus, so that a corpus in the database
/// is the same as in a folder. The folder is a cache: where it is missing or behind, the documents and vectors of the live
/// generation are read back from the database. So writers on several machines work one after the other, each on what the
/// one before left.
public final class PostgresCorpusWriter: Sendable {
    /// The address, without its password.
    public let address: PostgresAddress
    /// The folder in which the next generation is made.
    public let staging: String

    private let schema: CorpusSchema
    private let pool: PostgresPool
    private let connection: PostgresConnection

    /// Takes the writer's lock, waiting for another writer.
    /// - Parameters:
    ///   - folder: where staging folders lie. Default: `forage/staging` in the user's cache folder.
    ///   - isWaiting: told once when another writer is at work.
    ///   - limit: how long to wait for it. Default: an hour.
    /// - Throws: `PostgresError`, `CorpusError` `locked`.
    public init(
        _ address: PostgresAddress, stagingFolder folder: String? = nil, waiting limit: Duration = .seconds(3600),
        isWaiting: () -> Void = {}
    ) async throws {
        self.address = address
        schema = try CorpusSchema(address)
        pool = PostgresPool(address)
        connection = try await pool.dedicatedConnection()
        try await CorpusSchema.migrations.apply(on: connection)
        let end = ContinuousClock.now + limit
        var isTold = false
        while true {
            let rows = try await connection.query("SELECT pg_try_advisory_lock($1)", [.integer(schema.lockKey)])
            if try rows.optionalBoolean(0, 0) == true { break }
            guard ContinuousClock.now < end else {
                throw CorpusError(.locked, "\(address): another process writes to the corpus")
            }
            if !isTold { isWaiting() }
            isTold = true
            try await Task.sleep(for: .milliseconds(200))
        }
        try await connection.query(
            "INSERT INTO forage.corpora (name) VALUES ($1) ON CONFLICT DO NOTHING", [.text(schema.name)])
        // One folder for each database and corpus; the key says which without telling the address.
        let key = String(XXH64.hash("\(address)"), radix: 16)
        staging = (folder ?? Self.defaultFolder) + "/\(schema.name)-\(key).forage"
    }

    private static var defaultFolder: String {
        let environment = ProcessInfo.processInfo.environment
        let cache = environment["XDG_CACHE_HOME"].flatMap { $0.isEmpty ? nil : $0 } ?? NSHomeDirectory() + "/.cache"
        return cache + "/forage/staging"
    }

    private func live() async throws -> GenerationRecord? {
        let rows = try await connection.query(
            """
            SELECT \(GenerationRecord.columns) FROM forage.corpora c
            JOIN forage.generations g ON g.corpus = c.name AND g.number = c.live WHERE c.name = $1
            """, [.text(schema.name)])
        return rows.isEmpty ? nil : try GenerationRecord(rows, row: 0)
    }

    // MARK: Staging

    private var stamp: String { staging + ".json" }

    /// Brings the staging folder to the live generation.
    /// - Parameters:
    ///   - encoder: the corpus's own; nil finds the one that the corpus names.
    ///   - note: told what is done, where it takes time.
    /// - Throws: `PostgresError`, `CorpusError`, the encoder's errors.
    public func prepare(
        encoder: (any TextEncoder)? = nil, note: (String) -> Void = { _ in }
    ) async throws {
        let files = FileManager.default
        try files.createDirectory(
            atPath: (staging as NSString).deletingLastPathComponent, withIntermediateDirectories: true,
            attributes: [.posixPermissions: 0o700])
        let record = try await live()
        let known = files.contents(atPath: stamp).flatMap { try? JSONValue(parsing: Array($0)) }
        if let record, known?["generation"]?.int == record.number,
            known?["fingerprint"]?.string == record.fingerprint, (try? CorpusReader(path: staging)) != nil
        {
            return
        }
        try? files.removeItem(atPath: stamp)
        if files.fileExists(atPath: staging) { try files.removeItem(atPath: staging) }
        guard let record else { return }
        note("Reading the corpus back from the database: \(record.documentCount) documents.")
        try await restore(record, encoder)
        try mark(record.number, record.fingerprint)
    }

    private func mark(_ generation: Int, _ fingerprint: String) throws {
        let text: JSONValue = ["generation": .integer(generation), "fingerprint": .string(fingerprint)]
        try Data(text.serialized().utf8).write(to: URL(fileURLWithPath: stamp), options: .atomic)
    }

    private func restore(_ record: GenerationRecord, _ encoder: (any TextEncoder)?) async throws {
        let options = CorpusOptions(
            passages: PassageSplitter.Options(size: record.passageSize, overlap: record.passageOverlap))
        let writer = try CorpusWriter.open(creatingAt: staging, options: options)
        for field in record.fields where field.field.isDeclared {
            try writer.declare(field: field.field.name, type: field.field.type)
        }
        let columns = record.fields.map { ", " + $0.shown("d") }.joined()
        for start in stride(from: 0, to: record.documentCount, by: 2000) {
            try Task.checkCancellation()
            let rows = try await connection.query(
                """
                SELECT d.id, d.title, d.source, coalesce(d.body, p.text)\(columns)
                FROM \(schema.table("documents", record.number)) d
                LEFT JOIN \(schema.table("passages", record.number)) p ON p.ordinal = d.first_passage
                WHERE d.ordinal >= $1 AND d.ordinal < $1 + 2000 ORDER BY d.ordinal
                """, [.integer(Int64(start))])
            var documents: [Document] = []
            for row in 0..<rows.count {
                var metadata: [String: MetadataValue] = [:]
                for (index, field) in record.fields.enumerated() {
                    if let value = try field.value(rows, row, 4 + index) { metadata[field.field.name] = value }
                }
                documents.append(
                    Document(
                        id: try rows.text(row, 0), title: try rows.text(row, 1), text: try rows.text(row, 3),
                        metadata: metadata, source: try rows.text(row, 2)))
            }
            try writer.add(documents)
        }
        try await rebuild(writer, record, encoder)
    }

    /// Builds the indexes of what was read back, with its vectors as they were.
    private func rebuild(
        _ writer: CorpusWriter, _ record: GenerationRecord, _ given: (any TextEncoder)?
    ) async throws {
        var encoder = record.encoder == nil ? nil : given
        if let name = record.encoder, encoder == nil { encoder = try await EncoderChoice(name).load(namedBy: .corpus) }
        var builder = IndexBuilder(encoder: encoder, encoderName: record.encoder ?? "none")
        if record.hasKeywords {
            let rows = try await connection.query(
                "SELECT about, norms, places FROM \(schema.table("keyword", record.number))")
            builder.keywords = try KeywordFrame(
                about: rows.bytes(0, 0), norms: rows.bytes(0, 1), places: rows.bytes(0, 2), name: "\(address)"
            ).options
        }
        let cacheFolder = staging + ".vectors"
        defer { try? FileManager.default.removeItem(atPath: cacheFolder) }
        if let encoder, encoder.fingerprint == record.encoderFingerprint {
            try await readVectors(encoder, record, to: cacheFolder)
            builder.embeddingCache = cacheFolder
        }
        let generation = try writer.beginGeneration()
        try await builder.build(generation)
        try generation.publish()
    }

    private func readVectors(_ encoder: any TextEncoder, _ record: GenerationRecord, to folder: String) async throws {
        let cache = try EmbeddingCache(
            folder: folder, fingerprint: encoder.fingerprint, dimension: encoder.dimension)
        for start in stride(from: 0, to: record.passageCount, by: 2000) {
            try Task.checkCancellation()
            let rows = try await connection.query(
                """
                SELECT d.title, p.text, v.embedding::real[] FROM \(schema.table("passages", record.number)) p
                JOIN \(schema.table("documents", record.number)) d ON d.ordinal = p.document
                JOIN \(schema.table("vectors", record.number)) v ON v.ordinal = p.ordinal
                WHERE p.ordinal >= $1 AND p.ordinal < $1 + 2000
                """, [.integer(Int64(start))])
            var (texts, values): ([String], [Float]) = ([], [])
            for row in 0..<rows.count {
                guard let vector = try rows.floats(row, 2), vector.count == encoder.dimension else { continue }
                texts.append(
                    encoder.prompts.passage
                        + IndexBuilder.encoderText(title: try rows.text(row, 0), text: try rows.text(row, 1)))
                values += vector
            }
            try cache.store(texts, EmbeddingMatrix(dimension: encoder.dimension, values: values))
        }
    }

    // MARK: Publishing

    /// Copies the staging folder's generation into the database, where it becomes the live one; nothing where it is that
    /// already. Generations before the one before, which nobody reads, are removed.
    /// - Returns: the number of the live generation.
    @discardableResult
    public func publish(_ loader: GenerationLoader = GenerationLoader()) async throws -> Int {
        let corpus = try await LocalCorpus(path: staging, loadsEncoder: false)
        if let record = try await live(), record.fingerprint == corpus.fingerprint {
            try mark(record.number, record.fingerprint)
            return record.number
        }
        let options = try CorpusWriter(path: staging).options
        let number = try await loader.publish(corpus, options: options, as: schema, on: connection)
        try mark(number, corpus.fingerprint)
        try await removeOld(before: number)
        return number
    }

    /// Removes the tables of generations that nobody reads, the one before the live one excepted: a reader that has just
    /// looked which one is live must still find it.
    private func removeOld(before live: Int) async throws {
        let rows = try await connection.query(
            "SELECT number FROM forage.generations WHERE corpus = $1 AND number < $2 ORDER BY number DESC OFFSET 1",
            [.text(schema.name), .integer(Int64(live))])
        for row in 0..<rows.count {
            let number = try rows.integer(row, 0)
            try await connection.transaction { connection in
                let free = try await connection.query(
                    "SELECT pg_try_advisory_xact_lock($1)", [.integer(schema.readerKey(number))])
                guard try free.optionalBoolean(0, 0) == true else { return }
                let tables = CorpusSchema.tables.map { schema.table($0, number) }.joined(separator: ", ")
                try await connection.script("DROP TABLE IF EXISTS \(tables)")
                try await connection.query(
                    "DELETE FROM forage.generations WHERE corpus = $1 AND number = $2",
                    [.text(schema.name), .integer(Int64(number))])
            }
        }
    }
}
