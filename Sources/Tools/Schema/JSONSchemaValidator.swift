// SPDX-License-Identifier: Apache-2.0

public import Base
import OrderedCollections
import Text

/// Checks values against a subset of JSON Schema (draft 2020-12) and says what is wrong in words that help a model.
///
/// Understood: `type`, `enum`, `const`, `properties`, `required`, `additionalProperties`, `minProperties`,
/// `maxProperties`, `items`, `prefixItems`, `minItems`, `maxItems`, `uniqueItems`, `minLength`, `maxLength`, `minimum`,
/// `maximum`, `exclusiveMinimum`, `exclusiveMaximum`, `multipleOf`, `allOf`, `anyOf`, `oneOf`, `not`, `if`/`then`/`else`,
/// and `$ref` to a place in the same schema (`#`, `#/$defs/name`). Other keywords constrain nothing. A `$ref` to
/// anywhere else is an error: nothing is ever fetched. Work is bounded: at most 100,000 checks and 64 levels a value.
public struct JSONSchemaValidator: Sendable {
    /// The schema.
    public let schema: JSONValue

    public init(schema: JSONValue) { self.schema = schema }

    /// One thing that is wrong with a value.
    public struct Violation: Sendable, Hashable, CustomStringConvertible {
        /// Where: `filter.args[1].field`; empty for the value itself.
        public var path: String
        /// What was expected and what was found.
        public var message: String

        public var description: String { path.isEmpty ? message : "\(path): \(message)" }
    }

    /// Why a schema cannot be used.
    public struct SchemaError: Error, Sendable, Hashable, CustomStringConvertible {
        public var description: String
    }

    /// Checks a value.
    /// - Returns: what is wrong, in the order of the schema; empty when the schema accepts the value.
    /// - Throws: `SchemaError` when the schema itself cannot be used, or checking would take too much work.
    public func validate(_ value: JSONValue) throws(SchemaError) -> [Violation] {
        var run = Run(root: schema)
        try run.check(value, schema, at: "", depth: 0)
        return run.violations
    }

    /// Checks that the schema is one: it accepts objects, and every `$ref` in it stays in it and exists.
    /// - Throws: `SchemaError`.
    public func checkSchema() throws(SchemaError) {
        guard schema["type"]?.string == "object" else {
            throw SchemaError(description: "the schema of a tool's arguments must have \"type\": \"object\"")
        }
        var count = 0
        try checkReferences(schema, depth: 0, count: &count)
    }

    private func checkReferences(_ part: JSONValue, depth: Int, count: inout Int) throws(SchemaError) {
        count += 1
        guard depth <= 64, count <= 20_000 else {
            throw SchemaError(description: "the schema is too deep or too large")
        }
        switch part {
        case .array(let elements):
            for element in elements { try checkReferences(element, depth: depth + 1, count: &count) }
        case .object(let members):
            if let reference = members["$ref"]?.string { _ = try Self.resolve(reference, in: schema) }
            for (_, member) in members { try checkReferences(member, depth: depth + 1, count: &count) }
        default: break
        }
    }

    fileprivate static func resolve(_ reference: String, in root: JSONValue) throws(SchemaError) -> JSONValue {
        guard reference == "#" || reference.hasPrefix("#/") else {
            throw SchemaError(
                description:
                    "$ref \"\(reference)\" leaves the schema; only references inside it (#/$defs/…) are allowed")
        }
        var place = root
        for part in reference.dropFirst().split(separator: "/") {
            let name = part.split(separator: "~1", omittingEmptySubsequences: false).joined(separator: "/")
                .split(separator: "~0", omittingEmptySubsequences: false).joined(separator: "~")
            guard let next = place[name] ?? Int(name).flatMap({ place[$0] }) else {
                throw SchemaError(description: "$ref \"\(reference)\" names nothing")
            }
            place = next
        }
        return place
    }
}

/// One check of one value: the violations so far and the work done.
private struct Run {
    typealias SchemaError = JSONSchemaValidator.SchemaError

    let root: JSONValue
    var violations: [JSONSchemaValidator.Violation] = []
    var steps = 0

    mutating func check(_ value: JSONValue, _ schema: JSONValue, at path: String, depth: Int) throws(SchemaError) {
        steps += 1
        guard steps <= 100_000, depth <= 64 else {
            throw SchemaError(description: "the value is too deep or too large to check")
        }
        switch schema {
        case .bool(true): return
        case .bool(false): report(path, "nothing is allowed here")
        case .object(let members):
            if let reference = members["$ref"]?.string {
                try check(value, JSONSchemaValidator.resolve(reference, in: root), at: path, depth: depth + 1)
            }
            guard checkType(value, members, at: path) else { return }
            checkChoices(value, members, at: path)
            switch value {
            case .object(let object): try checkObject(object, members, at: path, depth: depth)
            case .array(let elements): try checkArray(elements, members, at: path, depth: depth)
            case .string(let text): checkLength(text, members, at: path)
            case .integer, .number: checkRange(value, members, at: path)
            default: break
            }
            try checkCombinations(value, members, at: path, depth: depth)
        default: throw SchemaError(description: "a schema must be an object or a boolean, found \(schema.typeName)")
        }
    }

    private mutating func report(_ path: String, _ message: String) {
        if violations.count < 50 { violations.append(.init(path: path, message: message)) }
    }

    /// Whether the type is right; a wrong one makes all other keywords moot.
    private mutating func checkType(_ value: JSONValue, _ schema: JSONObject, at path: String) -> Bool {
        let allowed: [String]
        switch schema["type"] {
        case .string(let name): allowed = [name]
        case .array(let names): allowed = names.compactMap(\.string)
        default: return true
        }
        let found = value.typeName
        let matches = allowed.contains { name in
            name == found || (name == "number" && found == "integer") || (name == "integer" && value.int != nil)
        }
        if !matches { report(path, "expected \(allowed.joined(separator: " or ")), found \(describe(value))") }
        return matches
    }

    private mutating func checkChoices(_ value: JSONValue, _ schema: JSONObject, at path: String) {
        if let choices = schema["enum"]?.array, !choices.contains(where: { equal($0, value) }) {
            let names = choices.compactMap(\.string)
            let hint = value.string.flatMap { nearest(to: $0, among: names) }.map { "; did you mean \"\($0)\"?" } ?? ""
            let listed = choices.prefix(24).map(\.description).joined(separator: ", ")
            report(path, "expected one of \(listed), found \(describe(value))\(hint)")
        }
        if let constant = schema["const"], !equal(constant, value) {
            report(path, "expected \(constant), found \(describe(value))")
        }
    }

    private mutating func checkObject(
        _ object: JSONObject, _ schema: JSONObject, at path: String, depth: Int
    ) throws(SchemaError) {
        let properties = schema["properties"]?.object ?? [:]
        for name in schema["required"]?.array ?? [] {
            guard let name = name.string, object[name] == nil else { continue }
            let unknown = object.keys.filter { properties[$0] == nil }
            if let near = nearest(to: name, among: Array(unknown)) {
                report(path, "\"\(name)\" is missing; \"\(near)\" was given: rename it")
            } else {
                let meaning = properties[name]?["description"]?.string.map { " (\($0))" } ?? ""
                report(path, "\"\(name)\" is missing\(meaning)")
            }
        }
        for (name, member) in object {
            let place = path.isEmpty ? name : path + "." + name
            if let property = properties[name] {
                try check(member, property, at: place, depth: depth + 1)
            } else if let additional = schema["additionalProperties"] {
                guard additional == .bool(false) else {
                    try check(member, additional, at: place, depth: depth + 1)
                    continue
                }
                if let near = nearest(to: name, among: Array(properties.keys)) {
                    report(path, "there is no \"\(name.prefix(64))\"; did you mean \"\(near)\"?")
                } else {
                    report(
                        path, "there is no \"\(name.prefix(64))\"; allowed: \(properties.keys.joined(separator: ", "))")
                }
            }
        }
        if let least = schema["minProperties"]?.int, object.count < least {
            report(path, "expected at least \(least) members")
        }
        if let most = schema["maxProperties"]?.int, object.count > most {
            report(path, "expected at most \(most) members")
        }
    }

    private mutating func checkArray(
        _ elements: [JSONValue], _ schema: JSONObject, at path: String, depth: Int
    ) throws(SchemaError) {
        if let least = schema["minItems"]?.int, elements.count < least {
            report(path, "expected at least \(least) items, found \(elements.count)")
        }
        if let most = schema["maxItems"]?.int, elements.count > most {
            report(path, "expected at most \(most) items, found \(elements.count)")
            return
        }
        if schema["uniqueItems"]?.bool == true, Set(elements).count != elements.count {
            report(path, "expected items that differ")
        }
        let prefix = schema["prefixItems"]?.array ?? []
        for (index, element) in elements.enumerated() {
            let place = "\(path)[\(index)]"
            if index < prefix.count {
                try check(element, prefix[index], at: place, depth: depth + 1)
            } else if let items = schema["items"] {
                try check(element, items, at: place, depth: depth + 1)
            }
        }
    }

    private mutating func checkLength(_ text: String, _ schema: JSONObject, at path: String) {
        if let least = schema["minLength"]?.int, text.unicodeScalars.count < least {
            report(path, least == 1 ? "must not be empty" : "expected at least \(least) characters")
        }
        if let most = schema["maxLength"]?.int, text.unicodeScalars.count > most {
            report(path, "expected at most \(most) characters, found \(text.unicodeScalars.count)")
        }
    }

    private mutating func checkRange(_ value: JSONValue, _ schema: JSONObject, at path: String) {
        guard let number = value.double else { return }
        if let least = schema["minimum"]?.double, number < least {
            report(path, "expected at least \(least.shortText), found \(value)")
        }
        if let most = schema["maximum"]?.double, number > most {
            report(path, "expected at most \(most.shortText), found \(value)")
        }
        if let bound = schema["exclusiveMinimum"]?.double, number <= bound {
            report(path, "expected more than \(bound), found \(value)")
        }
        if let bound = schema["exclusiveMaximum"]?.double, number >= bound {
            report(path, "expected less than \(bound), found \(value)")
        }
        if let step = schema["multipleOf"]?.double, step > 0 {
            let ratio = number / step
            if abs(ratio - ratio.rounded()) > 1e-9 * max(1, abs(ratio)) {
                report(path, "expected a multiple of \(step)")
            }
        }
    }

    private mutating func checkCombinations(
        _ value: JSONValue, _ schema: JSONObject, at path: String, depth: Int
    ) throws(SchemaError) {
        for part in schema["allOf"]?.array ?? [] { try check(value, part, at: path, depth: depth + 1) }
        if let choices = schema["anyOf"]?.array {
            try checkAlternatives(value, choices, exactlyOne: false, path, depth)
        }
        if let choices = schema["oneOf"]?.array { try checkAlternatives(value, choices, exactlyOne: true, path, depth) }
        if let part = schema["not"], try violations(of: value, part, at: path, depth: depth).isEmpty {
            report(path, "this value is not allowed")
        }
        if let condition = schema["if"] {
            let holds = try violations(of: value, condition, at: path, depth: depth).isEmpty
            if let part = schema[holds ? "then" : "else"] { try check(value, part, at: path, depth: depth + 1) }
        }
    }

    /// Reports the alternative that the value came nearest to: a right discriminator (`const`, a `required` name that
    /// is there) counts before the number of violations.
    private mutating func checkAlternatives(
        _ value: JSONValue, _ choices: [JSONValue], exactlyOne: Bool, _ path: String, _ depth: Int
    ) throws(SchemaError) {
        var accepted = 0
        var nearest: (violations: [JSONSchemaValidator.Violation], rank: Int)?
        for choice in choices {
            let found = try violations(of: value, choice, at: path, depth: depth)
            if found.isEmpty {
                accepted += 1
                if !exactlyOne { return }
                continue
            }
            let shape = try shapeFits(value, choice)
            let rank = (shape ? 0 : 1000) + found.count
            if rank < nearest?.rank ?? .max { nearest = (found, rank) }
        }
        if accepted == 1 { return }
        if accepted > 1 {
            report(path, "matches \(accepted) alternatives, expected exactly one")
        } else if let nearest, nearest.rank < 1000 {
            for violation in nearest.violations { report(violation.path, violation.message) }
        } else {
            let titles = choices.compactMap { $0["title"]?.string ?? $0["type"]?.string }
            let listed = titles.isEmpty ? "" : ": " + titles.joined(separator: ", ")
            report(path, "expected one of \(choices.count) forms\(listed); found \(describe(value))")
        }
    }

    /// Whether a value looks as if an alternative was meant: its type fits, and for an object its constants do and some
    /// required member is there.
    private func shapeFits(_ value: JSONValue, _ choice: JSONValue) throws(SchemaError) -> Bool {
        var choice = choice
        var hops = 0
        while let reference = choice["$ref"]?.string, hops < 16 {
            choice = try JSONSchemaValidator.resolve(reference, in: root)
            hops += 1
        }
        var probe = Run(root: root)
        guard let members = choice.object, probe.checkType(value, members, at: "") else { return false }
        guard let object = value.object else { return true }
        for (name, property) in members["properties"]?.object ?? [:] {
            guard let constant = property["const"] else { continue }
            guard let given = object[name], equal(given, constant) else { return false }
            return true
        }
        let required = members["required"]?.array?.compactMap(\.string) ?? []
        return required.isEmpty || required.contains { object[$0] != nil }
    }

    private mutating func violations(
        of value: JSONValue, _ schema: JSONValue, at path: String, depth: Int
    ) throws(SchemaError) -> [JSONSchemaValidator.Violation] {
        var probe = Run(root: root)
        probe.steps = steps
        try probe.check(value, schema, at: path, depth: depth + 1)
        steps = probe.steps
        return probe.violations
    }
}

/// Whether two values are equal as JSON Schema sees them: `1` and `1.0` are.
private func equal(_ a: JSONValue, _ b: JSONValue) -> Bool {
    if let x = a.double, let y = b.double { return x == y }
    return a == b
}

/// The value as an error shows it: short.
private func describe(_ value: JSONValue) -> String {
    switch value {
    case .array(let elements): return "an array of \(elements.count)"
    case .object(let members):
        return members.isEmpty ? "an empty object" : "an object with \(members.keys.prefix(6).joined(separator: ", "))"
    case .string(let text): return text.count > 60 ? "a string of \(text.count) characters" : value.description
    default: return value.description
    }
}

extension Double {
    /// The number without a fraction of zero: `3`, `0.25`.
    var shortText: String { Int(exactly: self).map(String.init) ?? "\(self)" }
}
