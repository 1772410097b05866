// SPDX-License-Identifier: Apache-2.0

import Foundation
public import LanguageModels
import Text

/// Lets a model in this process choose the answer among what the evidence offers: its spans, yes and no, or the things
/// that the question compares (``EvidenceAnswerer``). For models too weak to be let write freely.
///
/// It scores given texts and writes none, so it charges no model call to the budget and needs no record: the same
/// evidence gives the same answer.
public struct SpanChoiceAnswerer: Answerer {
    public var reader: EvidenceAnswerer
    /// The most passages that the model is shown, the best first. Default 5.
    public var passages: Int

    public var name: String { reader.model.name }
    public var fingerprint: String { reader.model.fingerprint }

    public init(reader: EvidenceAnswerer, passages: Int = 5) {
        self.reader = reader
        self.passages = passages
    }

    public func answer(
        _ question: Question, from evidence: Evidence, using context: StepContext
    ) async throws -> Answer {
        let items = evidence.ranking.prefix(max(1, passages))
        let found = try await reader.answer(
            question.text, passages: items.map { .init(id: $0.passageID, title: $0.title, text: $0.text) })
        guard !found.text.isEmpty else {
            return try await ExtractiveAnswerer().answer(question, from: evidence, using: context)
        }
        let cited = items.filter { found.citations.contains($0.passageID) }.map { item in
            Citation(
                passageID: item.passageID, title: item.title, quote: Self.sentence(of: item.text, with: found.text),
                support: found.confidence)
        }
        return Answer(
            text: found.text, short: found.text, label: .span, answerer: name, citations: cited,
            confidence: found.confidence)
    }

    private static let splitter = SentenceSplitter()

    /// The sentence that holds the span, else the first one.
    private static func sentence(of text: String, with span: String) -> String {
        let sentences = splitter.split(text)
        return sentences.first { $0.contains(span) } ?? sentences.first ?? text
    }
}
