// SPDX-License-Identifier: Apache-2.0

import Foundation
import Synchronization

/// A server on a loopback port that answers each connection with bytes, in pieces, and counts what clients did.
final class LoopbackServer: Sendable {
    enum Step: Sendable {
        case send(String)
        case bytes([UInt8])
        case pause(Double)
        /// Waits until the client closes, or the seconds are over.
        case wait(Double)
    }

    private struct State {
        var requests: [String] = []
        var closedByClient = 0
    }

    let port: UInt16
    private let listener: Int32
    private let state = Mutex(State())

    var url: String { "http://127.0.0.1:\(port)" }
    var requests: [String] { state.withLock { $0.requests } }
    var closedByClient: Int { state.withLock { $0.closedByClient } }

    init(_ answer: @escaping @Sendable (_ request: String) -> [Step]) throws {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                bind(listener, address, length) == 0 && listen(listener, 128) == 0
                    && getsockname(listener, address, &length) == 0
            }
        }
        guard isBound else { throw CocoaError(.fileReadUnknown) }
        self.listener = listener
        port = UInt16(bigEndian: address.sin_port)
        Thread.detachNewThread { [self] in
            while true {
                let connection = accept(listener, nil, nil)
                guard connection >= 0 else { return }
                Thread.detachNewThread { [self] in
                    serve(connection, answer)
                    close(connection)
                }
            }
        }
    }

    deinit { shutdown(listener, Int32(SHUT_RDWR)) }

    func stop() { shutdown(listener, Int32(SHUT_RDWR)) }

    private func serve(_ connection: Int32, _ answer: (String) -> [Step]) {
        var request: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = recv(connection, &buffer, buffer.count, 0)
            guard count > 0 else { return }
            request += buffer[..<count]
            let text = String(decoding: request, as: UTF8.self)
            guard let end = text.range(of: "\r\n\r\n") else { continue }
            let length = text[..<end.lowerBound].lowercased().split(separator: "\r\n")
                .first { $0.hasPrefix("content-length:") }.flatMap { Int($0.dropFirst(16)) }
            if text[end.upperBound...].utf8.count >= length ?? 0 { break }
        }
        let text = String(decoding: request, as: UTF8.self)
        state.withLock { $0.requests.append(text) }
        for step in answer(text) {
            switch step {
            case .send(let text): write(Array(text.utf8), connection)
            case .bytes(let bytes): write(bytes, connection)
            case .pause(let seconds): Thread.sleep(forTimeInterval: seconds)
            case .wait(let seconds):
                var descriptor = pollfd(fd: connection, events: Int16(POLLIN), revents: 0)
                if poll(&descriptor, 1, Int32(seconds * 1000)) > 0 { state.withLock { $0.closedByClient += 1 } }
            }
        }
    }

    private func write(_ bytes: [UInt8], _ connection: Int32) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { send(connection, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            guard count > 0 else { return }
            rest = rest.dropFirst(count)
        }
    }

    /// A whole answer that ends with its connection.
    static func answer(_ body: String, status: String = "200 OK", headers: [String] = []) -> [Step] {
        let head =
            ["HTTP/1.1 \(status)"] + headers + ["Content-Length: \(body.utf8.count)", "Connection: close", "", ""]
        return [.send(head.joined(separator: "\r\n") + body)]
    }
}
