// SPDX-License-Identifier: Apache-2.0

import Base
import Datasets
import Evaluation
import LanguageModels
import OrderedCollections
import QualityMetrics
import Testing
import Text

/// Faithfulness and citation measures as a run reports them.
@Suite struct SupportMeasuresTests {
    static let outcome: RunOutcome = {
        var outcome = RunOutcome(
            status: .answered, answer: "Hamburg", fullAnswer: "The Elbe flows through Hamburg. Berlin fell in 1999.",
            cited: ["a", "b"], kept: ["a", "b"],
            keptTexts: ["The Elbe flows through Hamburg to the sea.", "Berlin is a city that fell asleep."])
        outcome.statements = [
            .init(text: "The Elbe flows through Hamburg.", citations: ["a"]),
            .init(text: "Berlin fell in 1999.", citations: ["b"]),
        ]
        return outcome
    }()

    static let question = EvalQuestion(id: "q", text: "Through which city does the Elbe flow?", answers: ["Hamburg"])

    static func record(_ outcome: RunOutcome) -> RunRecord {
        RunRecord(
            key: RunKey(set: "s", question: "q", policy: "p", model: "m", seed: 0), question: question,
            outcome: outcome,
            scorer: Scorer(benchmark: .hotpotQA))
    }

    @Test func wordsAndCitationsAreScored() throws {
        let record = Self.record(Self.outcome)
        #expect(record.scores["alce_precision"] == 0.5 && record.scores["alce_recall"] == 0.5)
        // elbe flows through hamburg berlin fell are there; in and 1999 are not.
        #expect(record.scores["k_precision"] == 6.0 / 8)
        // Without the question's words: flows, hamburg, berlin, fell, of these and in, 1999.
        #expect(record.scores["k_precision++"] == 4.0 / 6)
        let recall = try #require(record.scores["k_recall"])
        #expect(abs((record.scores["k_f1"] ?? 0) - 2 * 0.75 * recall / (0.75 + recall)) < 1e-12)
        #expect(record.scores["alce_nli_recall"] == nil)
        let again = try RunRecord(json: record.json)
        #expect(again.outcome.statements == Self.outcome.statements)
    }

    @Test func aJudgesEntailmentIsKeptWithTheRun() async throws {
        let model = try ScriptedModel(
            script: YAMLReader.read(
                """
                repeat_last: true
                turns:
                  - {when: {contains: "1999"}, content: "VERDICT: WRONG"}
                  - {content: "VERDICT: RIGHT"}
                """, name: "script"), source: "script")
        var outcome = Self.outcome
        outcome.entailed = try await Judge(model: model).entailment(of: outcome)
        #expect(outcome.entailed == SupportShares(precision: 0.5, recall: 0.5))
        let record = Self.record(outcome)
        #expect(record.scores["alce_nli_precision"] == 0.5)
        #expect(try RunRecord(json: record.json).outcome.entailed == outcome.entailed)
        outcome.statements = []
        #expect(try await Judge(model: model).entailment(of: outcome) == nil)
    }

    @Test func entailmentByWordsWantsNumbersAndMostWords() {
        let passages = ["The bridge was opened in 1871", "by Ada Lind, an engineer."]
        #expect(WordEntailment.holds(passages, "The bridge was opened by Ada Lind."))
        #expect(!WordEntailment.holds(passages, "The bridge was opened in 1872 by Ada Lind."))
        #expect(!WordEntailment.holds(passages, "Karrow is a port on the Larn Sea."))
        #expect(!WordEntailment.holds([], "A bridge.") && WordEntailment.holds([], "..."))
    }

    /// A contrast set counts when all of its questions are right; a set of one is none.
    @Test func contrastSetsAreRightAltogether() throws {
        func record(_ id: String, _ set: String, _ answer: String) -> RunRecord {
            RunRecord(
                key: RunKey(set: "s", question: id, policy: "p", model: "m", seed: 0),
                question: EvalQuestion(id: id, text: "Q?", answers: ["right"], extra: ["contrast": .string(set)]),
                outcome: RunOutcome(status: .answered, answer: answer), scorer: Scorer(benchmark: .hotpotQA))
        }
        let records = [
            record("a", "one", "right"), record("b", "one", "right"), record("c", "two", "right"),
            record("d", "two", "wrong"), record("e", "alone", "right"),
        ]
        let summary = try #require(RunSummary.all(records, resamples: 100).first)
        #expect(summary.means["contrast_consistency"]?.mean == 0.5)
        #expect(RunSummary.all([records[4]], resamples: 100).first?.means["contrast_consistency"] == nil)
        #expect(try RunRecord(json: records[0].json).contrast == "one")
    }
}
