// SPDX-License-Identifier: Apache-2.0

public import Corpus

/// Ways to arrange a ranking for whoever reads it as a whole.
public enum Diversity {
    /// Maximal marginal relevance: picks one by one the passage with the largest
    /// λ · score − (1 − λ) · largest similarity to those picked (Carbonell and Goldstein, SIGIR 1998).
    /// - Parameter similarity: of two passages; 0…1 fits min-max normalised scores.
    public static func marginalRelevance(
        _ ranking: [ScoredPassage], lambda: Double = 0.7, limit: Int,
        similarity: (PassageOrdinal, PassageOrdinal) throws -> Double
    ) rethrows -> [ScoredPassage] {
        let relevance = ScoreInterpolation.normalised(ranking.map { Double($0.score) }, .minMax)
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
}
