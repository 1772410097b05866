// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
import Datasets
import Foundation
import Learning

/// Gathers what a policy's card tells: data, cost, curves, and scores with their intervals.
struct TrainingCard {
    let name: String
    let iterations: Int
    private let begun = Date()
    private(set) var preparing: Double = 0
    private var questions = 0
    private var cloning: Double = 0
    private var rewarding: Double = 0
    /// The mean loss of each epoch of cloning, and the mean reward of each iteration.
    var losses: [Float] = []
    var rewards: [Double] = []
    private var table: [String] = []
    private var seedRows: [(set: String, seed: UInt64, recallAt2: Double, recallAt5: Double, f1: String)] = []

    init(name: String, iterations: Int) {
        self.name = name
        self.iterations = iterations
    }

    func seconds(_ value: Double) -> String { String(format: "%.0f s", value) }

    mutating func prepared(_ questions: Int) {
        preparing = Date().timeIntervalSince(begun)
        self.questions = questions
    }

    mutating func trained(cloning: Double, rewards: Double) {
        self.cloning = cloning
        rewarding = rewards
    }

    /// Notes what a policy finds on a set's questions, against plain hybrid search and where it began.
    mutating func add(_ scores: TrainingScores, seed: UInt64, show: (String) -> Void) {
        let own = scores.policy
        let (two, five) = (PolicyScores.estimate(own.recallAt2), PolicyScores.estimate(own.recallAt5))
        let isFirst = seedRows.first.map { $0.seed == seed } ?? true
        seedRows.append(
            (
                scores.set, seed, two.mean, five.mean,
                scores.hasAnswers ? String(format: "%.4f", PolicyScores.estimate(own.f1).mean) : "–"
            ))
        guard isFirst else {
            let answers = scores.hasAnswers ? "\tF1 \(PolicyScores.estimate(own.f1))" : ""
            show("\(scores.set), seed \(seed)\trecall@2 \(two)\trecall@5 \(five)\(answers)")
            return
        }
        func row(_ label: String, _ other: PolicyScores) -> String {
            let p = PolicyScores.pairedTest(own.recallAt5, other.recallAt5)
            let found = String(
                format: "%@ %.4f / %.4f (p %.4f)", label, PolicyScores.estimate(other.recallAt2).mean,
                PolicyScores.estimate(other.recallAt5).mean, p)
            guard scores.hasAnswers else { return found }
            return found
                + String(
                    format: ", F1 %.4f (p %.4f)", PolicyScores.estimate(other.f1).mean,
                    PolicyScores.pairedTest(own.f1, other.f1))
        }
        let answers = scores.hasAnswers ? "\(PolicyScores.estimate(own.f1))" : "–"
        var against = row("hybrid", scores.hybrid)
        if let start = scores.start { against += "; " + row("before rewards", start) }
        if let before = scores.before { against += "; " + row("the policy before", before) }
        let lookups = String(format: "%.1f", PolicyScores.estimate(own.lookups).mean)
        table.append(
            "| \(scores.set) | \(scores.passages) | \(scores.questions) | \(two) | \(five) | \(answers) | \(lookups) "
                + "| \(against) |")
        let kind = scores.hasGold ? "recall" : "answer recall"
        show(
            "\(scores.set)\t\(kind)@2 \(two)\t\(kind)@5 \(five)\tF1 \(answers)\tlook-ups \(lookups)\tagainst \(against)"
        )
    }

    func text(command: String, data: [String], method: String, network: String, seed: UInt64) -> String {
        var lines = [
            "# \(name)", "",
            "Chooses among tool calls: searches with the question, its clauses, its names, what is open of it with the names in",
            "a kept passage, links, filters by values that the question names; keeping a passage; answering.", "",
            "| | |", "| --- | --- |", "| Command | `\(command)` |",
            "| Data | the training questions of \(data.joined(separator: ", ")) |", "| Method | \(method) |",
            "| Network | \(network) |", "| Seed | \(seed) |",
            "| Cost | \(seconds(preparing)) opening corpora, \(seconds(cloning)) "
                + "cloning, \(seconds(rewarding)) learning from rewards |", "",
            "Recall of gold passages (where none are known, of passages in which an accepted answer stands) and F1 of the span",
            "reader's answers on questions that were not learned from: the best choice at each step until five passages are",
            "kept, no language model. Look-ups are the tool calls of the events. Intervals are 95 %, from 2,000 bootstrap samples",
            "of questions; p is that of a paired sign-flip test.", "",
            "| set | passages | questions | recall@2 | recall@5 | F1 | look-ups | against, recall@2 / recall@5 |",
            "| --- | --- | --- | --- | --- | --- | --- | --- |",
        ]
        lines += table
        let seeds = seedRows.map(\.seed).reduce(into: [UInt64]()) { if !$0.contains($1) { $0.append($1) } }
        if seeds.count > 1 {
            lines += ["", "The spread over seeds, recall@2 / recall@5 / F1:", ""]
            for set in seedRows.map(\.set).reduce(into: [String](), { if !$0.contains($1) { $0.append($1) } }) {
                let own = seedRows.filter { $0.set == set }.map {
                    String(format: "seed %llu %.4f / %.4f / ", $0.seed, $0.recallAt2, $0.recallAt5) + $0.f1
                }
                lines.append("- \(set): \(own.joined(separator: ", "))")
            }
        }
        if !losses.isEmpty {
            lines += [
                "",
                "Loss of cloning, epoch by epoch: " + losses.map { String(format: "%.3f", $0) }.joined(separator: " "),
            ]
        }
        if !rewards.isEmpty {
            let step = max(1, rewards.count / 15)
            let means = stride(from: 0, to: rewards.count, by: step).map { start -> String in
                let part = rewards[start..<min(rewards.count, start + step)]
                return String(format: "%.3f", part.reduce(0, +) / Double(part.count))
            }
            lines += [
                "", "Mean reward of an episode, each number over \(step) iterations: " + means.joined(separator: " "),
            ]
        }
        return lines.joined(separator: "\n") + "\n"
    }
}
