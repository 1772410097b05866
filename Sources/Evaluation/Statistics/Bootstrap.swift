// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import TensorMath

/// A mean with its confidence interval.
public struct MeanInterval: Sendable, Hashable {
    /// The number of values.
    public var count: Int
    public var mean: Double
    /// The bounds of the interval; equal to the mean for fewer than two values.
    public var lower: Double
    public var upper: Double

    public init(count: Int, mean: Double, lower: Double, upper: Double) {
        self.count = count
        self.mean = mean
        self.lower = lower
        self.upper = upper
    }
}

/// Bootstrap statistics (Efron and Tibshirani 1993), seeded: the same values and seed give the same numbers.
public enum Bootstrap {
    /// How many resamples by default.
    public static let defaultResamples = 2000

    /// The percentile interval of the mean.
    /// - Parameters:
    ///   - values: one value a question; average repeated runs of a question first, since they are not independent.
    ///   - confidence: 0...1, default 0.95.
    public static func mean(
        _ values: [Double], confidence: Double = 0.95, resamples: Int = defaultResamples, seed: UInt64 = 1
    ) -> MeanInterval {
        let count = values.count
        guard count > 0 else { return MeanInterval(count: 0, mean: 0, lower: 0, upper: 0) }
        let mean = values.reduce(0, +) / Double(count)
        guard count > 1, resamples > 1 else { return MeanInterval(count: count, mean: mean, lower: mean, upper: mean) }
        let means = resampledMeans(values, resamples: resamples, seed: seed)
        let tail = (1 - min(max(confidence, 0), 1)) / 2
        return MeanInterval(
            count: count, mean: mean, lower: quantile(means, tail), upper: quantile(means, 1 - tail))
    }

    /// The means of resamples drawn with replacement, ascending. O(resamples × count).
    static func resampledMeans(_ values: [Double], resamples: Int, seed: UInt64) -> [Double] {
        var random = SplitMix64(seed: seed)
        let count = values.count
        var means: [Double] = []
        means.reserveCapacity(resamples)
        values.withUnsafeBufferPointer { values in
            for _ in 0..<resamples {
                var sum = 0.0
                for _ in 0..<count { sum += values[random.integer(below: count)] }
                means.append(sum / Double(count))
            }
        }
        means.sort()
        return means
    }

    private static func quantile(_ sorted: [Double], _ share: Double) -> Double {
        let place = share * Double(sorted.count - 1)
        let lower = Int(place)
        guard lower + 1 < sorted.count else { return sorted[sorted.count - 1] }
        return sorted[lower] + (place - Double(lower)) * (sorted[lower + 1] - sorted[lower])
    }
}

/// The comparison of two runs on the questions that both have.
public struct PairedComparison: Sendable, Hashable {
    /// The number of shared questions.
    public var count: Int
    public var meanA: Double
    public var meanB: Double
    /// B less A, with its bootstrap interval.
    public var difference: MeanInterval
    /// The two-sided p-value of the paired test; 1 when the runs do not differ on any question.
    public var pValue: Double
    /// The one-sided p-value against "B is not worse than A".
    public var pWorse: Double

    /// Compares values of the same questions, in the same order.
    ///
    /// The interval comes from the paired bootstrap. The p-values come from the paired randomisation test (the signs of the
    /// differences are drawn anew), which keeps its level on small samples where the bootstrap's is too low, with the observed
    /// value counted among the draws, so that no p-value is 0.
    /// - Precondition: `a` and `b` have the same count.
    public init(
        a: [Double], b: [Double], confidence: Double = 0.95, resamples: Int = Bootstrap.defaultResamples,
        seed: UInt64 = 1
    ) {
        precondition(a.count == b.count, "paired values must be of the same questions")
        count = a.count
        let n = Double(max(1, a.count))
        meanA = a.reduce(0, +) / n
        meanB = b.reduce(0, +) / n
        let differences = zip(a, b).map { $1 - $0 }
        // An interval needs fewer draws than a small p-value.
        difference = Bootstrap.mean(
            differences, confidence: confidence, resamples: min(resamples, Bootstrap.defaultResamples), seed: seed)
        // Questions without a difference change nothing when signs are drawn.
        let nonzero = differences.filter { $0 != 0 }
        guard !nonzero.isEmpty else {
            pValue = 1
            pWorse = 1
            return
        }
        let observed = nonzero.reduce(0, +)
        let slack = 1e-12 * nonzero.reduce(0) { $0 + abs($1) }
        var random = SplitMix64(seed: seed, stream: 1)
        var extreme = 1
        var low = 1
        for _ in 0..<resamples {
            var sum = 0.0
            var bits: UInt64 = 0
            for (index, value) in nonzero.enumerated() {
                if index % 64 == 0 { bits = random.next() }
                sum += bits & 1 == 0 ? value : -value
                bits >>= 1
            }
            if abs(sum) >= abs(observed) - slack { extreme += 1 }
            if sum <= observed + slack { low += 1 }
        }
        pValue = min(1, Double(extreme) / Double(resamples + 1))
        pWorse = min(1, Double(low) / Double(resamples + 1))
    }
}

/// McNemar's test of two right-or-wrong runs on the same questions, exact (binomial over the questions on which they differ).
public struct McNemarTest: Sendable, Hashable {
    /// Right in A and wrong in B.
    public var onlyA: Int
    /// Wrong in A and right in B.
    public var onlyB: Int
    /// Two-sided.
    public var pValue: Double
    /// One-sided, against "B is not worse than A".
    public var pWorse: Double

    /// - Precondition: `a` and `b` have the same count.
    public init(a: [Bool], b: [Bool]) {
        precondition(a.count == b.count, "paired values must be of the same questions")
        onlyA = zip(a, b).count { $0 && !$1 }
        onlyB = zip(a, b).count { !$0 && $1 }
        let total = onlyA + onlyB
        pValue = min(1, 2 * Self.lowerTail(total, upTo: min(onlyA, onlyB)))
        pWorse = Self.lowerTail(total, upTo: onlyB)
    }

    /// P(X ≤ k) of a fair binomial with n draws.
    static func lowerTail(_ n: Int, upTo k: Int) -> Double {
        guard n > 0 else { return 1 }
        var sum = 0.0
        for index in 0...min(k, n) {
            sum += exp(
                lgamma(Double(n + 1)) - lgamma(Double(index + 1)) - lgamma(Double(n - index + 1)) - Double(n) * log(2))
        }
        return min(1, sum)
    }
}

/// Holm's correction of several p-values (Holm 1979): the chance of one false alarm among all stays below the level.
public func holmAdjusted(_ pValues: [Double]) -> [Double] {
    let order = pValues.indices.sorted { (pValues[$0], $0) < (pValues[$1], $1) }
    var result = pValues
    var running = 0.0
    for (rank, index) in order.enumerated() {
        running = max(running, min(1, pValues[index] * Double(pValues.count - rank)))
        result[index] = running
    }
    return result
}
