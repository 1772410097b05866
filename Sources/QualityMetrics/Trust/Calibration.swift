// SPDX-License-Identifier: Apache-2.0

import Foundation

/// How well stated confidence agrees with being right.
public enum CalibrationMetrics {
    /// One bin of a reliability diagram.
    public struct Bin: Sendable, Hashable {
        /// The range of confidence, lower bound included; the last bin includes 1.
        public var range: ClosedRange<Double>
        public var count: Int
        public var meanConfidence: Double
        /// The share that was right.
        public var accuracy: Double
    }

    /// The bins of equal width over 0...1; empty bins have count 0. Confidence outside is clamped, NaN counts as 0.
    public static func reliability(confidence: [Double], correct: [Bool], bins: Int = 10) -> [Bin] {
        let bins = max(1, bins)
        var counts = [Int](repeating: 0, count: bins)
        var sums = [Double](repeating: 0, count: bins)
        var right = [Int](repeating: 0, count: bins)
        for (stated, isCorrect) in zip(confidence, correct) {
            let value = stated.isNaN ? 0 : min(max(stated, 0), 1)
            let bin = min(bins - 1, Int(value * Double(bins)))
            counts[bin] += 1
            sums[bin] += value
            if isCorrect { right[bin] += 1 }
        }
        return (0..<bins).map { bin in
            let n = Double(max(1, counts[bin]))
            return Bin(
                range: Double(bin) / Double(bins)...Double(bin + 1) / Double(bins), count: counts[bin],
                meanConfidence: sums[bin] / n, accuracy: Double(right[bin]) / n)
        }
    }

    /// Expected calibration error (Naeini et al. 2015): the mean of |accuracy - confidence| over bins, weighted by count.
    public static func expectedCalibrationError(confidence: [Double], correct: [Bool], bins: Int = 10) -> Double {
        let total = min(confidence.count, correct.count)
        guard total > 0 else { return 0 }
        return reliability(confidence: confidence, correct: correct, bins: bins)
            .reduce(0) { $0 + Double($1.count) * abs($1.accuracy - $1.meanConfidence) } / Double(total)
    }

    /// Brier score: the mean squared difference between confidence and outcome; 0 is best.
    public static func brierScore(confidence: [Double], correct: [Bool]) -> Double {
        let total = min(confidence.count, correct.count)
        guard total > 0 else { return 0 }
        return zip(confidence, correct).reduce(0) { sum, pair in
            let difference = pair.0 - (pair.1 ? 1 : 0)
            return sum + difference * difference
        } / Double(total)
    }

    /// The area under the ROC curve: how often a right answer has more confidence than a wrong one, ties counting half;
    /// nil when all are right or all are wrong. O(n log n).
    public static func areaUnderROC(confidence: [Double], correct: [Bool]) -> Double? {
        let pairs = zip(confidence, correct).sorted { $0.0 < $1.0 }
        let positives = pairs.count { $0.1 }
        let negatives = pairs.count - positives
        guard positives > 0, negatives > 0 else { return nil }
        var rankSum = 0.0
        var start = 0
        while start < pairs.count {
            var end = start
            while end < pairs.count, pairs[end].0 == pairs[start].0 { end += 1 }
            let meanRank = Double(start + 1 + end) / 2
            rankSum += meanRank * Double(pairs[start..<end].count { $0.1 })
            start = end
        }
        let u = rankSum - Double(positives) * Double(positives + 1) / 2
        return u / (Double(positives) * Double(negatives))
    }

    /// The area under the risk–coverage curve (Geifman and El-Yaniv 2017): the share of wrong answers among the k surest, as
    /// the mean over all k; 0 is best, and the share of wrong answers is what a confidence that knows nothing has. Equal
    /// confidences count in the mean of their orders; nil without answers. O(n log n).
    public static func areaUnderRiskCoverage(confidence: [Double], correct: [Bool]) -> Double? {
        let pairs = zip(confidence, correct).sorted { $0.0 > $1.0 }
        guard !pairs.isEmpty else { return nil }
        var (wrong, sum) = (0.0, 0.0)
        var start = 0
        while start < pairs.count {
            var end = start
            while end < pairs.count, pairs[end].0 == pairs[start].0 { end += 1 }
            let rate = Double(pairs[start..<end].count { !$0.1 }) / Double(end - start)
            for place in start..<end {
                wrong += rate
                sum += wrong / Double(place + 1)
            }
            start = end
        }
        return sum / Double(pairs.count)
    }
}

/// Order statistics and means of measured quantities: latency, calls, tokens, cost.
public struct Distribution: Sendable, Hashable {
    /// The values, ascending; NaN is left out.
    public let sorted: [Double]

    public init(_ values: some Sequence<Double>) {
        sorted = values.filter { !$0.isNaN }.sorted()
    }

    public var count: Int { sorted.count }
    public var sum: Double { sorted.reduce(0, +) }
    /// 0 without values.
    public var mean: Double { sorted.isEmpty ? 0 : sum / Double(sorted.count) }
    /// The sample's standard deviation (n - 1); 0 with fewer than two values.
    public var standardDeviation: Double {
        guard sorted.count > 1 else { return 0 }
        let mean = mean
        return (sorted.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(sorted.count - 1)).squareRoot()
    }

    /// The value below which a share of the values lies, by linear interpolation between neighbours (NumPy's default,
    /// Hyndman and Fan's type 7); 0 without values.
    /// - Parameter share: 0...1; 0.5 is the median.
    public func quantile(_ share: Double) -> Double {
        guard let last = sorted.last else { return 0 }
        let place = min(max(share, 0), 1) * Double(sorted.count - 1)
        let lower = Int(place)
        guard lower + 1 < sorted.count else { return last }
        return sorted[lower] + (place - Double(lower)) * (sorted[lower + 1] - sorted[lower])
    }
}
