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
        var children = 0
    }

    /// The value of the root, as JSON has it: attributes and child elements are members, repeated ones are lists.
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
            if !element.members.isEmpty {
                var members = element.members
                if !text.isEmpty { members["text"] = members["text"] == nil ? .string(text) : members["text"] }
                value = .object(members)
            }
            guard let last = open.indices.last else {
                result = (element.name, value)
                return
            }
            open[last].children += 1
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
            case .text(let text): if let last = open.indices.last { open[last].text.append(text) }
            }
        }
        while !open.isEmpty { close() }
        guard let result else { throw DocumentError("it is no XML that can be read") }
        return (result.0, result.1, reader.isBroken)
    }

    /// Whether XML is running text: DocBook, TEI, DITA, JATS and the like mix text and elements.
    static func isProse(root: String, head: String) -> Bool {
        let proseRoots: Set<String> = [
            "html", "book", "article", "chapter", "TEI", "topic", "section", "doc", "document", "FictionBook", "nitf",
            "dtbook",
        ]
        return proseRoots.contains(root) || head.contains("<p>") || head.contains("<para>") || head.contains("<p ")
    }

    /// The text of every element, one block a line.
    static func prose(_ bytes: [UInt8], encoding: String?) throws(DocumentError) -> (title: String, text: String) {
        let reader = try XMLPull(bytes, encoding: encoding)
        var builder = TextBuilder()
        var title = ""
        let inline: Set<String> = [
            "b", "i", "em", "strong", "emphasis", "hi", "sub", "sup", "xref", "link", "a", "ulink", "bold", "italic",
            "ref", "code", "literal", "span", "ext-link",
        ]
        var titleStart: Int?
        while let event = reader.next() {
            switch event {
            case .start(let name, _):
                if !inline.contains(name) {
                    builder.breakLine(name == "p" || name == "para" || name.hasSuffix("title") ? 2 : 1)
                }
                if title.isEmpty, name == "title" || name == "article-title" || name == "book-title" {
                    titleStart = builder.count
                }
            case .end(let name):
                if let start = titleStart, name.hasSuffix("title") {
                    title = builder.text(after: start).collapsed()
                    titleStart = nil
                }
                if !inline.contains(name) { builder.breakLine() }
            case .text(let text): builder.append(text)
            }
        }
        return (title, builder.text().trimmed())
    }
}
