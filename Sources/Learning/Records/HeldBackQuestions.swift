// SPDX-License-Identifier: Apache-2.0

public import Agent
import Datasets

/// Questions that are not learned from, asked now and then while a policy learns: what its curves show first.
public struct HeldBackQuestions: Sendable {
    /// The names of the measures in records and on the page of curves.
    public static let recall = "held-back recall@5"
    public static let f1 = "held-back F1"

    /// The most questions of a corpus that are asked. Default: 40.
    public var most = 40
    private let questions: [TrainingQuestion]
    private let options: EpisodeOptions
    private let every: Int

    /// - Parameters:
    ///   - corpora: The questions of each corpus.
    ///   - answerer: Answers from what was kept; nil leaves F1 out.
    ///   - every: Asked after so many iterations, at the start and at the end; 0 never.
    public init(
        _ corpora: [[TrainingQuestion]], actions: ActionOptions, answerer: (any Answerer)?, every: Int, most: Int = 40
    ) {
        self.most = most
        self.every = every
        questions = corpora.flatMap { $0.prefix(most) }
        var options = EpisodeOptions.ranking
        options.actions = actions
        options.actions.stops = false
        options.answerer = answerer
        self.options = options
    }

    /// The means over all questions where it is time to ask them; else none.
    ///
    /// - Parameters:
    ///   - iterations: How many were done.
    ///   - isLast: whether there are no more.
    /// - Throws: What tools and answerer throw; `CancellationError`.
    public func measures(
        _ policy: LearnedPolicy, after iterations: Int, isLast: Bool
    ) async throws -> [(String, Double)] {
        guard every > 0, !questions.isEmpty, iterations % every == 0 || iterations == 1 || isLast else { return [] }
        let scores = try await PolicyScores(policy, on: questions, options: options)
        func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(max(1, values.count)) }
        return [(Self.recall, mean(scores.recallAt5))] + (scores.f1.isEmpty ? [] : [(Self.f1, mean(scores.f1))])
    }
}
