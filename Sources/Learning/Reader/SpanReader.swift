// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
import Datasets
public import Encoders
import Foundation
public import OrderedCollections
import Reading
import Search
import TensorMath
import Text
import Transformers

/// What a span reader found.
public struct SpanAnswer: Sendable, Hashable {
    /// The words of the passage, or "yes" or "no"; empty where there was nothing to read.
    public let text: String
    /// The index of the passage that holds the words; nil for yes, no and nothing.
    public let passage: Int?
    /// The UTF-8 byte range of the words in that passage's text; nil where they stand in its title.
    public let range: Range<Int>?
    /// The probability that the reader gives to its answer, of all that it could have answered.
    public let score: Double
    /// The calibrated probability that it is right; the score where the reader was not calibrated.
    public var confidence: Double
    /// Whether the passages are held to have the answer.
    public var isAnswerable = true
    /// Whether the passages hold a content word of the question; without one they are only what the search put first.
    var sharesWords = true
    /// Whether a sentence says it in nearly the question's own words, or it has the pattern that is asked for: then it is there,
    /// however sure the reader is of it.
    var isSaid = false
    /// The question's content words: what was looked for.
    public var sought: [String] = []
    /// What the reading says of itself, by name: what a confidence is fitted on.
    public var signs: OrderedDictionary<String, Double> = [:]

    /// What an answer says about itself.
    public init(text: String, passage: Int?, range: Range<Int>?, score: Double) {
        self.text = text
        self.passage = passage
        self.range = range
        self.score = score
        confidence = score
    }
}

/// Reads short answers off passages with an encoder that was tuned to read a question and a passage together.
///
/// Its file holds the heads and what tuning changed of a sentence encoder's weights; that encoder itself comes from
/// `forage model pull`.
public struct SpanReader: Sendable {
    let network: ReaderNetwork
    let parameters: ParameterSet
    let encoder: BERTEncoder
    /// Tokens of a question and a passage together at most.
    let longest: Int
    /// How sure it may be; nil where its file has no calibration.
    public let confidence: ReaderConfidence?
    /// What share the reader's relevance has in a ranking (``RerankMixture``), as measured on held-out questions; nil where
    /// it was not measured, so that the reader is no reranker.
    public let rerankShare: Float?
    /// The name of the standard reader's weights beside the policies.
    public static let standardName = "reader.safetensors"
    private let identity: String
    /// What the encoder made of questions with passages, which rewards read again in other company in each episode of a
    /// question; nil where nothing is remembered.
    private let pairs: BoundedMemo<WordPieceTokenizer.Encoding, [Float]>?

    /// Opens a trained reader.
    ///
    /// - Parameters:
    ///   - path: The weights, such as `Policies/reader.safetensors`.
    ///   - model: The folder of the encoder that it was tuned from.
    ///   - memory: How many pairs of a question and a passage are remembered, some 200 KB each, for training. Pairs are then
    ///     encoded one by one, so that what is read does not depend on what is remembered. Default: 0, for sessions.
    /// - Throws: `SafetensorsError` where the file is damaged or of another size, `PolicyFileError` where it was tuned
    ///   from another encoder, or what opening the encoder throws.
    public init(weights path: String, model: String, precision: BERTEncoder.Precision = .int8, memory: Int = 0)
        throws
    {
        pairs = memory > 0 ? BoundedMemo(limit: memory) : nil
        let file = try SafetensorsFile(path: path)
        let delta = try WeightDelta(file: file)
        if let own = file.metadata["encoder"] {
            let found = try BERTEncoder.weightsFingerprint(folder: model)
            guard own == found else {
                throw PolicyFileError.malformed(
                    path: path, reason: "the reader was tuned from the encoder \(own), not from \(found)")
            }
        }
        encoder = try BERTEncoder(folder: model, precision: precision, delta: delta.names.isEmpty ? nil : delta)
        network = ReaderNetwork(dimension: encoder.dimension)
        parameters = try network.initialParameters(seed: 0).loaded(from: file, prefix: "heads.")
        confidence = try ReaderConfidence(file: file)
        rerankShare = file.metadata["rerank_share"].flatMap(Float.init)
        longest = min(file.metadata["longest"].flatMap { Int($0) } ?? 256, encoder.configuration.positionCount)
        var hash = SHA256()
        for value in parameters.values { value.elements.withUnsafeBytes { hash.update($0) } }
        identity = "span/\(hash.finalizeHex().prefix(16))/\(encoder.fingerprint)"
    }

    /// Identifies the weights and the encoder that they read with.
    public var fingerprint: String { identity }

    /// The number of weights of the heads.
    public var weightCount: Int { parameters.count }

    /// Reads the best answer to a question off some passages.
    ///
    /// - Parameters:
    ///   - passages: Titles and texts; each is read together with the question.
    ///   - given: Another's answer, whose signs are wanted instead of those of the reader's own. Default: nil.
    /// - Throws: `CancellationError`, or what the encoder throws.
    public func answer(
        question: String, passages: [(title: String, text: String)], given: String? = nil
    ) async throws -> SpanAnswer {
        guard let (reading, layout) = try await read(question, passages) else {
            return SpanAnswer(text: "", passage: nil, range: nil, score: 0)
        }
        if given == nil, var compared = try await compared(QuestionForm.core(question), passages) {
            let signs = Self.given(compared.text, reading, layout)
            compared = judged(compared, (compared.text, signs.place, max(signs.score, compared.score)), reading, layout)
            return compared
        }
        if given == nil, let patterned = patterned(QuestionForm.core(question), reading, layout) { return patterned }
        let found = given.map { Self.given($0, reading, layout) } ?? Self.best(reading, layout)
        guard let place = found.place else {
            return judged(
                SpanAnswer(text: found.text, passage: nil, range: nil, score: found.score), found, reading, layout)
        }
        // The reader saw the title before the text; ranges are given within the text alone.
        let before = passages[place.passage].title.isEmpty ? 0 : passages[place.passage].title.utf8.count + 2
        return judged(
            SpanAnswer(
                text: found.text, passage: place.passage,
                range: place.utf8.lowerBound >= before
                    ? (place.utf8.lowerBound - before)..<(place.utf8.upperBound - before) : nil, score: found.score),
            found, reading, layout)
    }

    /// An answer with how sure the reader may be of it.
    func judged(
        _ answer: SpanAnswer, _ found: (text: String, place: ReaderLayout.Place?, score: Double), _ reading: Reading,
        _ layout: ReaderLayout
    ) -> SpanAnswer {
        var answer = answer
        answer.sought = layout.sought
        answer.sharesWords = (layout.sought.isEmpty || layout.coverage > 0) && !layout.lacksCodes
        if layout.asked.wantsSentence || (layout.isYesNo && !layout.comparesTwo),
            layout.saysNothing(layout.bestSentence())
        {
            answer.sharesWords = false
        }
        if layout.countsPassages() || found.place?.isImpossible == true { answer.sharesWords = false }
        answer.signs = ReaderConfidence.signs(reading, layout, found)
        answer.isSaid = answer.isSaid || layout.isSaid(found.text)
        return judged(answer)
    }

    /// An answer with the confidence that its signs give it, where the reader was calibrated.
    func judged(_ answer: SpanAnswer) -> SpanAnswer {
        var answer = answer
        answer.isAnswerable = answer.sharesWords
        guard let confidence else { return answer }
        let judged = confidence.probabilities(answer.signs)
        answer.confidence = judged.correct
        answer.isAnswerable = answer.sharesWords && (answer.isSaid || confidence.holds(answer.signs))
        return answer
    }

    /// The most probable answers, each text once, the best first; yes and no for a question that asks for one of them.
    ///
    /// - Parameters:
    ///   - passages: Titles and texts; each is read together with the question.
    ///   - most: The most answers returned.
    /// - Throws: `CancellationError`, or what the encoder throws.
    public func candidates(
        question: String, passages: [(title: String, text: String)], most: Int = 12
    ) async throws -> [SpanAnswer] {
        guard let (reading, layout) = try await read(question, passages) else { return [] }
        if layout.isYesNo {
            let yes = Double(reading.yes)
            return [("yes", yes), ("no", 1 - yes)].sorted { $0.1 > $1.1 }
                .map { SpanAnswer(text: $0.0, passage: nil, range: nil, score: $0.1) }
        }
        var found: [String: (place: Int, sum: Double)] = [:]
        for (index, probability) in reading.candidates.enumerated() {
            let key = layout.places[index].key
            let known = found[key]
            let place = known.map { probability > reading.candidates[$0.place] ? index : $0.place } ?? index
            found[key] = (place, (known?.sum ?? 0) + Double(probability))
        }
        let total = max(1e-12, Double(1 - reading.none))
        return found.values.sorted { $0.sum != $1.sum ? $0.sum > $1.sum : $0.place < $1.place }.prefix(most).map {
            let place = layout.places[$0.place]
            return SpanAnswer(
                text: layout.text(of: place), passage: place.passage, range: nil, score: $0.sum / total)
        }
    }

    /// How much each passage has to do with a question, as logits.
    ///
    /// - Throws: `CancellationError`, or what the encoder throws.
    public func relevance(question: String, passages: [(title: String, text: String)]) async throws -> [Float] {
        guard !passages.isEmpty else { return [] }
        let encodings = passages.map { encoding(question, $0) }
        let (states, ranges) = try await states(encodings)
        let tape = Tape(records: false)
        return network.relevance(tape.constant(states), passages: ranges, parameters.variables(on: tape)).logits.value
            .elements
    }

    private func encoding(_ question: String, _ passage: (title: String, text: String)) -> WordPieceTokenizer.Encoding {
        encoder.tokenizer.encode(
            question, ReaderPassage(title: passage.title, text: passage.text).full, maximumLength: longest)
    }

    private func states(_ encodings: [WordPieceTokenizer.Encoding]) async throws -> (Matrix, [Range<Int>]) {
        let states = try await vectors(encodings)
        var ranges: [Range<Int>] = []
        var rows: [Float] = []
        rows.reserveCapacity(states.reduce(0) { $0 + $1.count })
        for values in states {
            let start = rows.count / encoder.dimension
            rows += values
            ranges.append(start..<(rows.count / encoder.dimension))
        }
        return (Matrix(rows: rows.count / encoder.dimension, columns: encoder.dimension, elements: rows), ranges)
    }

    /// The vectors of each encoding's tokens.
    private func vectors(_ encodings: [WordPieceTokenizer.Encoding]) async throws -> [[Float]] {
        guard let pairs else { return try await encoder.encodeTokens(encodings).map(\.vectors.values) }
        var result: [[Float]] = []
        for encoding in encodings {
            if let known = pairs[encoding] {
                result.append(known)
                continue
            }
            let made = try await encoder.encodeTokens([encoding]).first?.vectors.values ?? []
            pairs.store(made, for: encoding)
            result.append(made)
        }
        return result
    }

    /// Reads passages beside a question; nil where there are none.
    func read(
        _ question: String, _ passages: [(title: String, text: String)]
    ) async throws -> (Reading, ReaderLayout)? {
        guard !passages.isEmpty else { return nil }
        let question = QuestionForm.core(question)
        let encodings = passages.map { encoding(question, $0) }
        let layout = ReaderLayout(
            question: question, titles: passages.map(\.title),
            texts: passages.map { ReaderPassage(title: $0.title, text: $0.text).full }, encodings: encodings)
        let (states, _) = try await states(encodings)
        return (network.read(states, layout, parameters), layout)
    }

    /// The answer whose mentions together are the most probable.
    static func best(
        _ reading: Reading, _ layout: ReaderLayout
    ) -> (text: String, place: ReaderLayout.Place?, score: Double) {
        if layout.isYesNo, !layout.texts.isEmpty {
            // Two things held against each other are what the heads have learned; else a sentence has to say it.
            if layout.comparesTwo {
                let yes = Double(reading.yes)
                return (yes >= 0.5 ? "yes" : "no", nil, max(yes, 1 - yes))
            }
            guard let sentence = layout.bestSentence() else { return ("", nil, 0) }
            return (layout.verdict(sentence) ?? sentence.text, layout.place(sentence), Double(sentence.cover))
        }
        if layout.asked.wantsSentence, let sentence = layout.bestSentence() {
            return (sentence.text, layout.place(sentence), Double(sentence.cover))
        }
        let probabilities = constrained(reading.candidates, layout.places)
        var sums: [String: Float] = [:]
        for (place, probability) in zip(layout.places, probabilities) { sums[place.key, default: 0] += probability }
        var best: Int?
        for index in layout.places.indices {
            guard let now = best else {
                best = index
                continue
            }
            let (sum, most) = (sums[layout.places[index].key] ?? 0, sums[layout.places[now].key] ?? 0)
            if sum > most || (sum == most && probabilities[index] > probabilities[now]) { best = index }
        }
        guard let best else { return ("", nil, 0) }
        var place = layout.places[best]
        let score = Double(sums[place.key] ?? 0)
        if layout.asked.wantsList, let list = ListSpan(layout.analysed[place.passage]).list(around: place.utf8) {
            place.utf8 = list
        }
        return (layout.text(of: place), place, score)
    }

    /// Another's answer as the reader sees it: with the probability of the candidates that are the same words.
    private static func given(
        _ text: String, _ reading: Reading, _ layout: ReaderLayout
    ) -> (text: String, place: ReaderLayout.Place?, score: Double) {
        let key = TitleNormalizer.key(for: text)
        if layout.isYesNo, key == "yes" || key == "no" {
            return (text, nil, Double(key == "yes" ? reading.yes : 1 - reading.yes))
        }
        let probabilities = constrained(reading.candidates, layout.places)
        let same = layout.places.indices.filter { layout.places[$0].key == key }
        // Sentences are none of the reader's candidates: what it would read itself says more of the evidence.
        if same.isEmpty, text.split(whereSeparator: \.isWhitespace).count > 12 { return best(reading, layout) }
        let score = same.reduce(0) { $0 + Double(probabilities[$1]) }
        return (text, same.max { probabilities[$0] < probabilities[$1] }.map { layout.places[$0] }, score)
    }

    /// The candidates' probabilities once those were reduced that the question's form speaks against.
    private static func constrained(_ probabilities: [Float], _ places: [ReaderLayout.Place]) -> [Float] {
        let reduced = zip(probabilities, places).map { $0 * $1.factor }
        let total = max(1e-12, reduced.reduce(0, +))
        return reduced.map { $0 / total }
    }

    /// Returns the probability that the reader gives to the accepted answers: that of all candidates which equal one.
    ///
    /// - Throws: `CancellationError`, or what the encoder throws.
    public func likelihood(
        of answers: [String], question: String, passages: [(title: String, text: String)]
    ) async throws -> Double {
        guard let (reading, layout) = try await read(question, passages) else { return 0 }
        if layout.isYesNo, let answer = answers.first?.lowercased(), answer == "yes" || answer == "no" {
            return Double(answer == "yes" ? reading.yes : 1 - reading.yes)
        }
        let keys = Set(answers.map { TitleNormalizer.key(for: $0) })
        return zip(layout.places, Self.constrained(reading.candidates, layout.places))
            .reduce(0) { keys.contains($1.0.key) ? $0 + Double($1.1) : $0 }
    }

    /// The reader as what ``AnswerLikelihood`` asks for.
    public var likelihoodReader: AnswerLikelihoodReader {
        { question, answers, passages in
            try await likelihood(
                of: answers, question: question, passages: passages.map { (title: $0.title, text: $0.text) })
        }
    }

    /// The reader as what rewards ask for.
    public var episodeReader: EpisodeReader {
        { question, passages in
            try await answer(question: question, passages: passages.map { (title: $0.title, text: $0.text) }).text
        }
    }
}
