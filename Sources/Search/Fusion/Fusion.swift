// SPDX-License-Identifier: Apache-2.0

import Base
public import Corpus

/// Ways to make one ranking out of several. Each is a pure function, so that a policy can name and compose them.
public enum Fusion {
    /// Reciprocal rank fusion: the sum over the rankings of weight / (k + rank), ranks from 1 (Cormack et al., SIGIR 2009).
    /// - Parameters:
    ///   - k: how much the first ranks stand out. Default 60.
    ///   - weights: one for each ranking; nil for 1 each.
    public static func reciprocalRank(
        _ rankings: [[ScoredPassage]], k: Double = 60, weights: [Double]? = nil, limit: Int = .max
    ) -> [ScoredPassage] {
        var scores: [PassageOrdinal: Double] = [:]
        for (number, ranking) in rankings.enumerated() {
            let weight = weights.map { number < $0.count ? $0[number] : 1 } ?? 1
            for (rank, passage) in ranking.enumerated() {
                scores[passage.ordinal, default: 0] += weight / (k + Double(rank + 1))
            }
        }
        return ranked(scores, limit)
    }

    /// How the scores of a ranking are made comparable before they are added.
    public enum Normalization: String, Sendable, Hashable, CaseIterable {
        case none
        /// Onto 0…1 within the ranking.
        case minMax
        /// To mean 0 and deviation 1 within the ranking.
        case zScore
    }

    /// Weighted interpolation: the sum of weight × normalised score. A passage that a ranking lacks gets the ranking's
    /// lowest normalised score.
    public static func interpolation(
        _ rankings: [[ScoredPassage]], weights: [Double], normalization: Normalization = .minMax, limit: Int = .max
    ) -> [ScoredPassage] {
        var scores: [PassageOrdinal: Double] = [:]
        var floors = 0.0
        for (number, ranking) in rankings.enumerated() where !ranking.isEmpty {
            let weight = number < weights.count ? weights[number] : 1
            let normalised = normalised(ranking.map { Double($0.score) }, normalization)
            let floor = normalised.min() ?? 0
            floors += weight * floor
            for (passage, score) in zip(ranking, normalised) {
                scores[passage.ordinal, default: 0] += weight * (score - floor)
            }
        }
        return ranked(scores.mapValues { $0 + floors }, limit)
    }

    /// The scores of one ranking, made comparable with another's. Equal scores become 1 with `minMax` and 0 with `zScore`.
    public static func normalised(_ scores: [Double], _ normalization: Normalization) -> [Double] {
        switch normalization {
        case .none: return scores
        case .minMax:
            guard let low = scores.min(), let high = scores.max(), high > low else { return scores.map { _ in 1 } }
            return scores.map { ($0 - low) / (high - low) }
        case .zScore:
            let mean = scores.reduce(0, +) / Double(scores.count)
            let variance = scores.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(scores.count)
            guard variance > 0 else { return scores.map { _ in 0 } }
            return scores.map { ($0 - mean) / variance.squareRoot() }
        }
    }

    /// Maximal marginal relevance: picks one by one the passage with the largest
    /// λ · score − (1 − λ) · largest similarity to those picked (Carbonell and Goldstein, SIGIR 1998).
    /// - Parameter similarity: of two passages; 0…1 fits min-max normalised scores.
    public static func marginalRelevance(
        _ ranking: [ScoredPassage], lambda: Double = 0.7, limit: Int,
        similarity: (PassageOrdinal, PassageOrdinal) throws -> Double
    ) rethrows -> [ScoredPassage] {
        let relevance = normalised(ranking.map { Double($0.score) }, .minMax)
        var nearest = [Double](repeating: 0, count: ranking.count)
        var left = Array(ranking.indices)
        var picked: [ScoredPassage] = []
        while picked.count < limit, !left.isEmpty {
            var best = 0
            var bestValue = -Double.infinity
            for (place, index) in left.enumerated() {
                let value = lambda * relevance[index] - (1 - lambda) * nearest[index]
                if value > bestValue { (best, bestValue) = (place, value) }
            }
            let index = left.remove(at: best)
            picked.append(ScoredPassage(ordinal: ranking[index].ordinal, score: Float(bestValue)))
            for other in left {
                nearest[other] = max(nearest[other], try similarity(ranking[index].ordinal, ranking[other].ordinal))
            }
        }
        return picked
    }

    /// Best at both ends: 1, 3, 5 … 6, 4, 2. Models read the ends of a long context best (Jin et al., ICLR 2025).
    public static func bestAtBothEnds<Element>(_ ranking: [Element]) -> [Element] {
        let odd = stride(from: 0, to: ranking.count, by: 2).map { ranking[$0] }
        let even = stride(from: 1, to: ranking.count, by: 2).map { ranking[$0] }
        return odd + even.reversed()
    }

    private static func ranked(_ scores: [PassageOrdinal: Double], _ limit: Int) -> [ScoredPassage] {
        let ranked = scores.sorted { $0.value != $1.value ? $0.value > $1.value : $0.key < $1.key }
        return ranked.prefix(limit).map { ScoredPassage(ordinal: $0.key, score: Float($0.value)) }
    }
}
