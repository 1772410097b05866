// SPDX-License-Identifier: Apache-2.0

/// Reads grammars in GBNF notation: `name ::= alternatives`, `"literals"`, `[classes]`, `( groups )`, `* + ? {m,n}`,
/// `.` for any character, `# comments`. The root rule is called `root`.
struct GrammarParser {
    private let source: [Unicode.Scalar]
    private var at = 0
    private var grammar = Grammar()
    private var names: [String: Int] = ["root": 0]
    private var defined: Set<String> = []
    private var depth = 0

    /// - Throws: `ConstraintError`.
    static func parse(_ text: String) throws(ConstraintError) -> Grammar {
        guard text.utf8.count <= 1 << 20 else { throw .malformed("the grammar is longer than a megabyte") }
        var parser = GrammarParser(source: Array(text.unicodeScalars))
        return try parser.run()
    }

    private init(source: [Unicode.Scalar]) { self.source = source }

    private func error(_ message: String) -> ConstraintError {
        let line = source[..<min(at, source.count)].count { $0 == "\n" } + 1
        return .malformed("grammar, line \(line): \(message)")
    }

    private mutating func run() throws(ConstraintError) -> Grammar {
        skip(lines: true)
        while at < source.count {
            let name = try word()
            skip(lines: true)
            guard matches("::=") else { throw error("\"::=\" is expected after \(name)") }
            at += 3
            skip(lines: true)
            guard defined.insert(name).inserted else { throw error("the rule \(name) is defined twice") }
            let rule = try index(of: name)
            grammar.rules[rule] = try alternatives(nested: false)
            skip(lines: true)
        }
        guard defined.contains("root") else { throw error("there is no rule \"root\"") }
        for name in names.keys.sorted() where !defined.contains(name) { throw error("the rule \(name) is not defined") }
        return grammar
    }

    private mutating func index(of name: String) throws(ConstraintError) -> Int {
        if let known = names[name] { return known }
        names[name] = grammar.rules.count
        _ = try grammar.add([])
        return grammar.rules.count - 1
    }

    private func matches(_ text: String) -> Bool {
        var i = at
        for scalar in text.unicodeScalars {
            guard i < source.count, source[i] == scalar else { return false }
            i += 1
        }
        return true
    }

    private mutating func skip(lines: Bool) {
        while at < source.count {
            if source[at] == "#" {
                while at < source.count, source[at] != "\n" { at += 1 }
            } else if source[at] == " " || source[at] == "\t" || (lines && (source[at] == "\n" || source[at] == "\r")) {
                at += 1
            } else {
                return
            }
        }
    }

    private func isWord(_ scalar: Unicode.Scalar) -> Bool {
        scalar.isASCII
            && (scalar.properties.isAlphabetic || ("0"..."9").contains(scalar) || scalar == "-" || scalar == "_")
    }

    private mutating func word() throws(ConstraintError) -> String {
        var name = String.UnicodeScalarView()
        while at < source.count, isWord(source[at]) {
            name.append(source[at])
            at += 1
        }
        guard !name.isEmpty else { throw error("a rule's name is expected") }
        return String(name)
    }

    private mutating func alternatives(nested: Bool) throws(ConstraintError) -> [[Grammar.Symbol]] {
        depth += 1
        defer { depth -= 1 }
        guard depth < 64 else { throw error("groups nest too deeply") }
        var all = [try sequence(nested: nested)]
        while at < source.count, source[at] == "|" {
            at += 1
            skip(lines: true)
            all.append(try sequence(nested: nested))
        }
        return all
    }

    private mutating func sequence(nested: Bool) throws(ConstraintError) -> [Grammar.Symbol] {
        var out: [Grammar.Symbol] = []
        while at < source.count {
            let scalar = source[at]
            var unit: [Grammar.Symbol]
            if scalar == "\"" {
                at += 1
                var text = String.UnicodeScalarView()
                while at < source.count, source[at] != "\"" { text.append(try character()) }
                guard at < source.count else { throw error("a literal is not closed") }
                at += 1
                unit = Grammar.literal(String(text))
            } else if scalar == "[" {
                unit = [try grammar.add(try characterClass())]
            } else if scalar == "." {
                at += 1
                unit = [try grammar.add(Grammar.characters([0...0x10FFFF], negated: false))]
            } else if scalar == "(" {
                at += 1
                skip(lines: true)
                let group = try alternatives(nested: true)
                guard at < source.count, source[at] == ")" else { throw error("a group is not closed") }
                at += 1
                unit = [try grammar.add(group)]
            } else if isWord(scalar) {
                let mark = at
                let name = try word()
                let after = at
                skip(lines: true)
                // A name before "::=" begins the next rule.
                if matches("::=") {
                    at = mark
                    return out
                }
                at = after
                unit = [.rule(try index(of: name))]
            } else {
                return out
            }
            out += try repetition(&unit)
            skip(lines: nested)
            if !nested { try joinLine() }
        }
        return out
    }

    /// At a line's end: goes on if the next line begins with "|".
    private mutating func joinLine() throws(ConstraintError) {
        let mark = at
        skip(lines: true)
        if !(at < source.count && source[at] == "|") { at = mark }
    }

    private mutating func repetition(_ unit: inout [Grammar.Symbol]) throws(ConstraintError) -> [Grammar.Symbol] {
        guard at < source.count else { return unit }
        switch source[at] {
        case "*":
            at += 1
            return try grammar.repeated(unit, 0, nil)
        case "+":
            at += 1
            return try grammar.repeated(unit, 1, nil)
        case "?":
            at += 1
            return try grammar.repeated(unit, 0, 1)
        case "{":
            at += 1
            func number() -> Int? {
                var digits = ""
                while at < source.count, ("0"..."9").contains(source[at]), digits.count < 6 {
                    digits.unicodeScalars.append(source[at])
                    at += 1
                }
                return Int(digits)
            }
            guard let low = number() else { throw error("a count is expected") }
            var high: Int? = low
            if at < source.count, source[at] == "," {
                at += 1
                high = number()
            }
            guard at < source.count, source[at] == "}" else { throw error("a count is not closed") }
            at += 1
            return try grammar.repeated(unit, low, high)
        default: return unit
        }
    }

    private mutating func character() throws(ConstraintError) -> Unicode.Scalar {
        let scalar = source[at]
        at += 1
        guard scalar == "\\" else { return scalar }
        guard at < source.count else { throw error("an escape is cut off") }
        let escape = source[at]
        at += 1
        let lengths: [Unicode.Scalar: Int] = ["x": 2, "u": 4, "U": 8]
        if let length = lengths[escape] {
            var code: UInt32 = 0
            for _ in 0..<length {
                guard at < source.count, let digit = Character(source[at]).hexDigitValue else {
                    throw error("an escape needs \(length) hexadecimal digits")
                }
                code = code << 4 | UInt32(digit)
                at += 1
            }
            guard let scalar = Unicode.Scalar(code) else { throw error("an escape is no character") }
            return scalar
        }
        switch escape {
        case "n": return "\n"
        case "t": return "\t"
        case "r": return "\r"
        case "\\", "\"", "[", "]", "-", "^": return escape
        default: throw error("the escape \\\(escape) is not known")
        }
    }

    private mutating func characterClass() throws(ConstraintError) -> [[Grammar.Symbol]] {
        at += 1
        var negated = false
        if at < source.count, source[at] == "^" {
            negated = true
            at += 1
        }
        var ranges: [ClosedRange<UInt32>] = []
        while at < source.count, source[at] != "]" {
            let from = try character().value
            if at + 1 < source.count, source[at] == "-", source[at + 1] != "]" {
                at += 1
                let to = try character().value
                guard from <= to else { throw error("a range runs backwards") }
                ranges.append(from...to)
            } else {
                ranges.append(from...from)
            }
        }
        guard at < source.count else { throw error("a class is not closed") }
        at += 1
        return Grammar.characters(ranges, negated: negated)
    }
}
