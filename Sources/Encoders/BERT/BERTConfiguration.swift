// SPDX-License-Identifier: Apache-2.0
import Base
import CKernels
import Foundation
import Text

/// The sizes and choices of a BERT model, from the files of its folder.
public struct BERTConfiguration: Sendable, Hashable {
    /// How the vectors of tokens become one vector.
    public enum Pooling: String, Sendable, Hashable {
        case mean
        /// The vector of the start token.
        case start
        case max
        /// The sum over the square root of the length.
        case meanRoot
        /// Later tokens weigh more, in proportion to their place.
        case weightedMean
        /// The vector of the last token.
        case last
    }

    /// The families whose files are read.
    enum Family: Sendable, Hashable {
        case bert
        /// RoBERTa, XLM-R and CamemBERT: BERT's layers, positions that start behind the padding's id.
        case roberta
        /// Positions as RoBERTa's, and a bias of attention by distance (Song et al. 2020).
        case mpnet
        /// BERT's layers under other names, without token types.
        case distilbert

        init?(_ name: String) {
            switch name {
            case "bert": self = .bert
            case "roberta", "xlm-roberta", "camembert": self = .roberta
            case "mpnet": self = .mpnet
            case "distilbert": self = .distilbert
            default: return nil
            }
        }
    }

    public var hiddenSize: Int
    public var layerCount: Int
    public var headCount: Int
    public var intermediateSize: Int
    public var vocabularySize: Int
    /// Positions that the model knows.
    public var positionCount: Int
    public var typeCount: Int
    public var epsilon: Float
    var activation: forage_epilogue
    let family: Family
    /// The first row of the position table that is used.
    var firstPosition: Int
    /// Buckets of distances that have a bias of attention; 0 for none.
    var relativeBuckets = 0
    /// ReLU between the two products of a block, else the exact GELU.
    public var usesReLU: Bool { activation == FORAGE_EPILOGUE_RELU }
    /// Tokens of a text at most, special ones included.
    public var maximumLength: Int

    /// Reads `config.json` and, where it is there, `sentence_bert_config.json`.
    /// - Throws: ``TextEncoderError/badModel(path:reason:)``.
    public init(folder: String) throws {
        let path = folder + "/config.json"
        let config = try Self.json(path)
        func size(_ key: String, atMost limit: Int) throws -> Int {
            guard let value = config[key]?.int, value > 0, value <= limit else {
                throw TextEncoderError.badModel(path: path, reason: "expected a number in 1...\(limit) at \"\(key)\"")
            }
            return value
        }
        let type = config["model_type"]?.string ?? "bert"
        guard let family = Family(type) else {
            throw TextEncoderError.badModel(
                path: path,
                reason:
                    "a model of type \"\(type)\", expected bert, roberta, xlm-roberta, camembert, mpnet or distilbert")
        }
        self.family = family
        if let position = config["position_embedding_type"]?.string, position != "absolute" {
            throw TextEncoderError.badModel(path: path, reason: "positions are \"\(position)\", expected \"absolute\"")
        }
        let isDistilled = family == .distilbert
        hiddenSize = try size(isDistilled ? "dim" : "hidden_size", atMost: 16_384)
        layerCount = try size(isDistilled ? "n_layers" : "num_hidden_layers", atMost: 200)
        headCount = try size(isDistilled ? "n_heads" : "num_attention_heads", atMost: 512)
        intermediateSize = try size(isDistilled ? "hidden_dim" : "intermediate_size", atMost: 131_072)
        vocabularySize = try size("vocab_size", atMost: 10_000_000)
        let positions = try size("max_position_embeddings", atMost: 1_000_000)
        firstPosition = family == .roberta || family == .mpnet ? (config["pad_token_id"]?.int ?? 1) + 1 : 0
        guard (0..<positions).contains(firstPosition) else {
            throw TextEncoderError.badModel(path: path, reason: "pad_token_id leaves no positions")
        }
        positionCount = positions - firstPosition
        typeCount = family == .mpnet || isDistilled ? 0 : try size("type_vocab_size", atMost: 1000)
        if family == .mpnet { relativeBuckets = config["relative_attention_num_buckets"]?.int ?? 32 }
        guard relativeBuckets >= 0, relativeBuckets <= 4096, relativeBuckets % 4 == 0 else {
            throw TextEncoderError.badModel(path: path, reason: "relative_attention_num_buckets is \(relativeBuckets)")
        }
        guard hiddenSize % headCount == 0 else {
            throw TextEncoderError.badModel(path: path, reason: "\(hiddenSize) is no multiple of \(headCount) heads")
        }
        epsilon = Float(config["layer_norm_eps"]?.double ?? 1e-12)
        switch (isDistilled ? config["activation"] : config["hidden_act"])?.string ?? "gelu" {
        case "gelu": activation = FORAGE_EPILOGUE_GELU
        case "relu": activation = FORAGE_EPILOGUE_RELU
        case let other:
            throw TextEncoderError.badModel(path: path, reason: "activation \"\(other)\", expected gelu or relu")
        }
        maximumLength = positionCount
        if let sentence = try Self.optionalJSON(folder + "/sentence_bert_config.json"),
            let length = sentence["max_seq_length"]?.int
        {
            guard length >= 3 else {
                throw TextEncoderError.badModel(
                    path: folder + "/sentence_bert_config.json", reason: "max_seq_length is \(length)")
            }
            maximumLength = min(length, positionCount)
        }
    }

    /// The sizes and choices as a text that identifies them. It never changes: indexes and policies keep its hash.
    func signature(_ poolings: [Pooling]) -> String {
        let pooling = poolings.map { "TextEncoders.BERTConfiguration.Pooling.\($0.rawValue)" }.joined(separator: "+")
        let own =
            "BERTConfiguration(hiddenSize: \(hiddenSize), layerCount: \(layerCount), headCount: \(headCount), "
            + "intermediateSize: \(intermediateSize), vocabularySize: \(vocabularySize), positionCount: \(positionCount), "
            + "typeCount: \(typeCount), epsilon: \(epsilon), "
            + "activation: __C.forage_epilogue(rawValue: \(activation.rawValue)), pooling: \(pooling), "
            + "maximumLength: \(maximumLength))"
        return family == .bert ? own : own + " \(family) \(firstPosition) \(relativeBuckets)"
    }

    static func json(_ path: String) throws -> JSONValue {
        guard let value = try optionalJSON(path) else {
            throw TextEncoderError.badModel(path: path, reason: "no such file")
        }
        return value
    }

    static func optionalJSON(_ path: String) throws -> JSONValue? {
        guard FileManager.default.fileExists(atPath: path) else { return nil }
        do {
            return try JSONValue(parsing: [UInt8](Data(contentsOf: URL(fileURLWithPath: path))))
        } catch {
            throw TextEncoderError.badModel(path: path, reason: "cannot be read: \(error)")
        }
    }
}
