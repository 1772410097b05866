// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
import Datasets
import OrderedCollections
import QualityMetrics
import Search
import Testing
import Tools

@testable import Evaluation

/// A question whose gold passages are taken out of its corpus.
@Suite struct WithheldTests {
    private static let passages = [
        EvalPassage(
            id: "tide", title: "Tide mill", text: "A tide mill is driven by the tide.", metadata: ["year": 1620]),
        EvalPassage(id: "wind", title: "Windmill", text: "A windmill is driven by the wind.", metadata: ["year": 1700]),
        EvalPassage(
            id: "mill", title: "Mill", text: "A mill grinds grain; a Tide mill and a Windmill are mills.",
            metadata: ["year": 1500]),
    ]

    @Test func nothingShowsWithheldDocuments() async throws {
        let whole = try InMemoryCorpus(name: "mills", documents: Self.passages.map(\.document), links: true)
        let corpus = try await WithheldCorpus(whole, without: ["tide", "no such id"])
        let found = try await corpus.search(.keyword, query: "tide mill", limit: 1, within: nil)
        #expect(found.map(\.id) == ["mill"])
        #expect(try await whole.search(.keyword, query: "tide mill", limit: 1, within: nil).map(\.id) == ["tide"])
        #expect(try await corpus.passages(withID: "tide").isEmpty)
        let old = FilterExpression.compare(field: "year", .less, .integer(1650))
        #expect(try await corpus.filter(old, among: nil).count == 1)
        #expect(try await whole.filter(old, among: nil).count == 2)
        let mill = try #require(try await whole.passages(withID: "mill").first)
        #expect(try await corpus.linkedPassages(from: mill.ordinal, limit: 5).map(\.id) == ["wind"])
        #expect(corpus.fingerprint != whole.fingerprint)
    }

    @Test func aShareOfTheQuestionsLosesItsEvidence() {
        let questions = (0..<400).map {
            EvalQuestion(id: "q\($0)", text: "Question \($0)?", answers: ["a"], supporting: $0 < 300 ? ["p\($0)"] : [])
        }
        let set = QuestionSet(name: "s", benchmark: .hotpotQA, questions: questions)
        let half = set.withholding(0.5, seed: 1)
        let robbed = half.questions.filter { !$0.withheld.isEmpty }
        #expect((110...190).contains(robbed.count))
        #expect(robbed.allSatisfy { !$0.isAnswerable && $0.supporting.isEmpty && $0.withheld.count == 1 })
        #expect(half.questions.suffix(100) == questions.suffix(100))
        #expect(set.withholding(0, seed: 1).questions == questions)
        #expect(half.questions == set.withholding(0.5, seed: 1).questions)
        #expect(throws: Never.self) { try EvalQuestion(json: robbed[0].json) == robbed[0] }
    }

    /// A refusal says what was looked for: that it shares words with a gold answer makes it no part of an answer.
    @Test func aRefusalIsNoPartOfAnAnswer() {
        let question = EvalQuestion(id: "q", text: "Which lake is north of Karrow?", answers: ["Lake Karrow"])
        func scores(refused: Bool) -> [Double?] {
            let record = RunRecord(
                key: RunKey(set: "s", question: "q", policy: "p", model: "none", seed: 1), question: question,
                outcome: RunOutcome(
                    status: .answered, answer: "Not in this corpus. What was looked for: lake, Karrow.",
                    refused: refused), scorer: Scorer(benchmark: .hotpotQA))
            return [record.scores["f1"], record.scores["em"], record.scores["contains"]]
        }
        #expect((scores(refused: false)[0] ?? 0) > 0)
        #expect(scores(refused: true) == [0, 0, 0])
    }
}
