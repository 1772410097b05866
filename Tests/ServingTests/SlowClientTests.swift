// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import Serving
import Testing

@Suite(.serialized) struct SlowClientTests {
    /// However a request drips, its connection ends, and what it held is free again.
    @Test(arguments: [
        ("", ""), ("G", ""), ("GET /health HTTP/1.1\r\nHost: localhost\r\nX-Slow: ", "x"),
        (
            "POST /retrieve HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n",
            " "
        ), ("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\nGET /health HTTP/1.1\r\nX-Slow: ", "x"),
    ])
    func aDrippingRequestIsEnded(opening: String, drop: String) async throws {
        var options = ServerOptions(port: 0)
        options.limits.idleSeconds = 1
        options.limits.concurrentRequests = 1
        try await RunningServer.with(options) { (server: RunningServer) async throws -> Void in
            let client = try RawClient(port: server.port)
            if !opening.isEmpty { #expect(client.send(opening)) }
            var isClosed = false
            // Ten times the limit: a machine under load is late, a connection without a limit never ends.
            for _ in 0..<100 where !isClosed {
                try await Task.sleep(for: .milliseconds(100))
                isClosed = client.isClosed() || (!drop.isEmpty && !client.send(drop))
            }
            #expect(isClosed)
            #expect(try await server.post("/retrieve", #"{"queries":["radio"]}"#).status == 200)
        }
    }

    /// Clients that leave while an agent answers, at any moment: the server stays, and the sessions end.
    @Test(arguments: [true, false]) func clientsThatLeaveDuringAnAnswer(streams: Bool) async throws {
        try await RunningServer.with { (server: RunningServer) async throws -> Void in
            let body =
                #"{"model":"hops","stream":\#(streams),"messages":[{"role":"user","content":"Which was first?"}]}"#
            for index in 0..<40 {
                let client = try RawClient(port: server.port)
                #expect(
                    client.send(
                        "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                            + "Content-Length: \(body.utf8.count)\r\n\r\n\(body)"))
                try await Task.sleep(for: .milliseconds(index))
            }
            var running = "?"
            for _ in 0..<100 where running != "0" {
                try await Task.sleep(for: .milliseconds(100))
                let metrics = try await server.send("GET", "/metrics").text
                running =
                    metrics.split(separator: "\n").first { $0.hasPrefix("forage_agent_sessions_running ") }
                    .map { String($0.split(separator: " ")[1]) } ?? "?"
            }
            #expect(running == "0")
        }
    }

    /// A client whose body is refused sees why, though it sends all of it first and asked for the connection's end.
    @Test func aRefusedBodyIsAnsweredWhileItComes() async throws {
        var options = ServerOptions(port: 0)
        options.limits.bodyBytes = 1 << 20
        try await RunningServer.with(options) { (server: RunningServer) async throws -> Void in
            let client = try RawClient(port: server.port)
            let size = 24 << 20
            client.send(
                "POST /retrieve HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: \(size)\r\n\r\n")
            let piece = [UInt8](repeating: 32, count: 1 << 20)
            // A thread of its own, because sending blocks.
            await withCheckedContinuation { continuation in
                Thread.detachNewThread {
                    for _ in 0..<(size / piece.count) where !client.send(piece) { break }
                    continuation.resume()
                }
            }
            #expect(await client.status() == 413)
        }
    }

    /// Many clients that do nothing make room for one that asks.
    @Test func idleClientsMakeRoom() async throws {
        var options = ServerOptions(port: 0)
        options.limits.connections = 16
        try await RunningServer.with(options) { (server: RunningServer) async throws -> Void in
            let idle = try (0..<48).map { _ in try RawClient(port: server.port) }
            let client = try RawClient(port: server.port)
            client.send("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            #expect(await client.status(seconds: 20) == 200)
            withExtendedLifetime(idle) {}
        }
    }

    @Test func headersAreBounded() async throws {
        try await RunningServer.with { (server: RunningServer) async throws -> Void in
            let client = try RawClient(port: server.port)
            _ = client.send(
                "GET /health HTTP/1.1\r\nHost: localhost\r\nX-Big: \(String(repeating: "x", count: 1 << 20))\r\n\r\n")
            var isClosed = false
            for _ in 0..<100 where !isClosed {
                try await Task.sleep(for: .milliseconds(50))
                isClosed = client.isClosed()
            }
            #expect(isClosed)
            #expect(try await server.send("GET", "/health").status == 200)
        }
    }

    /// What a client writes before it goes away does no harm.
    @Test func bytesAtRandomAreRefused() async throws {
        try await RunningServer.with { (server: RunningServer) async throws -> Void in
            var generator = SplitMix(state: 7)
            let parts = [
                "GET ", "POST ", "/retrieve", "/ws", " HTTP/1.1\r\n", "Host: localhost\r\n", "\r\n", "\r\n\r\n",
                "Content-Length: 5\r\n", "Content-Length: -1\r\n", "Transfer-Encoding: chunked\r\n", "0\r\n\r\n",
                "{\"queries\":[",
                "Upgrade: websocket\r\n", "Connection: upgrade\r\n", "\u{0}", "é", "%00", "ffffffffffffffff\r\n",
            ]
            for _ in 0..<200 {
                let client = try RawClient(port: server.port)
                let count = Int.random(in: 1...12, using: &generator)
                let text = (0..<count).map { _ in parts[Int.random(in: 0..<parts.count, using: &generator)] }.joined()
                _ = client.send(text)
            }
            #expect(try await server.post("/retrieve", #"{"queries":["radio"]}"#).status == 200)
        }
    }
}

/// Numbers that are the same in every run.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
