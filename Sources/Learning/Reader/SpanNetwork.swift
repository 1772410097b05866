// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import TensorMath

/// The reading head: a distribution over the candidate answers of all passages at once, and yes or no.
///
/// A candidate is seen through what is known of it (``AnswerFeatures``), through the encoder's vectors of its tokens and of
/// those around it, which have read the question beside the passage, and through how its tokens meet the question's.
struct SpanNetwork: Sendable {
    /// The dimension of the encoder's vectors.
    let dimension: Int
    /// The number of features of a candidate, and of those that decide between yes and no.
    var features = AnswerFeatures.count
    var polarity = AnswerFeatures.polarityCount
    /// Units of each hidden layer.
    var width = 64
    /// The share of hidden units dropped while training.
    var dropout: Float = 0.3

    func initialParameters(seed: UInt64) -> ParameterSet {
        var generator = SplitMix64(seed: seed)
        var parameters = ParameterSet()
        // The vectors have length one: a gain of √dimension gives projections of unit variance.
        let gain = Float(dimension).squareRoot()
        parameters.addLinear("features", inputs: features, outputs: width, gain: 1.4, using: &generator)
        parameters.addLinear("span", inputs: dimension, outputs: width, gain: 0.3 * gain, using: &generator)
        parameters.addLinear("context", inputs: dimension, outputs: width, gain: 0.3 * gain, using: &generator)
        parameters.addLinear("meet", inputs: dimension, outputs: width, gain: 0.5 * gain, using: &generator)
        parameters.addLinear("question", inputs: dimension, outputs: width, gain: 0.5 * gain, using: &generator)
        parameters.addLinear("second", inputs: width, outputs: width, gain: 1.4, using: &generator)
        parameters.addLinear("all", inputs: width, outputs: width, gain: 0.5, using: &generator)
        parameters.addLinear("logit", inputs: width, outputs: 1, gain: 0.5, using: &generator)
        parameters.addLinear("polarity", inputs: polarity, outputs: 1, gain: 0.1, using: &generator)
        return parameters
    }

    /// One question with its candidates as the network sees them.
    struct Input: Sendable {
        /// Candidates × features.
        var features: Matrix
        /// The encoder's vectors of each candidate's tokens and of its surroundings: candidates × dimension, of length one.
        var spans: Matrix
        var contexts: Matrix
        /// The question's vector beside each passage, and the passage of each candidate.
        var questions: Matrix
        var owners: [Int]
        /// What speaks for yes.
        var polarity: [Float]
    }

    /// A question to learn from.
    struct Example: Sendable {
        var input: Input
        /// The right candidates; none for a question of yes or no.
        var targets: [Int]
        /// The right answer of a question of yes or no.
        var isYes: Bool?
    }

    /// Returns the logits of all candidates (rows × 1) of some questions, and where each question's start.
    func apply(
        _ inputs: [Input], _ weights: ParameterVariables, noise: inout SplitMix64?
    ) -> (logits: Variable, offsets: [Int]) {
        let tape = weights["logit.bias"].tape
        var offsets = [0]
        var owners: [Int] = []
        var decisions: [Int] = []
        var passages = 0
        for (index, input) in inputs.enumerated() {
            owners += input.owners.map { $0 + passages }
            decisions += [Int](repeating: index, count: input.features.rows)
            passages += input.questions.rows
            offsets.append(offsets[index] + input.features.rows)
        }
        func joined(_ part: (Input) -> Matrix) -> Variable {
            var elements: [Float] = []
            var rows = 0
            var columns = 0
            for input in inputs {
                elements += part(input).elements
                rows += part(input).rows
                columns = part(input).columns
            }
            return tape.constant(Matrix(rows: rows, columns: columns, elements: elements))
        }
        let spans = joined(\.spans)
        let meeting = weights.linear("meet", spans) * weights.linear("question", joined(\.questions)).rows(at: owners)
        var hidden =
            (weights.linear("features", joined(\.features)) + weights.linear("span", spans)
            + weights.linear("context", joined(\.contexts)) + meeting).gelu()
        if var generator = noise {
            hidden = hidden.dropout(rate: dropout, using: &generator)
            noise = generator
        }
        let all = weights.linear("all", hidden.segmentMeans(offsets: offsets)).rows(at: decisions)
        let second = (weights.linear("second", hidden) + all).gelu()
        return (weights.linear("logit", second), offsets)
    }

    /// The loss of some examples and its gradient: the probability that falls on the right candidates, and yes or no.
    func gradients(_ examples: [Example], _ parameters: ParameterSet, noise: inout SplitMix64?) -> (Float, [Matrix]) {
        let tape = Tape()
        let weights = parameters.variables(on: tape)
        var losses: [Variable] = []
        let spans = examples.filter { !$0.targets.isEmpty }
        if !spans.isEmpty {
            let (logits, offsets) = apply(spans.map(\.input), weights, noise: &noise)
            var rows: [Int] = []
            var ends = [0]
            for (index, example) in spans.enumerated() {
                rows += example.targets.map { $0 + offsets[index] }
                ends.append(rows.count)
            }
            let right = logits.segmentedLogSoftmax(offsets: offsets).elements(at: rows).exp()
            losses.append(-(right.segmentSums(offsets: ends) + 1e-8).log().sum())
        }
        let judged = examples.filter { $0.isYes != nil }
        if !judged.isEmpty {
            let logits = weights.linear("polarity", tape.constant(Matrix(stacking: judged.map(\.input.polarity))))
            let targets = Matrix(column: judged.map { $0.isYes == true ? 1 : 0 })
            losses.append(logits.binaryCrossEntropy(targets: targets) * Float(judged.count))
        }
        guard !losses.isEmpty else { return (0, parameters.values.map { Matrix(rows: $0.rows, columns: $0.columns) }) }
        let loss = Variable.joinedRows(losses).sum() * (1 / Float(examples.count))
        return (loss.scalar, tape.gradients(of: loss, for: weights.variables))
    }

    /// The probability of each candidate of a question.
    func probabilities(_ input: Input, _ parameters: ParameterSet) -> [Float] {
        guard input.features.rows > 0 else { return [] }
        let tape = Tape(records: false)
        var noise: SplitMix64?
        let (logits, offsets) = apply([input], parameters.variables(on: tape), noise: &noise)
        return logits.segmentedSoftmax(offsets: offsets).value.elements
    }

    /// The probability that the answer to a question of yes or no is yes.
    func yes(_ input: Input, _ parameters: ParameterSet) -> Float {
        let tape = Tape(records: false)
        let logit = parameters.variables(on: tape).linear("polarity", tape.constant(Matrix(row: input.polarity)))
        return logit.sigmoid().scalar
    }
}
