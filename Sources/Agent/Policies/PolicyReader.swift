// SPDX-License-Identifier: Apache-2.0

public import Base
import LanguageModels
import OrderedCollections
import Text

/// Why a policy file cannot be used: the file, the path of the member, and what was expected there.
public struct PolicyError: Error, Sendable, Hashable, CustomStringConvertible {
    public var file: String
    /// Such as `proposers[1].feedback.terms`; empty for the file as a whole.
    public var path: String
    public var message: String

    public init(file: String, path: String = "", message: String) {
        self.file = file
        self.path = path
        self.message = message
    }

    public var description: String { path.isEmpty ? "\(file): \(message)" : "\(file): \(path): \(message)" }
}

/// Reads the members of one object of a policy file: each with its type, bounds and default, and none left over.
public struct PolicyReader {
    /// The file as the user named it.
    public let file: String
    /// Where the object stands in the file.
    public let path: String
    private let members: JSONObject
    private var read: Set<String> = []

    /// - Throws: `PolicyError` when the value is neither an object nor null.
    public init(_ value: JSONValue, file: String, path: String) throws(PolicyError) {
        self.file = file
        self.path = path
        switch value {
        case .object(let members): self.members = members
        case .null: members = [:]
        default: throw PolicyError(file: file, path: path, message: "expected options, found \(value.typeName)")
        }
    }

    /// The path of a member.
    public func path(of key: String) -> String { path.isEmpty ? key : path + "." + key }

    /// An error about a member.
    public func error(_ key: String, _ message: String) -> PolicyError {
        PolicyError(file: file, path: path(of: key), message: message)
    }

    /// The member as it stands, nil when it is missing or null.
    public mutating func value(_ key: String) -> JSONValue? {
        read.insert(key)
        guard let value = members[key], !value.isNull else { return nil }
        return value
    }

    /// A whole number within bounds.
    public mutating func int(
        _ key: String, default standard: Int, in range: ClosedRange<Int> = 0...1_000_000
    ) throws(PolicyError) -> Int {
        try optionalInt(key, in: range) ?? standard
    }

    /// A whole number within bounds, or nil when the member is missing.
    public mutating func optionalInt(
        _ key: String, in range: ClosedRange<Int> = 0...1_000_000_000
    ) throws(PolicyError) -> Int? {
        guard let value = value(key) else { return nil }
        guard let number = value.int, range.contains(number) else {
            throw error(
                key,
                "expected a whole number from \(range.lowerBound) to \(range.upperBound), found \(value.serialized())")
        }
        return number
    }

    /// A number within bounds.
    public mutating func double(
        _ key: String, default standard: Double, in range: ClosedRange<Double> = -1e9...1e9
    ) throws(PolicyError) -> Double {
        try optionalDouble(key, in: range) ?? standard
    }

    /// A number within bounds, or nil when the member is missing.
    public mutating func optionalDouble(
        _ key: String, in range: ClosedRange<Double> = -1e9...1e9
    ) throws(PolicyError) -> Double? {
        guard let value = value(key) else { return nil }
        guard let number = value.double, range.contains(number) else {
            throw error(
                key, "expected a number from \(range.lowerBound) to \(range.upperBound), found \(value.serialized())")
        }
        return number
    }

    /// True or false.
    public mutating func bool(_ key: String, default standard: Bool) throws(PolicyError) -> Bool {
        guard let value = value(key) else { return standard }
        guard let flag = value.bool else { throw error(key, "expected true or false, found \(value.serialized())") }
        return flag
    }

    /// A text.
    public mutating func string(_ key: String, default standard: String) throws(PolicyError) -> String {
        guard let value = value(key) else { return standard }
        guard let text = value.string else { throw error(key, "expected a text, found \(value.typeName)") }
        return text
    }

    /// One of several words.
    public mutating func choice(
        _ key: String, default standard: String, of words: [String]
    ) throws(PolicyError) -> String {
        let word = try string(key, default: standard)
        guard words.contains(word) else {
            throw error(key, "expected one of \(words.joined(separator: ", ")), found \"\(word)\"")
        }
        return word
    }

    /// A list of texts.
    public mutating func strings(_ key: String, default standard: [String]) throws(PolicyError) -> [String] {
        guard let value = value(key) else { return standard }
        guard let elements = value.array else { throw error(key, "expected a list, found \(value.typeName)") }
        var texts: [String] = []
        for (index, element) in elements.enumerated() {
            guard let text = element.string else {
                throw error("\(key)[\(index)]", "expected a text, found \(element.typeName)")
            }
            texts.append(text)
        }
        return texts
    }

    /// A reader of a member that is an object; an empty one when it is missing.
    public mutating func object(_ key: String) throws(PolicyError) -> PolicyReader {
        try PolicyReader(value(key) ?? .null, file: file, path: path(of: key))
    }

    /// A component: its name alone, or an object with its name as the only member.
    public mutating func component(
        _ key: String, default standard: String?
    ) throws(PolicyError) -> (name: String, options: PolicyReader)? {
        guard let value = value(key) else {
            guard let standard else { return nil }
            return (standard, try PolicyReader(.null, file: file, path: path(of: key)))
        }
        return try component(value, path: path(of: key))
    }

    /// A list of components.
    public mutating func components(
        _ key: String
    ) throws(PolicyError) -> [(name: String, options: PolicyReader)] {
        guard let value = value(key) else { return [] }
        guard let elements = value.array else { throw error(key, "expected a list, found \(value.typeName)") }
        var components: [(name: String, options: PolicyReader)] = []
        for (index, element) in elements.enumerated() {
            components.append(try component(element, path: path(of: "\(key)[\(index)]")))
        }
        return components
    }

    private func component(
        _ value: JSONValue, path: String
    ) throws(PolicyError) -> (name: String, options: PolicyReader) {
        if let name = value.string { return (name, try PolicyReader(.null, file: file, path: path + "." + name)) }
        guard let members = value.object, members.count == 1, let member = members.elements.first else {
            throw PolicyError(file: file, path: path, message: "expected a name, or one name with its options")
        }
        return (member.key, try PolicyReader(member.value, file: file, path: path + "." + member.key))
    }

    /// Refuses members that nobody has read.
    public func finish() throws(PolicyError) {
        for key in members.keys where !read.contains(key) {
            let known = read.sorted().joined(separator: ", ")
            throw error(key, "unknown; expected \(known.isEmpty ? "no options" : "one of \(known)")")
        }
    }
}
