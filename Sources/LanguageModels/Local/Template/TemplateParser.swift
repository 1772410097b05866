// SPDX-License-Identifier: Apache-2.0

import Base
import Text

/// An expression of a template.
indirect enum TemplateExpression: Sendable {
    case literal(JSONValue)
    case variable(String)
    case list([TemplateExpression])
    case dictionary([(TemplateExpression, TemplateExpression)])
    case member(TemplateExpression, String)
    case index(TemplateExpression, TemplateExpression)
    case slice(TemplateExpression, TemplateExpression?, TemplateExpression?, TemplateExpression?)
    case call(TemplateExpression, [TemplateExpression], [String: TemplateExpression])
    case filter(TemplateExpression, String, [TemplateExpression], [String: TemplateExpression])
    case test(TemplateExpression, String, [TemplateExpression], negated: Bool)
    case unary(String, TemplateExpression)
    case binary(String, TemplateExpression, TemplateExpression)
    case choice(TemplateExpression, condition: TemplateExpression, TemplateExpression?)
}

/// A statement of a template.
indirect enum TemplateNode: Sendable {
    case text(String)
    case output(TemplateExpression)
    case set(name: String, member: String?, TemplateExpression)
    /// What a body prints becomes a value, after a filter where there is one.
    case capture(name: String, filters: TemplateExpression, body: [TemplateNode])
    case macro(name: String, parameters: [(name: String, standard: TemplateExpression?)], body: [TemplateNode])
    case leaveLoop
    case nextTurn
    case branches([(condition: TemplateExpression?, body: [TemplateNode])])
    case loop(
        names: [String], TemplateExpression, condition: TemplateExpression?, body: [TemplateNode],
        otherwise: [TemplateNode])
}

/// Parses the pieces of a template: recursive descent with Jinja's precedences.
struct TemplateParser {
    private let pieces: [TemplatePiece]
    private var next = 0
    private var tokens: [TemplateToken] = []
    private var at = 0
    private var line = 1
    private var depth = 0

    private init(_ pieces: [TemplatePiece]) { self.pieces = pieces }

    /// - Throws: `ChatTemplateError`.
    static func parse(_ text: String) throws(ChatTemplateError) -> [TemplateNode] {
        var parser = TemplateParser(try TemplateLexer.pieces(text))
        let (nodes, end) = try parser.body(until: [])
        guard end == nil else { throw .syntax(line: parser.line, message: "an end without a beginning") }
        return nodes
    }

    /// Statements up to one of the closing words.
    private mutating func body(until ends: Set<String>) throws(ChatTemplateError) -> ([TemplateNode], String?) {
        depth += 1
        defer { depth -= 1 }
        guard depth < 64 else { throw .syntax(line: line, message: "blocks nest too deeply") }
        var nodes: [TemplateNode] = []
        while next < pieces.count {
            let piece = pieces[next]
            next += 1
            line = piece.line
            switch piece.kind {
            case .text(let text): nodes.append(.text(text))
            case .output(let tokens):
                begin(tokens)
                nodes.append(.output(try expression()))
                try finish()
            case .statement(let tokens):
                begin(tokens)
                guard case .name(let word)? = peek() else { throw .syntax(line: line, message: "an empty statement") }
                at += 1
                if ends.contains(word) { return (nodes, word) }
                if let node = try statement(word) { nodes.append(node) }
            }
        }
        guard ends.isEmpty else {
            throw .syntax(line: line, message: "the end is reached before \(ends.sorted().joined(separator: " or "))")
        }
        return (nodes, nil)
    }

    private mutating func statement(_ word: String) throws(ChatTemplateError) -> TemplateNode? {
        switch word {
        case "if":
            var branches: [(condition: TemplateExpression?, body: [TemplateNode])] = []
            var condition: TemplateExpression? = try expression()
            try finish()
            while true {
                let (nodes, end) = try body(until: condition == nil ? ["endif"] : ["elif", "else", "endif"])
                branches.append((condition, nodes))
                if end == "endif" { return .branches(branches) }
                condition = end == "elif" ? try expression() : nil
                try finish()
            }
        case "for":
            var names = [try name()]
            while take(",") { names.append(try name()) }
            guard takeName("in") else { throw .syntax(line: line, message: "a loop lacks \"in\"") }
            let source = try binary(0)
            let condition = takeName("if") ? try expression() : nil
            try finish()
            let (nodes, end) = try body(until: ["else", "endfor"])
            let otherwise = end == "else" ? try body(until: ["endfor"]).0 : []
            return .loop(names: names, source, condition: condition, body: nodes, otherwise: otherwise)
        case "set":
            let target = try name()
            let member = take(".") ? try name() : nil
            guard take("=") else {
                guard member == nil else { throw .syntax(line: line, message: "\"=\" is expected") }
                let filters = try postfix(.variable(Self.captured))
                try finish()
                return .capture(name: target, filters: filters, body: try body(until: ["endset"]).0)
            }
            let value = try expression()
            try finish()
            return .set(name: target, member: member, value)
        case "macro":
            let macro = try name()
            try expect("(")
            var parameters: [(name: String, standard: TemplateExpression?)] = []
            while !take(")") {
                let parameter = try name()
                parameters.append((parameter, take("=") ? try expression() : nil))
                if !take(",") {
                    try expect(")")
                    break
                }
            }
            try finish()
            return .macro(name: macro, parameters: parameters, body: try body(until: ["endmacro"]).0)
        case "break", "continue":
            try finish()
            return word == "break" ? .leaveLoop : .nextTurn
        case "generation", "endgeneration": return nil
        default: throw .unsupported(line: line, message: "the statement \"\(word)\"")
        }
    }

    /// The name under which a block set's filters find what the block printed; no template can write it.
    static let captured = " captured"

    private mutating func begin(_ list: [TemplateToken]) {
        tokens = list
        at = 0
    }

    private func finish() throws(ChatTemplateError) {
        guard at == tokens.count else { throw .syntax(line: line, message: "unexpected \(tokens[at])") }
    }

    private func peek() -> TemplateToken? { at < tokens.count ? tokens[at] : nil }

    private mutating func take(_ mark: String) -> Bool {
        guard peek() == .mark(mark) else { return false }
        at += 1
        return true
    }

    private mutating func takeName(_ name: String) -> Bool {
        guard peek() == .name(name) else { return false }
        at += 1
        return true
    }

    private mutating func name() throws(ChatTemplateError) -> String {
        guard case .name(let name)? = peek() else { throw .syntax(line: line, message: "a name is expected") }
        at += 1
        return name
    }

    private mutating func expect(_ mark: String) throws(ChatTemplateError) {
        guard take(mark) else { throw .syntax(line: line, message: "\"\(mark)\" is expected") }
    }

    private mutating func expression() throws(ChatTemplateError) -> TemplateExpression {
        depth += 1
        defer { depth -= 1 }
        guard depth < 64 else { throw .syntax(line: line, message: "the expression nests too deeply") }
        let value = try binary(0)
        guard takeName("if") else { return value }
        let condition = try binary(0)
        let otherwise = takeName("else") ? try expression() : nil
        return .choice(value, condition: condition, otherwise)
    }

    private static let levels: [[String]] = [
        ["or"], ["and"], ["not"], ["==", "!=", "<", ">", "<=", ">=", "in", "not in", "is"], ["~"], ["+", "-"],
        ["*", "/", "//", "%"],
    ]

    private mutating func binary(_ level: Int) throws(ChatTemplateError) -> TemplateExpression {
        guard level < Self.levels.count else { return try unary() }
        if level == 2 {
            var negations = 0
            while takeName("not") { negations += 1 }
            let value = try binary(3)
            return negations % 2 == 1 ? .unary("not", value) : value
        }
        var left = try binary(level + 1)
        while let operation = takeOperator(Self.levels[level]) {
            if operation == "is" {
                let negated = takeName("not")
                let test = try name()
                let arguments = take("(") ? try self.arguments().0 : []
                left = .test(left, test, arguments, negated: negated)
            } else {
                left = .binary(operation, left, try binary(level + 1))
            }
        }
        return left
    }

    private mutating func takeOperator(_ list: [String]) -> String? {
        switch peek() {
        case .mark(let mark)? where list.contains(mark):
            at += 1
            return mark
        case .name("not")? where list.contains("not in") && at + 1 < tokens.count && tokens[at + 1] == .name("in"):
            at += 2
            return "not in"
        case .name(let name)? where list.contains(name) && name != "not":
            at += 1
            return name
        default: return nil
        }
    }

    private mutating func unary() throws(ChatTemplateError) -> TemplateExpression {
        if take("-") {
            depth += 1
            defer { depth -= 1 }
            guard depth < 64 else { throw .syntax(line: line, message: "the expression nests too deeply") }
            return .unary("-", try unary())
        }
        return try postfix(try primary())
    }

    private mutating func primary() throws(ChatTemplateError) -> TemplateExpression {
        guard let token = peek() else { throw .syntax(line: line, message: "an expression is expected") }
        at += 1
        switch token {
        case .string(let text): return .literal(.string(text))
        case .integer(let value): return .literal(.integer(value))
        case .number(let value): return .literal(.number(value))
        case .name("true"), .name("True"): return .literal(.bool(true))
        case .name("false"), .name("False"): return .literal(.bool(false))
        case .name("none"), .name("None"): return .literal(.null)
        case .name(let name): return .variable(name)
        case .mark("("):
            let value = try expression()
            guard take(",") else {
                try expect(")")
                return value
            }
            var list = [value]
            while !take(")") {
                list.append(try expression())
                if !take(",") {
                    try expect(")")
                    break
                }
            }
            return .list(list)
        case .mark("["):
            var list: [TemplateExpression] = []
            while !take("]") {
                list.append(try expression())
                if !take(",") {
                    try expect("]")
                    break
                }
            }
            return .list(list)
        case .mark("{"):
            var pairs: [(TemplateExpression, TemplateExpression)] = []
            while !take("}") {
                let key = try expression()
                try expect(":")
                pairs.append((key, try expression()))
                if !take(",") {
                    try expect("}")
                    break
                }
            }
            return .dictionary(pairs)
        case .mark(let mark): throw .syntax(line: line, message: "unexpected \"\(mark)\"")
        }
    }

    private mutating func postfix(_ start: TemplateExpression) throws(ChatTemplateError) -> TemplateExpression {
        var value = start
        while true {
            if take(".") {
                value = .member(value, try name())
            } else if take("[") {
                value = try subscripted(value)
            } else if take("(") {
                let (list, named) = try arguments()
                value = .call(value, list, named)
            } else if take("|") {
                let filter = try name()
                let (list, named) = take("(") ? try arguments() : ([], [:])
                value = .filter(value, filter, list, named)
            } else {
                return value
            }
        }
    }

    private mutating func subscripted(_ value: TemplateExpression) throws(ChatTemplateError) -> TemplateExpression {
        var parts: [TemplateExpression?] = [nil]
        var isSlice = false
        while !take("]") {
            if take(":") {
                isSlice = true
                parts.append(nil)
                guard parts.count <= 3 else { throw .syntax(line: line, message: "a slice has too many parts") }
            } else {
                parts[parts.count - 1] = try expression()
            }
        }
        if isSlice { return .slice(value, parts[0], parts[1], parts.count > 2 ? parts[2] : nil) }
        guard let index = parts[0] else { throw .syntax(line: line, message: "an index is missing") }
        return .index(value, index)
    }

    private mutating func arguments() throws(ChatTemplateError) -> ([TemplateExpression], [String: TemplateExpression])
    {
        var list: [TemplateExpression] = []
        var named: [String: TemplateExpression] = [:]
        while !take(")") {
            if case .name(let name)? = peek(), at + 1 < tokens.count, tokens[at + 1] == .mark("=") {
                at += 2
                named[name] = try expression()
            } else {
                list.append(try expression())
            }
            if !take(",") {
                try expect(")")
                break
            }
        }
        return (list, named)
    }
}
