// SPDX-License-Identifier: Apache-2.0

public import Agent
public import LanguageModels
import Reading
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
        let items = Array(evidence.ranking.prefix(passages))
        let read = items.map { (title: $0.title, text: $0.text) }
        // A verdict rests on what a sentence says, in any language; else only English was learned.
        var verdict: SpanAnswer?
        if let polar = PolarQuestion(question.text), polar.language != .english {
            let found = try await reader.answer(question: question.text, passages: read)
            if found.isSaid { verdict = found }
        }
        if verdict == nil, let answer = foreign(question, items, evidence) { return answer }
        let compared = verdict == nil ? ExtractiveAnswerer().comparison(question, from: evidence) : nil
        let found =
            if let verdict { verdict } else {
                try await reader.answer(question: question.text, passages: read, given: compared?.text)
            }
        let trust = AnswerTrust(reader: reader)
        if let compared {
            return try await trust.judged(compared, found, of: question, from: items, using: context)
        }
        let cited = found.passage.map { [items[$0]] } ?? items
        var quote = found.passage == nil ? "" : found.text
        if let passage = found.passage, let range = found.range, range.upperBound <= items[passage].text.utf8.count {
            quote = String(decoding: Array(items[passage].text.utf8)[range], as: UTF8.self)
        }
        let answer = Answer(
            text: found.text, short: found.text, label: .span, answerer: name,
            citations: cited.map {
                Citation(
                    passageID: $0.passageID, title: $0.title, quote: quote,
                    support: found.score)
            })
        return try await trust.judged(answer, found, of: question, from: items, using: context)
    }
}

extension SpanAnswerer {
    /// How much of a question a sentence in another language must hold to answer it.
    private static let foreignCoverage = 0.4

    /// The best sentence where the evidence is in another language than English, which is all that the reader has learned;
    /// nil for English, and where no language stands out.
    private func foreign(_ question: Question, _ items: [EvidenceItem], _ evidence: Evidence) -> Answer? {
        guard let language = TextLanguage.detected(in: items.map { $0.title + "\n" + $0.text }), language != .english
        else { return nil }
        var extractive = ExtractiveAnswerer()
        extractive.language = language
        var answer = extractive.extract(question, from: evidence)
        answer.answerer = name
        guard answer.label != .none, answer.confidence ?? 0 >= Self.foreignCoverage else {
            return Answer(
                text: Answer.nothingFound, label: .none, answerer: name)
        }
        return answer
    }
}

/// Another answerer whose answers the span reader judges: how sure they may be, and whether the evidence answers at all.
public struct JudgedAnswerer: Answerer {
    private let base: any Answerer
    private let reader: SpanReader
    /// The most passages read. Default: 5.
    public var passages = 5

    public var name: String { base.name }
    public var fingerprint: String { base.fingerprint + " judged by " + reader.fingerprint }

    /// Wraps an answerer.
    public init(_ base: any Answerer, by reader: SpanReader) {
        self.base = base
        self.reader = reader
    }

    public func answer(
        _ question: Question, from evidence: Evidence, using context: StepContext
    ) async throws -> Answer {
        let answer = try await base.answer(question, from: evidence, using: context)
        guard answer.label == .span || answer.label == .model || answer.label == .extractive else { return answer }
        let items = Array(evidence.ranking.prefix(passages))
        guard !items.isEmpty else { return answer }
        let found = try await reader.answer(
            question: question.text, passages: items.map { (title: $0.title, text: $0.text) }, given: answer.prediction)
        return try await AnswerTrust(reader: reader).judged(answer, found, of: question, from: items, using: context)
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
