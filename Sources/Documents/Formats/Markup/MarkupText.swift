// SPDX-License-Identifier: Apache-2.0

import Base
import OrderedCollections

/// What the readers of light mark-up share: lines that become text, a title, and fields.
///
/// There is no library for these formats that is in Debian and can be linked (pandoc is a program of its own, and of 150
/// MB), so each has a modest reader here: titles, headings, tables and notes are understood, and other marks left out.
struct MarkupText {
    var title: String?
    var fields = JSONObject()
    private(set) var lines: [String] = []

    mutating func line(_ text: String) { lines.append(text) }

    /// A heading on a line of its own.
    mutating func heading(_ text: String) {
        let plain = text.collapsed()
        guard !plain.isEmpty else { return }
        if title == nil, lines.allSatisfy({ $0.utf8.allSatisfy { $0 <= 32 } }) {
            title = plain
        } else {
            lines += ["", plain, ""]
        }
    }

    /// A row of a table.
    mutating func row(_ cells: [String]) {
        let plain = cells.map { $0.collapsed() }
        if plain.contains(where: { !$0.isEmpty }) { lines.append(plain.joined(separator: " | ")) }
    }

    func document(id: String, name: String) -> SourceDocument {
        var kept: [String] = []
        for line in lines {
            let isBlank = line.utf8.allSatisfy { $0 <= 32 }
            if isBlank, kept.last?.isEmpty ?? true { continue }
            kept.append(isBlank ? "" : line)
        }
        return SourceDocument(
            id: id, title: title ?? name, text: kept.joined(separator: "\n").trimmed(), metadata: fields)
    }

    /// A line without marks of emphasis around words (`*so*`, `_so_`).
    static func withoutEmphasis(_ line: String, marks: String = "*_`") -> String {
        guard line.contains(where: { marks.contains($0) }) else { return line }
        var text = Array(line)
        for mark in marks {
            var kept: [Character] = []
            kept.reserveCapacity(text.count)
            var close: Int?
            for (at, character) in text.enumerated() {
                guard character == mark else {
                    kept.append(character)
                    continue
                }
                if close == at {
                    close = nil
                    continue
                }
                let opens =
                    (at == 0 || !(text[at - 1].isLetter || text[at - 1].isNumber)) && at + 1 < text.count
                    && !text[at + 1].isWhitespace
                let end =
                    opens && close == nil
                    ? text[(at + 1)...].prefix(2000).firstIndex {
                        $0 == mark
                    }.flatMap { found -> Int? in
                        let isEnd =
                            found > at + 1 && !text[found - 1].isWhitespace
                            && (found + 1 == text.count || !(text[found + 1].isLetter || text[found + 1].isNumber))
                        return isEnd ? found : nil
                    } : nil
                if let end { close = end } else { kept.append(character) }
            }
            text = kept
        }
        return String(text)
    }

    /// The reader of a text by the ending of its name, or by how it begins; nil for other texts.
    static func reader(of id: String, _ text: String) -> (
        (_ text: String, _ id: String, _ name: String) -> SourceDocument
    )? {
        let name = id.split(separator: "/").last.map { $0.lowercased() } ?? ""
        let ending = name.lastIndex(of: ".").map { String(name[name.index(after: $0)...]) } ?? ""
        switch ending {
        case "tex", "latex", "ltx": return LaTeXText.read
        case "adoc", "asciidoc": return AsciiDocText.read
        case "asc" where text.hasPrefix("= ") || text.contains("\n== "): return AsciiDocText.read
        case "wiki", "mediawiki", "mw": return WikiText.read
        case "jira", "confluence": return JiraText.read
        default: break
        }
        let isSection =
            ending.utf8.first.map { $0 >= 49 && $0 <= 57 } == true || ["man", "mdoc", "roff"].contains(ending)
        if isSection, ManualText.isManual(text) { return ManualText.read }
        return nil
    }
}

/// Reads AsciiDoc: the title, attributes of the header as fields, headings, tables, notes.
enum AsciiDocText {
    static func read(_ text: String, id: String, name: String) -> SourceDocument {
        var output = MarkupText()
        let lines = text.textLines().map { String($0) }
        var at = 0
        header(lines, &at, &output)
        var (fence, isTable) = (String?.none, false)
        var cells: [String] = []
        var width = 0
        func endRow(_ output: inout MarkupText) {
            if !cells.isEmpty { output.row(cells) }
            cells = []
        }
        while at < lines.count {
            var line = lines[at]
            at += 1
            // A note may go over several lines.
            var more = 0
            while fence == nil, more < 20, at < lines.count, let start = line.ranges(of: "footnote:[").last,
                !line[start.upperBound...].contains("]")
            {
                line += " " + lines[at].trimmed()
                at += 1
                more += 1
            }
            let plain = line.trimmed()
            if let open = fence {
                if plain == open { fence = nil } else if open != "////" { output.line(line) }
                continue
            }
            if plain.hasPrefix("|==="), plain.dropFirst().allSatisfy({ $0 == "=" }) {
                endRow(&output)
                isTable.toggle()
                width = 0
                output.line("")
                continue
            }
            if isTable {
                guard !plain.isEmpty else {
                    // The first line without a gap is the row of names.
                    if !cells.isEmpty, width == 0 { width = cells.count }
                    if cells.count >= width { endRow(&output) }
                    continue
                }
                let parts = plain.split(separator: "|", omittingEmptySubsequences: false).map { inline(String($0)) }
                if parts.count == 1, let last = cells.indices.last {
                    cells[last] += " " + parts[0]
                } else {
                    if width > 0, cells.count >= width { endRow(&output) }
                    cells += parts.dropFirst()
                    if parts.count > 2 {
                        if width == 0 { width = cells.count }
                        if cells.count >= width { endRow(&output) }
                    }
                }
                continue
            }
            if ["----", "....", "++++", "////"].contains(plain) {
                fence = plain
                continue
            }
            if ["====", "****", "____", "--", "'''", "<<<"].contains(plain) || plain == "+" { continue }
            if plain.hasPrefix("//") || plain.hasPrefix("include::") || plain.hasPrefix("ifdef::")
                || plain.hasPrefix("endif::")
            {
                continue
            }
            if plain.hasPrefix("["), plain.hasSuffix("]"), !plain.hasPrefix("[[") || plain.hasSuffix("]]") { continue }
            if plain.hasPrefix(":"), plain.dropFirst().firstIndex(of: ":") != nil, !plain.hasPrefix("::"),
                plain.dropFirst().first.map({ $0.isLetter || $0 == "!" }) == true
            {
                continue
            }
            let marks = line.prefix { $0 == "=" }
            if marks.count > 1, marks.count < 7, line.dropFirst(marks.count).hasPrefix(" ") {
                output.heading(inline(String(line.dropFirst(marks.count))))
            } else if plain.hasPrefix("."), plain.utf8.count > 1, !plain.hasPrefix(". "), !plain.hasPrefix("..") {
                output.line(inline(String(plain.dropFirst())))
            } else {
                let stars = plain.prefix { $0 == "*" || $0 == "." }
                let isItem = !stars.isEmpty && plain.dropFirst(stars.count).hasPrefix(" ")
                output.line(isItem ? "- " + inline(plain.dropFirst(stars.count).trimmed()) : inline(line))
            }
        }
        endRow(&output)
        return output.document(id: id, name: name)
    }

    /// The title, the authors, the date, and attributes.
    private static func header(_ lines: [String], _ at: inout Int, _ output: inout MarkupText) {
        while at < lines.count, lines[at].trimmed().isEmpty || lines[at].hasPrefix("//") { at += 1 }
        guard at < lines.count, lines[at].hasPrefix("= ") || lines[at].hasPrefix(":") else { return }
        if lines[at].hasPrefix("= ") {
            output.title = inline(String(lines[at].dropFirst(2))).collapsed()
            at += 1
        }
        var place = 0
        while at < lines.count, !lines[at].trimmed().isEmpty {
            let line = lines[at]
            at += 1
            if line.hasPrefix(":"), let end = line.dropFirst().firstIndex(of: ":") {
                let key = line[line.index(after: line.startIndex)..<end].lowercased()
                let value = line[line.index(after: end)...].trimmed()
                if let field = fieldNames[key], !value.isEmpty { output.fields[field] = .string(value) }
            } else if !line.hasPrefix("//") {
                if place == 0, line.first?.isNumber == false, !line.hasPrefix("v") {
                    output.fields["author"] = .string(
                        line.split(separator: "<").first.map { String($0).trimmed() } ?? line)
                } else if let date = line.split(separator: ",").map({ String($0).trimmed() }).first(where: {
                    $0.first?.isNumber == true && $0.contains("-")
                }) {
                    output.fields["date"] = .string(date)
                }
                place += 1
            }
        }
    }

    private static let fieldNames = [
        "author": "author", "keywords": "keywords", "description": "description", "email": "email", "revdate": "date",
        "date": "date", "lang": "language",
    ]

    private static func inline(_ text: String) -> String {
        var text = text
        for (mark, open, close) in [("footnote:[", " (", ")"), ("latexmath:[", "", ""), ("stem:[", "", "")] {
            text = replacingMacro(text, mark) { open + $0 + close }
        }
        for mark in ["link:", "xref:", "image::", "image:", "https://", "http://", "mailto:"] where text.contains(mark)
        {
            text = replacingLink(text, mark)
        }
        var references = 0
        while references < 500, let start = text.firstRange(of: "<<"),
            let end = text[start.upperBound...].firstRange(of: ">>")
        {
            references += 1
            let inner = text[start.upperBound..<end.lowerBound]
            text.replaceSubrange(
                start.lowerBound..<end.upperBound,
                with: inner.split(separator: ",").last.map { String($0).trimmed() } ?? "")
        }
        return MarkupText.withoutEmphasis(text)
    }

    /// `mark…]` by what is in the brackets.
    private static func replacingMacro(_ text: String, _ mark: String, _ with: (String) -> String) -> String {
        var output = ""
        var rest = text[...]
        while let start = rest.firstRange(of: mark) {
            guard let end = rest[start.upperBound...].firstIndex(of: "]") else { break }
            output += rest[..<start.lowerBound] + with(String(rest[start.upperBound..<end]))
            rest = rest[rest.index(after: end)...]
        }
        return output + rest
    }

    /// `https://address[text]` as its text.
    private static func replacingLink(_ text: String, _ mark: String) -> String {
        var output = ""
        var rest = text[...]
        while let start = rest.firstRange(of: mark) {
            let target = rest[start.upperBound...].prefix { !$0.isWhitespace && $0 != "[" && $0 != "]" }
            let after = rest[target.endIndex...]
            guard after.first == "[", let end = after.prefix(1000).firstIndex(of: "]") else {
                output += rest[..<target.endIndex]
                rest = after
                continue
            }
            let label = after[after.index(after: after.startIndex)..<end]
            let shown =
                label.split(separator: ",").first.map(String.init)
                ?? (mark.hasPrefix("http") ? mark + target : String(target))
            output += rest[..<start.lowerBound] + shown
            rest = after[after.index(after: end)...]
        }
        return output + rest
    }
}

/// Reads the mark-up of Jira and Confluence.
enum JiraText {
    static func read(_ text: String, id: String, name: String) -> SourceDocument {
        var output = MarkupText()
        var isCode = false
        for line in text.textLines() {
            let plain = line.trimmed()
            if plain.hasPrefix("{code") || plain.hasPrefix("{noformat") {
                // Opened and closed on one line, or a mark alone.
                isCode.toggle()
                let rest = plain.drop { $0 != "}" }.dropFirst()
                if !rest.isEmpty {
                    output.line(inline(String(rest)))
                    if rest.contains("{code}") || rest.contains("{noformat}") { isCode = false }
                }
                continue
            }
            if isCode {
                output.line(String(line))
                continue
            }
            if plain.count > 4, plain.hasPrefix("h"), plain.dropFirst().first.map({ "123456".contains($0) }) == true,
                plain.dropFirst(2).hasPrefix(". ")
            {
                output.heading(inline(String(plain.dropFirst(4))))
            } else if plain.hasPrefix("|") {
                let cells = inline(plain.replacing("||", with: "|")).split(
                    separator: "|", omittingEmptySubsequences: false)
                output.row(cells.dropFirst().map(String.init).dropLast(plain.hasSuffix("|") ? 1 : 0))
            } else if plain.hasPrefix("bq. ") {
                output.line(inline(String(plain.dropFirst(4))))
            } else {
                let marks = plain.prefix { $0 == "*" || $0 == "#" || $0 == "-" }
                let isItem = !marks.isEmpty && plain.dropFirst(marks.count).hasPrefix(" ")
                output.line(isItem ? "- " + inline(plain.dropFirst(marks.count).trimmed()) : inline(plain))
            }
        }
        return output.document(id: id, name: name)
    }

    private static func inline(_ text: String) -> String {
        var output = ""
        var rest = text[...]
        while let character = rest.first {
            if character == "\\", let next = rest.dropFirst().first, "[](){}*_!|-#\\".contains(next) {
                output.append(next)
                rest = rest.dropFirst(2)
            } else if character == "{", let end = rest.prefix(80).firstIndex(of: "}") {
                let inner = rest[rest.index(after: rest.startIndex)..<end]
                // `{_}` is the mark alone; other braces are macros.
                rest = rest[rest.index(after: end)...]
                let isMacro = inner.allSatisfy { $0.isLetter || $0.isNumber || ":=|-_*^~.#+".contains($0) || $0 == " " }
                if !isMacro { output += "{\(inner)}" }
            } else if character == "[", let end = rest.prefix(600).firstIndex(of: "]") {
                let inner = rest[rest.index(after: rest.startIndex)..<end]
                rest = rest[rest.index(after: end)...]
                let parts = inner.split(separator: "|")
                let isLink = parts.count > 1 || inner.contains("://") || inner.hasPrefix("~") || inner.hasPrefix("#")
                output += isLink ? String(parts.first ?? inner) : "[\(inner)]"
            } else if character == "!", let end = rest.dropFirst().prefix(200).firstIndex(of: "!"),
                rest[rest.index(after: rest.startIndex)..<end].contains("."),
                !rest[rest.index(after: rest.startIndex)..<end].hasPrefix(" ")
            {
                rest = rest[rest.index(after: end)...]
            } else {
                output.append(character)
                rest = rest.dropFirst()
            }
        }
        return MarkupText.withoutEmphasis(output, marks: "*_")
    }
}
