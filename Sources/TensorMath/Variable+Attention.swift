// SPDX-License-Identifier: Apache-2.0

import Base

// Attention and recurrence.
extension Variable {
    /// Scaled dot-product attention with several heads, each query set looking only at its own keys.
    ///
    /// Computes softmax(Q Kᵀ / √d) V for every segment and head as one recorded operation (Vaswani et al., arXiv 1706.03762).
    ///
    /// - Parameters:
    ///   - keys: Key rows × width.
    ///   - values: Key rows × any width that the heads divide.
    ///   - heads: Must divide the width.
    ///   - queryOffsets: Segment i of the queries is rows `queryOffsets[i] ..< queryOffsets[i + 1]`; absent: one segment.
    ///   - keyOffsets: The same for keys and values. A segment without keys gives rows of zeros.
    public func attention(
        keys: Variable, values: Variable, heads: Int = 1, queryOffsets: [Int]? = nil, keyOffsets: [Int]? = nil
    ) -> Variable {
        let (q, k, v) = (value, keys.value, values.value)
        let queryOffsets = queryOffsets ?? [0, q.rows]
        let keyOffsets = keyOffsets ?? [0, k.rows]
        checkSegments(queryOffsets, count: q.rows)
        checkSegments(keyOffsets, count: k.rows)
        precondition(queryOffsets.count == keyOffsets.count, "as many query segments as key segments")
        precondition(q.columns == k.columns && k.rows == v.rows, "queries, keys and values do not fit")
        precondition(heads > 0 && q.columns % heads == 0 && v.columns % heads == 0, "heads must divide the widths")
        let (width, depth) = (q.columns / heads, v.columns / heads)
        let scale = 1 / Float(width).squareRoot()
        var output = Matrix(rows: q.rows, columns: v.columns)
        // The attention weights of each (segment, head), kept for the way back.
        var weights: [[Float]] = []
        for segment in 0..<(queryOffsets.count - 1) {
            let queries = queryOffsets[segment]..<queryOffsets[segment + 1]
            let keys = keyOffsets[segment]..<keyOffsets[segment + 1]
            for head in 0..<heads {
                var p = [Float](repeating: 0, count: queries.count * keys.count)
                for (i, query) in queries.enumerated() {
                    for (j, key) in keys.enumerated() {
                        var dot: Float = 0
                        for c in (head * width)..<((head + 1) * width) {
                            dot += q.elements[query * q.columns + c] * k.elements[key * q.columns + c]
                        }
                        p[i * keys.count + j] = dot * scale
                    }
                    softmaxInPlace(&p, (i * keys.count)..<((i + 1) * keys.count))
                    for (j, key) in keys.enumerated() {
                        for c in (head * depth)..<((head + 1) * depth) {
                            output.elements[query * v.columns + c] +=
                                p[i * keys.count + j] * v.elements[key * v.columns + c]
                        }
                    }
                }
                weights.append(p)
            }
        }
        let kept = weights
        return tape.record(output, inputs: [self, keys, values]) { g, into in
            var (dq, dk, dv) = (
                Matrix(rows: q.rows, columns: q.columns), Matrix(rows: k.rows, columns: k.columns),
                Matrix(rows: v.rows, columns: v.columns)
            )
            for segment in 0..<(queryOffsets.count - 1) {
                let keys = keyOffsets[segment]..<keyOffsets[segment + 1]
                for head in 0..<heads {
                    let p = kept[segment * heads + head]
                    for (i, query) in (queryOffsets[segment]..<queryOffsets[segment + 1]).enumerated() {
                        var slopes = [Float](repeating: 0, count: keys.count)
                        var along: Float = 0
                        for (j, key) in keys.enumerated() {
                            let weight = p[i * keys.count + j]
                            for c in (head * depth)..<((head + 1) * depth) {
                                let d = g.elements[query * v.columns + c]
                                slopes[j] += d * v.elements[key * v.columns + c]
                                dv.elements[key * v.columns + c] += d * weight
                            }
                            along += slopes[j] * weight
                        }
                        for (j, key) in keys.enumerated() {
                            let d = p[i * keys.count + j] * (slopes[j] - along) * scale
                            for c in (head * width)..<((head + 1) * width) {
                                dq.elements[query * q.columns + c] += d * k.elements[key * q.columns + c]
                                dk.elements[key * q.columns + c] += d * q.elements[query * q.columns + c]
                            }
                        }
                    }
                }
            }
            into.add(dq, to: self)
            into.add(dk, to: keys)
            into.add(dv, to: values)
        }
    }

    /// One step of a gated recurrent unit for a batch of states (Cho et al., arXiv 1406.1078).
    ///
    /// z = σ(x·Wz + h·Uz + bz), r = σ(x·Wr + h·Ur + br), n = tanh(x·Wn + (r ∘ h)·Un + bn), h' = z ∘ h + (1 − z) ∘ n.
    ///
    /// - Parameters:
    ///   - input: Batch × inputs (x); `self` is the state h, batch × width.
    ///   - inputWeight: Inputs × 3·width: Wz, Wr, Wn side by side.
    ///   - stateWeight: Width × 3·width: Uz, Ur, Un side by side.
    ///   - bias: 1 × 3·width.
    /// - Returns: The new state, batch × width.
    public func gru(input: Variable, inputWeight: Variable, stateWeight: Variable, bias: Variable) -> Variable {
        let width = columns
        precondition(inputWeight.columns == 3 * width && stateWeight.columns == 3 * width, "three gates of \(width)")
        let fromInput = input.linear(inputWeight, bias)
        let gates =
            (fromInput.columns(in: 0..<(2 * width)) + times(stateWeight.columns(in: 0..<(2 * width)))).sigmoid()
        let keep = gates.columns(in: 0..<width)
        let reset = gates.columns(in: width..<(2 * width))
        let fresh =
            (fromInput.columns(in: (2 * width)..<(3 * width))
            + (reset * self).times(stateWeight.columns(in: (2 * width)..<(3 * width)))).tanh()
        return keep * (self - fresh) + fresh
    }
}
