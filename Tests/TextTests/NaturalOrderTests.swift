// SPDX-License-Identifier: Apache-2.0

import Base
import Testing

@testable import Text

@Suite struct NaturalOrderTests {
    @Test(arguments: [
        ["A9", "a10", "A011", "B1"], ["1.9", "1.9.2", "1.10", "1.10.0"], ["9:05", "9:30", "10:15", "23:59"],
        ["5 kg", "6 kg", "6.5 kg", "12 kg"], ["", "0", "1", "a", "b"], ["file 2", "File 12", "file 100"],
    ]) func isThatOfPeople(_ sorted: [String]) {
        for (i, a) in sorted.enumerated() {
            for (j, b) in sorted.enumerated() {
                #expect(NaturalOrder.compare(a, b).signum() == (i - j).signum(), "\(a) \(b)")
            }
        }
    }

    /// It is an order: one of two, and what lies between lies between.
    @Test(arguments: [UInt64](1...4)) func isAnOrder(_ seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let texts = (0..<40).map { _ in
            String(
                (0..<random.integer(below: 6)).map { _ in ["0", "1", "9", "a", "B", ".", "é"][random.integer(below: 7)]
                }
                .joined())
        }
        let sorted = texts.sorted { NaturalOrder.compare($0, $1) < 0 }
        for (a, b) in zip(sorted, sorted.dropFirst()) { #expect(NaturalOrder.compare(a, b) <= 0) }
        for a in texts {
            for b in texts { #expect(NaturalOrder.compare(a, b).signum() == -NaturalOrder.compare(b, a).signum()) }
        }
    }
}
