// SPDX-License-Identifier: Apache-2.0

import Base
import Reading
import Text

/// Two numbers read for two things, and the answer that follows from them: a reader can only copy what a passage says, and no
/// passage says which of two is more.
extension SpanReader {
    /// How much of the probability of all numbers the one that was read must have.
    private static let sureOfNumber: Float = 0.2

    /// The answer to a question that compares two numbers (``ComparedQuantities``); nil for other questions, and where the
    /// passages do not give both numbers in one unit.
    func compared(_ question: String, _ passages: [(title: String, text: String)]) async throws -> SpanAnswer? {
        guard let compared = ComparedQuantities(question) else { return nil }
        var found: [Quantity] = []
        for (option, question) in zip(compared.options, compared.questions) {
            guard let quantity = try await quantity(question, of: option, passages, compared) else {
                return nil
            }
            found.append(quantity)
        }
        let second =
            compared.threshold.map { Quantity(value: $0, unit: found[0].unit, passage: 0, score: 1) } ?? found[1]
        guard found[0].unit.isEmpty || second.unit.isEmpty || found[0].unit == second.unit else { return nil }
        let score = Double(min(found[0].score, second.score))
        let isAbove = found[0].value > second.value
        if compared.isYesNo {
            let holds = compared.wantsMore ? isAbove : found[0].value < second.value
            return SpanAnswer(text: holds ? "yes" : "no", passage: found[0].passage, range: nil, score: score)
        }
        guard found[0].value != second.value else { return nil }
        let chosen = isAbove == compared.wantsMore ? 0 : 1
        return SpanAnswer(text: compared.options[chosen], passage: found[chosen].passage, range: nil, score: score)
    }

    private struct Quantity {
        var value: Double
        /// The stem of the word behind the number; empty where there is none.
        var unit: String
        var passage: Int
        /// The share of the probability of all numbers.
        var score: Float
    }

    /// The number that the passages give for one of two things; nil where none stands out, or none stands near the thing.
    private func quantity(
        _ question: String, of option: String, _ passages: [(title: String, text: String)],
        _ compared: ComparedQuantities
    ) async throws -> Quantity? {
        guard let (reading, layout) = try await read(question, passages) else { return nil }
        let own = Set(ReaderText(option).words.filter { $0.isContent || $0.hasDigit }.map(\.stem))
        let others = compared.options.filter { $0 != option }.map { Set(ReaderText($0).words.map(\.stem)) }
            .reduce(into: Set<String>()) { $0.formUnion($1) }.subtracting(own)
        guard !own.isEmpty else { return nil }
        var sums: [Double: (place: Int, sum: Float)] = [:]
        var total: Float = 0
        for (index, place) in layout.places.enumerated() {
            let text = layout.analysed[place.passage]
            guard let span = text.words(in: place.utf8), let value = Self.value(text, span) else { continue }
            // What the question says is no number that it asks for.
            guard !text.words[span].contains(where: { own.contains($0.stem) || others.contains($0.stem) }) else {
                continue
            }
            let words = text.words.filter { $0.sentence == text.words[span.lowerBound].sentence }
            guard compared.measureWords.isEmpty || words.contains(where: { compared.measureWords.contains($0.lower) })
            else {
                continue
            }
            let near = Set(words.map(\.stem))
            let title = Set(ReaderText(layout.titles[place.passage]).words.map(\.stem))
            let isNear = own.isSubset(of: near.union(title))
            let isAbout = isNear || own.isSubset(of: Set(text.words.map(\.stem)).union(title))
            // A sentence about the other thing alone says nothing of this one.
            let isOther = !isNear && !others.isEmpty && others.isSubset(of: near.union(title))
            let probability =
                reading.candidates[index] * place.factor * (isNear ? 1 : isAbout ? 0.3 : 0.01) * (isOther ? 0.1 : 1)
            total += probability
            let known = sums[value]
            sums[value] = (known?.place ?? index, (known?.sum ?? 0) + probability)
        }
        guard let best = sums.max(by: { ($0.value.sum, $1.key) < ($1.value.sum, $0.key) }), total > 1e-6 else {
            return nil
        }
        let place = layout.places[best.value.place]
        let text = layout.analysed[place.passage]
        let isAbout = own.isSubset(
            of: Set(text.words.map(\.stem)).union(ReaderText(layout.titles[place.passage]).words.map(\.stem)))
        guard best.value.sum / total >= Self.sureOfNumber, isAbout, let span = text.words(in: place.utf8) else {
            return nil
        }
        return Quantity(
            value: best.key, unit: Self.unit(text, span), passage: place.passage, score: best.value.sum / total)
    }

    /// The number that a candidate begins with: digits, or a numeral in words.
    private static func value(_ text: ReaderText, _ span: Range<Int>) -> Double? {
        let written = text.text(of: span)
        let first = written.split(whereSeparator: \.isWhitespace).first.map(String.init) ?? ""
        let digits = first.filter { $0.isNumber || ".,".contains($0) }
        if let number = ComparedQuantities.number(digits) { return number }
        return WordForms.number(ofWord: first.lowercased())
    }

    private static let currencies = ["euro": "€", "eur": "€", "pound": "£", "gbp": "£", "dollar": "$", "usd": "$"]

    /// The unit of a number: the sign of a currency before it, or the word behind it, within the candidate or after it.
    private static func unit(_ text: ReaderText, _ span: Range<Int>) -> String {
        let before = String(
            decoding: text.bytes[..<text.words[span.lowerBound].utf8.lowerBound].suffix(3), as: UTF8.self)
        if let sign = before.last, "£$€".contains(sign) { return String(sign) }
        var place = span.lowerBound
        while place < min(span.upperBound, text.words.count), text.words[place].hasDigit { place += 1 }
        guard place < text.words.count, text.words[place].followsDirectly, text.words[place].isContent,
            !text.words[place].isCapitalised
        else { return "" }
        return currencies[text.words[place].stem] ?? text.words[place].stem
    }
}
