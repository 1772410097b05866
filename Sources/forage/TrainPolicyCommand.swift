// SPDX-License-Identifier: Apache-2.0

import Agent
import ArgumentParser
import Assembly
import Base
import Corpus
import Datasets
import Encoders
import Foundation
import Learning
import Net
import OrderedCollections
import Search
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
            needs no labels. Then rewards improve the policy. Without gold these are the F1 of the answers that the reader \
            gives from what was kept, and how likely it finds the right one. A run can be interrupted: the same command goes \
            on from the checkpoint in its --run folder, where curves.html shows what held-back questions gain.

            Rewards: answer-support, gold-coverage, document-f1, question-coverage, tool-exploration, stop-quality; costs \
            keeping-cost, call-cost, reading-cost (per thousand words), time-cost; and with a reader answer (F1), \
            answer-exact, answer-contains, answer-steps, answer-likelihood, format. A policy file can say all of this under \
            `training` (--recipe).
            """)

    @Option(name: [.short, .long], help: "A corpus to learn on, with --questions; may be given more than once.")
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
        name: .long,
        help: "The weights to start from; default: those of --name in --out, or that the program carries; or none."
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

    @Option(
        name: .long, help: "How much of a decision cloning spreads over all choices; default 0.3 without gold, else 0.")
    var smoothing: Double?

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

    @Option(name: .long, help: "Judges on some held-back questions after so many iterations, for the curves; 0: never.")
    var judgeEvery = 10

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
    func resolved() throws -> TrainingRecipe {
        var recipe = TrainingRecipe()
        if let file = self.recipe {
            do {
                recipe = try TrainingRecipe(PolicyFile(file: file))
            } catch let error as PolicyError { throw ValidationError(error.description) }
        }
        recipe.architecture = architecture ?? recipe.architecture
        recipe.clone = clone ?? recipe.clone
        recipe.epochs = epochs ?? recipe.epochs
        recipe.smoothing = smoothing ?? recipe.smoothing
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
        guard (0...0.9).contains(recipe.smoothing ?? 0) else { throw ValidationError("--smoothing is from 0 to 0.9") }
        guard recipe.epochs >= 0, recipe.iterations >= 0, recipe.learningRate > 0, recipe.divergenceWeight >= 0 else {
            throw ValidationError("epochs, iterations, learning rate and KL weight cannot be negative")
        }
        return recipe
    }
}
