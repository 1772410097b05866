// SPDX-License-Identifier: Apache-2.0

/// Word-overlap measures of faithfulness (Adlakha et al. 2023, "Evaluating Correctness and Faithfulness of
/// Instruction-Following Models for Question Answering", arXiv 2307.16877): R is the response, K the knowledge it was given,
/// both as multisets of normalised tokens.
public enum FaithfulnessMetrics {
    /// K-Precision: |R ∩ K| / |R|, 0 for an empty response.
    public static func kPrecision(response: String, knowledge: [String]) -> Double {
        let response = tokens(response)
        guard !response.isEmpty else { return 0 }
        return Double(multisetOverlap(response, tokens(knowledge.joined(separator: " ")))) / Double(response.count)
    }

    /// K-Precision++ as the published code has it: the question's words are taken out of the response first; a response
    /// of nothing else is faithful (1).
    public static func kPrecisionPlusPlus(response: String, knowledge: [String], question: String) -> Double {
        let asked = Set(tokens(question))
        let own = tokens(response).filter { !asked.contains($0) }
        guard !own.isEmpty else { return 1 }
        return Double(multisetOverlap(own, tokens(knowledge.joined(separator: " ")))) / Double(own.count)
    }

    /// K-Recall: |R ∩ K| / |K|, 1 for empty knowledge.
    public static func kRecall(response: String, knowledge: [String]) -> Double {
        let knowledge = tokens(knowledge.joined(separator: " "))
        guard !knowledge.isEmpty else { return 1 }
        return Double(multisetOverlap(tokens(response), knowledge)) / Double(knowledge.count)
    }

    /// K-F1: the harmonic mean; when either side is empty, 1 if both are, else 0.
    public static func kF1(response: String, knowledge: [String]) -> Double {
        let response = tokens(response)
        let knowledge = tokens(knowledge.joined(separator: " "))
        guard !response.isEmpty, !knowledge.isEmpty else { return response.isEmpty && knowledge.isEmpty ? 1 : 0 }
        let common = Double(multisetOverlap(response, knowledge))
        return harmonicMean(common / Double(response.count), common / Double(knowledge.count))
    }

    private static func tokens(_ text: String) -> [[UInt8]] { AnswerNormalization.squad.byteTokens(of: text) }
}

/// Entailment by words, where no model judges it: a text is taken to follow from passages that hold at least four fifths of
/// its words, repeats counted, numbers all of them. It is fooled by negation and by order, and free.
public enum WordEntailment {
    /// The share of the words that must be there.
    public static let share = 0.8

    /// Whether the passages together hold enough of the statement; a statement without words holds.
    public static func holds(_ passages: [String], _ statement: String) -> Bool {
        let own = AnswerNormalization.squad.byteTokens(of: statement)
        let there = AnswerNormalization.squad.byteTokens(of: passages.joined(separator: " "))
        let known = Set(there)
        let numbers = own.filter { $0.contains { (0x30...0x39).contains($0) } }
        guard numbers.allSatisfy(known.contains) else { return false }
        return Double(multisetOverlap(own, there)) >= share * Double(own.count)
    }
}

/// Measures of an answer's citations.
public enum CitationMetrics {
    /// Precision and recall of the cited passages against the gold passages. Repeats count once; an answer without
    /// citations has precision 0, and so does one whose question has no gold passages.
    public static func againstGold(cited: some Sequence<String>, gold: some Sequence<String>) -> SetScores {
        SetScores(predicted: cited, gold: gold)
    }

    /// The share of the citations that name a passage retrieved in this session; 1 without citations, since none is forged.
    public static func resolved(cited: [String], retrieved: some Sequence<String>) -> Double {
        guard !cited.isEmpty else { return 1 }
        let retrieved = Set(retrieved)
        return Double(cited.count { retrieved.contains($0) }) / Double(cited.count)
    }

    /// A statement of an answer with the passages that it cites.
    public struct Statement: Sendable, Hashable {
        public var text: String
        public var citations: [String]

        public init(text: String, citations: [String]) {
            self.text = text
            self.citations = citations
        }
    }

    /// Citation recall and precision of ALCE (Gao et al. 2023, arXiv 2305.14627).
    ///
    /// A statement is recalled when its citations together entail it. A citation of a recalled statement is precise unless it
    /// is irrelevant: it does not entail the statement alone, and the others do without it. Citations of a statement that is
    /// not recalled are not precise.
    /// - Parameter entails: whether the passages together entail the statement: a model's judgment, or a test's.
    /// - Returns: the mean over statements, and the mean over citations (0 without any).
    public static func alce(
        _ statements: [Statement], entails: (_ passages: [String], _ statement: String) throws -> Bool
    ) rethrows -> (precision: Double, recall: Double) {
        var recalled = 0
        var precise = 0
        var citations = 0
        for statement in statements {
            citations += statement.citations.count
            guard !statement.citations.isEmpty, try entails(statement.citations, statement.text) else { continue }
            recalled += 1
            guard statement.citations.count > 1 else {
                precise += 1
                continue
            }
            for (index, citation) in statement.citations.enumerated() {
                if try entails([citation], statement.text) {
                    precise += 1
                    continue
                }
                var others = statement.citations
                others.remove(at: index)
                if try !entails(others, statement.text) { precise += 1 }
            }
        }
        return (
            citations > 0 ? Double(precise) / Double(citations) : 0,
            statements.isEmpty ? 0 : Double(recalled) / Double(statements.count)
        )
    }
}
