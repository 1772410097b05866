// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import Hummingbird
import NIOCore

/// Server-sent events: pieces as they come, a comment every ten seconds of silence so that no proxy gives up, and an
/// end as soon as the client is gone.
enum EventStreamBody {
    /// A response whose body is written by `produce`.
    /// - Parameters:
    ///   - call: whose connection is watched.
    ///   - produce: writes pieces; it is cancelled when the client is gone.
    static func response(
        _ call: Call, produce: @escaping @Sendable (_ write: @Sendable (String) -> Void) async throws -> Void
    ) -> Response {
        let body = ResponseBody { writer in
            let (pieces, continuation) = AsyncStream<String>.makeStream()
            // The writer cannot be shared: it stays in this task, the others fill the stream.
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    defer { continuation.finish() }
                    try await call.whileConnected { try await produce { continuation.yield($0) } }
                }
                group.addTask {
                    while true {
                        try await Task.sleep(for: .seconds(10))
                        continuation.yield(": still working\n\n")
                    }
                }
                do {
                    for await piece in pieces { try await writer.write(ByteBuffer(string: piece)) }
                } catch {
                    group.cancelAll()
                    throw error
                }
                group.cancelAll()
            }
            try await writer.finish(nil)
        }
        return Response(
            status: .ok,
            headers: [
                .contentType: "text/event-stream; charset=utf-8", .cacheControl: "no-cache", .connection: "close",
                .accelBuffering: "no",
            ], body: body)
    }

    /// One event with data.
    static func event(_ data: String, name: String? = nil, id: Int? = nil) -> String {
        var text = ""
        if let name { text += "event: \(name)\n" }
        if let id { text += "id: \(id)\n" }
        return text + "data: \(data)\n\n"
    }
}
