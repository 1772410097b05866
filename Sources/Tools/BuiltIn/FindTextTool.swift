// SPDX-License-Identifier: Apache-2.0

public import Base
import Corpus
public import LanguageModels
import OrderedCollections
import Search
import Text

/// `find_text`: where a string stands, exactly as it is written, and how often; or which longest runs of a text's words the
/// corpus has, and where: what a text was copied from.
///
/// Arguments: `text`; `case_sensitive`, `whole_words` (both false by default); `longest` for the runs; `within`, an
/// expression of handles; `limit` (default 10). A policy gets it by naming it under `tools`, a folder of tools by a
/// manifest; models are told of it only there. The corpus's strings are indexed in memory at the first call.
public struct FindTextTool: RetrievalTool {
    public let specification: ToolSpecification
    public var access: ToolAccess { .read }
    /// The name of the tool.
    public static let name = "find_text"
    static let defaultLimit = 10

    /// - Parameter specification: what a model is told; nil for the tool's own words.
    public init(specification: ToolSpecification? = nil) {
        self.specification =
            specification
            ?? ToolSpecification(
                name: Self.name,
                description:
                    "Finds a string exactly as it is written (a quotation, a number, a code, part of a word), says "
                    + "how often the corpus has it and shows the passages that have it most often. With \"longest\" it finds "
                    + "the longest runs of the text's words instead: where a text was copied from.",
                parameters: [
                    "type": "object",
                    "properties": [
                        "text": [
                            "type": "string", "minLength": 1, "maxLength": 4096, "description": "The string to find.",
                        ],
                        "case_sensitive": [
                            "type": "boolean", "description": "Whether capital letters count. Default false.",
                        ],
                        "whole_words": [
                            "type": "boolean",
                            "description": "Whether it must begin and end where words do. Default false.",
                        ],
                        "longest": [
                            "type": "boolean",
                            "description": "Find the longest runs of the text's words that occur. Default false.",
                        ],
                        "within": [
                            "type": "string", "maxLength": 1000,
                            "description": "Look only in earlier results, such as \"r1\" or \"r1 intersect r3\".",
                        ],
                        "limit": ["type": "integer", "minimum": 1, "maximum": 100, "description": "Default 10."],
                    ],
                    "required": ["text"], "additionalProperties": false,
                ])
    }

    @concurrent
    public func call(_ arguments: JSONValue, in context: ToolContext) async throws -> ToolOutput {
        let string = try arguments.requiredString("text")
        guard string.contains(where: { !$0.isWhitespace }) else {
            throw ToolError(.invalidArguments, "\"text\" must not be empty")
        }
        guard !string.isLonger(than: context.limits.queryCharacters) else {
            throw ToolError(.invalidArguments, "\"text\" may have at most \(context.limits.queryCharacters) characters")
        }
        let limit = min(max(1, arguments["limit"]?.int ?? Self.defaultLimit), context.limits.results)
        let expression = try ScopeArgument.expression(arguments["within"], named: "within")
        let scope = try expression?.evaluate(in: context.resultSets)
        let index = try await SubstringIndexes.shared.index(of: context.corpus)
        let place = expression.map { " within \($0.text)" } ?? ""
        if arguments["longest"]?.bool == true {
            return try await longest(string, index, scope, place, limit, context)
        }
        let isExact = arguments["case_sensitive"]?.bool ?? false
        let wholeWords = arguments["whole_words"]?.bool ?? false
        var matches = index.matches(string, isExact: isExact, wholeWords: wholeWords)
        try Task.checkCancellation()
        matches = try await matches.keeping(scope, in: context.corpus)
        let count = matches.reduce(0) { $0 + $1.count }
        let description = "the string \"\(oneLine(string, most: 200))\"\(isExact ? " in this case" : "")\(place)"
        let found =
            matches.isEmpty ? "not there" : "\(counted(count, "time")) in \(counted(matches.count, "passage"))"
        var hits: [RankedPassage] = []
        // The counts are exact; of the list as much as a result may hold.
        for match in matches.prefix(max(limit, 1000)) {
            hits.append(RankedPassage(id: "", ordinal: match.ordinal, documentOrdinal: 0, score: Double(match.count)))
        }
        var output = try await Self.output(
            &hits, shown: limit, header: "\(context.handle): \(description): \(found)", context)
        if matches.isEmpty {
            output.text += "\nNo passage has it: shorten it, or use keyword_search with its words."
        }
        output.summary = "\(context.handle): \(found)"
        output.resultSet = ResultSet(
            handle: context.handle, tool: specification.name, description: description, content: .passages(hits),
            total: matches.count, isComplete: hits.count == matches.count)
        return output
    }

    private func longest(
        _ string: String, _ index: SubstringIndex, _ scope: CorpusScope?, _ place: String, _ limit: Int,
        _ context: ToolContext
    ) async throws -> ToolOutput {
        var lines: [String] = []
        var scores: OrderedDictionary<PassageOrdinal, Int> = [:]
        for span in index.spans(of: string).prefix(20) {
            let holding = try await span.passages.map { SubstringIndex.Match(ordinal: $0, count: 1) }
                .keeping(scope, in: context.corpus)
            guard !holding.isEmpty else { continue }
            let shown = try await context.corpus.passages(at: holding.prefix(3).map(\.ordinal)).map { "[\($0.id)]" }
            let more = holding.count > 3 ? " and \(holding.count - 3) more" : ""
            lines.append(
                "\(counted(span.wordCount, "word")) in \(shown.joined(separator: ", "))\(more): "
                    + "\"\(oneLine(span.text, most: 300))\"")
            for match in holding where scores[match.ordinal] == nil { scores[match.ordinal] = span.wordCount }
        }
        var hits = scores.prefix(1000).map {
            RankedPassage(id: "", ordinal: $0.key, documentOrdinal: 0, score: Double($0.value))
        }
        let description = "the longest runs of words of \"\(oneLine(string, most: 200))\"\(place)"
        let found = lines.isEmpty ? "none of three words or more" : counted(lines.count, "run")
        let header = (["\(context.handle): \(description): \(found)"] + lines).joined(separator: "\n")
        var output = try await Self.output(&hits, shown: limit, header: header, context)
        output.summary = "\(context.handle): \(found)"
        output.resultSet = ResultSet(
            handle: context.handle, tool: specification.name, description: description, content: .passages(hits),
            total: scores.count, isComplete: hits.count == scores.count)
        return output
    }

    /// The passages as text, with the ids filled in.
    static func output(
        _ hits: inout [RankedPassage], shown limit: Int, header: String, _ context: ToolContext
    ) async throws -> ToolOutput {
        let passages = try await context.corpus.passages(at: hits.map(\.ordinal))
        var text = PassageText(header: header, limits: context.limits)
        for index in hits.indices {
            hits[index].id = passages[index].id
            hits[index].documentOrdinal = passages[index].documentOrdinal
        }
        for (index, passage) in passages.prefix(limit).enumerated() {
            guard
                text.append(
                    ShownPassage(passage: passage, score: hits[index].score), rank: index + 1,
                    most: context.limits.passageCharacters, showsScore: true)
            else { break }
        }
        if text.shown.count < hits.count {
            text.note(
                "[\(hits.count - text.shown.count) more in \(context.handle); read over \(context.handle) with offset \(text.shown.count)]"
            )
        }
        return ToolOutput(passages: text.shown, text: text.text, summary: "")
    }
}

extension [SubstringIndex.Match] {
    /// Those within a scope, in their order.
    fileprivate func keeping(_ scope: CorpusScope?, in corpus: any RetrievalCorpus) async throws -> Self {
        switch scope {
        case nil: return self
        case .passages(let set): return filter { set.contains($0.ordinal) }
        case .documents(let set):
            let passages = try await corpus.passages(at: map(\.ordinal))
            return zip(self, passages).filter { set.contains($0.1.documentOrdinal) }.map(\.0)
        }
    }
}
