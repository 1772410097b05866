// SPDX-License-Identifier: Apache-2.0

import Agent
import Base
import LanguageModels
import Testing
import Text

/// What weak, odd and failing models do to a run, and what is left of it.
@Suite struct ModelFailureTests {
    static let question = "Which company publishes First for Women?"

    /// Two calls that the tools refuse, then a right one: corrections are counted on their own, not as barren steps.
    @Test func rejectedCallsAreNoBarrenSteps() async throws {
        let script = """
            turns:
              - tool_calls: [{name: keyword_search, arguments: {queries: Bauer}}]
              - tool_calls: [{name: google, arguments: {query: Bauer}}]
              - tool_calls: [{name: keyword_search, arguments: {query: First for Women}}]
              - content: "Bauer Media Group [first].\\nAnswer: Bauer Media Group"
            """
        let (answer, events) = try await World.run(
            Self.question, strategy: World.strategy("react"), environment: World.environment(model: World.model(script))
        )
        #expect(events.stop == .answered)
        #expect(answer.short == "Bauer Media Group")
        let endless = """
            turns:
              - tool_calls: [{name: google, arguments: {query: a}}]
              - tool_calls: [{name: google, arguments: {query: b}}]
              - tool_calls: [{name: google, arguments: {query: c}}]
              - tool_calls: [{name: google, arguments: {query: d}}]
            """
        let (_, refused) = try await World.run(
            Self.question, strategy: World.strategy("react"),
            environment: World.environment(model: World.model(endless)))
        #expect(refused.stop == .unreadableModel)
    }

    /// The same call again and again is no misunderstanding, and ends the run as what it is.
    @Test func repetitionIsNamed() async throws {
        let script = """
            repeat_last: true
            turns: [{tool_calls: [{name: keyword_search, arguments: {query: Hamburg}}]}]
            """
        let (_, events) = try await World.run(
            Self.question, strategy: World.strategy("react"), environment: World.environment(model: World.model(script))
        )
        #expect(events.stop == .repeating)
    }

    @Test(arguments: ["react", "search-r1", "hyde", "ircot"])
    func aModelThatFailsAtOnceLeavesASearchAndItsAnswer(_ policy: String) async throws {
        let script = "repeat_last: true\nturns: [{content: x, failures: [timeout, timeout, timeout, timeout, timeout]}]"
        let (answer, events) = try await World.run(
            Self.question, strategy: World.strategy(policy), environment: World.environment(model: World.model(script)))
        #expect(answer.label == .extractive, "\(policy)")
        #expect(answer.text.contains("Bauer"), "\(policy)")
        #expect(answer.citations.first?.passageID == "first", "\(policy)")
        if policy == "react" || policy == "search-r1" {
            guard case .failed = events.stop else {
                Issue.record("\(policy) stopped by \(String(describing: events.stop))")
                return
            }
        }
    }

    @Test func theSearchAfterAFailureKeepsToTheBudget() async throws {
        let script = "repeat_last: true\nturns: [{content: x, failures: [timeout, timeout, timeout]}]"
        for limit in 0...1 {
            let (answer, events) = try await World.run(
                Self.question, strategy: World.strategy("react"),
                environment: World.environment(model: World.model(script)), budget: Budget(steps: 5, toolCalls: limit))
            #expect(events.spent?.toolCalls == limit)
            #expect(answer.label == (limit == 0 ? .none : .extractive))
        }
        let (_, unreadable) = try await World.run(
            Self.question, strategy: World.strategy("react"),
            environment: World.environment(model: World.model("repeat_last: true\nturns: [{content: ''}]")))
        #expect(unreadable.stop == .unreadableModel)
        #expect((unreadable.spent?.toolCalls ?? 0) > 0)
    }

    static let closings: [(written: String, text: String, short: String?)] = [
        ("<think>I wonder.</think>Bauer [first].\nAnswer: Bauer Media Group", "Bauer [first].", "Bauer Media Group"),
        ("I wonder still.</think>\nAnswer: Bauer", "Bauer", "Bauer"),
        (#"It is \boxed{\text{Bauer Media Group}} [first]."#, "It is Bauer Media Group [first].", "Bauer Media Group"),
        (#"<think>a \boxed{no}</think>so \boxed{f{x}}"#, "so f{x}", "f{x}"),
        (#"Answer: \boxed{Bauer}"#, "Bauer", "Bauer"),
        ("<think>x</think><answer>Bauer</answer>", "Bauer", "Bauer"),
        ("<|begin_search_query|>q<|end_search_query|>Answer: Bauer", "Bauer", "Bauer"),
        ("a < b and c > d", "a < b and c > d", nil),
    ]

    @Test(arguments: closings)
    func closingAnswersHoldNoProtocol(_ written: String, _ text: String, _ short: String?) async throws {
        let model = try ScriptedModel(script: ["turns": [["content": .string(written)]]], source: "script")
        let answer = try await World.run(
            Self.question, strategy: World.strategy("single-shot"), environment: World.environment(model: model)
        ).answer
        #expect(answer.text == text)
        #expect(answer.short == short)
        #expect(answer.label == .model)
    }

    /// A closing turn that holds a call or reasoning alone answers nothing; the best sentence does.
    @Test(arguments: [
        "<tool_call>{\"name\": \"read\", \"arguments\": {\"ids\": [\"first\"]}}</tool_call>", "<think>Hm.</think>",
        "<think>never closed", "<search>more</search>",
    ])
    func aCallWrittenAsTextIsNoAnswer(_ written: String) async throws {
        let model = try ScriptedModel(script: ["turns": [["content": .string(written)]]], source: "script")
        let answer = try await World.run(
            Self.question, strategy: World.strategy("single-shot"), environment: World.environment(model: model)
        ).answer
        #expect(answer.label == .extractive)
        #expect(!answer.text.contains("<"))
    }

    @Test func aCallWrittenAsTextIsCorrected() async throws {
        let script = """
            turns:
              - content: '<tool_call>{"name": "keyword_search", "arguments": {"query": "Bauer"}}</tool_call>'
              - tool_calls: [{name: keyword_search, arguments: {query: First for Women}}]
              - content: "Bauer Media Group [first].\\nAnswer: Bauer Media Group"
            """
        let (answer, events) = try await World.run(
            Self.question, strategy: World.strategy("react"), environment: World.environment(model: World.model(script))
        )
        #expect(answer.short == "Bauer Media Group")
        #expect(events.names.filter { $0 == "corrected" }.count == 1)
    }
}
