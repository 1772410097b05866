// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
import Datasets
public import Episodes
import QualityMetrics
import Text
import Tools

/// One decision of an episode with what was chosen, as a trainer needs it.
public struct EpisodeStep: Sendable {
    /// What the policy saw.
    public let decision: Decision
    /// The row that was chosen.
    public let choice: Int
    /// The log-probability of the choice under the policy that ran the episode, temperature included.
    public let logProbability: Float
    /// The value that this policy gave the state.
    public let value: Float
}

/// A trajectory with the question's gold beside it: what rewards are computed from. Everything in it is read off the
/// trajectory, calls and kept passages among them.
public struct Episode: Sendable {
    /// The question, with the gold that rewards read.
    public let question: LearningQuestion
    /// The states, candidates and choices.
    public let trajectory: Trajectory
    /// The passages of the evidence at the end, in the order in which they were kept.
    public let kept: [WorldPassage]
    /// At which step each was kept.
    public let keptAt: [Int]
    /// The tool calls that each step led to, and how many passages they brought that were new.
    public let calls: [[ToolInvocation]]
    public let newPassages: [Int]
    /// Whether the policy chose to answer.
    public let stopped: Bool
    /// The reward of each step; filled in by a `RewardMix`.
    public var rewards: [Float]

    /// Reads a trajectory.
    public init(question: LearningQuestion, trajectory: Trajectory) {
        self.question = question
        self.trajectory = trajectory
        let steps = trajectory.steps
        var places: [String: Int] = [:]
        for (index, step) in steps.enumerated() {
            for item in step.state.evidence.items where places[item.passageID] == nil {
                // What stands in the evidence before a step was kept by the step before.
                places[item.passageID] = max(0, index - 1)
            }
        }
        let final = trajectory.final
        kept = final.evidence.items.map {
            WorldPassage(id: $0.passageID, title: $0.title, text: $0.text, document: $0.documentID)
        }
        keptAt = final.evidence.items.map { places[$0.passageID] ?? max(0, steps.count - 1) }
        calls = steps.indices.map { index in
            guard index < final.actions.count, case .call(let invocations) = final.actions[index].candidate.kind,
                !final.actions[index].callIDs.isEmpty
            else { return [] }
            return Array(invocations.prefix(final.actions[index].callIDs.count))
        }
        newPassages = steps.indices.map { $0 < final.actions.count ? final.actions[$0].newPassages : 0 }
        stopped = final.stop == .answered
        rewards = [Float](repeating: 0, count: steps.count)
    }

    /// The number of decisions.
    public var count: Int { trajectory.steps.count }

    /// The look-ups that were made.
    public var lookups: Int { trajectory.final.spent.toolCalls }

    /// The sum of all rewards.
    public var total: Float { rewards.reduce(0, +) }

    /// The share of the gold passages among the first kept ones; where no gold is known, whether an accepted answer stands
    /// in them.
    public func recall(at count: Int) -> Double { Self.recall(of: question, in: kept.prefix(count)) }

    static func recall(of question: LearningQuestion, in kept: some Sequence<WorldPassage>) -> Double {
        guard question.gold.isEmpty else {
            let found = Set(kept.compactMap { question.gold($0.id, of: $0.document) })
            return Double(found.count) / Double(Set(question.gold).count)
        }
        // Yes and no stand in many passages and say nothing there.
        let answers = question.answers.map { AnswerNormalization.squad.normalize($0) }.filter {
            !["", "yes", "no"].contains($0)
        }
        let holds = kept.contains { passage in
            let text = " " + AnswerNormalization.squad.normalize(passage.title + " " + passage.text) + " "
            return answers.contains { text.contains(" \($0) ") }
        }
        return holds ? 1 : 0
    }

    /// The share of the question's terms covered after each kept passage.
    var coverage: [Float] { Coverage.shares(of: question.text, by: kept) }

    /// The decisions as a trainer needs them.
    func steps(_ space: ActionSpace, _ options: ActionOptions) -> [EpisodeStep] {
        trajectory.steps.map { step in
            EpisodeStep(
                decision: Decision(features: space.features(step.state, step.candidates, options: options)),
                choice: step.choice.index, logProbability: Float(step.choice.logProbability),
                value: Float(step.choice.value ?? 0))
        }
    }
}

/// What share of a question's terms passages cover.
enum Coverage {
    private static let reading = try? TextReading()

    static func shares(of question: String, by passages: [WorldPassage]) -> [Float] {
        guard let reading else { return passages.map { _ in 0 } }
        var open = Set(reading.terms(question))
        let all = max(1, open.count)
        return passages.map { passage in
            open.subtract(reading.terms(passage.title + " " + passage.text))
            return 1 - Float(open.count) / Float(all)
        }
    }
}
