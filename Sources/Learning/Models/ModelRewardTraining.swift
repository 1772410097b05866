// SPDX-License-Identifier: Apache-2.0

public import Agent
import Base
import Corpus
import Datasets
import Episodes
import Foundation
public import LanguageModels
import Search
import Synchronization
public import TensorMath
import Transformers

/// Improves a language model that drives sessions from the rewards of its answers: RLOO (Ahmadian et al., arXiv
/// 2402.14740) or GRPO (Shao et al., arXiv 2402.03300), token by token, with the KL divergence from the model that training
/// started from.
///
/// Rollouts are sessions of the ordinary loop, run by the in-process engine with the adapter as it stands. What the engine
/// gave as the log-probability of each token is kept, and the learner's own beside it: their ratio weighs the gradient, and
/// a run in which the two differ too much is ended, as it would learn from what another model did. Departs from the papers
/// in that the end of a turn is not credited: an engine's reply does not hold it.
public struct ModelRewardTraining: Sendable {
    public var method: any PolicyGradientMethod = LeaveOneOut()
    /// Iterations: batches of questions. Default: 20.
    public var iterations = 20
    /// Questions in a batch. Default: 8.
    public var batch = 8
    /// Episodes for each question. Default: 4.
    public var group = 4
    /// The learning rate. Default: 5e-5.
    public var learningRate: Float = 5e-5
    /// The weight of the KL divergence from the model that training started from, a token (the k3 estimate). Default: 0.05.
    public var divergenceWeight: Float = 0.05
    /// The largest mean of |log π/π_old| of a first pass, in nats a token, before engine and learner count as two models.
    /// Default: 0.5: eight-bit activations beside floats give about a twentieth.
    public var mostMismatch: Float = 0.5
    /// Episodes at work at the same time. Default: 4; the engine computes them together.
    public var workers = 4
    public var seed: UInt64 = 1
    public var alarms = CollapseAlarms()

    public init() {}

    /// One turn that the model wrote, with what it is credited with.
    struct Turn: Sendable {
        var example: ModelExample
        /// The log-probability of each learned token under the engine that wrote it.
        var behaviour: [Float]
        var credit = StepCredit(advantage: 0, valueTarget: 0)
    }

    /// Makes the model that acts, from what was learned so far.
    public typealias Engine = @Sendable (ParameterSet) throws -> LocalModel

    /// Runs the iterations that are left.
    ///
    /// - Parameters:
    ///   - strategy: How a session goes; its model proposer samples at a temperature of 1.
    ///   - report: Called after each iteration, with where the run stands; store it to resume from it.
    /// - Returns: The last-good progress: after an alarm training stops, and `parameters` are those of the best iteration.
    /// - Throws: `EpisodeError` where engine and learner are two models; what tools throw; `CancellationError`.
    @concurrent
    public func run(
        _ learner: ModelLearner, engine: Engine, strategy: Strategy, from progress: RewardTraining.Progress,
        on questions: [TrainingQuestion], rewards: RewardMix,
        report: @Sendable (IterationRecord, RewardTraining.Progress, CollapseAlarms.Alarm?) async throws -> Void = {
            _, _, _ in
        }
    ) async throws -> RewardTraining.Progress {
        var progress = progress
        guard !questions.isEmpty else { return progress }
        let schedule = LearningRateSchedule.cosine(
            peak: learningRate, warmUp: 2, steps: iterations, floor: learningRate / 10)
        while progress.iteration < iterations {
            try Task.checkCancellation()
            // Made from the iteration alone, so that a resumed run draws the same questions.
            var generator = SplitMix64(seed: seed, stream: 0x7EA2 &+ UInt64(progress.iteration))
            var order = Array(questions.indices)
            generator.shuffle(&order)
            let chosen = Array(order.prefix(batch))
            let model = try engine(progress.parameters)
            var record = IterationRecord()
            record.iteration = progress.iteration
            let groups = try await rollouts(
                chosen, of: questions, model, strategy, rewards, progress.iteration, &record)
            try update(learner, groups, &progress, &record, rate: schedule.rate(at: progress.iteration))
            let alarm = progress.settle(record, alarms: alarms, memory: 0.8)
            try await report(record, progress, alarm)
            if alarm != nil {
                progress.parameters = progress.best
                return progress
            }
        }
        return progress
    }

    // MARK: Rollouts

    private struct Rollout: Sendable {
        var reward: Float
        var turns: [Turn]
        var kept: Int
        var stopped: Bool
    }

    /// The episodes of a batch, by question.
    private func rollouts(
        _ chosen: [Int], of questions: [TrainingQuestion], _ model: LocalModel, _ strategy: Strategy,
        _ rewards: RewardMix, _ iteration: Int, _ record: inout IterationRecord
    ) async throws -> [[Rollout]] {
        let episodes = try await Rollouts.concurrently(chosen.count * group, workers: workers) {
            place -> Rollout? in
            let (index, number) = (chosen[place / group], place % group)
            let drawn = XXH64.hash("\(iteration) \(index) \(number)", seed: seed)
            do {
                return try await Self.rollout(questions[index], model, strategy, rewards, seed: drawn)
            } catch is CancellationError {
                throw CancellationError()
            } catch { return nil }
        }
        record.failures = episodes.count(where: { $0 == nil })
        let groups = chosen.indices.map { place in
            episodes[(place * group)..<((place + 1) * group)].compactMap { $0 }
        }
        let all = groups.flatMap { $0 }
        guard !all.isEmpty else { throw EpisodeError(reason: "none of the \(episodes.count) episodes ended well") }
        record.episodes = all.count
        record.reward = all.reduce(0) { $0 + $1.reward } / Float(all.count)
        record.kept = all.reduce(0) { $0 + Float($1.kept) } / Float(all.count)
        record.stopShare = Float(all.count(where: \.stopped)) / Float(all.count)
        return groups
    }

    private static func rollout(
        _ question: TrainingQuestion, _ model: LocalModel, _ strategy: Strategy, _ rewards: RewardMix, seed: UInt64
    ) async throws -> Rollout {
        let acting = ActingModel(model)
        var environment = question.corpus.environment
        environment.model = acting
        let events = try await Rollouts.events(
            question.question.asked, strategy: strategy, environment: environment, seed: seed)
        let trajectory = try Trajectory(events: events)
        if case .failed(let reason)? = trajectory.final.stop { throw EpisodeError(reason: reason) }
        let episode = try await rewards.rewarded(Episode(question: question.question, trajectory: trajectory))
        return Rollout(
            reward: episode.total, turns: acting.turns, kept: episode.kept.count, stopped: episode.stopped)
    }

    // MARK: Update

    private func update(
        _ learner: ModelLearner, _ groups: [[Rollout]], _ progress: inout RewardTraining.Progress,
        _ record: inout IterationRecord, rate: Float
    ) throws {
        // An episode is compared with others of its own question, so a group needs two.
        let whole = groups.filter { $0.count > 1 }
        guard !whole.isEmpty else { return }
        record.flatGroups =
            Float(whole.count { group in group.allSatisfy { abs($0.reward - group[0].reward) < 1e-6 } })
            / Float(whole.count)
        let credits = method.credits(
            for: whole.map { $0.map { EpisodeReturn(rewards: [$0.reward], values: [0]) } })
        var turns: [Turn] = []
        for (group, credited) in zip(whole, credits) {
            for (rollout, steps) in zip(group, credited) {
                for var turn in rollout.turns where turn.example.learnedCount > 0 {
                    turn.credit = steps.first ?? turn.credit
                    turns.append(turn)
                }
            }
        }
        guard !turns.isEmpty else { return }
        let reference = learner.logProbabilities(turns.map(\.example), progress.reference)
        let tokens = turns.reduce(0) { $0 + $1.example.learnedCount }
        for pass in 0..<max(1, method.passes) {
            var (gradients, numbers) = self.gradients(learner, turns, reference, tokens, progress.parameters)
            if pass == 0, numbers.mismatch > mostMismatch {
                throw EpisodeError(
                    reason:
                        "the engine's log-probabilities and the learner's differ by \(numbers.mismatch) nats a token")
            }
            record.gradientNorm = GradientNorm.clip(&gradients, to: 1)
            record.loss = numbers.loss
            record.entropy = numbers.entropy
            record.divergence = numbers.divergence
            record.meanRatio = numbers.meanRatio
            record.largestRatio = numbers.largestRatio
            guard record.gradientNorm.isFinite else { return }
            progress.adam.update(&progress.parameters, gradients: gradients, learningRate: rate)
        }
    }

    /// The numbers of one pass, means over all learned tokens.
    struct Pass: Sendable {
        var loss: Float = 0
        var entropy: Float = 0
        var divergence: Float = 0
        var meanRatio: Float = 0
        var largestRatio: Float = 0
        var mismatch: Float = 0
    }

    /// The gradient of a batch: the method's loss and the KL divergence from the reference, as means over tokens.
    func gradients(
        _ learner: ModelLearner, _ turns: [Turn], _ reference: [[Float]], _ tokens: Int, _ parameters: ParameterSet
    ) -> (gradients: [Matrix], pass: Pass) {
        let numbers = Mutex(Pass())
        let (method, weight) = (method, divergenceWeight)
        let result = learner.gradients(turns.map(\.example), parameters) { part, values, entropies in
            let tape = values.tape
            let behaviour = part.flatMap { turns[$0].behaviour }
            let credits = part.flatMap { index in
                [StepCredit](repeating: turns[index].credit, count: turns[index].example.learnedCount)
            }
            let terms = PolicyTerms(
                logProbabilities: values, behaviour: behaviour,
                values: tape.constant(Matrix(rows: values.rows, columns: 1)),
                oldValues: [Float](repeating: 0, count: values.rows), credits: credits)
            // k3: exp(r) - r - 1 with r = log π_ref - log π; never negative, and without bias.
            let apart = tape.constant(Matrix(column: part.flatMap { reference[$0] })) - values
            let divergence = (apart.exp() - apart).sum() * (1 / Float(tokens))
            let share = Float(values.rows) / Float(tokens)
            let loss = method.loss(terms) * share + divergence * weight
            let ratios = terms.ratios.value.elements
            numbers.withLock { pass in
                pass.loss += loss.scalar - weight * share
                pass.entropy += entropies.reduce(0, +) / Float(tokens)
                pass.divergence += divergence.scalar - share
                pass.meanRatio += ratios.reduce(0, +) / Float(tokens)
                pass.largestRatio = max(pass.largestRatio, ratios.max() ?? 0)
                pass.mismatch += ratios.reduce(0) { $0 + abs(log(max($1, 1e-8))) } / Float(tokens)
            }
            return loss
        }
        return (result.gradients, numbers.withLock { $0 })
    }
}

/// A model that writes down its acting turns with their log-probabilities, and is not held to a grammar: what it writes
/// then has the probability that it says.
final class ActingModel: LanguageModel {
    private let model: LocalModel
    private let written = Mutex<[ModelRewardTraining.Turn]>([])

    init(_ model: LocalModel) { self.model = model }

    var name: String { model.name }
    var fingerprint: String { model.fingerprint }
    var capabilities: ModelCapabilities {
        var capabilities = model.capabilities
        capabilities.constraints = false
        return capabilities
    }

    var turns: [ModelRewardTraining.Turn] { written.withLock { $0 } }

    func respond(
        to request: ModelRequest, onEvent: @Sendable (ModelStreamEvent) -> Void
    ) async throws -> ModelResponse {
        var request = request
        request.options.temperature = 1
        request.options.topLogProbabilities = 0
        request.options.constraint = nil
        let response = try await model.respond(to: request, onEvent: onEvent)
        if let completion = response.completions.first {
            // A stop text takes the tokens behind it away from the probabilities, not from the ids.
            let count = min(completion.tokens.count, completion.tokenIDs.count)
            let tokens = completion.promptTokenIDs + completion.tokenIDs.prefix(count)
            let learned = tokens.indices.map { $0 >= completion.promptTokenIDs.count }
            let turn = ModelRewardTraining.Turn(
                example: ModelExample(tokens: tokens.map(Int32.init), learned: learned),
                behaviour: completion.tokens.prefix(count).map { Float($0.logProbability) })
            written.withLock { $0.append(turn) }
        }
        return response
    }
}
