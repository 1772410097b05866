// SPDX-License-Identifier: Apache-2.0

import Agent
import Base
import Datasets
import Episodes
import Evaluation
import Foundation
import Learning
import OrderedCollections
import Synchronization
import Testing
import Text
import Tools

@testable import Serving

/// One question asked four ways: as a rollout, as a stored session, in an evaluation, and in a served environment whose
/// client chooses. The events are the same, byte for byte.
@Suite struct SameEventsTests {
    private static func bytes(_ events: [SessionEvent]) -> [String] { events.map { $0.json.serialized() } }

    private func compare(_ file: PolicyFile, _ registry: StrategyRegistry) async throws -> [SessionEvent] {
        var service = try RunningServer.makeService()
        let strategy = try file.strategy(registry)
        service.strategies = [strategy]
        let task = try #require(service.tasks.first)
        let corpus = service.corpora[0].corpus
        let environment = service.environment(corpus)
        let question = Question(task.question, id: task.id)
        let evaluated = EvalQuestion(id: task.id, text: task.question, answers: task.goldAnswers)
        // An evaluation draws each question's seed from the run's.
        let seed = XXH64.hash(task.id, seed: 7)

        let rollout = try await Rollouts.events(question, strategy: strategy, environment: environment, seed: seed)

        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("same-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let store = try SQLiteEventStore(path: folder + "/sessions.sqlite")
        let session = AgentSession(question, strategy: strategy, environment: environment, store: store, seed: seed)
        _ = try await session.run()
        #expect(Self.bytes(try await store.events(of: session.id)) == Self.bytes(rollout))

        let traced = Mutex<[SessionEvent]>([])
        let runner = try AgentQuestionRunner(
            corpus: corpus, tools: service.tools, policies: [(strategy.name, file)], registry: registry,
            embed: service.encoder?.embed, traces: { _, events in traced.withLock { $0 = events } })
        _ = try await runner.run(
            evaluated, key: RunKey(set: "s", question: task.id, policy: strategy.name, model: "none", seed: 7))
        #expect(Self.bytes(traced.withLock { $0 }) == Self.bytes(rollout))

        // The client of the environment chooses what the rollout's policy chose.
        let reset: JSONValue = [
            "policy": .string(strategy.name), "task_id": .string(task.id),
            "seed": .integer(Int(bitPattern: UInt(seed))),
        ]
        var served = try EnvironmentSession(reset: reset, service: service)
        _ = try await served.opening(service)
        for event in rollout {
            guard case .chose(let choice) = event.kind, !served.isDone else { continue }
            let action: JSONValue = [
                "choose": .integer(choice.index), "log_probability": .number(choice.logProbability),
                "value": choice.value.map(JSONValue.number) ?? .null,
                "probabilities": .array(choice.probabilities.map(JSONValue.number)),
            ]
            _ = try await served.step(action, service: service)
        }
        #expect(served.isDone)
        #expect(Self.bytes(try await served.events()) == Self.bytes(rollout))
        return rollout
    }

    @Test func aFixedStrategyLeavesTheSameEvents() async throws {
        let events = try await compare(PolicyFile.find("hops", in: []), .standard)
        #expect(events.count > 8)
    }

    @Test func aLearnedPolicyLeavesTheSameEvents() async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("same-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try LearnedPolicy(architecture: "candidate-scorer", seed: 5).write(to: folder + "/drawn.safetensors")
        let yaml = """
            name: drawn
            proposers: [{actions: {lookups: 6, keep: 3}}]
            policy: {network: {weights: drawn.safetensors, temperature: 1}}
            keep: chosen
            budget: {steps: 16, tool_calls: 12}
            """
        try yaml.write(toFile: folder + "/drawn.yaml", atomically: true, encoding: .utf8)
        let events = try await compare(
            PolicyFile(file: folder + "/drawn.yaml"),
            StrategyRegistry.standard.learning())
        let trajectory = try Trajectory(events: events)
        #expect(trajectory.steps.count > 3 && trajectory.final.spent.toolCalls >= 2)
    }

    @Test func aClientThatProposesGoesThroughTheSameLoop() async throws {
        let service = try RunningServer.makeService()
        var served = try EnvironmentSession(reset: ["task_id": "q1", "seed": 1], service: service)
        _ = try await served.opening(service)
        let search: JSONValue = ["tool": "search", "query": "magazine"]
        _ = try await served.step(search, service: service)
        // A call that was made before is answered by the loop, not by the tool.
        let again = try await served.step(search, service: service)
        #expect(again.observation["is_error"] == true)
        let end = try await served.step(["tool": "answer", "answer": "Arthur's Magazine"], service: service)
        #expect(end.reward == 1 && served.isDone)
        let trajectory = try Trajectory(events: try await served.events())
        #expect(trajectory.final.spent.toolCalls == 1 && trajectory.steps.count == 3)
        #expect(trajectory.final.answer?.prediction == "Arthur's Magazine")
    }
}
