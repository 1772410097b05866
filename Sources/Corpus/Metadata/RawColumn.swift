// SPDX-License-Identifier: Apache-2.0

import Base
import Text

/// The values of one field as they came, before its type is known: numbers of distinct raw values, by document.
struct RawColumn {
    /// A raw value as read back from its interned form.
    enum Value: Hashable {
        case text(String)
        case number(Double)
        case boolean(Bool)
    }

    private(set) var interner = ValueInterner()
    /// The document of each value, ascending; lists repeat theirs.
    private(set) var documents: [UInt32] = []
    /// The raw value's number, beside `documents`.
    private(set) var codes: [UInt32] = []
    /// Whether some document has a list.
    private(set) var hasLists = false

    mutating func add(_ value: JSONValue, document: Int) {
        switch value {
        case .null, .object: return
        case .array(let elements):
            hasLists = true
            for element in elements where element.array == nil { add(element, document: document) }
        case .string(let text): addText(text, document: document)
        case .bool(let flag): addTagged(1, flag ? 1 : 0, document: document)
        case .integer(let number): addNumber(Double(number), document: document)
        case .number(let number): if number.isFinite { addNumber(number, document: document) }
        }
    }

    private mutating func addNumber(_ number: Double, document: Int) {
        // Both zeros are one value.
        addTagged(2, (number == 0 ? 0 : number).bitPattern, document: document)
    }

    private mutating func addTagged(_ tag: UInt8, _ payload: UInt64, document: Int) {
        var raw = (payload.littleEndian, tag)
        let code = withUnsafeBytes(of: &raw) { interner.intern(UnsafeRawBufferPointer(rebasing: $0[..<9])) }
        documents.append(UInt32(document))
        codes.append(code)
    }

    private mutating func addText(_ text: String, document: Int) {
        // Texts end in a tag of their own, so that none can equal a number's form.
        var raw = Array(text.utf8)
        raw.append(0)
        let code = raw.withUnsafeBytes { interner.intern($0) }
        documents.append(UInt32(document))
        codes.append(code)
    }

    func value(_ index: Int) -> Value {
        interner.withValue(index) { bytes in
            guard let tag = bytes.last, tag != 0, bytes.count == 9 else {
                return .text(String(decoding: bytes.dropLast(), as: UTF8.self))
            }
            let payload = UInt64(littleEndian: bytes.loadUnaligned(as: UInt64.self))
            return tag == 1 ? .boolean(payload != 0) : .number(Double(bitPattern: payload))
        }
    }

    // MARK: Types

    /// The type that all values agree on; text when they do not.
    func inferredType() -> FieldType {
        var (numbers, booleans, numeric, dates, flags, texts) = (0, 0, 0, 0, 0, 0)
        for index in 0..<interner.count {
            switch value(index) {
            case .number: numbers += 1
            case .boolean: booleans += 1
            case .text(let text):
                if text.isEmpty { continue }
                texts += 1
                if Self.number(text) != nil { numeric += 1 }
                if DateParser.seconds(text) != nil { dates += 1 }
                if text == "true" || text == "false" { flags += 1 }
            }
        }
        if hasLists { return numbers > 0 && booleans == 0 && texts == 0 ? .numberList : .textList }
        if numbers + texts + booleans == 0 { return .text }
        if booleans == 0, numeric == texts { return .number }
        if numbers == 0, texts == 0 { return .boolean }
        if numbers == 0, booleans == 0, texts == dates { return .date }
        if numbers == 0, texts == flags { return .boolean }
        return .text
    }

    /// A text that is the usual form of a number, with nothing that a number would lose (leading zeros, many digits).
    static func number(_ text: String) -> Double? {
        guard let first = text.utf8.first, first == UInt8(ascii: "-") || (first >= 48 && first < 58),
            text.utf8.count <= 24, let last = text.utf8.last, last >= 48, last < 58, let number = Double(text),
            number.isFinite
        else { return nil }
        let digits = text.drop { $0 == "-" }
        if digits.hasPrefix("0"), digits.utf8.count > 1, !digits.hasPrefix("0.") { return nil }
        guard digits.utf8.allSatisfy({ ($0 >= 48 && $0 < 58) || $0 == UInt8(ascii: ".") }) else { return nil }
        return digits.utf8.count <= 16 ? number : nil
    }

    static func text(_ value: Value) -> String {
        switch value {
        case .text(let text): return text
        case .number(let number): return Int(exactly: number).map(String.init) ?? "\(number)"
        case .boolean(let flag): return flag ? "true" : "false"
        }
    }

    static func number(_ value: Value) -> Double? {
        switch value {
        case .number(let number): return number
        case .boolean: return nil
        case .text(let text):
            guard let number = Double(text), number.isFinite else { return nil }
            return number == 0 ? 0 : number
        }
    }

    static func boolean(_ value: Value) -> Bool? {
        switch value {
        case .boolean(let flag): return flag
        case .number(let number): return number == 1 ? true : number == 0 ? false : nil
        case .text(let text):
            switch text.lowercased() {
            case "true", "yes", "1": return true
            case "false", "no", "0": return false
            default: return nil
            }
        }
    }

    static func date(_ value: Value) -> Int64? {
        switch value {
        case .text(let text): return DateParser.seconds(text)
        case .number(let number): return Int64(exactly: number.rounded(.down))
        case .boolean: return nil
        }
    }
}
