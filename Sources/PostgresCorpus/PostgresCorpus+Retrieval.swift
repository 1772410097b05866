// SPDX-License-Identifier: Apache-2.0

public import Corpus
import Encoders
import Postgres
import Search

extension PostgresCorpus: RetrievalCorpus {
    public var fingerprint: String { record.fingerprint }

    public var summary: CorpusSummary {
        var modes: [RetrievalMode] = []
        if record.hasKeywords { modes.append(.keyword) }
        if hasSemanticSearch { modes.append(.semantic) }
        if record.hasKeywords { modes.append(.hybrid) }
        return CorpusSummary(
            name: place.name, documentCount: record.documentCount, passageCount: record.passageCount,
            fields: record.fields.map {
                CorpusField(name: $0.field.name, type: $0.field.type, documentCount: $0.field.documentCount)
            }, modes: modes)
    }

    public var schema: FilterSchema { FilterSchema(fields: record.fields.map(\.field)) }

    @concurrent
    public func search(
        _ mode: RetrievalMode, query: String, limit: Int, within scope: CorpusScope?
    ) async throws -> [RankedPassage] {
        try await search(mode, queries: [query], limit: limit, within: scope).first ?? []
    }

    /// Postings, vectors and names are each read in one statement for all queries.
    @concurrent
    public func search(
        _ mode: RetrievalMode, queries: [String], limit: Int, within scope: CorpusScope?
    ) async throws -> [[RankedPassage]] {
        try Task.checkCancellation()
        guard !queries.isEmpty else { return [] }
        guard limit > 0 else { return queries.map { _ in [] } }
        let scope = try await passages(in: scope)
        let found: [[ScoredPassage]]
        switch mode {
        case .keyword: found = try await keywordSearch(queries, limit: limit, within: scope)
        case .semantic:
            found = try await semanticSearch(vectors: try await encode(queries), limit: limit, within: scope)
        case .hybrid: found = try await hybridSearch(queries, limit: limit, within: scope)
        }
        return try await ranked(found.map { $0.map { ($0.ordinal, Double($0.score)) } })
    }

    private func hybridSearch(
        _ queries: [String], limit: Int, within scope: OrdinalSet?
    ) async throws -> [[ScoredPassage]] {
        let options = LocalCorpus.HybridOptions()
        let depth = max(options.depth, limit)
        guard hasSemanticSearch else { return try await keywordSearch(queries, limit: limit, within: scope) }
        async let words = keywordSearch(queries, limit: depth, within: scope)
        let byMeaning = try await semanticSearch(vectors: try await encode(queries), limit: depth, within: scope)
        return zip(try await words, byMeaning).map {
            options.fusion.fuse([$0, $1], weights: options.weights, limit: limit)
        }
    }

    /// The passages of a scope; nil for all.
    private func passages(in scope: CorpusScope?) async throws -> OrdinalSet? {
        switch scope {
        case nil: return nil
        case .passages(let set): return set
        case .documents(let set):
            guard set.count < record.documentCount else { return nil }
            let selection = selection(set)
            let rows = try await read(
                """
                SELECT first_passage, passages FROM \(table("documents")) d WHERE \(selection.condition)
                ORDER BY first_passage
                """, selection.values)
            var ordinals: [UInt32] = []
            for row in 0..<rows.count {
                let first = try rows.integer(row, 0)
                for ordinal in first..<(first + max(0, try rows.integer(row, 1))) { ordinals.append(UInt32(ordinal)) }
            }
            return OrdinalSet(ascending: ordinals)
        }
    }

    /// Ranked passages with their ids, in one statement for all lists.
    private func ranked(_ lists: [[(ordinal: PassageOrdinal, score: Double)]]) async throws -> [[RankedPassage]] {
        let wanted = OrdinalSet(lists.flatMap { $0.map(\.ordinal) })
        guard !wanted.isEmpty else { return lists.map { _ in [] } }
        let rows = try await read(
            "SELECT ordinal, id, document FROM \(table("passages")) WHERE ordinal = ANY($1)",
            [.ordinals(wanted.ordinals)])
        var known: [PassageOrdinal: (id: String, document: DocumentOrdinal)] = [:]
        for row in 0..<rows.count {
            known[PassageOrdinal(try rows.integer(row, 0))] = (
                try rows.text(row, 1), DocumentOrdinal(try rows.integer(row, 2))
            )
        }
        return try lists.map { list in
            try list.map { ordinal, score in
                guard let passage = known[ordinal] else {
                    throw CorpusError(.damaged, "\(address): passage \(ordinal) is not there")
                }
                return RankedPassage(id: passage.id, ordinal: ordinal, documentOrdinal: passage.document, score: score)
            }
        }
    }

    // MARK: Texts

    private static let passageColumns =
        "p.id, p.ordinal, d.id, p.document, d.title, p.text, p.start, p.length, p.page, p.last_page"

    private func passages(_ rows: PostgresRows) throws -> [Passage] {
        try (0..<rows.count).map { row in
            let start = try rows.integer(row, 6)
            var pages: ClosedRange<Int>?
            if let first = try rows.optionalInteger(row, 8), let last = try rows.optionalInteger(row, 9), first <= last
            {
                pages = first...last
            }
            return Passage(
                id: try rows.text(row, 0), ordinal: PassageOrdinal(try rows.integer(row, 1)),
                documentID: try rows.text(row, 2), documentOrdinal: DocumentOrdinal(try rows.integer(row, 3)),
                title: try rows.text(row, 4), text: try rows.text(row, 5),
                range: start..<(start + max(0, try rows.integer(row, 7))), pages: pages)
        }
    }

    @concurrent
    public func passages(at ordinals: [PassageOrdinal]) async throws -> [Passage] {
        guard !ordinals.isEmpty else { return [] }
        try check(ordinals, below: record.passageCount, "passage")
        let rows = try await read(
            """
            SELECT \(Self.passageColumns) FROM unnest($1) WITH ORDINALITY AS o (ordinal, n)
            JOIN \(table("passages")) p ON p.ordinal = o.ordinal JOIN \(table("documents")) d ON d.ordinal = p.document
            ORDER BY o.n
            """, [.ordinals(ordinals)])
        guard rows.count == ordinals.count else {
            throw CorpusError(.damaged, "\(address): \(ordinals.count - rows.count) passages are not there")
        }
        return try passages(rows)
    }

    private func check(_ ordinals: [UInt32], below count: Int, _ what: String) throws {
        if let ordinal = ordinals.first(where: { Int($0) >= count }) {
            throw CorpusError(.notFound, "\(what) ordinal \(ordinal) is not below \(count)")
        }
    }

    @concurrent
    public func passages(withID id: String) async throws -> [Passage] {
        guard !id.utf8.contains(0) else { return [] }
        // A document's id names all its passages; else the number behind the last # names one.
        var (document, number) = (id, 0)
        if let mark = id.lastIndex(of: "#"), let found = Int32(id[id.index(after: mark)...]), found >= 1 {
            (document, number) = (String(id[..<mark]), Int(found))
        }
        let rows = try await read(
            """
            SELECT \(Self.passageColumns) FROM \(table("documents")) d
            JOIN \(table("passages")) p ON p.ordinal >= d.first_passage AND p.ordinal < d.first_passage + d.passages
            WHERE d.id = $1
                OR d.id = $2 AND d.passages > 1 AND p.ordinal = d.first_passage + $3 - 1
                    AND NOT EXISTS (SELECT FROM \(table("documents")) WHERE id = $1)
            ORDER BY p.ordinal
            """, [.text(id), .text(document), .integer(Int64(number))])
        return try passages(rows)
    }

    @concurrent
    public func documents(at ordinals: [DocumentOrdinal]) async throws -> [CorpusDocument] {
        guard !ordinals.isEmpty else { return [] }
        try check(ordinals, below: record.documentCount, "document")
        let fields = record.fields
        let columns = fields.map { ", " + $0.shown("d") }.joined()
        let rows = try await read(
            """
            SELECT d.id, d.ordinal, d.title, d.first_passage, d.passages\(columns)
            FROM unnest($1) WITH ORDINALITY AS o (ordinal, n)
            JOIN \(table("documents")) d ON d.ordinal = o.ordinal ORDER BY o.n
            """, [.ordinals(ordinals)])
        return try (0..<rows.count).map { row in
            var metadata: [String: MetadataValue] = [:]
            for (index, field) in fields.enumerated() {
                if let value = try field.value(rows, row, 5 + index) { metadata[field.field.name] = value }
            }
            let first = PassageOrdinal(try rows.integer(row, 3))
            return CorpusDocument(
                id: try rows.text(row, 0), ordinal: DocumentOrdinal(try rows.integer(row, 1)),
                title: try rows.text(row, 2), metadata: metadata,
                passages: first..<(first + PassageOrdinal(try rows.integer(row, 4))))
        }
    }

    // MARK: Links

    private func scored(_ rows: PostgresRows) async throws -> [RankedPassage] {
        let list = try (0..<rows.count).map { row in
            (ordinal: PassageOrdinal(try rows.integer(row, 0)), score: try rows.number(row, 1))
        }
        return try await ranked([list]).first ?? []
    }

    @concurrent
    public func linkedPassages(from ordinal: PassageOrdinal, limit: Int) async throws -> [RankedPassage] {
        guard record.hasLinks, limit > 0 else { return [] }
        return try await scored(
            try await read(
                """
                SELECT target, score FROM \(table("links")) WHERE source = $1 ORDER BY score DESC, target LIMIT $2
                """, [.integer(Int64(ordinal)), .integer(Int64(limit))]))
    }

    @concurrent
    public func passagesNaming(_ ordinal: PassageOrdinal, limit: Int) async throws -> [RankedPassage] {
        guard record.hasLinks, limit > 0 else { return [] }
        return try await scored(
            try await read(
                """
                SELECT passage, 1 / (count(*) OVER ())::float8 FROM (
                    SELECT m.passage FROM \(table("passages")) p JOIN \(table("mentioners")) m ON m.title = p.title
                    WHERE p.ordinal = $1 ORDER BY m.passage LIMIT $2) found
                ORDER BY passage
                """, [.integer(Int64(ordinal)), .integer(Int64(limit))]))
    }

    @concurrent
    public func passagesSharingNames(with ordinal: PassageOrdinal, limit: Int) async throws -> [RankedPassage] {
        guard record.hasNames, limit > 0 else { return [] }
        return try await scored(
            try await read(
                """
                SELECT b.passage, sum(b.weight) AS score FROM \(table("names")) a JOIN \(table("names")) b USING (name)
                WHERE a.passage = $1 AND b.passage <> $1 GROUP BY b.passage ORDER BY score DESC, b.passage LIMIT $2
                """, [.integer(Int64(ordinal)), .integer(Int64(limit))]))
    }

    // MARK: Vectors

    @concurrent
    public func vectors(of ordinals: [PassageOrdinal]) async throws -> [[Float]]? {
        guard hasSemanticSearch else { return nil }
        guard !ordinals.isEmpty else { return [] }
        let rows = try await read(
            """
            SELECT embedding::real[] FROM unnest($1) WITH ORDINALITY AS o (ordinal, n)
            JOIN \(table("vectors")) v ON v.ordinal = o.ordinal ORDER BY o.n
            """, [.ordinals(ordinals)])
        guard rows.count == ordinals.count else {
            throw SearchIndexError.invalidOption("a passage is not below \(record.passageCount)")
        }
        return try (0..<rows.count).map { try rows.floats($0, 0) ?? [] }
    }

    @concurrent
    public func nearest(
        to vector: [Float], limit: Int, within scope: CorpusScope?
    ) async throws -> [RankedPassage]? {
        guard record.encoder != nil else { return nil }
        let found = try await semanticSearch(vectors: [vector], limit: limit, within: try await passages(in: scope))
        return try await ranked(found.map { $0.map { ($0.ordinal, Double($0.score)) } }).first ?? []
    }

    public var embedding: (@Sendable ([String]) async throws -> [[Float]])? {
        guard let encoder else { return nil }
        return { texts in
            let matrix = try await encoder.encode(texts)
            return (0..<matrix.count).map { Array(matrix[$0]) }
        }
    }
}
