// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// A client that sends what it likes, as slowly as it likes.
final class RawClient: Sendable {
    let socket: Int32

    init(port: Int) throws {
        #if canImport(Glibc)
        socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        #else
        socket = Foundation.socket(AF_INET, SOCK_STREAM, 0)
        #endif
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(UInt16(port).bigEndian)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        let status = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        try #require(status == 0)
    }

    deinit { close(socket) }

    /// Sends bytes; false when the server has closed the connection.
    @discardableResult func send(_ text: String) -> Bool { send(Array(text.utf8)) }

    @discardableResult func send(_ bytes: [UInt8]) -> Bool {
        Foundation.send(socket, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count
    }

    /// Whether the server has closed the connection; what it sent before is read and dropped.
    func isClosed() -> Bool {
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = recv(socket, &buffer, buffer.count, Int32(MSG_DONTWAIT))
            if count > 0 { continue }
            return count == 0 || (errno != EAGAIN && errno != EWOULDBLOCK)
        }
    }

    /// What the server sends, until it closes, is silent for the time, or `isEnough`.
    func receive(seconds: Double = 5, until isEnough: ([UInt8]) -> Bool = { _ in false }) async -> [UInt8] {
        var received: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        var last = ContinuousClock.now
        while ContinuousClock.now - last < .seconds(seconds) {
            let count = recv(socket, &buffer, buffer.count, Int32(MSG_DONTWAIT))
            if count > 0 {
                received += buffer[..<count]
                last = .now
                if isEnough(received) { break }
            } else if count == 0 || (errno != EAGAIN && errno != EWOULDBLOCK) {
                break
            } else {
                try? await Task.sleep(for: .milliseconds(2))
            }
        }
        return received
    }

    /// The status of the next answer; 0 when there is none.
    func status(seconds: Double = 5) async -> Int {
        let bytes = await receive(seconds: seconds) { $0.count >= 12 }
        let text = String(decoding: bytes.prefix(12), as: UTF8.self)
        return text.hasPrefix("HTTP/1.1 ") ? Int(text.dropFirst(9).prefix(3)) ?? 0 : 0
    }

    /// A frame as a client sends it.
    static func frame(
        _ opcode: UInt8, _ data: [UInt8], fin: Bool = true, reserved: UInt8 = 0, isMasked: Bool = true
    ) -> [UInt8] {
        var bytes: [UInt8] = [(fin ? 0x80 : 0) | reserved << 4 | opcode]
        let mask: UInt8 = isMasked ? 0x80 : 0
        if data.count < 126 {
            bytes.append(mask | UInt8(data.count))
        } else {
            bytes += [mask | 126, UInt8(data.count >> 8 & 255), UInt8(data.count & 255)]
        }
        let key: [UInt8] = [1, 2, 3, 4]
        guard isMasked else { return bytes + data }
        return bytes + key + data.enumerated().map { $1 ^ key[$0 % 4] }
    }
}
