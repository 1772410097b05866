// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import LanguageModels
import OrderedCollections
import Synchronization
import Testing
import Text

/// Servers that depart from the protocol, as public bug reports describe them. Each refuses what it does not take, and the
/// client learns it once.
@Suite(.timeLimit(.minutes(1))) struct ServerDeviationTests {
    static let tools = [
        ToolSpecification(
            name: "keyword_search", description: "finds",
            parameters: [
                "type": "object", "properties": ["query": ["type": "string", "minLength": 1]], "required": ["query"],
                "additionalProperties": false,
            ]),
        ToolSpecification(name: "read", description: "reads", parameters: ["type": "object", "properties": [:]]),
    ]
    static let request = ModelRequest(
        messages: [
            ChatMessage(role: .system, content: "Be brief."), ChatMessage(role: .user, content: "Which clown?"),
        ],
        tools: tools, options: SamplingOptions(temperature: 0, seed: 7, maxTokens: 200))
    static let done = FakeChatServer.stream([
        #"{"choices":[{"index":0,"delta":{"content":"It"},"finish_reason":null}]}"#,
        #"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#, "[DONE]",
    ])

    static func model(_ server: FakeChatServer, retries: Int = 1) throws -> OpenAICompatibleModel {
        try OpenAICompatibleModel(
            .init(baseURL: server.url, model: "m", retries: retries, firstPause: 0.01, idleTimeout: 5))
    }

    static func refusal(_ body: JSONValue, _ status: String = "400 Bad Request") -> [FakeChatServer.Step] {
        FakeChatServer.json(body.serialized(), status: status)
    }

    /// A refusal of a request, and what a request must be to be taken.
    struct Refused: Sendable, CustomTestStringConvertible {
        var name: String
        var body: JSONValue
        var status = "400 Bad Request"
        var isTaken: @Sendable (JSONValue) -> Bool
        var testDescription: String { name }
    }

    static let refused: [Refused] = [
        Refused(
            name: "max_tokens, with the other name",
            body: [
                "error": [
                    "message":
                        "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
                    "type": "invalid_request_error", "param": "max_tokens", "code": "unsupported_parameter",
                ]
            ], isTaken: { $0["max_tokens"] == nil && $0["max_completion_tokens"] == 200 }),
        Refused(
            name: "both limits",
            body: ["message": "unknown field: max_tokens, max_completion_tokens"],
            isTaken: { $0["max_tokens"] == nil && $0["max_completion_tokens"] == nil }),
        Refused(
            name: "a limit that is too large",
            body: [
                "error": [
                    "message": "max_tokens is too large: 200. This model supports at most 64 completion tokens.",
                    "param": "max_tokens",
                ]
            ],
            isTaken: { $0["max_tokens"] == 64 }),
        Refused(
            name: "temperature",
            body: [
                "error": [
                    "message":
                        "Unsupported value: 'temperature' does not support 0 with this model. Only the default (1) value is supported.",
                    "param": "temperature", "code": "unsupported_value",
                ]
            ], isTaken: { $0["temperature"] == nil }),
        Refused(
            name: "a temperature of nothing",
            body: ["error": "`temperature` must be strictly positive", "error_type": "validation"],
            status: "422 Unprocessable Entity", isTaken: { ($0["temperature"]?.double ?? 0) > 0 }),
        Refused(
            name: "seed", body: ["detail": [["loc": ["body", "seed"], "msg": "Extra inputs are not permitted"]]],
            status: "422 Unprocessable Entity", isTaken: { $0["seed"] == nil && $0["temperature"] != nil }),
        Refused(
            name: "stream_options",
            body: ["error": ["message": "Unrecognized request argument supplied: stream_options"]],
            isTaken: { $0["stream_options"] == nil && $0["stream"] == true }),
        Refused(
            name: "something unnamed", body: ["error": ["message": "Extra inputs are not permitted"]],
            isTaken: { $0["seed"] == nil && $0["stream_options"] == nil }),
        Refused(
            name: "streams",
            body: ["error": ["message": "This deployment does not support streaming", "param": "stream"]],
            isTaken: { $0["stream"] == nil }),
        Refused(
            name: "a tool choice",
            body: ["error": ["message": "tool_choice is not supported", "param": "tool_choice"]],
            isTaken: { $0["tool_choice"] == nil && $0["tools"] != nil }),
        Refused(
            name: "tools, without a parser",
            body: [
                "object": "error", "type": "BadRequestError", "code": 400,
                "message": "\"auto\" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set",
            ],
            isTaken: {
                $0["tools"] == nil && $0["messages"]?[0]?["content"]?.string?.contains("keyword_search") == true
            }),
        Refused(
            name: "tools, by the model",
            body: ["error": ["message": "registry.ollama.ai/library/gemma:latest does not support tools"]],
            isTaken: { $0["tools"] == nil }),
        Refused(
            name: "a keyword of the schema",
            body: [
                "error": [
                    "code": 400,
                    "message":
                        "Invalid JSON payload received. Unknown name \"additionalProperties\" at 'tools[0].function.parameters': Cannot find field.",
                ]
            ],
            isTaken: {
                $0["tools"]?.serialized().contains("additionalProperties") == false
                    && $0["tools"]?.serialized().contains("keyword_search") == true
            }),
        Refused(
            name: "the system role",
            body: [
                "error": [
                    "message": "Unsupported value: 'messages[0].role' does not support 'system' with this model.",
                    "param": "messages[0].role",
                ]
            ],
            isTaken: {
                $0["messages"]?[0]?["role"] == "user"
                    && $0["messages"]?[0]?["content"]?.string?.hasPrefix("Be brief.") == true
            }),
        Refused(
            name: "the system role, by the template",
            body: ["error": ["code": 500, "message": "System role not supported in the chat template"]],
            status: "500 Internal Server Error", isTaken: { $0["messages"]?[0]?["role"] == "user" }),
    ]

    @Test(arguments: refused) func learnsWhatIsRefusedAndKeepsIt(_ refused: Refused) async throws {
        let server = try FakeChatServer { _, body in
            refused.isTaken(body) ? Self.done : Self.refusal(refused.body, refused.status)
        }
        defer { server.stop() }
        let model = try Self.model(server)
        let first = try await model.respond(to: Self.request) { _ in }
        #expect(first.completions[0].message.content == "It")
        let asked = server.requests.count
        #expect(asked >= 2 && asked <= 4, "\(asked) requests")
        _ = try await model.respond(to: Self.request) { _ in }
        #expect(server.requests.count == asked + 1, "what was learned is kept")
        #expect(!model.departures.isEmpty)
    }

    @Test func givesUpOnWhatCannotBeLearned() async throws {
        let server = try FakeChatServer { _, _ in Self.refusal(["error": ["message": "No."]]) }
        defer { server.stop() }
        await #expect(throws: LanguageModelError.refused(status: 400, message: "No.")) {
            try await Self.model(server).respond(to: Self.request) { _ in }
        }
        #expect(server.requests.count == 1)
    }

    /// A server that refuses everything that it is asked does not keep the client busy.
    @Test func boundsTheFormsThatItTries() async throws {
        let server = try FakeChatServer { _, body in
            let names = (body.object ?? [:]).keys.joined(separator: ", ")
            return Self.refusal(["error": ["message": .string("unsupported parameter: \(names)")]])
        }
        defer { server.stop() }
        await #expect(throws: LanguageModelError.self) {
            try await Self.model(server).respond(to: Self.request) { _ in }
        }
        #expect(server.requests.count <= 13)
    }

    @Test func asksForSamplesOneByOneWhereTheServerGivesOne() async throws {
        let server = try FakeChatServer { number, _ in
            FakeChatServer.json(
                #"{"choices":[{"index":0,"message":{"role":"assistant","content":"s\#(number)"},"finish_reason":"stop"}],"usage":{"prompt_tokens":2,"completion_tokens":1}}"#
            )
        }
        defer { server.stop() }
        var request = Self.request
        request.options.samples = 3
        let response = try await Self.model(server).respond(to: request) { _ in }
        #expect(response.completions.map(\.message.content) == ["s0", "s1", "s2"])
        #expect(response.usage.completionTokens == 3)
    }

    // MARK: Overflow

    static let overflows: [(JSONValue, String, Int)] = [
        (
            [
                "error": [
                    "code": 400,
                    "message":
                        "request (4267 tokens) exceeds the available context size (4096 tokens), try increasing it",
                    "type": "exceed_context_size_error", "n_prompt_tokens": 4267, "n_ctx": 4096,
                ]
            ], "400 Bad Request", 4096
        ),
        (
            [
                "error": [
                    "message":
                        "This model's maximum context length is 4096 tokens. However, your messages resulted in 4267 tokens.",
                    "code": "context_length_exceeded",
                ]
            ], "400 Bad Request", 4096
        ),
        (
            ["error": ["message": "prompt is too long: 4267 tokens > 4096 maximum", "type": "invalid_request_error"]],
            "400 Bad Request", 4096
        ),
        (
            [
                "error":
                    "Trying to keep the first 4267 tokens when context the overflows. However, the model is loaded with context length of only 4096 tokens"
            ], "400 Bad Request", 4096
        ),
        (
            [
                "error": [
                    "message":
                        "the request exceeds the available context size. try increasing the context size or enable context shift",
                    "code": 500,
                ]
            ], "500 Internal Server Error", 0
        ),
        (
            [
                "error": [
                    "message":
                        "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 4267 `inputs` tokens and 200 `max_new_tokens`"
                ]
            ], "422 Unprocessable Entity", 4096
        ),
        (
            [
                "error": [
                    "message": "The input token count (4267) exceeds the maximum number of tokens allowed (4096).",
                    "status": "INVALID_ARGUMENT", "code": 400,
                ]
            ], "400 Bad Request", 4096
        ),
        (
            [
                "error": [
                    "message": "Request too large for model `m` on tokens per minute (TPM): Limit 4096, Requested 4267",
                    "code": "rate_limit_exceeded",
                ]
            ], "413 Payload Too Large", 4096
        ),
        (["detail": "4267 Token sind mehr, als das Modell fasst (4096)"], "400 Bad Request", 4096),
        (["error": ["message": "输入长度 4267 超过模型最大 token 数 4096"]], "400 Bad Request", 4096),
        (["error": ["message": "Requested tokens (4267) exceed context window of 4096"]], "400 Bad Request", 4096),
        ("payload", "413 Content Too Large", 0),
    ]

    @Test(arguments: overflows.indices) func knowsAnOverflowInAnyWords(_ index: Int) async throws {
        let (body, status, limit) = Self.overflows[index]
        let server = try FakeChatServer { _, _ in Self.refusal(body, status) }
        defer { server.stop() }
        var request = Self.request
        request.messages[1].content = String(repeating: "clown novel circus tent ", count: 700)
        let error = await #expect(throws: LanguageModelError.self) {
            try await Self.model(server).respond(to: request) { _ in }
        }
        guard case .contextOverflow(let tokens, let found) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(found == limit)
        #expect(tokens == (limit == 0 ? 0 : 4267) || tokens == 0)
        #expect(server.requests.count == 1, "an overflow is not retried")
    }

    @Test func asksForFewerTokensWhereOnlyTheCompletionDoesNotFit() async throws {
        let server = try FakeChatServer { _, body in
            (body["max_tokens"]?.int ?? 0) > 1096
                ? Self.refusal([
                    "error": [
                        "message":
                            "'max_tokens' or 'max_completion_tokens' is too large: 2000. This model's maximum context length is 4096 tokens and your request has 3000 input tokens (2000 > 4096 - 3000)."
                    ]
                ]) : Self.done
        }
        defer { server.stop() }
        var request = Self.request
        request.options.maxTokens = 2000
        let response = try await Self.model(server).respond(to: request) { _ in }
        #expect(response.completions[0].message.content == "It")
        #expect(server.requests.count == 2)
    }

    // MARK: Blame

    @Test func doesNotRetryAQuotaASignInPageOrAWrongKey() async throws {
        let replies: [[FakeChatServer.Step]] = [
            Self.refusal(
                [
                    "error": [
                        "message": "You exceeded your current quota, please check your plan and billing details.",
                        "code": "insufficient_quota",
                    ]
                ], "429 Too Many Requests"),
            Self.refusal(["error": ["message": "Insufficient credits", "code": 402]], "402 Payment Required"),
            FakeChatServer.json("<html><body>Sign in</body></html>"),
            FakeChatServer.json("\n<!DOCTYPE html><title>Portal</title>"),
            FakeChatServer.json(#"{"error":{"message":"Incorrect API key"}}"#, status: "401 Unauthorized"),
            FakeChatServer.json("", status: "302 Found", headers: "Location: https://login.example.org/\r\n"),
        ]
        for reply in replies {
            let server = try FakeChatServer { _, _ in reply }
            defer { server.stop() }
            let model = try Self.model(server, retries: 4)
            let first = await #expect(throws: LanguageModelError.self) {
                try await model.respond(to: Self.request) { _ in }
            }
            let second = await #expect(throws: LanguageModelError.self) {
                try await model.respond(to: Self.request) { _ in }
            }
            #expect(server.requests.count == 1, "one request, also when it is asked again at once")
            #expect(first == second)
            #expect(first?.advice.isEmpty == false)
        }
    }

    /// An address where nothing ever answered is tried once more and then given up; a server that did answer may be starting
    /// again, and is waited for.
    @Test func knowsADeadServerSoon() async throws {
        func tries(_ model: OpenAICompatibleModel) async -> Int {
            let pauses = Mutex(0)
            await #expect(throws: LanguageModelError.self) {
                try await model.respond(to: Self.request) { event in
                    if case .retrying = event { pauses.withLock { $0 += 1 } }
                }
            }
            return pauses.withLock { $0 }
        }
        let dead = try FakeChatServer([])
        dead.stop()
        #expect(await tries(try Self.model(dead, retries: 4)) == 1)
        let unknown = try OpenAICompatibleModel(
            .init(baseURL: "http://no-such-host.invalid/v1", model: "m", retries: 4, firstPause: 0.01))
        #expect(await tries(unknown) == 1)
        let restarting = try FakeChatServer { _, _ in Self.done }
        let model = try Self.model(restarting, retries: 3)
        _ = try await model.respond(to: Self.request) { _ in }
        restarting.stop()
        #expect(await tries(model) == 3)
    }

    @Test func retriesARateEvenWhenItIsCalledAQuota() async throws {
        let server = try FakeChatServer { number, _ in
            number == 0
                ? Self.refusal(
                    [
                        "error": [
                            "message": "You exceeded your current quota. Please retry in 0.1s.",
                            "status": "RESOURCE_EXHAUSTED",
                        ]
                    ], "429 Too Many Requests")
                : Self.done
        }
        defer { server.stop() }
        let response = try await Self.model(server).respond(to: Self.request) { _ in }
        #expect(response.completions[0].message.content == "It")
    }

    @Test func retriesAnErrorInTheMiddleOfAStream() async throws {
        let server = try FakeChatServer { number, _ in
            number == 0
                ? FakeChatServer.stream([
                    #"{"choices":[{"index":0,"delta":{"content":"Let"}}]}"#,
                    #"{"error":{"message":"Provider returned error","code":502}}"#, "[DONE]",
                ]) : Self.done
        }
        defer { server.stop() }
        let events = Mutex<[ModelStreamEvent]>([])
        let response = try await Self.model(server).respond(to: Self.request) { event in
            events.withLock { $0.append(event) }
        }
        #expect(response.completions[0].message.content == "It")
        let seen = events.withLock { $0 }
        // The text since the last retry adds up to the content.
        let last = seen.lastIndex { if case .retrying = $0 { true } else { false } } ?? -1
        #expect(seen[(last + 1)...] == [.content(sample: 0, text: "It")])
    }

    // MARK: Reasoning

    @Test func handsReasoningBackBetweenToolTurnsOnly() async throws {
        let bodies = Mutex<[JSONValue]>([])
        let server = try FakeChatServer { number, body in
            bodies.withLock { $0.append(body) }
            return number == 0
                ? FakeChatServer.json(
                    #"{"choices":[{"index":0,"message":{"role":"assistant","content":null,"reasoning_content":"I look.","tool_calls":[{"id":"a","function":{"name":"read","arguments":"{}"},"extra_content":{"google":{"thought_signature":"abc"}}}]},"finish_reason":"tool_calls"}]}"#
                )
                : Self.done
        }
        defer { server.stop() }
        let model = try Self.model(server)
        let first = try await model.respond(to: Self.request) { _ in }
        var request = Self.request
        request.messages.append(first.completions[0].message)
        request.messages.append(ChatMessage(role: .tool, content: "nothing", toolCallID: "a"))
        _ = try await model.respond(to: request) { _ in }
        request.messages.append(ChatMessage(role: .user, content: "And now?"))
        _ = try await model.respond(to: request) { _ in }
        let sent = bodies.withLock { $0 }
        #expect(sent[1]["messages"]?[2]?["reasoning_content"] == "I look.")
        #expect(sent[1]["messages"]?[2]?["tool_calls"]?[0]?["extra_content"]?["google"]?["thought_signature"] == "abc")
        #expect(
            sent[2]["messages"]?[2]?["reasoning_content"] == nil, "what was reasoned before the user spoke is done with"
        )
    }

    @Test func sendsCallsBackInAFormThatTemplatesCanRead() async throws {
        let bodies = Mutex<[JSONValue]>([])
        let server = try FakeChatServer { _, body in
            bodies.withLock { $0.append(body) }
            return Self.done
        }
        defer { server.stop() }
        var request = Self.request
        request.messages.append(
            ChatMessage(
                role: .assistant, content: "",
                toolCalls: [
                    ToolCall(id: "a", name: "functions.keyword_search", arguments: "{'query': 'clown',}"),
                    ToolCall(id: "b", name: "read", arguments: "not json"),
                ]))
        _ = try await Self.model(server).respond(to: request) { _ in }
        let calls = bodies.withLock { $0 }[0]["messages"]?[2]?["tool_calls"]
        #expect(calls?[0]?["function"]?["name"] == "keyword_search")
        #expect(calls?[0]?["function"]?["arguments"] == #"{"query":"clown"}"#)
        #expect(calls?[1]?["function"]?["arguments"] == "{}")
    }
}
