// SPDX-License-Identifier: Apache-2.0

public import TensorMath

/// PPO (arXiv 1707.06347) with generalised advantage estimation (arXiv 1506.02438) and a clipped value loss.
public struct ProximalPolicy: PolicyGradientMethod {
    public static let name = "ppo"
    public var passes = 3
    /// How far π / π_old may leave 1 before the gradient stops.
    public var clip: Float = 0.2
    /// The discount of later rewards; episodes are short.
    public var gamma: Float = 1
    /// How far advantages look ahead: 0 trusts the value network, 1 the rewards.
    public var lambda: Float = 0.95
    /// The weight of the value loss.
    public var valueWeight: Float = 0.5

    public init() {}

    public func credits(for groups: [[EpisodeReturn]]) -> [[[StepCredit]]] {
        var credits = groups.map { $0.map { estimate($0) } }
        // Advantages of a batch are brought to mean 0 and deviation 1.
        let all = credits.joined().joined().map(\.advantage)
        let mean = all.reduce(0, +) / Float(max(1, all.count))
        let variance = all.reduce(Float(0)) { $0 + ($1 - mean) * ($1 - mean) } / Float(max(1, all.count))
        let scale = variance < 1e-10 ? 0 : 1 / (variance.squareRoot() + 1e-6)
        for group in credits.indices {
            for episode in credits[group].indices {
                for step in credits[group][episode].indices {
                    credits[group][episode][step].advantage = (credits[group][episode][step].advantage - mean) * scale
                }
            }
        }
        return credits
    }

    /// Generalised advantage estimation over one episode that ends after its last step.
    func estimate(_ episode: EpisodeReturn) -> [StepCredit] {
        var credits = [StepCredit](repeating: StepCredit(advantage: 0, valueTarget: 0), count: episode.rewards.count)
        var advantage: Float = 0
        for step in credits.indices.reversed() {
            let next = step + 1 < episode.values.count ? episode.values[step + 1] : 0
            let surprise = episode.rewards[step] + gamma * next - episode.values[step]
            advantage = surprise + gamma * lambda * advantage
            credits[step] = StepCredit(advantage: advantage, valueTarget: advantage + episode.values[step])
        }
        return credits
    }

    public func loss(_ terms: PolicyTerms) -> Variable {
        let tape = terms.values.tape
        let targets = tape.constant(Matrix(column: terms.credits.map(\.valueTarget)))
        let old = tape.constant(Matrix(column: terms.oldValues))
        let near = old + (terms.values - old).clamped(to: -clip...clip)
        let valueLoss = (terms.values - targets).squared().maximum((near - targets).squared()).mean() * 0.5
        return clippedLoss(terms, clip: clip) + valueLoss * valueWeight
    }
}
