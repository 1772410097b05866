// SPDX-License-Identifier: Apache-2.0

import Base
import OrderedCollections
import Text

/// Runs a parsed template. An undefined name is `nil`; it prints as nothing and is false, as in Jinja.
struct TemplateRenderer {
    /// Namespaces are values with identity: `set ns.x` inside a loop is seen outside of it.
    private var scopes: [[String: JSONValue]]
    private var out = ""
    private var steps = 0
    private var macros: [String: Macro] = [:]
    private var callDepth = 0

    private struct Macro {
        var parameters: [(name: String, standard: TemplateExpression?)]
        var body: [TemplateNode]
    }

    /// How a body ended.
    private enum Ending { case whole, leftLoop, endedTurn }
    /// Statements and loop turns, and bytes of output, after which a template is given up.
    private static let mostSteps = 1_000_000
    private static let mostOutput = 16 << 20

    /// - Throws: `ChatTemplateError`.
    static func render(_ nodes: [TemplateNode], _ variables: [String: JSONValue]) throws(ChatTemplateError) -> String {
        var renderer = TemplateRenderer(scopes: [variables])
        _ = try renderer.run(nodes)
        return renderer.out
    }

    private init(scopes: [[String: JSONValue]]) { self.scopes = scopes }

    private func lookup(_ name: String) -> JSONValue? {
        for scope in scopes.reversed() { if let value = scope[name] { return value } }
        return nil
    }

    private mutating func run(_ nodes: [TemplateNode]) throws(ChatTemplateError) -> Ending {
        for node in nodes {
            steps += 1
            guard steps < Self.mostSteps, out.utf8.count < Self.mostOutput else {
                throw .failed("the template does not come to an end")
            }
            switch node {
            case .text(let text): out += text
            case .output(let expression):
                if let value = try evaluate(expression) { out += Self.text(value) }
            case .set(let name, let member, let expression):
                let value = try evaluate(expression) ?? .null
                try assign(name, member, value)
            case .branches(let branches):
                for branch in branches {
                    var holds = true
                    if let condition = branch.condition { holds = Self.isTrue(try evaluate(condition)) }
                    if holds {
                        let ending = try run(branch.body)
                        if ending != .whole { return ending }
                        break
                    }
                }
            case .loop(let names, let source, let condition, let body, let otherwise):
                let ending = try loop(names, source, condition, body, otherwise)
                if ending != .whole { return ending }
            case .capture(let name, let filters, let body):
                let printed = try captured(body)
                scopes.append([TemplateParser.captured: .string(printed)])
                let value = try evaluate(filters) ?? .null
                scopes.removeLast()
                try assign(name, nil, value)
            case .macro(let name, let parameters, let body): macros[name] = Macro(parameters: parameters, body: body)
            case .leaveLoop: return .leftLoop
            case .nextTurn: return .endedTurn
            }
        }
        return .whole
    }

    /// What a body prints.
    private mutating func captured(_ body: [TemplateNode]) throws(ChatTemplateError) -> String {
        let before = out
        out = ""
        _ = try run(body)
        let printed = out
        out = before
        return printed
    }

    /// A macro sees its parameters and the outermost names.
    private mutating func call(
        _ macro: Macro, _ list: [JSONValue], _ named: [String: JSONValue]
    ) throws(ChatTemplateError) -> JSONValue {
        callDepth += 1
        guard callDepth <= 32 else { throw .failed("macros call each other too deeply") }
        let caller = scopes
        scopes = [caller[0], [:]]
        for (place, parameter) in macro.parameters.enumerated() {
            var value = place < list.count ? list[place] : named[parameter.name]
            if value == nil { value = try optional(parameter.standard) }
            scopes[1][parameter.name] = value
        }
        let printed = try captured(macro.body)
        scopes = caller
        callDepth -= 1
        return .string(printed)
    }

    private mutating func assign(_ name: String, _ member: String?, _ value: JSONValue) throws(ChatTemplateError) {
        guard let member else {
            scopes[scopes.count - 1][name] = value
            return
        }
        for index in scopes.indices.reversed() {
            guard case .object(var members)? = scopes[index][name] else { continue }
            members[member] = value
            scopes[index][name] = .object(members)
            return
        }
        throw .failed("\(name) is no namespace")
    }

    private mutating func loop(
        _ names: [String], _ source: TemplateExpression, _ condition: TemplateExpression?, _ body: [TemplateNode],
        _ otherwise: [TemplateNode]
    ) throws(ChatTemplateError) -> Ending {
        var items: [JSONValue]
        switch try evaluate(source) {
        case .array(let list)?: items = list
        case .object(let members)?: items = members.keys.map { .string($0) }
        case .string(let text)?: items = text.map { .string(String($0)) }
        default: items = []
        }
        func bind(_ item: JSONValue) throws(ChatTemplateError) -> [String: JSONValue] {
            if names.count == 1 { return [names[0]: item] }
            guard let parts = item.array, parts.count == names.count else {
                throw .failed("a loop over \(names.joined(separator: ", ")) meets another number of values")
            }
            return Dictionary(zip(names, parts), uniquingKeysWith: { _, last in last })
        }
        if let condition {
            var kept: [JSONValue] = []
            for item in items {
                scopes.append(try bind(item))
                if Self.isTrue(try evaluate(condition)) { kept.append(item) }
                scopes.removeLast()
            }
            items = kept
        }
        if items.isEmpty { return try run(otherwise) }
        for (index, item) in items.enumerated() {
            var scope = try bind(item)
            var state: JSONObject = [
                "index": .integer(index + 1), "index0": .integer(index), "first": .bool(index == 0),
                "last": .bool(index == items.count - 1), "length": .integer(items.count),
                "revindex": .integer(items.count - index), "revindex0": .integer(items.count - index - 1),
            ]
            if index > 0 { state["previtem"] = items[index - 1] }
            if index + 1 < items.count { state["nextitem"] = items[index + 1] }
            scope["loop"] = .object(state)
            scopes.append(scope)
            let ending = try run(body)
            scopes.removeLast()
            if ending == .leftLoop { break }
        }
        return .whole
    }

    private mutating func evaluate(_ expression: TemplateExpression) throws(ChatTemplateError) -> JSONValue? {
        switch expression {
        case .literal(let value): return value
        case .variable(let name): return lookup(name)
        case .list(let list):
            var values: [JSONValue] = []
            for entry in list { values.append(try evaluate(entry) ?? .null) }
            return .array(values)
        case .dictionary(let pairs):
            var members = JSONObject()
            for (key, value) in pairs {
                guard let key = try evaluate(key) else { throw .failed("a dictionary's key is undefined") }
                members[Self.text(key)] = try evaluate(value) ?? .null
            }
            return .object(members)
        case .member(let value, let name): return try evaluate(value)?[name]
        case .index(let value, let index):
            let value = try evaluate(value)
            guard let index = try evaluate(index) else { return nil }
            if let key = index.string { return value?[key] }
            guard let at = index.int else { return nil }
            if let list = value?.array {
                return list.indices.contains(at < 0 ? at + list.count : at) ? list[at < 0 ? at + list.count : at] : nil
            }
            if let text = value?.string.map(Array.init) {
                let place = at < 0 ? at + text.count : at
                return text.indices.contains(place) ? .string(String(text[place])) : nil
            }
            return nil
        case .slice(let value, let from, let to, let step):
            let bounds = (try optional(from)?.int, try optional(to)?.int, try optional(step)?.int ?? 1)
            guard bounds.2 == 1 || bounds.2 == -1 else { throw .failed("a slice's step is neither 1 nor -1") }
            switch try evaluate(value) {
            case .array(let list)?: return .array(Self.slice(list, bounds))
            case .string(let text)?: return .string(String(Self.slice(Array(text), bounds)))
            default: return nil
            }
        case .choice(let value, let condition, let otherwise):
            if Self.isTrue(try evaluate(condition)) { return try evaluate(value) }
            return try optional(otherwise)
        case .unary("not", let value): return .bool(!Self.isTrue(try evaluate(value)))
        case .unary(_, let value):
            switch try evaluate(value) {
            case .integer(let number)?: return .integer(0 &- number)
            case .number(let number)?: return .number(-number)
            default: throw .failed("a minus before what is no number")
            }
        case .binary(let operation, let left, let right): return try binary(operation, left, right)
        case .test(let value, let test, let arguments, let negated):
            let holds = try self.test(try evaluate(value), test, arguments)
            return .bool(holds != negated)
        case .filter(let value, let name, let list, let named):
            return try TemplateFunctions.filter(name, try evaluate(value), try values(list), try values(named))
        case .call(let callee, let list, let named):
            if case .variable(let name) = callee {
                if let macro = macros[name] { return try call(macro, try values(list), try values(named)) }
                return try TemplateFunctions.function(name, try values(list), try values(named))
            }
            guard case .member(let value, let method) = callee else { throw .failed("a call of what is no function") }
            return try TemplateFunctions.method(method, of: try evaluate(value), try values(list))
        }
    }

    private mutating func optional(_ expression: TemplateExpression?) throws(ChatTemplateError) -> JSONValue? {
        guard let expression else { return nil }
        return try evaluate(expression)
    }

    private mutating func values(_ list: [TemplateExpression]) throws(ChatTemplateError) -> [JSONValue] {
        var values: [JSONValue] = []
        for entry in list { values.append(try evaluate(entry) ?? .null) }
        return values
    }

    private mutating func values(
        _ named: [String: TemplateExpression]
    ) throws(ChatTemplateError) -> [String: JSONValue] {
        var values: [String: JSONValue] = [:]
        for (name, entry) in named { values[name] = try evaluate(entry) ?? .null }
        return values
    }

    private static func slice<Element>(_ list: [Element], _ bounds: (Int?, Int?, Int)) -> [Element] {
        func place(_ value: Int) -> Int { max(0, min(list.count, value < 0 ? value + list.count : value)) }
        if bounds.2 == -1 {
            guard bounds.0 == nil, bounds.1 == nil else { return [] }
            return list.reversed()
        }
        let from = place(bounds.0 ?? 0)
        return Array(list[from..<max(from, place(bounds.1 ?? list.count))])
    }

    private mutating func binary(
        _ operation: String, _ left: TemplateExpression, _ right: TemplateExpression
    ) throws(ChatTemplateError) -> JSONValue? {
        let a = try evaluate(left)
        if operation == "and" { return Self.isTrue(a) ? try evaluate(right) : a }
        if operation == "or" { return Self.isTrue(a) ? a : try evaluate(right) }
        let b = try evaluate(right)
        switch operation {
        case "==": return .bool(Self.equal(a, b))
        case "!=": return .bool(!Self.equal(a, b))
        case "~": return .string((a.map(Self.text) ?? "") + (b.map(Self.text) ?? ""))
        case "in", "not in":
            let found: Bool
            switch b {
            case .string(let text)?: found = a?.string.map { TemplateFunctions.contains(text, $0) } ?? false
            case .array(let list)?: found = list.contains { Self.equal(a, $0) }
            case .object(let members)?: found = a?.string.map { members[$0] != nil } ?? false
            default: found = false
            }
            return .bool(found == (operation == "in"))
        case "+":
            if let x = a?.string, let y = b?.string { return .string(x + y) }
            if let x = a?.array, let y = b?.array { return .array(x + y) }
        case "*":
            if let text = a?.string ?? b?.string, let count = b?.int ?? a?.int {
                guard text.utf8.count * min(max(count, 0), 1 << 20) <= 1 << 20 else {
                    throw .failed("a text of more than a megabyte")
                }
                return .string(String(repeating: text, count: max(0, count)))
            }
        default: break
        }
        if let x = a?.string, let y = b?.string, ["<", ">", "<=", ">="].contains(operation) {
            return .bool(operation == "<" ? x < y : operation == ">" ? x > y : operation == "<=" ? x <= y : x >= y)
        }
        return try Self.arithmetic(operation, a, b)
    }

    private static func arithmetic(
        _ operation: String, _ a: JSONValue?, _ b: JSONValue?
    ) throws(ChatTemplateError) -> JSONValue {
        guard let x = a?.double, let y = b?.double else { throw .failed("\"\(operation)\" of what are no numbers") }
        switch operation {
        case "<": return .bool(x < y)
        case ">": return .bool(x > y)
        case "<=": return .bool(x <= y)
        case ">=": return .bool(x >= y)
        default: break
        }
        if let x = a?.int, let y = b?.int {
            switch operation {
            case "+": return .integer(x &+ y)
            case "-": return .integer(x &- y)
            case "*": return .integer(x &* y)
            case "%", "//":
                guard y != 0, y != -1 else { throw .failed("a division by \(y)") }
                let remainder = ((x % y) + y) % y
                return .integer(operation == "%" ? remainder : (x - remainder) / y)
            default: break
            }
        }
        switch operation {
        case "+": return .number(x + y)
        case "-": return .number(x - y)
        case "*": return .number(x * y)
        case "/": return .number(x / y)
        default: throw .failed("the operator \"\(operation)\"")
        }
    }

    private mutating func test(
        _ value: JSONValue?, _ name: String, _ arguments: [TemplateExpression]
    ) throws(ChatTemplateError) -> Bool {
        switch name {
        case "defined": return value != nil
        case "undefined": return value == nil
        case "none": return value?.isNull ?? true
        case "string": return value?.string != nil
        case "number": return value?.double != nil
        case "integer": if case .integer? = value { return true } else { return false }
        case "boolean": return value?.bool != nil
        case "mapping": return value?.object != nil
        case "iterable": return value?.array != nil || value?.string != nil || value?.object != nil
        case "sequence": return value?.array != nil || value?.string != nil || value?.object != nil
        case "float": if case .number? = value { return true } else { return false }
        case "callable": return false
        case "true": return value?.bool == true
        case "false": return value?.bool == false
        case "equalto", "eq": return Self.equal(value, try optional(arguments.first))
        case "odd": return (value?.int ?? 0) % 2 != 0
        case "even": return (value?.int ?? 1) % 2 == 0
        default: throw .failed("the test \"\(name)\" is not supported")
        }
    }

    private static func equal(_ a: JSONValue?, _ b: JSONValue?) -> Bool {
        if let x = a?.double, let y = b?.double { return x == y }
        return (a ?? .null) == (b ?? .null)
    }

    static func isTrue(_ value: JSONValue?) -> Bool {
        switch value {
        case nil, .null?: return false
        case .bool(let flag)?: return flag
        case .integer(let number)?: return number != 0
        case .number(let number)?: return number != 0
        case .string(let text)?: return !text.isEmpty
        case .array(let list)?: return !list.isEmpty
        case .object(let members)?: return !members.isEmpty
        }
    }

    static func text(_ value: JSONValue) -> String {
        switch value {
        case .string(let text): return text
        case .null: return "None"
        case .bool(let flag): return flag ? "True" : "False"
        case .array(let list): return "[" + list.map(quoted).joined(separator: ", ") + "]"
        case .object(let members):
            return "{" + members.map { quoted(.string($0.key)) + ": " + quoted($0.value) }.joined(separator: ", ") + "}"
        default: return value.serialized()
        }
    }

    /// A value inside of a list or dictionary, as Python prints it.
    private static func quoted(_ value: JSONValue) -> String {
        guard case .string(let string) = value else { return text(value) }
        let quote = string.contains("'") && !string.contains("\"") ? "\"" : "'"
        var out = quote
        for scalar in string.unicodeScalars {
            switch scalar {
            case "\n": out += "\\n"
            case "\r": out += "\\r"
            case "\t": out += "\\t"
            case "\\": out += "\\\\"
            case "'" where quote == "'": out += "\\'"
            default: out.unicodeScalars.append(scalar)
            }
        }
        return out + quote
    }
}
