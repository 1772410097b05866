// SPDX-License-Identifier: Apache-2.0

import Agent
import Base
import Corpus
import Foundation
import LanguageModels
import OrderedCollections
import Testing
import Text
import Tools

@Suite struct SessionTests {
    @Test func aModelDrivenRunCallsToolsAndCites() async throws {
        let environment = try World.environment(model: World.model(World.script))
        let (answer, events) = try await World.run(
            World.magazines, strategy: World.strategy("react"), environment: environment)
        #expect(answer.short == "Arthur's Magazine")
        #expect(answer.label == .model)
        #expect(answer.citations.map(\.passageID) == ["arthur", "first"])
        #expect(events.stop == .answered)
        #expect(events.spent?.toolCalls == 3)
        #expect(events.spent?.modelCalls == 3)
        #expect(events.map(\.sequence) == Array(0..<events.count))
    }

    @Test func withoutAModelItHopsAndExtracts() async throws {
        let (answer, events) = try await World.run(
            "In which country is the company headquartered that publishes First for Women?",
            strategy: World.strategy("hops"), environment: World.environment())
        #expect(answer.label == .extractive)
        #expect(!answer.citations.isEmpty)
        #expect(events.names.filter { $0 == "tool_returned" }.count >= 3)
        let trajectory = try Trajectory(events: events)
        #expect(trajectory.final.retrieved.keys.contains("bauer"))
        #expect(trajectory.steps.count == trajectory.final.actions.count)
    }

    @Test func theSameSeedGivesTheSameBytes() async throws {
        var traces: Set<String> = []
        for _ in 0..<5 {
            let environment = try World.environment(model: World.model(World.script))
            traces.insert(
                try await World.run(World.magazines, strategy: World.strategy("react"), environment: environment)
                    .events.lines)
        }
        #expect(traces.count == 1)
    }

    @Test func eventsSurviveTheirJSON() async throws {
        let environment = try World.environment(model: World.model(World.script))
        let events = try await World.run(World.magazines, strategy: World.strategy("react"), environment: environment)
            .events
        for event in events {
            let again = try SessionEvent(json: JSONValue(parsing: event.json.serialized()))
            #expect(again.json.serialized() == event.json.serialized())
        }
    }

    @Test func aKillAtEveryEventResumesToTheSameEnd() async throws {
        let whole = try await World.run(
            World.magazines, strategy: World.strategy("react"),
            environment: World.environment(model: World.model(World.script))
        ).events
        for count in 1..<whole.count {
            let store = InMemoryEventStore()
            let first = CountingModel(try World.model(World.script))
            let session = AgentSession(
                Question(World.magazines), strategy: try World.strategy("react"),
                environment: try World.environment(model: first), store: DyingStore(store, after: count), seed: 1)
            await #expect(throws: SessionError.self) { try await session.run() }
            let second = CountingModel(try World.model(World.script))
            let resumed = try await AgentSession.resume(
                session.id, strategy: World.strategy("react"), environment: World.environment(model: second),
                store: store)
            _ = try await resumed.run()
            let events = try await store.events(of: session.id)
            #expect(events.lines == whole.lines, "killed after \(count) events")
            let paid = whole.prefix(count).filter { $0.name == "model_returned" }.count
            #expect(second.calls == 3 - paid, "killed after \(count) events")
        }
    }

    @Test func aResumeRefusesAnotherCorpusModelOrPolicy() async throws {
        let store = InMemoryEventStore()
        let environment = try World.environment(model: World.model(World.script))
        let session = AgentSession(
            Question(World.magazines), strategy: try World.strategy("react"), environment: environment,
            store: DyingStore(store, after: 5))
        _ = try? await session.run()
        func refusal(_ strategy: Strategy, _ environment: AgentEnvironment) async -> String {
            do {
                _ = try await AgentSession.resume(
                    session.id, strategy: strategy, environment: environment, store: store)
                return ""
            } catch SessionError.mismatch(let what, _, _) {
                return what
            } catch { return "\(error)" }
        }
        let other = try World.environment(
            model: World.model(World.script), documents: Array(World.documents.dropLast()))
        #expect(await refusal(try World.strategy("react"), other) == "corpus generation")
        let model = try World.environment(model: World.model("turns: [{content: yes}]"))
        #expect(await refusal(try World.strategy("react"), model) == "model")
        #expect(await refusal(try World.strategy("hops"), environment) == "policy")
        await #expect(throws: SessionError.notFound("nobody")) {
            try await AgentSession.resume(
                "nobody", strategy: World.strategy("react"), environment: environment, store: store)
        }
    }

    @Test func interruptionEndsInAnAnswer() async throws {
        let session = AgentSession(
            Question(World.magazines), strategy: try World.strategy("hops"), environment: try World.environment(),
            store: InMemoryEventStore())
        session.interrupt()
        let answer = try await session.run()
        #expect(answer.label == .none)
        #expect(await session.state.stop == .interrupted)
    }
}

@Suite struct BudgetTests {
    /// A model that never stops calling, fifty calls a turn.
    static let flood =
        "repeat_last: true\nturns:\n  - tool_calls:\n"
        + (0..<50).map { "      - {name: keyword_search, arguments: {query: \"word\($0) Hamburg\"}}\n" }.joined()

    @Test func toolCallsAreNeverOvershotWithinATurn() async throws {
        let (answer, events) = try await World.run(
            "Where is Hamburg?", strategy: World.strategy("react"),
            environment: World.environment(model: World.model(Self.flood)), budget: Budget(steps: 10, toolCalls: 7))
        #expect(events.spent?.toolCalls == 7)
        #expect(events.names.filter { $0 == "tool_returned" }.count == 7)
        #expect(events.stop == .budget(.toolCalls))
        #expect(!answer.text.isEmpty)
    }

    @Test func repeatedCallsEndTheRun() async throws {
        let script = """
            repeat_last: true
            turns:
              - tool_calls: [{name: keyword_search, arguments: {query: Hamburg}}]
            """
        let (_, events) = try await World.run(
            "Where is Hamburg?", strategy: World.strategy("react"),
            environment: World.environment(model: World.model(script)), budget: Budget(steps: 50, toolCalls: 50))
        #expect(events.spent?.toolCalls == 1)
        #expect(events.stop == .repeating)
    }

    @Test func completionTokensAreChargedBeforeTheCallAndTheClosingTurnIsKeptBack() async throws {
        let (_, events) = try await World.run(
            World.magazines, strategy: World.strategy("react"),
            environment: World.environment(model: World.model(World.script)),
            budget: Budget(completionTokens: 1200, closing: .init(completionTokens: 600)))
        for event in events {
            if case .modelCalled(let record) = event.kind, record.purpose == "act" {
                #expect(record.completionTokens <= 600)
            }
        }
        #expect((events.spent?.completionTokens ?? .max) <= 1200)
    }

    @Test func malformedCallsAreCorrected() async throws {
        let script = """
            turns:
              - tool_calls: [{name: keyword_search, arguments: "{\\"query\\": "}]
              - tool_calls: [{name: google, arguments: {query: Hamburg}}]
              - {content: "", finish: tool_calls}
              - {content: "", finish: stop}
              - tool_calls: [{name: keyword_search, arguments: {query: Hamburg}}]
              - content: "Germany [hambur].\\nAnswer: Germany"
            """
        let strategy = try World.strategy("react")
        var patient = strategy
        patient.rules.corrections = 10
        patient.rules.barrenSteps = 10
        let (answer, events) = try await World.run(
            "Where is Hamburg?", strategy: patient, environment: World.environment(model: World.model(script)))
        #expect(answer.short == "Germany")
        #expect(answer.citations.first?.passageID == "hamburg")
        #expect(answer.citations.first?.repairedFrom == "hambur")
        #expect(events.stop == .answered)
        let (_, strict) = try await World.run(
            "Where is Hamburg?", strategy: strategy,
            environment: World.environment(model: World.model("repeat_last: true\nturns: [{content: ''}]")))
        #expect(strict.stop == .unreadableModel)
    }

    @Test func aFailingModelStillEndsInAnAnswer() async throws {
        let (answer, events) = try await World.run(
            "Where is Hamburg?", strategy: World.strategy("react"),
            environment: World.environment(
                model: World.model("turns: [{content: x, failures: [timeout, timeout, timeout]}]")))
        #expect(answer.label == .extractive)
        guard case .failed = events.stop else {
            Issue.record("stopped by \(String(describing: events.stop))")
            return
        }
    }

    @Test func secondsEndTheRun() async throws {
        let (_, events) = try await World.run(
            World.magazines, strategy: World.strategy("hops"), environment: World.environment(),
            budget: Budget(seconds: .leastNormalMagnitude, closing: .init(seconds: 0)))
        #expect(events.stop == .budget(.seconds))
    }

    @Test func moneyIsChargedByThePriceTable() async throws {
        var strategy = try World.strategy("react")
        strategy.rules.prices = ModelPrice(promptPerMillion: 0, completionPerMillion: 1_000_000)
        let (_, events) = try await World.run(
            World.magazines, strategy: strategy, environment: World.environment(model: World.model(World.script)),
            budget: Budget(money: 100, closing: .init(completionTokens: 10)))
        #expect((events.spent?.money ?? .infinity) <= 100)
        for event in events {
            if case .modelCalled(let record) = event.kind { #expect(record.completionTokens <= 100) }
        }
        // Whoever reads the events counts the same money, in all and by step.
        let state = try Trajectory(events: events).final
        #expect(state.spent.money > 0)
        #expect(state.spent.money == events.spent?.money)
        let stored = try events.map { try SessionEvent(json: JSONValue(parsing: $0.json.serialized())) }
        #expect(try Trajectory(events: stored).final.spent.money == state.spent.money)
    }
}
