// SPDX-License-Identifier: Apache-2.0

public import Agent
import Base
import Corpus
import Datasets
import Episodes
import Foundation
public import LanguageModels
import QualityMetrics
import Search
import TensorMath
import Tools

/// Recall of gold passages (where none are known, of passages with an accepted answer) and the answers' F1 over some
/// questions, with confidence intervals.
public struct PolicyScores: Sendable, Hashable {
    /// A mean with its 95 % bootstrap interval.
    public struct Estimate: Sendable, Hashable, CustomStringConvertible {
        /// The mean.
        public var mean: Double
        /// The interval.
        public var low: Double
        public var high: Double

        public var description: String { String(format: "%.4f [%.4f, %.4f]", mean, low, high) }
    }

    /// The share of gold among the first two and the first five kept passages, question by question; of a question without
    /// gold whether an accepted answer stands in them.
    public let recallAt2: [Double]
    public let recallAt5: [Double]
    /// The F1 of the answers; empty where nobody answered.
    public let f1: [Double]
    /// The look-ups of each question, as its events count them.
    public let lookups: [Double]

    /// Lets a policy retrieve for each question, always taking the best choice.
    ///
    /// - Parameter options: Default: until five passages are kept, without an answer.
    /// - Throws: What tools and answerer throw; `CancellationError`.
    @concurrent
    public init(
        _ policy: LearnedPolicy, on questions: [TrainingQuestion], options: EpisodeOptions = .ranking, workers: Int = 2
    ) async throws {
        let episodes = try await Rollouts.concurrently(questions.count, workers: workers) { index in
            try await Rollouts.run(questions[index], policy: policy, options: options, seed: 0)
        }
        recallAt2 = episodes.map { $0.recall(at: 2) }
        recallAt5 = episodes.map { $0.recall(at: 5) }
        lookups = episodes.map { Double($0.lookups) }
        f1 =
            options.answerer == nil
            ? []
            : episodes.map { episode in
                let answer = episode.trajectory.final.answer
                let text = answer?.label == Answer.Label.none ? "" : answer?.prediction ?? ""
                return AnswerBenchmark.hotpotQA.score(text, gold: episode.question.answers).f1
            }
    }

    /// The scores of plain hybrid search: the corpus's own fused ranking, with nothing learned.
    ///
    /// - Parameter answerer: Answers from the first five passages; nil leaves answers out.
    @concurrent
    public init(
        hybridOn questions: [TrainingQuestion], answerer: (any Answerer)? = nil, workers: Int = 2
    ) async throws {
        let strategy = Strategy(
            name: "hybrid", fingerprint: "hybrid/1", proposers: [QuestionProposer(limit: 100)], policy: OrderedPolicy(),
            keeper: FusionKeeper(limit: 5), answerer: answerer ?? WithoutAnswer(), budget: Budget(steps: 1),
            toolLimits: ToolLimits(outputCharacters: 60_000, passageCharacters: 200))
        try await self.init(
            strategy, on: questions, hasAnswers: answerer != nil, workers: workers)
    }

    /// The scores of a strategy in ordinary sessions.
    ///
    /// - Parameters:
    ///   - model: What sessions have as their model; nil for none.
    ///   - hasAnswers: Whether somebody answers.
    /// - Throws: What tools and answerer throw; `CancellationError`.
    @concurrent
    public init(
        _ strategy: Strategy, on questions: [TrainingQuestion], model: (any LanguageModel)? = nil,
        hasAnswers: Bool = true, workers: Int = 2, progress: @escaping @Sendable () -> Void = {}
    ) async throws {
        let episodes = try await Rollouts.concurrently(questions.count, workers: workers) { index in
            let question = questions[index]
            var environment = question.corpus.environment
            environment.model = model
            let events = try await Rollouts.events(
                question.question.asked, strategy: strategy, environment: environment, seed: 0)
            progress()
            return try Trajectory(events: events).final
        }
        func recall(_ count: Int) -> [Double] {
            zip(questions, episodes).map { question, state in
                Episode.recall(
                    of: question.question,
                    in: state.evidence.ranking.prefix(count).map {
                        WorldPassage(id: $0.passageID, title: $0.title, text: $0.text, document: $0.documentID)
                    })
            }
        }
        recallAt2 = recall(2)
        recallAt5 = recall(5)
        lookups = episodes.map { Double($0.spent.toolCalls) }
        f1 =
            !hasAnswers
            ? []
            : zip(questions, episodes).map { question, state in
                let text = state.answer?.label == Answer.Label.none ? "" : state.answer?.prediction ?? ""
                return AnswerBenchmark.hotpotQA.score(text, gold: question.question.answers).f1
            }
    }

    /// The mean of some scores with a 95 % interval from 2,000 seeded bootstrap samples.
    public static func estimate(_ scores: [Double], samples: Int = 2000) -> Estimate {
        guard !scores.isEmpty else { return Estimate(mean: 0, low: 0, high: 0) }
        var generator = SplitMix64(seed: 95)
        let mean = scores.reduce(0, +) / Double(scores.count)
        var means: [Double] = []
        for _ in 0..<samples {
            var sum = 0.0
            for _ in scores { sum += scores[generator.integer(below: scores.count)] }
            means.append(sum / Double(scores.count))
        }
        means.sort()
        return Estimate(mean: mean, low: means[samples * 25 / 1000], high: means[samples * 975 / 1000 - 1])
    }

    /// The two-sided p-value of a paired sign-flip test: how often chance alone separates the scores as far.
    ///
    /// - Precondition: the two lists are of the same questions, in the same order.
    public static func pairedTest(_ a: [Double], _ b: [Double], samples: Int = 10_000) -> Double {
        precondition(a.count == b.count, "scores of other questions")
        let differences = zip(a, b).map { $0 - $1 }.filter { $0 != 0 }
        let observed = abs(differences.reduce(0, +))
        var generator = SplitMix64(seed: 7)
        var extreme = 1
        for _ in 0..<samples {
            var sum = 0.0
            for difference in differences { sum += generator.next() & 1 == 0 ? difference : -difference }
            if abs(sum) >= observed - 1e-12 { extreme += 1 }
        }
        return Double(extreme) / Double(samples + 1)
    }
}
