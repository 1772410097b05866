// SPDX-License-Identifier: Apache-2.0

import Base
import OrderedCollections
import Text

/// Compiles a JSON Schema to a grammar of the JSON texts that it accepts.
///
/// Supported: type (one or several), properties, required, additionalProperties (as false, or a schema where there are
/// no named properties), items, minItems, maxItems, minLength, maxLength, enum, const, anyOf, oneOf, allOf with one
/// entry, $ref into the same schema, minimum and maximum of integers. Anything else that would restrict the text is
/// refused, so that what is written is always valid. Members come in the order of the schema, with one space allowed
/// after colons and commas. Where the schema sets no limit, strings have at most 512 characters, arrays 32 items, numbers
/// 15 digits, free objects 16 members: a weak model cannot run on for ever.
struct SchemaGrammar {
    static let longestString = 512
    static let mostItems = 32
    static let deepestFreeValue = 3

    private var grammar = Grammar()
    private let root: JSONValue
    private var references: [String: Int] = [:]
    private var made: [String: Grammar.Symbol] = [:]
    private var depth = 0

    /// - Throws: `ConstraintError`.
    static func compile(_ schema: JSONValue) throws(ConstraintError) -> Grammar {
        var compiler = SchemaGrammar(root: schema)
        compiler.grammar.rules[0] = [[try compiler.value(schema)]]
        return compiler.grammar
    }

    private init(root: JSONValue) { self.root = root }

    private static let ignored: Set<String> = [
        "$schema", "$id", "$defs", "definitions", "title", "description", "default", "examples", "$comment", "format",
        "deprecated", "readOnly", "writeOnly",
    ]

    private func allow(_ schema: JSONObject, _ keys: Set<String>) throws(ConstraintError) {
        for key in schema.keys where !keys.contains(key) && !Self.ignored.contains(key) {
            throw .unsupported("\"\(key)\" in a JSON schema of this kind")
        }
    }

    private mutating func value(_ schema: JSONValue) throws(ConstraintError) -> Grammar.Symbol {
        depth += 1
        defer { depth -= 1 }
        guard depth < 64 else { throw .malformed("the schema nests too deeply") }
        if schema == .bool(true) { return try free(Self.deepestFreeValue) }
        guard let members = schema.object else { throw .malformed("a schema is an object, found \(schema.typeName)") }
        if let path = members["$ref"]?.string { return try reference(path) }
        if let constant = members["const"] { return try literals([constant]) }
        if let list = members["enum"]?.array {
            guard !list.isEmpty else { throw .malformed("an empty enum") }
            return try literals(list)
        }
        for key in ["anyOf", "oneOf", "allOf"] {
            guard let list = members[key]?.array else { continue }
            try allow(members, [key, "type"])
            guard !list.isEmpty, key != "allOf" || list.count == 1 else {
                throw .unsupported("\"\(key)\" of \(list.count) schemas")
            }
            var alternatives: [[Grammar.Symbol]] = []
            for entry in list { alternatives.append([try value(entry)]) }
            return try grammar.add(alternatives)
        }
        if let types = members["type"]?.array {
            var alternatives: [[Grammar.Symbol]] = []
            for type in types {
                var one = members
                one["type"] = type
                // A keyword restricts only values of its own type.
                one = one.filter { Self.applies($0.key, to: type.string ?? "") }
                alternatives.append([try value(.object(one))])
            }
            return try grammar.add(alternatives)
        }
        guard let type = members["type"]?.string ?? Self.implied(members) else {
            try allow(members, [])
            return try free(Self.deepestFreeValue)
        }
        return try typed(type, members)
    }

    private static func implied(_ members: JSONObject) -> String? {
        members["properties"] != nil ? "object" : members["items"] != nil ? "array" : nil
    }

    private static func applies(_ key: String, to type: String) -> Bool {
        let owners: [String: Set<String>] = [
            "properties": ["object"], "required": ["object"], "additionalProperties": ["object"], "items": ["array"],
            "minItems": ["array"], "maxItems": ["array"], "minLength": ["string"], "maxLength": ["string"],
            "minimum": ["integer", "number"], "maximum": ["integer", "number"],
            "exclusiveMinimum": ["integer", "number"], "exclusiveMaximum": ["integer", "number"],
        ]
        return owners[key]?.contains(type) ?? true
    }

    private mutating func typed(_ type: String, _ members: JSONObject) throws(ConstraintError) -> Grammar.Symbol {
        switch type {
        case "null": return try literals([.null])
        case "boolean": return try literals([.bool(true), .bool(false)])
        case "string":
            try allow(members, ["type", "minLength", "maxLength"])
            let least = members["minLength"]?.int ?? 0
            let most = members["maxLength"]?.int ?? max(Self.longestString, least)
            return try string(least, min(most, 4096))
        case "integer": return try integer(members)
        case "number":
            try allow(members, ["type", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"])
            return try number(members)
        case "array":
            try allow(members, ["type", "items", "minItems", "maxItems"])
            let item: Grammar.Symbol
            if let schema = members["items"] {
                item = try value(schema)
            } else {
                item = try free(Self.deepestFreeValue)
            }
            let least = members["minItems"]?.int ?? 0
            return try array(
                item, least, members["maxItems"]?.int ?? max(Self.mostItems, least))
        case "object": return try object(members)
        default: throw .malformed("the type \"\(type)\" in a schema")
        }
    }

    private mutating func reference(_ path: String) throws(ConstraintError) -> Grammar.Symbol {
        if let rule = references[path] { return .rule(rule) }
        guard path.hasPrefix("#") else { throw .unsupported("the reference \(path)") }
        var target: JSONValue? = root
        for part in path.dropFirst().split(separator: "/") { target = target?[String(part)] }
        guard let target else { throw .malformed("the reference \(path) leads nowhere") }
        let rule = grammar.rules.count
        _ = try grammar.add([])
        references[path] = rule
        grammar.rules[rule] = [[try value(target)]]
        return .rule(rule)
    }

    private mutating func literals(_ values: [JSONValue]) throws(ConstraintError) -> Grammar.Symbol {
        try grammar.add(values.map { Grammar.literal($0.serialized()) })
    }

    private mutating func once(
        _ name: String, _ make: (inout SchemaGrammar) throws(ConstraintError) -> Grammar.Symbol
    ) throws(ConstraintError) -> Grammar.Symbol {
        if let known = made[name] { return known }
        let symbol = try make(&self)
        made[name] = symbol
        return symbol
    }

    private mutating func space() throws(ConstraintError) -> Grammar.Symbol {
        try once("space") { (me) throws(ConstraintError) in try me.grammar.add([[], Grammar.literal(" ")]) }
    }

    private mutating func string(_ least: Int, _ most: Int) throws(ConstraintError) -> Grammar.Symbol {
        guard least >= 0, least <= most else { throw .malformed("a string of \(least) to \(most) characters") }
        return try once("string \(least) \(most)") { (me) throws(ConstraintError) in
            let character = try me.once("character") { (me) throws(ConstraintError) in
                var alternatives = Grammar.characters([0...0x1F, 0x22...0x22, 0x5C...0x5C], negated: true)
                var escapes = Grammar.ByteSet()
                for byte in "\"\\/bfnrt".utf8 { escapes.insert(byte) }
                alternatives.append(Grammar.literal("\\") + [.bytes(escapes)])
                return try me.grammar.add(alternatives)
            }
            let quote = Grammar.literal("\"")
            return try me.grammar.add([quote + (try me.grammar.repeated([character], least, most)) + quote])
        }
    }

    private mutating func digits() throws(ConstraintError) -> Grammar.Symbol {
        try once("integer") { (me) throws(ConstraintError) in
            let first = Grammar.Symbol.bytes(.init(0x31...0x39))
            let more = try me.grammar.repeated([.bytes(.init(0x30...0x39))], 0, 14)
            return try me.grammar.add([Grammar.literal("0"), [first] + more])
        }
    }

    private mutating func integer(_ members: JSONObject) throws(ConstraintError) -> Grammar.Symbol {
        try allow(members, ["type", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"])
        let low = members["exclusiveMinimum"]?.int.map { $0 + 1 } ?? members["minimum"]?.int
        let high = members["exclusiveMaximum"]?.int.map { $0 - 1 } ?? members["maximum"]?.int
        let farthest = 999_999_999_999_999
        let range = (low ?? -farthest, high ?? farthest)
        guard range.0 <= range.1, range.0 >= -farthest, range.1 <= farthest else {
            throw .unsupported("an integer between \(range.0) and \(range.1)")
        }
        return try once("integer \(range.0) \(range.1)") { (me) throws(ConstraintError) in
            var alternatives: [[Grammar.Symbol]] = []
            if range.1 >= 0 { alternatives += try me.naturals(max(0, range.0), range.1) }
            if range.0 < 0 {
                let negative = try me.grammar.add(try me.naturals(max(1, -range.1), -range.0))
                alternatives.append(Grammar.literal("-") + [negative])
            }
            return try me.grammar.add(alternatives)
        }
    }

    /// The decimal numbers from low to high, both of which are 0 or more: alternatives by the number of digits.
    private mutating func naturals(_ low: Int, _ high: Int) throws(ConstraintError) -> [[Grammar.Symbol]] {
        var alternatives: [[Grammar.Symbol]] = []
        var (first, last) = (0, 9)
        while first <= high {
            let (from, to) = (max(low, first), min(high, last))
            if from <= to { alternatives.append(try digits(Array(String(from).utf8), Array(String(to).utf8))) }
            first = last + 1
            last = last * 10 + 9
        }
        return alternatives
    }

    /// The strings of digits between two of the same length.
    private mutating func digits(_ low: [UInt8], _ high: [UInt8]) throws(ConstraintError) -> [Grammar.Symbol] {
        guard let from = low.first, let to = high.first else { return [] }
        let (lowRest, highRest) = (Array(low.dropFirst()), Array(high.dropFirst()))
        let (least, most) = (lowRest.allSatisfy { $0 == 0x30 }, highRest.allSatisfy { $0 == 0x39 })
        let free = Array(repeating: Grammar.Symbol.bytes(.init(0x30...0x39)), count: lowRest.count)
        if from == to { return [.bytes(.init(from...from))] + (least && most ? free : try digits(lowRest, highRest)) }
        var alternatives: [[Grammar.Symbol]] = []
        let (start, end) = (least ? from : from + 1, most ? to : to - 1)
        if !least {
            let nines = Array(repeating: UInt8(0x39), count: lowRest.count)
            alternatives.append([.bytes(.init(from...from))] + (try digits(lowRest, nines)))
        }
        if start <= end { alternatives.append([.bytes(.init(start...end))] + free) }
        if !most {
            let zeros = Array(repeating: UInt8(0x30), count: highRest.count)
            alternatives.append([.bytes(.init(to...to))] + (try digits(zeros, highRest)))
        }
        return [try grammar.add(alternatives)]
    }

    /// A number with bounds of 0 or none; other bounds are left to whoever reads the value.
    private mutating func number(_ members: JSONObject) throws(ConstraintError) -> Grammar.Symbol {
        guard let bound = members["exclusiveMinimum"]?.double ?? members["minimum"]?.double, bound >= 0 else {
            return try number()
        }
        let isAboveZero = members["exclusiveMinimum"] != nil
        let digits = try digits()
        return try once(isAboveZero ? "number above 0" : "number from 0") { (me) throws(ConstraintError) in
            let digit = Grammar.Symbol.bytes(.init(0x30...0x39))
            let some = Grammar.Symbol.bytes(.init(0x31...0x39))
            let fraction = try me.grammar.repeated([digit], 1, 8)
            guard isAboveZero else {
                return try me.grammar.add([[digits], [digits] + Grammar.literal(".") + fraction])
            }
            let whole = [some] + (try me.grammar.repeated([digit], 0, 14))
            return try me.grammar.add([
                whole, whole + Grammar.literal(".") + fraction,
                Grammar.literal("0.") + (try me.grammar.repeated([digit], 0, 7)) + [some],
            ])
        }
    }

    private mutating func number() throws(ConstraintError) -> Grammar.Symbol {
        let digits = try digits()
        return try once("number") { (me) throws(ConstraintError) in
            let fraction = try me.grammar.repeated([.bytes(.init(0x30...0x39))], 1, 8)
            let whole = try me.grammar.add([[digits], Grammar.literal("-") + [digits]])
            return try me.grammar.add([[whole], [whole] + Grammar.literal(".") + fraction])
        }
    }

    private mutating func array(
        _ item: Grammar.Symbol, _ least: Int, _ most: Int
    ) throws(ConstraintError) -> Grammar.Symbol {
        guard least >= 0, least <= most, most <= 4096 else { throw .malformed("an array of \(least) to \(most) items") }
        let space = try space()
        let more = Grammar.literal(",") + [space, item]
        var alternatives: [[Grammar.Symbol]] = []
        if least == 0 { alternatives.append(Grammar.literal("[]")) }
        if most > 0 {
            let rest = try grammar.repeated(more, max(0, least - 1), most - 1)
            alternatives.append(Grammar.literal("[") + [item] + rest + Grammar.literal("]"))
        }
        return try grammar.add(alternatives)
    }

    private mutating func object(_ members: JSONObject) throws(ConstraintError) -> Grammar.Symbol {
        try allow(members, ["type", "properties", "required", "additionalProperties"])
        let properties = members["properties"]?.object ?? [:]
        let required = Set((members["required"]?.array ?? []).compactMap(\.string))
        for name in required.sorted() where properties[name] == nil {
            throw .unsupported("the required member \"\(name)\" without a schema of its own")
        }
        if properties.isEmpty {
            switch members["additionalProperties"] {
            case .bool(false)?: return try grammar.add([Grammar.literal("{}")])
            case let schema? where schema.object != nil: return try map(try value(schema))
            default: return try map(try free(Self.deepestFreeValue))
            }
        }
        let space = try space()
        // From the last member back: what may follow when a member has been written before, and when none has.
        var afterSome: [[Grammar.Symbol]] = [Grammar.literal("}")]
        var afterNone: [[Grammar.Symbol]] = [Grammar.literal("}")]
        for (name, schema) in properties.reversed() {
            let member = Grammar.literal(JSONValue.string(name).serialized() + ":") + [space, try value(schema)]
            let rest = try grammar.add(afterSome)
            let restNone = try grammar.add(afterNone)
            let withComma = Grammar.literal(",") + [space] + member + [rest]
            let isRequired = required.contains(name)
            afterSome = isRequired ? [withComma] : [withComma, [rest]]
            afterNone = isRequired ? [member + [rest]] : [member + [rest], [restNone]]
        }
        return try grammar.add([Grammar.literal("{") + [try grammar.add(afterNone)]])
    }

    /// An object with any names.
    private mutating func map(_ value: Grammar.Symbol) throws(ConstraintError) -> Grammar.Symbol {
        let space = try space()
        let member = [try string(1, 64)] + Grammar.literal(":") + [space, value]
        let rest = try grammar.repeated(Grammar.literal(",") + [space] + member, 0, 15)
        return try grammar.add([Grammar.literal("{}"), Grammar.literal("{") + member + rest + Grammar.literal("}")])
    }

    /// Any JSON value, nested so deep at most.
    private mutating func free(_ levels: Int) throws(ConstraintError) -> Grammar.Symbol {
        try once("free \(levels)") { (me) throws(ConstraintError) in
            var alternatives: [[Grammar.Symbol]] = [
                [try me.string(0, Self.longestString)], [try me.number()],
                [try me.literals([.null, .bool(true), .bool(false)])],
            ]
            if levels > 0 {
                let inner = try me.free(levels - 1)
                alternatives.append([try me.map(inner)])
                alternatives.append([try me.array(inner, 0, Self.mostItems)])
            }
            return try me.grammar.add(alternatives)
        }
    }
}
