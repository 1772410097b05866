// SPDX-License-Identifier: Apache-2.0

import Base

/// What each passage of a shared context adds to the likelihood of the right answer: passages are left out at random, and
/// the likelihoods are explained by a linear model of which of them were there (SCARLet, arXiv 2504.00573).
public struct ContextAttribution: Sendable {
    /// Contexts that are read, beside the whole one and those of one passage. Default: 16.
    public var masks = 16
    /// The weight of the squared credits (ridge). Default: 0.1.
    public var ridge = 0.1
    public var seed: UInt64 = 1

    public init() {}

    /// The credit of each of some passages.
    ///
    /// - Parameter measure: What is explained, such as the log-likelihood of the answer, given the passages that are there.
    /// - Throws: What `measure` throws.
    public func credits(of count: Int, _ measure: (_ present: [Int]) async throws -> Double) async throws -> [Double] {
        guard count > 0 else { return [] }
        var generator = SplitMix64(seed: seed, stream: 0x5CA2)
        var contexts = [[Bool](repeating: true, count: count)]
        for place in 0..<count {
            var alone = [Bool](repeating: false, count: count)
            alone[place] = true
            contexts.append(alone)
        }
        for _ in 0..<masks {
            let drawn = (0..<count).map { _ in generator.next() & 1 == 0 }
            // An empty context says nothing of any passage.
            if drawn.contains(true) { contexts.append(drawn) }
        }
        var values: [Double] = []
        for context in contexts { values.append(try await measure((0..<count).filter { context[$0] })) }
        return Self.ridge(contexts, values, weight: ridge)
    }

    /// The coefficients of the linear model with an intercept that has no weight: argmin Σ (z − α₀ − αᵀv)² + λ‖α‖².
    static func ridge(_ contexts: [[Bool]], _ values: [Double], weight: Double) -> [Double] {
        let size = (contexts.first?.count ?? 0) + 1
        var matrix = [[Double]](repeating: [Double](repeating: 0, count: size + 1), count: size)
        for (context, value) in zip(contexts, values) {
            let row = [1] + context.map { $0 ? 1.0 : 0 }
            for one in 0..<size where row[one] != 0 {
                for other in 0..<size { matrix[one][other] += row[other] }
                matrix[one][size] += value
            }
        }
        for place in 1..<size { matrix[place][place] += weight }
        for column in 0..<size {
            let pivot = (column..<size).max { abs(matrix[$0][column]) < abs(matrix[$1][column]) } ?? column
            matrix.swapAt(column, pivot)
            guard abs(matrix[column][column]) > 1e-12 else { continue }
            for row in 0..<size where row != column && matrix[row][column] != 0 {
                let factor = matrix[row][column] / matrix[column][column]
                for place in column...size { matrix[row][place] -= factor * matrix[column][place] }
            }
        }
        return (1..<size).map { abs(matrix[$0][$0]) > 1e-12 ? matrix[$0][size] / matrix[$0][$0] : 0 }
    }
}
