// SPDX-License-Identifier: Apache-2.0

/// A corpus without some of its documents, to see what an agent does when its evidence is missing: no search, link, filter or
/// aggregate shows them, and they cannot be read. Counts in the summary stay those of the whole.
public struct WithheldCorpus: RetrievalCorpus {
    private let base: any RetrievalCorpus
    private let documents: OrdinalSet
    private let passages: Set<PassageOrdinal>

    /// - Parameter ids: Ids of documents, or of passages, whose documents are left out whole; unknown ones leave out nothing.
    /// - Throws: What reading the corpus throws.
    public init(_ base: any RetrievalCorpus, without ids: [String]) async throws {
        self.base = base
        var hidden: Set<DocumentOrdinal> = []
        for id in ids {
            for passage in try await base.passages(withID: id) { hidden.insert(passage.documentOrdinal) }
        }
        documents = OrdinalSet(hidden)
        passages = Set(try await base.documents(at: documents.ordinals).flatMap(\.passages))
    }

    public var fingerprint: String { base.fingerprint + "-\(documents.ordinals)" }
    public var summary: CorpusSummary { base.summary }
    public var schema: FilterSchema { base.schema }
    public var embedding: (@Sendable ([String]) async throws -> [[Float]])? { base.embedding }

    private func left(_ found: [RankedPassage], _ limit: Int) -> [RankedPassage] {
        Array(found.lazy.filter { !passages.contains($0.ordinal) }.prefix(limit))
    }

    public func search(
        _ mode: RetrievalMode, query: String, limit: Int, within scope: CorpusScope?
    ) async throws -> [RankedPassage] {
        left(try await base.search(mode, query: query, limit: limit + passages.count, within: scope), limit)
    }

    public func search(
        _ mode: RetrievalMode, queries: [String], limit: Int, within scope: CorpusScope?
    ) async throws -> [[RankedPassage]] {
        try await base.search(mode, queries: queries, limit: limit + passages.count, within: scope).map {
            left($0, limit)
        }
    }

    public func passages(at ordinals: [PassageOrdinal]) async throws -> [Passage] {
        try await base.passages(at: ordinals)
    }

    public func passages(withID id: String) async throws -> [Passage] {
        try await base.passages(withID: id).filter { !passages.contains($0.ordinal) }
    }

    public func documents(at ordinals: [DocumentOrdinal]) async throws -> [CorpusDocument] {
        try await base.documents(at: ordinals)
    }

    public func filter(_ expression: FilterExpression, among some: OrdinalSet?) async throws -> OrdinalSet {
        try await base.filter(expression, among: some).subtracting(documents)
    }

    public func list(_ some: OrdinalSet, _ request: DocumentListRequest) async throws -> TablePage {
        try await base.list(some.subtracting(documents), request)
    }

    public func aggregate(_ some: OrdinalSet, _ request: AggregateRequest) async throws -> TablePage {
        try await base.aggregate(some.subtracting(documents), request)
    }

    public func linkedPassages(from ordinal: PassageOrdinal, limit: Int) async throws -> [RankedPassage] {
        left(try await base.linkedPassages(from: ordinal, limit: limit + passages.count), limit)
    }

    public func passagesNaming(_ ordinal: PassageOrdinal, limit: Int) async throws -> [RankedPassage] {
        left(try await base.passagesNaming(ordinal, limit: limit + passages.count), limit)
    }

    public func passagesSharingNames(with ordinal: PassageOrdinal, limit: Int) async throws -> [RankedPassage] {
        left(try await base.passagesSharingNames(with: ordinal, limit: limit + passages.count), limit)
    }

    public func vectors(of ordinals: [PassageOrdinal]) async throws -> [[Float]]? {
        try await base.vectors(of: ordinals)
    }

    public func searchVectors(of texts: [String]) async throws -> [[Float]]? {
        try await base.searchVectors(of: texts)
    }

    public func nearest(
        to vector: [Float], limit: Int, within scope: CorpusScope?
    ) async throws -> [RankedPassage]? {
        try await base.nearest(to: vector, limit: limit + passages.count, within: scope).map { left($0, limit) }
    }

    public func lateInteraction(
        of ordinals: [PassageOrdinal], with question: String, context: String?
    ) async throws -> [Double]? {
        try await base.lateInteraction(of: ordinals, with: question, context: context)
    }
}
