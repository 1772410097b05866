// SPDX-License-Identifier: Apache-2.0

import Base
import OrderedCollections

/// Reads XML that is running text: DocBook, TEI, JATS, FictionBook, DITA and the like. Paragraphs are lines, tables are rows, notes
/// stand in their sentence; what the head of the document says of it is fields.
struct XMLProse {
    private(set) var title = ""
    private(set) var fields = JSONObject()
    private var text = MarkedText()
    private let reader: XMLPull

    private var titleStart: Int?
    /// How many heads, abstracts, paragraphs and references are open.
    private var (heads, abstracts, paragraphs, references) = (0, 0, 0, 0)
    /// Where the open notes begin.
    private var notes: [Int] = []

    /// - Throws: `DocumentError` when there is no memory.
    static func read(_ bytes: [UInt8], id: String, name: String) throws(DocumentError) -> SourceDocument {
        var prose = XMLProse(try XMLPull(bytes, encoding: nil))
        prose.read()
        return SourceDocument(
            id: id, title: prose.title.isEmpty ? name : prose.title, text: prose.text.finish(), metadata: prose.fields)
    }

    private init(_ reader: XMLPull) { self.reader = reader }

    private static let inline: Set<String> = [
        "b", "i", "u", "em", "strong", "emphasis", "emph", "hi", "sub", "sup", "subscript", "superscript", "xref",
        "link",
        "a", "ulink", "bold", "italic", "underline", "ref", "code", "literal", "span", "ext-link", "sc", "monospace",
        "tt",
        "kbd", "var", "abbr", "abbrev", "acronym", "mark", "small", "s", "strike", "strikethrough", "del", "ins",
        "ruby",
        "rb", "rt", "inline-formula", "tex-math", "name", "persName", "placeName", "orgName", "geogName", "date", "num",
        "seg", "anchor", "ptr", "style", "named-content", "styled-content", "uri", "email", "firstterm", "glossterm",
        "filename", "command", "option", "replaceable", "systemitem", "application", "guimenu", "guilabel", "guibutton",
        "productname", "trademark", "citetitle", "quote", "q", "foreign", "term", "phrase", "citation", "graphic",
        "inline-graphic", "w", "c", "pc", "choice", "orig", "reg", "sic", "corr", "expan", "gap", "unclear", "supplied",
        "formula", "math", "mi", "mo", "mn", "mrow", "msup", "msub", "mfrac", "codeph", "ph", "keyword", "uicontrol",
        "varname", "function", "parameter", "constant", "userinput", "computeroutput", "prompt", "co", "indexterm",
        "fn",
        "footnote", "note", "footnoteref", "rs", "said", "soCalled", "title-ref", "object", "month", "day", "year",
    ]
    private static let headNames: Set<String> = [
        "teiHeader", "front", "info", "articleinfo", "bookinfo", "description", "title-info", "docinfo", "prolog",
    ]
    private static let unseen: Set<String> = [
        "binary", "stylesheet", "document-info", "publish-info", "custom-info", "encodingDesc", "revisionDesc",
        "history",
        "journal-id", "issn", "object-id", "indexterm", "permissions", "counts", "self-uri", "script",
    ]

    private var isMuted: Bool { heads > 0 && abstracts == 0 }

    private mutating func read() {
        while let event = reader.next() {
            switch event {
            case .start(let name, let isEmpty):
                if Self.unseen.contains(name) {
                    if !isEmpty { _ = reader.content() }
                } else {
                    begin(name, isEmpty: isEmpty)
                }
            case .end(let name): end(name)
            case .text(let content): if !isMuted || titleStart != nil { text.append(content) }
            }
        }
    }

    private mutating func begin(_ name: String, isEmpty: Bool) {
        if Self.headNames.contains(name), !isEmpty, name != "front" || heads == 0 {
            // Sections of books may be called info too, deeper down.
            heads += 1
            return
        }
        if heads > 0, !isEmpty, abstracts == 0 {
            switch name {
            case "abstract", "annotation", "trans-abstract": abstracts += 1
            case "author", "contrib":
                let kind = reader.attribute("contrib-type") ?? "author"
                let found = person()
                if !found.isEmpty, kind == "author" { add(found, to: "author") }
                return
            case "date", "pub-date", "pubdate", "published":
                let found = date()
                if !found.isEmpty, fields["date"] == nil { fields["date"] = .string(found) }
                return
            case "kwd", "keyword":
                add(reader.content(), to: "keywords")
                return
            case "journal-title", "publisher-name", "publisher", "genre", "lang":
                let found = reader.content()
                let field =
                    ["journal-title": "journal", "publisher-name": "publisher", "lang": "language"][name] ?? name
                if !found.isEmpty, found != "unrecognised", fields[field] == nil { fields[field] = .string(found) }
                return
            case "article-id" where reader.attribute("pub-id-type") == "doi":
                fields["doi"] = .string(reader.content())
                return
            default: break
            }
        }
        if title.isEmpty, titleStart == nil, ["title", "article-title", "book-title"].contains(name), !isEmpty {
            if isMuted || heads == 0 { text.breakLine(2) }
            titleStart = text.builder.count
            return
        }
        guard !isMuted, titleStart == nil else { return }
        switch name {
        case "table", "informaltable", "simpletable": if !isEmpty { text.beginTable() }
        case "td", "th", "cell", "entry", "stentry":
            text.beginCell()
            if isEmpty { text.endCell() }
        case "tr", "row", "strow", "sthead": break
        case "lb", "br": text.breakLine()
        case "sup", "superscript":
            // 10 to the sixth is not 106.
            if let last = text.builder.bytes.last, last >= 48, last < 58 { text.append("^") }
        case "xref" where reader.attribute("ref-type") == "fn": if !isEmpty { _ = reader.content() }
        case "footnote", "note", "fn":
            if paragraphs > 0, !isEmpty {
                notes.append(text.builder.count)
            } else {
                text.breakLine(2)
            }
        case "p", "para", "simpara":
            if notes.isEmpty { text.breakLine(2) } else { text.append(" ") }
            paragraphs += isEmpty ? 0 : 1
        case "mixed-citation", "element-citation", "bibl", "biblioentry", "bibliomixed":
            text.breakLine()
            references += isEmpty ? 0 : 1
        default:
            let isTitle = name == "title" || name == "head" || name == "subtitle" || name == "bridgehead"
            if references == 0, notes.isEmpty, !Self.inline.contains(name) { text.breakLine(isTitle ? 2 : 1) }
        }
    }

    private mutating func end(_ name: String) {
        if let start = titleStart {
            guard ["title", "article-title", "book-title"].contains(name) else { return }
            title = text.builder.text(after: start).collapsed()
            titleStart = nil
            // The head of a document says its title; its text need not again.
            if isMuted { _ = text.take(after: start) }
            text.breakLine(2)
            return
        }
        if Self.headNames.contains(name), heads > 0 {
            heads -= 1
            return text.breakLine(2)
        }
        if ["abstract", "annotation", "trans-abstract"].contains(name), abstracts > 0 {
            text.breakLine(2)
            abstracts -= 1
            return
        }
        guard !isMuted else { return }
        switch name {
        case "table", "informaltable", "simpletable": text.endTable()
        case "td", "th", "cell", "entry", "stentry": text.endCell()
        case "tr", "row", "strow", "sthead": text.endRow()
        case "footnote", "note", "fn":
            if let start = notes.popLast() {
                let note = text.take(after: start).collapsed()
                if !note.isEmpty { text.append(" (\(note))") }
            } else {
                text.breakLine(2)
            }
        case "p", "para", "simpara":
            paragraphs = max(0, paragraphs - 1)
            if notes.isEmpty { text.breakLine() }
        case "mixed-citation", "element-citation", "bibl", "biblioentry", "bibliomixed":
            references = max(0, references - 1)
            text.breakLine()
        default:
            if references > 0 { return text.append(" ") }
            if notes.isEmpty, !Self.inline.contains(name) { text.breakLine() }
        }
    }

    private mutating func add(_ value: String, to field: String) {
        guard !value.isEmpty else { return }
        switch fields[field] {
        case nil: fields[field] = .string(value)
        case .array(let values)?: fields[field] = .array(values + [.string(value)])
        case let single?: fields[field] = .array([single, .string(value)])
        }
    }

    /// The name of the person that the element which just began is about.
    private func person() -> String {
        var (given, family, other) = ("", "", "")
        var depth = 1
        while depth > 0, let event = reader.next() {
            switch event {
            case .start(let name, let isEmpty):
                guard !isEmpty else { continue }
                switch name {
                case "given-names", "first-name", "firstname", "forename", "middle-name", "othername":
                    given += (given.isEmpty ? "" : " ") + reader.content()
                case "surname", "last-name", "lastname": family = reader.content()
                case "aff", "xref", "email", "contrib-id", "address", "affiliation", "role", "idno", "id", "bio":
                    _ = reader.content()
                default: depth += 1
                }
            case .end: depth -= 1
            case .text(let content): other += String(decoding: content, as: UTF8.self)
            }
        }
        let name = [given, family].filter { !$0.isEmpty }.joined(separator: " ")
        return name.isEmpty ? other.collapsed() : name
    }

    /// The date that the element which just began gives, as ISO 8601 where it has parts.
    private func date() -> String {
        let given = ["iso-8601-date", "when", "when-iso", "value"].lazy.compactMap { self.reader.attribute($0) }.first {
            !$0.isEmpty
        }
        var parts: [String: String] = [:]
        var other = ""
        var depth = 1
        while depth > 0, let event = reader.next() {
            switch event {
            case .start(let name, let isEmpty):
                guard !isEmpty else { continue }
                if ["year", "month", "day"].contains(name) { parts[name] = reader.content() } else { depth += 1 }
            case .end: depth -= 1
            case .text(let content): other += String(decoding: content, as: UTF8.self)
            }
        }
        if let given { return given }
        guard let year = parts["year"] else { return other.collapsed() }
        func two(_ text: String) -> String { text.count == 1 ? "0" + text : text }
        guard let month = parts["month"], Int(month) != nil else { return year }
        return parts["day"].map { "\(year)-\(two(month))-\(two($0))" } ?? "\(year)-\(two(month))"
    }
}
