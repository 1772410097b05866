// SPDX-License-Identifier: Apache-2.0

/// Decides who may send which request, before anything reads its body: the `Host`, the `Origin`, the bearer token.
struct RequestGuard: Sendable {
    let options: ServerOptions

    /// The headers that decide.
    struct Head: Sendable {
        var method: String
        var path: String
        var host: String?
        var origin: String?
        var authorization: String?
    }

    /// Refuses a request, or lets it pass.
    /// - Returns: the scope of the token; full without any tokens.
    /// - Throws: `ServiceError`: 421 for the host, 403 for the origin or the scope, 401 for the token.
    @discardableResult
    func check(_ head: Head) throws(ServiceError) -> AccessToken.Scope {
        guard let host = head.host, isAllowed(host: Self.hostname(host)) else {
            throw ServiceError(.misdirected, "this server does not answer under that host name")
        }
        if let origin = head.origin {
            guard let separator = origin.firstRange(of: "://"),
                ["http", "https"].contains(origin[..<separator.lowerBound]),
                isAllowed(host: Self.hostname(String(origin[separator.upperBound...])))
            else { throw ServiceError(.forbidden, "requests from that origin are refused") }
        }
        guard !options.tokens.isEmpty else { return .full }
        if Self.isPublic(head) { return .readOnly }
        guard let authorization = head.authorization, authorization.utf8.count <= 4096,
            authorization.lowercased().hasPrefix("bearer ")
        else { throw ServiceError(.unauthorized, "a bearer token is needed") }
        let secret = String(authorization.dropFirst(7).drop { $0 == " " })
        // Every token is compared, whichever matches.
        var scope: AccessToken.Scope?
        for token in options.tokens where token.matches(secret) { scope = scope == .full ? .full : token.scope }
        guard let scope else { throw ServiceError(.unauthorized, "the token is not known") }
        guard scope == .full || !Self.needsFull(head) else {
            throw ServiceError(.forbidden, "this token may only search and read")
        }
        return scope
    }

    /// What anyone may see who passes the host check: whether the server lives, and the page without any data.
    private static func isPublic(_ head: Head) -> Bool {
        guard head.method == "GET" || head.method == "HEAD" else { return false }
        return ["/", "/health", "/ready", "/page.css", "/page.js"].contains(head.path)
    }

    /// What runs an agent or an environment, or changes something.
    private static func needsFull(_ head: Head) -> Bool {
        if ["/v1/chat/completions", "/reset", "/step", "/state", "/get_observation", "/ws"].contains(head.path) {
            return true
        }
        return head.path.hasPrefix("/api/") && head.method != "GET" && head.method != "HEAD"
    }

    private func isAllowed(host: String) -> Bool {
        if ["localhost", "127.0.0.1", "::1"].contains(host) || host == options.host.lowercased() { return true }
        return options.allowedHosts.contains { $0 == "*" || $0.lowercased() == host }
    }

    /// The name without the port, in lower case; a whole IPv6 address without its brackets.
    static func hostname(_ authority: String) -> String {
        if authority.hasPrefix("["), let close = authority.firstIndex(of: "]") {
            let rest = authority[authority.index(after: close)...]
            guard rest.isEmpty || isPort(rest) else { return "" }
            return authority[authority.index(after: authority.startIndex)..<close].lowercased()
        }
        guard let colon = authority.firstIndex(of: ":") else { return authority.lowercased() }
        guard isPort(authority[colon...]) else { return "" }
        return authority[..<colon].lowercased()
    }

    private static func isPort(_ text: Substring) -> Bool {
        text.first == ":" && text.dropFirst().allSatisfy { $0.isASCII && $0.isNumber }
    }
}
