// SPDX-License-Identifier: Apache-2.0

public import TensorMath

/// The rewards and the behaviour policy's values of one episode, step by step.
public struct EpisodeReturn: Sendable, Hashable {
    /// The reward of each step.
    public var rewards: [Float]
    /// The value of each state, as the policy that acted gave it.
    public var values: [Float]

    /// Joins rewards and values.
    public init(rewards: [Float], values: [Float]) {
        self.rewards = rewards
        self.values = values
    }

    /// The sum of the rewards.
    public var total: Float { rewards.reduce(0, +) }

    /// What is still to come at each step: the sum of the rewards from it on.
    public var toGo: [Float] {
        var sum: Float = 0
        return Array(
            rewards.reversed().map { reward -> Float in
                sum += reward; return sum
            }.reversed())
    }
}

/// What a step is credited with.
public struct StepCredit: Sendable, Hashable {
    /// How much better than expected the choice was.
    public var advantage: Float
    /// What the state's value should have been.
    public var valueTarget: Float
}

/// What a method's loss is made of, for the steps of one batch.
public struct PolicyTerms {
    /// The log-probability of each choice under the weights being trained: steps × 1.
    public let logProbabilities: Variable
    /// The same under the policy that acted.
    public let behaviour: [Float]
    /// The value of each state under the weights being trained: steps × 1.
    public let values: Variable
    /// The values that the acting policy gave.
    public let oldValues: [Float]
    /// What each step is credited with.
    public let credits: [StepCredit]

    /// Joins the parts.
    public init(
        logProbabilities: Variable, behaviour: [Float], values: Variable, oldValues: [Float], credits: [StepCredit]
    ) {
        self.logProbabilities = logProbabilities
        self.behaviour = behaviour
        self.values = values
        self.oldValues = oldValues
        self.credits = credits
    }

    /// The advantages as a column that gradients do not enter.
    var advantages: Variable { logProbabilities.tape.constant(Matrix(column: credits.map(\.advantage))) }

    /// π / π_old of each choice.
    var ratios: Variable { (logProbabilities - logProbabilities.tape.constant(Matrix(column: behaviour))).exp() }

    /// The plain policy-gradient loss: minus the mean of advantage times log-probability.
    var scoreLoss: Variable { -(logProbabilities * advantages).mean() }
}

/// A way to turn rewarded groups of episodes into a gradient.
///
/// A trainer is one file with one conformer, and one line in `PolicyGradientMethods.all`.
public protocol PolicyGradientMethod: Sendable {
    /// The name in policy files.
    static var name: String { get }
    /// Makes the method with its usual numbers.
    init()
    /// How often each batch is gone through; more than once needs a loss that minds the ratio π / π_old.
    var passes: Int { get }
    /// Credits every step of every episode; a group holds the episodes of one question.
    func credits(for groups: [[EpisodeReturn]]) -> [[[StepCredit]]]
    /// The loss to be minimised (1 × 1), without entropy and KL terms: those belong to the run.
    func loss(_ terms: PolicyTerms) -> Variable
}

/// The methods that policy files can name.
public enum PolicyGradientMethods {
    /// Every method by name.
    public static let all: [String: any PolicyGradientMethod.Type] = [
        Reinforce.name: Reinforce.self,
        LeaveOneOut.name: LeaveOneOut.self,
        GroupRelative.name: GroupRelative.self,
        ProximalPolicy.name: ProximalPolicy.self,
    ]
}
