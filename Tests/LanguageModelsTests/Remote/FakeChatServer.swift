// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import Synchronization
import Text

/// A chat server on a loopback port that answers each connection with the next reply of its script, byte for byte.
final class FakeChatServer: Sendable {
    /// What is done with one connection, after its request was read.
    enum Step: Sendable {
        case send(String)
        case sendBytes([UInt8])
        case pause(Double)
        /// Keeps the connection open until the client closes it or the time is over.
        case stall(Double)
    }

    private struct State {
        var requests: [String] = []
        var clientClosed = 0
    }

    let port: UInt16
    private let listener: Int32
    private let state = Mutex(State())

    var url: String { "http://127.0.0.1:\(port)/v1" }
    var requests: [String] { state.withLock { $0.requests } }
    /// How many connections the client closed while the server stalled.
    var clientClosed: Int { state.withLock { $0.clientClosed } }

    /// Answers each connection with the next reply, and no more connections than there are replies.
    convenience init(_ replies: [[Step]]) throws {
        try self.init { number, _ in number < replies.count ? replies[number] : nil }
    }

    /// Answers each connection with what a function makes of its number and its request; nil ends the server.
    init(answering answer: @escaping @Sendable (_ number: Int, _ body: JSONValue) -> [Step]?) throws {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let bound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                bind(listener, address, length) == 0 && listen(listener, 16) == 0
                    && getsockname(listener, address, &length) == 0
            }
        }
        guard listener >= 0, bound else { throw CocoaError(.fileReadUnknown) }
        self.listener = listener
        port = UInt16(bigEndian: address.sin_port)
        Thread.detachNewThread { [self] in
            var number = 0
            while true {
                let connection = accept(listener, nil, nil)
                guard connection >= 0 else { return }
                defer { close(connection) }
                guard let body = receive(connection), let steps = answer(number, body) else {
                    // A client that asks once too often is refused at once, not left to wait.
                    perform([.send("HTTP/1.1 410 Gone\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")], connection)
                    continue
                }
                number += 1
                perform(steps, connection)
            }
        }
    }

    func stop() { shutdown(listener, Int32(SHUT_RDWR)) }

    /// Reads a request and returns its body; null when it is no JSON.
    private func receive(_ connection: Int32) -> JSONValue? {
        var request = [UInt8]()
        var buffer = [UInt8](repeating: 0, count: 65536)
        var expected = Int.max
        while request.count < expected {
            let count = recv(connection, &buffer, buffer.count, 0)
            guard count > 0 else { return nil }
            request.append(contentsOf: buffer[..<count])
            let text = String(decoding: request, as: UTF8.self)
            if let end = text.range(of: "\r\n\r\n") {
                let head = text[..<end.lowerBound].lowercased()
                let length =
                    head.range(of: "content-length: ").map { head[$0.upperBound...].prefix { $0.isNumber } } ?? "0"
                expected = text[..<end.upperBound].utf8.count + (Int(length) ?? 0)
            }
        }
        let text = String(decoding: request, as: UTF8.self)
        state.withLock { $0.requests.append(text) }
        let body = text.range(of: "\r\n\r\n").map { String(text[$0.upperBound...]) } ?? ""
        return (try? JSONValue(parsing: body)) ?? .null
    }

    private func perform(_ steps: [Step], _ connection: Int32) {
        for step in steps {
            switch step {
            case .send(let text):
                let bytes = Array(text.utf8)
                send(connection, bytes, bytes.count, Int32(MSG_NOSIGNAL))
            case .sendBytes(let bytes): send(connection, bytes, bytes.count, Int32(MSG_NOSIGNAL))
            case .pause(let seconds): Thread.sleep(forTimeInterval: seconds)
            case .stall(let seconds):
                var wait = pollfd(fd: connection, events: Int16(POLLIN), revents: 0)
                if poll(&wait, 1, Int32(seconds * 1000)) > 0 { state.withLock { $0.clientClosed += 1 } }
            }
        }
    }

    static func json(_ body: String, status: String = "200 OK", headers: String = "") -> [Step] {
        [
            .send(
                "HTTP/1.1 \(status)\r\nContent-Type: application/json\r\n\(headers)Content-Length: \(body.utf8.count)\r\nConnection: close\r\n\r\n\(body)"
            )
        ]
    }

    static let streamHead = Step.send(
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")

    static func stream(_ events: [String]) -> [Step] {
        [streamHead] + events.map { .send("data: \($0)\n\n") }
    }
}
