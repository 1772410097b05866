// SPDX-License-Identifier: Apache-2.0

import COpenBLAS
import Foundation

@testable import LanguageModels

/// The forward pass as the papers write it, in doubles, from widened weights: all tokens pass a layer together.
struct ReferenceForward {
    /// One row for each token.
    private struct Rows {
        var count: Int
        var width: Int
        var values: [Double]

        init(count: Int, width: Int) {
            self.count = count
            self.width = width
            values = [Double](repeating: 0, count: count * width)
        }

        subscript(row: Int) -> ArraySlice<Double> { values[row * width..<(row + 1) * width] }
    }

    let file: GGUFFile
    let c: ModelConfiguration

    init(_ file: GGUFFile) throws {
        self.file = file
        c = try file.configuration()
    }

    private func tensor(_ name: String) -> [Double]? { file.tensors[name].map { file.floats(of: $0).map(Double.init) } }

    private func required(_ name: String) throws -> [Double] {
        guard let values = tensor(name) else { throw GGUFError.missing(path: file.path, what: name) }
        return values
    }

    private func times(_ name: String, _ x: Rows, bias: String? = nil) throws -> Rows {
        let w = try required(name)
        var y = Rows(count: x.count, width: w.count / x.width)
        cblas_dgemm(
            CblasRowMajor, CblasNoTrans, CblasTrans, Int32(x.count), Int32(y.width), Int32(x.width), 1, x.values,
            Int32(x.width), w, Int32(x.width), 0, &y.values, Int32(y.width))
        if let bias, let b = tensor(bias) {
            for row in 0..<y.count { for i in 0..<y.width { y.values[row * y.width + i] += b[i] } }
        }
        return y
    }

    private func norm(_ x: ArraySlice<Double>, _ weight: [Double]) -> [Double] {
        let r = 1 / (x.reduce(0) { $0 + $1 * $1 } / Double(x.count) + Double(c.epsilon)).squareRoot()
        return zip(x, weight).map { $0 * r * $1 }
    }

    private func norm(_ x: Rows, _ name: String) throws -> Rows {
        let weight = try required(name)
        var y = x
        y.values = (0..<x.count).flatMap { norm(x[$0], weight) }
        return y
    }

    private func sum(_ x: Rows, _ y: Rows) -> Rows {
        var z = x
        z.values = zip(x.values, y.values).map(+)
        return z
    }

    /// Norms where the model has it, and rotates, each head of each token.
    private func prepare(_ x: Rows, norm name: String, base: Double) -> Rows {
        let weight = tensor(name)
        var y = x
        for position in 0..<x.count {
            let angles = (0..<c.rotary / 2).map { Double(position) * pow(base, -2 * Double($0) / Double(c.rotary)) }
            for start in stride(from: position * x.width, to: (position + 1) * x.width, by: c.headSize) {
                var head = Array(x.values[start..<start + c.headSize])
                if let weight { head = norm(head[...], weight) }
                y.values.replaceSubrange(start..<start + c.headSize, with: head)
                for i in 0..<c.rotary / 2 {
                    let (a, b) = c.interleavesRotation ? (2 * i, 2 * i + 1) : (i, i + c.rotary / 2)
                    y.values[start + a] = head[a] * cos(angles[i]) - head[b] * sin(angles[i])
                    y.values[start + b] = head[a] * sin(angles[i]) + head[b] * cos(angles[i])
                }
            }
        }
        return y
    }

    private func attend(_ q: Rows, _ k: Rows, _ v: Rows, window: Int?) -> Rows {
        var out = Rows(count: q.count, width: q.width)
        let size = Int32(c.headSize)
        let count = Int32(q.count)
        for head in 0..<c.heads {
            let own = head * c.headSize
            let shared = head / (c.heads / c.keyValueHeads) * c.headSize
            var weights = [Double](repeating: 0, count: q.count * q.count)
            // The heads lie within the rows: the strides step over the other ones.
            q.values.withUnsafeBufferPointer { q in
                k.values.withUnsafeBufferPointer { k in
                    guard let q = q.baseAddress, let k = k.baseAddress else { return }
                    cblas_dgemm(
                        CblasRowMajor, CblasNoTrans, CblasTrans, count, count, size, 1 / Double(size).squareRoot(),
                        q + own, Int32(c.heads) * size, k + shared, Int32(c.keyValueHeads) * size, 0, &weights, count)
                }
            }
            for row in 0..<Int(count) {
                let first = window.map { max(0, row - $0 + 1) } ?? 0
                let scores = weights[row * Int(count) + first...row * Int(count) + row]
                let top = scores.max() ?? 0
                let powers = scores.map { exp($0 - top) }
                let total = powers.reduce(0, +)
                for i in 0..<Int(count) { weights[row * Int(count) + i] = 0 }
                for (i, power) in powers.enumerated() { weights[row * Int(count) + first + i] = power / total }
            }
            v.values.withUnsafeBufferPointer { v in
                out.values.withUnsafeMutableBufferPointer { out in
                    guard let v = v.baseAddress, let out = out.baseAddress else { return }
                    cblas_dgemm(
                        CblasRowMajor, CblasNoTrans, CblasNoTrans, count, size, count, 1, weights, count, v + shared,
                        Int32(c.keyValueHeads) * size, 0, out + own, Int32(c.heads) * size)
                }
            }
        }
        return out
    }

    /// The logits after each token.
    func logits(_ tokens: [Int]) throws -> [[Double]] {
        let embeddings = try required("token_embd.weight")
        let gemma = c.architecture == .gemma3
        var x = Rows(count: tokens.count, width: c.width)
        x.values = tokens.flatMap { embeddings[$0 * c.width..<($0 + 1) * c.width] }
        if gemma { x.values = x.values.map { $0 * Double(c.width).squareRoot() } }
        for layer in 0..<c.layers {
            let p = "blk.\(layer)."
            let h = try norm(x, p + "attn_norm.weight")
            let windowed = c.hasWindow(layer)
            let base = windowed ? c.window?.ropeBase ?? 0 : c.ropeBase
            let q = prepare(
                try times(p + "attn_q.weight", h, bias: p + "attn_q.bias"), norm: p + "attn_q_norm.weight", base: base)
            let k = prepare(
                try times(p + "attn_k.weight", h, bias: p + "attn_k.bias"), norm: p + "attn_k_norm.weight", base: base)
            let v = try times(p + "attn_v.weight", h, bias: p + "attn_v.bias")
            let attended = attend(q, k, v, window: windowed ? c.window?.length : nil)
            var delta = try times(p + "attn_output.weight", attended)
            if gemma { delta = try norm(delta, p + "post_attention_norm.weight") }
            x = sum(x, delta)
            let f = try norm(x, p + "ffn_norm.weight")
            var inner = try times(p + "ffn_gate.weight", f)
            inner.values = zip(inner.values, try times(p + "ffn_up.weight", f).values).map { g, u in
                gemma
                    ? 0.5 * g * (1 + tanh(0.7978845608028654 * (g + 0.044715 * g * g * g))) * u
                    : g / (1 + exp(-g)) * u
            }
            delta = try times(p + "ffn_down.weight", inner)
            if gemma { delta = try norm(delta, p + "post_ffw_norm.weight") }
            x = sum(x, delta)
        }
        let out = try times("token_embd.weight", norm(x, "output_norm.weight"))
        return (0..<out.count).map { Array(out[$0]) }
    }
}
