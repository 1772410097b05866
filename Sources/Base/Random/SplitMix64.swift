// SPDX-License-Identifier: Apache-2.0

import Foundation

/// The seeded generator that every random choice of Forage draws from: SplitMix64, 64 bits of state.
///
/// The same seed gives the same numbers on every platform and in every version, also through `gaussian`, `uniform` and
/// `shuffle`, which do not lean on the standard library's own (unspecified) ways of using a generator.
public struct SplitMix64: RandomNumberGenerator, Sendable, Hashable, Codable {
    /// The whole state: store it to continue the sequence later.
    public private(set) var state: UInt64

    /// Starts the sequence of a seed.
    public init(seed: UInt64) {
        state = seed
    }

    /// Starts a sequence of its own for one stream (an episode, a layer) under a common seed.
    public init(seed: UInt64, stream: UInt64) {
        var first = SplitMix64(seed: stream &+ 0x9E37_79B9_7F4A_7C15)
        state = seed ^ first.next()
    }

    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    /// Returns a number in [0, 1) with 53 random bits.
    public mutating func uniform() -> Double {
        Double(next() >> 11) * 0x1p-53
    }

    /// Returns an integer in 0 ..< bound, without bias.
    ///
    /// - Precondition: `bound > 0`.
    public mutating func integer(below bound: Int) -> Int {
        precondition(bound > 0, "an empty range has no member")
        let width = UInt64(bound)
        // Numbers at and above the largest multiple of `width` would favour the small remainders: draw again.
        let limit = UInt64.max - UInt64.max % width
        while true {
            let number = next()
            if number < limit { return Int(number % width) }
        }
    }

    /// Returns a draw from the normal distribution with mean 0 and variance 1 (Box-Muller, two uniforms a draw).
    public mutating func gaussian() -> Double {
        let radius = (-2 * log(1 - uniform())).squareRoot()
        return radius * cos(2 * Double.pi * uniform())
    }

    /// Returns a draw from the standard Gumbel distribution: the arg-max of logits plus such noise is a soft-max sample.
    public mutating func gumbel() -> Double {
        -log(-log(Swift.max(uniform(), 0x1p-60)))
    }

    /// Puts the elements in a random order (Fisher-Yates).
    public mutating func shuffle<Element>(_ elements: inout [Element]) {
        var last = elements.count - 1
        while last > 0 {
            elements.swapAt(last, integer(below: last + 1))
            last -= 1
        }
    }

    /// Returns an index drawn with probability in proportion to its weight; the last positive one on rounding.
    ///
    /// - Precondition: some weight is positive, none is negative.
    public mutating func index(weights: [Float]) -> Int {
        var total = 0.0
        for weight in weights { total += Double(weight) }
        var rest = uniform() * total
        var chosen = 0
        for (index, weight) in weights.enumerated() where weight > 0 {
            chosen = index
            rest -= Double(weight)
            if rest < 0 { break }
        }
        return chosen
    }
}
