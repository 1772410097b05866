// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// A store whose sessions go on in memory where it cannot be written: a full disk or a folder without permission costs the
/// record of an answer, and never the answer.
///
/// A session is in one place or the other from a point on: after its first event that could not be stored no further one is
/// tried. The next session tries anew.
public final class FallbackEventStore: EventStore {
    private struct State {
        /// Sessions of which an event could not be stored.
        var lost: Set<String> = []
        var failure: String?
    }

    private let store: (any EventStore)?
    private let memory: InMemoryEventStore
    private let state: Mutex<State>
    private let onFailure: @Sendable (String) -> Void

    /// - Parameters:
    ///   - store: where events are kept.
    ///   - mostSessions: how many sessions are kept in memory at most.
    ///   - onFailure: is told why, when storing begins to fail.
    public init(
        _ store: any EventStore, mostSessions: Int = 1000, onFailure: @escaping @Sendable (String) -> Void = { _ in }
    ) {
        self.store = store
        memory = InMemoryEventStore(mostSessions: mostSessions)
        state = Mutex(State())
        self.onFailure = onFailure
    }

    /// A store that could not even be opened.
    /// - Parameter failure: why.
    public init(unopened failure: String, mostSessions: Int = 1000) {
        store = nil
        memory = InMemoryEventStore(mostSessions: mostSessions)
        state = Mutex(State(failure: failure))
        onFailure = { _ in }
    }

    /// Why the newest session that began is not stored; nil when it is.
    public var failure: String? { state.withLock { $0.failure } }

    public func append(_ event: SessionEvent, to session: String) async throws {
        guard let store, !state.withLock({ $0.lost.contains(session) }) else {
            return try await memory.append(event, to: session)
        }
        do {
            try await store.append(event, to: session)
            if event.sequence == 0 { state.withLock { $0.failure = nil } }
        } catch SessionError.notWritable(let reason) {
            let isNew = state.withLock { state in
                // Of what is forgotten in memory nothing is left to say either.
                if state.lost.count >= 100_000 { state.lost = [] }
                state.lost.insert(session)
                defer { state.failure = reason }
                return state.failure == nil
            }
            if isNew { onFailure(reason) }
            // What the store has of the session is read together with what memory has.
            try await memory.append(event, to: session)
        }
    }

    public func events(of session: String) async throws -> [SessionEvent] {
        let rest = try await memory.events(of: session)
        guard let store else { return rest }
        guard !rest.isEmpty else { return try await store.events(of: session) }
        let stored = (try? await store.events(of: session)) ?? []
        return stored + rest
    }

    public func sessions() async throws -> [SessionSummary] {
        let held = try await memory.sessions()
        guard let store else { return held }
        let ids = Set(held.map(\.id))
        do { return held + (try await store.sessions()).filter { !ids.contains($0.id) } } catch {
            if case SessionError.notWritable = error { return held }
            throw error
        }
    }

    public func delete(_ session: String) async throws {
        var wasHeld = true
        do { try await memory.delete(session) } catch SessionError.notFound { wasHeld = false }
        guard let store else {
            guard wasHeld else { throw SessionError.notFound(session) }
            return
        }
        do { try await store.delete(session) } catch SessionError.notFound where wasHeld {}
    }
}
