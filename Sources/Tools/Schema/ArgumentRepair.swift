// SPDX-License-Identifier: Apache-2.0

package import Base
import OrderedCollections
import Text

/// Reads a tool's arguments as they were meant, by the tool's schema: numbers written as text, a text where a list of texts
/// is wanted, an object as a string, null for what may be left out, another spelling of a name.
///
/// A value that the schema accepts is never touched. What is changed is said in `repairs`; what cannot be made to fit stays
/// as it is, for the validator to say what was expected.
package struct ArgumentRepair {
    private let root: JSONValue
    /// What was changed, in the order of the arguments.
    private(set) var repairs: [String] = []
    private var steps = 0

    private init(schema: JSONValue) { root = schema }

    /// The arguments of a call as text, read and fitted to the schema.
    /// - Returns: nil when the text holds no JSON that could be arguments.
    package static func read(_ text: String, schema: JSONValue) -> LenientJSON? {
        if text.allSatisfy(\.isWhitespace) { return LenientJSON(value: .object([:])) }
        if let read = LenientJSON.read(text) {
            let fitted = fit(read.value, schema: schema)
            // A list or a number that is no object is for the validator to refuse; a text may be the one that is wanted.
            if fitted.value.string == nil {
                return LenientJSON(value: fitted.value, repairs: read.repairs + fitted.repairs)
            }
        }
        // A bare text, for a tool that takes one text.
        guard text.utf8.count <= 4096, !text.contains("{"), let name = onlyText(of: schema) else { return nil }
        let plain = text.trimming { $0.isWhitespace || $0 == "\"" || $0 == "'" || $0 == "`" }
        guard !plain.isEmpty else { return nil }
        return LenientJSON(value: .object([name: .string(plain)]), repairs: ["a text as \"\(name)\""])
    }

    /// Fits arguments that are JSON already.
    package static func fit(_ value: JSONValue, schema: JSONValue) -> LenientJSON {
        var repair = ArgumentRepair(schema: schema)
        let given = repair.withoutNothing(value, schema)
        if repair.accepts(schema, given) { return LenientJSON(value: given, repairs: repair.repairs) }
        let fitted = repair.fitted(repair.unwrapped(given, schema), schema, at: "", depth: 0)
        return LenientJSON(value: fitted, repairs: repair.repairs)
    }

    /// The one text that a schema wants: the name of its only required member when that is a text.
    private static func onlyText(of schema: JSONValue) -> String? {
        let required = schema["required"]?.array?.compactMap(\.string) ?? []
        guard required.count == 1, let name = required.first,
            types(of: schema["properties"]?[name] ?? .null).contains("string")
        else { return nil }
        return name
    }

    private static func types(of schema: JSONValue) -> [String] {
        schema["type"]?.string.map { [$0] } ?? schema["type"]?.array?.compactMap(\.string) ?? []
    }

    private mutating func note(_ path: String, _ what: String) {
        if repairs.count < 16 { repairs.append(path.isEmpty ? what : "\(path): \(what)") }
    }

    private func accepts(_ schema: JSONValue, _ value: JSONValue) -> Bool {
        // References are resolved against the whole schema.
        var members = schema.object ?? [:]
        if let definitions = root["$defs"], members["$defs"] == nil { members["$defs"] = definitions }
        guard let violations = try? JSONSchemaValidator(schema: .object(members)).validate(value) else { return false }
        return violations.isEmpty
    }

    // MARK: The whole

    /// The arguments without optional ones that say "nothing": the schema may take an empty text, the tool means none by it.
    private mutating func withoutNothing(_ value: JSONValue, _ schema: JSONValue) -> JSONValue {
        guard case .object(var members) = value, let properties = schema["properties"]?.object else { return value }
        let required = schema["required"]?.array?.compactMap(\.string) ?? []
        for (name, member) in members where !required.contains(name) && Self.isNothing(member) {
            guard let property = properties[name], property["enum"] == nil || member.isNull else { continue }
            note(name, "\(member.isNull ? "null" : "an empty text") for what may be left out")
            members[name] = nil
        }
        return .object(members)
    }

    /// Arguments within `{"arguments": …}`, `{"parameters": …}`, the tool's own name, or a list of one.
    private mutating func unwrapped(_ value: JSONValue, _ schema: JSONValue) -> JSONValue {
        let properties = schema["properties"]?.object ?? [:]
        if let elements = value.array, elements.count == 1, elements[0].object != nil {
            note("", "a list of one object")
            return unwrapped(elements[0], schema)
        }
        guard let object = value.object else {
            guard let name = Self.onlyText(of: schema) else { return value }
            let text = value.string ?? value.array?.first?.string
            guard let text, value.array?.count ?? 1 == 1 else { return value }
            note("", "a text as \"\(name)\"")
            return .object([name: .string(text)])
        }
        guard !object.keys.contains(where: { properties[$0] != nil }) else { return value }
        let wrappers = [
            "arguments", "parameters", "args", "params", "input", "kwargs", "tool_input", "action_input", "properties",
        ]
        let inner =
            object.first { key, _ in wrappers.contains(key) } ?? (object.count == 1 ? object.elements.first : nil)
        guard let inner else { return value }
        let content = inner.value.string.flatMap { LenientJSON.read($0)?.value } ?? inner.value
        if let text = content.string, wrappers.contains(inner.key), let name = Self.onlyText(of: schema) {
            note("", "a text in \"\(inner.key)\" as \"\(name)\"")
            return .object([name: .string(text)])
        }
        guard let members = content.object,
            members.isEmpty || members.keys.contains(where: { match($0, properties) != nil })
        else { return value }
        note("", "taken out of \"\(inner.key.prefix(40))\"")
        return content
    }

    private mutating func fitted(_ value: JSONValue, _ schema: JSONValue, at path: String, depth: Int) -> JSONValue {
        steps += 1
        guard steps < 20_000, depth < 32, schema.object != nil, !accepts(schema, value) else { return value }
        if let reference = schema["$ref"]?.string, let target = resolve(reference) {
            return fitted(value, target, at: path, depth: depth + 1)
        }
        for key in ["anyOf", "oneOf"] {
            guard let choices = schema[key]?.array else { continue }
            for choice in choices {
                var trial = self
                let candidate = trial.fitted(value, choice, at: path, depth: depth + 1)
                if accepts(choice, candidate), accepts(schema, candidate) {
                    self = trial
                    return candidate
                }
            }
            return value
        }
        let coerced = coerced(value, schema, at: path)
        switch coerced {
        case .object(let members): return .object(fitted(members, schema, at: path, depth: depth))
        case .array(let elements):
            guard let items = schema["items"] else { return coerced }
            return .array(
                elements.enumerated().map { index, element in
                    fitted(element, items, at: "\(path)[\(index)]", depth: depth + 1)
                })
        default: return bounded(coerced, schema, at: path)
        }
    }

    private func resolve(_ reference: String) -> JSONValue? {
        guard reference.hasPrefix("#/") else { return reference == "#" ? root : nil }
        var place: JSONValue? = root
        for part in reference.dropFirst(2).split(separator: "/") { place = place?[String(part)] }
        return place
    }

    // MARK: Types

    /// The value as a type that the schema takes; the value itself where there is no plain way to read it so.
    private mutating func coerced(_ value: JSONValue, _ schema: JSONValue, at path: String) -> JSONValue {
        let types = Self.types(of: schema)
        guard !types.isEmpty else { return choice(value, schema, at: path) }
        func isType(_ value: JSONValue) -> Bool {
            types.contains { $0 == value.typeName || $0 == "number" && value.typeName == "integer" }
        }
        if isType(value) { return choice(value, schema, at: path) }
        for type in types {
            guard let read = read(value, as: type, schema) else { continue }
            note(path, "\(value.typeName) read as \(type)")
            return choice(read, schema, at: path)
        }
        return value
    }

    private func read(_ value: JSONValue, as type: String, _ schema: JSONValue) -> JSONValue? {
        switch (type, value) {
        case ("integer", .number(let number)):
            return Int(exactly: number.rounded()).map { JSONValue.integer($0) }
        case ("integer", .string(let text)):
            guard let number = Self.number(text) else { return nil }
            return Int(exactly: number.rounded()).map { JSONValue.integer($0) }
        case ("number", .string(let text)):
            return Self.number(text).map { Int(exactly: $0).map { .integer($0) } ?? .number($0) }
        case ("boolean", .string(let text)):
            switch text.lowercased().trimming(while: \.isWhitespace) {
            case "true", "yes", "1", "on": return true
            case "false", "no", "0", "off": return false
            default: return nil
            }
        case ("boolean", .integer(let number)): return number == 0 ? false : number == 1 ? true : nil
        case ("string", .integer), ("string", .number), ("string", .bool): return .string(value.serialized())
        case ("string", .array(let elements)):
            let texts = elements.compactMap(\.string)
            guard texts.count == elements.count, !texts.isEmpty else { return nil }
            return .string(texts.joined(separator: " "))
        case ("string", .object(let members)):
            // The schema echoed with the value in it.
            return ["value", "query", "text", "description"].lazy.compactMap { members[$0]?.string }.first
                .map { .string($0) }
        case ("array", .string(let text)):
            if let list = LenientJSON.read(text)?.value.array { return .array(list) }
            guard let items = schema["items"] else { return nil }
            if Self.types(of: items).contains("string") {
                // "a, b" is one text unless the schema's own choices say otherwise.
                let parts = text.split(separator: ",").map { $0.trimming(while: \.isWhitespace) }
                let choices = items["enum"]?.array?.compactMap(\.string) ?? []
                if parts.count > 1, parts.allSatisfy({ choices.contains($0) }) {
                    return .array(parts.map { .string($0) })
                }
                return .array([.string(text)])
            }
            if let object = LenientJSON.read(text)?.value, object.object != nil { return .array([object]) }
            return .array([.string(text)])
        case ("array", .object), ("array", .integer), ("array", .number), ("array", .bool): return .array([value])
        case ("object", .string(let text)):
            guard let read = LenientJSON.read(text)?.value, read.object != nil else { return nil }
            return read
        case ("object", .array(let elements)):
            return elements.count == 1 && elements[0].object != nil ? elements[0] : nil
        default: return nil
        }
    }

    /// A number as people write it in a text: with blanks, a thousands' comma, a trailing unit of nothing.
    private static func number(_ text: String) -> Double? {
        let plain = text.trimming { $0.isWhitespace || $0 == "\"" || $0 == "'" }.replacing(",", with: "")
        let words = [
            "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
            "thirteen",
            "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty",
        ]
        if let place = words.firstIndex(of: plain.lowercased()) { return Double(place + 1) }
        guard !plain.isEmpty, plain.count <= 40, let value = Double(plain), value.isFinite,
            !plain.lowercased().contains("x"), plain.first?.isLetter != true
        else { return nil }
        return value
    }

    /// A word of an enumeration in another case or with blanks; a text outside it that names one of them.
    private mutating func choice(_ value: JSONValue, _ schema: JSONValue, at path: String) -> JSONValue {
        guard let choices = schema["enum"]?.array, let text = value.string else { return value }
        let folded = Self.folded(text)
        for candidate in choices {
            if let name = candidate.string, name != text, Self.folded(name) == folded {
                note(path, "\"\(text.prefix(40))\" read as \"\(name)\"")
                return candidate
            }
        }
        let synonyms = [
            "=": "==", "eq": "==", "equals": "==", "is": "==", "ne": "!=", "<>": "!=", "gt": ">", "gte": ">=",
            "ge": ">=",
            "lt": "<", "lte": "<=", "le": "<=", "asc": "ascending", "desc": "descending", "avg": "mean",
            "average": "mean", "maximum": "max", "minimum": "min", "total": "sum",
        ]
        if let meant = synonyms[text.lowercased()], choices.contains(.string(meant)) {
            note(path, "\"\(text)\" read as \"\(meant)\"")
            return .string(meant)
        }
        return value
    }

    /// A limit outside its bounds becomes the nearest that is allowed; a text that is too long is cut.
    private mutating func bounded(_ value: JSONValue, _ schema: JSONValue, at path: String) -> JSONValue {
        if let number = value.int {
            if let least = schema["minimum"]?.int, number < least {
                note(path, "\(number) raised to \(least)")
                return .integer(least)
            }
            if let most = schema["maximum"]?.int, number > most {
                note(path, "\(number) lowered to \(most)")
                return .integer(most)
            }
        }
        if let text = value.string, let most = schema["maxLength"]?.int, text.unicodeScalars.count > most {
            note(path, "cut to \(most) characters")
            return .string(String(String.UnicodeScalarView(text.unicodeScalars.prefix(most))))
        }
        return value
    }

    // MARK: Objects

    private mutating func fitted(_ members: JSONObject, _ schema: JSONValue, at path: String, depth: Int) -> JSONObject
    {
        guard let properties = schema["properties"]?.object else { return members }
        let required = Set(schema["required"]?.array?.compactMap(\.string) ?? [])
        let isClosed = schema["additionalProperties"] == .bool(false)
        var result = JSONObject()
        var unknown: [String] = []
        for (given, value) in members {
            let place = path.isEmpty ? given : path + "." + given
            var name = given
            if properties[given] == nil {
                if let meant = match(given, properties), members[meant] == nil, result[meant] == nil {
                    note(path, "\"\(given.prefix(40))\" read as \"\(meant)\"")
                    name = meant
                } else if members.count == 1, properties.count == 1, let only = properties.keys.first,
                    value.string != nil, accepts(properties[only] ?? .null, value)
                {
                    note(path, "\"\(given.prefix(40))\" read as \"\(only)\"")
                    name = only
                } else if isClosed, value.isNull || value == .string("") {
                    note(place, "nothing given")
                    continue
                }
            }
            guard let property = properties[name] else {
                result[name] = value
                unknown.append(name)
                continue
            }
            if !required.contains(name), Self.isNothing(value), !accepts(property, value) {
                note(place, "\(value.isNull ? "null" : "an empty text") for what may be left out")
                continue
            }
            let member = fitted(value, property, at: place, depth: depth + 1)
            // How many are wanted is no part of what is sought.
            if !required.contains(name), Self.types(of: property) == ["integer"], value.string != nil,
                !accepts(property, member)
            {
                note(place, "\"\(value.string?.prefix(40) ?? "")\" is no number")
                continue
            }
            result[name] = member
        }
        // What is not known is left out where all that must be there is; what narrows a whole set down is not.
        if isClosed, !required.isEmpty, required.allSatisfy({ result[$0] != nil && !unknown.contains($0) }) {
            for name in unknown where result[name]?.object == nil && result[name]?.array == nil {
                note(path.isEmpty ? name : path + "." + name, "not known, left out")
                result[name] = nil
            }
        }
        return result
    }

    /// What models write for "nothing here".
    private static func isNothing(_ value: JSONValue) -> Bool {
        if value.isNull { return true }
        guard let text = value.string else { return false }
        return ["", "null", "none", "undefined", "n/a"].contains(text.lowercased().trimming(while: \.isWhitespace))
    }

    /// The property that a name in another spelling means: other case, dashes or camel case; else the nearest one that is
    /// required and was not given.
    private func match(_ name: String, _ properties: JSONObject) -> String? {
        if properties[name] != nil { return name }
        let folded = Self.folded(name)
        let same = properties.keys.filter { Self.folded($0) == folded }
        if same.count == 1 { return same[0] }
        let synonyms = [
            "q": "query", "text": "query", "question": "query", "searchquery": "query", "querystring": "query",
            "keywords": "query", "search": "query", "topk": "limit", "k": "limit", "n": "limit", "count": "limit",
            "maxresults": "limit", "numresults": "limit", "size": "limit", "id": "ids", "filter": "where",
            "input": "query", "term": "query", "terms": "query", "phrase": "query", "keyword": "query",
            "prompt": "query", "topic": "query", "condition": "where", "groupby": "group_by", "orderby": "sort",
            "sortby": "sort",
        ]
        if let meant = synonyms[folded], properties[meant] != nil { return meant }
        return name.count > 3 ? nearest(to: name, among: Array(properties.keys)) : nil
    }

    private static func folded(_ text: String) -> String {
        String(
            String.UnicodeScalarView(
                text.lowercased().unicodeScalars.filter {
                    $0.properties.isAlphabetic || $0.properties.numericType != nil
                }))
    }
}

extension StringProtocol {
    /// The text without the characters at both ends that a condition holds for.
    func trimming(while condition: (Character) -> Bool) -> String {
        var text = self[...]
        while let first = text.first, condition(first) { text = text.dropFirst() }
        while let last = text.last, condition(last) { text = text.dropLast() }
        return String(text)
    }
}
