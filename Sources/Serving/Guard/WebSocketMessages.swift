// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOWebSocket

/// Puts the frames of a client together to messages, and finds what breaks RFC 6455.
struct WebSocketMessages {
    /// What a frame amounts to.
    enum Event: Equatable {
        /// A part of a message, or a pong.
        case nothing
        case text([UInt8])
        case binary
        /// To be answered with a pong of the same data.
        case ping(ByteBuffer)
        /// The client ends; to be answered with the same code.
        case close(WebSocketErrorCode)
        /// The client broke a rule; the connection ends with this code.
        case violation(WebSocketErrorCode)
    }

    private let limit: Int
    private var message: [UInt8] = []
    /// What kind of message is under way; nil when none is.
    private var kind: WebSocketOpcode?

    /// - Parameter limit: the longest message in bytes.
    init(limit: Int) { self.limit = limit }

    mutating func take(_ frame: WebSocketFrame) -> Event {
        guard frame.maskKey != nil, !frame.rsv1, !frame.rsv2, !frame.rsv3 else { return .violation(.protocolError) }
        var data = frame.unmaskedData
        switch frame.opcode {
        case .text, .binary:
            guard kind == nil else { return .violation(.protocolError) }
            kind = frame.opcode
        case .continuation:
            guard kind != nil else { return .violation(.protocolError) }
        case .ping, .pong, .connectionClose:
            guard frame.fin, data.readableBytes <= 125 else { return .violation(.protocolError) }
            if frame.opcode == .pong { return .nothing }
            return frame.opcode == .ping ? .ping(data) : Self.close(&data)
        default: return .violation(.protocolError)
        }
        guard message.count + data.readableBytes <= limit else { return .violation(.messageTooLarge) }
        message.append(contentsOf: data.readableBytesView)
        guard frame.fin else { return .nothing }
        defer {
            message = []
            kind = nil
        }
        guard kind == .text else { return .binary }
        guard String(validating: message, as: UTF8.self) != nil else {
            return .violation(.dataInconsistentWithMessage)
        }
        return .text(message)
    }

    /// A close frame has no data, or a code that may be sent and a reason in UTF-8.
    private static func close(_ data: inout ByteBuffer) -> Event {
        guard data.readableBytes > 0 else { return .close(.normalClosure) }
        guard let code = data.readInteger(as: UInt16.self) else { return .violation(.protocolError) }
        switch code {
        case 1000...1003, 1007...1014, 3000...4999: break
        default: return .violation(.protocolError)
        }
        guard String(validating: data.readableBytesView, as: UTF8.self) != nil else {
            return .violation(.dataInconsistentWithMessage)
        }
        return .close(WebSocketErrorCode(codeNumber: Int(code)))
    }
}
