// SPDX-License-Identifier: Apache-2.0

public import AgentRuntime

/// Answers in a session with the span reader.
public struct SpanAnswerer: Answerer {
    public var name: String { "span" }
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
        let found = try await reader.answer(
            question: question.text, passages: items.map { (title: $0.title, text: $0.text) })
        guard !found.text.isEmpty else {
            return Answer(text: "Nothing was found that answers the question.", label: .none, answerer: name)
        }
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
