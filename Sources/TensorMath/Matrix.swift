// SPDX-License-Identifier: Apache-2.0

public import Base
import CKernels

/// A dense row-major matrix of single-precision numbers: the value that the tape computes with.
public struct Matrix: Sendable, Hashable, Codable {
    /// The number of rows.
    public let rows: Int
    /// The number of columns.
    public let columns: Int
    /// The elements row by row, `rows * columns` of them.
    public var elements: [Float]

    /// Wraps elements.
    ///
    /// - Precondition: there are `rows * columns` of them.
    public init(rows: Int, columns: Int, elements: [Float]) {
        precondition(
            rows >= 0 && columns >= 0 && elements.count == rows * columns, "elements do not fit \(rows) × \(columns)")
        self.rows = rows
        self.columns = columns
        self.elements = elements
    }

    /// Makes a matrix with one number everywhere.
    public init(rows: Int, columns: Int, filledWith value: Float = 0) {
        self.init(rows: rows, columns: columns, elements: [Float](repeating: value, count: rows * columns))
    }

    /// Makes one row.
    public init(row: [Float]) {
        self.init(rows: 1, columns: row.count, elements: row)
    }

    /// Makes one column.
    public init(column: [Float]) {
        self.init(rows: column.count, columns: 1, elements: column)
    }

    /// Stacks rows of one length.
    public init(stacking rows: [[Float]]) {
        let columns = rows.first?.count ?? 0
        var elements: [Float] = []
        elements.reserveCapacity(rows.count * columns)
        for row in rows {
            precondition(row.count == columns, "rows differ in length")
            elements.append(contentsOf: row)
        }
        self.init(rows: rows.count, columns: columns, elements: elements)
    }

    /// Draws independent normal numbers with this deviation.
    public init(rows: Int, columns: Int, deviation: Float, using generator: inout SplitMix64) {
        self.init(
            rows: rows, columns: columns,
            elements: (0..<(rows * columns)).map { _ in deviation * Float(generator.gaussian()) })
    }

    /// The element of a row and a column.
    public subscript(row: Int, column: Int) -> Float {
        get {
            precondition(row >= 0 && row < rows && column >= 0 && column < columns, "outside of the matrix")
            return elements[row * columns + column]
        }
        set {
            precondition(row >= 0 && row < rows && column >= 0 && column < columns, "outside of the matrix")
            elements[row * columns + column] = newValue
        }
    }

    /// The elements of one row.
    public func row(_ row: Int) -> ArraySlice<Float> {
        elements[(row * columns)..<((row + 1) * columns)]
    }

    /// The rows at these indices, in their order; an index may come more than once.
    ///
    /// - Precondition: every index is a row.
    public func rows(at indices: [Int]) -> Matrix {
        var picked: [Float] = []
        picked.reserveCapacity(indices.count * columns)
        for index in indices {
            precondition(index >= 0 && index < rows, "row \(index) of \(rows)")
            picked.append(contentsOf: row(index))
        }
        return Matrix(rows: indices.count, columns: columns, elements: picked)
    }

    /// Adds another matrix of the same sizes, times a factor.
    public mutating func add(_ other: Matrix, times factor: Float = 1) {
        precondition(rows == other.rows && columns == other.columns, "sizes differ")
        elements.withUnsafeMutableBufferPointer { sum in
            guard let sum = sum.baseAddress else { return }
            forage_add_scaled(other.elements, other.elements.count, factor, sum)
        }
    }

    /// Returns `op(self) * op(other)`.
    public func multiplied(by other: Matrix, transposingSelf: Bool = false, transposingOther: Bool = false) -> Matrix {
        let m = transposingSelf ? columns : rows
        let k = transposingSelf ? rows : columns
        let n = transposingOther ? other.rows : other.columns
        precondition(k == (transposingOther ? other.columns : other.rows), "inner sizes differ")
        var result = Matrix(rows: m, columns: n)
        elements.withUnsafeBufferPointer { a in
            other.elements.withUnsafeBufferPointer { b in
                result.elements.withUnsafeMutableBufferPointer { c in
                    BLAS.gemm(
                        rows: m, columns: n, depth: k, a, transposeA: transposingSelf, b, transposeB: transposingOther,
                        into: c)
                }
            }
        }
        return result
    }

    /// The matrix with rows and columns exchanged.
    public var transposed: Matrix {
        var result = Matrix(rows: columns, columns: rows)
        for row in 0..<rows {
            for column in 0..<columns { result.elements[column * rows + row] = elements[row * columns + column] }
        }
        return result
    }

    /// Whether every element is finite.
    public var isFinite: Bool { elements.allSatisfy(\.isFinite) }
}
