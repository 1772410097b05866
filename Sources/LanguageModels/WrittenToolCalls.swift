// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import OrderedCollections
import Text

/// Calls of tools that a model wrote into its text, in the forms that models were trained on: Hermes and Qwen
/// (`<tool_call>{…}</tool_call>`), Llama (`{"name": …, "parameters": …}`, `<function=name>{…}</function>`, `[name(key="…")]`),
/// Mistral (`[TOOL_CALLS][…]`, `[TOOL_CALLS]name[ARGS]{…}`), Qwen Coder (`<function=name><parameter=key>…`), GLM
/// (`<arg_key>`), Claude (`<invoke name="…">`), DeepSeek (`<｜tool▁call▁begin｜>…<｜tool▁sep｜>…`), Kimi
/// (`<|tool_call_begin|>functions.name:0<|tool_call_argument_begin|>{…}`), Command (`<|START_ACTION|>[…]`), Nemotron
/// (`<TOOLCALL>[…]`), Phi (`functools[…]`), Gemma (`tool_code`) and Harmony (`to=functions.name … <|message|>{…}`). Only
/// calls of tools that there are count; anything else stays text.
package struct WrittenToolCalls: Sendable, Hashable {
    /// The text without the calls.
    package var content: String
    package var calls: [ToolCall]

    /// - Parameter names: the tools that there are.
    package static func read(_ text: String, names: [String]) -> WrittenToolCalls {
        var result = WrittenToolCalls(content: text, calls: [])
        guard !names.isEmpty, text.utf8.count <= 1 << 20 else { return result }
        let reader = Reader(names: names)
        for element in Self.elements where text.contains(element.open) {
            var content = ""
            var rest = text[...]
            while let open = rest.range(of: element.open) {
                let after = rest[open.upperBound...]
                let close = element.close.flatMap { after.range(of: $0) }
                let body = after[..<(close?.lowerBound ?? after.endIndex)]
                let calls = reader.calls(in: String(body), head: element.isHead ? element.open : "")
                content += rest[..<open.lowerBound]
                if calls.isEmpty { content += element.open + body + (close == nil ? "" : element.close ?? "") }
                result.calls += calls
                rest = close.map { after[$0.upperBound...] } ?? after[after.endIndex...]
            }
            if !result.calls.isEmpty {
                result.content = Self.trimmed(content + rest)
                result.number()
                return result
            }
        }
        if let react = reader.react(text) {
            result = WrittenToolCalls(content: Self.trimmed(react.before), calls: react.calls)
            result.number()
            return result
        }
        // A text that is nothing but a call.
        let start = text.first { !$0.isWhitespace }
        if start == "{" || start == "[" || start == "`" {
            let calls = reader.objects(in: text)
            if !calls.isEmpty {
                result = WrittenToolCalls(content: "", calls: calls)
                result.number()
            }
        }
        let expressions = WrittenCallExpression.calls(in: text, names: names)
        if !expressions.isEmpty {
            result = WrittenToolCalls(content: "", calls: expressions)
            result.number()
        }
        return result
    }

    private mutating func number() {
        for index in calls.indices { calls[index].id = "call_\(index + 1)" }
    }

    private static func trimmed(_ text: String) -> String {
        var text = text[...]
        while let first = text.first, first.isWhitespace { text = text.dropFirst() }
        return String(text)
    }

    private struct Element {
        var open: String
        var close: String?
        /// Whether the tag itself begins the name.
        var isHead = false
    }

    private static let elements: [Element] = [
        Element(open: "<tool_call>", close: "</tool_call>"),
        Element(open: "<function_call>", close: "</function_call>"),
        Element(open: "[TOOL_CALLS]", close: nil),
        Element(open: "<|python_tag|>", close: nil),
        Element(open: "<｜tool▁call▁begin｜>", close: "<｜tool▁call▁end｜>"),
        Element(open: "<|tool_call_begin|>", close: "<|tool_call_end|>"),
        Element(open: "<|tool_call|>", close: "<|/tool_call|>"),
        Element(open: "<|START_ACTION|>", close: "<|END_ACTION|>"),
        Element(open: "<|action_start|>", close: "<|action_end|>"),
        Element(open: "<TOOLCALL>", close: "</TOOLCALL>"),
        Element(open: "<tool_calls>", close: "</tool_calls>"),
        Element(open: "functools[", close: nil, isHead: true),
        Element(open: "```tool_code", close: "```"),
        Element(open: "<function=", close: "</function>", isHead: true),
        Element(open: "<invoke ", close: "</invoke>", isHead: true),
        Element(open: "to=functions.", close: "<|call|>", isHead: true),
    ]

    private struct Reader {
        let names: [String]

        /// The calls in the body of an element.
        func calls(in body: String, head: String) -> [ToolCall] {
            if head == "functools[" { return objects(in: "[" + body) }
            let found = objects(in: body)
            if head.isEmpty, !found.isEmpty { return found }
            if head.isEmpty {
                if let call = named(body) { return [call] }
                let expressions = WrittenCallExpression.calls(in: body, names: names)
                if !expressions.isEmpty { return expressions }
            }
            return tagged(head + body).map { [$0] } ?? found
        }

        /// A name and an object, parted by whatever the family parts them with: `name<sep>{…}`, `function<sep>name {…}`.
        private func named(_ text: String) -> ToolCall? {
            guard let brace = text.firstIndex(of: "{"), text[..<brace].utf8.count <= 256 else { return nil }
            var before = text[..<brace]
            for mark in ["<｜tool▁sep｜>", "[ARGS]", "[CALL_ID]", "<|tool_call_argument_begin|>", "```json", "```"] {
                before = before.replacing(mark, with: " ")[...]
            }
            let words = before.split(whereSeparator: \.isWhitespace)
            guard (1...3).contains(words.count),
                let name = words.lazy.compactMap({ ToolCall.tool(named: String($0), among: names) }).first,
                let object = LenientJSON.read(String(text[brace...]))?.value, object.object != nil
            else { return nil }
            return ToolCall(id: "", name: name, arguments: object.serialized())
        }

        /// Calls as JSON: one object, or a list of them.
        func objects(in text: String) -> [ToolCall] {
            guard let value = LenientJSON.read(text)?.value else { return [] }
            let entries = value.array ?? value["tool_calls"]?.array ?? [value]
            let calls = entries.compactMap { entry -> ToolCall? in
                let inner = entry["function"] ?? entry["function_call"]
                let function = inner?.object == nil ? entry : inner ?? entry
                guard
                    let written = function["name"]?.string ?? function["tool_name"]?.string ?? function["tool"]?.string
                        ?? function["function"]?.string ?? function["action"]?.string,
                    let name = ToolCall.tool(named: written, among: names),
                    let arguments = function["arguments"] ?? function["parameters"] ?? function["input"]
                        ?? function["args"] ?? function["tool_input"] ?? function["action_input"]
                else { return nil }
                return ToolCall(id: "", name: name, arguments: arguments.string ?? arguments.serialized())
            }
            return calls.count == entries.count ? calls : []
        }

        /// A call as ReAct prompts write it, `Action: name` and `Action Input: …` on lines of their own, or `Action:` and calls
        /// as JSON (Command R), with what stands before it.
        func react(_ text: String) -> (before: String, calls: [ToolCall])? {
            guard text.contains("Action:") else { return nil }
            let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
            func value(_ line: Substring, _ label: String) -> Substring? {
                let plain = line.drop { $0.isWhitespace || $0 == "*" }
                guard plain.hasPrefix(label) else { return nil }
                return plain.dropFirst(label.count).drop { $0.isWhitespace || $0 == "*" }
            }
            guard let place = lines.firstIndex(where: { value($0, "Action:") != nil }),
                let action = value(lines[place], "Action:")
            else { return nil }
            let before = lines[..<place].joined(separator: "\n")
            let after = lines[(place + 1)...].prefix { value($0, "Observation:") == nil }
            let rest = (action + "\n" + after.joined(separator: "\n")).drop { $0.isWhitespace }
            if rest.isEmpty || "[{`".contains(rest.first ?? " ") {
                let calls = objects(in: String(rest))
                return calls.isEmpty ? nil : (before, calls)
            }
            guard let name = ToolCall.tool(named: String(action).trimmingWhitespace, among: names) else { return nil }
            guard let input = after.firstIndex(where: { value($0, "Action Input:") != nil }) else {
                let calls = WrittenCallExpression.calls(in: String(action), names: names)
                return calls.isEmpty ? nil : (before, calls)
            }
            let first = value(lines[input], "Action Input:") ?? ""
            let written = ([first] + after[(input + 1)...]).joined(separator: "\n").trimmingWhitespace
            return (before, [ToolCall(id: "", name: name, arguments: written)])
        }

        /// A call whose name and arguments stand in tags.
        func tagged(_ text: String) -> ToolCall? {
            let written: Substring
            var rest: Substring
            if let open = text.range(of: "<function=") {
                let after = text[open.upperBound...]
                // Some write the arguments without closing the tag: `<function=read{"id": …}</function>`.
                written = after.prefix { !">{=(".contains($0) }
                rest = after.dropFirst(written.count).drop { ">=() ".contains($0) }
            } else if let open = text.range(of: "<invoke name=\"") {
                let after = text[open.upperBound...]
                written = after.prefix { $0 != "\"" }
                rest = after.dropFirst(written.count + 2)
            } else if let open = text.range(of: "to=functions.") {
                let after = text[open.upperBound...]
                written = after.prefix { $0.isLetter || $0.isNumber || $0 == "_" || $0 == "-" }
                let message = after.range(of: "<|message|>")
                rest = message.map { after[$0.upperBound...] } ?? after.dropFirst(written.count)
            } else {
                // The name alone on the first line.
                let first = text.drop { $0.isWhitespace }
                written = first.prefix { !$0.isWhitespace && $0 != "<" }
                rest = first.dropFirst(written.count)
            }
            guard let name = ToolCall.tool(named: String(written), among: names) else { return nil }
            var members = JSONObject()
            let forms = [
                ("<parameter=", ">", "</parameter>"), ("<parameter name=\"", "\">", "</parameter>"),
                ("<arg_key>", "</arg_key>", "</arg_value>"),
            ]
            for (open, middle, close) in forms {
                var part = rest
                while let start = part.range(of: open), let split = part[start.upperBound...].range(of: middle) {
                    let key = part[start.upperBound..<split.lowerBound]
                    var value = part[split.upperBound...]
                    if let tag = value.range(of: "<arg_value>"), open == "<arg_key>" {
                        value = value[tag.upperBound...]
                    }
                    let end = value.range(of: close)
                    let content = value[..<(end?.lowerBound ?? value.endIndex)]
                    members[String(key).trimmingWhitespace] = Self.value(String(content).trimmingWhitespace)
                    part = end.map { value[$0.upperBound...] } ?? value[value.endIndex...]
                }
            }
            if members.isEmpty, let object = LenientJSON.read(String(rest))?.value, object.object != nil {
                return ToolCall(id: "", name: name, arguments: object.serialized())
            }
            guard !members.isEmpty || rest.allSatisfy({ $0.isWhitespace || "</>functioinvke_call".contains($0) }) else {
                return nil
            }
            return ToolCall(id: "", name: name, arguments: JSONValue.object(members).serialized())
        }

        /// An object or a list as such; everything else is a text, which the tool's schema may read as a number.
        private static func value(_ text: String) -> JSONValue {
            guard let first = text.first, first == "{" || first == "[", let read = try? JSONValue(parsing: text) else {
                return .string(text)
            }
            return read
        }
    }
}

extension String {
    fileprivate var trimmingWhitespace: String {
        var text = self[...]
        while let first = text.first, first.isWhitespace { text = text.dropFirst() }
        while let last = text.last, last.isWhitespace { text = text.dropLast() }
        return String(text)
    }
}
