// SPDX-License-Identifier: Apache-2.0

import Text

/// How the learner reads text: stemmed terms for matching, plain words for titles, names by spelling.
struct WorldAnalysis: Sendable {
    private let stemmed: TextAnalyzer
    private let plain: TextAnalyzer
    private let spotter = NameSpotter()

    /// Words of questions that say how something is asked, not what about.
    private static let askingWords = [
        "what", "which", "who", "whom", "whose", "when", "where", "why", "how", "did", "does", "do", "has", "have",
        "had",
        "he", "she", "his", "her", "him", "its", "were", "been", "being", "from", "between", "also", "both", "than",
        "out",
        "about", "who's", "what's", "would", "could", "can", "may", "after", "before", "during", "other", "same", "one",
    ]

    init() throws {
        stemmed = try TextAnalyzer(
            AnalyzerOptions(stopWords: .custom(AnalyzerOptions.englishStopWords + Self.askingWords)))
        plain = try TextAnalyzer(.plain)
    }

    /// The stemmed terms of a text without frequent words, in order.
    func terms(_ text: String) -> [String] { stemmed.terms(in: text) }

    /// The folded words of a text, in order.
    func words(_ text: String) -> [String] { plain.terms(in: text) }

    /// The folded words of a text with whether each starts with a capital letter or a digit (or has no case).
    func markedWords(_ text: String) -> [(word: String, marked: Bool)] {
        var text = text
        var result: [(String, Bool)] = []
        text.withUTF8 { bytes in
            plain.forEachTerm(inUTF8: bytes) { term, range in
                let first = bytes[range.lowerBound]
                let isLower = first >= UInt8(ascii: "a") && first <= UInt8(ascii: "z")
                result.append((String(decoding: term, as: UTF8.self), !isLower))
            }
        }
        return result
    }

    /// The names in a text in the form in which they are compared.
    func nameKeys(_ text: String) -> [String] {
        spotter.distinctNames(in: text).map { TitleNormalizer.key(for: $0) }.filter { $0.utf8.count > 2 }
    }
}

/// Finds the titles of a corpus in a text: the longest title at each place, where it is written with a capital.
struct TitleMatcher: Sendable {
    /// The title number of each passage, -1 where it has none.
    let numbers: [Int]
    /// The number of different titles.
    let count: Int
    /// Titles by their words.
    private let byWords: [String: Int]
    /// The longest title, in words, that starts with a word.
    private let longest: [String: Int]
    private let analysis: WorldAnalysis

    init(titles: [String], analysis: WorldAnalysis) {
        self.analysis = analysis
        var byWords: [String: Int] = [:]
        var longest: [String: Int] = [:]
        var numbers: [Int] = []
        for title in titles {
            let words = Self.words(title, analysis)
            guard let first = words.first else {
                numbers.append(-1)
                continue
            }
            let key = words.joined(separator: " ")
            let number = byWords[key] ?? byWords.count
            byWords[key] = number
            longest[first] = max(longest[first] ?? 0, words.count)
            numbers.append(number)
        }
        self.numbers = numbers
        self.byWords = byWords
        self.longest = longest
        count = byWords.count
    }

    /// A title's words without what stands in brackets behind it and without a leading article.
    private static func words(_ title: String, _ analysis: WorldAnalysis) -> [String] {
        let words = analysis.words(TitleNormalizer.withoutDisambiguation(title))
        return words.count > 1 && words[0] == "the" ? Array(words.dropFirst()) : words
    }

    /// The different titles that a text mentions, by first mention.
    func mentions(in text: String) -> [Int] {
        let words = analysis.markedWords(text)
        var found: [Int] = []
        var seen = Set<Int>()
        var index = 0
        while index < words.count {
            guard let reach = longest[words[index].word] else {
                index += 1
                continue
            }
            var match: (number: Int, length: Int)?
            var key = ""
            for length in 1...min(reach, words.count - index) {
                key += (length == 1 ? "" : " ") + words[index + length - 1].word
                guard let number = byWords[key] else { continue }
                // A title of one word must be written with a capital; of a longer one any word may carry it.
                let marked = (index..<(index + length)).contains { words[$0].marked }
                if marked, length > 1 || words[index].word.utf8.count > 2 { match = (number, length) }
            }
            if let match {
                if seen.insert(match.number).inserted { found.append(match.number) }
                index += match.length
            } else {
                index += 1
            }
        }
        return found
    }
}
