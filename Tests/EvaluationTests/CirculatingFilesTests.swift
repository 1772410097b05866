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

/// Evaluation files as they circulate, after public bug reports.
@Suite struct CirculatingFilesTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    @Test func hotpotQAInColumns() throws {
        let set = try DatasetReader.read(
            try folder.write(
                "hf.jsonl",
                #"{"id": "h1", "question": "When was the quay built?", "answer": "1801", "type": "bridge", "level": "easy", "supporting_facts": {"title": ["Quay"], "sent_id": [0]}, "context": {"title": ["Quay", "Lamp"], "sentences": [["The quay was built in 1801. ", "It is long."], ["The lamp is old."]]}}"#
            ))
        #expect(set.benchmark == .hotpotQA)
        #expect(set.questions[0].supporting == ["Quay"])
        #expect(set.questions[0].supportingFacts == [.init(title: "Quay", sentence: 0)])
        #expect(set.passages.map(\.text) == ["The quay was built in 1801. It is long.", "The lamp is old."])
    }

    @Test func twoWikiWithJSONInStrings() throws {
        let set = try DatasetReader.read(
            try folder.write(
                "2wiki.jsonl",
                #"{"_id": "t1", "question": "When?", "answer": "1801", "type": "compositional", "evidences": "[[\"Quay\",\"built\",\"1801\"]]", "supporting_facts": "[[\"Quay\", 0]]", "context": "[[\"Quay\", [\"The quay was built in 1801. \", \"It is long.\"]], [\"Lamp\", [\"The lamp is old.\"]]]"}"#
            ))
        #expect(set.benchmark == .twoWikiMultihopQA)
        #expect(set.questions[0].supporting == ["Quay"])
        #expect(set.questions[0].extra["evidences"]?[0]?[2]?.string == "1801")
        #expect(set.passages.count == 2)
    }

    @Test func flashRAGKeepsGoldInMetadata() throws {
        let set = try DatasetReader.read(
            try folder.write(
                "flashrag.jsonl",
                #"{"id": "f1", "question": "When?", "golden_answers": ["1801"], "metadata": {"type": "bridge", "supporting_facts": {"title": ["Quay"], "sent_id": [0]}}}"#
                    + "\n" + #"{"id": 7, "question": "When?", "golden_answers": "1801"}"# + "\n"
                    + #"{"id": "m", "question": "When?", "golden_answers": ["1801"], "metadata": {"paragraphs": [{"title": "A", "is_supporting": true}, {"title": "B", "is_supporting": false}]}}"#
            ))
        #expect(set.questions.map(\.supporting) == [["Quay"], [], ["A"]])
    }

    @Test func ownFormatWithExtraFieldsStaysItself() throws {
        let row =
            #"{"id":"a","question":"Q?","answers":["x"],"supporting":["p"],"evidences":[["a","b","c"]],"decomposition":[],"context":[],"supporting_facts":[["p",0]],"paragraphs":[],"answer":"x"}"#
        let set = try DatasetReader.read(try folder.write("own.jsonl", row))
        #expect(set.questions[0].supporting == ["p"])
        #expect(set.questions[0].extra["evidences"] != nil)
    }

    @Test func anUnknownFormatSaysWhatItLookedFor() throws {
        let file = try folder.write("x.jsonl", #"{"prompt": "Q?", "completion": "x"}"#)
        do {
            _ = try DatasetReader.read(file)
            Issue.record("read a file of no known format")
        } catch {
            #expect(error.description.contains("prompt, completion"))
            #expect(error.description.contains("golden_answers") && error.description.contains("supporting_facts"))
        }
    }

    @Test func judgmentsWithAnySeparator() throws {
        let tabs = try TRECFiles.qrels(try folder.write("a.tsv", "query-id\tcorpus-id\tscore\nq1\td 1\t1\nq1\td2\t0\n"))
        #expect(tabs == ["q1": ["d 1": 1, "d2": 0]])
        #expect(
            try TRECFiles.qrels(try folder.write("b.csv", "query,document,grade\nq1,d 1,1.0\n")) == ["q1": ["d 1": 1]])
        #expect(
            try TRECFiles.qrels(try folder.write("c", "q1 0 d1 2\nq1\t0\td 3\t1\n")) == ["q1": ["d1": 2, "d 3": 1]])
        #expect(throws: DatasetError.self) { try TRECFiles.qrels(try folder.write("d", "q1 0 d 1 2\n")) }
        #expect(TRECFiles.qrelsLines(["q 1": ["d 1": 1]]) == ["q%201 0 d%201 1"])
    }

    private func beir(ownDocument: Bool) throws -> QuestionSet {
        let name = "beir"
        _ = try folder.write(
            name + "/corpus.jsonl",
            #"{"_id":"q1","title":"","text":"taxes are good for schools"}"# + "\n"
                + #"{"_id":"c 1","title":"","text":"taxes are bad for schools"}"# + "\n")
        _ = try folder.write(name + "/queries.jsonl", #"{"_id":"q1","text":"taxes are good for schools"}"# + "\n")
        _ = try folder.write(name + "/qrels/test.tsv", "query-id\tcorpus-id\tscore\nq1\tc 1\t1\n")
        return try DatasetReader.read(folder.path + "/" + name)
    }

    @Test func aQuerysOwnDocumentIsLeftOut() async throws {
        let set = try beir(ownDocument: true)
        let corpus = try InMemoryCorpus(documents: set.passages.map { Document(id: $0.id, text: $0.text) })
        let rankings = try await RetrievalEvaluation(set: set, cutoffs: [1]).rankings(.keyword, in: corpus)
        #expect(rankings[0].ranked == ["c 1"])
        #expect(rankings[0].scores.count == 1 && rankings[0].scores[0] > 0)
    }

    @Test func whatCannotBeJudgedIsAnError() async throws {
        let corpus = try InMemoryCorpus(documents: [
            Document(id: "1", title: "Quay", text: "The quay was built in 1801.")
        ])
        let none = QuestionSet(
            name: "none", benchmark: .hotpotQA, questions: [EvalQuestion(id: "a", text: "When was the quay built?")])
        await #expect(throws: DatasetError.self) {
            try await RetrievalEvaluation(set: none).rankings(.keyword, in: corpus)
        }
        let elsewhere = QuestionSet(
            name: "elsewhere", benchmark: .hotpotQA,
            questions: [EvalQuestion(id: "a", text: "When was the quay built?", supporting: ["Pier"])])
        await #expect(throws: DatasetError.self) {
            try await RetrievalEvaluation(set: elsewhere).rankings(.keyword, in: corpus)
        }
        // Gold by title, where the corpus has other ids.
        let titled = QuestionSet(
            name: "titled", benchmark: .hotpotQA,
            questions: [EvalQuestion(id: "a", text: "When was the quay built?", supporting: ["Quay"])])
        let rankings = try await RetrievalEvaluation(set: titled, cutoffs: [1]).rankings(.keyword, in: corpus)
        #expect(rankings[0].ranked == ["Quay"])
    }
}
