// SPDX-License-Identifier: Apache-2.0

import Foundation
import Synchronization

/// Work of one sequence: tokens to feed, and what to do with the logits that come back. Used by the engine's thread.
class SequenceJob {
    let sequence: CachedSequence
    /// Tokens that are still to pass through the model.
    var queue: ArraySlice<Int32>
    /// How many of the queue's first tokens need no logits.
    var silent: Int
    /// Set when nothing is left to do.
    var isDone = false
    /// Why it ended early.
    var failure: (any Error)?
    /// Whether it gave its memory to older jobs and waits for one to end.
    fileprivate(set) var isWaiting = false

    init(sequence: CachedSequence, queue: ArraySlice<Int32>, silent: Int) {
        self.sequence = sequence
        self.queue = queue
        self.silent = silent
    }

    /// Puts tokens in front of the queue whose logits nobody wants.
    func recompute(_ tokens: [Int32]) {
        queue = ArraySlice(tokens + queue)
        silent += tokens.count
    }

    /// Gives the sequence's memory back; what it held is computed again later.
    fileprivate func giveWay() {
        recompute(sequence.evict())
        isWaiting = true
    }

    fileprivate func goOn() {
        isWaiting = false
        let known = sequence.restore(Array(queue.prefix(silent)))
        queue = queue.dropFirst(known)
        silent -= known
    }

    /// Why the caller no longer waits: it has gone away, or its time is over.
    var withdrawal: (any Error)? { nil }
    /// Tokens that may follow the queue, at most so many: they pass through the model with it, and the job says in
    /// `receive` which of them stay in the sequence.
    func guess(_ most: Int) -> [Int32] { [] }
    /// The rows of logits of a step, one after the other. Refills the queue or ends the job.
    /// - Returns: whether the next row is of use too.
    func receive(_ logits: UnsafeBufferPointer<Float>, from engine: InferenceEngine) -> Bool { false }
    /// The job has ended, well or with `failure`.
    func finish() {}
}

/// Runs all sequences of one model on a thread of its own: each step takes one token of every generating sequence, with
/// guesses of the next where there is room, and a slice of the prompts that wait, so that requests share the weights' passage through memory. Where the cache is too
/// small for all of them together, the younger ones wait.
///
/// `@unchecked Sendable`: `state` is guarded by its mutex; everything else is touched by the engine's thread only,
/// which `perform` and `add` reach through `state`.
final class InferenceEngine: @unchecked Sendable {
    /// Tokens of prompts in one step; small enough that cancelling is prompt.
    static let stepTokens = 256
    /// Tokens of one step that cost little more than one: they pass over the weights as they stream in.
    static let fewTokens = ContextLookup.most + 1
    /// Floats of logits in one step.
    static let stepLogits = 1 << 24

    private struct State {
        var inbox: [(InferenceEngine) -> Void] = []
        var isStopping = false
    }
    /// The mutex and condition of the inbox.
    private let condition = NSCondition()
    private var state = State()
    private(set) var pass: ForwardPass?
    private var jobs: [SequenceJob] = []

    /// Starts the thread.
    /// - Parameter pass: makes the forward pass; called on the engine's thread at its first use.
    init(pass: ForwardPass) {
        self.pass = pass
        let thread = Thread { [weak self] in
            while let engine = self, engine.turn() {}
        }
        thread.name = "forage-model"
        thread.stackSize = 8 << 20
        thread.start()
    }

    /// Ends the thread once the present step is done.
    func stop() {
        condition.lock()
        state.isStopping = true
        condition.signal()
        condition.unlock()
    }

    /// Runs a body on the engine's thread, between two steps.
    func enqueue(_ body: @escaping @Sendable (InferenceEngine) -> Void) {
        condition.lock()
        state.inbox.append(body)
        condition.signal()
        condition.unlock()
    }

    /// Adds a job; on the engine's thread only.
    func add(_ job: SequenceJob) { jobs.append(job) }

    /// One turn of the thread's loop.
    /// - Returns: false when the engine stops.
    private func turn() -> Bool {
        condition.lock()
        while state.inbox.isEmpty, jobs.isEmpty, !state.isStopping {
            // Wakes up now and then so that an engine that nobody holds any more can go.
            if !condition.wait(until: Date(timeIntervalSinceNow: 1)) {
                condition.unlock()
                return true
            }
        }
        let stopping = state.isStopping
        let inbox = state.inbox
        state.inbox = []
        condition.unlock()
        inbox.forEach { $0(self) }
        if stopping {
            for job in jobs { end(job, LanguageModelError.unavailable("the model was closed")) }
            jobs = []
            return false
        }
        for job in jobs { if let reason = job.withdrawal { end(job, reason) } }
        removeDone()
        step()
        return true
    }

    /// Memory comes back when a job ends: those that gave theirs away go on.
    private func removeDone() {
        let count = jobs.count
        jobs.removeAll { $0.isDone }
        guard jobs.count < count || jobs.allSatisfy(\.isWaiting) else { return }
        for job in jobs where job.isWaiting { job.goOn() }
    }

    /// No job has the memory to go on: the youngest that holds some gives way to the older ones. The oldest fails only
    /// where it has the cache for itself.
    private func makeRoom() {
        let active = jobs.filter { !$0.isWaiting }
        if let youngest = active.dropFirst().last(where: { !$0.sequence.pages.isEmpty }) {
            youngest.giveWay()
        } else if let oldest = active.first {
            end(oldest, LanguageModelError.unavailable("the key-value cache's memory budget is used up"))
        }
        removeDone()
    }

    private func end(_ job: SequenceJob, _ failure: (any Error)?) {
        guard !job.isDone else { return }
        job.isDone = true
        job.failure = failure
        job.finish()
    }

    private func step() {
        guard let pass, !jobs.isEmpty else { return }
        var room = Self.stepTokens
        var rows = max(1, Self.stepLogits / pass.weights.configuration.vocabulary)
        var chosen: [SequenceJob] = []
        var batch = ForwardBatch(runs: [])
        // Generating sequences first: one token each, or a few; then prompts, in the order of their arrival.
        let active = jobs.filter { !$0.isWaiting }
        let short = active.filter { $0.queue.count <= Self.fewTokens }
        let long = active.filter { $0.queue.count > Self.fewTokens }
        // Guesses are for the room that a few tokens leave in the weights' passage through memory.
        let guesses = long.isEmpty ? Self.fewTokens / max(1, short.count) - 1 : 0
        for job in short + long where room > 0 && rows > 0 {
            var count = min(job.queue.count, room)
            let wanted = max(0, count - job.silent)
            if wanted > rows { count = job.silent + rows }
            guard count > 0 else { continue }
            guard job.sequence.reserve(count) else { continue }
            var tokens = Array(job.queue.prefix(count))
            let silent = min(job.silent, count)
            let free = min(guesses, room - count, rows - (count - silent))
            var guessed: [Int32] = []
            if free > 0, count == job.queue.count, job.sequence.reserve(count + free) { guessed = job.guess(free) }
            tokens += guessed
            batch.runs.append(
                .init(sequence: job.sequence, tokens: tokens[...], wantedFrom: silent, guessed: guessed.count))
            job.queue = job.queue.dropFirst(count)
            job.silent -= silent
            room -= tokens.count
            rows -= tokens.count - silent
            chosen.append(job)
        }
        guard !chosen.isEmpty else { return makeRoom() }
        let wantedOf = batch.runs.map { $0.tokens.count - $0.wantedFrom }
        let logits = pass.run(batch)
        let vocabulary = pass.weights.configuration.vocabulary
        var row = 0
        for (job, wanted) in zip(chosen, wantedOf) {
            for at in row..<row + wanted where !job.isDone {
                let slice = UnsafeBufferPointer(rebasing: logits[at * vocabulary..<(at + 1) * vocabulary])
                guard job.receive(slice, from: self) else { break }
            }
            row += wanted
            if job.isDone { job.finish() }
        }
        removeDone()
    }
}
