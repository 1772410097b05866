// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus

/// A list of results, best first, that is fused with others.
public struct Ranking<ID: Hashable & Comparable & Sendable>: Sendable {
    /// What was found, best first.
    public var ids: [ID]
    /// The score of each; higher is better.
    public var scores: [Double]
    /// How much the list counts.
    public var weight: Double

    public init(_ ids: [ID], scores: [Double], weight: Double = 1) {
        self.ids = ids
        self.scores = scores
        self.weight = weight
    }
}

/// A way to make one ranking of several.
///
/// Contract: a pure function of the rankings, indifferent to their order and to which type of id they have; every id of
/// every ranking gets a finite score as long as the rankings' scores are finite.
public protocol RankFusion: Sendable {
    /// The name in the registry.
    var name: String { get }
    /// The score of everything that stands in a ranking; higher is better.
    func scores<ID: Hashable & Comparable & Sendable>(_ rankings: [Ranking<ID>]) -> [ID: Double]
    /// What something gets that stands at this place, from 0, of one list of weight 1 without scores, and in no other.
    func score(ofPlace place: Int) -> Double
}

extension RankFusion {
    /// The best by fused score, equal scores by ascending id.
    public func fuse<ID: Hashable & Comparable & Sendable>(
        _ rankings: [Ranking<ID>], limit: Int = .max
    ) -> [(id: ID, score: Double)] {
        scores(rankings).sorted { $0.value != $1.value ? $0.value > $1.value : $0.key < $1.key }
            .prefix(max(0, limit)).map { (id: $0.key, score: $0.value) }
    }

    /// The same of the lists that an index gives.
    /// - Parameter weights: one for each ranking; nil for 1 each.
    public func fuse(
        _ rankings: [[ScoredPassage]], weights: [Double]? = nil, limit: Int = .max
    ) -> [ScoredPassage] {
        let lists = rankings.enumerated().map { number, ranking in
            Ranking(
                ranking.map(\.ordinal), scores: ranking.map { Double($0.score) },
                weight: weights.map { number < $0.count ? $0[number] : 1 } ?? 1)
        }
        return fuse(lists, limit: limit).map { ScoredPassage(ordinal: $0.id, score: Float($0.score)) }
    }
}
