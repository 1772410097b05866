// SPDX-License-Identifier: Apache-2.0

import Base
import OrderedCollections
import Text

/// A request in the form that a server takes, by what is known of the server.
struct PreparedRequest {
    var body: JSONObject
    /// How calls are read from the text, where the server takes no tools.
    var dialect: ToolDialect?

    /// Options that are nil are left out, so that the server's default holds.
    /// - Parameter limit: the most tokens of the completion; nil takes the request's.
    init(
        _ request: ModelRequest, _ configuration: OpenAICompatibleModel.Configuration, _ profile: ServerProfile,
        limit: Int? = nil
    ) throws(LanguageModelError) {
        var messages = request.messages
        body = ["model": .string(configuration.model)]
        body["messages"] = .array([])
        if !request.tools.isEmpty {
            if profile.tools == .text {
                let dialect = ToolDialect(request: request, templateHasTools: false)
                messages = dialect.messages
                self.dialect = dialect
            } else {
                addTools(request, profile)
            }
        }
        addSampling(request.options, profile, limit: limit)
        switch request.options.constraint {
        case nil: break
        case .jsonSchema(let schema): addSchema(schema, profile, &messages)
        case .grammar, .choices, .spans, .corpus:
            throw .unsupported("a chat completion endpoint obeys only JSON Schema constraints")
        }
        body["messages"] = .array(Self.messages(messages, of: request, profile))
        if configuration.streams, profile.streams {
            body["stream"] = true
            if !profile.dropped.contains("stream_options") { body["stream_options"] = ["include_usage": true] }
        }
    }

    private mutating func addTools(_ request: ModelRequest, _ profile: ServerProfile) {
        body["tools"] = .array(
            request.tools.map { tool in
                [
                    "type": "function",
                    "function": [
                        "name": .string(tool.name), "description": .string(tool.description),
                        "parameters": Self.without(profile.droppedKeywords, tool.parameters),
                    ],
                ]
            })
        guard !profile.dropped.contains("tool_choice"), profile.onlyToolChoice != "" else { return }
        switch request.toolChoice {
        case .automatic: body["tool_choice"] = "auto"
        case .none: body["tool_choice"] = profile.onlyToolChoice == nil ? "none" : "auto"
        case .required: body["tool_choice"] = profile.onlyToolChoice == nil ? "required" : "auto"
        case .named(let name):
            body["tool_choice"] =
                profile.onlyToolChoice == nil ? ["type": "function", "function": ["name": .string(name)]] : "auto"
        }
    }

    private static func without(_ keywords: Set<String>, _ schema: JSONValue) -> JSONValue {
        guard !keywords.isEmpty else { return schema }
        switch schema {
        case .object(let members):
            var kept = JSONObject()
            for (name, member) in members where !keywords.contains(name) {
                // The names of properties are not keywords.
                if name == "properties", let properties = member.object {
                    kept[name] = .object(properties.mapValues { without(keywords, $0) })
                } else {
                    kept[name] = without(keywords, member)
                }
            }
            return .object(kept)
        case .array(let elements): return .array(elements.map { without(keywords, $0) })
        default: return schema
        }
    }

    private mutating func addSampling(_ options: SamplingOptions, _ profile: ServerProfile, limit: Int?) {
        if let name = profile.limitName {
            let wanted = min(limit ?? options.maxTokens, profile.completionLimit ?? .max)
            body[name] = .integer(wanted)
        }
        var members: JSONObject = [:]
        if let value = options.temperature { members["temperature"] = .number(max(value, profile.leastTemperature)) }
        if let value = options.topP { members["top_p"] = .number(value) }
        if let value = options.topK { members["top_k"] = .integer(value) }
        if let value = options.minP { members["min_p"] = .number(value) }
        if let value = options.repetitionPenalty { members["repetition_penalty"] = .number(value) }
        // Servers read the seed as a signed 64-bit number.
        if let value = options.seed {
            members["seed"] = .integer(Int(truncatingIfNeeded: value & 0x7FFF_FFFF_FFFF_FFFF))
        }
        if !options.stop.isEmpty { members["stop"] = .array(options.stop.map { .string($0) }) }
        if options.samples > 1 { members["n"] = .integer(options.samples) }
        if let top = options.topLogProbabilities {
            members["logprobs"] = true
            if top > 0 { members["top_logprobs"] = .integer(top) }
        }
        for (name, value) in members where !profile.dropped.contains(name) { body[name] = value }
    }

    private mutating func addSchema(_ schema: JSONValue, _ profile: ServerProfile, _ messages: inout [ChatMessage]) {
        switch profile.schemas {
        case .schema:
            body["response_format"] = [
                "type": "json_schema", "json_schema": ["name": "output", "strict": true, "schema": schema],
            ]
            return
        case .object: body["response_format"] = ["type": "json_object"]
        case .instruction: break
        }
        guard let last = messages.lastIndex(where: { $0.role == .user }) else { return }
        messages[last].content += "\n\nWrite only one JSON value that this JSON Schema accepts:\n" + schema.serialized()
    }

    // MARK: Messages

    private static func messages(
        _ messages: [ChatMessage], of request: ModelRequest, _ profile: ServerProfile
    ) -> [JSONValue] {
        var messages = messages
        if profile.systemRole == .user || profile.alternates { messages = withoutSystem(messages, profile) }
        if profile.alternates { messages = alternating(messages) }
        if profile.alternates || profile.answersTools { messages = answeringTools(messages) }
        let names = request.tools.map(\.name)
        // Reasoning belongs to the turns since the user last spoke; what was reasoned before is done with.
        let lastUser = messages.lastIndex { $0.role == .user } ?? -1
        var calls: [String: String] = [:]
        return messages.enumerated().map { index, message in
            var role = message.role.rawValue
            if message.role == .system { role = profile.systemRole == .developer ? "developer" : "system" }
            var members: JSONObject = ["role": .string(role)]
            // An assistant turn that only calls tools has null content, as the protocol writes it.
            let isNull = message.content.isEmpty && !message.toolCalls.isEmpty && !profile.contentIsNeverNull
            members["content"] = isNull ? .null : .string(message.content)
            if profile.contentIsNeverBlank, message.content.allSatisfy(\.isWhitespace) {
                members["content"] = .string(message.role == .tool ? "(nothing)" : "I look this up.")
            }
            if !message.toolCalls.isEmpty {
                members["tool_calls"] = .array(
                    message.toolCalls.map { call in
                        let name = ToolCall.tool(named: call.name, among: names) ?? call.name
                        calls[call.id] = name
                        return self.call(call, name: name, profile)
                    })
            }
            if let name = profile.reasoningName, index > lastUser, !message.reasoning.isEmpty {
                members[name] = .string(message.reasoning)
            }
            if let id = message.toolCallID {
                members["tool_call_id"] = .string(self.id(id, profile))
                if profile.namesToolResults, let name = calls[id] { members["name"] = .string(name) }
            }
            return .object(members)
        }
    }

    /// A call as it goes back: with arguments that are an object, whatever the model wrote, because templates read them.
    private static func call(_ call: ToolCall, name: String, _ profile: ServerProfile) -> JSONValue {
        var arguments = call.arguments
        if (try? JSONValue(parsing: arguments))?.object == nil {
            let read = LenientJSON.read(arguments)?.value
            arguments = (read?.object == nil ? .object([:]) : read ?? .object([:])).serialized()
        }
        var members: JSONObject = [
            "id": .string(id(call.id, profile)), "type": "function",
            "function": ["name": .string(name), "arguments": .string(arguments)],
        ]
        if let extra = call.extra { members["extra_content"] = extra }
        return .object(members)
    }

    private static func id(_ id: String, _ profile: ServerProfile) -> String {
        guard profile.shortIDs else { return id }
        let digits = String(XXH64.hash(id), radix: 36)
        return String((String(repeating: "0", count: 9) + digits).suffix(9))
    }

    /// What the system says, put before what the user says first.
    private static func withoutSystem(_ messages: [ChatMessage], _ profile: ServerProfile) -> [ChatMessage] {
        guard profile.systemRole == .user else { return messages }
        let said = messages.filter { $0.role == .system }.map(\.content).joined(separator: "\n\n")
        var rest = messages.filter { $0.role != .system }
        guard !said.isEmpty else { return rest }
        if let first = rest.firstIndex(where: { $0.role == .user }) {
            rest[first].content = said + "\n\n" + rest[first].content
        } else {
            rest.insert(ChatMessage(role: .user, content: said), at: 0)
        }
        return rest
    }

    /// A word of the assistant between a tool's result and the user.
    private static func answeringTools(_ messages: [ChatMessage]) -> [ChatMessage] {
        var result: [ChatMessage] = []
        for message in messages {
            if message.role == .user, result.last?.role == .tool {
                result.append(ChatMessage(role: .assistant, content: "I have read the results."))
            }
            result.append(message)
        }
        return result
    }

    /// Messages of one role after another as one message.
    private static func alternating(_ messages: [ChatMessage]) -> [ChatMessage] {
        var result: [ChatMessage] = []
        for message in messages {
            if let last = result.last, last.role == message.role, message.role != .tool, last.toolCalls.isEmpty {
                result[result.count - 1].content += "\n\n" + message.content
                result[result.count - 1].toolCalls = message.toolCalls
            } else {
                result.append(message)
            }
        }
        return result
    }
}
