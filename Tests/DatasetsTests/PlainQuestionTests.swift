// SPDX-License-Identifier: Apache-2.0

import Base
import Datasets
import OrderedCollections
import Testing

/// Question files under the names and in the shapes in which people keep them.
@Suite struct PlainQuestionTests {
    let folder: TemporaryFolder
    init() throws { folder = try TemporaryFolder() }

    @Test(arguments: [
        ("nq.jsonl", #"{"question":"who?","answer":["Ann","Anna"]}"#),
        (
            "squad.jsonl",
            #"{"id":"7","title":"T","context":"c","question":"who?","answers":{"text":["Ann","Anna"],"answer_start":[1,2]}}"#
        ),
        (
            "squad.json",
            #"{"version":"1.1","data":[{"title":"T","paragraphs":[{"context":"Ann was.","qas":[{"id":"1","question":"who?","answers":[{"text":"Ann","answer_start":0},{"text":"Anna","answer_start":0}]},{"id":"2","question":"none?","answers":[],"is_impossible":true}]}]}]}"#
        ),
        (
            "viewer.json",
            #"{"features":[],"rows":[{"row_idx":0,"row":{"question":"who?","answer":["Ann","Anna"]},"truncated_cells":[]}],"num_rows_total":1}"#
        ),
        (
            "llama.json",
            #"{"examples":[{"query":"who?","query_by":null,"reference_contexts":["Ann was."],"reference_answer":["Ann","Anna"]}]}"#
        ),
        (
            "trivia.json",
            "{\n\"Data\": [{\"Question\":\"who?\",\"QuestionId\":\"t1\",\"Answer\":{\"Value\":\"Ann\",\"Aliases\":[\"Ann\",\"Anna\"]}}]}"
        ),
        (
            "dpr.json",
            #"[{"question":"who?","answers":["Ann","Anna"],"positive_ctxs":[{"title":"T","passage_id":"9"}]}]"#
        ),
        ("ragas.jsonl", #"{"user_input":"who?","reference":["Ann","Anna"]}"#),
        (
            "verl.jsonl",
            #"{"prompt":[{"role":"user","content":"who?"}],"reward_model":{"style":"rule","ground_truth":{"target":["Ann","Anna"]}}}"#
        ),
        ("own.csv", "Question;Answer;Note\nwho?;\"[\"\"Ann\"\", \"\"Anna\"\"]\";x\n"),
        ("popqa.tsv", "id\tsubj\tquestion\tpossible_answers\n1\tA\twho?\t[\"Ann\", \"Anna\"]\n"),
        ("nq-open.tsv", "who?\t['Ann', 'Anna']\n"),
        ("own.yaml", "- question: who?\n  answers: [Ann, Anna]\n"),
        ("bom.json", "\u{FEFF}[{\"question\":\"who?\",\"answer\":\"Ann\",\"aliases\":[\"Anna\"]}]"),
    ]) func areRead(_ name: String, _ text: String) throws {
        let set = try DatasetReader.read(try folder.write(name, text))
        #expect(set.questions.filter(\.isAnswerable).map(\.text) == ["who?"])
        #expect(set.questions.filter { !$0.isAnswerable }.map(\.text) == (name == "squad.json" ? ["none?"] : []))
        #expect(set.questions.first?.answers == ["Ann", "Anna"])
        #expect(set.questions.first?.id.isEmpty == false)
    }

    @Test func goldPassagesMayBeObjects() throws {
        let set = try DatasetReader.read(
            try folder.write(
                "own.jsonl",
                """
                {"id":"1","question":"who?","answers":["Ann"],"supporting":[{"title":"Oslo","sentences":[0]},{"id":"d1"}]}
                {"id":"2","question":"where?","answers":["Rome"],"supporting":["d2",7]}
                """))
        #expect(set.questions.map(\.supporting) == [["Oslo", "d1"], ["d2", "7"]] && set.refused.isEmpty)
    }

    @Test func whatWasAskedAboutIsGold() throws {
        let squad = try DatasetReader.read(
            try folder.write(
                "s.json",
                #"{"data":[{"title":"T","paragraphs":[{"context":"one","qas":[{"id":"1","question":"a?","answers":[]}]},{"context":"two","qas":[{"id":"2","question":"b?","answers":[]}]}]}]}"#
            ))
        #expect(
            squad.questions.map(\.supporting) == [["T"], ["T (2)"]] && squad.passages.map(\.text) == ["one", "two"])
        let dpr = try DatasetReader.read(
            try folder.write(
                "d.json", #"[{"question":"q?","answers":["A"],"positive_ctxs":[{"passage_id":"9"},{"title":"T"}]}]"#))
        #expect(dpr.questions[0].supporting == ["9", "T"])
        let strategy = try DatasetReader.read(
            try folder.write("y.json", #"[{"qid":"s1","question":"Is it?","answer":true,"facts":["f"]}]"#))
        #expect(strategy.questions[0].id == "s1" && strategy.questions[0].answers.first == "yes")
    }

    @Test func whatAnswersWereWrittenFromIsGold() throws {
        let set = try DatasetReader.read(
            try folder.write(
                "l.json",
                #"{"examples":[{"query":"a?","reference_contexts":["One is here.","Two is there."],"reference_answer":"x"},{"query":"b?","reference_contexts":["One is here."],"reference_answer":"y"}]}"#
            ))
        #expect(set.passages.map(\.text) == ["One is here.", "Two is there."])
        let ids = set.passages.map(\.id)
        #expect(set.questions.map(\.supporting) == [ids, [ids[0]]] && Set(ids).count == 2)
        let pairs = try DatasetReader.read(
            try folder.write(
                "p.json", #"{"queries":{"q1":"a?"},"corpus":{"n1":"One."},"relevant_docs":{"q1":["n1"]}}"#))
        #expect(pairs.questions.map(\.supporting) == [["n1"]] && pairs.questions.first?.id == "q1")
    }

    @Test func whatIsNoQuestionSaysWhatWasLookedFor() throws {
        for (name, text) in [("x.jsonl", #"{"foo":1}"#), ("x.csv", "a,b\n1,2\n")] {
            do {
                _ = try DatasetReader.read(try folder.write(name, text))
                Issue.record("\(name) has no questions")
            } catch { #expect("\(error)".contains("question"), "\(error)") }
        }
    }
}
