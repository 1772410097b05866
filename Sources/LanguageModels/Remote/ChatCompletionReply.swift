// SPDX-License-Identifier: Apache-2.0

import Base
import OrderedCollections
import Text

/// Puts together the reply of an OpenAI-compatible server, from a whole body or from stream chunks. It reads
/// tolerantly: servers leave out members, send them as null, or put reasoning under different names.
struct ChatCompletionReply {
    private struct Choice {
        var content = ""
        var reasoning = ""
        var calls: [Int: ToolCall] = [:]
        var finish: String?
        var tokens: [TokenLogProbability] = []
        var offset = 0
        var tokenIDs: [Int] = []
    }

    private var choices: [Int: Choice] = [:]
    private var promptTokenIDs: [Int] = []
    private var usage: TokenUsage?
    private var model: String?
    /// Whether anything was read that the user may have seen already: then a retry would repeat it.
    private(set) var hasContent = false

    /// Reads a whole reply (`"stream": false`) or one chunk of a stream, and returns what is new in it.
    /// - Throws: `LanguageModelError` for an error object or for something that is no reply at all.
    mutating func read(_ json: JSONValue) throws(LanguageModelError) -> [ModelStreamEvent] {
        guard case .object = json else { throw .malformedReply("expected an object, found \(json.typeName)") }
        if let error = json["error"], !error.isNull {
            let message = error["message"]?.string ?? error.string ?? error.serialized()
            throw .refused(status: error["code"]?.int ?? 200, message: String(message.prefix(500)))
        }
        if let name = json["model"]?.string { model = name }
        if let numbers = json["usage"], !numbers.isNull { usage = Self.usage(numbers) }
        if let ids = json["prompt_token_ids"]?.array { promptTokenIDs = ids.compactMap(\.int) }
        var events: [ModelStreamEvent] = []
        for entry in json["choices"]?.array ?? [] {
            let index = entry["index"]?.int ?? 0
            guard index >= 0, index < 1024 else { throw .malformedReply("a choice has the index \(index)") }
            var choice = choices[index] ?? Choice()
            let delta = entry["delta"] ?? entry["message"] ?? .null
            if let text = delta["reasoning_content"]?.string ?? delta["reasoning"]?.string, !text.isEmpty {
                choice.reasoning += text
                events.append(.reasoning(sample: index, text: text))
            }
            if let text = delta["content"]?.string, !text.isEmpty {
                choice.content += text
                events.append(.content(sample: index, text: text))
            }
            for (place, call) in (delta["tool_calls"]?.array ?? []).enumerated() {
                try readCall(call, place: place, sample: index, into: &choice, events: &events)
            }
            if let reason = entry["finish_reason"]?.string { choice.finish = reason }
            readLogProbabilities(entry["logprobs"], into: &choice)
            if let ids = entry["token_ids"]?.array { choice.tokenIDs += ids.compactMap(\.int) }
            choices[index] = choice
        }
        if !events.isEmpty { hasContent = true }
        return events
    }

    private func readCall(
        _ call: JSONValue, place: Int, sample: Int, into choice: inout Choice, events: inout [ModelStreamEvent]
    ) throws(LanguageModelError) {
        let index = call["index"]?.int ?? place
        guard index >= 0, index < 256 else { throw .malformedReply("a tool call has the index \(index)") }
        var known = choice.calls[index] ?? ToolCall(id: "", name: "", arguments: "")
        let isNew = choice.calls[index] == nil
        if let id = call["id"]?.string, !id.isEmpty { known.id = id }
        if let name = call["function"]?["name"]?.string { known.name += name }
        if let arguments = call["function"]?["arguments"] {
            // Arguments are a string of JSON; some servers send the object itself.
            known.arguments += arguments.string ?? (arguments.isNull ? "" : arguments.serialized())
        }
        choice.calls[index] = known
        if isNew { events.append(.toolCallStarted(sample: sample, index: index, name: known.name)) }
    }

    private func readLogProbabilities(_ json: JSONValue?, into choice: inout Choice) {
        for entry in json?["content"]?.array ?? [] {
            guard let text = entry["token"]?.string, let probability = entry["logprob"]?.double else { continue }
            let top = (entry["top_logprobs"]?.array ?? []).compactMap {
                alternative -> TokenLogProbability.Alternative? in
                guard let text = alternative["token"]?.string, let value = alternative["logprob"]?.double else {
                    return nil
                }
                return TokenLogProbability.Alternative(text: text, logProbability: value)
            }
            choice.tokens.append(
                TokenLogProbability(text: text, logProbability: probability, byteOffset: choice.offset, top: top))
            choice.offset += entry["bytes"]?.array?.count ?? text.utf8.count
        }
    }

    private static func usage(_ json: JSONValue) -> TokenUsage {
        TokenUsage(
            promptTokens: json["prompt_tokens"]?.int ?? 0, completionTokens: json["completion_tokens"]?.int ?? 0,
            cachedTokens: json["prompt_tokens_details"]?["cached_tokens"]?.int ?? 0,
            reasoningTokens: json["completion_tokens_details"]?["reasoning_tokens"]?.int ?? 0)
    }

    /// The finished reply.
    /// - Parameter samples: how many choices were asked for.
    /// - Throws: `LanguageModelError.malformedReply` when a choice is missing or was cut off.
    func response(samples: Int, requestedModel: String) throws(LanguageModelError) -> ModelResponse {
        var completions: [Completion] = []
        for index in 0..<samples {
            guard let choice = choices[index] else {
                throw .malformedReply("\(samples) choices were asked for; number \(index + 1) is missing")
            }
            guard let reason = choice.finish else {
                throw .malformedReply("the reply was cut off: it has no finish_reason")
            }
            let calls = choice.calls.sorted { $0.key < $1.key }.map { index, call in
                var call = call
                if call.id.isEmpty { call.id = "call_\(index)" }
                return call
            }
            let finish: Completion.FinishReason
            switch reason {
            case "length", "max_tokens": finish = .length
            case "content_filter": finish = .contentFilter
            default: finish = calls.isEmpty ? .stop : .toolCalls
            }
            completions.append(
                Completion(
                    message: ChatMessage(
                        role: .assistant, content: choice.content, reasoning: choice.reasoning, toolCalls: calls),
                    finishReason: finish, tokens: choice.tokens, promptTokenIDs: promptTokenIDs,
                    tokenIDs: choice.tokenIDs))
        }
        return ModelResponse(
            completions: completions, usage: usage ?? TokenUsage(), model: model ?? requestedModel)
    }
}
