// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Hands a session's events to any number of readers; one that comes late gets all from the first on.
final class EventHub: Sendable {
    private struct State {
        var history: [SessionEvent] = []
        var readers: [AsyncStream<SessionEvent>.Continuation] = []
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

    func publish(_ event: SessionEvent) {
        state.withLock { state in
            state.history.append(event)
            for reader in state.readers { reader.yield(event) }
        }
    }

    func finish() {
        state.withLock { state in
            state.isFinished = true
            for reader in state.readers { reader.finish() }
            state.readers = []
        }
    }
}
