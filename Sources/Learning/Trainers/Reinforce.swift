// SPDX-License-Identifier: Apache-2.0

public import TensorMath

/// REINFORCE with a baseline: what was still to come, less the mean over the batch of it at the same step.
public struct Reinforce: PolicyGradientMethod {
    public static let name = "reinforce"
    public let passes = 1

    public init() {}

    public func credits(for groups: [[EpisodeReturn]]) -> [[[StepCredit]]] {
        var sums: [Float] = []
        var counts: [Float] = []
        for episode in groups.joined() {
            for (step, toGo) in episode.toGo.enumerated() {
                if step == sums.count {
                    sums.append(0)
                    counts.append(0)
                }
                sums[step] += toGo
                counts[step] += 1
            }
        }
        return groups.map { group in
            group.map { episode in
                episode.toGo.enumerated().map { step, toGo in
                    StepCredit(advantage: toGo - sums[step] / counts[step], valueTarget: toGo)
                }
            }
        }
    }

    public func loss(_ terms: PolicyTerms) -> Variable { terms.scoreLoss }
}
