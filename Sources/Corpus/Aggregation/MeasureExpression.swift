// SPDX-License-Identifier: Apache-2.0

import Base

/// Arithmetic over the measures of an aggregation: `total / documents * 100`, `abs(greatest - least)`.
///
/// Numbers, the names of measures, `+ - * /`, parentheses and `abs(…)`; a name of several words stands in double quotes. Where
/// a measure has no value, and where a division is by zero, the expression has none.
public struct MeasureExpression: Sendable, Hashable {
    indirect enum Node: Sendable, Hashable {
        case number(Double)
        case measure(String)
        case negated(Node)
        case absolute(Node)
        case binary(UInt8, Node, Node)
    }

    /// The longest expression, in bytes.
    public static let longest = 500
    static let deepest = 32

    let root: Node
    /// The names of the measures that it reads, in the order of their first use.
    public let measures: [String]

    /// Reads an expression.
    /// - Throws: `CorpusError` `badArgument` that says where it is wrong.
    public init(_ text: String) throws {
        guard text.utf8.count <= Self.longest else {
            throw CorpusError(.badArgument, "aggregate: an expression has at most \(Self.longest) bytes")
        }
        var parser = ExpressionParser(bytes: Array(text.utf8))
        root = try parser.whole()
        measures = parser.names
    }

    /// The value, given those of the measures; nil without one.
    public func value(_ measure: (String) -> Double?) -> Double? {
        func evaluate(_ node: Node) -> Double? {
            switch node {
            case .number(let number): return number
            case .measure(let name): return measure(name)
            case .negated(let inner): return evaluate(inner).map { -$0 }
            case .absolute(let inner): return evaluate(inner).map(abs)
            case .binary(let operation, let left, let right):
                guard let a = evaluate(left), let b = evaluate(right) else { return nil }
                switch operation {
                case UInt8(ascii: "+"): return a + b
                case UInt8(ascii: "-"): return a - b
                case UInt8(ascii: "*"): return a * b
                default: return b == 0 ? nil : a / b
                }
            }
        }
        return evaluate(root).flatMap { $0.isFinite ? $0 : nil }
    }
}

private struct ExpressionParser {
    let bytes: [UInt8]
    var at = 0
    var depth = 0
    var names: [String] = []

    init(bytes: [UInt8]) { self.bytes = bytes }

    func failure(_ what: String) -> CorpusError {
        let text = String(decoding: bytes, as: UTF8.self)
        return CorpusError(
            .badArgument,
            "aggregate: \(what) at place \(at + 1) of the expression \"\(text)\"; it takes numbers, names of measures, + - * /, parentheses and abs(…)"
        )
    }

    mutating func skipSpace() { while at < bytes.count, bytes[at] == 32 || bytes[at] == 9 { at += 1 } }

    mutating func take(_ byte: UInt8) -> Bool {
        skipSpace()
        guard at < bytes.count, bytes[at] == byte else { return false }
        at += 1
        return true
    }

    mutating func whole() throws -> MeasureExpression.Node {
        let node = try sum()
        skipSpace()
        guard at == bytes.count else { throw failure("nothing more was expected") }
        return node
    }

    mutating func sum() throws -> MeasureExpression.Node {
        var node = try product()
        while true {
            if take(UInt8(ascii: "+")) {
                node = .binary(UInt8(ascii: "+"), node, try product())
            } else if take(UInt8(ascii: "-")) {
                node = .binary(UInt8(ascii: "-"), node, try product())
            } else {
                return node
            }
        }
    }

    mutating func product() throws -> MeasureExpression.Node {
        var node = try factor()
        while true {
            if take(UInt8(ascii: "*")) {
                node = .binary(UInt8(ascii: "*"), node, try factor())
            } else if take(UInt8(ascii: "/")) {
                node = .binary(UInt8(ascii: "/"), node, try factor())
            } else {
                return node
            }
        }
    }

    mutating func factor() throws -> MeasureExpression.Node {
        depth += 1
        defer { depth -= 1 }
        guard depth <= MeasureExpression.deepest else { throw failure("nested too deep") }
        if take(UInt8(ascii: "-")) { return .negated(try factor()) }
        if take(UInt8(ascii: "(")) {
            let node = try sum()
            guard take(UInt8(ascii: ")")) else { throw failure("a closing parenthesis was expected") }
            return node
        }
        skipSpace()
        guard at < bytes.count else { throw failure("a number or a measure was expected") }
        if bytes[at] == UInt8(ascii: "\"") { return try quoted() }
        let start = at
        while at < bytes.count, isWordByte(bytes[at]) { at += 1 }
        let word = String(decoding: bytes[start..<at], as: UTF8.self)
        guard !word.isEmpty else { throw failure("a number or a measure was expected") }
        if let number = Double(word), number.isFinite { return .number(number) }
        if word == "abs", take(UInt8(ascii: "(")) {
            let node = try sum()
            guard take(UInt8(ascii: ")")) else { throw failure("a closing parenthesis was expected") }
            return .absolute(node)
        }
        return measure(word)
    }

    private mutating func quoted() throws -> MeasureExpression.Node {
        let start = at + 1
        guard let end = bytes[start...].firstIndex(of: UInt8(ascii: "\"")), end > start else {
            throw failure("a closing quotation mark was expected")
        }
        at = end + 1
        return measure(String(decoding: bytes[start..<end], as: UTF8.self))
    }

    private mutating func measure(_ name: String) -> MeasureExpression.Node {
        if !names.contains(name) { names.append(name) }
        return .measure(name)
    }

    private func isWordByte(_ byte: UInt8) -> Bool {
        switch byte {
        case 48...57, 65...90, 97...122, UInt8(ascii: "_"), UInt8(ascii: "."), 0x80...: return true
        default: return false
        }
    }
}
