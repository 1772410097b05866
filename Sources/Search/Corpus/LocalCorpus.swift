// SPDX-License-Identifier: Apache-2.0

import Base
public import Corpus
public import Encoders
import Foundation
import Text

/// A corpus folder opened for searching: one generation's documents, its indexes, and the encoder that made its vectors.
///
/// A value answers from the generation that was live when it was opened, from any number of threads, until it is let go.
public final class LocalCorpus: Sendable {
    /// Documents, passages and metadata.
    public let reader: CorpusReader
    /// The keyword index; nil when the corpus was indexed without one.
    public let keywords: KeywordIndex?
    /// The vector index; nil when the corpus was indexed without an encoder.
    public let vectors: VectorIndex?
    /// The vectors in a byte a number, which searches without a graph scan first; nil when the corpus was indexed without.
    public let compact: CompactVectorIndex?
    /// The graph that finds neighbours without a scan; nil when the corpus was indexed without one, which is usual below
    /// some hundred thousand passages. Searches use it when there is one.
    public let graph: GraphIndex?
    /// The token vectors for late interaction; nil when the corpus was indexed without them, which is usual: they take a
    /// hundred times the room of the passages' vectors.
    public let tokens: LateInteractionIndex?
    /// The link index; nil when the corpus was indexed without one.
    public let links: LinkIndex?
    /// Recurring names; nil in a corpus that was indexed before there were any.
    public let names: NameIndex?
    /// The encoder for queries; nil when there are no vectors or the encoder is not at hand.
    public let encoder: (any TextEncoder)?
    /// Why there is no encoder although there are vectors, and what to do.
    private let encoderProblem: String?

    /// Opens the live generation.
    /// - Parameters:
    ///   - path: the folder, `name.forage`.
    ///   - encoder: encodes queries; nil finds the one that the corpus names: a model folder or name.
    ///   - loadsEncoder: false leaves the encoder out: enough for keyword search, filters and reading.
    /// - Throws: `CorpusError`, `SearchIndexError`: damaged files, or an encoder that did not make the vectors.
    public init(path: String, encoder: (any TextEncoder)? = nil, loadsEncoder: Bool = true) async throws {
        let opened = try OpenedIndexes(path: path)
        let (reader, vectors) = (opened.reader, opened.vectors)
        self.reader = reader
        self.vectors = vectors
        (keywords, compact, graph) = (opened.keywords, opened.compact, opened.graph)
        (links, names, tokens) = (opened.links, opened.names, opened.tokens)
        let counts = [
            keywords?.passageCount, vectors?.count, tokens?.passageCount, links?.passageCount, names?.passageCount,
        ]
        for count in counts.compactMap({ $0 }) where count != reader.passageCount {
            throw SearchIndexError.damaged(
                "\(path): an index holds \(count) passages, the corpus \(reader.passageCount)")
        }
        var chosen: (any TextEncoder)?
        var problem: String?
        if vectors != nil, loadsEncoder {
            let parameters = reader.manifest.files[IndexRole.vectors]?.parameters
            let name = parameters?["encoder"]?.string ?? "minilm"
            do {
                if let encoder {
                    chosen = encoder
                } else {
                    // The name comes with the corpus, from whoever made it: it may choose a model, never where texts and
                    // keys go.
                    chosen = try await EncoderChoice(name).load(namedBy: .corpus)
                }
            } catch {
                problem =
                    "the corpus was indexed with the encoder \(name), which is not at hand (\(error)); "
                    + "run `forage model pull \(name)` or search by keyword"
            }
            if let chosen, let made = parameters?["fingerprint"]?.string, chosen.fingerprint != made {
                throw SearchIndexError.encoderMismatch(
                    "\(path) was indexed with the encoder \(name) (\(made.prefix(12))), not with the one given "
                        + "(\(chosen.fingerprint.prefix(12))): use that one, or run `forage index` with --encoder to encode the corpus anew"
                )
            }
        }
        self.encoder = chosen
        encoderProblem = problem
    }

    /// Identifies the generation and how it was indexed: what a resumed session or evaluation must find again.
    public var fingerprint: String {
        let files = reader.manifest.files.values.sorted { $0.role < $1.role }
        let text = files.map { "\($0.role):\(String($0.checksum, radix: 16))" }.joined(separator: " ")
        return String(XXH64.hash("\(reader.documentCount) \(reader.passageCount) \(text)"), radix: 16)
    }

    /// Whether passages can be searched by meaning.
    public var hasSemanticSearch: Bool { vectors != nil && encoder != nil }

    /// The best passages by BM25.
    public func keywordSearch(
        _ query: KeywordQuery, limit: Int, within scope: OrdinalSet? = nil
    ) throws -> [ScoredPassage] {
        guard let keywords else { throw missing("keyword") }
        let found = try keywords.search(query, limit: limit, within: scope) { [reader] ordinal in
            let passage = try reader.passage(at: ordinal)
            return (passage.title, passage.text)
        }
        try checkWhole()
        return found
    }

    /// The best passages by BM25 for each of several queries, on all cores.
    public func keywordSearch(
        _ queries: [KeywordQuery], limit: Int, within scope: OrdinalSet? = nil
    ) throws -> [[ScoredPassage]] {
        try Parallel.map(queries.count, minimum: 4) { try self.keywordSearch(queries[$0], limit: limit, within: scope) }
    }

    /// The best passages by the cosine of their vectors with the query's.
    public func semanticSearch(
        _ query: String, limit: Int, within scope: OrdinalSet? = nil
    ) async throws -> [ScoredPassage] {
        try semanticSearch(vector: try await encode(query), limit: limit, within: scope)
    }

    /// The best passages for a vector of the encoder: of a query, of a hypothetical passage, after feedback.
    public func semanticSearch(
        vector: [Float], limit: Int, within scope: OrdinalSet? = nil
    ) throws -> [ScoredPassage] {
        guard let vectors else { throw missing("vector") }
        let found: [ScoredPassage]
        if let graph {
            found = try graph.search(vector, limit: limit, within: scope)
        } else if let compact {
            found = try compact.search(vector, limit: limit, within: scope)
        } else {
            found = try vectors.search(vector, limit: limit, within: scope)
        }
        try checkWhole()
        return found
    }

    /// The best passages for each of several queries: they are encoded together and share the scan of the vectors.
    public func semanticSearch(
        _ queries: [String], limit: Int, within scope: OrdinalSet? = nil
    ) async throws -> [[ScoredPassage]] {
        guard let vectors else { throw missing("vector") }
        guard let encoder else {
            throw SearchIndexError.missingIndex(encoderProblem ?? "the corpus was opened without its encoder")
        }
        let matrix = try await encoder.encodeQueries(queries)
        let rows = (0..<matrix.count).map { Array(matrix[$0]) }
        let found: [[ScoredPassage]]
        if let graph {
            found = try graph.search(rows, limit: limit, within: scope)
        } else if let compact {
            // One by one, so that a query finds the same alone and among others.
            found = try rows.map { try compact.search($0, limit: limit, within: scope) }
        } else {
            found = try vectors.search(rows, limit: limit, within: scope)
        }
        try checkWhole()
        return found
    }

    /// The vector of a query.
    /// - Throws: `SearchIndexError` when the corpus has no vectors or its encoder is not at hand.
    public func encode(_ query: String) async throws -> [Float] {
        guard vectors != nil else { throw missing("vector") }
        guard let encoder else {
            throw SearchIndexError.missingIndex(encoderProblem ?? "the corpus was opened without its encoder")
        }
        return try await encoder.encodeQueries([query]).values
    }

    /// How a hybrid search fuses keyword and semantic search.
    public struct HybridOptions: Sendable {
        /// How many passages of each search are fused. Default 100.
        public var depth: Int
        /// How the two lists become one. Default: reciprocal rank.
        public var fusion: any RankFusion
        /// The weights of keyword and semantic search. Default 1 each.
        public var weights: [Double]

        public init(depth: Int = 100, fusion: any RankFusion = ReciprocalRank(), weights: [Double] = [1, 1]) {
            self.depth = depth
            self.fusion = fusion
            self.weights = weights
        }
    }

    /// The best passages by fusion of keyword and semantic search. Without vectors: keyword search.
    public func hybridSearch(
        _ query: String, limit: Int, within scope: OrdinalSet? = nil, options: HybridOptions = HybridOptions()
    ) async throws -> [ScoredPassage] {
        let depth = max(options.depth, limit)
        let byWords = try keywordSearch(KeywordQuery(query), limit: depth, within: scope)
        guard hasSemanticSearch else { return Array(byWords.prefix(limit)) }
        let byMeaning = try await semanticSearch(query, limit: depth, within: scope)
        return options.fusion.fuse([byWords, byMeaning], weights: options.weights, limit: limit)
    }

    /// The best passages of each of several queries by fusion: the same as one by one.
    public func hybridSearch(
        _ queries: [String], limit: Int, within scope: OrdinalSet? = nil, options: HybridOptions = HybridOptions()
    ) async throws -> [[ScoredPassage]] {
        let depth = max(options.depth, limit)
        let byWords = try keywordSearch(queries.map { KeywordQuery($0) }, limit: depth, within: scope)
        guard hasSemanticSearch else { return byWords.map { Array($0.prefix(limit)) } }
        let byMeaning = try await semanticSearch(queries, limit: depth, within: scope)
        return zip(byWords, byMeaning).map {
            options.fusion.fuse([$0, $1], weights: options.weights, limit: limit)
        }
    }

    /// Candidates in the order of late interaction with the question: MaxSim over all its tokens, or focused on what a
    /// condensed context leaves open (see ``LateInteractionQuery``).
    /// - Parameter context: what was found so far, condensed; nil for the first hop.
    /// - Throws: `SearchIndexError` when the corpus has no token vectors or its encoder is not at hand.
    public func rerank(
        _ candidates: [PassageOrdinal], by question: String, context: String? = nil, limit: Int = .max
    ) async throws -> [ScoredPassage] {
        guard let tokens else {
            throw SearchIndexError.missingIndex(
                "\(reader.path) has no token vectors: run `forage index` on it with --late-interaction")
        }
        guard let encoder = encoder as? BERTEncoder else {
            throw SearchIndexError.missingIndex(encoderProblem ?? "the corpus was opened without its encoder")
        }
        let encoded = try await encoder.encodeTokens([question] + (context.map { [$0] } ?? [])).map { TokenMatrix($0) }
        let query =
            encoded.count > 1
            ? LateInteractionQuery(question: encoded[0], context: encoded[1]) : LateInteractionQuery(encoded[0])
        let ranked = try tokens.rerank(candidates, by: query, limit: limit)
        try checkWhole()
        return ranked
    }

    private func missing(_ index: String) -> SearchIndexError {
        .missingIndex(
            index == "vector"
                ? "\(reader.path) has no vectors: run `forage index` again with --encoder minilm, or another encoder"
                : "\(reader.path) has no \(index) index: run `forage index` again")
    }

    /// Makes vectors of texts as the corpus's encoder makes them; nil without an encoder.
    public var embedding: (@Sendable ([String]) async throws -> [[Float]])? {
        guard let encoder else { return nil }
        return { texts in
            let matrix = try await encoder.encode(texts)
            return (0..<matrix.count).map { Array(matrix[$0]) }
        }
    }

    /// Refuses an answer during which a file was made shorter: what it lost read as zeros.
    public func checkWhole() throws {
        guard GuardedMapping.tornPages > 0 else { return }
        try reader.checkWhole()
        try keywords?.checkWhole()
        try vectors?.checkWhole()
        try compact?.checkWhole()
        try graph?.checkWhole()
        try links?.checkWhole()
        try names?.checkWhole()
        try tokens?.checkWhole()
    }

    /// Checks every index file against its checksums, bit by bit.
    public func verifyIndexes() throws {
        try keywords?.verify()
        try vectors?.verify()
        try compact?.verify()
        try graph?.verify()
        try links?.verify()
        try names?.verify()
        try tokens?.verify()
    }
}

/// The files of one generation, opened together.
private struct OpenedIndexes {
    let reader: CorpusReader
    let keywords: KeywordIndex?
    let vectors: VectorIndex?
    let compact: CompactVectorIndex?
    let graph: GraphIndex?
    let links: LinkIndex?
    let names: NameIndex?
    let tokens: LateInteractionIndex?

    /// Opens the live generation. A writer may publish twice and remove the files while they are opened one by one: then
    /// the next generation is opened.
    init(path: String) throws {
        var attempt = 0
        while true {
            attempt += 1
            let reader = try CorpusReader(path: path)
            do {
                self = try OpenedIndexes(reader: reader)
                return
            } catch let error as CorpusError where error.code == .system && attempt < 8 {
                guard try CorpusReader(path: path).manifest.number != reader.manifest.number else { throw error }
            }
        }
    }

    private init(reader: CorpusReader) throws {
        /// The file of a role, which must be the one that the manifest lists.
        func open<Index>(
            _ role: String, _ make: (String) throws -> Index,
            _ expect: (Index) -> (GenerationManifest.File) throws -> Void
        ) throws -> Index? {
            guard let file = reader.file(ofRole: role) else { return nil }
            let index = try make(reader.path + "/" + file.name)
            try expect(index)(file)
            return index
        }
        let vectors = try open(IndexRole.vectors, VectorIndex.init(path:), VectorIndex.expect)
        self.reader = reader
        self.vectors = vectors
        keywords = try open(IndexRole.keyword, KeywordIndex.init(path:), KeywordIndex.expect)
        compact = try vectors.flatMap { vectors in
            try open(IndexRole.compact, { try CompactVectorIndex(path: $0, exact: vectors) }, CompactVectorIndex.expect)
        }
        graph = try vectors.flatMap { vectors in
            try open(IndexRole.graph, { try GraphIndex(path: $0, vectors: vectors) }, GraphIndex.expect)
        }
        links = try open(IndexRole.links, LinkIndex.init(path:), LinkIndex.expect)
        names = try open(IndexRole.names, NameIndex.init(path:), NameIndex.expect)
        tokens = try open(IndexRole.tokens, LateInteractionIndex.init(path:), LateInteractionIndex.expect)
    }
}

/// The names under which a generation's manifest lists the index files.
public enum IndexRole {
    public static let keyword = "keyword"
    public static let vectors = "vectors"
    public static let compact = "compact"
    public static let graph = "graph"
    public static let links = "links"
    public static let names = "names"
    public static let tokens = "tokens"
}
