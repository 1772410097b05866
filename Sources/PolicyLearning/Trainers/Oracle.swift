// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Tells which choices were right: what a policy is cloned from.
public enum Oracle: String, Sendable, Hashable, CaseIterable {
    /// The gold passages in reach, then stopping.
    case gold
    /// The candidate that covers most of what is left of the question's terms: needs no labels (arXiv 2504.11420, 5).
    case coverage
    /// The best of the fused keyword and vector rankings: plain hybrid retrieval. Needs no labels.
    case hybrid

    /// Returns the right rows of the decision; none where the oracle has nothing to say.
    ///
    /// - Parameter stopRow: The row of stopping, where the decision has one.
    func targets(_ state: EvidenceState, gold: Set<Int>, stopRow: Int?) -> [Int] {
        switch self {
        case .gold:
            let passages = state.candidatePassages
            let right = passages.indices.filter { gold.contains(passages[$0]) }
            if right.isEmpty, let stopRow, gold.isSubset(of: state.keptPassages) { return [stopRow] }
            return right
        case .coverage:
            return best(state) { pool, candidate, open in
                pool.gain(of: candidate, open: open) + 0.1 * pool.fixed[candidate][CandidatePool.fusedFeature]
            }
        case .hybrid:
            return best(state) { pool, candidate, _ in pool.fixed[candidate][CandidatePool.fusedFeature] }
        }
    }

    private func best(_ state: EvidenceState, _ score: (CandidatePool, Int, [Int]) -> Float) -> [Int] {
        state.pool.lock.withLock { _ in
            let open = state.pool.openTerms(after: state.kept)
            return largest(state.candidates.map { score(state.pool, $0, open) }, count: 1)
        }
    }
}
