// SPDX-License-Identifier: Apache-2.0

import Base
import CKernels
import TensorMath
public import Transformers

/// An adapter as the fast pass multiplies by it: in half precision, with its scale in the second matrix.
///
/// `@unchecked Sendable`: written in `init`, only read afterwards.
final class PackedAdapter: @unchecked Sendable {
    private struct Entry {
        var a: UnsafePointer<UInt16>
        var b: UnsafePointer<UInt16>
        var rows: Int
    }

    private let memory: UnsafeMutablePointer<UInt16>
    private let rank: Int
    private var entries: [LowRankAdapter.Place: Entry] = [:]
    /// A hash of all numbers.
    let fingerprint: String

    /// - Precondition: the adapter fits the model (`LowRankAdapter.fault`).
    init(_ adapter: LowRankAdapter, shape: DecoderShape) {
        rank = adapter.rank
        let places = adapter.pairs.keys.sorted()
        let count = adapter.pairs.values.reduce(0) { $0 + $1.a.elements.count + $1.b.elements.count }
        memory = .allocate(capacity: max(1, count))
        var next = memory
        for place in places {
            guard let pair = adapter.pair(place, shape: shape) else { continue }
            let a = next
            for (index, number) in pair.a.elements.enumerated() { a[index] = forage_lm_float_to_half(number) }
            next += pair.a.elements.count
            let b = next
            let rows = pair.b.rows
            for row in 0..<rows {
                for column in 0..<rank {
                    b[column * rows + row] = forage_lm_float_to_half(
                        pair.b.elements[row * rank + column] * adapter.scale)
                }
            }
            next += pair.b.elements.count
            entries[place] = Entry(a: a, b: b, rows: rows)
        }
        let bytes = UnsafeRawBufferPointer(start: memory, count: count * 2)
        let names = places.map { "\($0.layer).\($0.projection.rawValue)" }.joined(separator: " ")
        fingerprint = "lora:" + String(XXH64.hash(bytes, seed: XXH64.hash(names)), radix: 16)
    }

    deinit { memory.deallocate() }

    /// Adds the products of a layer's matrices that share their input.
    func add(
        _ layer: Int, _ products: [(projection: DecoderProjection, out: UnsafeMutablePointer<Float>)],
        to activations: forage_lm_activations, tokens: Int, pool: OpaquePointer
    ) {
        let list = products.compactMap { projection, out -> forage_low_rank? in
            guard let entry = entries[.init(layer, projection)] else { return nil }
            return forage_low_rank(
                rank: Int32(rank), rows: Int32(entry.rows), a: entry.a, b: entry.b, out: out, out_stride: entry.rows)
        }
        guard !list.isEmpty else { return }
        var activations = activations
        activations.rows = Int32(tokens)
        forage_low_rank_add(pool, &activations, list, Int32(list.count))
    }
}

extension ModelWeights {
    /// The sizes of the blocks as the differentiable pass and adapters know them.
    /// - Throws: `LanguageModelError.unsupported` for a family that has more than Llama's blocks have.
    func decoderShape() throws(LanguageModelError) -> DecoderShape {
        let c = configuration
        let isPlain = layers.allSatisfy {
            $0.queryNorm == nil && $0.keyNorm == nil && $0.attentionPostNorm == nil && $0.hiddenPostNorm == nil
        }
        guard c.architecture == .llama || c.architecture == .qwen2, isPlain, c.window == nil else {
            throw .unsupported(
                "tuning a model of the family \(c.architecture.rawValue): only llama and qwen2 can be tuned here")
        }
        return DecoderShape(
            width: c.width, hidden: c.hidden, heads: c.heads, keyValueHeads: c.keyValueHeads, headSize: c.headSize,
            epsilon: c.epsilon, frequencies: rotationFrequencies, interleavesRotation: c.interleavesRotation)
    }

    /// Tells the model from others of the same sizes, whichever way its matrices are quantised: its norms never are.
    var identity: String {
        let c = configuration
        var hash = XXH64.hash("\(c.architecture.rawValue) \(c.layers) \(c.width) \(c.hidden) \(c.vocabulary)")
        for norm in layers.flatMap({ [$0.attentionNorm, $0.hiddenNorm] }) + [outputNorm] {
            // In the precision that most models are published in: a file may have rounded them to it.
            let halves = norm.map { UInt16(truncatingIfNeeded: ($0.bitPattern &+ 0x8000) >> 16) }
            hash = halves.withUnsafeBytes { XXH64.hash($0, seed: hash) }
        }
        return "xxh64:" + String(hash, radix: 16)
    }
}

extension DifferentiableDecoder {
    /// The weights of a model in this process as floats, for training.
    ///
    /// - Throws: `LanguageModelError.unsupported` for a family that cannot be tuned.
    public init(_ model: LocalModel) throws {
        let weights = model.weights
        let shape = try weights.decoderShape()
        func matrix(_ matrix: WeightMatrix) -> Matrix {
            let count = matrix.rows * matrix.columns
            let elements = [Float](unsafeUninitializedCapacity: count) { buffer, initialised in
                forage_lm_dequantize(matrix.type, matrix.base, buffer.baseAddress, count)
                initialised = count
            }
            return Matrix(rows: matrix.rows, columns: matrix.columns, elements: elements)
        }
        var base = ParameterSet()
        base.add(Self.embeddingsName, matrix(weights.embeddings))
        base.add(Self.outputNormName, Matrix(row: weights.outputNorm))
        if weights.output.base != weights.embeddings.base { base.add(Self.outputName, matrix(weights.output)) }
        for (index, layer) in weights.layers.enumerated() {
            base.add(Self.attentionNormName(index), Matrix(row: layer.attentionNorm))
            base.add(Self.hiddenNormName(index), Matrix(row: layer.hiddenNorm))
            for projection in DecoderProjection.allCases {
                base.add(Self.name(index, projection), matrix(layer[projection]))
            }
            for (projection, bias) in [
                (DecoderProjection.query, layer.queryBias), (.key, layer.keyBias), (.value, layer.valueBias),
            ] {
                if let bias { base.add(Self.biasName(index, projection), Matrix(row: bias)) }
            }
        }
        try model.checkWhole()
        self.init(shape: shape, layerCount: weights.layers.count, base: base)
    }
}

extension LayerWeights {
    /// The matrix of a projection.
    subscript(projection: DecoderProjection) -> WeightMatrix {
        switch projection {
        case .query: query
        case .key: key
        case .value: value
        case .output: output
        case .gate: gate
        case .up: up
        case .down: down
        }
    }
}
