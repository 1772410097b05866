// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import LanguageModels
import OrderedCollections
import Testing
import Text

/// Replies as servers write them: fragments of calls, content as parts, ends with and without a reason.
@Suite(.timeLimit(.minutes(1))) struct ReplyFormTests {
    struct Reply: Sendable, CustomTestStringConvertible {
        var name: String
        var events: [String]
        var calls: [String] = []
        var content = ""
        var reasoning = ""
        var finish = Completion.FinishReason.toolCalls
        var testDescription: String { name }
    }

    static func call(_ members: String, _ function: String) -> String {
        #"{"choices":[{"index":0,"delta":{"tool_calls":[{\#(members)\#(members.isEmpty ? "" : ",")"type":"function","function":{\#(function)}}]},"finish_reason":null}]}"#
    }
    static let q = #""name":"keyword_search","arguments":"{\"query\":\"clown\"}""#
    static let r = #""name":"keyword_search","arguments":"{\"query\":\"liver\"}""#
    static let both = [#"keyword_search {"query":"clown"}"#, #"keyword_search {"query":"liver"}"#]
    static let end = #"{"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}"#
    static func text(_ content: String, finish: String = "null") -> String {
        #"{"choices":[{"index":0,"delta":{"content":\#(content)},"finish_reason":\#(finish)}]}"#
    }

    static let replies: [Reply] = [
        Reply(
            name: "all calls with index 0",
            events: [call(#""index":0,"id":"a""#, q), call(#""index":0,"id":"b""#, r), end, "[DONE]"], calls: both),
        Reply(name: "no index", events: [call(#""id":"a""#, q), call(#""id":"b""#, r), end, "[DONE]"], calls: both),
        Reply(
            name: "no id, index 0", events: [call(#""index":0"#, q), call(#""index":0"#, r), end, "[DONE]"], calls: both
        ),
        Reply(name: "nothing but names", events: [call("", q), call("", r), end, "[DONE]"], calls: both),
        Reply(
            name: "interleaved",
            events: [
                call(#""index":0,"id":"a""#, #""name":"keyword_search","arguments":"""#),
                call(#""index":1,"id":"b""#, #""name":"keyword_search","arguments":"""#),
                call(#""index":1"#, #""arguments":"{\"query\":""#), call(#""index":0"#, #""arguments":"{\"query\":""#),
                call(#""index":0"#, #""arguments":"\"clown\"}""#), call(#""index":1"#, #""arguments":"\"liver\"}""#),
                end, "[DONE]",
            ], calls: both),
        Reply(
            name: "the name in every fragment",
            events: [
                call(#""index":0,"id":"a""#, #""name":"keyword_search","arguments":"{\"query\":""#),
                call(#""index":0,"id":"a""#, #""name":"keyword_search","arguments":"\"clown\"}""#), end, "[DONE]",
            ], calls: [both[0]]),
        Reply(
            name: "the name in pieces",
            events: [
                call(#""index":0,"id":"a""#, #""name":"keyword_""#), call(#""index":0"#, #""name":"search""#),
                call(#""index":0"#, #""arguments":"{\"query\":\"clown\"}""#), end, "[DONE]",
            ], calls: [both[0]]),
        Reply(
            name: "arguments as they have grown",
            events: [
                call(#""index":0,"id":"a""#, #""name":"keyword_search","arguments":"{\"query\"""#),
                call(#""index":0,"id":"a""#, #""name":"keyword_search","arguments":"{\"query\":\"clo""#),
                call(#""index":0,"id":"a""#, #""name":"keyword_search","arguments":"{\"query\":\"clown\"}""#), end,
                "[DONE]",
            ], calls: [both[0]]),
        Reply(
            name: "the whole again at the end",
            events: [call(#""index":0,"id":"a""#, q), call(#""index":0,"id":"a""#, q), end, "[DONE]"], calls: [both[0]]),
        Reply(
            name: "an object as arguments",
            events: [
                call(#""index":0,"id":"a""#, #""name":"keyword_search","arguments":{"query":"clown"}"#), end, "[DONE]",
            ], calls: [both[0]]),
        Reply(
            name: "a call and \"stop\"",
            events: [call(#""index":0,"id":"a""#, q), text("null", finish: "\"stop\""), "[DONE]"], calls: [both[0]]),
        Reply(name: "a call and no end at all", events: [call(#""index":0,"id":"a""#, q)], calls: [both[0]]),
        Reply(
            name: "a function call of old",
            events: [
                #"{"choices":[{"index":0,"delta":{"function_call":{"name":"keyword_search","arguments":"{\"query\":"}}}]}"#,
                #"{"choices":[{"index":0,"delta":{"function_call":{"arguments":"\"clown\"}"}},"finish_reason":"function_call"}]}"#,
                "[DONE]",
            ], calls: [both[0]]),
        Reply(
            name: "a call in the text",
            events: [
                text(
                    #""<tool_call>\n{\"name\": \"keyword_search\", \"arguments\": {\"query\":\"clown\"}}\n</tool_call>""#,
                    finish: "\"stop\""), "[DONE]",
            ],
            calls: [both[0]]),
        Reply(
            name: "a call in tags",
            events: [
                text(
                    #""I look.\n<function=keyword_search>\n<parameter=query>\nclown\n</parameter>\n</function>""#,
                    finish: "\"stop\""), "[DONE]",
            ],
            calls: [both[0]], content: "I look.\n"),
        Reply(
            name: "content as parts",
            events: [
                text(#"[{"type":"thinking","thinking":[{"type":"text","text":"hmm"}]}]"#),
                text(#"[{"type":"text","text":"It"},{"type":"text","text":" is."}]"#),
                text("null", finish: "\"stop\""), "[DONE]",
            ], content: "It is.", reasoning: "hmm", finish: .stop),
        Reply(name: "no reason, but an end", events: [text("\"It\""), "[DONE]"], content: "It", finish: .stop),
        Reply(
            name: "an empty reason, and an end", events: [text("\"It\"", finish: "\"\""), "[DONE]"], content: "It",
            finish: .stop),
        Reply(name: "a reason, but no end", events: [text("\"It\"", finish: "\"stop\"")], content: "It", finish: .stop),
        Reply(
            name: "another reason", events: [text("\"It\"", finish: "\"eos_token\""), "[DONE]"], content: "It",
            finish: .stop),
        Reply(
            name: "cut by the limit", events: [text("\"It\"", finish: "\"MAX_TOKENS\""), "[DONE]"], content: "It",
            finish: .length),
        Reply(
            name: "empty choices and null usage",
            events: [
                #"{"id":"","choices":[],"prompt_filter_results":[]}"#, text("\"It\""), text("null", finish: "\"stop\""),
                #"{"choices":[],"usage":null}"#, "[DONE]",
            ], content: "It", finish: .stop),
        Reply(
            name: "lines of Ollama's own",
            events: [
                #"{"model":"m","message":{"role":"assistant","content":"It"},"done":false}"#,
                #"{"model":"m","message":{"role":"assistant","content":"."},"done":true,"done_reason":"stop","prompt_eval_count":5,"eval_count":2}"#,
            ],
            content: "It.", finish: .stop),
    ]

    @Test(arguments: replies) func readsAStream(_ reply: Reply) async throws {
        let steps = FakeChatServer.stream(reply.events)
        let server = try FakeChatServer { _, _ in steps }
        defer { server.stop() }
        try await Self.check(reply, server)
    }

    @Test func readsJSONLines() async throws {
        let reply = try #require(Self.replies.last)
        let server = try FakeChatServer { _, _ in FakeChatServer.json(reply.events.joined(separator: "\n")) }
        defer { server.stop() }
        try await Self.check(reply, server)
    }

    static func check(_ reply: Reply, _ server: FakeChatServer) async throws {
        let response = try await ServerDeviationTests.model(server).respond(to: ServerDeviationTests.request) { _ in }
        let completion = try #require(response.completions.first)
        #expect(completion.message.toolCalls.map { "\($0.name) \($0.arguments)" } == reply.calls)
        #expect(Set(completion.message.toolCalls.map(\.id)).count == reply.calls.count, "ids differ")
        #expect(completion.message.content == reply.content)
        #expect(completion.message.reasoning == reply.reasoning)
        #expect(completion.finishReason == reply.finish)
        #expect(server.requests.count == 1)
    }

    /// A text that breaks off is no answer, whatever its last event says.
    @Test(arguments: ["null", "\"\""]) func doesNotTakeATextThatWasCutOff(_ finish: String) async throws {
        let server = try FakeChatServer { number, _ in
            number == 0
                ? FakeChatServer.stream([Self.text("\"half an ans\"", finish: finish)])
                : FakeChatServer.stream([Self.text("\"whole\"", finish: "\"stop\""), "[DONE]"])
        }
        defer { server.stop() }
        let response = try await ServerDeviationTests.model(server).respond(to: ServerDeviationTests.request) { _ in }
        #expect(response.completions[0].message.content == "whole")
        #expect(server.requests.count == 2)
    }

    @Test(arguments: [
        (#"{"choices":[{"index":0,"message":{"role":"assistant","content":"It"},"finish_reason":null}]}"#, "It"),
        (
            #"{"choices":[{"message":{"role":"assistant","content":[{"type":"text","text":"It"}]},"finish_reason":"stop"}],"usage":null}"#,
            "It"
        ),
        (#"{"choices":[{"text":"It","finish_reason":"stop"}]}"#, "It"),
        (#"{"message":{"role":"assistant","content":"It"},"done":true}"#, "It"),
    ]) func readsAWholeReply(_ body: String, _ content: String) async throws {
        let server = try FakeChatServer { _, _ in FakeChatServer.json(body) }
        defer { server.stop() }
        let response = try await ServerDeviationTests.model(server).respond(to: ServerDeviationTests.request) { _ in }
        #expect(response.completions[0].message.content == content)
        #expect(response.completions[0].finishReason == .stop)
    }
}
