// SPDX-License-Identifier: Apache-2.0

public import Base
import OrderedCollections
import Text

/// Bounds on filters, so that a hostile one costs little.
public struct FilterLimits: Sendable, Hashable {
    /// The deepest nesting of and, or and not. Default 16.
    public var depth = 16
    /// The most clauses. Default 256.
    public var clauses = 256
    /// The most values of one `in`. Default 10,000.
    public var values = 10_000
    /// The longest text, in bytes. Default 4,096.
    public var textBytes = 4096

    public init() {}
}

extension FilterExpression {
    /// Reads a filter from JSON, against the fields of a corpus.
    ///
    /// ```json
    /// {"and": [{"field": "source", "op": "in", "value": ["TechCrunch", "The Verge"]},
    ///          {"field": "published", "op": "between", "value": ["2023-10-01", "2023-10-31"]},
    ///          {"not": {"field": "text", "op": "match", "value": "rumour", "mode": "any"}}]}
    /// ```
    /// A clause has `field`, `op` and `value`. Operators: `==` `!=` `<` `<=` `>` `>=` (also `eq` `ne` `lt` `lte` `gt`
    /// `gte`), `in` (a list), `between` (two values, both included), `contains`, `exists` (value true, false or none),
    /// `like` (a pattern with `%` for any text and `_` for one character), `match` (words; `mode` is `all`, `any`, `phrase` or `prefix`). Clauses combine as `{"and": […]}`, `{"or": […]}`,
    /// `{"not": …}`. A list alone is `and`. A text is read as JSON or in the short form of ``WhereText``.
    ///
    /// A date of less precision than a second means its whole span in every operator: `<= "2024-01-31"` includes that day,
    /// `== "2024-01"` is the month.
    /// - Throws: `CorpusError` `badArgument` that says what was wrong and what is accepted.
    public init(json: JSONValue, schema: FilterSchema, limits: FilterLimits = FilterLimits()) throws {
        var parser = FilterParser(schema: schema, limits: limits)
        self = try parser.parse(json, depth: 0)
    }
}

private struct FilterParser {
    let schema: FilterSchema
    let limits: FilterLimits
    var clauses = 0

    static let operators = "==, !=, <, <=, >, >=, in, between, contains, like, exists, match"

    func failure(_ message: String) -> CorpusError { CorpusError(.badArgument, "filter: \(message)") }

    mutating func parse(_ json: JSONValue, depth: Int) throws -> FilterExpression {
        guard depth < limits.depth else { throw failure("nested deeper than \(limits.depth) levels") }
        clauses += 1
        guard clauses <= limits.clauses else { throw failure("more than \(limits.clauses) clauses") }
        if case .string(let text) = json {
            guard text.utf8.count <= limits.textBytes * 4 else { throw failure("the text is too long") }
            return try parse(try WhereText.json(text), depth: depth + 1)
        }
        if case .array(let elements) = json { return .and(try elements.map { try parse($0, depth: depth + 1) }) }
        guard case .object(let members) = json else {
            throw failure(
                "expected an object such as {\"field\": …, \"op\": …, \"value\": …}, found \(FilterSchema.shown(json))")
        }
        for (name, build) in [("and", FilterExpression.and), ("or", FilterExpression.or)] {
            guard let list = members[name] else { continue }
            try only(members, [name])
            guard let elements = list.array else {
                throw failure("\"\(name)\" takes a list of clauses, found \(FilterSchema.shown(list))")
            }
            return build(try elements.map { try parse($0, depth: depth + 1) })
        }
        if let inner = members["not"] {
            try only(members, ["not"])
            return .not(try parse(inner, depth: depth + 1))
        }
        if members.isEmpty { return .all }
        return try parseClause(members)
    }

    func only(_ members: JSONObject, _ allowed: [String]) throws {
        for name in members.keys where !allowed.contains(name) {
            throw failure(
                "unexpected member \"\(name)\"; here can stand \(allowed.map { "\"\($0)\"" }.joined(separator: ", "))")
        }
    }

    func parseClause(_ members: JSONObject) throws -> FilterExpression {
        guard let given = members["op"]?.string else {
            throw failure(
                "a clause needs \"field\", \"op\" and \"value\" (operators: \(Self.operators)), or is one of {\"and\": […]}, {\"or\": […]}, {\"not\": …}; found \(FilterSchema.shown(.object(members)))"
            )
        }
        let name = given.lowercased()
        let value = members["value"] ?? members["values"]
        if name == "match" { return try parseMatch(members, value) }
        try only(members, ["field", "op", "value", "values"])
        guard let field = members["field"]?.string else { throw failure("\"field\" must be the name of a field") }
        let type = try schema.requiredType(of: field)
        if name == "exists" {
            guard value == nil || value?.isNull == true || value?.bool != nil else {
                throw failure("\"exists\" takes true or false")
            }
            return value?.bool == false ? .not(.exists(field: field)) : .exists(field: field)
        }
        guard let value, !value.isNull else { throw failure("operator \"\(given)\" on \"\(field)\" needs a \"value\"") }
        switch name {
        case "in":
            guard let elements = value.array else {
                throw failure("\"in\" takes a list of values, found \(FilterSchema.shown(value))")
            }
            guard elements.count <= limits.values else {
                throw failure("\"in\" takes at most \(limits.values) values, found \(elements.count)")
            }
            if type == .date {
                return .or(try elements.map { try span($0, field, .equal) })
            }
            return .isIn(field: field, try elements.map { try constant($0, field, type) })
        case "between":
            guard let elements = value.array, elements.count == 2 else {
                throw failure(
                    "\"between\" takes a list of two values (both included), found \(FilterSchema.shown(value))")
            }
            for element in elements { try requireOrder(field, type, given, element) }
            if type == .date {
                _ = try constant(elements[0], field, type)
                _ = try constant(elements[1], field, type)
                guard let low = FilterSchema.span(elements[0]), let high = FilterSchema.span(elements[1]) else {
                    throw failure("\"between\" takes two dates")
                }
                return .between(field: field, .date(low.lowerBound), .date(high.upperBound))
            }
            return .between(
                field: field, try constant(elements[0], field, type), try constant(elements[1], field, type))
        case "contains":
            guard type == .text || type.isList else {
                throw failure("\"contains\" is for texts and lists; \"\(field)\" has type \(type): use == or between")
            }
            return .contains(field: field, try constant(value, field, type))
        case "like":
            guard type == .text || type == .textList else {
                throw failure("\"like\" is for texts; \"\(field)\" has type \(type): use == or between")
            }
            guard case .text(let pattern) = try constant(value, field, type) else {
                throw failure("\"like\" takes a pattern, found \(FilterSchema.shown(value))")
            }
            return .like(field: field, pattern: pattern)
        default:
            guard let comparison = Self.comparison(name) else {
                throw failure("unknown operator \"\(given)\"; the operators are \(Self.operators)")
            }
            guard value.array == nil else {
                throw failure("operator \"\(given)\" takes one value; for several use \"in\"")
            }
            if comparison != .equal, comparison != .notEqual { try requireOrder(field, type, given, value) }
            if type == .date { return try span(value, field, comparison) }
            let wanted = try constant(value, field, type)
            // Of a list, that none of its elements is the value.
            guard comparison == .notEqual, type.isList else { return .compare(field: field, comparison, wanted) }
            return .and([.exists(field: field), .not(.compare(field: field, .equal, wanted))])
        }
    }

    func parseMatch(_ members: JSONObject, _ value: JSONValue?) throws -> FilterExpression {
        try only(members, ["field", "op", "value", "mode"])
        guard let words = value?.string, !words.isEmpty else { throw failure("\"match\" takes words in \"value\"") }
        guard words.utf8.count <= limits.textBytes else {
            throw failure("\"match\" takes at most \(limits.textBytes) bytes")
        }
        let mode = members["mode"]?.string ?? "all"
        guard let mode = FilterExpression.MatchMode(rawValue: mode) else {
            throw failure("unknown mode \"\(mode)\"; the modes of \"match\" are all, any, phrase, prefix")
        }
        guard let given = members["field"], !given.isNull else { return .match(field: nil, words: words, mode) }
        guard let field = given.string else { throw failure("\"field\" must be the name of a field") }
        let type = try schema.requiredType(of: field)
        guard type == .text || type == .textList else {
            throw failure("\"match\" is for texts; \"\(field)\" has type \(type): use == or between")
        }
        return .match(field: field, words: words, mode)
    }

    func constant(_ json: JSONValue, _ field: String, _ type: FieldType) throws -> MetadataValue {
        if let text = json.string, text.utf8.count > limits.textBytes {
            throw failure("a value of \(text.utf8.count) bytes; at most \(limits.textBytes) are accepted")
        }
        do { return try schema.value(json, for: field, type: type) } catch let error as CorpusError {
            throw failure(error.message)
        }
    }

    /// A comparison with all the seconds that a date means.
    func span(_ json: JSONValue, _ field: String, _ comparison: FilterExpression.Comparison) throws -> FilterExpression
    {
        let value = try constant(json, field, .date)
        guard let span = FilterSchema.span(json), span.count > 1 else {
            return .compare(field: field, comparison, value)
        }
        let (first, last) = (MetadataValue.date(span.lowerBound), MetadataValue.date(span.upperBound))
        switch comparison {
        case .equal: return .between(field: field, first, last)
        case .notEqual: return .and([.exists(field: field), .not(.between(field: field, first, last))])
        case .less: return .compare(field: field, .less, first)
        case .lessOrEqual: return .compare(field: field, .lessOrEqual, last)
        case .greater: return .compare(field: field, .greater, last)
        case .greaterOrEqual: return .compare(field: field, .greaterOrEqual, first)
        }
    }

    func requireOrder(_ field: String, _ type: FieldType, _ given: String, _ value: JSONValue) throws {
        guard type != .boolean else {
            throw failure("\"\(field)\" has type boolean, which has no order: use == instead of \(given)")
        }
        guard type == .text || type == .textList else { return }
        let isNumber = value.double != nil || value.string.map { NumberText.value($0) != nil } ?? false
        let isDate = value.string.map { DateParser.span($0) != nil && !$0.utf8.allSatisfy { $0 < 0x2D } } ?? false
        guard isNumber || isDate else { return }
        throw failure(
            "\"\(field)\" holds texts, which \(given) would compare letter by letter, not as "
                + (isNumber ? "numbers" : "dates")
                + "; index it with --field-type \(field)=\(isNumber ? "number" : "date") if that is what it holds")
    }

    static func comparison(_ name: String) -> FilterExpression.Comparison? {
        switch name {
        case "==", "=", "eq", "equals": return .equal
        case "!=", "<>", "ne": return .notEqual
        case "<", "lt": return .less
        case "<=", "lte", "le": return .lessOrEqual
        case ">", "gt": return .greater
        case ">=", "gte", "ge": return .greaterOrEqual
        default: return nil
        }
    }
}
