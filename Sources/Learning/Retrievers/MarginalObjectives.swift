// SPDX-License-Identifier: Apache-2.0

import Foundation
import TensorMath

// Objectives that learn which passages explain the answers, without gold passages: a list's `teacher` holds
// l(z) = log P(answer | question, z) of each passage z, as `RankingTeacher.likelihood` gives it, and p(z) is the soft-max of
// the scores.
extension RankingLoss {
    /// Minus the log of Σ p(z) P(answer | z): the passages are latent (REALM, arXiv 2002.08909; Lee et al., arXiv 1906.00300).
    public static let marginal = RankingLoss(name: "marginal", needsTeacher: true) { scores, lists in
        mean(lists, scores) { column, list in
            guard let likelihoods = list.teacher, !likelihoods.isEmpty else { return nil }
            let logs = column.segmentedLogSoftmax(offsets: [0, column.rows])
            return -logSumOfExponentials(logs + column.tape.constant(Matrix(column: likelihoods)))
        }
    }

    /// The divergence of p from the posterior q(z) ∝ p(z) P(answer | z), which stands still while the step is made:
    /// expectation and maximisation in turn, as EMDR² has them (arXiv 2106.05346) and the end-to-end objectives of arXiv
    /// 2101.00408.
    public static let expectationMaximisation = RankingLoss(name: "em", needsTeacher: true) { scores, lists in
        mean(lists, scores) { column, list in
            guard let likelihoods = list.teacher, !likelihoods.isEmpty else { return nil }
            let logs = column.segmentedLogSoftmax(offsets: [0, column.rows])
            let posterior = softmax(zip(logs.value.elements, likelihoods).map { $0 + $1 })
            return -(column.tape.constant(Matrix(column: posterior)) * logs).sum()
        }
    }

    /// Minus the Rényi bound of order ½ on the log of the marginal likelihood, with the present p, standing still, as the
    /// proposal: between the evidence lower bound (order 1) and the marginal itself (order 0), as VOD has it (arXiv
    /// 2210.06345).
    public static let variational = RankingLoss(name: "variational", needsTeacher: true) { scores, lists in
        mean(lists, scores) { column, list in renyi(column, list, order: 0.5) }
    }

    /// Minus (1 / (1 - α)) log Σ r(z) (p(z) P(answer | z) / r(z))^(1 - α); of order 1 its limit, Σ r(z) log of the quotient.
    static func renyi(_ column: Variable, _ list: List, order: Float) -> Variable? {
        guard let likelihoods = list.teacher, !likelihoods.isEmpty else { return nil }
        let logs = column.segmentedLogSoftmax(offsets: [0, column.rows])
        let proposal = logs.value.elements
        let weights = logs + column.tape.constant(Matrix(column: zip(likelihoods, proposal).map { $0 - $1 }))
        guard order < 1 else {
            return -(column.tape.constant(Matrix(column: proposal.map { exp($0) })) * weights).sum()
        }
        let power = 1 - order
        return -logSumOfExponentials(weights * power + column.tape.constant(Matrix(column: proposal))) * (1 / power)
    }

    private static func logSumOfExponentials(_ column: Variable) -> Variable {
        let top = column.value.elements.max() ?? 0
        let shifted = column - column.tape.constant(Matrix(column: [Float](repeating: top, count: column.rows)))
        return shifted.exp().sum().log() + top
    }

    private static func softmax(_ values: [Float]) -> [Float] {
        let top = values.max() ?? 0
        let parts = values.map { exp($0 - top) }
        let total = parts.reduce(0, +)
        return parts.map { $0 / total }
    }
}
