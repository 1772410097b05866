// SPDX-License-Identifier: Apache-2.0

import Agent
import Synchronization

/// Tells which choices were right: what a policy is cloned from.
public enum Oracle: String, Sendable, Hashable, CaseIterable {
    /// The gold passages in reach, then stopping.
    case gold
    /// GoldEn's oracle (arXiv 1910.07000): of the gold passages left, the one that a span of the question and of what was
    /// kept finds best as a query; where none is in reach, the best of that query's results that is.
    case golden
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
        case .golden:
            guard let query = OracleQueries.best(state, gold: gold) else {
                return stopRow.map { gold.isSubset(of: state.keptPassages) ? [$0] : [] } ?? []
            }
            let rows = Dictionary(
                uniqueKeysWithValues: state.candidatePassages.enumerated().map { ($0.element, $0.offset) })
            if let row = rows[query.gold] { return [row] }
            return query.results.lazy.compactMap { rows[$0] }.first.map { [$0] } ?? []
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

/// The oracle queries of an episode's states.
enum OracleQueries {
    /// The gold passage that is found best from here, and what its query finds.
    static func best(_ state: EvidenceState, gold: Set<Int>) -> (gold: Int, results: [Int])? {
        let world = state.pool.world
        let kept = state.keptPassages
        let context =
            ([state.pool.question.text] + kept.map { world.passages[$0].title + " " + world.passages[$0].text })
            .joined(separator: " ")
        var best: (key: OracleQuery.Key, gold: Int, results: [Int])?
        for passage in gold.subtracting(kept).sorted() {
            let wanted = world.passages[passage]
            for query in OracleQuery.candidates(context: context, title: wanted.title, text: wanted.text) {
                let results = world.search(query, count: 20)
                let rank = results.firstIndex(of: passage).map { $0 + 1 }
                let key = OracleQuery.Key(query, rank: rank, depth: 20)
                if let known = best, known.key <= key { continue }
                best = (key, passage, results)
            }
        }
        return best.map { ($0.gold, $0.results) }
    }
}
