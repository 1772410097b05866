// SPDX-License-Identifier: Apache-2.0

public import Base
import LanguageModels
import OrderedCollections
import Text
import Tools

/// Brings an answer into the form of a JSON Schema: what a client asks for as `response_format`, or as the arguments of the
/// one tool that it wants called.
public struct AnswerShape: Sendable {
    /// The schema: an object's.
    public let schema: JSONValue

    /// Why a schema cannot be used.
    public struct SchemaError: Error, Sendable, Hashable, CustomStringConvertible {
        public var description: String
    }

    /// - Throws: `SchemaError` when the schema is none, or not an object's.
    public init(schema: JSONValue) throws(SchemaError) {
        let schema = Self.resolvingRoot(schema)
        do { try JSONSchemaValidator(schema: schema).checkSchema() } catch {
            throw SchemaError(description: error.description)
        }
        self.schema = schema
    }

    /// A schema that is nothing but a reference to one of its definitions, as recursive classes are described: that one.
    private static func resolvingRoot(_ schema: JSONValue) -> JSONValue {
        guard var members = schema.object, members["type"] == nil, members["properties"] == nil,
            let reference = members["$ref"]?.string, reference.hasPrefix("#/")
        else { return schema }
        var place: JSONValue? = schema
        for step in reference.dropFirst(2).split(separator: "/") { place = place?[String(step)] }
        guard let target = place?.object else { return schema }
        members["$ref"] = nil
        return .object(members.merging(target) { $1 })
    }

    /// Reads what a model wrote as a value of the schema, as it was meant.
    /// - Returns: nil when the schema does not accept it.
    public func read(_ text: String) -> JSONValue? {
        guard let json = Self.json(in: AnswerText.written(text)), let read = ArgumentRepair.read(json, schema: schema)
        else { return nil }
        if let value = accepted(read.value) { return value }
        var parts = Self.mostParts
        return accepted(completed(read.value, schema, depth: 0, &parts))
    }

    /// The value with null for members that must be there, are not, and may be null, and without members that may not be
    /// there. An object without any member that is known says nothing, and is left as it is.
    private func completed(_ value: JSONValue, _ part: JSONValue, depth: Int, _ parts: inout Int) -> JSONValue {
        parts -= 1
        guard depth < 8, parts > 0 else { return value }
        let part = resolved(part)
        if let elements = value.array {
            guard let items = part["items"] else { return value }
            return .array(elements.map { completed($0, items, depth: depth + 1, &parts) })
        }
        guard let members = value.object else { return value }
        if let choices = part["anyOf"]?.array ?? part["oneOf"]?.array {
            let objects = choices.filter { resolved($0)["properties"] != nil }
            return objects.count == 1 ? completed(value, objects[0], depth: depth + 1, &parts) : value
        }
        guard let properties = part["properties"]?.object, properties.keys.contains(where: { members[$0] != nil })
        else { return value }
        var result: JSONObject = [:]
        for (name, member) in members {
            if let property = properties[name] {
                result[name] = completed(member, property, depth: depth + 1, &parts)
            } else if part["additionalProperties"] != false {
                result[name] = member
            }
        }
        for name in part["required"]?.array?.compactMap(\.string) ?? [] where result[name] == nil {
            if let property = properties[name], mayBeNull(property) { result[name] = .null }
        }
        return .object(result)
    }

    private func resolved(_ part: JSONValue) -> JSONValue {
        guard let reference = part["$ref"]?.string, reference.hasPrefix("#/") else { return part }
        var place: JSONValue? = schema
        for step in reference.dropFirst(2).split(separator: "/") { place = place?[String(step)] }
        return place ?? part
    }

    private func mayBeNull(_ part: JSONValue) -> Bool {
        let part = resolved(part)
        if let choices = part["anyOf"]?.array ?? part["oneOf"]?.array { return choices.contains { mayBeNull($0) } }
        if let choices = part["enum"]?.array { return choices.contains { $0.isNull } }
        return part["type"] == "null" || part["type"]?.array?.contains("null") == true
    }

    /// The part of a text that may be an object: from its first brace, or a text that holds one encoded once more. A citation's
    /// brackets are no list. Nil for none, and for one that was cut within a value: half a number is another number.
    private static func json(in text: String) -> String? {
        if let first = text.first(where: { !$0.isWhitespace }), first == "\"" { return text }
        guard let open = text.firstIndex(of: "{") else { return nil }
        let json = text[open...]
        var depth = 0
        var isInString = false
        var isEscaped = false
        var last = UInt8(ascii: "{")
        for byte in json.utf8 {
            if isInString {
                if isEscaped {
                    isEscaped = false
                } else if byte == UInt8(ascii: "\\") {
                    isEscaped = true
                } else if byte == UInt8(ascii: "\"") {
                    isInString = false
                }
            } else if byte == UInt8(ascii: "\"") {
                isInString = true
            } else if byte == UInt8(ascii: "{") || byte == UInt8(ascii: "[") {
                depth += 1
            } else if byte == UInt8(ascii: "}") || byte == UInt8(ascii: "]") {
                depth -= 1
                if depth == 0 { return String(json) }
            }
            if byte > 0x20 { last = byte }
        }
        let isWholeValue = "\"}]'".utf8.contains(last)
        return isInString || !isWholeValue ? nil : String(json)
    }

    private func accepted(_ value: JSONValue) -> JSONValue? {
        guard let violations = try? JSONSchemaValidator(schema: schema).validate(value), violations.isEmpty else {
            return nil
        }
        return value
    }

    /// The answer put into the schema's members without a model: texts by their names, numbers and yes or no where the
    /// answer is one, a choice where it names one.
    /// - Returns: nil when a member that must be there cannot be told from the answer.
    public func filled(from answer: Answer) -> JSONValue? {
        var parts = Self.mostParts
        return accepted(fill(schema, name: "", answer, depth: 0, &parts) ?? .null)
    }

    /// The most parts of a schema that are filled: references make a few bytes of it a tree without end.
    private static let mostParts = 4096

    /// How many texts of the schema could each be the answer itself, and whether there are numbers. References are not followed.
    private static func leaves(of part: JSONValue, name: String = "", depth: Int = 0) -> (texts: Int, numbers: Int) {
        guard depth < 8 else { return (0, 0) }
        var sum = (texts: 0, numbers: 0)
        func add(_ part: JSONValue, _ name: String) {
            let more = leaves(of: part, name: name, depth: depth + 1)
            sum = (sum.texts + more.texts, sum.numbers + more.numbers)
        }
        for choice in part["anyOf"]?.array ?? part["oneOf"]?.array ?? [] { add(choice, name) }
        for (name, property) in part["properties"]?.object ?? [:] { add(property, name) }
        for (name, definition) in part["$defs"]?.object ?? [:] { add(definition, name) }
        if let items = part["items"] { add(items, name) }
        if part["enum"] == nil {
            let type = part["type"]?.string ?? part["type"]?[0]?.string
            if type == "string", role(of: name) == .other { sum.texts += 1 }
            if type == "integer" || type == "number" { sum.numbers += 1 }
        }
        return sum
    }

    /// What a member's name says that its text is.
    private enum Role { case answer, source, quote, whole, other }

    private static func role(of name: String) -> Role {
        let key = name.lowercased()
        if ["source", "citation", "reference", "passage", "url"].contains(where: key.contains) { return .source }
        if ["quote", "evidence"].contains(where: key.contains) { return .quote }
        if ["explan", "reason", "sentence", "detail", "text", "summary", "long", "content"].contains(
            where: key.contains)
        {
            return .whole
        }
        return ["answer", "result", "response", "reply", "value", "output", "solution"].contains(where: key.contains)
            ? .answer : .other
    }

    private func fill(
        _ part: JSONValue, name: String, _ answer: Answer, depth: Int, _ parts: inout Int
    ) -> JSONValue? {
        parts -= 1
        guard depth < 8, parts > 0 else { return nil }
        if part["$ref"] != nil {
            let target = resolved(part)
            return target["$ref"] == nil ? fill(target, name: name, answer, depth: depth + 1, &parts) : nil
        }
        for key in ["anyOf", "oneOf"] {
            guard let choices = part[key]?.array else { continue }
            for choice in choices {
                if let value = fill(choice, name: name, answer, depth: depth + 1, &parts) { return value }
            }
            return choices.contains { $0["type"] == "null" } ? .null : nil
        }
        let short = answer.short ?? answer.text
        if let choices = part["enum"]?.array {
            let (said, whole) = (short.lowercased(), answer.text.lowercased())
            return choices.first { $0.string?.lowercased() == said }
                ?? choices.first { choice in
                    choice.string.map { !$0.isEmpty && whole.contains($0.lowercased()) } ?? false
                }
        }
        let type = part["type"]?.string ?? part["type"]?[0]?.string ?? (part["properties"] == nil ? "string" : "object")
        let key = name.lowercased()
        switch type {
        case "object":
            var members: JSONObject = [:]
            let required = part["required"]?.array?.compactMap(\.string) ?? []
            for (name, property) in part["properties"]?.object ?? [:] {
                if let value = fill(property, name: name, answer, depth: depth + 1, &parts) {
                    members[name] = value
                } else if required.contains(name) {
                    return nil
                }
            }
            return .object(members)
        case "array":
            let items = part["items"] ?? ["type": "string"]
            if ["source", "citation", "reference", "evidence", "passage", "document"].contains(where: key.contains) {
                return .array(
                    answer.citations.compactMap { citation in
                        items["type"] == "object" ? fill(citation, items) : .string(citation.passageID)
                    })
            }
            let entries = short.split(separator: ",").map { $0.drop(while: \.isWhitespace) }
            let values = entries.compactMap { entry in
                fill(
                    items, name: name,
                    Answer(text: String(entry), short: String(entry), label: answer.label, answerer: ""),
                    depth: depth + 1, &parts)
            }
            // A list without what the answer names would say that there is nothing.
            return values.count == entries.count ? .array(values) : nil
        case "boolean":
            let words = short.lowercased()
            if ["found", "answered", "supported"].contains(where: key.contains) { return .bool(answer.label != .none) }
            return words.hasPrefix("yes") ? true : words.hasPrefix("no") ? false : nil
        case "integer", "number": return Self.number(named: key, answer, isWhole: type == "integer")
        case "null": return .null
        default: return text(named: key, answer)
        }
    }

    /// A number: how sure the answer is where the member's name asks for that, else the answer's own.
    private static func number(named key: String, _ answer: Answer, isWhole: Bool) -> JSONValue? {
        if ["confidence", "support", "score"].contains(where: key.contains) {
            return .number(answer.confidence ?? answer.citations.first?.support ?? 0)
        }
        let short = answer.short ?? answer.text
        // A number somewhere in a sentence is not the one that is asked for.
        guard short.split(separator: " ").count <= 3 else { return nil }
        let digits = short.drop { !$0.isNumber && $0 != "-" }.prefix { $0.isNumber || ".,-".contains($0) }
        guard let number = Double(digits.filter { $0 != "," }) else { return nil }
        return Int(exactly: number).map { .integer($0) } ?? (isWhole ? nil : .number(number))
    }

    /// A text: a source or its words where the member's name asks for these, the whole answer, or the short one.
    ///
    /// Where several members could be the answer, no rule tells which one is: then none is filled.
    private func text(named key: String, _ answer: Answer) -> JSONValue? {
        let short = answer.short ?? answer.text
        // That there is no answer is none.
        if answer.label == .none { return [.source, .quote].contains(Self.role(of: key)) ? "" : nil }
        switch Self.role(of: key) {
        case .source: return answer.citations.first.map { .string($0.passageID) } ?? ""
        case .quote: return .string(answer.citations.first?.quote ?? "")
        case .whole: return .string(answer.text)
        case .answer: return .string(short)
        case .other:
            let leaves = Self.leaves(of: schema)
            let isNumber = leaves.numbers > 0 && !short.contains(where: \.isLetter)
            return leaves.texts <= 1 && !isNumber ? .string(short) : nil
        }
    }

    private func fill(_ citation: Citation, _ items: JSONValue) -> JSONValue? {
        var members: JSONObject = [:]
        for name in (items["properties"]?.object ?? [:]).keys {
            let key = name.lowercased()
            if key.contains("title") {
                members[name] = .string(citation.title)
            } else if key.contains("quote") || key.contains("text") {
                members[name] = .string(citation.quote)
            } else if key.contains("score") || key.contains("support") {
                members[name] = .number(citation.support)
            } else {
                members[name] = .string(citation.passageID)
            }
        }
        return .object(members)
    }

    /// What a model is asked to bring an answer into the form.
    func request(_ question: Question, _ answer: Answer, _ evidence: Evidence, fence: Fence, tokens: Int)
        -> ModelRequest
    {
        ModelRequest(
            messages: [
                ChatMessage(
                    role: .system,
                    content: question.instructions(
                        "Put the answer to the question into the JSON form that is asked for, and add nothing that neither the "
                            + "answer nor the passages say. Leave out what is not known where the form allows it.")
                        + "\n\n" + Fence.note),
                ChatMessage(
                    role: .user,
                    content: fence.wrap(
                        EvidencePrompt.list(evidence, limit: 6, characters: 800), source: "the evidence")
                        + "\n\nQuestion: \(question.text)\nAnswer: \(answer.text)\(answer.short.map { "\nShort: " + $0 } ?? "")"
                        + "\n\nWrite one JSON object that this JSON Schema accepts:\n\(schema.serialized())"),
            ], toolChoice: .none,
            options: SamplingOptions(temperature: 0, seed: 0, maxTokens: tokens, constraint: .jsonSchema(schema)))
    }
}
