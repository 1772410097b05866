// SPDX-License-Identifier: Apache-2.0

public import Base
public import Corpus
public import LanguageModels
import Text

/// `semantic_search`, `keyword_search` and `hybrid_search`: the passages that match a query best.
///
/// Arguments: `query`; `limit` (default 10); `within`, an expression of handles.
public struct SearchTool: RetrievalTool {
    public let specification: ToolSpecification
    public var access: ToolAccess { .read }
    /// How it searches.
    public let mode: RetrievalMode
    /// The number of passages when the call names none.
    public static let defaultLimit = 10

    public init(mode: RetrievalMode, specification: ToolSpecification) {
        self.mode = mode
        self.specification = specification
    }

    public func call(_ arguments: JSONValue, in context: ToolContext) async throws -> ToolOutput {
        let query = try arguments.requiredString("query")
        guard query.contains(where: { !$0.isWhitespace }) else {
            throw ToolError(.invalidArguments, "\"query\" must not be empty")
        }
        guard !query.isLonger(than: context.limits.queryCharacters) else {
            throw ToolError(
                .invalidArguments, "\"query\" may have at most \(context.limits.queryCharacters) characters")
        }
        guard context.corpus.summary.modes.contains(mode) else {
            let modes = context.corpus.summary.modes.map { $0.rawValue + "_search" }.joined(separator: ", ")
            throw ToolError(.failed, "this corpus has no index for \(mode.rawValue) search; use \(modes)")
        }
        let limit = min(max(1, arguments["limit"]?.int ?? Self.defaultLimit), context.limits.results)
        let expression = try ScopeArgument.expression(arguments["within"], named: "within")
        let scope = try expression?.evaluate(in: context.resultSets)

        // One more than asked for tells whether there are more.
        var hits = try await context.corpus.search(mode, query: query, limit: limit + 1, within: scope)
        let isComplete = hits.count <= limit
        hits = Array(hits.prefix(limit))
        let passages = try await context.corpus.passages(at: hits.map(\.ordinal))
        let place = expression.map { " within \($0.text)" } ?? ""
        let description = "\(mode.rawValue) search for \"\(oneLine(query, most: 200))\"\(place)"
        let count =
            isComplete ? "\(counted(hits.count, "passage")), no more match" : "the best \(hits.count), more match"
        let found = hits.isEmpty ? "nothing found" : count
        var text = PassageText(header: "\(context.handle): \(description): \(found)", limits: context.limits)
        for (index, (hit, passage)) in zip(hits, passages).enumerated() {
            let scored = ShownPassage(passage: passage, score: hit.score)
            guard
                text.append(
                    scored, rank: index + 1, most: context.limits.passageCharacters, showsScore: true)
            else { break }
        }
        if text.shown.count < hits.count {
            text.note(
                "[\(hits.count - text.shown.count) more in \(context.handle); read over \(context.handle) with offset \(text.shown.count)]"
            )
        }
        if hits.isEmpty { text.note(Self.advice(mode, scope)) }
        let resultSet = ResultSet(
            handle: context.handle, tool: specification.name, description: description, content: .passages(hits),
            total: hits.count, isComplete: isComplete)
        return ToolOutput(
            resultSet: resultSet, passages: text.shown, text: text.text,
            summary: "\(context.handle): \(found)" + (hits.first.map { ", first \($0.id)" } ?? ""))
    }

    private static func advice(_ mode: RetrievalMode, _ scope: CorpusScope?) -> String {
        if let scope, scope.count == 0 { return "The set to search within is empty." }
        return mode == .keyword
            ? "No passage has these words: try fewer or other words, or semantic_search."
            : "Try other words, or search without `within`."
    }
}

/// Reads `within` and `over`.
enum ScopeArgument {
    /// The expression; nil when the argument is missing, null or empty.
    static func expression(_ value: JSONValue?, named name: String) throws(ToolError) -> ScopeExpression? {
        guard let value, !value.isNull else { return nil }
        guard let text = value.string else {
            throw ToolError(.invalidArguments, "\"\(name)\" must be a string such as \"r1\" or \"r1 intersect r3\"")
        }
        if text.allSatisfy(\.isWhitespace) { return nil }
        return try ScopeExpression(text)
    }
}
