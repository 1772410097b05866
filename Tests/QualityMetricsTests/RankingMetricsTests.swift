// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import OrderedCollections
import QualityMetrics
import Testing
import Text

/// Our ranking measures beside trec_eval's on a Cranfield run with many ties; the values were made by
/// Tests/Fixtures/scripts/make_trec_values.py.
@Suite struct RankingMetricsTests {
    private func numbers(_ value: JSONValue?) -> [String: Double] {
        Dictionary(
            uniqueKeysWithValues: (value?.object ?? [:]).compactMap { key, value in value.double.map { (key, $0) } })
    }

    private func value(of measure: String, _ ranking: JudgedRanking, irrelevant: Int, judged: [Bool]) -> Double? {
        switch measure {
        case "map": return ranking.averagePrecision
        case "Rprec": return ranking.rPrecision
        case "recip_rank": return ranking.reciprocalRank
        case "bpref": return ranking.bpref(judgedIrrelevant: irrelevant, judged: judged)
        case "ndcg": return ranking.nDCG
        default: break
        }
        guard let underscore = measure.lastIndex(of: "_"), let k = Int(measure[measure.index(after: underscore)...])
        else { return nil }
        switch measure[..<underscore] {
        case "P": return ranking.precision(at: k)
        case "recall": return ranking.recall(at: k)
        case "success": return ranking.success(at: k)
        case "ndcg_cut": return ranking.nDCG(at: k)
        case "map_cut": return ranking.averagePrecision(at: k)
        default: return nil
        }
    }

    @Test func everyMeasureIsTrecEvals() throws {
        let rows = try fixture("cranfield_trec.jsonl")
        let aggregate = numbers(rows.first?["aggregate"])
        var sums: [String: Double] = [:]
        var queries = 0
        var compared = 0
        for row in rows.dropFirst() {
            let judgments = numbers(row["qrels"]).mapValues { Int($0) }
            let scores = numbers(row["run"])
            let ranking = JudgedRanking(scores: scores, judgments: judgments)
            let judged = JudgedRanking.trecOrder(scores).map { judgments[$0] != nil }
            let irrelevant = judgments.values.count { $0 == 0 }
            for (measure, expected) in numbers(row["values"]) {
                let ours = try #require(
                    value(of: measure, ranking, irrelevant: irrelevant, judged: judged), "\(measure)")
                #expect(abs(ours - expected) < 1e-12, "\(row["query"]?.string ?? "") \(measure): \(ours), \(expected)")
                compared += 1
            }
            queries += 1
            sums["AP", default: 0] += ranking.averagePrecision
            sums["nDCG@10", default: 0] += ranking.nDCG(at: 10)
            sums["P@10", default: 0] += ranking.precision(at: 10)
            sums["R@20", default: 0] += ranking.recall(at: 20)
            sums["MRR", default: 0] += ranking.reciprocalRank
            sums["Rprec", default: 0] += ranking.rPrecision
            sums["Success@5", default: 0] += ranking.success(at: 5)
        }
        #expect(queries == 225)
        #expect(compared == 225 * 44)
        #expect(aggregate.count == 7)
        for (measure, expected) in aggregate {
            #expect(abs((sums[measure] ?? -1) / Double(queries) - expected) < 1e-12, "\(measure)")
        }
    }

    @Test func passageRecallAndAnswerStringRecallDiffer() {
        let ranked = ["p3", "p1", "p9"]
        #expect(RetrievalMetrics.passageRecall(ranked, gold: ["p1", "p2"], at: 2) == 0.5)
        #expect(RetrievalMetrics.allGoldRecall(ranked, gold: ["p1", "p2"], at: 3) == 0)
        #expect(RetrievalMetrics.allGoldRecall(ranked, gold: ["p1", "p3"], at: 2) == 1)
        #expect(RetrievalMetrics.passageRecall(ranked, gold: [], at: 2) == 0)
        // The answer's word stands in a passage that is not gold.
        #expect(RetrievalMetrics.answerStringRecall(["A comparison"], answers: ["Paris"], at: 1) == 1)
    }
}

@Suite struct TrustMetricsTests {
    @Test func alceCountsIrrelevantCitations() {
        // A passage entails a statement when together the passages hold all of its letters.
        func entails(_ passages: [String], _ statement: String) -> Bool {
            Set(statement).isSubset(of: Set(passages.joined()))
        }
        let statements = [
            CitationMetrics.Statement(text: "ab", citations: ["a", "b"]),  // both are needed
            CitationMetrics.Statement(text: "c", citations: ["c", "x"]),  // x is irrelevant
            CitationMetrics.Statement(text: "d", citations: ["y"]),  // not entailed
            CitationMetrics.Statement(text: "e", citations: []),
        ]
        let scores = CitationMetrics.alce(statements, entails: entails)
        #expect(scores.recall == 0.5)
        #expect(scores.precision == 3.0 / 5)
    }

    @Test func refusalsAreCountedBySide() throws {
        var rates = RefusalRates()
        for (answerable, answer) in [
            (false, "Insufficient information."), (false, "Paris"), (true, "I don't know"), (true, "Paris"),
            (true, "x"),
        ] {
            rates.add(answerable: answerable, refused: RefusalWording.isRefusal(answer))
        }
        #expect(rates.refusalRecall == 0.5)
        #expect(rates.falseRefusalRate == 1.0 / 3)
        #expect(rates.refusalPrecision == 0.5)
        #expect(rates.hallucinationRate == 0.5)
        #expect(RefusalRates().refusalRecall == nil)
        #expect(!RefusalWording.isRefusal("The Unknown Soldier"))
    }

    @Test func calibrationOfAPerfectAndAnInvertedForecast() throws {
        #expect(CalibrationMetrics.brierScore(confidence: [1, 0], correct: [true, false]) == 0)
        #expect(CalibrationMetrics.expectedCalibrationError(confidence: [1, 1], correct: [true, false]) == 0.5)
        #expect(CalibrationMetrics.areaUnderROC(confidence: [0.1, 0.9], correct: [true, false]) == 0)
        #expect(CalibrationMetrics.areaUnderROC(confidence: [0.5, 0.5], correct: [true, false]) == 0.5)
        #expect(CalibrationMetrics.areaUnderROC(confidence: [0.5], correct: [true]) == nil)
        // The surest is right, the next wrong: 0 and 1/2; turned round: 1 and 1/2.
        #expect(CalibrationMetrics.areaUnderRiskCoverage(confidence: [0.9, 0.1], correct: [true, false]) == 0.25)
        #expect(CalibrationMetrics.areaUnderRiskCoverage(confidence: [0.1, 0.9], correct: [true, false]) == 0.75)
        // A confidence that knows nothing has the share of wrong answers, whatever their order.
        #expect(CalibrationMetrics.areaUnderRiskCoverage(confidence: [0.5, 0.5], correct: [false, true]) == 0.5)
        #expect(CalibrationMetrics.areaUnderRiskCoverage(confidence: [], correct: []) == nil)
    }

    @Test func quantilesInterpolateAsNumPy() {
        let values = Distribution([4, 1, 3, 2, .nan])
        #expect(values.quantile(0.5) == 2.5)
        #expect(abs(values.quantile(0.95) - 3.85) < 1e-12)
        #expect(values.quantile(1) == 4)
        #expect(abs(values.standardDeviation - 1.2909944487358056) < 1e-12)
        #expect(Distribution([]).quantile(0.5) == 0)
    }
}
