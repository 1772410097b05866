// SPDX-License-Identifier: Apache-2.0

import Base

/// One part of the reward: a number for each step of an episode.
///
/// A conformer is added in one file and one line of `RewardTerms.all`. It may read the question's answers and gold
/// passages; nothing that it computes is ever shown to a policy.
public protocol RewardTerm: Sendable {
    /// The name in policy files.
    static var name: String { get }
    /// Returns the reward of each step; the episode's own `rewards` are to be ignored.
    ///
    /// - Throws: whatever stops the scorer; the episode then counts as failed.
    func rewards(for episode: Episode) async throws -> [Float]
}

/// A weighted sum of reward terms.
public struct RewardMix: Sendable {
    /// The terms with their weights.
    public var parts: [(weight: Float, term: any RewardTerm)]

    /// Joins terms.
    public init(_ parts: [(weight: Float, term: any RewardTerm)]) {
        self.parts = parts
    }

    /// Returns the episode with its rewards.
    ///
    /// - Throws: what a term throws.
    public func rewarded(_ episode: Episode) async throws -> Episode {
        var result = episode
        result.rewards = [Float](repeating: 0, count: episode.count)
        for (weight, term) in parts where weight != 0 {
            let rewards = try await term.rewards(for: episode)
            precondition(rewards.count == result.rewards.count, "one reward for each step")
            for index in rewards.indices { result.rewards[index] += weight * rewards[index] }
        }
        return result
    }
}

/// The terms that policy files can name.
public enum RewardTerms {
    /// The terms that need nothing but the episode, by name.
    public static let all: [String: any RewardTerm] = [
        AnswerSupport.name: AnswerSupport(),
        GoldCoverage.name: GoldCoverage(),
        DocumentF1.name: DocumentF1(),
        QuestionCoverage.name: QuestionCoverage(),
        ToolExploration.name: ToolExploration(),
        KeepingCost.name: KeepingCost(),
        CallCost.name: CallCost(),
        ReadingCost.name: ReadingCost(),
        TimeCost.name: TimeCost(),
        StopQuality.name: StopQuality(),
    ]

    /// The names of the terms that read: they need a reader.
    public static let reading = [
        AnswerQuality.name, "answer-exact", "answer-contains", "answer-steps", AnswerLikelihood.name, AnswerFormat.name,
    ]

    /// Makes a term.
    ///
    /// - Parameters:
    ///   - questions: The training questions, by which heaps of answers are known.
    ///   - reader: Reads, for the terms of `reading`.
    /// - Returns: nil for an unknown name, and for a term that reads without a reader that can give it.
    public static func make(_ name: String, questions: [LearningQuestion], reader: RewardReader?) -> (any RewardTerm)? {
        switch name {
        case AnswerSupport.name: return AnswerSupport(questions: questions)
        case AnswerQuality.name: return reader.map { AnswerQuality(.f1, reader: $0.answer) }
        case "answer-exact": return reader.map { AnswerQuality(.exactMatch, reader: $0.answer) }
        case "answer-contains": return reader.map { AnswerQuality(.contains, reader: $0.answer) }
        case "answer-steps": return reader.map { AnswerQuality(.f1, byStep: true, reader: $0.answer) }
        case AnswerLikelihood.name: return reader?.likelihood.map { AnswerLikelihood(reader: $0) }
        case AnswerFormat.name: return reader.map { AnswerFormat(reader: $0.answer) }
        default: return all[name]
        }
    }
}
