// SPDX-License-Identifier: Apache-2.0

public import Base
import Text

/// A chat model: remote, in this process, scripted or recorded. Whatever works with one works with the others.
///
/// A conformer keeps these promises:
/// - `respond` gives exactly `request.options.samples` completions, in order of their index, or throws `LanguageModelError`;
/// - events are delivered in order, before `respond` returns, and their text since the last `retrying` adds up to the
///   completions' content;
/// - cancelling the task ends the call promptly with `CancellationError` and frees what it held (a socket, a cache);
/// - with the same request and a seed, a deterministic model gives the same completions.
public protocol LanguageModel: Sendable {
    /// What the model is called in traces, price tables and reports.
    var name: String { get }
    /// Identifies the weights or the endpoint, so that a resumed session can refuse another model.
    var fingerprint: String { get }
    /// What the model can do beyond chat.
    var capabilities: ModelCapabilities { get }
    /// Answers a conversation.
    /// - Parameter onEvent: receives what the model writes, as it writes it.
    /// - Throws: `LanguageModelError`, `CancellationError`.
    func respond(
        to request: ModelRequest, onEvent: @Sendable (ModelStreamEvent) -> Void
    ) async throws -> ModelResponse
}

/// A model that can tell how probable a given text is, without sampling.
public protocol ContinuationScoring: LanguageModel {
    /// The log-probability (natural logarithm) of each continuation after the conversation's generation prompt.
    func score(continuations: [String], after messages: [ChatMessage]) async throws -> [ContinuationScore]
}

/// What a model can do beyond chat.
public struct ModelCapabilities: Sendable, Hashable {
    /// Chooses tools by native tool calls.
    public var toolCalls: Bool
    /// Gives log-probabilities of its tokens.
    public var logProbabilities: Bool
    /// Obeys an `OutputConstraint`.
    public var constraints: Bool
    /// Small enough that it may not know the form of a call by itself: better required to call, and so held to the form.
    public var needsRequiredCalls: Bool
    /// The longest conversation, in tokens; nil when unknown.
    public var contextLength: Int?
    /// The number of its parameters; nil when unknown.
    public var parameters: Int?

    public init(
        toolCalls: Bool = false, logProbabilities: Bool = false, constraints: Bool = false,
        needsRequiredCalls: Bool = false, contextLength: Int? = nil, parameters: Int? = nil
    ) {
        self.parameters = parameters
        self.needsRequiredCalls = needsRequiredCalls
        self.toolCalls = toolCalls
        self.logProbabilities = logProbabilities
        self.constraints = constraints
        self.contextLength = contextLength
    }
}

/// One call of a model: the conversation, the tools that it may call, and how to sample.
public struct ModelRequest: Sendable, Hashable {
    /// The conversation. When the last message is the assistant's, the model goes on with that text as its own turn.
    public var messages: [ChatMessage]
    public var tools: [ToolSpecification]
    public var toolChoice: ToolChoice
    public var options: SamplingOptions

    public init(
        messages: [ChatMessage], tools: [ToolSpecification] = [], toolChoice: ToolChoice = .automatic,
        options: SamplingOptions = SamplingOptions()
    ) {
        self.messages = messages
        self.tools = tools
        self.toolChoice = toolChoice
        self.options = options
    }
}

/// Whether the model may, must or must not call a tool.
public enum ToolChoice: Sendable, Hashable {
    case automatic, none, required
    case named(String)
}

/// One message of a conversation.
public struct ChatMessage: Sendable, Hashable {
    /// Who speaks.
    public enum Role: String, Sendable, Hashable { case system, user, assistant, tool }

    public var role: Role
    /// The visible text; empty for an assistant turn that only calls tools.
    public var content: String
    /// Reasoning that the model keeps apart from its answer.
    public var reasoning: String
    /// The tools that an assistant turn calls.
    public var toolCalls: [ToolCall]
    /// The call that a tool message answers.
    public var toolCallID: String?

    public init(
        role: Role, content: String, reasoning: String = "", toolCalls: [ToolCall] = [], toolCallID: String? = nil
    ) {
        self.role = role
        self.content = content
        self.reasoning = reasoning
        self.toolCalls = toolCalls
        self.toolCallID = toolCallID
    }
}

/// A tool call as the model wrote it: the arguments are text, which may not be valid JSON.
public struct ToolCall: Sendable, Hashable {
    public var id: String
    public var name: String
    public var arguments: String
    /// What the server put beside the call and wants back with it, such as a signature of its reasoning; nil for nothing.
    public var extra: JSONValue?

    public init(id: String, name: String, arguments: String) {
        self.id = id
        self.name = name
        self.arguments = arguments
    }
}

/// What a model reads about a tool.
public struct ToolSpecification: Sendable, Hashable {
    /// `[A-Za-z0-9_.-]{1,64}`.
    public var name: String
    public var description: String
    /// The JSON Schema of the arguments: an object schema.
    public var parameters: JSONValue

    public init(name: String, description: String, parameters: JSONValue) {
        self.name = name
        self.description = description
        self.parameters = parameters
    }
}

/// How to sample. Nil leaves a choice to the model's own default.
public struct SamplingOptions: Sendable, Hashable {
    /// 0 is greedy.
    public var temperature: Double?
    public var topK: Int?
    public var topP: Double?
    public var minP: Double?
    public var repetitionPenalty: Double?
    public var seed: UInt64?
    /// The most tokens of one completion. Default 512.
    public var maxTokens: Int
    /// Texts that end a completion; they are not part of it.
    public var stop: [String]
    /// How many independent completions. Default 1.
    public var samples: Int
    /// Nil for none; n ≥ 0 asks for the chosen token's log-probability and those of the n most probable ones.
    public var topLogProbabilities: Int?
    /// What the output must be; refused by models that cannot obey.
    public var constraint: OutputConstraint?
    /// The longest time for the whole call, in seconds. Default 600: a long prompt on a slow processor takes minutes.
    public var timeout: Double

    public init(
        temperature: Double? = nil, topK: Int? = nil, topP: Double? = nil, minP: Double? = nil,
        repetitionPenalty: Double? = nil, seed: UInt64? = nil, maxTokens: Int = 512, stop: [String] = [],
        samples: Int = 1, topLogProbabilities: Int? = nil, constraint: OutputConstraint? = nil, timeout: Double = 600
    ) {
        self.temperature = temperature
        self.topK = topK
        self.topP = topP
        self.minP = minP
        self.repetitionPenalty = repetitionPenalty
        self.seed = seed
        self.maxTokens = maxTokens
        self.stop = stop
        self.samples = samples
        self.topLogProbabilities = topLogProbabilities
        self.constraint = constraint
        self.timeout = timeout
    }
}

/// What a constrained output must be.
public enum OutputConstraint: Sendable, Hashable {
    /// JSON that the schema accepts.
    case jsonSchema(JSONValue)
    /// A text of the grammar (GBNF notation), from its `root` rule.
    case grammar(String)
    /// One of these texts.
    case choices([String])
    /// Consecutive words of one of `texts` (at most `maxWords`), or one of `alternatives` such as yes and no.
    case spans(texts: [String], alternatives: [String], maxWords: Int)
    /// What goes on as some text of a corpus does, up to the end of a word.
    case corpus(CorpusConstraint)
}

/// What a model writes, as it writes it. `sample` is the completion's index.
public enum ModelStreamEvent: Sendable, Hashable {
    case content(sample: Int, text: String)
    case reasoning(sample: Int, text: String)
    /// A tool call has a name; its arguments follow.
    case toolCallStarted(sample: Int, index: Int, name: String)
    /// The call failed in a way that is retried after so many seconds. What was written before it is void.
    case retrying(attempt: Int, after: Double, reason: String)
}

/// A model's answer.
public struct ModelResponse: Sendable, Hashable {
    public var completions: [Completion]
    public var usage: TokenUsage
    /// The model that answered, as it names itself.
    public var model: String

    public init(completions: [Completion], usage: TokenUsage, model: String) {
        self.completions = completions
        self.usage = usage
        self.model = model
    }
}

/// One sampled continuation of a conversation.
public struct Completion: Sendable, Hashable {
    /// Why it ended.
    public enum FinishReason: String, Sendable, Hashable { case stop, length, toolCalls, contentFilter }

    public var message: ChatMessage
    public var finishReason: FinishReason
    /// The tokens with their log-probabilities, when asked for and given.
    public var tokens: [TokenLogProbability]
    /// The ids of the prompt's tokens, when the model gives them.
    public var promptTokenIDs: [Int]
    /// The ids of the completion's tokens, when the model gives them.
    public var tokenIDs: [Int]

    public init(
        message: ChatMessage, finishReason: FinishReason, tokens: [TokenLogProbability] = [],
        promptTokenIDs: [Int] = [], tokenIDs: [Int] = []
    ) {
        self.message = message
        self.finishReason = finishReason
        self.tokens = tokens
        self.promptTokenIDs = promptTokenIDs
        self.tokenIDs = tokenIDs
    }
}

/// A token of a completion with its natural-log probability.
public struct TokenLogProbability: Sendable, Hashable {
    public var text: String
    public var logProbability: Double
    /// Where the token's text starts in the completion, in UTF-8 bytes.
    public var byteOffset: Int
    /// The most probable tokens at this place, best first.
    public var top: [Alternative]

    /// A token that could have stood in the place.
    public struct Alternative: Sendable, Hashable {
        public var text: String
        public var logProbability: Double

        public init(text: String, logProbability: Double) {
            self.text = text
            self.logProbability = logProbability
        }
    }

    public init(text: String, logProbability: Double, byteOffset: Int, top: [Alternative] = []) {
        self.text = text
        self.logProbability = logProbability
        self.byteOffset = byteOffset
        self.top = top
    }
}

/// What a call cost, in tokens; both counts are 0 where the server did not say.
public struct TokenUsage: Sendable, Hashable {
    public var promptTokens: Int
    public var completionTokens: Int
    /// Of the prompt's tokens, those that came from a cache.
    public var cachedTokens: Int
    /// Of the completion's tokens, those that were reasoning.
    public var reasoningTokens: Int

    /// The most that a server is believed to have counted in one call: sums of it do not overflow.
    package static let most = 1 << 40

    public init(promptTokens: Int = 0, completionTokens: Int = 0, cachedTokens: Int = 0, reasoningTokens: Int = 0) {
        self.promptTokens = promptTokens
        self.completionTokens = completionTokens
        self.cachedTokens = cachedTokens
        self.reasoningTokens = reasoningTokens
    }

    public static func + (left: TokenUsage, right: TokenUsage) -> TokenUsage {
        TokenUsage(
            promptTokens: left.promptTokens + right.promptTokens,
            completionTokens: left.completionTokens + right.completionTokens,
            cachedTokens: left.cachedTokens + right.cachedTokens,
            reasoningTokens: left.reasoningTokens + right.reasoningTokens)
    }
}

/// How probable a given continuation is.
public struct ContinuationScore: Sendable, Hashable {
    /// The sum of its tokens' natural-log probabilities.
    public var logProbability: Double
    /// How many tokens it has.
    public var tokenCount: Int

    public init(logProbability: Double, tokenCount: Int) {
        self.logProbability = logProbability
        self.tokenCount = tokenCount
    }
}

/// Why a model gave no answer. No case holds a key or a header.
public enum LanguageModelError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The model, the file or the endpoint is not there or is not what it should be.
    case unavailable(String)
    /// The server refused the request and would refuse it again.
    case refused(status: Int, message: String)
    /// The server kept failing; the number of attempts says how long it was tried.
    case exhaustedRetries(attempts: Int, last: String)
    /// The reply is not what the protocol says.
    case malformedReply(String)
    /// The whole call took longer than allowed.
    case timedOut(seconds: Double)
    /// The conversation does not fit the model.
    case contextOverflow(tokens: Int, limit: Int)
    /// The request asks for what this model cannot do.
    case unsupported(String)
    /// A recorded or scripted model has no answer to this request.
    case notRecorded(String)

    public var description: String {
        switch self {
        case .unavailable(let reason): return "the model is not available: \(reason)"
        case .refused(let status, let message): return "the model server refused the request (\(status)): \(message)"
        case .exhaustedRetries(let attempts, let last):
            return "the model server failed\(attempts == 1 ? "" : " \(attempts) times"): \(last)"
        case .malformedReply(let reason): return "the model server's reply cannot be read: \(reason)"
        case .timedOut(let seconds): return "the model did not answer within \(seconds) s"
        case .contextOverflow(let tokens, let limit):
            guard limit > 0 else { return "the conversation is longer than the model reads" }
            return
                "the conversation has \(tokens > 0 ? "\(tokens)" : "too many") tokens; the model reads at most \(limit)"
        case .unsupported(let reason): return "the model cannot do this: \(reason)"
        case .notRecorded(let reason): return "no recorded answer: \(reason)"
        }
    }
}
