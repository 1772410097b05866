// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
import Postgres
import Search
import Text

/// Copies a generation of a corpus folder into PostgreSQL, where it becomes the live one in the transaction that brings it:
/// readers see all of it or nothing, and a load that is cut off leaves nothing behind.
public struct GenerationLoader: Sendable {
    /// How far a load is.
    public struct Progress: Sendable, Hashable {
        /// "documents", "passages", "keywords", "vectors", "links" or "indexes".
        public var stage: String
        public var done: Int
        public var total: Int
    }

    /// From how many passages on searches by meaning go through an HNSW index; below, every vector is compared. Default:
    /// 20,000, where comparing takes some ten milliseconds.
    public var graphThreshold = 20_000
    /// HNSW's links of a vector in a layer. Default 16.
    public var graphLinks = 16
    /// HNSW's candidates while it is built. Default 64.
    public var graphCandidates = 64
    /// Told how far it is, on a thread of the load's own.
    public var onProgress: @Sendable (Progress) -> Void = { _ in }

    public init() {}

    /// Loads and publishes.
    /// - Parameters:
    ///   - corpus: the generation, opened without its encoder.
    ///   - connection: one that holds the corpus's writer lock: see ``PostgresCorpusWriter``.
    /// - Returns: the generation's number.
    func publish(
        _ corpus: LocalCorpus, options: CorpusOptions, as schema: CorpusSchema, on connection: PostgresConnection
    ) async throws -> Int {
        let reader = corpus.reader
        return try await connection.transaction { connection in
            let known = try await connection.query(
                "SELECT coalesce(max(number), 0)::int4 FROM forage.generations WHERE corpus = $1", [.text(schema.name)])
            let vectors = reader.manifest.files[IndexRole.vectors]?.parameters
            let record = GenerationRecord(
                number: try known.integer(0, 0) + 1, fingerprint: corpus.fingerprint,
                documentCount: reader.documentCount, passageCount: reader.passageCount,
                fields: try GenerationRecord.columns(of: reader.columns.fields, in: reader),
                hasKeywords: corpus.keywords != nil, hasLinks: corpus.links != nil, hasNames: corpus.names != nil,
                encoder: corpus.vectors == nil ? nil : vectors?["encoder"]?.string ?? "minilm",
                encoderFingerprint: vectors?["fingerprint"]?.string, dimension: corpus.vectors?.dimension ?? 0,
                hasGraph: corpus.vectors != nil && reader.passageCount >= graphThreshold,
                passageSize: options.passages.size, passageOverlap: options.passages.overlap)
            let load = TableLoad(schema: schema, record: record, corpus: corpus, connection: connection, loader: self)
            try await load.run()
            try await connection.query(
                """
                INSERT INTO forage.generations (corpus, number, fingerprint, documents, passages, about)
                VALUES ($1, $2::int8, $3, $4::int8, $5::int8, $6)
                """,
                [
                    .text(schema.name), .integer(Int64(record.number)), .text(record.fingerprint),
                    .integer(Int64(record.documentCount)), .integer(Int64(record.passageCount)),
                    .text(record.about.serialized()),
                ])
            try await connection.query(
                "UPDATE forage.corpora SET live = $2::int8 WHERE name = $1",
                [.text(schema.name), .integer(Int64(record.number))])
            return record.number
        }
    }
}

/// One load, table by table.
private struct TableLoad {
    let schema: CorpusSchema
    let record: GenerationRecord
    let corpus: LocalCorpus
    let connection: PostgresConnection
    let loader: GenerationLoader

    private func table(_ name: String) -> String { schema.table(name, record.number) }

    func run() async throws {
        try await connection.script(definitions())
        try await documents()
        try await passages()
        try await keywords()
        try await vectors()
        try await links()
        try await indexes()
    }

    private func definitions() -> String {
        let metadata = record.fields.map { field in
            ", \(CorpusSchema.quoted(field.column)) \(field.sqlType)"
                + (field.hasFolded ? ", \(CorpusSchema.quoted(field.folded)) \(field.sqlType)" : "")
        }.joined()
        var sql = """
            CREATE SCHEMA IF NOT EXISTS \(schema.schema);
            CREATE TABLE \(table("documents")) (
                ordinal integer NOT NULL, id text COLLATE "C" NOT NULL, title text COLLATE "C" NOT NULL,
                source text COLLATE "C" NOT NULL, first_passage integer NOT NULL, passages integer NOT NULL,
                body text COLLATE "C"\(metadata));
            CREATE TABLE \(table("passages")) (
                ordinal integer NOT NULL, document integer NOT NULL, id text COLLATE "C" NOT NULL, text text NOT NULL,
                start integer NOT NULL, length integer NOT NULL, page integer, last_page integer, title integer);
            CREATE TABLE \(table("keyword")) (about bytea NOT NULL, norms bytea NOT NULL, places bytea NOT NULL);
            CREATE TABLE \(table("postings")) (
                term bytea NOT NULL, passages integer NOT NULL, lists bytea NOT NULL);
            ALTER TABLE \(table("postings")) ALTER lists SET STORAGE EXTERNAL;
            CREATE TABLE \(table("links")) (
                source integer NOT NULL, target integer NOT NULL, score double precision NOT NULL);
            CREATE TABLE \(table("mentioners")) (title integer NOT NULL, passage integer NOT NULL);
            CREATE TABLE \(table("names")) (
                name integer NOT NULL, passage integer NOT NULL, weight double precision NOT NULL);
            """
        if record.encoder != nil {
            sql += """
                CREATE EXTENSION IF NOT EXISTS vector;
                CREATE TABLE \(table("vectors")) (
                    ordinal integer NOT NULL, embedding vector(\(record.dimension)) NOT NULL);
                ALTER TABLE \(table("vectors")) ALTER embedding SET STORAGE PLAIN;
                """
        }
        return sql
    }

    private func copy(
        _ name: String, columns: Int, total: Int,
        _ row: @escaping @Sendable (Int, inout CopyRows) throws -> Void
    ) async throws {
        let progress = loader.onProgress
        try await connection.copy("COPY \(table(name)) FROM STDIN (FORMAT binary)", columns: columns) { rows, send in
            for index in 0..<total {
                try row(index, &rows)
                if index % 64 == 0 { try send(&rows) }
                if index % 4096 == 0 { progress(.init(stage: name, done: index, total: total)) }
            }
        }
    }

    private func documents() async throws {
        let (reader, fields) = (corpus.reader, record.fields)
        let columns = 7 + fields.reduce(0) { $0 + ($1.hasFolded ? 2 : 1) }
        try await copy("documents", columns: columns, total: reader.documentCount) { index, rows in
            let document = try reader.document(at: DocumentOrdinal(index))
            let range = try reader.passageRange(of: DocumentOrdinal(index))
            rows.beginRow()
            rows.integer(Int32(index))
            rows.text(document.id)
            rows.text(document.title)
            rows.text(document.source)
            rows.integer(Int32(bitPattern: range.lowerBound))
            rows.integer(Int32(range.count))
            if range.count == 1, try reader.passage(at: range.lowerBound).text == document.text {
                rows.null()
            } else {
                rows.text(document.text)
            }
            for field in fields { rows.metadata(document.metadata[field.field.name], field) }
        }
    }

    private func passages() async throws {
        let (reader, links) = (corpus.reader, corpus.links)
        let progress = loader.onProgress
        try await connection.copy(
            "COPY \(table("passages")) FROM STDIN (FORMAT binary)", columns: 9
        ) { rows, send in
            // In chunks: pages are counted along a document's text.
            let total = reader.passageCount
            for start in stride(from: 0, to: total, by: 512) {
                progress(.init(stage: "passages", done: start, total: total))
                for passage in try reader.passages(at: (start..<min(start + 512, total)).map { PassageOrdinal($0) }) {
                    rows.beginRow()
                    rows.integer(Int32(bitPattern: passage.ordinal))
                    rows.integer(Int32(bitPattern: passage.documentOrdinal))
                    rows.text(passage.id)
                    rows.text(passage.text)
                    rows.integer(Int32(passage.range.lowerBound))
                    rows.integer(Int32(passage.range.count))
                    if let pages = passage.pages {
                        rows.integer(Int32(pages.lowerBound))
                        rows.integer(Int32(pages.upperBound))
                    } else {
                        rows.null()
                        rows.null()
                    }
                    if let title = links?.titleNumber(of: passage.ordinal) {
                        rows.integer(Int32(title))
                    } else {
                        rows.null()
                    }
                }
                try send(&rows)
            }
        }
    }

    private func keywords() async throws {
        guard let index = corpus.keywords else { return }
        let frame = try index.frameBytes()
        try await connection.query(
            "INSERT INTO \(table("keyword")) VALUES ($1, $2, $3)",
            [.bytes(frame.about), .bytes(frame.norms), .bytes(frame.places)])
        let progress = loader.onProgress
        try await connection.copy(
            "COPY \(table("postings")) FROM STDIN (FORMAT binary)", columns: 3
        ) { rows, send in
            var done = 0
            try index.forEachList { term, count, bytes in
                rows.beginRow()
                term.withUnsafeBytes { rows.bytes($0) }
                rows.integer(Int32(count))
                rows.bytes(bytes)
                done += 1
                if done % 64 == 0 { try send(&rows) }
                if done % 4096 == 0 { progress(.init(stage: "keywords", done: done, total: index.termCount)) }
            }
        }
    }

    private func vectors() async throws {
        guard let vectors = corpus.vectors else { return }
        try await copy("vectors", columns: 2, total: vectors.count) { index, rows in
            rows.beginRow()
            rows.integer(Int32(index))
            rows.vector(try vectors.vector(at: PassageOrdinal(index)))
        }
    }

    private func links() async throws {
        let passageCount = corpus.reader.passageCount
        if let links = corpus.links {
            try await copy("links", columns: 3, total: passageCount) { index, rows in
                var scores: [PassageOrdinal: Double] = [:]
                for link in links.links(from: PassageOrdinal(index)) {
                    scores[link.target] = max(scores[link.target] ?? 0, 1 / Double(max(1, link.candidates)))
                }
                for (target, score) in scores.sorted(by: { $0.key < $1.key }) {
                    rows.beginRow()
                    rows.integer(Int32(index))
                    rows.integer(Int32(bitPattern: target))
                    rows.number(score)
                }
            }
            let seen = SeenTitles()
            try await copy("mentioners", columns: 2, total: passageCount) { index, rows in
                guard let title = links.titleNumber(of: PassageOrdinal(index)), seen.insert(title) else { return }
                for passage in links.passages(naming: PassageOrdinal(index)) {
                    rows.beginRow()
                    rows.integer(Int32(title))
                    rows.integer(Int32(bitPattern: passage))
                }
            }
        }
        if let names = corpus.names {
            // Names of more than 200 passages lead nowhere.
            try await copy("names", columns: 3, total: passageCount) { index, rows in
                for mention in names.names(in: PassageOrdinal(index)) where mention.passageCount <= 200 {
                    rows.beginRow()
                    rows.integer(Int32(mention.name))
                    rows.integer(Int32(index))
                    rows.number(1 / Double(mention.passageCount))
                }
            }
        }
    }

    private func indexes() async throws {
        loader.onProgress(.init(stage: "indexes", done: 0, total: 1))
        let hour = Duration.seconds(24 * 3600)
        try await connection.script("SET LOCAL maintenance_work_mem = '512MB'")
        var sql = """
            ALTER TABLE \(table("documents")) ADD PRIMARY KEY (ordinal);
            CREATE UNIQUE INDEX ON \(table("documents")) (id);
            ALTER TABLE \(table("passages")) ADD PRIMARY KEY (ordinal);
            ALTER TABLE \(table("postings")) ADD PRIMARY KEY (term);
            CREATE INDEX ON \(table("links")) (source);
            CREATE INDEX ON \(table("mentioners")) (title);
            CREATE INDEX ON \(table("names")) (passage);
            CREATE INDEX ON \(table("names")) (name);
            """
        // What people filter by, as far as an index takes its values.
        for field in record.fields.prefix(32) where [.number, .date].contains(field.field.type) {
            sql += "CREATE INDEX ON \(table("documents")) (\(CorpusSchema.quoted(field.column)));\n"
        }
        // Texts may be longer than a tree's entries; they are asked for by equality.
        for field in record.fields.prefix(32) where field.field.type == .text {
            sql += "CREATE INDEX ON \(table("documents")) USING hash (\(CorpusSchema.quoted(field.column)));\n"
        }
        if record.encoder != nil {
            sql += "ALTER TABLE \(table("vectors")) ADD PRIMARY KEY (ordinal);\n"
            if record.hasGraph {
                sql += """
                    CREATE INDEX ON \(table("vectors")) USING hnsw (embedding vector_ip_ops)
                        WITH (m = \(loader.graphLinks), ef_construction = \(loader.graphCandidates));

                    """
            }
        }
        try await connection.script(sql, within: hour)
        for name in CorpusSchema.tables where name != "vectors" || record.encoder != nil {
            try await connection.script("ANALYZE \(table(name))", within: hour)
        }
        loader.onProgress(.init(stage: "indexes", done: 1, total: 1))
    }
}

/// The titles whose mentions were written.
private final class SeenTitles: @unchecked Sendable {
    // Sendable: the rows of one load are made one after the other.
    private var titles: Set<Int> = []
    func insert(_ title: Int) -> Bool { titles.insert(title).inserted }
}

extension CopyRows {
    /// A metadata value in its column, and for texts the value without case and accents where that is another one.
    fileprivate mutating func metadata(_ value: MetadataValue?, _ field: GenerationRecord.Field) {
        switch (field.field.type, value) {
        case (.text, .text(let text)?):
            self.text(text)
            let folded = TextFolding.fold(text)
            if folded == text { null() } else { self.text(folded) }
        case (.textList, .list(let elements)?):
            let values = elements.map { element -> String in
                if case .text(let text) = element { return text }
                return ""
            }
            texts(values)
            let folded = values.map { TextFolding.fold($0) }
            if folded == values { null() } else { texts(folded) }
        case (.number, let value?):
            if field.isInteger {
                if let whole = value.whole { long(whole) } else { null() }
            } else if let double = value.double {
                number(double)
            } else {
                null()
            }
        case (.numberList, .list(let elements)?):
            if field.isInteger { longs(elements.compactMap(\.whole)) } else { numbers(elements.compactMap(\.double)) }
        case (.boolean, .boolean(let flag)?): boolean(flag)
        case (.date, .date(let seconds)?): moment(seconds)
        default:
            null()
            if field.hasFolded { null() }
        }
    }
}

extension MetadataValue {
    /// The number as a whole one; nil for others.
    fileprivate var whole: Int64? {
        switch self {
        case .integer(let value): return value
        case .number(let value): return Int64(exactly: value)
        default: return nil
        }
    }
}
