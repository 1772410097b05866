// SPDX-License-Identifier: Apache-2.0

import Base
import Testing

@testable import Text

/// What must hold for passages and terms of any text in any script.
@Suite struct AnyTextTests {
    private static let pieces = [
        "The harbour ", "lights. ", "Größe ", "ist 12,5 m². ", "„Nein“, ", "東京は大きい。", "京都です！", "서울은 ", "대한민국의 수도. ",
        "เชียงใหม่", "ภาษาไทย ", "ភ្នំពេញ", "Москва ", "растёт. ", "العربية ", "שלום. ", "\n\n", "\n", "  ", "U.S. ", "C++ ",
        "3.14 ", "1,000 ", "🚢 ", "e\u{0301}te ", "\u{200D}", "x", "-", "… ", "\u{0C}", "हिन्दी में। ",
    ]

    private func text(_ seed: UInt64, _ count: Int) -> String {
        var random = SplitMix64(seed: seed)
        return (0..<count).map { _ in Self.pieces[random.integer(below: Self.pieces.count)] }.joined()
    }

    @Test(arguments: [UInt64](1...10)) func passagesCoverTheText(_ seed: UInt64) throws {
        let text = text(seed, 40 * Int(seed))
        let bytes = Array(text.utf8)
        var scalars = [0]
        for byte in bytes { scalars.append(scalars[scalars.count - 1] + (byte & 0xC0 != 0x80 ? 1 : 0)) }
        for (size, overlap) in [(200, 0), (20, 0), (20, 5), (1, 0)] {
            let splitter = PassageSplitter(PassageSplitter.Options(size: size, overlap: overlap))
            let spans = splitter.passages(in: text)
            var covered = [Bool](repeating: false, count: bytes.count)
            for (index, span) in spans.enumerated() {
                #expect(span.utf8.lowerBound < span.utf8.upperBound && span.utf8.upperBound <= bytes.count)
                // Both ends are beginnings of characters, and both counts speak of the same place.
                let piece = try #require(String(validating: bytes[span.utf8], as: UTF8.self))
                #expect(scalars[span.utf8.lowerBound] == span.characters.lowerBound)
                #expect(piece.unicodeScalars.count == span.characters.count)
                if index > 0 {
                    #expect(spans[index - 1].utf8.lowerBound < span.utf8.lowerBound)
                    #expect(spans[index - 1].utf8.upperBound < span.utf8.upperBound)
                    if overlap == 0 { #expect(spans[index - 1].utf8.upperBound <= span.utf8.lowerBound) }
                }
                for place in span.utf8 { covered[place] = true }
            }
            for (place, byte) in bytes.enumerated() where !covered[place] {
                let around = String(decoding: bytes[max(0, place - 3)..<min(bytes.count, place + 4)], as: UTF8.self)
                #expect(
                    byte <= 32 || around.unicodeScalars.contains { $0.properties.isWhitespace || $0 == "\u{200D}" },
                    "\"\(around)\" is in no passage")
            }
            // The same text is cut the same way again.
            #expect(splitter.passages(in: text) == spans)
        }
    }

    @Test func foldingIsDoneOnce() {
        for seed in UInt64(1)...5 {
            for word in text(seed, 50).split(separator: " ") {
                let folded = TextFolding.fold(String(word))
                #expect(TextFolding.fold(folded) == folded)
            }
        }
    }
}
