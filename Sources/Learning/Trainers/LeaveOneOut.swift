// SPDX-License-Identifier: Apache-2.0

public import TensorMath

/// RLOO: an episode's reward less the mean reward of the other episodes of its question; the same for all its steps.
public struct LeaveOneOut: PolicyGradientMethod {
    public static let name = "rloo"
    public let passes = 1

    public init() {}

    public func credits(for groups: [[EpisodeReturn]]) -> [[[StepCredit]]] {
        groups.map { group in
            let sum = group.reduce(Float(0)) { $0 + $1.total }
            return group.map { episode in
                // Alone there is nothing to compare with, and nothing to learn from.
                let others = group.count > 1 ? (sum - episode.total) / Float(group.count - 1) : episode.total
                return episode.toGo.map { StepCredit(advantage: episode.total - others, valueTarget: $0) }
            }
        }
    }

    public func loss(_ terms: PolicyTerms) -> Variable { terms.scoreLoss }
}
