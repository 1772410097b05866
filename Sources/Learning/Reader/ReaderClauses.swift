// SPDX-License-Identifier: Apache-2.0

import Text

/// A sentence that says the same of several things in turn: "The allowance is 28 euros in Germany and 40 euros abroad", "Ana
/// leads the north team and Ben the south team". Each of its clauses has an answer of its own, and the one with the question's
/// words is meant.
struct ReaderClauses {
    private static let joints: Set<String> = ["and", "but", "while", "whereas"]

    /// Which of some spans in a passage stand in a clause that has less of the question than another's clause of the same sentence.
    ///
    /// - Parameters:
    ///   - spans: Word ranges of answers of one kind, such as numbers or names.
    ///   - terms: The stems of the question's content words.
    static func passedOver(_ spans: [Range<Int>], in text: ReaderText, terms: Set<String>) -> Set<Range<Int>> {
        var result: Set<Range<Int>> = []
        // What reaches over a joint is several answers at once.
        let single = Set(spans.filter { span in !text.words[span].contains { joints.contains($0.lower) } })
        for (_, own) in Dictionary(grouping: single, by: { text.words[$0.lowerBound].sentence }) {
            let clauses = Self.clauses(of: Set(own), text)
            // "Ana and Ben lead the team": where a part is nothing but a name, names are listed.
            let isNumber = own.contains { text.words[$0].contains(where: \.hasDigit) }
            let saysMore = clauses.allSatisfy { clause in
                text.words[clause].contains { $0.isContent && !(isNumber ? $0.hasDigit : $0.isCapitalised) }
            }
            guard clauses.count > 1, saysMore else { continue }
            let first = clauses[0]
            let start = own.map(\.lowerBound).min() ?? first.lowerBound
            let prefix = stems(first.lowerBound..<start, text)
            var held = clauses.map { terms.intersection(stems($0, text)) }
            // What only the first clause says may hold for all, unless another clause has a subject of its own.
            let isShared = clauses.dropFirst().allSatisfy { prefix.isDisjoint(with: stems($0, text)) }
            if isShared { held[0] = held.dropFirst().reduce(into: Set()) { $0.formUnion($1) }.intersection(held[0]) }
            let common = held.dropFirst().reduce(held[0]) { $0.intersection($1) }
            let counts = held.map { $0.subtracting(common).count }
            let most = counts.max() ?? 0
            for span in own {
                guard let place = clauses.firstIndex(where: { $0.contains(span.lowerBound) }) else { continue }
                if counts[place] < most { result.insert(span) }
            }
        }
        return result
    }

    private static func stems(_ range: Range<Int>, _ text: ReaderText) -> Set<String> {
        Set(text.words[range].filter(\.isContent).map(\.stem))
    }

    /// The sentence of some spans in parts that hold at least one of them each, cut at commas, semicolons and joints.
    private static func clauses(of spans: Set<Range<Int>>, _ text: ReaderText) -> [Range<Int>] {
        guard let some = spans.first else { return [] }
        let sentence = text.words[some.lowerBound].sentence
        guard let low = text.words.firstIndex(where: { $0.sentence == sentence }),
            let high = text.words.lastIndex(where: { $0.sentence == sentence })
        else { return [] }
        var cuts: [Int] = []
        for place in (low + 1)...max(low + 1, high) where place <= high {
            let gap = text.bytes[
                text.words[place - 1].utf8
                    .upperBound..<max(
                        text.words[place - 1].utf8.upperBound, text.words[place].utf8.lowerBound)]
            let isCut =
                joints.contains(text.words[place].lower)
                || gap.contains { [UInt8(ascii: ","), UInt8(ascii: ";")].contains($0) && gap.count > 1 }
            // A name or a number is not cut in two.
            if isCut, !spans.contains(where: { $0.lowerBound < place && place < $0.upperBound }) { cuts.append(place) }
        }
        var clauses: [Range<Int>] = []
        var start = low
        for cut in cuts + [high + 1] {
            let range = start..<cut
            let holds = spans.contains { range.contains($0.lowerBound) }
            if let last = clauses.last, !holds {
                // A part without an answer belongs to the one before it.
                clauses[clauses.count - 1] = last.lowerBound..<cut
                start = cut
            } else if holds {
                clauses.append(range)
                start = cut
            }
            // A part before the first answer is the beginning of its clause.
        }
        return clauses
    }
}
