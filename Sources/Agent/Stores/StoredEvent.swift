// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import Postgres
import Text
import Tools

extension SessionEvent {
    /// An event as a database keeps it.
    /// - Parameter budget: bounds what expanding a whole session's events takes.
    /// - Throws: when the text is no event, or not the one of that number.
    init(
        storedBody: String, sequence: Int, time: Double, session: String, within budget: ExpansionBudget
    ) throws {
        self = try budget.within { try SessionEvent(json: JSONValue(parsing: storedBody)) }
        self.time = time
        if case .started(var header) = kind {
            header.session = session
            kind = .started(header)
        }
        guard self.sequence == sequence else { throw JSONError(message: "its number is not its key") }
    }
}

extension SessionSummary {
    /// Sums up a session from its first and last events as a database keeps them.
    init(id: String, created: Double, eventCount: Int, firstBody: String?, lastBody: String?) {
        let header = firstBody.flatMap { try? JSONValue(parsing: $0) }
        let last = lastBody.flatMap { try? JSONValue(parsing: $0) }
        let isFinished = last?["event"]?.string == "finished"
        self.init(
            id: id, question: header?["question"]?.string ?? "", policy: header?["policy"]?["name"]?.string ?? "",
            created: created, eventCount: eventCount,
            stop: isFinished ? last?["stop"].flatMap { try? StopReason(json: $0) } : nil)
    }
}

/// Opens the store of sessions that a name stands for.
public enum SessionStores {
    /// - Parameter name: the path of an SQLite file, or `postgresql://…`; nil for the user's own: see
    ///   ``SQLiteEventStore/defaultPath``.
    /// - Throws: `SessionError.notWritable`, `.store`.
    public static func open(_ name: String?) async throws -> any EventStore {
        let name = name ?? SQLiteEventStore.defaultPath
        guard PostgresEventStore.isAddress(name) else { return try SQLiteEventStore(path: name) }
        do {
            return try await PostgresEventStore(PostgresAddress(name))
        } catch let error as PostgresError {
            throw SessionError.store(error.message)
        }
    }
}
