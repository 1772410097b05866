// SPDX-License-Identifier: Apache-2.0

import Base
import Evaluation
import Foundation
import OrderedCollections
import QualityMetrics
import Testing
import Text

/// The command itself, as a process: killed, resumed, refused, and used as a gate.
@Suite(.serialized) struct EvalCommandTests {
    private static let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().path
    private let folder: TemporaryFolder
    private let program: String

    /// A process that ended.
    private struct Ended {
        var status: Int32
        var output: String
        var errors: String
    }

    init() throws {
        folder = try TemporaryFolder()
        // The tests and the program lie in one folder, whatever the build path is.
        let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        var place = URL(fileURLWithPath: own).deletingLastPathComponent()
        while place.path != "/", !FileManager.default.isExecutableFile(atPath: place.path + "/forage") {
            place.deleteLastPathComponent()
        }
        program = place.path + "/forage"
        try #require(FileManager.default.isExecutableFile(atPath: program), "the program was not built")
    }

    private func start(_ arguments: [String], output: Any? = nil, errors: Any? = nil) throws -> Process {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = ["eval"] + arguments
        process.currentDirectoryURL = URL(fileURLWithPath: Self.repository)
        process.standardOutput = output ?? FileHandle.nullDevice
        process.standardError = errors ?? FileHandle.nullDevice
        process.standardInput = FileHandle.nullDevice
        // Without the models that this user may have: opening them would take most of the time.
        var environment = ProcessInfo.processInfo.environment
        environment["FORAGE_MODELS"] = folder.path + "/no-models"
        process.environment = environment
        try process.run()
        return process
    }

    private func run(_ arguments: String...) throws -> Ended {
        let name = UUID().uuidString
        func file(_ suffix: String) throws -> FileHandle {
            let path = folder.path + "/" + name + suffix
            try Data().write(to: URL(fileURLWithPath: path))
            return try #require(FileHandle(forWritingAtPath: path))
        }
        let process = try start(arguments, output: try file(".out"), errors: try file(".err"))
        process.waitUntilExit()
        func text(_ suffix: String) throws -> String {
            try String(contentsOfFile: folder.path + "/" + name + suffix, encoding: .utf8)
        }
        return Ended(status: process.terminationStatus, output: try text(".out"), errors: try text(".err"))
    }

    /// A corpus in which document `n` says how tall tower `n` is, and a question about each.
    private func suite(
        policy: String, questions: Int = 60, name: String = "suite", corpusNote: String = "", extra: String = ""
    ) throws -> String {
        var corpus = ""
        var asked = ""
        for number in 0..<questions {
            let place = ["Aldmoor", "Brenwick", "Corfell", "Dunmere", "Eastholm"][number % 5]
            corpus +=
                #"{"id":"tower-\#(number)","title":"Tower \#(number)","text":"Tower \#(number) stands in \#(place). \#(corpusNote)It is \#(100 + number) metres tall."}"#
                + "\n"
            asked +=
                #"{"id":"q\#(number)","question":"Where does Tower \#(number) stand?","answers":["\#(place)"],"supporting":["tower-\#(number)"],"type":"\#(number % 2 == 0 ? "even" : "odd")","hops":1}"#
                + "\n"
        }
        _ = try folder.write("\(name)-corpus.jsonl", corpus)
        _ = try folder.write("\(name)-questions.jsonl", asked)
        _ = try folder.write("\(name)-policy.yaml", policy)
        return try folder.write(
            "\(name).yaml",
            """
            suite: \(name)
            corpus: \(name)-corpus.jsonl
            questions: [{file: \(name)-questions.jsonl, name: hotpotqa-towers}]
            policies: [\(name)-policy.yaml]
            concurrency: 2
            gate: [retrieved_recall]
            \(extra)
            """)
    }

    private static func policy(_ name: String, limit: Int, extra: String = "") -> String {
        """
        name: \(name)
        model: none
        proposers: [{question: {tools: [keyword_search], limit: \(limit)}}]
        policy: ordered
        keep: {fusion: {limit: \(limit)}}
        answer: extractive
        \(extra)
        """
    }

    private func comparable(_ path: String) throws -> [RunRecord] {
        try RunFile.read(path).records.map { record in
            var record = record
            record.outcome.seconds = 0
            return record
        }
    }

    @Test func aKilledRunGoesOnToTheSameResults() throws {
        let suite = try suite(policy: Self.policy("top", limit: 3), questions: 300, extra: "seeds: [1, 2]")
        let whole = folder.path + "/whole"
        #expect(try run("run", suite, "--output", whole).status == 0)
        let expected = try comparable(whole + "/records.jsonl")
        #expect(expected.count == 600)
        let cut = folder.path + "/cut"
        let path = cut + "/records.jsonl"
        var kept = 0
        for wanted in [1, 120, 300] {
            let process = try start(["run", suite, "--output", cut] + (wanted > 1 ? ["--resume"] : []))
            while process.isRunning,
                (try? Data(contentsOf: URL(fileURLWithPath: path)))?.count(where: { $0 == 0x0A }) ?? 0 <= wanted
            {
                usleep(1000)
            }
            #expect(process.isRunning, "it was over before it could be killed")
            kill(process.processIdentifier, SIGKILL)
            process.waitUntilExit()
            kept = try RunFile.read(path).records.count
            #expect(kept >= wanted && kept < 600)
        }
        // And a torn last line, as a loss of power leaves it.
        let handle = try #require(FileHandle(forWritingAtPath: path))
        try handle.seekToEnd()
        try handle.write(contentsOf: Data(#"{"key":{"set":"hotpotqa-towers","question":"q59","pol"#.utf8))
        try handle.close()
        let resumed = try run("run", suite, "--output", cut, "--resume")
        #expect(resumed.status == 0)
        #expect(resumed.errors.contains("\(kept) from before"))
        #expect(try comparable(path) == expected)
        let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
        #expect(lines.count == 601, "a header and 600 records, none twice")
    }

    @Test func resumingWithAnotherCorpusPolicyQuestionOrModelIsRefused() throws {
        let output = folder.path + "/run"
        let suite = try suite(policy: Self.policy("top", limit: 3), questions: 6)
        #expect(try run("run", suite, "--output", output).status == 0)
        #expect(try run("run", suite, "--output", output, "--resume").status == 0)
        let again = try run("run", suite, "--output", output)
        #expect(again.status == 1 && again.errors.contains("--resume"))
        func refusal(_ part: String) throws {
            let ended = try run("run", suite, "--output", output, "--resume")
            #expect(ended.status == 1)
            #expect(ended.errors.contains("was made with another") && ended.errors.contains(part), "\(ended.errors)")
            _ = try self.suite(policy: Self.policy("top", limit: 3), questions: 6)
            #expect(try run("run", suite, "--output", output, "--resume").status == 0)
        }
        _ = try self.suite(policy: Self.policy("top", limit: 3), questions: 6, corpusNote: "It is old. ")
        try refusal("corpus")
        _ = try self.suite(policy: Self.policy("top", limit: 2), questions: 6)
        try refusal("policy")
        _ = try self.suite(policy: Self.policy("top", limit: 3), questions: 6, extra: "deadline: 7")
        try refusal("deadline")
        _ = try self.suite(policy: Self.policy("top", limit: 3), questions: 6, extra: "cutoffs: [1]")
        try refusal("scoring")
        let questions = folder.path + "/suite-questions.jsonl"
        let text = try String(contentsOfFile: questions, encoding: .utf8)
        try text.replacing("Aldmoor", with: "Elsewhere").write(toFile: questions, atomically: true, encoding: .utf8)
        try refusal("questions")

        // A scripted model's script is what it is.
        _ = try folder.write("model.yaml", "{select: call, repeat_last: true, turns: [{content: 'Answer: Aldmoor'}]}")
        let withModel = "models: [{name: m, scripted: model.yaml}]"
        let models = folder.path + "/models"
        let modelSuite = try self.suite(
            policy: Self.policy("top", limit: 3), questions: 6, name: "models", extra: withModel)
        #expect(try run("run", modelSuite, "--output", models).status == 0)
        _ = try folder.write("model.yaml", "{select: call, repeat_last: true, turns: [{content: 'Answer: Corfell'}]}")
        let other = try run("run", modelSuite, "--output", models, "--resume")
        #expect(other.status == 1 && other.errors.contains("model m"), "\(other.errors)")

        // A header that another build wrote.
        let path = output + "/records.jsonl"
        let code = try #require(try RunFile.read(path).fingerprint.parts["code"])
        let file = try String(contentsOfFile: path, encoding: .utf8)
        try file.replacing(code, with: "0123456789abcdef", maxReplacements: 1)
            .write(toFile: path, atomically: true, encoding: .utf8)
        let rebuilt = try run("run", suite, "--output", output, "--resume")
        #expect(rebuilt.status == 1 && rebuilt.errors.contains("code"), "\(rebuilt.errors)")
    }

    @Test func aPlantedRegressionClosesTheGateOfRealRuns() throws {
        let good = try suite(policy: Self.policy("good", limit: 5), name: "good")
        // The regression: nothing is searched for any more.
        let bad = try suite(policy: Self.policy("bad", limit: 1, extra: "budget: {tool_calls: 0}"), name: "bad")
        let a = folder.path + "/a"
        let b = folder.path + "/b"
        let c = folder.path + "/c"
        #expect(try run("run", good, "--output", a).status == 0)
        #expect(try run("run", bad, "--output", b).status == 0)
        #expect(try run("run", good, "--output", c).status == 0)
        let worse = try run("compare", a, b)
        #expect(
            worse.status == 2 && worse.output.contains("B is significantly worse"), "\(worse.output)\(worse.errors)")
        let same = try run("compare", a, c)
        #expect(same.status == 0 && same.output.contains("B is not significantly worse"))
        #expect(try run("compare", b, a).status == 0, "better is not worse")
        // What less is better of: the better run makes more calls.
        #expect(try run("compare", b, a, "--gate", "tool_calls").status == 2)
        #expect(try run("compare", a, b, "--gate", "tool_calls").status == 0)
        let unknown = try run("compare", a, b, "--gate", "no_such")
        #expect(unknown.status == 64 && unknown.errors.contains("retrieved_recall"))
    }

    @Test func rescoringKeepsTheRunsOwnBenchmarkAndRunsNothing() throws {
        let suite = try suite(policy: Self.policy("top", limit: 3), questions: 10)
        let text = try String(contentsOfFile: suite, encoding: .utf8)
        try text.replacing("name: hotpotqa-towers", with: "name: towers, benchmark: multiHopRAG")
            .write(toFile: suite, atomically: true, encoding: .utf8)
        let output = folder.path + "/run"
        #expect(try run("run", suite, "--output", output).status == 0)
        let before = try RunFile.read(output + "/records.jsonl")
        // Nothing that the run needed is there any more.
        for name in ["suite-corpus.jsonl", "suite-questions.jsonl", "suite-policy.yaml"] {
            try FileManager.default.removeItem(atPath: folder.path + "/" + name)
        }
        #expect(try run("rescore", output).status == 0)
        #expect(try RunFile.read(output + "/records.jsonl").records == before.records)
        #expect(try run("rescore", output, "--benchmark", "hotpotQA", "--cutoffs", "1").status == 0)
        let after = try RunFile.read(output + "/records.jsonl")
        #expect(after.records.map(\.outcome) == before.records.map(\.outcome))
        #expect(after.records.allSatisfy { $0.scores["recall@1"] != nil && $0.scores["recall@5"] == nil })
        #expect(after.scoring?.benchmarks["towers"] == .hotpotQA)
    }

    @Test func whereThereIsNoTerminalTheRunWritesPlainLines() throws {
        let suite = try suite(policy: Self.policy("top", limit: 3), questions: 40)
        let ended = try run("run", suite, "--output", folder.path + "/run", "--json")
        #expect(!ended.errors.contains("\u{1B}") && !ended.errors.contains("\r"))
        let progress = ended.errors.split(separator: "\n").filter { $0.contains("/40 done") }
        #expect((2...11).contains(progress.count), "\(progress)")
        #expect(try JSONValue(parsing: ended.output)["configurations"]?.array?.count == 1)
    }
}
