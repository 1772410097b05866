// SPDX-License-Identifier: Apache-2.0

import Agent
import ArgumentParser
import Base
import Corpus
import Foundation
import LanguageModels
import Search
import Text
import Tools

/// The loop's own cost: time a step without model and tool time, and the memory of many sessions at once.
struct AgentBenchmark: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "agent", abstract: "Loop overhead a step, and the memory of concurrent sessions.")

    @Option(help: "Steps of one long session.") var steps = 2000
    @Option(help: "Sessions at the same time.") var sessions = 1000

    func run() async throws {
        try await overhead()
        try await durable()
        try await concurrency()
    }

    private func world(steps: Int) throws -> (AgentEnvironment, Strategy) {
        let corpus = try InMemoryCorpus(documents: [Document(id: "a", text: "nothing")])
        let strategy = Strategy(
            name: "overhead", fingerprint: "overhead", proposers: [EndlessProposer()], policy: OrderedPolicy(),
            keeper: NothingKeeper(), answerer: ExtractiveAnswerer(), budget: Budget(steps: steps, toolCalls: nil))
        return (AgentEnvironment(corpus: corpus, tools: try ToolRegistry([NothingTool()])), strategy)
    }

    /// A long session with a tool that does nothing and a proposer that always has another call.
    private func overhead() async throws {
        let (environment, strategy) = try world(steps: steps)
        var times: [Double] = []
        var folds: [Double] = []
        for round in 0..<5 {
            let store = InMemoryEventStore()
            let session = AgentSession(
                Question("question \(round)"), strategy: strategy, environment: environment, store: store)
            let start = wallSeconds()
            _ = try await session.run()
            times.append((wallSeconds() - start) / Double(steps))
            let events = try await store.events(of: session.id)
            guard case .started(let header) = events.first?.kind else { return }
            var loop = AgentLoop(header: header)
            let folding = wallSeconds()
            for event in events { loop.receive(event) }
            folds.append((wallSeconds() - folding) / Double(steps))
        }
        times.sort()
        folds.sort()
        var measurement = Measurement("agent loop, 7 events and one call of a tool a step, in-memory store")
        measurement.set("steps", steps)
        measurement.set("us_per_step", times[times.count / 2] * 1e6)
        measurement.set("best_us_per_step", times[0] * 1e6)
        measurement.set("state_machine_us_per_step", folds[folds.count / 2] * 1e6)
        measurement.print()
    }

    /// The same steps, each event on disk before it is acted on.
    private func durable() async throws {
        let folder = NSTemporaryDirectory() + "forage-agent-\(getpid())"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let store = try SQLiteEventStore(path: folder + "/sessions.sqlite")
        let steps = min(steps, 100)
        let (environment, strategy) = try world(steps: steps)
        let session = AgentSession(Question("durable"), strategy: strategy, environment: environment, store: store)
        let start = wallSeconds()
        _ = try await session.run()
        var measurement = Measurement("agent loop, every event synchronised to disk")
        measurement.set("steps", steps)
        measurement.set("us_per_step", (wallSeconds() - start) / Double(steps) * 1e6)
        measurement.print()
    }

    /// Scripted model-driven sessions, all in flight before the first ends.
    private func concurrency() async throws {
        let documents = (0..<500).map { index in
            Document(
                id: "d\(index)", title: "Place \(index)",
                text:
                    "Place \(index) lies near place \(index + 1) and has \(index * 7 % 1000) inhabitants. It is known for its market."
            )
        }
        let corpus = try InMemoryCorpus(documents: documents)
        let strategy = try PolicyFile.find("react", in: []).strategy()
        let tools = try ToolRegistry.builtIn()
        let script = try YAMLReader.read(
            """
            turns:
              - tool_calls:
                  - {name: keyword_search, arguments: {query: "market inhabitants", limit: 10}}
                  - {name: semantic_search, arguments: {query: "a place with a market", limit: 10}}
              - tool_calls: [{name: read, arguments: {ids: [d3, d4]}}]
              - content: "Place 3 [d3].\\nAnswer: Place 3"
            """, name: "script")
        let model = try ScriptedModel(script: script, source: "script")
        let start = wallSeconds()
        let gate = Gate(count: sessions)
        let answers = try await withThrowingTaskGroup(of: Int.self) { group in
            for index in 0..<sessions {
                group.addTask {
                    let environment = AgentEnvironment(
                        corpus: corpus, tools: tools, model: GatedModel(base: model, gate: gate))
                    let session = AgentSession(
                        Question("Which place has the best known market? (\(index))"), strategy: strategy,
                        environment: environment, store: InMemoryEventStore(), seed: UInt64(index))
                    return try await session.run().citations.count
                }
            }
            var total = 0
            for try await count in group { total += count }
            return total
        }
        var measurement = Measurement("concurrent scripted sessions")
        measurement.set("sessions", sessions)
        measurement.set("seconds", wallSeconds() - start)
        measurement.set("citations", answers)
        measurement.setMemory()
        measurement.print()
    }
}

/// Holds every session at its last model call until all have come so far.
private actor Gate {
    private var left: Int
    private var waiting: [CheckedContinuation<Void, Never>] = []

    init(count: Int) { left = count }

    func wait() async {
        left -= 1
        if left <= 0 {
            for continuation in waiting { continuation.resume() }
            waiting = []
        } else {
            await withCheckedContinuation { waiting.append($0) }
        }
    }
}

/// A scripted model whose third turn waits for all sessions.
private struct GatedModel: LanguageModel {
    var base: ScriptedModel
    var gate: Gate
    var name: String { base.name }
    var fingerprint: String { base.fingerprint }
    var capabilities: ModelCapabilities { base.capabilities }

    func respond(
        to request: ModelRequest, onEvent: @Sendable (ModelStreamEvent) -> Void
    ) async throws -> ModelResponse {
        if request.messages.filter({ $0.role == .assistant }).count == 2 { await gate.wait() }
        return try await base.respond(to: request, onEvent: onEvent)
    }
}

private struct NothingTool: RetrievalTool {
    let specification = ToolSpecification(
        name: "nothing", description: "Does nothing.", parameters: ["type": "object"])

    func call(_ arguments: JSONValue, in context: ToolContext) async throws -> ToolOutput {
        ToolOutput(
            resultSet: ResultSet(
                handle: context.handle, tool: "nothing", description: "nothing", content: .documents(OrdinalSet()),
                total: 0,
                isComplete: true), text: "nothing", summary: "nothing")
    }
}

private struct EndlessProposer: ActionProposer {
    var name: String { "endless" }

    func propose(in state: AgentState, using context: StepContext) async throws -> Proposal {
        Proposal([.call("nothing", ["n": .integer(state.step)], proposer: name, reason: "again")])
    }
}

private struct NothingKeeper: EvidenceKeeper {
    var name: String { "nothing" }

    func keep(after calls: [String], in state: AgentState, using context: StepContext) async throws -> Keeping {
        Keeping()
    }
}
