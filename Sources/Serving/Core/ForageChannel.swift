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
import ServiceLifecycle
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
    let server: ForageServer

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        let limits = server.options.limits
        let server = server
        return channel.eventLoop.makeCompletedFuture {
            let upgrader = NIOTypedWebSocketServerUpgrader<Negotiated>(
                maxFrameSize: min(limits.bodyBytes, 1 << 24),
                // `ConnectionGuard` has let the request through.
                shouldUpgrade: { channel, _ in channel.eventLoop.makeSucceededFuture(HTTPHeaders()) },
                upgradePipelineHandler: { channel, _ in
                    channel.eventLoop.makeCompletedFuture {
                        .webSocket(try Frames(wrappingChannelSynchronously: channel))
                    }
                })
            var configuration = NIOUpgradableHTTPServerPipelineConfiguration<Negotiated>(
                upgradeConfiguration: NIOTypedHTTPServerUpgradeConfiguration(
                    upgraders: [upgrader],
                    notUpgradingCompletionHandler: { channel in
                        channel.eventLoop.makeCompletedFuture {
                            try channel.pipeline.syncOperations.addHandler(HTTP1ToHTTPServerCodec(secure: false))
                            return .http(
                                try HTTP(
                                    wrappingChannelSynchronously: channel,
                                    configuration: .init(isOutboundHalfClosureEnabled: true)))
                        }
                    }))
            configuration.enablePipelining = false
            // `ConnectionGuard` answers what cannot be parsed, behind the requests before it.
            configuration.enableErrorHandling = false
            configuration.enableResponseHeaderValidation = false
            configuration.decoderConfiguration.maxHeaderFieldSize = limits.headerBytes
            configuration.decoderConfiguration.maxHeaderListSize = limits.headerBytes
            configuration.decoderConfiguration.maxHeaderFieldCount = 100
            let pipeline = channel.pipeline.syncOperations
            let negotiation = try pipeline.configureUpgradableHTTPServerPipeline(configuration: configuration)
            let upgrading = try pipeline.handler(type: NIOTypedHTTPServerUpgradeHandler<Negotiated>.self)
            let connectionGuard = ConnectionGuard(server: server, connection: server.connections.add(channel))
            try pipeline.addHandler(connectionGuard, position: .before(upgrading))
            try pipeline.addHandler(WireBytes(watch: connectionGuard.receivedBytes), position: .first)
            return Value(channel: channel, negotiation: negotiation)
        }
    }

    /// Serves a connection. The server waits for those that are open before anything else is told that the process ends, so
    /// what they wait for is told here.
    func handle(value: Value, logger: Logger) async {
        await withGracefulShutdownHandler {
            await serve(value, logger)
        } onGracefulShutdown: { [server] in
            server.beginDrain()
        }
    }

    private func serve(_ value: Value, _ logger: Logger) async {
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

/// Counts the bytes of a connection as they come, before they are parsed: of some of them, such as the extensions of chunks,
/// nothing else hears.
private final class WireBytes: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let watch: (Int) -> Void

    init(watch: @escaping (Int) -> Void) { self.watch = watch }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let count = unwrapInboundIn(data).readableBytes
        context.fireChannelRead(data)
        watch(count)
    }
}

extension ForageServer {
    /// Serves one WebSocket: text messages in, one answer each.
    func serve(_ frames: NIOAsyncChannel<WebSocketFrame, WebSocketFrame>) async throws {
        let connection = connections.connection(of: frames.channel)
        guard let connection, let caller = connection.socketCaller else { return }
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
            let socket = EnvironmentSocket(service: service, mcp: mcp, caller: caller)
            defer { socket.end() }
            let exchange = EnvironmentExchange(socket)
            var messages = WebSocketMessages(limit: service.limits.bodyBytes)
            let idle = frames.channel.closeWhenIdle(seconds: service.limits.environmentIdleSeconds)
            for try await frame in inbound {
                idle.touch()
                switch messages.take(frame) {
                case .nothing: break
                case .binary: try await send(EnvironmentSocket.error("INVALID_JSON", "expected a text message"))
                case .ping(let data):
                    try await outbound.write(WebSocketFrame(fin: true, opcode: .pong, data: data))
                case .close(let code), .violation(let code): return try await close(code)
                case .text(let message):
                    let work: @Sendable () async throws -> JSONValue? = { [gate] in
                        try await gate.admit { try await exchange.answer(message) }
                    }
                    let answer: JSONValue?
                    do { answer = try await connection.whileOpen(work) } catch let error as ServiceError {
                        answer = EnvironmentSocket.error("CAPACITY_REACHED", error.message)
                    }
                    guard let answer else { return try await close(.normalClosure) }
                    try await send(answer)
                    idle.touch()
                }
            }
        }
    }
}

/// The exchange on one WebSocket, for one message after the other.
private actor EnvironmentExchange {
    private var socket: EnvironmentSocket

    init(_ socket: EnvironmentSocket) { self.socket = socket }

    func answer(_ message: [UInt8]) async throws -> JSONValue? {
        var next = socket
        let answer = try await next.answer(message)
        socket = next
        return answer
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
