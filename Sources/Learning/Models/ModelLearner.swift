// SPDX-License-Identifier: Apache-2.0

import Foundation
import TensorMath
public import Transformers

/// The gradient of a language model's loss over a batch of examples, in parts that fit into memory.
public struct ModelLearner: Sendable {
    public let decoder: DifferentiableDecoder
    public let tuning: Tuning
    /// Tokens of one part: examples are packed into it one behind the other. Default: 1,024.
    public var partTokens = 1024
    /// Parts at work at the same time. Default: 2.
    public var threads = 2
    /// Bytes of activations that one part may keep; above that blocks are computed twice. Default: 640 MiB.
    public var budget = 640 << 20

    public init(_ decoder: DifferentiableDecoder, tuning: Tuning) {
        self.decoder = decoder
        self.tuning = tuning
    }

    /// Examples by parts: the longest first, each where there is room.
    func parts(of examples: [ModelExample]) -> [[Int]] {
        var parts: [(indices: [Int], tokens: Int)] = []
        let order = examples.indices.sorted {
            (examples[$0].tokens.count, $1) > (examples[$1].tokens.count, $0)
        }
        for index in order {
            let count = examples[index].tokens.count
            if let place = parts.firstIndex(where: { $0.tokens + count <= partTokens }) {
                parts[place].indices.append(index)
                parts[place].tokens += count
            } else {
                parts.append(([index], count))
            }
        }
        // As many parts as there are threads, at least: a part that nobody helps with keeps the others waiting.
        while parts.count < threads,
            let widest = parts.indices.max(by: { parts[$0].indices.count < parts[$1].indices.count }),
            parts[widest].indices.count > 1
        {
            let half = parts[widest].indices.count / 2
            let moved = Array(parts[widest].indices.suffix(half))
            parts[widest].indices.removeLast(half)
            parts.append((moved, moved.reduce(0) { $0 + examples[$1].tokens.count }))
        }
        return parts.map(\.indices)
    }

    /// Sums what `loss` makes of the log-probabilities of each part, and its gradient.
    ///
    /// - Parameter loss: Given the part's examples and their learned tokens' log-probabilities (one row each, in order) with
    ///   the entropies of the distributions they are from; called on several threads.
    func gradients(
        _ examples: [ModelExample], _ parameters: ParameterSet,
        loss: @escaping @Sendable (_ part: [Int], _ values: Variable, _ entropies: [Float]) -> Variable
    ) -> (loss: Double, gradients: [Matrix]) {
        let parts = parts(of: examples)
        return GradientWork.sum(parts: parts.count, threads: threads) { number in
            let part = parts[number]
            let tape = Tape()
            let variables = parameters.variables(on: tape)
            let found = decoder.logProbabilities(
                of: Self.batch(part.map { examples[$0] }), parameters: parameters, variables: variables,
                tuning: tuning, on: tape, budget: budget)
            let value = loss(part, found.values, found.entropies)
            return (Double(value.scalar), tape.gradients(of: value, for: variables.variables))
        }
    }

    /// The log-probabilities of each example's learned tokens, without a gradient.
    func logProbabilities(_ examples: [ModelExample], _ parameters: ParameterSet) -> [[Float]] {
        let parts = parts(of: examples)
        let found = Found(count: examples.count)
        _ = GradientWork.sum(parts: parts.count, threads: threads) { number in
            let part = parts[number]
            let tape = Tape(records: false)
            let values = decoder.logProbabilities(
                of: Self.batch(part.map { examples[$0] }), parameters: parameters,
                variables: parameters.variables(on: tape), tuning: tuning, on: tape, keepsActivations: false
            ).values.value.elements
            var next = 0
            for index in part {
                let count = examples[index].learnedCount
                found.set(index, Array(values[next..<next + count]))
                next += count
            }
            return (0, [])
        }
        return found.values
    }

    private static func batch(_ examples: [ModelExample]) -> DecoderBatch {
        var batch = DecoderBatch()
        for example in examples { batch.append(example.tokens, learned: example.learned) }
        return batch
    }

    /// Log-probabilities by example. `@unchecked Sendable`: written under the lock.
    private final class Found: @unchecked Sendable {
        private let lock = NSLock()
        private(set) var values: [[Float]]

        init(count: Int) { values = Array(repeating: [], count: count) }

        func set(_ index: Int, _ value: [Float]) { lock.withLock { values[index] = value } }
    }
}
