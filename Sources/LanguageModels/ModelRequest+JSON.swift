// SPDX-License-Identifier: Apache-2.0

public import Base
import OrderedCollections
import Text

// The stable JSON form of requests and answers: recordings and session events are written with it. Members that have
// their default value are left out, so that a recording stays readable and a new option does not change old ones.

extension ChatMessage: JSONRepresentable {
    public init(json: JSONValue) throws {
        let name = try json.requiredString("role")
        guard let role = Role(rawValue: name) else {
            throw JSONError(message: "\"role\" must be system, user, assistant or tool, found \"\(name)\"")
        }
        self.init(
            role: role, content: json["content"]?.string ?? "", reasoning: json["reasoning"]?.string ?? "",
            toolCalls: try (json["tool_calls"]?.array ?? []).map { try ToolCall(json: $0) },
            toolCallID: json["tool_call_id"]?.string)
    }

    public var json: JSONValue {
        var members: JSONObject = ["role": .string(role.rawValue), "content": .string(content)]
        if !reasoning.isEmpty { members["reasoning"] = .string(reasoning) }
        if !toolCalls.isEmpty { members["tool_calls"] = .array(toolCalls.map(\.json)) }
        if let toolCallID { members["tool_call_id"] = .string(toolCallID) }
        return .object(members)
    }
}

extension ToolCall: JSONRepresentable {
    public init(json: JSONValue) throws {
        self.init(
            id: try json.requiredString("id"), name: try json.requiredString("name"),
            arguments: try json.requiredString("arguments"))
        extra = json["extra"]
    }

    public var json: JSONValue {
        var members: JSONObject = ["id": .string(id), "name": .string(name), "arguments": .string(arguments)]
        if let extra { members["extra"] = extra }
        return .object(members)
    }
}

extension ToolSpecification: JSONRepresentable {
    public init(json: JSONValue) throws {
        self.init(
            name: try json.requiredString("name"), description: json["description"]?.string ?? "",
            parameters: try json.required("parameters"))
    }

    public var json: JSONValue {
        ["name": .string(name), "description": .string(description), "parameters": parameters]
    }
}

extension OutputConstraint {
    var json: JSONValue {
        switch self {
        case .jsonSchema(let schema): return ["json_schema": schema]
        case .grammar(let text): return ["grammar": .string(text)]
        case .choices(let texts): return ["choices": .array(texts.map { .string($0) })]
        case .spans(let texts, let alternatives, let maxWords):
            return [
                "spans": .array(texts.map { .string($0) }),
                "alternatives": .array(alternatives.map { .string($0) }), "max_words": .integer(maxWords),
            ]
        case .corpus(let constraint):
            return ["corpus": .string(constraint.strings.fingerprint), "after": .string(constraint.after)]
        }
    }
}

extension SamplingOptions {
    /// The options that change what a model answers; the time-out is not one of them.
    var json: JSONValue {
        var members: JSONObject = ["max_tokens": .integer(maxTokens)]
        if let temperature { members["temperature"] = .number(temperature) }
        if let topK { members["top_k"] = .integer(topK) }
        if let topP { members["top_p"] = .number(topP) }
        if let minP { members["min_p"] = .number(minP) }
        if let repetitionPenalty { members["repetition_penalty"] = .number(repetitionPenalty) }
        if let seed { members["seed"] = .string(String(seed)) }
        if !stop.isEmpty { members["stop"] = .array(stop.map { .string($0) }) }
        if samples != 1 { members["samples"] = .integer(samples) }
        if let topLogProbabilities { members["top_logprobs"] = .integer(topLogProbabilities) }
        if let constraint { members["constraint"] = constraint.json }
        return .object(members)
    }
}

extension ModelRequest {
    /// The request as JSON: what a recording is found by.
    public var json: JSONValue {
        var members: JSONObject = ["messages": .array(messages.map(\.json))]
        if !tools.isEmpty { members["tools"] = .array(tools.map(\.json)) }
        switch toolChoice {
        case .automatic: break
        case .none: members["tool_choice"] = "none"
        case .required: members["tool_choice"] = "required"
        case .named(let name): members["tool_choice"] = ["name": .string(name)]
        }
        members["options"] = options.json
        return .object(members)
    }
}

extension JSONValue {
    /// A number of tokens, of which sums do not overflow.
    package func requiredTokens(_ key: String) throws(JSONError) -> Int {
        let count = try requiredInt(key)
        guard (0...TokenUsage.most).contains(count) else {
            throw JSONError(message: "\"\(key)\" must be a number of tokens, found \(count)")
        }
        return count
    }
}

extension TokenUsage: JSONRepresentable {
    public init(json: JSONValue) throws {
        func part(_ key: String) throws -> Int { json[key] == nil ? 0 : try json.requiredTokens(key) }
        self.init(
            promptTokens: try json.requiredTokens("prompt_tokens"),
            completionTokens: try json.requiredTokens("completion_tokens"),
            cachedTokens: try part("cached_tokens"), reasoningTokens: try part("reasoning_tokens"))
    }

    public var json: JSONValue {
        var members: JSONObject = [
            "prompt_tokens": .integer(promptTokens), "completion_tokens": .integer(completionTokens),
        ]
        if cachedTokens > 0 { members["cached_tokens"] = .integer(cachedTokens) }
        if reasoningTokens > 0 { members["reasoning_tokens"] = .integer(reasoningTokens) }
        return .object(members)
    }
}

extension TokenLogProbability: JSONRepresentable {
    public init(json: JSONValue) throws {
        self.init(
            text: try json.requiredString("text"), logProbability: try json.requiredDouble("logprob"),
            byteOffset: try json.requiredInt("byte_offset"),
            top: try (json["top"]?.array ?? []).map {
                Alternative(text: try $0.requiredString("text"), logProbability: try $0.requiredDouble("logprob"))
            })
    }

    public var json: JSONValue {
        var members: JSONObject = [
            "text": .string(text), "logprob": .number(logProbability), "byte_offset": .integer(byteOffset),
        ]
        if !top.isEmpty {
            members["top"] = .array(top.map { ["text": .string($0.text), "logprob": .number($0.logProbability)] })
        }
        return .object(members)
    }
}

extension Completion: JSONRepresentable {
    public init(json: JSONValue) throws {
        let reason = try json.requiredString("finish_reason")
        guard let finishReason = FinishReason(rawValue: reason) else {
            throw JSONError(message: "unknown \"finish_reason\" \"\(reason)\"")
        }
        self.init(
            message: try ChatMessage(json: json.required("message")), finishReason: finishReason,
            tokens: try (json["tokens"]?.array ?? []).map { try TokenLogProbability(json: $0) },
            promptTokenIDs: (json["prompt_token_ids"]?.array ?? []).compactMap(\.int),
            tokenIDs: (json["token_ids"]?.array ?? []).compactMap(\.int))
    }

    public var json: JSONValue {
        var members: JSONObject = ["message": message.json, "finish_reason": .string(finishReason.rawValue)]
        if !tokens.isEmpty { members["tokens"] = .array(tokens.map(\.json)) }
        if !promptTokenIDs.isEmpty { members["prompt_token_ids"] = .array(promptTokenIDs.map { .integer($0) }) }
        if !tokenIDs.isEmpty { members["token_ids"] = .array(tokenIDs.map { .integer($0) }) }
        return .object(members)
    }
}

extension ModelResponse: JSONRepresentable {
    public init(json: JSONValue) throws {
        self.init(
            completions: try json.requiredArray("completions").map { try Completion(json: $0) },
            usage: try TokenUsage(json: json.required("usage")), model: try json.requiredString("model"))
    }

    public var json: JSONValue {
        [
            "model": .string(model), "completions": .array(completions.map(\.json)), "usage": usage.json,
        ]
    }
}

extension ModelStreamEvent: JSONRepresentable {
    public init(json: JSONValue) throws {
        let sample = json["sample"]?.int ?? 0
        switch try json.requiredString("event") {
        case "content": self = .content(sample: sample, text: try json.requiredString("text"))
        case "reasoning": self = .reasoning(sample: sample, text: try json.requiredString("text"))
        case "tool_call":
            self = .toolCallStarted(
                sample: sample, index: try json.requiredInt("index"), name: try json.requiredString("name"))
        case "retry":
            self = .retrying(
                attempt: try json.requiredInt("attempt"), after: try json.requiredDouble("after"),
                reason: try json.requiredString("reason"))
        case let name: throw JSONError(message: "unknown \"event\" \"\(name)\"")
        }
    }

    public var json: JSONValue {
        switch self {
        case .content(let sample, let text):
            return ["event": "content", "sample": .integer(sample), "text": .string(text)]
        case .reasoning(let sample, let text):
            return ["event": "reasoning", "sample": .integer(sample), "text": .string(text)]
        case .toolCallStarted(let sample, let index, let name):
            return [
                "event": "tool_call", "sample": .integer(sample), "index": .integer(index), "name": .string(name),
            ]
        case .retrying(let attempt, let after, let reason):
            return [
                "event": "retry", "attempt": .integer(attempt), "after": .number(after), "reason": .string(reason),
            ]
        }
    }
}
