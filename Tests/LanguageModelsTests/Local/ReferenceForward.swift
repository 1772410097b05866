// SPDX-License-Identifier: Apache-2.0

import Foundation

@testable import LanguageModels

/// The forward pass as the papers write it, in doubles, one token after the other, from widened weights.
struct ReferenceForward {
    let file: GGUFFile
    let c: ModelConfiguration

    init(_ file: GGUFFile) throws {
        self.file = file
        c = try file.configuration()
    }

    private func tensor(_ name: String) -> [Double]? { file.tensors[name].map { file.floats(of: $0).map(Double.init) } }

    private func times(_ name: String, _ x: [Double], bias: String? = nil) throws -> [Double] {
        let w = try required(name)
        let rows = w.count / x.count
        var y = (0..<rows).map { r in (0..<x.count).reduce(0.0) { $0 + w[r * x.count + $1] * x[$1] } }
        if let bias, let b = tensor(bias) { y = zip(y, b).map(+) }
        return y
    }

    private func required(_ name: String) throws -> [Double] {
        guard let values = tensor(name) else { throw GGUFError.missing(path: file.path, what: name) }
        return values
    }

    private func norm(_ x: [Double], _ weight: [Double]) -> [Double] {
        let r = 1 / (x.reduce(0) { $0 + $1 * $1 } / Double(x.count) + Double(c.epsilon)).squareRoot()
        return zip(x, weight).map { $0 * r * $1 }
    }

    private func rotate(_ x: [Double], _ position: Int, base: Double) -> [Double] {
        var y = x
        for i in 0..<c.rotary / 2 {
            let angle = Double(position) * pow(base, -2 * Double(i) / Double(c.rotary))
            let (a, b) = c.interleavesRotation ? (2 * i, 2 * i + 1) : (i, i + c.rotary / 2)
            y[a] = x[a] * cos(angle) - x[b] * sin(angle)
            y[b] = x[a] * sin(angle) + x[b] * cos(angle)
        }
        return y
    }

    /// The logits after each token.
    func logits(_ tokens: [Int]) throws -> [[Double]] {
        let embeddings = try required("token_embd.weight")
        var keys = [[[Double]]](repeating: [], count: c.layers)
        var values = keys
        var out: [[Double]] = []
        for (position, token) in tokens.enumerated() {
            var x = Array(embeddings[token * c.width..<(token + 1) * c.width])
            if c.architecture == .gemma3 { x = x.map { $0 * Double(c.width).squareRoot() } }
            for layer in 0..<c.layers {
                let p = "blk.\(layer)."
                let h = norm(x, try required(p + "attn_norm.weight"))
                let q = try times(p + "attn_q.weight", h, bias: p + "attn_q.bias")
                let k = try times(p + "attn_k.weight", h, bias: p + "attn_k.bias")
                let v = try times(p + "attn_v.weight", h, bias: p + "attn_v.bias")
                let base = c.hasWindow(layer) ? c.window?.ropeBase ?? 0 : c.ropeBase
                func heads(_ y: [Double], _ name: String) -> [[Double]] {
                    stride(from: 0, to: y.count, by: c.headSize).map { start in
                        var head = Array(y[start..<start + c.headSize])
                        if let weight = tensor(p + name) { head = norm(head, weight) }
                        return rotate(head, position, base: base)
                    }
                }
                let queries = heads(q, "attn_q_norm.weight")
                keys[layer].append(heads(k, "attn_k_norm.weight").flatMap { $0 })
                values[layer].append(v)
                var attended: [Double] = []
                for head in 0..<c.heads {
                    let shared = head / (c.heads / c.keyValueHeads) * c.headSize
                    let first = c.hasWindow(layer) ? max(0, position - (c.window?.length ?? 0) + 1) : 0
                    let scores = (first...position).map { at in
                        (0..<c.headSize).reduce(0.0) { $0 + queries[head][$1] * keys[layer][at][shared + $1] }
                            / Double(c.headSize).squareRoot()
                    }
                    let top = scores.max() ?? 0
                    let weights = scores.map { exp($0 - top) }
                    let total = weights.reduce(0, +)
                    for d in 0..<c.headSize {
                        attended.append(
                            zip(first...position, weights).reduce(0) { $0 + values[layer][$1.0][shared + d] * $1.1 }
                                / total)
                    }
                }
                var delta = try times(p + "attn_output.weight", attended)
                if let post = tensor(p + "post_attention_norm.weight") { delta = norm(delta, post) }
                x = zip(x, delta).map(+)
                let f = norm(x, try required(p + "ffn_norm.weight"))
                let gate = try times(p + "ffn_gate.weight", f)
                let up = try times(p + "ffn_up.weight", f)
                let inner = zip(gate, up).map { g, u in
                    c.architecture == .gemma3
                        ? 0.5 * g * (1 + tanh(0.7978845608028654 * (g + 0.044715 * g * g * g))) * u
                        : g / (1 + exp(-g)) * u
                }
                delta = try times(p + "ffn_down.weight", inner)
                if let post = tensor(p + "post_ffw_norm.weight") { delta = norm(delta, post) }
                x = zip(x, delta).map(+)
            }
            let final = norm(x, try required("output_norm.weight"))
            out.append(try times("token_embd.weight", final))
        }
        return out
    }
}
