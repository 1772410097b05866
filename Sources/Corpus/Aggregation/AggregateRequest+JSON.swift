// SPDX-License-Identifier: Apache-2.0

public import Base
import OrderedCollections
import Text

extension AggregateRequest {
    /// The most measures, groupings and sort columns of a request.
    public static let partLimit = 16

    /// Reads a request from JSON, against the fields of a corpus.
    ///
    /// ```json
    /// {"measures": [{"op": "count"}, {"op": "mean", "field": "score", "as": "average"},
    ///               {"op": "quantile", "field": "score", "q": 0.9}],
    ///  "group_by": ["category", {"field": "published", "every": "month"}, {"field": "price", "width": 10}],
    ///  "sort": [{"by": "average", "order": "descending"}], "limit": 10, "offset": 0}
    /// ```
    /// Operations: count, distinct, sum, mean, min, max, median, quantile, argmin, argmax. With no measures documents are
    /// counted.
    /// - Throws: `CorpusError` `badArgument` that says what was wrong and what is accepted.
    public init(json: JSONValue, schema: FilterSchema) throws {
        let parser = AggregateParser(schema: schema)
        let members = try parser.members(json, ["measures", "group_by", "sort", "limit", "offset"])
        self.init()
        let measures = try parser.list(members["measures"], "measures").map { try parser.measure($0) }
        if !measures.isEmpty { self.measures = measures }
        groupBy = try parser.list(members["group_by"], "group_by").map { try parser.grouping($0) }
        let names = groupBy.map(\.name) + self.measures.map(\.name)
        guard Set(names).count == names.count else {
            throw AggregateParser.failure(
                "two columns have the same name (\(names.joined(separator: ", "))); name measures with \"as\"")
        }
        sort = try parser.list(members["sort"], "sort").map { try parser.order($0, columns: names) }
        limit = try parser.count(members["limit"], "limit") ?? limit
        offset = try parser.count(members["offset"], "offset") ?? 0
    }
}

extension DocumentListRequest {
    /// Reads a request from JSON: `{"sort": [{"by": "score", "order": "descending"}], "fields": ["score"], "limit": 10}`.
    /// - Throws: `CorpusError` `badArgument` that says what was wrong and what is accepted.
    public init(json: JSONValue, schema: FilterSchema) throws {
        let parser = AggregateParser(schema: schema)
        let members = try parser.members(json, ["sort", "fields", "limit", "offset"])
        self.init()
        sort = try parser.list(members["sort"], "sort").map {
            let order = try parser.order($0, columns: nil)
            _ = try parser.field(.string(order.column), for: "sort")
            return order
        }
        fields = try parser.list(members["fields"], "fields").map { try parser.field($0, for: "fields") }
        limit = try parser.count(members["limit"], "limit") ?? limit
        offset = try parser.count(members["offset"], "offset") ?? 0
    }
}

extension AggregateResult {
    /// The page as JSON: `columns`, `rows` (lists of values), `matched`, `total_rows`, `complete`, and `next_offset` when
    /// there is another page.
    public var json: JSONValue {
        var members: JSONObject = [
            "columns": .array(columns.map { .string($0) }),
            "rows": .array(rows.map { row in .array(row.map { $0?.json ?? .null }) }), "matched": .integer(matched),
            "total_rows": .integer(rowCount), "complete": .bool(isComplete),
        ]
        if let nextOffset { members["next_offset"] = .integer(nextOffset) }
        return .object(members)
    }
}

private struct AggregateParser {
    let schema: FilterSchema

    static func failure(_ message: String) -> CorpusError { CorpusError(.badArgument, "aggregate: \(message)") }

    func members(_ json: JSONValue, _ allowed: [String]) throws -> JSONObject {
        guard let members = json.object else { throw Self.failure("expected an object, found \(json.typeName)") }
        for name in members.keys where !allowed.contains(name) {
            throw Self.failure("unexpected member \"\(name)\"; accepted are \(allowed.joined(separator: ", "))")
        }
        return members
    }

    func list(_ json: JSONValue?, _ name: String) throws -> [JSONValue] {
        guard let json, !json.isNull else { return [] }
        let elements = json.array ?? [json]
        guard elements.count <= AggregateRequest.partLimit else {
            throw Self.failure(
                "\"\(name)\" takes at most \(AggregateRequest.partLimit) entries, found \(elements.count)")
        }
        return elements
    }

    func count(_ json: JSONValue?, _ name: String) throws -> Int? {
        guard let json, !json.isNull else { return nil }
        guard let number = json.int, number >= 0, number <= Int(UInt32.max) else {
            throw Self.failure("\"\(name)\" must be a whole number of 0 or more, found \(FilterSchema.shown(json))")
        }
        return number
    }

    /// A metadata field of one of some types.
    func field(
        _ json: JSONValue?, for use: String, _ expected: String = "a field",
        where isAccepted: (FieldType) -> Bool = { _ in true }
    ) throws -> String {
        guard let name = json?.string else {
            throw Self.failure("\"\(use)\" needs a \"field\". Fields: \(schema.summary)")
        }
        let type = try schema.requiredType(of: name)
        guard !schema.isBuiltIn(name) else {
            throw Self.failure("\"\(use)\" works on metadata fields, not on \"\(name)\". Fields: \(schema.summary)")
        }
        guard isAccepted(type) else {
            throw Self.failure("\"\(use)\" needs \(expected); \"\(name)\" has type \(type). Fields: \(schema.summary)")
        }
        return name
    }

    func measure(_ json: JSONValue) throws -> AggregateRequest.Measure {
        let given = try json.string.map { ["op": .string($0)] } ?? members(json, ["op", "field", "q", "as"])
        guard let operation = given["op"]?.string?.lowercased() else { throw Self.failure("a measure needs an \"op\"") }
        func any() throws -> String { try field(given["field"], for: operation) }
        func number() throws -> String {
            try field(given["field"], for: operation, "a number field", where: \.isNumeric)
        }
        func scalar() throws -> String {
            try field(given["field"], for: operation, "a field with one value a document") { !$0.isList }
        }
        let statistic: AggregateRequest.Statistic
        switch operation {
        case "count": statistic = given["field"]?.string == nil ? .count : .countOf(field: try any())
        case "distinct", "count_distinct": statistic = .distinct(field: try any())
        case "sum": statistic = .sum(field: try number())
        case "mean", "avg", "average": statistic = .mean(field: try number())
        case "min": statistic = .minimum(field: try any())
        case "max": statistic = .maximum(field: try any())
        case "median": statistic = .quantile(field: try number(), 0.5)
        case "quantile", "percentile":
            guard let q = given["q"]?.double, q >= 0, q <= 1 else {
                throw Self.failure("\"quantile\" needs \"q\" from 0 to 1")
            }
            statistic = .quantile(field: try number(), q)
        case "argmin": statistic = .argumentOfMinimum(field: try scalar())
        case "argmax": statistic = .argumentOfMaximum(field: try scalar())
        default:
            throw Self.failure(
                "unknown operation \"\(operation)\"; the operations are count, distinct, sum, mean, min, max, median, quantile, argmin, argmax"
            )
        }
        let suffix = statistic.field.map { "_\($0)" } ?? ""
        return AggregateRequest.Measure(statistic, name: given["as"]?.string ?? operation + suffix)
    }

    func grouping(_ json: JSONValue) throws -> AggregateRequest.Grouping {
        if json.string != nil { return .value(field: try field(json, for: "group_by")) }
        let given = try members(json, ["field", "every", "width"])
        if let every = given["every"] {
            guard let period = every.string.flatMap({ CalendarPeriod(rawValue: $0.lowercased()) }) else {
                throw Self.failure(
                    "\"every\" is one of day, week, month, quarter, year, found \(FilterSchema.shown(every))")
            }
            return .period(field: try field(given["field"], for: "every", "a date field") { $0 == .date }, period)
        }
        if let json = given["width"] {
            guard let width = json.double, width > 0, width.isFinite else {
                throw Self.failure("\"width\" must be a number above 0")
            }
            return .interval(
                field: try field(given["field"], for: "width", "a number field") { $0 == .number }, width: width)
        }
        return .value(field: try field(given["field"], for: "group_by"))
    }

    /// - Parameter columns: the names that can be sorted by; nil leaves that to the caller.
    func order(_ json: JSONValue, columns: [String]?) throws -> AggregateRequest.Order {
        let given = try json.string.map { ["by": .string($0)] } ?? members(json, ["by", "field", "order"])
        guard let name = (given["by"] ?? given["field"])?.string else {
            throw Self.failure("\"sort\" takes entries such as {\"by\": …, \"order\": \"descending\"}")
        }
        if let columns, !columns.contains(name) {
            throw Self.failure("cannot sort by \"\(name)\"; the columns are \(columns.joined(separator: ", "))")
        }
        switch given["order"]?.string?.lowercased() ?? "ascending" {
        case "ascending", "asc": return AggregateRequest.Order(name)
        case "descending", "desc": return AggregateRequest.Order(name, descending: true)
        case let other: throw Self.failure("\"order\" is ascending or descending, found \"\(other)\"")
        }
    }
}
