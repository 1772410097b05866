// SPDX-License-Identifier: Apache-2.0

import Base
import QualityMetrics
import Text

/// What a check of a question set found.
public struct DatasetIssue: Sendable, Hashable, CustomStringConvertible {
    /// The question's id.
    public var question: String
    public var message: String

    public var description: String { "\(question): \(message)" }
}

extension QuestionSet {
    /// Checks the questions against each other and against a corpus.
    /// - Parameter passageIDs: the ids of the corpus; nil leaves gold passages unchecked.
    /// - Returns: the issues, in the order of the questions: the same text twice, no answer, a gold passage that is missing.
    public func issues(passageIDs: Set<String>? = nil) -> [DatasetIssue] {
        var result: [DatasetIssue] = []
        var texts: [String: String] = [:]
        for question in questions {
            // The two of a pair of MuSiQue-Full have one text.
            let key =
                AnswerNormalization.squad.normalize(question.text)
                + (question.id.hasSuffix(EvalQuestion.twinSuffix) ? EvalQuestion.twinSuffix : "")
            if let before = texts.updateValue(question.id, forKey: key) {
                result.append(DatasetIssue(question: question.id, message: "has the same text as \(before)"))
            }
            if question.answers.isEmpty, question.isAnswerable, question.supporting.isEmpty {
                result.append(DatasetIssue(question: question.id, message: "has neither an answer nor a gold passage"))
            }
            if let passageIDs {
                for id in question.supporting where !passageIDs.contains(id) {
                    result.append(
                        DatasetIssue(question: question.id, message: "the gold passage \"\(id)\" is not in the corpus"))
                }
            }
        }
        return result
    }

    /// A part of the questions drawn by the hash of their text: the same questions whatever the order of the file, and a
    /// smaller sample is a part of a larger one with the same seed. The order of the file is kept.
    public func sample(_ count: Int, seed: UInt64) -> QuestionSet {
        let ranked = questions.indices.sorted {
            (Self.draw(questions[$0], seed), questions[$0].id) < (Self.draw(questions[$1], seed), questions[$1].id)
        }
        let chosen = Set(ranked.prefix(max(0, count)))
        var result = self
        result.questions = questions.enumerated().filter { chosen.contains($0.offset) }.map(\.element)
        return result
    }

    /// Takes the evidence of a share of the questions away: their gold passages are withheld from them, and a refusal is the
    /// right reply. Which, is drawn by the hash of their text; those without gold passages stay as they are.
    public func withholding(_ share: Double, seed: UInt64) -> QuestionSet {
        var result = self
        for index in questions.indices {
            let gold = questions[index].relevance.filter { $0.value > 0 }.keys.sorted()
            guard !gold.isEmpty, Double(Self.draw(questions[index], ~seed) >> 11) * 0x1p-53 < share else { continue }
            result.questions[index].withheld = gold
            result.questions[index].supporting = []
            result.questions[index].supportingFacts = []
            result.questions[index].judgments = [:]
            result.questions[index].isAnswerable = false
        }
        return result
    }

    /// Splits the questions by the hash of their text: equal texts fall on the same side, and adding questions moves none.
    /// - Parameter share: the share of the second part, 0...1.
    public func split(second share: Double, seed: UInt64) -> (first: QuestionSet, second: QuestionSet) {
        var first = self
        var second = self
        first.questions = []
        second.questions = []
        for question in questions {
            if Double(Self.draw(question, seed) >> 11) * 0x1p-53 < share {
                second.questions.append(question)
            } else {
                first.questions.append(question)
            }
        }
        return (first, second)
    }

    private static func draw(_ question: EvalQuestion, _ seed: UInt64) -> UInt64 {
        XXH64.hash(AnswerNormalization.squad.normalize(question.text), seed: seed)
    }
}
