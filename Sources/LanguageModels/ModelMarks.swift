// SPDX-License-Identifier: Apache-2.0

import Foundation
import Text

/// The marks that families of models write around what is not their answer, where a server leaves them in the text: reasoning,
/// the end of a turn, the beginning of another speaker's. One table; the fence makes all of them harmless in what documents
/// say.
package enum ModelMarks {
    /// A pair around reasoning.
    package struct Pair: Sendable {
        package var open: String
        package var close: String
    }

    /// Names of tags around reasoning; `<seed:think>` and `<thinking>` are known by what stands behind the colon.
    package static let reasoningTags: Set<String> = [
        "think", "thinking", "thought", "thoughts", "reasoning", "reason", "reflection", "reflect", "scratchpad",
        "inner_monologue", "monologue", "rationale", "cot",
    ]

    /// Other pairs around reasoning.
    package static let reasoningPairs: [Pair] = [
        Pair(open: "[THINK]", close: "[/THINK]"),
        Pair(open: "◁think▷", close: "◁/think▷"),
        Pair(open: "<|begin_of_thought|>", close: "<|end_of_thought|>"),
        Pair(open: "<|thought_start|>", close: "<|thought_end|>"),
        Pair(open: "<|START_THINKING|>", close: "<|END_THINKING|>"),
        Pair(open: "<|inner_prefix|>", close: "<|inner_suffix|>"),
        Pair(open: "<|think_start|>", close: "<|think_end|>"),
        Pair(open: "<|think|>", close: "<|/think|>"),
        Pair(open: "<｜begin▁of▁thinking｜>", close: "<｜end▁of▁thinking｜>"),
        Pair(open: "<unused94>", close: "<unused95>"),
        // Gemma 4: a channel with a name, closed by its mirror.
        Pair(open: "<|channel>thought", close: "<channel|>"),
        // Granite 3.2 says it in words.
        Pair(open: "Here is my thought process:", close: "Here is my response:"),
    ]

    /// Marks around the answer itself: they go, what they hold stays.
    package static let wrappers = [
        "<|begin_of_solution|>", "<|end_of_solution|>", "<|START_RESPONSE|>", "<|END_RESPONSE|>", "<|START_TEXT|>",
        "<|END_TEXT|>", "<|begin_of_box|>", "<|end_of_box|>", "<|begin_of_answer|>", "<|end_of_answer|>",
    ]

    /// What ends a turn, or begins the next one: where the answer stands before it, nothing after it is the answer's.
    package static let ends = [
        "<|im_end|>", "<|im_start|>", "<|im_sep|>", "<|eot_id|>", "<|eom_id|>", "<|eot|>", "<|eom|>", "<|endoftext|>",
        "<|end_of_text|>", "<|begin_of_text|>", "<|end|>", "<|return|>", "<|start|>", "<|call|>", "<|end_of_turn|>",
        "<|endofturn|>", "<|end_of_sentence|>", "<|END_OF_TURN_TOKEN|>", "<|START_OF_TURN_TOKEN|>",
        "<|USER_TOKEN|>", "<|CHATBOT_TOKEN|>", "<|SYSTEM_TOKEN|>", "<|start_header_id|>", "<|end_header_id|>",
        "<|header_start|>", "<|header_end|>", "<|start_of_role|>", "<|end_of_role|>", "<|user|>", "<|assistant|>",
        "<|system|>", "<|observation|>", "<|human|>", "<|eos|>", "<|bos|>", "<|endofassistant|>", "<|im_user|>",
        "<|im_assistant|>", "<|im_middle|>", "<|role_end|>", "<|end▁of▁sentence|>", "<｜end▁of▁sentence｜>",
        "<｜begin▁of▁sentence｜>", "<｜User｜>", "<｜Assistant｜>", "<end_of_turn>", "<start_of_turn>", "<turn|>", "<|turn>",
        "<end_of_utterance>", "<eos>", "<bos>", "</s>", "<s>", "[INST]", "[/INST]", "[|endofturn|]", "[|user|]",
        "[|assistant|]", "[|system|]", "[EOS]", "[BOS]", "<_user>", "<_bot>", "<_end>", "<extra_id_0>", "<extra_id_1>",
        "<<SYS>>", "<</SYS>>", "<eot_id>", "<eoa>", "<eoh>", "<EOT>", "<eod>",
    ]

    /// All marks that are texts of their own; what a document says must hold none of them as it is.
    package static var all: [String] {
        reasoningPairs.filter { !$0.open.contains(" ") }.flatMap { [$0.open, $0.close] } + wrappers + ends
    }

    /// Whether a text shows nothing: white space, control characters and what has no width.
    package static func isBlank(_ text: String) -> Bool {
        text.unicodeScalars.allSatisfy { scalar in
            switch scalar.properties.generalCategory {
            case .control, .format, .spaceSeparator, .lineSeparator, .paragraphSeparator, .unassigned, .surrogate,
                .privateUse:
                return true
            default: return scalar == "\u{FFFD}" || scalar == "\u{2800}" || scalar == "\u{3164}"
            }
        }
    }

    /// What a model wrote for others to read: without reasoning, and up to the end of its turn.
    package static func visible(_ text: String) -> String {
        guard text.utf8.contains(where: { "<[:".utf8.contains($0) }) || text.contains("◁") || text.hasPrefix("analysis")
        else { return text }
        var text = harmony(text)
        for pair in reasoningPairs { text = without(pair, text) }
        text = withoutReasoningTags(text)
        for mark in wrappers where text.contains(mark) { text = text.replacing(mark, with: "") }
        text = firstTurn(text)
        return nextSpeakerCut(text)
    }

    // MARK: Harmony

    /// The final channel of a text in OpenAI's harmony format, whole or with its tokens taken out by the server.
    private static func harmony(_ text: String) -> String {
        let mark = "<|channel|>"
        guard text.contains(mark) else {
            // `analysisWe need …assistantfinalMarta Olsen`: the tokens went, their words stayed.
            guard text.hasPrefix("analysis"), text.dropFirst(8).first.map({ $0.isUppercase || $0 == "\"" }) == true
            else { return text }
            return text.ranges(of: "assistantfinal").last.map { String(text[$0.upperBound...]) } ?? ""
        }
        var kept: [Substring] = []
        var parts: [Substring] = []
        var rest = text[...]
        while let range = rest.range(of: mark) {
            parts.append(rest[..<range.lowerBound])
            rest = rest[range.upperBound...]
        }
        parts.append(rest)
        let head = parts[0].replacing("<|start|>", with: "").replacing("assistant", with: "")
        for part in parts.dropFirst() {
            guard let message = part.range(of: "<|message|>") else { continue }
            guard part[..<message.lowerBound].contains("final") else { continue }
            let body = part[message.upperBound...]
            let ends = ["<|end|>", "<|return|>", "<|start|>", "<|call|>"].compactMap { body.range(of: $0)?.lowerBound }
            kept.append(body[..<(ends.min() ?? body.endIndex)])
        }
        if kept.isEmpty { return isBlank(String(head)) ? "" : String(head) }
        return kept.map { String($0) }.joined(separator: "\n")
    }

    // MARK: Reasoning

    /// A pair that was never closed reaches to the end; one that the prompt had opened begins at the start.
    private static func without(_ pair: Pair, _ text: String) -> String {
        var text = text
        if let end = text.range(of: pair.close), text[..<end.lowerBound].range(of: pair.open) == nil {
            text.removeSubrange(..<end.upperBound)
        }
        var result = ""
        var rest = text[...]
        while let start = rest.range(of: pair.open) {
            result += rest[..<start.lowerBound]
            guard let end = rest[start.upperBound...].range(of: pair.close) else { return result }
            rest = rest[end.upperBound...]
        }
        return result + rest
    }

    private struct Tag {
        var range: Range<String.Index>
        var name: String
        var isClosing: Bool
    }

    /// The tags of reasoning, in whatever case, with a prefix or attributes.
    private static func tags(in text: String) -> [Tag] {
        var found: [Tag] = []
        var place = text.startIndex
        while let open = text[place...].firstIndex(of: "<"), found.count < 4096 {
            place = text.index(after: open)
            var rest = text[place...].prefix(64)
            let isClosing = rest.first == "/"
            if isClosing { rest = rest.dropFirst() }
            guard let close = rest.firstIndex(of: ">") else { continue }
            let written = rest[..<close].prefix { !$0.isWhitespace }
            let name = (written.lastIndex(of: ":").map { written[written.index(after: $0)...] } ?? written).lowercased()
            guard reasoningTags.contains(name) else { continue }
            found.append(Tag(range: open..<text.index(after: close), name: name, isClosing: isClosing))
            place = text.index(after: close)
        }
        return found
    }

    private static func withoutReasoningTags(_ text: String) -> String {
        let tags = tags(in: text)
        guard let first = tags.first else { return text }
        var result = ""
        var place = text.startIndex
        var index = 0
        if first.isClosing {
            // A chat template may open the reasoning in the prompt: then only its end is written.
            place = first.range.upperBound
            index = 1
        }
        while index < tags.count {
            let tag = tags[index]
            guard tag.range.lowerBound >= place else {
                index += 1
                continue
            }
            result += text[place..<tag.range.lowerBound]
            if tag.isClosing {
                place = tag.range.upperBound
                index += 1
                continue
            }
            let close = tags[(index + 1)...].firstIndex { $0.isClosing && $0.name == tag.name }
            place = close.map { tags[$0].range.upperBound } ?? text.endIndex
            index = close.map { $0 + 1 } ?? tags.count
        }
        return result + text[place...]
    }

    // MARK: Turns

    /// The text up to the first mark of an end that stands behind something; marks before that go.
    private static func firstTurn(_ text: String) -> String {
        let marks = ends.filter { text.contains($0) }
        guard !marks.isEmpty else { return text }
        var rest = text[...]
        // A turn's head is a few marks; whoever writes more of them in a row says nothing.
        for _ in 0..<32 {
            var first: Range<String.Index>?
            for mark in marks {
                // `<s>struck out</s>` is markup; the token stands at the start.
                guard let range = rest.range(of: mark), range.lowerBound < first?.lowerBound ?? rest.endIndex else {
                    continue
                }
                if mark == "<s>", !isBlank(String(rest[..<range.lowerBound])) { continue }
                if mark == "</s>", rest[..<range.lowerBound].contains("<s>") { continue }
                first = range
            }
            guard let first else { return withoutRole(rest, of: text) }
            let before = rest[..<first.lowerBound]
            if !isBlank(String(before)), !isRole(before) { return withoutRole(before, of: text) }
            rest = rest[first.upperBound...]
        }
        return ""
    }

    /// A turn without the line that names its role, where a mark stood before it.
    private static func withoutRole(_ turn: Substring, of text: String) -> String {
        let line = turn.prefix { $0 != "\n" }
        guard turn.startIndex > text.startIndex, isRole(line) else { return String(turn) }
        return String(turn[line.endIndex...])
    }

    /// Whether a text is nothing but the name of a role, as it stands between the marks of a turn's head.
    private static func isRole(_ text: Substring) -> Bool {
        let word = text.lowercased().filter { !$0.isWhitespace && $0 != ":" }
        return ["assistant", "model", "bot", "ai", "chatbot", "user", "human", "system"].contains(word)
    }

    private static let askers: Set<String> = ["user", "human", "question", "q", "instruction", "system", "customer"]
    private static let answerers: Set<String> = ["assistant", "ai", "bot", "chatbot", "model", "response"]

    /// The speaker that a line begins with, such as `User:`, `### Human:` or `**Assistant:**`; nil for none.
    private static func speaker(of line: Substring) -> String? {
        let plain = line.drop { $0.isWhitespace || $0 == "#" || $0 == "*" || $0 == ">" }
        guard let colon = plain.prefix(24).firstIndex(of: ":") else { return nil }
        let word = plain[..<colon].filter { $0 != "*" && $0 != " " }.lowercased()
        return askers.contains(word) || answerers.contains(word) ? word : nil
    }

    /// The text without its own name at the start, and without the next turns that a model went on to make up. Two speakers in
    /// turn that begin the text are a conversation that is told, and stay.
    private static func nextSpeakerCut(_ text: String) -> String {
        guard text.contains(":") else { return text }
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        guard let start = lines.firstIndex(where: { !isBlank(String($0)) }) else { return text }
        if let opening = speaker(of: lines[start]) {
            guard opening == "assistant" || opening == "ai" || opening == "model",
                let colon = lines[start].firstIndex(of: ":")
            else { return text }
            lines[start] = lines[start][lines[start].index(after: colon)...].drop { $0 == " " || $0 == "*" }
        }
        let isShort = { (line: Substring) -> Bool in
            let plain = line.lowercased().drop { $0.isWhitespace || $0 == "*" || $0 == "#" }
            return plain.hasPrefix("answer:") || plain.hasPrefix("final answer:") || plain.hasPrefix("short answer:")
        }
        var hasAnswer = false
        let lastAnswerer = lines.lastIndex { speaker(of: $0).map(answerers.contains) ?? false } ?? -1
        for (place, line) in lines.enumerated() where place >= start {
            if place > start, let speaker = speaker(of: line) {
                let isAsked = askers.contains(speaker)
                let goesOn = lastAnswerer > place
                if hasAnswer || isAsked && goesOn && speaker != "q" {
                    return lines[..<place].joined(separator: "\n")
                }
            }
            hasAnswer = hasAnswer || isShort(line)
        }
        return lines.joined(separator: "\n")
    }
}
