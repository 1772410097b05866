// SPDX-License-Identifier: Apache-2.0
import Base
import CKernels

/// A linear layer with its weights packed once for the kernels: in single precision, or as integers.
///
/// `@unchecked Sendable`: the memory is written in `init` only, and freed with the last reference.
final class LinearLayer: @unchecked Sendable {
    let inputs: Int
    let outputs: Int
    /// Panels of 16 outputs: the unit in which threads share a product.
    var panels: Int { (outputs + Int(FORAGE_PANEL) - 1) / Int(FORAGE_PANEL) }

    private let bias: UnsafeMutablePointer<Float>
    private let floats: UnsafeMutablePointer<Float>?
    private let bytes: UnsafeMutablePointer<Int8>?
    private let scales: UnsafeMutablePointer<Float>
    private let sums: UnsafeMutablePointer<Int32>
    /// What inputs are multiplied by before they are quantised; nil for nothing.
    let inputFactors: [Float]?
    private let isWide: Bool

    /// - Parameters:
    ///   - weights: `outputs` rows of `inputs`.
    ///   - bias: one number an output.
    ///   - inputRange: about the largest magnitude of each input, where it is known. Integers then get a share of each
    ///     input's range moved into its weights (SmoothQuant, Xiao et al. 2023, exponent 1/2), so that a few inputs of
    ///     large range do not cost the others their precision.
    ///   - isWide: gives integer weights one bit more, for a third more time.
    init(
        weights: [Float], bias: [Float], inputs: Int, outputs: Int, precision: BERTEncoder.Precision,
        inputRange: [Float]? = nil, isWide: Bool = false
    ) {
        self.isWide = isWide
        precondition(weights.count == inputs * outputs && bias.count == outputs)
        self.inputs = inputs
        self.outputs = outputs
        let padded = (outputs + Int(FORAGE_PANEL) - 1) / Int(FORAGE_PANEL) * Int(FORAGE_PANEL)
        self.bias = .allocate(capacity: padded)
        self.bias.initialize(repeating: 0, count: padded)
        self.bias.update(from: bias, count: outputs)
        scales = .allocate(capacity: padded)
        sums = .allocate(capacity: padded)
        switch precision {
        case .float32:
            let count = forage_packed_f32_size(outputs, inputs)
            // Aligned to cache lines: a panel's row then never straddles two.
            let raw = UnsafeMutableRawPointer.allocate(byteCount: max(count, 1) * 4, alignment: 64)
            let floats = raw.bindMemory(to: Float.self, capacity: count)
            forage_pack_f32(weights, inputs, outputs, inputs, floats)
            self.floats = floats
            bytes = nil
            inputFactors = nil
        case .int8:
            let count = forage_packed_i8_size(outputs, inputs)
            let raw = UnsafeMutableRawPointer.allocate(byteCount: max(count, 1), alignment: 64)
            let bytes = raw.bindMemory(to: Int8.self, capacity: count)
            var inputScales: [Float]?
            if let inputRange {
                var largest = [Float](repeating: 0, count: inputs)
                for row in 0..<outputs {
                    for column in 0..<inputs {
                        largest[column] = max(largest[column], abs(weights[row * inputs + column]))
                    }
                }
                inputScales = zip(inputRange, largest).map { (max($0, 1e-5) / max($1, 1e-5)).squareRoot() }
            }
            forage_pack_i8(weights, inputs, outputs, inputs, inputScales, isWide ? 1 : 0, bytes, scales, sums)
            inputFactors = inputScales?.map { 1 / $0 }
            self.bytes = bytes
            floats = nil
        }
    }

    deinit {
        bias.deallocate()
        scales.deallocate()
        sums.deallocate()
        if let floats { UnsafeMutableRawPointer(floats).deallocate() }
        if let bytes { UnsafeMutableRawPointer(bytes).deallocate() }
    }

    /// Whether inputs must be quantised first.
    var isQuantised: Bool { bytes != nil }

    /// Computes the outputs of some panels for `rows` rows.
    func apply(
        _ input: UnsafePointer<Float>, quantised: QuantisedRows, rows: Int, panels: Range<Int>,
        epilogue: forage_epilogue = FORAGE_EPILOGUE_NONE, into output: UnsafeMutablePointer<Float>
    ) {
        if let floats {
            forage_gemm_f32(
                input, inputs, rows, floats, outputs, inputs, panels.lowerBound, panels.upperBound, bias, epilogue,
                output, outputs)
        } else if let bytes {
            forage_gemm_i8(
                quantised.bytes, quantised.low, quantised.step, rows, bytes, isWide ? 1 : 0, scales, sums, outputs,
                inputs,
                panels.lowerBound, panels.upperBound, bias, epilogue, output, outputs)
        }
    }
}

/// Memory for the quantised inputs of a layer.
struct QuantisedRows {
    let bytes: UnsafeMutablePointer<UInt8>
    let low: UnsafeMutablePointer<Float>
    let step: UnsafeMutablePointer<Float>

    /// Quantises the rows `range` of `input`.
    func fill(_ input: UnsafePointer<Float>, range: Range<Int>, for layer: LinearLayer) {
        let depth = layer.inputs
        let stride = forage_quantised_stride(depth)
        forage_quantise_rows(
            input + range.lowerBound * depth, depth, range.count, depth, layer.inputFactors,
            bytes + range.lowerBound * stride,
            low + range.lowerBound, step + range.lowerBound)
    }
}
