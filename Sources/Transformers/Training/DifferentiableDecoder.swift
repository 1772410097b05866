// SPDX-License-Identifier: Apache-2.0

import Base
import CKernels
public import TensorMath

/// A Llama-family decoder whose forward pass is recorded on a tape, over the weights of the fast pass.
///
/// What it gives is the log-probability of each wanted token, from which every loss of a language model is made. The
/// embeddings are the last matrix too, unless the weights have one of their own.
public struct DifferentiableDecoder: Sendable {
    /// The sizes of a block.
    public let shape: DecoderShape
    /// The number of blocks.
    public let layerCount: Int
    /// The weights by their names in the files of the Transformers library, matrices outputs × inputs, vectors as one row.
    public let base: ParameterSet

    /// - Precondition: `base` has the tensors of ``tensorNames(layers:)``, of the shape's sizes.
    public init(shape: DecoderShape, layerCount: Int, base: ParameterSet) {
        for name in Self.tensorNames(layers: layerCount) {
            precondition(base.contains(name), "no tensor '\(name)'")
        }
        for layer in 0..<layerCount {
            for projection in DecoderProjection.allCases {
                let (matrix, size) = (base[Self.name(layer, projection)], projection.size(shape))
                precondition(matrix.rows == size.outputs && matrix.columns == size.inputs, "a matrix of another size")
            }
        }
        self.shape = shape
        self.layerCount = layerCount
        self.base = base
    }

    /// The names of the tensors outside of the blocks; the last one where the embeddings are not the last matrix too.
    public static let embeddingsName = "embed_tokens.weight"
    public static let outputNormName = "norm.weight"
    public static let outputName = "lm_head.weight"

    static func prefix(_ layer: Int) -> String { "layers.\(layer)." }
    /// The names of a block's norms.
    public static func attentionNormName(_ layer: Int) -> String { prefix(layer) + "input_layernorm.weight" }
    public static func hiddenNormName(_ layer: Int) -> String { prefix(layer) + "post_attention_layernorm.weight" }

    /// The name of a block's matrix.
    public static func name(_ layer: Int, _ projection: DecoderProjection) -> String {
        prefix(layer) + projection.name + ".weight"
    }
    /// The name of the bias that may follow it.
    public static func biasName(_ layer: Int, _ projection: DecoderProjection) -> String {
        prefix(layer) + projection.name + ".bias"
    }

    /// The names of the tensors that every model has.
    public static func tensorNames(layers: Int) -> [String] {
        [embeddingsName, outputNormName]
            + (0..<layers).flatMap { layer in
                [attentionNormName(layer), hiddenNormName(layer)] + DecoderProjection.allCases.map { name(layer, $0) }
            }
    }

    /// The names of the tensors of one block.
    private func names(of layer: Int) -> [String] {
        let biases = DecoderProjection.allCases.map { Self.biasName(layer, $0) }.filter(base.contains)
        return [Self.attentionNormName(layer), Self.hiddenNormName(layer)]
            + DecoderProjection.allCases.map { Self.name(layer, $0) } + biases
    }

    /// The weights that learn, at their start: for a low rank, A random and B zero, so that nothing changes at first.
    ///
    /// - Parameter projections: Which matrices get thin products. Default: all seven.
    public func parameters(
        for tuning: Tuning, projections: [DecoderProjection] = DecoderProjection.allCases, seed: UInt64 = 1
    ) -> ParameterSet {
        var result = ParameterSet()
        var generator = SplitMix64(seed: seed, stream: 0x10AB)
        if tuning == .full {
            for name in [Self.embeddingsName, Self.outputNormName, Self.outputName] where base.contains(name) {
                result.add(name, base[name])
            }
        }
        for layer in tuning.firstLayer(of: layerCount)..<layerCount {
            guard case .lora(let rank, _, _) = tuning else {
                for name in names(of: layer) { result.add(name, base[name]) }
                continue
            }
            for projection in projections.sorted() {
                let (outputs, inputs) = projection.size(shape)
                result.add(
                    LowRankAdapter.firstName(layer, projection),
                    Matrix(rows: rank, columns: inputs, deviation: 1 / Float(inputs).squareRoot(), using: &generator))
                result.add(LowRankAdapter.secondName(layer, projection), Matrix(rows: outputs, columns: rank))
            }
        }
        return result
    }

    /// What thin products are multiplied by; 1 for other ways of tuning.
    static func scale(_ tuning: Tuning) -> Float {
        if case .lora(let rank, let scale, _) = tuning { return scale / Float(rank) }
        return 1
    }

    /// The weights as one pass uses them: those that learn, as variables, before those that stay.
    private struct Weights {
        let decoder: DifferentiableDecoder
        let tape: Tape
        let parameters: ParameterSet
        let variables: ParameterVariables
        let scale: Float

        func variable(_ name: String) -> Variable {
            parameters.contains(name) ? variables[name] : tape.constant(decoder.base[name])
        }

        func block(_ layer: Int) -> DecoderBlock.Tensors {
            let linears = DecoderProjection.allCases.map { projection -> DecoderBlock.Linear in
                let bias = DifferentiableDecoder.biasName(layer, projection)
                let first = LowRankAdapter.firstName(layer, projection)
                return DecoderBlock.Linear(
                    weight: variable(DifferentiableDecoder.name(layer, projection)),
                    bias: projection.mayHaveBias && decoder.base.contains(bias) ? variable(bias) : nil,
                    low: parameters.contains(first)
                        ? DecoderBlock.LowRank(
                            a: variables[first], b: variables[LowRankAdapter.secondName(layer, projection)],
                            scale: scale) : nil)
            }
            return DecoderBlock.Tensors(
                attentionNorm: variable(DifferentiableDecoder.attentionNormName(layer)),
                hiddenNorm: variable(DifferentiableDecoder.hiddenNormName(layer)), linears: linears)
        }
    }

    /// The log-probability of each of the batch's targets, given the tokens before it.
    ///
    /// - Parameters:
    ///   - parameters: The weights that learn; `variables` are they on `tape`.
    ///   - keepsActivations: Whether all of a block's numbers are kept for the way back; otherwise each block is computed
    ///     twice, and a batch takes about a tenth of the memory. Nil keeps them while they take less than `budget`.
    ///   - budget: Bytes.
    /// - Returns: One row for each target, and the entropy in nats of each distribution that it was taken from.
    public func logProbabilities(
        of batch: DecoderBatch, parameters: ParameterSet, variables: ParameterVariables, tuning: Tuning, on tape: Tape,
        keepsActivations: Bool? = nil, budget: Int = 768 << 20
    ) -> (values: Variable, entropies: [Float]) {
        let weights = Weights(
            decoder: self, tape: tape, parameters: parameters, variables: variables, scale: Self.scale(tuning))
        let learning = layerCount - tuning.firstLayer(of: layerCount)
        let keeps =
            keepsActivations ?? (4 * learning * DecoderBlock.kept(shape, starts: batch.starts) <= budget)
        let rotation = DecoderRotation(shape, positions: batch.positions)
        let block = DecoderBlock(shape: shape, starts: batch.starts, rotation: rotation)
        var states = embeddings(of: batch.ids, weights)
        for layer in 0..<layerCount {
            states = block.apply(to: states, weights: weights.block(layer), keepsActivations: keeps)
        }
        // Only what a token is predicted from goes on: the last matrix is the largest.
        let last = states.rows(at: batch.rows).rmsNorm(weights.variable(Self.outputNormName), epsilon: shape.epsilon)
        let head = weights.variable(base.contains(Self.outputName) ? Self.outputName : Self.embeddingsName)
        return last.targetLogProbabilities(head: head, targets: batch.targets)
    }

    /// The logits after each token: for tests and small models.
    public func logits(of batch: DecoderBatch, parameters: ParameterSet = ParameterSet(), tuning: Tuning = .full)
        -> Matrix
    {
        let tape = Tape(records: false)
        let weights = Weights(
            decoder: self, tape: tape, parameters: parameters, variables: parameters.variables(on: tape),
            scale: Self.scale(tuning))
        let block = DecoderBlock(
            shape: shape, starts: batch.starts, rotation: DecoderRotation(shape, positions: batch.positions))
        var states = embeddings(of: batch.ids, weights)
        for layer in 0..<layerCount {
            states = block.apply(to: states, weights: weights.block(layer), keepsActivations: false)
        }
        let head = weights.variable(base.contains(Self.outputName) ? Self.outputName : Self.embeddingsName).value
        let last = states.rmsNorm(weights.variable(Self.outputNormName), epsilon: shape.epsilon).value
        var result = Matrix(rows: last.rows, columns: head.rows)
        result.elements.withUnsafeMutableBufferPointer { result in
            last.elements.withUnsafeBufferPointer { last in
                head.elements.withUnsafeBufferPointer { head in
                    BLAS.gemm(
                        rows: batch.count, columns: self.base[Self.embeddingsName].rows, depth: shape.width, last, head,
                        transposeB: true, into: result)
                }
            }
        }
        return result
    }

    /// The vectors of tokens. Ids out of range count as 0.
    private func embeddings(of ids: [Int32], _ weights: Weights) -> Variable {
        let table = base[Self.embeddingsName]
        let inRange = ids.map { $0 >= 0 && Int($0) < table.rows ? Int($0) : 0 }
        guard weights.parameters.contains(Self.embeddingsName) else {
            // Without a gradient the table itself need not be entered.
            return weights.tape.constant(table.rows(at: inRange))
        }
        return weights.variable(Self.embeddingsName).rows(at: inRange)
    }
}

extension Variable {
    /// Each row divided by the root of its mean square, times a gain (Zhang and Sennrich, arXiv 1910.07467).
    func rmsNorm(_ gain: Variable, epsilon: Float) -> Variable {
        let (x, scale) = (value, gain.value)
        let inverse = FloatBuffer(x.rows)
        var output = Matrix(rows: x.rows, columns: x.columns)
        forage_rms_norm_forward(
            x.elements, x.rows, x.columns, scale.elements, epsilon, inverse.pointer, &output.elements)
        return tape.record(output, inputs: [self, gain]) { g, into in
            var slopes = [Float](repeating: 0, count: x.columns)
            var own = Matrix(rows: x.rows, columns: x.columns)
            forage_rms_norm_backward(
                g.elements, x.elements, inverse.pointer, scale.elements, x.rows, x.columns, &own.elements, &slopes)
            into.add(own, to: self)
            into.add(Matrix(row: slopes), to: gain)
        }
    }

    /// Rows of logits that are there at once.
    private static var logitRows: Int { 64 }

    /// The log-probability of each row's target under the soft-max over all rows of `head` (vocabulary × width), and the
    /// entropies. The logits are never there whole: they are computed again on the way back.
    func targetLogProbabilities(head: Variable, targets: [Int32]) -> (values: Variable, entropies: [Float]) {
        let (x, table) = (value, head.value)
        precondition(x.rows == targets.count && x.columns == table.columns, "one target for each row")
        precondition(targets.allSatisfy { $0 >= 0 && Int($0) < table.rows }, "a target outside of the vocabulary")
        var found = Matrix(rows: x.rows, columns: 1)
        var sums = [Float](repeating: 0, count: x.rows)
        var entropies = sums
        let chunks = stride(from: 0, to: x.rows, by: Self.logitRows).map { $0..<min($0 + Self.logitRows, x.rows) }
        let logits = FloatBuffer(min(Self.logitRows, x.rows) * table.rows)
        for chunk in chunks {
            Self.logits(x, chunk, table, into: logits)
            let (first, count) = (chunk.lowerBound, chunk.count)
            targets.withUnsafeBufferPointer { targets in
                found.elements.withUnsafeMutableBufferPointer { found in
                    sums.withUnsafeMutableBufferPointer { sums in
                        entropies.withUnsafeMutableBufferPointer { entropies in
                            guard let target = targets.baseAddress, let found = found.baseAddress,
                                let sum = sums.baseAddress, let entropy = entropies.baseAddress
                            else { return }
                            forage_target_log_probabilities(
                                logits.pointer, count, table.rows, target + first, found + first, sum + first,
                                entropy + first)
                        }
                    }
                }
            }
        }
        let logSums = sums
        let values = tape.record(found, inputs: [self, head]) { g, into in
            let logits = FloatBuffer(min(Self.logitRows, x.rows) * table.rows)
            for chunk in chunks {
                Self.logits(x, chunk, table, into: logits)
                let (first, count) = (chunk.lowerBound, chunk.count)
                logSums.withUnsafeBufferPointer { sums in
                    g.elements.withUnsafeBufferPointer { pulls in
                        targets.withUnsafeBufferPointer { targets in
                            guard let sum = sums.baseAddress, let pull = pulls.baseAddress,
                                let target = targets.baseAddress
                            else { return }
                            forage_target_gradient(
                                logits.pointer, count, table.rows, target + first, sum + first, pull + first)
                        }
                    }
                }
                into.update(self, rows: count, columns: x.columns, depth: table.rows) { product, sum in
                    table.elements.withUnsafeBufferPointer { table in
                        guard let table = table.baseAddress else { return }
                        product.run(
                            logits.pointer, product.depth, table, x.columns, into: sum + first * x.columns, x.columns)
                    }
                }
                into.update(head, rows: table.rows, columns: x.columns, depth: count) { product, sum in
                    x.elements.withUnsafeBufferPointer { x in
                        guard let x = x.baseAddress else { return }
                        product.run(
                            logits.pointer, product.rows, transposeA: true, x + first * product.columns,
                            product.columns,
                            adding: true, into: sum, product.columns)
                    }
                }
            }
        }
        return (values, entropies)
    }

    private static func logits(_ x: Matrix, _ chunk: Range<Int>, _ table: Matrix, into logits: FloatBuffer) {
        x.elements.withUnsafeBufferPointer { x in
            table.elements.withUnsafeBufferPointer { numbers in
                guard let x = x.baseAddress, let numbers = numbers.baseAddress else { return }
                StridedProduct(rows: chunk.count, columns: table.rows, depth: table.columns)
                    .run(
                        x + chunk.lowerBound * table.columns, table.columns, numbers, table.columns, transposeB: true,
                        into: logits.pointer, table.rows)
            }
        }
    }
}
