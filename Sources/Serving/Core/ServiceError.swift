// SPDX-License-Identifier: Apache-2.0

import Base
import Text

/// Why a request was not served, with the HTTP status that says so.
public struct ServiceError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The kinds of refusal, by their HTTP status.
    public enum Status: Int, Sendable, Hashable {
        case badRequest = 400
        case unauthorized = 401
        case forbidden = 403
        case notFound = 404
        case methodNotAllowed = 405
        case timedOut = 408
        case conflict = 409
        case tooLarge = 413
        case misdirected = 421
        case invalid = 422
        case busy = 429
        case upgradeRequired = 426
        case failed = 500
        case unavailable = 503
    }

    public var status: Status
    public var message: String
    /// The member of the request that is wrong, such as `["queries", "0"]`.
    public var location: [String]
    /// Seconds after which to try again.
    public var retryAfter: Int?

    public init(_ status: Status, _ message: String, location: [String] = [], retryAfter: Int? = nil) {
        self.status = status
        self.message = message
        self.location = location
        self.retryAfter = retryAfter
    }

    /// What work is told that the end of the server breaks off.
    static let shuttingDown = ServiceError(.unavailable, "the server is shutting down", retryAfter: 5)

    public var description: String { location.isEmpty ? message : location.joined(separator: ".") + ": " + message }

    /// The error as OpenAI's interface has it.
    var openAI: JSONValue {
        let type: String
        switch status {
        case .unauthorized: type = "authentication_error"
        case .forbidden: type = "permission_error"
        case .notFound: type = "not_found_error"
        case .busy: type = "rate_limit_error"
        case .failed, .unavailable: type = "server_error"
        default: type = "invalid_request_error"
        }
        return [
            "error": [
                "message": .string(message), "type": .string(type),
                "param": location.isEmpty ? nil : .string(location.joined(separator: ".")), "code": nil,
            ]
        ]
    }

    /// The error as servers of the FastAPI family have it.
    var detail: JSONValue {
        [
            "detail": [
                [
                    "loc": .array((["body"] + location).map(JSONValue.string)), "msg": .string(message),
                    "type": .string(status == .invalid ? "value_error" : "error"),
                ]
            ]
        ]
    }
}
