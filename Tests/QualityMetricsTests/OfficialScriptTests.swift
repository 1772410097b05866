// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import OrderedCollections
import QualityMetrics
import Testing
import Text

/// Reads a fixture's JSON Lines.
func fixture(_ name: String) throws -> [JSONValue] {
    let url = try #require(Bundle.module.url(forResource: "Fixtures/" + name, withExtension: nil))
    return try String(decoding: Data(contentsOf: url), as: UTF8.self).split(separator: "\n").map {
        try JSONValue(parsing: String($0))
    }
}

/// Our scores of 640 prediction files beside those of the official scripts; the files and the scores were made by
/// Tests/Fixtures/scripts/make_answer_files.py.
@Suite struct OfficialScriptTests {
    /// Sums of scores by name, and how many items they are over.
    private struct Totals {
        var sums: [String: Double] = [:]
        mutating func add(_ name: String, _ value: Double) { sums[name, default: 0] += value }
        mutating func add(_ prefix: String, _ scores: SetScores) {
            add(prefix + "_em", scores.exactMatch)
            add(prefix + "_f1", scores.f1)
            add(prefix + "_prec", scores.precision)
            add(prefix + "_recall", scores.recall)
        }
    }

    @Test func everyPredictionFileScoresAsItsScriptScoresIt() throws {
        let rows = try fixture("answer_files.jsonl")
        #expect(rows.count >= 500)
        var compared: [String: Int] = [:]
        for (number, row) in rows.enumerated() {
            let name = try row.requiredString("benchmark")
            let benchmark = try #require(AnswerBenchmark(rawValue: name))
            let items = try row.requiredArray("items")
            var totals = Totals()
            for item in items { score(item, benchmark, &totals) }
            let scale = benchmark == .twoWikiMultihopQA ? 100.0 : 1.0
            // 2WikiMultihopQA's script rounds percentages to two decimals; the others give full precision.
            let tolerance = benchmark == .twoWikiMultihopQA ? 0.005_000_1 : 1e-9
            for (measure, expected) in try #require(row["scores"]?.object) {
                let wanted = try #require(expected.double)
                let mean = try #require(totals.sums[measure], "\(name) has no \(measure)") / Double(items.count) * scale
                #expect(
                    abs(mean - wanted) <= tolerance, "file \(number) (\(name)), \(measure): \(mean), script \(wanted)")
                compared[name, default: 0] += 1
            }
        }
        #expect(compared.count == 8, "\(compared)")
    }

    private func texts(_ value: JSONValue?) -> [String] { value?.array?.compactMap(\.string) ?? [] }

    private func facts(_ value: JSONValue) -> [SupportingFact] {
        (value.array ?? []).compactMap { fact in
            guard let title = fact[0]?.string, let sentence = fact[1]?.int else { return nil }
            return SupportingFact(title: title, sentence: sentence)
        }
    }

    private func score(_ item: JSONValue, _ benchmark: AnswerBenchmark, _ totals: inout Totals) {
        let gold = texts(item["gold"])
        let prediction = item["prediction"]?.string
        let answer = prediction.map {
            benchmark.score(benchmark == .multiHopRAG ? AnswerExtraction.multiHopRAGAnswer(in: $0) : $0, gold: gold)
        }
        if let answer {
            totals.add("em", answer.exactMatch)
            totals.add("f1", answer.f1)
            totals.add(
                benchmark == .hotpotQA || benchmark == .twoWikiMultihopQA ? "prec" : "precision", answer.precision)
            totals.add("recall", answer.recall)
            totals.add("contains", answer.contains)
            totals.add("recallem", answer.contains)
            totals.add("accuracy", answer.f1)
        }
        switch benchmark {
        case .hotpotQA:
            let sp = item["sp"].flatMap { value -> JSONValue? in value.isNull ? .none : .some(value) }.map {
                SupportMetrics.hotpotQA(predicted: facts($0), gold: facts(item["gold_sp"] ?? []))
            }
            if let sp { totals.add("sp", sp) }
            if let answer, let sp { totals.add("joint", SupportMetrics.joint(answer: answer, support: sp)) }
            for name in ["em", "f1", "prec", "recall"] {
                for prefix in ["", "sp_", "joint_"] { totals.add(prefix + name, 0) }
            }
        case .twoWikiMultihopQA:
            let sp = SupportMetrics.twoWikiMultihopQA(
                predicted: facts(item["sp"] ?? []), gold: facts(item["gold_sp"] ?? []))
            let evidence = SupportMetrics.evidenceTriples(
                predicted: (item["evidence"]?.array ?? []).map(texts),
                gold: (item["gold_evidence"]?.array ?? []).map { ($0.array ?? []).map(texts) })
            totals.add("sp", sp)
            totals.add("evi", evidence)
            totals.add(
                "joint", SupportMetrics.joint(answer: answer ?? .zero, support: sp, evidence: evidence))
        case .musique:
            let support = SupportMetrics.musique(
                predicted: (item["support"]?.array ?? []).compactMap(\.int),
                gold: (item["gold_support"]?.array ?? []).compactMap(\.int))
            totals.add("support", support)
        case .flashRAG:
            let shown = texts(item["texts"])
            totals.add("retrieval_recall_top3", RetrievalMetrics.answerStringRecall(shown, answers: gold, at: 3))
            totals.add("retrieval_precision_top3", RetrievalMetrics.answerStringPrecision(shown, answers: gold, at: 3))
        case .instructQA:
            let response = prediction ?? ""
            let knowledge = texts(item["knowledge"])
            totals.add("kprecision", FaithfulnessMetrics.kPrecision(response: response, knowledge: knowledge))
            totals.add("krecall", FaithfulnessMetrics.kRecall(response: response, knowledge: knowledge))
            totals.add("kf1", FaithfulnessMetrics.kF1(response: response, knowledge: knowledge))
            totals.add(
                "kprecision++",
                FaithfulnessMetrics.kPrecisionPlusPlus(
                    response: response, knowledge: knowledge, question: item["question"]?.string ?? ""))
        case .multiHopRAG:
            let scores = RetrievalMetrics.multiHopRAG(texts(item["texts"]), facts: texts(item["facts"]))
            totals.add("Hits@10", scores.hitsAt10)
            totals.add("Hits@4", scores.hitsAt4)
            totals.add("MAP@10", scores.mapAt10)
            totals.add("MRR@10", scores.mrrAt10)
        case .globalQA:
            let ids = { (value: JSONValue?) in (value?.array ?? []).compactMap(\.int).map(String.init) }
            totals.add(
                "d_f1", RetrievalMetrics.documentF1(ids(item["documents"]), gold: ids(item["gold_documents"]), at: 10))
        default: break
        }
    }

    @Test func comparisonIsByScalarsAsInPython() {
        // The same word composed and decomposed: Swift's == says equal, the scripts do not.
        #expect(AnswerBenchmark.hotpotQA.score("Jos\u{E9}", gold: ["Jose\u{301}"]).exactMatch == 0)
        #expect(AnswerNormalization.squad.normalize("The  Cat's\u{A0}a Hat!") == "cats hat")
        #expect(AnswerNormalization.globalQA.tokens(of: "12, 7,3") == ["12", "7", "3"])
        #expect(AnswerNormalization.squad.normalize("ΟΔΥΣΣΕΥΣ") == "οδυσσευς")
    }

    @Test func searchR1WantsTwoAnswerTagsWhenThePromptIsScored() {
        let text = "e.g. <answer> Beijing </answer> … <answer> Paris\n</answer>"
        #expect(AnswerExtraction.lastAnswerTag(in: text, minimum: 2) == "Paris")
        #expect(AnswerExtraction.lastAnswerTag(in: "<answer>Paris</answer>", minimum: 2) == nil)
        #expect(AnswerExtraction.lastAnswerTag(in: "<answer>Paris</answer>") == "Paris")
        #expect(AnswerExtraction.lastAnswerTag(in: "<answer>Paris") == nil)
    }
}
