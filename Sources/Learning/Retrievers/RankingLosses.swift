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

        /// The places that are not relevant.
        var others: [Int] { (0..<range.count).filter { !relevant.contains($0) } }
        /// Each relevant place with each other one.
        var pairs: [(better: Int, worse: Int)] {
            let others = others
            return relevant.flatMap { place in others.map { (place, $0) } }
        }

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
    /// Whether it compares the scores of different questions, so that a batch cannot be divided.
    public var comparesQuestions = false
    /// What the lists of questions for each gold passage count beside those of passages for each question.
    var returnShare: Float = 0
    /// Whether it also ranks the questions of a batch for each gold passage, which takes vectors of both.
    public var isMutual: Bool { returnShare > 0 }
    /// The mean loss over the lists from a column of scores.
    public let value: @Sendable (_ scores: Variable, _ lists: [List]) -> Variable

    /// The losses that `--loss` can name. One entry, one method.
    public static let all: [RankingLoss] = [
        infoNCE, mutual, disjoint, rankNet, lambda, mannWhitney, marginMSE, listKL, plackettLuce, meanSquared,
        wasserstein,
        marginal, expectationMaximisation, variational,
    ]

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

    /// The contrastive loss in both directions: .8 of that of passages for each question, .2 of that of the batch's questions
    /// for each gold passage (BioCPT, arXiv 2307.00589).
    public static let mutual = RankingLoss(
        name: "two-way", needsTeacher: false, returnShare: 0.2, value: infoNCE.value)

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

    /// Minus the log of the share of the soft-max that falls on all relevant passages together: a wrong one among them is
    /// forgiven (the disjoint loss of Zhang et al., arXiv 2504.05220; Syntriever's soft nearest neighbour, arXiv
    /// 2502.03824). With one relevant passage it is InfoNCE.
    public static let disjoint = RankingLoss(name: "disjoint", needsTeacher: false) { scores, lists in
        mean(lists, scores) { column, list in
            guard !list.relevant.isEmpty else { return nil }
            let logs = column.segmentedLogSoftmax(offsets: [0, column.rows]).elements(at: list.relevant)
            return -(logs.exp().sum() + 1e-12).log()
        }
    }

    /// RankNet's pairs, each weighted by what swapping the two would change of the reciprocal rank, in the order of the
    /// present scores (LambdaRank as ADORE uses it, arXiv 2104.08051, and UDR, arXiv 2305.04320).
    public static let lambda = RankingLoss(name: "lambda", needsTeacher: false) { scores, lists in
        mean(lists, scores) { column, list in
            let pairs = list.pairs
            guard !pairs.isEmpty else { return nil }
            let values = column.value.elements
            var ranks = [Float](repeating: 0, count: values.count)
            let order = values.indices.sorted { (-values[$0], $0) < (-values[$1], $1) }
            for (rank, place) in order.enumerated() { ranks[place] = Float(rank + 1) }
            let weights = pairs.map { abs(1 / ranks[$0.better] - 1 / ranks[$0.worse]) }
            let margins = column.rows(at: pairs.map(\.worse)) - column.rows(at: pairs.map(\.better))
            return (margins.softplus() * column.tape.constant(Matrix(column: weights))).sum()
        }
    }

    /// The logistic loss of each relevant passage against every other passage of the whole batch, whichever question it was
    /// scored for: so that scores of different questions can be compared, as a threshold does (the Mann-Whitney loss of
    /// arXiv 2510.00137; divided by log 2 it bounds one minus the area under the ROC curve).
    public static let mannWhitney = RankingLoss(name: "mw", needsTeacher: false, comparesQuestions: true) {
        scores, lists in
        let better = lists.flatMap { list in list.relevant.map { list.range.lowerBound + $0 } }
        let worse = lists.flatMap { list in list.others.map { list.range.lowerBound + $0 } }
        guard !better.isEmpty, !worse.isEmpty else { return scores.sum() * 0 }
        let column = scores.rows(at: better.flatMap { place in worse.map { _ in place } })
        return (scores.rows(at: better.flatMap { _ in worse }) - column).softplus().mean()
    }

    /// Minus the log of the probability, under the scores, that the teacher's first is drawn first and its second next (a
    /// partial Plackett-Luce model, Syntriever's second stage).
    public static let plackettLuce = RankingLoss(name: "plackett", needsTeacher: true) { scores, lists in
        mean(lists, scores) { column, list in
            guard let teacher = list.teacher, teacher.count > 1 else { return nil }
            let order = teacher.indices.sorted { (-teacher[$0], $0) < (-teacher[$1], $1) }
            let drawn = (0..<min(2, order.count - 1)).map { step -> Variable in
                let left = column.rows(at: Array(order[step...]))
                return -left.segmentedLogSoftmax(offsets: [0, left.rows]).elements(at: [0])
            }
            return Variable.joinedRows(drawn).sum()
        }
    }

    /// The squared difference from the teacher's scores: what a reranker learns from Elo ratings by (zELO, arXiv
    /// 2509.12541).
    public static let meanSquared = RankingLoss(name: "mse", needsTeacher: true) { scores, lists in
        mean(lists, scores) { column, list in
            guard let teacher = list.teacher, !teacher.isEmpty else { return nil }
            return column.meanSquaredError(Matrix(column: teacher))
        }
    }

    /// The mean of what each list gives; lists that give nothing do not count.
    static func mean(
        _ lists: [List], _ scores: Variable, _ body: (_ column: Variable, _ list: List) -> Variable?
    ) -> Variable {
        let parts = lists.compactMap { list in body(scores.rows(at: Array(list.range)), list) }
        return parts.isEmpty ? scores.sum() * 0 : Variable.joinedRows(parts).mean()
    }
}
