// SPDX-License-Identifier: Apache-2.0

import Agent
import Base
import Corpus
import Foundation
import Learning
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
    /// Whether gold passages tell what was found; else whether the answer stands in it.
    let hasGold: Bool

    init(
        _ policy: LearnedPolicy, start: LearnedPolicy, before: LearnedPolicy?, _ set: TrainingSet,
        _ actions: ActionOptions
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
        self.policy = try await PolicyScores(policy, on: judged, options: options)
        hybrid = try await PolicyScores(hybridOn: judged)
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
/// policy before, and on no set significantly worse than hybrid search.
struct TrainingVerdict {
    private var reasons: [String] = []
    private var sums = (policy: 0.0, hybrid: 0.0, before: 0.0)
    private var hasBefore = false

    mutating func add(_ scores: TrainingScores) {
        func mean(_ values: [Double]) -> Double { PolicyScores.estimate(values).mean }
        let (own, plain) = (mean(scores.policy.recallAt5), mean(scores.hybrid.recallAt5))
        sums.policy += own
        sums.hybrid += plain
        if let before = scores.before {
            hasBefore = true
            sums.before += mean(before.recallAt5)
        } else {
            sums.before += own
        }
        let p = PolicyScores.pairedTest(scores.policy.recallAt5, scores.hybrid.recallAt5)
        if own < plain, p < 0.05 {
            reasons.append(
                String(
                    format: "on %@ it finds less than plain hybrid search (recall@5 %.3f against %.3f, p %.3f)",
                    scores.set, own, plain, p))
        }
    }

    var isNoWorse: Bool { reason.isEmpty }

    var reason: String {
        var all = reasons
        if sums.policy < sums.hybrid { all.append("on all sets together it finds less than plain hybrid search") }
        if hasBefore, sums.policy < sums.before { all.append("it finds less than the policy that was there") }
        return all.joined(separator: "; ")
    }
}
