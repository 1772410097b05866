// SPDX-License-Identifier: Apache-2.0

import Base
public import Encoders
import Foundation
import QualityMetrics
public import TensorMath
import Text
public import Transformers

/// Trains the reader from end to end: the heads, and with them the uppermost blocks of the encoder or thin matrices in
/// them. One run trains reading (spans, yes and no, none of them) and the relevance of passages (the reranker) together.
public struct ReaderTraining: Sendable {
    /// Which of the encoder's weights learn; nil trains the heads alone.
    public var tuning: Tuning?
    /// The names of the heads that learn, such as `relevance`; nil for all.
    public var learning: Set<String>?
    /// Examples drawn a step. Default: 16.
    public var batch = 16
    /// Steps in all.
    public var steps: Int
    /// The highest learning rates, of the heads and of the encoder.
    public var headRate: Float = 1e-3
    public var encoderRate: Float = 2e-4
    /// Weight decay of AdamW.
    public var weightDecay: Float = 0.05
    /// Passages beside the gold ones, on average.
    public var distractors = 1
    /// How often the evidence is taken out of an example.
    public var withheld = 0.15
    /// What the relevance loss counts beside the reading loss.
    public var relevanceWeight: Float = 0.5
    /// Tokens of a question and a passage together at most.
    public var longest = 192
    /// Examples of a step that are computed together on one tape; parts of that many go to different cores.
    public var together = 4
    /// Parts worked on at once.
    public var threads = 2
    public var seed: UInt64 = 1

    public init(tuning: Tuning?, steps: Int) {
        self.tuning = tuning
        self.steps = steps
    }

    /// The state of a run between steps.
    public typealias State = TunedHeads

    /// An example as the network sees it.
    struct Prepared: Sendable {
        var layout: ReaderLayout
        var tokens: TokenBatch
        var encodings: [WordPieceTokenizer.Encoding]
        var targets: [Int]
        var isYes: Bool?
        var isAnswerable: Bool
        var relevance: [Bool]?
    }

    /// Cuts an example into tokens.
    func prepare(_ example: ReaderExample, _ tokenizer: EncoderTokenizer) -> Prepared {
        let texts = example.passages.map(\.full)
        let encodings = texts.map { tokenizer.encode(example.question, $0, maximumLength: longest) }
        let layout = ReaderLayout(
            question: example.question, titles: example.passages.map(\.title), texts: texts, encodings: encodings)
        var tokens = TokenBatch()
        for encoding in encodings { tokens.append(encoding.ids, types: encoding.typeIDs) }
        let wanted = example.answers.first?.lowercased() ?? ""
        let isPolar = wanted == "yes" || wanted == "no"
        return Prepared(
            layout: layout, tokens: tokens, encodings: encodings,
            targets: isPolar || !example.isAnswerable ? [] : layout.targets(answers: example.answers),
            isYes: isPolar && example.isAnswerable ? wanted == "yes" : nil, isAnswerable: example.isAnswerable,
            relevance: example.relevance)
    }

    /// Starts a run.
    ///
    /// - Parameters:
    ///   - heads: The heads of an earlier run; nil starts new ones.
    ///   - changed: What an earlier run changed of the encoder's weights, to go on from where whole blocks learn.
    public func start(
        _ model: DifferentiableBERT, heads: ParameterSet? = nil, changed: WeightDelta? = nil
    ) -> State {
        let heads = heads ?? ReaderNetwork(dimension: model.shape.width).initialParameters(seed: seed)
        var encoder = tuning.map { model.parameters(for: $0, seed: seed) } ?? ParameterSet()
        for (index, name) in encoder.names.enumerated() {
            let value = encoder.values[index]
            guard let change = changed?.change(of: name), change.count == value.elements.count else { continue }
            encoder.values[index] = Matrix(
                rows: value.rows, columns: value.columns, elements: zip(value.elements, change).map(+))
        }
        return State(heads: heads, encoder: encoder, weightDecay: weightDecay)
    }

    /// The first block that learns.
    func firstLayer(_ model: DifferentiableBERT) -> Int { tuning?.firstLayer(of: model.layerCount) ?? model.layerCount }

    /// One step on some examples.
    ///
    /// - Parameters:
    ///   - fast: The fast encoder over the same base weights, for the blocks below.
    ///   - progress: How much of the run is done, 0 ..< 1, for the learning rate; nil counts steps.
    /// - Returns: The mean loss.
    public func step(
        _ state: inout State, _ examples: [ReaderExample], model: DifferentiableBERT, fast: BERTEncoder,
        progress: Double? = nil
    ) throws -> Double {
        let prepared = try Parallel.map(examples.count) { prepare(examples[$0], fast.tokenizer) }
            .filter { !$0.tokens.ids.isEmpty }
        guard !prepared.isEmpty else { return 0 }
        let first = firstLayer(model)
        let lower = first > 0 ? try fast.states(of: prepared.flatMap(\.encodings), layers: first) : []
        var starts = [0]
        for item in prepared { starts.append(starts[starts.count - 1] + item.encodings.count) }
        let network = ReaderNetwork(dimension: model.shape.width)
        let (heads, encoder, step) = (state.heads, state.encoder, state.step)
        let scale = 1 / Float(prepared.count)
        let parts = Self.divided(prepared.map(\.tokens.count), into: (prepared.count + together - 1) / together)
        let result = GradientWork.sum(parts: parts.count, threads: threads) { part in
            let items = parts[part]
            let tape = Tape()
            let headVariables = heads.variables(on: tape)
            let encoderVariables = encoder.variables(on: tape)
            var tokens = TokenBatch()
            for item in items { tokens.append(prepared[item].tokens) }
            let rows = lower.isEmpty ? [] : items.flatMap { lower[starts[$0]..<starts[$0 + 1]].flatMap { $0 } }
            let states = Matrix(
                rows: lower.isEmpty ? 0 : tokens.count, columns: model.shape.width, elements: rows)
            let noise = SplitMix64(seed: seed &+ UInt64(step), stream: UInt64(part)).seeded
            let read: Variable
            if let tuning {
                read = model.states(
                    of: tokens, weights: model.weights(encoder, encoderVariables, tuning, on: tape),
                    lower: first > 0 ? (states, first) : nil, dropout: EncoderDropout(rate: 0.1, seed: noise))
            } else {
                read = tape.constant(states)
            }
            var row = 0
            var losses: [Variable] = []
            for item in items {
                let count = prepared[item].tokens.count
                let own = items.count == 1 ? read : read.rows(at: Array(row..<(row + count)))
                losses.append(loss(network, own, prepared[item], headVariables, noise: noise &+ UInt64(item)) * scale)
                row += count
            }
            let loss = Variable.joinedRows(losses).sum()
            return (
                Double(loss.scalar),
                tape.gradients(of: loss, for: headVariables.variables + encoderVariables.variables)
            )
        }
        var gradients = result.gradients
        GradientNorm.clip(&gradients, to: 1)
        let schedule = LearningRateSchedule.linear(peak: 1, warmUp: max(1, steps / 20), steps: steps)
        let rate = progress.map { Float(min(1, 20 * ($0 + 0.002)) * max(0, 1 - $0)) } ?? schedule.rate(at: step)
        state.update(gradients, headRate: rate * headRate, encoderRate: rate * encoderRate)
        if let learning {
            for (index, name) in heads.names.enumerated() where !learning.contains(String(name.prefix { $0 != "." })) {
                state.heads.values[index] = heads.values[index]
            }
        }
        return result.loss
    }

    /// Deals things of several sizes into parts of nearly the same size, large ones first, back and forth.
    static func divided(_ sizes: [Int], into count: Int) -> [[Int]] {
        var parts = [[Int]](repeating: [], count: max(1, count))
        for (place, index) in sizes.indices.sorted(by: { (-sizes[$0], $0) < (-sizes[$1], $1) }).enumerated() {
            let (round, column) = place.quotientAndRemainder(dividingBy: parts.count)
            parts[round % 2 == 0 ? column : parts.count - 1 - column].append(index)
        }
        return parts.filter { !$0.isEmpty }
    }

    /// Minus the log of the probability that falls on the right candidates or on none, yes or no, and each passage's
    /// relevance.
    private func loss(
        _ network: ReaderNetwork, _ states: Variable, _ item: Prepared, _ weights: ParameterVariables, noise: UInt64
    ) -> Variable {
        var generator: SplitMix64? = SplitMix64(seed: noise, stream: 7)
        let output = network.apply(states, item.layout, weights, noise: &generator)
        var losses: [Variable] = []
        let count = item.layout.places.count
        let targets = item.isAnswerable ? item.targets : [count]
        let logs = output.logits.segmentedLogSoftmax(offsets: [0, count + 1])
        if item.isYes == nil, !targets.isEmpty {
            losses.append(-Self.logSum(logs.elements(at: targets)))
        }
        if let isYes = item.isYes {
            losses.append(
                output.yes.binaryCrossEntropy(targets: Matrix(rows: 1, columns: 1, filledWith: isYes ? 1 : 0)))
            // Which candidate does not matter, but that there is an answer does.
            if count > 0 { losses.append(-Self.logSum(logs.elements(at: Array(0..<count)))) }
        }
        if let relevance = item.relevance {
            let targets = Matrix(column: relevance.map { $0 ? 1 : 0 })
            losses.append(output.relevance.binaryCrossEntropy(targets: targets) * relevanceWeight)
        }
        guard !losses.isEmpty else { return output.yes.sum() * 0 }
        return Variable.joinedRows(losses).sum()
    }

    /// The log of the sum of exponentials, from the largest on, so that an improbable answer still has a gradient.
    private static func logSum(_ logs: Variable) -> Variable {
        let largest = logs.value.elements.max() ?? 0
        return (logs + -largest).exp().sum().log() + largest
    }

    // MARK: - Measuring

    /// Scores of what is read off gold passages, question by question.
    public struct Scores: Sendable {
        public var f1: [Double] = []
        public var exactMatch: [Double] = []
        /// The F1 of the best candidate.
        public var ceiling: [Double] = []
    }

    /// Reads examples with the weights of a run, block by block as training does.
    public func scores(
        _ state: State, _ examples: [ReaderExample], model: DifferentiableBERT, fast: BERTEncoder
    ) throws -> Scores {
        let network = ReaderNetwork(dimension: model.shape.width)
        let first = firstLayer(model)
        let (heads, encoder, tuning) = (state.heads, state.encoder, tuning)
        let width = model.shape.width
        let rows = try Parallel.map(examples.count) { number -> (Double, Double, Double) in
            let example = examples[number]
            let item = prepare(example, fast.tokenizer)
            let lower = first > 0 ? try fast.states(of: item.encodings, layers: first).flatMap { $0 } : []
            var states = Matrix(rows: lower.count / width, columns: width, elements: lower)
            if let tuning {
                let tape = Tape(records: false)
                states =
                    model.states(
                        of: item.tokens,
                        weights: model.weights(encoder, encoder.variables(on: tape), tuning, on: tape),
                        lower: first > 0 ? (states, first) : nil
                    ).value
            }
            let text = SpanReader.best(network.read(states, item.layout, heads), item.layout).text
            let score = AnswerBenchmark.hotpotQA.score(text, gold: example.answers)
            return (score.f1, score.exactMatch, item.layout.ceiling(answers: example.answers))
        }
        return Scores(f1: rows.map(\.0), exactMatch: rows.map(\.1), ceiling: rows.map(\.2))
    }

    // MARK: - Files

    /// Writes what a reader is made from: the heads and what the encoder's weights changed by.
    ///
    /// - Parameter earlier: What an earlier run changed of them, where only heads learn.
    public func write(
        _ state: State, model: DifferentiableBERT, earlier: WeightDelta? = nil, to path: String, notes: [String: String]
    ) throws {
        let delta = tuning.map { WeightDelta(from: model.base, to: model.merged(state.encoder, tuning: $0)) } ?? earlier
        try state.write(delta, shapes: model.base, to: path, notes: notes)
    }

    /// Writes all that a run needs to go on.
    ///
    /// - Parameters:
    ///   - best: The best score so far.
    ///   - seconds: The time spent so far.
    public func checkpoint(_ state: State, to path: String, best: Double = -1, seconds: Double = 0) throws {
        try state.checkpoint(to: path, steps: steps, best: best, seconds: seconds)
    }

    /// Reads a checkpoint of a run with the same settings.
    ///
    /// - Throws: `SafetensorsError`.
    public func resume(_ model: DifferentiableBERT, from path: String) throws -> State {
        try start(model).resumed(from: SafetensorsFile(path: path))
    }

    /// The heads of an earlier reader's file to start from; those that it lacks, or has of another size, start anew.
    ///
    /// - Parameter renewed: The names of heads that start anew all the same.
    public func heads(of path: String, dimension: Int, renewed: Set<String> = []) throws -> ParameterSet {
        let file = try SafetensorsFile(path: path)
        var heads = ReaderNetwork(dimension: dimension).initialParameters(seed: seed)
        for (index, name) in heads.names.enumerated() {
            let stored = file.contains("heads." + name) ? "heads." + name : name
            guard file.contains(stored), !renewed.contains(where: { name.hasPrefix($0 + ".") }) else { continue }
            let matrix = try file.matrix(named: stored)
            if matrix.rows == heads.values[index].rows, matrix.columns == heads.values[index].columns {
                heads.values[index] = matrix
            }
        }
        return heads
    }
}

extension SplitMix64 {
    /// The next number, as a seed.
    fileprivate var seeded: UInt64 {
        var copy = self
        return copy.next()
    }
}
