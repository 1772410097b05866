// SPDX-License-Identifier: Apache-2.0

import Encoders
import QualityMetrics
import TensorMath
import Text

/// A question and its passages, read: the candidates with what the network sees of each.
struct ReaderInput: Sendable {
    /// The candidates: the passage each is in, its byte range in the passage's text (title before it), and its form for
    /// comparison.
    struct Place: Sendable, Hashable {
        var passage: Int
        var utf8: Range<Int>
        var key: String
        /// What the question's form leaves of its probability.
        var factor: Float = 1
    }

    let places: [Place]
    let texts: [String]
    let isYesNo: Bool
    let input: SpanNetwork.Input

    /// How many tokens on each side of a candidate are its surroundings.
    private static let reach = 8

    /// Joins passages and the encoder's reading of each beside the question.
    ///
    /// - Parameter tokens: One for each passage: the pair of the question and ``text(title:text:)``.
    init(question: String, titles: [String], texts: [String], tokens: [TokenEmbeddings]) {
        let asked = ReaderQuestion(question)
        let analysed = texts.map { ReaderText($0) }
        let features = AnswerFeatures(asked, titles: titles, texts: analysed)
        let dimension = tokens.first?.vectors.dimension ?? 0
        let pairs = tokens.map { TokenPair($0) }
        let constraints = AnswerConstraints(asked)
        let titleKeys = Set(titles.map { TitleNormalizer.key(for: $0) })
        var places: [Place] = []
        var rows: [Float] = []
        var spans: [Float] = []
        var contexts: [Float] = []
        var owners: [Int] = []
        for (index, (passage, candidate)) in features.candidates.enumerated() {
            let words = analysed[passage].words
            let utf8 =
                words[candidate.words.lowerBound].utf8
                .lowerBound..<words[candidate.words.upperBound - 1].utf8.upperBound
            // Behind the encoder's last token nothing was read.
            guard let own = pairs[passage].tokens(in: utf8) else { continue }
            let key = features.keys[index]
            places.append(
                Place(
                    passage: passage, utf8: utf8, key: key,
                    factor: constraints.factor(
                        candidate.words, in: analysed[passage], isTitle: titleKeys.contains(key))))
            rows += features.rows[index]
            spans += pairs[passage].mean(own)
            let wide =
                max(
                    pairs[passage].first, own.lowerBound - Self.reach)..<min(
                    pairs[passage].end, own.upperBound + Self.reach)
            contexts += pairs[passage].mean(wide)
            owners.append(passage)
        }
        self.places = places
        self.texts = texts
        isYesNo = asked.isYesNo
        input = SpanNetwork.Input(
            features: Matrix(rows: places.count, columns: AnswerFeatures.count, elements: rows),
            spans: Matrix(rows: places.count, columns: dimension, elements: spans),
            contexts: Matrix(rows: places.count, columns: dimension, elements: contexts),
            questions: pairs.isEmpty
                ? Matrix(rows: 0, columns: dimension) : Matrix(stacking: pairs.map { $0.mean($0.question) }),
            owners: owners, polarity: features.polarity)
    }

    /// The text of a candidate.
    func text(of place: Place) -> String {
        let bytes = Array(texts[place.passage].utf8)
        return String(decoding: bytes[place.utf8.lowerBound..<min(bytes.count, place.utf8.upperBound)], as: UTF8.self)
    }

    /// The example for training: the candidates that equal an answer, or else those that come nearest to one.
    ///
    /// - Returns: nil where no candidate shares half its words with an answer, so that there is nothing to learn.
    func example(answers: [String]) -> SpanNetwork.Example? {
        let wanted = answers.first?.lowercased() ?? ""
        if wanted == "yes" || wanted == "no" {
            return SpanNetwork.Example(input: input, targets: [], isYes: wanted == "yes")
        }
        var scores: [String: Double] = [:]
        var best = 0.5
        for place in places where scores[place.key] == nil {
            let score = AnswerBenchmark.hotpotQA.score(text(of: place), gold: answers).f1
            scores[place.key] = score
            best = max(best, score)
        }
        let targets = places.indices.filter { (scores[places[$0].key] ?? 0) >= best - 1e-9 }
        return targets.isEmpty ? nil : SpanNetwork.Example(input: input, targets: targets, isYes: nil)
    }

    /// The best answer that the candidates allow, as F1: what no reader of them can exceed.
    func ceiling(answers: [String]) -> Double {
        if isYesNo, ["yes", "no"].contains(answers.first?.lowercased()) { return 1 }
        return Set(places.map { text(of: $0) }).map { AnswerBenchmark.hotpotQA.score($0, gold: answers).f1 }.max() ?? 0
    }
}

/// The encoder's tokens of a question and a passage read together.
private struct TokenPair {
    let embeddings: TokenEmbeddings
    /// The question's tokens, and where those of the passage begin and end.
    let question: Range<Int>
    let first: Int
    let end: Int

    /// The encoder gives special tokens an empty range: the first stands before the question, the second behind it.
    init(_ embeddings: TokenEmbeddings) {
        self.embeddings = embeddings
        let offsets = embeddings.offsets
        let specials = offsets.indices.filter { offsets[$0].isEmpty }
        let middle = specials.count > 1 ? specials[1] : offsets.count
        question = min(1, middle)..<middle
        first = min(offsets.count, middle + 1)
        end = max(first, specials.count > 2 ? specials[2] : offsets.count)
    }

    func tokens(in utf8: Range<Int>) -> Range<Int>? {
        // The tokens stand in the order of the text.
        let offsets = embeddings.offsets
        var low = first
        while low < end, offsets[low].upperBound <= utf8.lowerBound { low += 1 }
        var high = low
        while high < end, offsets[high].lowerBound < utf8.upperBound { high += 1 }
        return low < high ? low..<high : nil
    }

    /// The mean of some tokens' vectors, of length one.
    func mean(_ tokens: Range<Int>) -> [Float] {
        var mean = [Float](repeating: 0, count: embeddings.vectors.dimension)
        for token in tokens {
            for (column, value) in embeddings.vectors[token].enumerated() { mean[column] += value }
        }
        let length = mean.reduce(0) { $0 + $1 * $1 }.squareRoot()
        return length > 0 ? mean.map { $0 / length } : mean
    }
}
