// SPDX-License-Identifier: Apache-2.0

public import AgentRuntime
import Foundation
import TensorMath
public import TextEncoders

/// What a span reader found.
public struct SpanAnswer: Sendable, Hashable {
    /// The words of the passage, or "yes" or "no"; empty where there was nothing to read.
    public let text: String
    /// The index of the passage that holds the words; nil for yes, no and nothing.
    public let passage: Int?
    /// The UTF-8 byte range of the words in that passage's text.
    public let range: Range<Int>?
    /// The probability that the reader gives to its answer.
    public let score: Double
}

/// Reads short answers off passages with a small trained head over the encoder's token vectors: milliseconds a passage.
public struct SpanReader: Sendable {
    private let network: SpanNetwork
    private let parameters: ParameterSet
    private let encoder: BERTEncoder

    /// Opens a trained head.
    ///
    /// - Parameters:
    ///   - path: The weights, such as `Policies/reader.safetensors`.
    ///   - encoder: The encoder that it was trained on.
    /// - Throws: `SafetensorsError` where the file is damaged or of another encoder's size.
    public init(weights path: String, encoder: BERTEncoder) throws {
        network = SpanNetwork(dimension: encoder.dimension)
        parameters = try network.initialParameters(seed: 0).loaded(from: SafetensorsFile(path: path))
        self.encoder = encoder
    }

    /// Reads the best answer to a question off some passages.
    ///
    /// - Parameter passages: Titles and texts; each is read together with the question.
    /// - Throws: `CancellationError`, or what the encoder throws.
    public func answer(question: String, passages: [(title: String, text: String)]) async throws -> SpanAnswer {
        guard !passages.isEmpty else { return SpanAnswer(text: "", passage: nil, range: nil, score: 0) }
        let texts = passages.map { $0.title.isEmpty ? $0.text : $0.title + ". " + $0.text }
        let tokens = try await encoder.encodeTokens(pairs: texts.map { (first: question, second: $0) })
        let reading = network.read(tokens.map { ReaderPassage($0) }, parameters)
        if reading.kind != .span {
            return SpanAnswer(
                text: reading.kind == .yes ? "yes" : "no", passage: nil, range: nil,
                score: Double(reading.kindProbability))
        }
        guard let (passage, span) = reading.span else {
            return SpanAnswer(text: "", passage: nil, range: nil, score: 0)
        }
        let offsets = ReaderPassage(tokens[passage]).offsets
        let bytes = Array(texts[passage].utf8)
        let (low, high) = (offsets[span.lowerBound].lowerBound, min(bytes.count, offsets[span.upperBound].upperBound))
        guard low < high else { return SpanAnswer(text: "", passage: nil, range: nil, score: 0) }
        // The reader saw the title before the text; ranges are given within the text alone.
        let before = passages[passage].title.isEmpty ? 0 : passages[passage].title.utf8.count + 2
        return SpanAnswer(
            text: String(decoding: bytes[low..<high], as: UTF8.self), passage: passage,
            range: low >= before ? (low - before)..<(high - before) : nil, score: Double(exp(reading.score)))
    }

    /// The reader as what rewards ask for.
    public var episodeReader: EpisodeReader {
        { question, passages in
            try await answer(question: question, passages: passages.map { (title: $0.title, text: $0.text) }).text
        }
    }
}

/// Answers in a session with the span reader.
public struct SpanAnswerer: Answerer {
    public var name: String { "span" }
    private let reader: SpanReader
    /// The most passages read. Default: 8.
    public var passages = 8

    /// Wraps a reader.
    public init(_ reader: SpanReader) {
        self.reader = reader
    }

    public func answer(
        _ question: Question, from evidence: Evidence, using context: StepContext
    ) async throws -> Answer {
        let items = Array(evidence.items.prefix(passages))
        let found = try await reader.answer(
            question: question.text, passages: items.map { (title: $0.title, text: $0.text) })
        guard !found.text.isEmpty else { return Answer(text: "", label: .none, answerer: name) }
        let cited = found.passage.map { [items[$0]] } ?? items
        return Answer(
            text: found.text, short: found.text, label: .span, answerer: name,
            citations: cited.map {
                Citation(
                    passageID: $0.passageID, title: $0.title, quote: found.passage == nil ? "" : found.text,
                    support: found.score)
            }, confidence: found.score)
    }
}
