// SPDX-License-Identifier: Apache-2.0

import Agent
import Base
import Corpus
import LanguageModels
import OrderedCollections
import Search
import Testing
import Text
import Tools

@Suite struct StrategyTests {
    /// A model that answers each purpose by what its instructions ask for.
    static let script = """
        select: call
        repeat_last: true
        turns:
          - {when: {contains: "Reasoning so far: (none)"}, content: "First for Women is published by Bauer Media Group."}
          - {content: "So the answer is: Germany."}
        """

    static let question = "In which country is the company headquartered that publishes First for Women?"

    @Test(arguments: [
        "hops", "single-shot", "golden", "baleen", "decompose", "agents", "clues", "feedback", "jargon", "tree-search",
    ])
    func runsWithoutAModel(_ name: String) async throws {
        let (answer, events) = try await World.run(
            Self.question, strategy: World.strategy(name), environment: World.environment())
        #expect(answer.label == .extractive, "\(name)")
        #expect(!answer.citations.isEmpty, "\(name)")
        #expect((events.spent?.toolCalls ?? 0) > 0, "\(name)")
        #expect(events.stop != nil, "\(name)")
    }

    /// The best passage first, the second best last.
    @Test func evidenceCanHaveItsBestAtBothEnds() async throws {
        func kept(bothEnds: Bool) async throws -> [String] {
            let strategy = Strategy(
                name: "ends", fingerprint: "ends", proposers: [QuestionProposer(limit: 10)], policy: OrderedPolicy(),
                keeper: FusionKeeper(limit: 4, bothEnds: bothEnds), answerer: ExtractiveAnswerer(),
                budget: Budget(steps: 1))
            let events = try await World.run(
                Self.question, strategy: strategy, environment: World.environment()
            ).events
            return try Trajectory(events: events).final.evidence.items.map(\.passageID)
        }
        let ranked = try await kept(bothEnds: false)
        try #require(ranked.count == 4)
        #expect(try await kept(bothEnds: true) == [ranked[0], ranked[2], ranked[3], ranked[1]])
    }

    @Test func theChainOfThoughtIsTheNextQuery() async throws {
        let (answer, events) = try await World.run(
            Self.question, strategy: World.strategy("ircot"),
            environment: World.environment(model: World.model(Self.script)))
        #expect(answer.short == "Germany")
        #expect(events.stop == .answered)
        let calls = events.compactMap { event -> String? in
            if case .toolCalled(let record) = event.kind { return record.invocation.arguments }
            return nil
        }
        #expect(calls.contains { $0.contains("Bauer Media Group") })
    }

    @Test func subQuestionsAreAnsweredInTheOrderOfTheirNeeds() async throws {
        let script = """
            select: call
            turns:
              - content: "1. Who publishes First for Women?\\n2. In which country is #1 headquartered?"
              - content: Bauer Media Group
              - content: Germany
              - content: "In Germany [bauer].\\nAnswer: Germany"
            """
        let (answer, events) = try await World.run(
            Self.question, strategy: World.strategy("decompose"),
            environment: World.environment(model: World.model(script)))
        #expect(answer.short == "Germany")
        let notes = try Trajectory(events: events).final.notes
        #expect(
            notes.first { $0.kind == "searched" && $0.key == "2" }?.text
                == "In which country is Bauer Media Group headquartered?")
        #expect(notes.first { $0.kind == "sub_answer" && $0.key == "2" }?.text == "Germany")
    }

    @Test func hypotheticalPassagesAreSearched() async throws {
        let script = """
            select: call
            turns:
              - {content: x, samples: ["The Bauer company is in Hamburg.", "It is in Hamburg, Germany.", "It is in Hamburg, Germany.", "Germany"]}
              - {content: "Germany [bauer].\\nAnswer: Germany"}
            """
        let (answer, events) = try await World.run(
            Self.question, strategy: World.strategy("hyde"), environment: World.environment(model: World.model(script)))
        #expect(answer.short == "Germany")
        // The question alone, then the mean of its vector and the passages'.
        #expect(events.spent?.toolCalls == 2)
    }

    @Test func jargonIsLookedUpAndTheUnknownOwnedUpTo() async throws {
        let events = try await World.run(
            "What does RAG say about XQZ and Hamburg?", strategy: World.strategy("jargon"),
            environment: World.environment()
        ).events
        let notes = try Trajectory(events: events).final.notes
        #expect(notes.contains { $0.kind == "jargon" && $0.key == "RAG" })
        #expect(notes.contains { $0.kind == "unknown_term" && $0.key == "XQZ" })
        // The explained question is searched, by words and by meaning, and the raw one is not searched again.
        let calls = events.compactMap { event -> String? in
            if case .toolCalled(let record) = event.kind { return record.invocation.arguments }
            return nil
        }
        #expect(calls.first?.contains("(XQZ)") == true, "the corpus is looked through for what no dictionary has")
        #expect(
            calls.count > 1 && calls.dropFirst().allSatisfy { $0.contains("retrieval-augmented generation") })
    }

    /// A keeper that cannot judge, as late interaction without token vectors, leaves what plain search puts first.
    @Test func aKeeperThatFailsLeavesThePlainRanking() async throws {
        struct Broken: EvidenceKeeper {
            var name: String { "broken" }
            func keep(
                after calls: [String], in state: AgentState, using context: StepContext
            ) async throws -> Keeping { throw CorpusError(.badArgument, "no token vectors") }
        }
        func kept(_ keeper: (any EvidenceKeeper)?) async throws -> [EvidenceItem] {
            var strategy = try World.strategy("single-shot")
            if let keeper { strategy.keeper = keeper }
            let events = try await World.run(Self.question, strategy: strategy, environment: World.environment()).events
            return Array(try Trajectory(events: events).final.evidence.ranking)
        }
        let unjudged = try await kept(Broken())
        #expect(unjudged.count > 1 && unjudged.allSatisfy { $0.reason.contains("no token vectors") })
        let plain = try await kept(nil).map(\.passageID)
        #expect(unjudged.prefix(plain.count).map(\.passageID) == plain)
    }

    /// What is counted must leave a trace in the corpus: a count of everything answers no question about something else.
    @Test func whatIsNowhereIsNotCounted() async throws {
        let documents = ["high", "low", "high"].enumerated().map { number, priority in
            Document(
                id: "T\(number)", title: "Ticket \(number)", text: "The export of the reports fails again.",
                metadata: ["priority": .text(priority)])
        }
        func answer(_ question: String) async throws -> Answer {
            try await World.run(
                question, strategy: World.strategy("hops"), environment: World.environment(documents: documents)
            ).answer
        }
        for (question, count) in [
            ("How many tickets are there?", "3"), ("How many documents are there?", "3"),
            ("How many tickets have high priority?", "2"),
        ] {
            let answer = try await answer(question)
            #expect(answer.label == .aggregate && answer.short == count, "\(question)")
        }
        #expect(try await answer("How many unicorns are there?").label != .aggregate)
    }

    /// A fact that a hop kept is judged at the next one by the question and the other facts, not punished for being
    /// known, and does not keep a new one out by repeating itself.
    @Test func theCondenserIsFairToWhatItKnows() async throws {
        let documents = [
            Document(id: "fact", title: "Vane Light", text: "The Vane Light was designed by the engineer Ada Lind."),
            Document(id: "born", title: "Ada Lind", text: "Ada Lind was born in the port of Karrow."),
            Document(id: "noise", title: "Ada Lind Street", text: "Ada Lind Street is a street in a town."),
        ]
        for (facts, expected) in [(1, ["fact"]), (2, ["born", "fact"])] {
            var strategy = try World.strategy("baleen")
            strategy.proposers = [
                QuestionProposer(tools: ["keyword_search"], limit: 1),
                QueryGenerationProposer(tools: ["keyword_search"], limit: 5),
            ]
            strategy.keeper = SentenceKeeper(candidates: 9, facts: facts)
            let state = try Trajectory(
                events: await World.run(
                    "In which port was the engineer born who designed the Vane Light?", strategy: strategy,
                    environment: World.environment(documents: documents)
                ).events
            ).final
            #expect(state.retrieved.count == 3)
            let condensed = state.evidence.items.filter { !$0.sentences.isEmpty }.map(\.passageID)
            #expect(condensed.sorted() == expected)
            // What holds no fact stands behind, and is not lost.
            #expect(Set(state.evidence.items.map(\.passageID)) == ["fact", "born", "noise"])
        }
    }

    @Test func aCorpusQuestionsModelIsToldWhatAToolRefuses() async throws {
        let script = """
            select: call
            turns:
              - {content: '{"where": {"field": "place", "op": "==", "value": "Hamburg"}}'}
              - {when: {contains: The tool refused}, content: '{"where": {"op": "match", "value": "Hamburg"}}'}
              - {content: '{"measures": [{"op": "most"}]}'}
              - {when: {contains: The tool refused}, content: '{"measures": [{"op": "count"}]}'}
            """
        let (answer, events) = try await World.run(
            "How many documents mention Hamburg?", strategy: World.strategy("corpus"),
            environment: World.environment(model: World.model(script)))
        #expect(answer.short == "2")
        #expect(answer.label == .aggregate)
        #expect(answer.answerer == "corpus")
        #expect(events.stop == .answered)
        #expect(events.spent?.modelCalls == 4)
        // A model that never gets the aggregation right leaves the count of what qualifies.
        let stubborn = """
            select: call
            turns:
              - {content: '{"where": {"op": "match", "value": "Hamburg"}}'}
              - {content: '{"measures": [{"op": "most"}]}'}
              - {content: '{"measures": [{"op": "worst"}]}'}
              - {content: '{"measures": [{"op": "best"}]}'}
            """
        let counted = try await World.run(
            "How many documents mention Hamburg?", strategy: World.strategy("corpus"),
            environment: World.environment(model: World.model(stubborn))
        ).answer
        #expect(counted.short == "2")
    }

    @Test func aCorpusAnswerWithoutAModelIsAnAggregate() async throws {
        let (answer, events) = try await World.run(
            "How many documents mention Hamburg?", strategy: World.strategy("corpus"), environment: World.environment())
        #expect(answer.label == .aggregate)
        #expect(answer.short == "2")
        for event in events {
            #expect(try SessionEvent(json: event.json).json.serialized() == event.json.serialized())
        }
    }

    @Test func theOracleFindsTheQueryThatFindsTheGold() async throws {
        let corpus = try World.corpus()
        let gold = try #require(World.documents.first { $0.id == "bauer" })
        let found = try await OracleQuery.search(
            context: "First for Women is a woman's magazine published by Bauer Media Group.", goldID: "bauer",
            goldTitle: gold.title, goldText: gold.text, in: corpus)
        #expect(found?.rank == 1)
        #expect(found?.query.contains("Bauer") == true)
        let nothing = try await OracleQuery.search(
            context: "zzz", goldID: "bauer", goldTitle: gold.title, goldText: gold.text, in: corpus)
        #expect(nothing == nil)
    }

    @Test func aResumedStrategyPaysOnce() async throws {
        let whole = try await World.run(
            Self.question, strategy: World.strategy("ircot"),
            environment: World.environment(model: World.model(Self.script))
        ).events
        for count in 1..<whole.count {
            let store = InMemoryEventStore()
            for event in whole.prefix(count) { try await store.append(event, to: "s") }
            // A script that selects by call starts anew, so the paid turns are left out of the second model's script.
            let paid = whole.prefix(count).filter { $0.name == "model_returned" }.count
            let script =
                "select: call\nrepeat_last: true\nturns:\n"
                + (paid == 0 ? "  - {content: \"First for Women is published by Bauer Media Group.\"}\n" : "")
                + "  - {content: \"So the answer is: Germany.\"}\n"
            let model = StandIn(base: try World.model(script), fingerprint: try World.model(Self.script).fingerprint)
            let session = try await AgentSession.resume(
                "s", strategy: World.strategy("ircot"), environment: World.environment(model: model), store: store)
            _ = try await session.run()
            #expect(try await store.events(of: "s").lines == whole.lines, "cut after \(count)")
        }
    }
}

/// A model under another's fingerprint.
private struct StandIn: LanguageModel {
    var base: any LanguageModel
    var name: String { base.name }
    var fingerprint: String
    var capabilities: ModelCapabilities { base.capabilities }

    func respond(
        to request: ModelRequest, onEvent: @Sendable (ModelStreamEvent) -> Void
    ) async throws -> ModelResponse {
        try await base.respond(to: request, onEvent: onEvent)
    }
}
