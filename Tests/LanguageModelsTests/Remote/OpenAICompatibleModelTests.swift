// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import LanguageModels
import Net
import Synchronization
import Testing
import Text

@Suite(.timeLimit(.minutes(1))) struct OpenAICompatibleModelTests {
    static let hello = ModelRequest(messages: [ChatMessage(role: .user, content: "hello")])
    static let answer =
        #"{"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":1}}"#

    func model(_ server: FakeChatServer, retries: Int = 2, idle: Double = 5) throws -> OpenAICompatibleModel {
        try OpenAICompatibleModel(
            .init(
                baseURL: server.url, model: "m", apiKey: "sk-secret", retries: retries, firstPause: 0.01,
                idleTimeout: idle))
    }

    @Test func streamsTextAndToolCallFragments() async throws {
        let server = try FakeChatServer([
            FakeChatServer.stream([
                #"{"choices":[{"index":0,"delta":{"role":"assistant","reasoning_content":"Let me "}}]}"#,
                #"{"choices":[{"index":0,"delta":{"reasoning_content":"see."}}]}"#,
                #"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"read","arguments":""}}]}}]}"#,
                #"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"id":"b","function":{"name":"filter","arguments":"{}"}}]}}]}"#,
                #"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"ids\":"}}]}}]}"#,
                #"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"[\"p1\"]}"}}]}}]}"#,
                #"{"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}"#,
                #"{"choices":[],"usage":{"prompt_tokens":20,"completion_tokens":9,"prompt_tokens_details":{"cached_tokens":16}}}"#,
                "[DONE]",
            ])
        ])
        defer { server.stop() }
        let events = Mutex<[ModelStreamEvent]>([])
        let response = try await model(server).respond(to: Self.hello) { event in events.withLock { $0.append(event) } }
        let message = response.completions[0].message
        #expect(message.reasoning == "Let me see.")
        #expect(message.toolCalls.map(\.name) == ["read", "filter"])
        #expect(message.toolCalls.map(\.arguments) == [#"{"ids":["p1"]}"#, "{}"])
        #expect(response.completions[0].finishReason == .toolCalls)
        #expect(response.usage == TokenUsage(promptTokens: 20, completionTokens: 9, cachedTokens: 16))
        #expect(
            events.withLock { $0 } == [
                .reasoning(sample: 0, text: "Let me "), .reasoning(sample: 0, text: "see."),
                .toolCallStarted(sample: 0, index: 0, name: "read"),
                .toolCallStarted(sample: 0, index: 1, name: "filter"),
            ])
        let sent = try #require(server.requests.first)
        #expect(sent.contains("Authorization: Bearer sk-secret"))
    }

    @Test func readsAReplyThatIsNotStreamed() async throws {
        let server = try FakeChatServer([FakeChatServer.json(Self.answer)])
        defer { server.stop() }
        let response = try await model(server).respond(to: Self.hello) { _ in }
        #expect(response.completions[0].message.content == "hi")
        #expect(response.usage.promptTokens == 3)
    }

    @Test func retriesWhatAnotherTryMayMendAndObeysRetryAfter() async throws {
        let server = try FakeChatServer([
            FakeChatServer.json(
                #"{"error":{"message":"slow down"}}"#, status: "429 Too Many Requests", headers: "Retry-After: 0.2\r\n"),
            FakeChatServer.json("oops", status: "503 Service Unavailable"),
            FakeChatServer.json(Self.answer),
        ])
        defer { server.stop() }
        let retries = Mutex<[ModelStreamEvent]>([])
        let response = try await model(server).respond(to: Self.hello) { event in retries.withLock { $0.append(event) }
        }
        #expect(response.completions[0].message.content == "hi")
        #expect(retries.withLock { $0 }.first == .retrying(attempt: 1, after: 0.2, reason: "status 429: slow down"))
        #expect(server.requests.count == 3)
    }

    @Test func doesNotRetryWhatWasRefused() async throws {
        let server = try FakeChatServer([
            FakeChatServer.json(#"{"error":{"message":"no such model"}}"#, status: "404 Not Found")
        ])
        defer { server.stop() }
        let error = await #expect(throws: LanguageModelError.self) {
            try await model(server).respond(to: Self.hello) { _ in }
        }
        #expect(error == .refused(status: 404, message: "no such model"))
        #expect("\(String(describing: error))".contains("sk-secret") == false)
    }

    /// A server that repeats the key in its error, wherever, does not get it shown.
    @Test(arguments: [
        (#"{"error":{"message":"Incorrect API key provided: sk-secret."}}"#, "401 Unauthorized"),
        ("Bearer sk-secret is wrong \(String(repeating: "x", count: 400))", "403 Forbidden"),
        (#"{"detail":[{"loc":["header"],"msg":"sk-secret"}]}"#, "422 Unprocessable"),
        (#"{"error":"sk-\u0073ecret"}"#, "500 Oops"), ("<html><body>sk-secret is not known</body></html>", "200 OK"),
        (#"{"error":{"code":401,"message":"sk-secret"}}"#, "200 OK"),
    ])
    func noErrorRepeatsTheKey(body: String, status: String) async throws {
        let server = try FakeChatServer { _, _ in FakeChatServer.json(body, status: status) }
        defer { server.stop() }
        let said = Mutex("")
        let error = await #expect(throws: LanguageModelError.self) {
            try await model(server).respond(to: Self.hello) { event in said.withLock { $0 += "\(event)" } }
        }
        #expect(!String(describing: error).contains("sk-secret") && !said.withLock { $0 }.contains("sk-secret"))
    }

    @Test func reportsAStreamThatIsCutOffEveryTime() async throws {
        let server = try FakeChatServer { _, _ in
            FakeChatServer.stream([#"{"choices":[{"index":0,"delta":{"content":"half an ans"}}]}"#])
        }
        defer { server.stop() }
        let error = await #expect(throws: LanguageModelError.self) {
            try await model(server).respond(to: Self.hello) { _ in }
        }
        #expect("\(String(describing: error))".contains("cut off"))
        #expect(server.requests.count == 3)
    }

    @Test(arguments: ["<html>busy</html>", "data: {\"choices\": [\n\n", "{\"choices\": 3}", "[]", ""])
    func survivesGarbage(_ body: String) async throws {
        let replies = Array(repeating: FakeChatServer.json(body), count: 3)
        let server = try FakeChatServer(replies)
        defer { server.stop() }
        await #expect(throws: LanguageModelError.self) {
            try await model(server).respond(to: Self.hello) { _ in }
        }
    }

    @Test func givesUpOnAServerThatStalls() async throws {
        let server = try FakeChatServer([[FakeChatServer.streamHead, .stall(20)]])
        defer { server.stop() }
        let request = ModelRequest(messages: Self.hello.messages, options: SamplingOptions(timeout: 0.4))
        let model = try model(server)
        await #expect(throws: LanguageModelError.timedOut(seconds: 0.4)) {
            try await model.respond(to: request) { _ in }
        }
    }

    @Test func cancellingClosesTheSocket() async throws {
        let server = try FakeChatServer([[FakeChatServer.streamHead, .stall(20)]])
        defer { server.stop() }
        let model = try model(server)
        let task = Task { try await model.respond(to: Self.hello) { _ in } }
        while server.requests.isEmpty { try await Task.sleep(for: .milliseconds(5)) }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        while server.clientClosed == 0 { try await Task.sleep(for: .milliseconds(5)) }
    }

    @Test func asksForSeveralSamplesAndReadsLogProbabilities() async throws {
        let server = try FakeChatServer([
            FakeChatServer.stream([
                #"{"choices":[{"index":1,"delta":{"content":"no"},"logprobs":{"content":[{"token":"no","logprob":-0.5,"top_logprobs":[{"token":"yes","logprob":-1.0}]}]}}]}"#,
                #"{"choices":[{"index":0,"delta":{"content":"yé"},"logprobs":{"content":[{"token":"y","logprob":-0.25},{"token":"é","logprob":-2}]}}]}"#,
                #"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"},{"index":1,"delta":{},"finish_reason":"length"}]}"#,
                "[DONE]",
            ])
        ])
        defer { server.stop() }
        var request = Self.hello
        request.options.samples = 2
        request.options.seed = .max
        request.options.topLogProbabilities = 1
        let response = try await model(server).respond(to: request) { _ in }
        #expect(response.completions.map(\.message.content) == ["yé", "no"])
        #expect(response.completions.map(\.finishReason) == [.stop, .length])
        #expect(response.completions[0].tokens.map(\.byteOffset) == [0, 1])
        #expect(response.completions[1].tokens[0].top == [.init(text: "yes", logProbability: -1)])
        let body = try #require(server.requests.first?.components(separatedBy: "\r\n\r\n").last)
        let json = try JSONValue(parsing: body)
        #expect(json["n"] == 2)
        #expect(json["seed"] == .integer(.max))
        #expect(json["logprobs"] == true)
    }

    @Test(arguments: ["", "ftp://example.org", "127.0.0.1:80", "http://", "http://user:pw@example.org/v1"])
    func refusesABaseURLThatIsNone(_ url: String) {
        #expect(throws: LanguageModelError.self) {
            try OpenAICompatibleModel(.init(baseURL: url, model: "m"))
        }
    }
}

@Suite struct ServerSentEventParserTests {
    @Test func findsTheSameEventsHoweverTheBytesAreCut() throws {
        let stream = Array(
            ": hi\r\ndata: one\r\ndata: two\r\n\r\nevent: x\ndata:{\"a\":\"é\"}\n\ndata\n\rdata: last".utf8)
        for size in 1...stream.count {
            var parser = ServerSentEventParser()
            var events: [String] = []
            for start in stride(from: 0, to: stream.count, by: size) {
                events += try parser.push(stream[start..<min(start + size, stream.count)])
            }
            if let last = parser.finish() { events.append(last) }
            #expect(events == ["one\ntwo", "{\"a\":\"é\"}", "last"], "cut every \(size) bytes")
        }
    }

    @Test func boundsTheLengthOfAnEvent() {
        var parser = ServerSentEventParser()
        parser.eventLimit = 100
        #expect(throws: LanguageModelError.self) {
            for _ in 0..<20 { _ = try parser.push(Array("data: 123456789\n".utf8)) }
        }
    }
}
