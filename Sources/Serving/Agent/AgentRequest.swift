// SPDX-License-Identifier: Apache-2.0

import Agent
import Base
import LanguageModels
import OrderedCollections
import Text

/// What a client asks an agent, whichever of OpenAI's interfaces it speaks: the whole conversation, and how it wants the
/// answer. What the agent cannot do is refused by name, never left out in silence.
struct AgentRequest: Sendable {
    /// A tool of the client that stands for the form of the answer.
    struct AnswerTool: Sendable {
        var name: String
    }

    var model: String
    /// The corpus, where the model's name does not say it.
    var corpus: String?
    /// The newest message of the user.
    var question: String
    /// What was said before it, oldest first.
    var earlier: [(isUser: Bool, text: String)] = []
    /// What system messages say.
    var instructions = ""
    var seed: UInt64?
    var streams: Bool
    var user: String?
    /// The JSON Schema of the answer; nil for prose.
    var format: JSONValue?
    /// The tool as whose call the answer is given; nil for a message.
    var answerTool: AnswerTool?
    var sampling = TunedModel.Sampling()
    /// The calls of the client's tool as which earlier answers were given.
    private var answeredCalls: Set<String> = []

    /// What an answer in JSON is, where the client gives no schema.
    static let plainSchema: JSONValue = [
        "type": "object",
        "properties": [
            "answer": ["type": "string"], "citations": ["type": "array", "items": ["type": "string"]],
        ], "required": ["answer", "citations"],
    ]

    // MARK: Reading

    /// Refuses members that are not known, and known ones with a value that asks for what no agent does.
    /// - Parameters:
    ///   - members: the names that are read, or that mean nothing to an agent whatever they say.
    ///   - neutral: names that are refused unless they have a value that asks for nothing.
    static func refuseUnknown(
        _ json: JSONValue, known: Set<String>, neutral: [String: (JSONValue) -> Bool]
    ) throws(ServiceError) {
        guard case .object(let members) = json else {
            throw ServiceError(.badRequest, "the request must be a JSON object")
        }
        for (name, value) in members where !value.isNull && !known.contains(name) {
            if let isNeutral = neutral[name] {
                guard !isNeutral(value) else { continue }
                throw ServiceError(
                    .badRequest, "an agent cannot heed \"\(name)\": leave it out", location: [name])
            }
            throw ServiceError(
                .badRequest,
                "\"\(name.prefix(64))\" is not supported: leave it out. Supported are \(known.sorted().joined(separator: ", "))",
                location: [String(name.prefix(64))])
        }
    }

    static func isZero(_ value: JSONValue) -> Bool { value.double == 0 }
    static func isEmpty(_ value: JSONValue) -> Bool {
        value.array?.isEmpty ?? value.object?.isEmpty ?? (value.string == "")
    }

    init(
        _ json: JSONValue, limitNames: [String], limits: ServerOptions.Limits
    ) throws(ServiceError) {
        guard let model = json["model"]?.string else {
            throw ServiceError(.badRequest, "\"model\" is missing", location: ["model"])
        }
        self.model = model
        corpus = json["corpus"]?.string
        question = ""
        seed = json["seed"]?.int.map { UInt64(bitPattern: Int64($0)) }
        streams = json["stream"]?.bool ?? false
        user = json["user"]?.string
        func number(_ name: String, _ range: ClosedRange<Double>) throws(ServiceError) -> Double? {
            guard let value = json[name], !value.isNull else { return nil }
            guard let number = value.double, range.contains(number) else {
                throw ServiceError(
                    .badRequest, "\"\(name)\" must be a number from \(range.lowerBound) to \(range.upperBound)",
                    location: [name])
            }
            return number
        }
        sampling.temperature = try number("temperature", 0...2)
        sampling.topP = try number("top_p", 0...1)
        for name in limitNames {
            if let value = try number(name, 1...1e9) { sampling.maxTokens = Int(value) }
        }
    }

    /// Adds a message of the conversation.
    mutating func add(
        role: String, _ content: JSONValue, at location: [String], _ limits: ServerOptions.Limits
    ) throws(ServiceError) {
        let text = try Self.text(content, location + ["content"])
        switch role {
        case "system", "developer":
            if !text.isEmpty { instructions += (instructions.isEmpty ? "" : "\n\n") + text }
            guard !instructions.isLonger(than: 32_000) else {
                throw ServiceError(
                    .badRequest, "the system's messages have more than 32,000 characters", location: location)
            }
        case "user": earlier.append((true, text))
        case "assistant": if !text.isEmpty { earlier.append((false, text)) }
        default:
            throw ServiceError(
                .badRequest,
                "a message's role must be system, developer, user or assistant: an agent calls its own tools",
                location: location + ["role"])
        }
    }

    /// Takes an answer that was given as the call of the client's tool, and what the client said to such a call.
    /// - Returns: whether the message is one of them.
    private mutating func addCall(
        role: String, _ message: JSONValue, at location: [String]
    ) throws(ServiceError) -> Bool {
        if role == "assistant", let calls = message["tool_calls"]?.array, !calls.isEmpty {
            let said = calls.compactMap { $0["function"]?["arguments"]?.string }
            let text = [try Self.text(message["content"] ?? .null, location + ["content"])] + said
            earlier.append((false, text.filter { !$0.isEmpty }.joined(separator: "\n")))
            answeredCalls.formUnion(calls.compactMap { $0["id"]?.string })
            return true
        }
        if role == "tool", let id = message["tool_call_id"]?.string, answeredCalls.contains(id) { return true }
        return false
    }

    private static func text(_ content: JSONValue, _ location: [String]) throws(ServiceError) -> String {
        if let whole = content.string { return whole }
        if content.isNull { return "" }
        guard let parts = content.array else {
            throw ServiceError(.badRequest, "a message's content must be text", location: location)
        }
        var lines: [String] = []
        for (index, part) in parts.enumerated() {
            let type = part["type"]?.string ?? "text"
            guard ["text", "input_text", "output_text", "refusal"].contains(type) else {
                throw ServiceError(
                    .badRequest, "a part of type \"\(type.prefix(40))\" cannot be read: only text",
                    location: location + [String(index)])
            }
            lines.append(part["text"]?.string ?? part["refusal"]?.string ?? "")
        }
        return lines.joined(separator: "\n")
    }

    /// Takes the newest message as the question.
    mutating func takeQuestion(_ member: String, _ limits: ServerOptions.Limits) throws(ServiceError) {
        guard let last = earlier.popLast(), last.isUser else {
            throw ServiceError(.badRequest, "the last message must be the user's", location: [member])
        }
        guard last.text.contains(where: { !$0.isWhitespace }), !last.text.isLonger(than: limits.queryCharacters)
        else {
            throw ServiceError(
                .badRequest, "the user's message must have 1 to \(limits.queryCharacters) characters",
                location: [member])
        }
        question = last.text
    }

    /// Reads the form of the answer: `response_format`, or `format` of a response's text.
    mutating func takeFormat(_ value: JSONValue?, at location: [String]) throws(ServiceError) {
        guard let value, !value.isNull else { return }
        switch value["type"]?.string {
        case "text": return
        case "json_object": try takeSchema(Self.plainSchema, at: location)
        case "json_schema":
            let inner = value["json_schema"] ?? value
            guard let schema = inner["schema"] else {
                throw ServiceError(.badRequest, "the JSON Schema is missing", location: location + ["schema"])
            }
            try takeSchema(schema, at: location)
        default:
            throw ServiceError(
                .badRequest, "the answer's type must be text, json_object or json_schema", location: location + ["type"]
            )
        }
    }

    /// The longest schema that an answer is given the form of, in bytes.
    private static let schemaBytes = 120_000

    private mutating func takeSchema(_ schema: JSONValue, at location: [String]) throws(ServiceError) {
        guard schema.serialized().utf8.count <= Self.schemaBytes else {
            throw ServiceError(
                .badRequest, "a JSON Schema may have at most \(Self.schemaBytes) bytes", location: location)
        }
        do { format = try AnswerShape(schema: schema).schema } catch {
            throw ServiceError(.badRequest, "the JSON Schema cannot be used: \(error)", location: location)
        }
    }

    /// Reads the client's tools: one that must be called stands for the form of the answer; others are refused.
    mutating func takeTools(_ tools: JSONValue?, choice: JSONValue?) throws(ServiceError) {
        guard let list = tools?.array, !list.isEmpty else {
            if let choice, choice == "required" || choice.object != nil {
                throw ServiceError(.badRequest, "a tool is asked for, but there are none", location: ["tool_choice"])
            }
            return
        }
        if choice == "none" { return }
        let wanted = choice?["function"]?["name"]?.string ?? choice?["name"]?.string
        let named = list.first { ($0["function"]?["name"] ?? $0["name"])?.string == wanted }
        guard let tool = wanted == nil ? (choice == "required" && list.count == 1 ? list[0] : nil) : named,
            let name = (tool["function"]?["name"] ?? tool["name"])?.string
        else {
            throw ServiceError(
                .badRequest,
                "an agent calls its own tools, not the client's; one tool that \"tool_choice\" names can give the answer its form",
                location: ["tools"])
        }
        try takeSchema((tool["function"] ?? tool)["parameters"] ?? ["type": "object"], at: ["tools"])
        answerTool = AnswerTool(name: name)
    }
}

extension AgentRequest {
    /// Reads a request of `/v1/chat/completions`.
    static func chat(_ json: JSONValue, limits: ServerOptions.Limits) throws(ServiceError) -> AgentRequest {
        try refuseUnknown(
            json,
            known: [
                "model", "messages", "stream", "stream_options", "seed", "user", "response_format", "tools",
                "tool_choice",
                "temperature", "top_p", "max_tokens", "max_completion_tokens", "corpus",
                // These change nothing about an answer.
                "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key", "parallel_tool_calls",
            ],
            neutral: [
                "n": { $0.int == 1 }, "logprobs": { $0 == false }, "top_logprobs": isZero, "frequency_penalty": isZero,
                "presence_penalty": isZero, "logit_bias": isEmpty, "stop": isEmpty, "functions": isEmpty,
                "modalities": { $0 == ["text"] }, "reasoning_effort": { $0 == "none" },
            ])
        var request = try AgentRequest(json, limitNames: ["max_tokens", "max_completion_tokens"], limits: limits)
        guard let messages = json["messages"]?.array, !messages.isEmpty else {
            throw ServiceError(.badRequest, "\"messages\" must be a list with a message", location: ["messages"])
        }
        for (index, message) in messages.enumerated() {
            guard let role = message["role"]?.string else {
                throw ServiceError(
                    .badRequest, "a message needs a role", location: ["messages", String(index), "role"])
            }
            if try request.addCall(role: role, message, at: ["messages", String(index)]) { continue }
            try request.add(role: role, message["content"] ?? .null, at: ["messages", String(index)], limits)
        }
        try request.takeQuestion("messages", limits)
        try request.takeFormat(json["response_format"], at: ["response_format"])
        try request.takeTools(json["tools"], choice: json["tool_choice"])
        return request
    }

    /// Reads a request of `/v1/responses`.
    static func response(_ json: JSONValue, limits: ServerOptions.Limits) throws(ServiceError) -> AgentRequest {
        try refuseUnknown(
            json,
            known: [
                "model", "input", "instructions", "previous_response_id", "stream", "text", "seed", "user", "store",
                "temperature", "top_p", "max_output_tokens", "corpus",
                "metadata", "service_tier", "safety_identifier", "prompt_cache_key", "parallel_tool_calls",
            ],
            neutral: [
                "tools": isEmpty, "tool_choice": { $0 == "auto" || $0 == "none" }, "include": isEmpty,
                "truncation": { $0 == "disabled" }, "background": { $0 == false }, "reasoning": isEmpty,
                "top_logprobs": isZero, "stream_options": isEmpty,
            ])
        var request = try AgentRequest(json, limitNames: ["max_output_tokens"], limits: limits)
        if let text = json["instructions"]?.string { request.instructions = text }
        if let text = json["input"]?.string {
            request.earlier = [(true, text)]
        } else {
            guard let items = json["input"]?.array, !items.isEmpty else {
                throw ServiceError(.badRequest, "\"input\" must be a text or a list of messages", location: ["input"])
            }
            for (index, item) in items.enumerated() {
                guard item["type"]?.string ?? "message" == "message", let role = item["role"]?.string else {
                    throw ServiceError(
                        .badRequest, "only messages can be read here", location: ["input", String(index), "type"])
                }
                try request.add(role: role, item["content"] ?? .null, at: ["input", String(index)], limits)
            }
        }
        try request.takeQuestion("input", limits)
        if let text = json["text"], !text.isNull {
            try refuseUnknown(text, known: ["format"], neutral: ["verbosity": { $0 == "medium" }])
            try request.takeFormat(text["format"], at: ["text", "format"])
        }
        return request
    }
}
