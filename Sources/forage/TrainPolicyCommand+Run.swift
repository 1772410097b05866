// SPDX-License-Identifier: Apache-2.0

import Agent
import ArgumentParser
import Assembly
import Base
import Corpus
import Datasets
import Encoders
import Episodes
import Foundation
import Learning
import Net
import OrderedCollections
import Search
import Synchronization
import TensorMath

// What `forage train policy` does with its options.
extension TrainPolicyCommand {
    private var actions: ActionOptions {
        var options = ActionOptions()
        options.lookups = lookups
        options.without = Set(without)
        return options
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
        let answerer = StrategyParts.spanReader().map { SpanAnswerer($0) }
        if withGold.isEmpty {
            try leaveGoldOut(&recipe, withReader: answerer != nil || recipe.reader != nil)
        } else if recipe.clone == "auto" {
            recipe.clone = Oracle.gold.rawValue
        }
        var card = TrainingCard(name: name, iterations: recipe.iterations)
        card.prepared(train.count)
        let before = try present()
        var first: LearnedPolicy?
        var verdict = TrainingVerdict()
        var folders: [TrainingFolder] = []
        for number in 0..<seeds {
            let seed = seed &+ UInt64(number)
            let begun = Date()
            let learnable = recipe.clone == Oracle.gold.rawValue ? withGold : train
            let start = try await clone(recipe, learnable, before, seed, &card)
            let cloned = Date()
            var policy = start
            if recipe.iterations > 0 {
                let folder = try TrainingFolder((run ?? "runs/\(name)") + (number == 0 ? "" : "-seed-\(seed)"))
                folders.append(folder)
                let watched = HeldBackQuestions(
                    sets.map(\.judged), actions: actions, answerer: answerer, every: judgeEvery)
                policy = try await improve(start, recipe, train, seed, folder, watched)
                if number == 0 { card.rewards = try folder.curve(of: "reward") }
            }
            if number == 0 {
                card.trained(cloning: cloned.timeIntervalSince(begun), rewards: Date().timeIntervalSince(cloned))
            }
            for set in sets where !set.judged.isEmpty {
                let scores = try await TrainingScores(policy, start: start, before: before, set, actions, answerer)
                card.add(scores, seed: seed) { print($0) }
                if number == 0 { verdict.add(scores) }
            }
            first = first ?? policy
        }
        try folders.first?.drawCurves(
            title: name, seeds: Array(folders.dropFirst()), time: Date().timeIntervalSince1970)
        guard let first else { return }
        guard verdict.isNoWorse || force else {
            say("Not written: \(verdict.reason). What was there stays. (--force writes it all the same.)")
            throw ExitCode(1)
        }
        try write(first, recipe, sets, card)
    }

    /// Without gold passages: who is cloned, and what is rewarded.
    private func leaveGoldOut(_ recipe: inout TrainingRecipe, withReader: Bool) throws {
        if recipe.clone == "auto" { recipe.clone = Oracle.hybrid.rawValue }
        guard recipe.clone != Oracle.gold.rawValue else {
            throw ValidationError("no question names gold passages: clone hybrid or coverage")
        }
        for name in [GoldCoverage.name, DocumentF1.name] { recipe.rewards[name] = nil }
        if reward.isEmpty, self.recipe == nil { recipe.rewards = TrainingRecipe.answersOnly(withReader: withReader) }
        let rewards = recipe.rewards.map { "\($0.key)=\($0.value)" }.joined(separator: ", ")
        say("No gold passages: learning from answers alone, rewarded by \(rewards).")
    }

    private func rewards(_ recipe: TrainingRecipe, _ questions: [TrainingQuestion]) throws -> RewardMix {
        let opened = recipe.reads ? try rewardReader(recipe.reader) : nil
        return RewardMix(
            try recipe.rewards.map { name, weight in
                guard let term = RewardTerms.make(name, questions: questions.map(\.question), reader: opened) else {
                    throw ValidationError(
                        "the reward \(name) needs a reader that gives probabilities; this one writes only")
                }
                return (Float(weight), term)
            })
    }

    /// - Parameter name: weights of a span reader, or a model; nil for the standard reader.
    private func rewardReader(_ name: String?) throws -> RewardReader {
        guard let name, !name.hasSuffix(".safetensors") else {
            guard let folder = ModelStore().resolve("minilm") else {
                throw ValidationError("the span reader needs its encoder: `forage model pull minilm`")
            }
            guard let path = name ?? PolicyFile.locate(SpanReader.standardName) else {
                throw ValidationError("there is no \(SpanReader.standardName) beside the policies")
            }
            return RewardReader(try SpanReader(weights: path, model: folder, memory: 512))
        }
        guard let model = try ModelOpening.open(name) else { throw ValidationError("--reader: there is no model") }
        return RewardReader(model)
    }

    /// The policy that is there already: the file that would be replaced, or else the one that the program carries.
    private func present() throws -> LearnedPolicy? {
        if from == "none" { return nil }
        let own = out + "/" + name + ".safetensors"
        let path =
            from ?? (FileManager.default.fileExists(atPath: own) ? own : PolicyFile.locate(name + ".safetensors"))
        guard let path else { return nil }
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
        cloning.smoothing = Float(recipe.smoothing(of: oracle))
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
        _ folder: TrainingFolder, _ watched: HeldBackQuestions
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
        let fresh = RewardTraining.Progress(from: policy.parameters)
        let progress = try folder.stored(fresh) ?? fresh
        if progress.iteration > 0 { say("resuming at iteration \(progress.iteration)") }
        let say = say
        let total = recipe.iterations
        let begun = Date()
        let first = progress.iteration
        let end = try await training.run(policy, from: progress, on: questions, rewards: rewards(recipe, questions)) {
            record, now, alarm in
            let isLast = record.iteration + 1 == total
            let held = try await watched.measures(
                LearnedPolicy(network: policy.network, parameters: now.parameters), after: record.iteration + 1,
                isLast: isLast)
            try folder.store(record, now, extra: held)
            let seconds = Date().timeIntervalSince(begun)
            let done = record.iteration + 1 - first
            if record.iteration % 10 == 9 || alarm != nil || isLast || !held.isEmpty {
                let rate = Double(record.episodes * done) / max(seconds, 1e-3)
                say(
                    String(
                        format: "iteration %d of %d: reward %.3f, entropy %.2f, KL %.2f, %.0f episodes/s, %.0f s left",
                        record.iteration + 1, total, record.reward, record.entropy, record.divergence, rate,
                        seconds / Double(done) * Double(total - record.iteration - 1))
                        + held.map { String(format: ", %@ %.3f", $0.0, $0.1) }.joined())
            }
            if let alarm { say("stopped: \(alarm); going back to the last good weights") }
            if Interruption.isRequested { throw Interruption.exitCode }
        }
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
              - corpus: {searches: false, by_model: false}
              - actions: {lookups: \(lookups), keep: 5, stops: true}
            policy: {network: {weights: \(name).safetensors, first: [corpus]}}
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
