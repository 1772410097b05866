// SPDX-License-Identifier: Apache-2.0

public import Base
import Corpus
public import LanguageModels
import OrderedCollections
import Text

/// `aggregate`: measures over every document that qualifies, for all of them or by group.
///
/// Arguments: `where` and `over` say which documents; `measures`, `group_by`, `sort`, `offset` and `limit` are those of
/// `AggregateRequest`. The result is a table under a handle.
public struct AggregateTool: RetrievalTool {
    public let specification: ToolSpecification
    public var access: ToolAccess { .read }
    /// The most rows that a result table holds for paging.
    static let mostRows = 10_000

    public init(specification: ToolSpecification) { self.specification = specification }

    public func call(_ arguments: JSONValue, in context: ToolContext) async throws -> ToolOutput {
        let scope = try ScopeArgument.expression(arguments["over"], named: "over")
        let selection = try await Selection(arguments["where"], scope: scope, in: context)
        var members: JSONObject = [:]
        for key in ["measures", "group_by", "sort"] { members[key] = arguments[key] }
        var request = try teaching {
            try AggregateRequest(json: .object(members), schema: context.corpus.schema)
        }
        let offset = max(0, arguments["offset"]?.int ?? 0)
        let limit = min(max(1, arguments["limit"]?.int ?? 20), context.limits.pageRows)
        request.offset = 0
        request.limit = Self.mostRows
        // Orders by computed columns are made once these are there.
        let computedNames = Set(request.computed.map(\.name))
        let order = request.sort
        let sortsAfterwards = order.contains { computedNames.contains($0.column) }
        if sortsAfterwards { request.sort = [] }
        let finalRequest = request
        let result = try await teaching { try await context.corpus.aggregate(selection.documents, finalRequest) }
        guard !sortsAfterwards || result.table.rows.count == result.rowCount else {
            throw ToolError(
                .invalidArguments, "more than \(Self.mostRows) groups cannot be sorted by an expression: filter first")
        }

        let table = Self.computing(request.computed, result.table, order: sortsAfterwards ? order : [])
        let what =
            (request.measures.map(\.name) + request.computed.map(\.name) + (request.groupBy.isEmpty ? [] : ["by"])
            + request.groupBy.map(\.name))
            .joined(separator: " ")
        let rows = result.rowCount == 1 ? "" : ", \(counted(result.rowCount, "row"))"
        let missing =
            (try await Self.missing(in: finalRequest, of: selection.documents, context)
            + Self.textBounds(of: finalRequest, context)).map { "; " + $0 }
        let header =
            "\(context.handle): \(oneLine(what, most: 200)) over \(counted(result.matched, "document")) (\(selection.description))\(rows)"
            + missing.joined()
        var output = TableText.output(
            table, header: header, offset: offset, limit: limit, limits: context.limits, total: result.rowCount)
        if result.rowCount == 1, table.rows.count == 1 {
            output.summary =
                "\(context.handle): "
                + zip(table.columns, table.rows[0]).map { "\($0) \(TableText.display($1))" }.joined(separator: ", ")
        } else {
            output.summary = "\(context.handle): \(counted(result.rowCount, "row"))"
        }
        output.resultSet = ResultSet(
            handle: context.handle, tool: specification.name, description: "\(what) over \(selection.description)",
            content: .table(table), total: result.rowCount,
            isComplete: selection.isComplete && table.rows.count == result.rowCount)
        return output
    }

    /// What measures leave out, in words: documents without a value of their field, and values that are of another type.
    private static func missing(
        in request: AggregateRequest, of documents: OrdinalSet, _ context: ToolContext
    ) async throws -> [String] {
        let measured = OrderedSet(
            request.measures.compactMap { measure -> String? in
                switch measure.statistic {
                case .count, .countOf: nil
                default: measure.statistic.field
                }
            })
        guard !measured.isEmpty, documents.count > 0 else { return [] }
        let counts = AggregateRequest(
            measured.map { AggregateRequest.Measure(.countOf(field: $0), name: $0) })
        let row = try await teaching { try await context.corpus.aggregate(documents, counts) }.table.rows.first ?? []
        return zip(measured, row).compactMap { name, value in
            guard let held = value.int ?? value.double.map({ Int($0) }), held < documents.count else { return nil }
            let field = context.corpus.schema.fields.first { $0.name == name }
            let odd = field.flatMap { field in
                field.oddCount == 0
                    ? nil
                    : "; in the corpus \(counted(field.oddCount, "value")) of it "
                        + "\(field.oddCount == 1 ? "is" : "are") no \(field.type.singular) "
                        + "(\(field.oddExamples.joined(separator: ", ")))"
            }
            return
                "\(held) of \(counted(documents.count, "document")) \(held == 1 ? "has" : "have") \(name)\(odd ?? "")"
        }
    }

    /// Says of least and greatest values of texts that texts were compared.
    private static func textBounds(of request: AggregateRequest, _ context: ToolContext) -> [String] {
        let fields = OrderedSet(
            request.measures.compactMap { measure -> String? in
                switch measure.statistic {
                case .minimum(let field), .maximum(let field), .argumentOfMinimum(let field),
                    .argumentOfMaximum(let field):
                    context.corpus.schema.type(of: field) == .text ? field : nil
                default: nil
                }
            })
        return fields.map { name in
            let near = context.corpus.schema.fields.first { $0.name == name }?.nearly
            let why = near.map {
                $0.isAmbiguous
                    ? ": \($0.description)"
                    : ": \($0.description); index with --field-type \(name)=\($0.type.rawValue) to compare \($0.type.singular)s"
            }
            return "\(name) holds texts, which were compared letter by letter\(why ?? "")"
        }
    }

    /// The table with the computed columns behind the measures, in an order of columns; rows without a value come last.
    static func computing(
        _ computed: [AggregateRequest.Computed], _ table: ResultTable, order: [AggregateRequest.Order]
    ) -> ResultTable {
        guard !computed.isEmpty else { return table }
        let places = Dictionary(table.columns.enumerated().map { ($1, $0) }) { first, _ in first }
        var rows = table.rows.map { row in
            row
                + computed.map { column -> JSONValue in
                    let value = column.expression.value { name in places[name].flatMap { row[$0].double } }
                    guard let value else { return .null }
                    return Int(exactly: value).map(JSONValue.integer) ?? .number(value)
                }
        }
        let columns = table.columns + computed.map(\.name)
        let keys = order.compactMap { key in columns.firstIndex(of: key.column).map { ($0, key.descending) } }
        if !keys.isEmpty {
            let sorted = rows.indices.sorted { a, b in
                for (column, descending) in keys where rows[a][column] != rows[b][column] {
                    if rows[a][column].isNull { return false }
                    if rows[b][column].isNull { return true }
                    let isBelow: Bool
                    if let x = rows[a][column].double, let y = rows[b][column].double {
                        isBelow = x < y
                    } else {
                        isBelow = (rows[a][column].string ?? "") < (rows[b][column].string ?? "")
                    }
                    return descending ? !isBelow : isBelow
                }
                return a < b
            }
            rows = sorted.map { rows[$0] }
        }
        return ResultTable(columns: columns, rows: rows)
    }
}
