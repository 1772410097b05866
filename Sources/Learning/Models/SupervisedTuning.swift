// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
public import TensorMath
import Transformers

/// Tunes a language model on examples: the mean cross-entropy of the tokens that it is to write.
public struct SupervisedTuning: Sendable {
    /// Steps.
    public var steps = 100
    /// Examples of a step. Default: 8.
    public var batch = 8
    /// The peak of the learning rate: a straight rise over a twentieth of the steps, then half a cosine. Default: 4e-4.
    public var learningRate: Float = 4e-4
    /// Tokens beyond which an example is cut. Default: 2,048.
    public var longest = 2048
    /// Ends the run after so many seconds, with the learning rate falling as the time runs out; nil for no limit.
    public var seconds: Double?
    /// The seed of the order of examples.
    public var seed: UInt64 = 1

    public init() {}

    /// Where a run stands: enough to go on exactly as if it had never stopped.
    public struct Progress: Sendable, Hashable {
        /// The next step.
        public var step = 0
        public var parameters: ParameterSet
        public var adam: Adam
        /// Seconds that the steps so far have taken.
        public var seconds = 0.0

        public init(from parameters: ParameterSet) {
            self.parameters = parameters
            adam = Adam(for: parameters)
        }
    }

    /// What one step did.
    public struct Record: Sendable, Hashable {
        public var step: Int
        /// The mean loss of a learned token in nats.
        public var loss: Double
        public var gradientNorm: Float
        /// Tokens that passed through the model, and those that were learned.
        public var tokens: Int
        public var learned: Int
        public var seconds: Double
    }

    /// Runs the steps that are left.
    ///
    /// - Parameter report: Called after each step; store the progress to resume from it.
    /// - Throws: `TrajectoryError` where nothing can be learned or the loss is not finite; what `report` throws.
    public func run(
        _ learner: ModelLearner, on examples: [ModelExample], from progress: Progress,
        report: (Record, Progress) throws -> Void = { _, _ in }
    ) throws -> Progress {
        let examples = examples.map { $0.cut(to: longest) }.filter { $0.learnedCount > 0 && $0.tokens.count > 1 }
        guard !examples.isEmpty else { throw TrajectoryError(reason: "there is nothing to learn from") }
        var progress = progress
        let schedule = LearningRateSchedule.cosine(
            peak: learningRate, warmUp: max(1, steps / 20), steps: steps, floor: learningRate / 20)
        while progress.step < steps, progress.seconds < seconds ?? .infinity {
            let begun = Date()
            let chosen = chosen(progress.step, of: examples.count).map { examples[$0] }
            let total = chosen.reduce(0) { $0 + $1.learnedCount }
            let factor = -1 / Float(max(1, total))
            var (loss, gradients) = learner.gradients(chosen, progress.parameters) { _, values, _ in
                values.sum() * factor
            }
            let norm = GradientNorm.clip(&gradients, to: 1)
            guard loss.isFinite, norm.isFinite else {
                throw TrajectoryError(reason: "the loss of step \(progress.step) is not finite")
            }
            // Where time is what runs out, the rate falls with it.
            let place = seconds.map { max(progress.step, Int(Double(steps) * progress.seconds / $0)) } ?? progress.step
            progress.adam.update(
                &progress.parameters, gradients: gradients, learningRate: schedule.rate(at: min(steps - 1, place)))
            let taken = Date().timeIntervalSince(begun)
            let record = Record(
                step: progress.step, loss: loss, gradientNorm: norm,
                tokens: chosen.reduce(0) { $0 + $1.tokens.count }, learned: total, seconds: taken)
            progress.step += 1
            progress.seconds += taken
            try report(record, progress)
        }
        return progress
    }

    /// The examples of a step: each pass goes through all of them in an order of its own, made from the seed alone.
    private func chosen(_ step: Int, of count: Int) -> [Int] {
        (step * batch..<(step + 1) * batch).map { place in
            let pass = place / count
            var generator = SplitMix64(seed: seed, stream: 0x5F7 &+ UInt64(pass))
            var order = Array(0..<count)
            generator.shuffle(&order)
            return order[place % count]
        }
    }
}
