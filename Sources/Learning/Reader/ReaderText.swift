// SPDX-License-Identifier: Apache-2.0

import Base
import Synchronization
import Text

/// A text as the reader looks at it: its words with their stems and shapes, and which sentence each is in.
struct ReaderText: Sendable {
    /// One word.
    struct Word: Sendable, Hashable {
        /// The folded and stemmed word.
        var stem: String
        /// The word in lower case.
        var lower: String
        /// Its UTF-8 byte range.
        var utf8: Range<Int>
        var isCapitalised: Bool
        var hasDigit: Bool
        /// Says something of its own: no article, preposition, pronoun, auxiliary.
        var isContent: Bool
        /// Only a space or a hyphen stands between it and the word before it.
        var followsDirectly: Bool
        var sentence: Int
    }

    let text: String
    let bytes: [UInt8]
    let words: [Word]
    let sentenceCount: Int

    private static let analyzer = try? TextAnalyzer(AnalyzerOptions(stopWords: .none))
    /// Analyzers of other languages, by name.
    private static let others = Mutex<[String: TextAnalyzer]>([:])

    private static func analyzer(of language: TextLanguage) -> TextAnalyzer? {
        guard language != .english else { return analyzer }
        return others.withLock { others in
            if let known = others[language.name] { return known }
            let made = try? TextAnalyzer(AnalyzerOptions(stopWords: .none, stemmer: language.stemmer))
            others[language.name] = made
            return made
        }
    }

    /// The stems of irregular verbs by their past forms.
    private static let verbs: [String: String] = IrregularVerbs.all.mapValues { base in
        analyzer?.terms(in: base).first ?? base
    }

    /// Words that carry no content of their own, in lower case.
    static let functionWords: Set<String> = [
        "a", "an", "and", "are", "as", "at", "be", "but", "by", "for", "if", "in", "into", "is", "it", "no", "not",
        "of",
        "on", "or", "such", "that", "the", "their", "then", "there", "these", "they", "this", "to", "was", "will",
        "with",
        "were", "been", "being", "has", "have", "had", "do", "does", "did", "he", "she", "his", "her", "him", "its",
        "who",
        "whom", "whose", "which", "what", "when", "where", "why", "how", "from", "between", "also", "both", "than",
        "out",
        "about", "would", "could", "can", "may", "might", "should", "after", "before", "during", "other", "same", "we",
        "you", "i", "our", "your", "my", "me", "us", "them", "those", "so", "while", "until", "through", "under",
        "over",
        "up", "down", "off", "only", "s", "all", "each", "more", "most", "some", "any", "very", "just", "because",
    ]

    /// - Parameter language: Whose stems and function words are meant. Default: English.
    init(_ text: String, language: TextLanguage = .english) {
        let isEnglish = language == .english
        let functionWords = isEnglish ? Self.functionWords : Set(language.functionWords)
        var text = text
        self.text = text
        let bytes = Array(text.utf8)
        self.bytes = bytes
        let sentences = SentenceSplitter().sentences(in: text).map(\.utf8)
        sentenceCount = max(1, sentences.count)
        var words: [Word] = []
        var sentence = 0
        text.withUTF8 { buffer in
            Self.analyzer(of: language)?.forEachTerm(inUTF8: buffer) { term, range in
                let own = bytes[range]
                while sentence + 1 < sentences.count, range.lowerBound >= sentences[sentence].upperBound {
                    sentence += 1
                }
                let lower = String(decoding: own, as: UTF8.self).lowercased()
                let first = own.first ?? 0
                var direct = false
                if let before = words.last {
                    let gap = bytes[min(before.utf8.upperBound, range.lowerBound)..<range.lowerBound]
                    direct = gap.elementsEqual([0x20]) || gap.elementsEqual([0x2D])
                }
                words.append(
                    Word(
                        stem: (isEnglish ? Self.verbs[lower] : nil) ?? String(decoding: term, as: UTF8.self),
                        lower: lower, utf8: range,
                        isCapitalised: (0x41...0x5A).contains(first)
                            || (first > 0x7F && lower != String(decoding: own, as: UTF8.self)),
                        hasDigit: own.contains { (0x30...0x39).contains($0) },
                        isContent: !functionWords.contains(isEnglish ? lower : TextFolding.fold(lower)),
                        followsDirectly: direct, sentence: sentence))
            }
        }
        self.words = words
    }

    /// The text of some words.
    func text(of range: Range<Int>) -> String {
        String(
            decoding: bytes[words[range.lowerBound].utf8.lowerBound..<words[range.upperBound - 1].utf8.upperBound],
            as: UTF8.self)
    }

    /// The words that lie in a byte range.
    func words(in utf8: Range<Int>) -> Range<Int>? {
        guard let first = words.firstIndex(where: { $0.utf8.upperBound > utf8.lowerBound }),
            words[first].utf8.lowerBound < utf8.upperBound
        else { return nil }
        var last = first
        while last + 1 < words.count, words[last + 1].utf8.lowerBound < utf8.upperBound { last += 1 }
        return first..<(last + 1)
    }

    /// The byte before the words and the one behind them; a space at the ends.
    func around(_ range: Range<Int>) -> (before: UInt8, behind: UInt8) {
        let (low, high) = (words[range.lowerBound].utf8.lowerBound, words[range.upperBound - 1].utf8.upperBound)
        return (low > 0 ? bytes[low - 1] : 0x20, high < bytes.count ? bytes[high] : 0x20)
    }
}
