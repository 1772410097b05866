// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Lets a bounded number of things happen at a time, and a bounded number wait in the order in which they came; whoever
/// comes then is refused at once.
final class AdmissionGate: Sendable {
    private struct State {
        var free: Int
        var nextTicket = 0
        var waiting: [(ticket: Int, continuation: CheckedContinuation<Bool, Never>)] = []
        /// Tickets that were cancelled before they waited.
        var cancelled: Set<Int> = []
    }

    private let state: Mutex<State>
    private let mostWaiting: Int
    private let capacity: Int

    init(running: Int, waiting: Int) {
        state = Mutex(State(free: max(1, running)))
        capacity = max(1, running)
        mostWaiting = waiting
    }

    /// How many are inside.
    var running: Int { state.withLock { capacity - $0.free } }

    /// Waits for a place, runs the body in it, and leaves.
    /// - Throws: `ServiceError` with status 429 when too many wait; what the body throws.
    func admit<Result: Sendable>(_ body: () async throws -> Result) async throws -> Result {
        try await enter()
        defer { leave() }
        return try await body()
    }

    /// Takes a place, which `leave` gives back.
    func enter() async throws {
        let ticket: Int? = try state.withLock { state in
            if state.free > 0 {
                state.free -= 1
                return nil
            }
            guard state.waiting.count < mostWaiting else {
                throw ServiceError(.busy, "too many requests wait already", retryAfter: 1)
            }
            state.nextTicket += 1
            return state.nextTicket
        }
        guard let ticket else { return }
        let admitted = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let answer: Bool? = state.withLock { state in
                    if state.cancelled.remove(ticket) != nil { return false }
                    if state.free > 0 {
                        state.free -= 1
                        return true
                    }
                    state.waiting.append((ticket, continuation))
                    return nil
                }
                if let answer { continuation.resume(returning: answer) }
            }
        } onCancel: {
            let continuation: CheckedContinuation<Bool, Never>? = state.withLock { state in
                guard let index = state.waiting.firstIndex(where: { $0.ticket == ticket }) else {
                    state.cancelled.insert(ticket)
                    return nil
                }
                return state.waiting.remove(at: index).continuation
            }
            continuation?.resume(returning: false)
        }
        state.withLock { _ = $0.cancelled.remove(ticket) }
        guard admitted else { throw CancellationError() }
    }

    func leave() {
        let next: CheckedContinuation<Bool, Never>? = state.withLock { state in
            if state.waiting.isEmpty {
                state.free += 1
                return nil
            }
            return state.waiting.removeFirst().continuation
        }
        next?.resume(returning: true)
    }
}
