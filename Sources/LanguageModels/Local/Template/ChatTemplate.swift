// SPDX-License-Identifier: Apache-2.0

import Base
import OrderedCollections
import Text

/// The chat template of a model: the part of Jinja that chat templates use (without calls of
/// blocks, inheritance and lists that change in place).
///
/// What messages say can never become the frame of the conversation: special tokens in their text are split by a mark
/// (U+FDD0, a noncharacter) that the tokenizer takes out again after it has looked for special tokens.
public struct ChatTemplate: Sendable {
    private let nodes: [TemplateNode]
    /// The template's text.
    public let source: String

    /// - Throws: `ChatTemplateError`.
    public init(_ source: String) throws(ChatTemplateError) {
        nodes = try TemplateParser.parse(source)
        self.source = source
    }

    /// ChatML, for models that carry no template.
    public static let chatML =
        "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"

    /// The conversation as the model reads it, with the beginning of the model's turn.
    /// - Parameters:
    ///   - specials: texts of special tokens, which are split where messages contain them.
    ///   - opening: whether the assistant's turn is opened.
    /// - Throws: `ChatTemplateError`.
    public func render(
        messages: [ChatMessage], tools: [ToolSpecification] = [], bos: String = "", eos: String = "",
        specials: [String] = [], opening: Bool = true
    ) throws(ChatTemplateError) -> String {
        let guarded = { (text: String) -> String in Self.split(text, specials) }
        var variables: [String: JSONValue] = [
            "messages": .array(messages.map { Self.json($0, guarded) }),
            "add_generation_prompt": .bool(opening), "bos_token": .string(bos), "eos_token": .string(eos),
            "enable_thinking": .bool(false),
        ]
        if !tools.isEmpty {
            variables["tools"] = .array(
                tools.map { tool in
                    let function: JSONValue = [
                        "name": .string(guarded(tool.name)), "description": .string(guarded(tool.description)),
                        "parameters": Self.guarded(tool.parameters, guarded),
                    ]
                    return ["type": "function", "function": function]
                })
        }
        return try TemplateRenderer.render(nodes, variables)
    }

    private static func json(_ message: ChatMessage, _ guarded: (String) -> String) -> JSONValue {
        var members: JSONObject = [
            "role": .string(message.role.rawValue), "content": .string(guarded(message.content)),
        ]
        if !message.reasoning.isEmpty { members["reasoning_content"] = .string(guarded(message.reasoning)) }
        if !message.toolCalls.isEmpty {
            members["tool_calls"] = .array(
                message.toolCalls.map { call in
                    let parsed = try? JSONValue(parsing: call.arguments)
                    let arguments = parsed.map { Self.guarded($0, guarded) } ?? .string(guarded(call.arguments))
                    return [
                        "id": .string(call.id), "type": "function",
                        "function": ["name": .string(guarded(call.name)), "arguments": arguments],
                    ]
                })
        }
        if let id = message.toolCallID { members["tool_call_id"] = .string(id) }
        return .object(members)
    }

    private static func guarded(_ value: JSONValue, _ guarded: (String) -> String) -> JSONValue {
        switch value {
        case .string(let text): return .string(guarded(text))
        case .array(let list): return .array(list.map { Self.guarded($0, guarded) })
        case .object(let members):
            return .object(
                JSONObject(
                    members.map { (guarded($0.key), Self.guarded($0.value, guarded)) },
                    uniquingKeysWith: { _, last in last }))
        default: return value
        }
    }

    /// The text with the mark inside every special token that it contains.
    static func split(_ text: String, _ specials: [String]) -> String {
        var text = text.contains(SubwordTokenizer.mark) ? text.replacing(SubwordTokenizer.mark, with: "") : text
        for special in specials where special.count > 1 && text.contains(special) {
            let broken = String(special.prefix(1)) + SubwordTokenizer.mark + String(special.dropFirst())
            text = text.replacing(special, with: broken)
        }
        return text
    }
}
