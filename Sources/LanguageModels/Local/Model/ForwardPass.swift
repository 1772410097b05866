// SPDX-License-Identifier: Apache-2.0

import CKernels
import Foundation
import Transformers

/// Tokens that pass through the model together: of one sequence or of several.
struct ForwardBatch {
    /// A sequence's next tokens. They follow what its cache holds.
    struct Run {
        var sequence: CachedSequence
        var tokens: ArraySlice<Int32>
        /// From which of the tokens on the logits are wanted; `tokens.count` for none.
        var wantedFrom: Int
        /// How many of the last tokens are guesses: they are computed, and left to the caller to record.
        var guessed = 0
    }
    var runs: [Run]
    var count: Int { runs.reduce(0) { $0 + $1.tokens.count } }
    var wanted: Int { runs.reduce(0) { $0 + $1.tokens.count - $1.wantedFrom } }
}

/// The forward pass of a decoder model over a paged cache, with its buffers and threads. Used by one thread.
final class ForwardPass {
    let weights: ModelWeights
    let cache: KeyValueCache
    /// How often the weights have passed through memory.
    private(set) var passes = 0
    private let pool: OpaquePointer
    private var buffers: Buffers
    private let quantises: Bool
    private let adapter: PackedAdapter?
    private var frequencies: (global: [Double], local: [Double])

    /// - Parameters:
    ///   - adapter: What is added to the products; it fits the weights.
    ///   - threads: at least 1, at most 256.
    ///   - cacheBytes: the budget of the key-value cache.
    init(weights: ModelWeights, adapter: PackedAdapter? = nil, threads: Int, cacheBytes: Int) throws {
        guard let pool = forage_pool_create(Int32(min(max(threads, 1), 256))) else {
            throw LanguageModelError.unavailable("no memory for the worker threads")
        }
        do { self.weights = try weights.packed(by: pool) } catch {
            forage_pool_destroy(pool)
            throw error
        }
        self.pool = pool
        self.adapter = adapter
        let c = weights.configuration
        cache = KeyValueCache(configuration: c, budget: cacheBytes)
        quantises = weights.isQuantised
        buffers = Buffers(
            configuration: c, threads: Int(forage_pool_threads(pool)), adapterRank: adapter?.rank ?? 0)
        frequencies = (
            weights.rotationFrequencies,
            c.window.map { ModelWeights.frequencies(base: $0.ropeBase, rotary: c.rotary) } ?? []
        )
    }

    deinit { forage_pool_destroy(pool) }

    var threads: Int { Int(forage_pool_threads(pool)) }

    /// Runs the tokens through the model and records them, but for guesses, in their sequences' caches.
    ///
    /// The caller has reserved the room (`CachedSequence.reserve`) and checked the ids.
    /// - Returns: the wanted logits, one row of `vocabulary` floats after the other, valid until the next call.
    func run(_ batch: ForwardBatch) -> UnsafeBufferPointer<Float> {
        let c = weights.configuration
        let count = batch.count
        let wanted = batch.wanted
        guard count > 0 else { return UnsafeBufferPointer(start: nil, count: 0) }
        passes += 1
        buffers.grow(tokens: count, wanted: wanted)
        let b = buffers
        var sequences: [Int32] = []
        var positions: [Int32] = []
        var ids: [Int32] = []
        for (index, run) in batch.runs.enumerated() {
            for (offset, token) in run.tokens.enumerated() {
                sequences.append(Int32(index))
                positions.append(Int32(run.sequence.tokens.count + offset))
                ids.append(token)
            }
        }
        embed(ids, into: b.x)
        fillRotation(positions, b)
        let tables = batch.runs.map { run -> UnsafeMutablePointer<UnsafeMutablePointer<UInt16>?> in
            let table = UnsafeMutablePointer<UnsafeMutablePointer<UInt16>?>.allocate(capacity: run.sequence.pages.count)
            for (i, page) in run.sequence.pages.enumerated() { table[i] = cache.memory(page) }
            return table
        }
        defer { tables.forEach { $0.deallocate() } }
        let tablePointers: [UnsafePointer<UnsafeMutablePointer<UInt16>?>?] = tables.map { UnsafePointer($0) }
        let logits: UnsafeBufferPointer<Float> = sequences.withUnsafeBufferPointer { sequences in
            positions.withUnsafeBufferPointer { positions in
                tablePointers.withUnsafeBufferPointer { pages in
                    let perHead = c.headSize * KeyValueCache.pageTokens
                    var step = forage_lm_step(
                        tokens: Int32(count), heads: Int32(c.heads), kv_heads: Int32(c.keyValueHeads),
                        head_size: Int32(c.headSize), sequence: sequences.baseAddress, position: positions.baseAddress,
                        pages: pages.baseAddress, layer_offset: 0, value_offset: c.keyValueHeads * perHead)
                    for layer in 0..<c.layers {
                        step.layer_offset = layer * 2 * c.keyValueHeads * perHead
                        self.layer(layer, count: count, step: &step)
                    }
                    return self.project(batch, count: count, wanted: wanted)
                }
            }
        }
        for run in batch.runs { run.sequence.append(run.tokens.dropLast(run.guessed)) }
        return logits
    }

    private func embed(_ ids: [Int32], into x: UnsafeMutablePointer<Float>) {
        let width = weights.configuration.width
        let matrix = weights.embeddings
        for (row, id) in ids.enumerated() {
            let source = matrix.base + Int(id) * matrix.rowBytes
            forage_lm_dequantize(matrix.type, source, x + row * width, width)
        }
        if weights.configuration.architecture == .gemma3 {
            let factor = Float(width).squareRoot()
            for i in 0..<ids.count * width { x[i] *= factor }
        }
    }

    private func fillRotation(_ positions: [Int32], _ b: Buffers) {
        let half = weights.configuration.rotary / 2
        for (row, position) in positions.enumerated() {
            for i in 0..<half {
                let angle = Double(position) * frequencies.global[i]
                b.cosines[row * half + i] = Float(cos(angle))
                b.sines[row * half + i] = Float(sin(angle))
            }
            guard !frequencies.local.isEmpty else { continue }
            for i in 0..<half {
                let angle = Double(position) * frequencies.local[i]
                b.localCosines[row * half + i] = Float(cos(angle))
                b.localSines[row * half + i] = Float(sin(angle))
            }
        }
    }

    private func layer(_ index: Int, count: Int, step: inout forage_lm_step) {
        let c = weights.configuration
        let b = buffers
        let w = weights.layers[index]
        let previous = index > 0 ? weights.layers[index - 1].hiddenPostNorm : nil
        normalize(count, delta: index > 0 ? b.delta : nil, post: previous, weight: w.attentionNorm, out: b.input)
        multiply(
            index, b.input, count,
            [
                (.query, w.query, b.q, w.queryBias), (.key, w.key, b.k, w.keyBias), (.value, w.value, b.v, w.valueBias),
            ])
        let windowed = c.hasWindow(index)
        withOptional(w.queryNorm) { queryNorm in
            withOptional(w.keyNorm) { keyNorm in
                var heads = forage_lm_heads(
                    q: b.q, k: b.k, v: b.v, q_norm: queryNorm, k_norm: keyNorm, epsilon: c.epsilon,
                    rotary: Int32(c.rotary), interleaved: c.interleavesRotation ? 1 : 0,
                    cosines: windowed ? b.localCosines : b.cosines, sines: windowed ? b.localSines : b.sines,
                    q_scale: 1 / Float(c.headSize).squareRoot())
                forage_lm_prepare_heads(pool, &step, &heads)
            }
        }
        forage_lm_attend(
            pool, &step, b.q, b.attended.x, windowed ? Int32(c.window?.length ?? 0) : 0, b.attentionScratch)
        if quantises { quantize(b.attended, count) }
        multiply(index, b.attended, count, [(.output, w.output, b.delta, nil)])
        normalize(count, delta: b.delta, post: w.attentionPostNorm, weight: w.hiddenNorm, out: b.input)
        multiply(index, b.input, count, [(.gate, w.gate, b.gate, nil), (.up, w.up, b.up, nil)])
        var hidden = b.hidden
        hidden.rows = Int32(count)
        forage_lm_gate(
            pool, b.gate, b.up, &hidden, c.architecture.gatesWithGELU ? 1 : 0, quantises ? 1 : 0)
        multiply(index, b.hidden, count, [(.down, w.down, b.delta, nil)])
    }

    /// Products of a layer, with what the adapter adds to them.
    private func multiply(
        _ layer: Int, _ activations: forage_lm_activations, _ count: Int,
        _ products: [(
            projection: DecoderProjection, matrix: WeightMatrix, out: UnsafeMutablePointer<Float>, bias: [Float]?
        )]
    ) {
        var all = products.map { (matrix: $0.matrix, out: $0.out, bias: $0.bias) }
        guard let adapter else { return multiply(activations, count, all) }
        var added: [forage_low_rank] = []
        for product in products {
            guard let entry = adapter.entry(layer, product.projection) else { continue }
            let hidden = buffers.thin + added.count * adapter.rank * count
            all.append((entry.a, hidden, nil))
            added.append(
                forage_low_rank(
                    rank: Int32(adapter.rank), rows: Int32(entry.rows), hidden: hidden, hidden_stride: adapter.rank,
                    b: entry.b, out: product.out, out_stride: entry.rows))
        }
        multiply(activations, count, all)
        forage_low_rank_add(pool, Int32(count), added, Int32(added.count))
    }

    /// The logits of the wanted tokens.
    private func project(_ batch: ForwardBatch, count: Int, wanted: Int) -> UnsafeBufferPointer<Float> {
        let c = weights.configuration
        let b = buffers
        guard wanted > 0 else { return UnsafeBufferPointer(start: nil, count: 0) }
        // The wanted rows are moved together first: what is not wanted is not computed.
        var row = 0
        var to = 0
        for run in batch.runs {
            for i in 0..<run.tokens.count {
                if i >= run.wantedFrom {
                    if to != row {
                        (b.x + to * c.width).update(from: b.x + row * c.width, count: c.width)
                        (b.delta + to * c.width).update(from: b.delta + row * c.width, count: c.width)
                    }
                    to += 1
                }
                row += 1
            }
        }
        normalize(
            wanted, delta: b.delta, post: weights.layers.last?.hiddenPostNorm, weight: weights.outputNorm, out: b.input)
        multiply(b.input, wanted, [(weights.output, b.logits, nil)])
        return UnsafeBufferPointer(start: b.logits, count: wanted * c.vocabulary)
    }

    private func normalize(
        _ count: Int, delta: UnsafeMutablePointer<Float>?, post: [Float]?, weight: [Float], out: forage_lm_activations
    ) {
        let c = weights.configuration
        var out = out
        out.rows = Int32(count)
        withOptional(post) { post in
            weight.withUnsafeBufferPointer { weight in
                withUnsafePointer(to: out) { out in
                    var residual = forage_lm_residual(
                        x: buffers.x, delta: delta, delta_weight: post, weight: weight.baseAddress, epsilon: c.epsilon,
                        rows: Int32(count), n: Int32(c.width), quantise: quantises ? 1 : 0, out: out)
                    forage_lm_add_and_norm(pool, &residual)
                }
            }
        }
    }

    private func quantize(_ activations: forage_lm_activations, _ count: Int) {
        var activations = activations
        activations.rows = Int32(count)
        forage_lm_quantize_activations(&activations, 0, Int32(count))
    }

    private func multiply(
        _ activations: forage_lm_activations, _ count: Int,
        _ products: [(matrix: WeightMatrix, out: UnsafeMutablePointer<Float>, bias: [Float]?)]
    ) {
        var activations = activations
        activations.rows = Int32(count)
        var list = products.map { product in
            forage_lm_product(
                type: product.matrix.type, weights: product.matrix.panels ?? product.matrix.base,
                rows: Int32(product.matrix.rows),
                out: product.out, out_stride: product.matrix.rows, bias: nil)
        }
        func go(_ index: Int) {
            if index == products.count {
                forage_lm_matmul(pool, &activations, list, Int32(list.count), buffers.multiplyScratch)
            } else {
                withOptional(products[index].bias) { bias in
                    list[index].bias = bias
                    go(index + 1)
                }
            }
        }
        go(0)
    }
}

/// Calls the body with the array's address, or with nil.
private func withOptional(_ values: [Float]?, _ body: (UnsafePointer<Float>?) -> Void) {
    guard let values else { return body(nil) }
    values.withUnsafeBufferPointer { body($0.baseAddress) }
}
