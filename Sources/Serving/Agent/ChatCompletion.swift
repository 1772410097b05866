// SPDX-License-Identifier: Apache-2.0

import Agent
import Base
import Foundation
import LanguageModels
import OrderedCollections
import Text

/// A request of `/v1/chat/completions`: the newest user message is the question.
struct ChatCompletionRequest: Sendable {
    var model: String
    var question: String
    var seed: UInt64
    var streams: Bool
    var includesUsage: Bool
    var user: String?

    init(_ json: JSONValue, limits: ServerOptions.Limits) throws(ServiceError) {
        guard let model = json["model"]?.string else {
            throw ServiceError(.badRequest, "\"model\" is missing", location: ["model"])
        }
        self.model = model
        guard let messages = json["messages"]?.array, !messages.isEmpty else {
            throw ServiceError(.badRequest, "\"messages\" must be a list with a message", location: ["messages"])
        }
        var newest: String?
        for (index, message) in messages.enumerated() {
            newest = try Self.question(message, ["messages", String(index)], limits) ?? newest
        }
        guard let newest else {
            throw ServiceError(.badRequest, "there is no message of the user", location: ["messages"])
        }
        question = newest
        if let count = json["n"]?.int, count != 1 {
            throw ServiceError(.badRequest, "an agent gives one answer: n must be 1", location: ["n"])
        }
        if json["logprobs"]?.bool == true {
            throw ServiceError(.badRequest, "an agent has no log-probabilities", location: ["logprobs"])
        }
        seed = json["seed"]?.int.map { UInt64(bitPattern: Int64($0)) } ?? 0
        streams = json["stream"]?.bool ?? false
        includesUsage = json["stream_options"]?["include_usage"]?.bool ?? false
        user = json["user"]?.string
    }

    /// The text of a message of the user; nil for the messages of others.
    private static func question(
        _ message: JSONValue, _ location: [String], _ limits: ServerOptions.Limits
    ) throws(ServiceError) -> String? {
        let role = message["role"]?.string ?? ""
        guard ["system", "developer", "user", "assistant", "tool"].contains(role) else {
            throw ServiceError(.badRequest, "a message needs a role", location: location + ["role"])
        }
        let content = message["content"] ?? nil
        let text: String
        if let whole = content.string {
            text = whole
        } else if let parts = content.array {
            text = parts.compactMap { $0["type"]?.string == "text" ? $0["text"]?.string : nil }.joined(separator: "\n")
        } else {
            guard content.isNull else {
                throw ServiceError(.badRequest, "a message's content must be text", location: location + ["content"])
            }
            text = ""
        }
        guard role == "user" else { return nil }
        guard text.contains(where: { !$0.isWhitespace }), text.count <= limits.queryCharacters else {
            throw ServiceError(
                .badRequest, "a message of the user must have 1 to \(limits.queryCharacters) characters",
                location: location + ["content"])
        }
        return text
    }
}

extension ChatCompletionRequest {
    /// The JSON schema of a request. Every message of the user has a text; the newest is the question.
    static func schema(_ service: ForageService) -> JSONValue {
        let question: JSONValue = [
            "type": "object", "required": ["role", "content"],
            "properties": [
                "role": ["const": "user"],
                "content": [
                    "type": "string", "pattern": "\\S", "maxLength": .integer(service.limits.queryCharacters),
                ],
            ],
        ]
        let other: JSONValue = [
            "type": "object", "required": ["role"],
            "properties": [
                "role": ["enum": ["system", "developer", "assistant", "tool"]],
                "content": ["type": ["string", "null"]],
            ],
        ]
        return [
            "type": "object", "required": ["model", "messages"],
            "properties": [
                "model": ["type": "string", "enum": .array(service.agentNames.map(JSONValue.string))],
                "messages": [
                    "type": "array", "minItems": 1, "items": ["anyOf": [question, other]], "contains": question,
                ],
            ],
        ]
    }
}

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

    func whole(_ answer: Answer, reasoning: String, _ summary: RunSummary, runID: String) -> JSONValue {
        var message: JSONObject = ["role": "assistant", "content": .string(answer.text)]
        if !reasoning.isEmpty { message["reasoning_content"] = .string(reasoning) }
        return [
            "id": .string(id), "object": "chat.completion", "created": .integer(created), "model": .string(model),
            "choices": [["index": 0, "message": .object(message), "logprobs": nil, "finish_reason": "stop"]],
            "usage": Self.usage(summary), "x_run": Self.run(answer, summary, runID),
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

    static func usage(_ summary: RunSummary) -> JSONValue {
        [
            "prompt_tokens": .integer(summary.usage.promptTokens),
            "completion_tokens": .integer(summary.usage.completionTokens),
            "total_tokens": .integer(summary.usage.promptTokens + summary.usage.completionTokens),
            "prompt_tokens_details": ["cached_tokens": .integer(summary.usage.cachedTokens)],
            "completion_tokens_details": ["reasoning_tokens": .integer(summary.usage.reasoningTokens)],
        ]
    }

    /// The extension: what stood behind the answer.
    static func run(_ answer: Answer, _ summary: RunSummary, _ runID: String) -> JSONValue {
        [
            "id": .string(runID), "steps": .integer(summary.steps), "tool_calls": .integer(summary.toolCalls),
            "citations": .array(answer.citations.map(\.json)), "label": .string(answer.label.rawValue),
            "short": answer.short.map(JSONValue.string) ?? nil,
            "stop_reason": .string(summary.stop?.name ?? "answered"), "cost": .number(summary.spent.money),
        ]
    }
}
