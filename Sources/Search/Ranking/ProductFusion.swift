// SPDX-License-Identifier: Apache-2.0

/// The product of the scores: cosine times BM25 (LaPraDoR, Xu et al., 2022, arXiv 2203.06169). Scores are taken as they
/// are, negative ones as 0. What a ranking lacks counts as the lowest score in it, which is the most that it can have; the
/// paper's own product, which gives 0 to all that the keyword search lacks, is not indifferent to which list is which.
public struct ProductFusion: RankFusion {
    public var name: String { "product" }

    public init() {}

    public func scores<ID: Hashable & Comparable & Sendable>(_ rankings: [Ranking<ID>]) -> [ID: Double] {
        var scores: [ID: Double] = [:]
        for id in rankings.flatMap(\.ids) { scores[id] = 1 }
        for ranking in rankings where !ranking.ids.isEmpty && ranking.weight > 0 {
            let lowest = max(0, ranking.scores.min() ?? 0)
            let own = Dictionary(zip(ranking.ids, ranking.scores)) { first, _ in first }
            for id in scores.keys { scores[id, default: 0] *= max(0, own[id] ?? lowest) }
        }
        return scores
    }

    /// A factor that changes nothing.
    public func score(ofPlace place: Int) -> Double { 1 }
}
