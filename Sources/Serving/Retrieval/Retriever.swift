// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
import Foundation
import LanguageModels
import OrderedCollections
import Search
import Synchronization
import Text
import Tools

extension ForageService {
    /// Answers `/retrieve`. A query gets the same passages alone and in a batch, whatever its place.
    @concurrent
    func retrieve(_ json: JSONValue) async throws -> JSONValue {
        let request = try RetrieveRequest(json, service: self)
        let corpus = try corpus(named: request.corpus)
        guard corpus.summary.modes.contains(request.search.mode) else {
            throw ServiceError(
                .invalid, "this corpus has no index for \(request.search.mode.rawValue) search", location: ["mode"])
        }
        let found: [[RankedPassage]]
        do {
            found = try await request.search.search(request.queries, in: corpus, limit: request.count)
        } catch let error as CorpusError where error.code == .badArgument {
            throw ServiceError(.invalid, error.message)
        }
        let size = Mutex(0)
        let limits = limits
        let lists = try await inParallel(found) { hits in
            let list = try await documents(of: hits, in: corpus, bare: request.bare)
            // Each text stands twice in the answer, in "contents" and in "text".
            let isTooLarge = size.withLock { size in
                size += list.bytes
                return size > limits.responseBytes
            }
            guard !isTooLarge else { throw ServiceError.answerTooLarge(limits) }
            return list.value
        }
        var answer: JSONObject = ["result": .array(lists)]
        if !request.cut.isEmpty { answer["cut_queries"] = .array(request.cut.map { .integer($0) }) }
        return .object(answer)
    }

    /// The reranker that a request names.
    func reranker(_ name: JSONValue) throws(ServiceError) -> any Reranker {
        do { return try ranking.reranker(name.string ?? name.serialized(), anyFile: false) } catch {
            throw ServiceError(.invalid, "\(error)", location: ["reranker"])
        }
    }

    private func documents(
        of hits: [RankedPassage], in corpus: any RetrievalCorpus, bare: Bool
    ) async throws -> (value: JSONValue, bytes: Int) {
        let passages = try await corpus.passages(at: hits.map(\.ordinal))
        let bytes = passages.reduce(0) {
            $0 + 100 + 2 * ($1.text.utf8.count + $1.title.utf8.count) + $1.id.utf8.count
        }
        let list = zip(hits, passages).map { hit, passage -> JSONValue in
            let document = Self.document(passage)
            return bare ? document : ["document": document, "score": .number(hit.score)]
        }
        return (.array(list), bytes)
    }

    /// A passage as trainers read it: the first line of `contents` is the title in quotes.
    static func document(_ passage: Passage) -> JSONValue {
        let title = passage.title.textLines(omittingEmpty: true).joined(separator: " ")
        return [
            "id": .string(passage.id), "contents": .string("\"\(title)\"\n\(passage.text)"), "title": .string(title),
            "text": .string(passage.text),
        ]
    }

    /// Answers `/rerank`: `{"queries", "documents": [[…]], "rerank_topk", "return_scores"}`. Each query is compared with
    /// its own documents only: by the `reranker` that is named, else by the encoder's cosine, or without one by BM25 among them.
    /// Ties keep the given order. A request with `texts` is one of text-embeddings-inference.
    @concurrent
    func rerank(_ json: JSONValue) async throws -> JSONValue {
        if json["texts"] != nil, json["queries"] == nil { return try await rerankTexts(json) }
        guard let queries = json["queries"]?.array, let lists = json["documents"]?.array else {
            throw ServiceError(.invalid, "\"queries\" and \"documents\" must be lists", location: ["queries"])
        }
        guard queries.count == lists.count else {
            throw ServiceError(
                .invalid, "\(queries.count) queries but \(lists.count) lists of documents", location: ["documents"])
        }
        var reranker: (any Reranker)?
        if let named = json["reranker"], !named.isNull { reranker = try self.reranker(named) }
        let named = reranker
        let batch = named == nil ? limits.batch : limits.refinedBatch
        guard queries.count <= batch else {
            throw ServiceError(.invalid, "at most \(batch) queries at a time", location: ["queries"])
        }
        let most = json["rerank_topk"]?.int ?? retrieveCount
        guard (0...limits.results).contains(most) else {
            throw ServiceError(.invalid, "expected a number from 0 to \(limits.results)", location: ["rerank_topk"])
        }
        let bare = json["return_scores"]?.bool == false
        var pairs: [(query: String, documents: [JSONValue])] = []
        for (index, (query, list)) in zip(queries, lists).enumerated() {
            guard let text = query.string.map({ $0.head(limits.queryCharacters) }) else {
                throw ServiceError(
                    .invalid, "expected a string, found \(query.typeName)", location: ["queries", "\(index)"])
            }
            guard let documents = list.array, documents.count <= 10 * limits.results else {
                throw ServiceError(
                    .invalid, "expected a list of at most \(10 * limits.results) documents",
                    location: ["documents", "\(index)"])
            }
            pairs.append((text, documents))
        }
        let answers = try await inParallel(pairs) { pair in
            let texts = try pair.documents.enumerated().map { index, document in
                let inner = document["document"] ?? document
                guard let text = inner.string ?? inner["contents"]?.string ?? inner["text"]?.string else {
                    throw ServiceError(
                        .invalid, "a document must be a string or have \"contents\"",
                        location: ["documents", "\(index)"])
                }
                return text
            }
            let scores = try await relevance(of: texts, to: pair.query, by: named)
            let order = scores.indices.sorted { scores[$0] != scores[$1] ? scores[$0] > scores[$1] : $0 < $1 }
            return JSONValue.array(
                order.prefix(most > 0 ? most : retrieveCount).map { index in
                    let document = pair.documents[index]["document"] ?? pair.documents[index]
                    return bare ? document : ["document": document, "score": .number(scores[index])]
                })
        }
        return ["result": .array(answers)]
    }

    /// How much texts have to do with a query: by a reranker, else the encoder's cosine, else BM25 among them.
    func relevance(
        of texts: [String], to query: String, by reranker: (any Reranker)?
    ) async throws -> [Double] {
        if let reranker {
            return try await reranker.scores(query: query, passages: texts.map { (title: "", text: $0) }).map(
                Double.init)
        }
        if let encoder {
            let vectors = try await encoder.embed([query] + texts)
            return vectors.dropFirst().map { vector in Self.cosine(vectors[0], vector) }
        }
        let corpus = try InMemoryCorpus(
            documents: texts.enumerated().map { Document(id: "\($0)", text: $1) },
            splitter: PassageSplitter(.init(size: 100_000)))
        var scores = [Double](repeating: 0, count: texts.count)
        for hit in try await corpus.search(.keyword, query: query, limit: texts.count, within: nil) {
            scores[Int(hit.documentOrdinal)] = hit.score
        }
        return scores
    }

    static func cosine(_ a: [Float], _ b: [Float]) -> Double {
        var (dot, x, y) = (0.0, 0.0, 0.0)
        for (p, q) in zip(a, b) {
            dot += Double(p) * Double(q)
            x += Double(p) * Double(p)
            y += Double(q) * Double(q)
        }
        return x > 0 && y > 0 ? dot / (x * y).squareRoot() : 0
    }

    /// Works through elements on all cores; the results are in the elements' order.
    private func inParallel<Element: Sendable>(
        _ elements: [Element], _ body: @escaping @Sendable (Element) async throws -> JSONValue
    ) async throws -> [JSONValue] {
        if elements.count == 1 { return [try await body(elements[0])] }
        let width = min(elements.count, ProcessInfo.processInfo.activeProcessorCount)
        return try await withThrowingTaskGroup(of: [(Int, JSONValue)].self) { group in
            for lane in 0..<width {
                group.addTask {
                    var results: [(Int, JSONValue)] = []
                    for index in stride(from: lane, to: elements.count, by: width) {
                        try Task.checkCancellation()
                        results.append((index, try await body(elements[index])))
                    }
                    return results
                }
            }
            var all = [JSONValue](repeating: nil, count: elements.count)
            for try await results in group { for (index, value) in results { all[index] = value } }
            return all
        }
    }

    /// Answers `/v1/embeddings`.
    func embeddings(_ json: JSONValue) async throws -> JSONValue {
        guard let encoder else {
            throw ServiceError(.notFound, "this server has no text encoder", location: ["model"])
        }
        if let model = json["model"]?.string, model != encoder.name {
            throw ServiceError(
                .notFound, "there is no encoder \"\(model.prefix(100))\"; there is \(encoder.name)", location: ["model"]
            )
        }
        var texts: [String] = []
        switch json["input"] {
        case .string(let text)?: texts = [text]
        case .array(let elements)?:
            for element in elements {
                guard let text = element.string else {
                    throw ServiceError(.badRequest, "expected a string or a list of strings", location: ["input"])
                }
                texts.append(text)
            }
        default: throw ServiceError(.badRequest, "expected a string or a list of strings", location: ["input"])
        }
        guard (1...limits.batch).contains(texts.count) else {
            throw ServiceError(.badRequest, "expected 1 to \(limits.batch) texts", location: ["input"])
        }
        let format = json["encoding_format"]?.string ?? "float"
        guard format == "float" || format == "base64" else {
            throw ServiceError(.badRequest, "expected float or base64", location: ["encoding_format"])
        }
        if let wanted = json["dimensions"]?.int, wanted != encoder.dimensions {
            throw ServiceError(
                .badRequest, "this encoder has \(encoder.dimensions) dimensions", location: ["dimensions"])
        }
        let vectors = try await encoder.embed(texts)
        let data = vectors.enumerated().map { index, vector -> JSONValue in
            let embedding: JSONValue
            if format == "base64" {
                // Little-endian 32-bit floats, as OpenAI's clients expect.
                var bytes = Data(capacity: 4 * vector.count)
                for value in vector {
                    withUnsafeBytes(of: value.bitPattern.littleEndian) { bytes.append(contentsOf: $0) }
                }
                embedding = .string(bytes.base64EncodedString())
            } else {
                embedding = .array(vector.map { .number(Double($0)) })
            }
            return ["object": "embedding", "index": .integer(index), "embedding": embedding]
        }
        let tokens = texts.reduce(0) { $0 + $1.split(whereSeparator: \.isWhitespace).count }
        return [
            "object": "list", "data": .array(data), "model": .string(encoder.name),
            "usage": ["prompt_tokens": .integer(tokens), "total_tokens": .integer(tokens)],
        ]
    }

    /// Answers `POST /tools/{name}`: `{"arguments": {…}, "corpus"}`, or the arguments themselves. Without a session there
    /// are no earlier results: `resultSets` may give them back as an earlier answer had them.
    func callTool(_ name: String, _ json: JSONValue) async throws -> JSONValue {
        guard let tool = tools[name] else {
            throw ServiceError(
                .notFound, "there is no tool \"\(name.prefix(64))\"; there are \(tools.names.joined(separator: ", "))")
        }
        let corpus = try corpus(named: json["corpus"]?.string)
        var sets: [String: ResultSet] = [:]
        // No set of this corpus holds more than the corpus, and nobody needs more than a few of them in one request.
        let size = corpus.summary.documentCount + corpus.summary.passageCount
        try ExpansionBudget(min(ExpansionBudget.standard, 4 * size)).within {
            for entry in (json["result_sets"]?.array ?? []).prefix(64) {
                let set = try ResultSet(json: entry)
                sets[set.handle] = set
            }
        }
        let arguments = json["arguments"] ?? json
        let violations = try JSONSchemaValidator(schema: tool.specification.parameters).validate(arguments)
        guard violations.isEmpty else {
            throw ServiceError(
                .invalid, violations.prefix(5).map(\.description).joined(separator: "; "), location: ["arguments"])
        }
        let output = try await tools.run(
            name, arguments,
            in: ToolContext(corpus: corpus, resultSets: sets, handle: "r\(sets.count + 1)"))
        return Self.json(output)
    }

    /// A tool's output for clients.
    static func json(_ output: ToolOutput) -> JSONValue {
        var members: JSONObject = [
            "text": .string(output.text), "summary": .string(output.summary), "is_error": .bool(output.isError),
            "passages": .array(
                output.passages.map { scored in
                    [
                        "id": .string(scored.passage.id), "title": .string(scored.passage.title),
                        "text": .string(scored.passage.text), "document": .string(scored.passage.documentID),
                        "score": .number(scored.score),
                    ]
                }),
        ]
        if let set = output.resultSet { members["result_set"] = set.json }
        return .object(members)
    }
}
