// SPDX-License-Identifier: Apache-2.0

import Base
import Episodes
import LanguageModels
import OrderedCollections
import Testing
import Text

@testable import Agent

/// Whatever ends a run, the question was searched for and read as the plain pipeline would.
@Suite struct EmptyHandedTests {
    private static let question = "Which company publishes First for Women?"

    private static func run(
        _ script: String, policy: String = "react", budget: Budget? = nil
    ) async throws -> (answer: Answer, events: [SessionEvent]) {
        try await World.run(
            question, strategy: World.strategy(policy), environment: World.environment(model: World.model(script)),
            budget: budget)
    }

    static let ends: [(name: String, script: String, stop: String)] = [
        (
            "the example of a handle copied",
            """
            repeat_last: true
            turns: [{tool_calls: [{name: keyword_search, arguments: {query: Bauer, within: "r1 intersect r3"}}]}]
            """, "repeating"
        ),
        (
            "no call that can be read", "repeat_last: true\nturns: [{tool_calls: [{name: x, arguments: {}}]}]",
            "repeating"
        ),
        ("empty turns", "repeat_last: true\nturns: [{content: \" \"}]", "unreadable_model"),
        (
            "an answer without a look",
            "select: call\nturns: [{content: \"Answer: Conde Nast\"}, {content: \"Bauer Media Group [1]\"}]", "answered"
        ),
        ("only a table", "repeat_last: true\nturns: [{tool_calls: [{name: aggregate, arguments: {}}]}]", "repeating"),
    ]

    @Test(arguments: ends.indices)
    func theQuestionWasSearchedFor(_ index: Int) async throws {
        let (name, script, stop) = Self.ends[index]
        let (answer, events) = try await Self.run(script)
        #expect(events.stop?.name == stop, "\(name)")
        let state = try Trajectory(events: events).final
        #expect(state.retrieved["first"] != nil && !state.evidence.isEmpty, "\(name)")
        #expect(answer.text.contains("Bauer") || answer.short?.contains("Bauer") == true, "\(name): \(answer.text)")
        #expect(answer.citations.contains { $0.passageID == "first" || $0.passageID == "bauer" }, "\(name)")
    }

    /// What a model says before it has looked stands only if what is then found bears it out.
    @Test func aRightGuessStandsWithItsPassage() async throws {
        let (answer, events) = try await Self.run("turns: [{content: \"Answer: Bauer Media Group\"}]")
        #expect(answer.short == "Bauer Media Group")
        #expect(answer.citations.contains { $0.passageID == "first" })
        #expect(events.filter { $0.name == "model_called" }.count == 1)
    }

    @Test func aStepLimitLeavesASearch() async throws {
        var budget = Budget()
        budget.steps = 1
        let (answer, events) = try await Self.run(
            "turns: [{tool_calls: [{name: aggregate, arguments: {}}]}, {content: \"Bauer Media Group [1]\"}]",
            budget: budget)
        #expect(events.stop?.name == "budget:steps")
        #expect(answer.text.contains("Bauer"))
    }

    /// A session without calls left, or one that a person broke off, makes none.
    @Test func noCallIsMadeBeyondTheBudget() async throws {
        var budget = Budget()
        budget.toolCalls = 0
        let (_, events) = try await Self.run("turns: [{content: \"Answer: x\"}]", budget: budget)
        #expect(!events.names.contains("tool_called"))
    }
}

@Suite struct AttributionTests {
    private static func state() async throws -> AgentState {
        let events = try await World.run(
            World.magazines, strategy: World.strategy("hops"), environment: World.environment()
        ).events
        return try Trajectory(events: events).final
    }

    @Test func everyAnswerIsAttributed() async throws {
        let attribution = Attribution(state: try await Self.state())
        func attributed(_ text: String, short: String? = nil) -> Answer {
            attribution.attributed(Answer(text: text, short: short, label: .model, answerer: "m"))
        }
        #expect(attributed("Philadelphia").citations.map(\.passageID) == ["arthur"])
        let sentence = attributed("The company has its headquarters in Hamburg, a large city of Germany.")
        #expect(
            sentence.citations.contains { $0.passageID == "bauer" || $0.passageID == "hamburg" } && sentence.isSupported
        )
        let wrong = attributed("It was founded by Napoleon Bonaparte on Elba.", short: "Napoleon Bonaparte")
        #expect(wrong.citations.isEmpty && !wrong.isSupported)
        #expect(try Answer(json: wrong.json).isSupported == false)
        #expect(attributed("yes").isSupported)
        let none = Answer(text: "Nothing was found.", label: .none, answerer: "m")
        #expect(attribution.attributed(none) == none)
    }

    @Test func markersStandAfterWhatTheySupport() {
        let answer = Answer(
            text: "Arthur's Magazine began in 1844. First for Women is of 1989 [first].", label: .model, answerer: "m",
            citations: [
                Citation(passageID: "arthur", quote: "Arthur's Magazine was published in 1844."),
                Citation(passageID: "first"),
            ])
        let (text, markers) = answer.marked()
        #expect(text == "Arthur's Magazine began in 1844. [arthur] First for Women is of 1989 [first].")
        #expect(markers.map(\.citation) == [0, 1])
        for marker in markers {
            let scalars = Array(text.unicodeScalars)[marker.range]
            #expect(String(String.UnicodeScalarView(scalars)) == "[\(answer.citations[marker.citation].passageID)]")
        }
        let short = Answer(text: "Paris", label: .span, answerer: "m", citations: [Citation(passageID: "p#1")])
        #expect(short.marked().text == "Paris [p#1]")
    }

    @Test func numbersStandForPassages() {
        let evidence = Evidence([
            EvidenceItem(passageID: "a", documentID: "a", title: "A", text: "x", score: 2),
            EvidenceItem(passageID: "b#2", documentID: "b", title: "B", text: "y", score: 1),
        ])
        #expect(
            EvidencePrompt.naming(evidence, in: "So [1], so [2, 1] and [7] in [1999].")
                == "So [a], so [b#2] [a] and [7] in [1999].")
        #expect(EvidencePrompt.list(evidence, isNumbered: true) == "[1] A: x\n\n[2] B: y")
    }
}
