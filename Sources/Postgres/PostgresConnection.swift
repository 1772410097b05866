// SPDX-License-Identifier: Apache-2.0

import CPostgres
import Dispatch
import Foundation
import Synchronization

/// One connection, for one borrower at a time. libpq waits on a queue of the connection's own, never on Swift's threads.
///
/// A statement whose task is cancelled, or whose time is over, is cancelled on the server as well, and its connection is
/// given up: nobody meets the rest of another's answer.
public final class PostgresConnection: @unchecked Sendable {
    // Sendable: libpq's connection is touched on `queue` alone, and `pipe` and `broken` are made for several threads.

    private let address: PostgresAddress
    private let queue = DispatchQueue(label: "forage.postgres")
    private var handle: OpaquePointer?
    private let wake: (read: Int32, write: Int32)
    private let broken = Atomic<Bool>(false)
    /// How long a statement may take where nothing else is said.
    private let limit: Duration

    /// Whether nothing more can be asked of it.
    var isBroken: Bool { broken.load(ordering: .acquiring) }

    /// What stops a statement that waits.
    private final class Stop: Sendable {
        let isRequested = Atomic<Bool>(false)
    }

    private init(address: PostgresAddress, limit: Duration) throws {
        guard forage_pq_load() != 0 else {
            throw PostgresError(
                .noLibrary,
                "PostgreSQL's client library (libpq 14 or later) is not installed: on Debian `apt install libpq5`")
        }
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else {
            throw PostgresError(.connection, "no pipe can be made: \(String(cString: strerror(errno)))")
        }
        for end in ends {
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
            _ = fcntl(end, F_SETFL, O_NONBLOCK)
        }
        wake = (ends[0], ends[1])
        self.address = address
        self.limit = limit
    }

    deinit {
        if let handle { forage_pq_finish(handle) }
        close(wake.read)
        close(wake.write)
    }

    /// Connects.
    /// - Parameters:
    ///   - limit: how long connecting, and later a statement, may take.
    /// - Throws: `PostgresError`, `CancellationError`.
    static func open(_ address: PostgresAddress, limit: Duration) async throws -> PostgresConnection {
        let connection = try PostgresConnection(address: address, limit: limit)
        try await connection.perform(within: min(limit, .seconds(10))) { try connection.connect($0, $1) }
        return connection
    }

    // MARK: Statements

    /// Runs one statement with its parameters bound.
    /// - Throws: `PostgresError`, `CancellationError`.
    @discardableResult public func query(
        _ sql: String, _ values: [PostgresValue] = [], within limit: Duration? = nil
    ) async throws -> PostgresRows {
        try await perform(within: limit ?? self.limit) { stop, deadline in
            try self.send(sql, values)
            return PostgresRows(try self.result(stop, deadline))
        }
    }

    /// Runs several statements, of our own making, without parameters.
    public func script(_ sql: String, within limit: Duration? = nil) async throws {
        try await perform(within: limit ?? self.limit) { stop, deadline in
            guard forage_pq_send_script(try self.open(), sql) == 1 else { throw self.loss() }
            forage_pq_clear(try self.result(stop, deadline))
        }
    }

    /// Runs a body in a transaction: committed when it returns, rolled back when it throws.
    /// - Parameter isSnapshot: repeatable read and read-only, so that all its statements see one state.
    public func transaction<Value>(
        isSnapshot: Bool = false, _ body: (PostgresConnection) async throws -> Value
    ) async throws -> Value {
        try await script(isSnapshot ? "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY" : "BEGIN")
        do {
            let value = try await body(self)
            try await script("COMMIT")
            return value
        } catch {
            // A connection on which this fails is not used again: the server rolls back when it closes.
            do { try await script("ROLLBACK", within: .seconds(5)) } catch { broken.store(true, ordering: .releasing) }
            throw error
        }
    }

    /// Loads rows with `COPY … FROM STDIN (FORMAT binary)`.
    /// - Parameter fill: writes rows and calls its second argument now and then, which sends what has gathered.
    /// - Returns: the number of rows.
    @discardableResult public func copy(
        _ sql: String, columns: Int, within limit: Duration = .seconds(24 * 3600),
        _ fill: @escaping @Sendable (inout CopyRows, (inout CopyRows) throws -> Void) throws -> Void
    ) async throws -> Int {
        try await perform(within: limit) { stop, deadline in
            try self.send(sql, [])
            let started = try self.next(stop, deadline)
            guard let started, forage_pq_result_status(started) == Int32(FORAGE_PQ_COPY_IN) else {
                throw self.failure(started)
            }
            forage_pq_clear(started)
            var rows = CopyRows(columns: columns)
            do {
                try fill(&rows) { rows in
                    if rows.count > 1 << 18 { try self.put(rows.take(), stop, deadline) }
                }
            } catch {
                // The server is told that the rest does not come, so that nothing of the rows stays.
                _ = forage_pq_put_copy_end(try self.open(), "the rows could not be made")
                self.broken.store(true, ordering: .releasing)
                throw error
            }
            rows.end()
            try self.put(rows.take(), stop, deadline)
            while true {
                let status = forage_pq_put_copy_end(try self.open(), nil)
                if status == 1 { break }
                guard status == 0 else { throw self.loss() }
                try self.wait(Int16(POLLOUT), stop, deadline)
            }
            let result = try self.result(stop, deadline)
            defer { forage_pq_clear(result) }
            return Int(String(cString: forage_pq_affected(result))) ?? 0
        }
    }

    // MARK: Performing

    /// Runs blocking work on the connection's queue; it ends early when the task is cancelled.
    private func perform<Value: Sendable>(
        within limit: Duration, _ work: @escaping @Sendable (Stop, ContinuousClock.Instant) throws -> Value
    ) async throws -> Value {
        try Task.checkCancellation()
        guard !isBroken else { throw PostgresError(.connection, "\(address): the connection was given up") }
        let stop = Stop()
        let deadline = ContinuousClock.now + limit
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                queue.async { continuation.resume(with: Result { try work(stop, deadline) }) }
            }
        } onCancel: {
            stop.isRequested.store(true, ordering: .releasing)
            var byte: UInt8 = 1
            _ = write(wake.write, &byte, 1)
        }
    }

    private func connect(_ stop: Stop, _ deadline: ContinuousClock.Instant) throws {
        // A connection whose other end vanished is noticed within seconds, and a time limit never hangs on one.
        let settings: [(String, String)] = [
            ("dbname", address.connection), ("application_name", "forage"), ("client_encoding", "UTF8"),
            ("connect_timeout", "10"), ("keepalives_idle", "10"), ("keepalives_interval", "5"),
            ("keepalives_count", "3"), ("tcp_user_timeout", "15000"),
        ]
        let texts: [UnsafeMutablePointer<CChar>?] = settings.map { strdup($0.0) } + settings.map { strdup($0.1) }
        defer { for text in texts { free(text) } }
        var names: [UnsafePointer<CChar>?] = texts.prefix(settings.count).map { UnsafePointer($0) }
        var values: [UnsafePointer<CChar>?] = texts.suffix(settings.count).map { UnsafePointer($0) }
        names.append(nil)
        values.append(nil)
        handle = forage_pq_connect_start(names, values, 1)
        let handle = try open()
        guard forage_pq_status(handle) != Int32(FORAGE_PQ_BAD) else { throw loss() }
        var state = Int32(FORAGE_PQ_POLLING_WRITING)
        while state != Int32(FORAGE_PQ_POLLING_OK) {
            guard state != Int32(FORAGE_PQ_POLLING_FAILED) else { throw loss() }
            try wait(
                Int16(state == Int32(FORAGE_PQ_POLLING_READING) ? POLLIN : POLLOUT), stop, deadline)
            state = forage_pq_connect_poll(handle)
        }
        guard forage_pq_set_nonblocking(handle, 1) == 0 else { throw loss() }
    }

    private func open() throws -> OpaquePointer {
        guard let handle, !isBroken else { throw PostgresError(.connection, "\(address): there is no connection") }
        return handle
    }

    private func send(_ sql: String, _ values: [PostgresValue]) throws {
        let handle = try open()
        guard values.count < Int(UInt16.max) else {
            throw PostgresError(.unexpected, "a statement has \(values.count) parameters; at most 65534 are accepted")
        }
        let encoded = values.map { $0.encoded() }
        var storage: [UInt8] = []
        var starts: [Int?] = []
        for bytes in encoded {
            starts.append(bytes == nil ? nil : storage.count)
            storage += bytes ?? []
            // So that also an empty value has an address within the storage.
            storage.append(0)
        }
        storage.append(0)
        let sent = storage.withUnsafeBufferPointer { storage in
            let pointers = starts.map { start in
                start.flatMap { start in
                    storage.baseAddress.map { UnsafeRawPointer($0 + start).assumingMemoryBound(to: CChar.self) }
                }
            }
            return forage_pq_send(
                handle, sql, Int32(values.count), values.map(\.type), pointers,
                encoded.map { Int32($0?.count ?? 0) }, [Int32](repeating: 1, count: values.count), 1)
        }
        guard sent == 1 else { throw loss() }
    }

    /// The one result of what was sent; of several statements the last.
    private func result(_ stop: Stop, _ deadline: ContinuousClock.Instant) throws -> OpaquePointer {
        var last: OpaquePointer?
        var failed: PostgresError?
        while let result = try next(stop, deadline) {
            let status = forage_pq_result_status(result)
            if status == Int32(FORAGE_PQ_TUPLES_OK) || status == Int32(FORAGE_PQ_COMMAND_OK)
                || status == Int32(FORAGE_PQ_EMPTY_QUERY)
            {
                forage_pq_clear(last)
                last = result
            } else {
                failed = failure(result)
                if status == Int32(FORAGE_PQ_COPY_IN) || status == Int32(FORAGE_PQ_COPY_OUT) { break }
            }
        }
        if let failed {
            forage_pq_clear(last)
            if failed.isConnectionLoss { broken.store(true, ordering: .releasing) }
            throw failed
        }
        guard let last else { throw loss() }
        return last
    }

    private func next(_ stop: Stop, _ deadline: ContinuousClock.Instant) throws -> OpaquePointer? {
        let handle = try open()
        while true {
            let unsent = forage_pq_flush(handle)
            guard unsent >= 0 else { throw loss() }
            if unsent == 0, forage_pq_is_busy(handle) == 0 { return forage_pq_get_result(handle) }
            try wait(Int16(unsent > 0 ? POLLIN | POLLOUT : POLLIN), stop, deadline)
            guard forage_pq_consume(handle) == 1 else { throw loss() }
        }
    }

    private func put(_ bytes: [UInt8], _ stop: Stop, _ deadline: ContinuousClock.Instant) throws {
        let handle = try open()
        var rest = bytes[...]
        while !rest.isEmpty {
            let piece = rest.prefix(1 << 20)
            let status = piece.withUnsafeBytes { piece in
                piece.baseAddress.map {
                    forage_pq_put_copy_data(handle, $0.assumingMemoryBound(to: CChar.self), Int32(piece.count))
                } ?? 1
            }
            guard status >= 0 else { throw loss() }
            if status == 1 { rest = rest.dropFirst(piece.count) }
            // What libpq holds is sent before more is given to it: the load takes as much memory as one piece.
            while true {
                let unsent = forage_pq_flush(handle)
                guard unsent >= 0 else { throw loss() }
                if unsent == 0 { break }
                try wait(Int16(POLLIN | POLLOUT), stop, deadline)
                guard forage_pq_consume(handle) == 1 else { throw loss() }
            }
            if stop.isRequested.load(ordering: .acquiring) { throw giveUp(CancellationError()) }
        }
    }

    /// Waits for the socket, the task's cancellation or the end of the time.
    private func wait(_ events: Int16, _ stop: Stop, _ deadline: ContinuousClock.Instant) throws {
        let socket = forage_pq_socket(try open())
        guard socket >= 0 else { throw loss() }
        while true {
            if stop.isRequested.load(ordering: .acquiring) { throw giveUp(CancellationError()) }
            let left = deadline - ContinuousClock.now
            guard left > .zero else {
                throw giveUp(PostgresError(.timedOut, "\(address): no answer within the time limit"))
            }
            let milliseconds = left.components.seconds * 1000 + left.components.attoseconds / 1_000_000_000_000_000
            var files = [
                pollfd(fd: socket, events: events, revents: 0),
                pollfd(fd: wake.read, events: Int16(POLLIN), revents: 0),
            ]
            let count = poll(&files, 2, Int32(clamping: milliseconds + 1))
            if count < 0, errno != EINTR { throw loss() }
            if count > 0, files[1].revents != 0 {
                // Bytes of an earlier statement's cancellation are only drained.
                var bytes = [UInt8](repeating: 0, count: 64)
                _ = read(wake.read, &bytes, bytes.count)
            }
            if count > 0, files[0].revents != 0 { return }
        }
    }

    /// Ends what runs on the server, from a thread that may take its time, and uses the connection no more.
    private func giveUp(_ error: any Error) -> any Error {
        broken.store(true, ordering: .releasing)
        if let handle, let cancel = forage_pq_get_cancel(handle) {
            nonisolated(unsafe) let cancel = cancel
            DispatchQueue.global(qos: .utility).async {
                var text = [CChar](repeating: 0, count: 256)
                _ = forage_pq_cancel_query(cancel, &text, 256)
                forage_pq_free_cancel(cancel)
            }
        }
        return error
    }

    private func loss() -> PostgresError {
        broken.store(true, ordering: .releasing)
        let message = handle.map { address.clean(String(cString: forage_pq_error($0))) } ?? "no memory for a connection"
        return PostgresError(.connection, "\(address): \(message.isEmpty ? "the connection was lost" : message)")
    }

    /// The failure that a result tells of; the result is cleared.
    private func failure(_ result: OpaquePointer?) -> PostgresError {
        guard let result else { return loss() }
        defer { forage_pq_clear(result) }
        let state = forage_pq_result_field(result, 67).map { String(cString: $0) } ?? ""
        let message = address.clean(String(cString: forage_pq_result_error(result)))
        guard !state.isEmpty else { return loss() }
        return PostgresError(.server(state: state), "\(address): \(message)")
    }
}
