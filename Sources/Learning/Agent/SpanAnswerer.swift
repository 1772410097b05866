// SPDX-License-Identifier: Apache-2.0

public import Agent
import Corpus
import Episodes
public import LanguageModels
import OrderedCollections
import Text
import Tools

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
        var found = try await reader.answer(
            question: question.text, passages: items.map { (title: $0.title, text: $0.text) })
        found.signs.merge(try await Self.signs(question, items, context)) { own, _ in own }
        found = reader.judged(found)
        guard !found.text.isEmpty, found.isAnswerable else {
            let sought = found.sought.isEmpty ? "" : " What was looked for: \(found.sought.joined(separator: ", "))."
            var refusal = Answer(
                text: "Not in this corpus: nothing that was found answers the question." + sought, label: .none,
                answerer: name, confidence: found.confidence)
            refusal.signs = found.signs
            return refusal
        }
        let cited = found.passage.map { [items[$0]] } ?? items
        var answer = Answer(
            text: found.text, short: found.text, label: .span, answerer: name,
            citations: cited.map {
                Citation(
                    passageID: $0.passageID, title: $0.title, quote: found.passage == nil ? "" : found.text,
                    support: found.score)
            }, confidence: found.confidence)
        answer.signs = found.signs
        return answer
    }

    /// What the session says of its evidence: how near the passages lie to the question, and how sure the policy was of them.
    private static func signs(
        _ question: Question, _ items: [EvidenceItem], _ context: StepContext
    ) async throws -> OrderedDictionary<String, Double> {
        var result: OrderedDictionary<String, Double> = ["kept": Double(items.count)]
        let kept = items.map(\.score).sorted(by: >)
        if let best = kept.first { result["best kept"] = best }
        if kept.count > 1 { result["second kept"] = kept[1] }
        guard let embed = context.embed, !items.isEmpty else { return result }
        var places: [PassageOrdinal] = []
        for item in items {
            if let place = try await context.corpus.passages(withID: item.passageID).first?.ordinal { places.append(place) }
        }
        guard let asked = try await embed([question.text]).first,
            let vectors = try await context.corpus.vectors(of: places)
        else { return result }
        let near = vectors.map { vector in Double(zip(vector, asked).reduce(Float(0)) { $0 + $1.0 * $1.1 }) }
            .sorted(by: >)
        if let first = near.first { result["near"] = first }
        if near.count > 1 { result["second near"] = near[1] }
        return result
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
