// SPDX-License-Identifier: Apache-2.0

import Base
public import Corpus
import Foundation
import Text

/// A corpus folder as the tools see it.
extension LocalCorpus: RetrievalCorpus {
    public var summary: CorpusSummary {
        let name = (((reader.path as NSString).lastPathComponent) as NSString).deletingPathExtension
        var modes: [RetrievalMode] = []
        if keywords != nil { modes.append(.keyword) }
        if hasSemanticSearch { modes.append(.semantic) }
        if keywords != nil { modes.append(.hybrid) }
        return CorpusSummary(
            name: name, documentCount: reader.documentCount, passageCount: reader.passageCount,
            fields: reader.columns.fields.map {
                CorpusField(name: $0.name, type: $0.type, documentCount: $0.documentCount)
            }, modes: modes)
    }

    public var schema: FilterSchema { FilterSchema(fields: reader.columns.fields) }

    @concurrent
    public func filter(_ expression: FilterExpression, among documents: OrdinalSet?) async throws -> OrdinalSet {
        try Task.checkCancellation()
        let matcher = try keywords.map { try KeywordTextMatcher(index: $0, reader: reader) }
        let filter = try DocumentFilter(reader: reader, matcher: matcher)
        guard let documents else { return try filter.documents(matching: expression).ordinals }
        let candidates = DocumentBitmap(documentCount: reader.documentCount, documents)
        return try filter.documents(among: candidates, matching: expression).ordinals
    }

    public func vectors(of ordinals: [PassageOrdinal]) async throws -> [[Float]]? {
        guard hasSemanticSearch, let vectors else { return nil }
        return try ordinals.map { try vectors.vector(at: $0) }
    }

    @concurrent
    public func nearest(
        to vector: [Float], limit: Int, within scope: CorpusScope?
    ) async throws -> [RankedPassage]? {
        guard let vectors else { return nil }
        guard vector.count == vectors.dimension else {
            throw CorpusError(
                .badArgument, "the vector has \(vector.count) numbers, the corpus's have \(vectors.dimension)")
        }
        return try semanticSearch(vector: vector, limit: limit, within: passages(in: scope))
            .map { try ranked($0.ordinal, score: Double($0.score)) }
    }

    public func lateInteraction(
        of ordinals: [PassageOrdinal], with question: String, context: String?
    ) async throws -> [Double]? {
        guard tokens != nil else { return nil }
        let ranked = try await rerank(ordinals, by: question, context: context)
        let scores = Dictionary(ranked.map { ($0.ordinal, Double($0.score)) }) { first, _ in first }
        return ordinals.map { scores[$0] ?? -.infinity }
    }

    @concurrent
    public func list(_ documents: OrdinalSet, _ request: DocumentListRequest) async throws -> TablePage {
        TablePage(try reader.list(DocumentBitmap(documentCount: reader.documentCount, documents), request))
    }

    @concurrent
    public func aggregate(_ documents: OrdinalSet, _ request: AggregateRequest) async throws -> TablePage {
        TablePage(
            try Aggregator(reader: reader).aggregate(
                DocumentBitmap(documentCount: reader.documentCount, documents), request))
    }

    @concurrent
    public func search(
        _ mode: RetrievalMode, query: String, limit: Int, within scope: CorpusScope?
    ) async throws -> [RankedPassage] {
        try Task.checkCancellation()
        let passages = try passages(in: scope)
        let found: [ScoredPassage]
        switch mode {
        case .keyword: found = try keywordSearch(KeywordQuery(query), limit: limit, within: passages)
        case .semantic: found = try await semanticSearch(query, limit: limit, within: passages)
        case .hybrid: found = try await hybridSearch(query, limit: limit, within: passages)
        }
        return try found.map { try ranked($0.ordinal, score: Double($0.score)) }
    }

    /// Queries are encoded together, share the scan of the vectors, and take all cores.
    @concurrent
    public func search(
        _ mode: RetrievalMode, queries: [String], limit: Int, within scope: CorpusScope?
    ) async throws -> [[RankedPassage]] {
        try Task.checkCancellation()
        let passages = try passages(in: scope)
        let found: [[ScoredPassage]]
        switch mode {
        case .keyword: found = try keywordSearch(queries.map { KeywordQuery($0) }, limit: limit, within: passages)
        case .semantic: found = try await semanticSearch(queries, limit: limit, within: passages)
        case .hybrid: found = try await hybridSearch(queries, limit: limit, within: passages)
        }
        return try found.map { list in try list.map { try ranked($0.ordinal, score: Double($0.score)) } }
    }

    private func passages(in scope: CorpusScope?) throws -> OrdinalSet? {
        switch scope {
        case nil: return nil
        case .passages(let set): return set
        case .documents(let set): return try reader.passages(of: set)
        }
    }

    public func passages(at ordinals: [PassageOrdinal]) async throws -> [Passage] {
        try reader.passages(at: ordinals)
    }

    public func passages(withID id: String) async throws -> [Passage] {
        // A document of one passage has its passage's id.
        if let document = try reader.documentOrdinal(id: id) {
            return try reader.passages(at: reader.passageRange(of: document))
        }
        return try reader.passage(id: id).map { [$0] } ?? []
    }

    public func documents(at ordinals: [DocumentOrdinal]) async throws -> [CorpusDocument] {
        try ordinals.map { ordinal in
            CorpusDocument(
                id: try reader.documentID(of: ordinal), ordinal: ordinal, title: try reader.title(of: ordinal),
                metadata: try reader.columns.metadata(of: ordinal), passages: try reader.passageRange(of: ordinal))
        }
    }

    /// Links of the passage's text to titles that it names, each once; a name that several documents have counts less.
    public func linkedPassages(from ordinal: PassageOrdinal, limit: Int) async throws -> [RankedPassage] {
        guard let links else { return [] }
        var scores: [PassageOrdinal: Double] = [:]
        for link in links.links(from: ordinal) {
            scores[link.target] = max(scores[link.target] ?? 0, 1 / Double(max(1, link.candidates)))
        }
        return try best(scores, limit)
    }

    /// Those whose own title is named by few come first: a list of hundreds says little about each.
    public func passagesNaming(_ ordinal: PassageOrdinal, limit: Int) async throws -> [RankedPassage] {
        guard let links else { return [] }
        let found = links.passages(naming: ordinal).prefix(max(0, limit))
        return try found.map { try ranked($0, score: 1 / Double(found.count)) }
    }

    /// Each shared name counts by one over how many passages mention it; names of more than 200 passages lead nowhere.
    public func passagesSharingNames(with ordinal: PassageOrdinal, limit: Int) async throws -> [RankedPassage] {
        guard let names else { return [] }
        var scores: [PassageOrdinal: Double] = [:]
        for mention in names.names(in: ordinal) where mention.passageCount <= 200 {
            for other in names.passages(naming: mention.name) where other != ordinal {
                scores[other, default: 0] += 1 / Double(mention.passageCount)
            }
        }
        return try best(scores, limit)
    }

    private func best(_ scores: [PassageOrdinal: Double], _ limit: Int) throws -> [RankedPassage] {
        try scores.sorted { $0.value != $1.value ? $0.value > $1.value : $0.key < $1.key }.prefix(max(0, limit))
            .map { try ranked($0.key, score: $0.value) }
    }

    private func ranked(_ ordinal: PassageOrdinal, score: Double) throws -> RankedPassage {
        RankedPassage(
            id: try reader.passageID(of: ordinal), ordinal: ordinal,
            documentOrdinal: reader.documentOrdinal(of: ordinal), score: score)
    }
}

extension TablePage {
    fileprivate init(_ result: AggregateResult) {
        self.init(
            table: ResultTable(columns: result.columns, rows: result.rows.map { $0.map { $0?.json ?? .null } }),
            matched: result.matched, rowCount: result.rowCount, offset: result.offset)
    }
}
