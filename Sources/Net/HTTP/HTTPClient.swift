// SPDX-License-Identifier: Apache-2.0

/// A request over HTTP or HTTPS.
public struct HTTPRequest: Sendable {
    public var method: String
    public var url: String
    /// Header lines by name. A value never reaches an error message or a log.
    public var headers: [(name: String, value: String)]
    public var body: [UInt8]
    /// The longest time for the whole exchange, in seconds. Default 120.
    public var timeout: Double
    /// The longest time to connect, in seconds. Default 10.
    public var connectTimeout: Double
    /// The longest silence while the body arrives, in seconds; nil for no such limit.
    public var idleTimeout: Double?
    /// The longest body that is accepted, in bytes after decompression. Default 64 MiB.
    public var maxResponseBytes: Int
    /// Refuses to connect to loopback, private, link-local, multicast and unspecified addresses, checked on the
    /// address that is really connected to.
    public var refusesPrivateAddresses: Bool

    public init(
        method: String = "GET", url: String, headers: [(name: String, value: String)] = [], body: [UInt8] = [],
        timeout: Double = 120, connectTimeout: Double = 10, idleTimeout: Double? = nil,
        maxResponseBytes: Int = 64 << 20, refusesPrivateAddresses: Bool = false
    ) {
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
        self.timeout = timeout
        self.connectTimeout = connectTimeout
        self.idleTimeout = idleTimeout
        self.maxResponseBytes = maxResponseBytes
        self.refusesPrivateAddresses = refusesPrivateAddresses
    }
}

/// A response: its status, headers (names in lower case) and, unless it was streamed, its body.
public struct HTTPResponse: Sendable, Hashable {
    public var status: Int
    public var headers: [String: String]
    public var body: [UInt8]

    public init(status: Int, headers: [String: String], body: [UInt8]) {
        self.status = status
        self.headers = headers
        self.body = body
    }
}

/// Why an exchange gave no response. No case holds a header or a body that was sent.
public enum HTTPError: Error, Sendable, Hashable, CustomStringConvertible {
    case invalidRequest(String)
    /// The connection broke: TCP, TLS, or a body cut short.
    case transport(String)
    /// Nothing answers at the address: an unknown host, a refused connection, or none within the time to connect.
    case unreachable(String)
    case timedOut(seconds: Double)
    case tooLarge(limit: Int)
    case addressRefused(String)

    /// Whether another try may go better.
    public var mayPass: Bool {
        switch self {
        case .transport, .unreachable: return true
        case .invalidRequest, .timedOut, .tooLarge, .addressRefused: return false
        }
    }

    public var description: String {
        switch self {
        case .invalidRequest(let reason): return "invalid HTTP request: \(reason)"
        case .transport(let reason): return "HTTP transport failed: \(reason)"
        case .unreachable(let reason): return "no HTTP connection: \(reason)"
        case .timedOut(let seconds): return "no complete HTTP response within \(seconds) s"
        case .tooLarge(let limit): return "the HTTP response is larger than \(limit) bytes"
        case .addressRefused(let host): return "connecting to \(host) is refused: it is a private or local address"
        }
    }
}

/// An HTTP client on libcurl's multi interface: one thread of its own drives all transfers, so that nothing blocks
/// Swift's cooperative pool, and cancelling a task closes its socket at once. Redirects are not followed: the caller
/// sees the 3xx response and decides.
public final class HTTPClient: Sendable {
    /// The client that the process shares; its thread sleeps while nothing is under way.
    public static let shared = HTTPClient()

    private let loop = CurlLoop()

    public init() {}

    deinit { loop.stop() }

    /// Sends a request and returns the whole response.
    /// - Parameter onChunk: when given, receives each piece of the body with the status, in order, on the client's
    ///   thread, and the response's `body` stays empty. It must not block.
    /// - Throws: `HTTPError`; `CancellationError` when the task is cancelled.
    public func send(
        _ request: HTTPRequest, onChunk: (@Sendable (_ status: Int, _ bytes: [UInt8]) -> Void)? = nil
    ) async throws -> HTTPResponse {
        try Task.checkCancellation()
        let transfer = CurlTransfer(request: request, onChunk: onChunk)
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                loop.submit(transfer, continuation)
            }
        } onCancel: {
            loop.cancel(transfer.id)
        }
    }
}
