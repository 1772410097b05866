// SPDX-License-Identifier: Apache-2.0

import Base
import CKernels
import TensorMath
public import Transformers

/// An adapter as the fast pass multiplies by it: its first matrices are products beside those of the model, of the same
/// activations; its second ones are added in half precision, with the adapter's scale.
///
/// `@unchecked Sendable`: written in `init`, only read afterwards.
final class PackedAdapter: @unchecked Sendable {
    /// The two matrices of a projection.
    struct Entry {
        var a: WeightMatrix
        var b: UnsafePointer<UInt16>
        var rows: Int
    }

    let rank: Int
    private var owned: [UnsafeMutableRawPointer] = []
    private var entries: [Entry?] = []
    /// A hash of all numbers.
    private(set) var fingerprint = ""

    /// - Parameter quantises: Whether the pass quantises its activations: then eight bits hold the first matrices.
    /// - Precondition: the adapter fits the model (`LowRankAdapter.fault`).
    init(_ adapter: LowRankAdapter, shape: DecoderShape, layers: Int, quantises: Bool) {
        rank = adapter.rank
        var hash: UInt64 = 0
        let pool = forage_pool_create(1)
        defer { if let pool { forage_pool_destroy(pool) } }
        entries = Array(repeating: nil, count: layers * DecoderProjection.allCases.count)
        for place in adapter.pairs.keys.sorted() {
            guard let pair = adapter.pair(place, shape: shape), let pool else { continue }
            let a = pack(pair.a, quantises: quantises, pool)
            let rows = pair.b.rows
            let b = allocate(rows * rank * 2).bindMemory(to: UInt16.self, capacity: max(1, rows * rank))
            for row in 0..<rows {
                for column in 0..<rank {
                    b[column * rows + row] = forage_lm_float_to_half(
                        pair.b.elements[row * rank + column] * adapter.scale)
                }
            }
            hash = XXH64.hash("\(place.layer).\(place.projection.rawValue)", seed: hash)
            hash = pair.a.elements.withUnsafeBytes { XXH64.hash($0, seed: hash) }
            hash = XXH64.hash(UnsafeRawBufferPointer(start: b, count: rows * rank * 2), seed: hash)
            entries[Self.index(place.layer, place.projection)] = Entry(a: a, b: b, rows: rows)
        }
        fingerprint = "lora:" + String(hash, radix: 16)
    }

    deinit { owned.forEach { $0.deallocate() } }

    private static func index(_ layer: Int, _ projection: DecoderProjection) -> Int {
        let place: Int =
            switch projection {
            case .query: 0
            case .key: 1
            case .value: 2
            case .output: 3
            case .gate: 4
            case .up: 5
            case .down: 6
            }
        return layer * 7 + place
    }

    private func allocate(_ bytes: Int) -> UnsafeMutableRawPointer {
        let memory = UnsafeMutableRawPointer.allocate(byteCount: max(64, bytes), alignment: 64)
        owned.append(memory)
        return memory
    }

    private func pack(_ matrix: Matrix, quantises: Bool, _ pool: OpaquePointer) -> WeightMatrix {
        let count = matrix.elements.count
        guard quantises, matrix.columns % 32 == 0 else {
            let floats = allocate(count * 4).bindMemory(to: Float.self, capacity: max(1, count))
            floats.update(from: matrix.elements, count: count)
            return WeightMatrix(
                type: Int32(FORAGE_LM_F32.rawValue), base: UnsafeRawPointer(floats), rows: matrix.rows,
                columns: matrix.columns)
        }
        let type = Int32(FORAGE_LM_Q8_0.rawValue)
        let stored = allocate(count / 32 * Int(forage_lm_block_bytes(type)))
        _ = forage_lm_quantize(type, matrix.elements, stored, count)
        let (rows, columns) = (Int32(matrix.rows), Int32(matrix.columns))
        let panels = allocate(forage_lm_packed_bytes(type, rows, columns))
        forage_lm_pack(pool, type, stored, rows, columns, panels)
        return WeightMatrix(
            type: type, base: UnsafeRawPointer(stored), rows: matrix.rows, columns: matrix.columns,
            panels: UnsafeRawPointer(panels))
    }

    /// The matrices of a projection of a layer; nil where the adapter has none.
    func entry(_ layer: Int, _ projection: DecoderProjection) -> Entry? { entries[Self.index(layer, projection)] }
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

    /// Whether any matrix is quantised: then the activations are too.
    var isQuantised: Bool {
        output.isQuantised
            || layers.contains { layer in LayerWeights.matrices.contains { layer[keyPath: $0].isQuantised } }
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
