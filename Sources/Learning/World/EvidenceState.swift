// SPDX-License-Identifier: Apache-2.0

import Base
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
    /// What brought each candidate into reach first; by position.
    private var reach: [Int: Reach]
    /// The same of the kept passages, in order.
    private(set) var keptReach: [Reach] = []
    /// How many kept passages brought a candidate in; by position.
    private var brought: [Int: Int] = [:]
    /// For each candidate in reach its features with the kept passages: the largest of each, and those with the last
    /// one. Kept up to date as passages are kept, so that a decision looks at one kept passage only.
    private var best: [Float]
    private var last: [Float]

    init(_ pool: CandidatePool) {
        self.pool = pool
        candidates = pool.initial
        reached = Set(pool.initial)
        reach = Dictionary(uniqueKeysWithValues: zip(pool.initial, pool.initialReach))
        best = [Float](repeating: 0, count: pool.initial.count * Self.pairCount)
        last = best
    }

    private static let pairCount = CandidatePool.pairNames.count

    /// The ordinals of the kept passages, in order.
    var keptPassages: [Int] { pool.lock.withLock { _ in kept.map { pool.passages[$0] } } }

    /// The ordinals of the candidates, in order.
    var candidatePassages: [Int] { pool.lock.withLock { _ in candidates.map { pool.passages[$0] } } }

    /// Keeps the candidate at an index of `candidates`, and takes in what it leads to.
    mutating func keep(at index: Int) {
        let position = candidates.remove(at: index)
        let width = Self.pairCount
        best.removeSubrange((index * width)..<((index + 1) * width))
        last.removeSubrange((index * width)..<((index + 1) * width))
        pool.lock.withLock { _ in
            for (found, way) in pool.expansion(of: position) {
                brought[found, default: 0] += 1
                guard reached.insert(found).inserted else { continue }
                reach[found] = way
                candidates.append(found)
                best += [Float](repeating: 0, count: width)
                last += [Float](repeating: 0, count: width)
                for earlier in kept { take(earlier, row: candidates.count - 1, isFirst: earlier == kept[0]) }
            }
            for row in candidates.indices { take(position, row: row, isFirst: kept.isEmpty) }
        }
        kept.append(position)
        keptReach.append(reach[position] ?? .link)
    }

    /// Takes the features of a candidate with a kept passage into its row.
    private mutating func take(_ position: Int, row: Int, isFirst: Bool) {
        let base = row * Self.pairCount
        pool.withPair(kept: position, candidates[row]) { features in
            for (index, value) in features.enumerated() {
                best[base + index] = isFirst ? value : max(best[base + index], value)
                last[base + index] = value
            }
        }
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
    func decision(allowsStop: Bool) -> WorldDecision {
        pool.lock.withLock { _ in
            WorldDecision(
                features: features(allowsStop: allowsStop), candidates: candidates.map { pool.passages[$0] },
                allowsStop: allowsStop)
        }
    }

    private func features(allowsStop: Bool) -> Matrix {
        let step = kept.count
        let width = Self.pairCount
        let coverage = pool.coverage(of: kept)
        let common: [Float] =
            [step == 0 ? 1 : 0, step == 1 ? 1 : 0, step > 1 ? 1 : 0, coverage] + pool.question.cues
        var bestNext: Float = 1e-3
        var bestResidual: Float = 1e-3
        for row in candidates.indices {
            bestNext = max(bestNext, best[row * width + CandidatePool.nextKeywordFeature])
            bestResidual = max(bestResidual, best[row * width + CandidatePool.residualFeature])
        }
        let open = pool.openTerms(after: kept)
        var elements: [Float] = []
        elements.reserveCapacity((candidates.count + 1) * Self.featureCount)
        for (row, candidate) in candidates.enumerated() {
            let pairs = (row * width)..<((row + 1) * width)
            elements += pool.fixed[candidate]
            elements += best[pairs]
            elements += last[pairs]
            elements.append(best[pairs.lowerBound + CandidatePool.nextKeywordFeature] / bestNext)
            elements.append(best[pairs.lowerBound + CandidatePool.residualFeature] / bestResidual)
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

/// A decision over the passages of a world; the last row stands for stopping where `allowsStop` is set.
struct WorldDecision: Sendable {
    let features: Matrix
    /// Ordinals of the candidates, one for each row but that of stopping.
    let candidates: [Int]
    let allowsStop: Bool

    var count: Int { features.rows }
}
