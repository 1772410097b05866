// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import OrderedCollections
import Search

/// Reranking as clients of rerank models write it: one query, one list of documents, scores of 0 to 1 by their places.
extension ForageService {
    /// What gives the scores.
    private struct Judge {
        var name: String
        var reranker: (any Reranker)?

        /// A score in the unit interval, in the order of the raw ones: logits through the logistic function, the sums of
        /// BM25 as a share of themselves and one, cosines as they are.
        func unit(_ score: Double, hasEncoder: Bool) -> Double {
            if reranker != nil { return 1 / (1 + exp(-score)) }
            return hasEncoder ? min(1, max(0, score)) : max(0, score) / (1 + max(0, score))
        }
    }

    /// Answers `/v1/rerank` and `/v2/rerank`, the form of Cohere and Jina: `{"model", "query", "documents", "top_n",
    /// "return_documents"}` → `{"id", "model", "results": [{"index", "relevance_score", "document"}], "usage", "meta"}`,
    /// the best first.
    @concurrent
    func rerankModel(_ json: JSONValue) async throws -> JSONValue {
        let judge = try judge(json["model"])
        let query = try rerankQuery(json)
        let texts = try rerankTexts(json, key: "documents")
        let most = json["top_n"].flatMap { $0.isNull ? nil : $0 } ?? .integer(texts.count)
        guard let most = most.int, most >= 1 else {
            throw ServiceError(.badRequest, "expected a number from 1 on", location: ["top_n"])
        }
        let scores = try await relevance(of: texts, to: query, by: judge.reranker)
        let returns = json["return_documents"]?.bool ?? false
        let results = Self.order(scores).prefix(most).map { index -> JSONValue in
            var row: JSONObject = [
                "index": .integer(index),
                "relevance_score": .number(judge.unit(scores[index], hasEncoder: encoder != nil)),
            ]
            if returns { row["document"] = ["text": .string(texts[index])] }
            return .object(row)
        }
        let tokens = ([query] + texts).reduce(0) { $0 + $1.split(whereSeparator: \.isWhitespace).count }
        return [
            "id": .string("rerank-" + SHA256.hex(query + "\u{0}" + texts.joined(separator: "\u{0}")).prefix(24)),
            "object": "list", "model": .string(judge.name), "results": .array(results),
            "usage": ["prompt_tokens": .integer(tokens), "total_tokens": .integer(tokens)],
            "meta": ["billed_units": ["search_units": 1]],
        ]
    }

    /// Answers `/rerank` in the form of text-embeddings-inference: `{"query", "texts", "raw_scores", "return_text"}` →
    /// `[{"index", "score", "text"}]`, the best first.
    @concurrent
    func rerankTexts(_ json: JSONValue) async throws -> JSONValue {
        let judge = try judge(json["reranker"])
        let query = try rerankQuery(json)
        let texts = try rerankTexts(json, key: "texts")
        let scores = try await relevance(of: texts, to: query, by: judge.reranker)
        let raw = json["raw_scores"]?.bool ?? false
        let returns = json["return_text"]?.bool ?? false
        return .array(
            Self.order(scores).map { index in
                let score = raw ? scores[index] : judge.unit(scores[index], hasEncoder: encoder != nil)
                var row: JSONObject = ["index": .integer(index), "score": .number(score)]
                if returns { row["text"] = .string(texts[index]) }
                return .object(row)
            })
    }

    private static func order(_ scores: [Double]) -> [Int] {
        scores.indices.sorted { scores[$0] != scores[$1] ? scores[$0] > scores[$1] : $0 < $1 }
    }

    /// The reranker that a request's model names; without a name the standard reader where there is one, else the
    /// encoder's cosine, else BM25 among the documents.
    private func judge(_ model: JSONValue?) throws(ServiceError) -> Judge {
        let plain = encoder?.name ?? "bm25"
        let named = model.flatMap { $0.isNull ? nil : $0.string ?? $0.serialized() }
        if named == plain { return Judge(name: plain) }
        guard let name = named ?? ranking.rerankers.first(where: { $0 == "reader" }) else { return Judge(name: plain) }
        do { return Judge(name: name, reranker: try ranking.reranker(name, anyFile: false)) } catch {
            // Nobody asked for the reader: where it cannot be opened the plain scores will do.
            if named == nil { return Judge(name: plain) }
            let known = (ranking.rerankers + [plain]).joined(separator: ", ")
            throw ServiceError(
                .notFound, "there is no rerank model \"\(name.prefix(100))\"; there are \(known)", location: ["model"])
        }
    }

    private func rerankQuery(_ json: JSONValue) throws(ServiceError) -> String {
        guard let query = json["query"]?.string else {
            throw ServiceError(.badRequest, "expected a string", location: ["query"])
        }
        return query.head(limits.queryCharacters)
    }

    private func rerankTexts(_ json: JSONValue, key: String) throws(ServiceError) -> [String] {
        let most = 10 * limits.results
        guard let list = json[key]?.array, (1...most).contains(list.count) else {
            throw ServiceError(.badRequest, "expected a list of 1 to \(most) texts", location: [key])
        }
        var texts: [String] = []
        for (index, document) in list.enumerated() {
            guard let text = document.string ?? document["text"]?.string else {
                throw ServiceError(
                    .badRequest, "expected a string, or an object with \"text\"", location: [key, "\(index)"])
            }
            texts.append(text)
        }
        return texts
    }
}
