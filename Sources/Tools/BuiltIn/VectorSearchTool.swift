// SPDX-License-Identifier: Apache-2.0

public import Base
import Corpus
public import LanguageModels
import OrderedCollections
import Search
import Text

/// `vector_search`: the passages nearest to a vector that is made of a query, of texts and of passages.
///
/// Arguments: `query`; `texts`, made-up passages, whose vectors are averaged with the query's (HyDE, Gao et al., 2023:
/// v = mean(E(q), E(d1) … E(dn))); `like`, ids of passages that the vector is moved towards (Rocchio, α·v + β·mean);
/// `alpha`, `beta`; `limit`; `within`. Policies that search with such vectors bring it along; models are told of it only
/// where a policy or a folder of tools names it.
public struct VectorSearchTool: RetrievalTool {
    public let specification: ToolSpecification
    public var access: ToolAccess { .read }
    /// The name of the tool.
    public static let name = "vector_search"
    static let mostTexts = 32

    /// - Parameter specification: what a model is told; nil for the tool's own words.
    public init(specification: ToolSpecification? = nil) {
        self.specification =
            specification
            ?? ToolSpecification(
                name: Self.name,
                description:
                    "Finds the passages nearest in meaning to a query together with texts such as the answer might "
                    + "have (their vectors are averaged), or with passages that were found (it is moved towards them).",
                parameters: [
                    "type": "object",
                    "properties": [
                        "query": ["type": "string", "minLength": 1, "maxLength": 4096, "description": "The question."],
                        "texts": [
                            "type": "array", "items": ["type": "string", "minLength": 1, "maxLength": 4096],
                            "maxItems": .integer(Self.mostTexts), "description": "Passages as they might be written.",
                        ],
                        "like": [
                            "type": "array", "items": ["type": "string", "minLength": 1, "maxLength": 600],
                            "maxItems": 20, "description": "Ids of passages to find more of.",
                        ],
                        "alpha": [
                            "type": "number", "minimum": 0, "maximum": 10,
                            "description": "The weight of query and texts beside the passages. Default 1.",
                        ],
                        "beta": [
                            "type": "number", "minimum": 0, "maximum": 10,
                            "description": "The weight of the passages' mean. Default 0.5.",
                        ],
                        "limit": ["type": "integer", "minimum": 1, "maximum": 100, "description": "Default 10."],
                        "within": [
                            "type": "string", "maxLength": 1000, "description": "Search only in earlier results.",
                        ],
                    ],
                    "required": ["query"], "additionalProperties": false,
                ])
    }

    public func call(_ arguments: JSONValue, in context: ToolContext) async throws -> ToolOutput {
        let corpus = context.corpus
        let query = try arguments.requiredString("query")
        guard query.contains(where: { !$0.isWhitespace }) else {
            throw ToolError(.invalidArguments, "\"query\" must not be empty")
        }
        let texts = (arguments["texts"]?.array ?? []).compactMap(\.string).filter { !$0.allSatisfy(\.isWhitespace) }
        guard texts.count <= Self.mostTexts,
            ([query] + texts).allSatisfy({ !$0.isLonger(than: context.limits.queryCharacters) })
        else {
            throw ToolError(
                .invalidArguments,
                "at most \(Self.mostTexts) texts of at most \(context.limits.queryCharacters) characters")
        }
        let ids = (arguments["like"]?.array ?? []).compactMap(\.string)
        let limit = min(max(1, arguments["limit"]?.int ?? SearchTool.defaultLimit), context.limits.results)
        let expression = try ScopeArgument.expression(arguments["within"], named: "within")
        let scope = try expression?.evaluate(in: context.resultSets)
        guard let vectors = try await corpus.searchVectors(of: [query] + texts) else {
            throw ToolError(.failed, "this corpus has no vectors; use keyword_search")
        }
        var vector = Rocchio.mean(vectors)
        if !ids.isEmpty {
            var ordinals: [PassageOrdinal] = []
            for id in ids.prefix(20) {
                guard let passage = try await corpus.passages(withID: id).first else {
                    throw ToolError(
                        .invalidArguments,
                        "there is no passage \"\(oneLine(id, most: 80))\"; use ids as results show them")
                }
                ordinals.append(passage.ordinal)
            }
            let rocchio = Rocchio(
                alpha: Float(arguments["alpha"]?.double ?? 1), beta: Float(arguments["beta"]?.double ?? 0.5))
            let relevant = try await corpus.vectors(of: ordinals) ?? []
            vector = rocchio.vector(query: vector, passages: relevant) ?? vector
        }
        guard var hits = try await corpus.nearest(to: vector, limit: limit + 1, within: scope) else {
            throw ToolError(.failed, "this corpus has no vectors; use keyword_search")
        }
        let isComplete = hits.count <= limit
        hits = Array(hits.prefix(limit))
        let parts = [
            "\"\(oneLine(query, most: 200))\"", texts.isEmpty ? nil : counted(texts.count, "text"),
            ids.isEmpty ? nil : "passages like \(ids.map { oneLine($0, most: 60) }.joined(separator: ", "))",
        ]
        let description =
            "vector search for " + parts.compactMap { $0 }.joined(separator: ", ")
            + (expression.map { " within \($0.text)" } ?? "")
        let found =
            hits.isEmpty ? "nothing found" : isComplete ? counted(hits.count, "passage") : "the best \(hits.count)"
        var output = try await FindTextTool.output(
            &hits, shown: limit, header: "\(context.handle): \(description): \(found)", context)
        output.summary = "\(context.handle): \(found)" + (hits.first.map { ", first \($0.id)" } ?? "")
        output.resultSet = ResultSet(
            handle: context.handle, tool: specification.name, description: description, content: .passages(hits),
            total: hits.count, isComplete: isComplete)
        return output
    }
}
