// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import LanguageModels

struct SamplerTests {
    /// Probabilities 0.4, 0.3, 0.2, 0.1 at temperature 1, in mixed order.
    private let logits: [Float] = [0.2, 0.4, 0.1, 0.3].map { (share: Double) -> Float in Float(log(share)) }

    private func draws(
        _ options: SamplingOptions, recent: [Int32] = [], mask: [UInt64]? = nil, count: Int = 4000
    ) -> [Double] {
        var sampler = Sampler(options, stream: 0)
        var counts = [Double](repeating: 0, count: logits.count)
        for _ in 0..<count {
            let token = logits.withUnsafeBufferPointer { sampler.choose($0, recent: recent[...], mask: mask) }
            if let token { counts[Int(token)] += 1 / Double(count) }
        }
        return counts
    }

    /// Whether shares are in these proportions.
    private func isNear(_ shares: [Double], to parts: Double...) -> Bool {
        let total = parts.reduce(0, +)
        for (share, part) in zip(shares, parts) where abs(share - part / total) >= 0.03 { return false }
        return true
    }

    @Test func drawsFollowTheDistribution() {
        #expect(isNear(draws(SamplingOptions(temperature: 1, seed: 1)), to: 2, 4, 1, 3))
        // Halving the temperature squares the weights.
        #expect(isNear(draws(SamplingOptions(temperature: 0.5, seed: 2)), to: 4, 16, 1, 9))
        let greedy = draws(SamplingOptions(temperature: 0, seed: 3))
        #expect(greedy[1] > 0.99)
    }

    @Test func cutsLeaveTheRestInProportion() {
        #expect(isNear(draws(SamplingOptions(temperature: 1, topK: 2, seed: 4)), to: 0, 4, 0, 3))
        // The fewest tokens that hold 65 % are the first two.
        #expect(isNear(draws(SamplingOptions(temperature: 1, topP: 0.65, seed: 5)), to: 0, 4, 0, 3))
        // At least 45 % of the best one's probability: 0.18.
        #expect(isNear(draws(SamplingOptions(temperature: 1, minP: 0.45, seed: 6)), to: 2, 4, 0, 3))
    }

    @Test func aMaskForbids() {
        let found = draws(SamplingOptions(temperature: 1, seed: 7), mask: [0b0101])
        #expect(isNear(found, to: 2, 0, 1, 0))
        let nothing = draws(SamplingOptions(temperature: 1, seed: 7), mask: [0])
        #expect(nothing.allSatisfy { $0 == 0 })
    }

    @Test func repeatedTokensAreRarer() {
        // Logits are below zero: the penalty multiplies, so that 0.4 becomes 0.4 squared.
        let found = draws(SamplingOptions(temperature: 1, repetitionPenalty: 2, seed: 8), recent: [1])
        #expect(isNear(found, to: 20, 16, 10, 30))
    }

    @Test func aSeedGivesTheSameDraws() {
        let options = SamplingOptions(temperature: 1, seed: 9)
        #expect(draws(options) == draws(options))
        var other = options
        other.seed = 10
        #expect(draws(options) != draws(other))
    }
}
