// SPDX-License-Identifier: Apache-2.0

import Base
public import TensorMath

/// A loss over lists of scores: one question a list, with which of its passages are relevant and what a teacher says.
public struct RankingLoss: Sendable {
    /// One question's list.
    public struct List: Sendable, Hashable {
        /// Where the list's scores lie among all scores.
        public var range: Range<Int>
        /// The relevant ones, as places within the list.
        public var relevant: [Int]
        /// A teacher's scores, one for each place; nil without a teacher.
        public var teacher: [Float]?

        public init(range: Range<Int>, relevant: [Int], teacher: [Float]? = nil) {
            self.range = range
            self.relevant = relevant
            self.teacher = teacher
        }
    }

    /// The name that `--loss` uses.
    public let name: String
    /// Whether it needs a teacher's scores.
    public let needsTeacher: Bool
    /// The mean loss over the lists from a column of scores.
    public let value: @Sendable (_ scores: Variable, _ lists: [List]) -> Variable

    /// The losses that `--loss` can name. One entry, one method.
    public static let all: [RankingLoss] = [infoNCE, rankNet, marginMSE, listKL]

    /// The loss of a name.
    public static func named(_ name: String) -> RankingLoss? { all.first { $0.name == name } }

    /// Minus the log of the soft-max probability of each relevant passage among its list's others (van den Oord et al.,
    /// arXiv 1807.03748). Lists with every passage of a batch in them make it the in-batch contrastive loss.
    public static let infoNCE = RankingLoss(name: "infonce", needsTeacher: false) { scores, lists in
        mean(lists, scores) { column, list in
            // The other relevant passages of the list are no negatives of this one.
            let parts = list.relevant.map { place -> Variable in
                let rivals = column.rows(
                    at: [place] + (0..<list.range.count).filter { !list.relevant.contains($0) })
                return -rivals.segmentedLogSoftmax(offsets: [0, rivals.rows]).elements(at: [0])
            }
            return parts.isEmpty ? nil : Variable.joinedRows(parts).mean()
        }
    }

    /// The logistic loss of each pair of a relevant and another passage (RankNet, Burges et al. 2005).
    public static let rankNet = RankingLoss(name: "ranknet", needsTeacher: false) { scores, lists in
        mean(lists, scores) { column, list in
            let others = (0..<list.range.count).filter { !list.relevant.contains($0) }
            guard !list.relevant.isEmpty, !others.isEmpty else { return nil }
            let better = column.rows(at: list.relevant.flatMap { place in others.map { _ in place } })
            let worse = column.rows(at: list.relevant.flatMap { _ in others })
            return (worse - better).softplus().mean()
        }
    }

    /// The squared difference of the margins between pairs, the student's and the teacher's (Hofstätter et al., arXiv
    /// 2010.02666).
    public static let marginMSE = RankingLoss(name: "margin-mse", needsTeacher: true) { scores, lists in
        mean(lists, scores) { column, list in
            let others = (0..<list.range.count).filter { !list.relevant.contains($0) }
            guard let teacher = list.teacher, !list.relevant.isEmpty, !others.isEmpty else { return nil }
            let pairs = list.relevant.flatMap { place in others.map { (place, $0) } }
            let margins = column.rows(at: pairs.map(\.0)) - column.rows(at: pairs.map(\.1))
            return margins.meanSquaredError(Matrix(column: pairs.map { teacher[$0.0] - teacher[$0.1] }))
        }
    }

    /// The divergence of the student's distribution over a list from the teacher's, KL(teacher ‖ student).
    public static let listKL = RankingLoss(name: "kl", needsTeacher: true) { scores, lists in
        mean(lists, scores) { column, list in
            guard let teacher = list.teacher, !teacher.isEmpty else { return nil }
            let logs = column.segmentedLogSoftmax(offsets: [0, column.rows])
            let target = column.tape.constant(Matrix(column: teacher)).segmentedLogSoftmax(offsets: [0, teacher.count])
            return (target.exp() * (target - logs)).sum()
        }
    }

    /// The mean of what each list gives; lists that give nothing do not count.
    private static func mean(
        _ lists: [List], _ scores: Variable, _ body: (_ column: Variable, _ list: List) -> Variable?
    ) -> Variable {
        let parts = lists.compactMap { list in body(scores.rows(at: Array(list.range)), list) }
        return parts.isEmpty ? scores.sum() * 0 : Variable.joinedRows(parts).mean()
    }
}
