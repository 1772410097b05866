// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import LanguageModels
import Text

/// Takes an answer apart as models write it.
enum AnswerText {
    /// The text without reasoning, calls and its last `Answer:` line, and what that line, `<answer>…</answer>` or
    /// `\boxed{…}` holds.
    static func split(_ draft: String) -> (text: String, short: String?) {
        // "\r\n" is one character, and not a line end to a search for one.
        let (draft, boxed) = unboxed(written(draft.replacing("\r\n", with: "\n")))
        if let range = lastTag("answer", in: draft) {
            return (String(draft[..<range.open] + draft[range.end...]), String(draft[range.content]))
        }
        var lines = draft.textLines()
        while let last = lines.last, last.allSatisfy(\.isWhitespace) { lines.removeLast() }
        guard let last = lines.last else { return ("", nil) }
        let trimmed = last.trimmingCharacters(in: .whitespaces.union(CharacterSet(charactersIn: "*")))
        for prefix in ["answer:", "final answer:", "short answer:"] where trimmed.lowercased().hasPrefix(prefix) {
            let short = trimmed.dropFirst(prefix.count).trimmingCharacters(
                in: .whitespaces.union(CharacterSet(charactersIn: "*")))
            return (lines.dropLast().joined(separator: "\n"), short)
        }
        return (draft, boxed)
    }

    /// What a model wrote for others to read: without its reasoning, its calls written as text, and results that it made
    /// up, whichever protocol's tags are around them. An element that was never closed reaches to the end.
    static func written(_ text: String) -> String {
        var text = ModelMarks.visible(text)
        guard text.contains("<") else { return text }
        for (open, close) in elements {
            while let start = text.range(of: open) {
                let end = text.range(of: close, range: start.upperBound..<text.endIndex)?.upperBound ?? text.endIndex
                text.removeSubrange(start.lowerBound..<end)
            }
        }
        return text
    }

    /// Tags around what is not meant to be read as an answer.
    private static let elements: [(open: String, close: String)] = TagDialect.all.flatMap { [$0.query, $0.result] }

    /// The answer in words, where a model put it into a JSON object that nobody asked for: `{"answer": …, "citations": […]}`.
    static func told(_ draft: String) -> String {
        let text = written(draft).trimmingCharacters(in: .whitespacesAndNewlines)
        guard text.hasPrefix("{") || text.hasPrefix("```"), text.hasSuffix("}") || text.hasSuffix("```"),
            let object = LenientJSON.read(text)?.value.object
        else { return draft }
        func member(_ names: [String]) -> JSONValue? {
            object.first { key, _ in names.contains(key.lowercased().filter(\.isLetter)) }?.value
        }
        guard let answer = member(["answer", "finalanswer", "shortanswer", "result", "response"])?.string,
            !ModelMarks.isBlank(answer)
        else { return draft }
        let sources = member(["citations", "citation", "sources", "source", "references", "passages", "ids"])
        let ids = (sources?.array ?? [sources ?? .null]).compactMap { $0.string ?? $0["id"]?.string }
        let more = member(["explanation", "reasoning", "reason", "sentence", "text"])?.string ?? answer
        let cited = ids.isEmpty ? "" : " [" + ids.joined(separator: ", ") + "]"
        let isShort = answer.split(whereSeparator: \.isWhitespace).count <= 12
        return (isShort ? more : answer) + cited + (isShort ? "\nAnswer: " + answer : "")
    }

    /// What the last `\boxed{…}` of a text holds; nil without one.
    static func boxed(in text: String) -> String? { unboxed(text).boxed }

    /// The text with `\boxed{x}` and `\text{x}` as x, and what the last box holds.
    private static func unboxed(_ text: String) -> (text: String, boxed: String?) {
        guard text.contains("\\boxed{") else { return (text, nil) }
        var text = text
        var boxed: String?
        while let open = text.range(of: "\\boxed{"), let close = closingBrace(in: text, from: open.upperBound) {
            var content = String(text[open.upperBound..<close])
            for name in ["\\text{", "\\textbf{", "\\mathrm{"] where content.hasPrefix(name) && content.hasSuffix("}") {
                content = String(content.dropFirst(name.count).dropLast())
            }
            content = content.trimmingCharacters(in: .whitespacesAndNewlines)
            text.replaceSubrange(open.lowerBound...close, with: content)
            boxed = content
        }
        return (text, boxed)
    }

    private static func closingBrace(in text: String, from start: String.Index) -> String.Index? {
        var depth = 1
        for index in text[start...].indices {
            if text[index] == "{" { depth += 1 }
            if text[index] == "}" { depth -= 1 }
            if depth == 0 { return index }
        }
        return nil
    }

    private static func lastTag(
        _ name: String, in text: String
    ) -> (open: String.Index, content: Range<String.Index>, end: String.Index)? {
        guard let open = text.range(of: "<\(name)>", options: .backwards),
            let close = text.range(of: "</\(name)>", range: open.upperBound..<text.endIndex)
        else { return nil }
        return (open.lowerBound, open.upperBound..<close.lowerBound, close.upperBound)
    }
}
