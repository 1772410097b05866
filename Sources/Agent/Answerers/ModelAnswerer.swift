// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
public import LanguageModels
import OrderedCollections
import TensorMath

/// Lets the session's model read the evidence and write the answer, with the passages cited by id.
public struct ModelAnswerer: Answerer {
    /// What the model is told.
    public var instructions: String
    public var options: SamplingOptions
    /// The most passages that it is shown. Default 10.
    public var passages: Int

    public var name: String { "model" }

    public static let standardInstructions = """
        Answer the question from the passages and from nothing else. Write one or two sentences that cite the passages \
        by what stands in square brackets before them, in square brackets, then a last line "Answer: " with only the shortest answer: a name, a number, \
        a date, yes or no. When the passages do not answer the question, the last line is "Answer: unknown".
        """

    /// What the model is told where the question asks for sentences (``AnswerForm``).
    public static let proseInstructions = """
        Answer the question from the passages and from nothing else, in a few plain sentences, as long as the question \
        needs. After each sentence cite the passage that it rests on, as in the list, in square brackets. When the passages \
        do not answer the question, say so.
        """

    /// What the model is told where there is no evidence: retrieval was not needed, or found nothing.
    public static let memoryInstructions = """
        Answer the question from what you know. Write one sentence, then a last line "Answer: " with only the shortest \
        answer: a name, a number, a date, yes or no. When you do not know, the last line is "Answer: unknown".
        """

    public init(
        instructions: String = ModelAnswerer.standardInstructions,
        options: SamplingOptions = SamplingOptions(temperature: 0, maxTokens: 512), passages: Int = 10
    ) {
        self.instructions = instructions
        self.options = options
        self.passages = passages
    }

    public func answer(
        _ question: Question, from evidence: Evidence, using context: StepContext
    ) async throws -> Answer {
        // A model in this process copies a number without fault, a long id seldom.
        let isNumbered = context.modelCapabilities?.parameters != nil
        return try await answer(
            question, from: evidence, random: context.random, salt: context.fenceSalt, isNumbered: isNumbered
        ) {
            try await context.respond(to: $0, purpose: "answer")
        }
    }

    /// Answers outside a session, as rewards do: nothing is charged or written down.
    /// - Throws: `LanguageModelError`, `CancellationError`.
    public func answer(
        _ question: Question, from evidence: Evidence, with model: any LanguageModel, seed: UInt64
    ) async throws -> Answer {
        let isNumbered = model.capabilities.parameters != nil
        return try await answer(question, from: evidence, random: SplitMix64(seed: seed), isNumbered: isNumbered) {
            try await model.respond(to: $0) { _ in }
        }
    }

    private func answer(
        _ question: Question, from evidence: Evidence, random: SplitMix64, salt: UInt64 = 0, isNumbered: Bool,
        respond: (ModelRequest) async throws -> ModelResponse
    ) async throws -> Answer {
        var random = random
        let fence = Fence(seed: random.next(), salt: salt, call: "answer")
        var options = options
        options.seed = options.seed ?? random.next() >> 11
        // Instructions of a policy's own hold for every question.
        let isProse = AnswerForm(question: question.text) == .prose && instructions == Self.standardInstructions
        let instructions = isProse ? Self.proseInstructions : instructions
        var shown = passages
        while true {
            let messages =
                evidence.isEmpty
                ? [
                    ChatMessage(role: .system, content: question.instructions(Self.memoryInstructions)),
                    ChatMessage(role: .user, content: "Question: " + question.prompt),
                ]
                : [
                    ChatMessage(role: .system, content: question.instructions(instructions) + "\n\n" + Fence.note),
                    ChatMessage(
                        role: .user,
                        content: fence.wrap(
                            EvidencePrompt.list(evidence, limit: shown, isNumbered: isNumbered), source: "the evidence")
                            + "\n\nQuestion: " + question.prompt),
                ]
            let request = ModelRequest(messages: messages, toolChoice: .none, options: options)
            do {
                let response = try await respond(request)
                guard let completion = response.completions.first,
                    !ModelMarks.isBlank(completion.message.content)
                else { throw LanguageModelError.malformedReply("an empty answer") }
                // The session resolves the citations against what it retrieved.
                let state = AgentState.reading(evidence, of: question)
                let written = completion.message.content
                let answer = CitationResolver(state: state).answer(
                    fromDraft: isNumbered ? EvidencePrompt.naming(evidence, limit: shown, in: written) : written,
                    model: response.model,
                    label: evidence.isEmpty ? .memory : .model)
                guard !ModelMarks.isBlank(answer.text) else {
                    throw LanguageModelError.malformedReply("reasoning or a call, and no answer")
                }
                return answer
            } catch LanguageModelError.contextOverflow where shown > 1 {
                shown = (shown + 1) / 2
            } catch SessionError.budget(.promptTokens) where shown > 1 {
                shown = (shown + 1) / 2
            }
        }
    }
}

extension AgentState {
    /// A state that has retrieved exactly the evidence: for resolving citations outside a session.
    static func reading(_ evidence: Evidence, of question: Question) -> AgentState {
        var state = AgentState(
            header: SessionHeader(
                session: "", question: question, corpus: .init(), model: .init(), policy: .init(), seed: 0,
                budget: Budget(), tools: []))
        state.evidence = evidence
        for item in evidence.items {
            state.retrieved[item.passageID] = RetrievedPassage(
                passage: Passage(
                    id: item.passageID, ordinal: 0, documentID: item.documentID, documentOrdinal: 0, title: item.title,
                    text: item.text, range: 0..<item.text.unicodeScalars.count), score: item.score, callID: "t0",
                rank: 0)
        }
        return state
    }
}
