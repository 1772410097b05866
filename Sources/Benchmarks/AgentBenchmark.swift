// SPDX-License-Identifier: Apache-2.0

import AgentRuntime
import ArgumentParser
import CorpusStore
import Foundation
import LanguageModels
import RetrievalTools
import Synchronization
import TextProcessing

/// The loop's own cost: time a step without model and tool time, and the memory of many sessions at once.
struct AgentBenchmark: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "agent", abstract: "Loop overhead a step, and the memory of concurrent sessions.")

    @Option(help: "Steps of one long session.") var steps = 2000
    @Option(help: "Sessions at the same time.") var sessions = 1000

    func run() async throws {
        try await overhead()
        try await concurrency()
    }

    /// A long session with a tool that does nothing and a proposer that always has another call.
    private func overhead() async throws {
        let registry = try ToolRegistry([NothingTool()])
        let corpus = try InMemoryCorpus(documents: [Document(id: "a", text: "nothing")])
        let environment = AgentEnvironment(corpus: corpus, tools: registry)
        let strategy = Strategy(
            name: "overhead", fingerprint: "overhead", proposers: [EndlessProposer()], policy: OrderedPolicy(),
            keeper: NothingKeeper(), answerer: ExtractiveAnswerer(), budget: Budget(steps: steps, toolCalls: nil))
        var times: [Double] = []
        for round in 0..<5 {
            let session = AgentSession(
                Question("question \(round)"), strategy: strategy, environment: environment, store: InMemoryEventStore()
            )
            let clock = ContinuousClock()
            let start = clock.now
            _ = try await session.run()
            let elapsed = clock.now - start
            times.append(
                (Double(elapsed.components.seconds) + Double(elapsed.components.attoseconds) * 1e-18) / Double(steps))
        }
        times.sort()
        print(
            String(
                format: "loop overhead a step (7 events, one tool call, in-memory store): median %.1f µs, best %.1f µs",
                times[times.count / 2] * 1e6, times[0] * 1e6))
        var loopTimes: [Double] = []
        let store = InMemoryEventStore()
        let session = AgentSession(Question("fold"), strategy: strategy, environment: environment, store: store)
        _ = try await session.run()
        let events = try await store.events(of: session.id)
        for _ in 0..<5 {
            let clock = ContinuousClock()
            let start = clock.now
            guard case .started(let header) = events.first?.kind else { return }
            var loop = AgentLoop(header: header)
            for event in events { loop.receive(event) }
            let elapsed = clock.now - start
            loopTimes.append(
                (Double(elapsed.components.seconds) + Double(elapsed.components.attoseconds) * 1e-18) / Double(steps))
        }
        loopTimes.sort()
        print(String(format: "of it the state machine alone: median %.2f µs", loopTimes[loopTimes.count / 2] * 1e6))
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
        let before = Self.residentMemory()
        let clock = ContinuousClock()
        let start = clock.now
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
        let elapsed = clock.now - start
        print(
            "\(sessions) concurrent scripted sessions: \(elapsed), \(answers) citations, "
                + "resident memory before \(before / 1_048_576) MiB, peak \(Self.peakMemory() / 1_048_576) MiB")
    }

    private static func status(_ key: String) -> Int {
        let text = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
        for line in text.split(separator: "\n") where line.hasPrefix(key) {
            return (Int(line.split(whereSeparator: \.isWhitespace).dropFirst().first ?? "0") ?? 0) * 1024
        }
        return 0
    }

    private static func residentMemory() -> Int { status("VmRSS:") }
    private static func peakMemory() -> Int { status("VmHWM:") }
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
