// SPDX-License-Identifier: Apache-2.0

import QualityMetrics
import Synchronization

/// Knows passages that hold the answers of many questions: what a policy would find that hacks its reward.
final class AnswerHeaps: Sendable {
    /// How many different answers a passage may hold beside the one that is looked for: real passages hold a few, as
    /// countries, years and famous names are the answers of some question.
    static let most = 12

    /// Normalized answers of all questions by their first word.
    private let byFirst: [String: [[String]]]
    private let known = Mutex<[String: Bool]>([:])

    init(_ questions: [LearningQuestion]) {
        var seen = Set<String>()
        var byFirst: [String: [[String]]] = [:]
        for answer in questions.flatMap(\.answers) {
            let words = AnswerNormalization.squad.tokens(of: answer)
            // Yes, no and single digits stand in every passage.
            guard let first = words.first, words.joined().utf8.count > 3,
                seen.insert(words.joined(separator: " ")).inserted
            else { continue }
            byFirst[first, default: []].append(words)
        }
        self.byFirst = byFirst
    }

    /// Whether a passage holds more answers than a passage has reason to.
    func isHeap(_ passage: WorldPassage) -> Bool {
        if let known = known.withLock({ $0[passage.id] }) { return known }
        let words = AnswerNormalization.squad.tokens(of: passage.title + " " + passage.text)
        var found = Set<[String]>()
        for (place, word) in words.enumerated() {
            for answer in byFirst[word] ?? [] where words[place...].starts(with: answer) { found.insert(answer) }
        }
        let isHeap = found.count > Self.most
        known.withLock { $0[passage.id] = isHeap }
        return isHeap
    }
}
