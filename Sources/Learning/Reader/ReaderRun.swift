// SPDX-License-Identifier: Apache-2.0

import Base
import Encoders
import Foundation
import QualityMetrics
import TensorMath
import Transformers

/// A whole training run of the reader: drawing from several sets, checkpoints, the best state on held-out questions, and
/// the calibration of its confidence.
public struct ReaderRun: Sendable {
    public var training: ReaderTraining
    /// The folder of the encoder that is tuned.
    public var model: String
    /// Where the reader is written; a checkpoint lies beside it while the run goes on.
    public var out: String
    /// An earlier reader whose heads are the start; nil starts anew.
    public var start: String?
    /// Steps between checkpoints.
    public var interval = 50

    public init(training: ReaderTraining, model: String, out: String) {
        self.training = training
        self.model = model
        self.out = out
    }

    private var checkpoint: String { out + ".checkpoint" }

    /// Trains, or goes on where a killed run stopped: examples depend on the seed and the step only, so that both end
    /// alike.
    ///
    /// - Parameters:
    ///   - sets: The sets to draw from.
    ///   - held: Held-out questions with their gold passages; the state that answers them best is what is written.
    ///   - report: Called with lines for the log.
    /// - Throws: what reading files and encoding throws, or `CancellationError`.
    @concurrent
    public func train(
        on sets: [ReaderMaterial], held: [ReaderExample], report: @Sendable (String) -> Void
    ) async throws {
        let base = try DifferentiableBERT(folder: model)
        // In integers, as the reader will read.
        let fast = try BERTEncoder(folder: model, precision: .int8, threads: training.threads)
        var state: ReaderTraining.State
        var best = -1.0
        if FileManager.default.fileExists(atPath: checkpoint) {
            state = try training.resume(base, from: checkpoint)
            best = try SafetensorsFile(path: checkpoint).metadata["best"].flatMap(Double.init) ?? -1
            report("goes on at step \(state.step) of \(training.steps)")
        } else {
            state = training.start(
                base, heads: try start.map { try training.heads(of: $0, dimension: base.shape.width) })
        }
        var (losses, count) = (0.0, 0.0)
        while state.step < training.steps {
            try Task.checkCancellation()
            losses += try training.step(&state, draw(sets, step: state.step), model: base, fast: fast)
            count += 1
            guard state.step % interval == 0 || state.step == training.steps else { continue }
            let scores = try training.scores(state, held, model: base, fast: fast)
            let f1 = scores.f1.reduce(0, +) / Double(max(1, scores.f1.count))
            report(
                String(
                    format: "step %d of %d: loss %.4f, F1 of %d held-out questions %.4f", state.step, training.steps,
                    losses / count, scores.f1.count, f1))
            (losses, count) = (0, 0)
            if f1 >= best {
                best = f1
                try training.write(
                    state, model: base, to: out,
                    notes: [
                        "encoder": try BERTEncoder.weightsFingerprint(folder: model), "seed": String(training.seed),
                        "longest": String(training.longest), "step": String(state.step),
                        "tune": training.tuning?.description ?? "heads",
                    ])
            }
            try training.checkpoint(state, to: checkpoint, best: best)
        }
        try? FileManager.default.removeItem(atPath: checkpoint)
    }

    /// The examples of a step: each set as often as it has questions, large ones as if they had 1,000.
    func draw(_ sets: [ReaderMaterial], step: Int) -> [ReaderExample] {
        var generator = SplitMix64(seed: training.seed, stream: 0xD4A7 &+ UInt64(step))
        let weights = sets.map { Float(min($0.count, 1000)) }
        return (0..<training.batch).map { _ in
            sets[generator.index(weights: weights)].draw(
                distractors: training.distractors, withheld: training.withheld, using: &generator)
        }
    }

    /// Fits the confidence of the written reader on held-out questions, half of them with their evidence taken out, and
    /// writes it into its file.
    ///
    /// - Returns: The reader, calibrated.
    @concurrent
    public func calibrate(on sets: [ReaderMaterial], most: Int = 400) async throws -> SpanReader {
        let reader = try SpanReader(weights: out, model: model)
        let examples = Self.judged(sets, most: most, seed: training.seed)
        let observations = try await reader.observations(examples) {
            AnswerBenchmark.hotpotQA.score($0, gold: $1).f1 >= 0.5
        }
        try SpanReader.write(ReaderConfidence(observations), into: out)
        return try SpanReader(weights: out, model: model)
    }

    /// Questions of some sets among distractors, every second with the passages taken out that hold the answer.
    public static func judged(_ sets: [ReaderMaterial], most: Int, seed: UInt64) -> [ReaderExample] {
        var generator = SplitMix64(seed: seed, stream: 0xCA1B)
        let each = max(1, most / max(1, sets.count))
        return sets.flatMap { set in
            (0..<min(each, set.count)).map { number in
                set.draw(distractors: 3, withheld: number % 2 == 0 ? 0 : 1, using: &generator)
            }
        }
    }
}
