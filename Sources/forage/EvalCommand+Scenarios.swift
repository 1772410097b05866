// SPDX-License-Identifier: Apache-2.0

import AgentRuntime
import ArgumentParser
import Evaluation
import Foundation
import LanguageModels
import RetrievalTools
import Synchronization
import TextProcessing

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
        let results = try await cancellable {
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
        say(ScenarioReport.text(results))
        if let junit { try writeFile(ScenarioReport.junit(results), to: junit) }
        if results.isEmpty || results.contains(where: { !$0.passed }) { throw gateFailure }
    }
}

/// Opens what evaluations work with.
enum EvalOpening {
    /// A corpus: a folder, or passages as JSON lines with their metadata.
    static func corpus(_ path: String) async throws -> any RetrievalCorpus {
        var isFolder: ObjCBool = false
        if FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), !isFolder.boolValue {
            return try EvalCorpus.inMemory(
                CorpusFiles.read(path), name: (path as NSString).lastPathComponent)
        }
        return try await CorpusOpening.open(path)
    }

    static func tools(_ directory: String?) async throws -> ToolRegistry {
        if let directory { return try await ToolRegistry.load(directory: directory) }
        return try ToolRegistry.builtIn()
    }

    /// Nil for no model.
    static func model(_ model: EvalSuite.Model) throws -> (any LanguageModel)? {
        switch model.source {
        case .none: return nil
        case .scripted(let file): return try ScriptedModel(file: file)
        case .recorded(let file): return try RecordedModel(file: file)
        case .remote(let url, let id, let variable):
            let key = variable.flatMap { ProcessInfo.processInfo.environment[$0] }
            if let variable, key == nil {
                throw ValidationError("model \(model.name): the environment has no \(variable)")
            }
            return try OpenAICompatibleModel(
                OpenAICompatibleModel.Configuration(baseURL: url, model: id, apiKey: key))
        case .local(let name): return try ModelOpening.open(name)
        }
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

/// Shows where a run stands: redrawn on a terminal, silent in a pipe.
final class LiveTable: Sendable {
    private struct State {
        var right = 0
        var scored = 0
        var statuses: [RunStatus: Int] = [:]
        var lastDrawn = -1.0
    }

    private let state = Mutex(State())
    private let isTerminal = isatty(STDERR_FILENO) == 1

    func update(_ progress: RunProgress) {
        guard isTerminal else { return }
        let line = state.withLock { state -> String? in
            if let record = progress.latest {
                state.statuses[record.outcome.status, default: 0] += 1
                if record.isScored {
                    state.scored += 1
                    if record.isRight { state.right += 1 }
                }
            }
            guard progress.seconds - state.lastDrawn > 0.1 || progress.done == progress.total else {
                return nil
            }
            state.lastDrawn = progress.seconds
            let fresh = progress.done - progress.resumed
            let rate = progress.seconds > 0 ? Double(fresh) / progress.seconds : 0
            let left = rate > 0 ? Int(Double(progress.total - progress.done) / rate) : 0
            let share = state.scored > 0 ? 100 * state.right / state.scored : 0
            return
                "\(progress.done)/\(progress.total)  running \(progress.running)  right \(state.right)/\(state.scored) (\(share)%)"
                + "  limit \(state.statuses[.limit] ?? 0)  error \(state.statuses[.error] ?? 0)"
                + "  incomplete \(state.statuses[.incomplete] ?? 0)  \(left) s left"
        }
        if let line { FileHandle.standardError.write(Data(("\r\u{1B}[K" + line).utf8)) }
    }

    func finish() { if isTerminal { say("") } }
}
