// SPDX-License-Identifier: Apache-2.0

import Agent
import ArgumentParser
import Assembly
import Corpus
import Datasets
import Encoders
import Foundation
import LanguageModels
import Learning
import Net
import Search
import TensorMath
import Transformers

/// `forage train encoder`: tunes a sentence encoder on questions with gold passages and writes what changed.
struct TrainEncoderCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "encoder", abstract: "Tune the sentence encoder on questions and their passages.",
        discussion: """
            The file holds only what changed; index with it as `--encoder minilm+FILE`. An index made by another encoder \
            refuses it and says how to encode anew. With --tune query the vectors of passages stay: `forage index` with it on \
            a corpus of the untuned encoder notes its name and encodes nothing.
            """)

    @Option(name: .long, help: "A folder with a data set to learn from; may be given more than once.")
    var data: [String]

    @Option(name: .long, help: "A folder that is only measured, before and after; may be given more than once.")
    var judge: [String] = []

    @Option(name: .long, help: "The encoder: a name in the model folder, or a path.")
    var encoder = "minilm"

    @Option(
        name: .long,
        help:
            "What learns: full, top:LAYERS, lora:RANK, lora:RANK:LAYERS or prompt:VECTORS; query:WHAT, or query for query:top:2, tunes the reading of queries alone."
    )
    var tune = "top:2"

    @Option(name: .long, help: "The loss: \(RankingLoss.all.map(\.name).joined(separator: ", ")).")
    var loss = "infonce"

    @Option(name: .long, help: "Wrong passages: \(NegativeSampler.all.map(\.name).joined(separator: ", ")).")
    var negatives = "bm25"

    @Option(
        name: .long, help: "Wrong passages drawn for each question; losses with a teacher rank these with the gold one."
    )
    var hard = 1

    @Option(name: .long, help: "Pairs to learn by: \(PairSource.all.map(\.name).joined(separator: ", ")).")
    var pairs = "questions"

    @Option(name: .long, help: "How many pairs are made of each folder's passages, where they are not its questions.")
    var pairCount = 1000

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Who scores passages for losses with a teacher: \(RankingTeacher.forms).",
            discussion: """
                \(RankingTeacher.explained) Losses with a teacher: \(Self.taught).
                """))
    var teacher = "gold"

    @Option(name: .long, help: "After how many steps negatives are ranked anew (ance, teleport).")
    var refresh = 50

    @Option(name: .long, help: "Steps.")
    var steps = 100

    @Option(name: .long, help: "Questions of a step.")
    var batch = 32

    @Option(name: .long, help: "Texts encoded at once.")
    var threads = 2

    @Option(name: .long, help: "The seed.")
    var seed: UInt64 = 1

    @Option(name: .long, help: "The file to write.")
    var out: String

    private static let taught = RankingTeacher.losses

    func validate() throws {
        guard !data.isEmpty else { throw ValidationError("give at least one --data folder") }
        guard steps > 0, batch > 1, threads > 0 else {
            throw ValidationError("--steps and --threads must be at least 1, --batch at least 2")
        }
        guard tuned.tuning != nil else {
            throw ValidationError("--tune \(tune): expected full, top:N, lora:R, lora:R:N, prompt:N, query or query:…")
        }
        guard RankingLoss.named(loss) != nil else { throw ValidationError("--loss \(loss): there is no such loss") }
        guard NegativeSampler.named(negatives) != nil else {
            throw ValidationError("--negatives \(negatives): there is no such sampler")
        }
        guard negatives != "balanced" || (RankingLoss.named(loss)?.needsTeacher == true && teacher != "gold") else {
            throw ValidationError("--negatives balanced needs the margins of a --teacher, and a --loss that has one")
        }
        guard pairs == "questions" || !(teacher.hasPrefix("likelihood") || teacher.hasPrefix("attribution")) else {
            throw ValidationError("--teacher \(teacher) needs answers, and --pairs \(pairs) has none")
        }
        guard PairSource.named(pairs) != nil else { throw ValidationError("--pairs \(pairs): there are none such") }
        guard hard >= 0, pairCount > 0, refresh > 0 else {
            throw ValidationError("--pair-count and --refresh must be at least 1, --hard at least 0")
        }
    }

    /// What learns, and whether queries alone are read by it.
    private var tuned: (tuning: Tuning?, queriesOnly: Bool) {
        if tune == "query" { return (.top(2), true) }
        return tune.hasPrefix("query:") ? (Tuning(String(tune.dropFirst("query:".count))), true) : (Tuning(tune), false)
    }

    private func say(_ line: String) { FileHandle.standardError.write(Data((line + "\n").utf8)) }

    func run() async throws {
        guard let folder = ModelStore().resolve(encoder) else {
            throw ValidationError("there is no encoder '\(encoder)': run `forage model pull \(encoder)`")
        }
        guard let tuning = tuned.tuning, let loss = RankingLoss.named(loss),
            let negatives = NegativeSampler.named(negatives)
        else { return }
        BLAS.threads = 1
        var training = EncoderTraining(tuning: tuning, loss: loss, negatives: negatives, steps: steps)
        training.queriesOnly = tuned.queriesOnly
        training.batch = batch
        training.threads = threads
        training.seed = seed
        training.hard = hard
        training.refresh = refresh
        training.teacher = try RankingTeacher.named(teacher, encoder: folder)
        let say = say
        let sets = try data.map { path in
            let set = try ReaderMaterial(folder: path, passagesAlone: pairs != "questions")
            guard pairs != "questions", let source = PairSource.named(pairs) else { return set }
            let made = set.pairs(source, count: pairCount, seed: seed)
            say("\(set.name): \(made.count) pairs")
            return made
        }
        guard sets.contains(where: { $0.count > 0 }) else { throw ValidationError("there is nothing to learn from") }
        let (delta, model) = try await training.train(folder: folder, on: sets) { step, loss in
            say(String(format: "step %d: loss %.4f", step, loss))
        }
        var writer = SafetensorsWriter(
            metadata: [
                "encoder": try BERTEncoder.weightsFingerprint(folder: folder), "command": TrainPolicyCommand.command,
            ])
        if training.queriesOnly { writer.metadata["side"] = "query" }
        delta.add(to: &writer, shapes: model.base)
        try writer.write(to: out)
        let before = try BERTEncoder(folder: folder, precision: .int8, threads: threads)
        let after = try training.encoder(folder: folder, delta: delta)
        for path in data + judge {
            let set = try ReaderMaterial(folder: path, part: "dev", passagesAlone: true)
            guard set.count > 0 else {
                say("\(set.name): no questions to measure by")
                continue
            }
            let scores = (
                try await EncoderTraining.recall(before, set), try await EncoderTraining.recall(after, set)
            )
            print(
                "\(set.name)\t\(set.count) questions\trecall@5 \(PolicyScores.estimate(scores.0)) before, "
                    + "\(PolicyScores.estimate(scores.1)) after" + (data.contains(path) ? "" : ", not learned from"))
        }
        say("wrote \(out)")
    }
}
