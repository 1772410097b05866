// SPDX-License-Identifier: Apache-2.0

import Base
import QualityMetrics
import Synchronization

/// Answers a question from passages: a span reader, a local model or a remote one.
public typealias EpisodeReader = @Sendable (_ question: String, _ passages: [WorldPassage]) async throws -> String

/// Pays the quality of the answer that a reader gives from the kept passages: at the end, or step by step as it grows.
///
/// Answers are cached by question and evidence, so that a group that keeps the same passages pays the reader once.
public final class AnswerQuality: RewardTerm {
    public static let name = "answer"

    /// Which measure of the answer counts.
    public enum Measure: String, Sendable, Hashable, CaseIterable {
        case exactMatch = "exact-match"
        case f1
        case contains
    }

    private let measure: Measure
    private let byStep: Bool
    private let reader: EpisodeReader
    private let cache = Mutex<[String: String]>([:])

    /// Wraps a reader.
    ///
    /// - Parameters:
    ///   - byStep: Pays each step what it adds to the measure, which sums up to the same; costs a reading each step.
    public init(_ measure: Measure = .f1, byStep: Bool = false, reader: @escaping EpisodeReader) {
        self.measure = measure
        self.byStep = byStep
        self.reader = reader
    }

    public func rewards(for episode: Episode) async throws -> [Float] {
        var rewards = [Float](repeating: 0, count: episode.count)
        guard let last = rewards.indices.last else { return rewards }
        guard byStep else {
            rewards[last] = try await quality(episode.question, episode.kept)
            return rewards
        }
        var before: Float = 0
        for index in episode.kept.indices {
            let quality = try await quality(episode.question, Array(episode.kept[...index]))
            rewards[episode.keptAt[index]] += quality - before
            before = quality
        }
        return rewards
    }

    private func quality(_ question: LearningQuestion, _ kept: [WorldPassage]) async throws -> Float {
        let key = question.id + "\u{0}" + kept.map(\.id).joined(separator: "\u{0}")
        let answer: String
        if let known = cache.withLock({ $0[key] }) {
            answer = known
        } else {
            answer = try await reader(question.text, kept)
            cache.withLock { $0[key] = answer }
        }
        let scores = AnswerBenchmark.hotpotQA.score(answer, gold: question.answers)
        switch measure {
        case .exactMatch: return Float(scores.exactMatch)
        case .f1: return Float(scores.f1)
        case .contains: return Float(scores.contains)
        }
    }
}

/// Pays one at the end for an answer in the form that the question asks for, right or wrong: short, and yes or no, a
/// number or a date where that is what is asked.
public final class AnswerFormat: RewardTerm {
    public static let name = "format"
    /// The most words of an answer.
    public static let longest = 8

    private let reader: EpisodeReader
    private let cache = Mutex<[String: Float]>([:])

    /// Wraps a reader.
    public init(reader: @escaping EpisodeReader) {
        self.reader = reader
    }

    public func rewards(for episode: Episode) async throws -> [Float] {
        var rewards = [Float](repeating: 0, count: episode.count)
        guard let last = rewards.indices.last else { return rewards }
        let key = episode.question.id + "\u{0}" + episode.kept.map(\.id).joined(separator: "\u{0}")
        if let known = cache.withLock({ $0[key] }) {
            rewards[last] = known
        } else {
            let answer = try await reader(episode.question.text, episode.kept)
            rewards[last] = Self.fits(answer, question: episode.question.text) ? 1 : 0
            let reward = rewards[last]
            cache.withLock { $0[key] = reward }
        }
        return rewards
    }

    /// Whether an answer has the form that a question asks for.
    static func fits(_ answer: String, question: String) -> Bool {
        let words = ReaderText(answer).words
        guard (1...longest).contains(words.count) else { return false }
        let asked = ReaderQuestion(question)
        let polar = words.count == 1 && ["yes", "no"].contains(words[0].lower)
        guard asked.isYesNo == polar else { return false }
        switch asked.asked {
        case .time: return words.contains(where: \.hasDigit)
        case .count: return words.contains { $0.hasDigit || AnswerCandidate.numerals.contains($0.lower) }
        default: return true
        }
    }
}
