// SPDX-License-Identifier: Apache-2.0

public import Base
public import TensorMath

/// Two dense layers over the interpretable features of each candidate, with the mean over all candidates as context.
public struct CandidateScorer: PolicyNetwork {
    public static let architecture = "candidate-scorer"
    /// The number of features.
    public let features: Int
    /// Units in each hidden layer.
    public var width = 64
    /// The share of first-layer units dropped while training.
    public var dropout: Float = 0.1

    public init(features: Int, dimension: Int) {
        self.features = features
    }

    public func initialParameters(seed: UInt64) -> ParameterSet {
        var generator = SplitMix64(seed: seed)
        var parameters = ParameterSet()
        parameters.addLinear("scorer.first", inputs: features, outputs: width, gain: 1.4, using: &generator)
        parameters.addLinear("scorer.context", inputs: width, outputs: width, gain: 0.5, using: &generator)
        parameters.addLinear("scorer.second", inputs: width, outputs: width, gain: 1.4, using: &generator)
        parameters.addLinear("scorer.logit", inputs: width, outputs: 1, gain: 0.5, using: &generator)
        parameters.addLinear("value", inputs: width, outputs: 1, gain: 0.1, using: &generator)
        return parameters
    }

    public func apply(
        _ batch: DecisionBatch, _ weights: ParameterVariables, noise: inout SplitMix64?
    ) -> (logits: Variable, values: Variable) {
        let tape = weights["value.bias"].tape
        var hidden = weights.linear("scorer.first", tape.constant(batch.features)).relu()
        if var generator = noise {
            hidden = hidden.dropout(rate: dropout, using: &generator)
            noise = generator
        }
        let context = weights.linear("scorer.context", hidden.segmentMeans(offsets: batch.offsets))
        let second = (weights.linear("scorer.second", hidden) + context.rows(at: batch.owners)).relu()
        return (weights.linear("scorer.logit", second), weights.linear("value", context.relu()))
    }
}
