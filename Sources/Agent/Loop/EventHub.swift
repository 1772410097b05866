// SPDX-License-Identifier: Apache-2.0

public import LanguageModels
import Synchronization

/// What a session shows while it runs: its events, and between them what its model writes.
public enum SessionUpdate: Sendable, Hashable {
    /// Something happened, and is recorded.
    case event(SessionEvent)
    /// The model of a call (`m1` …) wrote something. It is not recorded: the call's event holds the whole.
    case model(call: String, ModelStreamEvent)
}

/// Hands a session's events to any number of readers; one that comes late gets all from the first on.
final class EventHub: Sendable {
    private struct State {
        var history: [SessionEvent] = []
        /// What the models of calls that still run have written.
        var open: [(call: String, event: ModelStreamEvent)] = []
        var readers: [AsyncStream<SessionEvent>.Continuation] = []
        var watchers: [AsyncStream<SessionUpdate>.Continuation] = []
        var isFinished = false
    }

    private let state = Mutex(State())

    func subscribe() -> AsyncStream<SessionEvent> {
        AsyncStream { continuation in
            state.withLock { state in
                for event in state.history { continuation.yield(event) }
                if state.isFinished {
                    continuation.finish()
                } else {
                    state.readers.append(continuation)
                }
            }
        }
    }

    func watch() -> AsyncStream<SessionUpdate> {
        AsyncStream { continuation in
            state.withLock { state in
                for event in state.history { continuation.yield(.event(event)) }
                for (call, event) in state.open { continuation.yield(.model(call: call, event)) }
                if state.isFinished {
                    continuation.finish()
                } else {
                    state.watchers.append(continuation)
                }
            }
        }
    }

    func publish(_ event: SessionEvent) {
        state.withLock { state in
            state.history.append(event)
            switch event.kind {
            case .modelReturned(let id, _), .modelFailed(let id, _): state.open.removeAll { $0.call == id }
            default: break
            }
            for reader in state.readers { reader.yield(event) }
            for watcher in state.watchers { watcher.yield(.event(event)) }
        }
    }

    func publish(_ event: ModelStreamEvent, of call: String) {
        state.withLock { state in
            if state.open.count < 65536 { state.open.append((call, event)) }
            for watcher in state.watchers { watcher.yield(.model(call: call, event)) }
        }
    }

    func finish() {
        state.withLock { state in
            state.isFinished = true
            for reader in state.readers { reader.finish() }
            for watcher in state.watchers { watcher.finish() }
            state.readers = []
            state.watchers = []
        }
    }
}
