// SPDX-License-Identifier: Apache-2.0

public import Base
import Corpus
public import LanguageModels
import Text

/// `read`: the full text of passages and documents by id, or of the results under a handle.
///
/// Arguments: `ids` or `over`; `around`, the passages before and after each; `offset` and `limit` page on.
/// Over an expression of several handles it gives the combined set a handle of its own.
public struct ReadTool: RetrievalTool {
    public let specification: ToolSpecification
    public var access: ToolAccess { .read }
    /// The number of passages (or of documents, over a set of documents) on a page when the call names none.
    public static let defaultLimit = 10

    public init(specification: ToolSpecification) { self.specification = specification }

    public func call(_ arguments: JSONValue, in context: ToolContext) async throws -> ToolOutput {
        let ids = (arguments["ids"]?.array ?? []).compactMap(\.string)
        let expression = try ScopeArgument.expression(arguments["over"], named: "over")
        let page = Page(arguments, limits: context.limits)
        let around = min(max(0, arguments["around"]?.int ?? 0), 5)
        switch (ids.isEmpty, expression) {
        case (false, nil): return try await read(ids: ids, around: around, page, context)
        case (true, let expression?): return try await read(over: expression, around: around, page, context)
        case (true, nil):
            throw ToolError(.invalidArguments, "give \"ids\" (passages or documents) or \"over\" (a handle such as r1)")
        case (false, _?): throw ToolError(.invalidArguments, "give \"ids\" or \"over\", not both")
        }
    }

    private struct Page {
        var offset: Int
        var limit: Int

        init(_ arguments: JSONValue, limits: ToolLimits) {
            offset = max(0, arguments["offset"]?.int ?? 0)
            limit = min(max(1, arguments["limit"]?.int ?? ReadTool.defaultLimit), limits.pageRows)
        }
    }

    /// A passage of a page and the unit (passage or document) of the page that it belongs to.
    private struct Entry {
        var scored: ShownPassage
        var unit: Int
    }

    private func read(ids: [String], around: Int, _ page: Page, _ context: ToolContext) async throws -> ToolOutput {
        var passages: [ShownPassage] = []
        var unknown: [String] = []
        for id in ids.prefix(50) {
            let found = try await context.corpus.passages(withID: id)
            if found.isEmpty { unknown.append(id) }
            passages.append(contentsOf: found.map { ShownPassage(passage: $0, score: 0) })
        }
        guard !passages.isEmpty else {
            let listed = unknown.prefix(5).map { "\"\(oneLine($0, most: 80))\"" }.joined(separator: ", ")
            throw ToolError(
                .invalidArguments, "there is no passage or document \(listed); use ids as search results show them")
        }
        let missing = unknown.isEmpty ? "" : "; unknown: \(unknown.prefix(5).joined(separator: ", "))"
        let header = "read \(ids.prefix(5).joined(separator: ", ")): \(counted(passages.count, "passage"))\(missing)"
        let slice = Array(passages.dropFirst(page.offset).prefix(page.limit))
        let entries = try await withNeighbours(slice, around: around, context)
        return render(entries, header: header, page: page, total: passages.count, unit: "passage", context)
    }

    private func read(
        over expression: ScopeExpression, around: Int, _ page: Page, _ context: ToolContext
    ) async throws -> ToolOutput {
        if let handle = expression.singleHandle, case .table(let table)? = context.resultSets[handle]?.content {
            return TableText.output(
                table, header: "\(handle): \(counted(table.rows.count, "row"))", offset: page.offset, limit: page.limit,
                limits: context.limits)
        }
        let content = try expression.content(in: context.resultSets)
        var output: ToolOutput
        let total: Int
        switch content {
        case .passages(let ranked):
            total = ranked.count
            let slice = Array(ranked.dropFirst(page.offset).prefix(page.limit))
            let passages = try await context.corpus.passages(at: slice.map(\.ordinal))
            let scored = zip(passages, slice).map { ShownPassage(passage: $0, score: $1.score) }
            let entries = try await withNeighbours(scored, around: around, context)
            let header = "\(expression.text): \(counted(total, "passage"))"
            output = render(entries, header: header, page: page, total: total, unit: "passage", context)
        case .documents(let set):
            total = set.count
            let slice = Array(set.ordinals.dropFirst(page.offset).prefix(page.limit))
            var entries: [Entry] = []
            for (unit, document) in try await context.corpus.documents(at: slice).enumerated() {
                // More than this of one document never fits.
                for passage in try await context.corpus.passages(at: Array(document.passages.prefix(200))) {
                    entries.append(Entry(scored: ShownPassage(passage: passage, score: 0), unit: unit))
                }
            }
            let header = "\(expression.text): \(counted(total, "document"))"
            output = render(entries, header: header, page: page, total: total, unit: "document", context)
        case .table: throw ToolError(.invalidArguments, "a table cannot be combined")
        }
        if expression.singleHandle == nil {
            output.resultSet = ResultSet(
                handle: context.handle, tool: specification.name, description: expression.text, content: content,
                total: total, isComplete: true)
            output.text = "\(context.handle) = " + output.text
        }
        return output
    }

    /// The passages with those before and after each in its document, once each.
    private func withNeighbours(
        _ passages: [ShownPassage], around: Int, _ context: ToolContext
    ) async throws -> [Entry] {
        guard around > 0 else { return passages.enumerated().map { Entry(scored: $1, unit: $0) } }
        var wanted: [(ordinal: PassageOrdinal, unit: Int)] = []
        var scores: [PassageOrdinal: Double] = [:]
        for scored in passages { scores[scored.passage.ordinal] = scored.score }
        let documents = try await context.corpus.documents(at: passages.map(\.passage.documentOrdinal))
        var seen: Set<PassageOrdinal> = []
        for (unit, (scored, document)) in zip(passages, documents).enumerated() {
            let place = Int(scored.passage.ordinal)
            let first = max(place - around, Int(document.passages.lowerBound))
            let last = min(place + around, Int(document.passages.upperBound) - 1)
            for ordinal in stride(from: first, through: last, by: 1) {
                if seen.insert(PassageOrdinal(ordinal)).inserted { wanted.append((PassageOrdinal(ordinal), unit)) }
            }
        }
        return zip(wanted, try await context.corpus.passages(at: wanted.map(\.ordinal))).map { place, passage in
            Entry(scored: ShownPassage(passage: passage, score: scores[passage.ordinal] ?? 0), unit: place.unit)
        }
    }

    private func render(
        _ entries: [Entry], header: String, page: Page, total: Int, unit: String, _ context: ToolContext
    ) -> ToolOutput {
        var text = PassageText(header: header, limits: context.limits)
        for entry in entries {
            guard
                text.append(entry.scored, rank: nil, most: context.limits.outputCharacters, showsScore: false)
            else { break }
        }
        var next = page.offset + (entries.last.map { $0.unit + 1 } ?? 0)
        if text.shown.count < entries.count {
            let unread = entries[text.shown.count]
            next = page.offset + max(1, unread.unit)
            if unread.unit == 0 { text.note("[cut before \(unread.scored.passage.id): read it by id]") }
        }
        if entries.isEmpty, total > 0 {
            text.note("[nothing at offset \(page.offset); there are \(total)]")
            next = total
        } else if next < total {
            text.note("[\(total - next) more \(unit)s: read on with offset \(next)]")
        }
        return ToolOutput(
            passages: text.shown, text: text.text, summary: header + (next < total ? ", \(total - next) more" : ""))
    }
}
