// SPDX-License-Identifier: Apache-2.0

import TensorMath

/// A small network that gives every candidate a logit from its features, and the state a value.
struct CandidateScorer: Sendable {
    var features: Int
    var width = 64
    var dropout: Float = 0

    func initialParameters(seed: UInt64) -> ParameterSet {
        var generator = SplitMix64(seed: seed)
        var parameters = ParameterSet()
        parameters.addLinear("scorer.first", inputs: features, outputs: width, gain: 1.4, using: &generator)
        parameters.addLinear("scorer.context", inputs: width, outputs: width, gain: 0.5, using: &generator)
        parameters.addLinear("scorer.second", inputs: width, outputs: width, gain: 1.4, using: &generator)
        parameters.addLinear("scorer.logit", inputs: width, outputs: 1, gain: 0.5, using: &generator)
        parameters.addLinear("value.logit", inputs: width, outputs: 1, gain: 0.1, using: &generator)
        return parameters
    }

    /// Logits (candidates × 1) of several decisions at once, and the value of each (decisions × 1).
    func apply(_ rows: Variable, offsets: [Int], _ weights: ParameterVariables, noise: inout SplitMix64, training: Bool) -> (
        logits: Variable, values: Variable
    ) {
        var hidden = weights.linear("scorer.first", rows).relu()
        if training { hidden = hidden.dropout(rate: dropout, using: &noise) }
        let means = hidden.segmentMeans(offsets: offsets)
        var owners: [Int] = []
        for segment in 0..<(offsets.count - 1) { owners += [Int](repeating: segment, count: offsets[segment + 1] - offsets[segment]) }
        let context = weights.linear("scorer.context", means)
        let second = (weights.linear("scorer.second", hidden) + context.rows(at: owners)).relu()
        return (weights.linear("scorer.logit", second), weights.linear("value.logit", context.relu()))
    }
}
