// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation

// Soft-max over rows, over variable candidate sets, and the losses made from it.
extension Variable {
    /// The soft-max of each row.
    public func softmax() -> Variable {
        let x = value
        return segmentedSoftmax(
            offsets: Swift.stride(from: 0, through: x.elements.count, by: Swift.max(1, x.columns)).map { $0 })
    }

    /// The logarithm of the soft-max of each row.
    public func logSoftmax() -> Variable {
        let x = value
        return segmentedLogSoftmax(
            offsets: Swift.stride(from: 0, through: x.elements.count, by: Swift.max(1, x.columns)).map { $0 })
    }

    /// The soft-max within each segment of the elements, which are taken in row-major order.
    ///
    /// For logits of several decisions in one column, each with its own number of candidates, `offsets` says where each
    /// decision starts, and ends with the count. An empty segment is allowed.
    public func segmentedSoftmax(offsets: [Int]) -> Variable {
        var output = value
        checkSegments(offsets, count: output.elements.count)
        for (start, end) in zip(offsets, offsets.dropFirst()) { softmaxInPlace(&output.elements, start..<end) }
        let y = output
        return tape.record(output, inputs: [self]) { g, into in
            into.update(self) { sum in
                for (start, end) in zip(offsets, offsets.dropFirst()) {
                    var along: Float = 0
                    for index in start..<end { along += g.elements[index] * y.elements[index] }
                    for index in start..<end { sum.elements[index] += y.elements[index] * (g.elements[index] - along) }
                }
            }
        }
    }

    /// The logarithm of the soft-max within each segment of the elements; see `segmentedSoftmax(offsets:)`.
    public func segmentedLogSoftmax(offsets: [Int]) -> Variable {
        var output = value
        checkSegments(offsets, count: output.elements.count)
        for (start, end) in zip(offsets, offsets.dropFirst()) where start < end {
            let largest = output.elements[start..<end].max() ?? 0
            var total: Float = 0
            for index in start..<end { total += Foundation.exp(output.elements[index] - largest) }
            let shift = largest + Foundation.log(total)
            for index in start..<end { output.elements[index] -= shift }
        }
        let y = output
        return tape.record(output, inputs: [self]) { g, into in
            into.update(self) { sum in
                for (start, end) in zip(offsets, offsets.dropFirst()) {
                    var total: Float = 0
                    for index in start..<end { total += g.elements[index] }
                    for index in start..<end {
                        sum.elements[index] += g.elements[index] - Foundation.exp(y.elements[index]) * total
                    }
                }
            }
        }
    }

    /// The elements at these row-major indices: count × 1.
    public func elements(at indices: [Int]) -> Variable {
        let x = value
        let picked = indices.map { index in
            precondition(index >= 0 && index < x.elements.count, "element \(index) of \(x.elements.count)")
            return x.elements[index]
        }
        return tape.record(Matrix(column: picked), inputs: [self]) { g, into in
            into.update(self) { sum in
                for (position, index) in indices.enumerated() { sum.elements[index] += g.elements[position] }
            }
        }
    }

    /// The mean cross-entropy of each row's soft-max against the class of that row.
    public func crossEntropy(classes: [Int]) -> Variable {
        -logSoftmax().picking(columns: classes).mean()
    }

    /// The mean over segments of minus the log of the probability that falls on the targets of the segment.
    ///
    /// - Parameters:
    ///   - targets: The row-major element indices of the right choices; one or more each segment that counts.
    ///   - offsets: The segments, as in `segmentedSoftmax(offsets:)`.
    public func segmentedCrossEntropy(targets: [Int], offsets: [Int]) -> Variable {
        let count = Swift.max(1, targets.count)
        return segmentedLogSoftmax(offsets: offsets).elements(at: targets).sum() * (-1 / Float(count))
    }

    /// The mean binary cross-entropy of logits against targets in 0 ... 1, weighted element by element.
    public func binaryCrossEntropy(targets: Matrix, weights: Matrix? = nil) -> Variable {
        let losses = softplus() - self * tape.constant(targets)
        guard let weights else { return losses.mean() }
        return (losses * tape.constant(weights)).mean()
    }

    /// The mean squared difference from targets.
    public func meanSquaredError(_ targets: Matrix) -> Variable { (self - tape.constant(targets)).squared().mean() }

    /// The entropy in nats of the distribution of each segment of log-probabilities: segments × 1.
    public func segmentedEntropy(offsets: [Int]) -> Variable {
        // Rebuilt as one column, so that segments of it can be summed.
        let column = elements(at: Array(0..<value.elements.count))
        return -(column.exp() * column).segmentSums(offsets: offsets)
    }
}

/// Replaces the numbers of a range by their soft-max.
func softmaxInPlace(_ elements: inout [Float], _ range: Range<Int>) {
    guard let largest = elements[range].max() else { return }
    var total: Float = 0
    for index in range {
        elements[index] = exp(elements[index] - largest)
        total += elements[index]
    }
    for index in range { elements[index] /= total }
}
