// SPDX-License-Identifier: Apache-2.0

import Base
public import Corpus
import Postgres
import Search
import Synchronization
import Text

/// A condition on the table of documents, `d`, with its parameters bound.
struct DocumentCondition: Sendable, Hashable {
    var condition: String
    var values: [PostgresValue]

    static let all = DocumentCondition(condition: "TRUE", values: [])
}

/// The parameters of a statement that is being made.
struct SQLParameters {
    private(set) var values: [PostgresValue] = []

    /// The placeholder of a value.
    mutating func bind(_ value: PostgresValue) -> String {
        values.append(value)
        return "$\(values.count)"
    }
}

/// Conditions whose documents a filter has told, so that what follows on the same set asks by its condition instead of
/// sending a million ordinals back.
final class Selections: Sendable {
    private static let limit = 32
    private let known = Mutex<[(set: OrdinalSet, condition: DocumentCondition)]>([])

    func condition(of set: OrdinalSet) -> DocumentCondition? {
        known.withLock { $0.first { $0.set.count == set.count && $0.set == set }?.condition }
    }

    func keep(_ condition: DocumentCondition, for set: OrdinalSet) {
        known.withLock { known in
            known.removeAll { $0.set.count == set.count && $0.set == set }
            known.append((set, condition))
            if known.count > Self.limit { known.removeFirst() }
        }
    }
}

extension PostgresCorpus {
    /// From so many documents on a set is worth remembering by its condition.
    private static let remembered = 1000

    /// The condition that selects some documents.
    func selection(_ documents: OrdinalSet) -> DocumentCondition {
        if documents.count >= record.documentCount { return .all }
        if let known = selections.condition(of: documents) { return known }
        return DocumentCondition(condition: "d.ordinal = ANY($1)", values: [.ordinals(documents.ordinals)])
    }

    @concurrent
    public func filter(_ expression: FilterExpression, among documents: OrdinalSet?) async throws -> OrdinalSet {
        try Task.checkCancellation()
        try expression.checkCost()
        var compiler = FilterCompiler(corpus: self)
        var condition = try await compiler.condition(expression)
        // A small set bounds the work; of a large one the rest is taken away here.
        let isBounded = documents.map { $0.count <= 10_000 } ?? false
        if let documents, isBounded {
            condition = "(\(condition)) AND d.ordinal = ANY(\(compiler.parameters.bind(.ordinals(documents.ordinals))))"
        }
        let rows = try await read(
            "SELECT array_agg(d.ordinal) FROM \(table("documents")) d WHERE \(condition)", compiler.parameters.values)
        var found = OrdinalSet(try rows.isEmpty ? [] : rows.ordinals(0, 0))
        if let documents, !isBounded {
            found = found.intersection(documents)
        } else if documents == nil, found.count >= Self.remembered {
            selections.keep(
                DocumentCondition(condition: condition, values: compiler.parameters.values), for: found)
        }
        return found
    }
}

/// Makes SQL of a filter's expression tree. Every constant is a parameter; names of columns come from the generation's
/// description, never from the filter.
///
/// A clause on a field without a value is null, which selects nothing; a negation takes null for false, so that documents
/// without a value are among what is not.
struct FilterCompiler {
    let corpus: PostgresCorpus
    var parameters = SQLParameters()

    init(corpus: PostgresCorpus) { self.corpus = corpus }

    private var schema: FilterSchema { corpus.schema }

    mutating func condition(_ expression: FilterExpression) async throws -> String {
        switch expression {
        case .and(let parts):
            var conditions: [String] = []
            for part in parts { conditions.append("(\(try await condition(part)))") }
            return conditions.isEmpty ? "TRUE" : conditions.joined(separator: " AND ")
        case .or(let parts):
            var conditions: [String] = []
            for part in parts { conditions.append("(\(try await condition(part)))") }
            return conditions.isEmpty ? "FALSE" : conditions.joined(separator: " OR ")
        case .not(let part): return "NOT coalesce((\(try await condition(part))), FALSE)"
        case .match(let field, let words, let mode): return try await match(field, words, mode)
        case .compare(let name, _, _), .isIn(let name, _), .between(let name, _, _), .contains(let name, _),
            .exists(let name), .like(let name, _):
            _ = try schema.requiredType(of: name)
            guard let field = corpus.record.field(name) else { return try await builtIn(name, expression) }
            guard field.field.type == .text || field.field.type == .textList else {
                return try clause(expression, on: field)
            }
            return try await textClause(expression, on: field)
        }
    }

    // MARK: Metadata

    /// A clause on texts, read beside the values that the field has (`FilterExpression+Texts`).
    private mutating func textClause(
        _ expression: FilterExpression, on field: GenerationRecord.Field
    ) async throws -> String {
        if let (_, matches) = expression.naturalOrder { return try await select(field, where: matches) }
        guard let (_, texts) = expression.wantedTexts else { return try clause(expression, on: field) }
        let column = field.reference("d")
        let isHeld = field.field.type == .textList ? "w.t = ANY(\(column))" : "\(column) = w.t"
        let rows = try await corpus.read(
            """
            SELECT w.t FROM unnest($1::text[]) AS w (t)
            WHERE NOT EXISTS (SELECT FROM \(corpus.table("documents")) d WHERE \(isHeld))
            """, [.texts(texts)])
        let absent = try (0..<rows.count).map { try rows.text($0, 0) }
        guard !absent.isEmpty else { return try clause(expression, on: field) }
        let meant = try expression.reading(absent, among: try await values(of: field))
        guard case .and(let parts) = meant else { return try clause(meant, on: field) }
        return try await condition(.and(parts))
    }

    /// A field's distinct texts, of which there are as a rule far fewer than documents.
    private func values(of field: GenerationRecord.Field) async throws -> [String] {
        let column = field.reference("d")
        let rows = try await corpus.read(
            field.field.type == .textList
                ? "SELECT DISTINCT e FROM \(corpus.table("documents")) d, unnest(\(column)) AS u (e)"
                : "SELECT DISTINCT \(column) FROM \(corpus.table("documents")) d WHERE \(column) IS NOT NULL")
        return try (0..<rows.count).compactMap { try rows.optionalText($0, 0) }
    }

    /// The documents with a value of which a test is true.
    private mutating func select(
        _ field: GenerationRecord.Field, where matches: (String) -> Bool
    ) async throws -> String {
        let bound = parameters.bind(.texts(try await values(of: field).filter(matches)))
        let column = field.reference("d")
        return field.field.type == .textList ? "\(column) && \(bound)" : "\(column) = ANY(\(bound))"
    }

    private mutating func clause(_ clause: FilterExpression, on field: GenerationRecord.Field) throws -> String {
        let column = field.reference("d")
        let isList = field.field.type.isList
        /// A comparison with the column, or with one of its elements.
        func compared(_ operation: String, _ value: String) -> String {
            guard isList else { return "\(column) \(operation) \(value)" }
            let mirrored = ["<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "=", "<>": "<>"][operation] ?? operation
            return "\(value) \(mirrored) ANY(\(column))"
        }
        switch clause {
        case .compare(_, let comparison, let constant):
            let operation = comparison.sql
            switch try field.bound(constant, for: comparison) {
            case .always: return "\(column) IS NOT NULL"
            case .never: return "FALSE"
            case .value(let value): return compared(operation, field.placeholder(parameters.bind(value)))
            }
        case .isIn(_, let constants):
            var conditions: [String] = []
            for constant in constants {
                if case .value(let value) = try field.bound(constant, for: .equal) {
                    conditions.append(compared("=", field.placeholder(parameters.bind(value))))
                }
            }
            return conditions.isEmpty ? "FALSE" : conditions.joined(separator: " OR ")
        case .between(_, let low, let high):
            let element = isList ? "e" : column
            var conditions: [String] = []
            for (constant, comparison) in [(low, FilterExpression.Comparison.greaterOrEqual), (high, .lessOrEqual)] {
                switch try field.bound(constant, for: comparison) {
                case .always: conditions.append("\(element) IS NOT NULL")
                case .never: return "FALSE"
                case .value(let value):
                    conditions.append("\(element) \(comparison.sql) \(field.placeholder(parameters.bind(value)))")
                }
            }
            let both = conditions.joined(separator: " AND ")
            return isList ? "EXISTS (SELECT FROM unnest(\(column)) AS u (e) WHERE \(both))" : both
        case .contains(_, let constant):
            guard case .text(let text) = constant, field.hasFolded else {
                guard case .value(let value) = try field.bound(constant, for: .equal) else { return "FALSE" }
                return compared("=", field.placeholder(parameters.bind(value)))
            }
            let wanted = parameters.bind(.text(TextFolding.fold(text)))
            let folded = "coalesce(d.\(CorpusSchema.quoted(field.folded)), \(column))"
            return isList ? "\(wanted) = ANY(\(folded))" : "position(\(wanted) IN \(folded)) > 0"
        case .exists: return "\(column) IS NOT NULL"
        case .like, .match, .and, .or, .not: throw CorpusError(.badArgument, "this is no clause on one field")
        }
    }

    // MARK: Built-in fields

    /// A built-in field as SQL.
    private func builtInColumn(_ name: String) -> String {
        guard name == "text" else { return "d.\(name)" }
        return """
            coalesce(d.body, (SELECT p.text FROM \(corpus.table("passages")) p WHERE p.ordinal = d.first_passage) \
            COLLATE "C")
            """
    }

    private mutating func builtIn(_ name: String, _ clause: FilterExpression) async throws -> String {
        let column = builtInColumn(name)
        func text(_ value: MetadataValue) throws -> String {
            guard case .text(let text) = value else {
                throw CorpusError(
                    .badArgument, "field \"\(name)\" has type text; the value is \(value.json.serialized())")
            }
            return text
        }
        switch clause {
        case .compare(_, let comparison, let constant):
            let value = parameters.bind(.text(try text(constant)))
            let condition = "\(column) \(comparison.sql) \(value)"
            return comparison == .notEqual ? "\(condition) AND \(column) <> ''" : condition
        case .isIn(_, let constants):
            return "\(column) = ANY(\(parameters.bind(.texts(try constants.map(text)))))"
        case .between(_, let low, let high):
            return
                "\(column) >= \(parameters.bind(.text(try text(low)))) AND \(column) <= \(parameters.bind(.text(try text(high))))"
        case .contains(_, let part):
            let wanted = Array(TextFolding.fold(try text(part)).utf8)
            return try await documents(where: column) { Array(TextFolding.fold($0).utf8).holds(wanted) }
        case .exists: return "\(column) <> ''"
        case .like(_, let pattern):
            let pattern = LikePattern(pattern)
            return try await documents(where: column) { pattern.matches($0) }
        case .match, .and, .or, .not: throw CorpusError(.badArgument, "this is no clause on one field")
        }
    }

    /// The documents of whose texts a test is true: their texts are read here, a part at a time.
    private mutating func documents(where column: String, _ test: (String) -> Bool) async throws -> String {
        var found: [UInt32] = []
        for start in stride(from: 0, to: corpus.record.documentCount, by: 4096) {
            try Task.checkCancellation()
            let rows = try await corpus.read(
                """
                SELECT d.ordinal, \(column) FROM \(corpus.table("documents")) d
                WHERE d.ordinal >= $1 AND d.ordinal < $1 + 4096
                """, [.integer(Int64(start))])
            for row in 0..<rows.count where test(try rows.optionalText(row, 1) ?? "") {
                found.append(UInt32(try rows.integer(row, 0)))
            }
        }
        return "d.ordinal = ANY(\(parameters.bind(.ordinals(OrdinalSet(found).ordinals))))"
    }

    // MARK: Words

    private mutating func match(
        _ field: String?, _ words: String, _ mode: FilterExpression.MatchMode
    ) async throws -> String {
        let analyzer = try TextAnalyzer(.plain)
        let pattern = WordPattern(words: words, mode: mode, analyzer: analyzer)
        let isMetadata = field.map { !schema.isBuiltIn($0) } ?? false
        guard let field, isMetadata || field == "id" || field == "source" else {
            guard !pattern.isEmpty else { return "FALSE" }
            return try await matchTexts(field, words, mode, pattern, analyzer)
        }
        let type = try schema.requiredType(of: field)
        guard type == .text || type == .textList else {
            throw CorpusError(.badArgument, "a text match is for texts; \"\(field)\" has type \(type)")
        }
        guard !pattern.isEmpty else { return "FALSE" }
        func matches(_ text: String) -> Bool { pattern.matches([analyzer.terms(in: text).map { Array($0.utf8) }]) }
        guard let known = corpus.record.field(field) else { return try await documents(where: "d.\(field)", matches) }
        return try await select(known, where: matches)
    }

    /// Words in titles and passages: postings give the passages that can match, their texts decide.
    private mutating func matchTexts(
        _ field: String?, _ words: String, _ mode: FilterExpression.MatchMode, _ pattern: WordPattern,
        _ analyzer: TextAnalyzer
    ) async throws -> String {
        var candidates: OrdinalSet?
        if let frame = corpus.frame {
            let matcher = try TextMatchCandidates(options: frame.options)
            let index = try await corpus.index(for: matcher.terms(of: words, mode: mode))
            candidates = try matcher.passages(matching: words, mode: mode, in: index)
        }
        var found: [UInt32] = []
        let total = candidates?.count ?? corpus.record.passageCount
        for start in stride(from: 0, to: total, by: 4096) {
            try Task.checkCancellation()
            let end = min(start + 4096, total)
            let some = candidates.map { Array($0.ordinals[start..<end]) } ?? (UInt32(start)..<UInt32(end)).map { $0 }
            let rows = try await corpus.read(
                """
                SELECT p.document, d.title, p.text FROM \(corpus.table("passages")) p
                JOIN \(corpus.table("documents")) d ON d.ordinal = p.document WHERE p.ordinal = ANY($1)
                """, [.ordinals(some)])
            for row in 0..<rows.count {
                var texts: [[[UInt8]]] = []
                for (name, column) in [("title", 1), ("text", 2)] where field == nil || field == name {
                    texts.append(analyzer.terms(in: try rows.text(row, column)).map { Array($0.utf8) })
                }
                if pattern.matches(texts) { found.append(UInt32(try rows.integer(row, 0))) }
            }
        }
        return "d.ordinal = ANY(\(parameters.bind(.ordinals(OrdinalSet(found).ordinals))))"
    }
}

extension [UInt8] {
    /// Whether bytes stand in it side by side.
    fileprivate func holds(_ wanted: [UInt8]) -> Bool { wanted.isEmpty || firstRange(of: wanted) != nil }
}

extension FilterExpression.Comparison {
    fileprivate var sql: String {
        switch self {
        case .equal: return "="
        case .notEqual: return "<>"
        case .less, .lessOrEqual, .greater, .greaterOrEqual: return rawValue
        }
    }
}

extension GenerationRecord.Field {
    /// The column, as SQL.
    func reference(_ table: String) -> String { "\(table).\(CorpusSchema.quoted(column))" }

    /// The column in a form that `value(_:_:_:)` reads.
    func shown(_ table: String) -> String {
        field.type == .date ? "extract(epoch FROM \(reference(table)))::bigint" : reference(table)
    }

    /// A bound constant as a value of the column's type.
    func placeholder(_ bound: String) -> String { field.type == .date ? "to_timestamp(\(bound))" : bound }

    /// The field's value in a row; nil for none.
    func value(_ rows: PostgresRows, _ row: Int, _ column: Int) throws -> MetadataValue? {
        switch field.type {
        case .text: return try rows.optionalText(row, column).map { .text($0) }
        case .textList: return try rows.texts(row, column).map { .list($0.map { .text($0) }) }
        case .number:
            guard isInteger else { return try rows.optionalNumber(row, column).map { .number($0) } }
            return try rows.optionalInteger(row, column).map { .exact(Int64($0)) }
        case .numberList:
            guard isInteger else { return try rows.numbers(row, column).map { .list($0.map { .number($0) }) } }
            return try rows.longs(row, column).map { .list($0.map { .exact($0) }) }
        case .boolean: return try rows.optionalBoolean(row, column).map { .boolean($0) }
        case .date: return try rows.optionalInteger(row, column).map { .date(Int64($0)) }
        }
    }

    /// A constant as the column's type takes it.
    enum Bound {
        case value(PostgresValue)
        /// The clause is true of every value, or of none.
        case always, never
    }

    /// The constant of a clause. A number that the column's type does not hold exactly becomes the nearest one on the side
    /// that keeps the comparison's meaning.
    /// - Throws: `CorpusError` `badArgument` for a value of another type.
    func bound(_ constant: MetadataValue, for comparison: FilterExpression.Comparison) throws -> Bound {
        switch (field.type, constant) {
        case (.text, .text(let text)), (.textList, .text(let text)): return .value(.text(text))
        case (.boolean, .boolean(let flag)): return .value(.boolean(flag))
        case (.date, .date(let seconds)):
            // Beyond what a timestamp holds nothing is, and values were clamped to the same ends.
            return .value(.number(Double(min(max(seconds, -210_866_803_200), 9_224_318_015_999))))
        case (.number, .number(let number)), (.numberList, .number(let number)):
            return isInteger ? Self.integerBound(number, comparison) : .value(.number(number))
        case (.number, .integer(let number)), (.numberList, .integer(let number)):
            return isInteger ? .value(.integer(number)) : Self.doubleBound(number, comparison)
        default:
            throw CorpusError(
                .badArgument,
                "field \"\(field.name)\" has type \(field.type); the value is \(constant.json.serialized())")
        }
    }

    private static func integerBound(_ number: Double, _ comparison: FilterExpression.Comparison) -> Bound {
        if let exact = Int64(exactly: number) { return .value(.integer(exact)) }
        switch comparison {
        case .equal: return .never
        case .notEqual: return .always
        case .less, .greaterOrEqual:
            if number >= 0x1p63 { return comparison == .less ? .always : .never }
            if number < -0x1p63 { return comparison == .less ? .never : .always }
            return .value(.integer(Int64(number.rounded(.up))))
        case .lessOrEqual, .greater:
            if number >= 0x1p63 { return comparison == .lessOrEqual ? .always : .never }
            if number < -0x1p63 { return comparison == .lessOrEqual ? .never : .always }
            return .value(.integer(Int64(number.rounded(.down))))
        }
    }

    private static func doubleBound(_ number: Int64, _ comparison: FilterExpression.Comparison) -> Bound {
        if let exact = Double(exactly: number) { return .value(.number(exact)) }
        var nearest = Double(number)
        switch comparison {
        case .equal: return .never
        case .notEqual: return .always
        case .less, .greaterOrEqual:
            if Int64(exactly: nearest).map({ $0 < number }) ?? false { nearest = nearest.nextUp }
        case .lessOrEqual, .greater:
            if Int64(exactly: nearest).map({ $0 > number }) ?? true { nearest = nearest.nextDown }
        }
        return .value(.number(nearest))
    }
}
