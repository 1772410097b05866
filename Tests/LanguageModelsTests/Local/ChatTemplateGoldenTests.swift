// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import Testing
import Text

@testable import LanguageModels

/// Conversations as Jinja2 renders them (`Resources/templates.py` made them).
struct ChatTemplateGoldenTests {
    private func fixture() throws -> JSONValue {
        let url = try #require(Bundle.module.url(forResource: "Resources/templates.json", withExtension: nil))
        return try JSONValue(parsing: Array(try Data(contentsOf: url)))
    }

    private func message(_ json: JSONValue) throws -> ChatMessage {
        let calls = try (json["tool_calls"]?.array ?? []).map { call in
            ToolCall(
                id: try #require(call["id"]?.string), name: try #require(call["function"]?["name"]?.string),
                arguments: try #require(call["function"]?["arguments"]).serialized())
        }
        let role = try #require(json["role"]?.string)
        return ChatMessage(
            role: try #require(ChatMessage.Role(rawValue: role)), content: json["content"]?.string ?? "",
            toolCalls: calls, toolCallID: json["tool_call_id"]?.string)
    }

    @Test func everyConversationIsAsJinjaRendersIt() throws {
        let fixture = try fixture()
        let cases = try #require(fixture["cases"]?.array)
        #expect(cases.count >= 48)
        for expected in cases {
            let name = try #require(expected["template"]?.string)
            let talk = try #require(expected["conversation"]?.string)
            let source = try #require(fixture["templates"]?[name]?.string)
            let template = try ChatTemplate(source)
            let conversation = try #require(fixture["conversations"]?[talk])
            let messages = try (conversation["messages"]?.array ?? []).map(message)
            let tools = try (conversation["tools"]?.array ?? []).map { tool in
                ToolSpecification(
                    name: try #require(tool["function"]?["name"]?.string),
                    description: try #require(tool["function"]?["description"]?.string),
                    parameters: try #require(tool["function"]?["parameters"]))
            }
            func render() throws -> String {
                try template.render(
                    messages: messages, tools: tools, bos: "<s>", eos: "</s>",
                    opening: conversation["opening"]?.bool ?? true)
            }
            if let text = expected["text"]?.string {
                let ours = try render()
                #expect(ours == text, "\(name), \(talk): \(ours.debugDescription)")
            } else {
                #expect(throws: ChatTemplateError.self, "\(name), \(talk)") { _ = try render() }
            }
        }
    }

    @Test func macrosThatNeverEndAreErrors() throws {
        let template = try ChatTemplate("{% macro f(n) %}{{ f(n + 1) }}{% endmacro %}{{ f(0) }}")
        #expect(throws: ChatTemplateError.self) { _ = try template.render(messages: []) }
        #expect(throws: ChatTemplateError.self) { _ = try ChatTemplate("{% macro f(n %}{% endmacro %}") }
        #expect(throws: ChatTemplateError.self) { _ = try ChatTemplate("{% set x %}never closed") }
    }
}
