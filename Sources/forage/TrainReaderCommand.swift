// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Encoders
import Foundation
import Learning
import Net

/// `forage train reader`: trains the span reader on questions with their gold passages, scores it, writes it with its card.
struct TrainReaderCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reader", abstract: "Train the span reader: short answers read off passages.",
        discussion: """
            Each data folder holds corpus.jsonl and questions.train.jsonl, whose questions name their gold passages; the \
            questions of questions.dev.jsonl judge the reader. A folder given with --extra only adds questions to learn \
            from: all of its questions.jsonl.
            """)

    @Option(name: .long, help: "A folder with a data set; may be given more than once.")
    var data: [String]

    @Option(name: .long, help: "A folder whose questions are all learned from; may be given more than once.")
    var extra: [String] = []

    @Option(name: .long, help: "The encoder: a name in the model folder, or a path.")
    var encoder = "minilm"

    @Option(name: .long, help: "The file to write the weights to.")
    var out = "Policies/reader.safetensors"

    @Option(name: .long, help: "Times through the questions.")
    var epochs = 12

    @Option(name: .long, help: "The seed.")
    var seed: UInt64 = 1

    func validate() throws {
        guard !data.isEmpty else { throw ValidationError("give at least one --data folder") }
        guard epochs > 0 else { throw ValidationError("--epochs must be at least 1") }
    }

    private func say(_ line: String) { FileHandle.standardError.write(Data((line + "\n").utf8)) }

    func run() async throws {
        let begun = Date()
        guard let folder = ModelStore().resolve(encoder) else {
            throw ValidationError("no encoder '\(encoder)' in the model folder")
        }
        // In integers: reading takes less than half the time, for the same answers.
        let encoder = try BERTEncoder(folder: folder, precision: .int8)
        var train: [SpanTraining.Reading] = []
        var judged: [(name: String, material: SpanTraining.Material)] = []
        for path in data {
            let dataset = try LearningDataset(folder: path)
            train += dataset.readings("train")
            let dev = dataset.readings("dev")
            if !dev.isEmpty {
                judged.append((dataset.name, try await read(dev, "\(dataset.name), development", encoder)))
            }
        }
        for path in extra {
            let dataset = try LearningDataset(folder: path)
            train += dataset.readings("train") + dataset.readings("dev")
        }
        guard !train.isEmpty else { throw ValidationError("the data sets have no training questions") }
        let material = try await read(train, "training", encoder)
        let ready = Date()
        var training = SpanTraining()
        training.epochs = epochs
        training.seed = seed
        let (say, total) = (say, epochs)
        let reader = try await training.train(
            on: material, encoder: encoder, to: out, notes: ["encoder": encoder.fingerprint, "seed": String(seed)]
        ) { epoch, loss in
            say(String(format: "epoch %d of %d: loss %.4f", epoch + 1, total, loss))
        }
        var table = ""
        for (name, material) in judged {
            let scores = reader.scores(on: material)
            let (f1, exact) = (PolicyScores.estimate(scores.f1), PolicyScores.estimate(scores.exactMatch))
            print(
                "\(name)\tF1 \(f1)\texact match \(exact)\tbest possible F1 \(String(format: "%.4f", material.ceiling))")
            table +=
                "| \(name) | \(material.count) | \(f1) | \(exact) | \(String(format: "%.4f", material.ceiling)) |\n"
        }
        let card = """
            # reader

            Reads short answers off passages: candidate spans (names, dates, numbers, phrases) are scored by a small head over the
            encoder's token vectors and over features of shape, place and overlap with the question.

            | | |
            | --- | --- |
            | Command | `\(TrainPolicyCommand.command)` |
            | Data | \(material.count) training questions with their gold passages |
            | Weights | \(reader.weightCount) over the encoder \(encoder.fingerprint) |
            | Seed | \(seed) |
            | Cost | \(Int(ready.timeIntervalSince(begun))) s reading, \(Int(Date().timeIntervalSince(ready))) s training and scoring |

            Development questions, read with their gold passages; 95 % bootstrap intervals.

            | set | questions | F1 | exact match | F1 of the best candidate |
            | --- | --- | --- | --- | --- |
            \(table)
            """
        let name = out.hasSuffix(".safetensors") ? String(out.dropLast(".safetensors".count)) : out
        try Data(card.utf8).write(to: URL(fileURLWithPath: name + ".md"), options: .atomic)
        say("wrote \(out) and \(name).md")
    }

    private func read(
        _ questions: [SpanTraining.Reading], _ label: String, _ encoder: BERTEncoder
    ) async throws -> SpanTraining.Material {
        say("\(label): \(questions.count) questions")
        let reportsProgress = isatty(2) != 0
        return try await SpanTraining.read(questions, encoder: encoder) { done, all in
            guard reportsProgress else { return }
            FileHandle.standardError.write(Data("\r\u{1B}[K\(done) of \(all)\(done == all ? "\n" : "")".utf8))
        }
    }
}
