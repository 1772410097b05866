// SPDX-License-Identifier: Apache-2.0

public import Base
import Text

/// The fields that filters and aggregates can name: the metadata of a corpus, and `id`, `title`, `text` and `source`.
public struct FilterSchema: Sendable, Hashable {
    /// The metadata fields, by name.
    public var fields: [MetadataField]

    /// What every document has. A metadata field of the same name takes precedence.
    public static let builtInFields = ["id", "source", "text", "title"]

    public init(fields: [MetadataField]) { self.fields = fields }

    /// The type of a field; nil when there is none of that name.
    public func type(of name: String) -> FieldType? {
        if let field = fields.first(where: { $0.name == name }) { return field.type }
        return Self.builtInFields.contains(name) ? .text : nil
    }

    /// Whether the name is one of the built-in fields (and not a metadata field).
    package func isBuiltIn(_ name: String) -> Bool {
        Self.builtInFields.contains(name) && !fields.contains { $0.name == name }
    }

    /// The type of a field that must be there.
    /// - Throws: `CorpusError` `badArgument` that names the nearest field and lists all with their types.
    public func requiredType(of name: String) throws -> FieldType {
        if let type = type(of: name) { return type }
        let names = fields.map(\.name) + Self.builtInFields
        let near = names.min { (Self.distance(name, $0), $0) < (Self.distance(name, $1), $1) }
        var message = "there is no field \"\(name)\""
        if let near, Self.distance(name, near) <= max(2, name.count / 3) {
            message += "; did you mean \"\(near)\"?"
        } else {
            message += ". A column that became the documents' text is asked for as \"text\"."
        }
        throw CorpusError(.badArgument, message + " Fields: " + summary)
    }

    /// The fields with their types, for messages and prompts: `author (text), year (number), …`.
    public var summary: String {
        let listed =
            fields.prefix(40).map { "\($0.name) (\($0.type.description))" }
            + Self.builtInFields.filter(isBuiltIn).map { "\($0) (text)" }
        return listed.joined(separator: ", ") + (fields.count > 40 ? " and \(fields.count - 40) more" : "")
    }

    /// The number of single-character edits between two names, without regard to case.
    static func distance(_ a: String, _ b: String) -> Int {
        let (a, b) = (Array(a.lowercased().prefix(64)), Array(b.lowercased().prefix(64)))
        var row = Array(0...b.count)
        for (i, x) in a.enumerated() {
            var diagonal = row[0]
            row[0] = i + 1
            for (j, y) in b.enumerated() {
                let substituted = diagonal + (x == y ? 0 : 1)
                diagonal = row[j + 1]
                row[j + 1] = min(substituted, row[j] + 1, diagonal + 1)
            }
        }
        return row[b.count]
    }

    /// A JSON value as a value of a field's type (for lists, of its elements).
    /// - Throws: `CorpusError` `badArgument` that says what the field holds.
    public func value(_ json: JSONValue, for field: String, type: FieldType) throws -> MetadataValue {
        func mismatch(_ expected: String) -> CorpusError {
            CorpusError(
                .badArgument,
                "field \"\(field)\" has type \(type.description): expected \(expected), found \(Self.shown(json))")
        }
        switch type {
        case .number, .numberList:
            if case .integer(let number) = json { return .exact(Int64(number)) }
            if let number = json.double, number.isFinite { return .number(number == 0 ? 0 : number) }
            if let number = json.string.flatMap({ RawColumn.number(.text($0), decimal: nil) }) { return number }
            throw mismatch("a number")
        case .boolean:
            if let flag = json.bool { return .boolean(flag) }
            if let text = json.string?.lowercased(), text == "true" || text == "false" {
                return .boolean(text == "true")
            }
            throw mismatch("true or false")
        case .date:
            if let span = Self.span(json) { return .date(span.lowerBound) }
            throw mismatch("a date such as \"2024-03-01\"")
        case .text, .textList:
            switch json {
            case .string(let text): return .text(text)
            case .integer, .number, .bool: return .text(json.serialized())
            default: throw mismatch("a text")
            }
        }
    }

    /// The first and last second that a constant of a date field means: all of a day, month or year.
    static func span(_ json: JSONValue) -> ClosedRange<Int64>? {
        if let text = json.string { return DateParser.span(text) }
        if let year = json.int, (1000...2999).contains(year) { return DateParser.span(String(year)) }
        return nil
    }

    static func shown(_ json: JSONValue) -> String {
        let text = json.serialized()
        return text.count > 60 ? String(text.prefix(60)) + "…" : text
    }
}

extension FieldType: CustomStringConvertible {
    /// The type in words.
    public var description: String {
        switch self {
        case .text: return "text"
        case .number: return "number"
        case .boolean: return "boolean"
        case .date: return "date"
        case .textList: return "list of texts"
        case .numberList: return "list of numbers"
        }
    }

    /// What one value of it is called.
    public var singular: String {
        switch self {
        case .text, .textList: return "text"
        case .number, .numberList: return "number"
        case .boolean: return "boolean"
        case .date: return "date"
        }
    }

    /// Whether values have an order that sums and means make sense in.
    package var isNumeric: Bool { self == .number || self == .numberList }
    /// Whether documents have several values.
    package var isList: Bool { self == .textList || self == .numberList }
}
