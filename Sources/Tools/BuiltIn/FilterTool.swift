// SPDX-License-Identifier: Apache-2.0

public import Base
import Corpus
public import LanguageModels
import OrderedCollections
import Text

/// `filter`: all documents that a condition matches, as a set with a handle.
///
/// Arguments: `where`, a filter; `within`, an expression of handles; `sort`, `fields`, `offset` and `limit` for the page
/// that is shown. The result set always holds every match.
public struct FilterTool: RetrievalTool {
    public let specification: ToolSpecification
    public var access: ToolAccess { .read }
    /// The documents on a page when the call names no number.
    public static let defaultLimit = 20

    public init(specification: ToolSpecification) { self.specification = specification }

    public func call(_ arguments: JSONValue, in context: ToolContext) async throws -> ToolOutput {
        let corpus = context.corpus
        let scope = try ScopeArgument.expression(arguments["within"], named: "within")
        guard arguments["where"].map({ !$0.isNull }) == true || scope != nil else {
            throw ToolError(.invalidArguments, "give \"where\" (a condition), \"within\" (a handle), or both")
        }
        let matching = try await Selection(arguments["where"], scope: scope, in: context)
        var listing: JSONObject = [:]
        for key in ["sort", "fields"] { listing[key] = arguments[key] }
        var request = try teaching { try DocumentListRequest(json: .object(listing), schema: corpus.schema) }
        request.offset = max(0, arguments["offset"]?.int ?? 0)
        request.limit = min(max(1, arguments["limit"]?.int ?? Self.defaultLimit), context.limits.pageRows)
        let page = try await teaching { try await corpus.list(matching.documents, request) }

        let total = matching.documents.count
        let header =
            "\(context.handle): \(counted(total, "document")) \(total == 1 ? "matches" : "match") \(matching.description) (\(matching.standing))"
        var output = TableText.output(
            page.table, header: header, offset: 0, limit: page.table.rows.count, limits: context.limits,
            start: page.offset,
            total: total)
        output.summary = "\(context.handle): \(counted(total, "document"))"
        output.resultSet = ResultSet(
            handle: context.handle, tool: specification.name, description: matching.description,
            content: .documents(matching.documents), total: total, isComplete: matching.isComplete)
        return output
    }
}

/// The documents that `where` and `within` or `over` name together.
struct Selection {
    let documents: OrdinalSet
    /// In words, for headers and descriptions.
    let description: String
    /// Whether these are all documents of the corpus that qualify: false within a search's best hits.
    let isComplete: Bool
    /// How far the selection can be trusted, in words: "complete", or what it leaves out.
    let standing: String

    init(_ condition: JSONValue?, scope: ScopeExpression?, in context: ToolContext) async throws {
        var candidates: OrdinalSet?
        if let scope {
            switch try scope.evaluate(in: context.resultSets) {
            case .documents(let set): candidates = set
            case .passages(let set):
                // Passages of one result carry their documents; only ordinals are left of a combination.
                candidates = OrdinalSet(
                    try await context.corpus.passages(at: set.ordinals).map(\.documentOrdinal))
            }
        }
        let expression: FilterExpression
        if let condition, !condition.isNull {
            expression = try teaching { try FilterExpression(json: condition, schema: context.corpus.schema) }
        } else {
            expression = .all
        }
        documents = try await teaching { try await context.corpus.filter(expression, among: candidates) }
        let parts = [
            condition.flatMap { $0.isNull ? nil : oneLine($0.serialized(), most: 200) },
            scope.map { "within \($0.text)" },
        ]
        let joined = parts.compactMap { $0 }.joined(separator: " ")
        description = joined.isEmpty ? "everything" : joined
        isComplete = scope?.handles.allSatisfy { context.resultSets[$0]?.isComplete ?? false } ?? true
        let odd = context.corpus.schema.fields.filter { $0.oddCount > 0 && expression.fields.contains($0.name) }.map {
            field in
            "\(counted(field.oddCount, "value")) of \(field.name) \(field.oddCount == 1 ? "is" : "are") no "
                + "\(field.type.singular) (\(field.oddExamples.joined(separator: ", "))) and counted as missing"
        }
        let apart = Self.conditionsOfLists(expression, context.corpus.schema).map {
            "the conditions on \($0) may hold in different elements of a document's list"
        }
        standing = ([isComplete ? "complete" : "of what the search found, not of the whole corpus"] + odd + apart)
            .joined(separator: "; ")
    }
}

extension Selection {
    /// The lists of objects on whose members several conditions must hold together: a corpus keeps the values of each member,
    /// not which of them stand in one object.
    static func conditionsOfLists(_ expression: FilterExpression, _ schema: FilterSchema) -> [String] {
        switch expression {
        case .and(let parts):
            var fields: [String: Int] = [:]
            for part in parts {
                for list in Set(
                    part.fields.compactMap { field -> String? in
                        guard schema.type(of: field)?.isList == true, let dot = field.lastIndex(of: ".") else {
                            return nil
                        }
                        return String(field[..<dot])
                    })
                { fields[list, default: 0] += 1 }
            }
            let own = fields.filter { $0.value > 1 }.map(\.key).sorted()
            return own + parts.flatMap { conditionsOfLists($0, schema) }.filter { !own.contains($0) }
        case .or(let parts): return parts.flatMap { conditionsOfLists($0, schema) }
        case .not(let part): return conditionsOfLists(part, schema)
        default: return []
        }
    }
}

/// Turns the corpus's errors about arguments into the tool's: they say what was wrong and what is accepted.
func teaching<Value>(_ body: () async throws -> Value) async throws -> Value {
    do { return try await body() } catch let error as CorpusError { throw ToolError(.invalidArguments, error.message) }
}

func teaching<Value>(_ body: () throws -> Value) throws -> Value {
    do { return try body() } catch let error as CorpusError { throw ToolError(.invalidArguments, error.message) }
}
