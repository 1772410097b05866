// SPDX-License-Identifier: Apache-2.0

import Agent
import ArgumentParser
import Encoders
import Foundation
import Learning
import Net
import OrderedCollections
import Synchronization
import TensorMath

/// `forage train policy`, the default of `forage train`: clones an oracle, improves the policy from rewards, scores it, and writes the policy with its card.
struct TrainPolicyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "policy",
        abstract: "Train a retrieval policy from gold passages or from answer rewards (the default).",
        discussion: """
            Each data folder holds corpus.jsonl, questions.train.jsonl and questions.dev.jsonl, or one questions.jsonl that \
            is divided. First an oracle is cloned (gold: the gold passages; coverage and hybrid need no labels), then, \
            with --iterations, rewards improve the policy. A run can be interrupted and resumed: the same command goes on \
            where it was, from the checkpoint in its --run folder.

            Rewards: answer-support, gold-coverage, document-f1, question-coverage, tool-exploration, stop-quality; costs \
            keeping-cost, call-cost, reading-cost (per thousand words), time-cost; and with a reader answer (F1), \
            answer-exact, answer-contains, answer-steps, answer-likelihood, format. A policy file can say all of this under \
            `training` (--recipe).
            """)

    @Option(name: .long, help: "A folder with a data set; may be given more than once.")
    var data: [String]

    @Option(name: .long, help: "The name of the policy.")
    var name = "multihop"

    @Option(name: .long, help: "The folder to write the policy to.")
    var out = "Policies"

    @Option(name: .long, help: "The encoder: a name in the model folder, or a path.")
    var encoder = "minilm"

    @Option(name: .long, help: "A folder that keeps the texts' vectors from run to run.")
    var vectors = "runs/vectors"

    @Option(name: .long, help: "A policy file whose `training` says how to train; the options below go before it.")
    var recipe: String?

    @Option(name: .long, help: "candidate-scorer (the default), recurrent-retriever or compositional-retriever.")
    var architecture: String?

    @Option(name: .long, help: "Whom to clone first: gold (the default), golden, coverage, hybrid, or none.")
    var clone: String?

    @Option(name: .long, help: "Times through the training questions while cloning; default 10.")
    var epochs: Int?

    @Option(name: .long, help: "The method for learning from rewards: reinforce, rloo (the default), grpo or ppo.")
    var method: String?

    @Option(
        name: .long,
        help: "A reward as name=weight; may be given more than once. Default: answer-support=1 question-coverage=0.5.")
    var reward: [String] = []

    @Option(name: .long, help: "Iterations of learning from rewards; default 0, which only clones.")
    var iterations: Int?

    @Option(name: .long, help: "The learning rate of learning from rewards; default 0.003.")
    var learningRate: Double?

    @Option(name: .long, help: "The weight of the KL divergence from the cloned policy; default 0.")
    var kl: Double?

    @Option(name: .long, help: "Which questions come when: none (the default) or hops.")
    var curriculum: String?

    @Option(name: .long, help: "The seed.")
    var seed: UInt64 = 1

    @Option(name: .long, help: "Trains so many policies with this seed and the next; the first is written.")
    var seeds = 1

    @Option(
        name: .long,
        help:
            "Who answers for rewards that read: a span reader's weights, or a model as in `ask`. Default: Policies/reader.safetensors."
    )
    var reader: String?

    @Flag(name: .long, help: "Deals the training labels out anew: a check, after which nothing may be gained.")
    var shuffleLabels = false

    @Option(name: .long, help: "The folder for records and checkpoints of the run; default runs/NAME.")
    var run: String?

    func validate() throws {
        guard seeds >= 1 else { throw ValidationError("--seeds must be at least 1") }
        guard !data.isEmpty else { throw ValidationError("give at least one --data folder") }
        _ = try resolved()
    }

    /// The recipe of the file, with what the command line says instead.
    private func resolved() throws -> TrainingRecipe {
        var recipe = TrainingRecipe()
        if let file = self.recipe {
            do {
                recipe = try TrainingRecipe(PolicyFile(file: file))
            } catch let error as PolicyError { throw ValidationError(error.description) }
        }
        recipe.architecture = architecture ?? recipe.architecture
        recipe.clone = clone ?? recipe.clone
        recipe.epochs = epochs ?? recipe.epochs
        recipe.method = method ?? recipe.method
        recipe.iterations = iterations ?? recipe.iterations
        recipe.learningRate = learningRate ?? recipe.learningRate
        recipe.divergenceWeight = kl ?? recipe.divergenceWeight
        recipe.curriculum = curriculum ?? recipe.curriculum
        recipe.reader = reader ?? recipe.reader
        if !reward.isEmpty { recipe.rewards = [:] }
        for text in reward {
            let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
            guard let name = parts.first, TrainingRecipe.knownRewards.contains(name) else {
                throw ValidationError(
                    "unknown reward '\(text)'; there are \(TrainingRecipe.knownRewards.joined(separator: ", "))")
            }
            guard parts.count == 2, let weight = Double(parts[1]), weight.isFinite else {
                throw ValidationError("a reward is name=weight, not '\(text)'")
            }
            recipe.rewards[name] = weight
        }
        guard PolicyNetworks.all[recipe.architecture] != nil else {
            throw ValidationError("unknown architecture '\(recipe.architecture)'")
        }
        guard recipe.clone == "none" || Oracle(rawValue: recipe.clone) != nil else {
            throw ValidationError("--clone is gold, golden, coverage, hybrid or none, not '\(recipe.clone)'")
        }
        guard PolicyGradientMethods.all[recipe.method] != nil else {
            throw ValidationError("unknown method '\(recipe.method)'")
        }
        guard Curriculum(rawValue: recipe.curriculum) != nil else {
            throw ValidationError("--curriculum is none or hops")
        }
        guard recipe.epochs >= 0, recipe.iterations >= 0, recipe.learningRate > 0, recipe.divergenceWeight >= 0 else {
            throw ValidationError("epochs, iterations, learning rate and KL weight cannot be negative")
        }
        return recipe
    }

    /// - Parameter folder: The encoder's model, which the span reader reads with.
    private func rewards(
        _ recipe: TrainingRecipe, _ questions: [PreparedQuestion], _ folder: String
    ) throws -> RewardMix {
        let opened = recipe.reads ? try rewardReader(recipe.reader ?? "Policies/reader.safetensors", folder) : nil
        return RewardMix(
            try recipe.rewards.map { name, weight in
                guard let term = RewardTerms.make(name, questions: questions.map(\.question), reader: opened) else {
                    throw ValidationError(
                        "the reward \(name) needs a reader that gives probabilities; this one writes only")
                }
                return (Float(weight), term)
            })
    }

    private func rewardReader(_ name: String, _ folder: String) throws -> RewardReader {
        if name.hasSuffix(".safetensors") {
            return RewardReader(try SpanReader(weights: name, model: folder))
        }
        guard let model = try ModelOpening.open(name) else { throw ValidationError("--reader: there is no model") }
        return RewardReader(model)
    }

    private func say(_ line: String) { FileHandle.standardError.write(Data((line + "\n").utf8)) }

    func run() async throws {
        let recipe = try resolved()
        var card = TrainingCard(name: name, iterations: recipe.iterations)
        guard let folder = ModelStore().resolve(encoder) else {
            throw ValidationError("no encoder '\(encoder)' in the model folder")
        }
        let base = try BERTEncoder(folder: folder)
        let encoder = try CachedEncoder(base, folder: vectors)
        var sets: [LearningDataset.Prepared] = []
        for path in data {
            var dataset = try LearningDataset(folder: path)
            if shuffleLabels { dataset = dataset.shufflingLabels(seed: seed) }
            say("\(dataset.name): \(dataset.passages.count) passages")
            let reportsProgress = isatty(2) != 0
            sets.append(
                try await dataset.prepared(with: encoder) { done, all in
                    guard reportsProgress, done % 1024 == 0 || done == all else { return }
                    FileHandle.standardError.write(Data("\r\u{1B}[K\(done) of \(all) texts".utf8))
                })
            if reportsProgress { say("") }
            try encoder.cache.synchronise()
        }
        let questions = sets.flatMap { $0.questions["train"] ?? [] }
        guard !questions.isEmpty else { throw ValidationError("the data sets have no training questions") }
        card.prepared(questions.count)
        say("\(questions.count) training questions, ready after \(card.seconds(card.preparing))")

        var first: LearnedPolicy?
        for number in 0..<seeds {
            let seed = seed &+ UInt64(number)
            let begun = Date()
            let start = try await clone(recipe, questions, base.dimension, seed, &card)
            let cloned = Date()
            let policy =
                recipe.iterations > 0 ? try await improve(start, recipe, questions, seed, folder, &card) : start
            if number == 0 {
                card.trained(cloning: cloned.timeIntervalSince(begun), rewards: Date().timeIntervalSince(cloned))
            }
            for set in sets { card.score(policy, start: start, set, seed: seed) { print($0) } }
            first = first ?? policy
        }
        if let first { try write(first, recipe, sets, dimension: base.dimension, encoder: base.fingerprint, card) }
    }

    private func clone(
        _ recipe: TrainingRecipe, _ questions: [PreparedQuestion], _ dimension: Int, _ seed: UInt64,
        _ card: inout TrainingCard
    ) async throws -> LearnedPolicy {
        let fresh = try LearnedPolicy(architecture: recipe.architecture, dimension: dimension, seed: seed)
        guard let oracle = Oracle(rawValue: recipe.clone), recipe.epochs > 0 else { return fresh }
        var cloning = BehaviourCloning()
        cloning.oracle = oracle
        cloning.epochs = recipe.epochs
        cloning.seed = seed
        let losses = Mutex<[Float]>([])
        let say = say
        let total = recipe.epochs
        let policy = try await cloning.train(fresh, on: questions) { epoch, loss, _ in
            losses.withLock { $0.append(loss) }
            say(String(format: "cloning with seed %llu, epoch %d of %d: loss %.4f", seed, epoch + 1, total, loss))
        }
        if seed == self.seed { card.losses = losses.withLock { $0 } }
        return policy
    }

    private func improve(
        _ policy: LearnedPolicy, _ recipe: TrainingRecipe, _ questions: [PreparedQuestion], _ seed: UInt64,
        _ model: String, _ card: inout TrainingCard
    ) async throws -> LearnedPolicy {
        var training = RewardTraining()
        training.method = PolicyGradientMethods.all[recipe.method].map { $0.init() } ?? training.method
        training.iterations = recipe.iterations
        training.learningRate = Float(recipe.learningRate)
        training.divergenceWeight = Float(recipe.divergenceWeight)
        training.curriculum = Curriculum(rawValue: recipe.curriculum) ?? .none
        training.seed = seed
        training.episodes.allowsStop = recipe.teachesStopping
        let folder = try TrainingFolder((run ?? "runs/\(name)") + (seed == self.seed ? "" : "-seed-\(seed)"))
        let fresh = RewardTraining.Progress(from: policy.parameters)
        let progress = try folder.stored(fresh) ?? fresh
        if progress.iteration > 0 { say("resuming at iteration \(progress.iteration)") }
        let say = say
        let total = recipe.iterations
        let begun = Date()
        let first = progress.iteration
        let end = try await training.run(
            policy, from: progress, on: questions, rewards: rewards(recipe, questions, model)
        ) {
            record, now, alarm in
            try folder.store(record, now)
            let seconds = Date().timeIntervalSince(begun)
            let done = record.iteration + 1 - first
            if record.iteration % 10 == 9 || alarm != nil || record.iteration + 1 == total {
                let rate = Double(record.episodes * done) / max(seconds, 1e-3)
                say(
                    String(
                        format: "iteration %d of %d: reward %.3f, entropy %.2f, KL %.2f, %.0f episodes/s, %.0f s left",
                        record.iteration + 1, total, record.reward, record.entropy, record.divergence, rate,
                        seconds / Double(done) * Double(total - record.iteration - 1)))
            }
            if let alarm { say("stopped: \(alarm); going back to the last good weights") }
        }
        try folder.drawCurves(title: name, time: Date().timeIntervalSince1970)
        if seed == self.seed { card.rewards = try folder.curve(of: "reward") }
        return LearnedPolicy(network: policy.network, parameters: end.parameters)
    }

    /// Writes weights, policy file and card.
    private func write(
        _ policy: LearnedPolicy, _ recipe: TrainingRecipe, _ sets: [LearningDataset.Prepared], dimension: Int,
        encoder: String,
        _ card: TrainingCard
    ) throws {
        try FileManager.default.createDirectory(atPath: out, withIntermediateDirectories: true)
        let path = out + "/" + name
        let notes = ["encoder": encoder, "seed": String(seed)]
        try policy.write(to: path + ".safetensors", dimension: dimension, notes: notes)
        let yaml = """
            # A learned policy: it reads passages one by one, each chosen in the light of those before. Needs no model.
            name: \(name)
            description: Multi-hop retrieval by a trained network; needs no model.
            model: optional
            proposers:
              - learned: {weights: \(name).safetensors, width: 8, stops: false}
            policy: {ordered: {order: [learned]}}
            keep: reading
            answer: auto
            budget: {steps: 5, tool_calls: 5}
            \(recipe.yaml)

            """
        try Data(yaml.utf8).write(to: URL(fileURLWithPath: path + ".yaml"), options: .atomic)
        var method = recipe.clone == "none" ? "nothing cloned" : "cloned from \(recipe.clone), \(recipe.epochs) epochs"
        if recipe.iterations > 0 {
            let rewards = recipe.rewards.map { "\($0.key)=\($0.value)" }.joined(separator: ", ")
            method += ", then \(recipe.method), \(recipe.iterations) iterations, rewarded by \(rewards)"
        }
        if shuffleLabels { method += "; the training labels were shuffled" }
        let text = card.text(
            command: Self.command, data: sets.map { "\($0.name) (\($0.questions["train"]?.count ?? 0))" },
            method: method, network: "`\(recipe.architecture)`, \(policy.parameters.count) weights; encoder \(encoder)",
            seed: seed)
        try Data(text.utf8).write(to: URL(fileURLWithPath: path + ".md"), options: .atomic)
        say("wrote \(path).safetensors, .yaml and .md")
    }

    /// The command line, with folders by their last name: where the data lies is everyone's own.
    static var command: String {
        let arguments = CommandLine.arguments.dropFirst().map { argument -> String in
            let short = argument.hasPrefix("/") ? (argument as NSString).lastPathComponent : argument
            return short.contains(" ") ? "'\(short)'" : short
        }
        return "forage " + arguments.joined(separator: " ")
    }
}
