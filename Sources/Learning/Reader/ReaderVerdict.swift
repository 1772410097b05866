// SPDX-License-Identifier: Apache-2.0

import Reading
import Text

/// Yes or no from the sentence that holds most of a question.
extension ReaderLayout {
    /// How much of a question a sentence must hold for a yes or no to rest on it.
    static let sureCover: Float = 0.75

    /// Yes or no, where a sentence says nearly all that the question does: yes when both deny or neither does; no where it has
    /// another name or number in the place of the question's. Where it leaves out a name, a number or much else the verdict is
    /// left open, and the sentence is what there is to say.
    func verdict(_ sentence: ReaderSentence) -> String? {
        let words = asked.text.words
        let (yes, no) = (asked.polar?.yes ?? "yes", asked.polar?.no ?? "no")
        let open = words.indices.filter { place in
            sentence.missing.contains(words[place].stem)
                && (words[place].hasDigit || (words[place].isCapitalised && place > 0))
        }
        // "Isn't it …?" asks what "Is it …?" does.
        let isDenied = words.dropFirst().contains { isNegation($0.lower) }
        if !open.isEmpty {
            return !isDenied && !sentence.isNegated && hasAnother(sentence, for: open) ? no : nil
        }
        guard sentence.cover >= Self.sureCover else { return nil }
        return isDenied == sentence.isNegated ? yes : no
    }

    private static let spanning: Set<String> = [
        "between", "from", "since", "until", "till", "before", "after", "by", "to", "during", "about", "around",
    ]

    /// Whether an answer is a verdict that rests on a sentence.
    func isSaid(_ answer: String) -> Bool {
        guard isYesNo, !comparesTwo, let sentence = bestSentence() else { return false }
        return verdict(sentence) == answer
    }

    /// Whether a sentence says all that the question does but for one name or number, and has another in its place: behind the
    /// same two words ("written in Swift" for "written in Rust"), or of the same unit ("24 beds" for "30 beds", "£3" for "£4").
    private func hasAnother(_ sentence: ReaderSentence, for open: [Int]) -> Bool {
        let words = asked.text.words
        guard let first = open.first, let last = open.last, last - first == open.count - 1,
            sentence.missing.isSubset(of: Set(open.map { words[$0].stem })),
            words.contains(where: {
                $0.isContent && !$0.isCapitalised && !$0.hasDigit && !sentence.missing.contains($0.stem)
            })
        else { return false }
        let text = analysed[sentence.passage]
        guard let range = text.words(in: sentence.utf8) else { return false }
        let known = Set(words.map(\.stem))
        let own = range.filter { !known.contains(text.words[$0].stem) }
        if words[first].hasDigit {
            let shape = NumberShape(asked.text, first)
            // A time of day is two words.
            guard open.count == 1 || (shape.isTime && open.count == 2) else { return false }
            let others = own.filter { text.words[$0].hasDigit && NumberShape(text, $0) == shape }
            // "Between 1928 and 1933" and "since 2004" deny no year within.
            let spans = text.words[range].contains { Self.spanning.contains($0.lower) }
            return !others.isEmpty && shape.isTelling && !((shape.isYear || shape.isTime) && spans)
        }
        guard first >= 2, last == words.count - 1 else { return false }
        let lead = words[(first - 2)..<first].map(\.stem)
        return own.contains { place in
            text.words[place].isCapitalised && place >= range.lowerBound + 2
                && text.words[(place - 2)..<place].map(\.stem) == lead
        }
    }
}

/// What kind of number a word with digits is: only such as are of one kind contradict each other.
private struct NumberShape: Equatable {
    /// The sign before it, such as of a currency, the one behind it, and whether it is a time of day or a year.
    var before: Character?
    var behind: Character?
    var isTime: Bool
    var isYear: Bool
    /// The stem of the word behind it; empty where something else follows.
    var unit: String

    init(_ text: ReaderText, _ place: Int) {
        let word = text.words[place]
        let (before, behind) = text.around(place..<(place + 1))
        let currency = String(decoding: text.bytes[..<word.utf8.lowerBound].suffix(3), as: UTF8.self).last
        self.before = currency.flatMap { "£$€".contains($0) ? $0 : nil }
        self.behind = behind == UInt8(ascii: "%") ? "%" : nil
        let clock: (UInt8) -> Bool = { $0 == UInt8(ascii: ":") }
        isTime = word.lower.contains(":") || clock(before) || clock(behind)
        isYear = word.lower.count == 4 && (Int(word.lower).map { (1000...2100).contains($0) } ?? false)
        let next = place + 1
        unit =
            next < text.words.count && text.words[next].followsDirectly && text.words[next].isContent
                && !text.words[next].hasDigit && !isYear && !isTime && self.before == nil && self.behind == nil
            ? text.words[next].stem : ""
    }

    /// Whether it says what it is a number of: bare numbers may count anything.
    var isTelling: Bool { before != nil || behind != nil || isTime || isYear || !unit.isEmpty }
}
