// SPDX-License-Identifier: Apache-2.0

public import Base
public import Corpus
import OrderedCollections
import Text

/// One search over any corpus, as `forage search` and `/retrieve` let it be asked for: which index, how two lists become one,
/// what feedback adds, who reorders. Without the last three it is what the corpus's own search gives.
public struct RankedSearch: Sendable {
    /// By words, by meaning, or both.
    public var mode: RetrievalMode
    /// How the lists become one; nil for the corpus's own way, which is reciprocal rank.
    public var fusion: (any RankFusion)?
    /// What makes a second query of what the first found; the two results are fused.
    public var feedback: (any RelevanceFeedback)?
    /// Who orders the best passages anew; its scores are those of the result.
    public var reranker: (any Reranker)?
    /// Whether late interaction orders the best passages anew; the corpus needs token vectors.
    public var isLate: Bool
    /// How many passages of each list are fused. Default 100.
    public var depth = 100
    /// How many passages a reranker reads. Default 50.
    public var rerankDepth = 50
    /// How many passages feedback takes for relevant, and how many words it adds. Default 3 and 10.
    public var relevant = (passages: 3, words: 10)

    public init(
        _ mode: RetrievalMode = .hybrid, fusion: (any RankFusion)? = nil, feedback: (any RelevanceFeedback)? = nil,
        reranker: (any Reranker)? = nil, isLate: Bool = false
    ) {
        self.mode = mode
        self.fusion = fusion
        self.feedback = feedback
        self.reranker = reranker
        self.isLate = isLate
    }

    /// Whether it is more than the corpus's own search.
    public var isPlain: Bool { fusion == nil && feedback == nil && reranker == nil && !isLate }

    /// The best passages of each query.
    /// - Throws: `CorpusError` where the corpus lacks what a part needs; the corpus's and the reranker's errors.
    @concurrent
    public func search(
        _ queries: [String], in corpus: any RetrievalCorpus, limit: Int, within scope: CorpusScope? = nil
    ) async throws -> [[RankedPassage]] {
        if isPlain {
            guard queries.count == 1 else {
                return try await corpus.search(mode, queries: queries, limit: limit, within: scope)
            }
            return [try await corpus.search(mode, query: queries[0], limit: limit, within: scope)]
        }
        let wanted = isLate ? max(depth, limit) : reranker != nil ? max(rerankDepth, limit) : limit
        var lists = try await first(queries, corpus, limit: wanted, scope)
        for index in queries.indices {
            try Task.checkCancellation()
            if let feedback {
                lists[index] = try await refined(lists[index], by: feedback, queries[index], corpus, wanted, scope)
            }
            if isLate || reranker != nil { lists[index] = try await reordered(lists[index], queries[index], corpus) }
            lists[index] = Array(lists[index].prefix(max(0, limit)))
        }
        return lists
    }

    private func first(
        _ queries: [String], _ corpus: any RetrievalCorpus, limit: Int, _ scope: CorpusScope?
    ) async throws -> [[RankedPassage]] {
        guard mode == .hybrid, let fusion, corpus.summary.modes.contains(.semantic) else {
            return try await corpus.search(mode, queries: queries, limit: limit, within: scope)
        }
        let each = max(depth, limit)
        let words = try await corpus.search(.keyword, queries: queries, limit: each, within: scope)
        let meaning = try await corpus.search(.semantic, queries: queries, limit: each, within: scope)
        return zip(words, meaning).map { Self.fused([$0, $1], by: fusion, limit: limit) }
    }

    private func refined(
        _ found: [RankedPassage], by feedback: any RelevanceFeedback, _ query: String, _ corpus: any RetrievalCorpus,
        _ limit: Int, _ scope: CorpusScope?
    ) async throws -> [RankedPassage] {
        guard !found.isEmpty else { return found }
        let passages = try await corpus.passages(at: found.map(\.ordinal))
        let texts = passages.map { $0.title.isEmpty ? $0.text : $0.title + ". " + $0.text }
        let relevant = zip(texts, found).prefix(relevant.passages).map { (text: $0, score: $1.score) }
        let text = FeedbackText(
            query: query, relevant: relevant, found: texts, foundCount: texts.count, analyzer: try TextAnalyzer())
        let second: [RankedPassage]
        if let words = feedback.words(text, limit: self.relevant.words) {
            guard !words.isEmpty else { return found }
            let longer = query + " " + words.prefix(self.relevant.words).joined(separator: " ")
            second = try await first([longer], corpus, limit: limit, scope).first ?? []
        } else {
            guard let asked = try await corpus.searchVectors(of: [query])?.first,
                let vectors = try await corpus.vectors(of: found.prefix(relevant.count).map(\.ordinal)),
                let moved = feedback.vector(query: asked, passages: vectors)
            else { throw CorpusError(.badArgument, "\(feedback.name) needs vectors, which this corpus has not") }
            // The moved vector searches the corpus anew: what the first search did not find is what it is for.
            guard let near = try await corpus.nearest(to: moved, limit: limit, within: scope) else {
                throw CorpusError(.badArgument, "\(feedback.name) needs vectors, which this corpus has not")
            }
            second = near
        }
        return Self.fused([found, second], by: fusion ?? ReciprocalRank(), limit: limit)
    }

    private func reordered(
        _ found: [RankedPassage], _ query: String, _ corpus: any RetrievalCorpus
    ) async throws -> [RankedPassage] {
        let scores: [Double]
        let order: [Int]
        if let reranker {
            let passages = try await corpus.passages(at: found.map(\.ordinal))
            let given = try await reranker.scores(
                query: query, passages: passages.map { (title: $0.title, text: $0.text) })
            scores = given.map(Double.init)
            order = reranker.mixture.order(given)
        } else {
            guard
                let given = try await corpus.lateInteraction(of: found.map(\.ordinal), with: query, context: nil)
            else {
                throw CorpusError(
                    .badArgument,
                    "the corpus has no token vectors: run `forage index` on it with --late-interaction")
            }
            scores = given
            order = given.indices.sorted {
                given[$0] != given[$1] ? given[$0] > given[$1] : found[$0].ordinal < found[$1].ordinal
            }
        }
        return order.map { index in
            var hit = found[index]
            hit.score = scores[index]
            return hit
        }
    }

    private static func fused(
        _ lists: [[RankedPassage]], by fusion: any RankFusion, limit: Int
    ) -> [RankedPassage] {
        var hits: [PassageOrdinal: RankedPassage] = [:]
        for hit in lists.joined() where hits[hit.ordinal] == nil { hits[hit.ordinal] = hit }
        let rankings = lists.map { Ranking($0.map(\.ordinal), scores: $0.map(\.score)) }
        return fusion.fuse(rankings, limit: limit).compactMap { id, score in
            guard var hit = hits[id] else { return nil }
            hit.score = score
            return hit
        }
    }
}

extension RankedSearch {
    /// Reads what a request or a command names.
    /// - Parameter fusion, feedback: a name, or an object of one name and its options; null and nil for none.
    /// - Throws: `RankingError`; what opening the reranker throws.
    public init(
        _ mode: RetrievalMode, fusion: JSONValue?, feedback: JSONValue?, reranker: String?,
        from registry: RankingRegistry
    ) throws {
        self.init(mode)
        if let fusion, !fusion.isNull { self.fusion = try registry.fusion(fusion) }
        if let feedback, !feedback.isNull { self.feedback = try registry.feedback(feedback) }
        if let reranker { self.reranker = try registry.reranker(reranker) }
    }
}
