// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation

/// A ranked list under graded judgments, with trec_eval's measures (trec_eval 9; what `pytrec_eval` and `ir_measures` call).
///
/// Relevant is a grade of 1 or more. Build it from scores with `init(scores:judgments:)`, which breaks ties as trec_eval
/// does, or from a list that is ranked already.
public struct JudgedRanking: Sendable, Hashable {
    /// The grade of each retrieved document, by rank; 0 for an unjudged one.
    public let grades: [Int]
    /// The positive grades of all judged documents, best first.
    let idealGrades: [Int]

    /// The number of relevant documents, retrieved or not.
    public var relevantCount: Int { idealGrades.count }

    /// A list that is ranked already. A document that occurs twice counts at its first place only.
    public init(ranked ids: [String], judgments: [String: Int]) {
        var seen: Set<String> = []
        grades = ids.filter { seen.insert($0).inserted }.map { judgments[$0] ?? 0 }
        idealGrades = judgments.values.filter { $0 > 0 }.sorted(by: >)
    }

    /// A run as trec_eval orders it: by descending score in single precision, equal scores by descending document id,
    /// compared byte for byte. The ranks that a run file states do not count.
    public init(scores: [String: Double], judgments: [String: Int]) {
        self.init(ranked: Self.trecOrder(scores), judgments: judgments)
    }

    /// The document ids of a run in trec_eval's order.
    public static func trecOrder(_ scores: [String: Double]) -> [String] {
        scores.map { (id: $0.key, bytes: Array($0.key.utf8), score: Float($0.value)) }
            .sorted { left, right in
                left.score != right.score
                    ? left.score > right.score : right.bytes.lexicographicallyPrecedes(left.bytes)
            }
            .map(\.id)
    }

    /// `P_k`: the share of relevant documents among the first k; a shorter list is filled up with irrelevant ones.
    public func precision(at k: Int) -> Double {
        k > 0 ? Double(relevantRetrieved(k)) / Double(k) : 0
    }

    /// `recall_k`: the share of the relevant documents that are among the first k; 0 when nothing is relevant.
    public func recall(at k: Int) -> Double {
        relevantCount > 0 ? Double(relevantRetrieved(k)) / Double(relevantCount) : 0
    }

    /// `success_k`: 1 when one of the first k is relevant.
    public func success(at k: Int) -> Double { relevantRetrieved(k) > 0 ? 1 : 0 }

    /// `map`: average precision, the precision at each relevant document's rank, summed, over the number of relevant ones.
    public var averagePrecision: Double { averagePrecision(at: grades.count) }

    /// `map_cut_k`: average precision of the first k, over the number of all relevant documents.
    public func averagePrecision(at k: Int) -> Double {
        guard relevantCount > 0 else { return 0 }
        var sum = 0.0
        var found = 0
        for (index, grade) in grades.prefix(k).enumerated() where grade > 0 {
            found += 1
            sum += Double(found) / Double(index + 1)
        }
        return sum / Double(relevantCount)
    }

    /// `recip_rank`: one over the rank of the first relevant document, 0 when there is none.
    public var reciprocalRank: Double { reciprocalRank(at: grades.count) }

    /// The reciprocal rank of the first k ("MRR@k" when averaged).
    public func reciprocalRank(at k: Int) -> Double {
        guard let index = grades.prefix(k).firstIndex(where: { $0 > 0 }) else { return 0 }
        return 1 / Double(index + 1)
    }

    /// `Rprec`: precision at the number of relevant documents.
    public var rPrecision: Double { relevantCount > 0 ? precision(at: relevantCount) : 0 }

    /// `ndcg`: discounted cumulative gain over the ideal one; the gain is the grade, the discount log2(rank + 1).
    public var nDCG: Double { nDCG(at: max(grades.count, idealGrades.count)) }

    /// `ndcg_cut_k`: the same for the first k, with the ideal list cut at k as well.
    public func nDCG(at k: Int) -> Double {
        let ideal = Self.gain(idealGrades, k)
        return ideal > 0 ? Self.gain(grades, k) / ideal : 0
    }

    /// `bpref`: how seldom a document judged irrelevant stands above a relevant one; unjudged ones do not count.
    ///
    /// - Parameters:
    ///   - judgedIrrelevant: how many documents are judged with a grade of 0.
    ///   - judged: whether each retrieved document is judged, by rank.
    public func bpref(judgedIrrelevant: Int, judged: [Bool]) -> Double {
        guard relevantCount > 0 else { return 0 }
        var sum = 0.0
        var irrelevantAbove = 0
        let bound = min(relevantCount, judgedIrrelevant)
        for (grade, isJudged) in zip(grades, judged) {
            if grade > 0 {
                // trec_eval divides in single precision.
                sum += irrelevantAbove == 0 ? 1 : 1 - Double(Float(min(irrelevantAbove, bound)) / Float(bound))
            } else if isJudged {
                irrelevantAbove += 1
            }
        }
        return sum / Double(relevantCount)
    }

    private func relevantRetrieved(_ k: Int) -> Int { grades.prefix(max(0, k)).count { $0 > 0 } }

    private static func gain(_ grades: [Int], _ k: Int) -> Double {
        var sum = 0.0
        for (index, grade) in grades.prefix(max(0, k)).enumerated() where grade > 0 {
            sum += Double(grade) / log2(Double(index + 2))
        }
        return sum
    }
}
