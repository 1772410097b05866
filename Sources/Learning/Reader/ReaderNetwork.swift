// SPDX-License-Identifier: Apache-2.0

import Base
import TensorMath
import Transformers

/// The heads of the reader over the encoder's states: a distribution over the candidate answers of all passages and over
/// "none of them", yes or no, and how much each passage has to do with the question.
///
/// A candidate is seen through what is known of it (``AnswerFeatures``), through the states of its tokens and of those
/// around it, which have read the question beside the passage, through how its tokens meet the question's, and through
/// its first and last token by themselves.
struct ReaderNetwork: Sendable {
    /// The dimension of the encoder's states.
    let dimension: Int
    /// The number of features of a candidate, and of those that decide between yes and no.
    var features = AnswerFeatures.count
    var polarity = AnswerFeatures.polarityCount
    /// Units of each hidden layer.
    var width = 64
    /// The share of hidden units dropped while training.
    var dropout: Float = 0.2

    func initialParameters(seed: UInt64) -> ParameterSet {
        var generator = SplitMix64(seed: seed)
        var parameters = ParameterSet()
        // Means of states are brought to length one: a gain of √dimension gives projections of unit variance.
        let gain = Float(dimension).squareRoot()
        parameters.addLinear("features", inputs: features, outputs: width, gain: 1.4, using: &generator)
        parameters.addLinear("span", inputs: dimension, outputs: width, gain: 0.3 * gain, using: &generator)
        parameters.addLinear("context", inputs: dimension, outputs: width, gain: 0.3 * gain, using: &generator)
        parameters.addLinear("meet", inputs: dimension, outputs: width, gain: 0.5 * gain, using: &generator)
        parameters.addLinear("question", inputs: dimension, outputs: width, gain: 0.5 * gain, using: &generator)
        parameters.addLinear("second", inputs: width, outputs: width, gain: 1.4, using: &generator)
        parameters.addLinear("all", inputs: width, outputs: width, gain: 0.5, using: &generator)
        parameters.addLinear("logit", inputs: width, outputs: 1, gain: 0.5, using: &generator)
        parameters.addLinear("edges", inputs: dimension, outputs: 2, gain: 0.1, using: &generator)
        parameters.addLinear("passage", inputs: 2 * dimension, outputs: width, gain: gain, using: &generator)
        parameters.addLinear("relevance", inputs: width, outputs: 1, gain: 0.5, using: &generator)
        parameters.addLinear("none", inputs: width, outputs: 1, gain: 0.5, using: &generator)
        parameters.addLinear("polarity", inputs: polarity, outputs: 1, gain: 0.1, using: &generator)
        parameters.addLinear("yes", inputs: width, outputs: 1, gain: 0.1, using: &generator)
        return parameters
    }

    /// What the heads say of one question.
    struct Output {
        /// One for each candidate, and one for none at the end: rows × 1.
        var logits: Variable
        /// One for each passage: rows × 1.
        var relevance: Variable
        /// Above zero for yes: 1 × 1.
        var yes: Variable
    }

    /// How much each passage has to do with the question: passages × 1, with the passages' vectors.
    func relevance(_ states: Variable, passages: [Range<Int>], _ weights: ParameterVariables)
        -> (logits: Variable, vectors: Variable)
    {
        // The start token and the mean of all, each of length one.
        let starts = states.rows(at: passages.map(\.lowerBound)).unitRows()
        let means = states.means(ofRows: passages).unitRows()
        let vectors = weights.linear("passage", .joinedColumns([starts, means])).gelu()
        return (weights.linear("relevance", vectors), vectors)
    }

    /// Applies the heads to the states of one question's tokens.
    ///
    /// - Parameter noise: For drop-out; nil for none.
    func apply(
        _ states: Variable, _ layout: ReaderLayout, _ weights: ParameterVariables, noise: inout SplitMix64?
    ) -> Output {
        let tape = states.tape
        let (relevance, vectors) = relevance(states, passages: layout.passages, weights)
        let overall = vectors.segmentMeans(offsets: [0, layout.passages.count])
        let yes =
            weights.linear("polarity", tape.constant(Matrix(row: layout.polarity))) + weights.linear("yes", overall)
        let none = weights.linear("none", overall)
        guard !layout.places.isEmpty else { return Output(logits: none, relevance: relevance, yes: yes) }
        let owners = layout.places.map(\.passage)
        let spans = states.means(ofRows: layout.places.map(\.tokens)).unitRows()
        let contexts = states.means(ofRows: layout.places.map(\.context)).unitRows()
        let questions = states.means(ofRows: layout.questions).unitRows()
        let meeting = weights.linear("meet", spans) * weights.linear("question", questions).rows(at: owners)
        var hidden =
            (weights.linear("features", tape.constant(layout.features)) + weights.linear("span", spans)
            + weights.linear("context", contexts) + meeting).gelu()
        if var generator = noise {
            hidden = hidden.dropout(rate: dropout, using: &generator)
            noise = generator
        }
        let count = layout.places.count
        let all = weights.linear("all", hidden.segmentMeans(offsets: [0, count]))
        let second = (weights.linear("second", hidden) + all.rows(at: [Int](repeating: 0, count: count))).gelu()
        let edges = weights.linear("edges", states)
        let first = edges.elements(at: layout.places.map { 2 * $0.tokens.lowerBound })
        let last = edges.elements(at: layout.places.map { 2 * ($0.tokens.upperBound - 1) + 1 })
        let logits = weights.linear("logit", second) + first + last
        return Output(logits: .joinedRows([logits, none]), relevance: relevance, yes: yes)
    }
}

/// What the reader makes of one question.
struct Reading: Sendable {
    /// The probability of each candidate, and that none of them answers.
    var candidates: [Float]
    var none: Float
    /// The probability of yes.
    var yes: Float
    /// Each passage's relevance, as a logit.
    var relevance: [Float]
}

extension ReaderNetwork {
    /// Reads one question.
    func read(_ states: Matrix, _ layout: ReaderLayout, _ parameters: ParameterSet) -> Reading {
        let tape = Tape(records: false)
        var noise: SplitMix64?
        let output = apply(tape.constant(states), layout, parameters.variables(on: tape), noise: &noise)
        var candidates = output.logits.segmentedSoftmax(offsets: [0, layout.places.count + 1]).value.elements
        let none = candidates.popLast() ?? 1
        return Reading(
            candidates: candidates, none: none, yes: output.yes.sigmoid().scalar,
            relevance: output.relevance.value.elements)
    }
}
