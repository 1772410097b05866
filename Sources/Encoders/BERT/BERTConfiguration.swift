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
    /// ReLU between the two products of a block, else the exact GELU.
    public var usesReLU: Bool { activation == FORAGE_EPILOGUE_RELU }
    public var pooling: Pooling
    /// Tokens of a text at most, special ones included.
    public var maximumLength: Int

    /// Reads `config.json` and, where they are there, `1_Pooling/config.json`, `modules.json` and
    /// `sentence_bert_config.json`.
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
        if let type = config["model_type"]?.string, type != "bert" {
            throw TextEncoderError.badModel(path: path, reason: "a model of type \"\(type)\", expected \"bert\"")
        }
        if let position = config["position_embedding_type"]?.string, position != "absolute" {
            throw TextEncoderError.badModel(path: path, reason: "positions are \"\(position)\", expected \"absolute\"")
        }
        hiddenSize = try size("hidden_size", atMost: 16_384)
        layerCount = try size("num_hidden_layers", atMost: 200)
        headCount = try size("num_attention_heads", atMost: 512)
        intermediateSize = try size("intermediate_size", atMost: 131_072)
        vocabularySize = try size("vocab_size", atMost: 10_000_000)
        positionCount = try size("max_position_embeddings", atMost: 1_000_000)
        typeCount = try size("type_vocab_size", atMost: 1000)
        guard hiddenSize % headCount == 0 else {
            throw TextEncoderError.badModel(path: path, reason: "\(hiddenSize) is no multiple of \(headCount) heads")
        }
        epsilon = Float(config["layer_norm_eps"]?.double ?? 1e-12)
        switch config["hidden_act"]?.string ?? "gelu" {
        case "gelu": activation = FORAGE_EPILOGUE_GELU
        case "relu": activation = FORAGE_EPILOGUE_RELU
        case let other:
            throw TextEncoderError.badModel(path: path, reason: "activation \"\(other)\", expected gelu or relu")
        }
        pooling = try Self.pooling(folder)
        try Self.checkModules(folder)
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

    private static func pooling(_ folder: String) throws -> Pooling {
        let path = folder + "/1_Pooling/config.json"
        guard let config = try optionalJSON(path) else { return .mean }
        let modes: [(String, Pooling?)] = [
            ("pooling_mode_mean_tokens", .mean), ("pooling_mode_cls_token", .start),
            ("pooling_mode_max_tokens", .max), ("pooling_mode_mean_sqrt_len_tokens", nil),
        ]
        let chosen = modes.filter { config[$0.0]?.bool == true }
        guard chosen.count == 1, let pooling = chosen[0].1 else {
            throw TextEncoderError.badModel(
                path: path,
                reason: "expected exactly one of mean, cls and max pooling, "
                    + "found \(chosen.map(\.0))")
        }
        return pooling
    }

    /// Refuses pipelines with steps that are not done here, rather than give other vectors than they do.
    private static func checkModules(_ folder: String) throws {
        let path = folder + "/modules.json"
        guard let modules = try optionalJSON(path)?.array else { return }
        for module in modules {
            guard let type = module["type"]?.string else { continue }
            let name = type.split(separator: ".").last.map(String.init) ?? type
            if !["Transformer", "Pooling", "Normalize"].contains(name) {
                throw TextEncoderError.badModel(path: path, reason: "has a step \"\(name)\" that is not supported")
            }
        }
    }

    static func json(_ path: String) throws -> JSONValue {
        guard let value = try optionalJSON(path) else {
            throw TextEncoderError.badModel(path: path, reason: "no such file")
        }
        return value
    }

    private static func optionalJSON(_ path: String) throws -> JSONValue? {
        guard FileManager.default.fileExists(atPath: path) else { return nil }
        do {
            return try JSONValue(parsing: [UInt8](Data(contentsOf: URL(fileURLWithPath: path))))
        } catch {
            throw TextEncoderError.badModel(path: path, reason: "cannot be read: \(error)")
        }
    }
}
