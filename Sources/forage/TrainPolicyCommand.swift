// SPDX-License-Identifier: Apache-2.0

import Agent
import ArgumentParser
import Assembly
import Base
import Encoders
import Foundation
import Learning
import Net
import OrderedCollections
import Synchronization
import TensorMath

/// `forage train policy`, the default of `forage train`: clones an oracle, improves the policy from rewards, scores it on
/// questions that it did not learn from, and writes it with its card where it is no worse than what was there.
struct TrainPolicyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "policy",
        abstract: "Train a retrieval policy on your corpus, from gold passages or from answers alone (the default).",
        discussion: """
            forage train --corpus notes.forage --questions questions.jsonl
              learns on your corpus. A line of questions.jsonl has "question" and "answers", and "supporting" with the ids \
            of the passages or documents that the answer rests on, where you know them. A fifth of the questions is held \
            back to judge by. The policy that is there already is improved, and replaced only where the new one is no worse.

            forage train --data FOLDER
              learns on a folder with corpus.jsonl, questions.train.jsonl and questions.dev.jsonl, which it indexes first.

            First an oracle is cloned: gold, the shortest way to the gold passages, where there are any; else hybrid, which \
            needs no labels. Then rewards improve the policy. A run can be interrupted: the same command goes on from the \
            checkpoint in its --run folder.

            Rewards: answer-support, gold-coverage, document-f1, question-coverage, tool-exploration, stop-quality; costs \
            keeping-cost, call-cost, reading-cost (per thousand words), time-cost; and with a reader answer (F1), \
            answer-exact, answer-contains, answer-steps, answer-likelihood, format. A policy file can say all of this under \
            `training` (--recipe).
            """)

    @Option(name: .long, help: "A corpus to learn on, with --questions; may be given more than once.")
    var corpus: [String] = []

    @Option(name: .long, help: "Its questions, one JSON object a line: question, answers, and supporting where known.")
    var questions: [String] = []

    @Option(name: .long, help: "Questions to judge by, for each corpus; default: a fifth of --questions.")
    var judge: [String] = []

    @Option(name: .long, help: "A folder with corpus.jsonl and question files; may be given more than once.")
    var data: [String] = []

    @Option(name: .long, help: "The name of the policy.")
    var name = "forage"

    @Option(name: .long, help: "The folder to write the policy to.")
    var out = "Policies"

    @Option(
        name: .long, help: "The weights to start from; default: those of --name in --out, where there are any; or none."
    )
    var from: String?

    @Option(name: .long, help: "The encoder of folders that are indexed here: a name in the model folder, or a path.")
    var encoder = "minilm"

    @Option(name: .long, help: "Where the corpora of --data are indexed.")
    var indexed = "runs/corpora"

    @Option(name: .long, help: "A policy file whose `training` says how to train; the options below go before it.")
    var recipe: String?

    @Option(name: .long, help: "The network; now candidate-scorer alone.")
    var architecture: String?

    @Option(name: .long, help: "Whom to clone first: gold, coverage, hybrid, none; default: gold where there is any.")
    var clone: String?

    @Option(name: .long, help: "Times through the training questions while cloning; default 10.")
    var epochs: Int?

    @Option(name: .long, help: "The method for learning from rewards: reinforce, rloo (the default), grpo or ppo.")
    var method: String?

    @Option(name: .long, help: "A reward as name=weight; may be given more than once.")
    var reward: [String] = []

    @Option(name: .long, help: "Iterations of learning from rewards; default 60; 0 only clones.")
    var iterations: Int?

    @Option(name: .long, help: "The learning rate of learning from rewards; default 0.001.")
    var learningRate: Double?

    @Option(name: .long, help: "The weight of the KL divergence from the cloned policy; default 0.05.")
    var kl: Double?

    @Option(name: .long, help: "Which questions come when: none (the default) or hops.")
    var curriculum: String?

    @Option(name: .long, help: "The most look-ups of an episode.")
    var lookups = 10

    @Option(name: .long, help: "Ways of looking up that are left out: names, clauses, words, meaning, links, filters.")
    var without: [String] = []

    @Option(name: .long, help: "The seed.")
    var seed: UInt64 = 1

    @Option(name: .long, help: "Trains so many policies with this seed and the next; the first is written.")
    var seeds = 1

    @Option(
        name: .long,
        help:
            "Who answers for rewards that read: a span reader's weights, or a model as in `ask`. Default: the span reader."
    )
    var reader: String?

    @Flag(name: .long, help: "Deals the training labels out anew: a check, after which nothing may be gained.")
    var shuffleLabels = false

    @Flag(name: .long, help: "Leaves the gold passages out, at every stage of learning: answers only.")
    var answersOnly = false

    @Flag(name: .long, help: "Writes the policy even where it is worse than what was there.")
    var force = false

    @Option(name: .long, help: "The folder for records and checkpoints of the run; default runs/NAME.")
    var run: String?

    func validate() throws {
        guard seeds >= 1 else { throw ValidationError("--seeds must be at least 1") }
        guard !data.isEmpty || !corpus.isEmpty else {
            throw ValidationError("give --corpus with --questions, or a --data folder")
        }
        guard corpus.count == questions.count, judge.isEmpty || judge.count == corpus.count else {
            throw ValidationError("give one --questions for each --corpus, and as many --judge or none")
        }
        if let unknown = Set(without).subtracting(ActionOptions.ways).min() {
            throw ValidationError("--without is one of \(ActionOptions.ways.joined(separator: ", ")), not '\(unknown)'")
        }
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
        guard ["none", "auto"].contains(recipe.clone) || Oracle(rawValue: recipe.clone) != nil else {
            throw ValidationError("--clone is gold, coverage, hybrid, auto or none, not '\(recipe.clone)'")
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

    private var actions: ActionOptions {
        var options = ActionOptions()
        options.lookups = lookups
        options.without = Set(without)
        return options
    }

    private func rewards(_ recipe: TrainingRecipe, _ questions: [TrainingQuestion]) throws -> RewardMix {
        let opened = recipe.reads ? try rewardReader(recipe.reader ?? "Policies/reader.safetensors") : nil
        return RewardMix(
            try recipe.rewards.map { name, weight in
                guard let term = RewardTerms.make(name, questions: questions.map(\.question), reader: opened) else {
                    throw ValidationError(
                        "the reward \(name) needs a reader that gives probabilities; this one writes only")
                }
                return (Float(weight), term)
            })
    }

    private func rewardReader(_ name: String) throws -> RewardReader {
        if name.hasSuffix(".safetensors") {
            guard let folder = ModelStore().resolve("minilm") else {
                throw ValidationError("the span reader needs its encoder: `forage model pull minilm`")
            }
            return RewardReader(try SpanReader(weights: name, model: folder))
        }
        guard let model = try ModelOpening.open(name) else { throw ValidationError("--reader: there is no model") }
        return RewardReader(model)
    }

    private func say(_ line: String) { FileHandle.standardError.write(Data((line + "\n").utf8)) }

    func run() async throws {
        Interruption.listen()
        var recipe = try resolved()
        let sets = try await TrainingSets(
            corpora: corpus, questions: questions, judged: judge, folders: data, encoder: encoder, indexed: indexed,
            seed: seed, shuffles: shuffleLabels, say: say
        ).open()
        let train = sets.flatMap(\.train)
        guard !train.isEmpty else { throw ValidationError("there is no question to learn from") }
        let withGold = answersOnly ? [] : train.filter { !$0.question.gold.isEmpty }
        if recipe.clone == "auto" { recipe.clone = withGold.isEmpty ? Oracle.hybrid.rawValue : Oracle.gold.rawValue }
        if withGold.isEmpty {
            guard recipe.clone != Oracle.gold.rawValue else {
                throw ValidationError("no question names gold passages: clone hybrid or coverage")
            }
            for name in [GoldCoverage.name, DocumentF1.name] { recipe.rewards[name] = nil }
            say("No gold passages: learning from answers alone.")
        }
        var card = TrainingCard(name: name, iterations: recipe.iterations)
        card.prepared(train.count)
        let before = try present()
        var first: LearnedPolicy?
        var verdict = TrainingVerdict()
        for number in 0..<seeds {
            let seed = seed &+ UInt64(number)
            let begun = Date()
            let learnable = recipe.clone == Oracle.gold.rawValue ? withGold : train
            let start = try await clone(recipe, learnable, before, seed, &card)
            let cloned = Date()
            let policy = recipe.iterations > 0 ? try await improve(start, recipe, train, seed, &card) : start
            if number == 0 {
                card.trained(cloning: cloned.timeIntervalSince(begun), rewards: Date().timeIntervalSince(cloned))
            }
            for set in sets where !set.judged.isEmpty {
                let row = try await TrainingScores(policy, start: start, before: before, set, actions)
                card.add(row, seed: seed) { print($0) }
                if number == 0 { verdict.add(row) }
            }
            first = first ?? policy
        }
        guard let first else { return }
        guard verdict.isNoWorse || force else {
            say("Not written: \(verdict.reason). What was there stays. (--force writes it all the same.)")
            throw ExitCode(1)
        }
        try write(first, recipe, sets, card)
    }

    /// The policy that is there already.
    private func present() throws -> LearnedPolicy? {
        if from == "none" { return nil }
        let path = from ?? out + "/" + name + ".safetensors"
        guard from != nil || FileManager.default.fileExists(atPath: path) else { return nil }
        do {
            return try LearnedPolicy(weights: path)
        } catch PolicyFileError.otherFeatures where from == nil {
            say("\(path) was made for other features: starting afresh")
            return nil
        }
    }

    private func clone(
        _ recipe: TrainingRecipe, _ questions: [TrainingQuestion], _ before: LearnedPolicy?, _ seed: UInt64,
        _ card: inout TrainingCard
    ) async throws -> LearnedPolicy {
        let fresh = try before ?? LearnedPolicy(architecture: recipe.architecture, seed: seed)
        // Where there is a policy already and no gold, that policy is the better start.
        guard let oracle = Oracle(rawValue: recipe.clone), recipe.epochs > 0, before == nil || oracle == .gold else {
            return fresh
        }
        var cloning = BehaviourCloning()
        cloning.oracle = oracle
        cloning.epochs = recipe.epochs
        cloning.actions = actions
        if before != nil { cloning.learningRate /= 3 }
        cloning.seed = seed
        let losses = Mutex<[Float]>([])
        let say = say
        let total = recipe.epochs
        let policy = try await cloning.train(fresh, on: questions) { epoch, loss, _ in
            if Interruption.isRequested { throw Interruption.exitCode }
            losses.withLock { $0.append(loss) }
            say(String(format: "cloning with seed %llu, epoch %d of %d: loss %.4f", seed, epoch + 1, total, loss))
        }
        if seed == self.seed { card.losses = losses.withLock { $0 } }
        return policy
    }

    private func improve(
        _ policy: LearnedPolicy, _ recipe: TrainingRecipe, _ questions: [TrainingQuestion], _ seed: UInt64,
        _ card: inout TrainingCard
    ) async throws -> LearnedPolicy {
        var training = RewardTraining()
        training.method = PolicyGradientMethods.all[recipe.method].map { $0.init() } ?? training.method
        training.iterations = recipe.iterations
        training.learningRate = Float(recipe.learningRate)
        training.divergenceWeight = Float(recipe.divergenceWeight)
        training.curriculum = Curriculum(rawValue: recipe.curriculum) ?? .none
        training.seed = seed
        training.episodes.actions = actions
        training.episodes.actions.stops = recipe.teachesStopping
        let folder = try TrainingFolder((run ?? "runs/\(name)") + (seed == self.seed ? "" : "-seed-\(seed)"))
        let fresh = RewardTraining.Progress(from: policy.parameters)
        let progress = try folder.stored(fresh) ?? fresh
        if progress.iteration > 0 { say("resuming at iteration \(progress.iteration)") }
        let say = say
        let total = recipe.iterations
        let begun = Date()
        let first = progress.iteration
        let end = try await training.run(policy, from: progress, on: questions, rewards: rewards(recipe, questions)) {
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
            if Interruption.isRequested { throw Interruption.exitCode }
        }
        try folder.drawCurves(title: name, time: Date().timeIntervalSince1970)
        if seed == self.seed { card.rewards = try folder.curve(of: "reward") }
        return LearnedPolicy(network: policy.network, parameters: end.parameters)
    }

    /// Writes weights, policy file and card.
    private func write(
        _ policy: LearnedPolicy, _ recipe: TrainingRecipe, _ sets: [TrainingSet], _ card: TrainingCard
    ) throws {
        try FileManager.default.createDirectory(atPath: out, withIntermediateDirectories: true)
        let path = out + "/" + name
        try policy.write(to: path + ".safetensors", notes: ["seed": String(seed)])
        let yaml = """
            # A learned policy: it chooses among searches, links, filters, keeping a passage and answering. Needs no model.
            name: \(name)
            description: A trained network chooses among tool calls; needs no model.
            model: optional
            proposers:
              - actions: {lookups: \(lookups), keep: 5, stops: true}
            policy: {network: {weights: \(name).safetensors}}
            keep: chosen
            answer: auto
            budget: {steps: \(lookups + 10), tool_calls: \(lookups + 4)}
            rules: {barren_steps: \(lookups)}
            tool_limits: {output_characters: 60000, passage_characters: 200}
            \(recipe.yaml)

            """
        try Data(yaml.utf8).write(to: URL(fileURLWithPath: path + ".yaml"), options: .atomic)
        var method = recipe.clone == "none" ? "nothing cloned" : "cloned from \(recipe.clone), \(recipe.epochs) epochs"
        if recipe.iterations > 0 {
            let rewards = recipe.rewards.map { "\($0.key)=\($0.value)" }.joined(separator: ", ")
            method += ", then \(recipe.method), \(recipe.iterations) iterations, rewarded by \(rewards)"
        }
        if shuffleLabels { method += "; the training labels were shuffled" }
        if answersOnly { method += "; answers only: no gold passage at any stage" }
        let text = card.text(
            command: Self.command, data: sets.map { "\($0.name) (\($0.train.count))" }, method: method,
            network: "`\(recipe.architecture)`, \(policy.parameters.count) weights", seed: seed)
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
