// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
import Foundation
import GRDB
import Text
import Tools

/// Events in one SQLite file of their own, private to the user: the folder 0700, the files 0600.
///
/// An event is on disk when `append` returns (write-ahead log, synchronised at every commit). SQLite runs on a queue of
/// its own, never on the cooperative threads.
public final class SQLiteEventStore: EventStore {
    private let database: DatabaseQueue

    private static let tables = [
        """
        CREATE TABLE IF NOT EXISTS session (
            id TEXT PRIMARY KEY NOT NULL, created REAL NOT NULL) STRICT
        """,
        """
        CREATE TABLE IF NOT EXISTS event (
            session TEXT NOT NULL REFERENCES session(id) ON DELETE CASCADE,
            sequence INTEGER NOT NULL, time REAL NOT NULL, body TEXT NOT NULL,
            PRIMARY KEY (session, sequence)) STRICT, WITHOUT ROWID
        """,
    ]

    /// Opens or makes the store.
    /// - Throws: `SessionError.notWritable` or `.store` with the path and the reason.
    public init(path: String) throws(SessionError) {
        do {
            let folder = (path as NSString).deletingLastPathComponent
            if !folder.isEmpty {
                let existed = FileManager.default.fileExists(atPath: folder)
                try FileManager.default.createDirectory(
                    atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
                // A folder that this store made stays private; one that the user chose keeps the user's rights.
                if !existed { try FileManager.default.setAttributes([.posixPermissions: 0o700], ofItemAtPath: folder) }
            }
            if !FileManager.default.fileExists(atPath: path) {
                let made = FileManager.default.createFile(
                    atPath: path, contents: nil, attributes: [.posixPermissions: 0o600])
                guard made else { throw SessionError.notWritable("\(path) cannot be made") }
            }
            var configuration = Configuration()
            configuration.busyMode = .timeout(10)
            configuration.label = "forage.sessions"
            configuration.prepareDatabase { database in
                try database.execute(sql: "PRAGMA journal_mode = WAL")
                try database.execute(sql: "PRAGMA synchronous = FULL")
                try database.execute(sql: "PRAGMA foreign_keys = ON")
            }
            database = try DatabaseQueue(path: path, configuration: configuration)
            try database.write { database in
                for statement in Self.tables { try database.execute(sql: statement) }
                if let entry = try SQLiteSchema.foreignEntry(in: database, of: Self.tables) {
                    throw SessionError.store("\(path) is not as Forage makes it: no store of sessions has the \(entry)")
                }
            }
            for suffix in ["", "-wal", "-shm"] where FileManager.default.fileExists(atPath: path + suffix) {
                try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path + suffix)
            }
        } catch let error as SessionError {
            throw error
        } catch let error as DatabaseError {
            throw Self.failure(error, "\(path): ")
        } catch let error as CocoaError {
            // Foundation's names for no permission, no space and a volume that is read only are all about writing.
            throw .notWritable("\(path): \(Self.reason(of: error))")
        } catch {
            throw .store("\(path): \(error)")
        }
    }

    /// What the system says of a file that cannot be made.
    private static func reason(of error: CocoaError) -> String {
        let cause = (error as NSError).userInfo[NSUnderlyingErrorKey] as? NSError
        guard let cause, cause.domain == NSPOSIXErrorDomain else { return error.localizedDescription }
        return String(cString: strerror(Int32(cause.code)))
    }

    private static func failure(_ error: DatabaseError, _ place: String = "") -> SessionError {
        let reason = place + (error.message ?? error.description)
        switch error.resultCode {
        case .SQLITE_FULL, .SQLITE_READONLY, .SQLITE_IOERR, .SQLITE_CANTOPEN, .SQLITE_BUSY, .SQLITE_PERM:
            return .notWritable(reason)
        default: return .store(reason)
        }
    }

    /// Where the sessions of this user are: `$FORAGE_SESSIONS`, else `forage/sessions.sqlite` in the user's state folder
    /// (`$XDG_STATE_HOME`, else `~/.local/state`).
    public static var defaultPath: String {
        let environment = ProcessInfo.processInfo.environment
        if let path = environment["FORAGE_SESSIONS"], !path.isEmpty { return path }
        let state =
            environment["XDG_STATE_HOME"].flatMap { $0.isEmpty ? nil : $0 } ?? NSHomeDirectory() + "/.local/state"
        return state + "/forage/sessions.sqlite"
    }

    public func append(_ event: SessionEvent, to session: String) async throws {
        let body = event.json.serialized()
        let created = event.sequence == 0 ? Date().timeIntervalSince1970 : 0
        try await access { database in
            if event.sequence == 0 {
                try database.execute(
                    sql: "INSERT INTO session (id, created) VALUES (?, ?)", arguments: [session, created])
            }
            try database.execute(
                sql: "INSERT INTO event (session, sequence, time, body) VALUES (?, ?, ?, ?)",
                arguments: [session, event.sequence, event.time, body])
        }
    }

    public func events(of session: String) async throws -> [SessionEvent] {
        let rows = try await access { database in
            try Row.fetchAll(
                database, sql: "SELECT sequence, time, body FROM event WHERE session = ? ORDER BY sequence",
                arguments: [session]
            ).map { row in (sequence: row["sequence"] as Int, time: row["time"] as Double, body: row["body"] as String)
            }
        }
        let budget = ExpansionBudget()
        return try rows.map { row in
            do {
                return try SessionEvent(
                    storedBody: row.body, sequence: row.sequence, time: row.time, session: session, within: budget)
            } catch {
                throw SessionError.damaged("event \(row.sequence) of session \(session): \(error)")
            }
        }
    }

    public func sessions() async throws -> [SessionSummary] {
        let rows = try await access { database in
            try Row.fetchAll(
                database,
                sql: """
                    SELECT session.id AS id, created, count(*) AS events,
                        (SELECT body FROM event WHERE session = session.id AND sequence = 0) AS first,
                        (SELECT body FROM event WHERE session = session.id ORDER BY sequence DESC LIMIT 1) AS last
                    FROM session JOIN event ON event.session = session.id
                    GROUP BY session.id ORDER BY created DESC, session.id
                    """
            ).map { row in
                (
                    id: row["id"] as String, created: row["created"] as Double, events: row["events"] as Int,
                    first: row["first"] as String?, last: row["last"] as String?
                )
            }
        }
        return rows.map { row in
            SessionSummary(
                id: row.id, created: row.created, eventCount: row.events, firstBody: row.first, lastBody: row.last)
        }
    }

    public func delete(_ session: String) async throws {
        let deleted = try await access { database in
            try database.execute(sql: "DELETE FROM session WHERE id = ?", arguments: [session])
            return database.changesCount
        }
        guard deleted > 0 else { throw SessionError.notFound(session) }
    }

    private func access<Value: Sendable>(_ body: @escaping @Sendable (Database) throws -> Value) async throws -> Value {
        do {
            return try await database.write(body)
        } catch let error as DatabaseError {
            throw Self.failure(error)
        }
    }
}
