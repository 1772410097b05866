// SPDX-License-Identifier: Apache-2.0

import Base
import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import NIOHTTP1
import NIOHTTPTypes
import NIOHTTPTypesHTTP1
import NIOWebSocket
import Synchronization
import Text

/// A connection: HTTP/1.1, or a WebSocket when its first request asks for one at `/ws`.
struct ForageChannel: ServerChildChannel, HTTPChannelHandler {
    typealias HTTP = NIOAsyncChannel<HTTPRequestPart, HTTPResponsePart>
    typealias Frames = NIOAsyncChannel<WebSocketFrame, WebSocketFrame>

    /// What the connection has become.
    enum Negotiated: Sendable {
        case http(HTTP)
        case webSocket(Frames)
    }

    struct Value: ServerChildChannelValue {
        let channel: any Channel
        let negotiation: EventLoopFuture<Negotiated>
    }

    let responder: HTTPChannelHandler.Responder
    let limits: ServerOptions.Limits
    let server: ForageServer

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        let limits = limits
        let server = server
        return channel.eventLoop.makeCompletedFuture {
            let upgrader = NIOTypedWebSocketServerUpgrader<Negotiated>(
                maxFrameSize: min(limits.bodyBytes, 1 << 24),
                shouldUpgrade: { channel, head in
                    channel.eventLoop.makeSucceededFuture(server.acceptsSocket(head) ? HTTPHeaders() : nil)
                },
                upgradePipelineHandler: { channel, _ in
                    channel.eventLoop.makeCompletedFuture {
                        try FirstRequestTimeout.end(in: channel)
                        return .webSocket(try Frames(wrappingChannelSynchronously: channel))
                    }
                })
            var configuration = NIOUpgradableHTTPServerPipelineConfiguration<Negotiated>(
                upgradeConfiguration: NIOTypedHTTPServerUpgradeConfiguration(
                    upgraders: [upgrader],
                    notUpgradingCompletionHandler: { channel in
                        channel.eventLoop.makeCompletedFuture {
                            try FirstRequestTimeout.end(in: channel)
                            try channel.pipeline.syncOperations.addHandler(HTTP1ToHTTPServerCodec(secure: false))
                            try channel.pipeline.syncOperations.addHandler(RequestTimeout(seconds: limits.idleSeconds))
                            try channel.pipeline.syncOperations.addHandler(
                                HTTPConnectionStateHandler(idleTimeout: .seconds(limits.idleSeconds), logger: logger))
                            return .http(
                                try HTTP(
                                    wrappingChannelSynchronously: channel,
                                    configuration: .init(isOutboundHalfClosureEnabled: true)))
                        }
                    }))
            configuration.enablePipelining = false
            configuration.enableErrorHandling = true
            configuration.enableResponseHeaderValidation = false
            configuration.decoderConfiguration.maxHeaderFieldSize = limits.headerBytes
            configuration.decoderConfiguration.maxHeaderListSize = limits.headerBytes
            configuration.decoderConfiguration.maxHeaderFieldCount = 100
            // Before the first request is whole nothing else watches the clock.
            try channel.pipeline.syncOperations.addHandler(FirstRequestTimeout(seconds: limits.idleSeconds))
            let negotiation = try channel.pipeline.syncOperations.configureUpgradableHTTPServerPipeline(
                configuration: configuration)
            try channel.pipeline.syncOperations.addHandler(UnreadableRequestCloser())
            return Value(channel: channel, negotiation: negotiation)
        }
    }

    func handle(value: Value, logger: Logger) async {
        do {
            switch try await value.negotiation.get() {
            case .http(let channel): await handleHTTP(asyncChannel: channel, logger: logger)
            case .webSocket(let frames): try await server.serve(frames)
            }
        } catch {
            logger.trace("connection ended", metadata: ["error": "\(error)"])
            try? await value.channel.close()
        }
    }
}

/// Ends a connection whose bytes are no HTTP: the client has been told so with status 400, and nothing after it can be
/// understood.
private final class UnreadableRequestCloser: ChannelInboundHandler {
    typealias InboundIn = Any

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard error is HTTPParserError else { return context.fireErrorCaught(error) }
        let channel = context.channel
        // Closed at once, bytes that were not read yet would reset the connection and the answer with it.
        context.close(mode: .output, promise: nil)
        context.eventLoop.scheduleTask(in: .seconds(1)) { channel.close(promise: nil) }
    }
}

/// Closes a connection whose first request has no whole head in time, however its bytes drip.
private final class FirstRequestTimeout: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private let seconds: Int
    private var scheduled: Scheduled<Void>?

    init(seconds: Int) { self.seconds = seconds }

    /// Stops the clock: the head is there.
    static func end(in channel: any Channel) throws {
        let handler = try channel.pipeline.syncOperations.handler(type: FirstRequestTimeout.self)
        handler.scheduled?.cancel()
        handler.scheduled = nil
    }

    func handlerAdded(context: ChannelHandlerContext) {
        let channel = context.channel
        scheduled = context.eventLoop.scheduleTask(in: .seconds(Int64(seconds))) { channel.close(promise: nil) }
    }

    func channelInactive(context: ChannelHandlerContext) {
        scheduled?.cancel()
        context.fireChannelInactive()
    }
}

/// Closes a connection whose request does not end in time after its head, however its body drips: while it comes, it
/// holds a place that others wait for.
private final class RequestTimeout: ChannelInboundHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart

    private let seconds: Int
    private var scheduled: Scheduled<Void>?

    init(seconds: Int) { self.seconds = seconds }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head:
            let channel = context.channel
            scheduled = context.eventLoop.scheduleTask(in: .seconds(Int64(seconds))) { channel.close(promise: nil) }
        case .body: break
        case .end:
            scheduled?.cancel()
            scheduled = nil
        }
        context.fireChannelRead(data)
    }

    func channelInactive(context: ChannelHandlerContext) {
        scheduled?.cancel()
        context.fireChannelInactive()
    }
}

extension ForageServer {
    /// Whether a request to upgrade is let in.
    func acceptsSocket(_ head: HTTPRequestHead) -> Bool {
        guard head.uri.split(separator: "?").first == "/ws" else { return false }
        do {
            try RequestGuard(options: options).check(
                RequestGuard.Head(
                    method: head.method.rawValue, path: "/ws", host: head.headers.first(name: "host"),
                    origin: head.headers.first(name: "origin"),
                    authorization: head.headers.first(name: "authorization")))
            return true
        } catch {
            return false
        }
    }

    /// Serves one WebSocket: text messages in, one answer each.
    func serve(_ frames: NIOAsyncChannel<WebSocketFrame, WebSocketFrame>) async throws {
        let hasPlace = environments.takeConnection()
        defer { if hasPlace { environments.giveConnectionBack() } }
        try await frames.executeThenClose { inbound, outbound in
            func send(_ value: JSONValue) async throws {
                try await outbound.write(
                    WebSocketFrame(fin: true, opcode: .text, data: ByteBuffer(string: value.serialized())))
            }
            func close(_ code: WebSocketErrorCode) async throws {
                var data = ByteBuffer()
                data.write(webSocketErrorCode: code)
                try await outbound.write(WebSocketFrame(fin: true, opcode: .connectionClose, data: data))
            }
            guard hasPlace else {
                try await send(EnvironmentSocket.error("CAPACITY_REACHED", "too many environment sessions"))
                return try await close(.unexpectedServerError)
            }
            var socket = EnvironmentSocket(service: service, mcp: mcp)
            var message: [UInt8] = []
            var isText = false
            let idle = frames.channel.closeWhenIdle(seconds: service.limits.environmentIdleSeconds)
            for try await frame in inbound {
                idle.touch()
                switch frame.opcode {
                case .text, .binary, .continuation:
                    if frame.opcode != .continuation {
                        message = []
                        isText = frame.opcode == .text
                    }
                    message.append(contentsOf: frame.unmaskedData.readableBytesView)
                    guard message.count <= service.limits.bodyBytes else { return try await close(.messageTooLarge) }
                    guard frame.fin else { continue }
                    guard isText else {
                        try await send(EnvironmentSocket.error("INVALID_JSON", "expected a text message"))
                        continue
                    }
                    guard let answer = try await socket.answer(message) else { return try await close(.normalClosure) }
                    try await send(answer)
                    message = []
                case .ping:
                    try await outbound.write(WebSocketFrame(fin: true, opcode: .pong, data: frame.unmaskedData))
                case .connectionClose: return try await close(.normalClosure)
                default: break
                }
            }
        }
    }
}

/// Closes a channel that nobody touched for a while.
private final class IdleCloser: Sendable {
    private let channel: any Channel
    private let last = Atomic<UInt64>(NIODeadline.now().uptimeNanoseconds)
    private let interval: UInt64

    init(channel: any Channel, seconds: Double) {
        self.channel = channel
        interval = UInt64(max(0.1, seconds) * 1e9)
        check()
    }

    func touch() { last.store(NIODeadline.now().uptimeNanoseconds, ordering: .relaxed) }

    private func check() {
        channel.eventLoop.scheduleTask(in: .nanoseconds(Int64(interval))) { [weak self] in
            guard let self, channel.isActive else { return }
            if NIODeadline.now().uptimeNanoseconds - last.load(ordering: .relaxed) >= interval {
                channel.close(promise: nil)
            } else {
                check()
            }
        }
    }
}

extension Channel {
    fileprivate func closeWhenIdle(seconds: Double) -> IdleCloser { IdleCloser(channel: self, seconds: seconds) }
}
