// SPDX-License-Identifier: Apache-2.0

import Agent
import Base
import LanguageModels
import OrderedCollections
import Testing
import Text
import Tools

@Suite struct SubAgentTests {
    /// Two sub-questions that need nothing of each other, and a third that needs the first one's answer.
    static let script = """
        select: call
        turns:
          - {content: "Who publishes First for Women?\\nWhere was Arthur's Magazine published?\\nWhere are the headquarters of #1?"}
          - {when: {contains: "Question: Who publishes First for Women?"}, content: "Bauer Media Group"}
          - {when: {contains: "Question: Where was Arthur's Magazine published?"}, content: "Philadelphia"}
          - {when: {contains: "Question: Where are the headquarters of Bauer Media Group?"}, content: "Hamburg"}
          - {content: "Hamburg [bauer] and Philadelphia [arthur].\\nAnswer: Hamburg and Philadelphia"}
        """
    static let question = "Where were the publishers of First for Women and Arthur's Magazine?"

    private func events(_ yaml: String, script: String? = Self.script, budget: Budget? = nil) async throws
        -> [SessionEvent]
    {
        try await World.run(
            Self.question, strategy: PolicyFile(yaml: yaml, source: "agents.yaml").strategy(),
            environment: World.environment(model: script.map { try World.model($0) }), budget: budget
        ).events
    }

    private func calls(of events: [SessionEvent]) -> [[String]] {
        var steps: [[String]] = []
        for event in events {
            switch event.kind {
            case .stepStarted: steps.append([])
            case .toolCalled(let record): steps[steps.count - 1].append(record.invocation.arguments)
            default: break
            }
        }
        return steps
    }

    static let policy = """
        model: optional
        proposers: [{agents: {proposers: [{question: {tools: [keyword_search], limit: 3}}], steps: 1, tool_calls: 1}}]
        keep: {rerank: {limit: 6}}
        """

    @Test func independentAgentsWorkAtTheSameTimeAndOthersWait() async throws {
        let events = try await events(Self.policy)
        let steps = calls(of: events).filter { !$0.isEmpty }
        try #require(steps.count == 2)
        #expect(steps[0].count == 2)
        #expect(steps[1].count == 1)
        #expect(steps[1][0].contains("headquarters of Bauer Media Group"))
        let state = try Trajectory(events: events).final
        #expect(state.note("sub_answer", key: "1") == "Bauer Media Group")
        #expect(state.note("sub_answer", key: "2") == "Philadelphia")
        #expect(state.note("sub_answer", key: "3") == "Hamburg")
        #expect(state.answer?.short == "Hamburg and Philadelphia")
    }

    /// An agent answers from what its own calls found, and from nothing else.
    @Test func anAgentSeesOnlyItsOwnPassages() async throws {
        let events = try await events(Self.policy)
        let prompts = events.compactMap { event -> Int? in
            if case .modelCalled(let record) = event.kind, record.purpose == "sub_answer" { return record.promptTokens }
            return nil
        }
        #expect(prompts.count == 3)
        let state = try Trajectory(events: events).final
        let own = state.notes.filter { $0.kind == "sub_call" }
        #expect(own.map(\.key) == ["1", "2", "3"])
    }

    @Test func eachHasABudgetOfItsOwnWithinTheSessions() async throws {
        let two = Self.policy.replacing("tool_calls: 1", with: "tool_calls: 3").replacing(
            "[keyword_search], limit: 3}}]", with: "[keyword_search, semantic_search], limit: 3}}, entities]"
        ).replacing("steps: 1", with: "steps: 3")
        let all = try await events(two)
        let state = try Trajectory(events: all).final
        for key in ["1", "2", "3"] {
            let spent = state.notes.count { $0.kind == "sub_call" && $0.key == key }
            #expect((1...3).contains(spent), "agent \(key)")
        }
        let short = try await events(two, budget: Budget(steps: 8, toolCalls: 2))
        #expect(short.spent?.toolCalls == 2)
        #expect(try Trajectory(events: short).final.answer != nil)
    }

    @Test func refusesAgentsWithinAgents() throws {
        let nested = "proposers: [{agents: {proposers: [{agents: {proposers: [question]}}]}}]"
        #expect(throws: PolicyError.self) { try PolicyFile(yaml: nested, source: "a.yaml").strategy() }
        #expect(throws: PolicyError.self) {
            try PolicyFile(yaml: "proposers: [{agents: {steps: 2}}]", source: "a.yaml").strategy()
        }
    }
}
