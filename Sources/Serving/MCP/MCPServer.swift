// SPDX-License-Identifier: Apache-2.0

import Agent
import Base
import Corpus
import Foundation
import OrderedCollections
import Text
import Tools

/// Speaks the Model Context Protocol about a service, whatever carries the messages: both eras, the handshake up to
/// 2025-11-25 and the stateless protocol of 2026-07-28.
struct MCPServer: Sendable {
    static let modernVersions = ["2026-07-28"]
    static let legacyVersions = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"]

    let service: ForageService
    /// Where `ask` runs: within the bound on sessions, and ended with them.
    let agents: AgentRuns
    let sessions = MCPSessions()
    /// The most messages of a batch.
    static let mostMessages = 64

    /// Who sends a message.
    struct Sender: Sendable {
        /// The session of a handshake, or of a program's standard input; nil without one.
        var sessionID: String?
        /// What may be listed and called.
        var caller: Caller
        /// Sends a notification while a request is worked on; nil when the transport cannot.
        var notify: (@Sendable (JSONValue) -> Void)?
    }

    /// The answer to a message, with the status that HTTP gives it.
    struct Reply: Sendable {
        /// Nil for a notification.
        var message: JSONValue?
        var status = 200
        /// The session that a handshake began.
        var newSessionID: String?
    }

    /// Answers a message, or the messages of a batch in their order, as clients of the handshake's first versions send.
    func handle(_ message: JSONValue, from sender: Sender) async throws -> Reply {
        await service.refresh()
        guard let messages = message.array else { return try await handleOne(message, from: sender) }
        guard sender.sessionID != nil, (1...Self.mostMessages).contains(messages.count) else {
            return Self.failure(
                nil, -32600, "a batch has 1 to \(Self.mostMessages) messages, in a session that initialize began",
                status: 400)
        }
        var replies: [JSONValue] = []
        for message in messages {
            let reply =
                message["method"]?.string == "initialize"
                ? Self.failure(message["id"], -32600, "initialize stands alone")
                : try await handleOne(message, from: sender)
            if let reply = reply.message { replies.append(reply) }
        }
        return replies.isEmpty ? Reply(message: nil, status: 202) : Reply(message: .array(replies))
    }

    private func handleOne(_ message: JSONValue, from caller: Sender) async throws -> Reply {
        guard let members = message.object, members["jsonrpc"]?.string == "2.0" else {
            return Self.failure(nil, -32600, "expected a JSON-RPC 2.0 message", status: 400)
        }
        // Without a method it answers a request of ours: there are none.
        guard let method = members["method"]?.string else { return Reply(message: nil, status: 202) }
        guard let id = members["id"] else {
            if method == "notifications/cancelled", let request = members["params"]?["requestId"] {
                sessions.cancel(request, in: caller.sessionID)
            }
            return Reply(message: nil, status: 202)
        }
        guard id.string != nil || id.int != nil else {
            return Self.failure(nil, -32600, "\"id\" must be a string or a whole number", status: 400)
        }
        var parameters = members["params"] ?? .object([:])
        // Several clients write "nothing" as null or as an empty list.
        if parameters.isNull || parameters.array?.isEmpty == true { parameters = .object([:]) }
        guard parameters.object != nil else {
            return Self.failure(id, -32602, "\"params\" must be an object", status: 400)
        }
        let declared = parameters["_meta"]?["io.modelcontextprotocol/protocolVersion"]?.string
        if let declared, !Self.modernVersions.contains(declared) {
            return Self.failure(
                id, -32022, "this version of the protocol is not spoken here", status: 400,
                data: ["supported": Self.supported, "requested": .string(declared)])
        }
        do {
            return try await answer(method, parameters, id: id, isModern: declared != nil, caller)
        } catch let error as MCPFailure {
            let status = declared != nil && error.code == -32601 ? 404 : 200
            return Self.failure(id, error.code, error.message, status: status)
        } catch let error as ServiceError {
            return Self.failure(id, -32602, error.description)
        } catch let error as JSONError {
            return Self.failure(id, -32602, error.description)
        } catch let error as CancellationError {
            throw error
        } catch {
            return Self.failure(id, -32603, "the request failed: \(error)")
        }
    }

    private func answer(
        _ method: String, _ parameters: JSONValue, id: JSONValue, isModern: Bool, _ caller: Sender
    ) async throws -> Reply {
        var result: JSONObject
        switch method {
        case "initialize" where !isModern: return initialize(parameters, id: id, caller)
        case "ping" where !isModern: result = [:]
        case "server/discover" where isModern:
            result = [
                "supportedVersions": Self.supported, "capabilities": Self.capabilities,
                "instructions": .string(instructions),
                "_meta": ["io.modelcontextprotocol/serverInfo": serverInfo],
            ]
        case "tools/list":
            result = ["tools": .array(toolList(for: caller.caller))]
        case "tools/call":
            result = try await sessions.tracking(id, in: caller.sessionID) {
                try await callTool(parameters, caller)
            }
        case "resources/list": result = ["resources": []]
        case "resources/templates/list":
            result = [
                "resourceTemplates": [
                    [
                        "uriTemplate": "forage://passage/{id}", "name": "passage", "mimeType": "text/plain",
                        "description": "A passage or a document by the id that search results show.",
                    ]
                ]
            ]
        case "resources/read": result = try await readResource(parameters)
        default: throw MCPFailure(code: -32601, message: "there is no method \"\(method.prefix(100))\"")
        }
        if isModern {
            result["resultType"] = "complete"
            if let seconds = Self.cacheSeconds[method] {
                result["ttlMs"] = .integer(seconds * 1000)
                // What a caller sees depends on its token, but for what the server is.
                result["cacheScope"] = method == "server/discover" ? "public" : "private"
            }
        }
        return Reply(message: ["jsonrpc": "2.0", "id": id, "result": .object(result)])
    }

    private func initialize(_ parameters: JSONValue, id: JSONValue, _ sender: Sender) -> Reply {
        let wanted = parameters["protocolVersion"]?.string ?? ""
        let version = Self.legacyVersions.contains(wanted) ? wanted : Self.legacyVersions[0]
        let result: JSONValue = [
            "protocolVersion": .string(version), "capabilities": Self.capabilities, "serverInfo": serverInfo,
            "instructions": .string(instructions),
        ]
        // A program at standard input has its session already.
        let session = sender.sessionID ?? sessions.make(.handshake, owner: sender.caller.token)
        sessions.agree(on: version, in: session)
        return Reply(message: ["jsonrpc": "2.0", "id": id, "result": result], newSessionID: session)
    }

    /// How long clients may keep the results of the methods that have to say so.
    private static let cacheSeconds = [
        "server/discover": 3600, "tools/list": 300, "resources/list": 300, "resources/templates/list": 300,
        "resources/read": 300,
    ]
    private static let supported = JSONValue.array((modernVersions + legacyVersions).map(JSONValue.string))
    private static let capabilities: JSONValue = ["tools": .object([:]), "resources": .object([:])]
    private var serverInfo: JSONValue { ["name": "forage", "version": .string(service.version)] }

    private var instructions: String {
        let counts = service.corpora.map { name, corpus in
            "\(corpus.summary.documentCount) documents" + (service.corpora.count > 1 ? " in \(name)" : "")
        }
        let which =
            service.corpora.count > 1
            ? " A tool's \"corpus\" says which is searched; without it \(service.corpora[0].name) is." : ""
        return """
            Search and read a corpus of \(counts.joined(separator: ", ")).\(which) Results have handles (r1, r2 …) that \
            later calls of the same session over the same corpus can search within. Cite passages by the ids in \
            brackets. \(Fence.note)
            """
    }

    /// A failure of the protocol.
    static func failure(
        _ id: JSONValue?, _ code: Int, _ message: String, status: Int = 200, data: JSONValue? = nil
    ) -> Reply {
        var error: JSONObject = ["code": .integer(code), "message": .string(message)]
        if let data { error["data"] = data }
        return Reply(message: ["jsonrpc": "2.0", "id": id ?? nil, "error": .object(error)], status: status)
    }
}

/// A failure with a code of JSON-RPC.
struct MCPFailure: Error {
    var code: Int
    var message: String
}
