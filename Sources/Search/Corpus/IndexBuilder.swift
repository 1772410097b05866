// SPDX-License-Identifier: Apache-2.0

import Base
public import Corpus
public import Encoders
import Foundation
import OrderedCollections
public import Text

/// Builds the indexes of a generation: keyword, links, names, vectors, their compact form and a graph over them, token
/// vectors. What the generation before has and what did not change is reused.
public struct IndexBuilder {
    /// What is under way, for a progress display.
    public struct Progress: Sendable, Hashable {
        /// "keywords", "links", "names", "vectors", "compact", "graph" or "tokens".
        public var stage: String
        public var done: Int
        public var total: Int
    }

    /// How the keyword index scores.
    public var keywords = KeywordIndexOptions()
    /// Whether the language of the texts is told from them, because nobody said one. It is told again when documents were
    /// added and what told it before was little, or is less than half of what there is now. Default: false.
    public var detectsLanguage = false
    /// Told the language that was detected, where it is not what the corpus was indexed in.
    public var onLanguage: (TextLanguage) -> Void = { _ in }
    /// Makes the vectors; nil for a corpus without semantic search.
    public var encoder: (any TextEncoder)?
    /// The encoder as the user named it, kept with the index.
    public var encoderName: String
    /// How the vectors are kept; nil: as the generation before, else 4 bytes a number.
    public var vectorFormat: VectorFormat?
    /// Whether a graph over the vectors is built. Default: automatic.
    public var graph = GraphChoice.automatic
    /// Makes the graph.
    public var graphBuilder = GraphIndexBuilder()
    /// Whether the vectors of all tokens are kept for re-ranking by late interaction; nil: as the generation before.
    public var tokens: Bool?
    /// How vectors are kept on disk and searched.
    public enum VectorFormat: String, Sendable, Hashable, CaseIterable {
        /// 4 bytes a number: exact.
        case float32
        /// 2 bytes a number: half the room, twice the speed, errors around 0.0003.
        case float16
        /// A byte a number is searched, four times as fast, and the best are scored again with the 4 bytes beside it.
        case int8

        var precision: VectorPrecision { self == .float16 ? .float16 : .float32 }
    }

    /// When searches by meaning go through a graph (approximate, fast) instead of all vectors (exact).
    public enum GraphChoice: String, Sendable, Hashable, CaseIterable {
        case on, off
        /// As the generation before has it; else from 100,000 passages on, where a scan takes 10 ms of a core.
        case automatic = "auto"

        static let automaticCount = 100_000

    }

    /// How many passages are encoded at a time. Default 256.
    public var batchSize = 256
    /// A folder of vectors by encoder and text that outlasts the build and serves other corpora; nil keeps vectors only
    /// until they stand in the index.
    public var embeddingCache: String?
    /// Told how far it is, from the building task.
    public var onProgress: (Progress) -> Void = { _ in }
    /// Asked now and then; true ends the build with `CorpusError` `cancelled`. What was encoded stays for the next try.
    public var isCancelled: () -> Bool = { false }

    public init(encoder: (any TextEncoder)?, encoderName: String = "minilm") {
        self.encoder = encoder
        self.encoderName = encoderName
    }

    /// Adds the index files to a generation that is then ready to be published.
    /// - Throws: `CorpusError`, `SearchIndexError`, the encoder's errors.
    public func build(_ generation: GenerationWriter) async throws {
        var builder = self
        if detectsLanguage { try builder.detectLanguage(generation) }
        try await builder.buildIndexes(generation)
    }

    /// What told the language of a corpus: kept with its keyword index, and absent where somebody said the language.
    private struct LanguageGround {
        var passages: Int
        var words: Int

        init(passages: Int, words: Int) {
            self.passages = passages
            self.words = words
        }

        init?(_ file: GenerationManifest.File?) {
            guard let ground = file?.parameters["language"], let passages = ground["passages"]?.int,
                let words = ground["words"]?.int
            else { return nil }
            self.init(passages: passages, words: words)
        }

        var value: JSONValue { ["passages": .integer(passages), "words": .integer(words)] }
    }

    /// What told the language that is indexed; nil where it was said.
    private var languageGround: LanguageGround?

    private mutating func detectLanguage(_ generation: GenerationWriter) throws {
        let count = generation.reader.passageCount
        if let before = generation.previous?.manifest.files[IndexRole.keyword] {
            // Somebody said the language, or the index is of a time when it was told once and for all.
            guard let ground = LanguageGround(before) else { return }
            let isThin = TextLanguage.Evidence(language: .english, words: ground.words).isThin
            guard generation.documentsChanged, isThin || count >= 2 * ground.passages else {
                languageGround = ground
                return
            }
        }
        let evidence = try evidence(of: generation.reader)
        languageGround = LanguageGround(passages: count, words: evidence.words)
        guard let language = evidence.language else { return }
        let analyzer = AnalyzerOptions(language: language)
        guard analyzer != keywords.analyzer else { return }
        keywords.analyzer = analyzer
        onLanguage(language)
    }

    /// What a sample of passages says of their language.
    private func evidence(of reader: CorpusReader) throws -> TextLanguage.Evidence {
        let count = reader.passageCount
        let step = max(1, count / 200)
        let texts = try reader.passages(
            at: stride(from: 0, to: count, by: step).prefix(200).map { PassageOrdinal($0) }
        ).map(\.text)
        return TextLanguage.evidence(in: texts)
    }

    private func buildIndexes(_ generation: GenerationWriter) async throws {
        try buildKeywords(generation)
        if generation.documentsChanged || !generation.carryOver(role: IndexRole.links) {
            let path = generation.newFile(role: IndexRole.links)
            onProgress(Progress(stage: "links", done: 0, total: generation.reader.passageCount))
            try LinkIndexWriter(reader: generation.reader, isCancelled: isCancelled).write(to: path)
            try generation.finish(role: IndexRole.links)
        }
        if generation.documentsChanged || !generation.carryOver(role: IndexRole.names) {
            let path = generation.newFile(role: IndexRole.names)
            onProgress(Progress(stage: "names", done: 0, total: generation.reader.passageCount))
            try NameIndexWriter(reader: generation.reader, isCancelled: isCancelled).write(to: path)
            try generation.finish(role: IndexRole.names)
        }
        if let encoder {
            let vectors = try await buildVectors(generation, encoder)
            try buildCompact(generation, over: vectors)
            try buildGraph(generation, over: vectors)
            if wantsTokens(generation) { try await buildTokens(generation, encoder) }
        }
    }

    private func wantsGraph(_ generation: GenerationWriter) -> Bool {
        let count = generation.reader.passageCount
        switch graph {
        case .on: return count > 0
        case .off: return false
        case .automatic:
            let hasGraph = generation.previous?.manifest.files[IndexRole.graph] != nil
            return hasGraph && count > 0 || count >= GraphChoice.automaticCount
        }
    }

    private func format(_ generation: GenerationWriter) -> VectorFormat {
        vectorFormat ?? Self.format(of: generation.previous) ?? .float32
    }

    /// How the vectors of a generation are kept; nil without vectors.
    private static func format(of reader: CorpusReader?) -> VectorFormat? {
        guard let files = reader?.manifest.files, let vectors = files[IndexRole.vectors] else { return nil }
        if files[IndexRole.compact] != nil { return .int8 }
        return vectors.parameters["precision"]?.string == VectorPrecision.float16.rawValue ? .float16 : .float32
    }

    private func wantsTokens(_ generation: GenerationWriter) -> Bool {
        tokens ?? (generation.previous?.manifest.files[IndexRole.tokens] != nil)
    }

    /// Whether the live generation already has what a build with these options would make.
    public func isUpToDate(_ generation: GenerationWriter) -> Bool {
        guard !generation.documentsChanged, let files = generation.previous?.manifest.files,
            files.keys.allSatisfy({ generation.isWhole(role: $0) })
        else { return false }
        guard isSame(files[IndexRole.keyword]), files[IndexRole.links] != nil, files[IndexRole.names] != nil
        else { return false }
        let vectors = files[IndexRole.vectors]?.parameters
        guard vectors?["fingerprint"]?.string == encoder?.fingerprint else { return false }
        guard encoder != nil else { return true }
        // One whose queries' side was tuned has the same vectors under another name.
        guard vectors?["encoder"]?.string == encoderName else { return false }
        return format(generation) == Self.format(of: generation.previous)
            && wantsGraph(generation) == (files[IndexRole.graph] != nil)
            && wantsTokens(generation) == (files[IndexRole.tokens] != nil)
    }

    /// The keyword options as a text, to tell whether an index was made with them.
    private var keywordSignature: String {
        let analyzer =
            (try? JSONEncoder.sorted.encode(keywords.analyzer)).map { String(decoding: $0, as: UTF8.self) } ?? ""
        return "analysis \(AnalyzerOptions.analysisVersion) "
            + "k1 \(keywords.k1) b \(keywords.b) title \(keywords.titleWeight) \(analyzer)"
    }

    /// The options, and that no encoder is wanted where the user said so.
    private var keywordParameters: JSONValue {
        var members: JSONObject = ["options": .string(keywordSignature)]
        if encoder == nil, encoderName == "none" { members["encoder"] = "none" }
        if let languageGround { members["language"] = languageGround.value }
        return .object(members)
    }

    private func isSame(_ file: GenerationManifest.File?) -> Bool {
        // A language that is said now is no guess any more.
        guard detectsLanguage || file?.parameters["language"] == nil else { return false }
        return ["options", "encoder"].allSatisfy { file?.parameters[$0]?.string == keywordParameters[$0]?.string }
    }

    private func buildKeywords(_ generation: GenerationWriter) throws {
        if !generation.documentsChanged,
            isSame(generation.previous?.manifest.files[IndexRole.keyword]),
            generation.carryOver(role: IndexRole.keyword)
        {
            return
        }
        let total = generation.reader.passageCount
        let writer = try KeywordIndexWriter(keywords, runFolder: generation.reader.path)
        try generation.reader.forEachPassage(in: 0..<PassageOrdinal(total)) { ordinal, title, text in
            if ordinal % 4096 == 0 {
                guard !isCancelled() else { throw CorpusError(.cancelled, "indexing was cancelled") }
                onProgress(Progress(stage: "keywords", done: Int(ordinal), total: total))
            }
            try writer.add(title: title, text: text)
        }
        try writer.write(to: generation.newFile(role: IndexRole.keyword))
        try generation.finish(role: IndexRole.keyword, parameters: keywordParameters)
    }

    private func buildCompact(_ generation: GenerationWriter, over path: String) throws {
        guard format(generation) == .int8 else { return }
        if path == generation.previous?.path(ofRole: IndexRole.vectors),
            generation.carryOver(role: IndexRole.compact)
        {
            return
        }
        let vectors = try VectorIndex(path: path)
        onProgress(Progress(stage: "compact", done: 0, total: vectors.count))
        try CompactVectorIndex.build(from: vectors, path: generation.newFile(role: IndexRole.compact))
        try generation.finish(role: IndexRole.compact)
        onProgress(Progress(stage: "compact", done: vectors.count, total: vectors.count))
    }

    private func buildGraph(_ generation: GenerationWriter, over path: String) throws {
        guard wantsGraph(generation) else { return }
        // The vectors were carried over: so is the graph over them.
        if path == generation.previous?.path(ofRole: IndexRole.vectors),
            generation.carryOver(role: IndexRole.graph)
        {
            return
        }
        let vectors = try VectorIndex(path: path)
        onProgress(Progress(stage: "graph", done: 0, total: vectors.count))
        try graphBuilder.build(
            vectors, extending: try extensible(generation, vectors), path: generation.newFile(role: IndexRole.graph))
        try generation.finish(role: IndexRole.graph)
        onProgress(Progress(stage: "graph", done: vectors.count, total: vectors.count))
    }

    /// The graph of the generation before, where its passages are the first ones of this generation, unchanged.
    private func extensible(_ generation: GenerationWriter, _ vectors: VectorIndex) throws -> GraphIndex? {
        guard let previous = generation.previous, let graphPath = previous.path(ofRole: IndexRole.graph),
            let oldPath = previous.path(ofRole: IndexRole.vectors), let old = try? VectorIndex(path: oldPath),
            old.dimension == vectors.dimension, old.count <= vectors.count,
            previous.manifest.files[IndexRole.vectors]?.parameters["fingerprint"]?.string == encoder?.fingerprint
        else { return nil }
        let before = try generation.previousPassageOrdinals()
        guard before.prefix(old.count).enumerated().allSatisfy({ $0.offset == Int($0.element) }),
            let graph = try? GraphIndex(path: graphPath, vectors: old), graph.about.width == graphBuilder.width
        else { return nil }
        return graph
    }

    /// Token vectors of every passage, those of unchanged passages copied from the generation before.
    private func buildTokens(_ generation: GenerationWriter, _ encoder: any TextEncoder) async throws {
        guard let encoder = encoder as? BERTEncoder else {
            throw SearchIndexError.invalidOption(
                "token vectors come from an encoder in this process, not from \(encoderName)")
        }
        let files = generation.previous?.manifest.files
        let isSame = files?[IndexRole.tokens]?.parameters["fingerprint"]?.string == encoder.fingerprint
        if isSame, !generation.documentsChanged, generation.carryOver(role: IndexRole.tokens) { return }
        let old =
            isSame
            ? try? generation.previous?.path(ofRole: IndexRole.tokens).map { try LateInteractionIndex(path: $0) } : nil
        let before = old == nil ? [] : try generation.previousPassageOrdinals()
        let reader = generation.reader
        var writer = try LateInteractionWriter(
            path: generation.newFile(role: IndexRole.tokens), dimension: encoder.tokenDimension)
        var start = 0
        while start < reader.passageCount {
            guard !isCancelled() else { throw CorpusError(.cancelled, "indexing was cancelled") }
            try Task.checkCancellation()
            onProgress(Progress(stage: "tokens", done: start, total: reader.passageCount))
            let range = start..<min(start + batchSize, reader.passageCount)
            var matrices = try range.map { ordinal -> TokenMatrix? in
                guard let old, before[ordinal] != .max else { return nil }
                return try old.tokenMatrix(of: before[ordinal])
            }
            let missing = matrices.indices.filter { matrices[$0] == nil }
            let passages = try reader.passages(at: missing.map { PassageOrdinal(start + $0) })
            let encoded = try await encoder.encodeTokens(
                passages.map { Self.encoderText(title: $0.title, text: $0.text) })
            for (place, tokens) in zip(missing, encoded) { matrices[place] = TokenMatrix(tokens) }
            for matrix in matrices { try writer.append(matrix ?? TokenMatrix(dimension: encoder.tokenDimension)) }
            start = range.upperBound
        }
        try writer.finish()
        try generation.finish(
            role: IndexRole.tokens, parameters: ["fingerprint": .string(encoder.fingerprint)])
        onProgress(Progress(stage: "tokens", done: reader.passageCount, total: reader.passageCount))
    }

    /// What the encoder reads of a passage: its title, so that a passage is found by what it is about, and its text.
    package static func encoderText(title: String, text: String) -> String {
        title.isEmpty ? text : "\(title). \(text)"
    }

    private func buildVectors(_ generation: GenerationWriter, _ encoder: any TextEncoder) async throws -> String {
        let fingerprint = encoder.fingerprint
        let parameters = generation.previous?.manifest.files[IndexRole.vectors]?.parameters
        let before = parameters?["fingerprint"]?.string
        let precision = format(generation).precision
        let isSameFormat = Self.format(of: generation.previous)?.precision == precision
        if !generation.documentsChanged, before == fingerprint, parameters?["encoder"]?.string == encoderName,
            isSameFormat,
            generation.carryOver(role: IndexRole.vectors),
            let kept = generation.previous?.path(ofRole: IndexRole.vectors)
        {
            return kept
        }
        let reader = generation.reader
        // Vectors of passages that did not move out of the generation before are copied from there.
        var old: VectorIndex?
        var oldOrdinals: [PassageOrdinal] = []
        if before == fingerprint, let path = generation.previous?.path(ofRole: IndexRole.vectors),
            let index = try? VectorIndex(path: path)
        {
            old = index
            oldOrdinals = try generation.previousPassageOrdinals()
        }
        // What is encoded goes to a cache first, so that an interrupted build loses at most one batch.
        let folder = embeddingCache ?? reader.path + "/encoding"
        let cache = try EmbeddingCache(folder: folder, fingerprint: fingerprint, dimension: encoder.dimension)
        let path = generation.newFile(role: IndexRole.vectors)
        let writer = try VectorIndex.Writer(path: path, dimension: encoder.dimension, precision: precision)
        var start = 0
        while start < reader.passageCount {
            guard !isCancelled() else {
                throw CorpusError(.cancelled, "indexing was cancelled; what was encoded is kept")
            }
            try Task.checkCancellation()
            let end = min(start + batchSize, reader.passageCount)
            onProgress(Progress(stage: "vectors", done: start, total: reader.passageCount))
            let rows = try await batch(start..<end, reader, encoder, cache, old, oldOrdinals)
            try rows.withUnsafeBufferPointer { try writer.append($0) }
            start = end
        }
        try writer.finish()
        try generation.finish(
            role: IndexRole.vectors,
            parameters: [
                "encoder": .string(encoderName), "fingerprint": .string(fingerprint),
                "dimension": .integer(encoder.dimension), "precision": .string(precision.rawValue),
            ])
        onProgress(Progress(stage: "vectors", done: reader.passageCount, total: reader.passageCount))
        if embeddingCache == nil { try? FileManager.default.removeItem(atPath: folder) }
        return path
    }

    private func batch(
        _ range: Range<Int>, _ reader: CorpusReader, _ encoder: any TextEncoder, _ cache: EmbeddingCache,
        _ old: VectorIndex?, _ oldOrdinals: [PassageOrdinal]
    ) async throws -> [Float] {
        let dimension = encoder.dimension
        var rows = [Float](repeating: 0, count: range.count * dimension)
        var missing: [(row: Int, text: String)] = []
        for passage in try reader.passages(at: range.map { PassageOrdinal($0) }) {
            let row = Int(passage.ordinal) - range.lowerBound
            if let old, Int(passage.ordinal) < oldOrdinals.count, oldOrdinals[Int(passage.ordinal)] != .max {
                let vector = try old.vector(at: oldOrdinals[Int(passage.ordinal)])
                rows.replaceSubrange((row * dimension)..<((row + 1) * dimension), with: vector)
                continue
            }
            let text = encoder.prompts.passage + Self.encoderText(title: passage.title, text: passage.text)
            if let vector = cache.vector(of: text) {
                rows.replaceSubrange((row * dimension)..<((row + 1) * dimension), with: vector)
            } else {
                missing.append((row, text))
            }
        }
        guard !missing.isEmpty else { return rows }
        let encoded = try await encoder.encode(missing.map(\.text))
        try cache.store(missing.map(\.text), encoded)
        for (index, item) in missing.enumerated() {
            rows.replaceSubrange((item.row * dimension)..<((item.row + 1) * dimension), with: encoded[index])
        }
        return rows
    }
}
