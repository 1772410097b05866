// SPDX-License-Identifier: Apache-2.0

import CKernels
import Foundation

/// A matrix of weights in a mapped file: `rows` outputs by `columns` inputs.
struct WeightMatrix {
    var type: Int32
    var base: UnsafeRawPointer
    var rows: Int
    var columns: Int
    /// The same weights as panels of sixteen rows, which products are taken of; nil where they are taken of the rows.
    var panels: UnsafeRawPointer?

    var isQuantised: Bool { forage_lm_block_weights(type) > 1 }
    /// Bytes of the panels; 0 for float types, which have none.
    var packedBytes: Int { forage_lm_packed_bytes(type, Int32(rows), Int32(columns)) }
    /// Bytes of one row.
    var rowBytes: Int { columns / Int(forage_lm_block_weights(type)) * Int(forage_lm_block_bytes(type)) }
}

/// The weights of one layer. Norms and biases are small and are widened to floats.
struct LayerWeights {
    var attentionNorm: [Float]
    var query, key, value, output: WeightMatrix
    var queryBias, keyBias, valueBias: [Float]?
    var queryNorm, keyNorm: [Float]?
    /// Applied to what attention and the feed-forward layer add, before it is added (Gemma).
    var attentionPostNorm, hiddenPostNorm: [Float]?
    var hiddenNorm: [Float]
    var gate, up, down: WeightMatrix

    /// The places of all matrices.
    static var matrices: [WritableKeyPath<LayerWeights, WeightMatrix>] {
        [\.query, \.key, \.value, \.output, \.gate, \.up, \.down]
    }
}

/// The mapped files of a model.
protocol MappedWeights: AnyObject, Sendable {
    /// Whether one became shorter while it was in use: what it lost reads as zeros.
    var isTorn: Bool { get }
}

/// All weights of a model. The matrices point into mapped files, which `owner` keeps alive.
///
/// `@unchecked Sendable`: nothing changes after `init`, and the files are mapped read-only.
final class ModelWeights: @unchecked Sendable {
    let configuration: ModelConfiguration
    let embeddings: WeightMatrix
    let outputNorm: [Float]
    let output: WeightMatrix
    let layers: [LayerWeights]
    /// Divisors of the rotation's frequencies (Llama 3.1), or empty.
    let ropeFactors: [Float]
    let owner: any MappedWeights

    init(
        configuration: ModelConfiguration, embeddings: WeightMatrix, outputNorm: [Float], output: WeightMatrix,
        layers: [LayerWeights], ropeFactors: [Float], owner: any MappedWeights
    ) {
        self.configuration = configuration
        self.embeddings = embeddings
        self.outputNorm = outputNorm
        self.output = output
        self.layers = layers
        self.ropeFactors = ropeFactors
        self.owner = owner
    }

    /// Whether a file became shorter while it was in use: what was computed since may be wrong.
    var isTorn: Bool { owner.isTorn }

    /// The angle by which each pair of a head turns from one position to the next.
    var rotationFrequencies: [Double] {
        let c = configuration
        let plain = Self.frequencies(base: c.ropeBase, rotary: c.rotary).map { $0 / c.ropeScale }
        return ropeFactors.isEmpty ? plain : zip(plain, ropeFactors).map { $0 / Double($1) }
    }

    static func frequencies(base: Double, rotary: Int) -> [Double] {
        (0..<rotary / 2).map { pow(base, -2 * Double($0) / Double(rotary)) }
    }
}

extension GGUFFile {
    /// The weights, checked against the configuration's sizes.
    /// - Throws: `GGUFError`.
    func weights() throws -> ModelWeights {
        let c = try configuration()
        func matrix(_ name: String, _ rows: Int, _ columns: Int) throws -> WeightMatrix {
            guard let tensor = tensors[name] else {
                throw GGUFError.missing(path: path, what: "the tensor \(name) is missing")
            }
            guard tensor.shape == [columns, rows], let base = bytes(of: tensor).baseAddress else {
                throw GGUFError.missing(
                    path: path, what: "the tensor \(name) is \(tensor.shape), expected [\(columns), \(rows)]")
            }
            return WeightMatrix(type: Int32(tensor.type), base: base, rows: rows, columns: columns)
        }
        func vector(_ name: String, _ count: Int) throws -> [Float]? {
            guard let tensor = tensors[name] else { return nil }
            guard tensor.shape.reduce(1, *) == count else {
                throw GGUFError.missing(path: path, what: "the tensor \(name) is \(tensor.shape), expected [\(count)]")
            }
            return floats(of: tensor)
        }
        func required(_ name: String, _ count: Int) throws -> [Float] {
            guard let values = try vector(name, count) else {
                throw GGUFError.missing(path: path, what: "the tensor \(name) is missing")
            }
            return values
        }
        let inner = c.heads * c.headSize
        let shared = c.keyValueHeads * c.headSize
        let layers = try (0..<c.layers).map { index -> LayerWeights in
            let p = "blk.\(index)."
            return LayerWeights(
                attentionNorm: try required(p + "attn_norm.weight", c.width),
                query: try matrix(p + "attn_q.weight", inner, c.width),
                key: try matrix(p + "attn_k.weight", shared, c.width),
                value: try matrix(p + "attn_v.weight", shared, c.width),
                output: try matrix(p + "attn_output.weight", c.width, inner),
                queryBias: try vector(p + "attn_q.bias", inner), keyBias: try vector(p + "attn_k.bias", shared),
                valueBias: try vector(p + "attn_v.bias", shared),
                queryNorm: try vector(p + "attn_q_norm.weight", c.headSize),
                keyNorm: try vector(p + "attn_k_norm.weight", c.headSize),
                attentionPostNorm: try vector(p + "post_attention_norm.weight", c.width),
                hiddenPostNorm: try vector(p + "post_ffw_norm.weight", c.width),
                hiddenNorm: try required(p + "ffn_norm.weight", c.width),
                gate: try matrix(p + "ffn_gate.weight", c.hidden, c.width),
                up: try matrix(p + "ffn_up.weight", c.hidden, c.width),
                down: try matrix(p + "ffn_down.weight", c.width, c.hidden))
        }
        let embeddings = try matrix("token_embd.weight", c.vocabulary, c.width)
        let output =
            tensors["output.weight"] == nil ? embeddings : try matrix("output.weight", c.vocabulary, c.width)
        return ModelWeights(
            configuration: c, embeddings: embeddings, outputNorm: try required("output_norm.weight", c.width),
            output: output, layers: layers, ropeFactors: try vector("rope_freqs.weight", c.rotary / 2) ?? [],
            owner: self)
    }
}
