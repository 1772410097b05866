// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import TensorMath

/// Recall of gold passages over some questions, with confidence intervals.
public struct PolicyScores: Sendable, Hashable {
    /// A mean with its 95 % bootstrap interval.
    public struct Estimate: Sendable, Hashable, CustomStringConvertible {
        /// The mean.
        public var mean: Double
        /// The interval.
        public var low: Double
        public var high: Double

        public var description: String { String(format: "%.4f [%.4f, %.4f]", mean, low, high) }
    }

    /// The share of gold among the first two and the first five kept passages, question by question.
    public let recallAt2: [Double]
    public let recallAt5: [Double]

    /// Lets a policy retrieve for each question, always taking the best choice.
    public init(_ policy: LearnedPolicy, on questions: [PreparedQuestion]) {
        var at2: [Double] = []
        var at5: [Double] = []
        for question in questions {
            var generator = SplitMix64(seed: 0)
            let episode = question.run(policy, options: .ranking, using: &generator)
            at2.append(episode.recall(at: 2))
            at5.append(episode.recall(at: 5))
        }
        recallAt2 = at2
        recallAt5 = at5
    }

    /// The scores of plain hybrid retrieval: the fused keyword and vector rankings, with nothing learned.
    public init(hybridOn questions: [PreparedQuestion]) {
        var at2: [Double] = []
        var at5: [Double] = []
        for question in questions {
            var state = EvidenceState(question.pool)
            for _ in 0..<5 {
                guard let best = Oracle.hybrid.targets(state, gold: [], stopRow: nil).first else { break }
                state.keep(at: best)
            }
            let kept = state.keptPassages
            func recall(_ count: Int) -> Double {
                let gold = Set(question.question.gold)
                guard !gold.isEmpty else { return 0 }
                return Double(question.gold.intersection(kept.prefix(count)).count) / Double(gold.count)
            }
            at2.append(recall(2))
            at5.append(recall(5))
        }
        recallAt2 = at2
        recallAt5 = at5
    }

    /// The mean of some scores with a 95 % interval from 2,000 seeded bootstrap samples.
    public static func estimate(_ scores: [Double], samples: Int = 2000) -> Estimate {
        guard !scores.isEmpty else { return Estimate(mean: 0, low: 0, high: 0) }
        var generator = SplitMix64(seed: 95)
        let mean = scores.reduce(0, +) / Double(scores.count)
        var means: [Double] = []
        for _ in 0..<samples {
            var sum = 0.0
            for _ in scores { sum += scores[generator.integer(below: scores.count)] }
            means.append(sum / Double(scores.count))
        }
        means.sort()
        return Estimate(mean: mean, low: means[samples * 25 / 1000], high: means[samples * 975 / 1000 - 1])
    }

    /// The two-sided p-value of a paired sign-flip test: how often chance alone separates the scores as far.
    ///
    /// - Precondition: the two lists are of the same questions, in the same order.
    public static func pairedTest(_ a: [Double], _ b: [Double], samples: Int = 10_000) -> Double {
        precondition(a.count == b.count, "scores of other questions")
        let differences = zip(a, b).map { $0 - $1 }.filter { $0 != 0 }
        let observed = abs(differences.reduce(0, +))
        var generator = SplitMix64(seed: 7)
        var extreme = 1
        for _ in 0..<samples {
            var sum = 0.0
            for difference in differences { sum += generator.next() & 1 == 0 ? difference : -difference }
            if abs(sum) >= observed - 1e-12 { extreme += 1 }
        }
        return Double(extreme) / Double(samples + 1)
    }
}
