// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Serving

@Suite struct RequestGuardTests {
    private func status(
        _ options: ServerOptions = ServerOptions(), for access: Route.Access = .read,
        host: String? = "127.0.0.1:8000", origin: String? = nil, authorization: String? = nil
    ) -> Int {
        let head = RequestGuard.Head(host: host, origin: origin, authorization: authorization)
        do {
            try RequestGuard(options: options).checkNames(head)
            _ = try RequestGuard(options: options).caller(head, for: access)
            return 200
        } catch {
            return error.status.rawValue
        }
    }

    @Test(arguments: [
        ("127.0.0.1:8000", 200), ("localhost", 200), ("LOCALHOST:1", 200), ("[::1]:8000", 200), ("example.org", 421),
        ("localhost.example.org", 421), ("127.0.0.1.nip.io", 421), ("", 421), ("localhost:80:80", 421),
        ("localhost:x", 421), ("[::1]x", 421),
    ])
    func hosts(host: String, expected: Int) {
        #expect(status(host: host) == expected)
    }

    /// HTTP/1.0 has requests without a host; those of HTTP/1.1 do not come so far.
    @Test func aHostMayBeMissing() { #expect(status(host: nil) == 200) }

    /// In a network of containers the server has a name of its own: the refusal says what lets it in.
    @Test func theRefusalOfAHostNamesTheOption() {
        let head = RequestGuard.Head(host: "retriever:8790", origin: nil, authorization: nil)
        let error = #expect(throws: ServiceError.self) {
            try RequestGuard(options: ServerOptions()).checkNames(head)
        }
        #expect(error?.message.contains("--allow-host retriever") == true)
    }

    @Test(arguments: [
        ("http://localhost:3000", 200), ("https://127.0.0.1", 200), ("null", 403), ("http://example.org", 403),
        ("file://localhost", 403), ("", 403), ("http://localhost@example.org", 403), ("localhost", 403),
    ])
    func origins(origin: String, expected: Int) {
        #expect(status(origin: origin) == expected)
    }

    @Test func tokensAndScopes() {
        let options = ServerOptions(tokens: [
            AccessToken(secret: "reader", scope: .readOnly), AccessToken(secret: "owner", scope: .full),
        ])
        #expect(status(options) == 401)
        #expect(status(options, authorization: "Bearer wrong") == 401)
        #expect(status(options, authorization: "Basic owner") == 401)
        #expect(status(options, authorization: "Bearer reader") == 200)
        #expect(status(options, for: .full, authorization: "Bearer reader") == 403)
        #expect(status(options, for: .full, authorization: "bearer owner") == 200)
        #expect(status(options, for: .open) == 200)
        #expect(status(options, for: .open, host: "evil.example") == 421)
    }

    @Test(arguments: [
        ("127.0.0.1", true), ("localhost", true), ("::1", true), ("0.0.0.0", false), ("::", false),
        ("192.168.0.1", false),
        ("127.evil.example", false), ("example.org", false),
    ])
    func onlyLoopbackIsOpen(host: String, isAllowed: Bool) {
        if isAllowed {
            #expect(throws: Never.self) { try ServerOptions(host: host).validate() }
        } else {
            #expect(throws: ServiceError.self) { try ServerOptions(host: host).validate() }
        }
        let token = AccessToken(secret: "x", scope: .full)
        #expect(throws: Never.self) { try ServerOptions(host: host, tokens: [token]).validate() }
        #expect(throws: Never.self) { try ServerOptions(host: host, allowsOpenAccess: true).validate() }
    }
}
