// SPDX-License-Identifier: Apache-2.0

import Agent
import Base
import Corpus
import Episodes
import Foundation
import LanguageModels
import Net
import OrderedCollections
import Search
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

/// The small world, with a policy that was cloned from its gold passages.
private struct SmallAgent {
    let environment: AgentEnvironment
    let folder: String
    let policy: LearnedPolicy

    /// Cloned once for all tests.
    private static let cloned = Task {
        var cloning = BehaviourCloning()
        (cloning.epochs, cloning.batch, cloning.learningRate) = (10, 4, 1e-2)
        return try await cloning.train(
            LearnedPolicy(architecture: "candidate-scorer", seed: 3), on: SmallWorld.training())
    }

    init(model: (any LanguageModel)? = nil) async throws {
        environment = AgentEnvironment(
            corpus: try SmallWorld.corpus(), tools: try ToolRegistry.builtIn(), model: model, clock: TickingClock())
        policy = try await Self.cloned.value
        folder = SmallWorld.folder()
        try policy.write(to: folder + "/small.safetensors")
    }

    func run(_ yaml: String, question: Int = 0) async throws -> (state: AgentState, events: [SessionEvent]) {
        let path = folder + "/small.yaml"
        try yaml.write(toFile: path, atomically: true, encoding: .utf8)
        let strategy = try PolicyFile(file: path).strategy(
            StrategyRegistry.standard.learning())
        let store = InMemoryEventStore()
        let session = AgentSession(
            Question(SmallWorld.questions()[question].text), strategy: strategy, environment: environment, store: store,
            seed: 1)
        _ = try await session.run()
        return (await session.state, try await store.events(of: session.id))
    }
}

@Suite struct AgentTests {
    private let choosing = """
        proposers: [{actions: {lookups: 8}}]
        policy: {network: {weights: small.safetensors}}
        keep: chosen
        budget: {steps: 20, tool_calls: 12}
        rules: {barren_steps: 8}

        """

    @Test func thePolicySearchesKeepsAndAnswers() async throws {
        let agent = try await SmallAgent()
        for question in 0..<4 {
            let (state, events) = try await agent.run(choosing, question: question)
            #expect(Set(state.evidence.items.map(\.passageID)).isSuperset(of: SmallWorld.questions()[question].gold))
            #expect(state.stop == .answered && state.evidence.count < 5)
            // All that the decisions rest on was called for: each passage that was kept stands in a result.
            let shown = events.flatMap { event -> [String] in
                if case .toolReturned(_, let output) = event.kind { output.passages.map(\.passage.id) } else { [] }
            }
            #expect(Set(shown).isSuperset(of: state.evidence.items.map(\.passageID)))
            let calls = events.count { if case .toolCalled = $0.kind { true } else { false } }
            #expect(calls == state.spent.toolCalls && calls <= 8)
            #expect(try Trajectory(events: events).final.spent.toolCalls == calls)
        }
    }

    @Test func waysThatAreLeftOutAreNotOffered() async throws {
        let agent = try await SmallAgent()
        let plain = choosing.replacing(
            "{lookups: 8}", with: "{without: [links, names, words, meaning, clauses, filters]}")
        let (state, events) = try await agent.run(plain)
        #expect(state.spent.toolCalls == 2)
        let all = try await agent.run(choosing).events
        func offered(_ events: [SessionEvent]) -> Set<String> {
            Set(
                events.flatMap { event -> [String] in
                    guard case .proposed(let proposal) = event.kind else { return [] }
                    return proposal.candidates.flatMap { candidate -> [String] in
                        if case .call(let calls) = candidate.kind { calls.map(\.tool) } else { [] }
                    }
                })
        }
        #expect(offered(events) == ["keyword_search", "semantic_search"])
        #expect(offered(all).contains("links"))
        await #expect(throws: PolicyError.self) {
            try await agent.run(choosing.replacing("{lookups: 8}", with: "{without: [magic]}"))
        }
    }

    @Test func aFieldThatTheQuestionNamesIsAFilter() async throws {
        let corpus = try SmallWorld.corpus()
        let space = try ActionSpace()
        let proposals = ActionProposals(space)
        var state = AgentState(
            header: SessionHeader(
                session: "", question: Question("What did the Town Gazette say about the market of Arlen?"),
                corpus: .init(name: "small", value: corpus.fingerprint), model: .init(), policy: .init(), seed: 0,
                budget: Budget(), tools: []))
        let tools = try ToolRegistry.builtIn().adding(proposals.tools)
        let context = StepContext(corpus: corpus, tools: tools)
        let first = try await proposals.propose(in: state, using: context).candidates
        #expect(first.count == 1)
        // Once the question was searched there are more ways.
        var loop = AgentLoop(header: state.header)
        let kinds: [SessionEvent.Kind] = [
            .started(state.header), .stepStarted(1), .proposed(Proposal(first)), .chose(PolicyChoice(index: 0)),
        ]
        for (index, kind) in kinds.enumerated() { loop.receive(SessionEvent(sequence: index, time: 0, kind: kind)) }
        guard case .callTools(let records)? = loop.pending.first else {
            Issue.record("no calls")
            return
        }
        for record in records {
            loop.receive(SessionEvent(sequence: 0, time: 0, kind: .toolCalled(record)))
            let call = ToolCall(id: "", name: record.invocation.tool, arguments: record.invocation.arguments)
            let output = try await tools.run(call, in: ToolContext(corpus: corpus, handle: record.handle))
            loop.receive(SessionEvent(sequence: 0, time: 0, kind: .toolReturned(id: record.id, output)))
        }
        loop.receive(SessionEvent(sequence: 0, time: 0, kind: .kept(Keeping())))
        state = loop.state
        let next = try await proposals.propose(in: state, using: context).candidates
        let filters = next.compactMap { candidate -> String? in
            if case .call(let calls) = candidate.kind, calls[0].tool == "filter" { calls[0].arguments } else { nil }
        }
        #expect(filters.count == 1 && filters[0].contains("Town Gazette"))
        // The features are a function of the state: a space that remembers nothing gives the same.
        let features = space.features(state, next)
        #expect(features == (try ActionSpace().features(state, next)))
        #expect(features.rows == next.count && features.columns == ActionFeatures.count)
        #expect(features.elements.allSatisfy { $0.isFinite && abs($0) <= 4 })
    }

    @Test func aModelsCallIsACandidateAmongOthers() async throws {
        let model = try ListeningModel(
            """
            turns:
              - tool_calls: [{name: keyword_search, arguments: {query: "Ada Brook painter", limit: 3}}]
              - content: "It is the Ostra [town-0].\\nAnswer: Ostra"
            """)
        let yaml = choosing.replacing("proposers: [", with: "proposers: [{model: {apart: true}}, ")
        let (state, events) = try await SmallAgent(model: model).run(yaml)
        let proposed = events.compactMap { event -> Proposal? in
            if case .proposed(let proposal) = event.kind { proposal } else { nil }
        }
        #expect(proposed.first?.candidates.contains { $0.proposer == "model" } == true)
        #expect(state.answer != nil)
    }

    @Test func uncertaintySpeaksAgainstAnswering() async throws {
        let agent = try await SmallAgent()
        var (state, _) = try await agent.run(choosing)
        state.uncertainty = GateDecision(measure: "test", uncertainty: 0.8, retrieve: true)
        let candidates = [
            CandidateAction(.answer(text: nil), proposer: "model"),
            CandidateAction.call("keyword_search", ["query": "Zelt"], proposer: "model"),
        ]
        func share(_ weight: Double) async throws -> Double {
            let policy = NetworkPolicy(agent.policy, space: try ActionSpace(), uncertaintyWeight: weight)
            var random = SplitMix64(seed: 1)
            return try await policy.choose(among: candidates, in: state, random: &random).probabilities[0]
        }
        let (heedless, careful) = (try await share(0), try await share(50))
        #expect(heedless > careful)
    }

    @Test func logProbabilitiesAreThoseOfTheDraw() async throws {
        let question = try SmallWorld.training()[1]
        let policy = try LearnedPolicy(architecture: "candidate-scorer", seed: 9)
        var options = EpisodeOptions()
        options.temperature = 2
        let episode = try await Rollouts.run(question, policy: policy, options: options, seed: 4)
        for step in episode.trajectory.steps {
            #expect(abs(exp(step.choice.logProbability) - step.choice.probabilities[step.choice.index]) < 1e-9)
            #expect(abs(step.choice.probabilities.reduce(0, +) - 1) < 1e-9)
        }
        let again = try await Rollouts.run(question, policy: policy, options: options, seed: 4)
        #expect(again.trajectory.steps.map(\.choice) == episode.trajectory.steps.map(\.choice))
    }

    private static let localModel = ModelStore().resolve("smollm2")

    @Test(.enabled(if: AgentTests.localModel != nil, "needs a local model's tokenizer"))
    func sessionsBecomeTokensWithMasks() async throws {
        let local = try LocalModel(path: try #require(Self.localModel))
        let (_, events) = try await SmallAgent().run(choosing)
        let trajectory = try TokenTrajectory(events: events, model: local)
        #expect(!trajectory.isRecorded && trajectory.chains.count == 1)
        let nodes = trajectory.nodes
        // System and question, calls with their results, the answer.
        #expect(nodes.count > 4 && nodes.map(\.isSampled).prefix(3) == [false, false, true])
        #expect(nodes.last?.isSampled == true)
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
