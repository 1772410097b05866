// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import OrderedCollections
import Synchronization
import Testing
import Text

@testable import LanguageModels

/// Servers that write without end, in pieces without number, with numbers that nothing holds. What they cost is bounded by
/// what was asked for, and none ends the process.
@Suite(.timeLimit(.minutes(1))) struct HostileReplyTests {
    private static func chunk(_ delta: String) -> String {
        #"data: {"choices":[{"index":0,"delta":\#(delta),"finish_reason":null}]}"# + "\n\n"
    }

    /// A piece many times, then the connection stays open: only a client that has enough goes away.
    private func endless(_ piece: String, times: Int, head: String? = nil) throws -> FakeChatServer {
        let start = head.map { FakeChatServer.Step.send($0) } ?? FakeChatServer.streamHead
        let many = FakeChatServer.Step.send(String(repeating: piece, count: 1 + 65_536 / piece.utf8.count))
        return try FakeChatServer { _, _ in
            [start] + Array(repeating: many, count: times * piece.utf8.count / 65_536 + 1) + [.stall(30)]
        }
    }

    @Test(arguments: [
        #"{"content":"\#(String(repeating: "word ", count: 200))"}"#,
        #"{"reasoning_content":"\#(String(repeating: "word ", count: 200))"}"#,
        #"{"tool_calls":[{"index":0,"function":{"name":"read","arguments":"\#(String(repeating: "word ", count: 200))"}}]}"#,
    ]) func aReplyEndsWhereMoreComesThanWasAskedFor(_ delta: String) async throws {
        let server = try endless(Self.chunk(delta), times: 4000)
        defer { server.stop() }
        let response = try await ServerDeviationTests.model(server).respond(to: ServerDeviationTests.request) { _ in }
        let completion = try #require(response.completions.first)
        #expect(completion.finishReason == .length)
        let message = completion.message
        let bytes =
            message.content.utf8.count + message.reasoning.utf8.count
            + message.toolCalls.reduce(0) { $0 + $1.arguments.utf8.count }
        #expect(bytes > 1 << 19 && bytes <= (1 << 20) + 64 * 200)
        #expect(server.requests.count == 1)
    }

    /// Pieces of one letter are bounded by their number.
    @Test func piecesAreCounted() {
        var reply = ChatCompletionReply(maxTokens: 16)
        let piece: JSONValue = ["choices": [["index": 0, "delta": ["content": "a"]]]]
        var pieces = 0
        while !reply.isFull, pieces < 200_000 {
            _ = try? reply.read(piece)
            pieces += 1
        }
        #expect(reply.isFull && pieces < 70_000)
    }

    @Test(arguments: [" \n", "\u{FF}\u{FE}"]) func nothingWithoutEndIsNoReply(_ piece: String) async throws {
        let server = try endless(piece, times: 2 << 20)
        defer { server.stop() }
        await #expect(throws: LanguageModelError.self) {
            try await ServerDeviationTests.model(server, retries: 0).respond(to: ServerDeviationTests.request) { _ in }
        }
    }

    /// The arguments of one call in as many fragments as there are letters, each with the name: every byte is looked at once.
    @Test func fragmentsAreNotParsedAgainAndAgain() {
        var assembly = ToolCallAssembly(names: ["read"])
        let count = 200_000
        for number in 0..<count {
            let text = number == 0 ? "{\"a\":\"" : number == count - 1 ? "\"}" : "}"
            _ = assembly.take(
                ["index": 0, "id": "a", "function": ["name": "read", "arguments": .string(text)]], isWhole: false)
        }
        #expect(assembly.isWhole)
        let calls = assembly.finished()
        #expect(calls.count == 1 && calls[0].arguments.utf8.count == count + 6)
    }

    @Test(arguments: [
        ("{}", true), ("{\"a\": [1, {\"b\": \"}\\\"\"}]}", true), ("[]  \n", true), ("\"text\"", true), ("12", true),
        ("", false),
        ("{", false), ("{\"a\":1", false), ("{} {}", false), ("{}x", false), ("}", false), ("[}", false),
        ("\"a", false),
        ("{\"a\":\"\\", false),
    ]) func aGrowingTextIsWholeWhenItIs(_ text: String, _ isWhole: Bool) {
        var growing = GrowingJSON("")
        for character in text { growing.append(String(character)) }
        #expect(growing.isWhole == isWhole && growing.text == text)
        #expect(GrowingJSON(text).isWhole == isWhole)
    }

    @Test(arguments: ["9223372036854775807", "-9223372036854775808", "1e300", "\"many\"", "[]"])
    func countsThatNothingHoldsAreAddedUp(_ number: String) async throws {
        let server = try FakeChatServer { _, _ in
            FakeChatServer.json(
                #"{"choices":[{"index":0,"message":{"content":"It"},"finish_reason":"stop"}],"usage":{"prompt_tokens":\#(number),"completion_tokens":\#(number),"prompt_tokens_details":{"cached_tokens":\#(number)}}}"#
            )
        }
        defer { server.stop() }
        var request = ServerDeviationTests.request
        request.options.samples = 3
        let response = try await ServerDeviationTests.model(server).respond(to: request) { _ in }
        #expect(response.completions.count == 3)
        #expect(response.usage.promptTokens >= 0 && response.usage.promptTokens <= 3 * TokenUsage.most)
    }

    @Test(arguments: [
        #"{"error":{"message":"context of 9223372036854775807k tokens, exceeds 9007199254740993k"}}"#,
        #"{"error":{"message":"maximum context length is 99999999999999999999999999 tokens, you sent 18446744073709551616"}}"#,
        #"{"error":{"message":"x","n_ctx":100,"n_prompt_tokens":9223372036854775807}}"#,
        #"{"error":{"message":"x","n_ctx":-5,"n_prompt_tokens":9223372036854775807}}"#,
        #"{"error":{"message":"x","n_ctx":0,"n_prompt_tokens":0}}"#,
        #"{"error":{"message":"max_tokens is too large: at most -9223372036854775808"}}"#,
        #"{"error":{"message":"please try again in 1e999h 99999999999999999999999999s"}}"#,
        #"{"estimated_time":1e308,"error":{"metadata":{"raw":"{\"error\":{\"metadata\":{\"raw\":\"{}\"}}}"}}}"#,
        #"{"message":[[[[[{"loc":[[["body"]]]}]]]]],"detail":[null,7,"x",{"loc":7}]}"#,
    ]) func numbersInRefusalsAreHeld(_ body: String) async throws {
        let server = try FakeChatServer { _, _ in FakeChatServer.json(body, status: "400 Bad Request") }
        defer { server.stop() }
        let model = try ServerDeviationTests.model(server, retries: 0)
        for _ in 0..<2 {
            await #expect(throws: LanguageModelError.self) {
                try await model.respond(to: ServerDeviationTests.request) { _ in }
            }
        }
    }

    /// Two bytes a value do not become a hundred each without bound.
    @Test func manyValuesAreNoReply() async throws {
        let body = "{\"choices\":[" + String(repeating: "0,", count: 3 << 20) + "0]}"
        let server = try FakeChatServer { _, _ in FakeChatServer.json(body) }
        defer { server.stop() }
        await #expect(throws: LanguageModelError.self) {
            try await ServerDeviationTests.model(server, retries: 0).respond(to: ServerDeviationTests.request) { _ in }
        }
    }

    /// A server that writes faster than it is read does not outlive the deadline of the call.
    @Test func theDeadlineHoldsWhileEventsCome() async throws {
        let server = try endless(Self.chunk(#"{"content":""}"#), times: 900_000)
        defer { server.stop() }
        var request = ServerDeviationTests.request
        request.options.timeout = 0.5
        await #expect(throws: LanguageModelError.timedOut(seconds: 0.5)) {
            try await ServerDeviationTests.model(server, retries: 0).respond(to: request) { _ in }
        }
    }
}
