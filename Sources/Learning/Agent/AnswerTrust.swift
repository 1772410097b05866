// SPDX-License-Identifier: Apache-2.0

import Agent
import Corpus
import OrderedCollections
import Tools

/// Decides how sure an answer may be and whether it is given, by what the reader saw of the evidence and how near that lies
/// to the question (``ReaderConfidence``). Without a calibrated reader only evidence that shares no word with the question
/// is refused.
struct AnswerTrust {
    let reader: SpanReader

    /// The answer with its signs and its confidence, or the refusal that stands in its place.
    ///
    /// - Parameter found: What the reader made of the same passages.
    func judged(
        _ answer: Answer, _ found: SpanAnswer, of question: Question, from items: [EvidenceItem],
        using context: StepContext
    ) async throws -> Answer {
        var found = found
        found.signs.merge(try await signs(question, items, context)) { own, _ in own }
        found = reader.judged(found)
        var result = answer
        if answer.prediction.isEmpty || !found.isAnswerable {
            let sought = found.sought.isEmpty ? "" : " What was looked for: \(found.sought.joined(separator: ", "))."
            result = Answer(
                text: Answer.nothingFound + sought, label: .none,
                answerer: answer.answerer)
        }
        result.confidence = found.confidence
        result.signs = found.signs
        return result
    }

    /// How near the passages lie to the question, the nearest and the second; nothing without vectors.
    private func signs(
        _ question: Question, _ items: [EvidenceItem], _ context: StepContext
    ) async throws -> OrderedDictionary<String, Double> {
        var result: OrderedDictionary<String, Double> = [:]
        guard let embed = context.embed, !items.isEmpty else { return result }
        var places: [PassageOrdinal] = []
        for item in items {
            if let place = try await context.corpus.passages(withID: item.passageID).first?.ordinal {
                places.append(place)
            }
        }
        let probe = reader.confidence?.probe ?? []
        let made = try await embed([question.text] + (probe.isEmpty ? [] : [ReaderConfidence.probeText]))
        guard let asked = made.first, let vectors = try await context.corpus.vectors(of: places) else { return result }
        // What another encoder calls near is another number.
        if !probe.isEmpty, made.count < 2 || Self.cosine(made[1], probe) < 0.97 { return result }
        let near = vectors.map { Self.cosine($0, asked) }.sorted(by: >)
        if let first = near.first { result["near"] = first }
        if near.count > 1 { result["second near"] = near[1] }
        return result
    }
    private static func cosine(_ a: [Float], _ b: [Float]) -> Double {
        guard a.count == b.count else { return 0 }
        var (product, first, second) = (Float(0), Float(0), Float(0))
        for (x, y) in zip(a, b) { (product, first, second) = (product + x * y, first + x * x, second + y * y) }
        return first > 0 && second > 0 ? Double(product / (first * second).squareRoot()) : 0
    }
}
