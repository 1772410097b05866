// SPDX-License-Identifier: Apache-2.0

public import Base
import Foundation
public import OrderedCollections
import Synchronization
import Text

/// How an MCP server is reached (`runs: mcp:` of a manifest).
public struct MCPServerOptions: Sendable, Hashable {
    /// How its messages travel.
    public enum Transport: Sendable, Hashable {
        /// A program that is started with these arguments and speaks on its standard input and output.
        case program(command: [String], environment: [String], directory: String?)
        /// An address; header values may name environment variables as `${NAME}`.
        case http(url: String, headers: OrderedDictionary<String, String>)
    }

    public var transport: Transport
    /// The server's tools that are offered, in this order; nil for all.
    public var tools: [String]?
    /// What stands before the tools' names; nil for the manifest's name and an underscore.
    public var prefix: String?
    /// The longest call, in seconds; nil for the limit of the session.
    public var seconds: Double?

    public init(transport: Transport, tools: [String]? = nil, prefix: String? = nil, seconds: Double? = nil) {
        self.transport = transport
        self.tools = tools
        self.prefix = prefix
        self.seconds = seconds
    }

    init(_ value: JSONValue) throws {
        let reader = try OptionReader(
            value, place: "runs.mcp",
            allowed: ["command", "environment", "directory", "url", "headers", "tools", "prefix", "seconds"])
        switch (try reader.strings("command"), try reader.string("url")) {
        case (let command?, nil) where !command.isEmpty:
            transport = .program(
                command: command, environment: try reader.strings("environment") ?? [],
                directory: try reader.string("directory"))
        case (nil, let url?):
            guard HTTPAddress(url) != nil else {
                throw ToolManifestError("runs.mcp.url: expected an http or https address, found \"\(url)\"")
            }
            var headers: OrderedDictionary<String, String> = [:]
            for (name, member) in value["headers"]?.object ?? [:] {
                headers[name] = member.string ?? member.description
            }
            transport = .http(url: url, headers: headers)
        default: throw ToolManifestError("runs.mcp: expected either command: (a list) or url:")
        }
        tools = try reader.strings("tools")
        prefix = try reader.string("prefix")
        seconds = try reader.number("seconds", in: 0.1...3600)
    }
}

/// Carries JSON-RPC messages to an MCP server and back.
protocol MCPTransport: Sendable {
    /// Sends a request and returns the response with its id.
    func request(_ message: JSONValue, id: Int, headers: [(name: String, value: String)], seconds: Double) async throws
        -> JSONValue
    /// Sends a notification.
    func notify(_ message: JSONValue, headers: [(name: String, value: String)]) async throws
    /// Forgets the server's session, so that a new handshake can be made.
    func reset()
}

/// A client of one MCP server, of either era of the protocol: the stateless one (2026-07-28) is tried first, and a
/// server that does not know it gets the handshake of the earlier ones.
public final class MCPClient: Sendable {
    /// The versions that are spoken, newest first.
    public static let modernVersion = "2026-07-28"
    public static let legacyVersion = "2025-11-25"

    /// A tool as the server describes it.
    public struct Tool: Sendable, Hashable {
        public var name: String
        public var description: String
        public var inputSchema: JSONValue
    }

    private enum Era: Sendable {
        case modern
        case legacy(version: String)
    }

    private struct State {
        var era: Era?
        var nextID = 1
    }

    private let transport: any MCPTransport
    private let state = Mutex(State())

    /// Reaches a server; nothing is sent before the first call.
    /// - Throws: `ToolError` when its program cannot be started or an environment variable is not set.
    public init(_ options: MCPServerOptions) throws {
        let environment = ProcessInfo.processInfo.environment
        switch options.transport {
        case .program(let command, let passing, let directory):
            transport = try MCPStdioTransport(
                ChildProcess(
                    command: command, environment: ChildProcess.environment(passing: passing, from: environment),
                    directory: directory))
        case .http(let url, let headers):
            transport = MCPHTTPTransport(
                url: url,
                headers: try headers.map { ($0.key, try substitutingEnvironment(in: $0.value, environment)) })
        }
    }

    /// The server's tools, in its order.
    /// - Throws: `ToolError`, `CancellationError`.
    public func listTools(seconds: Double = 30) async throws -> [Tool] {
        var tools: [Tool] = []
        var cursor: JSONValue?
        for _ in 0..<50 {
            let result = try await call("tools/list", cursor.map { ["cursor": $0] } ?? [:], name: nil, seconds: seconds)
            for tool in result["tools"]?.array ?? [] {
                guard let name = tool["name"]?.string else { continue }
                tools.append(
                    Tool(
                        name: name, description: tool["description"]?.string ?? "",
                        inputSchema: tool["inputSchema"] ?? ["type": "object"]))
            }
            cursor = result["nextCursor"]
            guard let cursor, !cursor.isNull, tools.count < 1000 else { break }
        }
        return tools
    }

    /// Calls a tool.
    /// - Returns: its text, and whether the server calls it a failure.
    /// - Throws: `ToolError`, `CancellationError`.
    public func callTool(
        _ name: String, _ arguments: JSONValue, seconds: Double = 30
    ) async throws -> (text: String, isError: Bool) {
        let result = try await call(
            "tools/call", ["name": .string(name), "arguments": arguments], name: name, seconds: seconds)
        if result["resultType"]?.string == "input_required" {
            throw ToolError(.failed, "the server wants input that an agent cannot give")
        }
        var parts: [String] = []
        for block in result["content"]?.array ?? [] {
            if let text = block["text"]?.string ?? block["resource"]?["text"]?.string {
                parts.append(text)
            } else {
                parts.append("[\(block["type"]?.string ?? "content") that is no text]")
            }
        }
        if parts.isEmpty, let structured = result["structuredContent"] { parts.append(structured.serialized()) }
        return (parts.joined(separator: "\n"), result["isError"]?.bool ?? false)
    }

    /// Sends a request in the era of the server, which the first call finds out.
    private func call(_ method: String, _ parameters: JSONObject, name: String?, seconds: Double) async throws
        -> JSONValue
    {
        let era = try await negotiate(seconds: seconds)
        do {
            return try await send(method, parameters, era: era, name: name, seconds: seconds)
        } catch is MCPSessionLost {
            state.withLock { $0.era = nil }
            transport.reset()
            return try await send(
                method, parameters, era: try await negotiate(seconds: seconds), name: name, seconds: seconds)
        }
    }

    private func negotiate(seconds: Double) async throws -> Era {
        if let era = state.withLock({ $0.era }) { return era }
        var era = Era.modern
        do {
            let result = try await send("server/discover", [:], era: .modern, name: nil, seconds: min(seconds, 5))
            let versions = result["supportedVersions"]?.array?.compactMap(\.string) ?? []
            if !versions.contains(Self.modernVersion) { era = try await handshake(seconds: seconds) }
        } catch let error as CancellationError {
            throw error
        } catch {
            era = try await handshake(seconds: seconds)
        }
        let found = era
        state.withLock { $0.era = found }
        return found
    }

    private func handshake(seconds: Double) async throws -> Era {
        let client: JSONValue = ["name": "forage", "version": "1"]
        let result = try await send(
            "initialize",
            ["protocolVersion": .string(Self.legacyVersion), "capabilities": .object([:]), "clientInfo": client],
            era: .legacy(version: ""), name: nil, seconds: seconds)
        let era = Era.legacy(version: try result.requiredString("protocolVersion"))
        try await transport.notify(
            ["jsonrpc": "2.0", "method": "notifications/initialized"], headers: Self.headers(era, "", nil))
        return era
    }

    private func send(
        _ method: String, _ parameters: JSONObject, era: Era, name: String?, seconds: Double
    ) async throws -> JSONValue {
        let id = state.withLock { state in
            defer { state.nextID += 1 }
            return state.nextID
        }
        var parameters = parameters
        if case .modern = era {
            parameters["_meta"] = [
                "io.modelcontextprotocol/protocolVersion": .string(Self.modernVersion),
                "io.modelcontextprotocol/clientInfo": ["name": "forage", "version": "1"],
                "io.modelcontextprotocol/clientCapabilities": .object([:]),
            ]
        }
        let message: JSONValue = [
            "jsonrpc": "2.0", "id": .integer(id), "method": .string(method), "params": .object(parameters),
        ]
        let headers = Self.headers(era, method, name)
        let response: JSONValue
        do {
            response = try await transport.request(message, id: id, headers: headers, seconds: seconds)
        } catch let error as CancellationError {
            // Whoever waits for the answer is gone; the server is told in a task that this cancellation does not reach.
            let notice: JSONValue = [
                "jsonrpc": "2.0", "method": "notifications/cancelled", "params": ["requestId": .integer(id)],
            ]
            let transport = transport
            Task.detached { try? await transport.notify(notice, headers: headers) }
            throw error
        }
        if let failure = response["error"] {
            let message = oneLine(failure["message"]?.string ?? "no message", most: 300)
            throw ToolError(.failed, "the MCP server refused \(method): \(message) (\(failure["code"] ?? .null))")
        }
        return try response.required("result")
    }

    private static func headers(_ era: Era, _ method: String, _ name: String?) -> [(name: String, value: String)] {
        switch era {
        case .modern:
            var headers = [("MCP-Protocol-Version", modernVersion), ("Mcp-Method", method)]
            if let name { headers.append(("Mcp-Name", name)) }
            return headers.map { (name: $0.0, value: $0.1) }
        case .legacy(let version): return version.isEmpty ? [] : [(name: "MCP-Protocol-Version", value: version)]
        }
    }
}

/// The server no longer knows the session.
struct MCPSessionLost: Error {}
