// SPDX-License-Identifier: Apache-2.0

import Agent
import Base
import Foundation
import LanguageModels
import OrderedCollections
import Text

/// The answers of `/v1/chat/completions`, whole or in pieces.
struct ChatCompletionReply: Sendable {
    let id: String
    let model: String
    let created: Int

    init(runID: String, model: String) {
        id = "chatcmpl-" + runID
        self.model = model
        created = Int(Date().timeIntervalSince1970)
    }

    func whole(_ finished: FinishedAnswer, reasoning: String, _ summary: RunSummary, runID: String) -> JSONValue {
        var message: JSONObject = ["role": "assistant"]
        for (name, value) in finished.message { message[name] = value }
        if !reasoning.isEmpty { message["reasoning_content"] = .string(reasoning) }
        return [
            "id": .string(id), "object": "chat.completion", "created": .integer(created), "model": .string(model),
            "choices": [
                [
                    "index": 0, "message": .object(message), "logprobs": nil,
                    "finish_reason": .string(finished.finishReason),
                ]
            ],
            "usage": Self.usage(summary), "x_run": Self.run(finished.answer, summary, runID),
        ]
    }

    func chunk(_ delta: JSONObject, finish: String? = nil, extra: JSONObject = [:]) -> JSONValue {
        var members: JSONObject = [
            "id": .string(id), "object": "chat.completion.chunk", "created": .integer(created), "model": .string(model),
            "choices": [
                [
                    "index": 0, "delta": .object(delta), "logprobs": nil,
                    "finish_reason": finish.map(JSONValue.string) ?? nil,
                ]
            ],
        ]
        members.merge(extra) { first, _ in first }
        return .object(members)
    }

    func usageChunk(_ summary: RunSummary) -> JSONValue {
        [
            "id": .string(id), "object": "chat.completion.chunk", "created": .integer(created), "model": .string(model),
            "choices": [], "usage": Self.usage(summary),
        ]
    }

    /// The tokens of the run; those of calls that the server did not count are an estimate (`x_run.estimated_calls`).
    static func usage(_ summary: RunSummary) -> JSONValue {
        [
            "prompt_tokens": .integer(summary.spent.promptTokens),
            "completion_tokens": .integer(summary.spent.completionTokens),
            "total_tokens": .integer(summary.spent.promptTokens + summary.spent.completionTokens),
            "prompt_tokens_details": ["cached_tokens": .integer(summary.usage.cachedTokens)],
            "completion_tokens_details": ["reasoning_tokens": .integer(summary.usage.reasoningTokens)],
        ]
    }

    /// The extension: what stood behind the answer.
    static func run(_ answer: Answer, _ summary: RunSummary, _ runID: String) -> JSONValue {
        var members: JSONObject = [
            "id": .string(runID), "steps": .integer(summary.steps), "tool_calls": .integer(summary.toolCalls),
            "citations": .array(answer.citations.map(\.json)), "label": .string(answer.label.rawValue),
            "short": answer.short.map(JSONValue.string) ?? nil,
            "stop_reason": .string(summary.stop?.name ?? "answered"), "cost": .number(summary.spent.money),
        ]
        if !summary.asked.isEmpty { members["question"] = .string(summary.question) }
        if let seconds = summary.firstText { members["first_text_seconds"] = .number(seconds) }
        if summary.spent.estimatedCalls > 0 { members["estimated_calls"] = .integer(summary.spent.estimatedCalls) }
        if let failure = summary.silentModel {
            members["model_error"] = .string("the model never answered: \(failure). \(failure.advice)")
        }
        return .object(members)
    }
}
