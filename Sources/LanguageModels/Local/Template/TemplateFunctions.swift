// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import OrderedCollections
import Text

/// The functions, filters and methods that chat templates use.
enum TemplateFunctions {
    static func function(
        _ name: String, _ list: [JSONValue], _ named: [String: JSONValue]
    ) throws(ChatTemplateError) -> JSONValue? {
        switch name {
        case "raise_exception": throw .failed(list.first.map(TemplateRenderer.text) ?? "no reason given")
        case "namespace", "dict":
            return .object(
                JSONObject(uniqueKeysWithValues: named.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }))
        case "range":
            let numbers = list.compactMap(\.int)
            let (from, to, step) =
                numbers.count == 1
                ? (0, numbers[0], 1)
                : (numbers.first ?? 0, numbers.dropFirst().first ?? 0, numbers.dropFirst(2).first ?? 1)
            guard step != 0, abs(to.subtractingReportingOverflow(from).partialValue / step) <= 100_000 else {
                throw .failed("range(\(from), \(to), \(step))")
            }
            return .array(stride(from: from, to: to, by: step).map { .integer($0) })
        case "strftime_now":
            let formatter = DateFormatter()
            formatter.locale = Locale(identifier: "en_US_POSIX")
            formatter.dateFormat = dateFormat(list.first?.string ?? "%d %b %Y")
            return .string(formatter.string(from: Date()))
        default: throw .failed("the function \"\(name)\" is not supported")
        }
    }

    /// The letters of C's `strftime` as Foundation writes them.
    private static func dateFormat(_ pattern: String) -> String {
        let letters: [Character: String] = [
            "d": "dd", "b": "MMM", "B": "MMMM", "m": "MM", "Y": "yyyy", "y": "yy", "H": "HH", "M": "mm", "S": "ss",
            "A": "EEEE", "a": "EEE", "j": "DDD", "%": "%",
        ]
        var format = ""
        var isLetter = false
        for character in pattern {
            if isLetter {
                format += letters[character] ?? ""
                isLetter = false
            } else if character == "%" {
                isLetter = true
            } else {
                format += character.isLetter ? "'\(character)'" : character == "'" ? "''" : String(character)
            }
        }
        return format
    }

    /// Whether a text holds another, byte for byte: letters and their accents are not taken together.
    static func contains(_ text: String, _ part: String) -> Bool {
        part.isEmpty || text.utf8.count >= part.utf8.count && text.range(of: part, options: .literal) != nil
    }

    static func filter(
        _ name: String, _ value: JSONValue?, _ list: [JSONValue], _ named: [String: JSONValue]
    ) throws(ChatTemplateError) -> JSONValue? {
        switch name {
        case "default", "d":
            let coversFalse = (list.dropFirst().first ?? named["boolean"])?.bool == true
            let unset = value == nil || (coversFalse && !TemplateRenderer.isTrue(value))
            return unset ? list.first ?? named["default_value"] ?? .string("") : value
        case "tojson":
            guard let value else { return .string("null") }
            let indent = (named["indent"] ?? list.first)?.int
            var text = spaced(value)
            if let indent, indent >= 0 { text = indented(value, by: min(indent, 64), depth: 0) }
            return .string(named["ensure_ascii"]?.bool == true ? escaped(text) : text)
        case "length", "count":
            if let text = value?.string { return .integer(text.unicodeScalars.count) }
            return .integer(value?.array?.count ?? value?.object?.count ?? 0)
        case "string": return .string(value.map(TemplateRenderer.text) ?? "")
        case "int": return .integer(value?.int ?? value?.string.flatMap { Int($0) } ?? 0)
        case "float": return .number(value?.double ?? 0)
        case "list":
            if let text = value?.string { return .array(text.map { .string(String($0)) }) }
            return .array(value?.array ?? [])
        case "min", "max":
            let numbers = (value?.array ?? []).filter { $0.double != nil }
            let ordered = numbers.sorted { ($0.double ?? 0) < ($1.double ?? 0) }
            return name == "min" ? ordered.first : ordered.last
        case "first": return value?.array?.first
        case "last": return value?.array?.last
        case "join":
            let parts = (value?.array ?? []).map(TemplateRenderer.text)
            return .string(parts.joined(separator: (list.first ?? named["d"])?.string ?? ""))
        case "items": return items(value)
        case "dictsort":
            let members: JSONObject = value?.object ?? [:]
            return .array(members.sorted { $0.key < $1.key }.map { .array([.string($0.key), $0.value]) })
        case "reverse": return .array((value?.array ?? []).reversed())
        case "safe": return value
        case "e", "escape":
            var text = value.map(TemplateRenderer.text) ?? ""
            for (mark, entity) in [("&", "amp"), ("<", "lt"), (">", "gt"), ("'", "#39"), ("\"", "#34")] {
                text = text.replacingOccurrences(of: mark, with: "&\(entity);")
            }
            return .string(text)
        case "selectattr", "rejectattr":
            guard let key = list.first?.string else { throw .failed("\(name) lacks an attribute") }
            let wanted: JSONValue? = list.count > 2 ? list[2] : nil
            return .array(
                (value?.array ?? []).filter { entry in
                    let holds = wanted.map { entry[key] == $0 } ?? TemplateRenderer.isTrue(entry[key])
                    return holds == (name == "selectattr")
                })
        case "map":
            guard let key = named["attribute"]?.string else { throw .failed("map without an attribute") }
            return .array((value?.array ?? []).map { $0[key] ?? .null })
        case "trim", "upper", "lower", "capitalize", "title", "replace":
            return try method(name == "trim" ? "strip" : name, of: value ?? .string(""), list)
        default: throw .failed("the filter \"\(name)\" is not supported")
        }
    }

    private static func items(_ value: JSONValue?) -> JSONValue {
        let members: JSONObject = value?.object ?? [:]
        return .array(members.map { .array([.string($0.key), $0.value]) })
    }

    static func method(
        _ name: String, of value: JSONValue?, _ list: [JSONValue]
    ) throws(ChatTemplateError) -> JSONValue? {
        if let object = value?.object {
            switch name {
            case "items": return items(value)
            case "keys": return .array(object.keys.map { .string($0) })
            case "values": return .array(Array(object.values))
            case "get": return object[list.first?.string ?? ""] ?? list.dropFirst().first ?? .null
            default: break
            }
        }
        if name == "append", value?.array != nil { throw .failed("a list that is changed in place is not supported") }
        guard let text = value?.string else { throw .failed("the method \"\(name)\" of what is no text") }
        let argument = list.first?.string
        switch name {
        case "strip": return .string(strip(text, argument, front: true, back: true))
        case "lstrip": return .string(strip(text, argument, front: true, back: false))
        case "rstrip": return .string(strip(text, argument, front: false, back: true))
        case "upper": return .string(text.uppercased())
        case "lower": return .string(text.lowercased())
        case "capitalize": return .string(text.prefix(1).uppercased() + text.dropFirst().lowercased())
        case "title": return .string(text.capitalized)
        case "startswith": return .bool(argument.map { text.utf8.starts(with: $0.utf8) } ?? false)
        case "endswith": return .bool(argument.map { text.utf8.reversed().starts(with: $0.utf8.reversed()) } ?? false)
        case "replace":
            guard let argument, !argument.isEmpty, let other = list.dropFirst().first?.string else {
                throw .failed("replace needs two texts")
            }
            return .string(text.replacingOccurrences(of: argument, with: other))
        case "split":
            guard let argument, !argument.isEmpty else {
                return .array(text.split(whereSeparator: \.isWhitespace).map { .string(String($0)) })
            }
            return .array(text.components(separatedBy: argument).map { .string($0) })
        case "find":
            guard let argument, let range = text.range(of: argument) else { return .integer(-1) }
            return .integer(text.unicodeScalars.distance(from: text.startIndex, to: range.lowerBound))
        default: throw .failed("the method \"\(name)\" is not supported")
        }
    }

    private static func strip(_ text: String, _ set: String?, front: Bool, back: Bool) -> String {
        func goes(_ scalar: Unicode.Scalar) -> Bool {
            set.map { $0.unicodeScalars.contains(scalar) } ?? scalar.properties.isWhitespace
        }
        var view = text.unicodeScalars[...]
        if front { view = view.drop(while: goes) }
        if back { while let last = view.last, goes(last) { view.removeLast() } }
        return String(view)
    }

    /// JSON in which what is not ASCII is written as UTF-16 escapes.
    private static func escaped(_ text: String) -> String {
        var out = ""
        for unit in text.utf16 {
            if unit < 0x80 {
                out.unicodeScalars.append(Unicode.Scalar(UInt8(unit)))
            } else {
                let digits = String(unit, radix: 16)
                out += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            }
        }
        return out
    }

    /// JSON over several lines as Python indents it.
    private static func indented(_ value: JSONValue, by indent: Int, depth: Int) -> String {
        let margin = "\n" + String(repeating: " ", count: indent * (depth + 1))
        let end = "\n" + String(repeating: " ", count: indent * depth)
        switch value {
        case .array(let list) where !list.isEmpty:
            let parts = list.map { margin + indented($0, by: indent, depth: depth + 1) }
            return "[" + parts.joined(separator: ",") + end + "]"
        case .object(let members) where !members.isEmpty:
            let parts = members.map {
                margin + JSONValue.string($0.key).serialized() + ": " + indented($0.value, by: indent, depth: depth + 1)
            }
            return "{" + parts.joined(separator: ",") + end + "}"
        default: return spaced(value)
        }
    }

    /// JSON with Python's spaces after colons and commas, which the models were trained on.
    private static func spaced(_ value: JSONValue) -> String {
        switch value {
        case .array(let list): return "[" + list.map(spaced).joined(separator: ", ") + "]"
        case .object(let members):
            return "{"
                + members.map { JSONValue.string($0.key).serialized() + ": " + spaced($0.value) }
                .joined(separator: ", ") + "}"
        default: return value.serialized()
        }
    }
}
