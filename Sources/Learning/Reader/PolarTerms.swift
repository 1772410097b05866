// SPDX-License-Identifier: Apache-2.0

import Foundation
import Reading
import Text

/// What a question for yes or no asks of its terms, where a sentence says the same in another word, or its opposite.
struct PolarTerms: Sendable {
    /// How a sentence has a term that it does not hold.
    enum Meeting: Sendable { case same, opposite }

    private let isEnglish: Bool
    private let permissions: Set<String>
    private let prohibitions: Set<String>
    private let permitting: Set<String>
    /// Verbs of a question for leave that say nothing beside what is allowed: "bring" of "May I bring a dog?".
    private let lightVerbs: Set<String>

    /// - Returns: nil for a question that does not ask for yes or no.
    init?(_ asked: ReaderQuestion) {
        guard let polar = asked.polar else { return nil }
        isEnglish = polar.language == .english
        permissions = polar.permissions
        prohibitions = polar.negations
        permitting = Set(
            asked.text.words.filter { polar.permissions.contains(TextFolding.fold($0.lower)) }.map(\.stem))
        let asksLeave = isEnglish && ["can", "may", "could", "am", "are"].contains(asked.text.words.first?.lower ?? "")
        lightVerbs = asksLeave ? Self.light : []
    }

    private static func stems(_ words: String) -> Set<String> { Set(ReaderText(words).words.map(\.stem)) }

    private static let light = stems("bring take use get have do go come make")

    /// Each word's opposites, as stems.
    private static let opposites: [String: Set<String>] = {
        let pairs = [
            "open closed", "open shut", "free paid", "included excluded", "included extra", "available unavailable",
            "mandatory optional", "compulsory optional", "required optional", "compulsory voluntary", "alive dead",
            "married single", "empty full", "possible impossible", "legal illegal", "safe dangerous", "safe unsafe",
            "accepted refused", "accepted rejected", "approved rejected", "approved declined", "passed failed",
            "won lost", "present absent", "increased decreased", "rose fell", "finished unfinished",
            "complete incomplete", "public private", "enabled disabled", "active inactive", "resolved unresolved",
            "known unknown", "successful unsuccessful", "indoors outdoors", "cold hot", "remained left",
            "working broken", "wet dry", "heavy light", "cheap expensive", "vegetarian meat", "on-site off-site",
        ]
        var result: [String: Set<String>] = [:]
        for pair in pairs {
            let words = pair.split(separator: " ").map { ReaderText(String($0)).words.first?.stem ?? "" }
            result[words[0], default: []].insert(words[1])
            result[words[1], default: []].insert(words[0])
        }
        return result
    }()

    /// How a sentence that does not hold a term has it all the same; nil where it has not.
    ///
    /// - Parameters:
    ///   - stems: Those of its words, and of its passage's title.
    ///   - spoken: The sentence as it stands.
    func meeting(
        of term: String, in sentence: [ReaderText.Word], _ stems: Set<String>, spoken: () -> String
    ) -> Meeting? {
        if permitting.contains(term) || lightVerbs.contains(term) {
            let folded = sentence.map { TextFolding.fold($0.lower) }
            // A word that forbids denies by itself, wherever it stands.
            if folded.contains(where: { permissions.contains($0) || prohibitions.contains($0) }) { return .same }
        }
        guard isEnglish else { return nil }
        if let opposites = Self.opposites[term], !opposites.isDisjoint(with: stems) { return .opposite }
        if AnswerConstraints.colours.contains(term),
            sentence.contains(where: { AnswerConstraints.colours.contains($0.lower) })
        {
            return .opposite
        }
        for cycle in CalendarCycle.allCases {
            guard let place = cycle.place(of: term) else { continue }
            let named = cycle.places(in: spoken())
            guard !named.isEmpty else { return nil }
            return named.contains(place) ? .same : .opposite
        }
        return nil
    }
}
