// SPDX-License-Identifier: Apache-2.0

import Base
import Episodes
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
    /// The weight of the value head's squared error in the loss of methods that have none of their own. Default: 0.25.
    public var valueWeight: Float = 0.25
    /// Parts of a batch that methods with several passes go through one by one. Default: 4.
    public var minibatches = 4
    /// Passes end when the policy has strayed so far, in nats a decision, from the one that acted. Default: 0.03.
    public var divergenceStop: Float = 0.03
    /// How episodes are run.
    public var episodes = EpisodeOptions()
    /// Questions at work at the same time. Default: 2.
    public var workers = 2
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

        /// Takes note of an iteration: its reward, whether it is the best so far, and what is wrong with it.
        ///
        /// - Parameter memory: What the smoothed reward keeps of what it was.
        mutating func settle(
            _ record: IterationRecord, alarms: CollapseAlarms, memory: Float
        ) -> CollapseAlarms.Alarm? {
            smoothedReward = iteration == 0 ? record.reward : memory * smoothedReward + (1 - memory) * record.reward
            iteration += 1
            flatStreak = record.flatGroups > alarms.mostFlatGroups ? flatStreak + 1 : 0
            let alarm = alarms.check(record, parameters: parameters, flatStreak: flatStreak)
            if alarm == nil, smoothedReward >= bestReward {
                best = parameters
                bestReward = smoothedReward
            }
            return alarm
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
        _ policy: LearnedPolicy, from progress: Progress, on questions: [TrainingQuestion], rewards: RewardMix,
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
                iteration: progress.iteration, workers: workers)
            var record = IterationRecord()
            record.iteration = progress.iteration
            let decisions = Decisions(groups, of: questions, episodes)
            update(policy.network, groups, decisions, &progress, &record, rate: schedule.rate(at: progress.iteration))
            let alarm = progress.settle(record, alarms: alarms, memory: 0.9)
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
        _ network: any PolicyNetwork, _ groups: [Rollouts.Group], _ decisions: Decisions, _ progress: inout Progress,
        _ record: inout IterationRecord, rate: Float
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
                group.episodes.map { episode in
                    EpisodeReturn(
                        rewards: episode.rewards, values: episode.trajectory.steps.map { Float($0.choice.value ?? 0) })
                }
            })
        let steps = whole.flatMap { decisions.steps[$0.question] ?? [] }
        let flat = credits.flatMap { $0.flatMap { $0 } }
        var generator = SplitMix64(seed: seed, stream: 0x3A7C &+ UInt64(progress.iteration))
        for number in 0..<max(1, method.passes) {
            // Several passes go through shuffled parts of the batch; one pass takes it whole.
            var order = Array(steps.indices)
            let parts = method.passes > 1 ? max(1, min(minibatches, steps.count)) : 1
            if parts > 1 { generator.shuffle(&order) }
            let size = (order.count + parts - 1) / parts
            var strayed: Float = 0
            for start in stride(from: 0, to: order.count, by: size) {
                let chosen = order[start..<min(order.count, start + size)]
                var (gradients, pass) = gradients(
                    network, progress.parameters, reference: progress.reference, chosen.map { steps[$0] },
                    chosen.map { flat[$0] })
                record.gradientNorm = GradientNorm.clip(&gradients, to: 1)
                record.loss = pass.loss
                record.entropy = pass.entropy
                record.divergence = pass.divergence
                record.meanRatio = pass.meanRatio
                record.largestRatio = pass.largestRatio
                strayed = max(strayed, pass.strayed)
                progress.adam.update(&progress.parameters, gradients: gradients, learningRate: rate)
            }
            // What was collected says little of a policy that has strayed from the one that collected it.
            if number + 1 < method.passes, strayed > divergenceStop { break }
        }
    }

    /// The decisions of a batch's episodes, read off their trajectories, by question.
    private struct Decisions {
        var steps: [Int: [EpisodeStep]] = [:]

        init(_ groups: [Rollouts.Group], of questions: [TrainingQuestion], _ options: EpisodeOptions) {
            for group in groups where group.episodes.count > 1 {
                let space = questions[group.question].corpus.space
                steps[group.question] = group.episodes.flatMap { $0.steps(space, options.actions) }
            }
        }
    }

    /// The numbers of one pass over a batch.
    struct Pass {
        var loss: Float = 0
        var entropy: Float = 0
        var divergence: Float = 0
        var meanRatio: Float = 1
        var largestRatio: Float = 1
        /// The mean KL divergence of the choices from the policy that acted, as sampled: (ρ - 1) - log ρ.
        var strayed: Float = 0
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
        var loss = method.loss(terms) - entropy * entropyWeight + divergence * divergenceWeight
        if !(method is ProximalPolicy) {
            // Methods that compare episodes with each other train the value head beside their loss.
            let wanted = tape.constant(Matrix(column: credits.map(\.valueTarget)))
            loss = loss + (values - wanted).squared().mean() * valueWeight
        }
        var pass = Pass()
        let ratios = terms.ratios.value.elements
        pass.loss = loss.scalar
        pass.entropy = entropy.scalar
        pass.divergence = divergence.scalar
        pass.meanRatio = ratios.reduce(0, +) / Float(ratios.count)
        pass.largestRatio = ratios.max() ?? 1
        pass.strayed = ratios.reduce(0) { $0 + ($1 - 1 - log(max($1, 1e-8))) } / Float(ratios.count)
        return (tape.gradients(of: loss, for: weights.variables), pass)
    }
}
