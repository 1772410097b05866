// SPDX-License-Identifier: Apache-2.0

public import Base
import Foundation

// Operations that work on each element by itself.
extension Variable {
    /// A function of each element; `slope` is its derivative from the element and the function's value there.
    private func mapped(_ function: (Float) -> Float, slope: @escaping (_ x: Float, _ y: Float) -> Float) -> Variable {
        let input = value
        var output = input
        output.elements.withUnsafeMutableBufferPointer { for index in $0.indices { $0[index] = function($0[index]) } }
        let result = output
        return tape.record(output, inputs: [self]) { gradient, into in
            into.update(self) { sum in
                for index in 0..<input.elements.count {
                    sum.elements[index] +=
                        gradient.elements[index] * slope(input.elements[index], result.elements[index])
                }
            }
        }
    }

    private func combined(
        with other: Variable, _ function: (Float, Float) -> Float,
        slopes: @escaping (_ a: Float, _ b: Float) -> (Float, Float)
    ) -> Variable {
        let a = value
        let b = other.value
        precondition(
            a.rows == b.rows && a.columns == b.columns, "sizes differ: \(a.rows)×\(a.columns), \(b.rows)×\(b.columns)")
        var output = a
        for index in 0..<output.elements.count {
            output.elements[index] = function(a.elements[index], b.elements[index])
        }
        return tape.record(output, inputs: [self, other]) { gradient, into in
            into.update(self) { sum in
                for index in 0..<a.elements.count {
                    sum.elements[index] += gradient.elements[index] * slopes(a.elements[index], b.elements[index]).0
                }
            }
            into.update(other) { sum in
                for index in 0..<a.elements.count {
                    sum.elements[index] += gradient.elements[index] * slopes(a.elements[index], b.elements[index]).1
                }
            }
        }
    }

    /// The sum of two matrices of one size.
    public static func + (a: Variable, b: Variable) -> Variable { a.combined(with: b, +) { _, _ in (1, 1) } }
    /// The difference of two matrices of one size.
    public static func - (a: Variable, b: Variable) -> Variable { a.combined(with: b, -) { _, _ in (1, -1) } }
    /// The products element by element.
    public static func * (a: Variable, b: Variable) -> Variable { a.combined(with: b, *) { ($1, $0) } }
    /// Each element times a number.
    public static func * (a: Variable, factor: Float) -> Variable { a.mapped({ $0 * factor }) { _, _ in factor } }
    /// Each element plus a number.
    public static func + (a: Variable, term: Float) -> Variable { a.mapped({ $0 + term }) { _, _ in 1 } }
    /// Each element negated.
    public static prefix func - (a: Variable) -> Variable { a * -1 }

    /// The smaller of two elements; the gradient goes to it (to the first where they are equal).
    public func minimum(_ other: Variable) -> Variable {
        combined(with: other, Swift.min) { $0 <= $1 ? (1, 0) : (0, 1) }
    }

    /// The larger of two elements; the gradient goes to it (to the first where they are equal).
    public func maximum(_ other: Variable) -> Variable {
        combined(with: other, Swift.max) { $0 >= $1 ? (1, 0) : (0, 1) }
    }

    /// Each element moved into a range; no gradient from outside of it.
    public func clamped(to range: ClosedRange<Float>) -> Variable {
        mapped({ Swift.min(Swift.max($0, range.lowerBound), range.upperBound) }) { x, _ in range.contains(x) ? 1 : 0 }
    }

    /// max(x, 0).
    public func relu() -> Variable { mapped({ $0 > 0 ? $0 : 0 }) { x, _ in x > 0 ? 1 : 0 } }
    /// The hyperbolic tangent.
    public func tanh() -> Variable { mapped(Foundation.tanh) { _, y in 1 - y * y } }
    /// 1 / (1 + e⁻ˣ).
    public func sigmoid() -> Variable { mapped(logistic) { _, y in y * (1 - y) } }
    /// eˣ.
    public func exp() -> Variable { mapped(Foundation.exp) { _, y in y } }
    /// The natural logarithm.
    public func log() -> Variable { mapped(Foundation.log) { x, _ in 1 / x } }
    /// x².
    public func squared() -> Variable { mapped({ $0 * $0 }) { x, _ in 2 * x } }
    /// log(1 + eˣ), without overflow.
    public func softplus() -> Variable {
        mapped({ Swift.max($0, 0) + log1p(Foundation.exp(-abs($0))) }) { x, _ in logistic(x) }
    }

    /// x · Φ(x) with the exact normal distribution function (Hendrycks and Gimpel, arXiv 1606.08415).
    public func gelu() -> Variable {
        mapped({ 0.5 * $0 * (1 + erf($0 * 0.707_106_78)) }) { x, _ in
            0.5 * (1 + erf(x * 0.707_106_78)) + x * 0.398_942_28 * Foundation.exp(-0.5 * x * x)
        }
    }

    /// x²/2 near zero and |x| - 1/2 beyond ±1: the Huber loss of a residual.
    public func huber() -> Variable {
        mapped({ abs($0) <= 1 ? 0.5 * $0 * $0 : abs($0) - 0.5 }) { x, _ in Swift.min(Swift.max(x, -1), 1) }
    }

    /// Zeroes each element with a probability and scales the others up, so that the expectation stays.
    ///
    /// - Precondition: `0 <= rate < 1`.
    public func dropout(rate: Float, using generator: inout SplitMix64) -> Variable {
        precondition(rate >= 0 && rate < 1, "a rate in 0 ..< 1")
        guard rate > 0 else { return self }
        var mask = Matrix(rows: rows, columns: columns)
        for index in 0..<mask.elements.count {
            mask.elements[index] = Float(generator.uniform()) < rate ? 0 : 1 / (1 - rate)
        }
        return self * tape.constant(mask)
    }
}

/// 1 / (1 + e⁻ˣ) without overflow.
func logistic(_ x: Float) -> Float {
    x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x))
}
