// SPDX-License-Identifier: Apache-2.0

import Base
public import Corpus
import Foundation
public import Text

/// A corpus in memory, searched by brute force: the twin of `LocalCorpus` for tests, for a few thousand documents that
/// need no files, and the oracle that the indexes are checked against.
///
/// Keyword scores are BM25 (Lucene's formula, k1 0.9, b 0.4) over title and text; semantic scores are the cosine of
/// embeddings; hybrid scores fuse both by reciprocal rank (constant 60). Each search is O(passages).
public struct InMemoryCorpus: Sendable {
    /// Turns a text into a vector. The vectors of one corpus have one length.
    public typealias Embedding = @Sendable (String) -> [Float]

    public let fingerprint: String
    public let summary: CorpusSummary
    public let schema: FilterSchema
    /// The documents, in the order of their ordinals.
    public let documents: [Document]
    package let passages: [Passage]
    let passageRanges: [Range<PassageOrdinal>]
    private let idRanges: [String: Range<PassageOrdinal>]
    private let analyzer: TextAnalyzer
    package let embed: Embedding
    private let termCounts: [[String: Int]]
    private let lengths: [Int]
    private let documentFrequencies: [String: Int]
    private let averageLength: Double
    /// Whether passages lead to those whose titles they name.
    private let isLinked: Bool
    /// The passages' vectors, of length one.
    package let vectors: [[Float]]

    /// Takes documents in the order of their ordinals.
    /// - Parameters:
    ///   - splitter: how documents are cut into passages. Default: 120 words, no overlap.
    ///   - analyzer: how words become terms. Default: English stop words and stems.
    ///   - embedding: what semantic search compares. Default: counts of letter trigrams, hashed to 256 numbers.
    ///   - links: whether passages lead to those whose titles stand in them as they are written. Default: they do not.
    /// - Throws: `CorpusError` when two documents have one id.
    public init(
        name: String = "memory", documents: [Document], splitter: PassageSplitter = PassageSplitter(),
        analyzer: TextAnalyzer? = nil, embedding: Embedding? = nil, links: Bool = false
    ) throws {
        let analyzer = try analyzer ?? TextAnalyzer()
        let embed = embedding ?? Self.trigramEmbedding
        var passages: [Passage] = []
        var ranges: [Range<PassageOrdinal>] = []
        var idRanges: [String: Range<PassageOrdinal>] = [:]
        var hash = SHA256()
        for (index, document) in documents.enumerated() {
            let first = PassageOrdinal(passages.count)
            let spans = splitter.passages(in: document.text)
            for (number, span) in spans.enumerated() {
                let id = spans.count == 1 ? document.id : "\(document.id)#\(number + 1)"
                passages.append(
                    Passage(
                        id: id, ordinal: PassageOrdinal(passages.count), documentID: document.id,
                        documentOrdinal: DocumentOrdinal(index), title: document.title,
                        text: String(span.text(in: document.text)), range: span.characters))
            }
            let range = first..<PassageOrdinal(passages.count)
            guard idRanges.updateValue(range, forKey: document.id) == nil else {
                throw CorpusError(.badInput, "two documents have the id \"\(document.id)\"")
            }
            if spans.count > 1 { for ordinal in range { idRanges[passages[Int(ordinal)].id] = ordinal..<ordinal + 1 } }
            ranges.append(range)
            let metadata = document.metadata.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
            for part in [document.id, document.title, document.text] + metadata {
                var text = part + "\u{0}"
                text.withUTF8 { hash.update(UnsafeRawBufferPointer($0)) }
            }
        }
        fingerprint = "memory-" + hash.finalizeHex().prefix(16)
        let terms = passages.map { analyzer.indexTerms(in: $0.title) + analyzer.indexTerms(in: $0.text) }
        termCounts = terms.map { $0.reduce(into: [:]) { $0[$1.text, default: 0] += 1 } }
        lengths = terms.map { $0.count { $0.role == .word || $0.role == .character } }
        documentFrequencies = termCounts.reduce(into: [:]) { total, counts in
            for term in counts.keys { total[term, default: 0] += 1 }
        }
        averageLength = passages.isEmpty ? 1 : max(1, Double(lengths.reduce(0, +)) / Double(passages.count))
        vectors = passages.map { Self.normalized(embed($0.title + " " + $0.text)) }
        summary = CorpusSummary(
            name: name, documentCount: documents.count, passageCount: passages.count, fields: Self.fields(of: documents)
        )
        schema = FilterSchema(fields: Self.schema(of: documents))
        self.documents = documents
        isLinked = links
        self.passages = passages
        self.passageRanges = ranges
        self.idRanges = idRanges
        self.analyzer = analyzer
        self.embed = embed
    }

    private static func fields(of documents: [Document]) -> [CorpusField] {
        var found: [String: CorpusField] = [:]
        for document in documents {
            for (name, value) in document.metadata {
                found[name, default: CorpusField(name: name, type: value.fieldType, documentCount: 0)].documentCount +=
                    1
            }
        }
        return found.values.sorted { $0.name < $1.name }
    }

    private static func schema(of documents: [Document]) -> [MetadataField] {
        fields(of: documents).map { field in
            let values = documents.compactMap { $0.metadata[field.name] }
            return MetadataField(
                name: field.name, type: field.type, isDeclared: false, distinctCount: Set(values).count,
                documentCount: values.count)
        }
    }

    /// Counts of letter trigrams of the folded text, hashed to 256 numbers: texts that share word parts are near.
    public static let trigramEmbedding: Embedding = { text in
        var vector = [Float](repeating: 0, count: 256)
        let bytes = Array((" " + TextFolding.fold(text) + " ").utf8)
        guard bytes.count >= 3 else { return vector }
        for start in 0...(bytes.count - 3) {
            var hash: UInt32 = 2_166_136_261
            for byte in bytes[start..<start + 3] { hash = (hash ^ UInt32(byte)) &* 16_777_619 }
            vector[Int(hash >> 24)] += 1
        }
        return vector
    }

    package static func normalized(_ vector: [Float]) -> [Float] {
        let length = vector.reduce(0) { $0 + $1 * $1 }.squareRoot()
        return length > 0 ? vector.map { $0 / length } : vector
    }
}

extension InMemoryCorpus: RetrievalCorpus {
    public func search(
        _ mode: RetrievalMode, query: String, limit: Int, within scope: CorpusScope?
    ) async throws -> [RankedPassage] {
        try Task.checkCancellation()
        let candidates = try ordinals(in: scope)
        let scores: [(ordinal: PassageOrdinal, score: Double)]
        switch mode {
        case .keyword: scores = keywordScores(query, candidates)
        case .semantic: scores = semanticScores(query, candidates)
        case .hybrid:
            let lists = [keywordScores(query, candidates), semanticScores(query, candidates)].map {
                Self.ranked($0).prefix(max(limit, 100))
            }
            let fused = ReciprocalRank().scores(
                lists.map { Ranking($0.map(\.ordinal), scores: $0.map(\.score)) })
            scores = fused.map { (ordinal: $0.key, score: $0.value) }
        }
        return Self.ranked(scores).prefix(max(0, limit)).map { hit in
            let passage = passages[Int(hit.ordinal)]
            return RankedPassage(
                id: passage.id, ordinal: hit.ordinal, documentOrdinal: passage.documentOrdinal, score: hit.score)
        }
    }

    public func passages(at ordinals: [PassageOrdinal]) async throws -> [Passage] {
        try ordinals.map { ordinal in
            guard Int(ordinal) < passages.count else {
                throw CorpusError(.badArgument, "there is no passage \(ordinal); the corpus has \(passages.count)")
            }
            return passages[Int(ordinal)]
        }
    }

    public func passages(withID id: String) async throws -> [Passage] {
        guard let range = idRanges[id] else { return [] }
        return range.map { passages[Int($0)] }
    }

    public func documents(at ordinals: [DocumentOrdinal]) async throws -> [CorpusDocument] {
        try ordinals.map { ordinal in
            guard Int(ordinal) < documents.count else {
                throw CorpusError(.badArgument, "there is no document \(ordinal); the corpus has \(documents.count)")
            }
            let document = documents[Int(ordinal)]
            return CorpusDocument(
                id: document.id, ordinal: ordinal, title: document.title, metadata: document.metadata,
                passages: passageRanges[Int(ordinal)])
        }
    }

    private static func ranked(
        _ scores: [(ordinal: PassageOrdinal, score: Double)]
    ) -> [(ordinal: PassageOrdinal, score: Double)] {
        scores.sorted { $0.score != $1.score ? $0.score > $1.score : $0.ordinal < $1.ordinal }
    }

    private func ordinals(in scope: CorpusScope?) throws -> [PassageOrdinal] {
        switch scope {
        case nil: return passages.map(\.ordinal)
        case .passages(let set): return set.ordinals.filter { Int($0) < passages.count }
        case .documents(let set):
            return set.ordinals.filter { Int($0) < documents.count }.flatMap { Array(passageRanges[Int($0)]) }
        }
    }

    private func keywordScores(
        _ query: String, _ candidates: [PassageOrdinal]
    ) -> [(ordinal: PassageOrdinal, score: Double)] {
        let all = analyzer.queryTerms(in: query)
        var searched = all.filter { $0.role == .word || $0.role == .character }
        if all.contains(where: { $0.role == .fragment }),
            !searched.contains(where: { documentFrequencies[$0.text] != nil })
        {
            searched += all.filter { $0.role == .fragment }
        } else if searched.isEmpty {
            searched = all
        }
        let terms = searched.reduce(into: [String: Double]()) {
            $0[$1.text, default: 0] += $1.role == .character ? 0.5 : 1
        }
        .sorted { $0.key < $1.key }
        let (k1, b) = (0.9, 0.4)
        return candidates.compactMap { ordinal in
            let counts = termCounts[Int(ordinal)]
            let norm = k1 * (1 - b + b * Double(lengths[Int(ordinal)]) / averageLength)
            var score = 0.0
            for (term, times) in terms {
                guard let frequency = counts[term], let documents = documentFrequencies[term] else { continue }
                let idf = log(1 + (Double(passages.count - documents) + 0.5) / (Double(documents) + 0.5))
                score += times * idf * Double(frequency) / (Double(frequency) + norm)
            }
            return score > 0 ? (ordinal, score) : nil
        }
    }

    public func linkedPassages(from ordinal: PassageOrdinal, limit: Int) async throws -> [RankedPassage] {
        guard passages.indices.contains(Int(ordinal)) else { return [] }
        let text = passages[Int(ordinal)].text
        return linked(limit) { $0.documentOrdinal != passages[Int(ordinal)].documentOrdinal && Self.names(text, $0) }
    }

    public func passagesNaming(_ ordinal: PassageOrdinal, limit: Int) async throws -> [RankedPassage] {
        guard passages.indices.contains(Int(ordinal)) else { return [] }
        let target = passages[Int(ordinal)]
        return linked(limit) { $0.documentOrdinal != target.documentOrdinal && Self.names($0.text, target) }
    }

    private static func names(_ text: String, _ passage: Passage) -> Bool {
        passage.title.utf8.count > 2 && text.contains(passage.title)
    }

    private func linked(_ limit: Int, _ isLink: (Passage) -> Bool) -> [RankedPassage] {
        guard isLinked else { return [] }
        return passages.lazy.filter(isLink).prefix(max(0, limit)).map {
            RankedPassage(id: $0.id, ordinal: $0.ordinal, documentOrdinal: $0.documentOrdinal, score: 1)
        }
    }

    public func vectors(of ordinals: [PassageOrdinal]) async throws -> [[Float]]? {
        ordinals.allSatisfy { vectors.indices.contains(Int($0)) } ? ordinals.map { vectors[Int($0)] } : nil
    }

    public func searchVectors(of texts: [String]) async throws -> [[Float]]? {
        texts.map { Self.normalized(embed($0)) }
    }

    public func nearest(
        to vector: [Float], limit: Int, within scope: CorpusScope?
    ) async throws -> [RankedPassage]? {
        let scores = try ordinals(in: scope).map { (ordinal: $0, score: Self.similarity(vector, vectors[Int($0)])) }
        return Self.ranked(scores).prefix(max(0, limit)).map { hit in
            let passage = passages[Int(hit.ordinal)]
            return RankedPassage(
                id: passage.id, ordinal: hit.ordinal, documentOrdinal: passage.documentOrdinal, score: hit.score)
        }
    }

    /// MaxSim over the vectors of words, focused where there is a context (see `LateInteractionQuery`), pair by pair.
    public func lateInteraction(
        of ordinals: [PassageOrdinal], with question: String, context: String?
    ) async throws -> [Double]? {
        let asked = tokenVectors(question)
        let known = context.map(tokenVectors) ?? []
        return ordinals.map { ordinal in
            guard passages.indices.contains(Int(ordinal)) else { return -.infinity }
            let passage = passages[Int(ordinal)]
            let tokens = tokenVectors(passage.title + " " + passage.text)
            func sumOfBest(_ vectors: [[Float]], _ count: Int) -> Double {
                vectors.map { vector in tokens.map { Self.similarity(vector, $0) }.max() ?? 0 }
                    .sorted(by: >).prefix(count).reduce(0, +)
            }
            return sumOfBest(asked, context == nil ? asked.count : 32) + (known.count >= 8 ? sumOfBest(known, 8) : 0)
        }
    }

    private func tokenVectors(_ text: String) -> [[Float]] {
        analyzer.terms(in: text).map { Self.normalized(embed($0)) }
    }

    private static func similarity(_ a: [Float], _ b: [Float]) -> Double {
        Double(zip(a, b).reduce(0) { $0 + $1.0 * $1.1 })
    }

    private func semanticScores(
        _ query: String, _ candidates: [PassageOrdinal]
    ) -> [(ordinal: PassageOrdinal, score: Double)] {
        let target = Self.normalized(embed(query))
        return candidates.map { ordinal in
            (ordinal, Self.similarity(target, vectors[Int(ordinal)]))
        }
    }
}

extension MetadataValue {
    /// The field type of which this is a value.
    var fieldType: FieldType {
        switch self {
        case .text: return .text
        case .number, .integer: return .number
        case .boolean: return .boolean
        case .date: return .date
        case .list(let members):
            if members.first?.double != nil { return .numberList }
            return .textList
        }
    }
}
