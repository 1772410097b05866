// SPDX-License-Identifier: Apache-2.0

import Base

/// Measures of retrieved passages for question answering. Passage recall and answer-string recall are two things: the
/// first needs gold passages, the second finds the answer's words anywhere, also by chance.
public enum RetrievalMetrics {
    /// "Recall@k" (HippoRAG, Baleen): the share of the gold passages among the first k; 0 without gold passages.
    public static func passageRecall(_ ranked: [String], gold: some Collection<String>, at k: Int) -> Double {
        let gold = Set(gold)
        guard !gold.isEmpty else { return 0 }
        return Double(gold.intersection(ranked.prefix(max(0, k))).count) / Double(gold.count)
    }

    /// All-gold recall ("All-Recall@k", "passage EM"): 1 when every gold passage is among the first k.
    public static func allGoldRecall(_ ranked: [String], gold: some Collection<String>, at k: Int) -> Double {
        let gold = Set(gold)
        return !gold.isEmpty && gold.isSubset(of: ranked.prefix(max(0, k))) ? 1 : 0
    }

    /// Answer-string recall ("has answer", FlashRAG's `retrieval_recall_topk`): 1 when a normalised gold answer is a
    /// substring of one of the first k texts, normalised.
    public static func answerStringRecall(
        _ texts: [String], answers: [String], at k: Int, normalization: AnswerNormalization = .squad
    ) -> Double {
        let wanted = answers.map { normalization.bytes(of: $0) }
        for text in texts.prefix(max(0, k)) {
            let bytes = normalization.bytes(of: text)
            if wanted.contains(where: { containsBytes($0, in: bytes) }) { return 1 }
        }
        return 0
    }

    /// FlashRAG's `retrieval_precision_topk`: the share of the first k texts that hold a gold answer.
    public static func answerStringPrecision(
        _ texts: [String], answers: [String], at k: Int, normalization: AnswerNormalization = .squad
    ) -> Double {
        let shown = texts.prefix(max(0, k))
        guard !shown.isEmpty else { return 0 }
        let wanted = answers.map { normalization.bytes(of: $0) }
        let hits = shown.count { text in
            let bytes = normalization.bytes(of: text)
            return wanted.contains { containsBytes($0, in: bytes) }
        }
        return Double(hits) / Double(shown.count)
    }

    /// "D-F1@k" (GlobalQA): F1 between the set of the first k documents and the set of gold documents.
    public static func documentF1(_ ranked: [String], gold: some Collection<String>, at k: Int) -> Double {
        SetScores(predicted: ranked.prefix(max(0, k)), gold: gold).f1
    }

    /// MultiHop-RAG's retrieval measures (`retrieval_evaluate.py`) of one question.
    public struct MultiHopRAGScores: Sendable, Hashable {
        public var hitsAt10: Double
        public var hitsAt4: Double
        public var mapAt10: Double
        public var mrrAt10: Double
    }

    /// A gold fact counts as found when its text, without spaces and line ends, is a substring of a retrieved text.
    ///
    /// As in the script, each fact adds its precision at the first text that holds it, over the smaller of ten and the
    /// number of facts, and "precision" there is the number of facts that are new at that rank over the rank.
    public static func multiHopRAG(_ texts: [String], facts: [String]) -> MultiHopRAGScores {
        let wanted = facts.map(withoutSpaces)
        var found: Set<[UInt8]> = []
        var sum = 0.0
        var first: Int?
        var hit4 = false
        for (index, text) in texts.prefix(10).enumerated() {
            let bytes = withoutSpaces(text)
            let inside = wanted.filter { containsBytes($0, in: bytes) }
            guard !inside.isEmpty else { continue }
            if first == nil { first = index + 1 }
            if index < 4 { hit4 = true }
            var new = 0
            for fact in inside where found.insert(fact).inserted { new += 1 }
            sum += Double(new) / Double(index + 1)
        }
        return MultiHopRAGScores(
            hitsAt10: first == nil ? 0 : 1, hitsAt4: hit4 ? 1 : 0,
            mapAt10: facts.isEmpty ? 0 : sum / Double(min(facts.count, 10)), mrrAt10: first.map { 1 / Double($0) } ?? 0)
    }

    private static func withoutSpaces(_ text: String) -> [UInt8] { text.utf8.filter { $0 != 0x20 && $0 != 0x0A } }
}
