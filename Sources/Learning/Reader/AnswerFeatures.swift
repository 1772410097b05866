// SPDX-License-Identifier: Apache-2.0

import Foundation
import Text

/// What the reader knows of each candidate answer beside the encoder's vectors: shape, overlap with the question, place.
struct AnswerFeatures {
    /// Candidates of all passages with the passage each is in.
    private(set) var candidates: [(passage: Int, candidate: AnswerCandidate)] = []
    /// The form in which answers are compared, one for each candidate.
    private(set) var keys: [String] = []
    /// Candidates × features.
    private(set) var rows: [[Float]] = []
    /// How much of the question the sentence and the passage of each candidate hold, 0 to 1.
    private(set) var covers: [(sentence: Float, passage: Float)] = []
    /// The features that decide between yes and no.
    private(set) var polarity: [Float] = []

    static let count: Int = {
        let features = AnswerFeatures(ReaderQuestion("Who?"), titles: ["A"], texts: [ReaderText("A. It is Ben.")])
        return features.rows.first?.count ?? 0
    }()
    static let polarityCount = 7

    private static let before = [
        "in", "at", "on", "by", "of", "the", "named", "called", "as", "is", "was", "a", "and", "with", "from", "for",
    ]

    /// Looks at the passages of one question, texts with their titles before them.
    init(_ question: ReaderQuestion, titles: [String], texts: [ReaderText]) {
        let weights = Self.weights(question, texts)
        // Sums in one order: that of a set differs from process to process, and with it the last digits of a sum.
        let asked = question.terms.sorted().map { (term: $0, weight: weights[$0] ?? 0) }
        let total = max(1e-6, asked.reduce(0) { $0 + $1.weight })
        func cover(_ found: Set<String>) -> Float {
            asked.reduce(0) { found.contains($1.term) ? $0 + $1.weight : $0 } / total
        }
        let titleKeys = titles.map { TitleNormalizer.key(for: $0) }
        let titleStems = titles.map { Set(ReaderText(TitleNormalizer.withoutDisambiguation($0)).words.map(\.stem)) }
        let questionKey = " " + TitleNormalizer.key(for: question.text.text) + " "
        let folded = texts.map { " " + TitleNormalizer.key(for: $0.text) + " " }
        let winner = Self.winner(question, titleKeys, questionKey, texts)

        // How much of the question each sentence and each passage holds.
        var sentenceCover: [[Float]] = []
        var passageCover: [Float] = []
        for text in texts {
            var held = [Set<String>](repeating: [], count: text.sentenceCount)
            var all = Set<String>()
            for word in text.words where question.terms.contains(word.stem) {
                held[min(word.sentence, held.count - 1)].insert(word.stem)
                all.insert(word.stem)
            }
            sentenceCover.append(held.map(cover))
            passageCover.append(cover(all))
        }
        let bestSentence = max(1e-3, sentenceCover.flatMap { $0 }.max() ?? 0)
        let bestPassage = max(1e-3, passageCover.max() ?? 0)

        var counts: [String: Set<Int>] = [:]
        for (passage, text) in texts.enumerated() {
            for candidate in AnswerCandidate.all(in: text) {
                let key = TitleNormalizer.key(for: text.text(of: candidate.words))
                guard !key.isEmpty else { continue }
                candidates.append((passage, candidate))
                keys.append(key)
                counts[key, default: []].insert(passage)
            }
        }
        // A title mentioned elsewhere is a bridge: the passage about it was reached through the other.
        let mentionedBy = titleKeys.enumerated().map { passage, key in
            !key.isEmpty && folded.indices.contains { $0 != passage && folded[$0].contains(" \(key) ") }
        }
        let mentionsOther = folded.enumerated().map { passage, text in
            titleKeys.indices.contains {
                $0 != passage && !titleKeys[$0].isEmpty && text.contains(" \(titleKeys[$0]) ")
            }
        }
        let titleAsked = titleKeys.map { !$0.isEmpty && questionKey.contains(" \($0) ") }
        for (index, (passage, candidate)) in candidates.enumerated() {
            let text = texts[passage]
            let words = text.words
            let span = candidate.words
            let key = keys[index]
            let first = words[span.lowerBound]
            let own = words[span].filter(\.isContent).map(\.stem)
            let shared = own.filter { question.terms.contains($0) }.count
            let sentence = min(first.sentence, sentenceCover[passage].count - 1)
            let (byteBefore, byteBehind) = text.around(span)
            func nearby(_ reach: Int) -> Float {
                var found = Set<String>()
                for place in max(0, span.lowerBound - reach)..<min(words.count, span.upperBound + reach)
                where !span.contains(place) && words[place].sentence == first.sentence {
                    if question.terms.contains(words[place].stem) { found.insert(words[place].stem) }
                }
                return cover(found)
            }
            func distance(_ places: some Sequence<Int>) -> Float {
                for (step, place) in places.enumerated() {
                    guard words.indices.contains(place), words[place].sentence == first.sentence else { return 0 }
                    if question.terms.contains(words[place].stem) { return 1 / Float(step + 1) }
                }
                return 0
            }
            func sorts(_ range: Range<Int>) -> Float {
                let stems = Set(words[range.clamped(to: 0..<words.count)].map(\.stem))
                return question.sort.isEmpty
                    ? 0 : Float(question.sort.intersection(stems).count) / Float(question.sort.count)
            }
            let wordBefore = span.lowerBound > 0 ? words[span.lowerBound - 1].lower : ""
            let inTitle =
                span.upperBound <= titleStems[passage].count && first.sentence == 0
                && first.utf8.lowerBound < titles[passage].utf8.count
            var row: [Float] = []
            func flag(_ condition: Bool) { row.append(condition ? 1 : 0) }
            for kind in AnswerCandidate.Kind.allCases { flag(candidate.kind == kind) }
            for asked in ReaderQuestion.Asked.allCases {
                for kind in AnswerCandidate.Kind.allCases { flag(asked == question.asked && kind == candidate.kind) }
            }
            row.append(min(1, Float(span.count) / 6))
            flag(span.count == 1)
            flag(span.count == 2)
            flag(words[span].contains(where: \.hasDigit))
            flag(words[span].allSatisfy(\.isCapitalised))
            flag(!words[span].contains(where: \.isCapitalised))
            flag(inTitle)
            flag(key == titleKeys[passage])
            flag(titleKeys.indices.contains { $0 != passage && titleKeys[$0] == key })
            row.append(own.isEmpty ? 1 : Float(shared) / Float(own.count))
            flag(questionKey.contains(" \(key) "))
            flag(question.asked == .option && questionKey.contains(" \(key) "))
            row.append(winner.isEmpty ? 0 : key == winner ? 1 : -0.2)
            row.append(sentenceCover[passage][sentence])
            row.append(sentenceCover[passage][sentence] / bestSentence)
            row.append(passageCover[passage])
            row.append(passageCover[passage] / bestPassage)
            row.append(nearby(4))
            row.append(nearby(10))
            row.append(distance((1...15).lazy.map { span.lowerBound - $0 }))
            row.append(distance((0..<15).lazy.map { span.upperBound + $0 }))
            row.append(sorts(span))
            row.append(sorts(max(0, span.lowerBound - 4)..<span.lowerBound))
            row.append(sorts(span.upperBound..<(span.upperBound + 4)))
            row.append(question.sort.isEmpty ? 0 : sorts(0..<words.count))
            flag(!question.sort.isEmpty && question.sort.isSubset(of: Set(own)) && own.count > question.sort.count)
            flag(titleAsked[passage])
            flag(mentionedBy[passage])
            flag(mentionsOther[passage])
            flag(mentionedBy[passage] && !titleAsked[passage])
            row.append(min(1, Float((counts[key]?.count ?? 1) - 1)))
            row.append(min(1, Float(sentence) / 4))
            flag(sentence == 0)
            row.append(min(1, Float(span.lowerBound) / 60))
            for word in Self.before { flag(wordBefore == word) }
            for byte in Array("(,\"".utf8) { flag(byteBefore == byte) }
            for byte in Array("),.\"'".utf8) { flag(byteBehind == byte) }
            flag(span.upperBound < words.count && !words[span.upperBound].isContent)
            rows.append(row)
            covers.append((sentenceCover[passage][sentence], passageCover[passage]))
        }
        polarity = Self.polarity(question, titleStems, texts, weights, total)
    }

    /// How much each of the question's terms says: more where fewer sentences have it.
    private static func weights(_ question: ReaderQuestion, _ texts: [ReaderText]) -> [String: Float] {
        var frequency: [String: Set<Int>] = [:]
        var sentences = 0
        for text in texts {
            for word in text.words where question.terms.contains(word.stem) {
                frequency[word.stem, default: []].insert(sentences + word.sentence)
            }
            sentences += text.sentenceCount
        }
        return Dictionary(
            uniqueKeysWithValues: question.terms.map {
                ($0, log(1 + Float(sentences + 1) / Float((frequency[$0]?.count ?? 0) + 1)))
            })
    }

    /// The title that wins a comparison by year; empty where there is none to decide.
    private static func winner(
        _ question: ReaderQuestion, _ titles: [String], _ questionKey: String, _ texts: [ReaderText]
    ) -> String {
        guard question.direction != 0 else { return "" }
        var sides: [(title: String, year: Int)] = []
        for (title, text) in zip(titles, texts)
        where !title.isEmpty && questionKey.contains(" \(title) ") && !sides.contains(where: { $0.title == title }) {
            let years = text.words.lazy.filter { $0.utf8.count == 4 }.compactMap { Int($0.lower) }
            if let year = years.first(where: { (1000...2100).contains($0) }) { sides.append((title, year)) }
        }
        guard sides.count == 2, sides[0].year != sides[1].year else { return "" }
        return (sides[0].year < sides[1].year) == (question.direction < 0) ? sides[0].title : sides[1].title
    }

    /// What speaks for yes: that every passage about something the question names holds the rest of the question.
    private static func polarity(
        _ question: ReaderQuestion, _ titles: [Set<String>], _ texts: [ReaderText], _ weights: [String: Float],
        _ total: Float
    ) -> [Float] {
        let named = titles.reduce(into: Set<String>()) { all, title in
            if !title.isEmpty, title.isSubset(of: Set(question.text.words.map(\.stem))) { all.formUnion(title) }
        }
        let rest = question.terms.subtracting(named)
        let stems = texts.map { Set($0.words.filter(\.isContent).map(\.stem)) }
        let covers = stems.map { rest.isEmpty ? 0 : Float(rest.intersection($0).count) / Float(rest.count) }
        let openings = texts.map { text in Set(text.words.filter { $0.isContent && $0.sentence < 2 }.map(\.stem)) }
        var common: Float = 0
        if openings.count > 1 {
            let shared = openings[0].intersection(openings[1]).subtracting(question.terms).count
            common = min(1, Float(shared) / 6)
        }
        let words = Set(question.text.words.map(\.lower))
        return [
            1, words.contains("both") ? 1 : 0, words.contains("same") ? 1 : 0, covers.min() ?? 0, covers.max() ?? 0,
            common,
            words.contains("same") ? common : 0,
        ]
    }
}
