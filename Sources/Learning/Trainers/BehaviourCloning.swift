// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
import Datasets
import Episodes
import Search
import TensorMath
import Text

/// Behaviour cloning on the policy's own states (DAgger, arXiv 1011.0686): episodes follow the policy more and more, and
/// the oracle says at every state of their trajectories which choices were right.
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
    /// The share of decisions from which what comes from titles, and from links, is left out, so that a corpus without
    /// them is none that the policy never saw. Default: 0.15.
    public var dropout = 0.15
    /// The share of a decision's probability that is spread over all of its choices, right or wrong: a policy that is to
    /// learn from rewards must still try things. Default: 0.
    public var smoothing: Float = 0
    /// What may be chosen.
    public var actions = ActionOptions()
    /// Questions at work at the same time.
    public var workers = 2
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
        _ policy: LearnedPolicy, on questions: [TrainingQuestion],
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
                let chosen = Array(order[start..<min(order.count, start + batch)])
                let acting = policy
                let collected = try await Rollouts.concurrently(chosen.count, workers: workers) { slot in
                    try await collect(questions[chosen[slot]], acting, epoch: epoch, number: chosen[slot])
                }
                var decisions: [Decision] = []
                var targets: [[Int]] = []
                for (decision, right) in collected.joined() {
                    decisions.append(thinned(decision, using: &generator))
                    targets.append(right)
                }
                guard !decisions.isEmpty else { continue }
                let (loss, gradients) = Self.gradients(
                    policy, DecisionBatch(decisions), targets, smoothing: smoothing, noise: generator)
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

    /// Runs one training episode; each decision of its trajectory with its right rows.
    private func collect(
        _ question: TrainingQuestion, _ policy: LearnedPolicy, epoch: Int, number: Int
    ) async throws -> [(Decision, [Int])] {
        var options = EpisodeOptions()
        options.actions = actions
        // Sharpened, so that most states are those that the policy will really meet.
        let network = NetworkPolicy(policy, space: question.corpus.space, options: actions, temperature: 0.5)
        let teacher = TeacherPolicy(
            oracle: oracle, question: question, options: actions, share: epoch == 0 ? 1 : oracleShare, network: network)
        let episode = try await Rollouts.run(
            question, policy: teacher, options: options, seed: XXH64.hash("\(epoch) \(number)", seed: seed))
        var result: [(Decision, [Int])] = []
        for step in episode.trajectory.steps where step.candidates.count > 1 {
            let right = try await oracle.targets(step.state, step.candidates, question, actions)
            // Where every choice is right there is nothing to learn.
            guard !right.isEmpty, right.count < step.candidates.count else { continue }
            let features = question.corpus.space.features(step.state, step.candidates, options: actions)
            result.append((Decision(features: features), right))
        }
        return result
    }

    /// A decision without what comes from titles, or from links, on a share of the draws.
    private func thinned(_ decision: Decision, using generator: inout SplitMix64) -> Decision {
        let (titles, links) = (generator.uniform() < dropout, generator.uniform() < dropout)
        guard titles || links else { return decision }
        var features = decision.features
        for row in 0..<features.rows {
            if titles { for column in ActionFeatures.titleColumns { features[row, column] = 0 } }
            if links { for column in ActionFeatures.linkColumns { features[row, column] = 0 } }
        }
        return Decision(features: features)
    }

    /// The mean over decisions of minus the log of the probability that falls on the right rows, and its gradient; a share
    /// `smoothing` of it is the cross-entropy with equal shares for all rows instead.
    static func gradients(
        _ policy: LearnedPolicy, _ batch: DecisionBatch, _ targets: [[Int]], smoothing: Float = 0, noise: SplitMix64
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
        let logProbabilities = logits.segmentedLogSoftmax(offsets: batch.offsets)
        let onTargets = logProbabilities.elements(at: rows).exp()
        var loss = -(onTargets.segmentSums(offsets: offsets) + 1e-8).log().mean()
        if smoothing > 0 {
            let even = logProbabilities.segmentMeans(offsets: batch.offsets).mean()
            loss = loss * (1 - smoothing) - even * smoothing
        }
        return (loss.scalar, tape.gradients(of: loss, for: weights.variables))
    }
}
