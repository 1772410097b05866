// SPDX-License-Identifier: Apache-2.0

public import Base
import OrderedCollections
import Synchronization
import Text

/// A model that answers from a script: for tests, scenarios and demonstrations without a live model.
///
/// The script is YAML:
///
///     model: weak-reader            # what it is called; default "scripted"
///     select: conversation          # which turn answers: `conversation` (default) or `call`
///     tool_calls: true              # whether it claims native tool calls; default true
///     turns:
///       - reasoning: I must look this up.
///         tool_calls:
///           - {name: keyword_search, arguments: {query: "Arthur's Magazine"}}
///       - when: {contains: "1844"}  # the turn is taken only when the last message holds the text
///         content: Arthur's Magazine
///       - content: I do not know.
///         finish: length            # stop (default), length, tool_calls, content_filter
///         failures: [timeout, 429]  # what happens before the turn succeeds, one a call
///         samples: [yes, no, yes]   # the contents when several samples are asked for
///         tokens: [["I ", -0.1], ["do", -2.5]]
///         usage: {prompt_tokens: 10, completion_tokens: 4}
///
/// With `conversation`, the turn is the first one, from the number of assistant messages on, whose `when` holds, so a
/// resumed session finds its place; with `call`, each call takes the next turn whose `when` holds. When the script is
/// at its end the last turn answers again if `repeat_last: true`, else the call is refused with `notRecorded`.
/// `arguments` may be a text, which is passed on as it is, valid JSON or not.
public final class ScriptedModel: LanguageModel {
    /// One turn of the script.
    struct Turn: Sendable {
        var whenContains: String?
        var message: ChatMessage
        var finish: Completion.FinishReason
        var samples: [String]
        var tokens: [TokenLogProbability]
        var usage: TokenUsage
        var failures: [LanguageModelError]
    }

    private struct Progress {
        var calls = 0
        var failuresSeen: [Int: Int] = [:]
    }

    public let name: String
    public let fingerprint: String
    public let capabilities: ModelCapabilities
    let turns: [Turn]
    let selectsByCall: Bool
    let repeatsLast: Bool
    private let progress = Mutex(Progress())

    /// Reads a script from a YAML file.
    /// - Throws: `YAMLError` with the file and what was expected.
    public convenience init(file path: String) throws {
        try self.init(script: YAMLReader.read(file: path), source: path)
    }

    /// Takes a script that was read already: from a scenario file, say.
    /// - Parameter source: what the script is called in errors.
    /// - Throws: `YAMLError`.
    public init(script: JSONValue, source: String) throws {
        let reader = ScriptReader(source: source)
        try reader.checkKeys(
            script, ["model", "select", "tool_calls", "repeat_last", "context_length", "turns"], at: "the script")
        name = script["model"]?.string ?? "scripted"
        switch script["select"]?.string ?? "conversation" {
        case "conversation": selectsByCall = false
        case "call": selectsByCall = true
        case let other: throw reader.error("select must be conversation or call, found \"\(other)\"")
        }
        repeatsLast = script["repeat_last"]?.bool ?? false
        capabilities = ModelCapabilities(
            toolCalls: script["tool_calls"]?.bool ?? true, logProbabilities: true, constraints: true,
            contextLength: script["context_length"]?.int)
        guard let entries = script["turns"]?.array, !entries.isEmpty else {
            throw reader.error("turns must be a list of at least one turn")
        }
        turns = try entries.enumerated().map { try reader.turn($0.element, index: $0.offset) }
        fingerprint = "scripted:" + script.serialized()
    }

    public func respond(
        to request: ModelRequest, onEvent: @Sendable (ModelStreamEvent) -> Void
    ) async throws -> ModelResponse {
        try Task.checkCancellation()
        let turn = try chooseTurn(for: request)
        var completions: [Completion] = []
        for sample in 0..<max(1, request.options.samples) {
            var message = turn.message
            if !turn.samples.isEmpty { message.content = turn.samples[sample % turn.samples.count] }
            if !message.reasoning.isEmpty { onEvent(.reasoning(sample: sample, text: message.reasoning)) }
            if !message.content.isEmpty { onEvent(.content(sample: sample, text: message.content)) }
            for (index, call) in message.toolCalls.enumerated() {
                onEvent(.toolCallStarted(sample: sample, index: index, name: call.name))
            }
            completions.append(Completion(message: message, finishReason: turn.finish, tokens: turn.tokens))
        }
        return ModelResponse(completions: completions, usage: turn.usage, model: name)
    }

    private func chooseTurn(for request: ModelRequest) throws -> Turn {
        let last = request.messages.last?.content ?? ""
        let spoken = request.messages.count { $0.role == .assistant }
        return try progress.withLock { progress in
            let start = selectsByCall ? progress.calls : spoken
            var chosen = turns.indices.dropFirst(start).first { index in
                turns[index].whenContains.map { last.contains($0) } ?? true
            }
            if chosen == nil, repeatsLast { chosen = turns.count - 1 }
            guard let index = chosen else {
                throw LanguageModelError.notRecorded("the script of \(name) has no turn \(start + 1)")
            }
            let turn = turns[index]
            let seen = progress.failuresSeen[index, default: 0]
            if seen < turn.failures.count {
                progress.failuresSeen[index] = seen + 1
                throw turn.failures[seen]
            }
            if selectsByCall { progress.calls = index + 1 }
            return turn
        }
    }
}

/// Turns the YAML of a script into turns, with errors that name the place.
private struct ScriptReader {
    let source: String

    func error(_ message: String) -> YAMLError { YAMLError(file: source, message: message) }

    func checkKeys(_ value: JSONValue, _ known: [String], at place: String) throws(YAMLError) {
        guard case .object(let members) = value else { throw error("\(place) must be a mapping") }
        for key in members.keys where !known.contains(key) {
            throw error("\(place): unknown key \"\(key)\"; known are \(known.joined(separator: ", "))")
        }
    }

    func turn(_ value: JSONValue, index: Int) throws(YAMLError) -> ScriptedModel.Turn {
        let place = "turns[\(index)]"
        try checkKeys(
            value,
            ["when", "content", "reasoning", "tool_calls", "finish", "samples", "tokens", "usage", "failures"],
            at: place)
        if let when = value["when"] { try checkKeys(when, ["contains"], at: "\(place).when") }
        var calls: [ToolCall] = []
        for (number, call) in (value["tool_calls"]?.array ?? []).enumerated() {
            try checkKeys(call, ["id", "name", "arguments"], at: "\(place).tool_calls[\(number)]")
            guard let name = call["name"]?.string else {
                throw error("\(place).tool_calls[\(number)]: name must be a text")
            }
            let arguments = call["arguments"] ?? .object([:])
            calls.append(
                ToolCall(
                    id: call["id"]?.string ?? "call_\(index + 1)_\(number + 1)", name: name,
                    arguments: arguments.string ?? arguments.serialized()))
        }
        var tokens: [TokenLogProbability] = []
        var offset = 0
        for (number, pair) in (value["tokens"]?.array ?? []).enumerated() {
            guard let text = pair[0]?.string, let probability = pair[1]?.double else {
                throw error("\(place).tokens[\(number)] must be [text, log-probability]")
            }
            tokens.append(TokenLogProbability(text: text, logProbability: probability, byteOffset: offset))
            offset += text.utf8.count
        }
        let finish: Completion.FinishReason
        switch value["finish"]?.string ?? (calls.isEmpty ? "stop" : "tool_calls") {
        case "stop": finish = .stop
        case "length": finish = .length
        case "tool_calls": finish = .toolCalls
        case "content_filter": finish = .contentFilter
        case let other:
            throw error("\(place).finish must be stop, length, tool_calls or content_filter, found \"\(other)\"")
        }
        var failures: [LanguageModelError] = []
        for entry in value["failures"]?.array ?? [] { failures.append(try failure(entry, place)) }
        let usage = value["usage"]
        let content = value["content"]
        return ScriptedModel.Turn(
            whenContains: value["when"]?["contains"]?.string,
            message: ChatMessage(
                role: .assistant, content: content?.string ?? content.map { $0.isNull ? "" : $0.serialized() } ?? "",
                reasoning: value["reasoning"]?.string ?? "", toolCalls: calls),
            finish: finish,
            samples: (value["samples"]?.array ?? []).map { $0.string ?? $0.serialized() },
            tokens: tokens,
            usage: TokenUsage(
                promptTokens: usage?["prompt_tokens"]?.int ?? 0, completionTokens: usage?["completion_tokens"]?.int ?? 0
            ),
            failures: failures)
    }

    private func failure(_ value: JSONValue, _ place: String) throws(YAMLError) -> LanguageModelError {
        if let status = value.int { return .refused(status: status, message: "scripted failure") }
        switch value.string {
        case "timeout": return .timedOut(seconds: 0)
        case "unavailable": return .unavailable("scripted failure")
        case "malformed": return .malformedReply("scripted failure")
        case "retries": return .exhaustedRetries(attempts: 3, last: "scripted failure")
        default:
            throw error("\(place).failures: each must be timeout, unavailable, malformed, retries or an HTTP status")
        }
    }
}
