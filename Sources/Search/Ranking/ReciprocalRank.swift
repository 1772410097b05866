// SPDX-License-Identifier: Apache-2.0

/// Reciprocal rank fusion: the sum over the rankings of weight / (k + rank), ranks from 1 (Cormack et al., SIGIR 2009). The
/// scores of the rankings do not count.
public struct ReciprocalRank: RankFusion {
    public var name: String { "reciprocal_rank" }
    /// How much the first ranks stand out: the less, the more. Default 60.
    public var k: Double

    public init(k: Double = 60) { self.k = k }

    public func scores<ID: Hashable & Comparable & Sendable>(_ rankings: [Ranking<ID>]) -> [ID: Double] {
        var scores: [ID: Double] = [:]
        for ranking in rankings {
            for (place, id) in ranking.ids.enumerated() {
                scores[id, default: 0] += ranking.weight * score(ofPlace: place)
            }
        }
        return scores
    }

    public func score(ofPlace place: Int) -> Double { 1 / (k + Double(place + 1)) }
}
