// SPDX-License-Identifier: Apache-2.0

import CKernels
import Foundation
import TensorMath

/// The cosines and sines by which the pairs of each token of a batch are rotated (Su et al., arXiv 2104.09864).
struct DecoderRotation {
    let cosines: FloatBuffer
    let sines: FloatBuffer

    init(_ shape: DecoderShape, positions: [Int]) {
        let half = shape.frequencies.count
        cosines = FloatBuffer(positions.count * half)
        sines = FloatBuffer(positions.count * half)
        // Each position's angles once; sequences share them.
        let longest = (positions.max() ?? 0) + 1
        let table = FloatBuffer(2 * longest * half)
        for position in 0..<longest {
            for (pair, frequency) in shape.frequencies.enumerated() {
                let angle = Double(position) * frequency
                table.pointer[(2 * position) * half + pair] = Float(cos(angle))
                table.pointer[(2 * position + 1) * half + pair] = Float(sin(angle))
            }
        }
        for (row, position) in positions.enumerated() {
            (cosines.pointer + row * half).update(from: table.pointer + 2 * position * half, count: half)
            (sines.pointer + row * half).update(from: table.pointer + (2 * position + 1) * half, count: half)
        }
    }

    /// Rotates the heads of rows that lie `stride` numbers apart; backwards where `direction` is -1.
    func apply(
        to x: UnsafeMutablePointer<Float>, rows: Int, stride: Int, heads: Int, _ shape: DecoderShape, direction: Float
    ) {
        forage_rotate(
            x, rows, stride, heads, shape.headSize, 2 * shape.frequencies.count, shape.interleavesRotation ? 1 : 0,
            cosines.pointer, sines.pointer, direction)
    }
}

/// One block of a Llama-family decoder (normalised causal attention, then a normalised gated layer, each added to what
/// came in) as one operation on a tape, with its backward pass written out.
///
/// Sequences stand one behind the other without padding; a token sees those before it in its own sequence. Weights lie
/// outputs × inputs. A product of two thin matrices beside a weight (LoRA, Hu et al., arXiv 2106.09685) is computed as
/// two thin products, so that the weight's own gradient is never formed.
struct DecoderBlock {
    /// A thin product beside a matrix: scale · B A.
    struct LowRank {
        /// rank × inputs
        var a: Variable
        /// outputs × rank
        var b: Variable
        var scale: Float
    }

    /// A matrix with what is added to its product.
    struct Linear {
        var weight: Variable
        var bias: Variable?
        var low: LowRank?

        var variables: [Variable] { [weight] + (bias.map { [$0] } ?? []) + (low.map { [$0.a, $0.b] } ?? []) }
    }

    /// The weights of a block; `linears` in the order of `DecoderProjection.allCases`.
    struct Tensors {
        var attentionNorm: Variable
        var hiddenNorm: Variable
        var linears: [Linear]

        var variables: [Variable] { [attentionNorm, hiddenNorm] + linears.flatMap(\.variables) }
        subscript(projection: DecoderProjection) -> Linear { linears[projection.place] }
    }

    let shape: DecoderShape
    let starts: [Int]
    let rotation: DecoderRotation

    private var width: Int { shape.width }
    private var inner: Int { shape.attention }
    private var scale: Float { 1 / Float(shape.headSize).squareRoot() }

    /// Rows of attention that are computed together: what lies right of the diagonal of a whole square is not.
    private static let rowBlock = 128

    /// Rows of attention weights start at multiples of eight numbers.
    private static func padded(_ length: Int) -> Int { (length + 7) & ~7 }

    /// The numbers that ``Activations`` hold for so many tokens.
    static func kept(_ shape: DecoderShape, starts: [Int]) -> Int {
        let rows = starts.last ?? 0
        let squares = zip(starts, starts.dropFirst()).reduce(0) { $0 + ($1.1 - $1.0) * padded($1.1 - $1.0) }
        return rows * (3 * shape.width + shape.attention + shape.queries + 3 * shape.hidden + 2) + shape.heads * squares
    }

    /// What the backward pass needs of the forward pass.
    private final class Activations {
        let normed, inverse, qkv, probabilities, context, middle, middleNormed, middleInverse, gate, up,
            gated: FloatBuffer
        /// Where the attention weights of each sequence start; heads follow one another.
        let offsets: [Int]
        /// x Aᵀ of each projection that has a thin product.
        var thin: [FloatBuffer?] = Array(repeating: nil, count: DecoderProjection.allCases.count)

        init(_ shape: DecoderShape, starts: [Int]) {
            let rows = starts.last ?? 0
            var offsets: [Int] = []
            var total = 0
            for (start, end) in zip(starts, starts.dropFirst()) {
                offsets.append(total)
                total += shape.heads * (end - start) * DecoderBlock.padded(end - start)
            }
            self.offsets = offsets
            normed = FloatBuffer(rows * shape.width)
            inverse = FloatBuffer(rows)
            qkv = FloatBuffer(rows * shape.attention)
            probabilities = FloatBuffer(total)
            context = FloatBuffer(rows * shape.queries)
            middle = FloatBuffer(rows * shape.width)
            middleNormed = FloatBuffer(rows * shape.width)
            middleInverse = FloatBuffer(rows)
            gate = FloatBuffer(rows * shape.hidden)
            up = FloatBuffer(rows * shape.hidden)
            gated = FloatBuffer(rows * shape.hidden)
        }
    }

    /// Enters the block's result for `input` (tokens × width) on its tape.
    ///
    /// - Parameter keepsActivations: Keeps what the way back needs; otherwise only the input is kept and the pass is done
    ///   again (activation checkpointing, Chen et al., arXiv 1604.06174).
    func apply(to input: Variable, weights: Tensors, keepsActivations: Bool) -> Variable {
        let x = input.value
        precondition(x.columns == width && x.rows == starts.last, "tokens × width expected")
        var output = Matrix(rows: x.rows, columns: width)
        let kept = Activations(shape, starts: starts)
        forward(x, weights, kept, &output)
        let saved: Activations? = keepsActivations ? kept : nil
        return input.tape.record(output, inputs: [input] + weights.variables) { gradient, into in
            let activations: Activations
            if let saved {
                activations = saved
            } else {
                activations = Activations(shape, starts: starts)
                var again = Matrix(rows: x.rows, columns: width)
                forward(x, weights, activations, &again)
            }
            backward(gradient, input, x, weights, activations, &into)
        }
    }

    // MARK: - Forward

    private func forward(_ x: Matrix, _ w: Tensors, _ a: Activations, _ output: inout Matrix) {
        let rows = x.rows
        x.elements.withUnsafeBufferPointer { numbers in
            guard let x = numbers.baseAddress else { return }
            forage_rms_norm_forward(
                x, rows, width, w.attentionNorm.value.elements, shape.epsilon, a.inverse.pointer, a.normed.pointer)
            linear(.query, w, a.normed, rows, into: a.qkv.pointer, stride: inner, a)
            linear(.key, w, a.normed, rows, into: a.qkv.pointer + shape.queries, stride: inner, a)
            linear(.value, w, a.normed, rows, into: a.qkv.pointer + shape.queries + shape.shared, stride: inner, a)
            rotate(a.qkv.pointer, rows, direction: 1)
            attend(a)
            linear(.output, w, a.context, rows, into: a.middle.pointer, stride: width, a)
            forage_add_scaled(x, rows * width, 1, a.middle.pointer)
        }
        forage_rms_norm_forward(
            a.middle.pointer, rows, width, w.hiddenNorm.value.elements, shape.epsilon, a.middleInverse.pointer,
            a.middleNormed.pointer)
        linear(.gate, w, a.middleNormed, rows, into: a.gate.pointer, stride: shape.hidden, a)
        linear(.up, w, a.middleNormed, rows, into: a.up.pointer, stride: shape.hidden, a)
        forage_gate_forward(a.gate.pointer, a.up.pointer, rows * shape.hidden, a.gated.pointer)
        output.elements.withUnsafeMutableBufferPointer { numbers in
            guard let output = numbers.baseAddress else { return }
            linear(.down, w, a.gated, rows, into: output, stride: width, a)
            forage_add_scaled(a.middle.pointer, rows * width, 1, output)
        }
    }

    private func rotate(_ qkv: UnsafeMutablePointer<Float>, _ rows: Int, direction: Float) {
        // Keys follow the queries, and are rotated as they are.
        rotation.apply(
            to: qkv, rows: rows, stride: inner, heads: shape.heads + shape.keyValueHeads, shape, direction: direction)
    }

    /// output = x · Wᵀ + bias + scale · (x · Aᵀ) · Bᵀ
    private func linear(
        _ projection: DecoderProjection, _ w: Tensors, _ x: FloatBuffer, _ rows: Int,
        into output: UnsafeMutablePointer<Float>, stride: Int, _ a: Activations
    ) {
        let tensor = w[projection]
        let weight = tensor.weight.value
        if let bias = tensor.bias { forage_fill_rows(bias.value.elements, rows, weight.rows, output, stride) }
        weight.elements.withUnsafeBufferPointer { numbers in
            guard let numbers = numbers.baseAddress else { return }
            StridedProduct(rows: rows, columns: weight.rows, depth: weight.columns)
                .run(
                    x.pointer, weight.columns, numbers, weight.columns, transposeB: true, adding: tensor.bias != nil,
                    into: output, stride)
        }
        guard let low = tensor.low else { return }
        let (first, second) = (low.a.value, low.b.value)
        let thin = FloatBuffer(rows * first.rows)
        a.thin[projection.place] = thin
        first.elements.withUnsafeBufferPointer { first in
            second.elements.withUnsafeBufferPointer { second in
                guard let first = first.baseAddress, let second = second.baseAddress else { return }
                let rank = low.a.rows
                StridedProduct(rows: rows, columns: rank, depth: weight.columns)
                    .run(
                        x.pointer, weight.columns, first, weight.columns, transposeB: true, into: thin.pointer, rank)
                StridedProduct(rows: rows, columns: weight.rows, depth: rank)
                    .run(
                        thin.pointer, rank, second, rank, transposeB: true, alpha: low.scale, adding: true,
                        into: output, stride)
            }
        }
    }

    /// Calls `body` for each block of rows of each head: where its queries, keys and values are, and its attention weights.
    private func overBlocks(
        _ a: Activations,
        _ body: (
            _ start: Int, _ head: Int, _ shared: Int, _ row: Int, _ rows: Int, _ columns: Int,
            _ weights: UnsafeMutablePointer<Float>, _ stride: Int
        ) -> Void
    ) {
        let group = shape.heads / shape.keyValueHeads
        for (index, start) in starts.dropLast().enumerated() {
            let length = starts[index + 1] - start
            let stride = Self.padded(length)
            for head in 0..<shape.heads {
                let square = a.probabilities.pointer + a.offsets[index] + head * length * stride
                for row in Swift.stride(from: 0, to: length, by: Self.rowBlock) {
                    let rows = min(Self.rowBlock, length - row)
                    body(start, head, head / group, row, rows, row + rows, square + row * stride, stride)
                }
            }
        }
    }

    /// Causal attention of every sequence and head: two products with a softmax between them.
    private func attend(_ a: Activations) {
        let size = shape.headSize
        overBlocks(a) { start, head, shared, row, rows, columns, weights, stride in
            let q = a.qkv.pointer + (start + row) * inner + head * size
            let k = a.qkv.pointer + start * inner + shape.queries + shared * size
            StridedProduct(rows: rows, columns: columns, depth: size)
                .run(q, inner, k, inner, transposeB: true, into: weights, stride)
            forage_softmax_causal(weights, rows, row, columns, stride, scale)
            StridedProduct(rows: rows, columns: size, depth: columns)
                .run(
                    weights, stride, k + shape.shared, inner,
                    into: a.context.pointer + (start + row) * shape.queries + head * size, shape.queries)
        }
    }

    // MARK: - Backward

    private func backward(
        _ gradient: Matrix, _ input: Variable, _ x: Matrix, _ w: Tensors, _ a: Activations,
        _ into: inout Tape.Gradients
    ) {
        let rows = x.rows
        let gated = FloatBuffer(zeros: rows * shape.hidden)
        let middle = FloatBuffer(rows * width)
        gradient.elements.withUnsafeBufferPointer { numbers in
            guard let g = numbers.baseAddress else { return }
            linearBackward(.down, w, g, width, rows, a.gated, into: gated.pointer, a, &into)
            middle.pointer.update(from: g, count: rows * width)
        }
        let (gate, up) = (FloatBuffer(rows * shape.hidden), FloatBuffer(rows * shape.hidden))
        forage_gate_backward(
            a.gate.pointer, a.up.pointer, gated.pointer, rows * shape.hidden, gate.pointer, up.pointer)
        let normed = FloatBuffer(zeros: rows * width)
        linearBackward(.gate, w, gate.pointer, shape.hidden, rows, a.middleNormed, into: normed.pointer, a, &into)
        linearBackward(.up, w, up.pointer, shape.hidden, rows, a.middleNormed, into: normed.pointer, a, &into)
        normBackward(
            normed, a.middle.pointer, a.middleInverse, w.hiddenNorm, rows, into: middle.pointer, &into)
        let context = FloatBuffer(zeros: rows * shape.queries)
        linearBackward(.output, w, middle.pointer, width, rows, a.context, into: context.pointer, a, &into)
        let qkv = FloatBuffer(zeros: rows * inner)
        attentionBackward(context.pointer, a, into: qkv.pointer)
        rotate(qkv.pointer, rows, direction: -1)
        let wantsInput = into.needs(input) || into.needs(w.attentionNorm)
        let before = FloatBuffer(zeros: rows * width)
        var offset = 0
        for (projection, count) in [
            (DecoderProjection.query, shape.queries), (.key, shape.shared), (.value, shape.shared),
        ] {
            linearBackward(
                projection, w, qkv.pointer + offset, inner, rows, a.normed, into: wantsInput ? before.pointer : nil, a,
                &into)
            offset += count
        }
        guard wantsInput else { return }
        x.elements.withUnsafeBufferPointer { numbers in
            guard let x = numbers.baseAddress else { return }
            normBackward(before, x, a.inverse, w.attentionNorm, rows, into: middle.pointer, &into)
        }
        into.update(input) { sum in
            sum.elements.withUnsafeMutableBufferPointer { numbers in
                guard let sum = numbers.baseAddress else { return }
                forage_add_scaled(middle.pointer, rows * width, 1, sum)
            }
        }
    }

    private func normBackward(
        _ gradient: FloatBuffer, _ x: UnsafePointer<Float>, _ inverse: FloatBuffer, _ gain: Variable, _ rows: Int,
        into dx: UnsafeMutablePointer<Float>, _ into: inout Tape.Gradients
    ) {
        guard into.needs(gain) else {
            forage_rms_norm_backward(
                gradient.pointer, x, inverse.pointer, gain.value.elements, rows, width, dx, nil)
            return
        }
        var slopes = [Float](repeating: 0, count: width)
        forage_rms_norm_backward(
            gradient.pointer, x, inverse.pointer, gain.value.elements, rows, width, dx, &slopes)
        into.add(Matrix(row: slopes), to: gain)
    }

    /// Adds the gradients of a linear layer's weights, and that of its input where asked for.
    private func linearBackward(
        _ projection: DecoderProjection, _ w: Tensors, _ gradient: UnsafePointer<Float>, _ stride: Int, _ rows: Int,
        _ x: FloatBuffer, into dx: UnsafeMutablePointer<Float>?, _ a: Activations, _ into: inout Tape.Gradients
    ) {
        let tensor = w[projection]
        let value = tensor.weight.value
        let (outputs, inputs) = (value.rows, value.columns)
        into.update(tensor.weight, rows: outputs, columns: inputs, depth: rows) { product, sum in
            product.run(gradient, stride, transposeA: true, x.pointer, inputs, adding: true, into: sum, inputs)
        }
        if let bias = tensor.bias {
            into.update(bias) { sum in
                sum.elements.withUnsafeMutableBufferPointer { sum in
                    guard let sum = sum.baseAddress else { return }
                    forage_add_column_sums(gradient, rows, outputs, stride, sum)
                }
            }
        }
        if let dx {
            value.elements.withUnsafeBufferPointer { value in
                guard let value = value.baseAddress else { return }
                StridedProduct(rows: rows, columns: inputs, depth: outputs)
                    .run(gradient, stride, value, inputs, adding: true, into: dx, inputs)
            }
        }
        guard let low = tensor.low, let thin = a.thin[projection.place] else { return }
        let rank = low.a.rows
        into.update(low.b, rows: outputs, columns: rank, depth: rows) { product, sum in
            product.run(
                gradient, stride, transposeA: true, thin.pointer, rank, alpha: low.scale, adding: true, into: sum, rank)
        }
        let slopes = FloatBuffer(rows * rank)
        low.b.value.elements.withUnsafeBufferPointer { second in
            guard let second = second.baseAddress else { return }
            StridedProduct(rows: rows, columns: rank, depth: outputs)
                .run(gradient, stride, second, rank, alpha: low.scale, into: slopes.pointer, rank)
        }
        into.update(low.a, rows: rank, columns: inputs, depth: rows) { product, sum in
            product.run(
                slopes.pointer, rank, transposeA: true, x.pointer, inputs, adding: true, into: sum, inputs)
        }
        guard let dx else { return }
        low.a.value.elements.withUnsafeBufferPointer { first in
            guard let first = first.baseAddress else { return }
            StridedProduct(rows: rows, columns: inputs, depth: rank)
                .run(slopes.pointer, rank, first, inputs, adding: true, into: dx, inputs)
        }
    }

    private func attentionBackward(
        _ gradient: UnsafePointer<Float>, _ a: Activations, into dqkv: UnsafeMutablePointer<Float>
    ) {
        let longest = zip(starts, starts.dropFirst()).reduce(0) { max($0, $1.1 - $1.0) }
        let slopes = FloatBuffer(Self.rowBlock * Self.padded(longest))
        let size = shape.headSize
        overBlocks(a) { start, head, shared, row, rows, columns, weights, stride in
            let query = (start + row) * inner + head * size
            let key = start * inner + shape.queries + shared * size
            let value = key + shape.shared
            let g = gradient + (start + row) * shape.queries + head * size
            StridedProduct(rows: columns, columns: size, depth: rows)
                .run(
                    weights, stride, transposeA: true, g, shape.queries, adding: true, into: dqkv + value, inner)
            StridedProduct(rows: rows, columns: columns, depth: size)
                .run(
                    g, shape.queries, a.qkv.pointer + value, inner, transposeB: true, into: slopes.pointer, stride)
            forage_softmax_rows_backward(weights, slopes.pointer, rows, columns, stride, scale)
            StridedProduct(rows: rows, columns: size, depth: columns)
                .run(slopes.pointer, stride, a.qkv.pointer + key, inner, into: dqkv + query, inner)
            StridedProduct(rows: columns, columns: size, depth: rows)
                .run(
                    slopes.pointer, stride, transposeA: true, a.qkv.pointer + query, inner, adding: true,
                    into: dqkv + key, inner)
        }
    }
}

extension Tape.Gradients {
    /// Lets `body` add a product to the gradient of a matrix, where it is asked for.
    mutating func update(
        _ variable: Variable, rows: Int, columns: Int, depth: Int,
        _ body: (StridedProduct, UnsafeMutablePointer<Float>) -> Void
    ) {
        update(variable) { sum in
            sum.elements.withUnsafeMutableBufferPointer { sum in
                guard let sum = sum.baseAddress else { return }
                body(StridedProduct(rows: rows, columns: columns, depth: depth), sum)
            }
        }
    }
}
