// SPDX-License-Identifier: Apache-2.0

import Base
import OrderedCollections

/// The texts of exported records as plain text: pages, the messages of chats, and what is no text at all.
///
/// Databases of sites and notes hold their texts as HTML (Evernote, WordPress, forums); Telegram writes a text with links in
/// it as a list of its pieces; Slack writes links as `<https://example.org|the page>` and time as seconds since 1970.
enum ExportedText {
    static func plain(_ record: JSONObject) -> JSONObject {
        guard record.contains(where: { isMarked($0.value) }) || isSlack(record) else { return record }
        var plain = JSONObject()
        for (name, value) in record {
            // Telegram says each text twice.
            if name == "text_entities", record["text"] != nil { continue }
            plain[name] = Self.plain(value)
        }
        if isSlack(record) { addSlack(record, to: &plain) }
        return plain
    }

    /// Whether a value may be one of those that are put into plain text.
    private static func isMarked(_ value: JSONValue) -> Bool {
        switch value {
        case .string(let text): text.utf8.first == UInt8(ascii: "<") && isPage(text)
        case .array: pieces(value) != nil
        case .object(let members): isBinary(members) || members.values.contains { $0.object.map(isBinary) ?? false }
        default: false
        }
    }

    private static func plain(_ value: JSONValue) -> JSONValue {
        switch value {
        case .string(let text) where isPage(text):
            return (try? HTMLDocument.read(text, id: "", name: "")).map { .string($0.text) } ?? value
        case .array: return pieces(value).map { .string($0) } ?? value
        case .object(let members):
            if isBinary(members) { return .null }
            return .object(members.mapValues { $0.object.map(isBinary) == true ? .null : $0 })
        default: return value
        }
    }

    /// A file that stands in a record as text.
    private static func isBinary(_ members: JSONObject) -> Bool { members["encoding"]?.string == "base64" }

    private static let pageTags: Set<String> = [
        "p", "div", "ul", "ol", "html", "body", "en-note", "article", "section", "table", "blockquote", "h1", "h2",
        "h3",
        "h4", "!doctype", "?xml",
    ]

    /// Whether a text is a page or a part of one: it begins with an element of text and ends with one.
    private static func isPage(_ text: String) -> Bool {
        let bytes = text.utf8
        guard bytes.first == UInt8(ascii: "<"), bytes.count >= 7 else { return false }
        let tag = text.dropFirst().prefix { !$0.isWhitespace && $0 != ">" && $0 != "/" }.prefix(12).lowercased()
        guard pageTags.contains(tag) else { return false }
        let last = bytes.last { $0 > 32 }
        return last == UInt8(ascii: ">") && (text.contains("</") || text.contains("/>"))
            && (tag != "?xml" || text.contains("<en-note") || text.contains("<html"))
    }

    /// The text of a list of texts and of objects with a type and a text.
    private static func pieces(_ value: JSONValue) -> String? {
        guard let elements = value.array, elements.contains(where: { $0.object != nil }), elements.count <= 10_000
        else {
            return nil
        }
        var text = ""
        for element in elements {
            if let own = element.string {
                text += own
            } else if let members = element.object, members.count <= 4, members["type"]?.string != nil,
                let inner = members["text"]?.string
            {
                text += inner
            } else {
                return nil
            }
        }
        return text
    }

    private static func isSlack(_ record: JSONObject) -> Bool {
        guard let time = record["ts"]?.string, record["text"]?.string != nil, record["type"]?.string == "message" else {
            return false
        }
        return time.utf8.count >= 12 && time.utf8.allSatisfy { $0 == UInt8(ascii: ".") || (48...57).contains($0) }
    }

    private static func addSlack(_ record: JSONObject, to plain: inout JSONObject) {
        if let text = record["text"]?.string { plain["text"] = .string(withoutSlackMarks(text)) }
        // The same text again, in parts.
        plain["blocks"] = nil
        if plain["date"] == nil, let seconds = record["ts"]?.string.flatMap({ Double($0) }), seconds < 253_402_300_800 {
            plain["date"] = .string(ISODate.text(seconds: Int64(seconds)))
        }
    }

    /// `<https://example.org|the page>` as `the page`, `<@U01|ines>` as `@ines`, `&amp;` as `&`.
    static func withoutSlackMarks(_ text: String) -> String {
        var output = ""
        var rest = text[...]
        while let start = rest.firstIndex(of: "<") {
            output += rest[..<start]
            guard let end = rest[start...].firstIndex(of: ">") else {
                rest = rest[start...]
                break
            }
            let inner = rest[rest.index(after: start)..<end]
            let parts = inner.split(separator: "|", maxSplits: 1)
            let sign = inner.first.map { "@#".contains($0) ? String($0) : "" } ?? ""
            output += parts.count == 2 ? sign + parts[1] : String(inner)
            rest = rest[rest.index(after: end)...]
        }
        output += rest
        return output.replacing("&lt;", with: "<").replacing("&gt;", with: ">").replacing("&amp;", with: "&")
    }
}
