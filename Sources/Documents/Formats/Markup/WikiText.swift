// SPDX-License-Identifier: Apache-2.0

import Base
import OrderedCollections

/// Reads MediaWiki's mark-up: headings, tables, what links show; templates go, but for the values of information boxes.
enum WikiText {
    static func read(_ text: String, id: String, name: String) -> SourceDocument {
        var categories: [JSONValue] = []
        let plain = withoutBrackets(text, &categories)
        var output = MarkupText()
        if !categories.isEmpty { output.fields["categories"] = .array(categories) }
        var cells: [String]?
        var isPreformatted = false
        func endRow(_ output: inout MarkupText) {
            if let row = cells { output.row(row) }
            cells = nil
        }
        var isTable = false
        for line in plain.textLines() {
            let own = line.trimmed()
            if own.contains("<syntaxhighlight") || own.contains("<pre") || own.contains("<source") {
                isPreformatted = true
            }
            if isPreformatted {
                output.line(withoutTags(String(line)))
                if own.contains("</") { isPreformatted = false }
                continue
            }
            if own.hasPrefix("{|") {
                isTable = true
                output.line("")
                continue
            }
            if isTable {
                if own.hasPrefix("|}") {
                    endRow(&output)
                    isTable = false
                    output.line("")
                } else if own.hasPrefix("|-") {
                    endRow(&output)
                } else if own.hasPrefix("|+") {
                    output.line(inline(withoutAttributes(own.dropFirst(2))).trimmed())
                } else if own.hasPrefix("|") || own.hasPrefix("!") {
                    let mark = own.hasPrefix("!") ? "!!" : "||"
                    let parts = own.dropFirst().replacing(mark, with: "||").components("||")
                    cells = (cells ?? []) + parts.map { inline(withoutAttributes($0)) }
                } else if !own.isEmpty, let row = cells, let last = row.indices.last {
                    cells?[last] += " " + inline(own)
                }
                continue
            }
            let marks = own.prefix { $0 == "=" }.count
            if marks > 0, marks < 7, own.hasSuffix(String(repeating: "=", count: marks)), own.count > 2 * marks {
                output.heading(inline(String(own.dropFirst(marks).dropLast(marks))))
                continue
            }
            let items = own.prefix { "*#;:".contains($0) }
            if own.hasPrefix("#REDIRECT") || own == "----" || own.hasPrefix("__") && own.hasSuffix("__") { continue }
            output.line(items.isEmpty ? inline(own) : "- " + inline(own.dropFirst(items.count).trimmed()))
        }
        endRow(&output)
        return output.document(id: id, name: name)
    }

    /// `align="right" | 5` as `5`.
    private static func withoutAttributes(_ cell: some StringProtocol) -> String {
        guard let bar = cell.firstIndex(of: "|"), cell[..<bar].contains("=") else { return String(cell) }
        return String(cell[cell.index(after: bar)...])
    }

    private static func inline(_ text: String) -> String {
        var text = text.replacing("'''", with: "").replacing("''", with: "")
        if text.contains("<") { text = withoutTags(text) }
        if text.contains("&") {
            text = HTMLEntities.resolved(text).replacing("&lt;", with: "<").replacing("&gt;", with: ">").replacing(
                "&quot;", with: "\""
            ).replacing("&amp;", with: "&")
        }
        return text
    }

    /// Without tags; what notes say stays, in brackets.
    static func withoutTags(_ text: String) -> String {
        var output = ""
        var rest = text[...]
        while let open = rest.firstIndex(of: "<") {
            output += rest[..<open]
            let tag = rest[rest.index(after: open)...]
            guard let first = tag.first, first.isLetter || first == "/" || first == "!",
                let close = tag.prefix(400).firstIndex(of: ">")
            else {
                output.append("<")
                rest = tag
                continue
            }
            let inner = tag[..<close].lowercased()
            rest = tag[tag.index(after: close)...]
            if inner.hasPrefix("ref"), !inner.hasSuffix("/") {
                output += " ("
            } else if inner == "sup", output.last?.isNumber == true {
                output += "^"
            } else if inner == "/ref" {
                output += ")"
            } else if inner.hasPrefix("br") || inner == "/li" || inner == "/p" || inner == "/blockquote" {
                output += inner == "/li" || inner.hasPrefix("br") ? " " : ""
            }
        }
        return (output + rest).replacing(" ()", with: "")
    }

    /// The text without templates, links and comments in brackets, in one pass.
    private static func withoutBrackets(_ text: String, _ categories: inout [JSONValue]) -> String {
        let bytes = Array(text.utf8)
        var output: [UInt8] = []
        output.reserveCapacity(bytes.count)
        var open: [(start: Int, isTemplate: Bool)] = []
        var at = 0
        func isPair(_ byte: UInt8) -> Bool { at + 1 < bytes.count && bytes[at] == byte && bytes[at + 1] == byte }
        while at < bytes.count {
            if bytes[at] == UInt8(ascii: "<"), bytes[at...].starts(with: "<!--".utf8) {
                let end = bytes[at...].firstRange(of: Array("-->".utf8))?.upperBound ?? bytes.count
                at = end
            } else if isPair(UInt8(ascii: "{")), !bytes[at...].starts(with: "{{{!".utf8), open.count < 200 {
                open.append((output.count, true))
                at += 2
            } else if isPair(UInt8(ascii: "[")), open.count < 200 {
                open.append((output.count, false))
                at += 2
            } else if isPair(UInt8(ascii: "}")), open.last?.isTemplate == true {
                let inner = take(&output, from: open.removeLast().start)
                output += template(inner).utf8
                at += 2
            } else if isPair(UInt8(ascii: "]")), open.last?.isTemplate == false {
                let inner = take(&output, from: open.removeLast().start)
                output += link(inner, &categories).utf8
                at += 2
            } else {
                output.append(bytes[at])
                at += 1
            }
        }
        return withoutOuterLinks(String(decoding: output, as: UTF8.self))
    }

    private static func take(_ output: inout [UInt8], from start: Int) -> String {
        defer { output.removeSubrange(start...) }
        return String(decoding: output[start...], as: UTF8.self)
    }

    private static func link(_ inner: String, _ categories: inout [JSONValue]) -> String {
        let parts = inner.split(separator: "|", omittingEmptySubsequences: false).map { String($0).trimmed() }
        let target = parts[0].lowercased()
        for word in ["category:", "kategorie:", "catégorie:", "categoría:", "categoria:"] where target.hasPrefix(word) {
            categories.append(.string(String(parts[0].dropFirst(word.count)).trimmed()))
            return ""
        }
        for word in ["file:", "image:", "datei:", "fichier:", "archivo:", "bild:"] where target.hasPrefix(word) {
            let caption = parts.count > 1 ? parts[parts.count - 1] : ""
            return caption.contains("=") || ["thumb", "right", "left", "frame"].contains(caption) ? "" : caption
        }
        return parts.count > 1
            ? parts[parts.count - 1] : parts[0].hasPrefix(":") ? String(parts[0].dropFirst()) : parts[0]
    }

    /// What a template says that is no matter of layout: the named values of an information box, a text in another language.
    private static func template(_ inner: String) -> String {
        let parts = inner.split(separator: "|", omittingEmptySubsequences: false).map { String($0).trimmed() }
        let name = parts[0].lowercased()
        switch name {
        case "lang", "langx", "transl": return parts.count > 2 ? parts[2] : ""
        case "convert", "cvt": return parts.count > 2 ? "\(parts[1]) \(parts[2])" : ""
        case "nowrap", "small", "abbr", "formatnum": return parts.count > 1 ? parts[1] : ""
        case "ndash", "spaced ndash", "snd": return " – "
        default: break
        }
        guard name.hasPrefix("infobox") || name.hasPrefix("taxobox") || name.hasPrefix("infokasten") else { return "" }
        let lines = parts.dropFirst().compactMap { part -> String? in
            guard let mark = part.firstIndex(of: "=") else { return nil }
            let value = part[part.index(after: mark)...].trimmed()
            return value.isEmpty ? nil : "\(part[..<mark].trimmed()): \(value)"
        }
        return "\n" + lines.joined(separator: "\n") + "\n"
    }

    /// `[https://example.org text]` as its text.
    private static func withoutOuterLinks(_ text: String) -> String {
        guard text.contains("[http") else { return text }
        var output = ""
        var rest = text[...]
        while let start = rest.firstRange(of: "[http") {
            output += rest[..<start.lowerBound]
            let inner = rest[rest.index(after: start.lowerBound)...]
            guard let end = inner.prefix(400).firstIndex(of: "]") else {
                output += "["
                rest = inner
                continue
            }
            let label = inner[..<end].split(separator: " ", maxSplits: 1)
            output += label.count > 1 ? label[1] : label.first ?? ""
            rest = inner[inner.index(after: end)...]
        }
        return output + rest
    }
}

extension StringProtocol {
    /// The parts between a mark of two characters.
    fileprivate func components(_ mark: String) -> [String] {
        var parts: [String] = []
        var rest = self[startIndex..<endIndex]
        while let found = rest.firstRange(of: mark) {
            parts.append(String(rest[..<found.lowerBound]))
            rest = rest[found.upperBound...]
        }
        return parts + [String(rest)]
    }
}
