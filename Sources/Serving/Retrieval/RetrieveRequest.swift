// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
import OrderedCollections
import Search
import Text
import Tools

/// A request of `/retrieve`, in any of the dialects that trainers speak.
///
/// - Search-R1 and verl: `{"queries": [...], "topk": 3, "return_scores": true}`
/// - SkyRL: `{"query": "...", "topk": 3, "return_scores": true}`
/// - with a reranker: `topk_retrieval` and `topk_rerank` instead of `topk`
/// - web proxies: `{"queries": [...]}` alone
///
/// and, as in policies and in `forage search`, `mode`, `fusion`, `feedback` and `reranker` by name: `"fusion": "interpolation"`
/// or `{"interpolation": {"normalization": "z_score"}}`.
///
/// The answer has one list a query, in the same order: `{"document": {"id", "contents", "title", "text"}, "score"}`,
/// or bare documents when `return_scores` is false. Queries over the limit are cut there, and `cut_queries` lists their
/// places.
struct RetrieveRequest: Sendable {
    var queries: [String]
    /// The places of queries that were longer than the limit: only their beginnings are searched.
    var cut: [Int] = []
    var count: Int
    var bare: Bool
    /// How it is ranked.
    var search: RankedSearch
    var corpus: String?

    init(_ json: JSONValue, service: ForageService) throws(ServiceError) {
        guard json.object != nil else {
            throw ServiceError(.invalid, "expected an object with \"queries\", found \(json.typeName)")
        }
        let limits = service.limits
        switch (json["queries"], json["query"]) {
        case (.array(let elements)?, _):
            guard elements.count <= limits.batch else {
                throw ServiceError(
                    .invalid, "at most \(limits.batch) queries at a time, found \(elements.count)",
                    location: ["queries"])
            }
            queries = []
            queries.reserveCapacity(elements.count)
            for (index, element) in elements.enumerated() {
                queries.append(try Self.query(element, ["queries", String(index)], limits))
            }
        case (let other?, _) where !other.isNull:
            if case .string = other {
                queries = [try Self.query(other, ["queries"], limits)]
            } else {
                throw ServiceError(
                    .invalid, "expected a list of strings, found \(other.typeName)", location: ["queries"])
            }
        case (_, let query?): queries = [try Self.query(query, ["query"], limits)]
        default: throw ServiceError(.invalid, "\"queries\" (a list) or \"query\" is missing", location: ["queries"])
        }
        let given = json["queries"]?.array ?? [json["queries"] ?? json["query"] ?? .null]
        cut = given.indices.filter { index in
            given[index].string?.isLonger(than: limits.queryCharacters) ?? false
        }
        count = service.retrieveCount
        for key in ["topk_rerank", "topk", "top_k", "k"] {
            guard let value = json[key], !value.isNull else { continue }
            guard let number = value.int, number >= 0 else {
                throw ServiceError(.invalid, "expected a whole number from 0, found \(value)", location: [key])
            }
            guard number <= limits.results else {
                throw ServiceError(
                    .invalid, "at most \(limits.results) passages a query, found \(number)", location: [key])
            }
            if number > 0 { count = number }
            break
        }
        if let flag = json["return_scores"], !flag.isNull {
            guard let value = flag.bool else {
                throw ServiceError(
                    .invalid, "expected true or false, found \(flag.typeName)", location: ["return_scores"])
            }
            bare = !value
        } else {
            bare = false
        }
        corpus = json["corpus"]?.string
        search = try Self.search(json, service)
        if search.feedback != nil || search.reranker != nil, queries.count > limits.refinedBatch {
            throw ServiceError(
                .invalid,
                "at most \(limits.refinedBatch) queries at a time with feedback or a reranker, found \(queries.count)",
                location: ["queries"])
        }
    }

    private static func search(_ json: JSONValue, _ service: ForageService) throws(ServiceError) -> RankedSearch {
        var search = RankedSearch(service.retrieveMode)
        if let name = json["mode"], !name.isNull {
            guard let known = name.string.flatMap(RetrievalMode.init(rawValue:)) else {
                throw ServiceError(.invalid, "expected keyword, semantic or hybrid, found \(name)", location: ["mode"])
            }
            search.mode = known
        }
        if let named = json["fusion"], !named.isNull {
            do { search.fusion = try service.ranking.fusion(named) } catch {
                throw ServiceError(.invalid, "\(error)", location: ["fusion"])
            }
        }
        if let named = json["feedback"], !named.isNull {
            do { search.feedback = try service.ranking.feedback(named) } catch {
                throw ServiceError(.invalid, "\(error)", location: ["feedback"])
            }
        }
        if let named = json["reranker"], !named.isNull { search.reranker = try service.reranker(named) }
        return search
    }

    private static func query(
        _ value: JSONValue, _ location: [String], _ limits: ServerOptions.Limits
    ) throws(ServiceError) -> String {
        guard let text = value.string else {
            throw ServiceError(.invalid, "expected a string, found \(value.typeName)", location: location)
        }
        // A runaway query of a rollout must not cost the batch its other answers: its beginning is searched.
        return text.head(limits.queryCharacters)
    }
}
