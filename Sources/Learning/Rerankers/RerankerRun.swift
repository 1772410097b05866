// SPDX-License-Identifier: Apache-2.0

import Base
import Encoders
import Foundation
import Search
import TensorMath
import Transformers

/// A whole training run of a reranker: drawing lists from several sets, checkpoints, the best state on held-out rankings,
/// and the share that it may have in a ranking.
public struct RerankerRun: Sendable {
    public var training: RerankerTraining
    /// The folder of the encoder that is tuned.
    public var model: String
    /// Where the reranker is written; a checkpoint lies beside it while the run goes on.
    public var out: String
    /// An earlier reranker, or a reader, whose head and encoder are the start; nil starts from the encoder as it is.
    public var start: String?
    /// Steps between checkpoints.
    public var interval = 50
    /// Ends the run after so many seconds, whatever the step; the learning rate falls to zero by then. nil counts steps.
    public var seconds: Double?
    /// Noted in the file, such as the encoder's name.
    public var notes: [String: String] = [:]

    public init(training: RerankerTraining, model: String, out: String) {
        self.training = training
        self.model = model
        self.out = out
    }

    private var checkpoint: String { out + ".checkpoint" }

    /// The encoder with what an earlier run changed of it, for both passes.
    private struct Trunk {
        /// As it was pulled.
        var plain: DifferentiableBERT
        var model: DifferentiableBERT
        var fast: BERTEncoder
        var earlier: WeightDelta?
    }

    private func trunk() throws -> Trunk {
        let plain = try DifferentiableBERT(folder: model)
        var earlier = try start.map { try WeightDelta(file: SafetensorsFile(path: $0)) }
        if earlier?.names.isEmpty == true { earlier = nil }
        return Trunk(
            plain: plain, model: try earlier.map { try DifferentiableBERT(folder: model, delta: $0) } ?? plain,
            fast: try BERTEncoder(folder: model, precision: .int8, threads: training.threads, delta: earlier),
            earlier: earlier)
    }

    /// Trains, or goes on where a killed run stopped: lists depend on the seed and the step only, so that both end alike.
    ///
    /// - Parameters:
    ///   - sets: The sets to draw from.
    ///   - held: Held-out rankings; the state that orders them best is what is written, and they decide its share.
    ///   - report: Called with lines for the log.
    /// - Returns: The reranker as it was written.
    /// - Throws: what reading files, encoding and the teacher throw, or `CancellationError`.
    @concurrent
    public func train(
        on sets: [ReaderMaterial], held: [FirstRanking], report: @Sendable (String) -> Void
    ) async throws -> CrossEncoder {
        let trunk = try trunk()
        var (state, best, spent) = try opened(trunk.model, report)
        var rankings: [DenseRanking] = []
        if training.negatives.ranking != .none {
            let ranker = try BERTEncoder(folder: model, precision: .int8, threads: training.threads)
            for set in sets {
                rankings.append(
                    try await DenseRanking(set, encoder: ranker, most: training.ranked, seed: training.seed))
            }
        }
        let begun = Date().addingTimeInterval(-spent)
        var (losses, count) = (0.0, 0.0)
        var isOver = state.step >= training.steps
        while !isOver {
            try Task.checkCancellation()
            spent = Date().timeIntervalSince(begun)
            let drawn = training.draw(sets, step: state.step, rankings: rankings)
            guard !drawn.isEmpty else { throw RerankerError.nothingToLearn }
            let (lists, scores) = try await training.taught(drawn, step: state.step)
            losses += try training.step(
                &state, lists, teacher: scores, model: trunk.model, fast: trunk.fast,
                progress: seconds.map { spent / $0 })
            count += 1
            isOver =
                state.step >= training.steps || seconds.map { Date().timeIntervalSince(begun) >= $0 } ?? false
            guard isOver || state.step % interval == 0 else { continue }
            let judged = try await judge(state, trunk, held)
            report(
                String(
                    format: "step %d, %.0f s: loss %.4f, recall@2 of %d held-out rankings %.4f at a share of %.2f",
                    state.step, spent, losses / count, held.count, judged.recall, judged.share))
            (losses, count) = (0, 0)
            if judged.recall >= best {
                best = judged.recall
                try write(state, trunk, share: held.isEmpty ? nil : judged.share)
            }
            if !isOver {
                try state.checkpoint(to: checkpoint, steps: training.steps, best: best, seconds: spent)
            }
        }
        try? FileManager.default.removeItem(atPath: checkpoint)
        return try CrossEncoder(weights: out, model: model)
    }

    /// The state to start from: a checkpoint's, or a new one.
    private func opened(
        _ model: DifferentiableBERT, _ report: (String) -> Void
    ) throws -> (state: TunedHeads, best: Double, seconds: Double) {
        guard FileManager.default.fileExists(atPath: checkpoint) else {
            let heads = try start.map {
                try CrossEncoder.initialHeads(dimension: model.shape.width, seed: training.seed)
                    .loaded(from: SafetensorsFile(path: $0), prefix: "heads.")
            }
            return (training.start(model, heads: heads), -1, 0)
        }
        let file = try SafetensorsFile(path: checkpoint)
        let state = try training.start(model).resumed(from: file)
        report("goes on at step \(state.step) of \(training.steps)")
        return (
            state, file.metadata["best"].flatMap(Double.init) ?? -1,
            file.metadata["seconds"].flatMap(Double.init) ?? 0
        )
    }

    /// How well a state orders held-out rankings with the share that suits it best.
    private func judge(
        _ state: TunedHeads, _ trunk: Trunk, _ held: [FirstRanking]
    ) async throws -> (recall: Double, share: Float) {
        guard !held.isEmpty else { return (0, 1) }
        let delta = delta(state, trunk)
        let reranker = CrossEncoder(
            heads: state.heads,
            encoder: try BERTEncoder(folder: model, precision: .int8, threads: training.threads, delta: delta),
            longest: training.longest, share: 1)
        var lists: [(scores: [Float], gold: Set<Int>)] = []
        for ranking in held {
            let scores = try await reranker.scores(
                query: ranking.question, passages: ranking.passages.map { (title: $0.title, text: $0.text) })
            lists.append((scores, ranking.gold))
        }
        let share = RerankMixture.best(lists).mixture.share
        let recall = zip(held, lists).map { $0.recall(RerankMixture(share: share).order($1.scores), at: 2) }
        return (recall.reduce(0, +) / Double(held.count), share)
    }

    /// What changed of the encoder as it was pulled; nil for nothing.
    private func delta(_ state: TunedHeads, _ trunk: Trunk) -> WeightDelta? {
        guard let tuning = training.tuning else { return trunk.earlier }
        let delta = WeightDelta(
            from: trunk.plain.base, to: trunk.model.merged(state.encoder, tuning: tuning))
        return delta.names.isEmpty ? nil : delta
    }

    private func write(_ state: TunedHeads, _ trunk: Trunk, share: Float?) throws {
        var notes = notes
        notes.merge(
            [
                "kind": CrossEncoder.kind, "encoder": try BERTEncoder.weightsFingerprint(folder: model),
                "seed": String(training.seed), "longest": String(training.longest), "step": String(state.step),
                "loss": training.loss.name, "tune": training.tuning?.description ?? "heads",
            ]) { $1 }
        if let share { notes["rerank_share"] = String(share) }
        try state.write(delta(state, trunk), shapes: trunk.plain.base, to: out, notes: notes)
    }
}

/// Why a reranker cannot be trained.
public enum RerankerError: Error, Sendable, Hashable, CustomStringConvertible {
    /// No question has a gold passage and a wrong one beside it.
    case nothingToLearn

    public var description: String {
        "no question has a gold passage and a wrong one: try other --negatives, or a larger --batch"
    }
}
