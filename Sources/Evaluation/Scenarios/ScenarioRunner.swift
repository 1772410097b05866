// SPDX-License-Identifier: Apache-2.0

public import Agent
import Base
import Corpus
import Datasets
import Foundation
import LanguageModels
import Learning
import OrderedCollections
import Search
import Text
import Tools

/// What came of one case of a scenario.
public struct ScenarioResult: Sendable {
    /// `scenario` or `scenario/edit`.
    public var name: String
    public var file: String
    public var mismatches: [ScenarioMismatch]
    /// Whether a golden trace was written because of `--update`.
    public var updated: Bool
    public var seconds: Double
    /// Nil when the run failed.
    public var trace: ScenarioTrace?

    public var passed: Bool { mismatches.isEmpty }
}

/// Runs scenarios: no network, no live model, no clock.
public struct ScenarioRunner: Sendable {
    /// The components that policies can name.
    public var registry: StrategyRegistry
    /// Where policies are looked up by name.
    public var policyDirectories: [String]
    /// Whether golden traces are written instead of compared.
    public var updates: Bool
    /// The longest time of one case, in seconds. Default 60.
    public var deadline = 60.0

    public init(
        registry: StrategyRegistry = .standard, policyDirectories: [String] = ["Policies"], updates: Bool = false
    ) {
        self.registry = registry
        self.policyDirectories = policyDirectories
        self.updates = updates
    }

    /// Runs every case of a scenario. A file that cannot be read is one failed result.
    public func run(file path: String) async -> [ScenarioResult] {
        let scenario: ScenarioFile
        do { scenario = try ScenarioFile(file: path) } catch {
            let name = ((path as NSString).lastPathComponent as NSString).deletingPathExtension
            return [
                ScenarioResult(
                    name: name, file: path,
                    mismatches: [ScenarioMismatch(place: "file", expected: "a scenario", found: "\(error)")],
                    updated: false, seconds: 0, trace: nil)
            ]
        }
        var results: [ScenarioResult] = []
        for one in scenario.cases {
            let clock = ContinuousClock()
            let start = clock.now
            var result = await run(one, of: scenario, base: results.first?.trace)
            result.seconds = seconds(clock.now - start)
            results.append(result)
        }
        return results
    }

    private func run(_ one: ScenarioFile.Case, of scenario: ScenarioFile, base: ScenarioTrace?) async -> ScenarioResult
    {
        var result = ScenarioResult(
            name: one.name, file: scenario.path, mismatches: [], updated: false, seconds: 0, trace: nil)
        func fail(_ place: String, _ expected: String, _ found: String) {
            result.mismatches.append(ScenarioMismatch(place: place, expected: expected, found: found))
        }
        let trace: ScenarioTrace
        do {
            guard let done = try await firstOf(seconds: deadline, { try await session(one, of: scenario) }) else {
                fail("run", "an end within \(deadline) s", "it went on")
                return result
            }
            trace = done
        } catch {
            if let wanted = one.expectation.error {
                if !"\(error)".lowercased().contains(wanted.lowercased()) { fail("error", wanted, "\(error)") }
            } else {
                fail("run", "an answer", "error: \(error)")
            }
            return result
        }
        result.trace = trace
        if let wanted = one.expectation.error { fail("error", wanted, "the run ended: \(trace.stop)") }
        result.mismatches += one.expectation.mismatches(trace)
        if let changes = one.changesAnswer, let base, changes != (trace.answer != base.answer) {
            fail("changes_answer", changes ? "another answer than \"\(base.answer)\"" : base.answer, trace.answer)
        }
        guard base == nil else { return result }
        for count in scenario.crashAfter {
            do {
                let resumed = try await session(one, of: scenario, crashAfter: count)
                if let difference = Self.difference(trace.events, resumed.events) {
                    fail("crash_after \(count)", difference.expected, difference.found)
                }
            } catch { fail("crash_after \(count)", "the same trace", "error: \(error)") }
        }
        if scenario.hasGolden { compareGolden(trace, scenario, &result) }
        return result
    }

    private func compareGolden(_ trace: ScenarioTrace, _ scenario: ScenarioFile, _ result: inout ScenarioResult) {
        let text = trace.events.map { $0.serialized() + "\n" }.joined()
        let path = scenario.goldenPath
        let recorded = FileManager.default.contents(atPath: path).map { String(decoding: $0, as: UTF8.self) }
        if recorded == text { return }
        if updates {
            do {
                try FileManager.default.createDirectory(
                    atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
                try Data(text.utf8).write(to: URL(fileURLWithPath: path), options: .atomic)
                result.updated = true
            } catch {
                result.mismatches.append(
                    ScenarioMismatch(
                        place: "golden", expected: "a file at \(path)", found: "\(error.localizedDescription)"))
            }
            return
        }
        guard let recorded else {
            result.mismatches.append(
                ScenarioMismatch(place: "golden", expected: "a trace at \(path)", found: "none; make it with --update"))
            return
        }
        let lines = recorded.textLines(omittingEmpty: true).map {
            (try? JSONValue(parsing: String($0))) ?? .string(String($0))
        }
        if let difference = Self.difference(lines, trace.events) {
            result.mismatches.append(
                ScenarioMismatch(
                    place: "golden " + difference.place, expected: difference.expected, found: difference.found))
        }
    }

    /// The first event in which two traces differ, and the member in which these differ.
    static func difference(_ expected: [JSONValue], _ found: [JSONValue]) -> ScenarioMismatch? {
        for index in 0..<max(expected.count, found.count) {
            guard index < expected.count, index < found.count else {
                let more = index < expected.count
                return ScenarioMismatch(
                    place: "event \(index)",
                    expected: more ? Expectation.short(expected[index].serialized()) : "the end",
                    found: more ? "the end" : Expectation.short(found[index].serialized()))
            }
            if expected[index] == found[index] { continue }
            var place = "event \(index) (\(expected[index]["event"]?.string ?? "?"))"
            var (left, right) = (expected[index], found[index])
            // Down to the smallest part that differs, so that a reader need not compare long lines by eye.
            descend: while true {
                if let a = left.object, let b = right.object {
                    for key in OrderedSet(Array(a.keys) + Array(b.keys)) where a[key] != b[key] {
                        place += "." + key
                        (left, right) = (a[key] ?? "(missing)", b[key] ?? "(missing)")
                        continue descend
                    }
                } else if let a = left.array, let b = right.array, a.count == b.count,
                    let at = a.indices.first(where: { a[$0] != b[$0] })
                {
                    place += "[\(at)]"
                    (left, right) = (a[at], b[at])
                    continue descend
                }
                break
            }
            return ScenarioMismatch(
                place: place, expected: Expectation.short(left.serialized()),
                found: Expectation.short(right.serialized()))
        }
        return nil
    }

    /// Runs one session; cut off after so many events and resumed with everything made anew, when asked to.
    private func session(
        _ one: ScenarioFile.Case, of scenario: ScenarioFile, crashAfter: Int? = nil
    ) async throws -> ScenarioTrace {
        var documents: [Document] = []
        for var passage in scenario.passages {
            if let text = one.corpusEdit[passage.id] {
                if text.isEmpty { continue }
                passage.text = text
            }
            documents.append(passage.document)
        }
        let corpus = try InMemoryCorpus(name: scenario.name, documents: documents)
        let file = try scenario.policyFile(in: policyDirectories)
        let strategy = try file.strategy(registry.learning())
        func environment() throws -> (AgentEnvironment, ObservedModel?) {
            var tools = try ToolRegistry.builtIn()
            if let names = scenario.tools ?? file.tools { tools = try tools.selecting(names) }
            if !scenario.toolFailures.isEmpty {
                tools = try ToolRegistry(
                    tools.tools.map { tool in
                        scenario.toolFailures[tool.name].map { FailingTool(tool, kinds: $0) } ?? tool
                    })
            }
            let model = try one.model.map { try ObservedModel(scenario.languageModel($0)) }
            var environment = AgentEnvironment(
                corpus: corpus, tools: tools, model: model, clock: TickingClock(tick: 0.001))
            if scenario.hasVectors {
                environment.embed = { texts in texts.map { InMemoryCorpus.normalized(corpus.embed($0)) } }
            }
            return (environment, model)
        }
        var budget: Budget?
        if let edits = scenario.budget, case .object(let members) = edits {
            var merged = strategy.budget.json.object ?? [:]
            for (key, value) in members { merged[key] = value }
            budget = try Budget(json: .object(merged))
        }
        let store = InMemoryEventStore()
        let (first, model) = try environment()
        let question = Question(one.question, id: one.name)
        var session = AgentSession(
            question, strategy: strategy, environment: first,
            store: crashAfter.map { CrashingStore(store, after: $0) } ?? store, seed: scenario.seed, budget: budget)
        if crashAfter != nil {
            do {
                _ = try await session.run()
            } catch SessionError.store {
                if try await store.events(of: session.id).isEmpty {
                    session = AgentSession(
                        question, strategy: strategy, environment: try environment().0, store: store,
                        seed: scenario.seed, budget: budget)
                } else {
                    session = try await AgentSession.resume(
                        session.id, strategy: strategy, environment: try environment().0, store: store)
                }
                _ = try await session.run()
            }
        } else {
            _ = try await session.run()
        }
        return ScenarioTrace(
            events: try await store.events(of: session.id).map(\.json), prompts: model?.prompts ?? [])
    }
}

extension ScenarioFile {
    /// The policy: by name, by path from the scenario's folder, or written out.
    func policyFile(in directories: [String]) throws -> PolicyFile {
        guard let name = policy.string else {
            // JSON is YAML.
            return try PolicyFile(yaml: policy.serialized(), source: path)
        }
        if name.hasSuffix(".yaml") || name.hasSuffix(".yml") {
            return try PolicyFile.find(name.hasPrefix("/") ? name : directory + "/" + name)
        }
        return try PolicyFile.find(name, in: directories)
    }

    /// The model: a script, or a recording beside the scenario.
    func languageModel(_ content: JSONValue) throws -> any LanguageModel {
        if let file = content["recorded"]?.string {
            return try RecordedModel(file: file.hasPrefix("/") ? file : directory + "/" + file)
        }
        if let file = content.string {
            return try ScriptedModel(file: file.hasPrefix("/") ? file : directory + "/" + file)
        }
        return try ScriptedModel(script: content, source: path)
    }
}
