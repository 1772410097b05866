// SPDX-License-Identifier: Apache-2.0

import Base
public import Encoders
public import Search
import TensorMath
import Text
import Transformers

/// A reranker that reads question and passage together: an encoder of the BERT family, tuned, with a head over its states
/// that gives one number (Nogueira and Cho, arXiv 1901.04085). `forage train reranker` makes its files.
///
/// A file holds the head and what tuning changed of a sentence encoder's weights; that encoder itself comes from
/// `forage model pull`.
public struct CrossEncoder: Reranker {
    /// What a file's metadata says under "kind".
    public static let kind = "cross-encoder"

    public let name: String
    public let fingerprint: String
    public let mixture: RerankMixture
    private let network: ReaderNetwork
    private let parameters: ParameterSet
    private let encoder: BERTEncoder
    private let longest: Int

    /// Opens a trained reranker.
    ///
    /// - Parameters:
    ///   - path: The weights.
    ///   - model: The folder of the encoder that it was tuned from.
    ///   - name: The name that policies and requests use.
    /// - Throws: `SafetensorsError` where the file is damaged or of another size, `PolicyFileError` where it is none or was
    ///   tuned from another encoder, or what opening the encoder throws.
    public init(
        weights path: String, model: String, name: String = "cross", precision: BERTEncoder.Precision = .int8,
        threads: Int = 0
    ) throws {
        let file = try SafetensorsFile(path: path)
        guard file.metadata["kind"] == Self.kind else {
            throw PolicyFileError.malformed(
                path: path, reason: "it is no reranker: expected one that `forage train reranker` wrote")
        }
        if let own = file.metadata["encoder"] {
            let found = try BERTEncoder.weightsFingerprint(folder: model)
            guard own == found else {
                throw PolicyFileError.malformed(
                    path: path,
                    reason: "the reranker was tuned from the encoder \(own), not from \(found): give that one, or "
                        + "train it anew")
            }
        }
        let delta = try WeightDelta(file: file)
        let encoder = try BERTEncoder(
            folder: model, precision: precision, threads: threads, delta: delta.names.isEmpty ? nil : delta)
        let heads = try Self.initialHeads(dimension: encoder.tokenDimension, seed: 0)
            .loaded(from: file, prefix: "heads.")
        self.init(
            heads: heads, encoder: encoder, longest: file.metadata["longest"].flatMap { Int($0) } ?? 192,
            // What was not measured goes halves with the search.
            share: file.metadata["rerank_share"].flatMap(Float.init) ?? 0.5, name: name)
    }

    init(heads: ParameterSet, encoder: BERTEncoder, longest: Int, share: Float, name: String = "cross") {
        network = ReaderNetwork(dimension: encoder.tokenDimension)
        parameters = heads
        self.encoder = encoder
        self.longest = min(max(8, longest), encoder.configuration.positionCount)
        self.name = name
        mixture = RerankMixture(share: max(0, min(1, share.isFinite ? share : 0)))
        var hash = SHA256()
        for value in heads.values { value.elements.withUnsafeBytes { hash.update($0) } }
        fingerprint = "cross/\(hash.finalizeHex().prefix(16))/\(encoder.fingerprint)"
    }

    /// The head at its start: what the reader has for relevance, so that a reader's can be gone on from.
    static func initialHeads(dimension: Int, seed: UInt64) -> ParameterSet {
        let all = ReaderNetwork(dimension: dimension).initialParameters(seed: seed)
        var heads = ParameterSet()
        for (name, value) in zip(all.names, all.values)
        where name.hasPrefix("passage.") || name.hasPrefix("relevance.") {
            heads.add(name, value)
        }
        return heads
    }

    public func scores(query: String, passages: [(title: String, text: String)]) async throws -> [Float] {
        var scores: [Float] = []
        // In pieces, so that a cancelled request stops soon.
        for start in stride(from: 0, to: passages.count, by: 16) {
            try Task.checkCancellation()
            let encodings = passages[start..<min(passages.count, start + 16)].map {
                encoder.tokenizer.encode(
                    query, ReaderPassage(title: $0.title, text: $0.text).full, maximumLength: longest)
            }
            let states = try await encoder.encodeTokens(encodings)
            var ranges: [Range<Int>] = []
            var rows: [Float] = []
            let width = encoder.tokenDimension
            for item in states {
                let first = rows.count / width
                rows += item.vectors.values
                ranges.append(first..<(rows.count / width))
            }
            let tape = Tape(records: false)
            let read = tape.constant(Matrix(rows: rows.count / width, columns: width, elements: rows))
            scores += network.relevance(read, passages: ranges, parameters.variables(on: tape)).logits.value.elements
        }
        return scores
    }
}
