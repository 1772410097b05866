// SPDX-License-Identifier: Apache-2.0

import TextProcessing

/// How a text is read for titles: folded words, each with whether it is written with a capital letter, a digit or a
/// script without case.
struct TitleWords {
    private let analyzer: TextAnalyzer

    init() throws { analyzer = try TextAnalyzer(.plain) }

    struct Word {
        var hash: UInt64
        var bytes: Range<Int>
        var isMarked: Bool
        var isLong: Bool
    }

    func words(in text: UnsafeBufferPointer<UInt8>) -> [Word] {
        var words: [Word] = []
        analyzer.forEachTerm(inUTF8: text) { term, range in
            let first = text[range.lowerBound]
            words.append(
                Word(
                    hash: XXH64.hash(UnsafeRawBufferPointer(term)), bytes: range,
                    isMarked: !(first >= UInt8(ascii: "a") && first <= UInt8(ascii: "z")), isLong: term.count > 2))
        }
        return words
    }

    /// The words of a title without what stands in brackets behind it and without a leading article.
    func words(ofTitle title: String) -> [Word] {
        var title = TitleNormalizer.withoutDisambiguation(title)
        let words = title.withUTF8 { self.words(in: $0) }
        let article = XXH64.hash("the")
        return words.count > 1 && words[0].hash == article ? Array(words.dropFirst()) : words
    }

    /// A key for a row of words, made word by word. Titles are at most twelve words long.
    static func extend(_ key: UInt64, by word: UInt64) -> UInt64 {
        var mixed = (key ^ word) &* 0x9E37_79B9_7F4A_7C15
        mixed ^= mixed >> 29
        return mixed &* 0xBF58_476D_1CE4_E5B9 &+ word
    }

    static let longestTitle = 12

    static func key(of words: ArraySlice<Word>) -> UInt64 { words.reduce(0) { extend($0, by: $1.hash) } }
}
