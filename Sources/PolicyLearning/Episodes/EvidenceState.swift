// SPDX-License-Identifier: Apache-2.0

import TensorMath

/// The state of a retrieval episode: what was kept so far, in order, and which candidates are in reach now.
struct EvidenceState {
    let pool: CandidatePool
    /// Kept candidates (positions in the pool), in order.
    private(set) var kept: [Int] = []
    /// Candidates in reach and not yet kept, in the order in which they came into reach.
    private(set) var candidates: [Int]
    private var reached: Set<Int>
    /// How many kept passages brought a candidate in; by position.
    private var brought: [Int: Int] = [:]

    init(_ pool: CandidatePool) {
        self.pool = pool
        candidates = pool.initial
        reached = Set(pool.initial)
    }

    /// Keeps the candidate at an index of `candidates`, and takes in what it leads to.
    mutating func keep(at index: Int) {
        let position = candidates.remove(at: index)
        for found in pool.expansion(of: position) {
            brought[found, default: 0] += 1
            if reached.insert(found).inserted { candidates.append(found) }
        }
        kept.append(position)
    }

    /// The names of the features, in the order of the columns of `features`.
    static let featureNames: [String] =
        CandidatePool.fixedNames + CandidatePool.pairNames.map { "any-" + $0 } + CandidatePool.pairNames.map { "last-" + $0 }
        + ["next-bm25-relative", "residual-relative", "brought-in", "uncovered", "uncovered-gain"]
        + ["first-step", "second-step", "later-step", "coverage"] + QuestionView.cueNames

    static let featureCount = featureNames.count

    /// The features of all candidates: candidates × features.
    func features() -> Matrix {
        let step = kept.count
        let pairCount = CandidatePool.pairNames.count
        let coverage = pool.coverage(of: kept)
        let common: [Float] =
            [step == 0 ? 1 : 0, step == 1 ? 1 : 0, step > 1 ? 1 : 0, coverage] + pool.question.cues
        var any: [[Float]] = []
        var last: [[Float]] = []
        for candidate in candidates {
            var best = [Float](repeating: 0, count: pairCount)
            var row = best
            for (index, position) in kept.enumerated() {
                row = pool.pair(kept: position, candidate)
                for feature in 0..<pairCount { best[feature] = index == 0 ? row[feature] : max(best[feature], row[feature]) }
            }
            any.append(best)
            last.append(row)
        }
        let bestNext = max(1e-3, any.map { $0[5] }.max() ?? 0)
        let bestResidual = max(1e-3, any.map { $0[3] }.max() ?? 0)
        var elements: [Float] = []
        elements.reserveCapacity(candidates.count * Self.featureCount)
        let open = pool.openTerms(after: kept)
        for (index, candidate) in candidates.enumerated() {
            elements += pool.fixed[candidate]
            elements += any[index]
            elements += last[index]
            elements.append(any[index][5] / bestNext)
            elements.append(any[index][3] / bestResidual)
            elements.append(min(1, Float(brought[candidate] ?? 0) / 3))
            elements.append(1 - coverage)
            elements.append(pool.gain(of: candidate, open: open))
            elements += common
        }
        return Matrix(rows: candidates.count, columns: Self.featureCount, elements: elements)
    }
}
