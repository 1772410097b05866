// SPDX-License-Identifier: Apache-2.0

public import Base
public import TensorMath

/// The iterative retriever: a recurrent state over a frozen index (arXiv 2406.14739).
///
/// The state starts from the question's vector and takes in each kept passage's vector through a gated recurrent unit.
/// A candidate's logit is the dot product of the projected state with its projected vector, plus a linear term of the
/// interpretable features, so that it starts no worse than they are.
public struct RecurrentRetriever: PolicyNetwork {
    public static let architecture = "recurrent-retriever"
    /// The number of features.
    public let features: Int
    /// The dimension of the frozen vectors.
    public let dimension: Int
    /// Units of the state.
    public var width = 64

    public init(features: Int, dimension: Int) {
        self.features = features
        self.dimension = dimension
    }

    public func initialParameters(seed: UInt64) -> ParameterSet {
        var generator = SplitMix64(seed: seed)
        var parameters = ParameterSet()
        // The vectors have length one: a gain of √dimension gives projections of unit variance.
        let gain = Float(dimension).squareRoot()
        parameters.addLinear("start", inputs: dimension, outputs: width, gain: gain, using: &generator)
        parameters.addLinear("gru.input", inputs: dimension, outputs: 3 * width, gain: gain, using: &generator)
        parameters.addLinear("gru.state", inputs: width, outputs: 3 * width, using: &generator)
        parameters.addLinear("query", inputs: width, outputs: width, using: &generator)
        parameters.addLinear("candidate", inputs: dimension, outputs: width, gain: gain * 0.3, using: &generator)
        parameters.addLinear("features", inputs: features, outputs: 1, gain: 0.5, using: &generator)
        parameters.addLinear("value", inputs: width, outputs: 1, gain: 0.1, using: &generator)
        return parameters
    }

    public func apply(
        _ batch: DecisionBatch, _ weights: ParameterVariables, noise: inout SplitMix64?
    ) -> (logits: Variable, values: Variable) {
        let tape = weights["value.bias"].tape
        var state = weights.linear("start", tape.constant(batch.questionVectors)).tanh()
        for step in 0..<(batch.decisions.map(\.kept.count).max() ?? 0) {
            let next = state.gru(
                input: tape.constant(batch.keptVectors(step: step)), inputWeight: weights["gru.input.weight"],
                stateWeight: weights["gru.state.weight"], bias: weights["gru.input.bias"])
            // Decisions that kept fewer passages stay where they are.
            let alive = tape.constant(Matrix(column: batch.decisions.map { $0.kept.count > step ? 1 : 0 }))
            state = state + (next - state).scaling(rowsBy: alive)
        }
        let query = weights.linear("query", state).rows(at: batch.owners)
        let candidate = weights.linear("candidate", tape.constant(batch.candidateVectors))
        let fit = query.rowDots(candidate) * (1 / Float(width).squareRoot())
        return (fit + weights.linear("features", tape.constant(batch.features)), weights.linear("value", state))
    }
}
