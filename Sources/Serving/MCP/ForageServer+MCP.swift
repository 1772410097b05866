// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import HTTPTypes
import Hummingbird
import OrderedCollections
import Text

extension ForageServer {
    /// MCP over streamable HTTP, at `/mcp`. What a caller may list and call there is decided tool by tool.
    var mcpRoutes: [Route] {
        [
            Route(
                method: .post, path: "/mcp", access: .read, summary: "A message of the Model Context Protocol",
                body: .bytes, statuses: [202, 404, 415]
            ) { [self] call in try await postMCP(call) },
            .get("/mcp", .read, "Not offered: there are no messages of the server", statuses: [405]) { _ in
                Self.methodNotAllowed()
            },
            Route(
                method: .delete, path: "/mcp", access: .read, summary: "End a session of the protocol",
                statuses: [404, 405]
            ) { [mcp] call in
                guard let session = call.request.headers[.mcpSessionID] else { return Self.methodNotAllowed() }
                return Response(status: mcp.sessions.end(session, owner: call.caller.token) ? .ok : .notFound)
            },
        ]
    }

    private static func methodNotAllowed() -> Response {
        Response(status: .methodNotAllowed, headers: [.allow: "POST"])
    }

    private func postMCP(_ call: Call) async throws -> Response {
        let request = call.request
        guard request.headers[.contentType]?.lowercased().hasPrefix("application/json") == true else {
            return Self.response(MCPServer.failure(nil, -32600, "the body must be application/json", status: 415))
        }
        let message: JSONValue
        do throws(ServiceError) { message = try Self.json(call.bytes, service.limits) } catch {
            return Self.response(MCPServer.failure(nil, -32700, error.message, status: 400))
        }
        if message["method"]?.string?.hasPrefix("openenv/session/") == true {
            try call.caller.require(Self.socketAccess)
            return Response.json(await environments.answerMCP(message))
        }
        var caller = MCPServer.Sender(sessionID: nil, caller: call.caller, notify: nil)
        let meta = message["params"]?["_meta"]
        let isModern =
            meta?["io.modelcontextprotocol/protocolVersion"] != nil
            || MCPServer.modernVersions.contains(request.headers[.mcpVersion] ?? "")
        if isModern {
            if let disagreement = Self.disagreement(request, message) {
                return Self.response(MCPServer.failure(message["id"], -32020, disagreement, status: 400))
            }
        } else if message["method"]?.string != "initialize" {
            if let refusal = legacyRefusal(call, message) { return refusal }
            caller.sessionID = request.headers[.mcpSessionID]
        }
        let sender = caller
        if message["method"]?.string == "tools/call", message["params"]?["name"]?.string == "ask",
            meta?["progressToken"] != nil, request.headers[.accept]?.contains("text/event-stream") == true
        {
            return streamMCP(message, from: sender, call)
        }
        return Self.response(try await mcp.handle(message, from: sender))
    }

    /// Why a request of the handshake era is refused.
    private func legacyRefusal(_ call: Call, _ message: JSONValue) -> Response? {
        let request = call.request
        if let version = request.headers[.mcpVersion], !MCPServer.legacyVersions.contains(version) {
            return Self.response(
                MCPServer.failure(
                    message["id"], -32022, "this version of the protocol is not spoken here", status: 400,
                    data: [
                        "supported": .array(
                            (MCPServer.modernVersions + MCPServer.legacyVersions).map(JSONValue.string)),
                        "requested": .string(version),
                    ]))
        }
        guard let session = request.headers[.mcpSessionID] else {
            return Self.response(
                MCPServer.failure(
                    message["id"], -32600, "the Mcp-Session-Id header is missing; call initialize first", status: 400))
        }
        guard mcp.sessions.exists(session, owner: call.caller.token) else {
            return Self.response(MCPServer.failure(message["id"], -32001, "there is no such session", status: 404))
        }
        return nil
    }

    /// Answers with a stream: notifications of progress, then the result.
    private func streamMCP(_ message: JSONValue, from caller: MCPServer.Sender, _ call: Call) -> Response {
        EventStreamBody.response(call) { [mcp] write in
            let (notes, continuation) = AsyncStream<JSONValue>.makeStream()
            var caller = caller
            caller.notify = { continuation.yield($0) }
            let sender = caller
            try await withThrowingTaskGroup(of: MCPServer.Reply.self) { group in
                group.addTask {
                    defer { continuation.finish() }
                    return try await mcp.handle(message, from: sender)
                }
                for await note in notes { write(EventStreamBody.event(note.serialized(), name: "message")) }
                if let reply = try await group.next()?.message {
                    write(EventStreamBody.event(reply.serialized(), name: "message"))
                }
            }
        }
    }

    /// Whether the headers say something else than the body; they exist so that proxies need not read it.
    private static func disagreement(_ request: Request, _ message: JSONValue) -> String? {
        let declared = message["params"]?["_meta"]?["io.modelcontextprotocol/protocolVersion"]?.string
        guard request.headers[.mcpVersion] == declared else {
            return "the MCP-Protocol-Version header must be the version in _meta"
        }
        guard let method = message["method"]?.string, request.headers[.mcpMethod] == method else {
            return "the Mcp-Method header must be the method"
        }
        let name: String?
        switch method {
        case "tools/call", "prompts/get": name = message["params"]?["name"]?.string
        case "resources/read": name = message["params"]?["uri"]?.string
        default: return nil
        }
        return request.headers[.mcpName] == name ? nil : "the Mcp-Name header must be the name in params"
    }

    private static func response(_ reply: MCPServer.Reply) -> Response {
        guard let message = reply.message else { return Response(status: .init(code: reply.status)) }
        var response = Response.json(message, status: .init(code: reply.status))
        if let session = reply.newSessionID { response.headers[.mcpSessionID] = session }
        return response
    }
}
