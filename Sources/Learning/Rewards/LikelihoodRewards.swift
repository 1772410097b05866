// SPDX-License-Identifier: Apache-2.0

import Base
import Synchronization

/// The probability that a reader gives to the accepted answers, from some passages.
public typealias AnswerLikelihoodReader =
    @Sendable (_ question: String, _ answers: [String], _ passages: [WorldPassage]) async throws -> Double

/// Pays each step what it adds to the likelihood of the right answer: dense where exact match is all or nothing.
public final class AnswerLikelihood: RewardTerm {
    public static let name = "answer-likelihood"
    private let reader: AnswerLikelihoodReader
    private let cache = Mutex<[String: Double]>([:])

    /// Wraps a reader.
    public init(reader: @escaping AnswerLikelihoodReader) {
        self.reader = reader
    }

    public func rewards(for episode: Episode) async throws -> [Float] {
        var rewards = [Float](repeating: 0, count: episode.count)
        var before = 0.0
        for index in episode.kept.indices {
            let kept = Array(episode.kept[...index])
            // The same passages in another order are the same evidence.
            let key = episode.question.id + "\u{0}" + kept.map(\.id).sorted().joined(separator: "\u{0}")
            let likelihood: Double
            if let known = cache.withLock({ $0[key] }) {
                likelihood = known
            } else {
                likelihood = try await reader(episode.question.text, episode.question.answers, kept)
                cache.withLock { $0[key] = likelihood }
            }
            rewards[episode.keptAt[index]] += Float(likelihood - before)
            before = likelihood
        }
        return rewards
    }
}

/// Takes one for each thousand words kept: what reading them costs, in a model's tokens as well.
public struct ReadingCost: RewardTerm {
    public static let name = "reading-cost"

    /// Makes the term.
    public init() {}

    public func rewards(for episode: Episode) async throws -> [Float] {
        var rewards = [Float](repeating: 0, count: episode.count)
        for (passage, step) in zip(episode.kept, episode.keptAt) where step < rewards.count {
            rewards[step] -= Float(passage.text.utf8.lazy.filter { $0 == 0x20 }.count + 1) / 1000
        }
        return rewards
    }
}
