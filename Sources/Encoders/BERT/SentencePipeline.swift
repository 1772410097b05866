// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import OrderedCollections
import TensorMath
import Text

/// What a sentence encoder puts before texts (`config_sentence_transformers.json`): E5's "query: " and "passage: ".
public struct EncoderPrompts: Sendable, Hashable {
    /// Stands before queries.
    public var query: String
    /// Stands before passages.
    public var passage: String

    public init(query: String = "", passage: String = "") {
        self.query = query
        self.passage = passage
    }

    /// No prompts.
    public static let none = EncoderPrompts()
}

/// A dense layer behind the pooling of a sentence encoder.
struct DenseLayer: Sendable {
    enum Activation: String, Sendable { case identity, tanh, relu, gelu, sigmoid }

    var inputs: Int
    var outputs: Int
    /// `outputs` rows of `inputs`.
    var weights: [Float]
    var bias: [Float]
    var activation: Activation

    func apply(_ input: [Float]) -> [Float] {
        (0..<outputs).map { row in
            var sum = bias[row]
            for column in 0..<inputs { sum += weights[row * inputs + column] * input[column] }
            switch activation {
            case .identity: return sum
            case .tanh: return Foundation.tanh(sum)
            case .relu: return max(sum, 0)
            case .gelu: return sum * (1 + erf(sum / Float(2).squareRoot())) / 2
            case .sigmoid: return 1 / (1 + exp(-sum))
            }
        }
    }
}

/// What a sentence-transformers folder does with the vectors of tokens: pooling, dense layers, normalisation, prompts.
struct SentencePipeline: Sendable {
    /// Several are laid end to end.
    var poolings: [BERTConfiguration.Pooling]
    var dense: [DenseLayer] = []
    var prompts = EncoderPrompts.none
    /// What the folder asks for and does not get.
    var warnings: [String] = []
    /// A hash of the dense layers' weights.
    var hash: UInt64 = 0

    /// Reads `modules.json` with what it names, and `config_sentence_transformers.json`.
    /// - Throws: ``TextEncoderError/badModel(path:reason:)`` for a step that is not known here, rather than give other
    ///   vectors than it does.
    init(folder: String, hiddenSize: Int) throws {
        poolings = [.mean]
        let path = folder + "/modules.json"
        var hasPooling = false
        if let modules = try BERTConfiguration.optionalJSON(path)?.array {
            for module in modules {
                guard let type = module["type"]?.string else { continue }
                let place = folder + "/" + (module["path"]?.string ?? "")
                switch type.split(separator: ".").last.map(String.init) ?? type {
                case "Transformer", "Normalize", "Dropout": break
                case "Pooling":
                    hasPooling = true
                    poolings = try Self.poolings(place)
                case "Dense": dense.append(try Self.dense(place, hash: &hash))
                case let name:
                    throw TextEncoderError.badModel(path: path, reason: "has a step \"\(name)\" that is not supported")
                }
            }
        }
        if !hasPooling { poolings = try Self.poolings(folder + "/1_Pooling") }
        var width = hiddenSize * poolings.count
        for layer in dense {
            guard layer.inputs == width else {
                throw TextEncoderError.badModel(
                    path: path, reason: "a dense layer takes \(layer.inputs) numbers, the step before gives \(width)")
            }
            width = layer.outputs
        }
        try readPrompts(folder)
    }

    private mutating func readPrompts(_ folder: String) throws {
        guard let config = try BERTConfiguration.optionalJSON(folder + "/config_sentence_transformers.json") else {
            return
        }
        let given = config["prompts"]?.object ?? [:]
        func prompt(_ names: [String]) -> String? { names.lazy.compactMap { given[$0]?.string }.first { !$0.isEmpty } }
        let usual = config["default_prompt_name"]?.string.flatMap { given[$0]?.string } ?? ""
        prompts = EncoderPrompts(
            query: prompt(["query", "queries", "search_query", "retrieval.query"]) ?? usual,
            passage: prompt(["document", "passage", "documents", "corpus", "search_document", "retrieval.passage"])
                ?? usual)
        if !given.isEmpty, prompts == .none, given.values.contains(where: { $0.string?.isEmpty == false }) {
            warnings.append(
                "the folder has prompts (\(given.keys.joined(separator: ", "))), none of them for queries or passages: none is used"
            )
        }
        if let similarity = config["similarity_fn_name"]?.string, !["cosine", "null"].contains(similarity) {
            warnings.append(
                "the folder asks for the similarity \"\(similarity)\"; vectors are compared by their cosine")
        }
    }

    private static func poolings(_ folder: String) throws -> [BERTConfiguration.Pooling] {
        let path = folder + "/config.json"
        guard let config = try BERTConfiguration.optionalJSON(path) else { return [.mean] }
        // In the order in which sentence-transformers lays them end to end.
        let modes: [(String, String, BERTConfiguration.Pooling)] = [
            ("pooling_mode_cls_token", "cls", .start), ("pooling_mode_max_tokens", "max", .max),
            ("pooling_mode_mean_tokens", "mean", .mean),
            ("pooling_mode_mean_sqrt_len_tokens", "mean_sqrt_len_tokens", .meanRoot),
            ("pooling_mode_weightedmean_tokens", "weightedmean", .weightedMean),
            ("pooling_mode_lasttoken", "lasttoken", .last),
        ]
        let named =
            config["pooling_mode"]?.array?.compactMap(\.string) ?? config["pooling_mode"]?.string.map { [$0] } ?? []
        let chosen = modes.filter { config[$0.0]?.bool == true || named.contains($0.1) }.map(\.2)
        guard !chosen.isEmpty else {
            throw TextEncoderError.badModel(
                path: path,
                reason: "expected a pooling of \(modes.map(\.1).joined(separator: ", ")), found none that is on")
        }
        if config["include_prompt"]?.bool == false {
            throw TextEncoderError.badModel(
                path: path, reason: "leaves the prompt out of the pooling (include_prompt), which is not supported")
        }
        return chosen
    }

    private static func dense(_ folder: String, hash: inout UInt64) throws -> DenseLayer {
        let path = folder + "/config.json"
        let config = try BERTConfiguration.json(path)
        guard let inputs = config["in_features"]?.int, let outputs = config["out_features"]?.int,
            (1...65_536).contains(inputs), (1...65_536).contains(outputs)
        else { throw TextEncoderError.badModel(path: path, reason: "expected in_features and out_features") }
        let name = config["activation_function"]?.string?.split(separator: ".").last.map { $0.lowercased() } ?? "tanh"
        guard let activation = DenseLayer.Activation(rawValue: name) else {
            throw TextEncoderError.badModel(path: path, reason: "activation \"\(name)\" is not supported")
        }
        let weightsPath = folder + "/model.safetensors"
        guard FileManager.default.fileExists(atPath: weightsPath) else {
            throw TextEncoderError.badModel(path: weightsPath, reason: "no such file (pytorch_model.bin is not read)")
        }
        let file = try SafetensorsFile(path: weightsPath)
        func floats(_ name: String, _ shape: [Int]) throws -> [Float] {
            let stored = try file.tensor(named: name)
            guard stored.shape == shape else {
                throw TextEncoderError.badModel(
                    path: weightsPath, reason: "tensor \"\(name)\" has shape \(stored.shape), expected \(shape)")
            }
            hash = try file.withUnsafeBytes(named: name) { XXH64.hash($0, seed: hash) }
            return try file.floats(named: name)
        }
        let weights = try floats("linear.weight", [outputs, inputs])
        let bias =
            config["bias"]?.bool ?? true
            ? try floats("linear.bias", [outputs]) : [Float](repeating: 0, count: outputs)
        return DenseLayer(inputs: inputs, outputs: outputs, weights: weights, bias: bias, activation: activation)
    }

    /// The length of a vector.
    func dimension(hiddenSize: Int) -> Int { dense.last?.outputs ?? hiddenSize * poolings.count }

    /// Makes one unit vector from the hidden states of a text.
    func pool(_ states: UnsafePointer<Float>, length: Int, width: Int, into target: UnsafeMutablePointer<Float>) {
        guard length > 0 else { return }
        var vector: [Float] = []
        vector.reserveCapacity(width * poolings.count)
        for pooling in poolings { vector += Self.pool(states, length: length, width: width, pooling) }
        for layer in dense { vector = layer.apply(vector) }
        let square = vector.reduce(0) { $0 + $1 * $1 }
        let scale = square > 0 && square.isFinite ? 1 / square.squareRoot() : 1
        for (column, value) in vector.enumerated() { target[column] = value * scale }
    }

    private static func pool(
        _ states: UnsafePointer<Float>, length: Int, width: Int, _ pooling: BERTConfiguration.Pooling
    ) -> [Float] {
        func row(_ index: Int) -> UnsafeBufferPointer<Float> {
            UnsafeBufferPointer(start: states + index * width, count: width)
        }
        switch pooling {
        case .start: return Array(row(0))
        case .last: return Array(row(length - 1))
        case .max:
            var result = Array(row(0))
            for index in 1..<max(length, 1) {
                for (column, value) in row(index).enumerated() { result[column] = Swift.max(result[column], value) }
            }
            return result
        case .mean, .meanRoot, .weightedMean:
            var result = [Float](repeating: 0, count: width)
            var total: Float = 0
            for index in 0..<length {
                let weight: Float = pooling == .weightedMean ? Float(index + 1) : 1
                total += weight
                let values = row(index)
                for column in 0..<width { result[column] += weight * values[column] }
            }
            let divisor = pooling == .meanRoot ? total.squareRoot() : total
            for column in 0..<width { result[column] /= divisor }
            return result
        }
    }
}
