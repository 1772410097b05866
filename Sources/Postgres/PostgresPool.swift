// SPDX-License-Identifier: Apache-2.0

import Foundation
import Synchronization

/// Connections to one database, made when they are needed, kept for the next, and never more than a limit.
public final class PostgresPool: Sendable {
    /// How many, and how long.
    public struct Options: Sendable, Hashable {
        /// The most connections. Default 8.
        public var connections = 8
        /// How long a statement may take. Default 30 s.
        public var statementLimit = Duration.seconds(30)
        /// How long to wait for a free connection. Default 15 s.
        public var waitLimit = Duration.seconds(15)
        /// How long reading is tried again when the server is gone: a restart of it takes seconds. Default 10 s.
        public var retryLimit = Duration.seconds(10)
        /// Statements of our own that each new connection runs first. Default: none.
        package var startup = ""

        public init() {}
    }

    private struct State {
        var idle: [PostgresConnection] = []
        var open = 0
        var waiting: [(id: Int, continuation: CheckedContinuation<Void, any Error>)] = []
        var nextID = 0
    }

    public let address: PostgresAddress
    private let options: Options
    private let state = Mutex(State())

    public init(_ address: PostgresAddress, options: Options = Options()) {
        self.address = address
        self.options = options
    }

    /// Runs one statement on a free connection.
    /// - Throws: `PostgresError`, `CancellationError`.
    @discardableResult public func query(_ sql: String, _ values: [PostgresValue] = []) async throws -> PostgresRows {
        try await withConnection { try await $0.query(sql, values) }
    }

    /// Reads: on another connection again where one was lost, with growing pauses, until the time for that is over.
    public func read(_ sql: String, _ values: [PostgresValue] = []) async throws -> PostgresRows {
        try await reading { try await $0.query(sql, values) }
    }

    /// Reads with several statements; the body may run again from its start.
    public func reading<Value>(_ body: (PostgresConnection) async throws -> Value) async throws -> Value {
        let end = ContinuousClock.now + options.retryLimit
        var pause = Duration.milliseconds(20)
        while true {
            do {
                return try await withConnection(body)
            } catch let error as PostgresError where error.isConnectionLoss && ContinuousClock.now + pause < end {
                dropIdle()
                try await Task.sleep(for: pause)
                pause = min(pause * 2, .seconds(1))
            }
        }
    }

    /// Lends a connection to a body. A connection that broke meanwhile is closed.
    public func withConnection<Value>(_ body: (PostgresConnection) async throws -> Value) async throws -> Value {
        let connection = try await take()
        defer { giveBack(connection) }
        return try await body(connection)
    }

    /// A connection for the caller alone, beside the pool's: what holds a lock for long.
    public func dedicatedConnection() async throws -> PostgresConnection {
        let connection = try await PostgresConnection.open(address, limit: options.statementLimit)
        // What is there already is no news.
        try await connection.script("SET client_min_messages = warning; \(options.startup)")
        return connection
    }

    /// Closes the connections that nobody uses: after a loss the others are most likely gone as well.
    private func dropIdle() {
        state.withLock { state in
            state.open -= state.idle.count
            state.idle.removeAll()
        }
    }

    private func take() async throws -> PostgresConnection {
        let end = ContinuousClock.now + options.waitLimit
        while true {
            try Task.checkCancellation()
            enum Step { case use(PostgresConnection), make, wait }
            let step: Step = state.withLock { state in
                if let connection = state.idle.popLast() { return .use(connection) }
                guard state.open < options.connections else { return .wait }
                state.open += 1
                return .make
            }
            switch step {
            case .use(let connection): return connection
            case .make:
                do {
                    return try await dedicatedConnection()
                } catch {
                    closed()
                    throw error
                }
            case .wait:
                guard ContinuousClock.now < end else {
                    throw PostgresError(
                        .poolExhausted, "\(address): all \(options.connections) connections stayed in use")
                }
                try await waitForFree(until: end)
            }
        }
    }

    private func waitForFree(until end: ContinuousClock.Instant) async throws {
        let id = state.withLock { state in
            state.nextID += 1
            return state.nextID
        }
        let timer = Task { [weak self] in
            try await Task.sleep(until: end)
            self?.wake(id)
        }
        defer { timer.cancel() }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let isFree = state.withLock { state in
                    guard state.idle.isEmpty, state.open >= options.connections, !Task.isCancelled else { return true }
                    state.waiting.append((id, continuation))
                    return false
                }
                if isFree { continuation.resume() }
            }
        } onCancel: {
            wake(id)
        }
    }

    /// Lets one waiter look again; a given one, or the first.
    private func wake(_ id: Int? = nil) {
        let continuation = state.withLock { state -> CheckedContinuation<Void, any Error>? in
            let place = id.map { id in state.waiting.firstIndex { $0.id == id } } ?? state.waiting.indices.first
            return place.map { state.waiting.remove(at: $0).continuation }
        }
        continuation?.resume()
    }

    private func giveBack(_ connection: PostgresConnection) {
        if connection.isBroken { return closed() }
        state.withLock { $0.idle.append(connection) }
        wake()
    }

    private func closed() {
        state.withLock { $0.open -= 1 }
        wake()
    }
}
