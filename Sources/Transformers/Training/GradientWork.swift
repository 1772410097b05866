// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Synchronization
public import TensorMath

/// Gradients of a batch computed in parts, each on its own tape, on several threads.
public enum GradientWork {
    /// What the parts gave. `@unchecked Sendable`: written under the lock.
    private final class Parts: @unchecked Sendable {
        private let lock = Mutex<Void>(())
        private(set) var values: [(loss: Double, gradients: [Matrix])?]

        init(count: Int) { values = Array(repeating: nil, count: count) }

        func set(_ part: Int, _ value: (loss: Double, gradients: [Matrix])) {
            lock.withLock { _ in values[part] = value }
        }
    }

    private struct Work: @unchecked Sendable {
        let body: (Int) -> (loss: Double, gradients: [Matrix])
    }

    /// Sums the losses and gradients of all parts.
    ///
    /// - Parameters:
    ///   - threads: How many parts are worked on at once.
    ///   - body: Computes one part; called on several threads at once, so it must only read what it shares.
    public static func sum(
        parts: Int, threads: Int, _ body: @escaping (Int) -> (loss: Double, gradients: [Matrix])
    ) -> (loss: Double, gradients: [Matrix]) {
        let done = Parts(count: parts)
        let work = Work(body: body)
        let count = max(1, min(threads, parts))
        let taken = Atomic<Int>(0)
        DispatchQueue.concurrentPerform(iterations: count) { _ in
            while true {
                let part = taken.add(1, ordering: .relaxed).oldValue
                guard part < parts else { return }
                done.set(part, work.body(part))
            }
        }
        let results = done.values.compactMap { $0 }
        return (results.reduce(0) { $0 + $1.loss }, added(results.map(\.gradients), threads: count))
    }

    /// The sums of the parts' gradients, in the parts' order whichever thread was first; each tensor by one thread.
    private static func added(_ parts: [[Matrix]], threads: Int) -> [Matrix] {
        guard let first = parts.first else { return [] }
        let sums = Sums(first)
        let taken = Atomic<Int>(0)
        DispatchQueue.concurrentPerform(iterations: threads) { _ in
            while true {
                let index = taken.add(1, ordering: .relaxed).oldValue
                guard index < first.count else { return }
                var sum = first[index]
                for part in parts.dropFirst() { sum.add(part[index]) }
                sums.set(index, sum)
            }
        }
        return sums.values
    }

    /// `@unchecked Sendable`: written under the lock.
    private final class Sums: @unchecked Sendable {
        private let lock = Mutex<Void>(())
        private(set) var values: [Matrix]

        init(_ values: [Matrix]) { self.values = values }

        func set(_ index: Int, _ value: Matrix) { lock.withLock { _ in values[index] = value } }
    }
}

/// Contrastive batches of any size in bounded memory: representations first, without a tape; then the loss over all of
/// them and its gradient at each; then each chunk once more, with a tape, pulled along that gradient (GradCache, Gao et
/// al., arXiv 2101.06983). The gradients equal those of the whole batch at once.
public enum GradientCache {
    /// - Parameters:
    ///   - chunks: How many parts the batch has.
    ///   - represent: The representations of one chunk (rows × dimension) on a tape; called twice a chunk, with the same
    ///     noise each time.
    ///   - loss: The loss from the representations of all chunks, one below the other.
    public static func gradients(
        chunks: Int, threads: Int, parameters: ParameterSet,
        represent: @escaping (_ chunk: Int, _ tape: Tape, _ variables: ParameterVariables) -> Variable,
        loss: (Variable) -> Variable
    ) -> (loss: Double, gradients: [Matrix]) {
        precondition(chunks > 0, "a batch has at least one chunk")
        var representations = [Matrix?](repeating: nil, count: chunks)
        let found = Found(count: chunks)
        let first = Represent(body: represent)
        let taken = Atomic<Int>(0)
        DispatchQueue.concurrentPerform(iterations: max(1, min(threads, chunks))) { _ in
            while true {
                let chunk = taken.add(1, ordering: .relaxed).oldValue
                guard chunk < chunks else { return }
                let tape = Tape(records: false)
                found.set(chunk, first.body(chunk, tape, parameters.variables(on: tape)).value)
            }
        }
        representations = found.values
        let matrices = representations.compactMap { $0 }
        let tape = Tape()
        let parts = matrices.map { tape.variable($0) }
        let value = loss(Variable.joinedRows(parts))
        let pulls = tape.gradients(of: value, for: parts)
        let result = GradientWork.sum(parts: chunks, threads: threads) { chunk in
            let tape = Tape()
            let variables = parameters.variables(on: tape)
            let pulled = (represent(chunk, tape, variables) * tape.constant(pulls[chunk])).sum()
            return (0, tape.gradients(of: pulled, for: variables.variables))
        }
        return (Double(value.scalar), result.gradients)
    }

    private struct Represent: @unchecked Sendable {
        let body: (Int, Tape, ParameterVariables) -> Variable
    }

    /// The representations of chunks. `@unchecked Sendable`: written under the lock.
    private final class Found: @unchecked Sendable {
        private let lock = Mutex<Void>(())
        private(set) var values: [Matrix?]

        init(count: Int) { values = [Matrix?](repeating: nil, count: count) }

        func set(_ index: Int, _ value: Matrix) { lock.withLock { _ in values[index] = value } }
    }
}
