// SPDX-License-Identifier: Apache-2.0

/// Decides who sent a request, before anything reads its body: the `Host`, the `Origin`, the bearer token. What they may
/// do is decided by the route and the tool that they ask for (`Route.Access`).
struct RequestGuard: Sendable {
    let options: ServerOptions

    /// The headers that decide.
    struct Head: Sendable {
        var host: String?
        var origin: String?
        var authorization: String?
    }

    /// Refuses a request under a foreign name, as a page of another site would send it.
    /// - Throws: `ServiceError`: 421 for the host, 403 for the origin.
    func checkNames(_ head: Head) throws(ServiceError) {
        // Only HTTP/1.0 has requests without one (`ConnectionGuard`), as load balancers send them to see whether a server
        // lives; a browser, which another site could turn against this server, sends one always.
        if let host = head.host, !isAllowed(host: Self.hostname(host)) {
            let name = String(
                host.prefix(100).filter {
                    $0.isASCII && ($0.isLetter || $0.isNumber || "-.:".contains($0))
                })
            throw ServiceError(
                .misdirected,
                "this server does not answer under the host name \"\(name)\": start it with --allow-host \(Self.hostname(name))"
            )
        }
        if let origin = head.origin {
            guard let separator = origin.firstRange(of: "://"),
                ["http", "https"].contains(origin[..<separator.lowerBound]),
                isAllowed(host: Self.hostname(String(origin[separator.upperBound...])))
            else { throw ServiceError(.forbidden, "requests from that origin are refused") }
        }
    }

    /// Who sends it: on a server without tokens anyone may do everything.
    /// - Returns: nil when it brings no token though there are some.
    /// - Throws: `ServiceError` with status 401 for a token that is not known.
    func caller(_ head: Head) throws(ServiceError) -> Caller? {
        guard !options.tokens.isEmpty else { return Caller(scope: .full) }
        guard let authorization = head.authorization, authorization.utf8.count <= 4096,
            authorization.lowercased().hasPrefix("bearer ")
        else { return nil }
        let secret = String(authorization.dropFirst(7).drop { $0 == " " })
        // Every token is compared, whichever matches.
        var found: Caller?
        for (index, token) in options.tokens.enumerated() where token.matches(secret) {
            if found?.scope != .full { found = Caller(scope: token.scope, token: index) }
        }
        guard let found else { throw ServiceError(.unauthorized, "the token is not known") }
        return found
    }

    /// Who may call a route.
    /// - Throws: `ServiceError`: 401 without a token that is needed, 403 for one that does not reach as far.
    func caller(_ head: Head, for access: Route.Access) throws(ServiceError) -> Caller {
        if access == .open { return (try? caller(head)) ?? Caller(scope: .readOnly) }
        guard let caller = try caller(head) else { throw ServiceError(.unauthorized, "a bearer token is needed") }
        try caller.require(access)
        return caller
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
