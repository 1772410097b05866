// SPDX-License-Identifier: Apache-2.0

public import Base
public import TensorMath

/// The compositional tri-encoder: question, chosen set and candidate, each through an encoder of its own (arXiv 2504.11420).
///
/// Each encoder is a projection of the frozen vectors; the chosen set attends to its members with the question as query.
/// The three meet in products, element by element, beside the interpretable features, under one hidden layer.
public struct CompositionalRetriever: PolicyNetwork {
    public static let architecture = "compositional-retriever"
    /// The number of features.
    public let features: Int
    /// The dimension of the frozen vectors.
    public let dimension: Int
    /// Units of each encoder.
    public var width = 32
    /// Units of the hidden layer.
    public var hidden = 64
    /// The share of hidden units dropped while training.
    public var dropout: Float = 0.1

    public init(features: Int, dimension: Int) {
        self.features = features
        self.dimension = dimension
    }

    public func initialParameters(seed: UInt64) -> ParameterSet {
        var generator = SplitMix64(seed: seed)
        var parameters = ParameterSet()
        let gain = Float(dimension).squareRoot()
        for name in ["question", "set", "candidate"] {
            parameters.addLinear(name, inputs: dimension, outputs: width, gain: gain, using: &generator)
        }
        parameters.addLinear("meet", inputs: features + 2 * width, outputs: hidden, gain: 1.4, using: &generator)
        parameters.addLinear("logit", inputs: hidden, outputs: 1, gain: 0.5, using: &generator)
        parameters.addLinear("value", inputs: 2 * width, outputs: 1, gain: 0.1, using: &generator)
        return parameters
    }

    public func apply(
        _ batch: DecisionBatch, _ weights: ParameterVariables, noise: inout SplitMix64?
    ) -> (logits: Variable, values: Variable) {
        let tape = weights["value.bias"].tape
        let question = weights.linear("question", tape.constant(batch.questionVectors)).tanh()
        var keptOffsets = [0]
        var kept: [Float] = []
        for decision in batch.decisions {
            for passage in decision.kept { kept += decision.world.vectors.row(passage) }
            keptOffsets.append(keptOffsets[keptOffsets.count - 1] + decision.kept.count)
        }
        let members = weights.linear(
            "set", tape.constant(Matrix(rows: keptOffsets[keptOffsets.count - 1], columns: dimension, elements: kept))
        ).tanh()
        let set = question.attention(
            keys: members, values: members, queryOffsets: Array(0...batch.decisions.count), keyOffsets: keptOffsets)
        let owners = batch.owners
        let candidate = weights.linear("candidate", tape.constant(batch.candidateVectors)).tanh()
        var meeting = weights.linear(
            "meet",
            .joinedColumns([
                tape.constant(batch.features), candidate * question.rows(at: owners), candidate * set.rows(at: owners),
            ])
        ).relu()
        if var generator = noise {
            meeting = meeting.dropout(rate: dropout, using: &generator)
            noise = generator
        }
        return (weights.linear("logit", meeting), weights.linear("value", .joinedColumns([question, set])))
    }
}
