// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import PolicyLearning
import TensorMath
import TextEncoders

/// `forage train`: clones an oracle, improves the policy from rewards, scores it, and writes the policy with its card.
struct TrainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "train",
        abstract: "Train a retrieval policy from gold passages or from answer rewards.",
        discussion: """
            Each data folder holds corpus.jsonl, questions.train.jsonl and questions.dev.jsonl. First an oracle is cloned \
            (gold: the gold passages; coverage and hybrid need no labels), then, with --iterations, rewards improve the \
            policy. A run with --run can be interrupted and resumed: the same command goes on where it was.

            Rewards: answer-support, gold-coverage, document-f1, question-coverage, keeping-cost, stop-quality.
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

    @Option(name: .long, help: "candidate-scorer, recurrent-retriever or compositional-retriever.")
    var architecture = "candidate-scorer"

    @Option(name: .long, help: "Whom to clone first: gold, coverage, hybrid, or none.")
    var clone = "gold"

    @Option(name: .long, help: "Times through the training questions while cloning.")
    var epochs = 10

    @Option(name: .long, help: "The method for learning from rewards: reinforce, rloo, grpo or ppo.")
    var method = "rloo"

    @Option(name: .long, help: "A reward as name=weight; may be given more than once.")
    var reward: [String] = ["answer-support=1", "question-coverage=0.5"]

    @Option(name: .long, help: "Iterations of learning from rewards; 0 only clones.")
    var iterations = 0

    @Option(name: .long, help: "The learning rate of learning from rewards.")
    var learningRate: Float = 0.003

    @Option(name: .long, help: "The weight of the KL divergence from the cloned policy.")
    var kl: Float = 0

    @Option(name: .long, help: "Which questions come when: none or hops.")
    var curriculum = "none"

    @Option(name: .long, help: "The seed.")
    var seed: UInt64 = 1

    @Option(name: .long, help: "The folder for records and checkpoints of the run; default runs/NAME.")
    var run: String?

    func validate() throws {
        guard PolicyNetworks.all[architecture] != nil else {
            throw ValidationError("unknown architecture '\(architecture)'")
        }
        guard clone == "none" || Oracle(rawValue: clone) != nil else {
            throw ValidationError("--clone is gold, coverage, hybrid or none, not '\(clone)'")
        }
        guard PolicyGradientMethods.all[method] != nil else { throw ValidationError("unknown method '\(method)'") }
        guard Curriculum(rawValue: curriculum) != nil else { throw ValidationError("--curriculum is none or hops") }
        guard epochs >= 0, iterations >= 0, learningRate > 0, kl >= 0 else {
            throw ValidationError("epochs, iterations, learning rate and KL weight cannot be negative")
        }
        _ = try rewards()
        guard !data.isEmpty else { throw ValidationError("give at least one --data folder") }
    }

    private func rewards() throws -> RewardMix {
        RewardMix(
            try reward.map { text in
                let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
                guard let term = RewardTerms.all[parts[0]] else {
                    throw ValidationError(
                        "unknown reward '\(parts[0])'; there are \(RewardTerms.all.keys.sorted().joined(separator: ", "))"
                    )
                }
                guard parts.count == 2, let weight = Float(parts[1]), weight.isFinite else {
                    throw ValidationError("a reward is name=weight, not '\(text)'")
                }
                return (weight, term)
            })
    }

    private func say(_ line: String) { FileHandle.standardError.write(Data((line + "\n").utf8)) }

    func run() async throws {
        let started = Date()
        guard let folder = ModelStore().resolve(encoder) else {
            throw ValidationError("no encoder '\(encoder)' in the model folder")
        }
        let base = try BERTEncoder(folder: folder)
        let encoder = try CachedEncoder(base, folder: vectors)
        var sets: [LearningDataset.Prepared] = []
        for path in data {
            let dataset = try LearningDataset(folder: path)
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
        say(
            String(
                format: "%d training questions, ready after %.0f s", questions.count, Date().timeIntervalSince(started))
        )

        var policy = try LearnedPolicy(architecture: architecture, dimension: base.dimension, seed: seed)
        if let oracle = Oracle(rawValue: clone), epochs > 0 {
            var cloning = BehaviourCloning()
            cloning.oracle = oracle
            cloning.epochs = epochs
            cloning.seed = seed
            let say = say
            policy = try await cloning.train(policy, on: questions) { epoch, loss, _ in
                say("cloning, epoch \(epoch + 1) of \(epochs): loss \(loss)")
            }
        }
        let start = policy
        if iterations > 0 { policy = try await improve(policy, questions) }
        try write(policy, start: start, sets, dimension: base.dimension, encoder: base.fingerprint, started)
    }

    private func improve(_ policy: LearnedPolicy, _ questions: [PreparedQuestion]) async throws -> LearnedPolicy {
        var training = RewardTraining()
        training.method = PolicyGradientMethods.all[method].map { $0.init() } ?? training.method
        training.iterations = iterations
        training.learningRate = learningRate
        training.divergenceWeight = kl
        training.curriculum = Curriculum(rawValue: curriculum) ?? .none
        training.seed = seed
        training.episodes.allowsStop = reward.contains { $0.hasPrefix("stop-quality") || $0.hasPrefix("keeping-cost") }
        let folder = try TrainingFolder(run ?? "runs/\(name)")
        let fresh = RewardTraining.Progress(from: policy.parameters)
        let progress = try folder.stored(fresh) ?? fresh
        if progress.iteration > 0 { say("resuming at iteration \(progress.iteration)") }
        let say = say
        let total = iterations
        let begun = Date()
        let first = progress.iteration
        let end = try await training.run(policy, from: progress, on: questions, rewards: rewards()) {
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
        return LearnedPolicy(network: policy.network, parameters: end.parameters)
    }

    /// Writes weights, policy file and card, and prints the scores.
    private func write(
        _ policy: LearnedPolicy, start: LearnedPolicy, _ sets: [LearningDataset.Prepared], dimension: Int,
        encoder: String,
        _ started: Date
    ) throws {
        var table =
            "| set | questions | recall@2 | recall@5 | recall@5 before rewards | p |\n| --- | --- | --- | --- | --- | --- |\n"
        for set in sets {
            let dev = set.questions["dev"] ?? []
            guard !dev.isEmpty else { continue }
            let scores = PolicyScores(policy, on: dev)
            let before = PolicyScores(start, on: dev)
            let p = PolicyScores.pairedTest(scores.recallAt5, before.recallAt5)
            let first = PolicyScores.estimate(scores.recallAt2)
            let second = PolicyScores.estimate(scores.recallAt5)
            let old = iterations > 0 ? String(format: "%.4f", PolicyScores.estimate(before.recallAt5).mean) : "–"
            table += "| \(set.name) | \(dev.count) | \(first) | \(second) | \(old) | "
            table += (iterations > 0 ? String(format: "%.4f", p) : "–") + " |\n"
            print("\(set.name)\trecall@2 \(first)\trecall@5 \(second)")
        }
        try FileManager.default.createDirectory(atPath: out, withIntermediateDirectories: true)
        let path = out + "/" + name
        let notes = ["encoder": encoder, "seed": String(seed)]
        try policy.write(to: path + ".safetensors", dimension: dimension, notes: notes)
        let yaml = """
            # A learned policy: it reads passages one by one, each chosen in the light of those before, and stops by itself.
            name: \(name)
            description: Multi-hop retrieval by a trained network; needs no model.
            model: optional
            proposers:
              - learned: {weights: \(name).safetensors, width: 8, stops: false}
            policy: {ordered: {order: [learned]}}
            keep: reading
            answer: auto
            budget: {steps: 5, tool_calls: 5}

            """
        try Data(yaml.utf8).write(to: URL(fileURLWithPath: path + ".yaml"), options: .atomic)
        let arguments = CommandLine.arguments.dropFirst().map { $0.contains(" ") ? "'\($0)'" : $0 }.joined(
            separator: " ")
        let card = """
            # \(name)

            - Command: `forage \(arguments)`
            - Data: the training questions of \(sets.map(\.name).joined(separator: ", "))
            - Seed: \(seed)
            - Network: \(architecture), \(policy.parameters.count) weights; encoder \(encoder)
            - Time: \(String(format: "%.0f", Date().timeIntervalSince(started))) s, reading and encoding included

            Recall of gold passages on the development questions, with 95 % bootstrap intervals:

            \(table)
            """
        try Data(card.utf8).write(to: URL(fileURLWithPath: path + ".md"), options: .atomic)
        say("wrote \(path).safetensors, .yaml and .md")
    }
}
