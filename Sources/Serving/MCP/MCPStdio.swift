// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import Synchronization
import Text

/// MCP over standard input and output: one message a line, nothing else on standard output; the end of the input ends it.
public enum MCPStdio {
    /// The longest line, in bytes.
    static let lineLimit = 4 << 20

    /// Serves until the input ends, and what was asked is answered.
    /// - Parameters:
    ///   - input: the descriptor that is read.
    ///   - output: the descriptor that is written.
    public static func serve(_ service: ForageService, input: Int32 = 0, output: Int32 = 1) async {
        let server = MCPServer(service: service, agents: AgentRuns(service: service))
        let session = server.sessions.make(.handshake, owner: nil)
        let writer = LineWriter(descriptor: output)
        let caller = MCPServer.Sender(sessionID: session, caller: .local, notify: { writer.write($0) })
        await withDiscardingTaskGroup { group in
            for await line in lines(of: input) {
                guard let line else {
                    writer.write(
                        MCPServer.failure(nil, -32600, "a message may have at most \(lineLimit) bytes").message)
                    continue
                }
                if line.allSatisfy({ $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }) { continue }
                let message: JSONValue
                do {
                    message = try JSONValue(parsing: line, limits: JSONLimits(depth: 32, bytes: lineLimit))
                } catch {
                    writer.write(MCPServer.failure(nil, -32700, "not JSON: \(error)").message)
                    continue
                }
                group.addTask {
                    // A cancelled request gets no answer.
                    if let reply = try? await server.handle(message, from: caller) { writer.write(reply.message) }
                }
            }
        }
    }

    /// The lines, read on a thread of its own; nil stands for one that is too long.
    private static func lines(of descriptor: Int32) -> AsyncStream<[UInt8]?> {
        let (stream, continuation) = AsyncStream<[UInt8]?>.makeStream()
        Thread.detachNewThread {
            var line: [UInt8] = []
            var isTooLong = false
            var buffer = [UInt8](repeating: 0, count: 65_536)
            while true {
                let count = read(descriptor, &buffer, buffer.count)
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { break }
                for byte in buffer[..<count] {
                    if byte == UInt8(ascii: "\n") {
                        continuation.yield(isTooLong ? nil : line)
                        line.removeAll(keepingCapacity: true)
                        isTooLong = false
                    } else if line.count < lineLimit {
                        line.append(byte)
                    } else {
                        isTooLong = true
                    }
                }
            }
            if !line.isEmpty { continuation.yield(line) }
            continuation.finish()
        }
        return stream
    }

    /// Writes whole lines, one after the other.
    private final class LineWriter: Sendable {
        private let descriptor: Mutex<Int32>

        init(descriptor: Int32) { self.descriptor = Mutex(descriptor) }

        func write(_ message: JSONValue?) {
            guard let message else { return }
            let bytes = Array((message.serialized() + "\n").utf8)
            descriptor.withLock { descriptor in
                var written = 0
                while written < bytes.count {
                    let count = bytes[written...].withUnsafeBytes {
                        Foundation.write(descriptor, $0.baseAddress, $0.count)
                    }
                    if count > 0 { written += count } else if errno != EINTR { return }
                }
            }
        }
    }
}
