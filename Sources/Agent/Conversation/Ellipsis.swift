// SPDX-License-Identifier: Apache-2.0

import Reading
import Text

/// A follow-up that says only what is different: "And in November?" after "What did I pay in February 2023?" means the
/// same question with the other month.
enum Ellipsis {
    private static let months = Set(CalendarCycle.months.names)
    private static let prepositions: Set<String> = [
        "in", "on", "at", "for", "from", "to", "by", "of", "with", "during", "since", "before", "after", "about",
    ]
    private static let openers: [[String]] = [
        ["and", "what", "about"], ["and", "how", "about"], ["what", "about"], ["how", "about"], ["and"], ["or"],
    ]

    /// Whether a text is a time of the calendar: a month, a year, a date.
    static func isTime(_ text: String) -> Bool {
        let words = text.lowercased().split { !$0.isLetter && !$0.isNumber }
        return !words.isEmpty
            && words.allSatisfy {
                months.contains(String($0)) || isYear($0) || isDay($0) || prepositions.contains(String($0))
            }
            && words.contains { months.contains(String($0)) || isYear($0) }
    }

    private static func isYear(_ word: some StringProtocol) -> Bool {
        word.utf8.count == 4 && Int(word).map { (1000...2200).contains($0) } == true
    }

    private static func isDay(_ word: some StringProtocol) -> Bool {
        word.utf8.count <= 2 && Int(word).map { (1...31).contains($0) } == true
    }

    /// The question before with its own part put in place of what the follow-up names; nil where the follow-up is a whole
    /// question, or where it is not plain what it replaces.
    static func completed(_ question: String, from earlier: String) -> String? {
        guard !earlier.isEmpty else { return nil }
        let words = question.split(whereSeparator: \.isWhitespace).map { $0.trimmingPunctuation }.filter { !$0.isEmpty }
        let lowered = words.map { $0.lowercased() }
        guard let opener = openers.first(where: { lowered.starts(with: $0) }) else { return nil }
        var rest = Array(words.dropFirst(opener.count))
        var preposition: String?
        if let first = rest.first?.lowercased(), prepositions.contains(first), rest.count > 1 {
            preposition = first
            rest.removeFirst()
        }
        while let first = rest.first?.lowercased(), ["the", "a", "an"].contains(first), rest.count > 1 {
            rest.removeFirst()
        }
        guard (1...5).contains(rest.count) else { return nil }
        let part = rest.joined(separator: " ")
        if isTime(part) { return replacingTime(in: earlier, by: rest) }
        // Names only: a follow-up with a verb of its own is a question of its own.
        let small: Set<String> = ["of", "the", "and", "de", "la", "du", "van", "von", "&"]
        guard rest.allSatisfy({ $0.first?.isUppercase == true || $0.first?.isNumber == true || small.contains($0) })
        else {
            return nil
        }
        return replacingName(in: earlier, by: part, preposition: preposition)
    }

    /// Puts a time in the place of the only one of a question; a month alone keeps the year that stands there.
    private static func replacingTime(in earlier: String, by rest: [String]) -> String? {
        let tokens = pieces(earlier)
        guard let span = onlyRun(of: tokens, where: { months.contains($0.lowercased()) || isYear($0) || isDay($0) })
        else {
            return nil
        }
        let old = tokens[span]
        guard old.contains(where: { months.contains($0.text.lowercased()) || isYear($0.text) }) else { return nil }
        var new = rest
        let namesYear = rest.contains { isYear($0) }
        if !namesYear, let year = old.last(where: { isYear($0.text) }), old.contains(where: { !isYear($0.text) }) {
            new.append(String(year.text))
        } else if !namesYear, old.allSatisfy({ isYear($0.text) }), let year = old.last {
            new.append(String(year.text))
        }
        return replaced(earlier, span, tokens, by: new.joined(separator: " "))
    }

    /// Puts a name in the place of the only one of a question, or of the one behind the same preposition.
    private static func replacingName(in earlier: String, by part: String, preposition: String?) -> String? {
        let tokens = pieces(earlier)
        func isName(_ index: Int) -> Bool {
            guard index > 0, let first = tokens[index].text.first else { return false }
            return first.isUppercase && tokens[index].text != "I" && !months.contains(tokens[index].text.lowercased())
        }
        var runs: [Range<Int>] = []
        var index = 0
        while index < tokens.count {
            guard isName(index) else {
                index += 1
                continue
            }
            var end = index + 1
            while end < tokens.count,
                isName(end) || (tokens[end].text.first?.isNumber == true && !isYear(tokens[end].text))
            {
                end += 1
            }
            runs.append(index..<end)
            index = end
        }
        if runs.count > 1, let preposition {
            runs = runs.filter { $0.lowerBound > 0 && tokens[$0.lowerBound - 1].text.lowercased() == preposition }
        }
        guard runs.count == 1, let span = runs.first else { return nil }
        return replaced(earlier, span, tokens, by: part)
    }

    private static func replaced(
        _ text: String, _ span: Range<Int>, _ tokens: [Piece], by part: String
    ) -> String {
        text[..<tokens[span.lowerBound].text.startIndex] + part + text[tokens[span.upperBound - 1].text.endIndex...]
    }

    private struct Piece { var text: Substring }

    private static func pieces(_ text: String) -> [Piece] {
        text.split { !$0.isLetter && !$0.isNumber && !"'’&.-".contains($0) }.map { piece in
            var piece = piece
            while let last = piece.last, ".'’-".contains(last) { piece = piece.dropLast() }
            for ending in ["'s", "’s"] where piece.hasSuffix(ending) { piece = piece.dropLast(2) }
            return Piece(text: piece)
        }.filter { !$0.text.isEmpty }
    }

    /// The one run of pieces that meet a condition; nil for none and for more than one.
    private static func onlyRun(of tokens: [Piece], where meets: (Substring) -> Bool) -> Range<Int>? {
        var runs: [Range<Int>] = []
        for (index, token) in tokens.enumerated() where meets(token.text) {
            if let last = runs.last, last.upperBound == index {
                runs[runs.count - 1] = last.lowerBound..<(index + 1)
            } else {
                runs.append(index..<(index + 1))
            }
        }
        return runs.count == 1 ? runs.first : nil
    }
}

extension Substring {
    /// Without the signs around it.
    fileprivate var trimmingPunctuation: String {
        var text = self
        while let first = text.first, !first.isLetter, !first.isNumber { text = text.dropFirst() }
        while let last = text.last, !last.isLetter, !last.isNumber { text = text.dropLast() }
        return String(text)
    }
}
