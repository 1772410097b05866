// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
public import LanguageModels
import OrderedCollections
import Text
import Tools

/// Lets a model that was trained on a tag protocol drive: its text is read as it streams, its query becomes a tool call,
/// its answer ends the run.
///
/// The episode is one text that the model goes on with, as in the released code of its protocol: prompt, turns, and
/// results in the protocol's own form (``EpisodeStyle``). So the request's last message is the model's own unfinished turn.
public struct TagProposer: ActionProposer {
    public var name: String { "model" }
    public var dialect: TagDialect
    /// The tool that a query calls. Default `semantic_search`.
    public var tool: String
    /// How many results a query asks for. Default 3.
    public var limit: Int
    /// Stands before the question instead of the released prompt; nil for that.
    public var instructions: String?
    public var options: SamplingOptions
    /// Whether a model in this process is held to the protocol's form by a grammar: for models that were never trained on
    /// it. Default false: a trained one goes on freely.
    public var isConstrained: Bool
    /// The most characters of a result's passages together. Default 2,000, about what such models were trained with.
    public var resultCharacters: Int

    public init(
        dialect: TagDialect, tool: String = "semantic_search", limit: Int = 3, instructions: String? = nil,
        options: SamplingOptions = SamplingOptions(temperature: 0, maxTokens: 500), isConstrained: Bool = false,
        resultCharacters: Int = 2000
    ) {
        self.dialect = dialect
        self.tool = tool
        self.limit = limit
        self.instructions = instructions
        self.options = options
        self.isConstrained = isConstrained
        self.resultCharacters = resultCharacters
    }

    public func propose(in state: AgentState, using context: StepContext) async throws -> Proposal {
        guard context.hasModel else { return Proposal() }
        var notes = try await analyses(in: state, using: context)
        var options = options
        options.stop = dialect.stops
        if isConstrained, context.modelCapabilities?.constraints == true {
            options.constraint = .grammar(dialect.grammar)
        }
        options.seed = options.seed ?? state.header.seed &+ UInt64(state.conversation.count)
        guard let completion = try await respond(state, notes, options, context).completions.first else {
            return Proposal(notes: notes)
        }
        var parser = TagStreamParser(dialect)
        parser.push(completion.message.content)
        let outcome = parser.finish(stopped: completion.finishReason == .stop)
        let thought = completion.message.reasoning + parser.reasoning
        if !thought.allSatisfy(\.isWhitespace) { notes.append(Note(kind: "thought", text: thought)) }
        return Proposal([candidate(outcome, turn: state.conversation.count, reason: thought)], notes: notes)
    }

    /// Asks the model, and lets go of the oldest results while the episode is longer than the model's context.
    private func respond(
        _ state: AgentState, _ notes: [Note], _ options: SamplingOptions, _ context: StepContext
    ) async throws -> ModelResponse {
        let limit = context.modelCapabilities?.contextLength.map { $0 - options.maxTokens }
        var trim = 0
        while true {
            let messages = messages(state, notes: notes, trim: trim)
            let request = ModelRequest(messages: messages, toolChoice: .none, options: options)
            if let limit, trim < state.conversation.count, ModelRequestCost.promptTokens(of: request) > limit {
                trim += 1
                continue
            }
            do {
                return try await context.respond(to: request, purpose: LoopRules.actingPurpose)
            } catch LanguageModelError.contextOverflow where trim < state.conversation.count {
                trim += 1
            }
        }
    }

    private func candidate(_ outcome: TagStreamParser.Outcome, turn: Int, reason: String) -> CandidateAction {
        let reason = String(reason.prefix(300))
        switch outcome {
        case .answer(let text):
            let short = dialect.style == .reSearch ? AnswerText.boxed(in: text) ?? text : text
            return CandidateAction(.answer(text: "Answer: " + short), proposer: name, reason: reason)
        case .query(let text) where dialect.queriesAreJSON:
            // A call that is no JSON goes on as it is: the registry says what is wrong with it.
            let json = try? JSONValue(parsing: text)
            let tool = json?["name"]?.string ?? self.tool
            let arguments = json?["arguments"]?.serialized() ?? text
            return CandidateAction(
                .call([ToolInvocation(tool: tool, arguments: arguments, callID: Self.callID(turn))]), proposer: name,
                reason: reason)
        case .query(let text):
            let arguments: JSONValue = ["query": .string(dialect.style.cleaned(text)), "limit": .integer(limit)]
            return CandidateAction(
                .call([ToolInvocation(tool: tool, arguments: arguments.serialized(), callID: Self.callID(turn))]),
                proposer: name, reason: reason)
        case .incomplete:
            if let correction = dialect.style.correction {
                return CandidateAction(
                    .correct(message: correction), proposer: name, reason: "neither a query nor an answer")
            }
            // The released code ends the episode here; what was found is read all the same.
            return CandidateAction(.answer(text: nil), proposer: name, reason: "the model wrote no answer")
        }
    }

    private static func callID(_ turn: Int) -> String { "q\(turn + 1)" }

    // MARK: The episode's text

    /// The prompt and, as the model's own unfinished turn, all that was written and found so far.
    /// - Parameter trim: how many of the oldest turns lose their results; what was kept of them is shown instead.
    func messages(_ state: AgentState, notes: [Note] = [], trim: Int = 0) -> [ChatMessage] {
        let searches = state.budget.toolCalls ?? 10
        var (messages, text) = dialect.style.prompt(for: state.question.text, searches: searches)
        if let instructions {
            messages = [ChatMessage(role: .user, content: instructions + "\n\nQuestion: " + state.question.text)]
            text = ""
        }
        if trim > 0, !state.evidence.isEmpty, let last = messages.indices.last {
            let fence = state.header.fence("evidence")
            messages[last].content +=
                "\n\nKept so far:\n" + fence.wrap(EvidencePrompt.list(state.evidence), source: "the evidence")
        }
        for (index, turn) in state.conversation.enumerated() {
            text += self.text(of: turn, at: index, in: state, notes: notes, isTrimmed: index < trim)
        }
        if !text.isEmpty { messages.append(ChatMessage(role: .assistant, content: text)) }
        return messages
    }

    private func text(
        of turn: ConversationTurn, at index: Int, in state: AgentState, notes: [Note], isTrimmed: Bool
    ) -> String {
        let written = turn.message.content
        let callID = Self.callID(index)
        guard let reply = turn.replies[callID] else { return written + (turn.correction ?? "") }
        // The stop string is not part of what a model returns; what it wrote after its query is not part of its turn.
        let body = written.firstRange(of: dialect.queryClose).map { String(written[..<$0.lowerBound]) } ?? written
        let query = dialect.style.query(body, close: dialect.queryClose)
        if isTrimmed { return query + dialect.style.found(ConversationPrompt.trimmed) }
        let standard = LoopRules.Messages()
        if reply == standard.repeated || reply == standard.noCallsLeft {
            return query + (dialect.style.refused(repeated: reply == standard.repeated) ?? dialect.style.found(reply))
        }
        let analysis = notes.last { $0.kind == Self.analysisKind && $0.key == callID }?.text
        if let analysis = analysis ?? state.note(Self.analysisKind, key: callID) {
            return query + dialect.style.found(analysis)
        }
        guard let items = items(of: callID, in: state) else { return query + dialect.style.found(reply) }
        return query + dialect.style.result(items)
    }

    /// The passages that a call found; nil for a call that failed or that found something else than passages.
    private func items(of callID: String, in state: AgentState) -> [EpisodeStyle.Item]? {
        let action = state.actions.first { action in
            guard case .call(let invocations) = action.candidate.kind else { return false }
            return invocations.contains { $0.callID == callID }
        }
        guard let id = action?.callIDs.first, let set = state.resultSets["r" + id.dropFirst()],
            case .passages(let passages) = set.content
        else { return nil }
        let share = resultCharacters / max(1, min(limit, passages.count))
        return passages.prefix(limit).compactMap { hit in
            guard let passage = state.retrieved[hit.id]?.passage else { return nil }
            return EpisodeStyle.Item(
                title: Fence.neutralised(passage.title),
                text: Fence.neutralised(String(passage.text.prefix(share)).replacing("\n", with: " ")))
        }
    }

    // MARK: Reasoning in documents

    private static let analysisKind = "analysis"

    /// Search-o1 lets the model read a query's results in a call of its own, and goes on with what that wrote.
    private func analyses(in state: AgentState, using context: StepContext) async throws -> [Note] {
        let turn = state.conversation.count - 1
        guard dialect.style == .searchO1, turn >= 0 else { return [] }
        let callID = Self.callID(turn)
        guard !state.hasNote(Self.analysisKind, key: callID), let items = items(of: callID, in: state) else {
            return []
        }
        var text = ""
        for index in 0..<turn {
            text += self.text(of: state.conversation[index], at: index, in: state, notes: [], isTrimmed: false)
        }
        let written = state.conversation[turn].message.content
        let query =
            written.firstRange(of: dialect.queryOpen).map { String(written[$0.upperBound...]) }?
            .replacing(dialect.queryClose, with: "").trimmingWhitespace ?? ""
        let message = EpisodeStyle.analysis(
            of: items, query: query, reasoning: EpisodeStyle.steps(of: text + written))
        var options = options
        options.seed = options.seed ?? state.header.seed
        let request = ModelRequest(messages: [message], toolChoice: .none, options: options)
        let response = try await context.respond(to: request, purpose: "read the results")
        let found = EpisodeStyle.information(in: response.completions.first?.message.content ?? "")
        return [Note(kind: Self.analysisKind, key: callID, text: Fence.neutralised(found))]
    }
}
