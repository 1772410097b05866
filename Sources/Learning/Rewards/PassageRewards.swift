// SPDX-License-Identifier: Apache-2.0

import Base
import QualityMetrics
import Text

/// Pays when a kept passage contains an accepted answer: at the step that brought it, less for later steps.
///
/// Needs answers only, no gold passages. A passage counts only where it also has to do with the question: it shares a
/// word of four letters or more with it, or a passage kept before mentions its title. And a passage that holds the
/// answers of many other questions supports none of them: a heap of answers earns nothing, whatever else is in it.
public struct AnswerSupport: RewardTerm {
    public static let name = "answer-support"
    /// What each further step leaves of the reward.
    public var decay: Float = 0.9
    /// The answers of all training questions, to know heaps of answers by.
    private let heaps: AnswerHeaps?

    /// Makes the term.
    ///
    /// - Parameter questions: The training questions; without them heaps of answers are not known.
    public init(questions: [LearningQuestion] = []) {
        heaps = questions.isEmpty ? nil : AnswerHeaps(questions)
    }

    public func rewards(for episode: Episode) async throws -> [Float] {
        var rewards = [Float](repeating: 0, count: episode.count)
        var factor: Float = 1
        for index in episode.kept.indices {
            if Self.supports(episode.kept, at: index, question: episode.question),
                heaps?.isHeap(episode.kept[index]) != true
            {
                rewards[episode.keptAt[index]] = factor
                break
            }
            factor *= decay
        }
        return rewards
    }

    /// Whether the passage at an index holds an accepted answer in a context that belongs to the question.
    static func supports(_ kept: [WorldPassage], at index: Int, question: LearningQuestion) -> Bool {
        let passage = kept[index]
        let text = " " + AnswerNormalization.squad.normalize(passage.title + " " + passage.text) + " "
        let answers = question.answers.map { AnswerNormalization.squad.normalize($0) }
        // Yes and no stand in many passages and say nothing there.
        guard
            let answer = answers.first(where: { !$0.isEmpty && $0 != "yes" && $0 != "no" && text.contains(" \($0) ") })
        else { return false }
        let own = Set(AnswerNormalization.squad.tokens(of: answer))
        let asked = AnswerNormalization.squad.tokens(of: question.text)
        if asked.contains(where: { $0.utf8.count >= 4 && !own.contains($0) && text.contains(" \($0) ") }) {
            return true
        }
        // Or it is the page of something that an earlier passage speaks of.
        let title = AnswerNormalization.squad.normalize(passage.title)
        return !title.isEmpty
            && kept[..<index].contains {
                (" " + AnswerNormalization.squad.normalize($0.text) + " ").contains(" \(title) ")
            }
    }
}

/// Pays each gold passage when it is kept; all of them pay one.
public struct GoldCoverage: RewardTerm {
    public static let name = "gold-coverage"

    /// Makes the term.
    public init() {}

    public func rewards(for episode: Episode) async throws -> [Float] {
        var gold = Set(episode.question.gold)
        let count = Float(gold.count)
        var rewards = [Float](repeating: 0, count: episode.count)
        guard !gold.isEmpty else { return rewards }
        for (index, passage) in episode.kept.enumerated() {
            // Two passages of one gold document are one.
            guard let found = episode.question.gold(passage.id, of: passage.document), gold.remove(found) != nil
            else { continue }
            rewards[episode.keptAt[index]] += 1 / count
        }
        return rewards
    }
}

/// Pays the F1 of kept against gold passages at the end.
public struct DocumentF1: RewardTerm {
    public static let name = "document-f1"

    /// Makes the term.
    public init() {}

    public func rewards(for episode: Episode) async throws -> [Float] {
        var rewards = [Float](repeating: 0, count: episode.count)
        guard let last = rewards.indices.last else { return rewards }
        rewards[last] = Float(
            SetScores(
                predicted: episode.kept.map { episode.question.gold($0.id, of: $0.document) ?? $0.id },
                gold: Set(episode.question.gold)
            ).f1)
        return rewards
    }
}

/// Pays what each kept passage adds to the covered share of the question's terms. Needs no labels at all.
public struct QuestionCoverage: RewardTerm {
    public static let name = "question-coverage"

    /// Makes the term.
    public init() {}

    public func rewards(for episode: Episode) async throws -> [Float] {
        var rewards = [Float](repeating: 0, count: episode.count)
        var before: Float = 0
        for (index, coverage) in episode.coverage.enumerated() {
            rewards[episode.keptAt[index]] += coverage - before
            before = coverage
        }
        return rewards
    }
}

/// Takes one for each passage kept: what it costs to fetch and to read it.
public struct KeepingCost: RewardTerm {
    public static let name = "keeping-cost"

    /// Makes the term.
    public init() {}

    public func rewards(for episode: Episode) async throws -> [Float] {
        var rewards = [Float](repeating: 0, count: episode.count)
        for step in episode.keptAt where step < rewards.count { rewards[step] -= 1 }
        return rewards
    }
}

/// Pays one for stopping with an answer in hand, and takes one for stopping without.
public struct StopQuality: RewardTerm {
    public static let name = "stop-quality"

    /// Makes the term.
    public init() {}

    public func rewards(for episode: Episode) async throws -> [Float] {
        var rewards = [Float](repeating: 0, count: episode.count)
        guard episode.stopped, let last = rewards.indices.last else { return rewards }
        let found = episode.kept.indices.contains {
            AnswerSupport.supports(episode.kept, at: $0, question: episode.question)
        }
        rewards[last] = found ? 1 : -1
        return rewards
    }
}
