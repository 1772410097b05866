// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOHTTP1

/// Whether a request may become a WebSocket (RFC 6455, 4.2.1).
enum WebSocketHandshake {
    /// Who asks for it.
    /// - Throws: `ServiceError` for a request that may not, with the status that says why.
    static func caller(of head: HTTPRequestHead, _ server: ForageServer) throws(ServiceError) -> Caller {
        let sender = RequestGuard.Head(
            host: head.headers.first(name: "host"), origin: head.headers.first(name: "origin"),
            authorization: head.headers.first(name: "authorization"))
        try server.requestGuard.checkNames(sender)
        let caller = try server.requestGuard.caller(sender, for: ForageServer.socketAccess)
        guard head.method == .GET, head.version == .http1_1 else {
            throw ServiceError(.badRequest, "a WebSocket begins with GET in HTTP/1.1")
        }
        guard head.headers[canonicalForm: "connection"].contains(where: { $0.lowercased() == "upgrade" }) else {
            throw ServiceError(.badRequest, "a WebSocket's request says \"Connection: Upgrade\"")
        }
        guard head.headers["sec-websocket-version"] == ["13"] else {
            throw ServiceError(.upgradeRequired, "the version of a WebSocket is 13")
        }
        let keys = head.headers["sec-websocket-key"]
        guard keys.count == 1, Data(base64Encoded: keys[0])?.count == 16 else {
            throw ServiceError(.badRequest, "a WebSocket's key is 16 bytes in base64")
        }
        guard !head.headers.contains(name: "transfer-encoding"),
            (head.headers.first(name: "content-length") ?? "0") == "0"
        else { throw ServiceError(.badRequest, "a WebSocket's request has no body") }
        guard !server.isDraining else { throw ServiceError(.unavailable, "the server is shutting down") }
        return caller
    }
}
