// SPDX-License-Identifier: Apache-2.0

import Base
import Synchronization
import Text

/// How the learner reads text: stemmed terms for matching, plain words for titles, names by spelling.
struct TextReading: Sendable {
    private let stemmed: TextAnalyzer
    private let plain: TextAnalyzer
    private let spotter = NameSpotter()

    /// Words of questions that say how something is asked, not what about.
    private static let askingWords = [
        "what", "which", "who", "whom", "whose", "when", "where", "why", "how", "did", "does", "do", "has", "have",
        "had", "he", "she", "his", "her", "him", "its", "were", "been", "being", "from", "between", "also", "both",
        "than", "out", "about", "who's", "what's", "would", "could", "can", "may", "after", "before", "during", "other",
        "same", "one",
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

    /// The distinct names in a text, as they are written.
    func names(_ text: String) -> [String] {
        spotter.distinctNames(in: text).filter { TitleNormalizer.key(for: $0).utf8.count > 2 }
    }

    /// A title's words without what stands in brackets behind it and without a leading article.
    func titleWords(_ title: String) -> [String] {
        let words = words(TitleNormalizer.withoutDisambiguation(title))
        return words.count > 1 && words[0] == "the" ? Array(words.dropFirst()) : words
    }
}

/// What is read from a passage once, whatever is asked.
final class PassageFacts: Sendable {
    /// The hashes of the stemmed terms of title and text, each once, ascending.
    let terms: [UInt64]
    /// The folded words of the text between spaces, with one at both ends.
    let words: String
    /// The folded words of the title, between spaces; empty for none.
    let title: String
    /// The stemmed terms of the title.
    let titleTerms: [UInt64]
    /// The names in title and text, as they are written, and the hashes of their keys, ascending.
    let names: [String]
    let nameKeys: [UInt64]
    /// The number of words.
    let length: Int

    init(title: String, text: String, reading: TextReading) {
        let titleWords = reading.titleWords(title)
        let textWords = reading.words(text)
        self.title = titleWords.joined(separator: " ")
        words = " " + textWords.joined(separator: " ") + " "
        titleTerms = Array(Set(reading.terms(title).map { XXH64.hash($0) })).sorted()
        terms = Array(Set(reading.terms(text).map { XXH64.hash($0) }).union(titleTerms)).sorted()
        names = reading.names(title + ". " + text)
        nameKeys = Array(Set(names.map { XXH64.hash(TitleNormalizer.key(for: $0)) })).sorted()
        length = textWords.count
    }

    /// Whether the text names a title as whole words.
    func mentions(_ other: PassageFacts) -> Bool {
        other.title.utf8.count > 2 && words.contains(" " + other.title + " ")
    }
}

/// Whether an ascending list has a number.
func contains(_ list: [UInt64], _ number: UInt64) -> Bool {
    var low = 0
    var high = list.count
    while low < high {
        let middle = (low + high) / 2
        if list[middle] < number { low = middle + 1 } else { high = middle }
    }
    return low < list.count && list[low] == number
}

/// How many numbers two ascending lists share.
func sharedCount(_ left: [UInt64], _ right: [UInt64]) -> Int {
    var (i, j, count) = (0, 0, 0)
    while i < left.count, j < right.count {
        if left[i] == right[j] {
            (i, j, count) = (i + 1, j + 1, count + 1)
        } else if left[i] < right[j] {
            i += 1
        } else {
            j += 1
        }
    }
    return count
}

/// What is read from a question once.
final class QuestionFacts: Sendable {
    let text: String
    /// Its stemmed terms, each once, at most 64; their hashes in the same order.
    let terms: [String]
    let termHashes: [UInt64]
    /// What each of them is a stem of, as it is written in the question.
    let spelled: [String]
    /// Which terms stand in names or hold digits: those say most.
    let isNamed: [Bool]
    /// The names in it, as they are written, at most 6, and the hashes of their keys.
    let names: [String]
    let nameKeys: [UInt64]
    /// Its parts, where it has several that could be searched one by one.
    let clauses: [String]
    /// Its folded words between spaces.
    let words: String
    /// Cues of its form: comparison, yes or no, and what it asks for.
    let cues: [Float]

    static let cueNames = [
        "comparison", "yes-no", "asks-person", "asks-time", "asks-place", "asks-number", "names", "length",
    ]

    init(_ text: String, reading: TextReading) {
        self.text = text
        let plain = reading.words(text)
        var terms: [String] = []
        var spelled: [String] = []
        for word in plain {
            guard let term = reading.terms(word).first, !terms.contains(term), terms.count < 64 else { continue }
            terms.append(term)
            spelled.append(word)
        }
        self.terms = terms
        self.spelled = spelled
        termHashes = terms.map { XXH64.hash($0) }
        names = Array(
            reading.names(text).filter { $0.count >= 3 && $0.lowercased() != text.lowercased() }.prefix(6))
        nameKeys = names.map { XXH64.hash(TitleNormalizer.key(for: $0)) }
        let inNames = Set(names.flatMap { reading.terms($0) })
        isNamed = terms.map { inNames.contains($0) || $0.contains(where: \.isNumber) }
        words = " " + plain.joined(separator: " ") + " "
        clauses = Self.clauses(of: text, reading)
        let all = Set(plain)
        let comparing = [
            "or", "both", "same", "older", "younger", "earlier", "later", "longer", "larger", "more", "first",
        ]
        func cue(_ condition: Bool) -> Float { condition ? 1 : 0 }
        cues = [
            cue(comparing.contains { all.contains($0) }),
            cue(
                ["is", "are", "was", "were", "do", "does", "did", "has", "have"].contains(plain.first ?? "")),
            cue(all.contains("who") || all.contains("whom") || all.contains("whose")),
            cue(all.contains("when") || all.contains("year") || all.contains("date")),
            cue(all.contains("where") || all.contains("city") || all.contains("country")),
            cue(all.contains("many") || all.contains("much") || all.contains("number")),
            min(1, Float(names.count) / 5), min(1, Float(plain.count) / 40),
        ]
    }

    /// The parts between commas, semicolons and conjunctions that have enough words to be searched for.
    private static func clauses(of text: String, _ reading: TextReading) -> [String] {
        var parts: [String] = []
        var part: [Substring] = []
        func finish() {
            if reading.terms(part.joined(separator: " ")).count >= 3 { parts.append(part.joined(separator: " ")) }
        }
        for word in text.split(separator: " ") {
            let lower = word.lowercased()
            if ["and", "while", "but", "whereas", "versus"].contains(lower) {
                finish()
                part = []
                continue
            }
            part.append(word)
            if word.hasSuffix(",") || word.hasSuffix(";") {
                finish()
                part = []
            }
        }
        finish()
        return parts.count > 1 ? Array(parts.prefix(4)) : []
    }
}

/// A bounded store of what was computed: of two halves the older one is let go when the newer is full.
final class BoundedMemo<Key: Hashable & Sendable, Value: Sendable>: Sendable {
    private struct State {
        var young: [Key: Value] = [:]
        var old: [Key: Value] = [:]
    }

    private let state = Mutex(State())
    private let limit: Int

    init(limit: Int) { self.limit = max(2, limit) }

    subscript(key: Key) -> Value? {
        state.withLock { state in
            if let known = state.young[key] { return known }
            guard let known = state.old[key] else { return nil }
            Self.add(known, key, &state, limit)
            return known
        }
    }

    func store(_ value: Value, for key: Key) {
        state.withLock { Self.add(value, key, &$0, limit) }
    }

    private static func add(_ value: Value, _ key: Key, _ state: inout State, _ limit: Int) {
        if state.young.count >= limit / 2 {
            state.old = state.young
            state.young = [:]
        }
        state.young[key] = value
    }
}
