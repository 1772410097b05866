// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Keeps the events of sessions: in memory, in SQLite, in PostgreSQL.
///
/// A conformer keeps these promises:
/// - when `append` returns, the event survives the end of the process (for a store on disk) and `events` gives it;
/// - an event is stored whole or not at all; one number of a session is stored once, a second is an error;
/// - `events` gives them in the order of their numbers, whatever the order in which they were appended.
public protocol EventStore: Sendable {
    /// Appends an event to a session, which begins to exist with its first event.
    /// - Throws: `SessionError.notWritable`, `.store`.
    func append(_ event: SessionEvent, to session: String) async throws
    /// The events of a session; none when there is no such session.
    /// - Throws: `SessionError.store`, `SessionError.damaged`.
    func events(of session: String) async throws -> [SessionEvent]
    /// What is stored, newest session first.
    func sessions() async throws -> [SessionSummary]
    /// Deletes a session and its events.
    /// - Throws: `SessionError.notFound`.
    func delete(_ session: String) async throws
}

/// A stored session in one line.
public struct SessionSummary: Sendable, Hashable {
    public var id: String
    public var question: String
    /// The policy's name.
    public var policy: String
    /// When it was begun, in seconds since 1970-01-01T00:00:00Z; 0 when unknown.
    public var created: Double
    public var eventCount: Int
    /// Why it ended; nil when it can be resumed.
    public var stop: StopReason?

    public init(
        id: String, question: String, policy: String, created: Double, eventCount: Int, stop: StopReason?
    ) {
        self.id = id
        self.question = question
        self.policy = policy
        self.created = created
        self.eventCount = eventCount
        self.stop = stop
    }
}

/// Events in memory: for tests, rollouts and questions that need no record.
public final class InMemoryEventStore: EventStore {
    private struct Entry {
        var order: Int
        var events: [SessionEvent] = []
    }

    private struct Entries {
        var sessions: [String: Entry] = [:]
        var begun = 0
    }

    private let entries = Mutex(Entries())
    private let mostSessions: Int

    /// - Parameter mostSessions: how many are kept; of more, those that ended are forgotten, the oldest first. Default: all.
    public init(mostSessions: Int = .max) { self.mostSessions = mostSessions }

    public func append(_ event: SessionEvent, to session: String) async throws {
        try entries.withLock { entries in
            if entries.sessions[session] == nil {
                entries.begun += 1
                entries.sessions[session] = Entry(order: entries.begun)
                if entries.sessions.count > mostSessions {
                    let ended = entries.sessions.filter { entry in
                        if case .finished? = entry.value.events.last?.kind { true } else { false }
                    }
                    if let oldest = ended.min(by: { $0.value.order < $1.value.order }) {
                        entries.sessions[oldest.key] = nil
                    }
                }
            }
            var entry = entries.sessions.removeValue(forKey: session) ?? Entry(order: entries.begun)
            defer { entries.sessions[session] = entry }
            var index = entry.events.count
            while index > 0, entry.events[index - 1].sequence >= event.sequence { index -= 1 }
            guard index == entry.events.count || entry.events[index].sequence != event.sequence else {
                throw SessionError.store("event \(event.sequence) of session \(session) is there already")
            }
            entry.events.insert(event, at: index)
        }
    }

    public func events(of session: String) async throws -> [SessionEvent] {
        entries.withLock { $0.sessions[session]?.events ?? [] }
    }

    public func sessions() async throws -> [SessionSummary] {
        entries.withLock { entries in
            entries.sessions.sorted { $0.value.order > $1.value.order }.compactMap { id, entry in
                SessionSummary(id: id, events: entry.events, created: 0)
            }
        }
    }

    public func delete(_ session: String) async throws {
        try entries.withLock { entries in
            guard entries.sessions.removeValue(forKey: session) != nil else { throw SessionError.notFound(session) }
        }
    }
}

extension SessionSummary {
    /// Sums up events; nil when they do not begin with `started`.
    init?(id: String, events: [SessionEvent], created: Double) {
        guard case .started(let header) = events.first?.kind else { return nil }
        var stop: StopReason?
        if case .finished(let reason, _) = events.last?.kind { stop = reason }
        self.init(
            id: id, question: header.question.text, policy: header.policy.name, created: created,
            eventCount: events.count, stop: stop)
    }
}
