// SPDX-License-Identifier: Apache-2.0

import Base
public import Encoders
import Foundation
import TensorMath
import Text

/// What a span reader found.
public struct SpanAnswer: Sendable, Hashable {
    /// The words of the passage, or "yes" or "no"; empty where there was nothing to read.
    public let text: String
    /// The index of the passage that holds the words; nil for yes, no and nothing.
    public let passage: Int?
    /// The UTF-8 byte range of the words in that passage's text; nil where they stand in its title.
    public let range: Range<Int>?
    /// The probability that the reader gives to its answer.
    public let score: Double
}

/// Reads short answers off passages with a small trained head over the encoder's token vectors: milliseconds a passage.
public struct SpanReader: Sendable {
    let network: SpanNetwork
    let parameters: ParameterSet
    private let encoder: BERTEncoder

    /// Opens a trained head.
    ///
    /// - Parameters:
    ///   - path: The weights, such as `Policies/reader.safetensors`.
    ///   - encoder: The encoder that it was trained on.
    /// - Throws: `SafetensorsError` where the file is damaged or of another size, `PolicyFileError` where it was trained
    ///   on another encoder.
    public init(weights path: String, encoder: BERTEncoder) throws {
        let file = try SafetensorsFile(path: path)
        if let own = file.metadata["encoder"], own != encoder.fingerprint {
            throw PolicyFileError.malformed(
                path: path, reason: "the reader was trained on the encoder \(own), not on \(encoder.fingerprint)")
        }
        network = SpanNetwork(dimension: encoder.dimension)
        parameters = try network.initialParameters(seed: 0).loaded(from: file)
        self.encoder = encoder
    }

    init(network: SpanNetwork, parameters: ParameterSet, encoder: BERTEncoder) {
        self.network = network
        self.parameters = parameters
        self.encoder = encoder
    }

    /// Identifies the weights and the encoder that they read with.
    public var fingerprint: String {
        var hash = SHA256()
        for value in parameters.values { value.elements.withUnsafeBytes { hash.update($0) } }
        return "span/\(hash.finalizeHex().prefix(16))/\(encoder.fingerprint)"
    }

    /// Reads the best answer to a question off some passages.
    ///
    /// - Parameter passages: Titles and texts; each is read together with the question.
    /// - Throws: `CancellationError`, or what the encoder throws.
    public func answer(question: String, passages: [(title: String, text: String)]) async throws -> SpanAnswer {
        let read = try await Self.read(question, passages, encoder)
        let found = Self.best(read, network, parameters)
        guard let place = found.place else {
            return SpanAnswer(text: found.text, passage: nil, range: nil, score: found.score)
        }
        // The reader saw the title before the text; ranges are given within the text alone.
        let before = passages[place.passage].title.isEmpty ? 0 : passages[place.passage].title.utf8.count + 2
        return SpanAnswer(
            text: found.text, passage: place.passage,
            range: place.utf8.lowerBound >= before
                ? (place.utf8.lowerBound - before)..<(place.utf8.upperBound - before) : nil, score: found.score)
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
        let read = try await Self.read(question, passages, encoder)
        guard !read.texts.isEmpty else { return [] }
        if read.isYesNo {
            let yes = Double(network.yes(read.input, parameters))
            return [("yes", yes), ("no", 1 - yes)].sorted { $0.1 > $1.1 }
                .map { SpanAnswer(text: $0.0, passage: nil, range: nil, score: $0.1) }
        }
        let probabilities = network.probabilities(read.input, parameters)
        var found: [String: (place: Int, sum: Double)] = [:]
        for (index, probability) in probabilities.enumerated() {
            let known = found[read.places[index].key]
            let place = known.map { probability > probabilities[$0.place] ? index : $0.place } ?? index
            found[read.places[index].key] = (place, (known?.sum ?? 0) + Double(probability))
        }
        return found.values.sorted { $0.sum != $1.sum ? $0.sum > $1.sum : $0.place < $1.place }.prefix(most).map {
            let place = read.places[$0.place]
            return SpanAnswer(
                text: read.text(of: place), passage: place.passage, range: nil, score: $0.sum)
        }
    }

    /// Reads passages beside a question.
    static func read(
        _ question: String, _ passages: [(title: String, text: String)], _ encoder: BERTEncoder
    ) async throws -> ReaderInput {
        let texts = passages.map { $0.title.isEmpty ? $0.text : $0.title + ". " + $0.text }
        let tokens =
            texts.isEmpty ? [] : try await encoder.encodeTokens(pairs: texts.map { (first: question, second: $0) })
        return ReaderInput(question: question, titles: passages.map(\.title), texts: texts, tokens: tokens)
    }

    /// The answer whose mentions together are the most probable.
    static func best(
        _ read: ReaderInput, _ network: SpanNetwork, _ parameters: ParameterSet
    ) -> (text: String, place: ReaderInput.Place?, score: Double) {
        if read.isYesNo, !read.texts.isEmpty {
            let yes = Double(network.yes(read.input, parameters))
            return (yes >= 0.5 ? "yes" : "no", nil, max(yes, 1 - yes))
        }
        let probabilities = Self.constrained(network.probabilities(read.input, parameters), read.places)
        var sums: [String: Float] = [:]
        for (place, probability) in zip(read.places, probabilities) { sums[place.key, default: 0] += probability }
        var best: Int?
        for index in read.places.indices {
            guard let now = best else {
                best = index
                continue
            }
            let (sum, most) = (sums[read.places[index].key] ?? 0, sums[read.places[now].key] ?? 0)
            if sum > most || (sum == most && probabilities[index] > probabilities[now]) { best = index }
        }
        guard let best else { return ("", nil, 0) }
        let place = read.places[best]
        return (read.text(of: place), place, Double(sums[place.key] ?? 0))
    }

    /// The candidates' probabilities once those were reduced that the question's form speaks against.
    private static func constrained(_ probabilities: [Float], _ places: [ReaderInput.Place]) -> [Float] {
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
        guard !passages.isEmpty else { return 0 }
        let read = try await Self.read(question, passages, encoder)
        if read.isYesNo, let answer = answers.first?.lowercased(), answer == "yes" || answer == "no" {
            let yes = Double(network.yes(read.input, parameters))
            return answer == "yes" ? yes : 1 - yes
        }
        let keys = Set(answers.map { TitleNormalizer.key(for: $0) })
        return zip(read.places, Self.constrained(network.probabilities(read.input, parameters), read.places))
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
