// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Fits the weights of a learned gate: a logistic regression of "the answer without retrieval is wrong" on several measures
/// of uncertainty, with a small penalty on the weights (ridge), by Newton's method. Deterministic.
public struct GateFitting: Sendable {
    /// One weight a measure, in the measure's own units.
    public private(set) var weights: [Double]
    public private(set) var bias: Double

    /// - Parameters:
    ///   - rows: the measures of each question.
    ///   - wrong: whether the answer without retrieval was wrong.
    ///   - penalty: how much large weights cost, over measures of deviation 1. Default 1.
    public init(rows: [[Double]], wrong: [Bool], penalty: Double = 1) {
        let width = rows.first?.count ?? 0
        weights = [Double](repeating: 0, count: width)
        bias = 0
        guard !rows.isEmpty, rows.count == wrong.count, rows.allSatisfy({ $0.count == width }) else { return }
        let count = Double(rows.count)
        let means = (0..<width).map { column in rows.reduce(0) { $0 + $1[column] } / count }
        let deviations = (0..<width).map { column in
            (rows.reduce(0) { $0 + ($1[column] - means[column]) * ($1[column] - means[column]) } / count).squareRoot()
        }
        // A measure that is the same everywhere says nothing.
        let scaled = rows.map { row in
            (0..<width).map { deviations[$0] > 1e-12 ? (row[$0] - means[$0]) / deviations[$0] : 0 } + [1]
        }
        var solution = [Double](repeating: 0, count: width + 1)
        for _ in 0..<50 {
            var gradient = [Double](repeating: 0, count: width + 1)
            var curvature = [[Double]](repeating: [Double](repeating: 0, count: width + 1), count: width + 1)
            for (row, isWrong) in zip(scaled, wrong) {
                let probability = 1 / (1 + exp(-zip(row, solution).reduce(0) { $0 + $1.0 * $1.1 }))
                for i in 0...width {
                    gradient[i] += row[i] * ((isWrong ? 1 : 0) - probability)
                    for j in 0...width { curvature[i][j] += row[i] * row[j] * probability * (1 - probability) }
                }
            }
            for i in 0...width {
                // The bias is held back a little too: all right or all wrong has no finite one.
                let held = i < width ? penalty : 0.01 * penalty
                gradient[i] -= held * solution[i]
                curvature[i][i] += max(held, 1e-9)
            }
            let step = Self.solve(curvature, gradient)
            for i in 0...width { solution[i] += step[i] }
            if step.allSatisfy({ abs($0) < 1e-9 }) { break }
        }
        bias = solution[width]
        for column in 0..<width where deviations[column] > 1e-12 {
            weights[column] = solution[column] / deviations[column]
            bias -= weights[column] * means[column]
        }
    }

    /// The probability that the answer without retrieval is wrong.
    public func probability(_ measures: [Double]) -> Double {
        1 / (1 + exp(-zip(measures, weights).reduce(bias) { $0 + $1.0 * $1.1 }))
    }

    /// Solves a small system with a positive definite matrix, by elimination.
    private static func solve(_ matrix: [[Double]], _ right: [Double]) -> [Double] {
        var (a, b) = (matrix, right)
        let size = b.count
        for column in 0..<size {
            for row in (column + 1)..<max(size, column + 1) {
                let factor = a[row][column] / a[column][column]
                for k in column..<size { a[row][k] -= factor * a[column][k] }
                b[row] -= factor * b[column]
            }
        }
        for row in (0..<size).reversed() {
            for k in (row + 1)..<max(size, row + 1) { b[row] -= a[row][k] * b[k] }
            b[row] /= a[row][row]
        }
        return b
    }
}
