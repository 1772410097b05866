// SPDX-License-Identifier: Apache-2.0
import Base
import CKernels
import Foundation
import TensorMath
import Testing

/// The fast and the portable forms of the kernels give the same numbers, and the numbers of a plain computation.
@Suite(.serialized) struct EncoderKernelTests {
    static func random(_ count: Int, _ generator: inout SplitMix64) -> [Float] {
        (0..<count).map { _ in Float(generator.gaussian()) }
    }

    /// Runs `body` on each level that this processor has.
    static func onEveryLevel(_ body: () throws -> Void) rethrows {
        let best = forage_cpu_get_level()
        defer { _ = forage_cpu_force_level(best) }
        for level in [FORAGE_CPU_PORTABLE, best] {
            #expect(forage_cpu_force_level(level) == 1)
            try body()
        }
    }

    @Test(arguments: [(1, 1, 1), (6, 16, 8), (7, 17, 33), (13, 40, 384), (5, 31, 400), (64, 96, 777)])
    func productsEqualPlainOnes(rows: Int, columns: Int, depth: Int) {
        var generator = SplitMix64(seed: UInt64(rows * columns + depth))
        let a = Self.random(rows * depth, &generator)
        let weights = Self.random(columns * depth, &generator)
        let bias = Self.random(columns, &generator)
        var packed = [Float](repeating: 0, count: forage_packed_f32_size(columns, depth))
        forage_pack_f32(weights, depth, columns, depth, &packed)
        let panels = (columns + 15) / 16
        for epilogue in [FORAGE_EPILOGUE_NONE, FORAGE_EPILOGUE_GELU, FORAGE_EPILOGUE_TANH, FORAGE_EPILOGUE_RELU] {
            Self.onEveryLevel {
                // One more column than the product has: it must stay as it is.
                var c = [Float](repeating: 77, count: rows * (columns + 1))
                forage_gemm_f32(
                    a, depth, rows, packed, columns, depth, 0, panels, bias, epilogue, &c, columns + 1)
                for i in 0..<rows {
                    #expect(c[i * (columns + 1) + columns] == 77)
                    for j in 0..<columns {
                        var sum = Double(bias[j])
                        for k in 0..<depth { sum += Double(a[i * depth + k]) * Double(weights[j * depth + k]) }
                        let expected: Double =
                            switch epilogue {
                            case FORAGE_EPILOGUE_GELU: sum * 0.5 * (1 + erf(sum / 2.0.squareRoot()))
                            case FORAGE_EPILOGUE_TANH: tanh(sum)
                            case FORAGE_EPILOGUE_RELU: max(sum, 0)
                            default: sum
                            }
                        let error = abs(Double(c[i * (columns + 1) + j]) - expected)
                        #expect(error < 2e-5 * (1 + abs(expected)) * Double(depth).squareRoot())
                    }
                }
            }
        }
    }

    @Test(arguments: [(1, 16, 32), (5, 20, 64), (9, 33, 75), (4, 16, 1536)], [Int32(0), 1])
    func integerProductsComeClose(sizes: (Int, Int, Int), isWide: Int32) {
        let (rows, columns, depth) = sizes
        var generator = SplitMix64(seed: UInt64(rows + columns + depth))
        let a = Self.random(rows * depth, &generator)
        let weights = Self.random(columns * depth, &generator)
        let bias = Self.random(columns, &generator)
        let padded = (columns + 15) / 16 * 16
        var packed = [Int8](repeating: 0, count: forage_packed_i8_size(columns, depth))
        var scales = [Float](repeating: 0, count: padded)
        var sums = [Int32](repeating: 0, count: padded)
        let inputScales = (0..<depth).map { 1 + Float($0 % 3) / 4 }
        let factors = inputScales.map { 1 / $0 }
        forage_pack_i8(weights, depth, columns, depth, inputScales, isWide, &packed, &scales, &sums)
        var levels: [[Float]] = []
        Self.onEveryLevel {
            var q = [UInt8](repeating: 255, count: rows * forage_quantised_stride(depth))
            var low = [Float](repeating: 0, count: rows)
            var step = low
            forage_quantise_rows(a, depth, rows, depth, factors, &q, &low, &step)
            var c = [Float](repeating: 0, count: rows * columns)
            forage_gemm_i8(
                q, low, step, rows, packed, isWide, scales, sums, columns, depth, 0, padded / 16, bias,
                FORAGE_EPILOGUE_NONE,
                &c, columns)
            levels.append(c)
        }
        for (x, y) in zip(levels[0], levels[1]) { #expect(abs(x - y) < 1e-3 * (1 + abs(x))) }
        var (dot, x, y) = (0.0, 0.0, 0.0)
        for i in 0..<rows {
            for j in 0..<columns {
                var sum = Double(bias[j])
                for k in 0..<depth { sum += Double(a[i * depth + k]) * Double(weights[j * depth + k]) }
                let value = Double(levels[1][i * columns + j])
                dot += sum * value
                x += sum * sum
                y += value * value
            }
        }
        #expect(dot / (x * y).squareRoot() > 0.99)
    }

    /// The worst inputs: everything at its largest. Sixteen bits must not overflow.
    @Test(arguments: [Int32(0), 1]) func integerProductsDoNotSaturate(isWide: Int32) {
        let depth = 64
        for sign: Float in [1, -1] {
            let weights = [Float](repeating: sign, count: 16 * depth)
            var packed = [Int8](repeating: 0, count: forage_packed_i8_size(16, depth))
            var scales = [Float](repeating: 0, count: 16)
            var sums = [Int32](repeating: 0, count: 16)
            forage_pack_i8(weights, depth, 16, depth, nil, isWide, &packed, &scales, &sums)
            let q = [UInt8](repeating: 255, count: depth)
            var results: [[Float]] = []
            Self.onEveryLevel {
                var c = [Float](repeating: 0, count: 16)
                forage_gemm_i8(
                    q, [0], [1], 1, packed, isWide, scales, sums, 16, depth, 0, 1, nil, FORAGE_EPILOGUE_NONE, &c, 16)
                results.append(c)
            }
            #expect(results[0] == results[1])
            #expect(results[0].allSatisfy { $0 * sign > 0 })
        }
    }

    @Test(arguments: [(1, 1, 8), (5, 2, 8), (17, 4, 24), (50, 3, 32), (100, 2, 20)])
    func attentionEqualsAPlainOne(length: Int, heads: Int, headWidth: Int) {
        var generator = SplitMix64(seed: UInt64(length * heads))
        let width = heads * headWidth
        let qkv = Self.random(length * 3 * width, &generator).map { $0 * 0.5 }
        var scratch = [Float](repeating: .nan, count: forage_attention_scratch(length, headWidth))
        Self.onEveryLevel {
            var out = [Float](repeating: 0, count: length * width)
            forage_attention(qkv, 3 * width, length, width, headWidth, 0, heads, &out, width, &scratch)
            for head in 0..<heads {
                for i in 0..<length {
                    func part(_ row: Int, _ kind: Int, _ d: Int) -> Double {
                        Double(qkv[row * 3 * width + kind * width + head * headWidth + d])
                    }
                    let scores = (0..<length).map { j in
                        exp((0..<headWidth).reduce(0.0) { $0 + part(i, 0, $1) * part(j, 1, $1) })
                    }
                    let total = scores.reduce(0, +)
                    for d in 0..<headWidth {
                        let expected = (0..<length).reduce(0.0) { $0 + scores[$1] / total * part($1, 2, d) }
                        #expect(abs(Double(out[i * width + head * headWidth + d]) - expected) < 1e-5)
                    }
                }
            }
        }
    }

    @Test(arguments: [8, 20, 384]) func layerNormEqualsAPlainOne(width: Int) {
        var generator = SplitMix64(seed: UInt64(width))
        let x = Self.random(3 * width, &generator)
        let residual = Self.random(3 * width, &generator)
        let gain = Self.random(width, &generator)
        let shift = Self.random(width, &generator)
        Self.onEveryLevel {
            var out = [Float](repeating: 0, count: 3 * width)
            forage_layer_norm(x, residual, 3, width, gain, shift, 1e-5, &out)
            for row in 0..<3 {
                let sum = (0..<width).map { Double(x[row * width + $0] + residual[row * width + $0]) }
                let mean = sum.reduce(0, +) / Double(width)
                let variance = sum.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(width)
                for j in 0..<width {
                    let expected = (sum[j] - mean) / (variance + 1e-5).squareRoot() * Double(gain[j]) + Double(shift[j])
                    #expect(abs(Double(out[row * width + j]) - expected) < 1e-4)
                }
            }
        }
    }
}
