// SPDX-License-Identifier: Apache-2.0

import Agent
import Corpus
import Foundation
import Synchronization
import Tools

/// The agent sessions that run in this server: a bounded number, each under an id that cannot be guessed.
final class AgentRuns: Sendable {
    /// A session that runs, or has just ended.
    struct Run: Sendable {
        let session: AgentSession
        let task: Task<Answer, any Error>
        /// Everything from the start on, for the one who started it; nil where nobody wanted it.
        let updates: AsyncStream<SessionUpdate>?
    }

    private struct State {
        var runs: [String: Run] = [:]
        /// Threads of clients that wait for an answer.
        var busyThreads: Set<String> = []
        var isDraining = false
    }

    private let service: ForageService
    private let state = Mutex(State())

    init(service: ForageService) { self.service = service }

    /// How many run.
    var running: Int { state.withLock { $0.runs.count } }

    /// The run of that id while it lasts.
    func run(_ id: String) -> Run? { state.withLock { $0.runs[id] } }

    /// Starts a session.
    /// - Parameters:
    ///   - question: with the conversation that it belongs to.
    ///   - seed: seeds every random choice, the markers of the fences too; nil: 0, and markers that nobody can know.
    ///   - sampling: how the client wants the model to sample.
    ///   - isKept: whether the session is stored.
    ///   - thread: of one thread only one session runs at a time; nil for none.
    /// - Throws: `ServiceError`: 429 when too many run, 409 when the thread is busy.
    func start(
        _ question: Question, strategy: Strategy, corpus: any RetrievalCorpus, seed: UInt64?,
        sampling: TunedModel.Sampling = TunedModel.Sampling(), isKept: Bool = true, thread: String? = nil,
        isWatched: Bool = false
    ) throws(ServiceError) -> Run {
        let id = Self.makeID()
        var environment = service.environment(corpus)
        if sampling != TunedModel.Sampling(), let model = environment.model {
            environment.model = TunedModel(model: model, sampling: sampling)
        }
        let session = AgentSession(
            question, strategy: strategy, environment: environment,
            store: isKept ? service.sessions : InMemoryEventStore(), seed: seed ?? 0,
            fenceSalt: seed == nil ? UInt64.random(in: .min ... .max) : 0, id: id)
        return try state.withLock { state throws(ServiceError) in
            guard !state.isDraining else {
                throw ServiceError.shuttingDown
            }
            guard state.runs.count < service.limits.agentSessions else {
                throw ServiceError(.busy, "too many sessions run already", retryAfter: 5)
            }
            if let thread, !state.busyThreads.insert(thread).inserted {
                throw ServiceError(.conflict, "this thread waits for an answer already", retryAfter: 5)
            }
            // Whoever looks on only when the session runs may miss what its model wrote first.
            let updates = isWatched ? session.updates() : nil
            let task = Task(executorPreference: AgentThreads.shared) { [weak self] in
                defer { self?.ended(id, thread) }
                return try await session.run()
            }
            let run = Run(session: session, task: task, updates: updates)
            state.runs[id] = run
            return run
        }
    }

    /// Refuses new sessions, asks those that run to finish, and cancels those that have not within three quarters of the
    /// limit. It returns when all have ended, at the latest when the limit is over.
    func drain(within limit: Duration) async {
        let runs = state.withLock { state in
            state.isDraining = true
            return Array(state.runs.values)
        }
        for run in runs { run.session.interrupt() }
        let start = ContinuousClock.now
        var isCancelled = false
        while running > 0, ContinuousClock.now - start < limit {
            if !isCancelled, ContinuousClock.now - start > limit * 3 / 4 {
                isCancelled = true
                for run in runs { run.task.cancel() }
            }
            try? await Task.sleep(for: .milliseconds(20))
        }
    }

    private func ended(_ id: String, _ thread: String?) {
        state.withLock { state in
            state.runs[id] = nil
            if let thread { state.busyThreads.remove(thread) }
        }
    }

    /// 128 random bits: knowing an id is no accident.
    static func makeID() -> String {
        var generator = SystemRandomNumberGenerator()
        func part() -> String {
            let digits = String(UInt64.random(in: .min ... .max, using: &generator), radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }
        return part() + part()
    }
}
