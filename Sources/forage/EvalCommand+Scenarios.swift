// SPDX-License-Identifier: Apache-2.0

import Agent
import ArgumentParser
import Base
import Evaluation
import Foundation
import LanguageModels
import Text
import Tools

struct EvalScenariosCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "scenarios",
        abstract: "Run scripted scenarios: no live model, no network. Exit 2 when one fails.")

    @Argument(help: "Scenario files or folders of them.") var paths: [String] = ["Examples/scenarios"]
    @Flag(help: "Write golden traces instead of comparing them.") var update = false
    @Option(help: "Writes JUnit XML here.") var junit: String?
    @Option(help: "Only scenarios whose name holds this text.") var filter: String?
    @Option(help: "Folders in which policies are looked up by name.") var policies: [String] = [
        "Policies"
    ]
    @Flag(help: "Print the trace of each case as JSON lines.") var trace = false

    func run() async throws {
        let files = try paths.flatMap(ScenarioFile.find)
        guard !files.isEmpty else {
            throw ValidationError("there is no scenario in \(paths.joined(separator: ", "))")
        }
        let runner = ScenarioRunner(policyDirectories: policies, updates: update)
        let filter = filter
        let results = try await Interruption.cancelling {
            var results: [ScenarioResult] = []
            for file in files {
                try Task.checkCancellation()
                let name = ((file as NSString).lastPathComponent as NSString).deletingPathExtension
                if let filter, !name.contains(filter) { continue }
                results += await runner.run(file: file)
            }
            return results
        }
        if trace {
            for result in results {
                for event in result.trace?.events ?? [] { print(event.serialized()) }
            }
        }
        note(ScenarioReport.text(results))
        if let junit { try writeFile(ScenarioReport.junit(results), to: junit) }
        if results.isEmpty || results.contains(where: { !$0.passed }) { throw gateFailure }
    }
}

/// Opens what evaluations work with.
enum EvalOpening {
    /// The records of one policy and model of a run.
    static func configuration(
        _ records: [RunRecord], policy: String?, model: String?, side: String
    ) throws -> [RunRecord] {
        let chosen = records.filter {
            (policy ?? $0.key.policy) == $0.key.policy && (model ?? $0.key.model) == $0.key.model
        }
        guard Set(chosen.map { [$0.key.policy, $0.key.model] }).count == 1 else {
            let names = Set(records.map { $0.key.policy + " with " + $0.key.model }).sorted().joined(separator: "; ")
            throw ValidationError("\(side) must be narrowed to one policy and model; it has \(names)")
        }
        return chosen
    }

    /// The record file of a run named by its folder or by the file.
    static func recordsPath(_ path: String) -> String {
        path.hasSuffix(".jsonl") ? path : path + "/records.jsonl"
    }

    static func write(_ report: Report, to folder: String) throws {
        try writeFile(report.json.serialized(indented: true) + "\n", to: folder + "/results.json")
        try writeFile(report.markdown, to: folder + "/report.md")
        try writeFile(report.html, to: folder + "/report.html")
    }
}
