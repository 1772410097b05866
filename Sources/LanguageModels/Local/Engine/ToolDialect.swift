// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import OrderedCollections
import Text

/// How a model that only writes text is told of tools, and how its calls are read.
///
/// The form is that of Hermes and Qwen: `<tool_call>{"name": …, "arguments": {…}}</tool_call>`. When a call is required the output
/// is constrained to one call's JSON, so that even a model that never learnt the form makes valid calls only.
struct ToolDialect {
    /// The conversation as it goes into the template.
    var messages: [ChatMessage]
    /// Tools that the template itself describes.
    var templateTools: [ToolSpecification] = []
    /// What the output must be when a call is required.
    var constraint: OutputConstraint?
    private let names: Set<String>

    /// Whether text may be handed on as it is written: it cannot be part of a call.
    var streamsText: Bool { names.isEmpty }

    init(request: ModelRequest, templateHasTools: Bool) {
        messages = request.messages
        guard !request.tools.isEmpty, request.toolChoice != .none else {
            names = []
            return
        }
        var tools = request.tools
        if case .named(let name) = request.toolChoice { tools = tools.filter { $0.name == name } }
        names = Set(tools.map(\.name))
        if request.toolChoice == .required || request.toolChoice != .automatic {
            constraint = .jsonSchema([
                "anyOf": .array(
                    tools.map { tool in
                        [
                            "type": "object",
                            "properties": ["name": ["const": .string(tool.name)], "arguments": tool.parameters],
                            "required": ["name", "arguments"],
                        ]
                    })
            ])
        }
        if templateHasTools {
            templateTools = tools
        } else {
            let list = tools.map { tool in
                let entry: JSONValue = [
                    "name": .string(tool.name), "description": .string(tool.description), "parameters": tool.parameters,
                ]
                return entry.serialized()
            }
            let text =
                "You can call these tools:\n" + list.joined(separator: "\n")
                + "\nTo call one, write only <tool_call>{\"name\": …, \"arguments\": {…}}</tool_call>."
            if let first = messages.first, first.role == .system {
                messages[0].content = first.content + "\n\n" + text
            } else {
                messages.insert(ChatMessage(role: .system, content: text), at: 0)
            }
        }
        if !templateHasTools { messages = messages.map(Self.plain) }
    }

    /// Calls and results written as text, for a template that has no place for them.
    private static func plain(_ message: ChatMessage) -> ChatMessage {
        var message = message
        if message.role == .tool {
            message.role = .user
            message.content = "<tool_response>\n\(message.content)\n</tool_response>"
        }
        for call in message.toolCalls {
            let name = JSONValue.string(call.name).serialized()
            message.content += "<tool_call>{\"name\": \(name), \"arguments\": \(call.arguments)}</tool_call>"
        }
        message.toolCalls = []
        return message
    }

    /// The message that a text is: calls taken out of it.
    func message(from text: String) -> ChatMessage {
        guard !names.isEmpty else { return ChatMessage(role: .assistant, content: text) }
        var content = ""
        var calls: [ToolCall] = []
        var rest = text[...]
        while let open = rest.range(of: "<tool_call>") {
            content += rest[..<open.lowerBound]
            let after = rest[open.upperBound...]
            let close = after.range(of: "</tool_call>")
            let body = after[..<(close?.lowerBound ?? after.endIndex)]
            if let call = call(String(body), index: calls.count) { calls.append(call) } else { content += body }
            rest = close.map { after[$0.upperBound...] } ?? after[after.endIndex...]
        }
        content += rest
        if calls.isEmpty, let call = call(content, index: 0) {
            return .init(role: .assistant, content: "", toolCalls: [call])
        }
        let trimmed = content.trimmingPrefix(while: \.isWhitespace)
        return ChatMessage(role: .assistant, content: calls.isEmpty ? content : String(trimmed), toolCalls: calls)
    }

    private func call(_ text: String, index: Int) -> ToolCall? {
        guard let json = try? JSONValue(parsing: text), let name = json["name"]?.string, names.contains(name),
            let arguments = json["arguments"] ?? json["parameters"]
        else { return nil }
        return ToolCall(id: "call_\(index + 1)", name: name, arguments: arguments.serialized())
    }
}
