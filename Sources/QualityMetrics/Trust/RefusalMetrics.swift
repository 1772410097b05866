// SPDX-License-Identifier: Apache-2.0

/// How well an agent tells answerable from unanswerable questions.
public struct RefusalRates: Sendable, Hashable {
    /// Unanswerable questions that were refused.
    public private(set) var correctRefusals = 0
    /// Answerable questions that were refused.
    public private(set) var falseRefusals = 0
    /// Unanswerable questions, refused or not.
    public private(set) var unanswerable = 0
    /// Answerable questions, refused or not.
    public private(set) var answerable = 0

    public init() {}

    /// Counts one question.
    public mutating func add(answerable isAnswerable: Bool, refused: Bool) {
        if isAnswerable { answerable += 1 } else { unanswerable += 1 }
        if refused { if isAnswerable { falseRefusals += 1 } else { correctRefusals += 1 } }
    }

    /// The share of the unanswerable questions that were refused; nil without any.
    public var refusalRecall: Double? { unanswerable > 0 ? Double(correctRefusals) / Double(unanswerable) : nil }
    /// The share of the refusals that were right; nil without a refusal.
    public var refusalPrecision: Double? {
        let refusals = correctRefusals + falseRefusals
        return refusals > 0 ? Double(correctRefusals) / Double(refusals) : nil
    }
    /// The share of the answerable questions that were refused; nil without any.
    public var falseRefusalRate: Double? { answerable > 0 ? Double(falseRefusals) / Double(answerable) : nil }
    /// The share of the unanswerable questions that got an answer: the rate of made-up answers; nil without any.
    public var hallucinationRate: Double? { refusalRecall.map { 1 - $0 } }
    /// The harmonic mean of refusal precision and recall; nil when either has no value.
    public var refusalF1: Double? {
        guard let precision = refusalPrecision, let recall = refusalRecall else { return nil }
        return harmonicMean(precision, recall)
    }
}

/// Tells a refusal from an answer by its wording.
public enum RefusalWording {
    /// Answers that refuse, in SQuAD's normal form: MultiHop-RAG's "Insufficient information.", HotpotQA's "noanswer",
    /// and what models say for them.
    public static let phrases = [
        "insufficient information", "noanswer", "no answer", "unanswerable", "not answerable", "cannot be answered",
        "can not be answered", "cannot be determined", "can not be determined", "i dont know", "i do not know",
        "not enough information", "unknown", "no information available", "none of passages answer question",
    ]

    /// Whether an answer refuses: it is empty, is one of the phrases, or starts with one that has more than one word.
    public static func isRefusal(_ answer: String) -> Bool {
        let text = AnswerNormalization.squad.normalize(answer)
        if text.isEmpty { return true }
        return phrases.contains { text == $0 || ($0.contains(" ") && text.hasPrefix($0 + " ")) }
    }
}
