// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
import LanguageModels
import OrderedCollections
import Synchronization
import Testing
import Tools

@testable import Agent

@Suite struct CompactionTests {
    /// A model that searches four times and then answers, and reads no more than so many characters.
    final class NarrowModel: LanguageModel {
        let name = "narrow"
        let fingerprint = "narrow"
        let capabilities = ModelCapabilities(toolCalls: true)
        private let limit: Int
        private let acts = Mutex(0)
        private let prompts = Mutex<[ModelRequest]>([])

        init(limit: Int) { self.limit = limit }

        var seen: [ModelRequest] { prompts.withLock { $0 } }

        func respond(
            to request: ModelRequest, onEvent: @Sendable (ModelStreamEvent) -> Void
        ) async throws -> ModelResponse {
            let size = request.messages.reduce(0) { $0 + $1.content.count }
            guard size <= limit else { throw LanguageModelError.contextOverflow(tokens: size, limit: limit) }
            prompts.withLock { $0.append(request) }
            func reply(_ message: ChatMessage) -> ModelResponse {
                ModelResponse(
                    completions: [
                        Completion(message: message, finishReason: message.toolCalls.isEmpty ? .stop : .toolCalls)
                    ],
                    usage: TokenUsage(promptTokens: size, completionTokens: 5), model: name)
            }
            if request.messages[0].content.hasPrefix("You take notes") {
                return reply(
                    ChatMessage(
                        role: .assistant, content: "The magazine began in 1844 [arthur]; another id [nothing#7]."))
            }
            let words = ["Philadelphia 1844", "Hamburg Germany", "river Europe", "Bauer Media headquarters"]
            let act = acts.withLock { act in
                defer { act += 1 }
                return act
            }
            guard act < words.count else {
                return reply(ChatMessage(role: .assistant, content: "It began in 1844 [arthur].\nAnswer: 1844"))
            }
            let call = ToolCall(id: "c\(act)", name: "keyword_search", arguments: "{\"query\":\"\(words[act])\"}")
            return reply(ChatMessage(role: .assistant, content: "", toolCalls: [call]))
        }
    }

    @Test func sumsUpWhatNoLongerFitsAndGoesOn() async throws {
        let padding = String(repeating: " It is told at length in many words that fill a page.", count: 12)
        let documents = World.documents.map { Document(id: $0.id, title: $0.title, text: $0.text + padding) }
        let model = NarrowModel(limit: 6_000)
        let run = try await World.run(
            "When did Arthur's Magazine begin?", strategy: World.strategy("react"),
            environment: World.environment(model: model, documents: documents))
        let notes = run.events.flatMap { event -> [Note] in
            if case .proposed(let proposal) = event.kind { proposal.notes } else { [] }
        }
        let summary = try #require(notes.last { $0.kind == Compaction.kind })
        #expect(summary.text.contains("1844"))
        #expect(!summary.text.contains("nothing#7"), "an id that was never found is no citation")
        #expect(
            model.seen.contains { request in request.messages.contains { $0.content.contains("Found so far, in short") }
            })
        #expect(run.answer.short == "1844")
    }

    @Test func nothingIsSummedUpWhereEverythingFits() async throws {
        let model = NarrowModel(limit: 1_000_000)
        let run = try await World.run(
            "When did Arthur's Magazine begin?", strategy: World.strategy("react"),
            environment: World.environment(model: model))
        #expect(!model.seen.contains { $0.messages[0].content.hasPrefix("You take notes") })
        #expect(run.answer.short == "1844")
    }
}
