// SPDX-License-Identifier: Apache-2.0

import Text

/// The whole list that an answer is one item of: a question that asks for several things ("Which wards are closed?") is
/// answered with all that the sentence names side by side, not with the first of them.
struct ListSpan {
    private let text: ReaderText
    private var words: [ReaderText.Word] { text.words }

    /// The most words of an item, and the most items.
    private static let longestItem = 6
    private static let mostItems = 40

    init(_ text: ReaderText) {
        self.text = text
    }

    /// The bytes of the list around a span; nil where it stands alone.
    func list(around utf8: Range<Int>) -> Range<Int>? {
        guard let span = text.words(in: utf8) else { return nil }
        let isName = words[span.lowerBound].isCapitalised
        var (start, end) = (span.lowerBound, span.upperBound)
        var items = 1
        while items < Self.mostItems, let next = item(behind: end, isName: isName) {
            end = next.upperBound
            items += 1
        }
        while items < Self.mostItems, let before = item(before: start, isName: isName) {
            start = before.lowerBound
            items += 1
        }
        // Two names with a comma between them are a place within a place, or two clauses.
        guard items > 2 || (items == 2 && !(start + 1..<end).contains { gap($0).contains(",") }) else { return nil }
        return words[start].utf8.lowerBound..<words[end - 1].utf8.upperBound
    }

    /// What stands between two words.
    private func gap(_ index: Int) -> String {
        guard index > 0, index < words.count else { return "\n" }
        return String(
            decoding: text.bytes[words[index - 1].utf8.upperBound..<words[index].utf8.lowerBound], as: UTF8.self)
    }

    private func isComma(_ gap: String) -> Bool { gap == ", " || gap == "; " || gap == " & " }
    private func isJoint(_ index: Int) -> Bool {
        words.indices.contains(index) && ["and", "or", "plus"].contains(words[index].lower)
    }
    private func isArticle(_ index: Int) -> Bool {
        words.indices.contains(index) && ["the", "a", "an", "his", "her", "its", "their"].contains(words[index].lower)
    }

    /// Whether a word can stand within an item.
    private func belongs(_ index: Int, isName: Bool) -> Bool {
        guard words.indices.contains(index) else { return false }
        let word = words[index]
        return word.isContent && (isName ? word.isCapitalised || word.hasDigit : true)
    }

    private func item(behind end: Int, isName: Bool) -> Range<Int>? {
        guard end < words.count, words[end].sentence == words[end - 1].sentence else { return nil }
        var start = end
        let isApart = isComma(gap(start))
        if isJoint(start), isApart || gap(start) == " " {
            start += 1
            guard start < words.count, gap(start) == " " else { return nil }
        } else if !isApart {
            return nil
        }
        if isArticle(start), gap(start + 1) == " " { start += 1 }
        var last = start
        while last < words.count, last - start < Self.longestItem, belongs(last, isName: isName),
            last == start || [" ", "-", "'", "’", ". "].contains(gap(last)),
            words[last].sentence == words[end - 1].sentence
        {
            last += 1
        }
        guard last > start else { return nil }
        // A list of small things ends where a clause begins: "red, blue and he left".
        return start..<last
    }

    private func item(before start: Int, isName: Bool) -> Range<Int>? {
        guard start > 0, words[start - 1].sentence == words[start].sentence else { return nil }
        var end = start
        if isArticle(end - 1), gap(end) == " " { end -= 1 }
        if isJoint(end - 1), gap(end) == " " {
            end -= 1
            guard end > 0, gap(end) == " " || isComma(gap(end)) else { return nil }
        } else if end > 0, !isComma(gap(end)) {
            return nil
        }
        var first = end
        while first > 0, end - first < Self.longestItem, belongs(first - 1, isName: isName),
            first == end || [" ", "-", "'", "’"].contains(gap(first)),
            words[first - 1].sentence == words[start].sentence
        {
            first -= 1
        }
        return first < end ? first..<end : nil
    }
}

extension ReaderQuestion {
    /// Whether it asks for several things: "Which wards …?", "Who are …?", "Name all …".
    var wantsList: Bool {
        guard asked != .option, asked != .count, asked != .time, !isYesNo, !wantsSentence else { return false }
        let words = text.words
        guard let first = words.first?.lower else { return false }
        if ["name", "list"].contains(first) || words.contains(where: { $0.lower == "all" }) { return true }
        let second = words.count > 1 ? words[1].lower : ""
        if ["who", "what"].contains(first), second == "are" || second == "were" { return true }
        guard let place = words.firstIndex(where: { $0.lower == "which" || $0.lower == "what" }) else { return false }
        // The noun is the last word of the run behind the asking word, before a verb.
        let run = words[(place + 1)...].prefix(4).prefix { $0.isContent }
        guard let noun = run.first(where: { Self.isPlural($0.lower) }) else { return false }
        return run.last?.lower == noun.lower || run.count <= 3
    }

    /// Whether a word looks like a plural: no "ss", "us", "is", and more than three letters.
    private static func isPlural(_ word: String) -> Bool {
        if ["people", "men", "women", "children", "two", "three", "four", "five", "six"].contains(word) { return true }
        guard word.count > 3, word.hasSuffix("s") else { return false }
        return !["ss", "us", "is", "ous"].contains { word.hasSuffix($0) }
            && !["always", "series", "species", "news"].contains(word)
            && !verbs.contains(word)
    }
    /// Verbs in the third person, which look like plurals behind "which" and "what".
    private static let verbs: Set<String> = [
        "does", "goes", "makes", "takes", "gives", "needs", "uses", "costs", "runs", "wins", "kills", "serves", "shows",
        "starts", "ends", "causes", "happens", "says", "means", "comes", "holds", "sells", "opens", "closes", "works",
    ]
}
