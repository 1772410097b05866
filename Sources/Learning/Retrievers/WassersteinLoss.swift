// SPDX-License-Identifier: Apache-2.0

import Foundation
import TensorMath

extension RankingLoss {
    /// The squared 2-Wasserstein distance of two Gaussians: of the student's distributions over the batch's lists, and of
    /// the teacher's (arXiv 2503.23239). The places of the lists are aligned (gold first, then by hardness), so that each
    /// list is a sample of one vector P, the soft-max of its scores, or T, that of the teacher's:
    ///
    /// W² = ‖μ_P − μ_T‖² + tr(Σ_P + Σ_T) − 2 tr((Σ_P Σ_T)^½)
    ///
    /// The last trace is the nuclear norm of P̄ T̄ᵀ / (B − 1), P̄ and T̄ centred. Lists of other lengths than most have are
    /// compared among themselves.
    public static let wasserstein = RankingLoss(
        name: "wasserstein", needsTeacher: true, comparesQuestions: true
    ) { scores, lists in
        var groups: [Int: [List]] = [:]
        for list in lists where list.range.count > 1 && list.teacher?.count == list.range.count {
            groups[list.range.count, default: []].append(list)
        }
        let total = groups.values.reduce(0) { $0 + $1.count }
        guard total > 0 else { return scores.sum() * 0 }
        let parts = groups.sorted { $0.key < $1.key }.map { length, lists in
            distance(scores, lists, length) * (Float(lists.count) / Float(total))
        }
        return Variable.joinedRows(parts).sum()
    }

    private static func distance(_ scores: Variable, _ lists: [List], _ length: Int) -> Variable {
        let count = lists.count
        let column = scores.rows(at: lists.flatMap { Array($0.range) })
            .segmentedSoftmax(offsets: (0...count).map { $0 * length })
        // One list a row.
        let student = Variable.joinedColumns(
            (0..<length).map { place in column.rows(at: (0..<count).map { $0 * length + place }) })
        let taught = student.tape.constant(
            Matrix(rows: count, columns: length, elements: lists.flatMap { softmax($0.teacher ?? []) }))
        let means = (student.segmentMeans(offsets: [0, count]), taught.segmentMeans(offsets: [0, count]))
        let moved = (means.0 - means.1).squared().sum()
        guard count > 1 else { return moved }
        let centred = (student.adding(row: -means.0), taught.adding(row: -means.1))
        let share = 1 / Float(count - 1)
        let traces = (centred.0.squared().sum() + centred.1.squared().sum()) * share
        return moved + traces - centred.0.times(centred.1, transposingOther: true).nuclearNorm() * (2 * share)
    }

    private static func softmax(_ values: [Float]) -> [Float] {
        let top = values.max() ?? 0
        let parts = values.map { exp($0 - top) }
        let total = parts.reduce(0, +)
        return parts.map { $0 / total }
    }
}

extension Variable {
    /// The sum of the singular values (1 × 1); its gradient is U Vᵀ of the singular vectors, of those that belong to values
    /// above a hundred-thousandth of the largest.
    func nuclearNorm() -> Variable {
        let matrix = value
        let columns = matrix.columns
        // In double precision: the values' squares lose half of the digits.
        var product = [Double](repeating: 0, count: columns * columns)
        for row in 0..<matrix.rows {
            let numbers = matrix.row(row).map(Double.init)
            for one in 0..<columns {
                for other in 0..<columns { product[one * columns + other] += numbers[one] * numbers[other] }
            }
        }
        guard let eigen = SymmetricEigenvalues(product, count: columns) else {
            return sum() * 0
        }
        let singular = eigen.values.map { max(0, $0).squareRoot() }
        let least = (singular.max() ?? 0) * 1e-5
        // V diag(1 / σ) Vᵀ: with M before it, U Vᵀ.
        var inverse = [Float](repeating: 0, count: columns * columns)
        for (place, length) in singular.enumerated() where length > least && length > 0 {
            let vector = eigen.vectors[(place * columns)..<((place + 1) * columns)]
            let base = vector.startIndex
            for row in 0..<columns {
                for column in 0..<columns {
                    inverse[row * columns + column] += Float(vector[base + row] * vector[base + column] / length)
                }
            }
        }
        let direction = matrix.multiplied(by: Matrix(rows: columns, columns: columns, elements: inverse))
        let total = singular.reduce(0) { $0 + ($1 > least ? $1 : 0) }
        return tape.record(Matrix(rows: 1, columns: 1, elements: [Float(total)]), inputs: [self]) { gradient, into in
            var change = Matrix(rows: matrix.rows, columns: columns)
            change.add(direction, times: gradient.elements[0])
            into.add(change, to: self)
        }
    }
}
