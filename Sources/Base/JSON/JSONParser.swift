// SPDX-License-Identifier: Apache-2.0

import OrderedCollections

/// Why a text is not the JSON that was expected.
public struct JSONError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What is wrong and what was expected.
    public var message: String
    /// The byte at which it was seen, from the start of the text; nil when the text is well formed but its content is not.
    public var offset: Int?

    public init(message: String, offset: Int? = nil) {
        self.message = message
        self.offset = offset
    }

    public var description: String {
        if let offset { return "\(message) (byte \(offset))" }
        return message
    }
}

/// Bounds on what the parser accepts, so that hostile input costs no more than its own length.
public struct JSONLimits: Sendable, Hashable {
    /// The deepest nesting of arrays and objects. Default 64.
    public var depth = 64
    /// The longest text, in bytes. Default 64 MiB.
    public var bytes = 64 << 20
    /// The most values, those within others counted: each takes some fifty bytes, though it be written with two. Default:
    /// no bound but the text's own length.
    public var values = Int.max
    /// Whether to read what common writers write against the standard: `NaN`, `Infinity` and `-Infinity`, which become
    /// null, unescaped tabs and other control characters in strings, and whole numbers of more than 64 bits, which become
    /// texts as they stand. Default: false.
    public var isLenient = false

    /// For what another machine sends: at most two million values, which is some 100 MB. A list of a million vectors'
    /// numbers fits; two bytes a value do not become gigabytes.
    public static let served = JSONLimits(values: 1 << 21)

    public init(depth: Int = 64, bytes: Int = 64 << 20, values: Int = .max, isLenient: Bool = false) {
        self.depth = depth
        self.bytes = bytes
        self.values = values
        self.isLenient = isLenient
    }
}

extension JSONValue {
    /// Parses one JSON text (RFC 8259). Of members with the same name the last one counts.
    /// - Throws: `JSONError` with the byte offset, also for trailing text, invalid UTF-8 and exceeded limits.
    public init(parsing text: String, limits: JSONLimits = JSONLimits()) throws(JSONError) {
        var text = text
        let result = text.withUTF8 { (bytes) -> Result<JSONValue, JSONError> in
            do throws(JSONError) { return .success(try JSONValue(parsing: bytes, limits: limits)) } catch {
                return .failure(error)
            }
        }
        self = try result.get()
    }

    /// Parses one JSON text from UTF-8 bytes.
    public init(parsing bytes: [UInt8], limits: JSONLimits = JSONLimits()) throws(JSONError) {
        let result = bytes.withUnsafeBufferPointer { (buffer) -> Result<JSONValue, JSONError> in
            do throws(JSONError) { return .success(try JSONValue(parsing: buffer, limits: limits)) } catch {
                return .failure(error)
            }
        }
        self = try result.get()
    }

    /// Parses one JSON text from UTF-8 bytes in memory, without a copy.
    public init(parsing bytes: UnsafeBufferPointer<UInt8>, limits: JSONLimits = JSONLimits()) throws(JSONError) {
        guard bytes.count <= limits.bytes else {
            throw JSONError(message: "the text has \(bytes.count) bytes; at most \(limits.bytes) are accepted")
        }
        var parser = JSONParser(
            bytes: bytes, depthLimit: limits.depth, valuesLeft: limits.values, isLenient: limits.isLenient)
        self = try parser.parseDocument()
    }
}

/// A recursive-descent parser over UTF-8 bytes. It never reads outside `bytes`: every access is behind `position < bytes.count`.
private struct JSONParser {
    let bytes: UnsafeBufferPointer<UInt8>
    let depthLimit: Int
    var valuesLeft: Int
    let isLenient: Bool
    var position = 0
    var depth = 0

    mutating func parseDocument() throws(JSONError) -> JSONValue {
        if bytes.count >= 3, bytes[0] == 0xEF, bytes[1] == 0xBB, bytes[2] == 0xBF { position = 3 }
        let value = try parseValue()
        skipSpace()
        guard position == bytes.count else { throw failure("unexpected text after the value") }
        return value
    }

    func failure(_ message: String) -> JSONError { JSONError(message: message, offset: position) }

    mutating func skipSpace() {
        while position < bytes.count {
            switch bytes[position] {
            case 0x20, 0x09, 0x0A, 0x0D: position += 1
            default: return
            }
        }
    }

    mutating func parseValue() throws(JSONError) -> JSONValue {
        skipSpace()
        guard position < bytes.count else { throw failure("the text ends where a value was expected") }
        guard valuesLeft > 0 else { throw failure("the text holds more values than are accepted") }
        valuesLeft -= 1
        switch bytes[position] {
        case UInt8(ascii: "{"): return try parseObject()
        case UInt8(ascii: "["): return try parseArray()
        case UInt8(ascii: "\""): return .string(try parseString())
        case UInt8(ascii: "t"): return try parseWord("true", .bool(true))
        case UInt8(ascii: "f"): return try parseWord("false", .bool(false))
        case UInt8(ascii: "n"): return try parseWord("null", .null)
        case UInt8(ascii: "N") where isLenient: return try parseWord("NaN", .null)
        case UInt8(ascii: "I") where isLenient: return try parseWord("Infinity", .null)
        case UInt8(ascii: "-")
        where isLenient && position + 1 < bytes.count && bytes[position + 1] == UInt8(ascii: "I"):
            return try parseWord("-Infinity", .null)
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try parseNumber()
        default: throw failure("expected a value")
        }
    }

    mutating func parseWord(_ word: StaticString, _ value: JSONValue) throws(JSONError) -> JSONValue {
        let count = word.utf8CodeUnitCount
        guard position + count <= bytes.count else { throw failure("expected \(word)") }
        for index in 0..<count where bytes[position + index] != word.utf8Start[index] {
            throw failure("expected \(word)")
        }
        position += count
        return value
    }

    mutating func enter() throws(JSONError) {
        depth += 1
        guard depth <= depthLimit else { throw failure("nested deeper than \(depthLimit) levels") }
        position += 1
    }

    mutating func parseArray() throws(JSONError) -> JSONValue {
        try enter()
        var elements: [JSONValue] = []
        skipSpace()
        if position < bytes.count, bytes[position] == UInt8(ascii: "]") {
            position += 1
            depth -= 1
            return .array(elements)
        }
        while true {
            elements.append(try parseValue())
            skipSpace()
            guard position < bytes.count else { throw failure("the array is not closed") }
            if bytes[position] == UInt8(ascii: ",") {
                position += 1
                continue
            }
            guard bytes[position] == UInt8(ascii: "]") else { throw failure("expected , or ]") }
            position += 1
            depth -= 1
            return .array(elements)
        }
    }

    mutating func parseObject() throws(JSONError) -> JSONValue {
        try enter()
        var members = JSONObject()
        skipSpace()
        if position < bytes.count, bytes[position] == UInt8(ascii: "}") {
            position += 1
            depth -= 1
            return .object(members)
        }
        while true {
            skipSpace()
            guard position < bytes.count, bytes[position] == UInt8(ascii: "\"") else {
                throw failure("expected a member's name in quotes")
            }
            let name = try parseString()
            skipSpace()
            guard position < bytes.count, bytes[position] == UInt8(ascii: ":") else { throw failure("expected :") }
            position += 1
            members[name] = try parseValue()
            skipSpace()
            guard position < bytes.count else { throw failure("the object is not closed") }
            if bytes[position] == UInt8(ascii: ",") {
                position += 1
                continue
            }
            guard bytes[position] == UInt8(ascii: "}") else { throw failure("expected , or }") }
            position += 1
            depth -= 1
            return .object(members)
        }
    }

    mutating func parseNumber() throws(JSONError) -> JSONValue {
        let start = position
        var whole = true
        func digit(_ index: Int) -> Bool {
            index < bytes.count && bytes[index] >= UInt8(ascii: "0") && bytes[index] <= UInt8(ascii: "9")
        }
        if bytes[position] == UInt8(ascii: "-") { position += 1 }
        guard digit(position) else { throw failure("expected a digit") }
        if bytes[position] == UInt8(ascii: "0") {
            position += 1
            guard !digit(position) else { throw failure("a number must not start with 0") }
        } else {
            while digit(position) { position += 1 }
        }
        if position < bytes.count, bytes[position] == UInt8(ascii: ".") {
            whole = false
            position += 1
            guard digit(position) else { throw failure("expected a digit after the point") }
            while digit(position) { position += 1 }
        }
        if position < bytes.count, bytes[position] == UInt8(ascii: "e") || bytes[position] == UInt8(ascii: "E") {
            whole = false
            position += 1
            if position < bytes.count, bytes[position] == UInt8(ascii: "+") || bytes[position] == UInt8(ascii: "-") {
                position += 1
            }
            guard digit(position) else { throw failure("expected a digit in the exponent") }
            while digit(position) { position += 1 }
        }
        let text = String(decoding: bytes[start..<position], as: UTF8.self)
        if whole, let value = Int(text) { return .integer(value) }
        if whole, isLenient { return .string(text) }
        guard let value = Double(text), value.isFinite else {
            throw JSONError(message: "the number \(text.prefix(40)) is out of range", offset: start)
        }
        return .number(value)
    }

    mutating func parseString() throws(JSONError) -> String {
        position += 1
        let start = position
        // Most strings hold no escape: find the end, check the UTF-8 once, and take them whole.
        while position < bytes.count {
            let byte = bytes[position]
            if byte == UInt8(ascii: "\"") {
                let text = try decode(start..<position)
                position += 1
                return text
            }
            if byte == UInt8(ascii: "\\") { break }
            guard byte >= 0x20 || isLenient else { throw failure("a control character must be escaped in a string") }
            position += 1
        }
        var text = try decode(start..<position)
        while position < bytes.count {
            let byte = bytes[position]
            if byte == UInt8(ascii: "\"") {
                position += 1
                return text
            }
            if byte == UInt8(ascii: "\\") {
                position += 1
                text.unicodeScalars.append(try parseEscape())
                continue
            }
            let from = position
            while position < bytes.count, bytes[position] >= 0x20 || isLenient, bytes[position] != UInt8(ascii: "\""),
                bytes[position] != UInt8(ascii: "\\")
            {
                position += 1
            }
            guard position > from else { throw failure("a control character must be escaped in a string") }
            text += try decode(from..<position)
        }
        throw failure("the string is not closed")
    }

    func decode(_ range: Range<Int>) throws(JSONError) -> String {
        guard let text = String(validating: bytes[range], as: UTF8.self) else {
            throw JSONError(message: "the string is not valid UTF-8", offset: range.lowerBound)
        }
        return text
    }

    mutating func parseEscape() throws(JSONError) -> Unicode.Scalar {
        guard position < bytes.count else { throw failure("the string is not closed") }
        let byte = bytes[position]
        position += 1
        switch byte {
        case UInt8(ascii: "\""): return "\""
        case UInt8(ascii: "\\"): return "\\"
        case UInt8(ascii: "/"): return "/"
        case UInt8(ascii: "b"): return "\u{08}"
        case UInt8(ascii: "f"): return "\u{0C}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"):
            let unit = try parseHex()
            if unit >= 0xD800, unit < 0xDC00, position + 1 < bytes.count, bytes[position] == UInt8(ascii: "\\"),
                bytes[position + 1] == UInt8(ascii: "u")
            {
                let mark = position
                position += 2
                let low = try parseHex()
                if low >= 0xDC00, low < 0xE000,
                    let scalar = Unicode.Scalar(0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00))
                {
                    return scalar
                }
                position = mark
            }
            // Half of a surrogate pair stands for no character; other readers put the replacement character there too.
            return Unicode.Scalar(unit) ?? "\u{FFFD}"
        default: throw JSONError(message: "unknown escape in a string", offset: position - 1)
        }
    }

    mutating func parseHex() throws(JSONError) -> UInt32 {
        guard position + 4 <= bytes.count else { throw failure("expected four hexadecimal digits") }
        var value: UInt32 = 0
        for _ in 0..<4 {
            let byte = bytes[position]
            let digit: UInt8
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = byte - UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = byte - UInt8(ascii: "a") + 10
            case UInt8(ascii: "A")...UInt8(ascii: "F"): digit = byte - UInt8(ascii: "A") + 10
            default: throw failure("expected four hexadecimal digits")
            }
            value = value << 4 | UInt32(digit)
            position += 1
        }
        return value
    }
}
