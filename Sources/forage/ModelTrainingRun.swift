// SPDX-License-Identifier: Apache-2.0

import Agent
import ArgumentParser
import Assembly
import Base
import Datasets
import Episodes
import Foundation
import LanguageModels
import Learning
import Net
import TensorMath
import Text
import Transformers

/// What `forage train model` works with: the model, what learns of it, and the sessions that it drives.
struct ModelTrainingRun: Sendable {
    let place: LocalModelName
    /// The model before this run.
    let plain: LocalModel
    let name: String
    let policy: PolicyFile
    let learner: ModelLearner
    /// What learns, at its start.
    let start: ParameterSet
    let threads: Int
    let seed: UInt64
    let say: @Sendable (String) -> Void
    private let menu: ModelProposer

    init(
        place: LocalModelName, plain: LocalModel, name: String, policy: PolicyFile, tuning: Tuning,
        projections: [DecoderProjection], threads: Int, seed: UInt64, say: @escaping @Sendable (String) -> Void
    ) throws {
        let decoder = try DifferentiableDecoder(plain)
        var tuning = tuning
        if let path = place.adapter {
            let earlier = try LowRankAdapter(path: path)
            tuning = earlier.tuning
            start = earlier.parameters(of: decoder)
        } else {
            start = decoder.parameters(for: tuning, projections: projections, seed: seed)
        }
        var learner = ModelLearner(decoder, tuning: tuning)
        learner.threads = threads
        self.learner = learner
        self.place = place
        self.plain = plain
        self.name = name
        self.policy = policy
        self.threads = threads
        self.seed = seed
        self.say = say
        let strategy = try policy.strategy(StrategyRegistry.standard.learning())
        guard let proposer = strategy.proposers.lazy.compactMap({ $0 as? ModelProposer }).first else {
            throw ValidationError("--policy \(policy.name): no model drives in it")
        }
        guard PromptDetail(fitting: plain.capabilities) == .menu || proposer.detail == .menu else {
            throw ValidationError(
                "--policy \(policy.name) gives this model no menu: demonstrations and rollouts are made of menus")
        }
        menu = proposer
    }

    /// The parts of the policy, with a keeper that holds so many passages.
    private func strategy(answerer: AnswererChoice = .extractive) async throws -> Strategy {
        let registry = try StrategyParts.registry(models: [plain], answerer: answerer)
        return try policy.strategy(registry)
    }

    /// The examples that an oracle writes for questions whose gold passages are known. They are kept in the run's folder,
    /// where they can be read, and are not made again by a run that goes on.
    ///
    /// Most questions need no more than the first search gives: of the steps at which the answer is right, as many are
    /// taken as there are others, and a tenth of all at least.
    func demonstrations(_ questions: [TrainingQuestion], in folder: TrainingFolder) async throws -> [ModelExample] {
        guard !questions.isEmpty else { return [] }
        let path = folder.path + "/demonstrations.jsonl"
        if FileManager.default.fileExists(atPath: path) {
            say("going on with \(path)")
            return try ModelDemonstration.read(path).map {
                try ModelExample(messages: $0.messages, reply: $0.reply, model: plain)
            }
        }
        let strategy = try await strategy()
        let demonstrations = MenuDemonstrations(
            menu: menu.menu, keeper: strategy.keeper, budget: strategy.budget, rules: strategy.rules)
        let (total, say) = (questions.count, say)
        let written = try await demonstrations.collect(questions, seed: seed, workers: threads) { done in
            if done % 50 == 0 || done == total { say("demonstrations of \(done) of \(total) questions") }
        }.flatMap { $0 }
        var answers = written.indices.filter { written[$0].reply == "answer" }
        var generator = SplitMix64(seed: seed, stream: 0xBA1)
        generator.shuffle(&answers)
        let others = written.count - answers.count
        let taken = Set(answers.prefix(max(others, written.count / 10)))
        let kept = written.indices.filter { written[$0].reply != "answer" || taken.contains($0) }.map { written[$0] }
        say("\(written.count) steps, \(others) of which do not answer; \(kept.count) are taken")
        try ModelDemonstration.write(kept, to: path)
        return try kept.map { try ModelExample(messages: $0.messages, reply: $0.reply, model: plain) }
    }

    /// The strategy of rollouts: the policy's, its model sampling, five passages kept, nobody answering.
    func rolloutStrategy() throws -> Strategy {
        var strategy = try policy.strategy(StrategyRegistry.standard.learning().always(ExtractiveAnswerer()))
        var proposer = menu
        proposer.options.temperature = 1
        strategy.proposers = [proposer]
        if var keeper = strategy.keeper as? RerankKeeper {
            keeper.limit = 5
            strategy.keeper = keeper
        }
        return strategy
    }

    /// The model that acts while it learns.
    var engine: ModelRewardTraining.Engine {
        let (path, name, threads) = (place.path, name, threads)
        return { [self] parameters in
            try LocalModel(path: path, adapting: adapter(parameters), name: name, options: .init(threads: threads))
        }
    }

    func adapter(_ parameters: ParameterSet, notes: [String: String] = [:]) -> LowRankAdapter {
        let base = name.split(separator: "+").first.map(String.init) ?? name
        return LowRankAdapter(
            parameters, tuning: learner.tuning, of: learner.decoder, base: plain.identity,
            baseName: (base as NSString).lastPathComponent, notes: notes)
    }

    /// The span reader, for rewards that read.
    func reader() throws -> RewardReader {
        guard let folder = ModelStore().resolve("minilm") else {
            throw ValidationError("rewards that read need the reader's encoder: `forage model pull minilm`")
        }
        let places = (PolicyFile.standardDirectories + [BundledFiles.prefix + "Policies"]).map {
            $0 + "/reader.safetensors"
        }
        guard let weights = places.first(where: { (try? MappedFile(path: $0)) != nil }) else {
            throw ValidationError("there is no reader for rewards that read")
        }
        return RewardReader(try SpanReader(weights: weights, model: folder))
    }

    /// What the tuned model gained on questions that it did not learn from.
    func card(_ adapter: LowRankAdapter, _ held: [TrainingQuestion]) async throws -> (text: String, isWorse: Bool) {
        let tuned = try LocalModel(
            path: place.path, adapting: adapter, name: name + "+tuned", options: .init(threads: threads))
        func scores(_ policy: PolicyFile, _ model: LocalModel, _ label: String) async throws -> PolicyScores {
            say("\(label): \(held.count) questions")
            let registry = try StrategyParts.registry(models: [model], answerer: .auto)
            return try await PolicyScores(try policy.strategy(registry), on: held, model: model, workers: 1)
        }
        let after = try await scores(policy, tuned, "tuned")
        let before = try await scores(policy, plain, "before")
        let single = try await scores(PolicyFile.find("single-shot"), plain, "single shot")
        func row(_ label: String, _ scores: PolicyScores) -> String {
            let recall = PolicyScores.estimate(scores.recallAt5)
            return
                "| \(label) | \(PolicyScores.estimate(scores.recallAt2)) | \(recall) | \(PolicyScores.estimate(scores.f1)) |"
        }
        func gain(_ a: PolicyScores, _ b: PolicyScores, _ label: String) -> String {
            func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(max(1, values.count)) }
            return String(
                format: "Against %@: recall@5 %+.3f (p %.3f), F1 %+.3f (p %.3f).", label,
                mean(a.recallAt5) - mean(b.recallAt5), PolicyScores.pairedTest(a.recallAt5, b.recallAt5),
                mean(a.f1) - mean(b.f1), PolicyScores.pairedTest(a.f1, b.f1))
        }
        func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(max(1, values.count)) }
        let text = """
            \(held.count) questions that nothing was learned from, policy \(policy.name):

            | who drives | recall@2 | recall@5 | F1 |
            | --- | --- | --- | --- |
            \(row("the tuned model", after))
            \(row("the model before", before))
            \(row("single shot, the model before", single))

            \(gain(after, before, "the model before"))
            \(gain(after, single, "single shot"))
            """
        return (text, mean(after.recallAt5) < max(mean(before.recallAt5), mean(single.recallAt5)))
    }
}
