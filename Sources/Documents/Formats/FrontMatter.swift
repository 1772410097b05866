// SPDX-License-Identifier: Apache-2.0

import Base
import OrderedCollections

/// The fields at the head of a Markdown file, between `---` (YAML) or `+++` (TOML).
struct FrontMatter {
    var fields: JSONObject = [:]
    /// The text behind it.
    var body: Substring
    /// Why it could not be read; it then stays in the text.
    var problem: String?

    /// - Parameter text: with "\n" at the ends of lines.
    init(_ text: String) {
        body = text[...]
        for (mark, ends) in [("---", ["---", "..."]), ("+++", ["+++"])] {
            guard let (content, rest) = Self.block(text, mark: mark, ends: ends) else { continue }
            do {
                let value =
                    mark == "---"
                    ? try YAMLReader.read(String(content), name: "front matter")
                    : try TOMLReader.read(String(content))
                guard case .object(let members) = value else { return }
                fields = members.filter { !$0.value.isNull }.mapValues { RecordMapper.field($0) }
                body = rest
            } catch {
                problem = "\(error)"
            }
            return
        }
    }

    /// What stands between the marks, when the text begins with one.
    private static func block(_ text: String, mark: String, ends: [String]) -> (Substring, Substring)? {
        guard text.hasPrefix(mark), let first = text.utf8.firstIndex(of: 10),
            text[..<first].trimmed() == mark
        else { return nil }
        let start = text.utf8.index(after: first)
        var at = start
        var lines = 0
        while at < text.endIndex, lines < 2000 {
            let end = text.utf8[at...].firstIndex(of: 10) ?? text.endIndex
            let next = end < text.endIndex ? text.utf8.index(after: end) : end
            if ends.contains(text[at..<end].trimmed()) { return (text[start..<at], text[next...]) }
            // A rule over a text is no front matter: that begins with a field.
            if lines == 0, mark == "---", text[at..<end].trimmed().isEmpty { return nil }
            at = next
            lines += 1
        }
        return nil
    }
}

/// Reads the TOML that front matter is written in (toml.io, 1.0): keys, dotted keys, tables, texts of all four kinds,
/// numbers, booleans, dates (as text), arrays and inline tables. There is no TOML library in Debian with a C interface.
struct TOMLReader {
    private let bytes: [UInt8]
    private var at = 0
    private var depth = 0

    private init(_ text: String) { bytes = Array(text.utf8) }

    /// - Throws: `DocumentError` with the line.
    static func read(_ text: String) throws(DocumentError) -> JSONValue {
        var reader = TOMLReader(text)
        return .object(try reader.document())
    }

    private func failure(_ message: String) -> DocumentError {
        DocumentError("line \(1 + bytes[..<min(at, bytes.count)].count { $0 == 10 }): \(message)")
    }

    private mutating func document() throws(DocumentError) -> JSONObject {
        var root = JSONObject()
        var table: [String] = []
        while true {
            skipBlank(lines: true)
            guard at < bytes.count else { return root }
            if take("[[") {
                table = try key()
                guard take("]]") else { throw failure("expected ]]") }
                Self.change(&root, table[...]) { value in
                    value = .array((value?.array ?? []) + [.object([:])])
                }
            } else if take("[") {
                table = try key()
                guard take("]") else { throw failure("expected ]") }
                Self.change(&root, table[...]) { value in value = value ?? .object([:]) }
            } else {
                let path = table + (try key())
                guard take("=") else { throw failure("expected = after the key") }
                let found = try value()
                Self.change(&root, path[...]) { value in value = found }
            }
            skipBlank(lines: false)
            guard at == bytes.count || bytes[at] == 10 else { throw failure("expected the end of the line") }
        }
    }

    /// Changes the value at a path; of a list of tables on the way the last one counts.
    private static func change(
        _ object: inout JSONObject, _ path: ArraySlice<String>, _ body: (inout JSONValue?) -> Void
    ) {
        guard let name = path.first else { return }
        if path.count == 1 {
            var value = object[name]
            body(&value)
            object[name] = value
            return
        }
        if case .array(var list)? = object[name], case .object(var last)? = list.last {
            change(&last, path.dropFirst(), body)
            list[list.count - 1] = .object(last)
            object[name] = .array(list)
        } else {
            var inner = object[name]?.object ?? [:]
            change(&inner, path.dropFirst(), body)
            object[name] = .object(inner)
        }
    }

    private mutating func skipBlank(lines: Bool) {
        while at < bytes.count {
            switch bytes[at] {
            case 32, 9, 13: at += 1
            case 10 where lines: at += 1
            case UInt8(ascii: "#"): while at < bytes.count, bytes[at] != 10 { at += 1 }
            default: return
            }
        }
    }

    private mutating func take(_ text: StaticString) -> Bool {
        skipBlank(lines: false)
        let count = text.utf8CodeUnitCount
        guard at + count <= bytes.count else { return false }
        for index in 0..<count where bytes[at + index] != text.utf8Start[index] { return false }
        at += count
        return true
    }

    private mutating func key() throws(DocumentError) -> [String] {
        var path: [String] = []
        repeat {
            skipBlank(lines: false)
            guard at < bytes.count, path.count < 32 else { throw failure("expected a key") }
            if bytes[at] == UInt8(ascii: "\"") || bytes[at] == UInt8(ascii: "'") {
                path.append(try text())
            } else {
                let start = at
                while at < bytes.count, Self.isKeyByte(bytes[at]) { at += 1 }
                guard at > start else { throw failure("expected a key") }
                path.append(String(decoding: bytes[start..<at], as: UTF8.self))
            }
        } while take(".")
        return path
    }

    private static func isKeyByte(_ byte: UInt8) -> Bool {
        (byte | 32 >= 97 && byte | 32 <= 122) || (byte >= 48 && byte < 58) || byte == 45 || byte == 95 || byte >= 0x80
    }

    private mutating func value() throws(DocumentError) -> JSONValue {
        skipBlank(lines: false)
        guard at < bytes.count else { throw failure("expected a value") }
        depth += 1
        defer { depth -= 1 }
        guard depth <= 32 else { throw failure("nested deeper than 32 levels") }
        switch bytes[at] {
        case UInt8(ascii: "\""), UInt8(ascii: "'"): return .string(try text())
        case UInt8(ascii: "["):
            at += 1
            var elements: [JSONValue] = []
            while true {
                skipBlank(lines: true)
                if take("]") { return .array(elements) }
                elements.append(try value())
                skipBlank(lines: true)
                if take(",") { continue }
                guard take("]") else { throw failure("expected , or ]") }
                return .array(elements)
            }
        case UInt8(ascii: "{"):
            at += 1
            var members = JSONObject()
            if take("}") { return .object(members) }
            while true {
                let path = try key()
                guard take("=") else { throw failure("expected = after the key") }
                let found = try value()
                Self.change(&members, path[...]) { $0 = found }
                if take(",") { continue }
                guard take("}") else { throw failure("expected , or }") }
                return .object(members)
            }
        default: return try plain()
        }
    }

    private mutating func plain() throws(DocumentError) -> JSONValue {
        let start = at
        while at < bytes.count,
            ![10, 13, UInt8(ascii: ","), UInt8(ascii: "]"), UInt8(ascii: "}"), UInt8(ascii: "#")].contains(bytes[at])
        {
            at += 1
        }
        let word = String(decoding: bytes[start..<at], as: UTF8.self).trimmed()
        switch word {
        case "true": return .bool(true)
        case "false": return .bool(false)
        case "": throw failure("expected a value")
        default: break
        }
        let plain = word.replacing("_", with: "")
        if let number = Int(plain.hasPrefix("+") ? String(plain.dropFirst()) : plain) { return .integer(number) }
        if plain.hasPrefix("0x"), let number = Int(plain.dropFirst(2), radix: 16) { return .integer(number) }
        if let number = Double(plain), number.isFinite { return .number(number) }
        guard word.utf8.first.map({ $0 >= 48 && $0 < 58 }) == true else {
            throw failure("expected a value, found \(word.prefix(40))")
        }
        return .string(word)  // a date or a time
    }

    /// A text in single or double quotes, of one line or of several in three of them.
    private mutating func text() throws(DocumentError) -> String {
        let quote = bytes[at]
        let isLong = at + 2 < bytes.count && bytes[at + 1] == quote && bytes[at + 2] == quote
        at += isLong ? 3 : 1
        if isLong, at < bytes.count, bytes[at] == 10 { at += 1 }
        var result: [UInt8] = []
        while at < bytes.count {
            let byte = bytes[at]
            if byte == quote {
                if !isLong {
                    at += 1
                    return String(decoding: result, as: UTF8.self)
                }
                if at + 2 < bytes.count, bytes[at + 1] == quote, bytes[at + 2] == quote {
                    at += 3
                    return String(decoding: result, as: UTF8.self)
                }
            }
            if byte == 10, !isLong { break }
            at += 1
            guard byte == UInt8(ascii: "\\"), quote == UInt8(ascii: "\"") else {
                result.append(byte)
                continue
            }
            guard at < bytes.count else { break }
            let escape = bytes[at]
            at += 1
            switch escape {
            case UInt8(ascii: "n"): result.append(10)
            case UInt8(ascii: "t"): result.append(9)
            case UInt8(ascii: "r"): result.append(13)
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): result.append(escape)
            case UInt8(ascii: "u"), UInt8(ascii: "U"):
                let count = escape == UInt8(ascii: "u") ? 4 : 8
                let digits = String(decoding: bytes[at..<min(at + count, bytes.count)], as: UTF8.self)
                guard let code = UInt32(digits, radix: 16), let scalar = Unicode.Scalar(code) else {
                    throw failure("expected \(count) hexadecimal digits")
                }
                result += Array(String(scalar).utf8)
                at += count
            case 10: while at < bytes.count, [32, 9, 10, 13].contains(bytes[at]) { at += 1 }
            default: throw failure("unknown escape")
            }
        }
        throw failure("the text is not closed")
    }
}
