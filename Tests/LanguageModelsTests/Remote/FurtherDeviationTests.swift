// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import LanguageModels
import OrderedCollections
import Synchronization
import Testing
import Text

/// More servers as they are: the words, forms and ends that llama.cpp, Ollama, vLLM, LM Studio, TGI, OpenRouter, Azure,
/// DeepSeek, Groq, Mistral, Gemini's compatible endpoint and others write, as public reports quote them.
@Suite(.timeLimit(.minutes(1))) struct FurtherDeviationTests {
    typealias Refused = ServerDeviationTests.Refused
    typealias Reply = ReplyFormTests.Reply

    // MARK: Refusals

    static let refused: [Refused] = [
        Refused(
            name: "Mistral: details in the message",
            body: [
                "object": "error",
                "message": [
                    "detail": [
                        ["type": "extra_forbidden", "loc": ["body", "seed"], "msg": "Extra inputs are not permitted"]
                    ]
                ], "type": "invalid_request_error", "param": nil, "code": nil,
            ], status: "422 Unprocessable Entity",
            isTaken: { $0["seed"] == nil && $0["stream_options"] != nil && $0["temperature"] != nil }),
        Refused(
            name: "Mistral: the message is the list of details",
            body: [
                "object": "Error",
                "message": [
                    ["type": "extra_forbidden", "loc": ["body", "seed"], "msg": "Extra inputs are not permitted"]
                ],
                "type": "invalid_request_error", "code": 3001,
            ], status: "422 Unprocessable Entity", isTaken: { $0["seed"] == nil && $0["stream_options"] != nil }),
        Refused(
            name: "OpenRouter: another server's refusal in a text",
            body: [
                "error": [
                    "message": "Provider returned error", "code": 400,
                    "metadata": [
                        "raw":
                            #"{"object":"error","message":"Unsupported parameter: \"seed\" is not permitted","param":"seed"}"#,
                        "provider_name": "Somebody",
                    ],
                ]
            ], isTaken: { $0["seed"] == nil && $0["stream_options"] != nil }),
        Refused(
            name: "Gemini: several unknown names in a list",
            body: [
                [
                    "error": [
                        "code": 400,
                        "message":
                            "Invalid JSON payload received. Unknown name \"seed\": Cannot find field.\nInvalid JSON payload received. Unknown name \"stream_options\": Cannot find field.",
                        "status": "INVALID_ARGUMENT",
                    ]
                ]
            ], isTaken: { $0["seed"] == nil && $0["stream_options"] == nil && $0["temperature"] != nil }),
        Refused(
            name: "vLLM: details as Python writes them",
            body: [
                "object": "error", "type": "BadRequestError", "code": 400,
                "message":
                    "[{'type': 'extra_forbidden', 'loc': ('body', 'seed'), 'msg': 'Extra inputs are not permitted', 'input': 7}]",
            ], isTaken: { $0["seed"] == nil && $0["stream_options"] != nil }),
        Refused(
            name: "DeepSeek: a range of max_tokens",
            body: [
                "error": [
                    "message": "Invalid max_tokens value, the valid range of max_tokens is [1, 128]",
                    "type": "invalid_request_error", "param": nil, "code": "invalid_request_error",
                ]
            ], isTaken: { $0["max_tokens"] == 128 }),
        Refused(
            name: "Anthropic's words for a limit",
            body: [
                "error": [
                    "message":
                        "max_tokens: 200 > 64, which is the maximum allowed number of output tokens for this model",
                    "type": "invalid_request_error",
                ]
            ], isTaken: { $0["max_tokens"] == 64 }),
        Refused(
            name: "OpenAI: streaming, by its value",
            body: [
                "error": [
                    "message":
                        "Unsupported value: 'stream' does not support true with this model. Only the default (false) value is supported. (request id: 2024)",
                    "type": "invalid_request_error", "param": "stream", "code": "unsupported_value",
                ]
            ], isTaken: { $0["stream"] == nil && $0["stream_options"] == nil }),
        Refused(
            name: "OpenAI: streaming needs a verified organization",
            body: [
                "error": [
                    "message": "Your organization must be verified to stream this model.",
                    "type": "invalid_request_error", "param": "stream", "code": "unsupported_value",
                ]
            ], isTaken: { $0["stream"] == nil }),
        Refused(
            name: "Azure: an old version of the interface",
            body: [
                "error": [
                    "code": "BadRequest",
                    "message":
                        "Azure OpenAI: Unrecognized request arguments supplied: stream_options, tool_choice, tools",
                ]
            ], isTaken: { $0["tools"] == nil && $0["stream_options"] == nil }),
        Refused(
            name: "Bedrock: blank content",
            body: ["message": "The text field in the ContentBlock object at messages.1.content.0 is blank."],
            isTaken: {
                $0["messages"]?.array?.allSatisfy { !($0["content"]?.string ?? "").isEmpty } == true
            }),
        Refused(
            name: "a deployment without tools",
            body: ["detail": "Tool calling is not supported by this deployment"], status: "501 Not Implemented",
            isTaken: { $0["tools"] == nil }),
        Refused(
            name: "llama.cpp without jinja",
            body: ["error": ["code": 500, "message": "tools param requires --jinja flag"]],
            status: "500 Internal Server Error", isTaken: { $0["tools"] == nil }),
        Refused(
            name: "a template that takes turns",
            body: [
                "error": [
                    "code": 500,
                    "message":
                        "Jinja Exception: After the optional system message, conversation roles must alternate user and assistant roles except for tool calls and results.",
                ]
            ], status: "500 Internal Server Error",
            isTaken: { body in
                let roles = (body["messages"]?.array ?? []).compactMap { $0["role"]?.string }
                return !zip(roles, roles.dropFirst()).contains { $0 == $1 && $0 != "tool" }
            }),
    ]

    /// What the table's refusals are about: two turns of the user after each other, a turn that only calls, a result.
    static var long: ModelRequest {
        var request = ServerDeviationTests.request
        request.messages += [
            ChatMessage(
                role: .assistant, content: "",
                toolCalls: [ToolCall(id: "call_1", name: "keyword_search", arguments: #"{"query":"clown"}"#)]),
            ChatMessage(role: .tool, content: "r1: a clown", toolCallID: "call_1"),
            ChatMessage(role: .user, content: "Answer now."), ChatMessage(role: .user, content: "In one word."),
        ]
        return request
    }

    @Test(arguments: refused) func learnsWhatIsRefusedAndKeepsIt(_ refused: Refused) async throws {
        let server = try FakeChatServer { _, body in
            refused.isTaken(body)
                ? (body["stream"] == true ? ServerDeviationTests.done : Self.whole)
                : ServerDeviationTests.refusal(refused.body, refused.status)
        }
        defer { server.stop() }
        let model = try ServerDeviationTests.model(server)
        let first = try await model.respond(to: Self.long) { _ in }
        #expect(first.completions[0].message.content == "It")
        let asked = server.requests.count
        #expect(asked >= 2 && asked <= 4, "\(asked) requests")
        _ = try await model.respond(to: Self.long) { _ in }
        #expect(server.requests.count == asked + 1, "what was learned is kept")
    }

    static let whole = FakeChatServer.json(
        #"{"choices":[{"index":0,"message":{"role":"assistant","content":"It"},"finish_reason":"stop"}]}"#)

    @Test func letsTheAssistantSpeakBetweenAToolAndTheUser() async throws {
        let server = try FakeChatServer { _, body in
            let roles = (body["messages"]?.array ?? []).compactMap { $0["role"]?.string }
            return zip(roles, roles.dropFirst()).contains { $0 == "tool" && $1 == "user" }
                ? ServerDeviationTests.refusal([
                    "object": "error", "message": "Unexpected role 'user' after role 'tool'",
                    "type": "invalid_request_message_order", "param": nil, "code": "3230",
                ]) : ServerDeviationTests.done
        }
        defer { server.stop() }
        let response = try await ServerDeviationTests.model(server).respond(to: Self.long) { _ in }
        #expect(response.completions[0].message.content == "It")
        #expect(server.requests.count == 2)
    }

    @Test func doesNotSendReasoningBackWhereItsNameIsUnknown() async throws {
        let server = try FakeChatServer { number, body in
            if number == 0 {
                return FakeChatServer.json(
                    #"{"choices":[{"message":{"role":"assistant","content":null,"reasoning":"I look.","tool_calls":[{"id":"a","function":{"name":"read","arguments":"{}"}}]},"finish_reason":"tool_calls"}]}"#
                )
            }
            let sendsIt = body["messages"]?.array?.contains { $0["reasoning"] != nil } ?? false
            return sendsIt
                ? ServerDeviationTests.refusal([
                    "error": [
                        "message":
                            "'messages.2' : for 'role:assistant' the following must be satisfied[('messages.2' : property 'reasoning' is unsupported)]",
                        "type": "invalid_request_error",
                    ]
                ]) : ServerDeviationTests.done
        }
        defer { server.stop() }
        let model = try ServerDeviationTests.model(server)
        var request = ServerDeviationTests.request
        request.messages.append(try await model.respond(to: request) { _ in }.completions[0].message)
        request.messages.append(ChatMessage(role: .tool, content: "nothing", toolCallID: "a"))
        for _ in 0..<2 {
            let response = try await model.respond(to: request) { _ in }
            #expect(response.completions[0].message.content == "It")
        }
        #expect(server.requests.count == 4, "the refusal is met once")
    }

    @Test(arguments: [
        (
            #"{"error":{"message":"Failed to call a function. Please adjust your prompt. See 'failed_generation' for more details.","type":"invalid_request_error","code":"tool_use_failed","failed_generation":"<function=keyword_search{\"query\": \"clown\"}</function>"}}"#,
            ["keyword_search {\"query\":\"clown\"}"], ""
        ),
        (
            #"{"error":{"message":"Failed to call a function.","code":"tool_use_failed","failed_generation":"<function=keyword_search={\"query\": \"clown\"}</function>"}}"#,
            ["keyword_search {\"query\":\"clown\"}"], ""
        ),
        (
            #"{"error":{"message":"Failed to call a function.","code":"tool_use_failed","failed_generation":"```\n{\"tool_calls\": [{\"id\": \"x\", \"type\": \"function\", \"function\": {\"name\": \"keyword_search\", \"arguments\": {\"query\": \"clown\"}}}]}\n```"}}"#,
            ["keyword_search {\"query\":\"clown\"}"], ""
        ),
        (
            #"{"error":{"message":"Failed to call a function.","code":"tool_use_failed","failed_generation":"It is the clown."}}"#,
            [], "It is the clown."
        ),
    ]) func readsTheCallThatTheServerCouldNot(_ body: String, _ calls: [String], _ content: String) async throws {
        let server = try FakeChatServer { _, _ in FakeChatServer.json(body, status: "400 Bad Request") }
        defer { server.stop() }
        let response = try await ServerDeviationTests.model(server).respond(to: ServerDeviationTests.request) { _ in }
        let message = try #require(response.completions.first?.message)
        #expect(message.toolCalls.map { "\($0.name) \($0.arguments)" } == calls)
        #expect(message.content == content)
    }

    @Test(arguments: [
        #"{"error":{"message":"tool call validation failed: parameters for tool keyword_search did not match schema","type":"invalid_request_error","code":"tool_use_failed"}}"#,
        #"{"error":{"code":500,"message":"Failed to parse tool call arguments as JSON: parse error at line 1, column 27"}}"#,
    ]) func asksAgainAfterAnUnluckyCall(_ body: String) async throws {
        let server = try FakeChatServer { number, _ in
            number == 0 ? FakeChatServer.json(body, status: "400 Bad Request") : ServerDeviationTests.done
        }
        defer { server.stop() }
        let model = try ServerDeviationTests.model(server)
        let response = try await model.respond(to: ServerDeviationTests.request) { _ in }
        #expect(response.completions[0].message.content == "It")
        #expect(model.departures.isEmpty, "the server's tools stay in use: \(model.departures)")
    }

    @Test(arguments: [
        ("Retry-After-Ms: 300\r\n", #"{"error":{"message":"slow down"}}"#, "429 Too Many Requests"),
        (
            "", #"{"error":{"message":"Rate limit reached for model. Please try again in 0.3s."}}"#,
            "429 Too Many Requests"
        ),
        (
            "", #"{"error":{"message":"Rate limit reached for model. Please try again in 300ms."}}"#,
            "429 Too Many Requests"
        ),
        ("", #"{"error":"Model m is currently loading","estimated_time":0.3}"#, "503 Service Unavailable"),
        (
            "",
            #"[{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","message":"Quota exceeded","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"0.3s"}]}}]"#,
            "429 Too Many Requests"
        ),
    ]) func waitsAsLongAsTheServerSays(_ header: String, _ body: String, _ status: String) async throws {
        let server = try FakeChatServer { number, _ in
            number == 0 ? FakeChatServer.json(body, status: status, headers: header) : ServerDeviationTests.done
        }
        defer { server.stop() }
        let pauses = Mutex<[Double]>([])
        let response = try await ServerDeviationTests.model(server).respond(to: ServerDeviationTests.request) { event in
            if case .retrying(_, let pause, _) = event { pauses.withLock { $0.append(pause) } }
        }
        #expect(response.completions[0].message.content == "It")
        #expect(pauses.withLock { $0 } == [0.3])
    }

    /// What the server refuses for good is neither retried nor taken for a form that it lacks.
    @Test(arguments: [
        (
            #"{"error":{"message":"The response was filtered due to the prompt triggering Azure OpenAI's content management policy. Please modify your prompt and retry.","type":null,"param":"prompt","code":"content_filter","status":400,"innererror":{"code":"ResponsibleAIPolicyViolation","content_filter_result":{"jailbreak":{"filtered":true,"detected":true}}}}}"#,
            "400 Bad Request"
        ),
        (
            #"{"error":{"message":"model \"m\" not found, try pulling it first","type":"api_error","param":null,"code":null}}"#,
            "404 Not Found"
        ),
        (
            #"{"error":{"message":"The model `m` does not exist or you do not have access to it.","type":"invalid_request_error","param":null,"code":"model_not_found"}}"#,
            "404 Not Found"
        ),
        (#"{"error":{"code":401,"message":"No auth credentials found"}}"#, "401 Unauthorized"),
    ]) func saysAtOnceWhatIsRefusedForGood(_ body: String, _ status: String) async throws {
        let server = try FakeChatServer { _, _ in FakeChatServer.json(body, status: status) }
        defer { server.stop() }
        let model = try ServerDeviationTests.model(server, retries: 4)
        await #expect(throws: LanguageModelError.self) {
            try await model.respond(to: ServerDeviationTests.request) { _ in }
        }
        #expect(server.requests.count == 1)
        #expect(model.departures.isEmpty)
    }

    // MARK: Replies

    static let q = ReplyFormTests.q
    static let both = ReplyFormTests.both
    static let end = ReplyFormTests.end
    static func call(_ members: String, _ function: String) -> String { ReplyFormTests.call(members, function) }
    static func text(_ content: String, finish: String = "null") -> String {
        ReplyFormTests.text(content, finish: finish)
    }
    static func written(_ text: String) -> [String] {
        [Self.text(JSONValue.string(text).serialized(), finish: "\"stop\""), "[DONE]"]
    }

    static let replies: [Reply] = [
        Reply(
            name: "OCI: an empty name in later fragments",
            events: [
                call(#""index":0,"id":"a""#, #""name":"keyword_search","arguments":"""#),
                call(#""index":0"#, #""name":"","arguments":"{\"query\":""#),
                call(#""index":0"#, #""name":"","arguments":"\"clown\"}""#), end, "[DONE]",
            ], calls: [both[0]]),
        Reply(
            name: "an index as text",
            events: [
                call(#""index":"0","id":"a""#, q), call(#""index":"1","id":"b""#, ReplyFormTests.r), end, "[DONE]",
            ],
            calls: both),
        Reply(
            name: "mlx-lm: \"tool_call\"",
            events: [
                call(#""index":0,"id":"a""#, q),
                #"{"choices":[{"index":0,"delta":{},"finish_reason":"tool_call"}]}"#, "[DONE]",
            ], calls: [both[0]]),
        Reply(
            name: "LiteLLM: \"end_turn\"",
            events: [
                call(#""index":0,"id":"a""#, q),
                #"{"choices":[{"index":0,"delta":{},"finish_reason":"end_turn"}]}"#,
            ], calls: [both[0]]),
        Reply(
            name: "Kimi: the name only in the id",
            events: [
                call(#""index":0,"id":"functions.keyword_search:0""#, #""arguments":"{\"query\":\"clown\"}""#), end,
            ],
            calls: [both[0]]),
        Reply(
            name: "empty lists of calls beside the text",
            events: [
                #"{"choices":[{"index":0,"delta":{"role":"assistant","content":"It","tool_calls":[],"function_call":null},"finish_reason":null}]}"#,
                #"{"choices":[{"index":0,"delta":{"content":"","tool_calls":null},"finish_reason":"stop"}]}"#, "[DONE]",
            ], content: "It", finish: .stop),
        Reply(
            name: "Open WebUI: stop on a chunk of reasoning, and the text after it",
            events: [
                #"{"choices":[{"index":0,"delta":{"reasoning_content":"hmm"},"finish_reason":"stop"}]}"#,
                text("\"It\"", finish: "\"stop\""), "[DONE]",
            ], content: "It", reasoning: "hmm", finish: .stop),
        Reply(
            name: "OpenRouter: comments, native reasons, reasoning twice",
            events: [
                #"{"id":"gen-1","provider":"P","choices":[{"index":0,"delta":{"role":"assistant","content":"","reasoning":"hmm","reasoning_details":[{"type":"reasoning.text","text":"hmm"}]},"finish_reason":null,"native_finish_reason":null,"logprobs":null}]}"#,
                #"{"id":"gen-1","choices":[{"index":0,"delta":{"content":"It"},"finish_reason":"stop","native_finish_reason":"completed"}]}"#,
                "[DONE]",
            ], content: "It", reasoning: "hmm", finish: .stop),
        Reply(
            name: "the whole message again at the end",
            events: [
                text("\"It\""), text("\" is.\""),
                #"{"choices":[{"index":0,"delta":null,"message":{"role":"assistant","content":"It is."},"finish_reason":"stop"}]}"#,
            ], content: "It is.", finish: .stop),
        Reply(
            name: "calls again in a message at the end",
            events: [
                call(#""index":0,"id":"a""#, q),
                #"{"choices":[{"index":0,"message":{"content":null,"tool_calls":[{"id":"a","function":{\#(q)}}]},"finish_reason":"tool_calls"}]}"#,
            ], calls: [both[0]]),
        Reply(
            name: "choices that are null, deltas that are null",
            events: [
                #"{"choices":null}"#, #"{"choices":[{"index":0,"delta":null,"finish_reason":null}]}"#, text("\"It\""),
                #"{"choices":[{"index":0,"delta":null,"finish_reason":"stop"}]}"#,
            ], content: "It", finish: .stop),
        Reply(
            name: "Gemini: each event in a list",
            events: [
                #"[{"choices":[{"index":0,"delta":{"content":"It"}}]}]"#,
                #"[{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}]"#,
            ], content: "It", finish: .stop),
        Reply(
            name: "Azure: annotations of filters between the words",
            events: [
                #"{"choices":[],"prompt_filter_results":[{"prompt_index":0,"content_filter_results":{}}]}"#,
                text("\"It\""),
                #"{"choices":[{"content_filter_offsets":{"check_offset":1},"content_filter_results":{},"finish_reason":null,"index":0}]}"#,
                text("null", finish: "\"stop\""), "[DONE]",
            ], content: "It", finish: .stop),
        Reply(
            name: "DeepSeek's own calls",
            events: written(
                "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>keyword_search\n```json\n{\"query\": \"clown\"}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>"
            ), calls: [both[0]], content: "<｜tool▁calls▁begin｜><｜tool▁calls▁end｜>"),
        Reply(
            name: "DeepSeek's newer calls",
            events: written(
                "<｜tool▁call▁begin｜>keyword_search<｜tool▁sep｜>{\"query\": \"clown\"}<｜tool▁call▁end｜>"),
            calls: [both[0]]),
        Reply(
            name: "Kimi's calls",
            events: written(
                "<|tool_call_begin|>functions.keyword_search:0<|tool_call_argument_begin|>{\"query\": \"clown\"}<|tool_call_end|>"
            ), calls: [both[0]]),
        Reply(
            name: "Mistral's newer calls", events: written(#"[TOOL_CALLS]keyword_search[ARGS]{"query": "clown"}"#),
            calls: [both[0]]),
        Reply(
            name: "Command's calls",
            events: written(
                #"<|START_ACTION|>[{"tool_call_id": "0", "tool_name": "keyword_search", "parameters": {"query": "clown"}}]<|END_ACTION|>"#
            ), calls: [both[0]]),
        Reply(
            name: "Nemotron's calls",
            events: written(#"<TOOLCALL>[{"name": "keyword_search", "arguments": {"query": "clown"}}]</TOOLCALL>"#),
            calls: [both[0]]),
        Reply(
            name: "Phi's calls",
            events: written(#"functools[{"name": "keyword_search", "arguments": {"query": "clown"}}]"#),
            calls: [both[0]]),
        Reply(
            name: "MiniMax's calls",
            events: written(
                "<minimax:tool_call>\n<invoke name=\"keyword_search\">\n<parameter name=\"query\">clown</parameter>\n</invoke>\n</minimax:tool_call>"
            ), calls: [both[0]], content: "<minimax:tool_call>\n\n</minimax:tool_call>"),
        Reply(
            name: "Llama's calls as a list of expressions",
            events: written(#"[keyword_search(query="clown"), keyword_search(query='liver')]"#), calls: both),
        Reply(
            name: "Gemma's calls as code",
            events: written("```tool_code\nprint(keyword_search(query=\"clown\"))\n```"), calls: [both[0]]),
        Reply(
            name: "an expression with other literals",
            events: written(#"read(ids=["a, b", "c)"], whole=True, from=None)"#),
            calls: [#"read {"ids":["a, b","c)"],"whole":true,"from":null}"#]),
        Reply(
            name: "a sentence that only looks like a call", events: written("It was called read (by a clown)."),
            content: "It was called read (by a clown).", finish: .stop),
    ]

    @Test(arguments: replies) func readsAStream(_ reply: Reply) async throws {
        let steps = FakeChatServer.stream(reply.events)
        let server = try FakeChatServer { _, _ in steps }
        defer { server.stop() }
        try await ReplyFormTests.check(reply, server)
    }

    /// Line ends of all kinds, a byte order mark, names of events, ids and comments, one event over several lines.
    @Test(arguments: ["\n", "\r\n", "\r"]) func readsEventsHoweverTheirLinesEnd(_ end: String) async throws {
        let lines = [
            "\u{FEFF}: ping", "", "event: message", "id: 1", "retry: 10",
            #"data:{"choices":[{"index":0,"#, #"data: "delta":{"content":"It"}}]}"#, "", ":", "", "event: done",
            #"data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#, "", "data: [DONE]", "", "",
        ]
        let bytes = Array(lines.joined(separator: end).utf8)
        let server = try FakeChatServer { _, _ in
            [FakeChatServer.streamHead] + bytes.map { .sendBytes([$0]) }
        }
        defer { server.stop() }
        let response = try await ServerDeviationTests.model(server).respond(to: ServerDeviationTests.request) { _ in }
        #expect(response.completions[0].message.content == "It")
    }

    @Test(arguments: [
        #"{"error":{"code":502,"message":"Provider returned error"},"choices":[{"index":0,"delta":{"content":""},"finish_reason":"error"}]}"#,
        #"{"choices":[{"index":0,"delta":{"content":""},"error":{"code":502,"message":"upstream"},"finish_reason":"error"}]}"#,
        #"{"object":"error","message":"engine died","type":"InternalServerError","code":500}"#,
        #"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded","code":529}}"#,
        #"[{"error":{"code":503,"message":"The model is overloaded. Please try again later.","status":"UNAVAILABLE"}}]"#,
        #"{"choices":[{"index":0,"delta":{},"finish_reason":"insufficient_system_resource"}]}"#,
        #"{"choices":[{"index":0,"delta":{},"finish_reason":"function_call_filter: MALFORMED_FUNCTION_CALL"}]}"#,
    ]) func asksAgainAfterAnErrorWithinAStream(_ event: String) async throws {
        let server = try FakeChatServer { number, _ in
            number == 0
                ? FakeChatServer.stream([Self.text("\"Half\""), event, "[DONE]"]) : ServerDeviationTests.done
        }
        defer { server.stop() }
        let response = try await ServerDeviationTests.model(server).respond(to: ServerDeviationTests.request) { _ in }
        #expect(response.completions[0].message.content == "It")
        #expect(server.requests.count == 2)
    }

    @Test func countsTokensThatStandElsewhere() async throws {
        let server = try FakeChatServer { _, _ in
            FakeChatServer.stream([
                Self.text("\"It\"", finish: "\"stop\""),
                #"{"choices":[],"x_groq":{"id":"r","usage":{"prompt_tokens":12,"completion_tokens":3}}}"#, "[DONE]",
            ])
        }
        defer { server.stop() }
        let response = try await ServerDeviationTests.model(server).respond(to: ServerDeviationTests.request) { _ in }
        #expect(response.usage == TokenUsage(promptTokens: 12, completionTokens: 3))
    }
}
