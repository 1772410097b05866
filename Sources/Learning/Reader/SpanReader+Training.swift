// SPDX-License-Identifier: Apache-2.0

import Base
public import Encoders
import Foundation
import QualityMetrics
import TensorMath

/// Trains the reading head on questions whose passages hold the answer.
public struct SpanTraining: Sendable {
    /// Times through the questions. Default: 12.
    public var epochs = 12
    /// Questions in a batch. Default: 16.
    public var batch = 16
    /// The highest learning rate. Default: 0.002.
    public var learningRate: Float = 2e-3
    /// Weight decay of AdamW. Default: 0.1.
    public var weightDecay: Float = 0.1
    /// The seed of weights, order and drop-out.
    public var seed: UInt64 = 1

    /// Makes the defaults.
    public init() {}

    /// A question with the passages to read, gold ones among them.
    public typealias Reading = (question: LearningQuestion, passages: [WorldPassage])

    /// Questions that were read, ready to train or to score.
    public struct Material: Sendable {
        let items: [(input: ReaderInput, answers: [String])]
        /// How many questions there are.
        public var count: Int { items.count }
        /// The mean F1 of the best candidate of each question: what no reader of them can exceed.
        public var ceiling: Double {
            items.reduce(0) { $0 + $1.input.ceiling(answers: $1.answers) } / Double(max(1, items.count))
        }

        /// Joins the questions of several sets.
        public static func + (a: Material, b: Material) -> Material { Material(items: a.items + b.items) }
    }

    /// Reads questions with their passages.
    ///
    /// - Parameter progress: Called with the number of questions done and of all.
    /// - Throws: what the encoder throws, or `CancellationError`.
    @concurrent
    public static func read(
        _ questions: [Reading], encoder: BERTEncoder,
        progress: @Sendable (_ done: Int, _ all: Int) -> Void = { _, _ in }
    ) async throws -> Material {
        var items: [(input: ReaderInput, answers: [String])] = []
        // Many pairs at once, so that the encoder's threads have work of their own.
        for start in stride(from: 0, to: questions.count, by: 32) {
            let part = questions[start..<min(questions.count, start + 32)]
            let pairs = part.flatMap { reading in
                reading.passages.map { (first: reading.question.text, second: LearningDataset.encoderText($0)) }
            }
            var tokens = try await encoder.encodeTokens(pairs: pairs)[...]
            for (question, passages) in part {
                let input = ReaderInput(
                    question: question.text, titles: passages.map(\.title),
                    texts: passages.map(LearningDataset.encoderText), tokens: Array(tokens.prefix(passages.count)))
                tokens = tokens.dropFirst(passages.count)
                items.append((input: input, answers: question.answers))
            }
            progress(items.count, questions.count)
        }
        return Material(items: items)
    }

    /// Trains a head and writes the weights file that `SpanReader` opens.
    ///
    /// - Parameters:
    ///   - material: Questions without the answer in any passage, and neither yes nor no, are left out.
    ///   - notes: Free text for the file's header.
    ///   - report: Called after each epoch with its number and mean loss.
    /// - Throws: `SafetensorsError`, or `CancellationError`.
    @concurrent
    public func train(
        on material: Material, encoder: BERTEncoder, to path: String, notes: [String: String] = [:],
        report: @Sendable (_ epoch: Int, _ loss: Float) -> Void = { _, _ in }
    ) async throws -> SpanReader {
        let network = SpanNetwork(dimension: encoder.dimension)
        let examples = material.items.compactMap { $0.input.example(answers: $0.answers) }
        let parameters = try fit(network, examples, report: report)
        var writer = SafetensorsWriter(metadata: notes)
        parameters.add(to: &writer)
        try writer.write(to: path)
        return SpanReader(network: network, parameters: parameters, encoder: encoder)
    }

    /// Scores a head, question by question.
    static func scores(
        _ network: SpanNetwork, _ parameters: ParameterSet, _ material: Material
    ) -> (f1: [Double], exactMatch: [Double]) {
        var result: (f1: [Double], exactMatch: [Double]) = ([], [])
        for (input, answers) in material.items {
            let answer = SpanReader.best(input, network, parameters).text
            let score = AnswerBenchmark.hotpotQA.score(answer, gold: answers)
            result.f1.append(score.f1)
            result.exactMatch.append(score.exactMatch)
        }
        return result
    }

    /// Fits a head to examples.
    func fit(
        _ network: SpanNetwork, _ examples: [SpanNetwork.Example],
        report: (_ epoch: Int, _ loss: Float) -> Void = { _, _ in }
    ) throws -> ParameterSet {
        var parameters = network.initialParameters(seed: seed)
        var adam = Adam(for: parameters, weightDecay: weightDecay)
        var generator = SplitMix64(seed: seed, stream: 0x5EAD)
        let updates = epochs * ((examples.count + batch - 1) / batch)
        let schedule = LearningRateSchedule.cosine(
            peak: learningRate, warmUp: min(30, updates / 10), steps: updates, floor: learningRate / 100)
        for epoch in 0..<epochs {
            var order = Array(examples.indices)
            generator.shuffle(&order)
            var total: Float = 0
            var batches: Float = 0
            for start in stride(from: 0, to: order.count, by: batch) {
                try Task.checkCancellation()
                var noise: SplitMix64? = SplitMix64(seed: generator.next())
                let chosen = order[start..<min(order.count, start + batch)].map { examples[$0] }
                var (loss, gradients) = network.gradients(chosen, parameters, noise: &noise)
                GradientNorm.clip(&gradients, to: 1)
                adam.update(&parameters, gradients: gradients, learningRate: schedule.rate(at: adam.step))
                total += loss
                batches += 1
            }
            report(epoch, total / max(1, batches))
        }
        return parameters
    }
}

extension SpanReader {
    /// The number of weights of the head.
    public var weightCount: Int { parameters.count }

    /// F1 and exact match on questions that were read, question by question.
    public func scores(on material: SpanTraining.Material) -> (f1: [Double], exactMatch: [Double]) {
        SpanTraining.scores(network, parameters, material)
    }
}

extension LearningDataset {
    /// The questions of a part with their gold passages, those without any left out.
    public func readings(_ part: String) -> [SpanTraining.Reading] {
        let known = Dictionary(passages.map { ($0.id, $0) }) { _, last in last }
        return (questions[part] ?? []).compactMap { question in
            var seen = Set<String>()
            let gold = question.gold.filter { seen.insert($0).inserted }.compactMap { known[$0] }
            return gold.isEmpty ? nil : (question: question, passages: gold)
        }
    }
}
