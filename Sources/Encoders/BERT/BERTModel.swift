// SPDX-License-Identifier: Apache-2.0
import Base
import CKernels

/// Token ids of several texts one behind the other: no padding.
struct PackedBatch: Sendable {
    var ids: [Int32] = []
    var types: [Int32] = []
    /// Where each text starts; one more entry holds the number of tokens.
    var starts: [Int] = [0]

    var tokenCount: Int { ids.count }
    var textCount: Int { starts.count - 1 }
    var longest: Int { zip(starts, starts.dropFirst()).reduce(0) { max($0, $1.1 - $1.0) } }

    mutating func append(_ ids: [Int32], types: [Int32]) {
        self.ids += ids
        self.types += types
        starts.append(self.ids.count)
    }
}

/// The memory of one pass through a model. `@unchecked Sendable`: the threads of a pass write disjoint parts of it
/// between barriers; a pass has it to itself.
final class BERTWorkspace: @unchecked Sendable {
    let hidden: UnsafeMutablePointer<Float>
    let sum: UnsafeMutablePointer<Float>
    let qkv: UnsafeMutablePointer<Float>
    let context: UnsafeMutablePointer<Float>
    let inner: UnsafeMutablePointer<Float>
    let quantised: QuantisedRows
    /// One piece a thread.
    let scratch: [UnsafeMutablePointer<Float>]
    let tokenCapacity: Int
    let lengthCapacity: Int

    init(_ configuration: BERTConfiguration, tokens: Int, longest: Int, threads: Int) {
        let width = configuration.hiddenSize
        func floats(_ count: Int) -> UnsafeMutablePointer<Float> {
            let raw = UnsafeMutableRawPointer.allocate(byteCount: max(count, 1) * 4, alignment: 64)
            let pointer = raw.bindMemory(to: Float.self, capacity: count)
            pointer.initialize(repeating: 0, count: count)
            return pointer
        }
        tokenCapacity = tokens
        lengthCapacity = longest
        hidden = floats(tokens * width)
        sum = floats(tokens * width)
        qkv = floats(tokens * 3 * width)
        context = floats(tokens * width)
        inner = floats(tokens * configuration.intermediateSize)
        let stride = forage_quantised_stride(max(width, configuration.intermediateSize))
        quantised = QuantisedRows(
            bytes: .allocate(capacity: tokens * stride), low: floats(tokens), step: floats(tokens))
        let piece = forage_attention_scratch(longest, width / configuration.headCount)
        scratch = (0..<threads).map { _ in floats(piece) }
    }

    deinit {
        for pointer in [hidden, sum, qkv, context, inner, quantised.low, quantised.step] + scratch {
            UnsafeMutableRawPointer(pointer).deallocate()
        }
        quantised.bytes.deallocate()
    }
}

/// A BERT encoder's forward pass (Devlin et al. 2018), without padding: every product runs over the tokens of all
/// texts together, attention over each text by itself.
struct BERTModel: Sendable {
    let configuration: BERTConfiguration
    let weights: BERTWeights

    /// Computes the last hidden states of `batch` into `workspace.hidden`. All `threads` threads of a pass call this
    /// with the same batch and workspace; each does its share of every stage.
    ///
    /// - Parameter layers: Only so many of the lowest blocks.
    func run(
        _ batch: PackedBatch, in workspace: BERTWorkspace, thread: Int, of threads: Int, barrier: SpinBarrier,
        layers: Int = .max
    ) {
        let count = batch.tokenCount
        let width = configuration.hiddenSize
        func share(_ total: Int) -> Range<Int> { total * thread / threads..<total * (thread + 1) / threads }
        let rows = share(count)
        let isQuantised = weights.layers.first?.qkv.isQuantised ?? false
        func quantise(_ values: UnsafePointer<Float>, for layer: LinearLayer) {
            if isQuantised { workspace.quantised.fill(values, range: rows, for: layer) }
        }
        func normalise(
            _ values: UnsafePointer<Float>, adding residual: UnsafePointer<Float>?, _ norm: BERTWeights.Norm
        ) {
            let start = rows.lowerBound * width
            forage_layer_norm(
                values + start, residual.map { $0 + start }, rows.count, width, norm.gain, norm.shift,
                configuration.epsilon, workspace.hidden + start)
        }

        embed(batch, rows: rows, into: workspace.sum)
        normalise(workspace.sum, adding: nil, weights.embeddingNorm)
        for (number, layer) in weights.layers.prefix(layers).enumerated() {
            if weights.promptLength > 0 { prompt(batch, layer: number, rows: rows, into: workspace.hidden) }
            quantise(workspace.hidden, for: layer.qkv)
            barrier.wait()
            layer.qkv.apply(
                workspace.hidden, quantised: workspace.quantised, rows: count, panels: share(layer.qkv.panels),
                into: workspace.qkv)
            barrier.wait()
            attend(batch, workspace, thread: thread, threads: threads)
            barrier.wait()
            if isQuantised {
                quantise(workspace.context, for: layer.attentionOutput)
                barrier.wait()
            }
            layer.attentionOutput.apply(
                workspace.context, quantised: workspace.quantised, rows: count,
                panels: share(layer.attentionOutput.panels), into: workspace.sum)
            barrier.wait()
            normalise(workspace.sum, adding: workspace.hidden, layer.attentionNorm)
            quantise(workspace.hidden, for: layer.intermediate)
            barrier.wait()
            layer.intermediate.apply(
                workspace.hidden, quantised: workspace.quantised, rows: count,
                panels: share(layer.intermediate.panels), epilogue: configuration.activation, into: workspace.inner)
            barrier.wait()
            if isQuantised {
                quantise(workspace.inner, for: layer.output)
                barrier.wait()
            }
            layer.output.apply(
                workspace.inner, quantised: workspace.quantised, rows: count, panels: share(layer.output.panels),
                into: workspace.sum)
            barrier.wait()
            normalise(workspace.sum, adding: workspace.hidden, layer.outputNorm)
        }
        barrier.wait()
    }

    /// Sums the vectors of word, position and type for some tokens. Ids out of range count as 0.
    private func embed(_ batch: PackedBatch, rows: Range<Int>, into target: UnsafeMutablePointer<Float>) {
        let width = configuration.hiddenSize
        guard !rows.isEmpty else { return }
        var text = (batch.starts.firstIndex { $0 > rows.lowerBound } ?? 1) - 1
        weights.words.withUnsafeBufferPointer { words in
            weights.positions.withUnsafeBufferPointer { positions in
                for row in rows {
                    while row >= batch.starts[text + 1] { text += 1 }
                    let position = min(
                        max(0, row - batch.starts[text] - weights.promptLength), configuration.positionCount - 1)
                    let id = Int(batch.ids[row])
                    let word = (id >= 0 && id < configuration.vocabularySize ? id : 0) * width
                    let type = Int(batch.types[row])
                    let output = target + row * width
                    for column in 0..<width {
                        output[column] = words[word + column] + positions[position * width + column]
                    }
                    if type > 0, type < configuration.typeCount {
                        for column in 0..<width { output[column] += weights.typeDifferences[type * width + column] }
                    }
                }
            }
        }
    }

    /// Puts a block's prompt in the rows before each text's tokens, those of them that are among `rows`.
    private func prompt(
        _ batch: PackedBatch, layer: Int, rows: Range<Int>, into target: UnsafeMutablePointer<Float>
    ) {
        let width = configuration.hiddenSize
        weights.prompts[layer].withUnsafeBufferPointer { prompt in
            guard let prompt = prompt.baseAddress else { return }
            for start in batch.starts.dropLast() {
                for place in 0..<weights.promptLength where rows.contains(start + place) {
                    (target + (start + place) * width).update(from: prompt + place * width, count: width)
                }
            }
        }
    }

    /// This thread's share of the heads of all texts.
    private func attend(_ batch: PackedBatch, _ workspace: BERTWorkspace, thread: Int, threads: Int) {
        let width = configuration.hiddenSize
        let heads = configuration.headCount
        for text in 0..<batch.textCount {
            let start = batch.starts[text]
            let length = batch.starts[text + 1] - start
            let first = heads * thread / threads
            let last = heads * (thread + 1) / threads
            weights.distanceBias.withUnsafeBufferPointer { bias in
                forage_attention_biased(
                    workspace.qkv + start * 3 * width, 3 * width, length, width, width / heads, first, last,
                    bias.isEmpty ? nil : bias.baseAddress, configuration.positionCount,
                    workspace.context + start * width, width, workspace.scratch[thread])
            }
        }
    }
}
