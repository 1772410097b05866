// SPDX-License-Identifier: Apache-2.0

import Agent
import ArgumentParser
import Encoders
import Foundation
import Learning
import Net
import Search
import TensorMath
import Transformers

/// `forage train reranker`: tunes an encoder to read a question and a passage together and to say how much they have to do
/// with each other; measures what re-ranking does, and writes the reranker with its card.
struct TrainRerankerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reranker", abstract: "Train a reranker: question and passage read together, one score.",
        discussion: """
            Name its file wherever a reranker is named, as `--rerank cross:FILE`, in a policy as `rerank: "cross:FILE"`; one \
            that lies in Policies/ has the name cross:NAME, and requests can name it too. Every second development \
            question of a --data folder chooses the best state and the reranker's share of a ranking; the others, and \
            those of --judge folders, measure it. A run that was stopped goes on when the same command is given again.
            """)

    @Option(
        name: .long,
        help: "A folder with a data set to learn from, :N behind it for at most N questions an epoch; may be repeated.")
    var data: [String]

    @Option(name: .long, help: "A folder that is learned from and not measured, :N as with --data; may be repeated.")
    var extra: [String] = []

    @Option(name: .long, help: "A folder that is only measured; may be repeated.")
    var judge: [String] = []

    @Option(name: .long, help: "The encoder: a name in the model folder, or a path.")
    var encoder = "minilm"

    @Option(name: .long, help: "A reader or reranker to go on from: a file, or reader for the standard one.")
    var start: String?

    @Option(
        name: .long,
        help: "What learns of the encoder: full, top:LAYERS, lora:RANK, lora:RANK:LAYERS, prompt:VECTORS, or heads.")
    var tune = "top:3"

    @Option(
        name: .long, help: "The loss: \(RankingLoss.all.filter { !$0.isMutual }.map(\.name).joined(separator: ", ")).")
    var loss = "infonce"

    @Option(name: .long, help: "Wrong passages: \(Self.samplers.map(\.name).joined(separator: ", ")).")
    var negatives = "hybrid"

    @Option(name: .long, help: "Wrong passages beside the gold one of a list.")
    var hard = 5

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Who scores passages for losses with a teacher: \(RankingTeacher.forms).",
            discussion: "\(RankingTeacher.explained) Losses with a teacher: \(RankingTeacher.losses)."))
    var teacher = "gold"

    @Option(name: .long, help: "The search whose ranking is measured anew: hybrid, or bm25.")
    var first = "hybrid"

    @Option(name: .long, help: "Passages of a ranking that are re-ranked.")
    var depth = 50

    @Option(name: .long, help: "The most questions of a set that are measured.")
    var judged = 100

    @Option(name: .long, help: "Steps; 0 only measures the reranker that lies at --out.")
    var steps = 300

    @Option(name: .long, help: "Ends the training after so many minutes, the learning rate falling to zero by then.")
    var minutes: Double?

    @Option(name: .long, help: "Steps between checkpoints.")
    var interval = 50

    @Option(name: .long, help: "Questions of a step.")
    var batch = 8

    @Option(name: .long, help: "The highest learning rate of the encoder's weights.")
    var rate: Float = 1e-4

    @Option(name: .long, help: "Tokens of a question and a passage together at most.")
    var longest = 192

    @Option(name: .long, help: "Cores to use.")
    var threads = 2

    @Option(name: .long, help: "The seed.")
    var seed: UInt64 = 1

    @Option(name: .long, help: "The file to write.")
    var out: String

    /// The samplers that do not follow an encoder while it learns.
    private static let samplers = NegativeSampler.all.filter { !$0.followsTraining }

    func validate() throws {
        guard !data.isEmpty else { throw ValidationError("give at least one --data folder") }
        guard steps >= 0, threads > 0, batch > 0, hard > 0, interval > 0, longest >= 32 else {
            throw ValidationError(
                "--batch, --hard, --interval and --threads must be at least 1, --longest at least 32")
        }
        guard (2...1000).contains(depth), judged > 0 else {
            throw ValidationError("--depth must lie between 2 and 1000, --judged be at least 1")
        }
        guard rate > 0, rate < 1, minutes ?? 1 > 0 else {
            throw ValidationError("--rate must lie between 0 and 1, --minutes above 0")
        }
        guard tune == "heads" || Tuning(tune) != nil else {
            throw ValidationError("--tune \(tune): expected full, top:LAYERS, lora:RANK, lora:RANK:LAYERS or heads")
        }
        guard let named = RankingLoss.named(loss) else {
            throw ValidationError("--loss \(loss): there is no such loss")
        }
        guard !named.isMutual else {
            throw ValidationError(
                "--loss \(loss) ranks questions for passages, which takes vectors: it is an encoder's")
        }
        guard negatives != "balanced" || (named.needsTeacher && teacher != "gold") else {
            throw ValidationError("--negatives balanced needs the margins of a --teacher, and a --loss that has one")
        }
        guard Self.samplers.contains(where: { $0.name == negatives }) else {
            let names = Self.samplers.map(\.name).joined(separator: ", ")
            throw ValidationError("--negatives \(negatives): a reranker learns from \(names)")
        }
        guard first == "hybrid" || first == "bm25" else {
            throw ValidationError("--first \(first): expected hybrid or bm25")
        }
    }

    private func say(_ line: String) { FileHandle.standardError.write(Data((line + "\n").utf8)) }

    /// A data folder's questions to learn from, those that choose, and those that measure.
    private struct Part {
        var train: ReaderMaterial
        var held: ReaderMaterial
        var judged: ReaderMaterial
    }

    /// Of a folder with one file of questions every second one is kept from learning.
    private static func part(_ entry: DataEntry) throws -> Part {
        var train = try ReaderMaterial(folder: entry.path)
        var held = try ReaderMaterial(folder: entry.path, part: "dev")
        if !FileManager.default.fileExists(atPath: entry.path + "/questions.dev.jsonl") {
            held = train.half(1)
            train = train.half(0)
        }
        train.most = entry.most ?? train.most
        return Part(train: train, held: held.half(0), judged: held.half(1))
    }

    func run() async throws {
        let begun = Date()
        guard let folder = ModelStore().resolve(encoder) else {
            throw ValidationError("there is no encoder '\(encoder)': run `forage model pull \(encoder)`")
        }
        BLAS.threads = 1
        let parts = try data.map { try Self.part(DataEntry($0)) }
        let sets =
            try parts.map(\.train)
            + extra.map { text in
                let entry = DataEntry(text)
                var set = try ReaderMaterial(folder: entry.path)
                set.most = entry.most ?? set.most
                return set
            }
        for set in sets { say("\(set.name): \(set.count) questions to learn from, at most \(set.most) an epoch") }
        guard sets.contains(where: { $0.count > 0 }) else {
            throw ValidationError("the data sets have no training questions")
        }
        let ranker =
            first == "hybrid" ? try BERTEncoder(folder: folder, precision: .int8, threads: threads) : nil
        let say = say
        let reranker: CrossEncoder
        if steps > 0 {
            var held: [FirstRanking] = []
            for part in parts {
                held += try await part.held.firstRankings(count: 20, most: 40, encoder: ranker)
            }
            reranker = try await run(in: folder).train(on: sets, held: held.filter { !$0.gold.isEmpty }) { say($0) }
        } else {
            reranker = try CrossEncoder(weights: out, model: folder, threads: threads)
        }
        let trained = Date()
        var rows: [String] = []
        let others = try judge.map { try ReaderMaterial(folder: $0, part: "dev") }
        for (set, isOther) in parts.map({ ($0.judged, false) }) + others.map({ ($0, true) }) {
            let rankings = try await set.firstRankings(count: depth, most: judged, encoder: ranker)
            guard !rankings.isEmpty else {
                say("\(set.name): no questions to measure by")
                continue
            }
            let row = Self.row(
                set.name + (isOther ? ", not learned from" : ""), try await RerankScores(rankings, by: reranker))
            print(row.replacing(" | ", with: "\t"))
            rows.append("| \(row) |")
        }
        let name = out.hasSuffix(".safetensors") ? String(out.dropLast(".safetensors".count)) : out
        let card = card(
            sets, share: reranker.mixture.share, rows: rows, trained.timeIntervalSince(begun),
            Date().timeIntervalSince(trained))
        try Data((card + "\n").utf8).write(to: URL(fileURLWithPath: name + ".md"), options: .atomic)
        say("wrote \(out) and \(name).md")
    }

    private func run(in folder: String) throws -> RerankerRun {
        guard let loss = RankingLoss.named(loss), let negatives = NegativeSampler.named(negatives) else {
            throw ValidationError("--loss or --negatives: there is no such thing")
        }
        var training = RerankerTraining(tuning: Tuning(tune), loss: loss, negatives: negatives, steps: steps)
        training.threads = threads
        training.seed = seed
        training.batch = batch
        training.hard = hard
        training.encoderRate = rate
        training.longest = longest
        training.together = max(1, min(4, batch / threads))
        training.teacher = try RankingTeacher.named(teacher, encoder: folder)
        var run = RerankerRun(training: training, model: folder, out: out)
        run.interval = interval
        run.seconds = minutes.map { 60 * $0 }
        run.notes = ["command": TrainPolicyCommand.command, "model": encoder]
        run.start = start
        if start == "reader" {
            guard let path = PolicyFile.locate(SpanReader.standardName) else {
                throw ValidationError("there is no \(SpanReader.standardName) beside the policies")
            }
            run.start = path
        }
        return run
    }

    /// A set's recall as it was found, re-ranked, and by the reranker alone, with the chance that re-ranking changes nothing.
    private static func row(_ set: String, _ scores: RerankScores) -> String {
        func columns(_ before: [Double], _ after: [Double], _ alone: [Double]) -> String {
            let p = PolicyScores.pairedTest(after, before)
            return "\(PolicyScores.estimate(before)) | \(PolicyScores.estimate(after)) | "
                + String(format: "%.4f | %.4f", p, PolicyScores.estimate(alone).mean)
        }
        return "\(set) | \(scores.before.two.count) | "
            + columns(scores.before.two, scores.after.two, scores.alone.two) + " | "
            + columns(scores.before.five, scores.after.five, scores.alone.five)
    }

    private func card(
        _ sets: [ReaderMaterial], share: Float, rows: [String], _ training: Double, _ measuring: Double
    ) -> String {
        """
        # A reranker

        Reads a question and a passage together and says how much they have to do with each other: a head over a sentence
        encoder of which a part was tuned with it.

        | | |
        | --- | --- |
        | Command | `\(TrainPolicyCommand.command)` |
        | Data | \(sets.map { "\($0.name) (\($0.count))" }.joined(separator: ", ")) |
        | Tuned | \(tune) of \(encoder), loss \(loss), negatives \(negatives), teacher \(teacher) |
        | Share | \(String(format: "%.2f", share)) of a ranking; 0 leaves it as the search found it |
        | Seed | \(seed) |
        | Cost | \(Int(training)) s training, \(Int(measuring)) s measuring |

        The first \(depth) passages of \(first == "hybrid" ? "hybrid search" : "the search by words"), as found and
        re-ranked; development questions that nothing was learned or chosen by. 95 % bootstrap intervals; p of a paired
        sign-flip test against the ranking as found; "alone" is the reranker without the search's ranking.

        | set | questions | recall@2 found | re-ranked | p | alone | recall@5 found | re-ranked | p | alone |
        | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
        \(rows.joined(separator: "\n"))
        """
    }
}
