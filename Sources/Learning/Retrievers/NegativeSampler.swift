// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
import Search

/// Where a question's wrong passages come from. One entry, one method: `--negatives` names them.
public struct NegativeSampler: Sendable {
    /// What a sampler needs of the encoder's own ranking.
    enum Ranking: Sendable { case none, once, refreshed }

    public let name: String
    /// Whether the other questions' passages of a batch count as wrong ones too.
    public let usesBatch: Bool
    let ranking: Ranking
    /// Whether the encoder that learns ranks anew while it learns.
    public var followsTraining: Bool { ranking == .refreshed }
    /// Whether the questions of a batch are taken from one topic.
    let isTopical: Bool
    /// Whether more passages are drawn than are learned from, and those are chosen whose margins under the teacher are spread.
    let isBalanced: Bool
    let draw: @Sendable (_ place: Place, _ count: Int, _ generator: inout SplitMix64) -> [Int]

    /// A question of a set, with what the encoder finds for it now and found before.
    struct Place: Sendable {
        var set: ReaderMaterial
        var index: Int
        var dense: DenseRanking?
        var earlier: DenseRanking?

        /// What is no wrong passage: the gold ones, and those that the question was cut from.
        var gold: Set<Int> { Set(set.items[index].gold + set.items[index].origins) }

        /// The passages that the encoder puts first, without those of `gold`.
        func nearest(_ ranking: DenseRanking?, _ count: Int) -> [(passage: Int, score: Float)] {
            ranking?.nearest(index, count: count + gold.count).filter { !gold.contains($0.passage) } ?? []
        }
    }

    private init(
        _ name: String, usesBatch: Bool = true, ranking: Ranking = .none, isTopical: Bool = false,
        isBalanced: Bool = false,
        draw: @escaping @Sendable (_ place: Place, _ count: Int, _ generator: inout SplitMix64) -> [Int]
    ) {
        self.name = name
        self.usesBatch = usesBatch
        self.ranking = ranking
        self.isTopical = isTopical
        self.isBalanced = isBalanced
        self.draw = draw
    }

    /// The samplers that can be named.
    public static let all: [NegativeSampler] = [
        inBatch, lexical, random, initial, hybrid, refreshed, teleported, positiveAware, topical,
        balanced,
    ]

    /// The sampler of a name.
    public static func named(_ name: String) -> NegativeSampler? { all.first { $0.name == name } }

    /// How deep the encoder's ranking is drawn from.
    static let depth = 20

    /// The passages of the other questions of the batch (DPR, Karpukhin et al., arXiv 2004.04906).
    static let inBatch = NegativeSampler("in-batch") { _, _, _ in [] }
    /// Passages that share the question's rarest words, or that the set itself shows beside the gold ones; and the batch.
    static let lexical = NegativeSampler("bm25") { place, count, generator in
        place.set.negatives(place.index, count: count, using: &generator)
    }
    /// Any passages of the corpus; and the batch.
    static let random = NegativeSampler("random") { place, count, generator in
        let gold = place.gold
        return (0..<count).map { _ in generator.integer(below: max(1, place.set.passages.count)) }
            .filter { !gold.contains($0) }
    }
    /// What the encoder put first before it learned anything (STAR's static hard negatives, arXiv 2104.08051).
    static let initial = NegativeSampler("star", ranking: .once) { place, count, generator in
        pick(place.nearest(place.dense, depth).map(\.passage), count, &generator)
    }
    /// What a hybrid search put first before anything was learned: the rankings by words and by the encoder, fused by
    /// reciprocal rank.
    static let hybrid = NegativeSampler("hybrid", ranking: .once) { place, count, generator in
        let gold = place.gold
        let words = place.set.lexicallyNearest(place.index, count: depth + gold.count)
        let dense = place.dense?.nearest(place.index, count: depth + gold.count).map(\.passage) ?? []
        let lists = [words, dense].map { Search.Ranking($0, scores: $0.map { _ in 0 }) }
        let fused = ReciprocalRank().fuse(lists, limit: depth + gold.count).map(\.id)
        return pick(Array(fused.filter { !gold.contains($0) }.prefix(depth)), count, &generator)
    }
    /// What the encoder puts first now: the index is made anew every so many steps (ANCE, arXiv 2007.00808).
    static let refreshed = NegativeSampler("ance", ranking: .refreshed) { place, count, generator in
        pick(place.nearest(place.dense, depth).map(\.passage), count, &generator)
    }
    /// What the encoder puts first now, what it put first before, and what lies beside the gold passage: so that what was
    /// learned from earlier negatives is not forgotten (ANCE-Tele, arXiv 2210.17167).
    static let teleported = NegativeSampler("teleport", ranking: .refreshed) { place, count, generator in
        let gold = place.gold
        var pool = place.nearest(place.dense, depth / 2).map(\.passage)
        pool += place.nearest(place.earlier, depth / 2).map(\.passage)
        if let first = place.set.items[place.index].gold.first {
            pool += place.dense?.neighbours(of: first, count: depth / 2).filter { !gold.contains($0) } ?? []
        }
        var seen = Set<Int>()
        return pick(pool.filter { seen.insert($0).inserted }, count, &generator)
    }
    /// What the encoder put first, unless it scores higher than 95 % of the gold passage's score: such a passage is likely to
    /// be right as well (NV-Retriever's TopK-PercPos, arXiv 2407.15831).
    static let positiveAware = NegativeSampler("positive-aware", ranking: .once) { place, count, generator in
        guard let gold = place.set.items[place.index].gold.first,
            let own = place.dense?.score(place.index, of: gold)
        else { return [] }
        let wrong = place.nearest(place.dense, 3 * depth).filter { $0.score <= 0.95 * own }
        return pick(wrong.prefix(depth).map(\.passage), count, &generator)
    }
    /// Questions of one topic make a batch, so that its other passages are hard to tell apart (TAS, Hofstätter et al., arXiv
    /// 2104.06967).
    static let topical = NegativeSampler("topic", ranking: .once, isTopical: true) { _, _, _ in [] }

    /// Questions of one topic, with wrong passages of all margins under the teacher alike (TAS-Balanced, the same paper): four
    /// times as many are drawn from the hybrid ranking as are learned from; see ``BalancedMargins``.
    static let balanced = NegativeSampler("balanced", ranking: .once, isTopical: true, isBalanced: true) {
        place, count, generator in
        hybrid.draw(place, 4 * count, &generator)
    }

    private static func pick(_ pool: [Int], _ count: Int, _ generator: inout SplitMix64) -> [Int] {
        var pool = pool
        generator.shuffle(&pool)
        return Array(pool.prefix(count))
    }
}
