// SPDX-License-Identifier: Apache-2.0

import COpenBLAS

/// A matrix product on memory with distances between rows.
struct StridedProduct {
    let rows: Int
    let columns: Int
    let depth: Int

    /// into = alpha · op(a) · op(b), or added to what is there.
    func run(
        _ a: UnsafePointer<Float>, _ lda: Int, transposeA: Bool = false, _ b: UnsafePointer<Float>, _ ldb: Int,
        transposeB: Bool = false, alpha: Float = 1, adding: Bool = false, into c: UnsafeMutablePointer<Float>,
        _ ldc: Int
    ) {
        guard rows > 0, columns > 0, depth > 0 else { return }
        cblas_sgemm(
            CblasRowMajor, transposeA ? CblasTrans : CblasNoTrans, transposeB ? CblasTrans : CblasNoTrans,
            blasint(rows), blasint(columns), blasint(depth), alpha, a, blasint(lda), b, blasint(ldb), adding ? 1 : 0,
            c, blasint(ldc))
    }
}
