// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
public import LanguageModels
import Text
import Tools

/// Writes the answer sentence by sentence and searches where it is unsure (FLARE, Jiang et al., 2023): the next sentence is
/// written ahead; where all its tokens are probable it stands, else it becomes a query and is written again with what that
/// finds. "answer is" ends the answer.
///
/// The query is the sentence without its unsure tokens, or questions that the model asks about what it was unsure of. It
/// needs a model that gives log-probabilities; with another it proposes nothing, and says so in a note.
public struct LookAheadProposer: ActionProposer {
    public var name: String { "lookahead" }

    /// What is searched for when a sentence is unsure.
    public enum Query: String, Sendable, Hashable, CaseIterable {
        /// The sentence without its unsure tokens.
        case masked
        /// A question about each unsure piece of it.
        case questions
    }

    public var toolNames: [String]
    /// How many passages a query asks for. Default 5.
    public var limit: Int
    /// The most sentences. Default 8.
    public var sentences: Int
    /// When to search, and which tokens are unsure.
    public var rule: ForwardLooking
    public var query: Query
    public var options: SamplingOptions

    public init(
        toolNames: [String] = ["keyword_search", "semantic_search"], limit: Int = 5, sentences: Int = 8,
        rule: ForwardLooking = ForwardLooking(), query: Query = .masked,
        options: SamplingOptions = SamplingOptions(temperature: 0, maxTokens: 64)
    ) {
        self.toolNames = toolNames
        self.limit = limit
        self.sentences = sentences
        self.rule = rule
        self.query = query
        self.options = options
    }

    public func propose(in state: AgentState, using context: StepContext) async throws -> Proposal {
        guard context.hasModel else { return Proposal() }
        guard context.modelCapabilities?.logProbabilities == true else {
            return state.hasNote("lookahead", key: "")
                ? Proposal()
                : Proposal(
                    [],
                    notes: [
                        Note(kind: "lookahead", key: "", text: "no look ahead: the model gives no log-probabilities")
                    ])
        }
        // The first search is the question's, as FLARE's is.
        guard !state.actions.isEmpty else { return Proposal() }
        var written = state.notes.filter { $0.kind == "sentence" }.map(\.text)
        var notes: [Note] = []
        while written.count < sentences {
            let number = String(written.count + 1)
            let completion = try await next(after: written, state, context)
            let sentence = ModelText.firstSentence(AnswerText.written(completion.message.content))
            guard !sentence.isEmpty else { break }
            let tokens = rule.firstSentence(of: completion.tokens, in: completion.message.content)
            // A sentence is looked up once; written again, it stands.
            if rule.isTriggered(by: tokens), !state.hasNote("unsure", key: number) {
                let queries = try await queries(for: sentence, tokens, state, context)
                let calls = queries.flatMap {
                    SearchCalls.calls($0, tools: toolNames, limit: limit, state: state, context: context)
                }
                if !calls.isEmpty {
                    notes.append(Note(kind: "unsure", key: number, text: sentence))
                    return Proposal(
                        [
                            CandidateAction(
                                .call(calls), proposer: name, reason: "unsure of: " + sentence, score: 1)
                        ], notes: notes)
                }
            }
            written.append(sentence)
            notes.append(Note(kind: "sentence", key: number, text: sentence))
            if let end = sentence.range(of: "answer is", options: .caseInsensitive) {
                let short = sentence[end.upperBound...].trimmingCharacters(in: CharacterSet(charactersIn: ": .\n"))
                return Proposal(
                    [
                        CandidateAction(
                            .answer(text: written.joined(separator: " ") + "\nAnswer: " + short), proposer: name,
                            reason: "the answer is written", score: 2)
                    ], notes: notes)
            }
        }
        // Without an end the passages found decide.
        return Proposal(
            [CandidateAction(.answer(text: nil), proposer: name, reason: "nothing more is written", score: 1)],
            notes: notes)
    }

    /// The sentence that the model would write next.
    private func next(
        after written: [String], _ state: AgentState, _ context: StepContext
    ) async throws -> Completion {
        var random = context.random
        var options = options
        options.topLogProbabilities = 0
        options.seed = options.seed ?? random.next() >> 11
        let fence = Fence(seed: random.next(), salt: context.fenceSalt, call: "lookahead")
        var content =
            "Question: \(state.question.text)\nAnswer so far: "
            + (written.isEmpty ? "(nothing)" : written.joined(separator: " "))
        if !state.evidence.isEmpty {
            content =
                fence.wrap(EvidencePrompt.list(state.evidence, limit: 8), source: "the evidence") + "\n\n" + content
        }
        let request = ModelRequest(
            messages: [
                ChatMessage(
                    role: .system,
                    content:
                        "Answer by reasoning step by step. Write exactly one next sentence of the answer and nothing "
                        + "else. When the reasoning is done, the sentence is \"So the answer is: …\".\n\n" + Fence.note),
                ChatMessage(role: .user, content: content),
            ], toolChoice: .none, options: options)
        guard let completion = try await context.respond(to: request, purpose: "lookahead").completions.first else {
            throw LanguageModelError.malformedReply("no completion")
        }
        return completion
    }

    private func queries(
        for sentence: String, _ tokens: [TokenLogProbability], _ state: AgentState, _ context: StepContext
    ) async throws -> [String] {
        // With nothing sure left of it the sentence is no better than the question.
        let masked = rule.query(from: tokens) ?? state.question.text
        let pieces = rule.unsurePieces(of: tokens).prefix(3)
        guard query == .questions, !pieces.isEmpty else { return [masked] }
        let text = try await ModelText.ask(
            """
            For each phrase write the question to which the phrase is the answer, given the sentence. One question a line, \
            nothing else.
            """,
            "Question: \(state.question.text)\nSentence: \(sentence)\nPhrases: \(pieces.joined(separator: "; "))",
            evidence: nil, options: SamplingOptions(temperature: 0, maxTokens: 96), purpose: "questions", state: state,
            context: context)
        let questions = Array(ModelText.lines(text).prefix(pieces.count))
        return questions.isEmpty ? [masked] : questions
    }
}

extension ForwardLooking {
    /// The longest runs of tokens of at most `maskBelow`, as texts: what the sentence is unsure of.
    public func unsurePieces(of tokens: [TokenLogProbability]) -> [String] {
        var pieces: [String] = []
        var piece = ""
        for token in tokens {
            if exp(token.logProbability) <= maskBelow {
                piece += token.text
            } else if !piece.isEmpty {
                pieces.append(piece)
                piece = ""
            }
        }
        pieces.append(piece)
        return pieces.map { $0.trimmingCharacters(in: .whitespacesAndNewlines) }.filter {
            $0.contains { $0.isLetter || $0.isNumber }
        }
    }
}
