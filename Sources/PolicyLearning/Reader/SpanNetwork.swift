// SPDX-License-Identifier: Apache-2.0

import Foundation
import TensorMath

/// The reading head: start and end of the answer over the tokens of all passages at once, and what kind of answer it is.
struct SpanNetwork: Sendable {
    /// The dimension of the encoder's vectors.
    let dimension: Int
    /// Units of the hidden layer.
    var width = 96
    /// The share of hidden units dropped while training.
    var dropout: Float = 0.2

    /// What an answer can be.
    enum Kind: Int, CaseIterable { case span, yes, no }

    func initialParameters(seed: UInt64) -> ParameterSet {
        var generator = SplitMix64(seed: seed)
        var parameters = ParameterSet()
        parameters.addLinear("token", inputs: dimension + 1, outputs: width, gain: 2, using: &generator)
        parameters.addLinear("meet", inputs: dimension, outputs: width, gain: 2, using: &generator)
        parameters.addLinear("question", inputs: dimension, outputs: width, gain: 2, using: &generator)
        parameters.addLinear("start", inputs: width, outputs: 1, gain: 0.5, using: &generator)
        parameters.addLinear("end", inputs: width, outputs: 1, gain: 0.5, using: &generator)
        parameters.addLinear("kind", inputs: 2 * dimension, outputs: Kind.allCases.count, gain: 0.5, using: &generator)
        return parameters
    }

    /// The outcome for one question and its passages.
    struct Output {
        /// Log-probabilities of start and end over all tokens of all passages: tokens × 1.
        var starts: Variable
        var ends: Variable
        /// Log-probabilities of the kinds of answer: 1 × kinds.
        var kinds: Variable
    }

    /// Reads the passages of one question together.
    ///
    /// - Precondition: there is at least one token.
    func apply(_ passages: [ReaderPassage], _ weights: ParameterVariables, noise: inout SplitMix64?) -> Output {
        let tape = weights["start.bias"].tape
        let tokens = passages.reduce(0) { $0 + $1.vectors.rows }
        var elements: [Float] = []
        var plain: [Float] = []
        var owners: [Int] = []
        for (index, passage) in passages.enumerated() {
            for row in 0..<passage.vectors.rows {
                elements += passage.vectors.row(row)
                elements.append(passage.inQuestion[row])
                plain += passage.vectors.row(row)
                owners.append(index)
            }
        }
        let question = weights.linear("question", tape.constant(Matrix(stacking: passages.map(\.question))))
        let meeting =
            weights.linear("meet", tape.constant(Matrix(rows: tokens, columns: dimension, elements: plain)))
            * question.rows(at: owners)
        var hidden =
            (weights.linear("token", tape.constant(Matrix(rows: tokens, columns: dimension + 1, elements: elements)))
            + meeting)
            .gelu()
        if var generator = noise {
            hidden = hidden.dropout(rate: dropout, using: &generator)
            noise = generator
        }
        var mean = [Float](repeating: 0, count: 2 * dimension)
        for passage in passages {
            for column in 0..<dimension {
                mean[column] += passage.pair[column] / Float(passages.count)
                mean[dimension + column] += passage.question[column] / Float(passages.count)
            }
        }
        return Output(
            starts: weights.linear("start", hidden).segmentedLogSoftmax(offsets: [0, tokens]),
            ends: weights.linear("end", hidden).segmentedLogSoftmax(offsets: [0, tokens]),
            kinds: weights.linear("kind", tape.constant(Matrix(row: mean))).logSoftmax())
    }

    /// One training question: its passages, and the right answer as token positions over all passages.
    struct Example: Sendable {
        var passages: [ReaderPassage]
        var starts: [Int]
        var ends: [Int]
        var kind: Kind
    }

    /// The loss of some examples and its gradient: the marginal likelihood of the right starts and ends, and of the kind.
    func gradients(_ examples: [Example], _ parameters: ParameterSet, noise: inout SplitMix64?) -> (Float, [Matrix]) {
        let tape = Tape()
        let weights = parameters.variables(on: tape)
        var losses: [Variable] = []
        for example in examples where example.passages.contains(where: { $0.vectors.rows > 0 }) {
            let output = apply(example.passages, weights, noise: &noise)
            losses.append(-output.kinds.elements(at: [example.kind.rawValue]))
            if example.kind == .span, !example.starts.isEmpty {
                losses.append(-((output.starts.elements(at: example.starts).exp().sum() + 1e-9).log()))
                losses.append(-((output.ends.elements(at: example.ends).exp().sum() + 1e-9).log()))
            }
        }
        guard !losses.isEmpty else { return (0, parameters.values.map { Matrix(rows: $0.rows, columns: $0.columns) }) }
        let loss = Variable.joinedRows(losses).sum() * (1 / Float(examples.count))
        return (loss.scalar, tape.gradients(of: loss, for: weights.variables))
    }

    /// What the head reads off: the kind, and the best span within one passage.
    struct Reading: Sendable, Hashable {
        var kind: Kind
        var kindProbability: Float
        /// The passage and its tokens of the best span; nil without tokens.
        var span: (passage: Int, tokens: ClosedRange<Int>)?
        /// The log-probability of the span.
        var score: Float

        static func == (a: Reading, b: Reading) -> Bool {
            a.kind == b.kind && a.score == b.score && a.span?.passage == b.span?.passage
                && a.span?.tokens == b.span?.tokens
        }

        func hash(into hasher: inout Hasher) { hasher.combine(score) }
    }

    /// Reads without training.
    ///
    /// - Parameter longest: The most tokens of an answer.
    func read(_ passages: [ReaderPassage], _ parameters: ParameterSet, longest: Int = 12) -> Reading {
        guard passages.contains(where: { $0.vectors.rows > 0 }) else {
            return Reading(kind: .span, kindProbability: 0, span: nil, score: -.infinity)
        }
        let tape = Tape(records: false)
        var noise: SplitMix64?
        let output = apply(passages, parameters.variables(on: tape), noise: &noise)
        let (starts, ends, kinds) = (
            output.starts.value.elements, output.ends.value.elements, output.kinds.value.elements
        )
        let kind = largest(kinds, count: 1)[0]
        var best = Reading(
            kind: Kind(rawValue: kind) ?? .span, kindProbability: exp(kinds[kind]), span: nil, score: -.infinity)
        var base = 0
        for (index, passage) in passages.enumerated() {
            for start in 0..<passage.vectors.rows {
                for end in start..<min(passage.vectors.rows, start + longest) {
                    let score = starts[base + start] + ends[base + end]
                    if score > best.score {
                        best.score = score
                        best.span = (index, start...end)
                    }
                }
            }
            base += passage.vectors.rows
        }
        return best
    }
}
