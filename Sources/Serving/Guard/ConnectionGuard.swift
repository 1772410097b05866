// SPDX-License-Identifier: Apache-2.0

import Base
import NIOCore
import NIOHTTP1
import Text

/// Watches over one connection, between the HTTP/1 codec and everything else: the rules for a request's head, the clocks
/// for a client that is slow to send or to read, the end when the server shuts down.
///
/// - A request whose head breaks RFC 9112's rules on `Host`, on its target or on the length of its body is refused.
/// - `Upgrade` is for a WebSocket at `/ws` alone; any other, such as `h2c`, is ignored, as RFC 9110 allows.
/// - A head must have come `seconds` after the connection was free, its body `seconds` after the head, however they drip;
///   while an answer is written, some of it must go out in every `seconds`.
/// - A client that is answered before it has sent its whole body is read to the end of it: closed at once, or no longer
///   read, it would never see the answer.
/// - What is no HTTP is refused behind the answers to the requests before it: a client takes answers in their order.
/// - Who has no token is not asked for a body.
final class ConnectionGuard: ChannelDuplexHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = HTTPServerRequestPart
    typealias OutboundIn = HTTPServerResponsePart
    typealias OutboundOut = HTTPServerResponsePart

    private enum Mode {
        case http
        /// The head of a WebSocket's request has passed; its end is still to come.
        case upgrading
        /// Frames, which are no business of this handler.
        case webSocket
        /// A request was refused: nothing after it counts.
        case refused
        /// The last answer is out, and the rest of its request's body is dropped as it comes.
        case discarding
    }

    private let server: ForageServer
    private let connection: Connection
    private let patience: TimeAmount

    private var mode = Mode.http
    private var isFirst = true
    /// Whether the client speaks HTTP/1.0: it knows no chunks, so an answer of unknown length ends with its connection.
    private var isOld = false
    /// Requests whose answers have not gone out whole.
    private var open = 0
    /// The request that is coming began then; nil when none is coming.
    private var receivingSince: NIODeadline?
    private var freeSince = NIODeadline.now()
    /// Writes that the system has not taken yet, and when it last took one.
    private var pendingWrites = 0
    private var lastProgress = NIODeadline.now()
    private var closesAfterAnswer = false
    /// A refusal that waits for the answers to the requests before it, and how many these are.
    private var refusal: (status: Int, message: String)?
    private var owed = 0
    /// Whether an answer is half out.
    private var isAnswering = false
    /// The bytes of the request that is coming: what came over the wire since its head, and what of it is its body.
    private var wireBytes = 0
    private var bodyBytes = 0
    private var isChunked = false
    private var context: ChannelHandlerContext?
    /// The bytes of a body that are still dropped for its client to see the answer.
    private var discardable = 64 << 20
    private var clock: Scheduled<Void>?

    init(server: ForageServer, connection: Connection) {
        self.server = server
        self.connection = connection
        patience = .seconds(Int64(max(1, server.options.limits.idleSeconds)))
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        tick(context)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
        clock?.cancel()
    }

    func channelInactive(context: ChannelHandlerContext) {
        clock?.cancel()
        connection.clientIsGone()
        context.fireChannelInactive()
    }

    // MARK: What comes

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch mode {
        case .webSocket: return context.fireChannelRead(data)
        case .refused: return
        case .discarding: return discard(unwrapInboundIn(data), context)
        case .http, .upgrading: break
        }
        switch unwrapInboundIn(data) {
        case .head(let head): receive(head, context)
        case .body(let buffer):
            bodyBytes += buffer.readableBytes
            context.fireChannelRead(data)
        case .end:
            receivingSince = nil
            connection.note(.working)
            if mode == .upgrading { mode = .webSocket }
            context.fireChannelRead(data)
        }
    }

    /// Takes the number of bytes that came over the wire and were parsed.
    func receivedBytes(_ count: Int) {
        guard mode == .http, receivingSince != nil, isChunked, let context else { return }
        wireBytes += count
        // The shortest chunks have five bytes of framing for one of content.
        if wireBytes - bodyBytes > (64 << 10) + 8 * bodyBytes {
            refuse(400, "the chunks of the body carry too little for their length", context)
        }
    }

    /// The parser gives up: nothing after this can be understood.
    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        switch mode {
        case .http where error is HTTPParserError, .upgrading where error is HTTPParserError:
            refuse(400, "the request is not HTTP/1.1 as RFC 9112 has it", context)
        // Whatever comes behind it is an error, too.
        case .refused: break
        case .discarding: context.close(promise: nil)
        case .http, .upgrading, .webSocket: context.fireErrorCaught(error)
        }
    }

    private func discard(_ part: HTTPServerRequestPart, _ context: ChannelHandlerContext) {
        switch part {
        case .head: break
        case .body(let buffer):
            discardable -= buffer.readableBytes
            if discardable < 0 { context.close(promise: nil) }
        case .end: context.close(promise: nil)
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        context.fireChannelReadComplete()
        // Nobody behind this handler asks for more.
        if mode == .discarding { context.read() }
    }

    /// What stands behind has nothing more to say; the client may still be sending.
    func close(context: ChannelHandlerContext, mode how: CloseMode, promise: EventLoopPromise<Void>?) {
        if how == .output, mode == .http, receivingSince != nil {
            mode = .discarding
            context.close(mode: how, promise: promise)
            context.read()
            return
        }
        context.close(mode: how, promise: promise)
    }

    private func receive(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
        var head = head
        if let fault = Self.fault(of: head) { return refuse(400, fault, context) }
        if head.headers.contains(name: "upgrade") {
            let wantsSocket = head.headers[canonicalForm: "upgrade"].contains { $0.lowercased() == "websocket" }
            if wantsSocket, isFirst, head.uri.prefix(while: { $0 != "?" }) == ForageServer.socketPath {
                do throws(ServiceError) {
                    connection.socketCaller = try WebSocketHandshake.caller(of: head, server)
                } catch {
                    return refuse(error.status.rawValue, error.message, context)
                }
                head.headers.replaceOrAdd(name: "upgrade", value: "websocket")
                head.headers.replaceOrAdd(name: "connection", value: "upgrade")
                mode = .upgrading
            } else {
                Self.ignoreUpgrade(&head)
                // The parser takes what follows such a request for another protocol: the connection ends with its answer.
                closesAfterAnswer = true
            }
        }
        if head.headers[canonicalForm: "expect"].contains(where: { $0.lowercased() == "100-continue" }), open == 0 {
            if wantsBody(of: head) {
                let interim = HTTPResponseHead(version: .http1_1, status: .continue)
                context.writeAndFlush(wrapOutboundOut(.head(interim)), promise: nil)
            } else {
                // The client does not send the body that it announced, or sends it after all: its next request cannot be told.
                closesAfterAnswer = true
            }
        }
        isFirst = false
        open += 1
        if head.version != .http1_1 {
            isOld = true
            if !head.headers[canonicalForm: "connection"].contains(where: { $0.lowercased() == "keep-alive" }) {
                closesAfterAnswer = true
            }
        }
        receivingSince = .now()
        (wireBytes, bodyBytes) = (0, 0)
        isChunked = head.headers.contains(name: "transfer-encoding")
        connection.note(.receiving)
        context.fireChannelRead(wrapInboundOut(.head(head)))
    }

    /// Whether the body of a request is read at all: by who sends it, and by its length.
    private func wantsBody(of head: HTTPRequestHead) -> Bool {
        guard !server.isDraining else { return false }
        if let length = head.headers.first(name: "content-length").flatMap({ Int($0) }),
            length > server.options.limits.bodyBytes
        {
            return false
        }
        let names = RequestGuard.Head(
            host: head.headers.first(name: "host"), origin: head.headers.first(name: "origin"),
            authorization: head.headers.first(name: "authorization"))
        do {
            try server.requestGuard.checkNames(names)
            return try server.requestGuard.caller(names) != nil
        } catch { return false }
    }

    /// What is wrong with a head; nil for nothing.
    private static func fault(of head: HTTPRequestHead) -> String? {
        let hosts = head.headers["host"]
        guard hosts.count <= 1 else { return "a request has one Host header" }
        guard hosts.count == 1 || head.version != .http1_1 else { return "the Host header is missing" }
        let codings = head.headers[canonicalForm: "transfer-encoding"].map { $0.lowercased() }
        guard codings.isEmpty || codings == ["chunked"] else { return "the only transfer coding is chunked" }
        guard codings.isEmpty || head.version == .http1_1 else { return "HTTP/1.0 has no transfer codings" }
        let lengths = head.headers["content-length"]
        guard lengths.count <= 1, lengths.isEmpty || codings.isEmpty else { return "a body has one length" }
        guard lengths.allSatisfy({ Int($0) != nil }) else { return "the length of the body is no number that can be" }
        if head.uri.utf8.first != UInt8(ascii: "/"), head.uri != "*" {
            guard let mark = head.uri.firstRange(of: "://"),
                ["http", "https"].contains(head.uri[..<mark.lowerBound].lowercased()),
                head.uri[mark.upperBound...].prefix(while: { !"/?#".contains($0) }).lowercased()
                    == hosts.first?.lowercased()
            else { return "the target must be a path, or an address at the Host" }
        }
        return nil
    }

    private static func ignoreUpgrade(_ head: inout HTTPRequestHead) {
        head.headers.remove(name: "upgrade")
        head.headers.remove(name: "http2-settings")
        let kept = head.headers[canonicalForm: "connection"].filter {
            !["upgrade", "http2-settings"].contains($0.lowercased())
        }
        head.headers.remove(name: "connection")
        for option in kept { head.headers.add(name: "connection", value: String(option)) }
    }

    /// Answers in place of everything that stands behind this handler, and ends the connection.
    private func refuse(_ status: Int, _ message: String, _ context: ChannelHandlerContext) {
        mode = .refused
        // Answers go out in the order of their requests. The one that is still coming is the one that is refused.
        owed = receivingSince == nil ? open : max(0, open - 1)
        receivingSince = nil
        refusal = (status, message)
        // Whoever waits for the rest of its body gets the end of the connection.
        if owed == 0 { sendRefusal(context) }
    }

    private func sendRefusal(_ context: ChannelHandlerContext) {
        guard let (status, message) = refusal else { return }
        refusal = nil
        guard !isAnswering else { return context.close(promise: nil) }
        let error = ServiceError(ServiceError.Status(rawValue: status) ?? .badRequest, message)
        let body = ByteBuffer(string: error.detail.serialized())
        var head = HTTPResponseHead(version: .http1_1, status: HTTPResponseStatus(statusCode: status))
        head.headers.add(name: "content-type", value: "application/json")
        head.headers.add(name: "content-length", value: String(body.readableBytes))
        head.headers.add(name: "connection", value: "close")
        if status == 426 { head.headers.add(name: "sec-websocket-version", value: "13") }
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        context.write(wrapOutboundOut(.body(.byteBuffer(body))), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        // Closed at once, bytes that were not read yet would reset the connection and the answer with it.
        context.close(mode: .output, promise: nil)
        let channel = context.channel
        context.eventLoop.scheduleTask(in: .seconds(1)) { channel.close(promise: nil) }
    }

    // MARK: What goes

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        if mode == .webSocket { return context.write(data, promise: promise) }
        // The answer to what was refused has gone out.
        if mode == .refused, owed == 0 {
            promise?.fail(ChannelError.outputClosed)
            return
        }
        var data = data
        var isEnd = false
        switch unwrapOutboundIn(data) {
        case .head(var head) where (closesAfterAnswer || isOld) && head.status.code >= 200:
            if isOld {
                head.version = .http1_0
                if !head.headers.contains(name: "content-length") { closesAfterAnswer = true }
            }
            head.headers.replaceOrAdd(name: "connection", value: closesAfterAnswer ? "close" : "keep-alive")
            data = wrapOutboundOut(.head(head))
            isAnswering = true
        case .head(let head): if head.status.code >= 200 { isAnswering = true }
        case .end:
            isEnd = true
            isAnswering = false
            if mode == .refused { owed -= 1 }
        default: break
        }
        let written = promise ?? context.eventLoop.makePromise(of: Void.self)
        if pendingWrites == 0 { lastProgress = .now() }
        pendingWrites += 1
        written.futureResult.assumeIsolated().whenComplete { [weak self] _ in
            guard let self else { return }
            pendingWrites -= 1
            lastProgress = .now()
            if isEnd { answered(context) }
        }
        context.write(data, promise: written)
    }

    private func answered(_ context: ChannelHandlerContext) {
        open = max(0, open - 1)
        if mode == .refused {
            if owed == 0 { sendRefusal(context) }
            return
        }
        guard open == 0 else { return }
        freeSince = .now()
        if receivingSince == nil { connection.note(.idle) }
        if closesAfterAnswer { context.close(promise: nil) }
    }

    // MARK: Clocks and ends

    private func tick(_ context: ChannelHandlerContext) {
        let interval = max(TimeAmount.milliseconds(100), .nanoseconds(patience.nanoseconds / 8))
        clock = context.eventLoop.assumeIsolated().scheduleTask(in: interval) { [weak self] in
            guard let self, context.channel.isActive else { return }
            if mode != .webSocket, isTooSlow(.now()) {
                context.close(promise: nil)
            } else {
                tick(context)
            }
        }
    }

    private func isTooSlow(_ now: NIODeadline) -> Bool {
        if let receivingSince, now - receivingSince > patience { return true }
        if pendingWrites > 0 { return now - lastProgress > patience }
        return open == 0 && now - freeSince > patience
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case is ChannelShouldQuiesceEvent: quiesce(context)
        case ChannelEvent.inputClosed:
            // A client that has only closed its own direction may still read a quick answer.
            let connection = connection
            context.eventLoop.scheduleTask(in: .seconds(1)) { connection.clientIsGone() }
            context.fireUserInboundEventTriggered(event)
        default: context.fireUserInboundEventTriggered(event)
        }
    }

    /// The server shuts down: what is being answered is finished, everything else ends.
    private func quiesce(_ context: ChannelHandlerContext) {
        if mode == .webSocket {
            // A close frame that says "going away" (RFC 6455, 7.4.1).
            context.writeAndFlush(NIOAny(ByteBuffer(bytes: [0x88, 0x02, 0x03, 0xE9])), promise: nil)
            connection.clientIsGone()
            context.close(promise: nil)
        } else if open == 0 || receivingSince != nil {
            context.close(promise: nil)
        } else {
            closesAfterAnswer = true
        }
    }
}
