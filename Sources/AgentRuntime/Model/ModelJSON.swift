// SPDX-License-Identifier: Apache-2.0

internal import LanguageModels
internal import TextProcessing

/// The JSON form of what a model gave, as events keep it.
enum ModelJSON {
    static func json(_ response: ModelResponse) -> JSONValue {
        [
            "model": .string(response.model),
            "completions": .array(response.completions.map(json)),
            "usage": [
                "prompt": .integer(response.usage.promptTokens), "completion": .integer(response.usage.completionTokens),
                "cached": .integer(response.usage.cachedTokens), "reasoning": .integer(response.usage.reasoningTokens),
            ],
        ]
    }

    static func response(_ json: JSONValue) throws -> ModelResponse {
        let usage = try json.required("usage")
        return ModelResponse(
            completions: try json.requiredArray("completions").map(completion),
            usage: TokenUsage(
                promptTokens: try usage.requiredInt("prompt"), completionTokens: try usage.requiredInt("completion"),
                cachedTokens: usage["cached"]?.int ?? 0, reasoningTokens: usage["reasoning"]?.int ?? 0),
            model: try json.requiredString("model"))
    }

    private static func json(_ completion: Completion) -> JSONValue {
        let message = completion.message
        var members: JSONObject = ["content": .string(message.content)]
        if !message.reasoning.isEmpty { members["reasoning"] = .string(message.reasoning) }
        if !message.toolCalls.isEmpty {
            members["tool_calls"] = .array(
                message.toolCalls.map {
                    ["id": .string($0.id), "name": .string($0.name), "arguments": .string($0.arguments)]
                })
        }
        members["finish"] = .string(completion.finishReason.rawValue)
        if !completion.tokens.isEmpty { members["tokens"] = .array(completion.tokens.map(json)) }
        if !completion.promptTokenIDs.isEmpty {
            members["prompt_token_ids"] = .array(completion.promptTokenIDs.map(JSONValue.integer))
        }
        if !completion.tokenIDs.isEmpty { members["token_ids"] = .array(completion.tokenIDs.map(JSONValue.integer)) }
        return .object(members)
    }

    private static func completion(_ json: JSONValue) throws -> Completion {
        let name = try json.requiredString("finish")
        guard let finish = Completion.FinishReason(rawValue: name) else {
            throw JSONError(message: "unknown finish reason \"\(name)\"")
        }
        let calls = try (json["tool_calls"]?.array ?? []).map { call in
            ToolCall(
                id: try call.requiredString("id"), name: try call.requiredString("name"),
                arguments: try call.requiredString("arguments"))
        }
        return Completion(
            message: ChatMessage(
                role: .assistant, content: try json.requiredString("content"),
                reasoning: json["reasoning"]?.string ?? "", toolCalls: calls),
            finishReason: finish, tokens: try (json["tokens"]?.array ?? []).map(token),
            promptTokenIDs: (json["prompt_token_ids"]?.array ?? []).compactMap(\.int),
            tokenIDs: (json["token_ids"]?.array ?? []).compactMap(\.int))
    }

    /// `[text, log-probability, byte offset, [[alternative, log-probability] …]]`.
    private static func json(_ token: TokenLogProbability) -> JSONValue {
        .array([
            .string(token.text), .number(token.logProbability), .integer(token.byteOffset),
            .array(token.top.map { .array([.string($0.text), .number($0.logProbability)]) }),
        ])
    }

    private static func token(_ json: JSONValue) throws -> TokenLogProbability {
        guard let text = json[0]?.string, let logProbability = json[1]?.double, let offset = json[2]?.int else {
            throw JSONError(message: "a token must be [text, log-probability, byte offset, alternatives]")
        }
        return TokenLogProbability(
            text: text, logProbability: logProbability, byteOffset: offset,
            top: (json[3]?.array ?? []).compactMap { entry in
                guard let text = entry[0]?.string, let value = entry[1]?.double else { return nil }
                return TokenLogProbability.Alternative(text: text, logProbability: value)
            })
    }

    static func json(_ error: LanguageModelError) -> JSONValue {
        switch error {
        case .unavailable(let reason): return ["error": "unavailable", "message": .string(reason)]
        case .refused(let status, let message):
            return ["error": "refused", "status": .integer(status), "message": .string(message)]
        case .exhaustedRetries(let attempts, let last):
            return ["error": "exhausted_retries", "attempts": .integer(attempts), "message": .string(last)]
        case .malformedReply(let reason): return ["error": "malformed_reply", "message": .string(reason)]
        case .timedOut(let seconds): return ["error": "timed_out", "seconds": .number(seconds)]
        case .contextOverflow(let tokens, let limit):
            return ["error": "context_overflow", "tokens": .integer(tokens), "limit": .integer(limit)]
        case .unsupported(let reason): return ["error": "unsupported", "message": .string(reason)]
        case .notRecorded(let reason): return ["error": "not_recorded", "message": .string(reason)]
        }
    }

    static func error(_ json: JSONValue) throws -> LanguageModelError {
        let message = json["message"]?.string ?? ""
        switch try json.requiredString("error") {
        case "unavailable": return .unavailable(message)
        case "refused": return .refused(status: try json.requiredInt("status"), message: message)
        case "exhausted_retries": return .exhaustedRetries(attempts: try json.requiredInt("attempts"), last: message)
        case "malformed_reply": return .malformedReply(message)
        case "timed_out": return .timedOut(seconds: try json.requiredDouble("seconds"))
        case "context_overflow":
            return .contextOverflow(tokens: try json.requiredInt("tokens"), limit: try json.requiredInt("limit"))
        case "unsupported": return .unsupported(message)
        case "not_recorded": return .notRecorded(message)
        case let other: throw JSONError(message: "unknown model error \"\(other)\"")
        }
    }
}
