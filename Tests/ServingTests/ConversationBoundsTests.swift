// SPDX-License-Identifier: Apache-2.0

import Agent
import Base
import Foundation
import LanguageModels
import OrderedCollections
import Serving
import Testing
import Text

/// Conversations that are long, odd or shaped by tools: what they cost is bounded, and what they say is read.
@Suite(.serialized, .timeLimit(.minutes(2))) struct ConversationBoundsTests {
    private static func message(_ role: String, _ text: String) -> JSONValue {
        ["role": .string(role), "content": .string(text)]
    }

    private static func ask(
        _ server: RunningServer, _ messages: [JSONValue], _ more: JSONObject = [:]
    ) async throws -> RunningServer.Answer {
        var body: JSONObject = ["model": "hops", "messages": .array(messages)]
        for (name, value) in more { body[name] = value }
        return try await server.post("/v1/chat/completions", JSONValue.object(body).serialized())
    }

    /// Each of these took minutes, and went on when its client had gone.
    @Test func theNewestTurnsCount() async throws {
        let said = [
            Self.message("user", "And what did Harbour Note say about it there?"), Self.message("assistant", "Salt."),
        ]
        let cited = (0..<64).map { row in "[" + (0..<98).map { "\($0).\(row)" }.joined(separator: ",") + "]" }
        let last = [
            Self.message("user", "Tell me about Arthur's Magazine."),
            Self.message(
                "assistant", "It was an American literary periodical, of which the notes say this and that [arthur]."),
            Self.message("user", "In which city was it published?"),
        ]
        let conversations: [[JSONValue]] = [
            Array(repeating: said, count: 10_000).flatMap { $0 },
            [Self.message("user", String(repeating: "Harbour it ", count: 200_000)), said[1]],
            Array(repeating: [said[0], Self.message("assistant", cited.joined(separator: " "))], count: 20).flatMap {
                $0
            },
            [said[0], Self.message("assistant", String(repeating: "[", count: 1_000_000))],
            Array(repeating: said[1], count: 10_000),
        ]
        try await RunningServer.with { (server: RunningServer) async throws -> Void in
            for before in conversations {
                let answer = try await Self.ask(server, before + last)
                #expect(answer.status == 200, "\(answer.text.prefix(200))")
                #expect(answer.json["x_run"]?["question"]?.string?.contains("Arthur's Magazine") == true)
            }
        }
    }

    /// One character to a reader, a megabyte to whoever takes it apart.
    @Test func marksCountAsCharacters() async throws {
        let marked = "e" + String(repeating: "\u{301}", count: 200_000)
        try await RunningServer.with { (server: RunningServer) async throws -> Void in
            #expect(try await Self.ask(server, [Self.message("user", marked)]).status == 400)
            let system = [Self.message("system", marked), Self.message("user", "Which magazine?")]
            #expect(try await Self.ask(server, system).status == 400)
            let tool = #"{"query":\#(JSONValue.string(marked).serialized())}"#
            #expect(try await server.post("/tools/keyword_search", tool).status == 422)
            let query = #"{"queries":[\#(JSONValue.string(marked).serialized())]}"#
            let answer = try await server.post("/retrieve", query)
            #expect(answer.status == 200 && answer.json["cut_queries"] == [0])
        }
        #expect(!"abc".isLonger(than: 3) && "abcd".isLonger(than: 3) && marked.head(5).unicodeScalars.count == 5)
    }

    /// LangChain's structured answers are calls; what goes on from them is understood.
    @Test func anAnswerThatWasACallIsPartOfTheConversation() async throws {
        let call: JSONValue = [
            "role": "assistant", "content": nil,
            "tool_calls": [
                [
                    "id": "call_1", "type": "function",
                    "function": ["name": "Found", "arguments": #"{"answer":"Arthur's Magazine"}"#],
                ]
            ],
        ]
        let result: JSONValue = ["role": "tool", "tool_call_id": "call_1", "content": ""]
        let foreign: JSONValue = ["role": "tool", "tool_call_id": "other", "content": "forged"]
        let messages = [
            Self.message("user", "Which magazine was started in 1844?"), call, result,
            Self.message("user", "In which city was it published?"),
        ]
        try await RunningServer.with { (server: RunningServer) async throws -> Void in
            let answer = try await Self.ask(server, messages)
            #expect(answer.status == 200, "\(answer.text.prefix(300))")
            #expect(
                answer.json["choices"]?[0]?["message"]?["content"]?.string?.contains("Philadelphia") == true,
                "\(answer.text.prefix(600))")
            #expect(try await Self.ask(server, [messages[0], call, foreign, messages[3]]).status == 400)
        }
    }

    private static func format(_ schema: JSONValue) -> JSONObject {
        ["response_format": ["type": "json_schema", "json_schema": ["name": "a", "schema": schema]]]
    }

    @Test func schemasAreBoundedAndRecursiveOnesAreRead() async throws {
        let question = [Self.message("user", "Which magazine was published in Philadelphia from 1844?")]
        let node: JSONValue = [
            "type": "object", "required": ["answer"],
            "properties": [
                "answer": ["type": "string"],
                "next": ["anyOf": [["$ref": "#/$defs/Node"], ["type": "null"]]],
            ],
        ]
        var loop: JSONObject = [:]
        for number in 0..<1500 { loop["p\(number)"] = ["$ref": "#/$defs/Node"] }
        let object: JSONValue = ["type": "object", "properties": .object(loop)]
        let many = Self.format(
            ["type": "object", "properties": .object(loop), "$defs": ["Node": object]] as JSONValue)
        try await RunningServer.with { (server: RunningServer) async throws -> Void in
            let recursive = try await Self.ask(
                server, question, Self.format(["$ref": "#/$defs/Node", "$defs": ["Node": node]]))
            #expect(recursive.status == 200, "\(recursive.text.prefix(300))")
            let text = recursive.json["choices"]?[0]?["message"]?["content"]?.string ?? ""
            #expect(try JSONValue(parsing: text)["answer"]?.string?.isEmpty == false)
            let answer = try await Self.ask(server, question, many)
            #expect(answer.status == 200 || answer.status == 400)
            let wide: JSONValue = ["type": "object", "description": .string(String(repeating: "x", count: 130_000))]
            #expect(try await Self.ask(server, question, Self.format(wide)).status == 400)
        }
    }
}
