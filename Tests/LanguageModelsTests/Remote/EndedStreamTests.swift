// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import OrderedCollections
import Testing
import Text

@testable import LanguageModels

/// Where a reply ends, and what is no reply.
@Suite(.timeLimit(.minutes(1))) struct EndedStreamTests {
    private static func text(_ content: String, finish: String = "null") -> FakeChatServer.Step {
        .send("data: " + ReplyFormTests.text("\"\(content)\"", finish: finish) + "\n\n")
    }

    /// A server that says that all has been said, and leaves the connection open.
    @Test(arguments: [
        [text("Marta"), .send("data: [DONE]\n\n"), .stall(20)],
        [text("Marta"), text("", finish: "\"stop\""), .stall(20)],
        [text("Mar"), text("ta", finish: "\"stop\""), .pause(0.2), .send("data: [DONE]\n\n"), .stall(20)],
    ]) func aReplyEndsWithItsEnd(_ steps: [FakeChatServer.Step]) async throws {
        let server = try FakeChatServer([[FakeChatServer.streamHead] + steps])
        defer { server.stop() }
        let start = ContinuousClock.now
        let response = try await ServerDeviationTests.model(server).respond(to: ServerDeviationTests.request) { _ in }
        #expect(response.completions.first?.message.content == "Marta")
        #expect(response.completions.first?.finishReason == .stop)
        #expect(ContinuousClock.now - start < .seconds(5))
    }

    /// What comes after the reason for the end is still read.
    @Test func theCountAfterTheEndIsRead() async throws {
        let usage = #"data: {"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3}}"# + "\n\n"
        let server = try FakeChatServer([
            [FakeChatServer.streamHead, Self.text("Marta", finish: "\"stop\""), .pause(0.4), .send(usage), .stall(20)]
        ])
        defer { server.stop() }
        let response = try await ServerDeviationTests.model(server).respond(to: ServerDeviationTests.request) { _ in }
        #expect(response.usage.promptTokens == 7)
    }

    @Test(arguments: [
        #"{"detail":"Invalid key"}"#, #"{"success":false,"message":"invalid api key","code":401}"#,
        #"{"code":403,"msg":"no"}"#,
    ]) func aRefusalWithoutAnErrorIsOne(_ body: String) async throws {
        let server = try FakeChatServer { _, _ in FakeChatServer.json(body) }
        defer { server.stop() }
        let model = try ServerDeviationTests.model(server, retries: 4)
        await #expect {
            try await model.respond(to: ServerDeviationTests.request) { _ in }
        } throws: { error in
            guard case LanguageModelError.refused = error else { return false }
            return true
        }
        #expect(server.requests.count == 1)
    }

    @Test(arguments: ["{}", "null", "", "[]", #"{"id":"x"}"#]) func whatIsNoReplyIsNotAskedForLong(_ body: String)
        async throws
    {
        let server = try FakeChatServer { _, _ in FakeChatServer.json(body) }
        defer { server.stop() }
        let model = try ServerDeviationTests.model(server, retries: 4)
        await #expect {
            try await model.respond(to: ServerDeviationTests.request) { _ in }
        } throws: { error in
            guard case LanguageModelError.malformedReply = error else { return false }
            return true
        }
        #expect(server.requests.count <= 3)
    }

    @Test(arguments: [
        #"{"code":0,"msg":"ok","data":{"choices":[{"index":0,"message":{"content":"Marta"},"finish_reason":"stop"}]}}"#,
        #"{"choices":[{"index":1,"message":{"content":"Marta"},"finish_reason":"stop"}]}"#,
    ]) func oddPlacesOfAReply(_ body: String) async throws {
        let server = try FakeChatServer([FakeChatServer.json(body)])
        defer { server.stop() }
        let response = try await ServerDeviationTests.model(server).respond(to: ServerDeviationTests.request) { _ in }
        #expect(response.completions.first?.message.content == "Marta")
    }

    @Test func aServerThatIsNoneIsNamed() async throws {
        let server = try FakeChatServer { _, _ in [.send("SSH-2.0-OpenSSH_9\r\n")] }
        defer { server.stop() }
        await #expect {
            try await ServerDeviationTests.model(server).respond(to: ServerDeviationTests.request) { _ in }
        } throws: { error in
            "\(error)".contains("does not speak HTTP")
        }
    }

    @Test func adviceFollowsWhatHappened() {
        let waiting = LanguageModelError.exhaustedRetries(
            attempts: 1, last: "status 429: slow down; it asks for a pause of 3600 s")
        #expect(waiting.advice.contains("Wait"))
        #expect(LanguageModelError.exhaustedRetries(attempts: 5, last: "connection refused").advice.contains("reached"))
    }

    /// Servers and templates that do not let the system speak, in words of their own.
    @Test(arguments: [
        "Developer instruction is not enabled for models/gemma-3",
        "Conversation roles must alternate user/assistant/user/assistant/...",
        "System prompts cannot be used with this model", "Only user and assistant roles are supported!",
        "unexpected message role at position 0",
    ]) func whatTheSystemSaysIsSaidByTheUser(_ words: String) async throws {
        let server = try FakeChatServer { _, body in
            let roles = (body["messages"]?.array ?? []).compactMap { $0["role"]?.string }
            return roles.contains("system") || roles.contains("developer")
                ? ServerDeviationTests.refusal(["error": ["message": .string(words), "code": 400]])
                : ServerDeviationTests.done
        }
        defer { server.stop() }
        let model = try ServerDeviationTests.model(server)
        var request = ServerDeviationTests.request
        request.messages = [
            ChatMessage(role: .system, content: "Be short."), ChatMessage(role: .user, content: "Hello"),
        ]
        _ = try await model.respond(to: request) { _ in }
        let asked = server.requests.count
        #expect(server.requests.last?.contains("Be short.") == true)
        _ = try await model.respond(to: request) { _ in }
        #expect(server.requests.count == asked + 1)
    }
}

@Suite struct JoinedCallTests {
    private static func calls(_ fragments: [JSONValue]) -> [ToolCall] {
        var assembly = ToolCallAssembly(names: ["keyword_search"])
        for fragment in fragments { _ = assembly.take(fragment, isWhole: false) }
        return assembly.finished()
    }

    private static func piece(_ arguments: String, name: String? = nil) -> JSONValue {
        var function: JSONObject = ["arguments": .string(arguments)]
        if let name { function["name"] = .string(name) }
        return ["index": 0, "function": .object(function)]
    }

    static let q = #"{"query": "Kestrel"}"#

    @Test func argumentsThatGrowAreTakenOnce() {
        let grown = [1, 5, 12, Self.q.utf8.count].map { Self.piece(String(Self.q.prefix($0)), name: "keyword_search") }
        #expect(Self.calls(grown).map(\.arguments) == [Self.q])
    }

    @Test func aPlaceholderIsReplaced() {
        #expect(
            Self.calls([Self.piece("{}", name: "keyword_search"), Self.piece(Self.q)]).map(\.arguments) == [Self.q])
    }

    @Test func joinedObjectsAreTwoCalls() {
        let calls = Self.calls([Self.piece(Self.q + #"{"query": "Osprey"}"#, name: "keyword_search")])
        #expect(calls.map(\.arguments) == [Self.q, #"{"query": "Osprey"}"#])
        #expect(Set(calls.map(\.id)).count == 2)
        #expect(calls.allSatisfy { $0.name == "keyword_search" })
    }

    @Test func aCallAsATextIsRead() {
        let text = #"{"name": "keyword_search", "arguments": {"query": "Kestrel"}}"#
        #expect(Self.calls([["index": 0, "function": .string(text)]]).map(\.name) == ["keyword_search"])
        #expect(
            Self.calls([["name": "keyword_search", "args": ["query": "Kestrel"]]]).first?.arguments.contains("Kestrel")
                == true)
        var reply = ChatCompletionReply(toolNames: ["keyword_search"])
        let list = #"[{"id":"a","function":{"name":"keyword_search","arguments":"{\"query\":\"Kestrel\"}"}}]"#
        _ = try? reply.read([
            "choices": [["index": 0, "delta": ["tool_calls": .string(list)], "finish_reason": "tool_calls"]]
        ])
        let response = try? reply.response(samples: 1, requestedModel: "m", isStream: true)
        #expect(response?.completions.first?.message.toolCalls.first?.name == "keyword_search")
    }

    @Test(arguments: [
        "Thought: I should search.\nAction: keyword_search\nAction Input: {\"query\": \"Kestrel\"}",
        "Thought: I should search.\nAction: keyword_search\nAction Input: {\"query\": \"Kestrel\"}\nObservation: made up",
        "Action: ```json\n[{\"tool_name\": \"keyword_search\", \"parameters\": {\"query\": \"Kestrel\"}}]\n```",
        "{\"tool\": \"keyword_search\", \"tool_input\": {\"query\": \"Kestrel\"}}",
        "```json\n{\"action\": \"keyword_search\", \"action_input\": {\"query\": \"Kestrel\"}}\n```",
        "{\"function_call\": {\"name\": \"keyword_search\", \"arguments\": \"{\\\"query\\\": \\\"Kestrel\\\"}\"}}",
    ]) func callsInOtherWordsAreRead(_ text: String) {
        let read = WrittenToolCalls.read(text, names: ["keyword_search", "read"])
        #expect(read.calls.map(\.name) == ["keyword_search"])
        #expect(read.calls.first?.arguments.contains("Kestrel") == true)
        #expect(read.calls.first?.arguments.contains("Observation") == false)
    }
}
