// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
public import Postgres
import Synchronization
import Text
import Tools

/// Events in PostgreSQL, for several servers: any of them resumes any session, and two never run one at the same time.
///
/// Whoever appends to a session holds its lease, which is checked in the statement that appends, is renewed while the session
/// runs, and ends with it. A server that died loses its leases after `leaseDuration`; one that was only slow finds its next
/// event refused, because each change of owner raises the session's fence.
public final class PostgresEventStore: EventStore {
    private let pool: PostgresPool
    /// Who this store is, to the other servers.
    private let owner: String
    private let leaseSeconds: Double
    /// The sessions that run here, whose leases are renewed.
    private let running = Mutex<Set<String>>([])
    private let renewal = Mutex<Task<Void, Never>?>(nil)

    private static let migrations = PostgresMigrations(
        part: "sessions",
        steps: [
            """
            CREATE TABLE forage.sessions (
                id text PRIMARY KEY, created double precision NOT NULL, owner text NOT NULL,
                fence bigint NOT NULL DEFAULT 1, lease timestamptz NOT NULL);
            CREATE TABLE forage.events (
                session text NOT NULL REFERENCES forage.sessions (id) ON DELETE CASCADE, sequence integer NOT NULL,
                time double precision NOT NULL, fence bigint NOT NULL, body text NOT NULL,
                PRIMARY KEY (session, sequence));
            """
        ])

    /// Opens the store, and makes its tables where they are not there.
    /// - Parameter leaseDuration: how long a session stays with a server that is heard of no more. Default: 30 s.
    /// - Throws: `SessionError.store`.
    public init(
        _ address: PostgresAddress, options: PostgresPool.Options = PostgresPool.Options(),
        leaseDuration: Duration = .seconds(30)
    ) async throws {
        pool = PostgresPool(address, options: options)
        owner = UUID().uuidString
        let parts = leaseDuration.components
        leaseSeconds = Double(parts.seconds) + Double(parts.attoseconds) / 1e18
        do {
            try await pool.withConnection { try await Self.migrations.apply(on: $0) }
        } catch let error as PostgresError {
            throw SessionError.store(error.message)
        }
    }

    deinit { renewal.withLock { $0?.cancel() } }

    /// Whether a name stands for a store of this kind.
    public static func isAddress(_ name: String) -> Bool { PostgresAddress.isAddress(name) }

    public func append(_ event: SessionEvent, to session: String) async throws {
        let isLast = if case .finished = event.kind { true } else { false }
        let values: [PostgresValue] = [
            .text(session), .text(owner), .number(isLast ? 0 : leaseSeconds), .integer(Int64(event.sequence)),
            .number(event.time), .text(event.json.serialized()),
        ]
        let rows = try await access { pool in try await Self.append(values, to: pool) }
        guard !rows.isEmpty else {
            forget(session)
            throw SessionError.store(
                "session \(session) runs on another server; it can be resumed when it is cut off there")
        }
        if isLast { forget(session) } else { keep(session) }
    }

    /// Appends once, however often the connection is lost on the way: an event that is there already, the same from the same
    /// owner, was stored by the try whose answer got lost.
    private static func append(_ values: [PostgresValue], to pool: PostgresPool) async throws -> PostgresRows {
        let end = ContinuousClock.now + .seconds(15)
        var pause = Duration.milliseconds(50)
        var wasLost = false
        while true {
            do {
                return try await pool.query(
                    """
                    WITH lease AS (
                        INSERT INTO forage.sessions AS s (id, created, owner, lease)
                        VALUES ($1, extract(epoch FROM now()), $2, now() + make_interval(secs => $3))
                        ON CONFLICT (id) DO UPDATE SET owner = $2, lease = now() + make_interval(secs => $3),
                            fence = s.fence + (s.owner <> $2)::int
                        WHERE s.owner = $2 OR s.lease < now()
                        RETURNING fence)
                    INSERT INTO forage.events (session, sequence, time, fence, body)
                    SELECT $1, $4, $5, fence, $6 FROM lease RETURNING fence
                    """, values)
            } catch let error as PostgresError where error.isConnectionLoss && ContinuousClock.now + pause < end {
                wasLost = true
                try await Task.sleep(for: pause)
                pause = min(pause * 2, .seconds(1))
            } catch let error as PostgresError where error.code == .server(state: "23505") && wasLost {
                let same = try await pool.read(
                    """
                    SELECT 1 FROM forage.events e JOIN forage.sessions s ON s.id = e.session
                    WHERE e.session = $1 AND s.owner = $2 AND e.sequence = $3 AND e.body = $4
                    """, [values[0], values[1], values[3], values[5]])
                guard same.isEmpty else { return same }
                throw error
            }
        }
    }

    public func events(of session: String) async throws -> [SessionEvent] {
        let rows = try await access { pool in
            try await pool.read(
                "SELECT sequence, time, body FROM forage.events WHERE session = $1 ORDER BY sequence", [.text(session)])
        }
        let budget = ExpansionBudget()
        return try (0..<rows.count).map { row in
            do {
                return try SessionEvent(
                    storedBody: rows.text(row, 2), sequence: rows.integer(row, 0), time: rows.number(row, 1),
                    session: session, within: budget)
            } catch {
                throw SessionError.damaged("event \(row) of session \(session): \(error)")
            }
        }
    }

    public func sessions() async throws -> [SessionSummary] {
        let rows = try await access { pool in
            try await pool.read(
                """
                SELECT s.id, s.created, e.count, f.body, l.body FROM forage.sessions s
                JOIN LATERAL (SELECT count(*) AS count FROM forage.events WHERE session = s.id) e ON e.count > 0
                LEFT JOIN forage.events f ON f.session = s.id AND f.sequence = 0
                LEFT JOIN LATERAL (
                    SELECT body FROM forage.events WHERE session = s.id ORDER BY sequence DESC LIMIT 1) l ON TRUE
                ORDER BY s.created DESC, s.id
                """)
        }
        return try (0..<rows.count).map { row in
            SessionSummary(
                id: try rows.text(row, 0), created: try rows.number(row, 1), eventCount: try rows.integer(row, 2),
                firstBody: try rows.optionalText(row, 3), lastBody: try rows.optionalText(row, 4))
        }
    }

    public func delete(_ session: String) async throws {
        let rows = try await access { pool in
            try await pool.query("DELETE FROM forage.sessions WHERE id = $1", [.text(session)])
        }
        forget(session)
        guard rows.affected > 0 else { throw SessionError.notFound(session) }
    }

    private func access(_ body: (PostgresPool) async throws -> PostgresRows) async throws -> PostgresRows {
        do {
            return try await body(pool)
        } catch let error as PostgresError {
            throw SessionError.store(error.message)
        }
    }

    // MARK: Leases

    private func forget(_ session: String) { _ = running.withLock { $0.remove(session) } }

    private func keep(_ session: String) {
        guard running.withLock({ $0.insert(session).inserted }) else { return }
        renewal.withLock { task in
            guard task == nil else { return }
            let pause = Duration.seconds(leaseSeconds / 3)
            task = Task { [weak self] in
                while !Task.isCancelled {
                    do { try await Task.sleep(for: pause) } catch { return }
                    guard let self else { return }
                    await self.renew()
                }
            }
        }
    }

    /// Renews the leases of what runs here. A lease that was lost stays lost: the session's next event is refused.
    private func renew() async {
        let sessions = running.withLock { Array($0) }
        guard !sessions.isEmpty else { return }
        _ = try? await pool.query(
            """
            UPDATE forage.sessions SET lease = now() + make_interval(secs => $3)
            WHERE id = ANY($1) AND owner = $2
            """, [.texts(sessions), .text(owner), .number(leaseSeconds)])
    }
}
