// SPDX-License-Identifier: Apache-2.0
import Base
import Foundation
import TensorMath
import Text
import Transformers

/// The weights of a BERT model, ready for the kernels.
struct BERTWeights: Sendable {
    struct Norm: Sendable {
        var gain: [Float]
        var shift: [Float]

        /// About the largest magnitude of each output: normalised values rarely pass three deviations.
        var range: [Float] { zip(gain, shift).map { 3 * abs($0) + abs($1) } }
    }

    struct Layer: Sendable {
        /// Queries (scaled by 1/sqrt of the head's width), keys and values in one product.
        var qkv: LinearLayer
        var attentionOutput: LinearLayer
        var attentionNorm: Norm
        var intermediate: LinearLayer
        var output: LinearLayer
        var outputNorm: Norm
    }

    var words: [Float]
    /// Positions with the vector of the first type added, as single texts use it.
    var positions: [Float]
    /// The vector of each type less that of the first.
    var typeDifferences: [Float]
    var embeddingNorm: Norm
    var layers: [Layer]
    /// A hash of the tensors' names, shapes and bytes.
    var hash: UInt64

    /// Reads `model.safetensors` of a folder. Names may carry a prefix ("bert."), and the old names of layer norm.
    init(
        folder: String, configuration: BERTConfiguration, precision: BERTEncoder.Precision, delta: WeightDelta? = nil
    ) throws {
        let path = folder + "/model.safetensors"
        let file = try SafetensorsFile(path: path)
        let anchor = "embeddings.word_embeddings.weight"
        guard let prefix = file.names.first(where: { $0.hasSuffix(anchor) }).map({ String($0.dropLast(anchor.count)) })
        else {
            throw TextEncoderError.badModel(path: path, reason: "no tensor \"\(anchor)\"")
        }
        func tensor(_ name: String, _ shape: [Int]) throws -> [Float] {
            let stored = try file.tensor(named: prefix + name)
            guard stored.shape == shape else {
                throw TextEncoderError.badModel(
                    path: path, reason: "tensor \"\(prefix + name)\" has shape \(stored.shape), expected \(shape)")
            }
            let values = try file.floats(named: prefix + name)
            guard let change = delta?.change(of: name) else { return values }
            guard change.count == values.count else {
                throw TextEncoderError.badModel(
                    path: path, reason: "the change of \"\(name)\" was made for another size of the model")
            }
            return zip(values, change).map(+)
        }
        func layerNorm(_ name: String) throws -> Norm {
            let old = file.contains(prefix + name + ".gamma")
            let width = [configuration.hiddenSize]
            return Norm(
                gain: try tensor(name + (old ? ".gamma" : ".weight"), width),
                shift: try tensor(name + (old ? ".beta" : ".bias"), width))
        }
        let width = configuration.hiddenSize
        func linear(
            _ name: String, _ outputs: Int, _ inputs: Int, after norm: Norm? = nil, isWide: Bool = false
        ) throws -> LinearLayer {
            LinearLayer(
                weights: try tensor(name + ".weight", [outputs, inputs]), bias: try tensor(name + ".bias", [outputs]),
                inputs: inputs, outputs: outputs, precision: precision, inputRange: norm?.range, isWide: isWide)
        }
        words = try tensor(anchor, [configuration.vocabularySize, width])
        positions = try tensor("embeddings.position_embeddings.weight", [configuration.positionCount, width])
        let types = try tensor("embeddings.token_type_embeddings.weight", [configuration.typeCount, width])
        for index in positions.indices { positions[index] += types[index % width] }
        typeDifferences = types.indices.map { types[$0] - types[$0 % width] }
        let embeddingNorm = try layerNorm("embeddings.LayerNorm")
        self.embeddingNorm = embeddingNorm
        let scale = 1 / Float(width / configuration.headCount).squareRoot()
        var layers: [Layer] = []
        for index in 0..<configuration.layerCount {
            let name = "encoder.layer.\(index)."
            var weights: [Float] = []
            var bias: [Float] = []
            for (part, factor) in [("query", scale), ("key", 1), ("value", 1)] {
                weights += try tensor(name + "attention.self.\(part).weight", [width, width]).map { $0 * factor }
                bias += try tensor(name + "attention.self.\(part).bias", [width]).map { $0 * factor }
            }
            let norm = try layerNorm(name + "attention.output.LayerNorm")
            let before = layers.last?.outputNorm ?? embeddingNorm
            layers.append(
                Layer(
                    qkv: LinearLayer(
                        weights: weights, bias: bias, inputs: width, outputs: 3 * width, precision: precision,
                        inputRange: before.range),
                    attentionOutput: try linear(name + "attention.output.dense", width, width),
                    attentionNorm: norm,
                    intermediate: try linear(
                        name + "intermediate.dense", configuration.intermediateSize, width, after: norm),
                    // The products that integers hurt most: their inputs have long tails.
                    output: try linear(
                        name + "output.dense", width, configuration.intermediateSize, isWide: true),
                    outputNorm: try layerNorm(name + "output.LayerNorm")))
        }
        self.layers = layers
        hash = try Self.hash(file, prefix: prefix) ^ (delta?.hash ?? 0)
    }

    /// Hashes every tensor. XXH64 runs at memory speed, so the cost is that of reading the file once.
    static func hash(_ file: SafetensorsFile, prefix: String) throws -> UInt64 {
        var hash: UInt64 = 0
        for name in file.names where name.hasPrefix(prefix) {
            let tensor = try file.tensor(named: name)
            hash = XXH64.hash(name + "\(tensor.shape)" + tensor.element.rawValue, seed: hash)
            hash = try file.withUnsafeBytes(named: name) { XXH64.hash($0, seed: hash) }
        }
        return hash
    }
}
