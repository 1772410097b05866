// SPDX-License-Identifier: Apache-2.0

import Agent
import Base
import LanguageModels
import Text
import Tools

/// What a session does, in lines for people: what OpenAI's clients show as reasoning.
enum ProgressText {
    /// The line of an event; nil when the event is none of a person's business.
    static func line(_ event: SessionEvent) -> String? {
        switch event.kind {
        case .stepStarted(let step): return "Step \(step)"
        case .assessed(let decision):
            return decision.reason.isEmpty ? nil : (decision.retrieve ? "Retrieving: " : "Enough: ") + decision.reason
        case .modelFailed(_, let error): return "The model failed: \(error)"
        case .toolCalled(let record): return "Calling \(record.invocation.tool) \(short(record.invocation.arguments))"
        case .toolReturned(_, let output): return short(output.summary)
        case .kept(let keeping):
            let ids = keeping.kept.map(\.passageID)
            return ids.isEmpty ? nil : "Kept " + ids.prefix(8).joined(separator: ", ")
        case .corrected(_, let message): return "Corrected: " + short(message)
        case .closing(let reason): return "Closing: " + reason.explanation
        case .started, .modelCalled, .modelReturned, .proposed, .chose, .interrupted, .answered, .finished: return nil
        }
    }

    private static func short(_ text: String) -> String {
        let line = text.textLines(omittingEmpty: true).joined(separator: " ")
        return line.count > 300 ? line.prefix(299) + "…" : line
    }
}

/// What a session adds up to, for the answer's `usage` and `x_run`.
struct RunSummary {
    var usage = TokenUsage()
    var steps = 0
    var toolCalls = 0
    var stop: StopReason?
    var spent = Spending()
    var answer: Answer?
    /// The question as it was understood, and as it was asked when that is another.
    var question = ""
    var asked = ""
    /// Seconds from the start to the first words of the answer; nil when they came all at once.
    var firstText: Double?
    private var failure: LanguageModelError?
    private var hasModelAnswered = false

    /// Why the model never answered; nil when it did, or was not asked.
    var silentModel: LanguageModelError? { hasModelAnswered ? nil : failure }

    mutating func take(_ event: SessionEvent) {
        switch event.kind {
        case .started(let header):
            question = header.question.text
            asked = header.question.dialogue.asked
            usage = usage + header.question.dialogue.usage
        case .stepStarted(let step): steps = step
        case .toolCalled: toolCalls += 1
        case .modelReturned(_, let response):
            usage = usage + response.usage
            hasModelAnswered = true
        case .modelFailed(_, let error): failure = failure ?? error
        case .answered(let answer): self.answer = answer
        case .finished(let reason, let spending):
            stop = reason
            spent = spending
        default: break
        }
    }
}
