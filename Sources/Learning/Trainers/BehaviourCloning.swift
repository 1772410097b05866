// SPDX-License-Identifier: Apache-2.0

import Base
import TensorMath

/// Behaviour cloning on the policy's own states (DAgger, arXiv 1011.0686): episodes follow the policy more and more, and
/// the oracle says at every state which choices were right.
public struct BehaviourCloning: Sendable {
    /// Whom to clone.
    public var oracle = Oracle.gold
    /// Times through the questions. Default: 10.
    public var epochs = 10
    /// Questions in a batch. Default: 16.
    public var batch = 16
    /// The highest learning rate. Default: 0.003.
    public var learningRate: Float = 3e-3
    /// Weight decay of AdamW. Default: 0.01.
    public var weightDecay: Float = 0.01
    /// The share of steps on which the oracle's choice is followed after the first epoch. Default: 0.3.
    public var oracleShare = 0.3
    /// Passages kept in a training episode. Default: 5.
    public var steps = 5
    /// The seed of order, drop-out and exploration.
    public var seed: UInt64 = 1

    /// Makes the defaults.
    public init() {}

    /// Trains the policy.
    ///
    /// - Parameter report: Called after each epoch with its number and mean loss.
    /// - Throws: `CancellationError`.
    @concurrent
    public func train(
        _ policy: LearnedPolicy, on questions: [PreparedQuestion],
        report: @Sendable (_ epoch: Int, _ loss: Float, _ policy: LearnedPolicy) async throws -> Void = { _, _, _ in }
    ) async throws -> LearnedPolicy {
        guard !questions.isEmpty else { return policy }
        var policy = policy
        var adam = Adam(for: policy.parameters, weightDecay: weightDecay)
        var generator = SplitMix64(seed: seed, stream: 0xB0C1)
        let updates = epochs * ((questions.count + batch - 1) / batch)
        let schedule = LearningRateSchedule.cosine(
            peak: learningRate, warmUp: 20, steps: updates, floor: learningRate / 300)
        for epoch in 0..<epochs {
            var order = Array(questions.indices)
            generator.shuffle(&order)
            var total: Float = 0
            var batches: Float = 0
            for start in stride(from: 0, to: order.count, by: batch) {
                try Task.checkCancellation()
                var decisions: [Decision] = []
                var targets: [[Int]] = []
                for index in order[start..<min(order.count, start + batch)] {
                    collect(
                        questions[index], policy, followsOracle: epoch == 0, using: &generator, &decisions, &targets)
                }
                guard !decisions.isEmpty else { continue }
                let (loss, gradients) = Self.gradients(policy, DecisionBatch(decisions), targets, noise: generator)
                var clipped = gradients
                GradientNorm.clip(&clipped, to: 1)
                _ = generator.next()
                adam.update(&policy.parameters, gradients: clipped, learningRate: schedule.rate(at: adam.step))
                total += loss
                batches += 1
            }
            try await report(epoch, total / max(1, batches), policy)
        }
        return policy
    }

    /// Runs one training episode and notes each decision with its right rows.
    private func collect(
        _ question: PreparedQuestion, _ policy: LearnedPolicy, followsOracle: Bool, using generator: inout SplitMix64,
        _ decisions: inout [Decision], _ targets: inout [[Int]]
    ) {
        var state = EvidenceState(question.pool)
        for step in 0..<steps where !state.candidates.isEmpty {
            let decision = state.decision(allowsStop: step > 0)
            let stopRow = step > 0 ? state.candidates.count : nil
            let right = oracle.targets(state, gold: question.gold, stopRow: stopRow)
            if !right.isEmpty {
                decisions.append(decision)
                targets.append(right)
            }
            if let stopRow, right.contains(stopRow) { return }
            if !right.isEmpty, followsOracle || generator.uniform() < oracleShare {
                state.keep(at: right[generator.integer(below: right.count)])
            } else {
                // Sharpened, so that most states are those that the policy will really meet.
                let logProbabilities = policy.assess(decision).logProbabilities
                let choice = sample(
                    Array(logProbabilities.prefix(state.candidates.count)), temperature: 0.5, using: &generator)
                state.keep(at: choice)
            }
        }
    }

    /// The mean over decisions of minus the log of the probability that falls on the right rows, and its gradient.
    static func gradients(
        _ policy: LearnedPolicy, _ batch: DecisionBatch, _ targets: [[Int]], noise: SplitMix64
    ) -> (loss: Float, gradients: [Matrix]) {
        let tape = Tape()
        let weights = policy.parameters.variables(on: tape)
        var noise: SplitMix64? = noise
        let (logits, _) = policy.network.apply(batch, weights, noise: &noise)
        var rows: [Int] = []
        var offsets = [0]
        for (decision, right) in targets.enumerated() {
            rows += right.map { $0 + batch.offsets[decision] }
            offsets.append(rows.count)
        }
        let onTargets = logits.segmentedLogSoftmax(offsets: batch.offsets).elements(at: rows).exp()
        let loss = -(onTargets.segmentSums(offsets: offsets) + 1e-8).log().mean()
        return (loss.scalar, tape.gradients(of: loss, for: weights.variables))
    }
}
