// SPDX-License-Identifier: Apache-2.0

import Base
import OrderedCollections

/// Outlines (OPML 2): items below items, each a line with its note, deeper ones indented.
enum OutlineText {
    /// - Parameter value: the root, as ``XMLDocument`` reads it; nil when it has no outline.
    static func read(_ value: JSONValue, id: String, name: String) -> SourceDocument? {
        var lines: [String] = []
        add(value["body"]?["outline"], depth: 0, to: &lines)
        guard !lines.isEmpty else { return nil }
        let head = value["head"]
        var metadata = JSONObject()
        for (field, member) in [("author", "ownerName"), ("created", "dateCreated"), ("modified", "dateModified")] {
            if let text = head?[member]?.string, !text.isEmpty { metadata[field] = .string(text) }
        }
        let title = head?["title"]?.string ?? ""
        return SourceDocument(
            id: id, title: title.isEmpty ? name : title, text: lines.joined(separator: "\n"), metadata: metadata)
    }

    private static func add(_ value: JSONValue?, depth: Int, to lines: inout [String]) {
        guard depth < 100, let value else { return }
        if let items = value.array {
            for item in items { add(item, depth: depth, to: &lines) }
            return
        }
        let text = (value["text"]?.string ?? value["title"]?.string ?? value.string ?? "").collapsed()
        let address = (value["xmlUrl"] ?? value["htmlUrl"] ?? value["url"])?.string
        let indent = String(repeating: "  ", count: min(depth, 20))
        let line = [text, address ?? ""].filter { !$0.isEmpty }.joined(separator: ": ")
        if !line.isEmpty { lines.append("\(indent)- \(line)") }
        for note in (value["_note"]?.string ?? "").textLines(omittingEmpty: true) { lines.append("\(indent)  \(note)") }
        add(value["outline"], depth: depth + 1, to: &lines)
    }
}
