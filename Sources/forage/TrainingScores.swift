// SPDX-License-Identifier: Apache-2.0

import Agent
import Base
import Corpus
import Datasets
import Foundation
import Learning
import Search
import TensorMath
import Tools

/// What a policy finds on the questions of a set that it did not learn from, beside plain hybrid search, what it started
/// from and what was there.
struct TrainingScores {
    let set: String
    let passages: Int
    let questions: Int
    let policy: PolicyScores
    let hybrid: PolicyScores
    let start: PolicyScores?
    let before: PolicyScores?
    /// Whether gold passages tell what was found; else an accepted answer that stands in it does.
    let hasGold: Bool
    /// Whether the answers were judged as well.
    var hasAnswers: Bool { !policy.f1.isEmpty }

    init(
        _ policy: LearnedPolicy, start: LearnedPolicy, before: LearnedPolicy?, _ set: TrainingSet,
        _ actions: ActionOptions, _ answerer: (any Answerer)?
    ) async throws {
        self.set = set.name
        passages = set.corpus.environment.corpus.summary.passageCount
        let golden = set.judged.filter { !$0.question.gold.isEmpty }
        hasGold = !golden.isEmpty
        // Without gold a passage that holds the answer counts as one that was looked for.
        let judged = hasGold ? golden : set.judged
        questions = judged.count
        var options = EpisodeOptions.ranking
        options.actions = actions
        options.actions.stops = false
        options.answerer = answerer
        self.policy = try await PolicyScores(policy, on: judged, options: options)
        hybrid = try await PolicyScores(hybridOn: judged, answerer: answerer)
        self.start =
            start.parameters == policy.parameters
            ? nil : try await PolicyScores(start, on: judged, options: options)
        self.before = try await before.asyncMap { try await PolicyScores($0, on: judged, options: options) }
    }
}

extension Optional {
    fileprivate func asyncMap<Value>(_ transform: (Wrapped) async throws -> Value) async throws -> Value? {
        guard let self else { return nil }
        return try await transform(self)
    }
}

/// Whether a policy may take the place of what was there: on all sets together no worse than hybrid search and than the
/// policy before, and on no set significantly worse than hybrid search, in what is found and in what is answered.
struct TrainingVerdict {
    private var reasons: [String] = []
    private var recall = Sums()
    private var f1 = Sums()

    /// The sums of the means over all sets.
    private struct Sums {
        var policy = 0.0
        var hybrid = 0.0
        var before = 0.0
        var hasBefore = false

        mutating func add(_ policy: [Double], _ hybrid: [Double], _ before: [Double]?) {
            func mean(_ values: [Double]) -> Double { PolicyScores.estimate(values).mean }
            self.policy += mean(policy)
            self.hybrid += mean(hybrid)
            self.before += mean(before ?? policy)
            hasBefore = hasBefore || before != nil
        }

        func reasons(_ less: String) -> [String] {
            (policy < hybrid ? ["on all sets together \(less) plain hybrid search"] : [])
                + (hasBefore && policy < before ? ["\(less) the policy that was there"] : [])
        }
    }

    mutating func add(_ scores: TrainingScores) {
        recall.add(scores.policy.recallAt5, scores.hybrid.recallAt5, scores.before?.recallAt5)
        warn(scores.set, "it finds less than", "recall@5", scores.policy.recallAt5, scores.hybrid.recallAt5)
        guard scores.hasAnswers else { return }
        f1.add(scores.policy.f1, scores.hybrid.f1, scores.before?.f1)
        warn(scores.set, "it answers worse than", "F1", scores.policy.f1, scores.hybrid.f1)
    }

    private mutating func warn(_ set: String, _ what: String, _ measure: String, _ own: [Double], _ plain: [Double]) {
        let (mean, other) = (PolicyScores.estimate(own).mean, PolicyScores.estimate(plain).mean)
        let p = PolicyScores.pairedTest(own, plain)
        if mean < other, p < 0.05 {
            reasons.append(
                String(
                    format: "on %@ %@ plain hybrid search (%@ %.3f against %.3f, p %.3f)", set, what, measure, mean,
                    other, p))
        }
    }

    var isNoWorse: Bool { reason.isEmpty }

    var reason: String {
        // Where answers are judged they decide against the policy that was there: they are what it is for.
        let worse =
            f1.hybrid + f1.policy > 0 ? f1.reasons("it answers worse than") : recall.reasons("it finds less than")
        return (reasons + worse).joined(separator: "; ")
    }
}
