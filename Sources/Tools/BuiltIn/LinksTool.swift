// SPDX-License-Identifier: Apache-2.0

public import Base
import Corpus
public import LanguageModels
import OrderedCollections
import Text

/// `links`: the passages that some passages lead to by the titles that they name, then those that name theirs.
///
/// Arguments: `ids` of one to three passages; `limit` (default 20), of which a third goes to incoming links. It is no
/// tool of `Tools/`: policies that follow links bring it along, and models are told of it only there.
public struct LinksTool: RetrievalTool {
    public let specification: ToolSpecification
    /// The name of the tool.
    public static let name = "links"
    /// The number of passages when the call names none.
    public static let defaultLimit = 20

    public init() {
        specification = ToolSpecification(
            name: Self.name,
            description: "Finds the passages that the given passages name by title, and those that name them.",
            parameters: [
                "type": "object",
                "properties": [
                    "ids": [
                        "type": "array", "items": ["type": "string", "maxLength": 512], "minItems": 1, "maxItems": 3,
                        "description": "Ids of passages as results show them.",
                    ],
                    "limit": ["type": "integer", "minimum": 1, "maximum": 100, "description": "Default 20."],
                ],
                "required": ["ids"], "additionalProperties": false,
            ])
    }

    public func call(_ arguments: JSONValue, in context: ToolContext) async throws -> ToolOutput {
        let ids = (arguments["ids"]?.array ?? []).compactMap(\.string)
        let limit = min(max(1, arguments["limit"]?.int ?? Self.defaultLimit), context.limits.results)
        var outgoing: [[RankedPassage]] = []
        var incoming: [[RankedPassage]] = []
        for id in ids.prefix(3) {
            guard let passage = try await context.corpus.passages(withID: id).first else {
                throw ToolError(
                    .invalidArguments, "there is no passage \"\(oneLine(id, most: 80))\"; use ids as results show them")
            }
            outgoing.append(try await context.corpus.linkedPassages(from: passage.ordinal, limit: limit))
            incoming.append(try await context.corpus.passagesNaming(passage.ordinal, limit: limit))
        }
        // The share of incoming links is kept free only as far as there are some.
        let back = Self.interleaved(incoming, skipping: Set(ids))
        let out = Self.interleaved(outgoing, skipping: Set(ids))
        let room = max(limit - back.count, limit - limit / 3)
        var seen: Set<String> = []
        var hits: [RankedPassage] = []
        for hit in Array(out.prefix(room)) + back where hits.count < limit && seen.insert(hit.id).inserted {
            hits.append(hit)
        }
        let description = "links of \(ids.prefix(3).map { oneLine($0, most: 80) }.joined(separator: ", "))"
        let found = hits.isEmpty ? "none" : counted(hits.count, "passage")
        var text = PassageText(header: "\(context.handle): \(description): \(found)", limits: context.limits)
        let passages = try await context.corpus.passages(at: hits.map(\.ordinal))
        for (index, (hit, passage)) in zip(hits, passages).enumerated() {
            guard
                text.append(
                    ShownPassage(passage: passage, score: hit.score), rank: index + 1,
                    most: context.limits.passageCharacters, showsScore: false)
            else { break }
        }
        return ToolOutput(
            resultSet: ResultSet(
                handle: context.handle, tool: Self.name, description: description, content: .passages(hits),
                total: hits.count, isComplete: true),
            passages: text.shown, text: text.text, summary: "\(context.handle): \(found)")
    }

    /// The lists one hit at a time in turns, each passage once.
    private static func interleaved(_ lists: [[RankedPassage]], skipping: Set<String>) -> [RankedPassage] {
        var result: [RankedPassage] = []
        var seen = skipping
        for place in 0..<(lists.map(\.count).max() ?? 0) {
            for list in lists where place < list.count && seen.insert(list[place].id).inserted {
                result.append(list[place])
            }
        }
        return result
    }
}
