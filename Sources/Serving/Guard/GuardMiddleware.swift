// SPDX-License-Identifier: Apache-2.0

import Base
import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import NIOHTTP1
import Text

/// Refuses requests under foreign names, gives every request an id, counts, and turns errors into answers. What a caller
/// may do is decided by the route (`ForageServer.perform`).
struct GuardMiddleware<Context: RequestContext>: RouterMiddleware {
    let requestGuard: RequestGuard
    let metrics: ServerMetrics
    /// Whether the server is ending.
    let isDraining: @Sendable () -> Bool

    @concurrent
    func handle(
        _ request: Request, context: Context, next: @concurrent (Request, Context) async throws -> Response
    ) async throws -> Response {
        let clock = ContinuousClock()
        let start = clock.now
        metrics.begin()
        let path = request.uri.path
        var response: Response
        do {
            try requestGuard.checkNames(RequestGuard.Head(request))
            do { response = try await next(request, context) } catch let error as HTTPError {
                // Without a token nobody learns which paths there are.
                if error.status == .notFound { _ = try requestGuard.caller(RequestGuard.Head(request), for: .read) }
                throw error
            }
        } catch let error as ServiceError {
            response = Self.response(to: error, path: path)
        } catch let error as HTTPError {
            let status = ServiceError.Status(rawValue: error.status.code) ?? .badRequest
            response = Self.response(to: ServiceError(status, error.body ?? error.status.reasonPhrase), path: path)
        } catch let error as JSONError {
            response = Self.response(to: ServiceError(.invalid, error.description), path: path)
        } catch  where error is HTTPParserError || error is ByteToMessageDecoderError {
            // The client went away within its body, or wrote no HTTP: nothing that the operator could mend.
            response = Self.response(to: ServiceError(.badRequest, "the request is not whole"), path: path)
        } catch is CancellationError {
            response = Self.response(
                to: isDraining() ? .shuttingDown : ServiceError(.timedOut, "the request was cancelled"), path: path)
        } catch {
            context.logger.error("request failed", metadata: ["error": "\(type(of: error))"])
            response = Self.response(to: ServiceError(.failed, "the request failed: \(error)"), path: path)
        }
        response.headers[.requestID] = Self.requestID(request, context)
        response.headers[.contentTypeOptions] = "nosniff"
        metrics.end(
            route: context.endpointPath ?? "unknown", status: response.status.code,
            seconds: (clock.now - start) / .seconds(1))
        return response
    }

    /// The client's id when it is harmless, else one of our own.
    private static func requestID(_ request: Request, _ context: Context) -> String {
        if let given = request.headers[.requestID], given.utf8.count <= 128,
            given.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\"") })
        {
            return given
        }
        return context.id
    }

    private static func response(to error: ServiceError, path: String) -> Response {
        var response = Response.json(
            path.hasPrefix("/v1/") ? error.openAI : error.detail, status: .init(code: error.status.rawValue))
        if let seconds = error.retryAfter { response.headers[.retryAfter] = String(seconds) }
        if error.status == .unauthorized { response.headers[.wwwAuthenticate] = "Bearer" }
        // The body was perhaps not read: the connection cannot be used again.
        if [.tooLarge, .unavailable, .unauthorized, .forbidden].contains(error.status) {
            response.headers[.connection] = "close"
        }
        return response
    }
}

extension HTTPField.Name {
    /// These names are tokens of RFC 9110: making them cannot fail.
    static let requestID = HTTPField.Name("X-Request-Id") ?? .server
    static let contentTypeOptions = HTTPField.Name("X-Content-Type-Options") ?? .server
    static let accelBuffering = HTTPField.Name("X-Accel-Buffering") ?? .server
    static let mcpSessionID = HTTPField.Name("Mcp-Session-Id") ?? .server
    static let mcpVersion = HTTPField.Name("MCP-Protocol-Version") ?? .server
    static let mcpMethod = HTTPField.Name("Mcp-Method") ?? .server
    static let mcpName = HTTPField.Name("Mcp-Name") ?? .server
}

extension Response {
    /// A response with a JSON body.
    static func json(_ value: JSONValue, status: HTTPResponse.Status = .ok) -> Response {
        var bytes: [UInt8] = []
        value.append(to: &bytes)
        return text(bytes, type: "application/json", status: status)
    }

    /// A response with a text body, which goes out in small pieces: a client that reads slowly is seen to read.
    static func text(_ bytes: some Sequence<UInt8> & Sendable, type: String, status: HTTPResponse.Status = .ok)
        -> Response
    {
        let buffer = ByteBuffer(bytes: bytes)
        guard buffer.readableBytes > piece else {
            return Response(status: status, headers: [.contentType: type], body: ResponseBody(byteBuffer: buffer))
        }
        let body = ResponseBody(contentLength: buffer.readableBytes) { writer in
            var rest = buffer
            while let next = rest.readSlice(length: min(piece, rest.readableBytes)), next.readableBytes > 0 {
                try await writer.write(next)
            }
            try await writer.finish(nil)
        }
        return Response(status: status, headers: [.contentType: type], body: body)
    }

    private static let piece = 16 << 10
}

extension RequestGuard.Head {
    init(_ request: Request) {
        self.init(
            host: request.head.authority, origin: request.headers[.origin],
            authorization: request.headers[.authorization])
    }
}

extension Request {
    /// The body, within the limits.
    /// - Parameter share: counts its bytes as they come.
    /// - Throws: `ServiceError`: 413 for a body that is too large, 503 when there is no room for it now.
    func bytes(_ limits: ServerOptions.Limits, _ share: ByteBudget.Share) async throws -> [UInt8] {
        let tooLarge = ServiceError(.tooLarge, "the body may have at most \(limits.bodyBytes) bytes")
        if let length = headers[.contentLength].flatMap({ Int($0) }), length > limits.bodyBytes { throw tooLarge }
        var bytes: [UInt8] = []
        for try await buffer in body {
            guard bytes.count + buffer.readableBytes <= limits.bodyBytes else { throw tooLarge }
            try share.grow(to: bytes.count + buffer.readableBytes)
            bytes.append(contentsOf: buffer.readableBytesView)
        }
        return bytes
    }
}
