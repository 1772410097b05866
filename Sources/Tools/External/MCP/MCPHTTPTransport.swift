// SPDX-License-Identifier: Apache-2.0

import Base
import Encoders
import Foundation
import LanguageModels
import Net
import Synchronization
import Text

/// MCP over streamable HTTP. The address is the user's own, so it may be private; redirects are not followed.
final class MCPHTTPTransport: MCPTransport {
    private let url: String
    private let fixedHeaders: [(name: String, value: String)]
    private let sessionID = Mutex<String?>(nil)

    init(url: String, headers: [(name: String, value: String)]) {
        self.url = url
        fixedHeaders = headers
    }

    func request(
        _ message: JSONValue, id: Int, headers: [(name: String, value: String)], seconds: Double
    ) async throws -> JSONValue {
        let response = try await post(message, headers: headers, seconds: seconds)
        if let session = response.headers["mcp-session-id"] { sessionID.withLock { $0 = session } }
        if response.status == 404, sessionID.withLock({ $0 != nil }) { throw MCPSessionLost() }
        let messages: [JSONValue]
        do {
            messages = try Self.messages(of: response)
        } catch {
            guard (200..<300).contains(response.status) else {
                throw ToolError(.failed, "the MCP server answered with status \(response.status)")
            }
            throw ToolError(.failed, "the MCP server's answer cannot be read: \(error)")
        }
        // A refusal may lack the id.
        if let answer = messages.first(where: { $0["id"]?.int == id && $0["method"] == nil })
            ?? messages.first(where: { $0["error"] != nil })
        {
            return answer
        }
        throw ToolError(.failed, "the MCP server gave no answer to request \(id) (status \(response.status))")
    }

    func notify(_ message: JSONValue, headers: [(name: String, value: String)]) async throws {
        _ = try await post(message, headers: headers, seconds: 10)
    }

    func reset() { sessionID.withLock { $0 = nil } }

    private func post(
        _ message: JSONValue, headers: [(name: String, value: String)], seconds: Double
    ) async throws -> HTTPResponse {
        var all = fixedHeaders + headers
        all.append((name: "Content-Type", value: "application/json"))
        all.append((name: "Accept", value: "application/json, text/event-stream"))
        if let session = sessionID.withLock({ $0 }) { all.append((name: "MCP-Session-Id", value: session)) }
        do {
            return try await HTTPClient.shared.send(
                HTTPRequest(
                    method: "POST", url: url, headers: all, body: Array(message.serialized().utf8), timeout: seconds,
                    maxResponseBytes: 16 << 20))
        } catch let error as HTTPError {
            if case .timedOut = error { throw ToolError(.timedOut, error.description) }
            throw ToolError(.failed, error.description)
        }
    }

    private static func messages(of response: HTTPResponse) throws -> [JSONValue] {
        guard response.headers["content-type"]?.lowercased().hasPrefix("text/event-stream") == true else {
            return [try JSONValue(parsing: response.body, limits: .served)]
        }
        var parser = ServerSentEventParser()
        var events = try parser.push(response.body)
        if let last = parser.finish() { events.append(last) }
        return try events.filter { !$0.isEmpty }.map { try JSONValue(parsing: $0, limits: .served) }
    }
}
