// SPDX-License-Identifier: Apache-2.0

/// How a server listens and what it allows. Every limit is published by `GET /metadata`.
public struct ServerOptions: Sendable {
    /// The address to listen on. Default 127.0.0.1: only this machine.
    public var host: String
    /// The port; 0 takes a free one. Default 8000.
    public var port: Int
    /// Who may use it. With none, only a loopback address may be listened on.
    public var tokens: [AccessToken]
    /// Names under which it may be addressed, beside localhost and `host`; `*` allows all.
    public var allowedHosts: [String]
    /// Allows to listen on any address without a token.
    public var allowsOpenAccess: Bool
    /// Whether a token that may only search and read also sees the sessions and runs of others: their questions, their
    /// answers, what they found. Default false.
    public var readersSeeSessions = false
    /// The limits.
    public var limits: Limits

    /// What one client may ask for.
    public struct Limits: Sendable, Hashable {
        /// The largest request body, in bytes. Default 4 MiB.
        public var bodyBytes = 4 << 20
        /// The deepest JSON. Default 32.
        public var jsonDepth = 32
        /// The most values in one JSON body, those within others counted. Default 262,144.
        public var jsonValues = 1 << 18
        /// The most queries of one `/retrieve`, or texts of one `/v1/embeddings`. Default 1,024.
        public var batch = 1024
        /// The most queries of one request with feedback or a reranker, which cost many times a search. Default 32.
        public var refinedBatch = 32
        /// The most passages of one query. Default 100.
        public var results = 100
        /// The longest query, in characters. Default 4,096.
        public var queryCharacters = 4096
        /// Requests that work at the same time. Default 64.
        public var concurrentRequests = 64
        /// Requests that wait for their turn; more are answered 429. Default 1,024.
        public var waitingRequests = 1024
        /// Agent sessions that run at the same time; more are answered 429. Default 16.
        public var agentSessions = 16
        /// Environment sessions that are open at the same time; more are answered 503. Default 256.
        public var environmentSessions = 256
        /// Seconds after which an unused environment session is ended. Default 600.
        public var environmentIdleSeconds = 600.0
        /// Seconds after which a silent connection is closed, and in which the head of a connection's first request and the
        /// body of every request must have come, however they drip. Default 60.
        public var idleSeconds = 60
        /// The largest header, and the largest sum of headers, in bytes. Default 16 KiB.
        public var headerBytes = 16 << 10
        /// Connections that are open at the same time; fewer where the system allows the process fewer files. At that
        /// number those that are idle for longest make room for others. Default 8,192.
        public var connections = 8192
        /// The largest answer, in bytes; a request for more is refused. Default 32 MiB.
        public var responseBytes = 32 << 20
        /// What the bodies of all requests and answers may hold together, in bytes, beside 64 KiB of each. Default 256 MiB.
        public var bodiesBytes = 256 << 20
        /// Seconds within which the server ends when it is asked to; what runs then is cancelled. Default 20.
        public var drainSeconds = 20.0

        public init() {}
    }

    public init(
        host: String = "127.0.0.1", port: Int = 8000, tokens: [AccessToken] = [], allowedHosts: [String] = [],
        allowsOpenAccess: Bool = false, limits: Limits = Limits()
    ) {
        self.host = host
        self.port = port
        self.tokens = tokens
        self.allowedHosts = allowedHosts
        self.allowsOpenAccess = allowsOpenAccess
        self.limits = limits
    }

    /// Refuses to be reachable from other machines without a token.
    /// - Throws: `ServiceError` that says what to do.
    public func validate() throws(ServiceError) {
        guard (0...65_535).contains(port) else {
            throw ServiceError(.badRequest, "the port must be from 0 to 65535, not \(port)")
        }
        guard Self.isLoopback(host) || !tokens.isEmpty || allowsOpenAccess else {
            throw ServiceError(
                .forbidden,
                "listening on \(host) without a token lets anyone who reaches this machine in: set FORAGE_TOKEN, or say --open-access"
            )
        }
    }

    /// Whether an address is this machine's own.
    static func isLoopback(_ host: String) -> Bool {
        host == "localhost" || host == "::1" || host == "[::1]"
            || (host.hasPrefix("127.") && host.split(separator: ".").count == 4
                && host.allSatisfy { $0.isNumber || $0 == "." })
    }
}

/// A secret that opens the server, and how far.
public struct AccessToken: Sendable {
    /// What a token allows.
    public enum Scope: String, Sendable, CaseIterable {
        /// Searching and reading the corpora; no sessions, no agents, no tool that acts outside.
        case readOnly = "read"
        /// Everything: also running agents and environments, and deleting sessions.
        case full
    }

    let digest: [UInt8]
    /// What it allows.
    public let scope: Scope

    /// Keeps a digest of the secret only.
    public init(secret: String, scope: Scope) {
        digest = Self.digest(of: secret)
        self.scope = scope
    }

    /// Whether this is the secret. The time does not depend on where they differ.
    func matches(_ secret: String) -> Bool {
        let other = Self.digest(of: secret)
        var difference: UInt8 = 0
        for index in digest.indices { difference |= digest[index] ^ other[index] }
        return difference == 0
    }
}
