// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
public import TensorMath

/// What one iteration of training from rewards did.
public struct IterationRecord: Sendable, Hashable {
    /// The number of the iteration, from 0.
    public var iteration = 0
    /// Episodes that were run.
    public var episodes = 0
    /// Episodes whose reward could not be had.
    public var failures = 0
    /// The mean reward of an episode.
    public var reward: Float = 0
    /// The mean number of passages kept.
    public var kept: Float = 0
    /// The share of episodes that ended by the policy's own choice.
    public var stopShare: Float = 0
    /// The mean entropy of a decision in nats.
    public var entropy: Float = 0
    /// The mean KL divergence of a decision from the reference policy in nats.
    public var divergence: Float = 0
    /// The mean of π / π_old on the last pass, and its largest value.
    public var meanRatio: Float = 1
    public var largestRatio: Float = 1
    /// The share of groups whose episodes all earned the same.
    public var flatGroups: Float = 0
    /// The length of the gradient before clipping.
    public var gradientNorm: Float = 0
    /// The loss of the last pass.
    public var loss: Float = 0
}

/// Improves a policy from the rewards of its episodes.
public struct RewardTraining: Sendable {
    /// How rewards become a gradient.
    public var method: any PolicyGradientMethod = LeaveOneOut()
    /// Iterations: batches of questions. Default: 150.
    public var iterations = 150
    /// Questions in a batch. Default: 24.
    public var batch = 24
    /// Episodes for each question. Default: 8.
    public var group = 8
    /// The learning rate. Default: 0.001, falling to a tenth of it.
    public var learningRate: Float = 1e-3
    /// The weight of the decisions' entropy in the loss. Default: 0.01.
    public var entropyWeight: Float = 0.01
    /// The weight of the KL divergence from the policy that training started from. Default: 0.02.
    public var divergenceWeight: Float = 0.02
    /// How episodes are run.
    public var episodes = EpisodeOptions()
    /// The seed of everything drawn.
    public var seed: UInt64 = 1
    /// Which questions come when.
    public var curriculum = Curriculum.none
    /// When the run is in trouble.
    public var alarms = CollapseAlarms()

    /// Makes the defaults.
    public init() {}

    /// Where a run stands: enough to go on exactly as if it had never stopped.
    public struct Progress: Sendable, Hashable {
        /// The next iteration.
        public var iteration: Int
        /// The weights now.
        public var parameters: ParameterSet
        /// The weights that training started from, which the KL term holds on to.
        public var reference: ParameterSet
        /// The weights after the best iteration without an alarm.
        public var best: ParameterSet
        /// The smoothed reward at the best iteration, and now.
        public var bestReward: Float
        public var smoothedReward: Float
        /// Iterations in a row in which hardly any group had a difference to learn from.
        public var flatStreak = 0
        /// The optimizer's memory.
        public var adam: Adam

        /// Starts a run from a policy's weights.
        public init(from parameters: ParameterSet) {
            iteration = 0
            self.parameters = parameters
            reference = parameters
            best = parameters
            bestReward = -.infinity
            smoothedReward = 0
            adam = Adam(for: parameters)
        }
    }

    /// Runs the iterations that are left.
    ///
    /// - Parameters:
    ///   - policy: Its network acts; the weights come from `progress`.
    ///   - progress: A fresh or a stored one.
    ///   - report: Called after each iteration, with where the run stands; store it to resume from it.
    /// - Returns: The last-good progress: after an alarm training stops, and `parameters` are those of the best iteration.
    /// - Throws: `CancellationError`, and what `report` throws.
    @concurrent
    public func run(
        _ policy: LearnedPolicy, from progress: Progress, on questions: [PreparedQuestion], rewards: RewardMix,
        report: @Sendable (IterationRecord, Progress, CollapseAlarms.Alarm?) async throws -> Void = { _, _, _ in }
    ) async throws -> Progress {
        var progress = progress
        let schedule = LearningRateSchedule.cosine(
            peak: learningRate, warmUp: 5, steps: iterations, floor: learningRate / 10)
        guard !questions.isEmpty else { return progress }
        while progress.iteration < iterations {
            try Task.checkCancellation()
            // Made from the iteration alone, so that a resumed run draws the same questions.
            var generator = SplitMix64(seed: seed, stream: 0x7EA1 &+ UInt64(progress.iteration))
            let chosen = curriculum.choose(
                batch, of: questions.map(\.question), progress: Float(progress.iteration) / Float(max(1, iterations)),
                using: &generator)
            let acting = LearnedPolicy(network: policy.network, parameters: progress.parameters)
            let groups = try await Rollouts.run(
                chosen, of: questions, policy: acting, options: episodes, size: group, rewards: rewards, seed: seed,
                iteration: progress.iteration)
            var record = IterationRecord()
            record.iteration = progress.iteration
            update(policy.network, groups, &progress, &record, rate: schedule.rate(at: progress.iteration))
            progress.smoothedReward =
                progress.iteration == 0 ? record.reward : 0.9 * progress.smoothedReward + 0.1 * record.reward
            progress.iteration += 1
            progress.flatStreak = record.flatGroups > alarms.mostFlatGroups ? progress.flatStreak + 1 : 0
            let alarm = alarms.check(record, parameters: progress.parameters, flatStreak: progress.flatStreak)
            if alarm == nil, progress.smoothedReward >= progress.bestReward {
                progress.best = progress.parameters
                progress.bestReward = progress.smoothedReward
            }
            try await report(record, progress, alarm)
            if alarm != nil {
                progress.parameters = progress.best
                return progress
            }
        }
        return progress
    }

    /// Credits the episodes and moves the weights.
    private func update(
        _ network: any PolicyNetwork, _ groups: [Rollouts.Group], _ progress: inout Progress,
        _ record: inout IterationRecord,
        rate: Float
    ) {
        let all = groups.flatMap(\.episodes)
        record.episodes = all.count
        record.failures = groups.reduce(0) { $0 + $1.failures }
        guard !all.isEmpty else { return }
        record.reward = all.reduce(0) { $0 + $1.total } / Float(all.count)
        record.kept = all.reduce(0) { $0 + Float($1.kept.count) } / Float(all.count)
        record.stopShare = Float(all.filter(\.stopped).count) / Float(all.count)
        // Group integrity: an episode is compared with others of its own question, so a group needs two.
        let whole = groups.filter { $0.episodes.count > 1 }
        guard !whole.isEmpty else { return }
        record.flatGroups =
            Float(whole.filter { g in g.episodes.allSatisfy { abs($0.total - g.episodes[0].total) < 1e-6 } }.count)
            / Float(whole.count)
        let credits = method.credits(
            for: whole.map { group in
                group.episodes.map { EpisodeReturn(rewards: $0.rewards, values: $0.steps.map(\.value)) }
            })
        let steps = whole.flatMap { $0.episodes.flatMap(\.steps) }
        let flat = credits.flatMap { $0.flatMap { $0 } }
        for _ in 0..<max(1, method.passes) {
            var (gradients, pass) = gradients(network, progress.parameters, reference: progress.reference, steps, flat)
            record.gradientNorm = GradientNorm.clip(&gradients, to: 1)
            record.loss = pass.loss
            record.entropy = pass.entropy
            record.divergence = pass.divergence
            record.meanRatio = pass.meanRatio
            record.largestRatio = pass.largestRatio
            progress.adam.update(&progress.parameters, gradients: gradients, learningRate: rate)
        }
    }

    /// The numbers of one pass over a batch.
    struct Pass {
        var loss: Float = 0
        var entropy: Float = 0
        var divergence: Float = 0
        var meanRatio: Float = 1
        var largestRatio: Float = 1
    }

    /// The gradient of a batch: the method's loss, less entropy, plus the exact KL divergence from the reference.
    func gradients(
        _ network: any PolicyNetwork, _ parameters: ParameterSet, reference: ParameterSet, _ steps: [EpisodeStep],
        _ credits: [StepCredit]
    ) -> (gradients: [Matrix], pass: Pass) {
        let batch = DecisionBatch(steps.map(\.decision))
        let tape = Tape()
        let weights = parameters.variables(on: tape)
        var noise: SplitMix64?
        let (logits, values) = network.apply(batch, weights, noise: &noise)
        let logProbabilities = logits.segmentedLogSoftmax(offsets: batch.offsets)
        let chosen = logProbabilities.elements(at: steps.indices.map { batch.offsets[$0] + steps[$0].choice })
        let terms = PolicyTerms(
            logProbabilities: chosen, behaviour: steps.map(\.logProbability), values: values,
            oldValues: steps.map(\.value), credits: credits)
        let still = Tape(records: false)
        let old = network.apply(batch, reference.variables(on: still), noise: &noise).logits
            .segmentedLogSoftmax(offsets: batch.offsets).value
        let entropy = logProbabilities.segmentedEntropy(offsets: batch.offsets).mean()
        let divergence =
            (logProbabilities.exp() * (logProbabilities - tape.constant(old))).sum() * (1 / Float(steps.count))
        let loss = method.loss(terms) - entropy * entropyWeight + divergence * divergenceWeight
        var pass = Pass()
        let ratios = terms.ratios.value.elements
        pass.loss = loss.scalar
        pass.entropy = entropy.scalar
        pass.divergence = divergence.scalar
        pass.meanRatio = ratios.reduce(0, +) / Float(ratios.count)
        pass.largestRatio = ratios.max() ?? 1
        return (tape.gradients(of: loss, for: weights.variables), pass)
    }
}
