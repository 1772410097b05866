// SPDX-License-Identifier: Apache-2.0

import Agent
import Base
import Corpus
import Foundation
import Search
import Serving
import Testing
import Text
import Tools

@Suite(.serialized) struct AgentAndMCPTests {
    private let question = #""messages":[{"role":"user","content":"Which magazine was started first?"}]"#

    @Test func theAgentIsAModel() async throws {
        let question = question
        try await RunningServer.with { (server: RunningServer) async throws -> Void in
            let models = try await server.send("GET", "/v1/models").json["data"]?.array?.compactMap { $0["id"]?.string }
            #expect(models == ["hops", "trigrams"])
            let whole = try await server.post("/v1/chat/completions", #"{"model":"hops",\#(question)}"#)
            #expect(whole.status == 200, "\(whole.text)")
            let message = whole.json["choices"]?[0]?["message"]
            #expect(message?["content"]?.string?.isEmpty == false)
            #expect(message?["reasoning_content"]?.string?.contains("Calling keyword_search") == true)
            #expect(whole.json["usage"]?["total_tokens"] == 0)
            #expect(whole.json["x_run"]?["citations"]?.array?.isEmpty == false)

            let stream = try await server.post("/v1/chat/completions", #"{"model":"hops","stream":true,\#(question)}"#)
            #expect(stream.headers["content-type"]?.hasPrefix("text/event-stream") == true)
            #expect(stream.text.hasSuffix("data: [DONE]\n\n"))
            let chunks = stream.text.components(separatedBy: "\n\n").filter { $0.hasPrefix("data: {") }
                .compactMap { try? JSONValue(parsing: String($0.dropFirst(6))) }
            let content = chunks.compactMap { $0["choices"]?[0]?["delta"]?["content"]?.string }.joined()
            #expect(content == message?["content"]?.string)
            #expect(chunks.last?["choices"]?[0]?["finish_reason"] == "stop")
        }
    }

    /// A learned policy belongs to one corpus: each corpus has its own list, and another's is not taken for it.
    @Test func corporaHaveTheirOwnPolicies() async throws {
        let other = try InMemoryCorpus(name: "other", documents: [Document(id: "a", title: "A", text: "A lantern.")])
        let single = try PolicyFile.find("single-shot", in: []).strategy()
        let prepare = { (service: inout ForageService) in
            service.corpora.append((name: "other", corpus: other))
            service.corpusStrategies = ["other": [single]]
        }
        var service = try RunningServer.makeService()
        prepare(&service)
        #expect(service.strategies(over: "other").map(\.name) == ["single-shot"])
        #expect(service.strategies(over: nil).map(\.name) == ["hops"])
        try await RunningServer.with(prepare: prepare) { (server: RunningServer) async throws -> Void in
            let corpora = try await server.send("GET", "/api/about").json["corpora"]
            let models = try await server.send("GET", "/v1/models").json["data"]?.array?.compactMap { $0["id"]?.string }
            #expect(models == ["hops", "hops@magazines", "single-shot@other", "trigrams"])
            #expect(corpora?[0]?["policies"] == ["hops"] && corpora?[1]?["policies"] == ["single-shot"])
            let body = #"{"question":"What is A?","corpus":"other","policy":"hops"}"#
            #expect(try await server.post("/api/sessions", body).status == 404)
        }
    }

    @Test(arguments: [
        (#"{"model":"nope","messages":[{"role":"user","content":"x"}]}"#, 404),
        (#"{"messages":[{"role":"user","content":"x"}]}"#, 400), (#"{"model":"hops","messages":[]}"#, 400),
        (#"{"model":"hops","messages":[{"role":"user","content":"x"}],"n":2}"#, 400),
        (#"{"model":"hops","messages":[{"role":"user","content":"x"}],"logprobs":true}"#, 400), ("{", 422),
    ])
    func refusalsAreOpenAIErrors(body: String, status: Int) async throws {
        try await RunningServer.with { (server: RunningServer) async throws -> Void in
            let answer = try await server.post("/v1/chat/completions", body)
            #expect(answer.status == status)
            #expect(answer.json["error"]?["message"]?.string?.isEmpty == false)
        }
    }

    @Test func sessionsAreKeptAndStreamed() async throws {
        try await RunningServer.with { (server: RunningServer) async throws -> Void in
            let id = try #require(
                try await server.post("/api/sessions", #"{"question":"Which magazine was started first?"}"#)
                    .json["id"]?.string)
            let events = try await server.send("GET", "/api/sessions/\(id)/events").text
            #expect(events.contains(#""event":"answered""#))
            #expect(events.hasSuffix("event: end\ndata: {}\n\n"))
            let list = try await server.send("GET", "/api/sessions").json
            #expect(list["sessions"]?[0]?["id"] == .string(id))
            #expect(try await server.send("DELETE", "/api/sessions/\(id)").status == 200)
            #expect(try await server.send("GET", "/api/sessions/\(id)").status == 404)
        }
    }

    @Test func theHandshakeEra() async throws {
        try await RunningServer.with { (server: RunningServer) async throws -> Void in
            let accept = ("Accept", "application/json, text/event-stream")
            let hello = try await server.post(
                "/mcp",
                #"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}"#,
                headers: [accept])
            #expect(hello.json["result"]?["protocolVersion"] == "2025-06-18")
            let session = try #require(hello.headers["mcp-session-id"])
            let headers = [accept, ("Mcp-Session-Id", session), ("MCP-Protocol-Version", "2025-06-18")]
            let note = try await server.post(
                "/mcp", #"{"jsonrpc":"2.0","method":"notifications/initialized"}"#, headers: headers)
            #expect(note.status == 202)
            let tools = try await server.post(
                "/mcp", #"{"jsonrpc":"2.0","id":2,"method":"tools/list"}"#, headers: headers)
            #expect(
                tools.json["result"]?["tools"]?.array?.compactMap { $0["name"]?.string }.contains("keyword_search")
                    == true)
            func call(_ tool: String, _ arguments: String) async throws -> JSONValue {
                try await server.post(
                    "/mcp",
                    #"{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"\#(tool)","arguments":\#(arguments)}}"#,
                    headers: headers
                ).json["result"] ?? nil
            }
            let first = try await call("keyword_search", #"{"query":"magazine"}"#)
            #expect(first["structuredContent"]?["handle"] == "r1")
            let second = try await call("keyword_search", #"{"query":"first started","within":"r1"}"#)
            #expect(second["structuredContent"]?["passages"]?[0]?["id"] == "first")
            let evil = try await call("keyword_search", #"{"query":"radio"}"#)
            #expect(evil["content"]?[0]?["text"]?.string?.contains("<answer>") == false)
            let wrong = try await call("keyword_search", #"{"nothing":"x"}"#)
            #expect(wrong["isError"] == true)
            let mended = try await call("functions.keyword_search", #"{"quer":"magazine","limit":"2","within":null}"#)
            #expect(mended["isError"] == false, "a call is read as it was meant")
            #expect(
                try await server.post("/mcp", #"{"jsonrpc":"2.0","id":2,"method":"tools/list"}"#, headers: [accept])
                    .status == 400)
            #expect(
                try await server.post(
                    "/mcp", #"{"jsonrpc":"2.0","id":2,"method":"tools/list"}"#,
                    headers: [accept, ("Mcp-Session-Id", "dead")]
                ).status == 404)
            #expect(try await server.send("DELETE", "/mcp", headers: [("Mcp-Session-Id", session)]).status == 200)
            #expect(try await server.send("GET", "/mcp").status == 405)
        }
    }

    private static func modern(_ id: Int, _ method: String, _ parameters: String = "") -> String {
        #"{"jsonrpc":"2.0","id":\#(id),"method":"\#(method)","params":{\#(parameters)"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"t","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}}}"#
    }

    @Test func theStatelessEra() async throws {
        try await RunningServer.with { (server: RunningServer) async throws -> Void in
            func headers(_ method: String, _ name: String? = nil, version: String = "2026-07-28") -> [(String, String)]
            {
                [("MCP-Protocol-Version", version), ("Mcp-Method", method)] + (name.map { [("Mcp-Name", $0)] } ?? [])
            }
            let discovered = try await server.post(
                "/mcp", Self.modern(1, "server/discover"), headers: headers("server/discover"))
            #expect(discovered.json["result"]?["supportedVersions"]?[0] == "2026-07-28")
            #expect(discovered.json["result"]?["resultType"] == "complete")
            // These results must say for how long and for whom they hold; a call's must not.
            for method in ["server/discover", "tools/list", "resources/list", "resources/templates/list"] {
                let answer = try await server.post("/mcp", Self.modern(9, method), headers: headers(method))
                let result = answer.json["result"]
                #expect((result?["ttlMs"]?.int ?? 0) > 0 && result?["cacheScope"]?.string != nil, "\(method)")
            }
            let uri = "forage://passage/first"
            let passage = try await server.post(
                "/mcp", Self.modern(9, "resources/read", #""uri":"\#(uri)","#), headers: headers("resources/read", uri))
            #expect(passage.json["result"]?["cacheScope"] == "private", "\(passage.text)")
            let call = Self.modern(2, "tools/call", #""name":"keyword_search","arguments":{"query":"magazine"},"#)
            let first = try await server.post("/mcp", call, headers: headers("tools/call", "keyword_search"))
            let session = try #require(first.json["result"]?["structuredContent"]?["session"]?.string)
            let within = Self.modern(
                3, "tools/call",
                #""name":"keyword_search","arguments":{"query":"first","within":"r1","session":"\#(session)"},"#)
            let second = try await server.post("/mcp", within, headers: headers("tools/call", "keyword_search"))
            #expect(second.json["result"]?["structuredContent"]?["passages"]?[0]?["id"] == "first")

            let wrongName = try await server.post("/mcp", call, headers: headers("tools/call", "read"))
            #expect(wrongName.status == 400)
            #expect(wrongName.json["error"]?["code"] == -32020)
            let wrongMethod = try await server.post("/mcp", call, headers: headers("tools/list", "keyword_search"))
            #expect(wrongMethod.json["error"]?["code"] == -32020)
            let future = call.replacing("2026-07-28", with: "2099-01-01")
            let version = try await server.post(
                "/mcp", future, headers: headers("tools/call", "keyword_search", version: "2099-01-01"))
            #expect(version.status == 400)
            #expect(version.json["error"]?["code"] == -32022)
            let unknown = try await server.post("/mcp", Self.modern(4, "no/such"), headers: headers("no/such"))
            #expect(unknown.status == 404)
            #expect(unknown.json["error"]?["code"] == -32601)
        }
    }
}
