// SPDX-License-Identifier: Apache-2.0

import Base
public import Corpus
import Postgres

extension PostgresCorpus {
    @concurrent
    public func list(_ documents: OrdinalSet, _ request: DocumentListRequest) async throws -> TablePage {
        let selection = selection(documents)
        let fields = request.fields.map { record.field($0) }
        let columns = fields.map { ", " + ($0?.shown("d") ?? "NULL::text") }.joined()
        var orders: [String] = []
        for order in request.sort {
            guard let field = record.field(order.column) else {
                throw CorpusError(.badArgument, "cannot sort by \"\(order.column)\". Fields: \(schema.summary)")
            }
            let column = field.reference("d") + (field.field.type.isList ? "[1]" : "")
            orders.append("\(column) \(order.descending ? "DESC" : "ASC") NULLS LAST")
        }
        orders.append("d.ordinal")
        var parameters = selection.values
        parameters += [.integer(Int64(max(0, request.limit))), .integer(Int64(max(0, request.offset)))]
        let rows = try await read(
            """
            SELECT d.id, d.title\(columns) FROM \(table("documents")) d WHERE \(selection.condition)
            ORDER BY \(orders.joined(separator: ", ")) LIMIT $\(parameters.count - 1) OFFSET $\(parameters.count)
            """, parameters)
        let table = try (0..<rows.count).map { row -> [JSONValue] in
            var cells: [JSONValue] = [.string(try rows.text(row, 0)), .string(try rows.text(row, 1))]
            for (index, field) in fields.enumerated() {
                cells.append(try field?.value(rows, row, 2 + index)?.json ?? .null)
            }
            return cells
        }
        let matched = min(documents.count, record.documentCount)
        return TablePage(
            table: ResultTable(columns: ["id", "title"] + request.fields, rows: table), matched: matched,
            rowCount: matched, offset: request.offset)
    }

    @concurrent
    public func aggregate(_ documents: OrdinalSet, _ request: AggregateRequest) async throws -> TablePage {
        let names = request.groupBy.map(\.name) + request.measures.map(\.name)
        for order in request.sort where !names.contains(order.column) {
            throw CorpusError(
                .badArgument, "cannot sort by \"\(order.column)\"; the columns are \(names.joined(separator: ", "))")
        }
        let matched = min(documents.count, record.documentCount)
        let statement = try AggregateStatement(request, over: selection(documents), in: self)
        if request.groupBy.isEmpty, request.offset > 0 || request.limit <= 0 {
            return TablePage(
                table: ResultTable(columns: names, rows: []), matched: matched, rowCount: 1, offset: request.offset)
        }
        let rows = try await read(statement.sql(isCounting: false), statement.values)
        let table = try (0..<rows.count).map { row in
            try (statement.columns).enumerated().map { index, column in try column.read(rows, row, index) }
        }
        var count = 1
        if !request.groupBy.isEmpty {
            // Every row says how many there are; a page behind the last has none to say it.
            count =
                rows.isEmpty
                ? try await read(statement.sql(isCounting: true), statement.values).integer(0, 0)
                : try rows.integer(0, statement.columns.count)
        }
        return TablePage(
            table: ResultTable(columns: names, rows: table), matched: matched, rowCount: count, offset: request.offset)
    }
}

/// An aggregation as one statement: groups and measures in an inner query, order and page around it.
private struct AggregateStatement {
    /// A column of the result: its SQL, and how its values become JSON.
    struct Column {
        var sql: String
        var read: (PostgresRows, Int, Int) throws -> JSONValue
    }

    private(set) var columns: [Column] = []
    private(set) var values: [PostgresValue]
    private var orderColumns: [String] = []
    private var orders: [String] = []
    private var joins = ""
    private let table: String
    private let condition: String
    private let groupCount: Int
    private let page: (limit: String, offset: String)

    init(_ request: AggregateRequest, over selection: DocumentCondition, in corpus: PostgresCorpus) throws {
        table = corpus.table("documents")
        condition = selection.condition
        values = selection.values
        groupCount = request.groupBy.count
        values.append(.integer(Int64(max(0, request.limit))))
        values.append(.integer(Int64(max(0, request.offset))))
        page = ("$\(values.count - 1)", "$\(values.count)")
        func field(_ name: String) throws -> GenerationRecord.Field {
            if let field = corpus.record.field(name) { return field }
            _ = try corpus.schema.requiredType(of: name)
            throw CorpusError(.badArgument, "\"\(name)\" is no metadata field. Fields: \(corpus.schema.summary)")
        }
        for (index, grouping) in request.groupBy.enumerated() {
            columns.append(try group(grouping, field(grouping.field), index))
        }
        for measure in request.measures {
            let known = try measure.statistic.field.map { try field($0) }
            try Self.check(measure.statistic, known)
            columns.append(Self.measure(measure.statistic, known))
            orderColumns.append(Self.orderKey(measure.statistic, known) ?? "")
        }
        orders = Self.orders(request)
    }

    /// The whole statement, or the number of its groups.
    func sql(isCounting: Bool) -> String {
        var selected = columns.enumerated().map { "\($1.sql) AS c\($0)" }
        for (index, key) in orderColumns.enumerated() where !key.isEmpty { selected.append("\(key) AS k\(index)") }
        let groups = (0..<groupCount).map { "c\($0)" }.joined(separator: ", ")
        let inner =
            "SELECT \(selected.joined(separator: ", ")) FROM \(table) d\(joins) WHERE \(condition)"
            + (groupCount > 0 ? " GROUP BY \(groups)" : "")
        if isCounting {
            // Both parameters of the page are named, so that the server knows their types.
            return "SELECT count(*) FROM (\(inner)) t WHERE \(page.limit)::bigint >= 0 AND \(page.offset)::bigint >= 0"
        }
        let shown = (0..<columns.count).map { "c\($0)" }.joined(separator: ", ")
        return "SELECT \(shown), count(*) OVER () FROM (\(inner)) t"
            + (orders.isEmpty ? "" : " ORDER BY \(orders.joined(separator: ", "))")
            + " LIMIT \(page.limit) OFFSET \(page.offset)"
    }

    /// The order of rows, those without a value last either way: of the request, else scales ascending and other groups by
    /// the first measure; ties by group.
    private static func orders(_ request: AggregateRequest) -> [String] {
        let names = request.groupBy.map(\.name) + request.measures.map(\.name)
        var wanted = request.sort
        let isScale = request.groupBy.contains { if case .value = $0 { return false } else { return true } }
        if wanted.isEmpty, !isScale, let first = request.measures.first {
            wanted = [AggregateRequest.Order(first.name, descending: true)]
        }
        var orders: [String] = []
        for order in wanted {
            guard let place = names.firstIndex(of: order.column) else { continue }
            var key = "c\(place)"
            if place >= request.groupBy.count {
                switch request.measures[place - request.groupBy.count].statistic {
                case .argumentOfMinimum, .argumentOfMaximum: key = "k\(place - request.groupBy.count)"
                default: break
                }
            }
            orders.append("\(key) \(order.descending ? "DESC" : "ASC") NULLS LAST")
        }
        return orders + request.groupBy.indices.map { "c\($0) NULLS LAST" }
    }

    // MARK: Groups

    private mutating func group(
        _ grouping: AggregateRequest.Grouping, _ field: GenerationRecord.Field, _ index: Int
    ) throws -> Column {
        var value = field.reference("d")
        if field.field.type.isList {
            // A document is in the group of each of its elements once, in that of null without any.
            joins += " LEFT JOIN LATERAL (SELECT DISTINCT e FROM unnest(\(value)) AS u (e)) g\(index) ON TRUE"
            value = "g\(index).e"
        }
        switch grouping {
        case .value: return Self.column(value, field)
        case .period(let name, let period):
            guard field.field.type == .date else {
                throw CorpusError(.badArgument, "periods are for dates; \"\(name)\" has type \(field.field.type)")
            }
            let start = "extract(epoch FROM date_trunc('\(period.rawValue)', \(value) AT TIME ZONE 'UTC'))::bigint"
            return Column(sql: start) { rows, row, column in
                try rows.optionalInteger(row, column).map {
                    .string(CalendarDate.name(of: period, start: CalendarDate.start(of: period, seconds: Int64($0))))
                } ?? .null
            }
        case .interval(let name, let width):
            guard field.field.type.isNumeric else {
                throw CorpusError(.badArgument, "intervals are for numbers; \"\(name)\" has type \(field.field.type)")
            }
            guard width > 0, width.isFinite else {
                throw CorpusError(.badArgument, "the width of intervals of \"\(name)\" must be above 0")
            }
            values.append(.number(width))
            return Column(sql: "floor(\(value)::double precision / $\(values.count))") { rows, row, column in
                try rows.optionalNumber(row, column).map { MetadataValue.number($0 * width).json } ?? .null
            }
        }
    }

    /// A column of values of a field: of its own or of its elements' type.
    private static func column(_ sql: String, _ field: GenerationRecord.Field) -> Column {
        var single = field
        switch field.field.type {
        case .textList: single.field.type = .text
        case .numberList: single.field.type = .number
        default: break
        }
        let shown = field.field.type == .date ? "extract(epoch FROM \(sql))::bigint" : sql
        return Column(sql: shown) { [single] rows, row, column in
            try single.value(rows, row, column)?.json ?? .null
        }
    }

    // MARK: Measures

    private static func check(_ statistic: AggregateRequest.Statistic, _ field: GenerationRecord.Field?) throws {
        guard let field = field?.field else { return }
        switch statistic {
        case .sum, .mean, .quantile:
            guard field.type.isNumeric else {
                throw CorpusError(
                    .badArgument, "sums, means and quantiles need numbers; \"\(field.name)\" has type \(field.type)")
            }
        case .argumentOfMinimum, .argumentOfMaximum:
            guard !field.type.isList else {
                throw CorpusError(.badArgument, "\"\(field.name)\" has several values a document")
            }
        case .count, .countOf, .distinct, .minimum, .maximum: break
        }
    }

    private static func number(_ sql: String) -> Column {
        Column(sql: "(\(sql))::double precision") { rows, row, column in
            try rows.optionalNumber(row, column).map { MetadataValue.number($0).json } ?? .null
        }
    }

    /// A measure over the documents of a group. Of a list, its elements count one by one.
    private static func measure(_ statistic: AggregateRequest.Statistic, _ field: GenerationRecord.Field?) -> Column {
        guard let field else { return number("count(*)") }
        let value = field.reference("d")
        let isList = field.field.type.isList
        // All elements of a group: arrays of different lengths only go together as JSON.
        let element = field.field.type == .numberList ? "(e #>> '{}')::double precision" : "e #>> '{}'"
        let elements =
            "jsonb_array_elements(jsonb_agg(to_jsonb(\(value))) FILTER (WHERE \(value) IS NOT NULL)) AS a (l), jsonb_array_elements(l) AS u (e)"
        func overElements(_ function: String) -> String { "(SELECT \(function)(e) FROM unnest(\(value)) AS u (e))" }
        switch statistic {
        case .count: return number("count(*)")
        case .countOf: return number("count(\(value))")
        case .distinct:
            return number(isList ? "(SELECT count(DISTINCT \(element)) FROM \(elements))" : "count(DISTINCT \(value))")
        case .sum:
            let sum = "coalesce(sum(\(isList ? overElements("sum") : value)), 0)"
            return field.isInteger ? exactSum(sum) : number(sum)
        case .mean:
            return number(
                isList ? "sum(\(overElements("sum"))) / nullif(sum(cardinality(\(value))), 0)" : "avg(\(value))")
        case .minimum: return column(isList ? "min(\(overElements("min")))" : Self.extreme("min", value, field), field)
        case .maximum: return column(isList ? "max(\(overElements("max")))" : Self.extreme("max", value, field), field)
        case .quantile(_, let share):
            // The share is a number of our own reading, written so that it is a number again.
            let place = "percentile_cont(\(min(max(share, 0), 1)))"
            if isList {
                return number("(SELECT \(place) WITHIN GROUP (ORDER BY \(element)) FROM \(elements))")
            }
            return number("\(place) WITHIN GROUP (ORDER BY \(value)::double precision)")
        case .argumentOfMinimum, .argumentOfMaximum:
            let isLeast = if case .argumentOfMinimum = statistic { true } else { false }
            let first =
                "(array_agg(d.id ORDER BY \(value) \(isLeast ? "ASC" : "DESC"), d.ordinal) FILTER (WHERE \(value) IS NOT NULL))[1]"
            return Column(sql: first) { rows, row, column in
                try rows.optionalText(row, column).map { .string($0) } ?? .null
            }
        }
    }

    private static func extreme(_ function: String, _ value: String, _ field: GenerationRecord.Field) -> String {
        guard field.field.type == .boolean else { return "\(function)(\(value))" }
        return function == "min" ? "bool_and(\(value))" : "bool_or(\(value))"
    }

    /// A sum of whole numbers without rounding, as far as 64 bits go.
    private static func exactSum(_ sql: String) -> Column {
        Column(sql: "(\(sql))::text") { rows, row, column in
            guard let text = try rows.optionalText(row, column) else { return .null }
            if let whole = Int64(text) { return MetadataValue.exact(whole).json }
            return Double(text).map { MetadataValue.number($0).json } ?? .null
        }
    }

    /// What rows are ordered by where it is not the measure itself: the value, not the document that has it.
    private static func orderKey(
        _ statistic: AggregateRequest.Statistic, _ field: GenerationRecord.Field?
    ) -> String? {
        guard let value = field?.reference("d"), let field else { return nil }
        switch statistic {
        case .argumentOfMinimum: return extreme("min", value, field)
        case .argumentOfMaximum: return extreme("max", value, field)
        default: return nil
        }
    }
}
