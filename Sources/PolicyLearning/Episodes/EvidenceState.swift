// SPDX-License-Identifier: Apache-2.0

import Synchronization
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

    /// The ordinals of the kept passages, in order.
    var keptPassages: [Int] { pool.lock.withLock { _ in kept.map { pool.passages[$0] } } }

    /// The ordinals of the candidates, in order.
    var candidatePassages: [Int] { pool.lock.withLock { _ in candidates.map { pool.passages[$0] } } }

    /// Keeps the candidate at an index of `candidates`, and takes in what it leads to.
    mutating func keep(at index: Int) {
        let position = candidates.remove(at: index)
        for found in pool.lock.withLock({ _ in pool.expansion(of: position) }) {
            brought[found, default: 0] += 1
            if reached.insert(found).inserted { candidates.append(found) }
        }
        kept.append(position)
    }

    /// Keeps the passage of an id where it is in reach; others are no part of the state.
    mutating func keep(passage id: String) {
        guard let ordinal = pool.world.ordinals[id], let index = candidatePassages.firstIndex(of: ordinal) else {
            return
        }
        keep(at: index)
    }

    /// The names of the features, in the order of the columns of a decision's features.
    static let featureNames: [String] =
        CandidatePool.fixedNames + CandidatePool.pairNames.map { "any-" + $0 }
        + CandidatePool.pairNames.map { "last-" + $0 }
        + ["next-bm25-relative", "residual-relative", "brought-in", "uncovered-gain"]
        + ["is-stop", "first-step", "second-step", "later-step", "coverage"] + QuestionView.cueNames

    static let featureCount = featureNames.count

    /// The decision of this state.
    ///
    /// - Parameter allowsStop: Adds a last row for the choice to stop.
    func decision(allowsStop: Bool) -> Decision {
        pool.lock.withLock { _ in
            Decision(
                features: features(allowsStop: allowsStop), question: pool.question.vector,
                kept: kept.map { pool.passages[$0] }, candidates: candidates.map { pool.passages[$0] },
                allowsStop: allowsStop, world: pool.world)
        }
    }

    private func features(allowsStop: Bool) -> Matrix {
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
                for feature in 0..<pairCount {
                    best[feature] = index == 0 ? row[feature] : max(best[feature], row[feature])
                }
            }
            any.append(best)
            last.append(row)
        }
        let bestNext = max(1e-3, any.map { $0[CandidatePool.nextKeywordFeature] }.max() ?? 0)
        let bestResidual = max(1e-3, any.map { $0[CandidatePool.residualFeature] }.max() ?? 0)
        let open = pool.openTerms(after: kept)
        var elements: [Float] = []
        elements.reserveCapacity((candidates.count + 1) * Self.featureCount)
        for (index, candidate) in candidates.enumerated() {
            elements += pool.fixed[candidate]
            elements += any[index]
            elements += last[index]
            elements.append(any[index][CandidatePool.nextKeywordFeature] / bestNext)
            elements.append(any[index][CandidatePool.residualFeature] / bestResidual)
            elements.append(min(1, Float(brought[candidate] ?? 0) / 3))
            elements.append(pool.gain(of: candidate, open: open))
            elements.append(0)
            elements += common
        }
        if allowsStop {
            elements += [Float](repeating: 0, count: Self.featureCount - common.count - 1)
            elements.append(1)
            elements += common
        }
        return Matrix(rows: candidates.count + (allowsStop ? 1 : 0), columns: Self.featureCount, elements: elements)
    }
}
