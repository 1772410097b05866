// SPDX-License-Identifier: Apache-2.0

import Corpus
import OrderedCollections
import Search
import Tools

/// Keeps the passages that the calls so far agree on: reciprocal rank fusion over all result lists.
public struct FusionKeeper: EvidenceKeeper {
    public var name: String { "fusion" }
    /// How many passages the evidence holds at most. Default 10.
    public var limit: Int
    /// The constant of reciprocal rank fusion. Default 60.
    public var rankConstant: Double
    /// The weight of a passage's rank against its likeness to those picked before it (maximal marginal relevance); 1 leaves
    /// likeness out. Default 1. Needs stored vectors.
    public var relevance: Double
    /// Whether the best passages stand at both ends of the evidence, where models read best. Default false.
    public var bothEnds: Bool

    public init(limit: Int = 10, rankConstant: Double = 60, relevance: Double = 1, bothEnds: Bool = false) {
        self.limit = limit
        self.rankConstant = rankConstant
        self.relevance = relevance
        self.bothEnds = bothEnds
    }

    public func keep(after calls: [String], in state: AgentState, using context: StepContext) async throws -> Keeping {
        var scores = Self.places(state, rankConstant: rankConstant)
        // What was read by name stands in no ranked list; somebody wanted it, so it counts as a first place.
        for (id, found) in state.retrieved where scores[id] == nil {
            scores[id] = 1 / (rankConstant + Double(found.rank + 1))
        }
        let ranked = scores.sorted { ($0.value, $1.key) > ($1.value, $0.key) }
            .prefix(relevance < 1 ? 5 * limit : limit)
        var found = ranked.compactMap { id, score in state.retrieved[id].map { (passage: $0, score: score) } }
        if relevance < 1, let vectors = try await context.corpus.vectors(of: found.map(\.passage.passage.ordinal)) {
            // Places in the ranking stand for the passages.
            let places = found.indices.map {
                Search.ScoredPassage(ordinal: UInt32($0), score: Float(found[$0].score))
            }
            let picked = Fusion.marginalRelevance(places, lambda: relevance, limit: limit) {
                Similarity.cosine(vectors[Int($0)], vectors[Int($1)])
            }
            found = picked.map { found[Int($0.ordinal)] }
        }
        if bothEnds { found = Fusion.bestAtBothEnds(Array(found.prefix(limit))) }
        let kept = found.prefix(limit).map { $0.passage.evidence(score: $0.score) }
        let ids = Set(kept.map(\.passageID))
        return Keeping(kept: kept, dropped: state.evidence.items.map(\.passageID).filter { !ids.contains($0) })
    }

    /// The reciprocal ranks of what was retrieved, summed over all lists.
    static func places(_ state: AgentState, rankConstant: Double = 60) -> [String: Double] {
        var scores: [String: Double] = [:]
        for set in state.resultSets.values {
            guard case .passages(let passages) = set.content else { continue }
            for (rank, passage) in passages.enumerated() where state.retrieved[passage.id] != nil {
                scores[passage.id, default: 0] += 1 / (rankConstant + Double(rank + 1))
            }
        }
        return scores
    }
}
