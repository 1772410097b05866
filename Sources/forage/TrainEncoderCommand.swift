// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Encoders
import Foundation
import Learning
import Net
import TensorMath
import Transformers

/// `forage train encoder`: tunes a sentence encoder on questions with gold passages and writes what changed.
struct TrainEncoderCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "encoder", abstract: "Tune the sentence encoder on questions and their passages.",
        discussion: """
            The file holds only what changed; index with it as `--encoder minilm+FILE`. An index made by another encoder \
            refuses it and says how to encode anew.
            """)

    @Option(name: .long, help: "A folder with a data set to learn from; may be given more than once.")
    var data: [String]

    @Option(name: .long, help: "A folder that is only measured, before and after; may be given more than once.")
    var judge: [String] = []

    @Option(name: .long, help: "The encoder: a name in the model folder, or a path.")
    var encoder = "minilm"

    @Option(name: .long, help: "What learns: full, top:LAYERS, lora:RANK or lora:RANK:LAYERS.")
    var tune = "top:2"

    @Option(name: .long, help: "The loss: \(RankingLoss.all.map(\.name).joined(separator: ", ")).")
    var loss = "infonce"

    @Option(name: .long, help: "Wrong passages: \(NegativeSampler.all.map(\.name).joined(separator: ", ")).")
    var negatives = "bm25"

    @Option(name: .long, help: "Who scores passages for margin-mse and kl: gold, or a reader's file.")
    var teacher = "gold"

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

    func validate() throws {
        guard !data.isEmpty else { throw ValidationError("give at least one --data folder") }
        guard steps > 0, batch > 1, threads > 0 else {
            throw ValidationError("--steps and --threads must be at least 1, --batch at least 2")
        }
        guard Tuning(tune) != nil else {
            throw ValidationError("--tune \(tune): expected full, top:N, lora:R or lora:R:N")
        }
        guard RankingLoss.named(loss) != nil else { throw ValidationError("--loss \(loss): there is no such loss") }
        guard NegativeSampler.named(negatives) != nil else {
            throw ValidationError("--negatives \(negatives): there is no such sampler")
        }
    }

    private func say(_ line: String) { FileHandle.standardError.write(Data((line + "\n").utf8)) }

    func run() async throws {
        guard let folder = ModelStore().resolve(encoder) else {
            throw ValidationError("there is no encoder '\(encoder)': run `forage model pull \(encoder)`")
        }
        guard let tuning = Tuning(tune), let loss = RankingLoss.named(loss),
            let negatives = NegativeSampler.named(negatives)
        else { return }
        BLAS.threads = 1
        var training = EncoderTraining(tuning: tuning, loss: loss, negatives: negatives, steps: steps)
        training.batch = batch
        training.threads = threads
        training.seed = seed
        if teacher != "gold" {
            training.teacher = .reranker(ReaderReranker(try SpanReader(weights: teacher, model: folder)))
        }
        let say = say
        let sets = try data.map { try ReaderMaterial(folder: $0) }
        let (delta, model) = try await training.train(folder: folder, on: sets) { step, loss in
            say(String(format: "step %d: loss %.4f", step, loss))
        }
        var writer = SafetensorsWriter(
            metadata: [
                "encoder": try BERTEncoder.weightsFingerprint(folder: folder), "command": TrainPolicyCommand.command,
            ])
        delta.add(to: &writer, shapes: model.base)
        try writer.write(to: out)
        let before = try BERTEncoder(folder: folder, precision: .int8, threads: threads)
        let after = try BERTEncoder(folder: folder, precision: .int8, threads: threads, delta: delta)
        for path in data + judge {
            let set = try ReaderMaterial(folder: path, part: "dev")
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
