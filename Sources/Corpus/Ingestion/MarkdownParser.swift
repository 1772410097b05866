// SPDX-License-Identifier: Apache-2.0

import Base
import OrderedCollections
import Text

/// Reads a Markdown file as a document: front matter becomes metadata, the first heading is the title.
enum MarkdownParser {
    static func parse(_ text: String, id: String, name: String) -> RawDocument {
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
            line.hasSuffix("\r") ? line.dropLast() : line
        }
        var metadata = JSONObject()
        if lines.first?.trimmed() == "---",
            let end = lines.dropFirst().prefix(500).firstIndex(where: { $0.trimmed() == "---" || $0.trimmed() == "..." }
            )
        {
            metadata = frontMatter(lines[1..<end])
            lines.removeFirst(end + 1)
        }
        var title = metadata["title"]?.string
        metadata["title"] = nil
        var isFenced = false
        if title == nil {
            for (index, line) in lines.enumerated() {
                if line.trimmed().hasPrefix("```") { isFenced.toggle() }
                guard !isFenced else { continue }
                if let heading = heading(line) {
                    title = heading
                    lines.remove(at: index)
                    break
                }
                if index > 0, !lines[index - 1].trimmed().isEmpty, isUnderline(line) {
                    title = lines[index - 1].trimmed()
                    lines.removeSubrange((index - 1)...index)
                    break
                }
            }
        }
        return RawDocument(
            id: id, title: title ?? name, text: lines.joined(separator: "\n").trimmed(), metadata: metadata)
    }

    private static func heading(_ line: Substring) -> String? {
        let marks = line.prefix { $0 == "#" }
        guard (1...6).contains(marks.count), line.dropFirst(marks.count).first?.isWhitespace == true else { return nil }
        var text = line.dropFirst(marks.count).trimmed()
        while text.hasSuffix("#") { text.removeLast() }
        text = text.trimmed()
        return text.isEmpty ? nil : text
    }

    private static func isUnderline(_ line: Substring) -> Bool {
        let text = line.trimmed()
        return text.utf8.count >= 3 && text.utf8.allSatisfy { $0 == UInt8(ascii: "=") }
    }

    /// The flat subset of YAML that front matter is written in: `name: value`, `name: [a, b]`, and lists of `- value`.
    private static func frontMatter(_ lines: ArraySlice<Substring>) -> JSONObject {
        var members = JSONObject()
        var listName: String?
        for line in lines {
            let text = line.trimmed()
            if text.isEmpty || text.hasPrefix("#") { continue }
            if text.hasPrefix("- "), let name = listName {
                members[name] = .array((members[name]?.array ?? []) + [scalar(String(text.dropFirst(2)).trimmed())])
                continue
            }
            guard let colon = text.firstIndex(of: ":"), !line.hasPrefix(" "), !line.hasPrefix("\t") else { continue }
            let name = text[..<colon].trimmed()
            let value = text[text.index(after: colon)...].trimmed()
            guard !name.isEmpty else { continue }
            listName = value.isEmpty ? name : nil
            if value.isEmpty { continue }
            if value.hasPrefix("["), value.hasSuffix("]") {
                let elements = value.dropFirst().dropLast().split(separator: ",").map { scalar($0.trimmed()) }
                members[name] = .array(elements)
            } else {
                members[name] = scalar(value)
            }
        }
        return members
    }

    private static func scalar(_ text: String) -> JSONValue {
        for quote in ["\"", "'"] where text.count >= 2 && text.hasPrefix(quote) && text.hasSuffix(quote) {
            return .string(String(text.dropFirst().dropLast()))
        }
        switch text {
        case "true": return .bool(true)
        case "false": return .bool(false)
        default: return .string(text)
        }
    }
}

extension Substring {
    fileprivate func trimmed() -> String { String(self).trimmed() }
}
