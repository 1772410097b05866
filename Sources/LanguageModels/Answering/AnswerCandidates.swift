// SPDX-License-Identifier: Apache-2.0

import Foundation
import Text

/// What kind of answer a question asks for, by its words.
public enum AnswerKind: String, Sendable, Hashable, CaseIterable {
    case yesNo, choice, person, time, number, place, other

    /// Reads the kind off a question.
    public init(question: String) {
        let text = question.lowercased().trimmingCharacters(in: .whitespacesAndNewlines)
        let words = text.split { !$0.isLetter && !$0.isNumber && $0 != "'" }.map(String.init)
        let first = words.first ?? ""
        let asks: Set<String> = [
            "is", "are", "was", "were", "did", "does", "do", "has", "have", "had", "can", "could", "will", "would",
        ]
        let open: Set<String> = ["who", "what", "which", "when", "where", "how", "whose", "whom", "why"]
        if asks.contains(first), !words.contains(where: open.contains) {
            self = words.contains("or") && !words.contains("both") ? .choice : .yesNo
        } else if words.contains("or"), words.contains("which") || words.contains("who") || words.contains("what") {
            self = .choice
        } else if text.contains("how many") || text.contains("how much") || text.contains("what number")
            || text.contains("population") || text.contains("percentage")
        {
            self = .number
        } else if words.contains("when") || text.contains("what year") || text.contains("which year")
            || text.contains("what date") || text.contains("in what month") || text.contains("how old")
            || text.contains("what day") || text.contains("which decade")
        {
            self = .time
        } else if words.contains("where") || text.contains("what city") || text.contains("which city")
            || text.contains("what country") || text.contains("which country") || text.contains("what state")
            || text.contains("what county") || text.contains("which county") || text.contains("which state")
        {
            self = .place
        } else if words.contains("who") || words.contains("whose") || words.contains("whom")
            || text.contains("what actor") || text.contains("which actor") || text.contains("what actress")
        {
            self = .person
        } else {
            self = .other
        }
    }
}

/// A text of the evidence that could be the answer.
public struct AnswerCandidate: Sendable, Hashable {
    public var text: String
    /// The index of the first passage that holds it; nil for yes and no.
    public var passage: Int?
    /// How it looks, for the ranking: see `EvidenceAnswerer.Weights`.
    public var features: [Double]
}

/// Finds the spans of the evidence that look like answers: names, dates, numbers, titles, quoted texts and short
/// noun phrases after "is a".
struct CandidateFinder {
    let question: String
    let kind: AnswerKind
    private let questionWords: Set<String>
    private static let splitter = SentenceSplitter()

    static let featureNames = [
        "kind fits", "all words are in the question", "some words are in the question", "is a passage's title",
        "near the question's words", "words", "occurrences", "in a later passage", "is lower case", "is quoted",
    ]

    init(question: String) {
        self.question = question
        kind = AnswerKind(question: question)
        questionWords = Set(Self.words(question))
    }

    static func words(_ text: String) -> [String] {
        text.lowercased().split { !$0.isLetter && !$0.isNumber }.map(String.init)
    }

    private static let stopWords: Set<String> = [
        "the", "a", "an", "of", "in", "on", "at", "by", "for", "to", "and", "or", "is", "was", "were", "are", "with",
        "from",
        "which", "who", "what", "that", "this", "his", "her", "their", "its", "as", "it", "he", "she", "they", "also",
        "be",
        "has", "had", "have", "did", "do", "does", "where", "when", "how", "many", "both", "same", "between",
    ]
    private static let months: Set<String> = [
        "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
        "december",
    ]
    /// Lower-case words that stand within names.
    private static let links: Set<String> = [
        "of", "the", "and", "de", "von", "van", "la", "le", "du", "del", "for", "in", "&",
    ]

    /// The things that a question of the form "… X or Y?" compares.
    func alternatives() -> [String] {
        guard kind == .choice else { return [] }
        var text = question.trimmingCharacters(in: CharacterSet(charactersIn: " ?.!\n"))
        if let comma = text.range(of: ",", options: .backwards) {
            let tail = String(text[comma.upperBound...])
            if tail.contains(" or ") { text = tail.hasPrefix(" or ") ? text : tail }
        }
        guard let or = text.range(of: " or ", options: .backwards) else { return [] }
        var right = String(text[or.upperBound...]).trimmingCharacters(in: .whitespaces)
        let before = text[..<or.lowerBound].trimmingCharacters(in: CharacterSet(charactersIn: " ,"))
        // The left alternative: back from "or" as long as words are capitalised or link names.
        var parts: [Substring] = []
        for word in before.split(separator: " ").reversed() {
            let bare = word.trimmingCharacters(in: .punctuationCharacters)
            let isName = bare.first.map { $0.isUppercase || $0.isNumber } ?? false
            guard isName || (!parts.isEmpty && Self.links.contains(bare.lowercased())) || word.hasPrefix("\"") else {
                break
            }
            if word.hasSuffix(","), !parts.isEmpty { break }
            parts.insert(word, at: 0)
        }
        while let first = parts.first, Self.links.contains(first.lowercased()), first.lowercased() != "the" {
            parts.removeFirst()
        }
        let left =
            parts.isEmpty
            ? before.split(separator: " ").suffix(right.split(separator: " ").count).joined(separator: " ")
            : parts.joined(separator: " ")
        for lead in ["the ", "The "] where right.hasPrefix(lead) && !left.hasPrefix(lead) { right.removeFirst(4) }
        let trim = CharacterSet(charactersIn: " ,.\"'")
        return [left, right].map { $0.trimmingCharacters(in: trim) }.filter { !$0.isEmpty }
    }

    /// Candidates of the passages, each once, in the order of their first place.
    func candidates(titles: [String], texts: [String], limit: Int = 160) -> [AnswerCandidate] {
        var found: [String: Int] = [:]
        var out: [AnswerCandidate] = []
        var counts: [Int] = []
        let lowerTitles = Set(titles.map { $0.lowercased() })
        func add(_ text: String, passage: Int, near: Double, quoted: Bool) {
            let trimmed = text.trimmingCharacters(in: CharacterSet(charactersIn: " ,.;:\"'()[]"))
            let words = Self.words(trimmed)
            guard !words.isEmpty, words.count <= 9, trimmed.count > 1 || words[0].first?.isNumber == true else {
                return
            }
            guard !(words.count == 1 && Self.stopWords.contains(words[0])) else { return }
            let key = words.joined(separator: " ")
            if let known = found[key] {
                counts[known] += 1
                out[known].features[6] = min(3, Double(counts[known])) / 3
                out[known].features[4] = max(out[known].features[4], near)
                return
            }
            guard out.count < limit else { return }
            let content = words.filter { !Self.stopWords.contains($0) }
            let inside = content.filter(questionWords.contains).count
            found[key] = out.count
            counts.append(1)
            out.append(
                AnswerCandidate(
                    text: trimmed, passage: passage,
                    features: [
                        fits(trimmed, words) ? 1 : 0, !content.isEmpty && inside == content.count ? 1 : 0,
                        inside > 0 && inside < content.count ? 1 : 0,
                        lowerTitles.contains(trimmed.lowercased()) ? 1 : 0,
                        near, Double(words.count) / 9, 1.0 / 3, passage > 0 ? 1 : 0,
                        trimmed.first?.isLowercase == true ? 1 : 0, quoted ? 1 : 0,
                    ]))
        }
        for (passage, text) in texts.enumerated() {
            if passage < titles.count {
                let bare = titles[passage].replacing(/\s*\([^)]*\)$/, with: "")
                add(bare, passage: passage, near: 0, quoted: false)
            }
            for sentence in Self.splitter.split(text) {
                let words = Set(Self.words(sentence).filter { !Self.stopWords.contains($0) })
                let near = Double(words.intersection(questionWords).count) / Double(max(3, questionWords.count))
                spans(of: sentence) { add($0, passage: passage, near: near, quoted: $1) }
            }
        }
        return out
    }

    private func fits(_ text: String, _ words: [String]) -> Bool {
        let hasNumber = words.contains { $0.first?.isNumber == true }
        let isTime = words.contains(where: Self.months.contains) || words.contains { $0.count == 4 && Int($0) != nil }
        let isName = text.first?.isUppercase == true && !hasNumber
        switch kind {
        case .time: return isTime
        case .number: return hasNumber && !isTime
        case .person: return isName && (2...4).contains(words.count)
        case .place: return isName
        case .choice, .yesNo: return false
        case .other: return !isTime
        }
    }

    /// Spans of one sentence: runs of capitalised words, dates, numbers with their unit, quoted texts, noun phrases.
    private func spans(of sentence: String, _ add: (String, Bool) -> Void) {
        for match in sentence.matches(of: /"([^"]{2,60})"/) { add(String(match.1), true) }
        let tokens = sentence.split(separator: " ").map(String.init)
        func bare(_ word: String) -> String { word.trimmingCharacters(in: .punctuationCharacters) }
        func isCapital(_ i: Int) -> Bool { bare(tokens[i]).first?.isUppercase ?? false }
        func isNumber(_ i: Int) -> Bool { bare(tokens[i]).first?.isNumber ?? false }
        func ends(_ i: Int) -> Bool { tokens[i].last.map { ",;:.)".contains($0) } ?? false }
        var i = 0
        while i < tokens.count {
            if isCapital(i) || isNumber(i) {
                var end = i + 1
                while end < tokens.count, !ends(end - 1) || (isNumber(end) && isDate(tokens, end - 1)) {
                    if isCapital(end) || isNumber(end) {
                        end += 1
                    } else if Self.links.contains(tokens[end]), end + 1 < tokens.count, isCapital(end + 1),
                        isCapital(end - 1)
                    {
                        end += 2
                    } else {
                        break
                    }
                }
                add(tokens[i..<end].joined(separator: " "), false)
                // A name with "of", "and" or a comma inside also gives its parts.
                if let link = (i..<end).first(where: { Self.links.contains(tokens[$0]) && $0 > i }) {
                    add(tokens[i..<link].joined(separator: " "), false)
                    add(tokens[(link + 1)..<end].joined(separator: " "), false)
                }
                if end < tokens.count, ends(end - 1), isCapital(end), tokens[end - 1].hasSuffix(",") {
                    add(tokens[i...end].joined(separator: " "), false)
                }
                if isNumber(i), end < tokens.count, !ends(end - 1), tokens[end].first?.isLowercase == true {
                    add(tokens[i...end].joined(separator: " "), false)
                    if end == i + 1 { add(tokens[i], false) }
                }
                if end - i > 1, isNumber(end - 1), !isNumber(i), !Self.months.contains(bare(tokens[i]).lowercased()) {
                    add(tokens[end - 1], false)
                }
                i = end
            } else if ["is", "was", "are", "were", "as", "the", "an", "a"].contains(tokens[i]) {
                // A noun phrase in lower case: up to four words.
                var start = i + 1
                if start < tokens.count, ["a", "an", "the"].contains(tokens[start]) { start += 1 }
                var end = start
                while end < tokens.count, end - start < 4, !isCapital(end),
                    !Self.stopWords.contains(bare(tokens[end]).lowercased())
                {
                    end += 1
                    if ends(end - 1) { break }
                }
                if end > start {
                    add(tokens[start..<end].joined(separator: " "), false)
                    if end - start > 1 { add(tokens[(end - 1)..<end].joined(separator: " "), false) }
                    if end - start > 2 { add(tokens[(end - 2)..<end].joined(separator: " "), false) }
                }
                i += 1
            } else {
                i += 1
            }
        }
    }

    private func isDate(_ tokens: [String], _ i: Int) -> Bool {
        let from = max(0, i - 2)
        return tokens[from...i].contains { Self.months.contains($0.lowercased()) }
    }
}
