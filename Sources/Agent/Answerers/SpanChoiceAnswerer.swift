// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
public import LanguageModels
import Text

/// Lets a model in this process choose the answer among what the evidence offers: its spans, yes and no, the things that
/// the question compares, and the model's own words (``EvidenceAnswerer``). A question that asks for sentences is left to
/// ``ModelAnswerer``.
///
/// Only what the model writes is charged and recorded. Its choice scores given texts: the same evidence gives the same
/// answer, so it needs no record.
public struct SpanChoiceAnswerer: Answerer {
    public var reader: EvidenceAnswerer
    /// The most passages that the model is shown, the best first. Default 5.
    public var passages: Int
    /// Whether the session's model is the reader's own, whose words are then a candidate. Default false.
    public var writes: Bool

    public var name: String { reader.model.name }
    public var fingerprint: String { reader.model.fingerprint + (writes ? " writing" : "") }

    public init(reader: EvidenceAnswerer, passages: Int = 5, writes: Bool = false) {
        self.reader = reader
        self.passages = passages
        self.writes = writes
    }

    public func answer(
        _ question: Question, from evidence: Evidence, using context: StepContext
    ) async throws -> Answer {
        if writes, context.hasModel, AnswerForm(question: question.text) == .prose {
            return try await ModelAnswerer(passages: passages).answer(question, from: evidence, using: context)
        }
        if !writes, let compared = ExtractiveAnswerer().comparison(question, from: evidence) { return compared }
        let items = evidence.ranking.prefix(max(1, passages))
        let shown = items.map { EvidenceAnswerer.Passage(id: $0.passageID, title: $0.title, text: $0.shownText) }
        let written = writes && context.hasModel ? try await draft(question, shown, context) : nil
        let found = try await reader.answer(question.text, passages: shown, written: written)
        guard !found.text.isEmpty else {
            return try await ExtractiveAnswerer().answer(question, from: evidence, using: context)
        }
        let cited = items.filter { found.citations.contains($0.passageID) }.map { item in
            Citation(
                passageID: item.passageID, title: item.title, quote: Self.sentence(of: item.text, with: found.text),
                support: found.confidence)
        }
        let isOwn = found.text == written && cited.isEmpty
        return Answer(
            text: found.text, short: found.text, label: isOwn ? .model : .span, answerer: name, citations: cited,
            confidence: found.confidence)
    }

    /// The model's own short answer; nil where the budget does not allow one, and where it is no words of the passages or of
    /// the question: a small model may copy an answer from the prompt's examples.
    private func draft(
        _ question: Question, _ shown: [EvidenceAnswerer.Passage], _ context: StepContext
    ) async throws -> String? {
        do {
            let response = try await context.respond(to: reader.request(question.text, shown), purpose: "answer")
            let short = EvidenceAnswerer.short(response.completions.first?.message.content ?? "")
            let sources = shown.flatMap { [$0.title, $0.text] } + [question.text, "yes", "no"]
            let wanted = Self.words(short)
            return wanted.count > 2 && sources.contains { Self.words($0).contains(wanted) } ? short : nil
        } catch SessionError.budget {
            return nil
        }
    }

    /// The words of a text in lower case, one space around each.
    private static func words(_ text: String) -> String {
        " " + text.lowercased().split { !$0.isLetter && !$0.isNumber }.joined(separator: " ") + " "
    }

    private static let splitter = SentenceSplitter()

    /// The sentence that holds the span, else the first one.
    private static func sentence(of text: String, with span: String) -> String {
        let sentences = splitter.split(text)
        return sentences.first { $0.contains(span) } ?? sentences.first ?? text
    }
}
