// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
import OrderedCollections
import Testing
import Text

@Suite struct FilterTests {
    /// What a filter means, read off one document.
    static func matches(_ document: Document, _ filter: FilterExpression) throws -> Bool {
        func values(_ field: String) -> [MetadataValue] {
            switch field {
            case "id": return [.text(document.id)]
            case "title": return [.text(document.title)]
            case "text": return [.text(document.text)]
            case "source": return [.text(document.source)]
            default: return document.metadata[field]?.elements ?? []
            }
        }
        func folded(_ value: MetadataValue) -> String {
            if case .text(let text) = value { return TextFolding.fold(text) }
            return "\(value)"
        }
        switch filter {
        case .compare(let field, let comparison, let wanted):
            return values(field).contains { value in
                switch comparison {
                case .equal: return value == wanted
                case .notEqual: return value != wanted
                case .less: return value.isBelow(wanted)
                case .lessOrEqual: return !wanted.isBelow(value)
                case .greater: return wanted.isBelow(value)
                case .greaterOrEqual: return !value.isBelow(wanted)
                }
            }
        case .isIn(let field, let list): return values(field).contains { list.contains($0) }
        case .between(let field, let low, let high):
            return values(field).contains { !$0.isBelow(low) && !high.isBelow($0) }
        case .contains(let field, let part):
            let isList = field == "tags" || field == "sizes"
            return values(field).contains { isList ? folded($0) == folded(part) : folded($0).contains(folded(part)) }
        case .like(let field, let pattern):
            let wanted = folded(.text(pattern)).replacing("%", with: ".*")
            return try values(field).contains { try folded($0).wholeMatch(of: Regex(wanted)) != nil }
        case .exists(let field): return !values(field).isEmpty
        case .match(let field, let words, let mode):
            let analyzer = try TextAnalyzer(.plain)
            let fields = field.map { [$0] } ?? ["title", "text"]
            let texts = fields.flatMap { values($0) }.map { value -> [String] in
                if case .text(let text) = value { return analyzer.terms(in: text) }
                return []
            }
            let wanted = analyzer.terms(in: words)
            guard !wanted.isEmpty else { return false }
            let all = texts.flatMap { $0 }
            switch mode {
            case .all: return wanted.allSatisfy(all.contains)
            case .any: return wanted.contains(where: all.contains)
            case .prefix:
                return wanted.dropLast().allSatisfy(all.contains)
                    && all.contains { $0.hasPrefix(wanted[wanted.count - 1]) }
            case .phrase:
                return texts.contains {
                    (" " + $0.joined(separator: " ") + " ").contains(" " + wanted.joined(separator: " ") + " ")
                }
            }
        case .and(let parts): return try parts.allSatisfy { try matches(document, $0) }
        case .or(let parts): return try parts.contains { try matches(document, $0) }
        case .not(let part): return try !matches(document, part)
        }
    }

    /// A random filter; constants are values that occur, or near them.
    static func random(_ corpus: RandomCorpus, _ random: inout TestGenerator, depth: Int) -> FilterExpression {
        if depth > 0, random.chance(55) {
            let parts = (0...random.below(3)).map { _ in Self.random(corpus, &random, depth: depth - 1) }
            switch random.below(3) {
            case 0: return .and(parts)
            case 1: return .or(parts)
            default: return .not(parts[0])
            }
        }
        let field = RandomCorpus.fields[random.below(RandomCorpus.fields.count)]
        func value() -> MetadataValue {
            for _ in 0..<50 {
                if let value = corpus.documents[random.below(corpus.documents.count)].metadata[field.name] {
                    let element = value.elements[random.below(value.elements.count)]
                    if case .number(let number) = element, random.chance(20) { return .number(number + 0.25) }
                    if case .text(let text) = element, random.chance(20) { return .text(text + "~") }
                    return element
                }
            }
            switch field.type {
            case .text, .textList: return .text("")
            case .boolean: return .boolean(false)
            case .date: return .date(0)
            case .number, .numberList: return .number(0)
            }
        }
        switch random.below(field.type == .boolean ? 3 : 7) {
        case 0: return .exists(field: field.name)
        case 1: return .isIn(field: field.name, (0..<random.below(8)).map { _ in value() })
        case 2: return .compare(field: field.name, random.chance(50) ? .equal : .notEqual, value())
        case 3: return .between(field: field.name, value(), value())
        case 4 where field.type == .text || field.type == .textList || field.type == .numberList:
            return .contains(
                field: field.name,
                field.type == .text ? .text(["E", "blue", "1", "a b", ""][random.below(5)]) : value())
        case 5:
            let mode = FilterExpression.MatchMode.allCases[random.below(4)]
            let words = ["beta", "red blue", "alpha beta gamma", "eclair", "gr", "grey gr", "!"][random.below(7)]
            return .match(field: [nil, "title", "text", "kind", "name", "tags"][random.below(6)], words: words, mode)
        default:
            return .compare(field: field.name, FilterExpression.Comparison.allCases[random.below(6)], value())
        }
    }

    @Test(arguments: [(1, 0), (2, 1), (3, 63), (4, 64), (5, 65), (6, 300), (7, 2000)])
    func filtersEqualBruteForce(_ seed: Int, _ count: Int) throws {
        let corpus = try RandomCorpus(seed: UInt64(seed), count: max(1, count))
        let filter = try DocumentFilter(reader: corpus.reader)
        var random = TestGenerator(seed: UInt64(seed) + 100)
        for _ in 0..<(count > 1000 ? 8 : 40) {
            let expression = Self.random(corpus, &random, depth: 3)
            let found = try filter.documents(matching: expression)
            // What is meant beside the texts that the fields hold, which a scan has to be told.
            let meant = try expression.reading { name in
                guard let field = RandomCorpus.fields.first(where: { $0.name == name }),
                    field.type == .text || field.type == .textList
                else { return nil }
                let texts = corpus.documents.flatMap { $0.metadata[name]?.elements ?? [] }.compactMap { value in
                    if case .text(let text) = value { text } else { nil }
                }
                return Set(texts)
            }
            let expected = try corpus.documents.indices.filter { try Self.matches(corpus.documents[$0], meant) }
                .map { UInt32($0) }
            #expect(found.ordinals.ordinals == expected, "seed \(seed): \(expression)")
            #expect(found.count == expected.count)
            let half = DocumentBitmap(
                documentCount: corpus.documents.count, OrdinalSet(ascending: expected.filter { $0 % 2 == 0 }))
            #expect(try filter.documents(among: half, matching: expression) == half)
        }
    }

    @Test func builtInFields() throws {
        let corpus = try RandomCorpus(seed: 9, count: 300)
        let filter = try DocumentFilter(reader: corpus.reader)
        let expressions: [FilterExpression] = [
            .compare(field: "id", .equal, .text("d7")),
            .isIn(field: "id", [.text("d1"), .text("nobody"), .text("d299")]),
            .compare(field: "title", .equal, .text("red")), .compare(field: "title", .less, .text("m")),
            .compare(field: "title", .notEqual, .text("red")), .isIn(field: "title", [.text("red"), .text("x")]),
            .like(field: "title", pattern: "%ECLAIR%"), .like(field: "id", pattern: "d1%"),
            .contains(field: "title", .text("ECLAIR")), .contains(field: "text", .text("alpha beta red")),
            .compare(field: "source", .equal, .text("s1")), .between(field: "title", .text("a"), .text("h")),
            .exists(field: "title"), .match(field: "id", words: "d7", .all),
            .match(field: "source", words: "S1", .prefix),
        ]
        for expression in expressions {
            let expected = try corpus.documents.indices.filter { try Self.matches(corpus.documents[$0], expression) }
                .map { UInt32($0) }
            #expect(try filter.documents(matching: expression).ordinals.ordinals == expected, "\(expression)")
        }
    }

    func parse(_ text: String, _ corpus: RandomCorpus) throws -> FilterExpression {
        try FilterExpression(json: JSONValue(parsing: text), schema: FilterSchema(fields: corpus.reader.columns.fields))
    }

    @Test func parsing() throws {
        let corpus = try RandomCorpus(seed: 1, count: 100)
        #expect(
            try parse(
                #"{"and":[{"field":"year","op":">=","value":2000},{"not":{"field":"kind","op":"in","value":["red",5]}}]}"#,
                corpus)
                == .and([
                    .compare(field: "year", .greaterOrEqual, .number(2000)),
                    .not(.isIn(field: "kind", [.text("red"), .text("5")])),
                ]))
        #expect(
            try parse(#"{"field":"day","op":"between","value":["2024-01-01","2024-01-31"]}"#, corpus)
                == .between(field: "day", .date(1_704_067_200), .date(1_706_745_599)))
        #expect(
            try parse(#"{"field":"year","op":"eq","value":"2001"}"#, corpus)
                == .compare(field: "year", .equal, .number(2001)))
        #expect(try parse(#"{"field":"flag","op":"exists","value":false}"#, corpus) == .not(.exists(field: "flag")))
        #expect(
            try parse(#"{"op":"match","value":"a b","mode":"phrase"}"#, corpus)
                == .match(field: nil, words: "a b", .phrase))
        #expect(
            try parse(#"{"field":"tags","op":"!=","value":"red"}"#, corpus)
                == .and([.exists(field: "tags"), .not(.compare(field: "tags", .equal, .text("red")))]))
        #expect(
            try parse(#""kind not in (red, blue)""#, corpus)
                == .and([.exists(field: "kind"), .not(.isIn(field: "kind", [.text("red"), .text("blue")]))]))
        #expect(try parse(#""kind is empty or kind = \"empty\"""#, corpus) != parse(#""kind = empty""#, corpus))
        #expect(try parse(#""kind = TRUE""#, corpus) == .compare(field: "kind", .equal, .text("TRUE")))
        #expect(try parse(#""flag = TRUE""#, corpus) == .compare(field: "flag", .equal, .boolean(true)))
        #expect(try parse("{}", corpus) == .all && parse("[]", corpus) == .all)
    }

    @Test(arguments: [
        (
            #"{"field":"yaer","op":"==","value":1}"#,
            #"there is no field "yaer"; did you mean "year"? Fields: day (date), flag (boolean)"#
        ),
        (
            #"{"field":"year","op":"==","value":"old"}"#,
            #"field "year" has type number: expected a number, found "old""#
        ),
        (#"{"field":"year","op":"near","value":1}"#, #"unknown operator "near"; the operators are"#),
        (#"{"field":"year","op":"between","value":[1]}"#, "takes a list of two values"),
        (#"{"field":"flag","op":"<","value":true}"#, "has no order"),
        (#"{"field":"year","op":"contains","value":1}"#, #""contains" is for texts and lists"#),
        (#"{"field":"year","op":"match","value":"x"}"#, #""match" is for texts"#),
        (#"{"field":"day","op":">","value":"soon"}"#, "expected a date such as"),
        (#"{"field":"year","value":1}"#, #"a clause needs "field", "op" and "value""#),
        (#"{"or":{"field":"year"}}"#, #""or" takes a list"#),
        (#"{"field":"year","op":"==","value":1,"extra":2}"#, #"unexpected member "extra""#),
        (#""DROP TABLE""#, "expected an operator"),
        (#"{"field":"year","op":"=="}"#, #"needs a "value""#),
    ])
    func errorsTeach(_ text: String, _ expected: String) throws {
        let corpus = try RandomCorpus(seed: 1, count: 50)
        let error = #expect(throws: CorpusError.self) { try parse(text, corpus) }
        #expect(error?.message.contains(expected) == true, "\(error?.message ?? "")")
    }

    @Test func capsHold() throws {
        let corpus = try RandomCorpus(seed: 1, count: 50)
        let deep = String(repeating: #"{"not":"#, count: 20) + "{}" + String(repeating: "}", count: 20)
        #expect(throws: CorpusError.self) { try parse(deep, corpus) }
        let wide =
            "[" + Array(repeating: #"{"field":"year","op":"==","value":1}"#, count: 300).joined(separator: ",") + "]"
        #expect(throws: CorpusError.self) { try parse(wide, corpus) }
    }
}
