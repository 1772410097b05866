// SPDX-License-Identifier: Apache-2.0
import Base
import CKernels
import COpenBLAS
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
    /// For each head what attention from one token to another gets added by their distance, from the farthest before to
    /// the farthest behind: `2 * positionCount - 1` numbers. Empty for none.
    var distanceBias: [Float]
    var embeddingNorm: Norm
    var layers: [Layer]
    /// The vectors that a tuned prompt puts before the input of each block, row by row; empty for none.
    var prompts: [[Float]] = []
    /// How many vectors that is.
    var promptLength = 0
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
            var values = try file.floats(named: prefix + name)
            guard let change = delta?.change(of: name) else { return values }
            guard change.count == values.count else {
                throw TextEncoderError.badModel(
                    path: path, reason: "the change of \"\(name)\" was made for another size of the model")
            }
            forage_add_scaled(change, change.count, 1, &values)
            return values
        }
        func scaled(_ values: [Float], _ factor: Float) -> [Float] {
            var values = values
            cblas_sscal(blasint(values.count), factor, &values, 1)
            return values
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
        let first = configuration.firstPosition
        positions = Array(
            try tensor("embeddings.position_embeddings.weight", [configuration.positionCount + first, width])
                .dropFirst(first * width))
        if configuration.typeCount > 0 {
            let types = try tensor("embeddings.token_type_embeddings.weight", [configuration.typeCount, width])
            for index in positions.indices { positions[index] += types[index % width] }
            typeDifferences = types.indices.map { types[$0] - types[$0 % width] }
        } else {
            typeDifferences = []
        }
        distanceBias =
            configuration.relativeBuckets > 0
            ? Self.distanceBias(
                try tensor(
                    "encoder.relative_attention_bias.weight", [configuration.relativeBuckets, configuration.headCount]),
                configuration) : []
        let embeddingNorm = try layerNorm("embeddings.LayerNorm")
        self.embeddingNorm = embeddingNorm
        let scale = 1 / Float(width / configuration.headCount).squareRoot()
        var layers: [Layer] = []
        let names = LayerNames(configuration.family)
        for index in 0..<configuration.layerCount {
            let name = names.prefix + "\(index)."
            var weights: [Float] = []
            var bias: [Float] = []
            for (part, factor) in [(names.query, scale), (names.key, 1), (names.value, 1)] {
                weights += try scaled(tensor(name + part + ".weight", [width, width]), factor)
                bias += try scaled(tensor(name + part + ".bias", [width]), factor)
            }
            let norm = try layerNorm(name + names.attentionNorm)
            let before = layers.last?.outputNorm ?? embeddingNorm
            layers.append(
                Layer(
                    qkv: LinearLayer(
                        weights: weights, bias: bias, inputs: width, outputs: 3 * width, precision: precision,
                        inputRange: before.range),
                    attentionOutput: try linear(name + names.attentionOutput, width, width),
                    attentionNorm: norm,
                    intermediate: try linear(
                        name + names.intermediate, configuration.intermediateSize, width, after: norm),
                    // The products that integers hurt most: their inputs have long tails.
                    output: try linear(
                        name + names.output, width, configuration.intermediateSize, isWide: true),
                    outputNorm: try layerNorm(name + names.outputNorm)))
        }
        self.layers = layers
        hash = try Self.hash(file, prefix: prefix) ^ (delta?.hash ?? 0)
        let prompts = (0..<configuration.layerCount).compactMap { delta?.prompt(layer: $0, width: width) }
        guard let length = prompts.first?.rows else { return }
        guard prompts.count == configuration.layerCount, prompts.allSatisfy({ $0.rows == length }),
            length <= Tuning.longestPrompt
        else {
            throw TextEncoderError.badModel(
                path: path,
                reason: "the tuned prompt was made for another model: expected one as long before each block")
        }
        self.prompts = prompts.map(\.values)
        promptLength = length
    }

    /// The names of a layer's tensors in a family's files.
    private struct LayerNames {
        var prefix = "encoder.layer."
        var query = "attention.self.query"
        var key = "attention.self.key"
        var value = "attention.self.value"
        var attentionOutput = "attention.output.dense"
        var attentionNorm = "attention.output.LayerNorm"
        var intermediate = "intermediate.dense"
        var output = "output.dense"
        var outputNorm = "output.LayerNorm"

        init(_ family: BERTConfiguration.Family) {
            switch family {
            case .bert, .roberta: break
            case .mpnet:
                (query, key, value) = ("attention.attn.q", "attention.attn.k", "attention.attn.v")
                (attentionOutput, attentionNorm) = ("attention.attn.o", "attention.LayerNorm")
            case .distilbert:
                prefix = "transformer.layer."
                (query, key, value) = ("attention.q_lin", "attention.k_lin", "attention.v_lin")
                (attentionOutput, attentionNorm) = ("attention.out_lin", "sa_layer_norm")
                (intermediate, output, outputNorm) = ("ffn.lin1", "ffn.lin2", "output_layer_norm")
            }
        }
    }

    /// Spreads the biases of buckets over distances, as T5 and MPNet have them: half of the buckets for each direction,
    /// exact up to half of those, then by the logarithm up to a distance of 128.
    private static func distanceBias(_ table: [Float], _ configuration: BERTConfiguration) -> [Float] {
        let half = configuration.relativeBuckets / 2
        let exact = half / 2
        let reach = configuration.positionCount
        var result: [Float] = []
        result.reserveCapacity(configuration.headCount * (2 * reach - 1))
        for head in 0..<configuration.headCount {
            for distance in (1 - reach)..<reach {
                let size = abs(distance)
                var bucket = distance > 0 ? half : 0
                if size < exact {
                    bucket += size
                } else {
                    let share = log(Float(size) / Float(exact)) / log(Float(128) / Float(exact))
                    bucket += min(exact + Int(share * Float(half - exact)), half - 1)
                }
                result.append(table[bucket * configuration.headCount + head])
            }
        }
        return result
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
