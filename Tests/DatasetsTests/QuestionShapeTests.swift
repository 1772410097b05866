// SPDX-License-Identifier: Apache-2.0

import Base
import Datasets
import Testing

/// The shapes in which published sets wrap their questions, and the gold that they name.
@Suite struct QuestionShapeTests {
    let folder: TemporaryFolder
    init() throws { folder = try TemporaryFolder() }

    private func read(_ name: String, _ text: String) throws -> QuestionSet {
        try DatasetReader.read(try folder.write(name, text))
    }

    @Test(arguments: [
        ("viewer.json", #"{"rows":[{"row_idx":0,"row":{"question":"who?","answer":"Ann"}}]}"#),
        (
            "viewer2.json",
            #"{"features":[{"name":"question"}],"rows":[{"row_idx":0,"row":{"question":"who?","answer":"Ann"},"truncated_cells":[]}]}"#
        ),
        ("viewer.jsonl", #"{"row_idx":0,"row":{"question":"who?","answer":"Ann"}}"#),
        (
            "asqa.jsonl",
            #"{"sample_id":"1","ambiguous_question":"who?","qa_pairs":[{"question":"w","short_answers":["Ann"]}]}"#
        ),
        ("eli5.jsonl", #"{"q_id":"1","title":"who?","selftext":"","answers":{"text":["Ann"],"score":[5]}}"#),
        ("evals.jsonl", #"{"input":[{"role":"system","content":"s"},{"role":"user","content":"who?"}],"ideal":"Ann"}"#),
        ("promptfoo.json", #"{"tests":[{"vars":{"query":"who?"},"assert":[{"type":"contains","value":"Ann"}]}]}"#),
        (
            "kilt.jsonl",
            #"{"id":"k","input":"who?","output":[{"answer":"Ann","provenance":[{"title":"Oslo"}]},{"provenance":[{"title":"Oslo"}]}]}"#
        ),
        (
            "rag.json",
            #"{"examples":[{"query":"who?","reference_contexts":["It was Ann."],"reference_answer":"Ann"}],"class_name":"LabelledRagDataset"}"#
        ),
    ]) func wrappingsAreOpened(_ name: String, _ text: String) throws {
        let set = try read(name, text)
        #expect(set.questions.map(\.text) == ["who?"] && set.refused.isEmpty)
        #expect(set.questions.first?.answers == ["Ann"])
    }

    @Test func goldIsKept() throws {
        #expect(
            try read(
                "kilt.jsonl",
                #"{"id":"k","input":"who?","output":[{"answer":"Ann","provenance":[{"title":"Oslo"}]},{"provenance":[{"title":"Bergen"}]}]}"#
            ).questions[0].supporting == ["Oslo", "Bergen"])
        #expect(
            try read(
                "frames.jsonl",
                #"{"Prompt":"who?","Answer":"Ann","wiki_links":"['https://en.wikipedia.org/wiki/Kari_Olsen', 'https://en.wikipedia.org/wiki/%C3%85lesund#History']"}"#
            ).questions[0].supporting == ["Kari Olsen", "Ålesund"])
        #expect(
            try read(
                "browse.jsonl",
                #"{"query_id":"1","query":"who?","answer":"Ann","gold_docs":[{"docid":"p1","text":"x"}]}"#
            ).questions[0].supporting == ["p1"])
        #expect(
            try read(
                "trivia.json",
                #"{"Data":[{"Question":"who?","QuestionId":"t","Answer":{"Value":"Ann"},"EntityPages":[{"Title":"Oslo"}]}]}"#
            ).questions[0].supporting == ["Oslo"])
        #expect(
            try read(
                "trivia.jsonl", #"{"question":"who?","answer":{"value":"Ann"},"entity_pages":{"title":["Oslo"]}}"#
            ).questions[0].supporting == ["Oslo"])
        let marco = try read(
            "marco.jsonl",
            #"{"query":"who?","query_id":1,"answers":["Ann"],"passages":{"is_selected":[0,1],"passage_text":["one","two"],"url":["a","b"]}}"#
        )
        #expect(marco.passages.map(\.text) == ["one", "two"])
        #expect(marco.questions[0].supporting == [marco.passages[1].id])
        let ragas = try read(
            "ragas.jsonl",
            #"{"user_input":"who?","reference":"Ann","reference_contexts":["one","two"],"retrieved_contexts":["three"]}"#
        )
        #expect(
            ragas.passages.map(\.text) == ["one", "two"] && ragas.questions[0].supporting == ragas.passages.map(\.id))
        let pairs = try read(
            "pairs.json",
            #"{"queries":{"u1":"who?","u2":"where?"},"corpus":{"n1":"one","n2":"two"},"relevant_docs":{"u1":["n1"],"u2":["n2"]},"mode":"text"}"#
        )
        #expect(pairs.questions.map(\.id) == ["u1", "u2"] && pairs.questions.map(\.supporting) == [["n1"], ["n2"]])
        #expect(pairs.passages.map(\.id) == ["n1", "n2"])
    }

    @Test func topicsAreQuestionsToBeJudgedElsewhere() throws {
        let trec = try read(
            "301.topics",
            "\n<top>\n<num> Number: 301\n<title> capital of norway\n<desc> Description:\nFind it\n</top>\n<top>\n<num>302</num>\n<title>\ncity founded\n</title>\n</top>\n"
        )
        #expect(trec.questions.map(\.id) == ["301", "302"])
        #expect(trec.questions.map(\.text) == ["capital of norway", "city founded"])
        let lines = try read("topics.tsv", "1\tcapital of norway\n2\tcity founded\n")
        #expect(lines.questions.map(\.id) == ["1", "2"] && lines.questions[1].text == "city founded")
        #expect(try read("topics2.tsv", "qid\tquery\na1\tcapital of norway\n").questions.map(\.id) == ["a1"])
        // A table of questions and answers stays one.
        #expect(
            try read("qa.tsv", "question\tanswer\nwhere is it 1?\tOslo city\n").questions[0].answers == ["Oslo city"])
    }

    @Test func foldersAndSplitsAreNamed() throws {
        _ = try folder.write("beir/queries.jsonl", #"{"_id":"1","text":"who?"}"#)
        _ = try folder.write("beir/qrels/dev.tsv", "query-id\tcorpus-id\tscore\n1\td\t1\n")
        do {
            _ = try DatasetReader.read(folder.path + "/beir")
            Issue.record("there is no split test")
        } catch { #expect("\(error)".contains("the splits are dev"), "\(error)") }
        #expect(try DatasetReader.read(folder.path + "/beir", split: "dev").questions.count == 1)
        do {
            _ = try CorpusFiles.read(folder.path + "/beir")
            Issue.record("a folder is no file")
        } catch { #expect("\(error)".contains("it is a folder"), "\(error)") }
    }
}
