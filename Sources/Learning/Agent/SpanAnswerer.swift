// SPDX-License-Identifier: Apache-2.0

public import Agent
public import LanguageModels
import Text

/// Answers in a session with the span reader; two things that the evidence decides by their years are compared by rule.
/// Where the evidence does not hold the answer, it says so and what was looked for.
public struct SpanAnswerer: Answerer {
    public var name: String { "span" }
    public var fingerprint: String { reader.fingerprint }
    private let reader: SpanReader
    /// The most passages read. Default: 5.
    public var passages = 5

    /// Wraps a reader.
    public init(_ reader: SpanReader) {
        self.reader = reader
    }

    public func answer(
        _ question: Question, from evidence: Evidence, using context: StepContext
    ) async throws -> Answer {
        // The extractive answerer names one of the titles only where a comparison of years is decided.
        let plain = ExtractiveAnswerer().extract(question, from: evidence)
        if plain.citations.count == 2, let chosen = plain.citations.first,
            plain.text == TitleNormalizer.withoutDisambiguation(chosen.title)
        {
            return plain
        }
        let items = Array(evidence.ranking.prefix(passages))
        let found = try await reader.answer(
            question: question.text, passages: items.map { (title: $0.title, text: $0.text) })
        guard !found.text.isEmpty, found.isAnswerable else {
            let sought = found.sought.isEmpty ? "" : " What was looked for: \(found.sought.joined(separator: ", "))."
            return Answer(
                text: "Not in this corpus: nothing that was found answers the question." + sought, label: .none,
                answerer: name, confidence: found.confidence)
        }
        let cited = found.passage.map { [items[$0]] } ?? items
        return Answer(
            text: found.text, short: found.text, label: .span, answerer: name,
            citations: cited.map {
                Citation(
                    passageID: $0.passageID, title: $0.title, quote: found.passage == nil ? "" : found.text,
                    support: found.score)
            }, confidence: found.confidence)
    }
}

extension SpanReader {
    /// The reader as the finder of candidates for a model in this process, which then weighs them.
    ///
    /// - Parameter most: The most candidates. Default: 8.
    public func proposer(most: Int = 8) -> EvidenceAnswerer.Proposer {
        { question, passages in
            try await candidates(
                question: question, passages: passages.map { (title: $0.title, text: $0.text) }, most: most
            ).map { .init(text: $0.text, passage: $0.passage, probability: $0.score) }
        }
    }
}
