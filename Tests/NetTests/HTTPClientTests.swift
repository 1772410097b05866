// SPDX-License-Identifier: Apache-2.0

import Foundation
import Net
import Synchronization
import Testing

/// The client against servers that answer oddly, slowly, too much or not at all.
@Suite(.timeLimit(.minutes(1))) struct HTTPClientTests {
    private let client = HTTPClient()

    private func error(_ request: HTTPRequest) async -> HTTPError? {
        do {
            _ = try await client.send(request)
            return nil
        } catch { return error as? HTTPError }
    }

    @Test func sendsWhatItIsGivenAndReadsWhatComes() async throws {
        let server = try LoopbackServer { _ in
            [.send("HTTP/1.1 103 Early Hints\r\nX-Early: 1\r\n\r\n")]
                + LoopbackServer.answer("naïve", status: "201 Created", headers: ["X-Thing:  a b ", "x-thing-2: c"])
        }
        let body = Array("{\"q\":\"ü\"}".utf8)
        let response = try await client.send(
            HTTPRequest(
                method: "PUT", url: server.url + "/a?b=c", headers: [("X-Mine", "1"), ("Accept", "x/y")], body: body))
        #expect(response.status == 201)
        #expect(response.headers["x-thing"] == "a b" && response.headers["x-thing-2"] == "c")
        #expect(response.headers["x-early"] == nil, "headers of an interim answer are none of the answer's")
        #expect(String(decoding: response.body, as: UTF8.self) == "naïve")
        let request = try #require(server.requests.first)
        #expect(request.hasPrefix("PUT /a?b=c HTTP/1.1\r\n"))
        #expect(request.contains("X-Mine: 1\r\n") && request.contains("Accept: x/y\r\n"))
        #expect(request.contains("Content-Length: 10\r\n") && request.hasSuffix("\r\n\r\n{\"q\":\"ü\"}"))
        #expect(!request.lowercased().contains("expect:"), "no second is lost waiting for 100 Continue")
    }

    @Test func aHeadHasNoBodyAndAGetNone() async throws {
        let server = try LoopbackServer { _ in
            [.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n")]
        }
        let response = try await client.send(HTTPRequest(method: "HEAD", url: server.url))
        #expect(response.headers["content-length"] == "5" && response.body.isEmpty)
        #expect(server.requests[0].hasPrefix("HEAD / "))
    }

    @Test(arguments: [301, 302, 303, 307, 308]) func redirectsAreTheCallersToFollow(_ status: Int) async throws {
        let server = try LoopbackServer { _ in
            LoopbackServer.answer("", status: "\(status) Moved", headers: ["Location: http://127.0.0.1:1/x"])
        }
        let response = try await client.send(HTTPRequest(url: server.url, headers: [("Authorization", "Bearer s")]))
        #expect(response.status == status && response.headers["location"] == "http://127.0.0.1:1/x")
        #expect(server.requests.count == 1)
    }

    // MARK: Bounds

    @Test func aBodyThatIsTooLargeEndsTheExchange() async throws {
        let server = try LoopbackServer { _ in
            [.send("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")]
                + Array(repeating: .bytes([UInt8](repeating: 97, count: 1 << 16)), count: 64)
        }
        #expect(await error(HTTPRequest(url: server.url, maxResponseBytes: 1 << 17)) == .tooLarge(limit: 1 << 17))
        let small = try LoopbackServer { _ in LoopbackServer.answer("12345") }
        #expect(await error(HTTPRequest(url: small.url, maxResponseBytes: 4)) == .tooLarge(limit: 4))
        #expect(await error(HTTPRequest(url: small.url, maxResponseBytes: 5)) == nil)
    }

    /// What counts is the size after decompression: 256 KiB of one letter, in a few hundred bytes.
    @Test func aCompressedBodyIsMeasuredUnpacked() async throws {
        let packed = try #require(
            Data(
                base64Encoded:
                    "H4sIAAAAAAACA+3BMQEAAADCoKzrX8LbDkABAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAALwBxI2NugAABAA="
            ))
        let server = try LoopbackServer { _ in
            [
                .send(
                    "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: \(packed.count)\r\nConnection: close\r\n\r\n"
                ), .bytes(Array(packed)),
            ]
        }
        #expect(await error(HTTPRequest(url: server.url, maxResponseBytes: 1 << 17)) == .tooLarge(limit: 1 << 17))
        let whole = try await client.send(HTTPRequest(url: server.url, maxResponseBytes: 1 << 18))
        #expect(whole.body.count == 1 << 18 && whole.body.allSatisfy { $0 == 97 })
    }

    @Test func manyOrEndlessHeadersEndTheExchange() async throws {
        let many = try LoopbackServer { _ in
            [.send("HTTP/1.1 200 OK\r\n")]
                + Array(repeating: .send(String(repeating: "X-Header: y\r\n", count: 1000)), count: 200)
        }
        #expect(await error(HTTPRequest(url: many.url)) != nil)
        let long = try LoopbackServer { _ in
            [.send("HTTP/1.1 200 OK\r\nX: ")]
                + Array(repeating: .send(String(repeating: "y", count: 1 << 16)), count: 64)
        }
        #expect(await error(HTTPRequest(url: long.url)) != nil)
    }

    @Test func timeIsBoundedInAllAndInSilence() async throws {
        let server = try LoopbackServer { _ in
            [.send("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\na"), .wait(20)]
        }
        let start = ContinuousClock.now
        #expect(await error(HTTPRequest(url: server.url, timeout: 0.4)) == .timedOut(seconds: 0.4))
        #expect(await error(HTTPRequest(url: server.url, timeout: 30, idleTimeout: 1)) == .timedOut(seconds: 30))
        #expect(ContinuousClock.now - start < .seconds(10))
    }

    // MARK: What is no answer

    @Test func aBrokenAnswerIsATransportFailure() async throws {
        let answers = [
            "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nshort", "",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        ]
        for text in answers {
            let server = try LoopbackServer { _ in [.send(text)] }
            guard case .transport = await error(HTTPRequest(url: server.url)) else {
                Issue.record("\"\(text)\" passes for an answer")
                continue
            }
        }
    }

    @Test func nobodyThereIsToldFromAnswersThatBreak() async throws {
        let server = try LoopbackServer { _ in [] }
        server.stop()
        for url in [server.url, "http://no-such-host.invalid/"] {
            guard case .unreachable = await error(HTTPRequest(url: url)) else {
                Issue.record("\(url) counts as reached")
                continue
            }
        }
        #expect(HTTPError.unreachable("").mayPass && HTTPError.transport("").mayPass)
        #expect(!HTTPError.timedOut(seconds: 1).mayPass && !HTTPError.tooLarge(limit: 1).mayPass)
    }

    @Test(arguments: [
        "file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://127.0.0.1/x", "dict://127.0.0.1/x", "http://",
        "http://a b/", "x",
    ])
    func onlyHTTPIsSpoken(_ url: String) async {
        let found = await error(HTTPRequest(url: url, timeout: 5))
        #expect(found != nil)
        if case .transport = found { Issue.record("\(url) was tried") }
    }

    /// A value with a line end would be another header, or another request.
    @Test(arguments: [("X", "a\r\nY: b"), ("X", "a\nY: b"), ("X\r\nY", "a"), ("X", "a\rb")])
    func aHeaderIsOneLine(_ name: String, _ value: String) async throws {
        let server = try LoopbackServer { _ in LoopbackServer.answer("") }
        guard case .invalidRequest = await error(HTTPRequest(url: server.url, headers: [(name, value)])) else {
            Issue.record("it was sent")
            return
        }
        #expect(server.requests.isEmpty)
    }

    @Test func errorsHoldNothingThatWasSent() async throws {
        let server = try LoopbackServer { _ in [.send("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nx")] }
        for request in [
            HTTPRequest(
                url: server.url, headers: [("Authorization", "Bearer sk-secret")], body: Array("sk-secret".utf8)),
            HTTPRequest(url: "http://127.0.0.1:1/", headers: [("Authorization", "Bearer sk-secret")]),
            HTTPRequest(url: server.url, headers: [("X", "sk-secret\n")]),
        ] {
            let found = await error(request)
            #expect(found != nil && !"\(String(describing: found))".contains("sk-secret"))
        }
    }

    // MARK: Private addresses

    @Test(arguments: [
        "127.0.0.1", "localhost", "2130706433", "0x7f.1", "127.1", "0", "[::1]", "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
    ])
    func thisMachineIsNotReachedHoweverItIsWritten(_ host: String) async throws {
        let server = try LoopbackServer { _ in LoopbackServer.answer("inside") }
        let found = await error(
            HTTPRequest(url: "http://\(host):\(server.port)/", timeout: 5, refusesPrivateAddresses: true))
        #expect(found != nil)
        #expect(server.requests.isEmpty)
        if host == "127.0.0.1" { #expect(found == .addressRefused("127.0.0.1")) }
    }

    // MARK: Streams and cancelling

    @Test func piecesArriveInOrderWithTheStatus() async throws {
        let server = try LoopbackServer { _ in
            [.send("HTTP/1.1 418 Teapot\r\nConnection: close\r\n\r\n")]
                + (0..<20).flatMap { [.send("\($0) "), .pause(0.005)] as [LoopbackServer.Step] }
        }
        let seen = Mutex<(text: String, pieces: Int)>(("", 0))
        let response = try await client.send(HTTPRequest(url: server.url)) { status, bytes in
            #expect(status == 418)
            seen.withLock {
                $0.text += String(decoding: bytes, as: UTF8.self)
                $0.pieces += 1
            }
        }
        let (text, pieces) = seen.withLock { $0 }
        #expect(text == (0..<20).map { "\($0) " }.joined() && pieces > 1)
        #expect(response.status == 418 && response.body.isEmpty)
    }

    @Test func cancellingClosesTheSocketAtOnce() async throws {
        let server = try LoopbackServer { _ in [.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"), .wait(20)] }
        let client = client
        let task = Task { try await client.send(HTTPRequest(url: server.url)) }
        while server.requests.isEmpty { try await Task.sleep(for: .milliseconds(5)) }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        for _ in 0..<400 where server.closedByClient == 0 { try await Task.sleep(for: .milliseconds(5)) }
        #expect(server.closedByClient == 1)
        // One that was cancelled before it began is never sent.
        let late = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return try await client.send(HTTPRequest(url: server.url))
        }
        await #expect(throws: CancellationError.self) { try await late.value }
        #expect(server.requests.count == 1)
    }

    @Test func manyAtOnceAllEnd() async throws {
        let server = try LoopbackServer { request in
            LoopbackServer.answer(String(request.split(separator: " ")[1].dropFirst()))
        }
        let client = client
        let answers = try await withThrowingTaskGroup(of: String.self) { group in
            for number in 0..<100 {
                group.addTask {
                    let response = try await client.send(HTTPRequest(url: server.url + "/\(number)"))
                    return String(decoding: response.body, as: UTF8.self)
                }
            }
            return try await group.reduce(into: Set()) { $0.insert($1) }
        }
        #expect(answers == Set((0..<100).map(String.init)))
    }
}
