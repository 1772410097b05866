// SPDX-License-Identifier: Apache-2.0

public import Agent
import Base
public import Corpus
public import Episodes
import TensorMath
import Text
public import Tools

/// A corpus to learn on: what a session has, with a memo of what its tools answered.
public final class TrainingCorpus: Sendable {
    /// The name in reports.
    public let name: String
    /// What sessions work with; the tools remember.
    public let environment: AgentEnvironment
    /// The actions and features of all episodes.
    public let space: ActionSpace
    /// What was answered so far.
    public let memo: ToolMemo
    /// The results of look-ups that oracles asked about, by call.
    let lookahead = BoundedMemo<String, Set<String>>(limit: 1 << 16)

    /// - Parameter tools: Default: the built-in ones.
    public init(
        _ corpus: any RetrievalCorpus, name: String? = nil, tools: ToolRegistry? = nil, space: ActionSpace? = nil,
        memory: Int = 40_000
    ) throws {
        self.name = name ?? corpus.summary.name
        let pinned = PinnedCorpus.pinning(corpus)
        memo = ToolMemo(corpus: pinned.fingerprint, limit: memory)
        self.space = try space ?? ActionSpace(memory: 1 << 14)
        environment = AgentEnvironment(
            corpus: pinned,
            tools: try (tools ?? ToolRegistry.builtIn()).adding([LinksTool()]).remembering(memo),
            embed: corpus.embedding, clock: TickingClock())
    }
}

/// A question with the corpus that it is asked of.
public struct TrainingQuestion: Sendable {
    public let question: LearningQuestion
    public let corpus: TrainingCorpus

    public init(_ question: LearningQuestion, on corpus: TrainingCorpus) {
        self.question = question
        self.corpus = corpus
    }
}

/// How an episode is run.
public struct EpisodeOptions: Sendable {
    /// What may be chosen.
    public var actions = ActionOptions()
    /// Divides the logits when sampling; nil takes the best choice. Default: 1.
    public var temperature: Double? = 1
    /// Who answers at the end; nil leaves episodes without an answer, which costs nothing.
    public var answerer: (any Answerer)?

    /// Makes the defaults.
    public init() {}

    /// The options under which the recall of policies is measured: the best choice, until five passages are kept.
    public static var ranking: EpisodeOptions {
        var options = EpisodeOptions()
        options.actions.stops = false
        options.temperature = nil
        return options
    }

    /// The strategy of an episode in which a policy chooses.
    public func strategy(choosing policy: any RetrievalPolicy, space: ActionSpace) -> Strategy {
        Strategy(
            name: "learned", fingerprint: "rollout/1", proposers: [ActionProposals(space, options: actions)],
            policy: policy, keeper: ChosenKeeper(), answerer: answerer ?? WithoutAnswer(),
            budget: Budget(steps: actions.lookups + actions.keep + 4, toolCalls: nil),
            rules: LoopRules(barrenSteps: actions.lookups + 4), toolLimits: Self.limits)
    }

    /// Nobody reads the text of a rollout's results: little of each passage stands in it.
    static let limits = ToolLimits(outputCharacters: 60_000, passageCharacters: 200)
}

/// Ends an episode without an answer: for rewards that need none.
struct WithoutAnswer: Answerer {
    var name: String { "none" }

    func answer(
        _ question: Question, from evidence: Evidence, using context: StepContext
    ) async throws -> Answer {
        Answer(text: "", label: .none, answerer: name)
    }
}

/// Runs episodes: sessions of the agent's loop over the agent's tools, whose events stay in memory.
public enum Rollouts {
    /// One group: the episodes of one question, for methods that compare them with each other.
    public struct Group: Sendable {
        /// The index of the question in the list that was given.
        public let question: Int
        /// The episodes that ended well, in order of their number.
        public var episodes: [Episode]
        /// How many failed: data about the run, not the end of it.
        public var failures: Int
    }

    /// The events of one episode: what a session with the same strategy, environment and seed records.
    public static func events(
        _ question: Question, strategy: Strategy, environment: AgentEnvironment, seed: UInt64
    ) async throws -> [SessionEvent] {
        let store = InMemoryEventStore()
        let session = AgentSession(
            question, strategy: strategy, environment: environment, store: store, seed: seed, id: "rollout")
        _ = try await session.run()
        return try await store.events(of: "rollout")
    }

    /// Runs one episode.
    public static func run(
        _ question: TrainingQuestion, policy: any RetrievalPolicy, options: EpisodeOptions, seed: UInt64
    ) async throws -> Episode {
        let events = try await events(
            question.question.asked, strategy: options.strategy(choosing: policy, space: question.corpus.space),
            environment: question.corpus.environment, seed: seed)
        let trajectory = try Trajectory(events: events)
        if case .failed(let reason)? = trajectory.final.stop { throw EpisodeError(reason: reason) }
        return Episode(question: question.question, trajectory: trajectory)
    }

    /// Runs one episode with a network.
    public static func run(
        _ question: TrainingQuestion, policy: LearnedPolicy, options: EpisodeOptions, seed: UInt64
    ) async throws -> Episode {
        try await run(
            question,
            policy: NetworkPolicy(
                policy, space: question.corpus.space, options: options.actions, temperature: options.temperature),
            options: options, seed: seed)
    }

    /// Runs a group of episodes for each of some questions, and rewards them.
    ///
    /// Episodes of different questions run concurrently; the result does not depend on how: each episode draws from a
    /// generator of its own, made from the seed, the iteration, the question and its number in the group.
    ///
    /// - Parameters:
    ///   - chosen: Indices into `questions`.
    ///   - size: Episodes for each question.
    ///   - iteration: Counts the batches of a run, so that each draws anew.
    ///   - workers: Questions at work at the same time.
    /// - Throws: `CancellationError`.
    @concurrent
    public static func run(
        _ chosen: [Int], of questions: [TrainingQuestion], policy: LearnedPolicy, options: EpisodeOptions, size: Int,
        rewards: RewardMix, seed: UInt64, iteration: Int, workers: Int = 2
    ) async throws -> [Group] {
        try await concurrently(chosen.count, workers: workers) { slot in
            let index = chosen[slot]
            var group = Group(question: index, episodes: [], failures: 0)
            for number in 0..<size {
                let drawn = XXH64.hash("\(iteration) \(index) \(number)", seed: seed)
                do {
                    let episode = try await run(questions[index], policy: policy, options: options, seed: drawn)
                    group.episodes.append(try await rewards.rewarded(episode))
                } catch is CancellationError {
                    throw CancellationError()
                } catch {
                    group.failures += 1
                }
            }
            return group
        }
    }

    /// Makes some values, so many at the same time, in order.
    static func concurrently<Value: Sendable>(
        _ count: Int, workers: Int, _ make: @escaping @Sendable (Int) async throws -> Value
    ) async throws -> [Value] {
        try await withThrowingTaskGroup(of: (Int, Value).self) { tasks in
            var results = [Value?](repeating: nil, count: count)
            var next = 0
            func start() {
                guard next < count else { return }
                let slot = next
                next += 1
                tasks.addTask {
                    try Task.checkCancellation()
                    return (slot, try await make(slot))
                }
            }
            for _ in 0..<max(1, workers) { start() }
            while let (slot, value) = try await tasks.next() {
                results[slot] = value
                start()
            }
            return results.compactMap { $0 }
        }
    }
}

/// Why an episode did not end well.
public struct EpisodeError: Error, Sendable, Hashable, CustomStringConvertible {
    public var reason: String

    public init(reason: String) { self.reason = reason }

    public var description: String { "the episode failed: \(reason)" }
}
