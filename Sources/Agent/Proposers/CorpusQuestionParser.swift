// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
import Foundation
import OrderedCollections
import Text
import Tools

/// Reads a question about the whole corpus against the fields that the corpus has: conditions on fields ("whose source is
/// not "X"", "published after 2023-10-01"), quoted words of the text, and whether the documents are counted, ordered, or
/// the first few are wanted. No model is asked; what the fields do not explain is left out.
struct CorpusQuestionParser {
    /// What a question asks.
    struct Request: Hashable {
        /// As the tool `filter` takes it.
        var condition: JSONValue
        /// The field that orders the documents; nil when they are counted.
        var orderField: String?
        var isAscending = true
        /// How many of the ordered documents are wanted; nil for all.
        var limit: Int?
    }

    private enum Token: Hashable {
        case word(String)
        case quoted(String)
    }

    private struct Clause {
        var condition: JSONValue
        /// Joined to the clause before by "or".
        var isAlternative: Bool
    }

    private let fields: [(name: String, words: [String], type: FieldType)]

    init(fields: [CorpusField]) {
        self.fields = fields.map { field in
            (field.name, Self.words(field.name.replacing("_", with: " ")), field.type)
        }.sorted { $0.1.count > $1.1.count }
    }

    /// - Returns: nil when nothing in the question names a condition.
    func parse(_ question: String) -> Request? {
        let tokens = Self.tokens(question)
        var clauses: [Clause] = []
        var rest: [String] = []
        var orders: [String] = []
        var isAlternative = false
        var index = 0
        while index < tokens.count {
            if let (clause, end) = clause(tokens, index) {
                clauses.append(Clause(condition: clause, isAlternative: isAlternative && !clauses.isEmpty))
                isAlternative = false
                index = end
                continue
            }
            if let (field, end) = field(tokens, index) {
                orders.append(field.name)
                index = end
                continue
            }
            if case .word(let word) = tokens[index] {
                if word == "or" { isAlternative = true } else if word == "and" { isAlternative = false }
                rest.append(word)
            }
            index += 1
        }
        guard !clauses.isEmpty else { return nil }
        var groups: [[JSONValue]] = []
        for clause in clauses {
            if clause.isAlternative, let last = groups.indices.last {
                groups[last].append(clause.condition)
            } else {
                groups.append([clause.condition])
            }
        }
        let parts = groups.map { $0.count == 1 ? $0[0] : JSONValue.object(["or": .array($0)]) }
        let condition = parts.count == 1 ? parts[0] : JSONValue.object(["and": .array(parts)])
        return request(condition, rest: rest, orders: orders)
    }

    // MARK: Conditions

    /// A condition that starts at a token, and the token after it.
    private func clause(_ tokens: [Token], _ start: Int) -> (JSONValue, Int)? {
        func word(_ index: Int) -> String? {
            if index < tokens.count, case .word(let text) = tokens[index] { return text }
            return nil
        }
        func has(_ words: [String], at index: Int) -> Bool {
            words.indices.allSatisfy { word(index + $0) == words[$0] }
        }
        if case .quoted(let phrase) = tokens[start] {
            // "X" as their FIELD
            if word(start + 1) == "as", let article = word(start + 2) {
                let at = ["their", "its", "the", "a", "an", "his", "her"].contains(article) ? start + 3 : start + 2
                if let (field, end) = field(tokens, at) { return (equals(field, phrase, negated: false), end) }
            }
            return (["op": "match", "value": .string(phrase), "mode": "phrase"], start + 1)
        }
        guard let (field, after) = field(tokens, start) else { return nil }
        var at = after
        if has(["is", "given", "as"], at: at) {
            at += 3
        } else if ["is", "are", "was", "of", "equals"].contains(word(at)) {
            at += 1
        }
        var negated = false
        if word(at) == "not" {
            (negated, at) = (true, at + 1)
        } else if has(["other", "than"], at: at) {
            (negated, at) = (true, at + 2)
        }
        if at < tokens.count, case .quoted(let value) = tokens[at] {
            return (equals(field, value, negated: negated), at + 1)
        }
        guard field.type == .number || field.type == .date else { return nil }
        for (words, comparison) in Self.comparisons where has(words, at: at) {
            guard let text = word(at + words.count), let value = Self.value(text, field.type, comparison) else {
                continue
            }
            let clause: JSONValue = ["field": .string(field.name), "op": .string(comparison), "value": value]
            return (negated ? ["not": clause] : clause, at + words.count + 1)
        }
        if word(at) == "between", let low = word(at + 1), word(at + 2) == "and", let high = word(at + 3),
            let first = Self.value(low, field.type, ">="), let last = Self.value(high, field.type, "<=")
        {
            return (["field": .string(field.name), "op": "between", "value": [first, last]], at + 4)
        }
        if at > after, let text = word(at), let value = Self.value(text, field.type, "==") {
            return (["field": .string(field.name), "op": negated ? "!=" : "==", "value": value], at + 1)
        }
        return nil
    }

    private func equals(
        _ field: (name: String, words: [String], type: FieldType), _ text: String, negated: Bool
    ) -> JSONValue {
        let value = field.type == .number ? Self.value(text, .number, "==") ?? .string(text) : .string(text)
        let name = JSONValue.string(field.name)
        guard negated else { return ["field": name, "op": "==", "value": value] }
        // "whose source is not X" asks for documents that have a source.
        return ["and": [["field": name, "op": "exists"], ["not": ["field": name, "op": "==", "value": value]]]]
    }

    private static let comparisons: [(words: [String], operation: String)] = [
        (["at", "least"], ">="), (["at", "most"], "<="), (["greater", "than"], ">"), (["more", "than"], ">"),
        (["higher", "than"], ">"), (["larger", "than"], ">"), (["later", "than"], ">"), (["less", "than"], "<"),
        (["lower", "than"], "<"), (["smaller", "than"], "<"), (["fewer", "than"], "<"), (["earlier", "than"], "<"),
        (["above"], ">"), (["over"], ">"), (["after"], ">"), (["since"], ">="), (["below"], "<"), (["under"], "<"),
        (["before"], "<"), (["until"], "<="),
    ]

    /// A number, or a date; "after a day" and "until a day" mean its end.
    private static func value(_ text: String, _ type: FieldType, _ comparison: String) -> JSONValue? {
        switch type {
        case .number:
            return Int(text).map(JSONValue.integer) ?? Double(text).flatMap { $0.isFinite ? .number($0) : nil }
        case .date:
            let digits = text.utf8.count { $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }
            guard digits >= 4, text.first?.isNumber == true else { return nil }
            let isDay = text.utf8.count == 10 && digits == 8
            return .string(isDay && [">", "<="].contains(comparison) ? text + "T23:59:59Z" : text)
        default: return nil
        }
    }

    /// The field whose name starts at a token, and the token after it.
    private func field(
        _ tokens: [Token], _ start: Int
    ) -> (field: (name: String, words: [String], type: FieldType), end: Int)? {
        for field in fields where !field.words.isEmpty && start + field.words.count <= tokens.count {
            let matches = field.words.indices.allSatisfy { tokens[start + $0] == .word(field.words[$0]) }
            if matches { return (field, start + field.words.count) }
        }
        return nil
    }

    // MARK: What is wanted

    private static let high: Set = [
        "highest", "latest", "largest", "greatest", "most", "newest", "biggest", "maximum", "longest",
    ]
    private static let low: Set = [
        "lowest", "earliest", "smallest", "oldest", "least", "fewest", "minimum", "shortest",
    ]
    private static let numbers = [
        "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "ten": 10,
    ]
    private static let listing: Set = ["list", "sort", "put", "ordered", "order", "give", "rank", "ranked"]

    private func request(_ condition: JSONValue, rest: [String], orders: [String]) -> Request {
        let isCount =
            rest.contains("count")
            || zip(rest, rest.dropFirst()).contains { ($0 == "how" && $1 == "many") || ($0 == "number" && $1 == "of") }
        guard !isCount, let field = orders.last else { return Request(condition: condition) }
        var request = Request(condition: condition, orderField: field)
        if rest.contains("descending") {
            request.isAscending = false
        } else if !rest.contains("ascending"),
            let first = rest.first(where: { Self.high.contains($0) || Self.low.contains($0) })
        {
            request.isAscending = Self.low.contains(first)
        }
        let few = rest.lazy.compactMap { Int($0) ?? Self.numbers[$0] }.first { (1...100).contains($0) }
        request.limit = few ?? (rest.contains { Self.listing.contains($0) } ? nil : 1)
        return request
    }

    // MARK: Reading

    private static func words(_ text: String) -> [String] {
        text.lowercased().split { !$0.isLetter && !$0.isNumber && !"-.'’+:".contains($0) }.map { part in
            String(part).trimmingCharacters(in: .init(charactersIn: ".-'’:"))
        }.filter { !$0.isEmpty }
    }

    private static func tokens(_ question: String) -> [Token] {
        let closers: [Character: Character] = ["\"": "\"", "“": "”", "„": "“"]
        var tokens: [Token] = []
        var rest = question[...]
        while let open = rest.firstIndex(where: { closers[$0] != nil }) {
            let after = rest.index(after: open)
            guard let closer = closers[rest[open]], let close = rest[after...].firstIndex(of: closer) else { break }
            tokens += words(String(rest[..<open])).map(Token.word)
            let phrase = rest[after..<close].trimmingCharacters(in: .whitespaces)
            if !phrase.isEmpty { tokens.append(.quoted(phrase)) }
            rest = rest[rest.index(after: close)...]
        }
        return tokens + words(String(rest)).map(Token.word)
    }
}
