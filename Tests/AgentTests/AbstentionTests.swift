// SPDX-License-Identifier: Apache-2.0

import Agent
import Base
import LanguageModels
import Testing
import Text

/// Samples that answer nothing agree on nothing: the question is looked up, and that nothing is there is said only then.
@Suite struct AbstentionTests {
    static let question = "Which company publishes First for Women?"

    /// A model that says the same to everything.
    struct Parrot: LanguageModel {
        var text: String
        var finish = Completion.FinishReason.stop
        var name: String { "parrot" }
        var fingerprint: String { "parrot" }
        var capabilities: ModelCapabilities { ModelCapabilities(toolCalls: true) }

        func respond(
            to request: ModelRequest, onEvent: @Sendable (ModelStreamEvent) -> Void
        ) async throws -> ModelResponse {
            let completion = Completion(message: ChatMessage(role: .assistant, content: text), finishReason: finish)
            return ModelResponse(
                completions: Array(repeating: completion, count: request.options.samples), usage: TokenUsage(),
                model: name)
        }
    }

    static let silent: [(text: String, finish: Completion.FinishReason)] = [
        ("I don't know.\nAnswer: unknown", .stop), ("unknown", .stop), ("", .stop), ("", .length),
        ("I'm sorry, I can't help with that.", .stop), ("I need to search for this.", .stop),
        ("Okay, the user asks which company it is that", .length), ("<think>Hm, which one", .stop), ("\u{0}", .stop),
    ]

    @Test(arguments: silent, ["adaptive", "assisted"])
    func agreementOnNothingIsNoKnowledge(
        _ sample: (text: String, finish: Completion.FinishReason), _ policy: String
    ) async throws {
        let gated =
            policy == "adaptive"
            ? try World.strategy("adaptive")
            : try PolicyFile(
                yaml: """
                    name: gated
                    proposers: [question]
                    gate: {threshold: {measure: degmat/jaccard, value: 0.2, samples: 5}}
                    answer: auto
                    budget: {steps: 2}
                    """, source: "gated"
            ).strategy()
        let model = Parrot(text: sample.text, finish: sample.finish)
        let (answer, events) = try await World.run(
            Self.question, strategy: gated, environment: World.environment(model: model))
        #expect((events.spent?.toolCalls ?? 0) > 0)
        #expect(events.stop != .confident)
        #expect(answer.label != .memory)
    }

    /// The gate was certain, but the answer knows nothing after all.
    @Test func anAnswerThatKnowsNothingIsLookedUp() async throws {
        let script = """
            select: call
            turns:
              - {content: x, samples: [Bauer, Bauer, Bauer, Bauer]}
              - {content: "I do not know.\\nAnswer: unknown"}
              - {content: "Bauer Media Group [first].\\nAnswer: Bauer Media Group"}
            """
        let (answer, events) = try await World.run(
            Self.question, strategy: GateTests.policy(0.4),
            environment: World.environment(model: World.model(script)))
        #expect((events.spent?.toolCalls ?? 0) > 0)
        #expect(answer.short == "Bauer Media Group")
        #expect(answer.label == .model)
    }

    /// Nothing may be looked up: then it is not said that nothing is there.
    @Test func whatWasNotLookedForIsNotMissing() async throws {
        for text in ["unknown", ""] {
            let (answer, events) = try await World.run(
                Self.question, strategy: World.strategy("adaptive"),
                environment: World.environment(model: Parrot(text: text)), budget: Budget(steps: 4, toolCalls: 0))
            #expect(events.spent?.toolCalls == 0)
            #expect(answer.label == .none)
            #expect(!answer.text.contains("corpus"))
        }
    }
}
