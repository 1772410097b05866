// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Fits the gate that says whether a question is about the whole corpus and was read rightly: logistic regression on
/// readings that were held out when their scorer was trained, with questions about single passages as counterexamples.
package enum ReadingGate {
    package struct Example: Sendable {
        package var features: [Double]
        package var isRight: Bool
        package var weight: Double
        /// Whether the question is about the whole, read rightly or not.
        package var isWhole: Bool

        package init(features: [Double], isRight: Bool, weight: Double = 1, isWhole: Bool = true) {
            self.features = features
            self.isRight = isRight
            self.weight = weight
            self.isWhole = isWhole
        }
    }

    /// The threshold of confidence that serves best: the share of the questions about the whole that pass and are right,
    /// less the share of the others that are taken from the search, which would have answered them.
    /// - Parameter others: how many questions for the search a corpus gets for one about the whole. Default 9.
    package static func threshold(_ examples: [Example], weights: [Float], others ratio: Double = 9) -> Double {
        var whole = 0
        var others = 0
        var measured: [(confidence: Double, isRight: Bool, isWhole: Bool)] = []
        for example in examples {
            if example.isWhole { whole += 1 } else { others += 1 }
            guard weights.count == example.features.count + 1 else { continue }
            let sum = zip(weights.dropFirst(), example.features).reduce(Double(weights[0])) {
                $0 + Double($1.0) * $1.1
            }
            measured.append((1 / (1 + exp(-sum)), example.isRight, example.isWhole))
        }
        func gain(_ threshold: Double) -> Double {
            var sum = 0.0
            for reading in measured where reading.confidence >= threshold {
                if reading.isRight { sum += 1 / Double(max(1, whole)) }
                if !reading.isWhole { sum -= ratio / Double(max(1, others)) }
            }
            return sum
        }
        let gains = (2...16).map { (threshold: Double($0) * 0.05, gain: gain(Double($0) * 0.05)) }
        return gains.max { $0.gain == $1.gain ? $0.threshold > $1.threshold : $0.gain < $1.gain }?.threshold ?? 0.5
    }

    /// - Returns: bias first; empty without examples of both kinds.
    package static func fit(_ examples: [Example], rounds: Int = 4000, decay: Double = 1e-3) -> [Float] {
        let usable = examples.filter { !$0.features.isEmpty }
        guard let width = usable.first?.features.count, usable.contains(where: \.isRight),
            usable.contains(where: { !$0.isRight })
        else { return [] }
        let total = usable.reduce(0) { $0 + $1.weight }
        var weights = [Double](repeating: 0, count: width + 1)
        var squares = [Double](repeating: 1e-8, count: width + 1)
        for _ in 0..<rounds {
            var gradient = [Double](repeating: 0, count: width + 1)
            for example in usable {
                var sum = weights[0]
                for place in 0..<width { sum += weights[place + 1] * example.features[place] }
                let slope = example.weight * ((example.isRight ? 1 : 0) - 1 / (1 + exp(-sum))) / total
                gradient[0] += slope
                for place in 0..<width { gradient[place + 1] += slope * example.features[place] }
            }
            for place in gradient.indices {
                let slope = gradient[place] - (place == 0 ? 0 : decay * weights[place])
                squares[place] += slope * slope
                weights[place] += 0.1 * slope / squares[place].squareRoot()
            }
        }
        return weights.map { Float($0) }
    }
}
