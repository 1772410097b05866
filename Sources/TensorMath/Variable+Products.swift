// SPDX-License-Identifier: Apache-2.0

import Base

// Products and broadcasts.
extension Variable {
    /// The matrix product `op(self) * op(other)`.
    ///
    /// - Precondition: the inner sizes agree.
    public func times(_ other: Variable, transposingSelf: Bool = false, transposingOther: Bool = false) -> Variable {
        let a = value
        let b = other.value
        let product = a.multiplied(by: b, transposingSelf: transposingSelf, transposingOther: transposingOther)
        return tape.record(product, inputs: [self, other]) { g, into in
            if into.needs(self) {
                // d op(A) = G op(B)ᵀ, transposed back where A was.
                into.add(
                    transposingSelf
                        ? b.multiplied(by: g, transposingSelf: transposingOther, transposingOther: true)
                        : g.multiplied(by: b, transposingOther: !transposingOther), to: self)
            }
            if into.needs(other) {
                into.add(
                    transposingOther
                        ? g.multiplied(by: a, transposingSelf: true, transposingOther: transposingSelf)
                        : a.multiplied(by: g, transposingSelf: !transposingSelf), to: other)
            }
        }
    }

    /// The transposed matrix.
    public func transposed() -> Variable {
        tape.record(value.transposed, inputs: [self]) { g, into in into.add(g.transposed, to: self) }
    }

    /// Adds one row (1 × columns) to every row.
    public func adding(row: Variable) -> Variable {
        let bias = row.value
        precondition(bias.rows == 1 && bias.columns == columns, "one row of \(columns) expected")
        var output = value
        let width = output.columns
        for r in 0..<output.rows {
            for c in 0..<width { output.elements[r * width + c] += bias.elements[c] }
        }
        return tape.record(output, inputs: [self, row]) { g, into in
            into.add(g, to: self)
            into.update(row) { sum in
                for r in 0..<g.rows {
                    for c in 0..<width { sum.elements[c] += g.elements[r * width + c] }
                }
            }
        }
    }

    /// `self * weight + bias`: a dense layer, weight of inputs × outputs.
    public func linear(_ weight: Variable, _ bias: Variable) -> Variable {
        times(weight).adding(row: bias)
    }

    /// Multiplies every row with the number that a column (rows × 1) has for it.
    public func scaling(rowsBy column: Variable) -> Variable {
        let x = value
        let factors = column.value
        precondition(factors.columns == 1 && factors.rows == x.rows, "one column of \(x.rows) expected")
        var output = x
        for r in 0..<x.rows {
            for c in 0..<x.columns { output.elements[r * x.columns + c] *= factors.elements[r] }
        }
        return tape.record(output, inputs: [self, column]) { g, into in
            into.update(self) { sum in
                for r in 0..<x.rows {
                    for c in 0..<x.columns {
                        sum.elements[r * x.columns + c] += g.elements[r * x.columns + c] * factors.elements[r]
                    }
                }
            }
            into.update(column) { sum in
                for r in 0..<x.rows {
                    for c in 0..<x.columns {
                        sum.elements[r] += g.elements[r * x.columns + c] * x.elements[r * x.columns + c]
                    }
                }
            }
        }
    }

    /// The dot product of each row with the same row of another matrix: rows × 1.
    public func rowDots(_ other: Variable) -> Variable { (self * other).rowSums() }

    /// Normalises each row to mean 0 and variance 1, then scales and shifts (Ba et al., arXiv 1607.06450).
    ///
    /// - Parameters:
    ///   - scale: 1 × columns.
    ///   - shift: 1 × columns.
    ///   - epsilon: Added to the variance.
    public func layerNorm(scale: Variable, shift: Variable, epsilon: Float = 1e-5) -> Variable {
        let x = value
        let n = x.columns
        let gamma = scale.value
        precondition(
            gamma.rows == 1 && gamma.columns == n && shift.rows == 1 && shift.columns == n, "one row of \(n) expected")
        var normal = x
        var inverse = [Float](repeating: 0, count: x.rows)
        var output = x
        let beta = shift.value
        for r in 0..<x.rows {
            let base = r * n
            var mean: Float = 0
            for c in 0..<n { mean += x.elements[base + c] }
            mean /= Float(n)
            var variance: Float = 0
            for c in 0..<n {
                let d = x.elements[base + c] - mean
                variance += d * d
            }
            inverse[r] = 1 / (variance / Float(n) + epsilon).squareRoot()
            for c in 0..<n {
                normal.elements[base + c] = (x.elements[base + c] - mean) * inverse[r]
                output.elements[base + c] = normal.elements[base + c] * gamma.elements[c] + beta.elements[c]
            }
        }
        let (unit, inverses) = (normal, inverse)
        return tape.record(output, inputs: [self, scale, shift]) { g, into in
            into.update(shift) { sum in
                for index in 0..<g.elements.count { sum.elements[index % n] += g.elements[index] }
            }
            into.update(scale) { sum in
                for index in 0..<g.elements.count {
                    sum.elements[index % n] += g.elements[index] * unit.elements[index]
                }
            }
            into.update(self) { sum in
                for r in 0..<g.rows {
                    let base = r * n
                    var total: Float = 0
                    var along: Float = 0
                    for c in 0..<n {
                        let d = g.elements[base + c] * gamma.elements[c]
                        total += d
                        along += d * unit.elements[base + c]
                    }
                    for c in 0..<n {
                        let d = g.elements[base + c] * gamma.elements[c]
                        sum.elements[base + c] +=
                            inverses[r] * (d - (total + unit.elements[base + c] * along) / Float(n))
                    }
                }
            }
        }
    }
}
