// SPDX-License-Identifier: Apache-2.0

import Corpus
import OrderedCollections
public import Search
import Tools

/// Keeps the passages that the calls so far agree on: a fusion of all result lists.
public struct FusionKeeper: EvidenceKeeper {
    public var name: String { "fusion" }
    /// How many passages the evidence holds at most. Default 10.
    public var limit: Int
    /// How the lists become one. Default: reciprocal rank.
    public var fusion: any RankFusion
    /// Who orders the best 50 of the fused list anew; nil for nobody.
    public var reranker: (any Reranker)?
    /// The weight of a passage's rank against its likeness to those picked before it (maximal marginal relevance); 1 leaves
    /// likeness out. Default 1. Needs stored vectors.
    public var relevance: Double
    /// Whether the best passages stand at both ends of the evidence, where models read best. Default false.
    public var bothEnds: Bool

    public init(
        limit: Int = 10, fusion: any RankFusion = ReciprocalRank(), reranker: (any Reranker)? = nil,
        relevance: Double = 1, bothEnds: Bool = false
    ) {
        self.limit = limit
        self.fusion = fusion
        self.reranker = reranker
        self.relevance = relevance
        self.bothEnds = bothEnds
    }

    public func keep(after calls: [String], in state: AgentState, using context: StepContext) async throws -> Keeping {
        var scores = fusion.scores(state.rankings).filter { state.retrieved[$0.key] != nil }
        // What was read by name stands in no ranked list; somebody wanted it, so it counts as a first place.
        for (id, found) in state.retrieved where scores[id] == nil { scores[id] = fusion.score(ofPlace: found.rank) }
        let ranked = scores.sorted { ($0.value, $1.key) > ($1.value, $0.key) }
            .prefix(reranker != nil ? max(50, limit) : relevance < 1 ? 5 * limit : limit)
        var found = ranked.compactMap { id, score in state.retrieved[id].map { (passage: $0, score: score) } }
        if let reranker {
            let scores = try await reranker.scores(
                query: state.question.text,
                passages: found.map { (title: $0.passage.passage.title, text: $0.passage.passage.text) })
            found = reranker.mixture.order(scores).map { (found[$0].passage, Double(scores[$0])) }
        }
        if relevance < 1, let vectors = try await context.corpus.vectors(of: found.map(\.passage.passage.ordinal)) {
            // Places in the ranking stand for the passages.
            let places = found.indices.map { ScoredPassage(ordinal: UInt32($0), score: Float(found[$0].score)) }
            let picked = Diversity.marginalRelevance(places, lambda: relevance, limit: limit) {
                Similarity.cosine(vectors[Int($0)], vectors[Int($1)])
            }
            found = picked.map { found[Int($0.ordinal)] }
        }
        if bothEnds { found = Diversity.bestAtBothEnds(Array(found.prefix(limit))) }
        let kept = found.prefix(limit).enumerated().map { place, entry in
            var item = entry.passage.evidence(score: entry.score)
            if bothEnds { item.place = place }
            return item
        }
        let ids = Set(kept.map(\.passageID))
        return Keeping(kept: kept, dropped: state.evidence.items.map(\.passageID).filter { !ids.contains($0) })
    }
}

extension AgentState {
    /// The ranked lists that calls returned so far, in their order.
    var rankings: [Ranking<String>] {
        resultSets.values.compactMap { set in
            guard case .passages(let passages) = set.content else { return nil }
            return Ranking(passages.map(\.id), scores: passages.map(\.score))
        }
    }
}
