// SPDX-License-Identifier: Apache-2.0

import Foundation
import TensorMath
public import TextEncoders

/// Trains the reading head on questions whose gold passages hold the answer.
public struct SpanTraining: Sendable {
    /// Times through the questions. Default: 12.
    public var epochs = 12
    /// Questions in a batch. Default: 8.
    public var batch = 8
    /// The highest learning rate. Default: 0.002.
    public var learningRate: Float = 2e-3
    /// Weight decay of AdamW. Default: 0.05.
    public var weightDecay: Float = 0.05
    /// The seed of weights, order and drop-out.
    public var seed: UInt64 = 1

    /// Makes the defaults.
    public init() {}

    /// Reads the questions with their passages, trains, and writes the weights file that `SpanReader` opens.
    ///
    /// - Parameters:
    ///   - questions: Each with the passages to read, gold ones among them. Those without the answer in any passage, and
    ///     neither yes nor no, are left out.
    ///   - report: Called after each epoch with its number and mean loss.
    /// - Returns: How many questions could be learned from.
    /// - Throws: what the encoder throws, `SafetensorsError`, or `CancellationError`.
    @concurrent
    @discardableResult
    public func train(
        on questions: [(question: LearningQuestion, passages: [WorldPassage])], encoder: BERTEncoder, to path: String,
        report: @Sendable (_ epoch: Int, _ loss: Float) -> Void = { _, _ in }
    ) async throws -> Int {
        var examples: [SpanNetwork.Example] = []
        for (question, passages) in questions {
            try Task.checkCancellation()
            let texts = passages.map(LearningDataset.encoderText)
            let tokens = try await encoder.encodeTokens(pairs: texts.map { (first: question.text, second: $0) })
            if let example = Self.example(question.answers, texts: texts, passages: tokens.map { ReaderPassage($0) }) {
                examples.append(example)
            }
        }
        let network = SpanNetwork(dimension: encoder.dimension)
        let parameters = try fit(network, examples, report: report)
        var writer = SafetensorsWriter(metadata: ["encoder": encoder.fingerprint, "seed": String(seed)])
        parameters.add(to: &writer)
        try writer.write(to: path)
        return examples.count
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

    /// Finds the answers' words in the passages; nil where there is nothing to learn.
    static func example(_ answers: [String], texts: [String], passages: [ReaderPassage]) -> SpanNetwork.Example? {
        let wanted = answers.map { $0.lowercased() }
        if wanted.first == "yes" || wanted.first == "no" {
            return SpanNetwork.Example(
                passages: passages, starts: [], ends: [], kind: wanted.first == "yes" ? .yes : .no)
        }
        var example = SpanNetwork.Example(passages: passages, starts: [], ends: [], kind: .span)
        var base = 0
        for (text, passage) in zip(texts, passages) {
            for answer in answers where !answer.isEmpty {
                var rest = text.startIndex..<text.endIndex
                while let found = text.range(of: answer, options: .caseInsensitive, range: rest) {
                    rest = found.upperBound..<text.endIndex
                    let low = text.utf8.distance(from: text.startIndex, to: found.lowerBound)
                    let high = text.utf8.distance(from: text.startIndex, to: found.upperBound)
                    let tokens = passage.offsets.indices.filter {
                        passage.offsets[$0].lowerBound < high && passage.offsets[$0].upperBound > low
                    }
                    // Whole words only: the answer must start and end where tokens do.
                    guard let first = tokens.first, let last = tokens.last, passage.offsets[first].lowerBound >= low,
                        passage.offsets[last].upperBound <= high
                    else { continue }
                    example.starts.append(base + first)
                    example.ends.append(base + last)
                }
            }
            base += passage.vectors.rows
        }
        return example.starts.isEmpty ? nil : example
    }
}
