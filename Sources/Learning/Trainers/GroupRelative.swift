// SPDX-License-Identifier: Apache-2.0

public import TensorMath

/// GRPO: an episode's reward in standard deviations from its group's mean, with PPO's clipped ratio.
public struct GroupRelative: PolicyGradientMethod {
    public static let name = "grpo"
    public var passes = 2
    /// How far π / π_old may leave 1 before the gradient stops.
    public var clip: Float = 0.2

    public init() {}

    public func credits(for groups: [[EpisodeReturn]]) -> [[[StepCredit]]] {
        groups.map { group in
            let mean = group.reduce(Float(0)) { $0 + $1.total } / Float(max(1, group.count))
            let variance =
                group.reduce(Float(0)) { $0 + ($1.total - mean) * ($1.total - mean) } / Float(max(1, group.count))
            let scale = 1 / (variance.squareRoot() + 1e-6)
            return group.map { episode in
                // Equal rewards give exactly zero, not rounding noise blown up by a tiny deviation.
                let advantage = variance < 1e-10 ? 0 : (episode.total - mean) * scale
                return episode.toGo.map { StepCredit(advantage: advantage, valueTarget: $0) }
            }
        }
    }

    public func loss(_ terms: PolicyTerms) -> Variable { clippedLoss(terms, clip: clip) }
}

/// PPO's loss: minus the mean of the smaller of ρ·A and clip(ρ, 1 ± ε)·A.
func clippedLoss(_ terms: PolicyTerms, clip: Float) -> Variable {
    let (ratios, advantages) = (terms.ratios, terms.advantages)
    return -(ratios * advantages).minimum(ratios.clamped(to: (1 - clip)...(1 + clip)) * advantages).mean()
}
