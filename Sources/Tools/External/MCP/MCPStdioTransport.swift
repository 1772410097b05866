// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import OrderedCollections
import Synchronization
import Text

/// MCP over a program's standard input and output: one message a line. Two threads of its own read and write.
final class MCPStdioTransport: MCPTransport {
    private struct State {
        var waiting: [Int: CheckedContinuation<JSONValue, any Error>] = [:]
        /// Requests that were cancelled before they waited.
        var cancelled: Set<Int> = []
        /// Why nothing more will come; nil while the program runs.
        var end: ToolError?
    }

    private let process: ChildProcess
    private let state: SharedState
    private let writer = DispatchQueue(label: "forage.mcp.stdin")

    /// What the reading thread shares with the transport, which it must not keep alive.
    private final class SharedState: Sendable {
        let mutex = Mutex(State())
    }

    /// The longest line, in bytes.
    private static let lineLimit = 16 << 20

    init(_ process: ChildProcess) {
        self.process = process
        let state = SharedState()
        self.state = state
        let writer = writer
        Thread.detachNewThread { Self.discard(process.errors, process) }
        Thread.detachNewThread { [weak process] in
            guard let descriptor = process?.output else { return }
            Self.read(descriptor, state) { message in
                guard let process else { return }
                Self.write(message, process, writer)
            }
        }
    }

    deinit {
        process.closeInput()
        process.interrupt()
    }

    func request(
        _ message: JSONValue, id: Int, headers: [(name: String, value: String)], seconds: Double
    ) async throws -> JSONValue {
        try await withThrowingTaskGroup(of: JSONValue.self) { group in
            group.addTask { try await self.exchange(message, id: id) }
            group.addTask {
                try await Task.sleep(for: .seconds(seconds))
                throw ToolError(.timedOut, "the MCP server gave no answer within \(seconds.shortText) s")
            }
            defer { group.cancelAll() }
            guard let response = try await group.next() else { throw CancellationError() }
            return response
        }
    }

    func notify(_ message: JSONValue, headers: [(name: String, value: String)]) async throws {
        Self.write(message, process, writer)
    }

    func reset() {}

    private func exchange(_ message: JSONValue, id: Int) async throws -> JSONValue {
        let state = state
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let failure: (any Error)? = state.mutex.withLock { state in
                    if let end = state.end { return end }
                    if state.cancelled.remove(id) != nil { return CancellationError() }
                    state.waiting[id] = continuation
                    return nil
                }
                if let failure { return continuation.resume(throwing: failure) }
                Self.write(message, process, writer)
            }
        } onCancel: {
            let continuation = state.mutex.withLock { state in
                let waiting = state.waiting.removeValue(forKey: id)
                if waiting == nil { state.cancelled.insert(id) }
                return waiting
            }
            continuation?.resume(throwing: CancellationError())
        }
    }

    private static func write(_ message: JSONValue, _ process: ChildProcess, _ writer: DispatchQueue) {
        writer.async {
            let bytes = Array((message.serialized() + "\n").utf8)
            var written = 0
            while written < bytes.count {
                let count = bytes[written...].withUnsafeBytes {
                    Foundation.write(process.input, $0.baseAddress, $0.count)
                }
                if count > 0 { written += count } else if errno != EINTR { return }
            }
        }
    }

    private static func discard(_ descriptor: Int32, _ process: ChildProcess) {
        var buffer = [UInt8](repeating: 0, count: 4096)
        while Foundation.read(descriptor, &buffer, buffer.count) > 0 {}
    }

    /// Reads lines until the program ends, then fails all that still wait.
    private static func read(_ descriptor: Int32, _ state: SharedState, reply: (JSONValue) -> Void) {
        var line: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        var reason = "the MCP server ended"
        reading: while true {
            let count = Foundation.read(descriptor, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { break }
            for byte in buffer[..<count] {
                if byte == UInt8(ascii: "\n") {
                    if let message = try? JSONValue(parsing: line) { receive(message, state, reply) }
                    line.removeAll(keepingCapacity: true)
                } else if line.count < lineLimit {
                    line.append(byte)
                } else {
                    reason = "the MCP server wrote a line of more than \(lineLimit) bytes"
                    break reading
                }
            }
        }
        let error = ToolError(.failed, reason)
        let waiting = state.mutex.withLock { state in
            state.end = error
            defer { state.waiting = [:] }
            return state.waiting.sorted { $0.key < $1.key }.map(\.value)
        }
        for continuation in waiting { continuation.resume(throwing: error) }
    }

    private static func receive(_ message: JSONValue, _ state: SharedState, _ reply: (JSONValue) -> Void) {
        if let method = message["method"]?.string {
            // A request of the server; notifications have no id.
            guard let id = message["id"] else { return }
            if method == "ping" {
                reply(["jsonrpc": "2.0", "id": id, "result": .object([:])])
            } else {
                reply([
                    "jsonrpc": "2.0", "id": id, "error": ["code": -32601, "message": "this client offers no methods"],
                ])
            }
            return
        }
        guard let id = message["id"]?.int else { return }
        state.mutex.withLock { $0.waiting.removeValue(forKey: id) }?.resume(returning: message)
    }
}
