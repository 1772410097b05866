// SPDX-License-Identifier: Apache-2.0

import Reading
import Text

/// Answers that are written in a pattern (``PatternedAnswer``): none of the reader's candidates are such, and where the passages
/// have none there is no answer, whatever else they say.
extension SpanReader {
    /// The answer to a question for an address or a telephone number; nil for other questions.
    func patterned(_ question: String, _ reading: Reading, _ layout: ReaderLayout) -> SpanAnswer? {
        guard let pattern = PatternedAnswer(question) else { return nil }
        let asked = layout.asked.text.words.filter {
            $0.isContent && !PatternedAnswer.words.contains($0.lower)
                && !["number", "address", "code", "site", "page"].contains($0.lower)
        }
        let terms = Set(asked.map(\.stem))
        let names = Set(
            layout.asked.text.words.enumerated().filter { place, word in
                word.isContent && (word.hasDigit || (word.isCapitalised && place > 0))
            }.map(\.element.stem)
        ).intersection(terms)
        var best: (place: ReaderLayout.Place, value: Float)?
        for (passage, text) in layout.analysed.enumerated() {
            let title = Set(ReaderText(layout.titles[passage]).words.map(\.stem))
            let held = title.union(text.words.map(\.stem))
            guard names.isSubset(of: held), terms.isEmpty || !terms.isDisjoint(with: held) else { continue }
            for range in pattern.places(in: text.text) {
                guard let span = text.words(in: range) else { continue }
                let line = Self.line(around: range, text)
                let near = title.union(text.words[line].map(\.stem))
                let distance =
                    text.words.indices.filter { terms.contains(text.words[$0].stem) }
                    .map { $0 < span.lowerBound ? span.lowerBound - $0 : 2 * ($0 - span.lowerBound + 1) }.min() ?? 100
                func share(_ found: Set<String>) -> Float {
                    terms.isEmpty ? 1 : Float(terms.intersection(found).count) / Float(terms.count)
                }
                let value = share(near) + 0.5 * share(held) + 0.3 / (1 + Float(distance) / 8) - 0.01 * Float(passage)
                guard value > best?.value ?? 0 else { continue }
                let words = String(decoding: text.bytes[range], as: UTF8.self)
                best = (
                    ReaderLayout.Place(
                        passage: passage, utf8: range, key: TitleNormalizer.key(for: words), sentenceCover: share(near),
                        passageCover: share(held), tokens: 0..<0, context: 0..<0),
                    value
                )
            }
        }
        guard let place = best?.place, place.passageCover >= Self.leastCover else {
            guard pattern.isExhaustive else { return nil }
            var none = judged(SpanAnswer(text: "", passage: nil, range: nil, score: 0), ("", nil, 0), reading, layout)
            (none.sharesWords, none.isAnswerable, none.confidence) = (false, false, 0)
            return none
        }
        let words = String(decoding: layout.analysed[place.passage].bytes[place.utf8], as: UTF8.self)
        let score = Double(place.passageCover)
        let before = layout.titles[place.passage].isEmpty ? 0 : layout.titles[place.passage].utf8.count + 2
        let isInText = place.utf8.lowerBound >= before
        var answer = SpanAnswer(
            text: words, passage: place.passage,
            range: isInText ? (place.utf8.lowerBound - before)..<(place.utf8.upperBound - before) : nil, score: score)
        answer.isSaid = true
        return judged(answer, (words, place, score), reading, layout)
    }

    /// The share of the question's words that a passage must have for its address to be the one that is asked for.
    private static let leastCover: Float = 0.5

    /// The words of the line that a range of bytes stands in, or of its sentence where that is longer.
    private static func line(around range: Range<Int>, _ text: ReaderText) -> Range<Int> {
        let newline = UInt8(ascii: "\n")
        let start = text.bytes[..<range.lowerBound].lastIndex(of: newline) ?? 0
        let end = text.bytes[range.upperBound...].firstIndex(of: newline) ?? text.bytes.count
        guard let span = text.words(in: range) else { return 0..<0 }
        let sentence = text.words[span.lowerBound].sentence
        let own = text.words.indices.filter {
            let word = text.words[$0]
            return word.sentence == sentence && word.utf8.lowerBound >= start && word.utf8.upperBound <= end
        }
        guard let first = own.first, let last = own.last else { return span }
        return first..<(last + 1)
    }
}
