// SPDX-License-Identifier: Apache-2.0

import OrderedCollections

/// JSON as language models write it, with what had to be mended to read it.
public struct LenientJSON: Sendable, Hashable {
    /// What was read.
    public var value: JSONValue
    /// What was mended, in a few words each; empty for JSON that is right as it stands.
    public var repairs: [String]

    public init(value: JSONValue, repairs: [String] = []) {
        self.value = value
        self.repairs = repairs
    }

    /// Reads a text that was meant to be one JSON value.
    ///
    /// Beyond RFC 8259 it reads: Markdown fences and prose around the value, trailing and missing commas, comments, single
    /// and typographic quotes, quotes within a string, names without quotes, `True`, `False`, `None`, `undefined`, `NaN`, a
    /// leading plus and digits with underscores, raw line ends in strings, unknown escapes, and texts that end too early.
    /// JSON that stands in a string once more is taken out of it, and the same value written several times is taken once.
    /// - Parameter limits: as for `JSONValue.init(parsing:limits:)`; what exceeds them is not read.
    /// - Returns: nil when no value can be made out.
    public static func read(
        _ text: String, limits: JSONLimits = JSONLimits(depth: 32, bytes: 1 << 18)
    ) -> LenientJSON? {
        guard var result = once(text, limits) else { return nil }
        // Doubly encoded: a string whose content is an object or a list. Scalars in strings are for a schema to judge.
        for _ in 0..<3 {
            guard let inner = result.value.string, let first = inner.first(where: { !$0.isWhitespace }),
                "{[`\"".contains(first), let read = once(inner, limits) ?? once("\"" + inner + "\"", limits),
                read.value.object != nil || read.value.array != nil
                    || read.value.string.map({ $0.contains("{") && $0 != inner }) == true
            else { break }
            result.value = read.value
            result.repairs += ["encoded twice"] + read.repairs
        }
        return result
    }

    private static func once(_ text: String, _ limits: JSONLimits) -> LenientJSON? {
        guard text.utf8.count <= limits.bytes else { return nil }
        if let strict = try? JSONValue(parsing: text, limits: limits) { return LenientJSON(value: strict) }
        var scalars = Array(text.unicodeScalars)
        var repairs: [String] = []
        let fenced = unfenced(scalars)
        if fenced.count != scalars.count {
            repairs.append("a code fence")
            scalars = fenced
        }
        // What comes before the first bracket is talk; a value that is no object or list has none.
        let first = scalars.first { !$0.properties.isWhitespace && $0 != "\u{FEFF}" }
        if first != "\"", let open = scalars.firstIndex(where: { $0 == "{" || $0 == "[" }) {
            if scalars[..<open].contains(where: { !$0.properties.isWhitespace && $0 != "\u{FEFF}" }) {
                repairs.append("text around it")
            }
            scalars.removeSubrange(..<open)
        }
        var parser = LenientParser(scalars: scalars, depthLimit: limits.depth)
        guard let value = parser.document() else { return nil }
        for repair in parser.repairs where !repairs.contains(repair) { repairs.append(repair) }
        return LenientJSON(value: value, repairs: repairs)
    }

    /// The inside of the first fenced block; the text itself where there is none, or where it is part of a string.
    private static func unfenced(_ scalars: [Unicode.Scalar]) -> [Unicode.Scalar] {
        func fence(from start: Int) -> Int? {
            var index = start
            while index + 2 < scalars.count {
                if scalars[index] == "`", scalars[index + 1] == "`", scalars[index + 2] == "`" { return index }
                index += 1
            }
            return nil
        }
        guard let open = fence(from: 0), !scalars[..<open].contains(where: { "{[\"".unicodeScalars.contains($0) })
        else {
            return scalars
        }
        var start = open + 3
        // The language's name stands up to the end of the line, or up to the value.
        while start < scalars.count, !"{[\"\n\r".unicodeScalars.contains(scalars[start]) { start += 1 }
        return Array(scalars[start..<(fence(from: start) ?? scalars.count)])
    }
}

/// A forgiving recursive-descent parser. It takes each scalar a bounded number of times.
private struct LenientParser {
    let scalars: [Unicode.Scalar]
    let depthLimit: Int
    var position = 0
    var depth = 0
    var repairs: [String] = []

    init(scalars: [Unicode.Scalar], depthLimit: Int) {
        self.scalars = scalars
        self.depthLimit = depthLimit
    }

    private var current: Unicode.Scalar? { position < scalars.count ? scalars[position] : nil }
    private var following: Unicode.Scalar? { position + 1 < scalars.count ? scalars[position + 1] : nil }

    private mutating func note(_ repair: String) {
        if !repairs.contains(repair) { repairs.append(repair) }
    }

    mutating func document() -> JSONValue? {
        skipSpace()
        guard let value = value() else { return nil }
        skipSpace()
        // A server that repeats the arguments in its last event, or a model that stutters, writes the value again.
        while position < scalars.count {
            let mark = position
            let noted = repairs
            guard let next = self.value(), next == value else {
                position = mark
                repairs = noted
                break
            }
            note("written twice")
            skipSpace()
        }
        if position < scalars.count {
            let rest = scalars[position...]
            // A second, different object is another call, not talk: better refused than half done.
            if rest.contains("{") { return nil }
            note(rest.allSatisfy { "}]),;.`\n ".unicodeScalars.contains($0) } ? "brackets too many" : "text around it")
        }
        return value
    }

    private mutating func skipSpace() {
        while let scalar = current {
            if scalar.properties.isWhitespace || scalar == "\u{FEFF}" {
                position += 1
            } else if scalar == "#" || scalar == "/" && following == "/" {
                note("a comment")
                while let next = current, next != "\n" { position += 1 }
            } else if scalar == "/", following == "*" {
                note("a comment")
                position += 2
                while position < scalars.count, !(scalars[position] == "*" && following == "/") { position += 1 }
                position = min(position + 2, scalars.count)
            } else {
                return
            }
        }
    }

    private mutating func value() -> JSONValue? {
        guard let scalar = current else { return nil }
        switch scalar {
        case "{": return object()
        case "[": return list(closing: "]")
        case "(": return list(closing: ")")
        case "\"", "'", "\u{201C}", "\u{201D}", "\u{2018}", "\u{2019}", "`": return .string(string(isName: false))
        case "}", "]", ")", ",", ":": return nil
        default: return bare()
        }
    }

    private mutating func object() -> JSONValue? {
        depth += 1
        defer { depth -= 1 }
        guard depth <= depthLimit else { return nil }
        position += 1
        var members = JSONObject()
        while true {
            skipSpace()
            switch current {
            case nil:
                note("not closed")
                return .object(members)
            case "}":
                position += 1
                return .object(members)
            case ",": skipComma(before: "}")
            case "]", ")":
                // A closing bracket of another kind: the object was left open.
                note("not closed")
                return .object(members)
            default:
                guard readMember(into: &members) else { return nil }
            }
        }
    }

    private mutating func list(closing: Unicode.Scalar) -> JSONValue? {
        depth += 1
        defer { depth -= 1 }
        guard depth <= depthLimit else { return nil }
        position += 1
        if closing == ")" { note("a Python tuple") }
        var elements: [JSONValue] = []
        while true {
            skipSpace()
            switch current {
            case nil, "}":
                note("not closed")
                return .array(elements)
            case closing:
                position += 1
                return .array(elements)
            case ",": skipComma(before: closing)
            default:
                guard let element = value() else { return nil }
                elements.append(element)
                skipSpace()
                if let next = current, next != ",", next != closing, next != "}" { note("a comma missing") }
            }
        }
    }

    private mutating func skipComma(before closing: Unicode.Scalar) {
        position += 1
        skipSpace()
        if current == closing || current == nil || current == "," { note("a comma too many") }
    }

    /// Reads `name: value`. A text that ends within one leaves it out.
    /// - Returns: whether the object can be read on.
    private mutating func readMember(into members: inout JSONObject) -> Bool {
        guard let name = name() else { return false }
        skipSpace()
        if current == nil { return true }
        guard current == ":" || current == "=" else { return false }
        position += 1
        if current == ">" { position += 1 }
        skipSpace()
        switch current {
        case nil: return true
        case ",", "}":
            note("a value missing")
            members[name] = .null
        default:
            guard let member = value() else { return false }
            members[name] = member
            skipSpace()
            if let next = current, next != ",", next != "}", next != "]" { note("a comma missing") }
        }
        return true
    }

    private mutating func name() -> String? {
        guard let scalar = current else { return nil }
        if "\"'\u{201C}\u{201D}\u{2018}\u{2019}`".unicodeScalars.contains(scalar) { return string(isName: true) }
        var text = ""
        while let next = current,
            next.properties.isAlphabetic || next.properties.numericType != nil || "_-$.".unicodeScalars.contains(next)
        {
            text.unicodeScalars.append(next)
            position += 1
        }
        guard !text.isEmpty else { return nil }
        note("a name without quotes")
        return text
    }

    /// A string in whatever quotes. A quote ends it where a name or a value can end, so that an apostrophe or a quoted
    /// word within does no harm.
    private mutating func string(isName: Bool) -> String {
        guard let open = current else { return "" }
        position += 1
        let closers: String
        switch open {
        case "\"": closers = "\""
        case "\u{201C}", "\u{201D}": closers = "\u{201D}\u{201C}\""
        case "\u{2018}", "\u{2019}": closers = "\u{2019}'"
        default: closers = String(Character(open))
        }
        if open != "\"" { note(open == "'" || open == "`" ? "single quotes" : "typographic quotes") }
        var text = String.UnicodeScalarView()
        while let scalar = current {
            position += 1
            if closers.unicodeScalars.contains(scalar) {
                if endsHere(isName: isName) { return String(text) }
                note("a quote within a string")
                text.append(scalar)
            } else if scalar == "\\" {
                readEscape(into: &text)
            } else {
                if scalar.value < 0x20 { note("a line end in a string") }
                text.append(scalar)
            }
        }
        note("not closed")
        return String(text)
    }

    /// Whether what follows a quote can follow the end of a string.
    private func endsHere(isName: Bool) -> Bool {
        var index = position
        while index < scalars.count, scalars[index].properties.isWhitespace { index += 1 }
        guard index < scalars.count else { return true }
        if isName { return scalars[index] == ":" || scalars[index] == "=" }
        // A comment may stand behind a value.
        if scalars[index] == "/", index + 1 < scalars.count {
            return scalars[index + 1] == "/" || scalars[index + 1] == "*"
        }
        // A quote after a quote: the next name, whose comma is missing.
        return ",}])\"`".unicodeScalars.contains(scalars[index]) || depth == 0
    }

    private mutating func readEscape(into text: inout String.UnicodeScalarView) {
        guard let scalar = current else { return }
        position += 1
        switch scalar {
        case "n": text.append("\n")
        case "t": text.append("\t")
        case "r": text.append("\r")
        case "b": text.append("\u{08}")
        case "f": text.append("\u{0C}")
        case "\"", "\\", "/": text.append(scalar)
        case "u": text.append(readUnicodeEscape())
        case "\n": break
        default:
            // `\'` and `\_` are what they escape; `\d` of a pattern keeps its backslash.
            note("an unknown escape")
            if scalar.properties.isAlphabetic { text.append("\\") }
            text.append(scalar)
        }
    }

    private mutating func readUnicodeEscape() -> Unicode.Scalar {
        guard let unit = readHex() else {
            note("an unknown escape")
            return "u"
        }
        if (0xD800..<0xDC00).contains(unit), current == "\\", following == "u" {
            let mark = position
            position += 2
            if let low = readHex(), (0xDC00..<0xE000).contains(low),
                let whole = Unicode.Scalar(0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00))
            {
                return whole
            }
            position = mark
        }
        return Unicode.Scalar(unit) ?? "\u{FFFD}"
    }

    private mutating func readHex() -> UInt32? {
        guard position + 4 <= scalars.count else { return nil }
        var value: UInt32 = 0
        for index in position..<position + 4 {
            guard let digit = Character(scalars[index]).hexDigitValue else { return nil }
            value = value << 4 | UInt32(digit)
        }
        position += 4
        return value
    }

    /// A word or a number without quotes.
    private mutating func bare() -> JSONValue? {
        var text = ""
        let start = position
        while let scalar = current, !",}])\n\r".unicodeScalars.contains(scalar), position - start < 4096 {
            text.unicodeScalars.append(scalar)
            position += 1
        }
        while let last = text.unicodeScalars.last, last.properties.isWhitespace { text.unicodeScalars.removeLast() }
        switch text {
        case "": return nil
        case "true", "false": return .bool(text == "true")
        case "null": return .null
        case "True", "TRUE", "False", "FALSE":
            note("a Python literal")
            return .bool(text.lowercased() == "true")
        case "None", "undefined", "nil", "NULL", "Null", "NaN", "nan", "Infinity", "-Infinity", "inf", "-inf":
            note("a Python literal")
            return .null
        default: break
        }
        let digits = text.replacing("_", with: "")
        let plain = digits.hasPrefix("+") ? String(digits.dropFirst()) : digits
        if let number = Int(plain) {
            if plain != text || plain.count > 1 && plain.hasPrefix("0") { note("a number written oddly") }
            return .integer(number)
        }
        if let number = Double(plain), number.isFinite, !plain.lowercased().contains("x") {
            if (try? JSONValue(parsing: text)) == nil { note("a number written oddly") }
            return .number(number)
        }
        // Only within something: a whole text without a bracket is talk, not a value.
        guard depth > 0 else { return nil }
        note("a text without quotes")
        return .string(text)
    }
}
