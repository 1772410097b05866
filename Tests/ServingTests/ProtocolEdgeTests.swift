// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import NIOCore
import NIOWebSocket
import Testing
import Text

@testable import Serving

@Suite(.serialized) struct ProtocolEdgeTests {
    private static func answer(_ request: String, _ options: ServerOptions = ServerOptions(port: 0)) async throws -> Int
    {
        let (statuses, continuation) = AsyncStream<Int>.makeStream()
        try await RunningServer.with(options) { (server: RunningServer) async throws -> Void in
            let client = try RawClient(port: server.port)
            client.send(request)
            continuation.yield(await client.status())
        }
        for await status in statuses { return status }
        return 0
    }

    /// `curl --http2` sends this with its first request; a server without HTTP/2 answers in HTTP/1.1.
    @Test func anUpgradeThatIsNotOfferedIsIgnored() async throws {
        try await RunningServer.with { (server: RunningServer) async throws -> Void in
            for upgrade in ["h2c", "TLS/1.0", "websocket, h2c", "", "é"] {
                let client = try RawClient(port: server.port)
                client.send(
                    "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: \(upgrade)\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n"
                )
                let answer = String(decoding: await client.receive(seconds: 1), as: UTF8.self)
                #expect(answer.hasPrefix("HTTP/1.1 200 "), "Upgrade: \(upgrade): \(answer)")
                #expect(answer.lowercased().contains("\r\nconnection: close\r\n"))
                #expect(answer.hasSuffix("}"))
            }
        }
    }

    @Test(arguments: [
        "GET /health HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
        "GET /health HTTP/1.1\r\n\r\n",
        "GET http://evil.example/health HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "POST /retrieve HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /retrieve HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "POST /retrieve HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ])
    func ambiguousHeadsAreRefused(request: String) async throws {
        #expect(try await Self.answer(request) == 400)
    }

    /// All that the server sends for some bytes, until it closes.
    private static func whole(
        _ request: String, _ options: ServerOptions = ServerOptions(port: 0)
    ) async throws -> String {
        let (answers, continuation) = AsyncStream<String>.makeStream()
        try await RunningServer.with(options) { (server: RunningServer) async throws -> Void in
            let client = try RawClient(port: server.port)
            client.send(request)
            continuation.yield(String(decoding: await client.receive(seconds: 2), as: UTF8.self))
        }
        for await answer in answers { return answer }
        return ""
    }

    private static func statuses(_ answer: String) -> [String] {
        answer.matches(of: /HTTP\/1\.[01] ([0-9]{3})/).map { String($0.output.1) }
    }

    /// What is no HTTP is refused behind the answers to what came before it in the same packet.
    @Test(arguments: ["GARBAGE\r\n\r\n", "\u{0}\u{1}", "GET /health HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"])
    func answersComeInTheOrderOfTheirRequests(garbage: String) async throws {
        let body = #"{"queries":["magazine"],"topk":1}"#
        let one = "POST /retrieve HTTP/1.1\r\nHost: localhost\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
        let answer = try await Self.whole(one + one + garbage)
        #expect(Self.statuses(answer) == ["200", "200", "400"], "\(answer)")
        #expect(answer.components(separatedBy: "Arthur").count > 2)
        #expect(try await Self.statuses(Self.whole(garbage)) == ["400"])
    }

    @Test func aBodyThatBreaksOffInGarbageIsRefused() async throws {
        let head = "POST /retrieve HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        let long = "2;a=" + String(repeating: "b", count: 1 << 20) + "\r\n{}\r\n0\r\n\r\n"
        for body in ["zz\r\n", "1\r\nxGARBAGE\r\n", long] {
            #expect(try await Self.statuses(Self.whole(head + body)) == ["400"], "\(body.prefix(20))")
        }
        let dripping = "{}".map { "1\r\n\($0)\r\n" }.joined() + "0\r\n\r\n"
        #expect(try await Self.statuses(Self.whole(head + dripping)) == ["422"])
    }

    /// Load balancers look so whether a server lives.
    @Test func theOldestRequestsNeedNoHost() async throws {
        #expect(try await Self.statuses(Self.whole("GET /health HTTP/1.0\r\n\r\n")) == ["200"])
        #expect(try await Self.statuses(Self.whole("GET /health HTTP/1.0\r\nHost: evil.example\r\n\r\n")) == ["421"])
    }

    /// Who has no token, or too much to send, is not asked for a body that nobody would read.
    @Test func aBodyIsAskedForOnlyWhereItIsRead() async throws {
        var options = ServerOptions(port: 0)
        options.tokens = [AccessToken(secret: "r", scope: .readOnly)]
        func head(_ more: String, _ length: Int = 2) -> String {
            "POST /retrieve HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: \(length)\r\n\(more)\r\n"
        }
        let known = "Authorization: Bearer r\r\n"
        #expect(try await Self.statuses(Self.whole(head(""), options)) == ["401"])
        #expect(try await Self.statuses(Self.whole(head("Authorization: Bearer x\r\n"), options)) == ["401"])
        #expect(try await Self.statuses(Self.whole(head(known, 1 << 40), options)) == ["413"])
        #expect(try await Self.statuses(Self.whole(head(known) + "{}", options)) == ["100", "422"])
        #expect(try await Self.statuses(Self.whole(head(""))) == ["100"])
    }

    /// A server that is asked to end before it has begun does not begin.
    @Test func anEndBeforeTheBeginning() async throws {
        let server = ForageServer(try RunningServer.makeService(), options: ServerOptions(port: 0))
        server.shutDown()
        try await server.run { _ in Issue.record("it listens") }
        let other = ForageServer(try RunningServer.makeService(), options: ServerOptions(port: 0))
        let start = ContinuousClock.now
        try await other.run { _ in other.shutDown() }
        #expect(ContinuousClock.now - start < .seconds(10))
    }

    private static func handshake(_ changes: [String: String?] = [:], path: String = "/ws") -> String {
        var headers = [
            "Host": "localhost", "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        ]
        for (name, value) in changes { headers[name] = value }
        return "GET \(path) HTTP/1.1\r\n" + headers.map { "\($0): \($1)\r\n" }.joined() + "\r\n"
    }

    @Test func webSocketsThatAreRefusedAreToldWhy() async throws {
        #expect(try await Self.answer(Self.handshake()) == 101)
        #expect(try await Self.answer(Self.handshake(["Sec-WebSocket-Version": "8"])) == 426)
        #expect(try await Self.answer(Self.handshake(["Sec-WebSocket-Key": "c2hvcnQ="])) == 400)
        #expect(try await Self.answer(Self.handshake(["Sec-WebSocket-Key": nil])) == 400)
        #expect(try await Self.answer(Self.handshake(["Origin": "http://evil.example"])) == 403)
        #expect(try await Self.answer(Self.handshake(["Host": "evil.example"])) == 421)
        // Elsewhere it is a request like any other.
        #expect(try await Self.answer(Self.handshake(path: "/health")) == 200)
        #expect(try await Self.answer(Self.handshake(path: "//ws")) == 426)
        var options = ServerOptions(port: 0)
        options.tokens = [
            AccessToken(secret: "r", scope: .readOnly), AccessToken(secret: "f", scope: .full),
        ]
        #expect(try await Self.answer(Self.handshake(), options) == 401)
        #expect(try await Self.answer(Self.handshake(["Authorization": "Bearer r"]), options) == 403)
        #expect(try await Self.answer(Self.handshake(["Authorization": "Bearer f"]), options) == 101)
    }

    /// The code of the close frame that the frames lead to; nil when the connection stays.
    private func outcome(_ frames: [[UInt8]]) async throws -> Int? {
        let (codes, continuation) = AsyncStream<Int?>.makeStream()
        try await RunningServer.with { (server: RunningServer) async throws -> Void in
            let client = try RawClient(port: server.port)
            client.send(Self.handshake())
            _ = await client.receive { String(decoding: $0, as: UTF8.self).contains("\r\n\r\n") }
            for frame in frames { client.send(frame) }
            let bytes = await client.receive(seconds: 0.4) { $0.count >= 4 && $0[$0.count - 4] == 0x88 }
            let at = bytes.lastIndex(of: 0x88) ?? bytes.count
            continuation.yield(at + 3 < bytes.count ? Int(bytes[at + 2]) << 8 | Int(bytes[at + 3]) : nil)
        }
        for await code in codes { return code }
        return nil
    }

    @Test func framesThatBreakTheRulesEndTheConnection() async throws {
        let text = Array(#"{"type":"state"}"#.utf8)
        #expect(try await outcome([RawClient.frame(1, text)]) == nil)
        #expect(try await outcome([RawClient.frame(1, text, isMasked: false)]) == 1002)
        for reserved: UInt8 in [1, 2, 4] {
            #expect(try await outcome([RawClient.frame(1, text, reserved: reserved)]) == 1002)
        }
        for opcode: UInt8 in [3, 7, 11, 15] { #expect(try await outcome([RawClient.frame(opcode, [])]) == 1002) }
        #expect(try await outcome([RawClient.frame(0, text)]) == 1002)
        #expect(try await outcome([RawClient.frame(1, text, fin: false), RawClient.frame(1, text)]) == 1002)
        #expect(try await outcome([RawClient.frame(9, [], fin: false)]) == 1002)
        #expect(try await outcome([RawClient.frame(1, [0xC3, 0x28])]) == 1007)
        #expect(try await outcome([RawClient.frame(8, [0x03])]) == 1002)
        #expect(try await outcome([RawClient.frame(8, [0x03, 0xED])]) == 1002)
        #expect(try await outcome([RawClient.frame(8, [0x03, 0xE8, 0xFF])]) == 1007)
        #expect(try await outcome([RawClient.frame(8, [0x03, 0xE8])]) == 1000)
    }

    /// The cases of the Autobahn test suite on fragmentation and control frames, as far as a server can fail them.
    @Test func messagesComeWholeWhateverTheirPieces() {
        var messages = WebSocketMessages(limit: 100)
        func frame(_ opcode: WebSocketOpcode, _ text: String, fin: Bool = true) -> WebSocketFrame {
            WebSocketFrame(fin: fin, opcode: opcode, maskKey: [0, 0, 0, 0], data: ByteBuffer(string: text))
        }
        #expect(messages.take(frame(.text, "ab", fin: false)) == .nothing)
        #expect(messages.take(frame(.ping, "p")) == .ping(ByteBuffer(string: "p")))
        #expect(messages.take(frame(.continuation, "", fin: false)) == .nothing)
        #expect(messages.take(frame(.pong, "q")) == .nothing)
        #expect(messages.take(frame(.continuation, "cd")) == .text(Array("abcd".utf8)))
        #expect(messages.take(frame(.text, "")) == .text([]))
        #expect(messages.take(frame(.binary, "x")) == .binary)
        // A character may be cut between frames.
        #expect(
            messages.take(
                WebSocketFrame(fin: false, opcode: .text, maskKey: [0, 0, 0, 0], data: ByteBuffer(bytes: [0xC3])))
                == .nothing)
        #expect(
            messages.take(
                WebSocketFrame(
                    fin: true, opcode: .continuation, maskKey: [0, 0, 0, 0], data: ByteBuffer(bytes: [0xA9])))
                == .text(Array("é".utf8)))
        #expect(
            messages.take(frame(.text, String(repeating: "x", count: 101))) == .violation(.messageTooLarge))
    }

    /// Three ways of writing "no parameters", and what is no id.
    @Test func messagesOfMCPAreReadAsMeant() async throws {
        try await RunningServer.with { (server: RunningServer) async throws -> Void in
            let hello = try await server.post(
                "/mcp",
                #"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-03-26"}}"#)
            let session = [("Mcp-Session-Id", try #require(hello.headers["mcp-session-id"]))]
            for parameters in [#","params":null"#, #","params":[]"#, #","params":{}"#, ""] {
                let answer = try await server.post(
                    "/mcp", #"{"jsonrpc":"2.0","id":1,"method":"tools/list"\#(parameters)}"#, headers: session)
                #expect(answer.json["result"]?["tools"]?.array?.isEmpty == false, "\(parameters)")
            }
            let null = try await server.post(
                "/mcp", #"{"jsonrpc":"2.0","id":null,"method":"tools/list"}"#, headers: session)
            #expect(null.status == 400 && null.json["error"]?["code"] == -32600)
            let batch = try await server.post(
                "/mcp",
                #"[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","method":"notifications/initialized"},{"jsonrpc":"2.0","id":"b","method":"nope"}]"#,
                headers: session)
            #expect(batch.json.array?.count == 2 && batch.json[0]?["id"] == 1 && batch.json[1]?["id"] == "b")
            let empty = try await server.post("/mcp", "[]", headers: session)
            #expect(empty.status == 400)
        }
    }

    /// Half-sent bodies hold no place: the server works on.
    @Test func halfSentBodiesBlockNobody() async throws {
        var options = ServerOptions(port: 0)
        options.limits.concurrentRequests = 2
        try await RunningServer.with(options) { (server: RunningServer) async throws -> Void in
            let clients = try (0..<64).map { _ in try RawClient(port: server.port) }
            for client in clients {
                client.send(
                    "POST /retrieve HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"
                )
            }
            let start = ContinuousClock.now
            #expect(try await server.post("/retrieve", #"{"queries":["radio"]}"#).status == 200)
            #expect(ContinuousClock.now - start < .seconds(5))
        }
    }

    /// At its cap the server makes room by closing what is idle.
    @Test func idleConnectionsMakeRoom() async throws {
        var options = ServerOptions(port: 0)
        options.limits.connections = 8
        try await RunningServer.with(options) { (server: RunningServer) async throws -> Void in
            let idle = try (0..<16).map { _ in try RawClient(port: server.port) }
            try await Task.sleep(for: .seconds(1.2))
            #expect(try await server.post("/retrieve", #"{"queries":["radio"]}"#).status == 200)
            withExtendedLifetime(idle) {}
        }
    }

    /// HTTP/1.0 knows no chunks, and its connection ends with the answer unless it asks for more.
    @Test func oldClientsAreAnsweredInTheirOwnVersion() async throws {
        try await RunningServer.with { (server: RunningServer) async throws -> Void in
            let body = #"{"model":"hops","stream":true,"messages":[{"role":"user","content":"Which magazine?"}]}"#
            let requests = [
                "GET /health HTTP/1.0\r\nHost: localhost\r\n\r\n",
                "POST /v1/chat/completions HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)",
            ]
            for request in requests {
                let client = try RawClient(port: server.port)
                client.send(request)
                let text = String(decoding: await client.receive(seconds: 10), as: UTF8.self)
                #expect(text.hasPrefix("HTTP/1.0 200 "), "\(text.prefix(200))")
                #expect(!text.lowercased().contains("transfer-encoding"))
                #expect(client.isClosed())
            }
            let kept = try RawClient(port: server.port)
            for _ in 0..<2 {
                kept.send("GET /health HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n")
                let text = String(
                    decoding: await kept.receive { String(decoding: $0, as: UTF8.self).hasSuffix("}") }, as: UTF8.self)
                #expect(text.hasPrefix("HTTP/1.0 200 ") && text.lowercased().contains("connection: keep-alive"))
            }
        }
    }

    /// What two readers could read in two ways is refused.
    @Test(arguments: [
        "POST /retrieve HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        "GET ftp://localhost/health HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "POST /retrieve HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9223372036854775808\r\n\r\n{}",
    ]) func headsAreReadInOneWay(_ request: String) async throws {
        try await RunningServer.with { (server: RunningServer) async throws -> Void in
            let client = try RawClient(port: server.port)
            client.send(request)
            #expect(await client.status() == 400)
        }
    }

    /// Clients that name no episode do not step into each other's.
    @Test func namelessClientsHaveEpisodesOfTheirOwn() async throws {
        try await RunningServer.with { (server: RunningServer) async throws -> Void in
            func send(_ client: RawClient, _ path: String, _ body: String) async -> String {
                client.send(
                    "POST \(path) HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
                )
                let bytes = await client.receive(seconds: 2) { String(decoding: $0, as: UTF8.self).hasSuffix("}") }
                return String(decoding: bytes, as: UTF8.self)
            }
            let (first, second) = (try RawClient(port: server.port), try RawClient(port: server.port))
            _ = await send(first, "/reset", #"{"question":"one"}"#)
            _ = await send(second, "/reset", #"{"question":"two"}"#)
            let step = #"{"action":{"tool":"answer","answer":"x"}}"#
            #expect(await send(first, "/step", step).contains("The episode is over"))
            // The other's episode still runs.
            #expect(await send(second, "/step", step).contains("The episode is over"))
            // From a third connection it is not clear whose episode is meant, or there is none.
            let third = try RawClient(port: server.port)
            #expect(await send(third, "/step", step).contains("422"))
        }
    }
}
