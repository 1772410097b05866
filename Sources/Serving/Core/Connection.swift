// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Synchronization

/// A connection as the requests on it see it: whether its client is still there.
final class Connection: Sendable {
    /// What the connection is doing, for whoever must choose one to close.
    enum Activity: Int, Sendable, Comparable {
        /// No request is under way.
        case idle
        /// A request is coming, but not whole.
        case receiving
        /// A request is being answered, or it is a WebSocket.
        case working

        static func < (a: Activity, b: Activity) -> Bool { a.rawValue < b.rawValue }
    }

    private struct State {
        var isGone = false
        var socketCaller: Caller?
        var activity = Activity.idle
        var since = NIODeadline.now()
        var nextKey = 0
        var handlers: [Int: @Sendable () -> Void] = [:]
    }

    let channel: any Channel
    /// Where the client is, without the port.
    let peer: String
    private let state = Mutex(State())

    init(channel: any Channel) {
        self.channel = channel
        peer = channel.remoteAddress?.ipAddress ?? "local"
    }

    /// Whether the client went away.
    var isGone: Bool { state.withLock { $0.isGone } }

    /// Who speaks on it, once it is a WebSocket.
    var socketCaller: Caller? {
        get { state.withLock { $0.socketCaller } }
        set { state.withLock { $0.socketCaller = newValue } }
    }

    /// What it does, and since when.
    var activity: (Activity, NIODeadline) { state.withLock { ($0.activity, $0.since) } }

    func note(_ activity: Activity) {
        state.withLock { state in
            guard state.activity != activity else { return }
            state.activity = activity
            state.since = .now()
        }
    }

    /// Tells everyone who works for the client that it is gone.
    func clientIsGone() {
        let handlers = state.withLock { state in
            state.isGone = true
            defer { state.handlers = [:] }
            return state.handlers
        }
        for handler in handlers.values { handler() }
    }

    /// Works as long as the client is there; the work is cancelled when the client goes away.
    func whileOpen<Value: Sendable>(_ body: @escaping @Sendable () async throws -> Value) async throws -> Value {
        let task = Task { try await body() }
        let key: Int? = state.withLock { state in
            guard !state.isGone else { return nil }
            state.nextKey += 1
            state.handlers[state.nextKey] = { task.cancel() }
            return state.nextKey
        }
        if key == nil { task.cancel() }
        defer { if let key { state.withLock { _ = $0.handlers.removeValue(forKey: key) } } }
        return try await withTaskCancellationHandler {
            try await task.value
        } onCancel: {
            task.cancel()
        }
    }
}

/// The open connections of a server: bounded in number, closed at the end.
final class Connections: Sendable {
    private let open = Mutex<[ObjectIdentifier: Connection]>([:])

    var count: Int { open.withLock { $0.count } }

    func add(_ channel: any Channel) -> Connection {
        let connection = Connection(channel: channel)
        let key = ObjectIdentifier(channel as AnyObject)
        open.withLock { $0[key] = connection }
        channel.closeFuture.whenComplete { [weak self] _ in
            connection.clientIsGone()
            self?.open.withLock { _ = $0.removeValue(forKey: key) }
        }
        return connection
    }

    /// The connection of a channel; nil when it has closed.
    func connection(of channel: any Channel) -> Connection? {
        open.withLock { $0[ObjectIdentifier(channel as AnyObject)] }
    }

    /// Closes the connections that do least for longest, so that other clients have room: those without a request, else
    /// those whose request has been coming for a second or more. Those that are being answered stay.
    /// - Parameter most: how many are closed at most; whoever opens many at once must not keep others out for as long as
    ///   it takes to close them one by one.
    func closeIdlest(_ most: Int) {
        let all = open.withLock { Array($0.values) }
        let recent = NIODeadline.now() - .seconds(1)
        let idle = all.compactMap { connection -> (Connection, Connection.Activity, NIODeadline)? in
            let (activity, since) = connection.activity
            return activity < .working && since < recent ? (connection, activity, since) : nil
        }
        for (connection, _, _) in idle.sorted(by: { ($0.1, $0.2) < ($1.1, $1.2) }).prefix(max(1, most)) {
            connection.channel.close(promise: nil)
        }
    }

    /// Ends all that are left, with the work that is done for them.
    func closeAll() {
        for connection in open.withLock({ Array($0.values) }) {
            connection.clientIsGone()
            connection.channel.close(promise: nil)
        }
    }
}
