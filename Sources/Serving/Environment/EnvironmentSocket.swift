// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import OrderedCollections
import Text

/// One connection of OpenEnv's `/ws`: a pure exchange of messages, whatever carries them.
struct EnvironmentSocket: Sendable {
    let service: ForageService
    let mcp: MCPServer
    /// Who speaks.
    let caller: Caller
    private var session: EnvironmentSession?
    private let mcpSession: String

    init(service: ForageService, mcp: MCPServer, caller: Caller) {
        self.service = service
        self.mcp = mcp
        self.caller = caller
        mcpSession = mcp.sessions.make(.handshake, owner: caller.token)
    }

    /// Ends what the connection began.
    func end() { _ = mcp.sessions.end(mcpSession, owner: caller.token) }

    /// Answers a message; nil ends the connection.
    mutating func answer(_ text: [UInt8]) async throws -> JSONValue? {
        let message: JSONValue
        do {
            message = try JSONValue(
                parsing: text, limits: JSONLimits(depth: service.limits.jsonDepth, bytes: service.limits.bodyBytes))
        } catch {
            return Self.error("INVALID_JSON", "not JSON: \(error)")
        }
        let data = message["data"] ?? .object([:])
        do {
            switch message["type"]?.string {
            case "reset":
                var session = try EnvironmentSession(reset: data, service: service)
                let opening = try await session.opening(service)
                self.session = session
                return ["type": "observation", "data": opening.json]
            case "step":
                guard var session else { return Self.error("SESSION_ERROR", "reset first") }
                let outcome = try await session.step(data, service: service)
                self.session = session
                return ["type": "observation", "data": outcome.json]
            case "state":
                guard let session else { return Self.error("SESSION_ERROR", "reset first") }
                return ["type": "state", "data": session.state]
            case "mcp":
                let reply = try await mcp.handle(
                    data, from: MCPServer.Sender(sessionID: mcpSession, caller: caller, notify: nil))
                return ["type": "mcp", "data": reply.message ?? nil]
            case "close": return nil
            default:
                return Self.error("UNKNOWN_TYPE", "expected reset, step, state, mcp or close")
            }
        } catch let error as ServiceError {
            return Self.error("VALIDATION_ERROR", error.description)
        } catch let error as CancellationError {
            throw error
        } catch {
            return Self.error("EXECUTION_ERROR", "the step failed: \(error)")
        }
    }

    static func error(_ code: String, _ message: String) -> JSONValue {
        ["type": "error", "data": ["message": .string(message), "code": .string(code)]]
    }
}
