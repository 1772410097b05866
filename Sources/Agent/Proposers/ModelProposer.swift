// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
public import LanguageModels
import OrderedCollections
import Search
import Text
import Tools

/// Proposes what the language model asks for: by native tool calls, all calls of a turn being one candidate that runs
/// concurrently, or from a menu where the model is too small for them (``PromptDetail``). A turn without a call is the
/// model's answer.
///
/// What is offered is what can be done (``ToolOffer``); the model is told what the corpus holds (``CorpusCard``). After a
/// turn that led nowhere the next sample is drawn differently, and a tool whose call was only repeated, or failed twice,
/// is not offered in it.
public struct ModelProposer: ActionProposer {
    public var name: String { "model" }
    /// What the model is told first; the corpus's card and the fence's note are added.
    public var instructions: String
    public var options: SamplingOptions
    /// Whether each call of a turn is a candidate of its own beside the whole turn, for a policy that takes some and leaves
    /// others. Default: false.
    public var proposesCallsApart: Bool
    /// How much the model is told; nil for what fits it.
    public var detail: PromptDetail?
    /// What a menu shows, where the model is given one.
    public var menu = MenuOptions()

    /// What the model is told when a policy says nothing else.
    public static let standardInstructions = """
        You answer questions from a corpus of documents. Call the tools to find what you need: search, read, filter and \
        aggregate. Several calls in one turn run at the same time. Results have handles that later calls can name. When \
        the results answer the question, write one or two sentences that cite the passages by id in square brackets, and \
        then a last line "Answer: " with only the shortest answer: a name, a number, a date, yes or no. Use nothing but \
        what the results say; when they do not answer, say so.
        """
    /// The same for a model that reads little.
    static let compactInstructions = """
        Answer the question from the corpus. Call tools to find what you need. When the results answer it, write one \
        sentence with the passage's id in square brackets, then a last line "Answer: " with the shortest answer.
        """

    public init(
        instructions: String = ModelProposer.standardInstructions,
        options: SamplingOptions = SamplingOptions(temperature: 0, maxTokens: 1024), proposesCallsApart: Bool = false,
        detail: PromptDetail? = nil
    ) {
        self.instructions = instructions
        self.options = options
        self.proposesCallsApart = proposesCallsApart
        self.detail = detail
    }

    public func propose(in state: AgentState, using context: StepContext) async throws -> Proposal {
        guard let capabilities = context.modelCapabilities else { return Proposal() }
        let detail = detail ?? PromptDetail(fitting: capabilities)
        let trouble = PastTrouble(state)
        var options = options
        options.seed = options.seed ?? state.header.seed
        options = trouble.varied(options)
        if detail == .menu {
            return try await MenuTurn(state: state, context: context, options: options, proposer: name, menu: menu)
                .propose()
        }
        guard capabilities.toolCalls else {
            throw LanguageModelError.unsupported(
                "the model cannot call tools; take a policy that does not let the model drive, such as hops or golden")
        }
        let offer = ToolOffer(state: state, corpus: context.corpus, detail: detail)
        let tools = offer.specifications(of: context.tools, withheld: trouble.withheld)
        let isStandard = instructions == Self.standardInstructions
        let words = detail == .compact && isStandard ? Self.compactInstructions : instructions
        let card = await CorpusCard.of(context.corpus).text(isCompact: detail == .compact)
        let limit = capabilities.contextLength
        // The first call that finds something shows such a model the form of those that follow.
        let isHeld =
            state.retrieved.isEmpty && state.resultSets.isEmpty && capabilities.needsRequiredCalls && !tools.isEmpty
        var trim = 0
        var summary = Compaction.summary(in: state.notes)
        var notes: [Note] = []
        var hasCompacted = false
        while true {
            let room = limit.map { $0 - options.maxTokens }
            let (messages, trimmed) = ConversationPrompt.messages(
                instructions: words + "\n\n" + card, state: state, limit: room, trim: trim, summary: summary)
            if trimmed > summary?.turns ?? 0, !hasCompacted {
                // Results that no longer fit are summed up before they are let go.
                hasCompacted = true
                let half = (state.conversation.count + 1) / 2
                if let note = try await Compaction.summarise(max(trimmed, half), of: state, using: context, limit: room)
                {
                    notes.append(note)
                    summary = Compaction.summary(in: notes)
                    trim = 0
                    continue
                }
            }
            let request = ModelRequest(
                messages: messages, tools: tools, toolChoice: tools.isEmpty ? .none : isHeld ? .required : .automatic,
                options: options)
            do {
                let response = try await context.respond(to: request, purpose: LoopRules.actingPurpose)
                guard let completion = response.completions.first else { return Proposal() }
                let turn = ModelProposer.candidate(of: completion, proposer: name)
                guard proposesCallsApart, case .call(let calls) = turn.kind, calls.count > 1 else {
                    return Proposal([turn], notes: notes)
                }
                return Proposal(
                    [turn] + calls.map { CandidateAction(.call([$0]), proposer: name, reason: turn.reason) },
                    notes: notes)
            } catch LanguageModelError.contextOverflow where trim < state.conversation.count {
                // The server knows its limit better: let go of one more result and ask again.
                trim = max(trim, summary?.turns ?? 0) + 1
            }
        }
    }

    /// What a turn of the model asks for.
    static func candidate(of completion: Completion, proposer: String) -> CandidateAction {
        let message = completion.message
        if completion.finishReason == .length, message.toolCalls.isEmpty || !message.toolCalls.allSatisfy(isWhole) {
            return CandidateAction(
                .correct(
                    message: "Your turn was cut off at its limit of tokens and was not read. Write a shorter one."),
                proposer: proposer, reason: "the turn was cut off")
        }
        if !message.toolCalls.isEmpty {
            let calls = message.toolCalls.map { ToolInvocation(tool: $0.name, arguments: $0.arguments, callID: $0.id) }
            let reason = message.content.isEmpty ? message.reasoning : message.content
            return CandidateAction(
                .call(calls), proposer: proposer, reason: String(reason.prefix(300)))
        }
        if completion.finishReason == .toolCalls {
            return CandidateAction(
                .correct(message: LoopRules.Messages().noCalls), proposer: proposer, reason: "the calls were lost")
        }
        if ModelMarks.isBlank(message.content) {
            return CandidateAction(
                .correct(message: "Your turn was empty. Call a tool, or answer."), proposer: proposer,
                reason: "the turn was empty")
        }
        if ModelMarks.isBlank(AnswerText.written(message.content)) {
            return CandidateAction(
                .correct(
                    message: "Your turn held reasoning or a call written as text, which is not read. Call a tool "
                        + "through the interface for tool calls, or answer."),
                proposer: proposer, reason: "neither a call nor an answer")
        }
        return CandidateAction(.answer(text: message.content), proposer: proposer, reason: "the model answers")
    }

    private static func isWhole(_ call: ToolCall) -> Bool { (try? JSONValue(parsing: call.arguments)) != nil }
}

/// Builds the acting model's prompt: instructions, question, and the turns with their replies, trimmed to what fits.
enum ConversationPrompt {
    /// What stands where a result was let go.
    static let trimmed = "[This result was left out to save space. What was kept of it is in the evidence list.]"

    /// - Parameters:
    ///   - limit: the most tokens of the prompt, by estimate; nil for no limit.
    ///   - trim: how many of the oldest turns lose their results anyway.
    ///   - summary: what stands in the place of the oldest turns, and how many those are.
    /// - Returns: the messages, and how many turns have lost their results or gone.
    static func messages(
        instructions: String, state: AgentState, limit: Int?, trim: Int, summary: (turns: Int, text: String)? = nil
    ) -> (messages: [ChatMessage], trimmed: Int) {
        var trim = max(trim, summary?.turns ?? 0)
        while true {
            let messages = build(instructions: instructions, state: state, trim: trim, summary: summary)
            guard let limit, trim < state.conversation.count,
                ModelRequestCost.promptTokens(of: ModelRequest(messages: messages)) > limit
            else { return (messages, trim) }
            trim += 1
        }
    }

    private static func build(
        instructions: String, state: AgentState, trim: Int, summary: (turns: Int, text: String)?
    ) -> [ChatMessage] {
        var messages = [
            ChatMessage(role: .system, content: state.question.instructions(instructions) + "\n\n" + Fence.note),
            ChatMessage(role: .user, content: state.question.prompt),
        ]
        if trim > 0, !state.evidence.isEmpty {
            // The evidence stays when results go, so that nothing that an answer cites is lost.
            let fence = state.header.fence("evidence")
            messages[1].content +=
                "\n\nKept so far:\n" + fence.wrap(EvidencePrompt.list(state.evidence), source: "the evidence")
        }
        if let summary {
            let fence = state.header.fence("summary")
            messages[1].content += "\n\nFound so far, in short:\n" + fence.wrap(summary.text, source: "earlier results")
        }
        // Where a policy took something else than the model's turn, the model is shown what came of it.
        let fence = state.header.fence("instead")
        let instead =
            state.evidence.isEmpty
            ? "" : " This was read instead:\n" + fence.wrap(EvidencePrompt.list(state.evidence), source: "the evidence")
        for (index, turn) in state.conversation.enumerated() where index >= summary?.turns ?? 0 {
            messages.append(turn.message)
            for call in turn.message.toolCalls {
                let isTaken = turn.message.toolCalls.contains { turn.replies[$0.id] != nil }
                let reply =
                    turn.replies[call.id] ?? turn.correction
                    ?? "This call was not made." + (isTaken || index < state.conversation.count - 1 ? "" : instead)
                messages.append(
                    ChatMessage(role: .tool, content: index < trim ? trimmed : reply, toolCallID: call.id))
            }
            if turn.message.toolCalls.isEmpty {
                // A turn without a call that did not end the run was an answer that the policy did not take.
                let reply = turn.correction ?? "Look further before you answer." + instead
                messages.append(ChatMessage(role: .user, content: index < trim ? trimmed : reply))
            }
        }
        return messages
    }
}

/// Shows evidence to a model.
enum EvidencePrompt {
    /// One passage a paragraph: `[id] title: text`, in the evidence's order, best first.
    /// - Parameter isNumbered: `[1]`, `[2]` … stand in the place of the ids: a model copies them without fault.
    static func list(
        _ evidence: Evidence, limit: Int = 12, characters: Int = 1500, isNumbered: Bool = false
    ) -> String {
        evidence.shown(limit).enumerated().map { index, item in
            "[\(isNumbered ? String(index + 1) : item.passageID)] \(item.title): \(item.shownText.prefix(characters))"
        }.joined(separator: "\n\n")
    }

    /// A text with the numbers of a numbered list, `[1]` or `[1, 3]`, as the ids that they stand for.
    static func naming(_ evidence: Evidence, limit: Int = 12, in text: String) -> String {
        let ids = evidence.shown(limit).map(\.passageID)
        return text.replacing(/\[([0-9]{1,3}(?:\s*,\s*[0-9]{1,3})*)\]/) { match in
            let numbers = match.1.split(separator: ",").compactMap { Int($0.filter(\.isNumber)) }
            guard numbers.allSatisfy({ (1...max(1, ids.count)).contains($0) }), !ids.isEmpty else {
                return String(match.0)
            }
            return numbers.map { "[\(ids[$0 - 1])]" }.joined(separator: " ")
        }
    }
}
