// SPDX-License-Identifier: Apache-2.0

import Base
public import LanguageModels
import Text

/// Lets a model that was trained on a tag protocol drive: its text is read as it streams, its query becomes a tool call,
/// its answer ends the run.
public struct TagProposer: ActionProposer {
    public var name: String { "model" }
    public var dialect: TagDialect
    /// The tool that a query calls. Default `semantic_search`.
    public var tool: String
    /// How many results a query asks for. Default 3.
    public var limit: Int
    public var instructions: String
    public var options: SamplingOptions

    public init(
        dialect: TagDialect, tool: String = "semantic_search", limit: Int = 3, instructions: String? = nil,
        options: SamplingOptions = SamplingOptions(temperature: 0, maxTokens: 500)
    ) {
        self.dialect = dialect
        self.tool = tool
        self.limit = limit
        self.instructions = instructions ?? TagProposer.standardInstructions(dialect)
        self.options = options
    }

    static func standardInstructions(_ dialect: TagDialect) -> String {
        let answer =
            dialect.answerClose == "}" ? "\\boxed{ your answer }" : "\(dialect.answerOpen) … \(dialect.answerClose)"
        let query =
            dialect.queriesAreJSON
            ? "a tool with \(dialect.queryOpen){\"name\": …, \"arguments\": {…}}\(dialect.queryClose)"
            : "a search engine with \(dialect.queryOpen) your query \(dialect.queryClose)"
        return """
            Reason step by step inside \(dialect.thinkOpen) and \(dialect.thinkClose) whenever you learn something. When \
            you lack knowledge, call \(query); the result comes back between \(dialect.resultOpen) and \
            \(dialect.resultClose). Search as often as you need. When you know the answer, give it in its shortest form \
            as \(answer), without further explanation.
            """
    }

    public func propose(in state: AgentState, using context: StepContext) async throws -> Proposal {
        guard context.hasModel else { return Proposal() }
        var options = options
        options.stop = dialect.stops
        if context.modelCapabilities?.constraints == true { options.constraint = .grammar(dialect.grammar) }
        options.seed = options.seed ?? state.header.seed
        guard let completion = try await respond(state, options, context).completions.first else { return Proposal() }
        var parser = TagStreamParser(dialect)
        parser.push(completion.message.content)
        let outcome = parser.finish(stopped: completion.finishReason == .stop)
        let thought = completion.message.reasoning + parser.reasoning
        let notes = thought.allSatisfy(\.isWhitespace) ? [] : [Note(kind: "thought", text: thought)]
        return Proposal([candidate(outcome, turn: state.conversation.count, reason: thought)], notes: notes)
    }

    /// Asks the model, and lets go of the oldest results while the episode is longer than the model's context.
    private func respond(
        _ state: AgentState, _ options: SamplingOptions, _ context: StepContext
    ) async throws -> ModelResponse {
        let limit = context.modelCapabilities?.contextLength.map { $0 - options.maxTokens }
        var trim = 0
        while true {
            let request = ModelRequest(messages: messages(state, trim: trim), toolChoice: .none, options: options)
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
        case .answer(let text): return CandidateAction(.answer(text: "Answer: " + text), proposer: name, reason: reason)
        case .query(let text) where dialect.queriesAreJSON:
            // A call that is no JSON goes on as it is: the registry says what is wrong with it.
            let json = try? JSONValue(parsing: text)
            let tool = json?["name"]?.string ?? self.tool
            let arguments = json?["arguments"]?.serialized() ?? text
            return CandidateAction(
                .call([ToolInvocation(tool: tool, arguments: arguments, callID: "q\(turn + 1)")]), proposer: name,
                reason: reason)
        case .query(let text):
            let arguments: JSONValue = ["query": .string(text), "limit": .integer(limit)]
            return CandidateAction(
                .call([ToolInvocation(tool: tool, arguments: arguments.serialized(), callID: "q\(turn + 1)")]),
                proposer: name, reason: reason)
        case .incomplete:
            return CandidateAction(
                .correct(
                    message: """
                        My last action could not be read. To search, write \(dialect.queryOpen) query \
                        \(dialect.queryClose); to answer, write \(dialect.answerOpen) answer \(dialect.answerClose).
                        """), proposer: name, reason: "neither a query nor an answer")
        }
    }

    /// The episode so far: the model's turns with their closing tags, and the results in the dialect's tags. The results
    /// were fenced, so that nothing in them closes a tag.
    /// - Parameter trim: how many of the oldest turns lose their results; what was kept of them is shown instead.
    private func messages(_ state: AgentState, trim: Int) -> [ChatMessage] {
        var messages = [
            ChatMessage(role: .user, content: instructions + "\n\nQuestion: " + state.question.text)
        ]
        if trim > 0, !state.evidence.isEmpty {
            let fence = Fence(seed: state.header.seed, call: "evidence")
            messages[0].content +=
                "\n\nKept so far:\n" + fence.wrap(EvidencePrompt.list(state.evidence), source: "the evidence")
        }
        for (index, turn) in state.conversation.enumerated() {
            var content = turn.message.content
            if content.contains(dialect.queryOpen), !content.contains(dialect.queryClose) {
                content += dialect.queryClose
            }
            messages.append(ChatMessage(role: .assistant, content: content))
            let replies =
                index < trim && !turn.replies.isEmpty
                ? [ConversationPrompt.trimmed] : turn.replies.sorted { $0.key < $1.key }.map(\.value)
            if let correction = turn.correction {
                messages.append(ChatMessage(role: .user, content: correction))
            } else if !replies.isEmpty {
                messages.append(
                    ChatMessage(
                        role: .user,
                        content: "\n\n\(dialect.resultOpen)\(replies.joined(separator: "\n"))\(dialect.resultClose)\n\n"
                    ))
            }
        }
        return messages
    }
}
