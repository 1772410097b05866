// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
import Datasets
import Evaluation
import Foundation
import OrderedCollections
import QualityMetrics
import Search
import Testing
import Text
import Tools

@Suite struct PredictionSetTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func hotpot() throws -> QuestionSet {
        try DatasetReader.read(
            folder.write(
                "gold.json",
                """
                [{"_id": "a", "question": "Which?", "answer": "Paris", "type": "bridge", "level": "easy",
                  "supporting_facts": [["X", 0], ["Y", 1]], "context": [["X", ["s"]], ["Y", ["t", "u"]]]},
                 {"_id": "b", "question": "Is it?", "answer": "yes", "type": "comparison", "level": "easy",
                  "supporting_facts": [["X", 0]], "context": [["X", ["s"]]]},
                 {"_id": "c", "question": "Who?", "answer": "Ada Lind", "type": "bridge", "level": "easy",
                  "supporting_facts": [["Y", 0]], "context": [["Y", ["t", "u"]]]}]
                """))
    }

    @Test func hotpotQAsFileWithMissingAnswersAndFacts() throws {
        // "b" has no answer and "c" no facts: neither counts in the joint scores.
        let file = try folder.write(
            "predictions.json",
            """
            {"answer": {"a": "the Paris", "c": "Ada"}, "sp": {"a": [["X", 0]], "b": [["X", 0]], "zzz": []}}
            """)
        let scores = try PredictionSet.read(file).scores(hotpot())
        #expect(scores.questions == 3 && scores.missing == 0 && scores.unknown == 1)
        let means = scores.means
        func expect(_ name: String, _ value: Double) {
            #expect(abs((means[name] ?? -1) - value) < 1e-12, "\(name): \(means[name] ?? -1), expected \(value)")
        }
        expect("em", 1.0 / 3)
        expect("f1", (1 + 2.0 / 3) / 3)
        expect("prec", 2.0 / 3)
        expect("recall", 1.5 / 3)
        expect("sp_em", 1.0 / 3)
        expect("sp_f1", (2.0 / 3 + 1) / 3)
        expect("joint_em", 0)
        expect("joint_f1", (2.0 / 3) / 3)
        expect("joint_prec", 1.0 / 3)
        expect("joint_recall", 0.5 / 3)
    }

    @Test func musiqueScoresAnswerableQuestionsAndParagraphs() throws {
        let gold = try folder.write(
            "musique.jsonl",
            """
            {"id":"2hop__1","question":"Q1?","answer":"Bern","answer_aliases":["Berne"],"answerable":true,"paragraphs":[{"idx":0,"title":"a","paragraph_text":"x","is_supporting":false},{"idx":1,"title":"b","paragraph_text":"y","is_supporting":true}],"question_decomposition":[]}
            {"id":"2hop__2","question":"Q2?","answer":"Rome","answer_aliases":[],"answerable":false,"paragraphs":[{"idx":0,"title":"c","paragraph_text":"z","is_supporting":true}],"question_decomposition":[]}
            """)
        let file = try folder.write(
            "musique-predictions.jsonl",
            """
            {"id":"2hop__1","predicted_answer":"Berne","predicted_support_idxs":[0,1],"predicted_answerable":true}
            {"id":"2hop__2","predicted_answer":"Milan","predicted_support_idxs":[],"predicted_answerable":false}
            """)
        let scores = try PredictionSet.read(file).scores(DatasetReader.read(gold))
        #expect(scores.questions == 1 && scores.missing == 0 && scores.unknown == 0)
        #expect(scores.means == ["answer_f1": 1, "answer_em": 1, "support_f1": 2.0 / 3])
    }

    /// The pairs of MuSiQue-Full: the second has the first's id and lacks a paragraph.
    @Test func pairsCountWhereBothWereToldApart() throws {
        func line(_ id: String, _ answer: String, _ answerable: Bool) -> String {
            """
            {"id":"\(id)","question":"Q \(id)?","answer":"\(answer)","answer_aliases":[],"answerable":\(answerable),"paragraphs":[{"idx":0,"title":"\(id)\(answerable)","paragraph_text":"x","is_supporting":\(answerable)}],"question_decomposition":[]}
            """
        }
        let pairs = [("2hop__1", "Bern"), ("2hop__2", "Rome"), ("2hop__3", "New Oslo")]
        let gold = try folder.write(
            "musique-full.jsonl",
            pairs.flatMap { [line($0.0, $0.1, true), line($0.0, $0.1, false)] }.joined(separator: "\n"))
        func said(_ id: String, _ answer: String, _ answerable: Bool) -> String {
            """
            {"id":"\(id)","predicted_answer":"\(answer)","predicted_support_idxs":[0],"predicted_answerable":\(answerable)}
            """
        }
        let file = try folder.write(
            "musique-full-predictions.jsonl",
            [
                said("2hop__1", "Bern", true), said("2hop__1", "Bern", false),
                // Right answers to a question that was not told from its twin count for nothing.
                said("2hop__2", "Rome", true), said("2hop__2", "Rome", true),
                said("2hop__3", "Oslo", true), said("2hop__3", "", false),
            ].joined(separator: "\n"))
        let set = try DatasetReader.read(gold)
        #expect(set.questions.count == 6 && set.issues().isEmpty)
        let scores = try PredictionSet.read(file).scores(set)
        #expect(scores.questions == 3 && scores.missing == 0 && scores.unknown == 0)
        for (name, expected) in [
            ("group_answer_sufficiency_f1", 5.0 / 9), ("group_support_sufficiency_f1", 2.0 / 3), ("answer_f1", 8.0 / 9),
        ] {
            let found = scores.means[name] ?? -1
            #expect(abs(found - expected) < 1e-12, "\(name): \(found), expected \(expected)")
        }
    }

    @Test func otherNamesOfAnEntityAreRight() throws {
        let gold = try folder.write(
            "2wiki.json",
            """
            [{"_id": "a", "question": "Where was she born?", "answer": "Bern", "answer_id": "Q70", "type": "compositional",
              "supporting_facts": [["X", 0]], "context": [["X", ["s"]]],
              "evidences": [["Ada Lind", "place of birth", "Bern"]], "evidences_id": [["Q1", "P19", "Q70"]]}]
            """)
        let file = try folder.write(
            "2wiki-predictions.json",
            """
            {"answer": {"a": "Bernese"}, "sp": {"a": [["X", 0]]}, "evidence": {"a": [["A. Lind", "place of birth", "Berne"]]}}
            """)
        let names = try EntityAliases(
            file: folder.write(
                "id_aliases.json",
                """
                {"Q_id": "Q70", "aliases": ["Berne"], "demonyms": ["Bernese"]}
                {"Q_id": "Q1", "aliases": ["A. Lind"], "demonyms": []}
                """))
        let (given, set) = (try PredictionSet.read(file), try DatasetReader.read(gold))
        let without = given.scores(set).means
        #expect(without["em"] == 0 && without["evi_f1"] == 0 && without["joint_f1"] == 0)
        let with = given.scores(set, aliases: names).means
        #expect(with["em"] == 1 && with["evi_f1"] == 1 && with["joint_f1"] == 1)
        #expect(throws: DatasetError.self) { try EntityAliases(file: folder.write("bad.json", "{\"id\": 1}\n")) }
    }

    @Test func retrievedTextsOfMultiHopRAG() throws {
        let gold = try folder.write(
            "multihop-rag.json",
            """
            [{"query": "Q1?", "answer": "Yes", "question_type": "comparison_query",
              "evidence_list": [{"url": "u1", "fact": "one fact"}, {"url": "u2", "fact": "another fact"}]},
             {"query": "Q2?", "answer": "Insufficient information.", "question_type": "null_query", "evidence_list": []}]
            """)
        let file = try folder.write(
            "retrieved.json",
            """
            [{"query": "Q1?", "answer": "Yes", "retrieval_list": [{"text": "nothing", "score": 2}, {"text": "here is one\\nfact"}]},
             {"query": "Q2?", "answer": "Insufficient information.", "retrieval_list": [{"text": "one fact"}]}]
            """)
        let scores = try PredictionSet.read(file).scores(DatasetReader.read(gold))
        #expect(scores.means == ["Hits@10": 1, "Hits@4": 1, "MAP@10": 0.25, "MRR@10": 0.5])
    }

    @Test func ourOwnExportForFlashRAGIsReadBack() throws {
        let set = try hotpot()
        let records = set.questions.map { question in
            RunRecord(
                key: RunKey(set: "hotpotqa", question: question.id, policy: "p", model: "none", seed: 1),
                question: question,
                outcome: RunOutcome(
                    status: .answered, answer: question.id == "a" ? "Paris" : "no", kept: ["X", "Y"],
                    keptTexts: ["in Paris", "t"]),
                scorer: Scorer(benchmark: .flashRAG))
        }
        let file = try folder.write(
            "intermediate_data.json", RunExport.flashRAG(records) { _ in nil }.serialized(indented: true))
        var flash = set
        flash.benchmark = .flashRAG
        let scores = try PredictionSet.read(file).scores(flash)
        #expect(scores.missing == 0)
        #expect(scores.means["em"] == 1.0 / 3 && scores.means["acc"] == 1.0 / 3)
        #expect(scores.means["recall@2"] == 1 && scores.means["all_gold@2"] == 1)
        #expect(scores.means["retrieval_recall_top5"] == 1.0 / 3)
    }

    @Test func aRunIsScoredOverTheQueriesThatItHas() throws {
        let run = try folder.write("x.run", "q1 Q0 d2 1 2.0 t\nq1 Q0 d1 2 1.0 t\nq9 Q0 d1 1 1.0 t\n")
        let qrels = try TRECFiles.qrels(folder.write("x.qrels", "q1 0 d1 1\nq1 0 d3 1\nq2 0 d1 1\n"))
        let scores = try PredictionSet.read(run).trecScores(qrels)
        #expect(scores.missing == 1 && scores.unknown == 1)
        #expect(scores.means["map"] == 0.25 && scores.means["recip_rank"] == 0.5 && scores.means["recall_5"] == 0.5)
    }

    @Test func aDocumentOfSeveralPassagesCountsOnce() async throws {
        // Three hundred words in short sentences make two passages; both hold the query's word.
        let long = (0..<60).map { "The lantern number \($0) burns." }.joined(separator: " ")
        let corpus = try EvalCorpus.inMemory(
            [
                EvalPassage(id: "long", title: "", text: long),
                EvalPassage(id: "gold", title: "", text: "One lantern among some other things that are said here."),
            ], name: "split")
        #expect(corpus.summary.passageCount >= 3)
        func ranked(_ gold: String) async throws -> [String] {
            let evaluation = RetrievalEvaluation(
                set: QuestionSet(
                    name: "s", benchmark: .hotpotQA,
                    questions: [EvalQuestion(id: "q", text: "lantern", supporting: [gold])]), cutoffs: [2])
            return try await evaluation.rankings(.keyword, in: corpus)[0].ranked
        }
        #expect(try await Set(ranked("gold")) == ["long", "gold"])
        // A gold passage by its own id: then passages are what is ranked.
        #expect(try await ranked("long#2").contains { $0.hasPrefix("long#") })
    }

    @Test func damagedFilesAreRefusedWithTheirLine() throws {
        for (name, text, message) in [
            ("twice.jsonl", "{\"id\":\"a\",\"answer\":\"x\"}\n{\"id\":\"a\",\"answer\":\"y\"}\n", "twice.jsonl:2"),
            ("nothing.jsonl", "{\"id\":\"a\"}\n", "neither"), ("number.json", "{\"a\": [1]}", "must be a text"),
            ("text.run", "hello world\n", "text.run:1"),
            // A data set's own line: its answer is the right one and no prediction.
            ("gold.jsonl", "{\"id\":\"a\",\"question\":\"Q?\",\"answer\":\"x\",\"pred_ans\":\"y\"}\n", "gold.jsonl:1"),
        ] {
            let file = try folder.write(name, text)
            let error = #expect(throws: DatasetError.self) { try PredictionSet.read(file) }
            #expect(error.map { "\($0)".contains(message) } == true, "\(String(describing: error))")
        }
    }

    @Test func publishedRowsStandBesideOnesOwn() async throws {
        let path =
            URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().path + "/Examples/suites/published-recall.yaml"
        let published = try PublishedRecall(file: path)
        #expect(published.rows.keys.sorted() == ["2wikimultihopqa", "hotpotqa", "musique"])
        let evaluation = RetrievalEvaluation(
            set: QuestionSet(
                name: "musique", benchmark: .musique,
                questions: [EvalQuestion(id: "q", text: "Which lantern is green?", supporting: ["a", "b"])]),
            cutoffs: [2])
        let corpus = try EvalCorpus.inMemory(
            [
                EvalPassage(id: "a", title: "", text: "A green lantern."),
                EvalPassage(id: "b", title: "", text: "Nothing of the kind."),
            ], name: "two")
        let own = evaluation.row("keyword", try await evaluation.rankings(.keyword, in: corpus))
        let text = published.markdown("musique", own: [own], source: "here")
        #expect(text.contains("| Forage, keyword | here | 50.0 (50.0–50.0) | – |"))
        #expect(text.contains("| BM25 | HippoRAG, arXiv 2405.14831 | 32.3 | 41.2 |"))
        #expect(text.contains("| HippoRAG 2 | HippoRAG 2, arXiv 2502.14802 | – | 74.7 |"))
        #expect(text.contains("The questions differ"))
        let broken = try folder.write("p.yaml", "sources: [{source: s, rows: {BM25: {musique: {recall@2: 120}}}}]")
        #expect(throws: (any Error).self) { try PublishedRecall(file: broken) }
    }
}
