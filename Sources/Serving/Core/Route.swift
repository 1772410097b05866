// SPDX-License-Identifier: Apache-2.0

import Base
import HTTPTypes
import Hummingbird
import Text

/// One endpoint. The routing, the access check, the bound on what runs and the OpenAPI document are made of the same list
/// of these, `ForageServer.routes`: a new endpoint is one more element, and cannot be reached around its access level.
struct Route: Sendable {
    /// What a caller must have.
    enum Access: Int, Sendable, Comparable, CaseIterable {
        /// Nothing: whether the server lives, and the page without any data.
        case open
        /// A token that may search and read.
        case read
        /// A token that may do everything: run agents, environments and outside tools, see and delete sessions.
        case full

        static func < (a: Access, b: Access) -> Bool { a.rawValue < b.rawValue }
    }

    /// What is read of a request before it may begin to work.
    enum Body: Sendable {
        case none
        /// JSON, in `Call.json`.
        case json
        /// Bytes of which the handler makes sense itself, in `Call.bytes`.
        case bytes
    }

    var method: HTTPRequest.Method
    /// The path; a part in braces is a parameter: `/api/sessions/{id}`.
    var path: String
    var access: Access
    /// One line for the OpenAPI document.
    var summary: String
    var body = Body.none
    /// The JSON schema of the body; nil for any object.
    var schema: JSONValue?
    /// Whether it counts among the requests that work at a time. What must be answered under any load does not.
    var isGated = true
    /// The answers beside 200 and those that every route of its kind has.
    var statuses: [Int] = []
    /// The media type of the answer.
    var mediaType = "application/json"
    /// Whether the OpenAPI document tells of it.
    var isDocumented = true
    /// Answers a call that has passed the guard.
    var answer: @Sendable (Call) async throws -> Response

    /// A route without a body.
    static func get(
        _ path: String, _ access: Access, _ summary: String, statuses: [Int] = [], isGated: Bool = true,
        mediaType: String = "application/json", isDocumented: Bool = true,
        answer: @escaping @Sendable (Call) async throws -> Response
    ) -> Route {
        Route(
            method: .get, path: path, access: access, summary: summary, isGated: isGated, statuses: statuses,
            mediaType: mediaType, isDocumented: isDocumented, answer: answer)
    }

    /// A route with a JSON body.
    static func post(
        _ path: String, _ access: Access, _ summary: String, schema: JSONValue? = nil, statuses: [Int] = [],
        answer: @escaping @Sendable (Call) async throws -> Response
    ) -> Route {
        Route(
            method: .post, path: path, access: access, summary: summary, body: .json, schema: schema,
            statuses: statuses, answer: answer)
    }
}

/// Who sent a request: decided once, from its token, and carried with it wherever it goes.
struct Caller: Sendable, Hashable {
    /// What the token allows; full on a server without tokens.
    var scope: AccessToken.Scope
    /// The place of the token among the server's; nil on a server without tokens and on standard input.
    var token: Int?

    /// The operator at this machine's own standard input.
    static let local = Caller(scope: .full)

    /// Whether it may use what asks for this.
    func may(_ access: Route.Access) -> Bool { access < .full || scope == .full }

    /// - Throws: `ServiceError` with status 403.
    func require(_ access: Route.Access) throws(ServiceError) {
        guard may(access) else { throw ServiceError(.forbidden, "this token may only search and read") }
    }
}

/// A request that has passed the guard: its body has been read within the limits, and who sent it is known.
struct Call: Sendable {
    let request: Request
    let parameters: Parameters
    let caller: Caller
    /// The body; empty for a route that takes none.
    let bytes: [UInt8]
    /// The body as JSON; null for a route that takes none.
    let json: JSONValue
    /// The connection it came by; nil where the routes were added to another application.
    let connection: Connection?

    /// A parameter of the path as it stands there, percent-encoding and all.
    func parameter(_ name: String) throws -> String { try parameters.require(name) }

    /// A member of the query string.
    func query(_ name: String) -> String? { request.uri.queryParameters[name[...]].map(String.init) }

    /// Works as long as the client is there; the work is cancelled when it goes away.
    func whileConnected<Value: Sendable>(
        _ body: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        guard let connection else { return try await body() }
        return try await connection.whileOpen(body)
    }
}
