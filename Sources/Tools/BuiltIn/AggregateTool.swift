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
        let finalRequest = request
        let result = try await teaching { try await context.corpus.aggregate(selection.documents, finalRequest) }

        let table = result.table
        let what =
            (request.measures.map(\.name) + (request.groupBy.isEmpty ? [] : ["by"]) + request.groupBy.map(\.name))
            .joined(separator: " ")
        let rows = result.rowCount == 1 ? "" : ", \(counted(result.rowCount, "row"))"
        let header =
            "\(context.handle): \(oneLine(what, most: 200)) over \(counted(result.matched, "document")) (\(selection.description))\(rows)"
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
            content: .table(table), total: result.rowCount, isComplete: table.rows.count == result.rowCount)
        return output
    }
}
