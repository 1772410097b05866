// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
import Foundation
public import LanguageModels
import OrderedCollections
import Text
public import Tools

/// Interleaves retrieval with a chain of thought (IRCoT, Trivedi et al., 2023): the model writes the next sentence of its
/// reasoning from the evidence, and that sentence is the next query. "answer is" ends the chain.
public struct ChainOfThoughtProposer: ActionProposer {
    public var name: String { "chain" }
    public var tool: String
    /// How many passages a sentence retrieves. Default 4.
    public var limit: Int
    /// The most sentences. Default 10.
    public var sentences: Int
    public var options: SamplingOptions

    public init(
        tool: String = "keyword_search", limit: Int = 4, sentences: Int = 10,
        options: SamplingOptions = SamplingOptions(temperature: 0, maxTokens: 96)
    ) {
        self.tool = tool
        self.limit = limit
        self.sentences = sentences
        self.options = options
    }

    public func propose(in state: AgentState, using context: StepContext) async throws -> Proposal {
        let chain = state.notes.filter { $0.kind == "thought" }.map(\.text)
        guard context.hasModel, !state.evidence.isEmpty, chain.count < sentences else { return Proposal() }
        let text = try await ModelText.ask(
            """
            Answer by reasoning step by step from the passages. Write exactly one next sentence of the reasoning and \
            nothing else. When the reasoning is done, the sentence is "So the answer is: …".
            """,
            "Question: \(state.question.text)\nReasoning so far: \(chain.isEmpty ? "(none)" : chain.joined(separator: " "))",
            evidence: state.evidence, options: options, purpose: "chain", state: state, context: context)
        let sentence = ModelText.firstSentence(text)
        guard !sentence.isEmpty else { return Proposal() }
        let note = Note(kind: "thought", key: String(chain.count + 1), text: sentence)
        if let range = sentence.range(of: "answer is", options: .caseInsensitive) {
            let short = sentence[range.upperBound...].trimmingCharacters(in: CharacterSet(charactersIn: ": .\n"))
            let done = CandidateAction(
                .answer(text: (chain + [sentence]).joined(separator: " ") + "\nAnswer: " + short), proposer: name,
                reason: "the chain of thought is done", score: 2)
            return Proposal([done], notes: [note])
        }
        // Question words match everywhere; without them the sentence's own words decide.
        let query = sentence.split(separator: " ").filter { !ModelText.questionWords.contains($0.lowercased()) }
            .joined(separator: " ")
        let calls = SearchCalls.calls(query, tools: [tool], limit: limit, state: state, context: context)
        guard !calls.isEmpty else { return Proposal([], notes: [note]) }
        return Proposal([CandidateAction(.call(calls), proposer: name, reason: sentence, score: 1)], notes: [note])
    }
}

/// Asks the model for the next query from the question and the evidence (GoldEn's query generation, Qi et al., 2019, with a
/// model in the place of the trained span extractor). Without a model the query is the span of the evidence that GoldEn's
/// heuristics would extract: the rarest name that the question does not hold.
public struct QueryGenerationProposer: ActionProposer {
    public var name: String { "query" }
    public var tools: [String]
    public var limit: Int
    public var options: SamplingOptions

    public init(
        tools: [String] = ["keyword_search"], limit: Int = 10,
        options: SamplingOptions = SamplingOptions(temperature: 0, maxTokens: 48)
    ) {
        self.tools = tools
        self.limit = limit
        self.options = options
    }

    public func propose(in state: AgentState, using context: StepContext) async throws -> Proposal {
        guard !state.evidence.isEmpty else { return Proposal() }
        guard context.hasModel else {
            let names = EntitiesProposer(tool: tools.first ?? "keyword_search", limit: limit, from: 2, names: 1)
            return try await names.propose(in: state, using: context)
        }
        let asked = state.notes.filter { $0.kind == "query" }.map(\.text)
        let text = try await ModelText.ask(
            """
            Write the one search query, a few words, that finds what is still missing to answer the question. Reply with \
            the query alone, or with DONE when the passages answer it.
            """,
            "Question: \(state.question.text)\nQueries so far: \(asked.isEmpty ? "(none)" : asked.joined(separator: "; "))",
            evidence: state.evidence.condensed, options: options, purpose: "query", state: state, context: context)
        let query = ModelText.firstLine(text)
        guard !query.isEmpty else { return Proposal() }
        if query.uppercased().hasPrefix("DONE") {
            return Proposal([
                CandidateAction(.answer(text: nil), proposer: name, reason: "nothing is missing", score: 2)
            ])
        }
        let calls = SearchCalls.calls(query, tools: tools, limit: limit, state: state, context: context)
        guard !calls.isEmpty else { return Proposal() }
        return Proposal(
            [CandidateAction(.call(calls), proposer: name, reason: "still missing: " + query, score: 1)],
            notes: [Note(kind: "query", key: String(asked.count + 1), text: query)])
    }
}

/// Searches with a passage that the model makes up (HyDE, Gao et al., 2023): its words and meaning are nearer to the
/// passage that answers than the question's are. As in the paper, one search is made with the mean of the vectors of the
/// question and of the passages; or several, one a passage, which the keeper fuses.
public struct HypotheticalPassageProposer: ActionProposer {
    public var name: String { "passage" }
    public var tools: [any RetrievalTool] { averages ? [VectorSearchTool()] : [] }
    /// The tool of searches that are not averaged.
    public var tool: String
    /// Whether vectors are averaged; where the corpus has none, each passage is searched for on its own. Default true.
    public var averages: Bool
    public var limit: Int
    /// How many passages are made up. Default 4 (the paper: 8).
    public var passages: Int
    public var options: SamplingOptions

    public init(
        tool: String = "semantic_search", limit: Int = 10, passages: Int = 4, averages: Bool = true,
        options: SamplingOptions = SamplingOptions(temperature: 0.7, maxTokens: 160)
    ) {
        self.averages = averages
        self.tool = tool
        self.limit = limit
        self.passages = passages
        self.options = options
    }

    public func propose(in state: AgentState, using context: StepContext) async throws -> Proposal {
        guard context.hasModel else { return Proposal() }
        // What was made up at an earlier step, and not searched then, is not made up again.
        let known = state.notes.filter { $0.kind == "passage" }.map(\.text)
        let texts = try await known.isEmpty ? makeUp(state, context) : known
        var seen: Set<String> = []
        let distinct = texts.filter { seen.insert($0).inserted }
        let calls =
            averages && context.corpus.summary.modes.contains(.semantic) && context.tools[VectorSearchTool.name] != nil
            ? SearchCalls.vectorCalls(
                ["query": .string(state.question.text), "texts": .array(texts.map { .string($0) })], limit: limit,
                state: state, isEmpty: texts.isEmpty)
            : distinct.flatMap {
                SearchCalls.calls(
                    state.question.text + " " + $0, tools: [tool], limit: limit, state: state, context: context)
            }
        guard !calls.isEmpty else { return Proposal() }
        let notes = known.isEmpty ? texts.enumerated().map { Note(kind: "passage", key: String($0 + 1), text: $1) } : []
        return Proposal(
            [
                CandidateAction(
                    .call(calls), proposer: name, reason: "passages that would answer, made up by the model", score: 1)
            ], notes: notes)
    }

    private func makeUp(_ state: AgentState, _ context: StepContext) async throws -> [String] {
        var options = options
        options.samples = passages
        var random = context.random
        options.seed = options.seed ?? random.next() >> 11
        let request = ModelRequest(
            messages: [
                ChatMessage(role: .system, content: "Write a short encyclopedic passage that answers the question."),
                ChatMessage(role: .user, content: state.question.text),
            ], toolChoice: .none, options: options)
        return try await context.respond(to: request, purpose: "passage").completions
            .map { String(AnswerText.written($0.message.content).prefix(1500)) }.filter {
                !$0.allSatisfy(\.isWhitespace)
            }
    }
}

/// Rewrites the question into a few self-contained queries, each searched.
public struct RewriteProposer: ActionProposer {
    public var name: String { "rewrite" }
    public var tools: [String]
    public var limit: Int
    /// How many rewrites. Default 3.
    public var rewrites: Int
    /// Whether the question itself is searched beside them, in the same step. Default false.
    public var withQuestion: Bool
    public var options: SamplingOptions

    public init(
        tools: [String] = ["keyword_search", "semantic_search"], limit: Int = 10, rewrites: Int = 3,
        withQuestion: Bool = false,
        options: SamplingOptions = SamplingOptions(temperature: 0, maxTokens: 128)
    ) {
        self.tools = tools
        self.limit = limit
        self.rewrites = rewrites
        self.withQuestion = withQuestion
        self.options = options
    }

    public func propose(in state: AgentState, using context: StepContext) async throws -> Proposal {
        guard context.hasModel else { return Proposal() }
        let known = state.notes.filter { $0.kind == "rewrite" }.map(\.text)
        let queries = try await known.isEmpty ? rewritten(state, context) : known
        let calls = ((withQuestion ? [state.question.text] : []) + queries).flatMap {
            SearchCalls.calls($0, tools: tools, limit: limit, state: state, context: context)
        }
        guard !calls.isEmpty else { return Proposal() }
        return Proposal(
            [CandidateAction(.call(calls), proposer: name, reason: queries.joined(separator: "; "), score: 1)],
            notes: known.isEmpty
                ? queries.enumerated().map { Note(kind: "rewrite", key: String($0 + 1), text: $1) } : [])
    }

    private func rewritten(_ state: AgentState, _ context: StepContext) async throws -> [String] {
        let text = try await ModelText.ask(
            """
            Rewrite the question as \(rewrites) different search queries that use other words for the same thing. One \
            query a line, nothing else.
            """, state.question.text, evidence: nil, options: options, purpose: "rewrite", state: state,
            context: context)
        return Array(ModelText.lines(text).prefix(rewrites))
    }
}

/// Small pieces that proposers share when they ask a model for text.
enum ModelText {
    static let questionWords: Set<String> = ["what", "which", "who", "whom", "whose", "when", "where", "why", "how"]

    /// Asks with the evidence fenced in front of the request.
    /// - Parameter constraint: what the text must be, where the model can be held to it.
    static func ask(
        _ instructions: String, _ request: String, evidence: Evidence?, options: SamplingOptions, purpose: String,
        state: AgentState, context: StepContext, constraint: OutputConstraint? = nil
    ) async throws -> String {
        var random = context.random
        var options = options
        if context.modelCapabilities?.constraints == true { options.constraint = constraint }
        options.seed = options.seed ?? random.next() >> 11
        var content = request
        var system = instructions
        if let evidence, !evidence.isEmpty {
            let fence = Fence(seed: random.next(), salt: context.fenceSalt, call: purpose)
            content = fence.wrap(EvidencePrompt.list(evidence, limit: 8), source: "the evidence") + "\n\n" + request
            system += "\n\n" + Fence.note
        }
        let messages = [ChatMessage(role: .system, content: system), ChatMessage(role: .user, content: content)]
        let response = try await context.respond(
            to: ModelRequest(messages: messages, toolChoice: .none, options: options), purpose: purpose)
        return AnswerText.written(response.completions.first?.message.content ?? "")
    }

    static func firstSentence(_ text: String) -> String {
        (SentenceSplitter().split(text).first ?? "").trimmingCharacters(in: .whitespacesAndNewlines)
    }

    static func firstLine(_ text: String) -> String { lines(text).first ?? "" }

    /// The lines without numbers, bullets and quotation marks; empty ones left out.
    static func lines(_ text: String) -> [String] {
        text.textLines(omittingEmpty: true).compactMap { line in
            var line = line.drop { $0.isWhitespace || $0 == "-" || $0 == "*" || $0 == "•" }
            let number = line.prefix { $0.isNumber }
            if !number.isEmpty, let mark = line.dropFirst(number.count).first, mark == "." || mark == ")" {
                line = line.dropFirst(number.count + 1)
            }
            let clean = line.trimmingCharacters(in: .whitespaces.union(CharacterSet(charactersIn: "\"“”")))
            return clean.isEmpty ? nil : String(clean.prefix(500))
        }
    }
}
