// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Fits the gate that says whether a question is about the whole corpus and was read rightly: logistic regression on
/// readings that were held out when their scorer was trained, with questions about single passages as counterexamples.
package enum ReadingGate {
    package struct Example: Sendable {
        package var features: [Double]
        package var isRight: Bool
        package var weight: Double

        package init(features: [Double], isRight: Bool, weight: Double = 1) {
            self.features = features
            self.isRight = isRight
            self.weight = weight
        }
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
