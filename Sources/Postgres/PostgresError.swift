// SPDX-License-Identifier: Apache-2.0

/// Why PostgreSQL did not do what it was asked to.
public struct PostgresError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The kind of failure, for callers that act on it.
    public enum Code: Sendable, Hashable {
        /// libpq is not installed.
        case noLibrary
        /// The address cannot be read.
        case badAddress
        /// No connection could be made, or it was lost.
        case connection
        /// The time limit was over.
        case timedOut
        /// Every connection of the pool was in use for too long.
        case poolExhausted
        /// The server refused, with its SQLSTATE.
        case server(state: String)
        /// What came back is not what was asked for.
        case unexpected
    }

    public var code: Code
    /// What is wrong and where, without the password: one line.
    public var message: String

    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    public var description: String { message }

    /// Whether the connection is gone: asked again on another one, the server may answer.
    public var isConnectionLoss: Bool {
        switch code {
        case .connection: return true
        // The server is shutting down, starting up, or was told to end the connection.
        case .server(let state): return state.hasPrefix("57P") || state.hasPrefix("08")
        default: return false
        }
    }

    /// Whether the server says that there is no such table, column or schema.
    public var isUndefined: Bool {
        if case .server(let state) = code { return ["42P01", "42703", "3F000", "42704"].contains(state) }
        return false
    }
}
