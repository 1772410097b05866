// SPDX-License-Identifier: Apache-2.0

import CorpusStore
import OrderedCollections
import RetrievalTools

/// Keeps the passages that the calls so far agree on: reciprocal rank fusion over all result lists.
public struct FusionKeeper: EvidenceKeeper {
    public var name: String { "fusion" }
    /// How many passages the evidence holds at most. Default 10.
    public var limit: Int
    /// The constant of reciprocal rank fusion. Default 60.
    public var rankConstant: Double

    public init(limit: Int = 10, rankConstant: Double = 60) {
        self.limit = limit
        self.rankConstant = rankConstant
    }

    public func keep(after calls: [String], in state: AgentState, using context: StepContext) async throws -> Keeping {
        var scores: [String: Double] = [:]
        for set in state.resultSets.values {
            guard case .passages(let passages) = set.content else { continue }
            for (rank, passage) in passages.enumerated() where state.retrieved[passage.id] != nil {
                scores[passage.id, default: 0] += 1 / (rankConstant + Double(rank + 1))
            }
        }
        // What was read by name stands in no ranked list; somebody wanted it, so it counts as a first place.
        for (id, found) in state.retrieved where scores[id] == nil {
            scores[id] = 1 / (rankConstant + Double(found.rank + 1))
        }
        let ranked = scores.sorted { ($0.value, $1.key) > ($1.value, $0.key) }.prefix(limit)
        let kept = ranked.compactMap { id, score in state.retrieved[id]?.evidence(score: score) }
        let ids = Set(kept.map(\.passageID))
        return Keeping(kept: kept, dropped: state.evidence.items.map(\.passageID).filter { !ids.contains($0) })
    }
}
