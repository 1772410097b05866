// SPDX-License-Identifier: Apache-2.0

import Agent
import ArgumentParser
import Base
import Corpus
import Datasets
import Episodes
import Foundation
import LanguageModels
import Learning
import Search
import Synchronization
import TensorMath
import Transformers

/// `forage train model`: teaches a small language model to drive sessions, from demonstrations and then from rewards, and
/// writes what it learned as an adapter beside the model.
struct TrainModelCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "model", abstract: "Tune a small language model to drive sessions; writes an adapter.",
        discussion: """
            forage train model --model smollm2 --corpus notes.forage --questions questions.jsonl --out agent.safetensors
              learns from questions whose gold passages are known ("supporting"): each is run through the ordinary loop with \
            the menu that the policy gives the model, and what leads to the gold passages is what the model is to write. \
            Prompts and results are masked out of the loss. With --trajectories it learns from exported ones as well.

            With --iterations it goes on from rewards: sessions of the model itself, RLOO or GRPO, held to the model that it \
            was by the KL divergence. A run can be interrupted, by kill -9 too: the same command goes on from its --run folder.

            Where the tuned model finds less on the questions held back than it did before, nothing is written (--force \
            writes it all the same). Use it as `--model smollm2+agent.safetensors --policy menu`, or put it beside the model \
            as NAME.safetensors and say `--model smollm2+NAME`.
            """)

    @Option(name: .long, help: "The model: a name in the model folder or a path; with +ADAPTER to go on from one.")
    var model = "smollm2"

    @Option(name: [.short, .long], help: "A corpus to learn on, with --questions; may be given more than once.")
    var corpus: [String] = []

    @Option(name: .long, help: "Its questions, one JSON object a line: question, answers and supporting.")
    var questions: [String] = []

    @Option(name: .long, help: "Questions to judge by, for each corpus; default: a fifth of --questions.")
    var judge: [String] = []

    @Option(name: .long, help: "A folder with corpus.jsonl and question files; may be given more than once.")
    var data: [String] = []

    @Option(name: .long, help: "Exported trajectories to learn from as well (`forage train export`).")
    var trajectories: [String] = []

    @Option(name: .long, help: "The policy in which the model drives: its menu is what the model learns.")
    var policy = "menu"

    @Option(name: .long, help: "What learns: lora:RANK or lora:RANK:LAYERS (the uppermost).")
    var tune = "lora:8"

    @Option(
        name: .long,
        help: "The matrices that learn: \(DecoderProjection.allCases.map(\.rawValue).joined(separator: ", ")).")
    var projections: [String] = []

    @Option(name: .long, help: "Steps of learning from demonstrations; default: two passes over them.")
    var steps: Int?

    @Option(name: .long, help: "Ends learning from demonstrations after so many minutes.")
    var minutes: Double?

    @Option(name: .long, help: "Examples of a step.")
    var batch = 8

    @Option(name: .long, help: "The learning rate of learning from demonstrations.")
    var learningRate = 4e-4

    @Option(name: .long, help: "The method for learning from rewards: rloo, grpo or reinforce.")
    var method = "rloo"

    @Option(name: .long, help: "Iterations of learning from rewards; 0 leaves them out.")
    var iterations = 0

    @Option(name: .long, help: "Questions of an iteration.")
    var group = 8

    @Option(name: .long, help: "Sessions of each question in an iteration.")
    var samples = 4

    @Option(name: .long, help: "A reward as name=weight; default: gold-coverage=1, answer=0.5, tool-exploration=0.05.")
    var reward: [String] = []

    @Option(name: .long, help: "The learning rate of learning from rewards.")
    var rewardRate = 5e-5

    @Option(name: .long, help: "The weight of the KL divergence from the model before rewards.")
    var kl = 0.05

    @Option(name: [.customShort("k"), .long], help: "The most questions to learn from; they are drawn by the seed.")
    var limit: Int?

    @Option(name: .long, help: "The most questions to judge by.")
    var judged = 60

    @Option(name: .long, help: "Threads.")
    var threads = 2

    @Option(name: .long, help: "The encoder of folders that are indexed here.")
    var encoder = "minilm"

    @Option(name: .long, help: "Where the corpora of --data are indexed.")
    var indexed = "runs/corpora"

    @Option(name: .long, help: "The seed.")
    var seed: UInt64 = 1

    @Option(name: .long, help: "The folder for records and checkpoints of the run.")
    var run: String?

    @Flag(name: .long, help: "Deals the training labels out anew: a check, after which nothing may be gained.")
    var shuffleLabels = false

    @Flag(name: .long, help: "Writes the adapter even where the tuned model is worse.")
    var force = false

    @Option(name: .long, help: "The adapter to write: a .safetensors file, or a folder as the PEFT library reads it.")
    var out: String

    func validate() throws {
        guard !data.isEmpty || !corpus.isEmpty || !trajectories.isEmpty else {
            throw ValidationError("give --corpus with --questions, a --data folder, or --trajectories")
        }
        guard corpus.count == questions.count, judge.isEmpty || judge.count == corpus.count else {
            throw ValidationError("give one --questions for each --corpus, and as many --judge or none")
        }
        guard case .lora? = Tuning(tune) else {
            throw ValidationError("--tune \(tune): expected lora:RANK or lora:RANK:LAYERS")
        }
        guard PolicyGradientMethods.all[method] != nil, method != "ppo" else {
            throw ValidationError("--method is rloo, grpo or reinforce, not '\(method)'")
        }
        guard batch > 0, threads > 0, group > 0, samples > 1, iterations >= 0, judged >= 0, steps ?? 1 >= 0 else {
            throw ValidationError("numbers must be positive, --samples at least 2")
        }
        guard learningRate > 0, rewardRate > 0, kl >= 0, minutes ?? 1 > 0 else {
            throw ValidationError("rates, weights and times must be positive")
        }
        _ = try chosenProjections()
        _ = try rewardWeights()
    }

    private func chosenProjections() throws -> [DecoderProjection] {
        let names = projections.flatMap { $0.split(separator: ",").map(String.init) }
        guard !names.isEmpty else { return DecoderProjection.allCases }
        return try names.map { name in
            guard let projection = DecoderProjection(rawValue: name) else {
                throw ValidationError("--projections: there is no matrix '\(name)'")
            }
            return projection
        }
    }

    private func rewardWeights() throws -> [(name: String, weight: Float)] {
        let texts = reward.isEmpty ? ["gold-coverage=1", "answer=0.5", "tool-exploration=0.05"] : reward
        return try texts.map { text in
            let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
            guard parts.count == 2, TrainingRecipe.knownRewards.contains(parts[0]), let weight = Float(parts[1]),
                weight.isFinite
            else {
                throw ValidationError(
                    "--reward \(text): expected name=weight with one of "
                        + TrainingRecipe.knownRewards.joined(separator: ", "))
            }
            return (parts[0], weight)
        }
    }

    private func say(_ line: String) { FileHandle.standardError.write(Data((line + "\n").utf8)) }

    func run() async throws {
        Interruption.listen()
        guard let place = try LocalModelName.find(model) else {
            throw ValidationError("there is no model '\(model)' here: `forage model pull \(model)`")
        }
        BLAS.threads = 1
        let plain = try LocalModel(
            path: place.path, adapter: place.adapter, name: model, options: .init(threads: threads))
        let run = try ModelTrainingRun(
            place: place, plain: plain, name: model, policy: PolicyFile.find(policy),
            tuning: Tuning(tune) ?? .lora(rank: 8, scale: 16, layers: .max), projections: chosenProjections(),
            threads: threads, seed: seed, say: say)
        let sets = try await TrainingSets(
            corpora: corpus, questions: questions, judged: judge, folders: data, encoder: encoder, indexed: indexed,
            seed: seed, shuffles: shuffleLabels, say: say
        ).open()
        let train = drawn(sets.flatMap(\.train), limit)
        let held = drawn(sets.flatMap(\.judged), judged)
        let folder = try TrainingFolder(self.run ?? out + ".run")
        var parameters = try await demonstrate(run, train, folder)
        if iterations > 0 { parameters = try await improve(run, train, from: parameters, folder) }
        let adapter = run.adapter(parameters, notes: ["command": TrainPolicyCommand.command])
        try await judge(run, adapter, held)
    }

    private func drawn(_ questions: [TrainingQuestion], _ most: Int?) -> [TrainingQuestion] {
        var order = Array(questions.indices)
        var generator = SplitMix64(seed: seed, stream: 0xD4A)
        generator.shuffle(&order)
        return order.prefix(most ?? questions.count).sorted().map { questions[$0] }
    }

    /// Learns from demonstrations and exported trajectories.
    private func demonstrate(
        _ run: ModelTrainingRun, _ questions: [TrainingQuestion], _ folder: TrainingFolder
    ) async throws -> ParameterSet {
        var examples: [ModelExample] = []
        for path in trajectories {
            let read = try ExportedTrajectories(file: path, model: run.plain)
            for line in read.refused.prefix(5) { say("set aside: \(line)") }
            if read.refused.count > 5 { say("set aside \(read.refused.count - 5) more lines") }
            examples += read.examples
        }
        let withGold = questions.filter { !$0.question.gold.isEmpty }
        examples += try await run.demonstrations(withGold, in: folder)
        var tuning = SupervisedTuning()
        tuning.batch = batch
        tuning.learningRate = Float(learningRate)
        tuning.seconds = minutes.map { $0 * 60 }
        tuning.seed = seed
        tuning.steps = steps ?? max(1, 2 * examples.count / batch)
        guard tuning.steps > 0, !examples.isEmpty else { return run.start }
        say(
            "\(examples.count) examples, \(examples.reduce(0) { $0 + $1.tokens.count }) tokens of which "
                + "\(examples.reduce(0) { $0 + $1.learnedCount }) are learned; \(tuning.steps) steps")
        let supervised = try TrainingFolder(folder.path + "/supervised")
        let fresh = SupervisedTuning.Progress(from: run.start)
        let progress = try supervised.stored(fresh) ?? fresh
        if progress.step > 0 { say("resuming at step \(progress.step)") }
        let (total, say) = (tuning.steps, say)
        let limit = tuning.seconds
        var shown = (loss: 0.0, count: 0)
        return try tuning.run(run.learner, on: examples, from: progress) { record, now in
            try supervised.append(record)
            shown = (shown.loss + record.loss, shown.count + 1)
            if now.step % 10 == 0 || now.step == total || Interruption.isRequested {
                try supervised.store(now)
                let left = min(
                    now.seconds / Double(now.step) * Double(total - now.step), (limit ?? .infinity) - now.seconds)
                say(
                    String(
                        format: "step %d of %d: loss %.4f, %.0f tokens/s, %.0f s left", now.step, total,
                        shown.loss / Double(shown.count), Double(record.tokens) / max(1e-6, record.seconds),
                        max(0, left)))
                shown = (0, 0)
            }
            if Interruption.isRequested { throw Interruption.exitCode }
        }.parameters
    }

    /// Learns from rewards.
    private func improve(
        _ run: ModelTrainingRun, _ questions: [TrainingQuestion], from parameters: ParameterSet,
        _ folder: TrainingFolder
    ) async throws -> ParameterSet {
        var training = ModelRewardTraining()
        training.method = PolicyGradientMethods.all[method].map { $0.init() } ?? training.method
        training.iterations = iterations
        training.batch = group
        training.group = samples
        training.learningRate = Float(rewardRate)
        training.divergenceWeight = Float(kl)
        training.seed = seed
        let weights = try rewardWeights()
        let reads = weights.contains { RewardTerms.reading.contains($0.name) }
        let reader = reads ? try run.reader() : nil
        let mix = RewardMix(
            try weights.map { name, weight in
                guard let term = RewardTerms.make(name, questions: questions.map(\.question), reader: reader) else {
                    throw ValidationError("the reward \(name) needs a reader that gives probabilities")
                }
                return (weight, term)
            })
        let rewarded = try TrainingFolder(folder.path + "/rewards")
        let fresh = RewardTraining.Progress(from: parameters)
        let progress = try rewarded.stored(fresh) ?? fresh
        if progress.iteration > 0 { say("resuming at iteration \(progress.iteration)") }
        let (total, say) = (iterations, say)
        let end = try await training.run(
            run.learner, engine: run.engine, strategy: try run.rolloutStrategy(), from: progress, on: questions,
            rewards: mix
        ) { record, now, alarm in
            try rewarded.store(record, now)
            say(
                String(
                    format: "iteration %d of %d: reward %.3f, entropy %.3f, KL %.4f, ratio %.3f (at most %.2f)",
                    record.iteration + 1, total, record.reward, record.entropy, record.divergence, record.meanRatio,
                    record.largestRatio))
            if let alarm { say("stopped: \(alarm); going back to the last good weights") }
            if Interruption.isRequested { throw Interruption.exitCode }
        }
        try rewarded.drawCurves(title: (out as NSString).lastPathComponent, time: Date().timeIntervalSince1970)
        return end.parameters
    }

    /// Scores the tuned model beside the one that it was, and writes it with its card where it is no worse.
    private func judge(
        _ run: ModelTrainingRun, _ adapter: LowRankAdapter, _ held: [TrainingQuestion]
    ) async throws {
        var adapter = adapter
        var isWorse = false
        if !held.isEmpty {
            let card = try await run.card(adapter, held)
            adapter.notes["card"] = card.text
            isWorse = card.isWorse
            print(card.text)
        }
        guard !isWorse || force else {
            say("Not written: the tuned model finds less than the one that it was. (--force writes it all the same.)")
            throw ExitCode(1)
        }
        try adapter.write(to: out)
        say("wrote \(out)")
    }
}
