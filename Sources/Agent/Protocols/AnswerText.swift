// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
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
        guard text.contains("<") else { return text }
        var text = text
        // A chat template may open the reasoning in the prompt: then only its end is written.
        for (open, close) in [("<think>", "</think>"), ("<thinking>", "</thinking>")] {
            if let end = text.range(of: close), text.range(of: open, range: text.startIndex..<end.lowerBound) == nil {
                text.removeSubrange(..<end.upperBound)
            }
        }
        for (open, close) in elements {
            while let start = text.range(of: open) {
                let end = text.range(of: close, range: start.upperBound..<text.endIndex)?.upperBound ?? text.endIndex
                text.removeSubrange(start.lowerBound..<end)
            }
        }
        return text
    }

    /// Tags around what is not meant to be read as an answer.
    private static let elements: [(open: String, close: String)] = {
        var elements = [("<think>", "</think>"), ("<thinking>", "</thinking>")]
        for dialect in TagDialect.all { elements += [dialect.query, dialect.result] }
        return elements
    }()

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
