// SPDX-License-Identifier: Apache-2.0

import Base

/// Why a chat template cannot be rendered.
public enum ChatTemplateError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The template's text does not parse.
    case syntax(line: Int, message: String)
    /// The template uses what this subset of Jinja does not have.
    case unsupported(line: Int, message: String)
    /// The template itself refused the conversation (`raise_exception`), or an expression has no value.
    case failed(String)

    public var description: String {
        switch self {
        case .syntax(let line, let message): return "the chat template, line \(line): \(message)"
        case .unsupported(let line, let message): return "the chat template, line \(line): \(message) is not supported"
        case .failed(let message): return "the chat template refuses the conversation: \(message)"
        }
    }
}

/// A piece of an expression.
enum TemplateToken: Hashable, Sendable {
    case name(String)
    case string(String)
    case integer(Int)
    case number(Double)
    /// Operators and brackets.
    case mark(String)
}

/// A template cut into text, `{{ … }}` and `{% … %}`, with the white space that Jinja's `trim_blocks` and
/// `lstrip_blocks` and the `-` marks take away already gone.
struct TemplatePiece {
    enum Kind { case text(String), output([TemplateToken]), statement([TemplateToken]) }
    var kind: Kind
    var line: Int
}

struct TemplateLexer {
    private let source: [Unicode.Scalar]
    private var at = 0
    private var line = 1

    /// As in Jinja, line ends are "\n", and one at the end of the template is no part of it.
    private init(_ text: String) {
        var scalars: [Unicode.Scalar] = []
        for scalar in text.unicodeScalars {
            if scalar == "\n", scalars.last == "\r" { scalars.removeLast() }
            scalars.append(scalar)
        }
        if scalars.last == "\n" { scalars.removeLast() }
        source = scalars
    }

    /// - Throws: `ChatTemplateError`.
    static func pieces(_ text: String) throws(ChatTemplateError) -> [TemplatePiece] {
        guard text.utf8.count <= 1 << 20 else { throw .syntax(line: 1, message: "longer than a megabyte") }
        var lexer = TemplateLexer(text)
        return try lexer.run()
    }

    private func follows(_ text: String, _ offset: Int = 0) -> Bool {
        var i = at + offset
        for scalar in text.unicodeScalars {
            guard i < source.count, source[i] == scalar else { return false }
            i += 1
        }
        return true
    }

    /// Whether nothing but blanks stands before this place in its line.
    private func startsLine() -> Bool {
        var place = at
        while place > 0, source[place - 1] == " " || source[place - 1] == "\t" { place -= 1 }
        return place == 0 || source[place - 1] == "\n"
    }

    private mutating func run() throws(ChatTemplateError) -> [TemplatePiece] {
        var pieces: [TemplatePiece] = []
        var text = String.UnicodeScalarView()
        var stripNext = false
        var trimNewline = false
        func isSpace(_ scalar: Unicode.Scalar) -> Bool { scalar.properties.isWhitespace }
        while at < source.count {
            let opens = follows("{{") || follows("{%") || follows("{#")
            guard opens else {
                let scalar = source[at]
                if scalar == "\n" { line += 1 }
                at += 1
                if stripNext, isSpace(scalar) { continue }
                if trimNewline {
                    trimNewline = false
                    if scalar == "\n" { continue }
                }
                stripNext = false
                text.append(scalar)
                continue
            }
            let mark = source[at + 1]
            let begin = line
            let startsLine = startsLine()
            stripNext = false
            trimNewline = false
            at += 2
            if at < source.count, source[at] == "-" {
                at += 1
                while let last = text.last, isSpace(last) { text.removeLast() }
            } else if at < source.count, source[at] == "+" {
                at += 1
            } else if mark != "{", startsLine {
                // lstrip_blocks: blanks between the line's start and a block go.
                while let last = text.last, last == " " || last == "\t" { text.removeLast() }
            }
            if !text.isEmpty {
                pieces.append(TemplatePiece(kind: .text(String(text)), line: begin))
                text = .init()
            }
            if mark == "#" {
                while at < source.count, !follows("#}") {
                    if source[at] == "\n" { line += 1 }
                    at += 1
                }
                guard at < source.count else { throw .syntax(line: begin, message: "a comment is not closed") }
                stripNext = source[at - 1] == "-"
                at += 2
                trimNewline = !stripNext
                continue
            }
            let close = mark == "{" ? "}}" : "%}"
            let tokens = try expression(until: close, from: begin)
            if source[at] == "-" {
                stripNext = true
                at += 1
            }
            at += 2
            trimNewline = mark == "%" && !stripNext
            pieces.append(TemplatePiece(kind: mark == "{" ? .output(tokens) : .statement(tokens), line: begin))
        }
        if !text.isEmpty { pieces.append(TemplatePiece(kind: .text(String(text)), line: line)) }
        return pieces
    }

    private mutating func expression(
        until close: String, from begin: Int
    ) throws(ChatTemplateError) -> [TemplateToken] {
        var tokens: [TemplateToken] = []
        var depth = 0
        while at < source.count {
            let scalar = source[at]
            if depth == 0, follows(close) || (scalar == "-" && follows(close, 1)) { return tokens }
            if scalar.properties.isWhitespace {
                if scalar == "\n" { line += 1 }
                at += 1
            } else if scalar == "'" || scalar == "\"" {
                tokens.append(.string(try quoted(scalar)))
            } else if ("0"..."9").contains(scalar) {
                var digits = ""
                while at < source.count, ("0"..."9").contains(source[at]) || source[at] == "." {
                    digits.unicodeScalars.append(source[at])
                    at += 1
                }
                if let value = Int(digits) {
                    tokens.append(.integer(value))
                } else if let value = Double(digits) {
                    tokens.append(.number(value))
                } else {
                    throw .syntax(line: line, message: "\(digits) is no number")
                }
            } else if scalar == "_" || scalar.properties.isAlphabetic {
                var name = ""
                while at < source.count,
                    source[at] == "_" || source[at].properties.isAlphabetic
                        || ("0"..."9").contains(source[at])
                {
                    name.unicodeScalars.append(source[at])
                    at += 1
                }
                tokens.append(.name(name))
            } else {
                let two = ["==", "!=", "<=", ">=", "//", "**"].first { follows($0) }
                let one = "+-*/%~<>=()[]{}.,:|"
                guard two != nil || one.unicodeScalars.contains(scalar) else {
                    throw .syntax(line: line, message: "the character \(String(scalar).debugDescription)")
                }
                if "([{".unicodeScalars.contains(scalar) { depth += 1 }
                if ")]}".unicodeScalars.contains(scalar) { depth -= 1 }
                tokens.append(.mark(two ?? String(scalar)))
                at += two == nil ? 1 : 2
            }
        }
        throw .syntax(line: begin, message: "the block is not closed by \(close)")
    }

    private mutating func quoted(_ quote: Unicode.Scalar) throws(ChatTemplateError) -> String {
        let begin = line
        var text = ""
        at += 1
        while at < source.count, source[at] != quote {
            if source[at] == "\n" { line += 1 }
            if source[at] == "\\", at + 1 < source.count {
                at += 1
                switch source[at] {
                case "n": text += "\n"
                case "t": text += "\t"
                case "r": text += "\r"
                default: text.unicodeScalars.append(source[at])
                }
            } else {
                text.unicodeScalars.append(source[at])
            }
            at += 1
        }
        guard at < source.count else { throw .syntax(line: begin, message: "a string is not closed") }
        at += 1
        return text
    }
}
