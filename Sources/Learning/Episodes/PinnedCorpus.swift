// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
import Tools

/// A corpus whose fingerprint, summary and schema are computed once: sessions ask for them at every step.
struct PinnedCorpus: RetrievalCorpus {
    let fingerprint: String
    let summary: CorpusSummary
    let schema: FilterSchema
    private let base: any RetrievalCorpus

    static func pinning(_ corpus: any RetrievalCorpus) -> any RetrievalCorpus {
        corpus is PinnedCorpus ? corpus : PinnedCorpus(corpus)
    }

    private init(_ base: any RetrievalCorpus) {
        self.base = base
        fingerprint = base.fingerprint
        summary = base.summary
        schema = base.schema
    }

    func search(
        _ mode: RetrievalMode, query: String, limit: Int, within scope: CorpusScope?
    ) async throws -> [RankedPassage] {
        try await base.search(mode, query: query, limit: limit, within: scope)
    }

    func search(
        _ mode: RetrievalMode, queries: [String], limit: Int, within scope: CorpusScope?
    ) async throws -> [[RankedPassage]] {
        try await base.search(mode, queries: queries, limit: limit, within: scope)
    }

    func passages(at ordinals: [PassageOrdinal]) async throws -> [Passage] { try await base.passages(at: ordinals) }

    func passages(withID id: String) async throws -> [Passage] { try await base.passages(withID: id) }

    func documents(at ordinals: [DocumentOrdinal]) async throws -> [CorpusDocument] {
        try await base.documents(at: ordinals)
    }

    func filter(_ expression: FilterExpression, among documents: OrdinalSet?) async throws -> OrdinalSet {
        try await base.filter(expression, among: documents)
    }

    func list(_ documents: OrdinalSet, _ request: DocumentListRequest) async throws -> TablePage {
        try await base.list(documents, request)
    }

    func aggregate(_ documents: OrdinalSet, _ request: AggregateRequest) async throws -> TablePage {
        try await base.aggregate(documents, request)
    }

    func linkedPassages(from ordinal: PassageOrdinal, limit: Int) async throws -> [RankedPassage] {
        try await base.linkedPassages(from: ordinal, limit: limit)
    }

    func passagesNaming(_ ordinal: PassageOrdinal, limit: Int) async throws -> [RankedPassage] {
        try await base.passagesNaming(ordinal, limit: limit)
    }

    func passagesSharingNames(with ordinal: PassageOrdinal, limit: Int) async throws -> [RankedPassage] {
        try await base.passagesSharingNames(with: ordinal, limit: limit)
    }

    func vectors(of ordinals: [PassageOrdinal]) async throws -> [[Float]]? { try await base.vectors(of: ordinals) }

    func nearest(to vector: [Float], limit: Int, within scope: CorpusScope?) async throws -> [RankedPassage]? {
        try await base.nearest(to: vector, limit: limit, within: scope)
    }

    func searchVectors(of texts: [String]) async throws -> [[Float]]? { try await base.searchVectors(of: texts) }

    var embedding: (@Sendable ([String]) async throws -> [[Float]])? { base.embedding }

    func lateInteraction(
        of ordinals: [PassageOrdinal], with question: String, context: String?
    ) async throws -> [Double]? {
        try await base.lateInteraction(of: ordinals, with: question, context: context)
    }
}
