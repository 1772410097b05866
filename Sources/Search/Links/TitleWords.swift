// SPDX-License-Identifier: Apache-2.0

import Base
import Text

/// How a text is read for titles: folded words, each with whether it is written with a capital letter, a digit or a
/// script without case.
struct TitleWords {
    private let analyzer: TextAnalyzer
    /// Words that stand at the start of a sentence more often than they begin a name.
    private let openings: Set<UInt64>
    /// Words without a capital that stand inside of names.
    private let connectors: Set<UInt64>

    init() throws {
        analyzer = try TextAnalyzer(.plain)
        openings = Set(
            (AnalyzerOptions.englishStopWords + ["after", "during", "since", "while", "when", "although"]).map {
                XXH64.hash($0)
            })
        connectors = Set(["of", "de", "von", "van", "der", "den", "la", "du", "da", "di"].map { XXH64.hash($0) })
    }

    struct Word {
        var hash: UInt64
        var bytes: Range<Int>
        var isMarked: Bool
        var isLong: Bool
    }

    func words(in text: UnsafeBufferPointer<UInt8>) -> [Word] {
        var words: [Word] = []
        analyzer.forEachTerm(inUTF8: text) { term, range in
            words.append(
                Word(
                    hash: XXH64.hash(UnsafeRawBufferPointer(term)), bytes: range,
                    isMarked: !Self.isLowercase(text[range]), isLong: term.count > 2))
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

    /// The rows of two to twelve words that are written like names: each with a capital letter, or a connector ("of",
    /// "van") between such words; within a sentence, and without a function word that opens it.
    func nameRuns(of words: [Word], in text: UnsafeBufferPointer<UInt8>) -> [Range<Int>] {
        var runs: [Range<Int>] = []
        var index = 0
        while index < words.count {
            guard Self.isCapital(text[words[index].bytes]), !openings.contains(words[index].hash) else {
                index += 1
                continue
            }
            var end = index + 1
            var next = end
            while next < words.count, next - index < Self.longestTitle, joins(words[next - 1], words[next], text) {
                if Self.isCapital(text[words[next].bytes]) {
                    next += 1
                    end = next
                } else if connectors.contains(words[next].hash) {
                    next += 1
                } else {
                    break
                }
            }
            if end - index > 1 { runs.append(index..<end) }
            index = end
        }
        return runs
    }

    private static func isLowercase(_ word: Slice<UnsafeBufferPointer<UInt8>>) -> Bool {
        guard let first = word.first else { return false }
        guard first >= 0x80 else { return first >= UInt8(ascii: "a") && first <= UInt8(ascii: "z") }
        return firstScalar(of: word)?.properties.isLowercase ?? false
    }

    private static func isCapital(_ word: Slice<UnsafeBufferPointer<UInt8>>) -> Bool {
        guard let first = word.first else { return false }
        guard first >= 0x80 else { return first >= UInt8(ascii: "A") && first <= UInt8(ascii: "Z") }
        return firstScalar(of: word)?.properties.isUppercase ?? false
    }

    private static func firstScalar(of word: Slice<UnsafeBufferPointer<UInt8>>) -> Unicode.Scalar? {
        String(decoding: word.prefix(4), as: UTF8.self).unicodeScalars.first
    }

    /// Whether a word follows another within a name: after one space or hyphen, or after the full stop of an initial.
    private func joins(_ word: Word, _ next: Word, _ text: UnsafeBufferPointer<UInt8>) -> Bool {
        let gap = text[word.bytes.upperBound..<next.bytes.lowerBound]
        switch gap.count {
        case 1: return gap.first == UInt8(ascii: " ") || gap.first == UInt8(ascii: "-")
        case 2: return gap.first == UInt8(ascii: ".") && gap.last == UInt8(ascii: " ") && word.bytes.count <= 2
        default: return false
        }
    }
}
