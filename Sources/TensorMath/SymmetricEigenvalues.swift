// SPDX-License-Identifier: Apache-2.0

import COpenBLAS

/// The eigenvalues (ascending) and eigenvectors of a real symmetric matrix, from LAPACK.
package struct SymmetricEigenvalues: Sendable {
    package var values: [Double]
    /// Column-major: entry i of eigenvector k is `vectors[k * count + i]`.
    package var vectors: [Double]

    /// - Parameter matrix: `count` × `count` numbers.
    /// - Returns: nil for a matrix that holds something that is no finite number.
    package init?(_ matrix: [Double], count: Int) {
        precondition(matrix.count == count * count, "a square matrix")
        values = [Double](repeating: 0, count: count)
        vectors = matrix
        guard count > 0 else { return }
        guard matrix.allSatisfy(\.isFinite) else { return nil }
        var size = Int32(count)
        var status: Int32 = 0
        // The sizes that LAPACK documents for jobz = 'V'.
        var workCount = Int32(1 + 6 * count + 2 * count * count)
        var integerCount = Int32(3 + 5 * count)
        var work = [Double](repeating: 0, count: Int(workCount))
        var integers = [Int32](repeating: 0, count: Int(integerCount))
        dsyevd_("V", "U", &size, &vectors, &size, &values, &work, &workCount, &integers, &integerCount, &status)
        if status != 0 || values.contains(where: { !$0.isFinite }) { return nil }
    }
}
