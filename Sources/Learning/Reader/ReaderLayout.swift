// SPDX-License-Identifier: Apache-2.0

import Base
import QualityMetrics
import TensorMath
import Text

/// A question beside each of its passages, before any vectors: the tokens, the candidate answers, and where they stand.
///
/// The tokens of all passages follow one another as rows of one matrix of states, from the fast pass or from a tape.
struct ReaderLayout: Sendable {
    /// A candidate: the passage it is in, its byte range in the passage's text (title before it), its form for comparison.
    struct Place: Sendable, Hashable {
        var passage: Int
        var utf8: Range<Int>
        var key: String
        /// What the question's form leaves of its probability.
        var factor: Float = 1
        /// Whether no answer to the question can look like that.
        var isImpossible: Bool { factor <= AnswerConstraints.impossibility }
        /// How much of the question its sentence and its passage hold, 0 to 1.
        var sentenceCover: Float = 0
        var passageCover: Float = 0
        /// The rows of its tokens, and of those around it.
        var tokens: Range<Int>
        var context: Range<Int>
    }

    private(set) var places: [Place]
    /// The question and the passages, titles before their texts, as words.
    let asked: ReaderQuestion
    let analysed: [ReaderText]
    let titles: [String]
    /// Whether the question holds two things against each other, by its words or by naming the titles of two passages.
    let comparesTwo: Bool
    /// Whether the passages have other codes like the question's, and none of its own.
    let lacksCodes: Bool
    let texts: [String]
    let isYesNo: Bool
    /// Candidates × features.
    let features: Matrix
    /// What speaks for yes.
    let polarity: [Float]
    /// The share of the question's content words that the passages hold, and those words as they stand in the question.
    let coverage: Float
    let sought: [String]
    /// The share of the question's names and numbers that the passages hold; 1 where it has none.
    let nameCoverage: Float
    /// The share of them that stand in a passage's title; 1 where the question has none.
    let titledNames: Float
    /// The question's words, and those behind the first that begin with a capital or a digit.
    let wordCount: Int
    let nameCount: Int
    /// The rows of each passage's tokens, and of the question's beside it.
    let passages: [Range<Int>]
    let questions: [Range<Int>]

    /// What is left of an answer whose clause is not the one that is meant.
    private static let passedOver: Float = 0.02

    /// Reduces the answers of sentences that say the same of several things, but for the one that the question means.
    private static func weighClauses(_ places: inout [Place], _ texts: [ReaderText], _ asked: ReaderQuestion) {
        guard [.count, .time, .place, .person].contains(asked.asked) || !asked.sort.isEmpty else { return }
        let spans = places.map { texts[$0.passage].words(in: $0.utf8) }
        for (passage, text) in texts.enumerated() {
            for hasDigit in [true, false] {
                let own = places.indices.filter { index in
                    guard places[index].passage == passage, !places[index].isImpossible, let span = spans[index] else {
                        return false
                    }
                    let words = text.words[span]
                    return hasDigit
                        ? words.contains(where: \.hasDigit)
                        : words.allSatisfy { $0.isCapitalised } && !words.contains { asked.terms.contains($0.stem) }
                }
                let passed = ReaderClauses.passedOver(own.compactMap { spans[$0] }, in: text, terms: asked.terms)
                for index in own where spans[index].map(passed.contains) == true {
                    places[index].factor *= Self.passedOver
                }
            }
        }
    }

    /// How many tokens on each side of a candidate are its surroundings.
    private static let reach = 8

    /// Lays out passages.
    ///
    /// - Parameter encodings: One for each passage: the pair of the question and the passage's text with its title.
    init(question: String, titles: [String], texts: [String], encodings: [WordPieceTokenizer.Encoding]) {
        let asked = ReaderQuestion(question)
        let analysed = texts.map { ReaderText($0, language: asked.language) }
        self.asked = asked
        self.analysed = analysed
        self.titles = titles
        let questionKey = " " + TitleNormalizer.key(for: question) + " "
        let named = Set(
            titles.map { TitleNormalizer.key(for: $0) }.filter { !$0.isEmpty && questionKey.contains(" \($0) ") })
        // "Curlew" is not named beside "Curlew 2" where only the latter is.
        let whole = named.filter { name in
            let rest = named.filter { $0 != name && " \($0) ".contains(" \(name) ") }
                .reduce(questionKey) { $0.replacing(" \($1) ", with: " | ") }
            return rest.contains(" \(name) ")
        }
        comparesTwo = asked.comparesTwo || whole.count > 1
        let codes = CodeMatch(asked: asked.codes, texts: texts)
        lacksCodes = codes.lacksAll
        let features = AnswerFeatures(asked, titles: titles, texts: analysed)
        let constraints = AnswerConstraints(asked, texts: analysed)
        let titleKeys = Set(titles.map { TitleNormalizer.key(for: $0) })
        var start = 0
        var pairs: [TokenPair] = []
        for encoding in encodings {
            pairs.append(TokenPair(encoding, from: start))
            start += encoding.count
        }
        var places: [Place] = []
        var rows: [Float] = []
        for (index, (passage, candidate)) in features.candidates.enumerated() {
            let words = analysed[passage].words
            let utf8 =
                words[candidate.words.lowerBound].utf8
                .lowerBound..<words[candidate.words.upperBound - 1].utf8.upperBound
            // Behind the encoder's last token nothing was read.
            guard let own = pairs[passage].tokens(in: utf8) else { continue }
            let key = features.keys[index]
            let wide =
                max(
                    pairs[passage].text.lowerBound, own.lowerBound - Self.reach)..<min(
                    pairs[passage].text.upperBound, own.upperBound + Self.reach)
            places.append(
                Place(
                    passage: passage, utf8: utf8, key: key,
                    factor: constraints.factor(
                        candidate.words, in: analysed[passage], isTitle: titleKeys.contains(key))
                        * (codes.isOther[passage] ? AnswerConstraints.penalty / 2 : 1),
                    sentenceCover: features.covers[index].sentence, passageCover: features.covers[index].passage,
                    tokens: own, context: wide))
            rows += features.rows[index]
        }
        if asked.asked == .option {
            let options = AnswerOptions(question)
            let isOption = places.map { options.holds($0.key) }
            if isOption.contains(true) {
                for index in places.indices where !isOption[index] { places[index].factor *= AnswerConstraints.penalty }
            }
        }
        Self.weighClauses(&places, analysed, asked)
        self.places = places
        self.texts = texts
        isYesNo = asked.isYesNo
        self.features = Matrix(rows: places.count, columns: AnswerFeatures.count, elements: rows)
        polarity = features.polarity
        let held = analysed.reduce(into: Set<String>()) { all, text in
            for word in text.words where asked.terms.contains(word.stem) { all.insert(word.stem) }
        }
        coverage = asked.terms.isEmpty ? 0 : Float(held.count) / Float(asked.terms.count)
        let words = question.split(whereSeparator: \.isWhitespace)
        wordCount = words.count
        nameCount = words.dropFirst().count { $0.first.map { $0.isUppercase || $0.isNumber } ?? false }
        let names = asked.text.words.enumerated().filter { place, word in
            word.isContent && (word.hasDigit || (word.isCapitalised && place > 0))
        }.map(\.element.stem)
        nameCoverage = names.isEmpty ? 1 : Float(names.count { held.contains($0) }) / Float(names.count)
        let stems = names.isEmpty ? [] : titles.map { title in Set(ReaderText(title).words.map(\.stem)) }
        titledNames =
            names.isEmpty
            ? 1 : Float(names.count { name in stems.contains { $0.contains(name) } }) / Float(names.count)
        sought = asked.text.words.filter(\.isContent).map { String(decoding: asked.text.bytes[$0.utf8], as: UTF8.self) }
        passages = pairs.map(\.all)
        questions = pairs.map(\.question)
    }

    /// The text of a candidate.
    func text(of place: Place) -> String {
        let bytes = Array(texts[place.passage].utf8)
        return String(decoding: bytes[place.utf8.lowerBound..<min(bytes.count, place.utf8.upperBound)], as: UTF8.self)
    }

    /// The candidates that equal an answer, or else those that come nearest to one; none where no candidate shares half
    /// its words with an answer.
    func targets(answers: [String]) -> [Int] {
        var scores: [String: Double] = [:]
        var best = 0.5
        for place in places where scores[place.key] == nil {
            let score = AnswerBenchmark.hotpotQA.score(text(of: place), gold: answers).f1
            scores[place.key] = score
            best = max(best, score)
        }
        return places.indices.filter { (scores[places[$0].key] ?? 0) >= best - 1e-9 }
    }

    /// The best answer that the candidates allow, as F1: what no reader of them can exceed.
    func ceiling(answers: [String]) -> Double {
        if isYesNo, ["yes", "no"].contains(answers.first?.lowercased()) { return 1 }
        return Set(places.map { text(of: $0) }).map { AnswerBenchmark.hotpotQA.score($0, gold: answers).f1 }.max() ?? 0
    }
}

/// The tokens of a question and a passage read together.
private struct TokenPair {
    private let offsets: [Range<Int>]
    private let start: Int
    /// The rows of all tokens, of the question's, and of the passage's.
    let all: Range<Int>
    let question: Range<Int>
    let text: Range<Int>

    /// Special tokens have an empty range: the first stands before the question, the second behind it.
    init(_ encoding: WordPieceTokenizer.Encoding, from start: Int) {
        let offsets = encoding.offsets
        self.offsets = offsets
        self.start = start
        let specials = offsets.indices.filter { offsets[$0].isEmpty }
        let middle = specials.count > 1 ? specials[1] : offsets.count
        let first = min(offsets.count, middle + 1)
        let end = max(first, specials.count > 2 ? specials[2] : offsets.count)
        all = start..<(start + offsets.count)
        question = (start + min(1, middle))..<(start + middle)
        text = (start + first)..<(start + end)
    }

    func tokens(in utf8: Range<Int>) -> Range<Int>? {
        // The tokens stand in the order of the text.
        var low = text.lowerBound
        while low < text.upperBound, offsets[low - start].upperBound <= utf8.lowerBound { low += 1 }
        var high = low
        while high < text.upperBound, offsets[high - start].lowerBound < utf8.upperBound { high += 1 }
        return low < high ? low..<high : nil
    }
}
