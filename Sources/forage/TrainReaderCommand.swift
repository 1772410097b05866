// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Encoders
import Foundation
import Learning
import Net
import QualityMetrics
import TensorMath
import Transformers

/// `forage train reader`: trains reading, relevance and abstention from end to end, scores them, writes the reader with
/// its card.
struct TrainReaderCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reader",
        abstract: "Train the reader: short answers, yes or no, \"not here\", and how relevant a passage is.",
        discussion: """
            Each data folder holds corpus.jsonl and questions.train.jsonl, whose questions name their gold passages or, \
            where they have no answer, the passages to look at (\"context\"); the questions of questions.dev.jsonl judge \
            the reader. A folder given with --extra only adds questions to learn from. Steps of decompositions, evidence \
            triples and the facts behind a yes or no are learned from as well. A run that was stopped goes on when the \
            same command is given again.
            """)

    @Option(
        name: .long, help: "A folder with a data set, :N behind it for at most N questions an epoch; may be repeated.")
    var data: [String]

    @Option(name: .long, help: "A folder whose questions are learned from and not judged, :N as with --data.")
    var extra: [String] = []

    @Option(
        name: .long,
        help: "A folder whose development questions calibrate; of one that is judged too, every second does either.")
    var held: [String] = []

    @Option(name: .long, help: "The encoder: a name in the model folder, or a path.")
    var encoder = "minilm"

    @Option(name: .long, help: "What learns of the encoder: full, top:LAYERS, lora:RANK, lora:RANK:LAYERS, or heads.")
    var tune = "top:2"

    @Option(
        name: .long, help: "An earlier reader to go on from; with --tune heads its encoder stays as it is.")
    var start: String?

    @Option(
        name: .long, help: "How much of the way from --start to what was learned is kept, above 0 and at most 1.")
    var share: Float = 1

    @Option(name: .long, help: "A head that starts anew, such as relevance, none, passage or yes; may be repeated.")
    var renew: [String] = []

    @Flag(name: .long, help: "Only the heads of --renew learn; the others stay as they are in --start.")
    var renewedOnly = false

    @Option(name: .long, help: "The file to write the weights to.")
    var out = "Policies/reader.safetensors"

    @Option(name: .long, help: "Steps; 0 only calibrates and scores the reader that lies at --out.")
    var steps = 600

    @Option(name: .long, help: "Ends the training after so many minutes, the learning rate falling to zero by then.")
    var minutes: Double?

    @Option(name: .long, help: "Examples of a step.")
    var batch = 16

    @Option(name: .long, help: "Passages without the answer beside the gold ones of an example.")
    var distractors = 1

    @Option(name: .long, help: "How often the passages that hold the answer are taken out of an example.")
    var withheld = 0.15

    @Option(name: .long, help: "The highest learning rate of the encoder's weights.")
    var rate: Float = 2e-4

    @Option(name: .long, help: "Tokens of a question and a passage together at most.")
    var longest = 192

    @Option(name: .long, help: "Cores to use.")
    var threads = 2

    @Option(name: .long, help: "The seed.")
    var seed: UInt64 = 1

    func validate() throws {
        guard !data.isEmpty else { throw ValidationError("give at least one --data folder") }
        guard steps >= 0, threads > 0, batch > 0, distractors >= 0, longest >= 32 else {
            throw ValidationError("--threads and --batch must be at least 1, --longest at least 32")
        }
        guard share > 0, share <= 1, share == 1 || start != nil else {
            throw ValidationError("--share is above 0 and at most 1, and needs --start")
        }
        guard !renewedOnly || (start != nil && !renew.isEmpty) else {
            throw ValidationError("--renewed-only needs --start and --renew")
        }
        guard rate > 0, rate < 1, minutes ?? 1 > 0 else {
            throw ValidationError("--rate must lie between 0 and 1, --minutes above 0")
        }
        guard tune == "heads" || Tuning(tune) != nil else {
            throw ValidationError("--tune \(tune): expected full, top:LAYERS, lora:RANK, lora:RANK:LAYERS or heads")
        }
    }

    private func say(_ line: String) { FileHandle.standardError.write(Data((line + "\n").utf8)) }

    func run() async throws {
        let begun = Date()
        guard let folder = ModelStore().resolve(encoder) else {
            throw ValidationError("there is no encoder '\(encoder)': run `forage model pull \(encoder)`")
        }
        BLAS.threads = 1
        let sets = try (data + extra).map { entry in
            let entry = DataEntry(entry)
            var set = try ReaderMaterial(folder: entry.path, steps: true)
            set.most = entry.most ?? set.most
            return set
        }
        let judged = Set(data.map { DataEntry($0).path })
        let heldSets = try held.map { path in
            let set = try ReaderMaterial(folder: path, part: "dev")
            return judged.contains(path) ? set.half(0) : set
        }
        for set in sets { say("\(set.name): \(set.count) questions to learn from, at most \(set.most) an epoch") }
        guard sets.contains(where: { $0.count > 0 }) else {
            throw ValidationError("the data sets have no training questions")
        }
        let run = self.run(in: folder)
        let say = say
        if steps > 0 {
            try await run.train(on: sets, held: heldSets.flatMap { Array($0.goldExamples.prefix(60)) }) { say($0) }
        }
        let trained = Date()
        let reader = try await run.calibrate(on: heldSets.isEmpty ? sets : heldSets)
        let table = try await judge(reader)
        let card = """
            # reader

            Reads short answers off passages, says yes or no, says that the passages do not hold the answer, and tells how much
            a passage has to do with a question (the reranker `reader`). Heads over a sentence encoder of which a part was
            tuned on questions and passages read together.

            | | |
            | --- | --- |
            | Command | `\(TrainPolicyCommand.command)` |
            | Data | \(sets.map { "\($0.name) (\($0.count))" }.joined(separator: ", ")) |
            | Tuned | \(tune) of \(encoder); \(reader.weightCount) weights in the heads |
            | Seed | \(seed) |
            | Cost | \(Int(trained.timeIntervalSince(begun))) s training, \(Int(Date().timeIntervalSince(trained))) s calibrating and scoring |

            Development questions, read with their gold passages; 95 % bootstrap intervals.

            | set | questions | F1 | exact match |
            | --- | --- | --- | --- |
            \(table.reading)

            Of questions among distractors, half with their evidence taken out; the threshold was chosen on held-out questions.

            | set | AUROC answerable | answered without evidence | refused with evidence |
            | --- | --- | --- | --- |
            \(table.trust)
            """
        let name = out.hasSuffix(".safetensors") ? String(out.dropLast(".safetensors".count)) : out
        try Data((card + "\n").utf8).write(to: URL(fileURLWithPath: name + ".md"), options: .atomic)
        say("wrote \(out) and \(name).md")
    }

    private func run(in folder: String) -> ReaderRun {
        var training = ReaderTraining(tuning: Tuning(tune), steps: steps)
        training.threads = threads
        training.seed = seed
        training.batch = batch
        training.distractors = distractors
        training.withheld = withheld
        training.encoderRate = rate
        training.longest = longest
        // As many parts as cores, where there are examples for them.
        training.together = max(1, min(4, batch / threads))
        var run = ReaderRun(training: training, model: folder, out: out)
        run.start = start
        run.share = share
        run.renewed = Set(renew)
        if renewedOnly { run.training.learning = run.renewed }
        run.seconds = minutes.map { 60 * $0 }
        return run
    }

    /// Scores the reader on the development questions of the data folders.
    private func judge(_ reader: SpanReader) async throws -> (reading: String, trust: String) {
        var result = (reading: "", trust: "")
        for path in data.map({ DataEntry($0).path }) {
            let whole = try ReaderMaterial(folder: path, part: "dev")
            let set = held.contains(path) ? whole.half(1) : whole
            var (f1, exact): ([Double], [Double]) = ([], [])
            for example in set.goldExamples {
                let answer = try await reader.answer(
                    question: example.question, passages: example.passages.map { (title: $0.title, text: $0.text) })
                let score = AnswerBenchmark.hotpotQA.score(answer.text, gold: example.answers)
                f1.append(score.f1)
                exact.append(score.exactMatch)
            }
            if !f1.isEmpty {
                let row = "\(set.name) | \(f1.count) | \(PolicyScores.estimate(f1)) | \(PolicyScores.estimate(exact))"
                print(row.replacing(" | ", with: "\t"))
                result.reading += "| \(row) |\n"
            }
            let observations = try await reader.observations(
                ReaderRun.judged([set], most: 200, seed: 9)
            ) { AnswerBenchmark.hotpotQA.score($0, gold: $1).f1 >= 0.5 }
            guard let confidence = reader.confidence, !observations.isEmpty else { continue }
            let trust = ConfidenceScores(confidence, observations).row
            print("\(set.name)\tAUROC | answered without evidence | refused with it: \(trust)")
            result.trust += "| \(set.name) | \(trust) |\n"
        }
        return result
    }
}
