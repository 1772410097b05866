// SPDX-License-Identifier: Apache-2.0

public import Base
import Synchronization
import TensorMath

/// How an episode is run.
public struct EpisodeOptions: Sendable, Hashable, Codable {
    /// The most passages to keep. Default: 5.
    public var steps = 5
    /// Whether the policy may stop before that. Default: true.
    public var allowsStop = true
    /// Divides the logits when sampling; 0 takes the best choice. Default: 1.
    public var temperature: Float = 1

    /// Makes the defaults.
    public init() {}

    /// The options under which policies are measured: the best choice at each of five steps.
    public static var ranking: EpisodeOptions {
        var options = EpisodeOptions()
        options.allowsStop = false
        options.temperature = 0
        return options
    }
}

/// One decision of an episode with what was chosen, as a trainer needs it.
public struct EpisodeStep: Sendable {
    /// What the policy saw.
    public let decision: Decision
    /// The row that was chosen.
    public let choice: Int
    /// The log-probability of the choice under the policy that ran the episode.
    public let logProbability: Float
    /// The value that this policy gave the state.
    public let value: Float
}

/// An episode: the question, what was decided, and what was kept.
public struct Episode: Sendable {
    /// The question, with the gold that rewards read.
    public let question: LearningQuestion
    /// The decisions in order.
    public let steps: [EpisodeStep]
    /// The kept passages in order.
    public let kept: [WorldPassage]
    /// Whether the policy chose to stop.
    public let stopped: Bool
    /// The share of the question's term weight covered after each kept passage.
    public let coverage: [Float]
    /// What brought each kept passage into reach.
    public let reach: [Reach]
    /// The reward of each step; filled in by a `RewardMix`.
    public var rewards: [Float]

    /// The sum of all rewards.
    public var total: Float { rewards.reduce(0, +) }

    /// The share of the gold passages among the first kept ones.
    public func recall(at count: Int) -> Double {
        guard !question.gold.isEmpty else { return 0 }
        let found = Set(kept.prefix(count).map(\.id)).intersection(question.gold)
        return Double(found.count) / Double(Set(question.gold).count)
    }
}

/// A question prepared for episodes: read once, with a pool of candidates that all its episodes share.
public struct PreparedQuestion: Sendable {
    /// The question.
    public let question: LearningQuestion
    let pool: CandidatePool
    let gold: Set<Int>

    /// Reads a question and makes its first pool.
    ///
    /// - Parameters:
    ///   - question: The question; its gold is kept for rewards and oracles.
    ///   - vector: The encoder's vector of its text, of length one.
    ///   - world: The corpus to retrieve from.
    ///   - options: What enters the pool.
    public init(
        _ question: LearningQuestion, vector: [Float], world: RetrievalWorld, options: PoolOptions = PoolOptions()
    ) {
        precondition(vector.count == world.vectors.columns, "the question's vector is of another encoder")
        self.question = question
        pool = CandidatePool(QuestionView(question.text, vector: vector, world: world), world: world, options: options)
        gold = Set(question.gold.compactMap { world.ordinals[$0] })
    }

    /// Runs one episode.
    ///
    /// - Parameter generator: Draws the choices; the same state gives the same episode.
    public func run(_ policy: LearnedPolicy, options: EpisodeOptions, using generator: inout SplitMix64) -> Episode {
        var state = EvidenceState(pool)
        var steps: [EpisodeStep] = []
        var coverage: [Float] = []
        var stopped = false
        while steps.count < options.steps, !stopped, !state.candidates.isEmpty {
            // Keeping nothing at all is no choice: the first step has to find something.
            let decision = state.decision(allowsStop: options.allowsStop && !steps.isEmpty)
            let (logProbabilities, value) = policy.assess(decision)
            let choice = sample(logProbabilities, temperature: options.temperature, using: &generator)
            steps.append(
                EpisodeStep(decision: decision, choice: choice, logProbability: logProbabilities[choice], value: value))
            if choice == state.candidates.count {
                stopped = true
            } else {
                state.keep(at: choice)
                coverage.append(pool.lock.withLock { _ in pool.coverage(of: state.kept) })
            }
        }
        return Episode(
            question: question, steps: steps, kept: state.keptPassages.map { pool.world.passages[$0] },
            stopped: stopped,
            coverage: coverage, reach: state.keptReach, rewards: [Float](repeating: 0, count: steps.count))
    }
}

/// Draws from log-probabilities sharpened by a temperature; the first best at temperature 0.
func sample(_ logProbabilities: [Float], temperature: Float, using generator: inout SplitMix64) -> Int {
    var best = 0
    var bestScore = -Double.infinity
    for (index, logProbability) in logProbabilities.enumerated() {
        let score = temperature > 0 ? Double(logProbability / temperature) + generator.gumbel() : Double(logProbability)
        if score > bestScore { (best, bestScore) = (index, score) }
    }
    return best
}
