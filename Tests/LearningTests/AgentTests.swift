// SPDX-License-Identifier: Apache-2.0

import Agent
import Base
import Corpus
import Encoders
import Foundation
import LanguageModels
import Net
import OrderedCollections
import Synchronization
import TensorMath
import Testing
import Text
import Tools

@testable import Learning

/// Says what a script says, and keeps what it was asked.
private final class ListeningModel: LanguageModel {
    let base: ScriptedModel
    private let heard = Mutex<[ModelRequest]>([])

    init(_ yaml: String) throws {
        base = try ScriptedModel(script: YAMLReader.read(yaml, name: "script"), source: "script")
    }

    var name: String { base.name }
    var fingerprint: String { base.fingerprint }
    var capabilities: ModelCapabilities { base.capabilities }
    var requests: [ModelRequest] { heard.withLock { $0 } }

    func respond(
        to request: ModelRequest, onEvent: @Sendable (ModelStreamEvent) -> Void
    ) async throws -> ModelResponse {
        heard.withLock { $0.append(request) }
        return try await base.respond(to: request, onEvent: onEvent)
    }
}

/// The small world as a corpus, with a policy that was cloned from its gold passages.
private struct SmallAgent {
    let environment: AgentEnvironment
    let registry: StrategyRegistry
    let folder: String

    init(model: (any LanguageModel)? = nil) async throws {
        let documents = SmallWorld.passages().map { Document(id: $0.id, title: $0.title, text: $0.text) }
        let vectors = SmallWorld.vectors(SmallWorld.people.count, seed: 2)
        // Each question has the vector that it had while the policy learned; other texts have the first one's.
        let rows = Dictionary(
            uniqueKeysWithValues: SmallWorld.questions().enumerated().map {
                ($0.element.text, Array(vectors.row($0.offset)))
            })
        let embed: SessionRetriever.Embed = { texts in texts.map { rows[$0] ?? Array(vectors.row(0)) } }
        environment = AgentEnvironment(
            corpus: try InMemoryCorpus(documents: documents), tools: try ToolRegistry.builtIn(), model: model,
            embed: embed)
        let fresh = try LearnedPolicy(architecture: "candidate-scorer", dimension: 8, seed: 3)
        var cloning = BehaviourCloning()
        (cloning.epochs, cloning.batch, cloning.learningRate) = (20, 4, 1e-2)
        let policy = try await cloning.train(fresh, on: SmallWorld.prepared())
        folder = SmallWorld.folder()
        try policy.write(to: folder + "/small.safetensors", dimension: 8)
        registry = StrategyRegistry.standard.learning(world: { try SmallWorld.world() }, embed: embed)
    }

    func run(_ yaml: String, question: Int = 0) async throws -> (state: AgentState, events: [SessionEvent]) {
        let path = folder + "/small.yaml"
        try yaml.write(toFile: path, atomically: true, encoding: .utf8)
        let strategy = try PolicyFile(file: path).strategy(registry)
        let store = InMemoryEventStore()
        let session = AgentSession(
            Question(SmallWorld.questions()[question].text), strategy: strategy, environment: environment, store: store,
            seed: 1)
        _ = try await session.run()
        return (await session.state, try await store.events(of: session.id))
    }
}

@Suite struct AgentTests {
    private let reading = """
        proposers: [{learned: {weights: small.safetensors, stops: false}}]
        policy: ordered
        keep: reading
        budget: {steps: 5, tool_calls: 5}

        """

    @Test func theGateEndsReadingOnceThePolicyHasEnough() async throws {
        let agent = try await SmallAgent()
        let gated = reading + "gate: {stop: {weights: small.safetensors, value: 0.5}}\n"
        var (calls, gatedCalls) = (0, 0)
        for question in 0..<6 {
            let all = try await agent.run(reading, question: question)
            let (state, events) = try await agent.run(gated, question: question)
            calls += all.state.spent.toolCalls
            gatedCalls += state.spent.toolCalls
            #expect(Set(state.evidence.items.map(\.passageID)).isSuperset(of: SmallWorld.questions()[question].gold))
            let decisions = events.compactMap { event -> GateDecision? in
                if case .assessed(let decision) = event.kind { decision } else { nil }
            }
            // Nothing read is never enough; the last decision is the one that stopped.
            #expect(decisions.first?.uncertainty == 1 && decisions.last?.retrieve == false)
            #expect(decisions.allSatisfy { $0.measure == "stop" && $0.retrieve == (($0.uncertainty ?? 0) > 0.5) })
        }
        #expect(calls == 30 && gatedCalls <= 18)
        // A threshold of nothing never stops; a model's measure joins in where it can be taken.
        let never = reading + "gate: {stop: {weights: small.safetensors, value: 0}}\n"
        #expect(try await agent.run(never).state.spent.toolCalls == 5)
        let mixed = reading + "gate: {stop: {weights: small.safetensors, measure: coverage, share: 1}}\n"
        let events = try await agent.run(mixed).events
        let first = events.lazy.compactMap { event -> GateDecision? in
            if case .assessed(let decision) = event.kind { decision } else { nil }
        }.first
        #expect(first?.measure == "stop+coverage" && first?.uncertainty == 1)
        await #expect(throws: PolicyError.self) {
            try await agent.run(reading + "gate: {stop: {weights: small.safetensors, measure: magic}}\n")
        }
    }

    private let choosing = """
        proposers: [{model: {apart: true}}, {learned: {weights: small.safetensors, width: 2, stops: false}}]
        policy: {learned: {weights: small.safetensors}}
        keep: {learned: {weights: small.safetensors, limit: 4}}
        budget: {steps: 6, tool_calls: 8}

        """

    @Test func thePolicyTakesTheModelsUsefulCallAndLeavesTheOther() async throws {
        let model = try ListeningModel(
            """
            turns:
              - tool_calls:
                  - {name: keyword_search, arguments: {query: "Zelt", limit: 1}}
                  - {name: keyword_search, arguments: {query: "Ada Brook painter", limit: 3}}
              - tool_calls:
                  - {name: keyword_search, arguments: {query: "Arlen", limit: 3}}
              - content: "It is the Ostra [town-0].\\nAnswer: Ostra"
              - content: "It is the Ostra [town-0].\\nAnswer: Ostra"
              - content: "It is the Ostra [town-0].\\nAnswer: Ostra"
            """)
        let (state, events) = try await SmallAgent(model: model).run(choosing)
        let called = events.compactMap { event -> String? in
            if case .toolCalled(let record) = event.kind { record.invocation.arguments } else { nil }
        }
        #expect(called.first?.contains("Ada Brook") == true && !called.contains { $0.contains("Zelt") })
        #expect(Set(state.evidence.items.map(\.passageID)) == ["person-0", "town-0"])
        #expect(state.answer?.prediction == "Ostra")
        // The model was told that its other call was not made.
        let replies = try #require(model.requests.dropFirst().first).messages.filter { $0.role == .tool }.map(\.content)
        #expect(replies.contains { $0.hasPrefix("This call was not made.") } && replies.count == 2)
    }

    @Test func anAnswerFromNothingIsNotTaken() async throws {
        let guess = "content: \"I think that it is the Quill.\\nAnswer: Quill\""
        let model = try ListeningModel("turns:\n" + String(repeating: "  - \(guess)\n", count: 6))
        let (state, events) = try await SmallAgent(model: model).run(choosing)
        let called = events.compactMap { event -> String? in
            if case .toolCalled(let record) = event.kind { record.invocation.arguments } else { nil }
        }
        // The policy reads first, and shows the model what it read instead of its answer.
        #expect(called.first?.contains("person-0") == true)
        #expect(!state.evidence.isEmpty)
        let second = try #require(model.requests.dropFirst().first?.messages.last)
        #expect(second.role == .user && second.content.contains("Look further") && second.content.contains("Ada Brook"))
    }

    @Test func uncertaintySpeaksAgainstAnswering() async throws {
        let agent = try await SmallAgent()
        let world = try SmallWorld.world()
        let policy = try LearnedPolicy(weights: agent.folder + "/small.safetensors")
        let session = SessionRetriever(LearnedRetriever(policy: policy, world: world))
        let (state, _) = try await agent.run(reading + "gate: {stop: {weights: small.safetensors}}\n")
        let candidates = [
            CandidateAction(.answer(text: nil), proposer: "model"),
            CandidateAction.call("read", ["ids": ["noise-3"]], proposer: "learned"),
        ]
        func share(_ weight: Double) async throws -> Double {
            let chooser = LearnedChooser(session, embed: agent.environment.embed, uncertaintyWeight: weight)
            var random = SplitMix64(seed: 1)
            return try await chooser.choose(among: candidates, in: state, random: &random).probabilities[0]
        }
        // The gate's last measure stands in the state.
        #expect((state.uncertainty?.uncertainty ?? 0) > 0)
        let (heedless, careful) = (try await share(0), try await share(50))
        #expect(heedless > careful)
    }

    private static let localModel = ModelStore().resolve("smollm2")

    @Test(.enabled(if: AgentTests.localModel != nil, "needs a local model's tokenizer"))
    func sessionsBecomeTokensWithMasks() async throws {
        let local = try LocalModel(path: try #require(Self.localModel))
        let (_, events) = try await SmallAgent().run(reading)
        let trajectory = try TokenTrajectory(events: events, model: local)
        #expect(!trajectory.isRecorded && trajectory.chains.count == 1)
        let nodes = trajectory.nodes
        // System, question, five calls with their results, the answer.
        #expect(nodes.count == 2 + 10 + 1)
        #expect(nodes.map(\.isSampled) == [false, false] + [Bool]((0..<11).map { $0 % 2 == 0 }))
        var written = ""
        for node in nodes {
            #expect(node.tokenIDs.count == node.mask.count && node.mask.count == node.isContent.count)
            let own = zip(node.tokenIDs, node.mask).filter { $0.1 == 1 }.map(\.0)
            written += local.tokenizer.decode(own, showingSpecials: true)
            #expect(node.isSampled == !own.isEmpty)
            if node.isSampled {
                #expect(local.tokenizer.decode(own, showingSpecials: true) == node.message.content + "<|im_end|>")
            } else {
                let text = zip(node.tokenIDs, node.isContent).filter { $0.1 == 1 }.map(\.0)
                #expect(local.tokenizer.decode(text, showingSpecials: true).contains(node.message.content))
            }
        }
        // No word of a document is learned, though all that was read is shown. (The answer quotes a sentence; it was written.)
        let answer = try #require(nodes.last).message.content
        #expect(!written.replacing(answer, with: "").contains("studied abroad") && written.contains("<tool_call>"))
        let all = nodes.flatMap(\.tokenIDs)
        #expect(all == (try local.promptTokens(for: nodes.map(\.message), opening: false)))
        #expect(local.tokenizer.decode(all, showingSpecials: true).contains("studied abroad"))
        #expect(trajectory.json["nodes"]?.array?.count == nodes.count)
        #expect(throws: TrajectoryError.self) { try TokenTrajectory(events: [], model: local) }
    }
}
