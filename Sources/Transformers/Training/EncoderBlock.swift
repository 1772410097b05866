// SPDX-License-Identifier: Apache-2.0

import Base
import CKernels
import TensorMath

/// The sizes of the blocks of a BERT-family encoder.
public struct EncoderShape: Sendable, Hashable {
    /// Numbers of a token's vector.
    public var width: Int
    /// Heads of the self-attention; they divide the width.
    public var heads: Int
    /// Units between the two products of a block.
    public var inner: Int
    /// Added to the variance where rows are normalised.
    public var epsilon: Float
    /// ReLU between the two products; else the exact GELU.
    public var usesReLU: Bool

    public init(width: Int, heads: Int, inner: Int, epsilon: Float, usesReLU: Bool = false) {
        precondition(heads > 0 && width % heads == 0, "heads must divide the width")
        self.width = width
        self.heads = heads
        self.inner = inner
        self.epsilon = epsilon
        self.usesReLU = usesReLU
    }
}

/// Noise while training: the share of numbers zeroed, and the seed that says which.
public struct EncoderDropout: Sendable, Hashable {
    /// Of the outputs of attention and of the second product, and of the attention weights. Default: 0.1, as BERT has it.
    public var rate: Float = 0.1
    /// The same seed drops the same numbers, so that a pass can be done again.
    public var seed: UInt64

    public init(rate: Float = 0.1, seed: UInt64) {
        precondition(rate >= 0 && rate < 1, "a rate in 0 ..< 1")
        self.rate = rate
        self.seed = seed
    }

    /// The seed of one place where numbers are dropped.
    func seed(_ layer: Int, _ place: Int) -> UInt32 {
        var generator = SplitMix64(seed: seed ^ UInt64(layer) &* 0x9E37_79B9_7F4A_7C15, stream: UInt64(place))
        return UInt32(truncatingIfNeeded: generator.next())
    }
}

/// One block of a BERT encoder (attention, then two products, each with its residual and layer norm after it; Devlin et
/// al., arXiv 1810.04805) as one operation on a tape, with its backward pass written out.
///
/// Sequences stand one behind the other without padding; attention looks within each. Weights lie as in the files of the
/// Transformers library: outputs × inputs.
struct EncoderBlock {
    /// The tensors of a block in the order in which the operation takes them, by their names within the layer.
    static let names = [
        "attention.self.query.weight", "attention.self.query.bias", "attention.self.key.weight",
        "attention.self.key.bias", "attention.self.value.weight", "attention.self.value.bias",
        "attention.output.dense.weight", "attention.output.dense.bias", "attention.output.LayerNorm.weight",
        "attention.output.LayerNorm.bias", "intermediate.dense.weight", "intermediate.dense.bias",
        "output.dense.weight", "output.dense.bias", "output.LayerNorm.weight", "output.LayerNorm.bias",
    ]

    let shape: EncoderShape
    let starts: [Int]
    let layer: Int
    let dropout: EncoderDropout?

    private var width: Int { shape.width }
    private var headWidth: Int { shape.width / shape.heads }
    private var scale: Float { 1 / Float(headWidth).squareRoot() }
    private var activation: forage_activation {
        shape.usesReLU ? FORAGE_ACTIVATION_RELU : FORAGE_ACTIVATION_GELU
    }

    /// What the backward pass needs of the forward pass.
    private final class Activations {
        let qkv, probabilities, context, middle, middleUnit, middleInverse, before, inner, unit, inverse: FloatBuffer
        /// Where the attention weights of each sequence start; heads follow one another.
        let offsets: [Int]

        init(_ shape: EncoderShape, starts: [Int]) {
            let rows = starts.last ?? 0
            var offsets: [Int] = []
            var total = 0
            for (start, end) in zip(starts, starts.dropFirst()) {
                offsets.append(total)
                total += shape.heads * (end - start) * EncoderBlock.padded(end - start)
            }
            self.offsets = offsets
            qkv = FloatBuffer(rows * 3 * shape.width)
            probabilities = FloatBuffer(total)
            context = FloatBuffer(rows * shape.width)
            middle = FloatBuffer(rows * shape.width)
            middleUnit = FloatBuffer(rows * shape.width)
            middleInverse = FloatBuffer(rows)
            before = FloatBuffer(rows * shape.inner)
            inner = FloatBuffer(rows * shape.inner)
            unit = FloatBuffer(rows * shape.width)
            inverse = FloatBuffer(rows)
        }
    }

    /// Rows of attention weights start at multiples of eight numbers.
    private static func padded(_ length: Int) -> Int { (length + 7) & ~7 }

    /// Enters the block's result for `input` (tokens × width) on its tape.
    ///
    /// - Parameters:
    ///   - weights: One variable for each of ``names``.
    ///   - keepsActivations: Keeps what the way back needs; otherwise only the input is kept and the pass is done again
    ///     (activation checkpointing, Chen et al., arXiv 1604.06174).
    func apply(to input: Variable, weights: [Variable], keepsActivations: Bool) -> Variable {
        let x = input.value
        precondition(x.columns == width && x.rows == starts.last, "tokens × width expected")
        precondition(weights.count == Self.names.count, "the weights of one block")
        let values = weights.map(\.value)
        var output = Matrix(rows: x.rows, columns: width)
        let kept = Activations(shape, starts: starts)
        forward(x, values, kept, &output)
        let saved: Activations? = keepsActivations ? kept : nil
        return input.tape.record(output, inputs: [input] + weights) { gradient, into in
            let activations: Activations
            if let saved {
                activations = saved
            } else {
                activations = Activations(shape, starts: starts)
                var again = Matrix(rows: x.rows, columns: width)
                forward(x, values, activations, &again)
            }
            backward(gradient, input, x, weights, values, activations, &into)
        }
    }

    // MARK: - Forward

    private func forward(_ x: Matrix, _ w: [Matrix], _ a: Activations, _ output: inout Matrix) {
        let rows = x.rows
        let sum = FloatBuffer(rows * width)
        x.elements.withUnsafeBufferPointer { x in
            guard let x = x.baseAddress else { return }
            for part in 0..<3 {
                linear(
                    x, rows, w[2 * part], w[2 * part + 1], into: a.qkv.pointer + part * width, stride: 3 * width)
            }
            attend(a)
            linear(a.context.pointer, rows, w[6], w[7], into: sum.pointer, stride: width)
            drop(sum.pointer, rows * width, place: 0)
            forage_add_scaled(x, rows * width, 1, sum.pointer)
        }
        normalise(sum, rows, w[8], w[9], a.middleUnit, a.middleInverse, a.middle.pointer)
        linear(a.middle.pointer, rows, w[10], w[11], into: a.before.pointer, stride: shape.inner)
        forage_activation_forward(a.before.pointer, rows * shape.inner, activation, a.inner.pointer)
        linear(a.inner.pointer, rows, w[12], w[13], into: sum.pointer, stride: width)
        drop(sum.pointer, rows * width, place: 1)
        forage_add_scaled(a.middle.pointer, rows * width, 1, sum.pointer)
        output.elements.withUnsafeMutableBufferPointer { out in
            guard let out = out.baseAddress else { return }
            normalise(sum, rows, w[14], w[15], a.unit, a.inverse, out)
        }
    }

    private func normalise(
        _ sum: FloatBuffer, _ rows: Int, _ gain: Matrix, _ shift: Matrix, _ unit: FloatBuffer, _ inverse: FloatBuffer,
        _ output: UnsafeMutablePointer<Float>
    ) {
        forage_norm_forward(
            sum.pointer, rows, width, gain.elements, shift.elements, shape.epsilon, unit.pointer, inverse.pointer,
            output)
    }

    private func drop(_ x: UnsafeMutablePointer<Float>, _ count: Int, place: Int) {
        guard let dropout, dropout.rate > 0 else { return }
        forage_drop(x, count, dropout.seed(layer, place), dropout.rate)
    }

    /// Attention of every sequence and head: two products with a softmax between them.
    private func attend(_ a: Activations) {
        let noisy = scratch()
        for (index, start) in starts.dropLast().enumerated() {
            let length = starts[index + 1] - start
            let stride = Self.padded(length)
            for head in 0..<shape.heads {
                let q = a.qkv.pointer + start * 3 * width + head * headWidth
                let p = a.probabilities.pointer + a.offsets[index] + head * length * stride
                StridedProduct(rows: length, columns: length, depth: headWidth)
                    .run(q, 3 * width, q + width, 3 * width, transposeB: true, into: p, stride)
                forage_softmax_rows(p, length, length, stride, scale)
                let used = dropped(p, length * stride, index, head, noisy)
                StridedProduct(rows: length, columns: headWidth, depth: length)
                    .run(
                        used, stride, q + 2 * width, 3 * width,
                        into: a.context.pointer + start * width
                            + head * headWidth, width)
            }
        }
    }

    /// Room for the attention weights of one head of the longest sequence.
    private func scratch() -> FloatBuffer {
        let longest = zip(starts, starts.dropFirst()).reduce(0) { max($0, $1.1 - $1.0) }
        return FloatBuffer(longest * Self.padded(longest))
    }

    /// The attention weights with some dropped, where there is noise.
    private func dropped(
        _ p: UnsafeMutablePointer<Float>, _ count: Int, _ sequence: Int, _ head: Int, _ scratch: FloatBuffer
    ) -> UnsafeMutablePointer<Float> {
        guard let dropout, dropout.rate > 0 else { return p }
        scratch.pointer.update(from: p, count: count)
        drop(scratch.pointer, count, place: 2 + sequence * shape.heads + head)
        return scratch.pointer
    }

    /// output = x · Wᵀ + b
    private func linear(
        _ x: UnsafePointer<Float>, _ rows: Int, _ weight: Matrix, _ bias: Matrix,
        into output: UnsafeMutablePointer<Float>, stride: Int
    ) {
        forage_fill_rows(bias.elements, rows, weight.rows, output, stride)
        weight.elements.withUnsafeBufferPointer { numbers in
            guard let pointer = numbers.baseAddress else { return }
            StridedProduct(rows: rows, columns: weight.rows, depth: weight.columns)
                .run(x, weight.columns, pointer, weight.columns, transposeB: true, adding: true, into: output, stride)
        }
    }

    // MARK: - Backward

    private func backward(
        _ gradient: Matrix, _ input: Variable, _ x: Matrix, _ weights: [Variable], _ w: [Matrix], _ a: Activations,
        _ into: inout Tape.Gradients
    ) {
        let rows = x.rows
        let count = rows * width
        // Through the second norm, product and activation.
        let outer = FloatBuffer(count)
        gradient.elements.withUnsafeBufferPointer { g in
            guard let g = g.baseAddress else { return }
            normBackward(g, rows, a.unit, a.inverse, weights[14], weights[15], w[14], into: outer.pointer, &into)
        }
        let path = FloatBuffer(count)
        path.pointer.update(from: outer.pointer, count: count)
        drop(path.pointer, count, place: 1)
        let inner = FloatBuffer(rows * shape.inner)
        linearBackward(
            path.pointer, width, rows, a.inner.pointer, weights[12], weights[13], w[12], into: inner.pointer,
            adding: false, &into)
        forage_activation_backward(
            a.before.pointer, inner.pointer, rows * shape.inner, activation, inner.pointer)
        // The residual's gradient stays in `outer`; that of the product is added.
        linearBackward(
            inner.pointer, shape.inner, rows, a.middle.pointer, weights[10], weights[11], w[10], into: outer.pointer,
            adding: true, &into)
        // Through the first norm and the attention.
        let residual = FloatBuffer(count)
        normBackward(
            outer.pointer, rows, a.middleUnit, a.middleInverse, weights[8], weights[9], w[8], into: residual.pointer,
            &into)
        path.pointer.update(from: residual.pointer, count: count)
        drop(path.pointer, count, place: 0)
        linearBackward(
            path.pointer, width, rows, a.context.pointer, weights[6], weights[7], w[6], into: outer.pointer,
            adding: false, &into)
        let qkv = FloatBuffer(3 * count)
        attentionBackward(outer.pointer, a, into: qkv.pointer)
        x.elements.withUnsafeBufferPointer { x in
            guard let x = x.baseAddress else { return }
            for part in 0..<3 {
                linearBackward(
                    qkv.pointer + part * width, 3 * width, rows, x, weights[2 * part], weights[2 * part + 1],
                    w[2 * part], into: into.needs(input) ? residual.pointer : nil, adding: true, &into)
            }
        }
        guard into.needs(input) else { return }
        into.update(input) { sum in
            sum.elements.withUnsafeMutableBufferPointer { sum in
                guard let sum = sum.baseAddress else { return }
                forage_add_scaled(residual.pointer, count, 1, sum)
            }
        }
    }

    private func normBackward(
        _ gradient: UnsafePointer<Float>, _ rows: Int, _ unit: FloatBuffer, _ inverse: FloatBuffer, _ gain: Variable,
        _ shift: Variable, _ gainValue: Matrix, into dx: UnsafeMutablePointer<Float>, _ into: inout Tape.Gradients
    ) {
        var dgain = [Float](repeating: 0, count: width)
        var dshift = dgain
        forage_norm_backward(
            gradient, unit.pointer, inverse.pointer, gainValue.elements, rows, width, dx, &dgain, &dshift)
        into.add(Matrix(row: dgain), to: gain)
        into.add(Matrix(row: dshift), to: shift)
    }

    /// Adds the gradients of a linear layer's weight and bias; writes or adds that of its input, where asked for.
    private func linearBackward(
        _ gradient: UnsafePointer<Float>, _ stride: Int, _ rows: Int, _ x: UnsafePointer<Float>, _ weight: Variable,
        _ bias: Variable, _ value: Matrix, into dx: UnsafeMutablePointer<Float>?, adding: Bool,
        _ into: inout Tape.Gradients
    ) {
        let (outputs, inputs) = (value.rows, value.columns)
        into.update(weight) { sum in
            sum.elements.withUnsafeMutableBufferPointer { sum in
                guard let sum = sum.baseAddress else { return }
                StridedProduct(rows: outputs, columns: inputs, depth: rows)
                    .run(gradient, stride, transposeA: true, x, inputs, adding: true, into: sum, inputs)
            }
        }
        into.update(bias) { sum in
            sum.elements.withUnsafeMutableBufferPointer { sum in
                guard let sum = sum.baseAddress else { return }
                forage_add_column_sums(gradient, rows, outputs, stride, sum)
            }
        }
        guard let dx else { return }
        value.elements.withUnsafeBufferPointer { value in
            guard let value = value.baseAddress else { return }
            StridedProduct(rows: rows, columns: inputs, depth: outputs)
                .run(gradient, stride, value, inputs, adding: adding, into: dx, inputs)
        }
    }

    private func attentionBackward(
        _ gradient: UnsafePointer<Float>, _ a: Activations, into dqkv: UnsafeMutablePointer<Float>
    ) {
        let (noisy, slopes) = (scratch(), scratch())
        for (index, start) in starts.dropLast().enumerated() {
            let length = starts[index + 1] - start
            let stride = Self.padded(length)
            for head in 0..<shape.heads {
                let offset = start * 3 * width + head * headWidth
                let q = a.qkv.pointer + offset
                let dq = dqkv + offset
                let g = gradient + start * width + head * headWidth
                let p = a.probabilities.pointer + a.offsets[index] + head * length * stride
                let used = dropped(p, length * stride, index, head, noisy)
                StridedProduct(rows: length, columns: headWidth, depth: length)
                    .run(used, stride, transposeA: true, g, width, into: dq + 2 * width, 3 * width)
                StridedProduct(rows: length, columns: length, depth: headWidth)
                    .run(g, width, q + 2 * width, 3 * width, transposeB: true, into: slopes.pointer, stride)
                if dropout != nil {
                    // The numbers beyond each row's length are not read again.
                    for row in 0..<length {
                        for column in length..<stride { slopes.pointer[row * stride + column] = 0 }
                    }
                    drop(slopes.pointer, length * stride, place: 2 + index * shape.heads + head)
                }
                forage_softmax_rows_backward(p, slopes.pointer, length, length, stride, scale)
                StridedProduct(rows: length, columns: headWidth, depth: length)
                    .run(slopes.pointer, stride, q + width, 3 * width, into: dq, 3 * width)
                StridedProduct(rows: length, columns: headWidth, depth: length)
                    .run(slopes.pointer, stride, transposeA: true, q, 3 * width, into: dq + width, 3 * width)
            }
        }
    }
}
