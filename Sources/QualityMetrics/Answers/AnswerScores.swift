// SPDX-License-Identifier: Apache-2.0

import Base

/// What a benchmark's script says about one predicted answer. All values are in 0...1.
public struct AnswerScores: Sendable, Hashable {
    /// 1 when the normalised prediction equals a normalised gold answer ("EM"; Search-R1's reward).
    public var exactMatch: Double
    /// 1 when a normalised gold answer is a substring of the normalised prediction: FlashRAG's "acc", Search-R1's
    /// "subem", R1-Searcher's "rule accuracy", instruct-qa's strict recall. Not the same as exact match: compare like with like.
    public var contains: Double
    /// Token F1 over the multisets of tokens, best gold answer.
    public var f1: Double
    /// Token precision; of the best gold answer for this measure alone, as the scripts have it.
    public var precision: Double
    /// Token recall; of the best gold answer for this measure alone.
    public var recall: Double

    public init(exactMatch: Double, contains: Double, f1: Double, precision: Double, recall: Double) {
        self.exactMatch = exactMatch
        self.contains = contains
        self.f1 = f1
        self.precision = precision
        self.recall = recall
    }

    /// The scores of no answer.
    public static let zero = AnswerScores(exactMatch: 0, contains: 0, f1: 0, precision: 0, recall: 0)
}

/// A benchmark, as a way to score a predicted answer against gold answers. Each follows its official script.
public enum AnswerBenchmark: String, Sendable, Hashable, CaseIterable {
    /// `evaluate-v1.1.py` of SQuAD: no overlap is 0, also for two empty answers.
    case squad
    /// `hotpot_evaluate_v1.py`: yes, no and noanswer must match exactly, else F1 is 0.
    case hotpotQA
    /// `2wikimultihop_evaluate_v1.1.py`: HotpotQA's rule; EM, F1, precision and recall each take their own best alias.
    case twoWikiMultihopQA
    /// `metrics/answer.py` of MuSiQue (SQuAD v2): two answers without tokens agree; no rule for yes and no.
    case musique
    /// `qa_em.py` of Search-R1; its F1 is not published there and follows HotpotQA's.
    case searchR1
    /// `evaluator/metrics.py` of FlashRAG: HotpotQA's rule, best gold answer for each measure.
    case flashRAG
    /// instruct-qa (Adlakha et al. 2023): SQuAD v2's F1 and token equality; recall of an empty gold answer is 1.
    case instructQA
    /// `qa_evaluate.py` of MultiHop-RAG: right when prediction and gold share a word. Every measure is that one number.
    case multiHopRAG
    /// GlobalQA: multiset F1 of comma- or space-separated items.
    case globalQA
    /// Bamboogle has no script of its own; papers score it with Search-R1's.
    case bamboogle

    /// The benchmark's way of rewriting an answer.
    public var normalization: AnswerNormalization {
        switch self {
        case .multiHopRAG: return .multiHopRAG
        case .globalQA: return .globalQA
        default: return .squad
        }
    }

    /// Scores a prediction against the gold answers and their aliases; without a gold answer everything is 0.
    public func score(_ prediction: String, gold: [String]) -> AnswerScores {
        var best = AnswerScores.zero
        let predicted = Prediction(prediction, normalization)
        for answer in gold {
            let one = score(predicted, against: Prediction(answer, normalization))
            best.exactMatch = max(best.exactMatch, one.exactMatch)
            best.contains = max(best.contains, one.contains)
            best.f1 = max(best.f1, one.f1)
            best.precision = max(best.precision, one.precision)
            best.recall = max(best.recall, one.recall)
        }
        return best
    }

    /// An answer, rewritten once.
    private struct Prediction {
        var text: [UInt8]
        var tokens: [[UInt8]]

        init(_ answer: String, _ normalization: AnswerNormalization) {
            text = normalization.bytes(of: answer)
            tokens = normalization.byteTokens(of: answer)
        }

        /// HotpotQA: an answer of these words is right or wrong as a whole.
        var isVerdict: Bool {
            text == Array("yes".utf8) || text == Array("no".utf8) || text == Array("noanswer".utf8)
        }
    }

    private func score(_ prediction: Prediction, against gold: Prediction) -> AnswerScores {
        if self == .multiHopRAG {
            let shared = Set(prediction.tokens).isDisjoint(with: gold.tokens) ? 0.0 : 1.0
            return AnswerScores(exactMatch: shared, contains: shared, f1: shared, precision: shared, recall: shared)
        }
        let equal = prediction.text == gold.text
        var scores = tokenScores(prediction, gold, equal: equal)
        scores.exactMatch = equal ? 1 : 0
        scores.contains = containsBytes(gold.text, in: prediction.text) ? 1 : 0
        return scores
    }

    private func tokenScores(_ prediction: Prediction, _ gold: Prediction, equal: Bool) -> AnswerScores {
        var scores = AnswerScores.zero
        switch self {
        case .hotpotQA, .twoWikiMultihopQA, .searchR1, .flashRAG, .bamboogle:
            if !equal, prediction.isVerdict || gold.isVerdict { return scores }
        case .musique, .instructQA, .globalQA:
            // Two answers without a token agree (SQuAD v2); with one such answer there is no overlap.
            if prediction.tokens.isEmpty || gold.tokens.isEmpty {
                scores.f1 = prediction.tokens.isEmpty && gold.tokens.isEmpty ? 1 : 0
                scores.precision = self == .instructQA ? 0 : scores.f1
                scores.recall = self == .instructQA && gold.tokens.isEmpty ? 1 : scores.f1
                return scores
            }
        case .squad, .multiHopRAG: break
        }
        let common = multisetOverlap(prediction.tokens, gold.tokens)
        guard common > 0 else { return scores }
        scores.precision = Double(common) / Double(prediction.tokens.count)
        scores.recall = Double(common) / Double(gold.tokens.count)
        scores.f1 = harmonicMean(scores.precision, scores.recall)
        return scores
    }
}

/// 2PR/(P+R), 0 when both are 0.
func harmonicMean(_ precision: Double, _ recall: Double) -> Double {
    precision + recall > 0 ? 2 * precision * recall / (precision + recall) : 0
}

/// The text that a tagged completion gives as its answer.
public enum AnswerExtraction {
    /// The content of the last `<answer>…</answer>` (Search-R1's contract), trimmed; nil when fewer than `minimum` are there.
    ///
    /// Search-R1 scores the whole text with the prompt, whose example holds one pair, and so wants `minimum` 2; a scorer
    /// that sees only the completion wants 1.
    public static func lastAnswerTag(in text: String, minimum: Int = 1) -> String? {
        var count = 0
        var last: Substring?
        var rest = text[...]
        while let open = rest.firstRange(of: "<answer>") {
            let after = rest[open.upperBound...]
            guard let close = after.firstRange(of: "</answer>") else { break }
            last = after[..<close.lowerBound]
            count += 1
            rest = after[close.upperBound...]
        }
        guard count >= max(1, minimum), let last else { return nil }
        return trimmed(last)
    }

    /// What MultiHop-RAG reads from a reply: the quoted part after "The answer to the question is", else all of it.
    public static func multiHopRAGAnswer(in text: String) -> String {
        var rest = text[...]
        while let lead = rest.firstRange(of: "The answer to the question is \"") {
            let after = rest[lead.upperBound...]
            let line = after.prefix { $0 != "\n" }
            if let quote = line.firstIndex(of: "\"") { return String(line[..<quote]) }
            rest = after
        }
        return text
    }

    private static func trimmed(_ text: Substring) -> String {
        var scalars = text.unicodeScalars[...]
        while let first = scalars.first, PythonText.isSpace(first) { scalars.removeFirst() }
        while let last = scalars.last, PythonText.isSpace(last) { scalars.removeLast() }
        return String(String.UnicodeScalarView(scalars))
    }
}

extension Substring {
    /// The first range of an ASCII pattern, compared byte for byte.
    fileprivate func firstRange(of pattern: String) -> Range<Index>? {
        let wanted = Array(pattern.utf8)
        guard let first = wanted.first else { return startIndex..<startIndex }
        var index = utf8.startIndex
        while index < utf8.endIndex {
            if utf8[index] == first {
                var cursor = index
                var matched = 0
                while matched < wanted.count, cursor < utf8.endIndex, utf8[cursor] == wanted[matched] {
                    matched += 1
                    cursor = utf8.index(after: cursor)
                }
                if matched == wanted.count { return index..<cursor }
            }
            index = utf8.index(after: index)
        }
        return nil
    }
}
