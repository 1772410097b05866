// SPDX-License-Identifier: Apache-2.0

import Base
import OrderedCollections

/// Reads manual pages in the man and mdoc macros of roff.
enum ManualText {
    static func isManual(_ text: String) -> Bool {
        for line in text.textLines().prefix(60) {
            if line.hasPrefix(".TH ") || line.hasPrefix(".Dd ") || line.hasPrefix(".Dt ") { return true }
        }
        return false
    }

    static func read(_ text: String, id: String, name: String) -> SourceDocument {
        var reader = Reader()
        for line in text.textLines() { reader.read(String(line)) }
        reader.endParagraph()
        reader.output.title = reader.pageTitle ?? reader.output.title
        return reader.output.document(id: id, name: name)
    }

    private struct Reader {
        var output = MarkupText()
        var pageTitle: String?
        private var words: [String] = []
        private var isPreformatted = false
        private var isTag = false
        /// Blocks that are passed over: definitions and conditions.
        private var skipped = 0
        private var isDefinition = false
        private var table: [String]?

        mutating func endParagraph() {
            if !words.isEmpty { output.line(words.joined(separator: " ")) }
            words = []
        }

        private mutating func add(_ text: String) {
            guard !text.isEmpty || isPreformatted else { return }
            if isPreformatted {
                output.line(text)
            } else if isTag {
                isTag = false
                endParagraph()
                output.line("")
                output.line(text)
            } else {
                words.append(text)
            }
        }

        mutating func read(_ line: String) {
            if isDefinition {
                if line == ".." { isDefinition = false }
                return
            }
            if skipped > 0 {
                skipped += ManualText.count(line, "\\{") - ManualText.count(line, "\\}")
                return
            }
            if table != nil {
                readTable(line)
                return
            }
            guard let first = line.first, first == "." || first == "'" else {
                if line.isEmpty, !isPreformatted {
                    endParagraph(); output.line("")
                } else {
                    add(ManualText.plain(line))
                }
                return
            }
            let rest = line.dropFirst().drop { $0 == " " || $0 == "\t" }
            let macro = String(rest.prefix { !$0.isWhitespace })
            if macro.hasPrefix("\\\"") || macro.isEmpty { return }
            perform(macro, ManualText.arguments(rest.dropFirst(macro.count)), line)
        }

        private mutating func perform(_ macro: String, _ given: [String], _ line: String) {
            let words = given.map { ManualText.plain($0) }
            switch macro {
            case "TH", "Dt":
                pageTitle = words.first.map { words.count > 1 && !words[1].isEmpty ? "\($0)(\(words[1]))" : $0 }
                if macro == "TH" {
                    if words.count > 1, !words[1].isEmpty { output.fields["section"] = .string(words[1]) }
                    if words.count > 2, !words[2].isEmpty { output.fields["date"] = .string(words[2]) }
                }
            case "Dd": output.fields["date"] = .string(words.joined(separator: " "))
            case "SH", "SS", "Sh", "Ss":
                endParagraph()
                output.line("")
                output.line(words.joined(separator: " "))
                output.line("")
            case "PP", "P", "LP", "Pp", "sp", "RS", "RE", "Bl", "El":
                endParagraph()
                output.line("")
            case "br": endParagraph()
            case "IP":
                endParagraph()
                if let tag = words.first, !tag.isEmpty { self.words.append(tag) }
            case "TP", "TQ":
                endParagraph()
                isTag = true
            case "It":
                endParagraph()
                self.words.append("- " + ManualText.mdoc(words))
            case "nf", "EX", "Bd":
                endParagraph()
                isPreformatted = macro != "Bd" || line.contains("literal") || line.contains("unfilled")
            case "fi", "EE", "Ed": isPreformatted = false
            case "B", "I", "SM", "SB": add(words.joined(separator: " "))
            case "BR", "RB", "IR", "RI", "BI", "IB": add(words.joined())
            case "UR", "MT": if let target = words.first { add(target) }
            case "TS":
                endParagraph()
                table = []
            case "de", "de1", "am", "ig": isDefinition = true
            case "if", "ie", "el", "while":
                skipped = max(0, ManualText.count(line, "\\{") - ManualText.count(line, "\\}"))
            case "Nm", "Nd", "Fl", "Ar", "Op", "Xr", "Pa", "Ev", "Cm", "Em", "Sy", "Li", "Dq", "Sq", "Ql", "Qq", "Fn",
                "Va",
                "Vt", "Ic", "Pq", "Brq", "Lk", "Mt", "An", "Aq", "Dv", "Er", "Ns", "St", "Bx", "Fx", "Ox", "Nx", "Ux",
                "Tn", "Ad":
                let text = ManualText.mdoc([macro] + words)
                if macro == "Nm", words.isEmpty, let name = pageTitle {
                    add(name.prefix { $0 != "(" }.lowercased())
                } else {
                    add(text)
                }
            default: break
            }
        }

        private mutating func readTable(_ line: String) {
            guard line != ".TE" else {
                for row in ManualText.rows(table ?? []) { output.row(row) }
                table = nil
                output.line("")
                return
            }
            if table?.count ?? 0 < 20_000 { table?.append(line) }
        }
    }

    /// The rows of a table of tbl: options and formats first, cells between tabs or the sign that the options name.
    private static func rows(_ lines: [String]) -> [[String]] {
        var separator: Character = "\t"
        var body = lines[...]
        if let first = body.first, first.hasSuffix(";") {
            if let mark = first.firstRange(of: "tab"),
                let sign = first[mark.upperBound...].drop(while: { $0 == " " || $0 == "(" }).first
            {
                separator = sign
            }
            body = body.dropFirst()
        }
        if let end = body.firstIndex(where: { $0.hasSuffix(".") }) { body = body[(end + 1)...] }
        var rows: [[String]] = []
        var row: [String] = []
        var block: [String]?
        for line in body {
            if line == "_" || line == "=" || line.hasPrefix(".") { continue }
            var rest = line[...]
            if block != nil {
                guard line.hasPrefix("T}") else {
                    block?.append(plain(line))
                    continue
                }
                row.append(block?.joined(separator: " ") ?? "")
                block = nil
                rest = line.dropFirst(2)
                guard !rest.isEmpty else {
                    rows.append(row)
                    row = []
                    continue
                }
                rest = rest.dropFirst()
            }
            for cell in rest.split(separator: separator, omittingEmptySubsequences: false) {
                if cell == "T{" { block = [] } else { row.append(plain(String(cell))) }
            }
            if block == nil {
                rows.append(row)
                row = []
            }
        }
        return rows
    }

    fileprivate static func count(_ line: String, _ mark: String) -> Int { line.ranges(of: mark).count }

    /// The words behind a macro; quotes keep spaces.
    private static func arguments(_ text: Substring) -> [String] {
        var words: [String] = []
        var rest = text.drop { $0.isWhitespace }
        while let first = rest.first, words.count < 64 {
            if rest.hasPrefix("\\\"") { break }
            if first == "\"" {
                let inner = rest.dropFirst().prefix { $0 != "\"" }
                words.append(String(inner))
                rest = rest[inner.endIndex...].dropFirst()
            } else {
                var word = ""
                var last: Character?
                while let character = rest.first, !character.isWhitespace || last == "\\" {
                    word.append(character)
                    last = character
                    rest = rest.dropFirst()
                }
                words.append(word)
            }
            rest = rest.drop { $0.isWhitespace }
        }
        return words
    }

    /// Words of a line of mdoc: flags with their dash, options in brackets, other macros without their names.
    private static func mdoc(_ words: [String]) -> String {
        var shown: [String] = []
        var isFlag = false
        var closing: [String] = []
        for (index, word) in words.enumerated() {
            switch word {
            case "Fl": isFlag = true
            case "Op", "Bq":
                shown.append("[")
                closing.append("]")
            case "Pq":
                shown.append("(")
                closing.append(")")
            case "Dq", "Qq", "Sq", "Ql":
                shown.append("“")
                closing.append("”")
            case "Ar", "Nm", "Nd", "Xr", "Pa", "Ev", "Cm", "Em", "Sy", "Li", "Fn", "Va", "Vt", "Ic", "Ns", "An", "Lk",
                "Mt", "Dv", "Er",
                "Aq", "Brq", "St", "Tn", "Ad":
                if word == "Nd" { shown.append("–") }
            default:
                let isSection = index > 1 && words[index - 2] == "Xr" && word.count <= 3
                if isSection, let last = shown.indices.last {
                    shown[last] += "(\(word))"
                } else {
                    shown.append(isFlag ? "-" + word : word)
                }
                isFlag = false
            }
        }
        if isFlag { shown.append("-") }
        let text = (shown + closing.reversed()).joined(separator: " ")
        return text.replacing("[ ", with: "[").replacing(" ]", with: "]").replacing("( ", with: "(").replacing(
            " )", with: ")"
        )
        .replacing("“ ", with: "“").replacing(" ”", with: "”")
    }

    private static let glyphs: [String: String] = [
        "aq": "'", "dq": "\"", "lq": "“", "rq": "”", "oq": "‘", "cq": "’", "em": "—", "en": "–", "hy": "-", "bu": "•",
        "co": "©", "rg": "®", "rs": "\\", "ha": "^", "ti": "~", "ss": "ß", "ae": "æ", "AE": "Æ", "/o": "ø", "/O": "Ø",
        "oa": "å",
        "oA": "Å", "de": "°", "mu": "×", "+-": "±", "->": "→", "<-": "←", "eu": "€", "Po": "£", "sc": "§", "ga": "`",
        "aa": "´",
        "u2004": " ", "la": "⟨", "ra": "⟩", "Fo": "«", "Fc": "»", "...": "…",
    ]
    private static let accents: [Character: String] = [
        ":": "\u{308}", "'": "\u{301}", "`": "\u{300}", "^": "\u{302}", "~": "\u{303}", ",": "\u{327}", "v": "\u{30C}",
    ]

    private static func glyph(_ name: some StringProtocol) -> String {
        let name = String(name)
        if let known = glyphs[name] { return known }
        if name.hasPrefix("u"), let code = UInt32(name.dropFirst(), radix: 16), let scalar = Unicode.Scalar(code) {
            return String(Character(scalar))
        }
        if name.count == 2, let accent = name.first.flatMap({ accents[$0] }), let base = name.last {
            return "\(base)\(accent)"
        }
        return ""
    }

    /// A line without the escapes of roff.
    fileprivate static func plain(_ line: String) -> String {
        guard line.contains("\\") else { return line }
        var output = ""
        var rest = line[...]
        /// What an escape names: one character, two behind a bracket, any number in square ones.
        func name() -> Substring {
            guard let first = rest.first else { return "" }
            if first == "[" {
                let inner = rest.dropFirst().prefix { $0 != "]" }
                rest = rest[inner.endIndex...].dropFirst()
                return inner
            }
            if first == "(" {
                let inner = rest.dropFirst().prefix(2)
                rest = rest[inner.endIndex...]
                return inner
            }
            let inner = rest.prefix(1)
            rest = rest.dropFirst()
            return inner
        }
        while let character = rest.first {
            rest = rest.dropFirst()
            guard character == "\\", let escape = rest.first else {
                output.append(character)
                continue
            }
            switch escape {
            case "(", "[": output += glyph(name())
            case "f", "*", "n", "F", "m", "M", "g", "k":
                rest = rest.dropFirst()
                _ = name()
            case "s":
                rest = rest.dropFirst()
                if let sign = rest.first, sign == "+" || sign == "-" { rest = rest.dropFirst() }
                if rest.first == "[" || rest.first == "(" { _ = name() } else { rest = rest.drop { $0.isNumber } }
            case "\"": return output
            case "e", "\\":
                rest = rest.dropFirst()
                output.append("\\")
            case "-":
                rest = rest.dropFirst()
                output.append("-")
            case " ", "~", "0":
                rest = rest.dropFirst()
                output.append(" ")
            case "h", "v", "w", "o", "z", "D", "l", "L":
                rest = rest.dropFirst()
                if rest.first == "'" { rest = rest.dropFirst().drop { $0 != "'" }.dropFirst() }
            case "'":
                rest = rest.dropFirst()
                output.append("'")
            case ".":
                rest = rest.dropFirst()
                output.append(".")
            default: rest = rest.dropFirst()
            }
        }
        return output
    }
}
