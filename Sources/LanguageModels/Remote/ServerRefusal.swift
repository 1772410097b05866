// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import Net
import OrderedCollections
import Text

/// What a server says when it does not answer: its status, and the texts, names and numbers of its body, whatever their form.
package struct ServerRefusal: Sendable, Hashable {
    package var status: Int
    /// What went wrong, in one line of at most 300 characters.
    package var message: String
    /// The member that the server names as the culprit; empty when it names none.
    package var parameter = ""
    /// The server's own code and type of the error, in lower case.
    package var code = ""
    /// The whole body in lower case, at most 8,192 characters.
    private var text: String
    /// Members that a list of details names (`loc`).
    private var locations: Set<String> = []
    private var body: JSONValue?

    /// - Parameter secrets: keys, which a server may repeat in its error; they are replaced before anything is taken from it.
    package init(status: Int, body: [UInt8], secrets: [String] = []) {
        self.status = status
        let raw = EndpointKey.hiding(secrets, in: String(decoding: body.prefix(64 << 10), as: UTF8.self))
        var json = try? JSONValue(parsing: raw)
        // Some wrap the error in a list, or put another server's error as text into their own.
        if let first = json?.array?.first { json = first }
        let wrapped = json?["error"]?["metadata"]?["raw"]?.string
        if let wrapped, let inner = try? JSONValue(parsing: wrapped), inner.object != nil { json = inner }
        self.body = json
        let error = json?["error"] ?? json?["detail"] ?? json ?? .null
        let rows = Self.details(json)
        let found =
            error["message"]?.string ?? error.string ?? json?["message"]?.string ?? json?["error_message"]?.string
            ?? json?["msg"]?.string ?? Self.text(of: rows)
            ?? (json == nil ? Self.visible(raw) : error.serialized())
        message = String(
            EndpointKey.hiding(secrets, in: found).split(whereSeparator: \.isWhitespace).joined(separator: " ").prefix(
                300))
        parameter = (error["param"]?.string ?? "").lowercased()
        code = [error["code"], error["type"], error["status"], json?["type"], json?["code"]]
            .compactMap { $0?.string?.lowercased() }.joined(separator: " ")
        // What another server said stands in it escaped; what is looked for in quotes is not.
        text = (String(raw.prefix(8192)) + (wrapped.map { "\n" + $0.prefix(8192) } ?? "")).lowercased()
        for entry in rows {
            for part in entry["loc"]?.array ?? [] { if let name = part.string { locations.insert(name.lowercased()) } }
        }
    }

    /// The list of details, as FastAPI writes it; some put it into the message.
    private static func details(_ json: JSONValue?) -> [JSONValue] {
        let places = [
            json?["detail"], json?["errors"], json?["message"]?["detail"], json?["message"], json?["error"]?["detail"],
            json?["error"]?["message"], json?["error"]?["details"],
        ]
        return places.lazy.compactMap { $0?.array }.first { !$0.isEmpty } ?? []
    }

    private static func text(of rows: [JSONValue]) -> String? {
        let rows = rows.prefix(64).compactMap { entry -> String? in
            let place = (entry["loc"]?.array ?? []).compactMap(\.string).joined(separator: ".")
            guard let text = entry["msg"]?.string ?? entry["message"]?.string ?? entry.string else { return nil }
            return place.isEmpty ? text : place + ": " + text
        }
        return rows.isEmpty ? nil : rows.joined(separator: "; ")
    }

    /// The text of a page without its markup.
    static func visible(_ page: String) -> String {
        guard page.contains("<") else { return page }
        var result = ""
        var isTag = false
        for character in page.prefix(20_000) {
            if character == "<" { isTag = true }
            if !isTag { result.append(character) }
            if character == ">" {
                isTag = false
                result.append(" ")
            }
        }
        return result
    }

    /// Whether a body is a web page and not an answer of an interface.
    package static func isPage(_ bytes: [UInt8], contentType: String?) -> Bool {
        let start = String(decoding: bytes.prefix(512), as: UTF8.self).lowercased().trimmingCharacters(
            in: .whitespacesAndNewlines)
        return start.hasPrefix("<!doctype") || start.hasPrefix("<html") || start.hasPrefix("<head")
            || (contentType?.lowercased().contains("text/html") == true && start.hasPrefix("<"))
    }

    // MARK: What it says

    /// Whether the body holds one of these phrases.
    package func says(_ phrases: String...) -> Bool { phrases.contains { text.contains($0) } }

    /// Whether the server names a member of the request as the culprit: as the parameter, in a place, or as a word.
    package func names(_ member: String) -> Bool {
        let member = member.lowercased()
        let root = parameter.prefix { $0 != "." && $0 != "[" }
        if root == member || parameter == member || locations.contains(member) { return true }
        // A name such as `n` or `stop` is a word of English too: only in quotes, or in a list of what was not known.
        if member.count < 6, !member.contains("_") { return quotes(member) || lists(member) }
        return text.ranges(of: member).contains { range in
            func isPart(_ character: Character?) -> Bool {
                character.map { $0.isLetter || $0.isNumber || $0 == "_" } ?? false
            }
            let before = range.lowerBound > text.startIndex ? text[text.index(before: range.lowerBound)] : nil
            let after = range.upperBound < text.endIndex ? text[range.upperBound] : nil
            return !isPart(before) && !isPart(after)
        }
    }

    /// Whether a name stands in a list of members, such as "Unrecognized request arguments supplied: stop, tools".
    private func lists(_ member: String) -> Bool {
        text.matches(
            of: /(?:argument|parameter|field|propert|key)[a-z]*(?: supplied| found| received)?: *([a-z0-9_, ]{1,300})/
        )
        .contains { match in
            match.output.1.split { $0 == "," || $0 == " " }.contains { $0 == member }
        }
    }

    /// Whether a name stands in quotes of some kind.
    package func quotes(_ name: String) -> Bool {
        let name = name.lowercased()
        return ["'\(name)'", "`\(name)`", "\\\"\(name)\\\"", "\"\(name)\"", "“\(name)”"].contains { text.contains($0) }
    }

    /// Whether another form of the request might be taken.
    var mayConcernForm: Bool {
        switch status {
        case 400, 404, 405, 406, 415, 422, 501: return true
        // Templates that cannot write the conversation end in 500.
        case 500: return says("template", "alternat", "not support", "unsupported", "tool", "jinja", "role")
        default: return false
        }
    }

    var saysUnknownParameter: Bool {
        says(
            "extra inputs", "extra fields", "extra_forbidden", "additional properties", "unrecognized", "unknown field",
            "unknown parameter", "unknown name", "unexpected keyword", "unexpected field", "unsupported parameter",
            "not permitted",
            "unknown argument", "unsupported_parameter", "invalid parameter", "unexpected argument", "cannot find field"
        )
    }

    /// The whole numbers of the message, in order; thousands may be parted by commas or points.
    var numbers: [Int] {
        var found: [Int] = []
        let characters = Array(message)
        var index = 0
        while index < characters.count {
            guard characters[index].isASCII, characters[index].isNumber else {
                index += 1
                continue
            }
            let isWord = index > 0 && (characters[index - 1].isLetter || characters[index - 1] == "_")
            var digits = ""
            while index < characters.count {
                let character = characters[index]
                if character.isASCII, character.isNumber {
                    digits.append(character)
                } else if character == "," || character == "." || character == "_" || character == "'",
                    index + 3 < characters.count,
                    characters[(index + 1)...(index + 3)].allSatisfy({ $0.isASCII && $0.isNumber }),
                    index + 4 >= characters.count || !characters[index + 4].isNumber
                {
                    // Thousands.
                } else {
                    break
                }
                index += 1
            }
            // A number within a name (gpt-4o) is none; 4k and 128K are thousands.
            var value = Int(digits)
            if index < characters.count, "kK".contains(characters[index]), !isWord,
                index + 1 >= characters.count || !characters[index + 1].isLetter
            {
                value = value.flatMap { $0 <= Int.max / 1024 ? $0 * 1024 : nil }
                index += 1
            }
            if let value, !isWord { found.append(value) }
        }
        return found
    }

    /// What the model had written, where the server could not read its call and hands it back with the refusal.
    var failedGeneration: String? {
        let text = body?["error"]?["failed_generation"]?.string ?? body?["failed_generation"]?.string
        return text.flatMap { $0.contains { !$0.isWhitespace } ? $0 : nil }
    }

    /// Whether the fault is what the model wrote this time, not what it was asked.
    var isUnluckySample: Bool {
        code.contains("tool_use_failed") || says("failed to parse tool call", "failed to call a function")
    }

    /// The seconds after which another try makes sense, where the body says so: a model's estimated time to load, a
    /// `retryDelay`, "try again in 1m2.5s".
    var pause: Double? {
        if let seconds = body?["estimated_time"]?.double, seconds >= 0 { return min(seconds, 3600) }
        for mark in ["try again in ", "retry in ", "retry after ", "\"retrydelay\": \"", "\"retrydelay\":\""] {
            guard let range = text.range(of: mark) else { continue }
            if let seconds = Self.duration(text[range.upperBound...].prefix(40)) { return min(seconds, 3600) }
        }
        return nil
    }

    /// The seconds of a duration such as `20ms`, `7.66s`, `1m2.5s` or `10 seconds`.
    private static func duration(_ text: Substring) -> Double? {
        var rest = text
        var total: Double?
        while let value = Double(rest.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }.trimmingCharacters(in: ["."]))
        {
            rest = rest.drop { $0.isASCII && ($0.isNumber || $0 == ".") }.drop { $0 == " " }
            let unit = rest.prefix { $0.isLetter }
            let scale: Double? =
                switch unit {
                case "ms", "milliseconds": 0.001
                case "s", "sec", "secs", "second", "seconds": 1
                case "m", "min", "mins", "minute", "minutes": 60
                case "h", "hour", "hours": 3600
                default: nil
                }
            guard let scale else { break }
            total = (total ?? 0) + value * scale
            rest = rest.dropFirst(unit.count)
        }
        return total
    }

    // MARK: Kinds of refusal

    /// The conversation does not fit the model: how many tokens it has and how many fit, 0 where the server does not say.
    /// - Parameter estimate: our own estimate of the request's tokens.
    func overflow(estimate: Int) -> (tokens: Int, limit: Int)? {
        guard [400, 413, 422, 429, 500].contains(status) else { return nil }
        let error = body?["error"] ?? body ?? .null
        if let limit = error["n_ctx"]?.int, let tokens = error["n_prompt_tokens"]?.int, limit > 0, tokens > 0 {
            return (min(tokens, TokenUsage.most), min(limit, TokenUsage.most))
        }
        let numbers = numbers.filter { (16...TokenUsage.most).contains($0) }
        let limit = tokenLimit(numbers)
        let sized = limit.map { limit in (numbers.filter { $0 > limit }.max() ?? 0, limit) }
        let isCode = [
            "context_length", "context_size", "context_window", "context_overflow", "prompt_too_long", "input_too_long",
            "token_limit", "string_above_max_length", "request_too_large", "max_context", "tokens_limit",
        ].contains { code.contains($0) }
        if isCode { return sized ?? (0, 0) }
        if status == 429 {
            // A rate that one request alone exceeds never lets it through.
            guard says("too large", "must be reduced"), let sized else { return nil }
            return sized
        }
        let subject = says("context", "prompt", "input", "token", "conversation", "message", "request")
        let excess = says(
            "exceed", "too long", "too large", "too many tokens", "longer than", "larger than", "overflow",
            "does not fit", "doesn't fit",
            "greater than", "more than", "maximum", "at most", "limit", "only", "reduce the length", "context is full",
            "out of context")
        let speaks = says(
            "context length", "context_length", "context window", "context size", "context the overflows",
            "prompt is too long", "prompt too long", "input is too long", "input too long", "too many tokens",
            "maximum context",
            "reduce the length", "sequence length", "input tokens", "prompt tokens", "max_seq_len", "max_model_len",
            "token limit",
            "available context", "inputs tokens", "input length", "prompt length")
        if speaks, subject, excess, status != 500 || says("context", "prompt", "token") { return sized ?? (0, 0) }
        if status == 413 { return sized ?? (0, 0) }
        // Any words: two numbers of which the larger is about what was sent, and no member of the request is named.
        if parameter.isEmpty, !names("max_tokens"), !names("max_completion_tokens"), let sized, sized.0 > 0,
            sized.1 >= 64, status != 500,
            Double(sized.0) > Double(estimate) * 0.3, Double(sized.0) < Double(estimate) * 3 + 8192,
            says("token", "toke", "词", "字", "トークン", "토큰", "токен")
        {
            return sized
        }
        return nil
    }

    /// The limit among numbers: the smaller one of two of which one exceeds it.
    private func tokenLimit(_ numbers: [Int]) -> Int? {
        guard let most = numbers.max() else { return nil }
        if numbers.count == 1 { return most }
        // "… 4096 tokens. However, you requested 5000 tokens (4000 in the messages, 1000 in the completion)": a number that is said
        // to be the maximum comes first; else the largest one that another exceeds.
        for marker in [
            "maximum context length is", "context length is", "context length of", "context window of", "maximum of",
            "maximum is", "limit of", "limit is", "limit:", "limit", "at most", "context size (",
        ] {
            guard let range = text.range(of: marker) else { continue }
            let after = ServerRefusal.firstNumber(text[range.upperBound...].prefix(40))
            if let after, numbers.contains(after) { return after }
        }
        return numbers.filter { $0 < most }.max() ?? most
    }

    private static func firstNumber(_ text: Substring) -> Int? {
        let digits = text.drop { !$0.isNumber }.prefix { $0.isNumber || $0 == "," }
        return Int(digits.filter { $0.isNumber })
    }

    /// Whether money or a quota is used up: another try changes nothing.
    func isQuota(retryAfter: Double?) -> Bool {
        guard status == 402 || status == 429 || status == 403 else { return false }
        if status == 402 { return true }
        // A quota that says when it is full again is a rate.
        if retryAfter != nil || says("retry in", "try again in", "retrydelay", "per minute", "per second", "rpm", "tpm")
        {
            return false
        }
        return says(
            "insufficient_quota", "quota", "billing", "credit", "balance", "payment", "plan and billing",
            "spending limit", "usage limit")
    }
}
