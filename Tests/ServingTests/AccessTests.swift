// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import HTTPTypes
import LanguageModels
import Testing
import Text
import Tools

@testable import Serving

/// A tool that acts outside, as far as anyone can tell.
private struct ActingTool: RetrievalTool {
    let specification = ToolSpecification(name: "act", description: "Acts.", parameters: ["type": "object"])

    func call(_ arguments: JSONValue, in context: ToolContext) async throws -> ToolOutput {
        ToolOutput(text: "acted", summary: "acted")
    }
}

/// Every route, in every spelling that the router takes, with every token: generated from the routes themselves.
@Suite(.serialized) struct AccessTests {
    private static let reader = "reader-secret"
    private static let owner = "owner-secret"

    private static var options: ServerOptions {
        ServerOptions(
            port: 0,
            tokens: [
                AccessToken(secret: reader, scope: .readOnly), AccessToken(secret: owner, scope: .full),
            ])
    }

    private static func prepare(_ service: inout ForageService) {
        if let tools = try? ToolRegistry(service.tools.tools + [ActingTool()]) { service.tools = tools }
    }

    private static func spellings(_ path: String) -> [String] {
        let parts = path.split(separator: "/").map(String.init)
        let doubled = "/" + parts.map { "/" + $0 }.joined()
        return [path, path + "/", "/" + path, path + "?x=1", doubled, path + "//"]
    }

    private static func status(_ port: Int, _ method: String, _ path: String, _ token: String?) async throws -> Int {
        let client = try RawClient(port: port)
        let body = method == "GET" || method == "HEAD" ? "" : "{}"
        let authorization = token.map { "Authorization: Bearer \($0)\r\n" } ?? ""
        client.send(
            "\(method) \(path) HTTP/1.1\r\nHost: localhost\r\n\(authorization)Content-Type: application/json\r\n"
                + "Content-Length: \(body.utf8.count)\r\nConnection: close\r\n\r\n\(body)")
        return await client.status()
    }

    @Test func everyRouteHoldsInEverySpelling() async throws {
        var service = try RunningServer.makeService()
        Self.prepare(&service)
        let routes = ForageServer(service, options: Self.options).routes
        #expect(routes.count > 35)
        let reachedByReaders = Set(routes.filter { $0.access == .read }.map { "\($0.method.rawValue) \($0.path)" })
        // The list of what a read token may do is written down here once more, so that no route slips into it.
        #expect(
            reachedByReaders == [
                "GET /metrics", "GET /openapi.json", "GET /tools", "POST /tools/semantic_search",
                "POST /tools/keyword_search", "POST /tools/filter", "POST /tools/aggregate", "POST /tools/read",
                "POST /tools/{name}", "POST /retrieve", "POST /rerank", "POST /v1/rerank",
                "POST /v2/rerank", "POST /v1/embeddings", "GET /v1/models",
                "GET /v1/models/{id}", "GET /api/passages/{id}", "GET /api/about", "POST /mcp", "GET /mcp",
                "DELETE /mcp", "GET /metadata", "GET /schema",
            ])
        try await RunningServer.with(Self.options, prepare: { Self.prepare(&$0) }) {
            (server: RunningServer) async throws -> Void in
            for route in routes {
                let path = route.path.replacing("{id}", with: "x").replacing("{name}", with: "x")
                    .replacing("{kind}", with: "x")
                for spelling in Self.spellings(path) {
                    let place = "\(route.method.rawValue) \(spelling)"
                    let none = try await Self.status(server.port, route.method.rawValue, spelling, nil)
                    let read = try await Self.status(server.port, route.method.rawValue, spelling, Self.reader)
                    #expect(none == 401 || route.access == .open, "\(place) without a token: \(none)")
                    #expect((read == 403) == (route.access == .full), "\(place) with a read token: \(read)")
                    #expect(![0, 401, 500].contains(read), "\(place) with a read token: \(read)")
                }
                let full = try await Self.status(server.port, route.method.rawValue, path, Self.owner)
                #expect(![0, 401, 403, 500].contains(full), "\(route.path) with a full token: \(full)")
                // Other methods tell nothing to those who may not come near.
                if route.access == .full {
                    #expect(try await Self.status(server.port, "PATCH", path, nil) == 401)
                }
            }
            #expect(try await Self.status(server.port, "GET", "/no/such/path", nil) == 401)
            #expect(try await Self.status(server.port, "GET", "/no/such/path", Self.reader) == 404)
        }
    }

    @Test func aReadTokenReachesNoActingToolByMCP() async throws {
        try await RunningServer.with(Self.options, prepare: { Self.prepare(&$0) }) {
            (server: RunningServer) async throws -> Void in
            func send(_ token: String, _ message: String, _ session: String? = nil) async throws -> RunningServer.Answer
            {
                try await server.post(
                    "/mcp", message,
                    headers: [("Authorization", "Bearer \(token)")] + (session.map { [("Mcp-Session-Id", $0)] } ?? []))
            }
            func begin(_ token: String) async throws -> String {
                let hello = #"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}"#
                return try #require(try await send(token, hello).headers["mcp-session-id"])
            }
            let list = #"{"jsonrpc":"2.0","id":2,"method":"tools/list"}"#
            let act = #"{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"act","arguments":{}}}"#
            let ask =
                #"{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"ask","arguments":{"question":"x"}}}"#
            let read = try await begin(Self.reader)
            let names = try await send(Self.reader, list, read).json["result"]?["tools"]?.array?
                .compactMap { $0["name"]?.string }
            #expect(names == ["semantic_search", "keyword_search", "filter", "aggregate", "read"])
            #expect(try await send(Self.reader, act, read).json["error"]?["code"] == -32602)
            #expect(try await send(Self.reader, ask, read).json["error"]?["code"] == -32602)
            let full = try await begin(Self.owner)
            #expect(try await send(Self.owner, act, full).json["result"]?["isError"] == false)
            // A session is its token's alone.
            #expect(try await send(Self.reader, list, full).status == 404)
            // OpenEnv's messages are no way round.
            let create = #"{"jsonrpc":"2.0","id":4,"method":"openenv/session/create","params":{}}"#
            #expect(try await send(Self.reader, create, read).status == 403)
        }
    }

    @Test func readersSeeSessionsOnlyWhereTheOperatorSaysSo() async throws {
        var options = Self.options
        options.readersSeeSessions = true
        try await RunningServer.with(options) { (server: RunningServer) async throws -> Void in
            #expect(try await Self.status(server.port, "GET", "/api/sessions", Self.reader) == 200)
            #expect(try await Self.status(server.port, "DELETE", "/api/sessions/x", Self.reader) == 403)
        }
    }

    @Test func theDocumentTellsWhatTheRoutesNeed() async throws {
        try await RunningServer.with { (server: RunningServer) async throws -> Void in
            let paths = try await server.send("GET", "/openapi.json").json["paths"]
            #expect(paths?["/v1/chat/completions"]?["post"]?["x-access"] == "full")
            #expect(paths?["/retrieve"]?["post"]?["x-access"] == "read")
            #expect(paths?["/health"]?["get"]?["security"] == nil)
            #expect(paths?["/api/sessions/{id}"]?["delete"]?["parameters"]?[0]?["name"] == "id")
        }
    }
}
