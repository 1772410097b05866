// SPDX-License-Identifier: Apache-2.0

import Corpus
public import OrderedCollections
public import QualityMetrics

/// Computes the measures of one record. Pure: the same record gives the same scores, so a run can be scored again.
public struct Scorer: Sendable, Hashable {
    /// How answers are compared.
    public var benchmark: AnswerBenchmark
    /// The cut-offs of passage recall. Default 2, 5 and 10.
    public var cutoffs: [Int]
    /// Whether a judge's verdict decides what is right, instead of exact match.
    public var usesJudge: Bool

    public init(benchmark: AnswerBenchmark, cutoffs: [Int] = [2, 5, 10], usesJudge: Bool = false) {
        self.benchmark = benchmark
        self.cutoffs = cutoffs
        self.usesJudge = usesJudge
    }

    /// Whether the answer is right: an unanswerable question must be refused; else exact match, or the judge's verdict.
    public func isRight(_ record: RunRecord) -> Bool {
        if !record.isAnswerable {
            return record.outcome.refused || RefusalWording.isRefusal(record.outcome.answer)
        }
        if usesJudge { return record.outcome.verdict ?? false }
        return benchmark.score(prediction(of: record.outcome), gold: record.gold).exactMatch == 1
    }

    /// What the benchmark's script reads as the answer. A refusal names what was looked for: words of the question, some of
    /// which a gold answer may have as well, and none of them an answer.
    private func prediction(of outcome: RunOutcome) -> String {
        if outcome.refused { return "" }
        return benchmark == .multiHopRAG ? AnswerExtraction.multiHopRAGAnswer(in: outcome.answer) : outcome.answer
    }

    /// The scores by measure: `em`, `contains`, `f1`; `recall@k`, `all_gold@k`, `mrr`, `map`, `ndcg@k` (at the last cut-off),
    /// `d_f1`, `kept_recall`, `retrieved_recall`, `citation_precision`, `citation_recall` where gold passages are known;
    /// `k_precision`, `k_precision++`, `k_recall`, `k_f1` and `answer_recall` where texts were kept; `alce_precision` and
    /// `alce_recall` where sentences cite, entailment taken for granted where the cited texts hold most of a sentence's words
    /// (`WordEntailment`), and `alce_nli_precision` and `alce_nli_recall` with a judge's; `refusal` for unanswerable questions;
    /// `verdict` where a judge gave one.
    public func scores(of record: RunRecord) -> OrderedDictionary<String, Double> {
        var scores: OrderedDictionary<String, Double> = [:]
        let outcome = record.outcome
        if !record.isAnswerable {
            let right = isRight(record) ? 1.0 : 0
            // The right reply to an unanswerable question is a refusal, whatever words the gold answer uses.
            for name in ["em", "contains", "f1"] { scores[name] = right }
            scores["refusal"] = right
        } else if !record.gold.isEmpty {
            let answer = benchmark.score(prediction(of: outcome), gold: record.gold)
            scores["em"] = answer.exactMatch
            scores["contains"] = answer.contains
            scores["f1"] = answer.f1
            scores["false_refusal"] = outcome.refused || RefusalWording.isRefusal(outcome.answer) ? 1 : 0
        }
        let gold = record.goldPassages
        if !gold.isEmpty {
            for k in cutoffs {
                scores["recall@\(k)"] = RetrievalMetrics.passageRecall(outcome.kept, gold: gold, at: k)
                scores["all_gold@\(k)"] = RetrievalMetrics.allGoldRecall(outcome.kept, gold: gold, at: k)
            }
            let ranking = JudgedRanking(
                ranked: outcome.kept,
                judgments: Dictionary(gold.map { ($0, 1) }, uniquingKeysWith: { first, _ in first }))
            scores["mrr"] = ranking.reciprocalRank
            scores["map"] = ranking.averagePrecision
            if let k = cutoffs.max() { scores["ndcg@\(k)"] = ranking.nDCG(at: k) }
            scores["d_f1"] = RetrievalMetrics.documentF1(outcome.kept, gold: gold, at: outcome.kept.count)
            scores["kept_recall"] = RetrievalMetrics.passageRecall(outcome.kept, gold: gold, at: outcome.kept.count)
            scores["retrieved_recall"] = RetrievalMetrics.passageRecall(
                outcome.retrieved, gold: gold, at: outcome.retrieved.count)
            let citations = CitationMetrics.againstGold(cited: outcome.cited, gold: gold)
            scores["citation_precision"] = citations.precision
            scores["citation_recall"] = citations.recall
        }
        if !outcome.cited.isEmpty {
            scores["citation_resolved"] = CitationMetrics.resolved(cited: outcome.cited, retrieved: outcome.retrieved)
        }
        if outcome.statements.contains(where: { !$0.citations.isEmpty }) {
            let texts = Dictionary(zip(outcome.kept, outcome.keptTexts)) { first, _ in first }
            let alce = CitationMetrics.alce(outcome.statements) { cited, statement in
                WordEntailment.holds(cited.compactMap { texts[$0] }, statement)
            }
            scores["alce_precision"] = alce.precision
            scores["alce_recall"] = alce.recall
        }
        if let entailed = outcome.entailed {
            scores["alce_nli_precision"] = entailed.precision
            scores["alce_nli_recall"] = entailed.recall
        }
        if !outcome.keptTexts.isEmpty {
            let response = outcome.fullAnswer.isEmpty ? outcome.answer : outcome.fullAnswer
            scores["k_precision"] = FaithfulnessMetrics.kPrecision(response: response, knowledge: outcome.keptTexts)
            scores["k_precision++"] = FaithfulnessMetrics.kPrecisionPlusPlus(
                response: response, knowledge: outcome.keptTexts, question: record.question)
            scores["k_recall"] = FaithfulnessMetrics.kRecall(response: response, knowledge: outcome.keptTexts)
            scores["k_f1"] = FaithfulnessMetrics.kF1(response: response, knowledge: outcome.keptTexts)
            if record.isAnswerable, !record.gold.isEmpty {
                scores["answer_recall"] = RetrievalMetrics.answerStringRecall(
                    outcome.keptTexts, answers: record.gold, at: outcome.keptTexts.count,
                    normalization: benchmark.normalization)
            }
        }
        if let verdict = outcome.verdict { scores["verdict"] = verdict ? 1 : 0 }
        return scores
    }
}
