// SPDX-License-Identifier: Apache-2.0

import COpenBLAS

/// Row-major single-precision products on OpenBLAS, with their sizes checked.
public enum BLAS {
    /// How many threads one product may use. The setting belongs to the process: who owns the machine sets it.
    ///
    /// Results are bit-equal from run to run for the same number of threads.
    public static var threads: Int {
        get { Int(openblas_get_num_threads()) }
        set { openblas_set_num_threads(Int32(clamping: max(1, newValue))) }
    }

    /// Computes `c = alpha * op(a) * op(b) + beta * c`, where op transposes when asked.
    ///
    /// - Parameters:
    ///   - rows: Rows of `op(a)` and of `c` (m).
    ///   - columns: Columns of `op(b)` and of `c` (n).
    ///   - depth: Columns of `op(a)` and rows of `op(b)` (k).
    ///   - a: m × k, or k × m where `transposeA`.
    ///   - b: k × n, or n × k where `transposeB`.
    ///   - c: m × n.
    /// - Precondition: the buffers hold at least what the sizes say.
    public static func gemm(
        rows: Int, columns: Int, depth: Int, alpha: Float = 1, _ a: UnsafeBufferPointer<Float>,
        transposeA: Bool = false,
        _ b: UnsafeBufferPointer<Float>, transposeB: Bool = false, beta: Float = 0,
        into c: UnsafeMutableBufferPointer<Float>
    ) {
        precondition(a.count >= rows * depth, "gemm: a is too short")
        precondition(b.count >= depth * columns, "gemm: b is too short")
        precondition(c.count >= rows * columns, "gemm: c is too short")
        guard rows > 0, columns > 0, let target = c.baseAddress else { return }
        guard depth > 0, let left = a.baseAddress, let right = b.baseAddress else {
            for index in 0..<(rows * columns) { target[index] *= beta }
            return
        }
        if columns == 1, !transposeA {
            gemv(rows: rows, columns: depth, alpha: alpha, a, b, beta: beta, into: c)
            return
        }
        cblas_sgemm(
            CblasRowMajor, transposeA ? CblasTrans : CblasNoTrans, transposeB ? CblasTrans : CblasNoTrans,
            blasint(rows), blasint(columns), blasint(depth), alpha, left, blasint(transposeA ? rows : depth), right,
            blasint(transposeB ? depth : columns), beta, target, blasint(columns))
    }

    /// Computes `y = alpha * a * x + beta * y` for a row-major matrix `a` of `rows` × `columns`.
    ///
    /// - Precondition: the buffers hold at least what the sizes say.
    public static func gemv(
        rows: Int, columns: Int, alpha: Float = 1, _ a: UnsafeBufferPointer<Float>, _ x: UnsafeBufferPointer<Float>,
        beta: Float = 0, into y: UnsafeMutableBufferPointer<Float>
    ) {
        precondition(a.count >= rows * columns, "gemv: a is too short")
        precondition(x.count >= columns, "gemv: x is too short")
        precondition(y.count >= rows, "gemv: y is too short")
        guard rows > 0, let target = y.baseAddress else { return }
        guard columns > 0, let matrix = a.baseAddress, let vector = x.baseAddress else {
            for index in 0..<rows { target[index] *= beta }
            return
        }
        cblas_sgemv(
            CblasRowMajor, CblasNoTrans, blasint(rows), blasint(columns), alpha, matrix, blasint(columns), vector, 1,
            beta,
            target, 1)
    }

    /// Returns the dot product of two vectors of the same length.
    public static func dot(_ x: UnsafeBufferPointer<Float>, _ y: UnsafeBufferPointer<Float>) -> Float {
        precondition(x.count == y.count, "dot: lengths differ")
        guard let left = x.baseAddress, let right = y.baseAddress else { return 0 }
        return cblas_sdot(blasint(x.count), left, 1, right, 1)
    }

    /// Computes the product into spans: `c = alpha * op(a) * op(b) + beta * c`. Sizes as in the pointer form.
    public static func gemm(
        rows: Int, columns: Int, depth: Int, alpha: Float = 1, _ a: Span<Float>, transposeA: Bool = false,
        _ b: Span<Float>,
        transposeB: Bool = false, beta: Float = 0, into c: inout MutableSpan<Float>
    ) {
        a.withUnsafeBufferPointer { a in
            b.withUnsafeBufferPointer { b in
                c.withUnsafeMutableBufferPointer { c in
                    gemm(
                        rows: rows, columns: columns, depth: depth, alpha: alpha, a, transposeA: transposeA, b,
                        transposeB: transposeB, beta: beta, into: c)
                }
            }
        }
    }

    /// Computes the matrix-vector product into a span: `y = alpha * a * x + beta * y`.
    public static func gemv(
        rows: Int, columns: Int, alpha: Float = 1, _ a: Span<Float>, _ x: Span<Float>, beta: Float = 0,
        into y: inout MutableSpan<Float>
    ) {
        a.withUnsafeBufferPointer { a in
            x.withUnsafeBufferPointer { x in
                y.withUnsafeMutableBufferPointer { y in
                    gemv(rows: rows, columns: columns, alpha: alpha, a, x, beta: beta, into: y)
                }
            }
        }
    }
}
