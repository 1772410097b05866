// SPDX-License-Identifier: Apache-2.0

import Base
import Datasets
import Foundation
import OrderedCollections
import QualityMetrics
import Testing
import Text

/// A folder that is removed when the value goes out of scope.
final class TemporaryFolder {
    let path: String

    init() throws {
        path = NSTemporaryDirectory() + "/evaluation-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func write(_ name: String, _ text: String) throws -> String {
        let file = path + "/" + name
        try FileManager.default.createDirectory(
            atPath: (file as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
        try Data(text.utf8).write(to: URL(fileURLWithPath: file))
        return file
    }
}

@Suite struct DatasetReaderTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    @Test func hotpotQAWithContextAndSentences() throws {
        let file = try folder.write(
            "hotpot.json",
            """
            [
              {"_id": "a", "question": "Which?", "answer": "Yes", "type": "comparison", "level": "hard",
               "supporting_facts": [["Ada", 0], ["Bern", 1]],
               "context": [["Ada", ["Ada is one.", " Two."]], ["Bern", ["x.", "y."]], ["Cid", ["z"]]]},
              {"_id": "b", "question": "Who?", "answer": "Cid", "type": "bridge", "level": "easy",
               "supporting_facts": [["Ada", 1]], "context": [["Ada", ["Another Ada."]]]}
            ]
            """)
        let set = try DatasetReader.read(file)
        #expect(set.benchmark == .hotpotQA)
        #expect(set.questions.map(\.id) == ["a", "b"])
        #expect(set.questions[0].supporting == ["Ada", "Bern"])
        #expect(
            set.questions[0].supportingFacts == [.init(title: "Ada", sentence: 0), .init(title: "Bern", sentence: 1)])
        // Another paragraph with a known title gets an id of its own.
        #expect(set.questions[1].supporting == ["Ada (2)"])
        #expect(set.passages.map(\.id) == ["Ada", "Bern", "Cid", "Ada (2)"])
        #expect(set.passages[0].text == "Ada is one. Two.")
    }

    @Test func musiqueWithAliasesAndDecomposition() throws {
        let file = try folder.write(
            "musique.jsonl",
            #"{"id":"3hop1__1_2_3","question":"Q?","answer":"A","answer_aliases":["B"],"answerable":true,"#
                + #""paragraphs":[{"idx":0,"title":"T","paragraph_text":"x","is_supporting":true},"#
                + #"{"idx":1,"title":"T","paragraph_text":"y","is_supporting":false}],"#
                + #""question_decomposition":[{},{},{}]}"# + "\n"
                + #"{"id":"2hop__1_2","question":"R?","answer":"C","answer_aliases":[],"answerable":false,"paragraphs":[]}"#
        )
        let set = try DatasetReader.read(file)
        #expect(set.benchmark == .musique)
        #expect(set.questions[0].answers == ["A", "B"])
        #expect(set.questions[0].supporting == ["T"])
        #expect(set.questions[0].hops == 3)
        #expect(set.questions[0].type == "3hop1")
        #expect(!set.questions[1].isAnswerable)
    }

    @Test func otherFormats() throws {
        let multi = try folder.write(
            "MultiHopRAG.json",
            #"[{"query":"Q?","answer":"Yes","question_type":"comparison_query","evidence_list":["#
                + #"{"title":"t","url":"u1"},{"title":"t","url":"u2"}]},"#
                + #"{"query":"N?","answer":"Insufficient information.","question_type":"null_query","evidence_list":[]}]"#
        )
        let news = try DatasetReader.read(multi)
        #expect(news.benchmark == .multiHopRAG)
        #expect(news.questions[0].supporting == ["u1", "u2"])
        #expect(!news.questions[1].isAnswerable)

        let global = try DatasetReader.read(
            try folder.write("g.json", #"[{"question":"How many?","answer":"3","golden_doc_ids":[1,5,9]}]"#))
        #expect(global.questions[0].supporting == ["1", "5", "9"])
        #expect(global.benchmark == .globalQA)

        let flash = try DatasetReader.read(
            try folder.write(
                "f.jsonl",
                #"{"id":"0","question":"Q?","golden_answers":["A","B"],"metadata":{"type":"x"}}"# + "\n"
                    + #"{"id":"1","question":"R?","golden_answers":[1],"choices":["p","q"]}"#))
        #expect(flash.questions[0].answers == ["A", "B"])
        #expect(flash.questions[1].answers == ["q"])

        let bamboogle = try DatasetReader.read(
            try folder.write("b.csv", "Question,Answer\r\n\"Who, the \"\"first\"\"?\",Ada\r\nWhere?,Bern\r\n"))
        #expect(bamboogle.questions.map(\.text) == [#"Who, the "first"?"#, "Where?"])
        #expect(bamboogle.questions[0].answers == ["Ada"])

        let twoWiki = try DatasetReader.read(
            try folder.write(
                "w.json",
                #"[{"_id":"w","question":"Q?","answer":"A","type":"bridge_comparison","supporting_facts":[["T",0]],"#
                    + #""context":[["T",["x"]]],"evidences":[["s","r","o"]],"evidences_id":[]}]"#))
        #expect(twoWiki.benchmark == .twoWikiMultihopQA)
        #expect(twoWiki.questions[0].hops == 4)
        #expect(twoWiki.questions[0].extra["evidences"]?[0]?[2]?.string == "o")
    }

    @Test func beirFolderAndTRECFiles() throws {
        _ = try folder.write("beir/corpus.jsonl", #"{"_id":"d1","title":"T","text":"x"}"# + "\n")
        _ = try folder.write(
            "beir/queries.jsonl", #"{"_id":"q1","text":"Q"}"# + "\n" + #"{"_id":"q2","text":"other split"}"#)
        let qrels = try folder.write("beir/qrels/test.tsv", "query-id\tcorpus-id\tscore\nq1\td1\t2\nq1\td2\t0\n")
        let set = try DatasetReader.read(folder.path + "/beir")
        #expect(set.questions.map(\.id) == ["q1"])
        #expect(set.questions[0].judgments == ["d1": 2, "d2": 0])
        #expect(set.questions[0].supporting == ["d1"])
        #expect(set.passages.map(\.id) == ["d1"])

        let judgments = try TRECFiles.qrels(qrels)
        let again = try TRECFiles.qrels(
            try folder.write("qrels.txt", TRECFiles.qrelsLines(judgments).joined(separator: "\n")))
        #expect(again == judgments)
        let run = ["q1": ["d1": 1.5, "d2": 1.5, "d3": 2.0]]
        let lines = TRECFiles.runLines(run, tag: "t")
        #expect(lines == ["q1 Q0 d3 1 2.0 t", "q1 Q0 d2 2 1.5 t", "q1 Q0 d1 3 1.5 t"])
        #expect(try TRECFiles.run(try folder.write("run.txt", lines.joined(separator: "\n"))) == run)
    }

    @Test(arguments: [
        ("{\"id\":\"a\",\"question\":\"Q\",\"answers\":[]}\n{\"id\":\"b\",\"question\":7,\"answers\":[]}\n", 2),
        ("{\"id\":\"a\",\"question\":\"Q\",\"answers\":[]}\n\n{\"id\":\"a\",\"question\":\"R\",\"answers\":[]}", 3),
        ("{\"id\":\"a\",\"question\":\"Q\",\"answers\":[]}\n{\"id\":\"b\",\"question\":", 2),
        ("{\"id\":\"a\",\"question\":\"  \",\"answers\":[]}", 1),
        (
            "[\n{\"_id\":\"a\",\"question\":\"Q\",\"answer\":\"x\",\"supporting_facts\":[],\"context\":[]},\n{\"_id\":\"b\"}]",
            3
        ),
        ("[\n{\"_id\":\"a\",\"question\":\"Q\"", 2), ("{\"nothing\":1}", 1), ("[1] 2", 1),
    ]) func errorsNameTheLine(text: String, line: Int) throws {
        let file = try folder.write("bad.json", text)
        // What can be read is read; the rest is set aside with its line.
        let error: DatasetError?
        do { error = try DatasetReader.read(file).refused.first } catch let thrown { error = thrown }
        #expect(error?.line == line, "\(String(describing: error))")
    }

    @Test func everyTruncationIsAnErrorOrASet() throws {
        let text =
            #"[{"_id":"é","question":"Q?","answer":"x","supporting_facts":[["T",0]],"context":[["T",["a","b"]]]}]"#
        let bytes = Array(text.utf8)
        for length in 0..<bytes.count {
            let file = folder.path + "/cut.json"
            try Data(bytes[..<length]).write(to: URL(fileURLWithPath: file))
            guard length == bytes.count - 1 else {
                #expect(throws: DatasetError.self) { try DatasetReader.read(file) }
                continue
            }
            // Only the end of the list is missing: the question is whole.
            let set = try DatasetReader.read(file)
            #expect(set.questions.count == 1 && set.refused.map(\.message) == ["the list is not closed"])
        }
    }

    @Test func whatCannotBeReadIsSetAsideAndNamed() throws {
        let lines =
            (0..<10).map { #"{"id":"q\#($0)","question":"Q\#($0)?","answers":["\#($0)"]}"# } + ["{\"id\":", "[]", ""]
            + [
                #"{"id":"q3","question":"twice?","answers":["x"]}"#,
                #"{"id":77,"question":"a number?","answers":[1.5]}"#,
            ]
        let set = try DatasetReader.read(try folder.write("some.jsonl", lines.joined(separator: "\n")))
        #expect(set.questions.map(\.id) == (0..<10).map { "q\($0)" } + ["77"])
        #expect(set.questions.last?.answers == ["1.5"])
        #expect(set.refused.map(\.line) == [11, 12, 14])
        #expect(set.refusals.count == 3 && set.refusals.allSatisfy { $0.hasPrefix("set aside: ") })
        let many = (0..<20).map { _ in "broken" } + [#"{"id":"a","question":"Q?","answers":[]}"#]
        let last = try DatasetReader.read(try folder.write("many.jsonl", many.joined(separator: "\n")))
        #expect(last.refusals.count == 6 && last.refusals.last == "set aside 15 more records of many")
    }

    @Test func ownFormatRoundTripsWithUnknownFields() throws {
        let line =
            #"{"id":"x","question":"Q?","answers":["A"],"supporting":["p"],"type":"bridge","hops":2,"answerable":false,"level":"hard"}"#
        let question = try EvalQuestion(json: JSONValue(parsing: line))
        #expect(question.extra["level"]?.string == "hard")
        #expect(!question.isAnswerable)
        #expect(question.json.serialized() == line)
    }

    @Test func samplesNestAndIgnoreOrder() throws {
        let questions = (0..<200).map { EvalQuestion(id: "q\($0)", text: "Question number \($0)?", answers: ["\($0)"]) }
        let set = QuestionSet(name: "s", benchmark: .hotpotQA, questions: questions)
        let shuffled = QuestionSet(name: "s", benchmark: .hotpotQA, questions: questions.reversed())
        let small = Set(set.sample(20, seed: 3).questions.map(\.id))
        #expect(small.count == 20)
        #expect(small.isSubset(of: set.sample(50, seed: 3).questions.map(\.id)))
        #expect(small == Set(shuffled.sample(20, seed: 3).questions.map(\.id)))
        #expect(small != Set(set.sample(20, seed: 4).questions.map(\.id)))
        let parts = set.split(second: 0.25, seed: 1)
        #expect(parts.first.questions.count + parts.second.questions.count == 200)
        #expect((25...75).contains(parts.second.questions.count))
        #expect(
            Set(shuffled.split(second: 0.25, seed: 1).second.questions.map(\.id))
                == Set(parts.second.questions.map(\.id)))
    }

    @Test func issuesNameTwinsAndMissingGold() {
        let set = QuestionSet(
            name: "s", benchmark: .hotpotQA,
            questions: [
                EvalQuestion(id: "a", text: "Who is it?", answers: ["x"], supporting: ["p1"]),
                EvalQuestion(id: "b", text: "who is IT", answers: ["x"], supporting: ["p9"]),
                EvalQuestion(id: "c", text: "Where?"),
            ])
        #expect(
            set.issues(passageIDs: ["p1"]).map(\.description) == [
                "b: has the same text as a", "b: the gold passage \"p9\" is not in the corpus",
                "c: has neither an answer nor a gold passage",
            ])
    }
}
