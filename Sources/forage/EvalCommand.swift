// SPDX-License-Identifier: Apache-2.0

import Agent
import ArgumentParser
import Assembly
import Base
import Corpus
import Datasets
import Evaluation
import Foundation
import LanguageModels
import OrderedCollections
import QualityMetrics
import Text
import Tools

/// `forage eval`: measures agents and searches, compares runs, runs scripted scenarios.
struct EvalCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "eval",
        abstract: "Measure agents and searches, compare runs, run scripted scenarios.",
        discussion:
            "Exit codes: 0 done, 1 failure, 2 a gate or a scenario failed, 64 usage, 130 cancelled.",
        subcommands: [
            EvalRunCommand.self, EvalCompareCommand.self, EvalGateCommand.self, EvalReportCommand.self,
            EvalRescoreCommand.self, EvalScoreCommand.self,
            EvalRetrievalCommand.self, EvalScenariosCommand.self, EvalGenerateCommand.self,
            EvalDataCommand.self,
        ])
}

/// The exit code of a gate that is closed: not a crash, and not a usage error.
let gateFailure = ExitCode(2)

/// Writes a file whole or not at all.
func writeFile(_ text: String, to path: String) throws {
    try FileManager.default.createDirectory(
        atPath: (path as NSString).deletingLastPathComponent.isEmpty
            ? "." : (path as NSString).deletingLastPathComponent,
        withIntermediateDirectories: true)
    try Data(text.utf8).write(to: URL(fileURLWithPath: path), options: .atomic)
}

struct EvalRunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Run a suite: questions × policies × models × seeds.",
        discussion: """
            Results are appended to OUTPUT/records.jsonl as they come. A run that was cut off goes on with --resume; it is \
            refused when the corpus, a policy, a model, the questions or the program differ.
            """)

    @Argument(help: "The suite file (YAML).") var suite: String
    @Option(help: "The folder of the run; default: the suite's.") var output: String?
    @Flag(help: "Go on with a run that was cut off.") var resume = false
    @Option(name: [.customShort("k"), .long], help: "At most so many questions of each set.") var limit: Int?
    @Option(help: "How many questions run at the same time; default: the suite's.") var concurrency: Int?
    @Option(help: "The folder of tool manifests; default: the built-in tools.") var tools: String?
    @Flag(help: "Keep the events of every session in OUTPUT/traces.") var traces = false
    @Flag(name: [.short, .long], help: "Print the records' summary as JSON on standard output.") var json = false
    @Flag(help: "Say what would run, and do not run it.") var dryRun = false

    func run() async throws {
        let suite = try EvalSuite(file: suite)
        var sets = try suite.questionSets()
        for line in sets.flatMap(\.refusals) { note(line) }
        if let limit { sets = sets.map { $0.sample(limit, seed: 1) } }
        let plan = RunPlan(
            sets: sets, policies: suite.policies, models: suite.models.map(\.name), seeds: suite.seeds,
            concurrency: concurrency ?? suite.concurrency, deadline: suite.deadline,
            cutoffs: suite.cutoffs)
        let total =
            sets.reduce(0) { $0 + $1.questions.count } * plan.policies.count * plan.models.count
            * plan.seeds.count
        if dryRun {
            note(
                "\(total) runs: \(sets.map { "\($0.name) \($0.questions.count)" }.joined(separator: ", ")) questions × "
                    + "\(plan.policies.count) policies × \(plan.models.count) models × \(plan.seeds.count) seeds"
            )
            return
        }
        let folder = output ?? suite.output
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let corpus = try await CorpusOpening.open(suite.corpus, memoryLimit: .max)
        let registry = try await ToolOpening.open(tools) { note($0) }
        var models: [String: any LanguageModel] = [:]
        for model in suite.models { models[model.name] = try ModelOpening.open(model) }
        let tracesFolder = traces ? folder + "/traces" : nil
        var writeTrace: (@Sendable (RunKey, [SessionEvent]) throws -> Void)?
        if let tracesFolder {
            writeTrace = { key, events in
                let lines = events.map { $0.timedJSON.serialized() + "\n" }.joined()
                try writeFile(lines, to: "\(tracesFolder)/\(key.traceName)")
            }
        }
        let runner = try AgentQuestionRunner(
            corpus: corpus, tools: registry,
            policies: try suite.policies.map { (name: $0, file: try PolicyFile.find($0)) },
            registry: try StrategyParts.registry(models: Array(models.values)), models: models,
            embed: corpus.embedding,
            traces: writeTrace)
        let run = EvaluationRun(
            plan: plan, runner: runner,
            judge: try suite.judge.flatMap { try ModelOpening.open($0) }.map { Judge(model: $0) })
        let table = LiveTable()
        let resume = resume
        let records: [RunRecord]
        do {
            records = try await Interruption.cancelling(announce: { table.say($0) }) {
                try await run.execute(
                    file: folder + "/records.jsonl", name: suite.name, suite: suite.content, resume: resume,
                    onProgress: { table.update($0) })
            }
        } catch let code as ExitCode where code == Interruption.exitCode {
            note("the run was cut off; go on with: forage eval run \(self.suite) --output \(folder) --resume")
            throw code
        }
        let report = Report(
            name: suite.name, fingerprint: try await run.fingerprint(), records: records)
        try EvalOpening.write(report, to: folder)
        note(report.markdown)
        note("written: \(folder)/records.jsonl, results.json, report.md, report.html")
        if json { print(report.json.serialized()) }
        if records.contains(where: { $0.outcome.status == .error }) {
            note("some questions ended in an error; --resume runs them again")
        }
    }
}

struct EvalCompareCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "compare",
        abstract: "Compare two runs on their shared questions; exit 2 when B is significantly worse.")

    @Argument(help: "The run that is the standard: its folder or records.jsonl.") var a: String
    @Argument(help: "The run that is checked.") var b: String
    @Option(
        help:
            "The measures that decide; several are corrected for their number. Default: the suite's gate, else f1."
    )
    var gate: [String] = []
    @Option(help: "How often noise alone may close the gate.") var alpha = 0.05
    @Option(help: "The policy of A, where it has several.") var policyA: String?
    @Option(help: "The policy of B, where it has several.") var policyB: String?
    @Option(help: "The model of A, where it has several.") var modelA: String?
    @Option(help: "The model of B, where it has several.") var modelB: String?
    @Option(help: "Seeds the resampling.") var seed: UInt64 = 1
    @Flag(name: [.short, .long], help: "Print the comparison as JSON.") var json = false

    func validate() throws {
        guard alpha > 0, alpha < 1 else {
            throw ValidationError("--alpha must be between 0 and 1, found \(alpha)")
        }
    }

    func run() throws {
        let first = try RunFile.read(EvalOpening.recordsPath(a))
        let second = try RunFile.read(EvalOpening.recordsPath(b))
        let recordsA = try EvalOpening.configuration(first.records, policy: policyA, model: modelA, side: "run A")
        let recordsB = try EvalOpening.configuration(second.records, policy: policyB, model: modelB, side: "run B")
        let gated = gate.isEmpty ? first.suite["gate"]?.array?.compactMap(\.string) ?? ["f1"] : gate
        let comparison = RunComparison(a: recordsA, b: recordsB, gated: gated, alpha: alpha, seed: seed)
        guard comparison.shared > 0 else { throw ValidationError("the two runs share no question") }
        guard comparison.incomplete < comparison.shared else {
            throw ValidationError("all \(comparison.shared) shared questions are incomplete: nothing can be compared")
        }
        for name in gated where !comparison.measures.contains(where: { $0.name == name }) {
            let names = comparison.measures.map(\.name).joined(separator: ", ")
            throw ValidationError("the runs have no measure \"\(name)\"; they have \(names)")
        }
        if comparison.onlyA > 0 { note("\(comparison.onlyA) questions of A are not in B and were not compared") }
        if comparison.incomplete > 0 {
            note(
                "\(comparison.incomplete) shared questions are incomplete and were not compared; --resume runs them again"
            )
        }
        if json {
            print(comparison.json.serialized())
        } else {
            print(comparison.markdown, terminator: "")
        }
        if comparison.isWorse { throw gateFailure }
    }

}

/// How often noise closes the gate, measured on a run of several seeds.
struct EvalGateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "gate",
        abstract: "Measure a gate on a run of several seeds: false alarms of noise, and the losses that it catches.",
        discussion: """
            Each null comparison sets two seeds of one configuration against each other on drawn questions, as `compare` \
            would; nothing but noise tells them apart. For the power, answers of the second side are spoiled.
            """)

    @Argument(help: "The run: its folder or records.jsonl.") var folder: String
    @Option(help: "The measures that decide. Default: the suite's gate, else f1.") var gate: [String] = []
    @Option(help: "How often noise alone may close the gate.") var alpha = 0.05
    @Option(help: "How many null comparisons, and how many of each loss.") var comparisons = 200
    @Option(help: "How many questions each comparison draws; default: all.") var questions: Int?
    @Option(parsing: .upToNextOption, help: "Shares of answers to spoil.") var loss: [Double] = [0.05, 0.1, 0.2]
    @Option(help: "The policy, where the run has several.") var policy: String?
    @Option(help: "The model, where the run has several.") var model: String?
    @Option(help: "Seeds the drawing.") var seed: UInt64 = 1
    @Flag(name: [.short, .long], help: "Print the result as JSON.") var json = false

    func validate() throws {
        guard alpha > 0, alpha < 1 else { throw ValidationError("--alpha must be between 0 and 1, found \(alpha)") }
        guard comparisons > 0 else { throw ValidationError("--comparisons must be positive, found \(comparisons)") }
        for one in loss where !(0...1).contains(one) {
            throw ValidationError("--loss must be a share of 0 to 1, found \(one)")
        }
    }

    func run() throws {
        let contents = try RunFile.read(EvalOpening.recordsPath(folder))
        let records = try EvalOpening.configuration(contents.records, policy: policy, model: model, side: "the run")
        let gated = gate.isEmpty ? contents.suite["gate"]?.array?.compactMap(\.string) ?? ["f1"] : gate
        let check = try GateCheck(
            records, gated: gated, alpha: alpha, comparisons: comparisons, questions: questions, losses: loss,
            seed: seed)
        print(json ? check.json.serialized() + "\n" : check.markdown, terminator: "")
    }
}

struct EvalReportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "report", abstract: "Write a run's report, and export it for other tools.")

    @Argument(help: "The run: its folder or records.jsonl.") var folder: String
    @Option(
        help: "Also writes FlashRAG's intermediate_data.json and metric_score.txt into this folder.")
    var flashrag: String?
    @Option(name: [.short, .long], help: "The corpus file that gives the texts of passages for --flashrag.") var corpus:
        String?
    @Option(
        help:
            "Also writes a log for `inspect view`, one file a configuration, into this folder; with the tool calls where the run kept --traces."
    )
    var inspect: String?
    @Flag(name: [.short, .long], help: "Print the results as JSON.") var json = false

    func run() throws {
        let path = EvalOpening.recordsPath(folder)
        let contents = try RunFile.read(path)
        let report = Report(
            name: contents.name, fingerprint: contents.fingerprint, records: contents.records)
        let folder = (path as NSString).deletingLastPathComponent
        try EvalOpening.write(report, to: folder.isEmpty ? "." : folder)
        if let flashrag {
            var texts: [String: (title: String, text: String)] = [:]
            if let corpus {
                for passage in try CorpusFiles.read(corpus) {
                    texts[passage.id] = (passage.title, passage.text)
                }
            }
            for (index, summary) in report.summaries.enumerated() {
                let own = contents.records.filter { $0.configuration == summary.configuration }
                let base = report.summaries.count == 1 ? flashrag : "\(flashrag)/\(index + 1)"
                try writeFile(
                    RunExport.flashRAG(own, texts: { texts[$0] }).serialized(indented: true),
                    to: base + "/intermediate_data.json")
                try writeFile(RunExport.flashRAGScores(summary), to: base + "/metric_score.txt")
            }
        }
        if let inspect {
            let attributes = try FileManager.default.attributesOfItem(atPath: path)
            let date = attributes[.modificationDate] as? Date ?? Date(timeIntervalSince1970: 0)
            for (index, summary) in report.summaries.enumerated() {
                let created = date.ISO8601Format()
                let log = RunExport.inspect(
                    summary, records: contents.records, name: contents.name, created: created,
                    trace: { key in
                        let path = "\(folder.isEmpty ? "." : folder)/traces/\(key.traceName)"
                        guard let text = try? String(contentsOfFile: path, encoding: .utf8) else { return [] }
                        return text.textLines(omittingEmpty: true).compactMap { try? JSONValue(parsing: String($0)) }
                    })
                try writeFile(
                    log.serialized(indented: true),
                    to: inspect + "/" + RunExport.inspectFileName(contents.name, index + 1, created: created))
            }
        }
        if json { print(report.json.serialized()) } else { print(report.markdown, terminator: "") }
    }
}

struct EvalRescoreCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rescore",
        abstract: "Score a run again from its records, without running anything.")

    @Argument(help: "The run: its folder or records.jsonl.") var folder: String
    @Option(help: "The benchmark whose scoring is used; default: the run's.")
    var benchmark: String?
    @Option(parsing: .upToNextOption, help: "The cut-offs of recall; default: the run's.") var cutoffs: [Int] = []

    func run() throws {
        let path = EvalOpening.recordsPath(folder)
        var contents = try RunFile.read(path)
        var scoring = contents.scoring ?? RunScoring(benchmarks: [:])
        if let benchmark {
            guard let known = AnswerBenchmark(rawValue: benchmark) else {
                throw ValidationError(
                    "unknown benchmark \"\(benchmark)\"; expected one of "
                        + AnswerBenchmark.allCases.map(\.rawValue).joined(separator: ", "))
            }
            for set in Set(contents.records.map(\.key.set)) { scoring.benchmarks[set] = known }
        }
        if !cutoffs.isEmpty { scoring.cutoffs = cutoffs.filter { $0 > 0 }.sorted() }
        contents = try RunFile.rescore(path, scoring: scoring)
        let report = Report(
            name: contents.name, fingerprint: contents.fingerprint, records: contents.records)
        let folder = (path as NSString).deletingLastPathComponent
        try EvalOpening.write(report, to: folder.isEmpty ? "." : folder)
        print(report.markdown, terminator: "")
    }
}
