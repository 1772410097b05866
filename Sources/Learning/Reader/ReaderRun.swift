// SPDX-License-Identifier: Apache-2.0

import Base
import Encoders
import Foundation
import QualityMetrics
import Search
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
    /// An earlier reader to go on from: its heads and, where whole blocks learn, what it changed of the encoder; nil starts
    /// anew. Where only heads learn, they read with its encoder.
    public var start: String?
    /// Heads that start anew all the same, such as `relevance`.
    public var renewed: Set<String> = []
    /// How much of the way from ``start`` to what was learned is kept: weights between the two often read better on both what
    /// the one and what the other was trained on (Wortsman et al. 2022, "Robust fine-tuning of zero-shot models"). Default: 1.
    public var share: Float = 1
    /// Steps between checkpoints.
    public var interval = 50
    /// Ends the run after so many seconds, whatever the step; the learning rate falls to zero by then. nil counts steps.
    public var seconds: Double?

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
        let earlier = try training.tuning == nil ? start.map { try WeightDelta(file: SafetensorsFile(path: $0)) } : nil
        let fast = try BERTEncoder(
            folder: model, precision: .int8, threads: training.threads,
            delta: earlier.flatMap { $0.names.isEmpty ? nil : $0 })
        var (state, best, spent) = try opened(base, report)
        let origin = share < 1 ? try beginning(base) : nil
        let begun = Date().addingTimeInterval(-spent)
        var (losses, count) = (0.0, 0.0)
        var isOver = state.step >= training.steps
        while !isOver {
            try Task.checkCancellation()
            spent = Date().timeIntervalSince(begun)
            losses += try training.step(
                &state, draw(sets, step: state.step), model: base, fast: fast, progress: seconds.map { spent / $0 })
            count += 1
            isOver =
                state.step >= training.steps || seconds.map { Date().timeIntervalSince(begun) >= $0 } ?? false
            guard isOver || state.step % interval == 0 else { continue }
            let kept = origin.map { state.mixed(with: $0, share: share) } ?? state
            let scores = try training.scores(kept, held, model: base, fast: fast)
            let f1 = scores.f1.reduce(0, +) / Double(max(1, scores.f1.count))
            report(
                String(
                    format: "step %d, %.0f s: loss %.4f, F1 of %d held-out questions %.4f", state.step, spent,
                    losses / count, scores.f1.count, f1))
            (losses, count) = (0, 0)
            if f1 >= best {
                best = f1
                try write(kept, base, earlier)
            }
            if !isOver { try training.checkpoint(state, to: checkpoint, best: best, seconds: spent) }
        }
        try? FileManager.default.removeItem(atPath: checkpoint)
    }

    /// The state to start from: a checkpoint's, or a new one.
    private func opened(
        _ base: DifferentiableBERT, _ report: (String) -> Void
    ) throws -> (state: ReaderTraining.State, best: Double, seconds: Double) {
        guard FileManager.default.fileExists(atPath: checkpoint) else { return (try beginning(base), -1, 0) }
        let notes = try SafetensorsFile(path: checkpoint).metadata
        let state = try training.resume(base, from: checkpoint)
        report("goes on at step \(state.step) of \(training.steps)")
        return (state, notes["best"].flatMap(Double.init) ?? -1, notes["seconds"].flatMap(Double.init) ?? 0)
    }

    /// The state before the first step.
    private func beginning(_ base: DifferentiableBERT) throws -> ReaderTraining.State {
        let heads = try start.map { try training.heads(of: $0, dimension: base.shape.width, renewed: renewed) }
        let changed = try start.map { try WeightDelta(file: SafetensorsFile(path: $0)) }
        return training.start(base, heads: heads, changed: changed)
    }

    private func write(
        _ state: ReaderTraining.State, _ base: DifferentiableBERT, _ earlier: WeightDelta?
    ) throws {
        try training.write(
            state, model: base, earlier: earlier, to: out,
            notes: [
                "encoder": try BERTEncoder.weightsFingerprint(folder: model), "seed": String(training.seed),
                "longest": String(training.longest), "step": String(state.step),
                "tune": training.tuning?.description ?? "heads", "share": String(share),
            ])
    }

    /// The examples of a step: in an epoch every question comes once, those of a large set as many as it may give, others
    /// each time.
    func draw(_ sets: [ReaderMaterial], step: Int) throws -> [ReaderExample] {
        let shares = sets.map { min($0.count, $0.most) }
        let total = max(1, shares.reduce(0, +))
        var orders: [Int: [(set: Int, index: Int)]] = [:]
        var chosen: [(number: Int, set: Int, index: Int)] = []
        for number in (step * training.batch)..<((step + 1) * training.batch) {
            let (epoch, place) = number.quotientAndRemainder(dividingBy: total)
            let order = orders[epoch] ?? order(sets, shares, epoch: epoch)
            orders[epoch] = order
            if order.indices.contains(place) { chosen.append((number, order[place].set, order[place].index)) }
        }
        let numbers = chosen
        return try Parallel.map(numbers.count) { place in
            let (number, set, index) = numbers[place]
            var generator = SplitMix64(seed: training.seed, stream: 0xD4A7 &+ UInt64(number))
            // As many on average, now none and now twice as many: evidence comes in all sizes.
            let distractors = generator.integer(below: 2 * training.distractors + 1)
            return sets[set].example(
                index, distractors: distractors, withheld: training.withheld, using: &generator)
        }
    }

    private func order(_ sets: [ReaderMaterial], _ shares: [Int], epoch: Int) -> [(set: Int, index: Int)] {
        var generator = SplitMix64(seed: training.seed, stream: 0xE70C &+ UInt64(epoch))
        var all: [(set: Int, index: Int)] = []
        for (number, set) in sets.enumerated() {
            var indices = Array(0..<set.count)
            generator.shuffle(&indices)
            all += indices.prefix(shares[number]).map { (number, $0) }
        }
        generator.shuffle(&all)
        return all
    }

    /// Fits the confidence of the written reader on held-out questions, half of them with their evidence taken out, and
    /// writes it into its file, with the share that its relevance may have in a ranking.
    ///
    /// - Returns: The reader, calibrated.
    @concurrent
    public func calibrate(on sets: [ReaderMaterial], most: Int = 400) async throws -> SpanReader {
        let reader = try SpanReader(weights: out, model: model)
        let examples = Self.judged(sets, most: most, seed: training.seed)
        let observations = try await reader.observations(examples) {
            AnswerBenchmark.hotpotQA.score($0, gold: $1).f1 >= 0.5
        }
        var lists: [(scores: [Float], gold: Set<Int>)] = []
        for set in sets {
            for index in 0..<min(set.count, 40) {
                guard let ranked = set.ranked(index, count: 10) else { continue }
                let passages = ranked.passages.map { (title: $0.title, text: $0.text) }
                lists.append((try await reader.relevance(question: ranked.question, passages: passages), ranked.gold))
            }
        }
        try SpanReader.write(
            ReaderConfidence(observations), rerankShare: RerankMixture.best(lists).mixture.share, into: out)
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
