// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import Serving
import Testing
import Text

@Suite(.serialized) struct HTTPBasicsTests {
    @Test func runsArePagesOfTheirFolderAlone() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(
            path: "forage-runs-\(UInt64.random(in: 0 ... .max))")
        defer { try? FileManager.default.removeItem(at: folder) }
        for (name, file) in [("first", "report.html"), ("second", "curves.html")] {
            let place = folder.appending(path: name)
            try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
            try Data("<p>page of \(name)</p>".utf8).write(to: place.appending(path: file))
        }
        try Data("secret".utf8).write(to: folder.appending(path: "report.html"))
        try await RunningServer.with(prepare: { $0.runsFolder = folder.path }) {
            (server: RunningServer) async throws -> Void in
            let runs = try await server.send("GET", "/api/runs").json["runs"]?.array ?? []
            #expect(Set(runs.compactMap { $0["kind"]?.string }) == ["evaluation", "training"])
            let page = try await server.send("GET", "/runs/evaluation/first")
            #expect(page.status == 200 && page.text == "<p>page of first</p>")
            #expect(page.headers["content-security-policy"]?.contains("sandbox") == true)
            for path in ["/runs/evaluation/second", "/runs/evaluation/..", "/runs/evaluation/%2e%2e", "/runs/x/first"] {
                #expect(try await server.send("GET", path).status == 404, "\(path)")
            }
        }
    }

    @Test func healthMetricsAndPage() async throws {
        try await RunningServer.with { (server: RunningServer) async throws -> Void in
            #expect(try await server.send("GET", "/health").json["status"] == "healthy")
            #expect(try await server.send("GET", "/ready").json["ready"] == true)
            _ = try await server.post("/retrieve", #"{"queries":["radio","x"]}"#)
            let metrics = try await server.send("GET", "/metrics").text
            #expect(metrics.contains(#"forage_http_requests_total{route="/retrieve",status="200"} 1"#))
            #expect(metrics.contains("forage_queries_total 2"))
            let page = try await server.send("GET", "/")
            #expect(page.headers["content-security-policy"]?.contains("default-src 'none'") == true)
            for path in ["/page.css", "/page.js"] { #expect(page.text.contains(path)) }
            // Nothing comes from anywhere else.
            #expect(!page.text.contains("http://") && !page.text.contains("https://"))
            let id = try await server.send("GET", "/health", headers: [("X-Request-Id", "abc")]).headers["x-request-id"]
            #expect(id == "abc")
            #expect(try await server.send("GET", "/nowhere").status == 404)
            for (method, path, allowed) in [
                ("GET", "/retrieve", "POST"), ("TRACE", "/tools/x", "POST"), ("PUT", "/", "GET"),
                ("QUERY", "/health", "GET"),
            ] {
                let refused = try await server.send(method, path)
                #expect(refused.status == 405 && refused.headers["allow"] == allowed, "\(method) \(path)")
            }
            #expect(try await server.send("HEAD", "/health").status == 200)
        }
    }

    @Test func toolsOverREST() async throws {
        try await RunningServer.with { (server: RunningServer) async throws -> Void in
            let names = try await server.send("GET", "/tools").json["tools"]?.array?.compactMap { $0["name"]?.string }
            #expect(names?.first == "semantic_search")
            let first = try await server.post("/tools/keyword_search", #"{"arguments":{"query":"magazine"}}"#).json
            #expect(first["is_error"] == false)
            let set = try #require(first["result_set"])
            let body: JSONValue = ["arguments": ["query": "first", "within": "r1"], "result_sets": [set]]
            let second = try await server.post("/tools/keyword_search", body.serialized()).json
            #expect(second["passages"]?[0]?["id"] == "first")
            #expect(try await server.post("/tools/nope", "{}").status == 404)
            for body in ["{}", #"{"arguments":{"query":""}}"#, #"{"arguments":{"query":"x","nope":1}}"#] {
                #expect(try await server.post("/tools/keyword_search", body).status == 422)
            }
        }
    }

    @Test func embeddings() async throws {
        try await RunningServer.with { (server: RunningServer) async throws -> Void in
            let answer = try await server.post("/v1/embeddings", #"{"model":"trigrams","input":["a b","c"]}"#).json
            #expect(answer["data"]?.array?.count == 2)
            #expect(answer["data"]?[1]?["embedding"]?.array?.count == 256)
            let packed = try await server.post(
                "/v1/embeddings", #"{"model":"trigrams","input":"a b","encoding_format":"base64"}"#
            ).json
            #expect(packed["data"]?[0]?["embedding"]?.string?.count == 1368)
            #expect(try await server.post("/v1/embeddings", #"{"model":"other","input":"a"}"#).status == 404)
        }
    }

    @Test func tokensOverHTTP() async throws {
        let options = ServerOptions(port: 0, tokens: [AccessToken(secret: "s3cret", scope: .full)])
        try await RunningServer.with(options) { (server: RunningServer) async throws -> Void in
            let body = #"{"queries":["radio"]}"#
            #expect(try await server.post("/retrieve", body).status == 401)
            #expect(try await server.post("/retrieve?api_key=s3cret", body).status == 401)
            #expect(
                try await server.post("/retrieve", body, headers: [("Authorization", "Bearer s3cret")]).status == 200)
            #expect(try await server.send("GET", "/health").status == 200)
            let foreign = [("Authorization", "Bearer s3cret"), ("Origin", "http://evil.example")]
            #expect(try await server.post("/retrieve", body, headers: foreign).status == 403)
            #expect(try await server.send("GET", "/health", headers: [("Host", "evil.example")]).status == 421)
        }
    }

    @Test func tooManyRequestsAreRefused() async throws {
        var options = ServerOptions(port: 0)
        options.limits.agentSessions = 0
        try await RunningServer.with(options) { (server: RunningServer) async throws -> Void in
            let answer = try await server.post(
                "/v1/chat/completions", #"{"model":"hops","messages":[{"role":"user","content":"x"}]}"#)
            #expect(answer.status == 429)
            #expect(answer.headers["retry-after"] == "5")
        }
    }
}
