// SPDX-License-Identifier: Apache-2.0

import Base
import OrderedCollections

/// Reads XML of any vocabulary: elements with text become lines of text. XML that is a list of like elements becomes
/// records, as tables do.
enum XMLDocument {
    /// An element while it is read.
    private struct Open {
        var name: String
        var text = TextBuilder()
        var members = JSONObject()
        /// The text with that of the elements inside it, in their order; as long as it may be running text.
        var whole = TextBuilder()
        /// Whether the last thing was an element, and how often text stands beside elements.
        var wasElement = false
        var pieces = 0
        /// Whether every element inside it marks words up.
        var isMarkedUp = true
        var children = 0

        /// Whether it is text with elements in it, and not a list of values.
        var isMixed: Bool { children > 0 && pieces > 0 && (isMarkedUp || pieces > 1) && whole.count < Open.longest }
        static let longest = 1 << 18
    }

    private static let inline: Set<String> = [
        "b", "i", "u", "em", "strong", "emphasis", "sub", "sup", "bold", "italic", "underline", "a", "span", "code",
        "tt",
        "xref", "ext-link", "ref", "hi", "sc", "q", "br", "font", "small", "math", "mml", "inline-formula",
    ]

    /// The value of the root, as JSON has it: attributes and child elements are members, repeated ones are lists. An
    /// element in which text and elements mix is its text.
    /// - Throws: `DocumentError` for XML that is malformed or nested deeper than 100 levels.
    static func value(_ bytes: [UInt8], encoding: String?) throws(DocumentError) -> (
        root: String, value: JSONValue, isBroken: Bool
    ) {
        let reader = try XMLPull(bytes, encoding: encoding)
        var open: [Open] = []
        var result: (String, JSONValue)?
        func close() {
            guard let element = open.popLast() else { return }
            let text = element.text.text().trimmed()
            var value: JSONValue = .string(text)
            if element.isMixed {
                value = .string(element.whole.text().trimmed())
            } else if !element.members.isEmpty {
                var members = element.members
                if !text.isEmpty { members["text"] = members["text"] == nil ? .string(text) : members["text"] }
                value = .object(members)
            }
            guard let last = open.indices.last else {
                result = (element.name, value)
                return
            }
            open[last].children += 1
            open[last].wasElement = true
            if !inline.contains(element.name) { open[last].isMarkedUp = false }
            if open[last].whole.count < Open.longest { open[last].whole.append(element.whole.text()) }
            switch open[last].members[element.name] {
            case nil: open[last].members[element.name] = value
            case .array(var list)?:
                // Taken out first, so that the list grows in place.
                open[last].members[element.name] = .null
                list.append(value)
                open[last].members[element.name] = .array(list)
            case let single?: open[last].members[element.name] = .array([single, value])
            }
        }
        while let event = reader.next() {
            switch event {
            case .start(let name, let isEmpty):
                guard open.count < 100 else { throw DocumentError("the XML is nested deeper than 100 levels") }
                var element = Open(name: name)
                for (key, value) in reader.attributes() where key != "xmlns" { element.members[key] = .string(value) }
                open.append(element)
                if isEmpty { close() }
            case .end: close()
            case .text(let text):
                guard let last = open.indices.last else { continue }
                open[last].text.append(text)
                if open[last].whole.count < Open.longest { open[last].whole.append(text) }
                if text.contains(where: { $0 > 32 }) {
                    if open[last].wasElement || open[last].pieces == 0 { open[last].pieces += 1 }
                    open[last].wasElement = false
                }
            }
        }
        while !open.isEmpty { close() }
        guard let result else { throw DocumentError("it is no XML that can be read") }
        return (result.0, result.1, reader.isBroken)
    }

    /// Whether XML is running text: DocBook, TEI, DITA, JATS and the like mix text and elements.
    static func isProse(root: String, head: String) -> Bool {
        if ["rss", "feed", "RDF"].contains(root) { return false }
        let proseRoots: Set<String> = [
            "html", "book", "article", "chapter", "TEI", "topic", "section", "doc", "document", "FictionBook", "nitf",
            "dtbook", "concept", "task", "reference", "refentry", "TEI.2", "teiCorpus",
        ]
        guard !proseRoots.contains(root) else { return true }
        // Pages that stand as text in records make no prose of them.
        var plain = head[...]
        while let start = plain.firstRange(of: "<![CDATA[") {
            let end = plain[start.upperBound...].firstRange(of: "]]>")?.upperBound ?? plain.endIndex
            plain = plain[..<start.lowerBound] + plain[end...]
        }
        return plain.contains("<p>") || plain.contains("<para>") || plain.contains("<p ")
    }
}
