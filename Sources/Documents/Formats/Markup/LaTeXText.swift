// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import OrderedCollections

/// Reads LaTeX: title, author and date as fields, headings, lists, tables by rows, notes in their sentence; the preamble and
/// commands of layout go, formulas stay as they are written.
enum LaTeXText {
    static func read(_ text: String, id: String, name: String) -> SourceDocument {
        let bytes = Array(text.utf8)
        let begin = Array("\\begin{document}".utf8)
        let start = bytes.firstRange(of: begin)
        var converter = Converter(bytes)
        if let start {
            converter.readPreamble(to: start.lowerBound)
            converter.at = start.upperBound
        }
        converter.end = bytes.firstRange(of: Array("\\end{document}".utf8))?.lowerBound ?? bytes.count
        converter.read()
        var document = SourceDocument(id: id, title: converter.title ?? "", text: "", metadata: converter.fields)
        var lines: [String] = []
        for line in String(decoding: converter.output, as: UTF8.self).precomposedStringWithCanonicalMapping.textLines()
        {
            let plain = line.trimmed()
            if plain.isEmpty, lines.last?.isEmpty ?? true { continue }
            // The head of a long table stands twice: for the first page, and for others.
            if plain.contains(" | "), lines.last == plain { continue }
            lines.append(plain)
        }
        document.text = lines.joined(separator: "\n").trimmed()
        if document.title.isEmpty {
            document.title = converter.heading ?? name
            if let heading = converter.heading, document.text.hasPrefix(heading) {
                document.text = String(document.text.dropFirst(heading.count)).trimmed()
            }
        }
        return document
    }

    /// A short text without commands, as bibliographies have it.
    static func plain(_ text: String) -> String {
        guard text.contains(where: { "\\{}~$".contains($0) }) || text.contains("--") else { return text.collapsed() }
        var converter = Converter(Array(text.utf8))
        converter.read()
        return String(decoding: converter.output, as: UTF8.self).precomposedStringWithCanonicalMapping.collapsed()
    }

    private struct Converter {
        let bytes: [UInt8]
        var at = 0
        var end: Int
        var output: [UInt8] = []
        var title: String?
        var heading: String?
        var fields = JSONObject()
        private var depth = 0
        /// Bytes that may still be looked at for the ends of groups and formulas: hostile input opens many and closes none.
        private var steps: Int
        /// Whether cells of a table are read, in which `&` stands between them.
        private var tables = 0

        init(_ bytes: [UInt8]) {
            self.bytes = bytes
            end = bytes.count
            steps = 1_000_000 + 20 * bytes.count
        }

        /// Title, author and date, which may be said before the document begins.
        mutating func readPreamble(to limit: Int) {
            while at < limit {
                let byte = bytes[at]
                if byte == UInt8(ascii: "%"), at == 0 || bytes[at - 1] != UInt8(ascii: "\\") {
                    at = bytes[at..<limit].firstIndex(of: 10) ?? limit
                } else if byte == UInt8(ascii: "\\") {
                    let name = command()
                    if ["title", "author", "date"].contains(name) { field(name) }
                } else {
                    at += 1
                }
            }
        }

        mutating func read() {
            while at < end {
                let byte = bytes[at]
                switch byte {
                case UInt8(ascii: "%"):
                    at = bytes[at..<end].firstIndex(of: 10).map { $0 + 1 } ?? end
                    while at < end, bytes[at] == 32 || bytes[at] == 9 { at += 1 }
                case UInt8(ascii: "\\"): perform()
                case UInt8(ascii: "{"), UInt8(ascii: "}"): at += 1
                case UInt8(ascii: "~"): put(" ")
                case UInt8(ascii: "&") where tables > 0:
                    while let last = output.last, last == 32 || last == 10 { output.removeLast() }
                    put(" | ")
                    skipSpace()
                case UInt8(ascii: "$"): formula()
                case UInt8(ascii: "`") where next(UInt8(ascii: "`")), UInt8(ascii: "'") where next(UInt8(ascii: "'")):
                    at += 1
                    put(byte == UInt8(ascii: "`") ? "“" : "”")
                case UInt8(ascii: "-") where next(byte):
                    let isLong = at + 2 < end && bytes[at + 2] == byte
                    at += isLong ? 2 : 1
                    put(isLong ? "—" : "–")
                default:
                    output.append(byte)
                    at += 1
                }
            }
        }

        /// Begins a new line, unless one just began.
        private mutating func endLine() {
            while output.last == 32 || output.last == 9 { output.removeLast() }
            if let last = output.last, last != 10 { output.append(10) }
        }

        private func next(_ byte: UInt8) -> Bool { at + 1 < end && bytes[at + 1] == byte }

        private mutating func put(_ text: String) {
            output += text.utf8
            at += 1
        }

        /// The name of the command at this place, passed over: letters, or one sign.
        private mutating func command() -> String {
            at += 1
            let start = at
            while at < bytes.count, (bytes[at] | 32) >= 97, (bytes[at] | 32) <= 122 { at += 1 }
            if at == start, at < bytes.count {
                at += 1
            } else if at < bytes.count, bytes[at] == UInt8(ascii: "*") {
                let name = String(decoding: bytes[start..<at], as: UTF8.self)
                at += 1
                return name
            }
            return String(decoding: bytes[start..<at], as: UTF8.self)
        }

        private mutating func skipSpace() {
            while at < bytes.count, bytes[at] == 32 || bytes[at] == 9 || bytes[at] == 10 { at += 1 }
        }

        /// The bytes of the group at this place, passed over; nil where none begins.
        private mutating func group(_ open: UInt8 = UInt8(ascii: "{"), _ close: UInt8 = UInt8(ascii: "}")) -> Range<
            Int
        >? {
            let start = at
            skipSpace()
            guard at < bytes.count, bytes[at] == open else {
                at = start
                return nil
            }
            var level = 0
            var place = at
            let limit = min(bytes.count, at + 200_000, at + max(0, steps))
            defer { steps -= place - start }
            while place < limit {
                if bytes[place] == UInt8(ascii: "\\") {
                    place += 2
                    continue
                }
                if bytes[place] == open { level += 1 }
                if bytes[place] == close { level -= 1 }
                if level == 0 {
                    let inner = (at + 1)..<place
                    at = place + 1
                    return inner
                }
                place += 1
            }
            at = start
            return nil
        }

        private mutating func options() { while group(UInt8(ascii: "["), UInt8(ascii: "]")) != nil {} }

        /// The text of a group.
        private mutating func text(of range: Range<Int>) -> String {
            guard depth < 24 else { return "" }
            var inner = Converter(Array(bytes[range]))
            inner.depth = depth + 1
            inner.steps = steps
            inner.read()
            steps = inner.steps
            return String(decoding: inner.output, as: UTF8.self).precomposedStringWithCanonicalMapping.collapsed()
        }

        private mutating func field(_ name: String) {
            options()
            guard let range = group() else { return }
            let text = text(of: range)
            guard !text.isEmpty else { return }
            switch name {
            case "title": if title == nil { title = text }
            default: if fields[name] == nil { fields[name] = .string(text) }
            }
        }

        private mutating func formula() {
            let isDouble = next(UInt8(ascii: "$"))
            let mark = Array(repeating: UInt8(ascii: "$"), count: isDouble ? 2 : 1)
            var place = at + mark.count
            let limit = min(end, at + 10_000, at + max(0, steps))
            steps -= max(0, limit - at)
            while place < limit, !bytes[place..<limit].starts(with: mark) {
                place += bytes[place] == UInt8(ascii: "\\") ? 2 : 1
            }
            guard place < limit else {
                at += 1
                return
            }
            output += bytes[at..<(place + mark.count)]
            at = place + mark.count
        }

        private static let headings: Set<String> = [
            "part", "chapter", "section", "subsection", "subsubsection", "paragraph", "subparagraph", "frametitle",
        ]
        /// Commands that show nothing, with how many groups they take.
        private static let silent: [String: Int] = [
            "label": 1, "ref": 1, "eqref": 1, "pageref": 1, "cite": 1, "citep": 1, "citet": 1, "autocite": 1,
            "parencite": 1, "textcite": 1, "includegraphics": 1, "vspace": 1, "hspace": 1, "usepackage": 1,
            "bibliography": 1, "bibliographystyle": 1, "documentclass": 1, "pagestyle": 1, "thispagestyle": 1,
            "setcounter": 2, "addtocounter": 2, "setlength": 2, "addtolength": 2, "newcommand": 2, "renewcommand": 2,
            "providecommand": 2, "newenvironment": 3, "definecolor": 3, "color": 1, "input": 1, "include": 1,
            "graphicspath": 1, "hypersetup": 1, "hypertarget": 1, "index": 1, "nocite": 1, "cline": 1, "cmidrule": 1,
            "pagenumbering": 1, "newtheorem": 2, "DeclareMathOperator": 2, "fontsize": 2, "selectlanguage": 1,
        ]
        private static let signs: [String: String] = [
            "&": "&", "%": "%", "$": "$", "#": "#", "_": "_", "{": "{", "}": "}", " ": " ", ",": " ", ";": " ",
            ":": " ",
            "!": "", "/": "", "-": "", "@": "", "ldots": "…", "dots": "…", "textendash": "–", "textemdash": "—",
            "ss": "ß",
            "o": "ø", "O": "Ø", "ae": "æ", "AE": "Æ", "oe": "œ", "OE": "Œ", "aa": "å", "AA": "Å", "l": "ł", "L": "Ł",
            "i": "ı", "j": "ȷ", "S": "§", "P": "¶", "pounds": "£", "euro": "€", "texteuro": "€", "copyright": "©",
            "textdegree": "°", "textbackslash": "\\", "textasciitilde": "~", "textasciicircum": "^",
            "textquoteright": "’",
            "textquoteleft": "‘", "textquotedblleft": "“", "textquotedblright": "”", "quad": " ", "qquad": " ",
            "TeX": "TeX", "LaTeX": "LaTeX", "textbar": "|", "textless": "<", "textgreater": ">", "slash": "/",
            "guillemotleft": "«", "guillemotright": "»", "glqq": "„", "grqq": "“", "newline": "\n", "par": "\n\n",
            "linebreak": "\n", "hline": "", "toprule": "", "midrule": "", "bottomrule": "", "endhead": "",
            "tabularnewline": "\n",
        ]
        private static let accents: [String: String] = [
            "\"": "\u{308}", "'": "\u{301}", "`": "\u{300}", "^": "\u{302}", "~": "\u{303}", "=": "\u{304}",
            ".": "\u{307}",
            "c": "\u{327}", "v": "\u{30C}", "H": "\u{30B}", "u": "\u{306}", "r": "\u{30A}", "k": "\u{328}",
            "d": "\u{323}",
        ]

        private mutating func perform() {
            let name = command()
            if name == "\\" {
                options()
                endLine()
                skipSpace()
            } else if let accent = Self.accents[name] {
                accentuate(accent)
            } else if let sign = Self.signs[name] {
                output += sign.utf8
                // A space only ends the name.
                if name.first?.isLetter == true, at < end, bytes[at] == 32 { at += 1 }
            } else if Self.headings.contains(name) {
                options()
                guard let range = group() else { return }
                let text = text(of: range)
                if heading == nil { heading = text }
                output += "\n\n\(text)\n\n".utf8
            } else if let count = Self.silent[name] {
                options()
                for _ in 0..<count {
                    if group() == nil, count > 1, at < end, bytes[at] == UInt8(ascii: "\\") { _ = command() }
                    options()
                }
            } else {
                switch name {
                case "title", "author", "date": field(name)
                case "begin": environment()
                case "end":
                    let ended = group().map { String(decoding: bytes[$0], as: UTF8.self) } ?? ""
                    if Self.isTable(ended) { tables = max(0, tables - 1) }
                    endLine()
                case "item":
                    endLine()
                    output += "- ".utf8
                    skipSpace()
                    if let label = group(UInt8(ascii: "["), UInt8(ascii: "]")) {
                        output += (text(of: label) + ": ").utf8
                    }
                case "footnote", "footnotetext", "thanks":
                    options()
                    if let range = group() { output += " (\(text(of: range)))".utf8 }
                case "def", "let", "gdef", "edef":
                    skipSpace()
                    if at < end, bytes[at] == UInt8(ascii: "\\") { _ = command() }
                    while at < end, bytes[at] == UInt8(ascii: "#") || (bytes[at] >= 48 && bytes[at] < 58) { at += 1 }
                    _ = group()
                case "href":
                    options()
                    _ = group()
                case "textcolor", "multicolumn", "multirow", "parbox", "raisebox":
                    options()
                    _ = group()
                    if name.hasPrefix("multi") { _ = group() }
                case "verb":
                    guard at < end else { return }
                    let mark = bytes[at]
                    let close = bytes[(at + 1)..<end].prefix(2000).firstIndex(of: mark) ?? at
                    if close > at { output += bytes[(at + 1)..<close] }
                    at = close + 1
                case "(", "[":
                    let mark = Array((name == "(" ? "\\)" : "\\]").utf8)
                    guard at < end else { return }
                    let close = bytes[at..<end].prefix(min(10_000, max(0, steps))).firstRange(of: mark)
                    steps -= min(10_000, (close?.upperBound ?? end) - at)
                    output += bytes[at..<(close?.lowerBound ?? at)]
                    at = close?.upperBound ?? at
                default:
                    // Words behind the name are its text, if it has any.
                    if at < end, bytes[at] == 32, name.count > 1 { at += 1 }
                    options()
                }
            }
        }

        private mutating func accentuate(_ accent: String) {
            let start = at
            if at < end, bytes[at] == UInt8(ascii: "{") {
                guard let range = group() else { return }
                let base = text(of: range).replacing("ı", with: "i")
                output += base.prefix(1).utf8 + Array(accent.utf8) + base.dropFirst().utf8
                return
            }
            skipSpace()
            guard at < end else { return }
            if bytes[at] == UInt8(ascii: "\\") {
                let name = command()
                output += (name.hasPrefix("i") ? "i" : name.hasPrefix("j") ? "j" : "").utf8
                output += accent.utf8
            } else if (bytes[at] | 32) >= 97, (bytes[at] | 32) <= 122 {
                output.append(bytes[at])
                output += accent.utf8
                at += 1
            } else {
                at = start
            }
        }

        private static func isTable(_ name: String) -> Bool {
            ["tabular", "tabular*", "tabularx", "longtable", "array", "tabulary"].contains(name)
        }

        private mutating func environment() {
            guard let range = group() else { return }
            let name = String(decoding: bytes[range], as: UTF8.self)
            endLine()
            if Self.isTable(name) {
                tables += 1
                if name == "tabularx" || name == "tabular*" || name == "tabulary" { _ = group() }
                options()
                _ = group()
                return
            }
            let plain = name.replacing("*", with: "")
            let raw: Set<String> = [
                "verbatim", "lstlisting", "Verbatim", "minted", "equation", "align", "gather", "multline",
                "eqnarray", "math", "displaymath", "comment", "tikzpicture", "filecontents",
            ]
            options()
            guard raw.contains(plain) else {
                if ["minipage", "wrapfigure", "multicols", "thebibliography", "adjustbox"].contains(plain) {
                    _ = group()
                }
                return
            }
            if plain == "minted" { _ = group() }
            guard at < end else { return }
            let close = bytes[at..<end].firstRange(of: Array("\\end{\(name)}".utf8))
            if plain != "comment", plain != "tikzpicture" { output += bytes[at..<(close?.lowerBound ?? end)] }
            output.append(10)
            at = close?.upperBound ?? end
        }
    }
}
