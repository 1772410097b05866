// SPDX-License-Identifier: Apache-2.0

import Base
import OrderedCollections
import Text

extension OpenAICompatibleModel {
    /// The body of a chat completion request. Options that are nil are left out, so that the server's default holds.
    static func body(
        for request: ModelRequest, _ configuration: Configuration
    ) throws(LanguageModelError) -> JSONValue {
        var body: JSONObject = [
            "model": .string(configuration.model),
            "messages": .array(request.messages.map(message)),
        ]
        if !request.tools.isEmpty {
            body["tools"] = .array(
                request.tools.map { tool in
                    [
                        "type": "function",
                        "function": [
                            "name": .string(tool.name), "description": .string(tool.description),
                            "parameters": tool.parameters,
                        ],
                    ]
                })
            switch request.toolChoice {
            case .automatic: body["tool_choice"] = "auto"
            case .none: body["tool_choice"] = "none"
            case .required: body["tool_choice"] = "required"
            case .named(let name):
                body["tool_choice"] = ["type": "function", "function": ["name": .string(name)]]
            }
        }
        let options = request.options
        body["max_tokens"] = .integer(options.maxTokens)
        if let value = options.temperature { body["temperature"] = .number(value) }
        if let value = options.topP { body["top_p"] = .number(value) }
        if let value = options.topK { body["top_k"] = .integer(value) }
        if let value = options.minP { body["min_p"] = .number(value) }
        if let value = options.repetitionPenalty { body["repetition_penalty"] = .number(value) }
        // Servers read the seed as a signed 64-bit number.
        if let value = options.seed { body["seed"] = .integer(Int(truncatingIfNeeded: value & 0x7FFF_FFFF_FFFF_FFFF)) }
        if !options.stop.isEmpty { body["stop"] = .array(options.stop.map { .string($0) }) }
        if options.samples > 1 { body["n"] = .integer(options.samples) }
        if let top = options.topLogProbabilities {
            body["logprobs"] = true
            if top > 0 { body["top_logprobs"] = .integer(top) }
        }
        switch options.constraint {
        case nil: break
        case .jsonSchema(let schema):
            body["response_format"] = [
                "type": "json_schema", "json_schema": ["name": "output", "strict": true, "schema": schema],
            ]
        case .grammar, .choices, .spans:
            throw .unsupported("a chat completion endpoint obeys only JSON Schema constraints")
        }
        if configuration.streams {
            body["stream"] = true
            body["stream_options"] = ["include_usage": true]
        }
        return .object(body)
    }

    private static func message(_ message: ChatMessage) -> JSONValue {
        var members: JSONObject = ["role": .string(message.role.rawValue)]
        // An assistant turn that only calls tools has null content, as the protocol writes it.
        members["content"] =
            message.content.isEmpty && !message.toolCalls.isEmpty ? .null : .string(message.content)
        if !message.toolCalls.isEmpty {
            members["tool_calls"] = .array(
                message.toolCalls.map { call in
                    [
                        "id": .string(call.id), "type": "function",
                        "function": ["name": .string(call.name), "arguments": .string(call.arguments)],
                    ]
                })
        }
        if let id = message.toolCallID { members["tool_call_id"] = .string(id) }
        return .object(members)
    }
}
