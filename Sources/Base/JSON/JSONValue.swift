// SPDX-License-Identifier: Apache-2.0

public import OrderedCollections

/// An object's members in the order in which they were written; tool schemas and traces keep their order.
public typealias JSONObject = OrderedDictionary<String, JSONValue>

/// A JSON value (RFC 8259): the one type in which JSON enters and leaves Forage.
///
/// Integers that fit 64 bits stay exact; every other number is a `Double`. Members of an object keep their order,
/// and writing is deterministic: the same value gives the same bytes.
public enum JSONValue: Sendable, Hashable {
    case null
    case bool(Bool)
    case integer(Int)
    case number(Double)
    case string(String)
    case array([JSONValue])
    case object(JSONObject)
}

/// A type with a JSON form of its own: wire formats, events and files that must be byte-for-byte stable.
public protocol JSONRepresentable {
    /// Reads the value from its JSON form.
    /// - Throws: `JSONError` that names the member and what was expected.
    init(json: JSONValue) throws
    /// The value's JSON form.
    var json: JSONValue { get }
}

extension JSONValue {
    /// The text of a string value.
    public var string: String? {
        if case .string(let text) = self { return text }
        return nil
    }

    /// The value of a boolean.
    public var bool: Bool? {
        if case .bool(let value) = self { return value }
        return nil
    }

    /// An integer, also when it was written as a whole number with a fraction (`3.0`).
    public var int: Int? {
        switch self {
        case .integer(let value): return value
        case .number(let value): return Int(exactly: value)
        default: return nil
        }
    }

    /// Any number, as a `Double`.
    public var double: Double? {
        switch self {
        case .integer(let value): return Double(value)
        case .number(let value): return value
        default: return nil
        }
    }

    /// The elements of an array.
    public var array: [JSONValue]? {
        if case .array(let elements) = self { return elements }
        return nil
    }

    /// The members of an object.
    public var object: JSONObject? {
        if case .object(let members) = self { return members }
        return nil
    }

    /// Whether the value is `null`.
    public var isNull: Bool { self == .null }

    /// The member of that name, or nil when there is none or this is no object.
    public subscript(key: String) -> JSONValue? {
        if case .object(let members) = self { return members[key] }
        return nil
    }

    /// The element at that index, or nil when there is none or this is no array.
    public subscript(index: Int) -> JSONValue? {
        if case .array(let elements) = self, elements.indices.contains(index) { return elements[index] }
        return nil
    }

    /// The kind of value, as JSON Schema names it: null, boolean, integer, number, string, array or object.
    public var typeName: String {
        switch self {
        case .null: return "null"
        case .bool: return "boolean"
        case .integer: return "integer"
        case .number: return "number"
        case .string: return "string"
        case .array: return "array"
        case .object: return "object"
        }
    }
}

extension JSONValue {
    /// The member of that name, which must be there.
    /// - Throws: `JSONError` when it is missing.
    public func required(_ key: String) throws(JSONError) -> JSONValue {
        guard case .object(let members) = self else {
            throw JSONError(message: "expected an object with \"\(key)\", found \(typeName)")
        }
        guard let value = members[key] else { throw JSONError(message: "\"\(key)\" is missing") }
        return value
    }

    /// The text of the member of that name.
    /// - Throws: `JSONError` when it is missing or no string.
    public func requiredString(_ key: String) throws(JSONError) -> String {
        let value = try required(key)
        guard let text = value.string else {
            throw JSONError(message: "\"\(key)\" must be a string, found \(value.typeName)")
        }
        return text
    }

    /// The integer under that name.
    /// - Throws: `JSONError` when it is missing or no whole number.
    public func requiredInt(_ key: String) throws(JSONError) -> Int {
        let value = try required(key)
        guard let number = value.int else {
            throw JSONError(message: "\"\(key)\" must be a whole number, found \(value.typeName)")
        }
        return number
    }

    /// The number under that name.
    /// - Throws: `JSONError` when it is missing or no number.
    public func requiredDouble(_ key: String) throws(JSONError) -> Double {
        let value = try required(key)
        guard let number = value.double else {
            throw JSONError(message: "\"\(key)\" must be a number, found \(value.typeName)")
        }
        return number
    }

    /// The array under that name.
    /// - Throws: `JSONError` when it is missing or no array.
    public func requiredArray(_ key: String) throws(JSONError) -> [JSONValue] {
        let value = try required(key)
        guard let elements = value.array else {
            throw JSONError(message: "\"\(key)\" must be an array, found \(value.typeName)")
        }
        return elements
    }
}

extension JSONValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral,
    ExpressibleByBooleanLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral, ExpressibleByNilLiteral
{
    public init(stringLiteral value: String) { self = .string(value) }
    public init(integerLiteral value: Int) { self = .integer(value) }
    public init(floatLiteral value: Double) { self = .number(value) }
    public init(booleanLiteral value: Bool) { self = .bool(value) }
    public init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
    public init(nilLiteral: ()) { self = .null }
    public init(dictionaryLiteral elements: (String, JSONValue)...) {
        self = .object(JSONObject(elements, uniquingKeysWith: { _, last in last }))
    }
}
