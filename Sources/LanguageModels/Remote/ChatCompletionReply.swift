// SPDX-License-Identifier: Apache-2.0

import Base
import OrderedCollections
import Text

/// Puts together the reply of a chat server, from a whole body or from stream chunks. It reads tolerantly: servers leave out
/// members, send them as null, write content as a list of parts, or put reasoning under different names.
struct ChatCompletionReply {
    private struct Choice {
        var content = ""
        var reasoning = ""
        var calls: ToolCallAssembly
        var finish: String?
        var tokens: [TokenLogProbability] = []
        var offset = 0
        var tokenIDs: [Int] = []
    }

    /// The tools that were offered.
    private let toolNames: [String]
    private let maxTokens: Int
    private var choices: [Int: Choice] = [:]
    private var promptTokenIDs: [Int] = []
    private var usage: TokenUsage?
    private var model: String?
    /// Whether anything was read that the user may have seen already.
    private(set) var hasContent = false
    /// The member in which the server gives reasoning, when it has.
    private(set) var reasoningName: String?
    /// Whether the server said that the stream is over.
    var isDone = false

    /// How many more bytes are read of texts, reasoning and arguments. A server that heeds the limit of tokens stays far
    /// below it; one that does not would write for ever.
    private var allowance: Int
    /// Whether more came than was asked for: what is read of the reply ends here, as at the limit of tokens.
    private(set) var isFull = false

    /// - Parameters:
    ///   - maxTokens: the most tokens of a completion that were asked for.
    ///   - samples: how many completions were.
    init(toolNames: [String] = [], maxTokens: Int = 1 << 14, samples: Int = 1) {
        self.toolNames = toolNames
        self.maxTokens = maxTokens
        allowance = (1 << 20) + 64 * max(1, min(maxTokens, 1 << 20)) * max(1, min(samples, 1024))
    }

    /// The text as far as there is room for it; each piece takes some, however short.
    private mutating func allowed(_ text: String) -> String {
        allowance -= text.utf8.count + 16
        guard allowance < 0 else { return text }
        isFull = true
        return String(decoding: text.utf8.prefix(max(0, text.utf8.count + allowance)), as: UTF8.self)
    }

    /// The beginning of what came, where it held no choice.
    private var seen = ""

    /// Reads a whole reply or one chunk of a stream, and returns what is new in it.
    /// - Throws: `LanguageModelError` for an error object or for something that is no reply at all.
    mutating func read(_ json: JSONValue) throws(LanguageModelError) -> [ModelStreamEvent] {
        guard case .object = json else { throw .malformedReply("expected an object, found \(json.typeName)") }
        if choices.isEmpty, seen.isEmpty { seen = String(json.serialized().prefix(120)) }
        if let error = Self.error(of: json) { throw error }
        if let name = json["model"]?.string, !name.isEmpty { model = String(name.prefix(200)) }
        readUsage(json)
        if let ids = json["prompt_token_ids"]?.array { promptTokenIDs = ids.compactMap(\.int) }
        var events: [ModelStreamEvent] = []
        for (place, entry) in entries(json).enumerated() where !isFull {
            if let error = Self.error(of: entry) { throw error }
            let index = entry["index"]?.int ?? place
            guard index >= 0, index < 1024 else { throw .malformedReply("a choice has the index \(index)") }
            read(entry, index: index, into: &events)
        }
        if !events.isEmpty { hasContent = true }
        return events
    }

    /// The error that an object holds, or is; nil for none.
    private static func error(of json: JSONValue) -> LanguageModelError? {
        let isError = json["object"] == "error" || json["type"] == "error"
        var error: JSONValue = json["error"] ?? (isError ? json : .null)
        if error.isNull, isBareRefusal(json) { error = json }
        guard !error.isNull, error.object?.isEmpty != true, error != false else { return nil }
        let message =
            error["message"]?.string ?? error["detail"]?.string ?? error["msg"]?.string ?? error.string
            ?? error.serialized()
        let status =
            error["code"]?.int ?? error["code"]?.string.flatMap { Int($0) } ?? error["status"]?.int
            ?? json["status_code"]?.int ?? 200
        return .refused(status: status, message: String(message.prefix(500)))
    }

    /// Whether an object says in a text of its own what went wrong, and holds nothing of a reply.
    private static func isBareRefusal(_ json: JSONValue) -> Bool {
        let isReply = ["choices", "delta", "usage", "data", "result", "content", "text", "finish_reason"].contains {
            json[$0] != nil
        }
        guard !isReply else { return false }
        if json["success"] == false || json["detail"].map({ !$0.isNull }) == true { return true }
        let isCoded = ["code", "status", "status_code"].contains { json[$0] != nil }
        return isCoded && (json["message"]?.string != nil || json["msg"]?.string != nil)
    }

    /// The choices; a server that answers with one message of its own (`{"message": …, "done": true}`) has one. Some put the
    /// whole reply into a member of theirs.
    private func entries(_ json: JSONValue) -> [JSONValue] {
        if let choices = json["choices"]?.array { return choices }
        for wrapper in ["data", "result", "response"] {
            if let choices = json[wrapper]?["choices"]?.array { return choices }
        }
        guard let message = json["message"], message.object != nil else { return [] }
        var entry: JSONObject = ["index": 0, "delta": message]
        if let reason = json["done_reason"]?.string { entry["finish_reason"] = .string(reason) }
        if json["done"] == true, entry["finish_reason"] == nil { entry["finish_reason"] = "stop" }
        return [.object(entry)]
    }

    private mutating func read(_ entry: JSONValue, index: Int, into events: inout [ModelStreamEvent]) {
        // Taken out while it grows: a second holder of its text would have it copied with every piece.
        var choice = choices.removeValue(forKey: index) ?? Choice(calls: ToolCallAssembly(names: toolNames))
        let isWhole = entry["delta"]?.object == nil && entry["message"] != nil
        // What has come in pieces may be said as a whole at the end.
        let isRepeat = isWhole && (!choice.content.isEmpty || !choice.calls.isEmpty)
        let delta = entry["delta"].flatMap { $0.object == nil ? nil : $0 } ?? entry["message"] ?? .null
        if isRepeat {
            let held = choice.content.utf8.count
            if let whole = delta["content"]?.string, whole.utf8.count > held, whole.hasPrefix(choice.content) {
                let rest = JSONValue.string(String(decoding: whole.utf8.dropFirst(held), as: UTF8.self))
                read(content: rest, sample: index, into: &choice, &events)
            }
            if choice.calls.isEmpty {
                for call in delta["tool_calls"]?.array ?? [] { read(call: call, true, index, into: &choice, &events) }
            }
            if let reason = entry["finish_reason"]?.string, !reason.isEmpty { choice.finish = reason }
            choices[index] = choice
            return
        }
        for name in ["reasoning_content", "reasoning", "thinking"] {
            guard let text = delta[name]?.string, !text.isEmpty else { continue }
            reasoningName = reasoningName ?? name
            let kept = allowed(text)
            choice.reasoning += kept
            events.append(.reasoning(sample: index, text: kept))
            break
        }
        read(content: delta["content"] ?? entry["text"] ?? .null, sample: index, into: &choice, &events)
        if let text = delta["refusal"]?.string, !text.isEmpty {
            read(content: .string(text), sample: index, into: &choice, &events)
        }
        for call in delta["tool_calls"]?.array ?? [] { read(call: call, isWhole, index, into: &choice, &events) }
        if let text = delta["tool_calls"]?.string, let list = LenientJSON.read(text)?.value {
            for call in list.array ?? [list] { read(call: call, true, index, into: &choice, &events) }
        }
        if let call = delta["tool_calls"], call.object != nil {
            read(call: call, isWhole, index, into: &choice, &events)
        }
        if let call = delta["function_call"], call.object != nil {
            read(call: call, isWhole, index, into: &choice, &events)
        }
        if let reason = entry["finish_reason"]?.string, !reason.isEmpty { choice.finish = reason }
        readLogProbabilities(entry["logprobs"], into: &choice)
        if let ids = entry["token_ids"]?.array { choice.tokenIDs += ids.compactMap(\.int) }
        choices[index] = choice
    }

    /// Reads content: a text, a list of parts, or one part.
    private mutating func read(
        content: JSONValue, sample: Int, into choice: inout Choice, _ events: inout [ModelStreamEvent], depth: Int = 0
    ) {
        guard depth < 8 else { return }
        switch content {
        case .string(let text):
            guard !text.isEmpty, !isFull else { return }
            let kept = allowed(text)
            choice.content += kept
            events.append(.content(sample: sample, text: kept))
        case .array(let parts):
            for part in parts { read(content: part, sample: sample, into: &choice, &events, depth: depth + 1) }
        case .object(let part):
            let type = part["type"]?.string ?? "text"
            if type.contains("think") || type.contains("reason") {
                let text = Self.text(part["thinking"] ?? part["reasoning"] ?? part["text"] ?? part["summary"] ?? .null)
                guard !text.isEmpty, !isFull else { return }
                let kept = allowed(text)
                choice.reasoning += kept
                events.append(.reasoning(sample: sample, text: kept))
            } else if type == "tool_use" || type == "tool_call" || type == "function_call" {
                read(call: content, true, sample, into: &choice, &events)
            } else if let inner = part["text"] ?? part["refusal"] ?? part["content"] {
                read(
                    content: inner["value"] ?? inner, sample: sample, into: &choice, &events, depth: depth + 1)
            }
        default: return
        }
    }

    /// The text of parts within parts.
    private static func text(_ value: JSONValue, depth: Int = 0) -> String {
        guard depth < 8 else { return "" }
        switch value {
        case .string(let text): return text
        case .array(let parts): return parts.map { text($0, depth: depth + 1) }.joined()
        case .object(let part):
            return text(part["text"] ?? part["thinking"] ?? part["content"] ?? .null, depth: depth + 1)
        default: return ""
        }
    }

    private mutating func read(
        call: JSONValue, _ isWhole: Bool, _ sample: Int, into choice: inout Choice, _ events: inout [ModelStreamEvent]
    ) {
        guard !isFull else { return }
        let before = choice.calls.bytes
        defer {
            allowance -= max(0, choice.calls.bytes - before) + 16
            isFull = isFull || allowance < 0
        }
        guard let begun = choice.calls.take(call, isWhole: isWhole) else { return }
        events.append(.toolCallStarted(sample: sample, index: begun.index, name: begun.name))
    }

    private func readLogProbabilities(_ json: JSONValue?, into choice: inout Choice) {
        for entry in json?["content"]?.array ?? [] where choice.tokens.count < maxTokens {
            guard let text = entry["token"]?.string, let probability = entry["logprob"]?.double else { continue }
            let top = (entry["top_logprobs"]?.array ?? []).prefix(64).compactMap {
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

    private mutating func readUsage(_ json: JSONValue) {
        let given = [json["usage"], json["x_groq"]?["usage"]].compactMap { $0 }.first { $0.object != nil }
        if let numbers = given {
            let read = TokenUsage(
                promptTokens: Self.count(numbers["prompt_tokens"] ?? numbers["input_tokens"]),
                completionTokens: Self.count(numbers["completion_tokens"] ?? numbers["output_tokens"]),
                cachedTokens: Self.count(numbers["prompt_tokens_details"]?["cached_tokens"]),
                reasoningTokens: Self.count(numbers["completion_tokens_details"]?["reasoning_tokens"]))
            if read != TokenUsage() { usage = read }
        } else if json["eval_count"]?.int != nil {
            usage = TokenUsage(
                promptTokens: Self.count(json["prompt_eval_count"]), completionTokens: Self.count(json["eval_count"]))
        }
    }

    /// A count of tokens: what a server writes may be below nothing, or more than can be added up.
    private static func count(_ value: JSONValue?) -> Int { min(max(value?.int ?? 0, 0), TokenUsage.most) }

    // MARK: The end

    /// Whether every choice that was asked for has given the reason for its end.
    func isFinished(samples: Int) -> Bool {
        choices.count >= samples && choices.values.allSatisfy { $0.finish != nil }
    }

    /// Whether a choice that was asked for is missing.
    func lacksChoices(of samples: Int) -> Bool { (0..<samples).contains { choices[$0] == nil } && choices[0] != nil }

    /// The finished reply. That it is whole is judged by all that came: the end of the stream, the reason, the content.
    /// - Parameters:
    ///   - samples: how many choices were asked for; fewer are given where the server gave fewer.
    ///   - isStream: whether the reply came in events; one that did not is whole when it can be read.
    /// - Throws: `LanguageModelError.malformedReply` when the reply was cut off or holds nothing.
    func response(samples: Int, requestedModel: String, isStream: Bool) throws(LanguageModelError) -> ModelResponse {
        var completions: [Completion] = []
        // A server that counts from one gives the one choice that was asked for all the same.
        let first = choices[0] == nil ? choices.keys.min() ?? 0 : 0
        for index in first..<first + samples {
            guard let choice = choices[index] else {
                guard !completions.isEmpty else {
                    throw .malformedReply(
                        seen.isEmpty ? "the reply is empty" : "the reply holds no choice: " + seen)
                }
                break
            }
            completions.append(try completion(choice, isStream: isStream))
        }
        return ModelResponse(
            completions: completions, usage: usage ?? TokenUsage(), model: model ?? requestedModel)
    }

    private func completion(_ choice: Choice, isStream: Bool) throws(LanguageModelError) -> Completion {
        let calls = choice.calls.finished()
        let isEmpty = choice.content.isEmpty && choice.reasoning.isEmpty && calls.isEmpty
        let finish: Completion.FinishReason
        switch isFull ? "length" : choice.finish?.lowercased() {
        case nil:
            // Calls whose arguments are whole were not cut off; a text may have been, unless the stream was ended.
            guard !isStream || isDone || choice.calls.isWhole else {
                throw .malformedReply("the reply was cut off: neither a finish_reason nor [DONE] came")
            }
            if isEmpty { throw .malformedReply("the reply is empty and gives no reason for its end") }
            let isFull = maxTokens > 0 && (usage?.completionTokens ?? 0) >= maxTokens
            finish = isFull ? .length : calls.isEmpty ? .stop : .toolCalls
        case "length", "max_tokens", "max_output_tokens", "model_length", "token_limit": finish = .length
        case "content_filter", "safety", "recitation", "blocked", "prohibited_content": finish = .contentFilter
        case "error", "abort", "aborted", "cancelled", "canceled", "network_error", "server_error", "failed",
            "malformed_function_call", "insufficient_system_resource", "function_call_filter: malformed_function_call",
            "timeout":
            throw .malformedReply("the server ended the reply with \"\(choice.finish?.prefix(40) ?? "")\"")
        default: finish = calls.isEmpty && choice.finish != "tool_calls" ? .stop : .toolCalls
        }
        return Completion(
            message: ChatMessage(
                role: .assistant, content: choice.content, reasoning: choice.reasoning, toolCalls: calls),
            finishReason: finish, tokens: choice.tokens, promptTokenIDs: promptTokenIDs, tokenIDs: choice.tokenIDs)
    }
}
