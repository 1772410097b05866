// SPDX-License-Identifier: Apache-2.0

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
    private var seedRows: [(set: String, seed: UInt64, recallAt2: Double, recallAt5: Double)] = []

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

    /// Scores a policy on a set's development questions, against plain hybrid retrieval and where rewards began.
    mutating func score(
        _ policy: LearnedPolicy, start: LearnedPolicy, _ set: LearningDataset.Prepared, seed: UInt64,
        show: (String) -> Void
    ) {
        let dev = set.questions["dev"] ?? []
        guard !dev.isEmpty else { return }
        let scores = PolicyScores(policy, on: dev)
        let (two, five) = (PolicyScores.estimate(scores.recallAt2), PolicyScores.estimate(scores.recallAt5))
        let isFirst = seedRows.first.map { $0.seed == seed } ?? true
        seedRows.append((set.name, seed, two.mean, five.mean))
        guard isFirst else {
            show("\(set.name), seed \(seed)\trecall@2 \(two)\trecall@5 \(five)")
            return
        }
        let hybrid = PolicyScores(hybridOn: dev)
        func row(_ label: String, _ other: PolicyScores) -> String {
            let p = PolicyScores.pairedTest(scores.recallAt5, other.recallAt5)
            return String(
                format: "%@ %.4f / %.4f (p %.4f)", label, PolicyScores.estimate(other.recallAt2).mean,
                PolicyScores.estimate(other.recallAt5).mean, p)
        }
        var against = row("hybrid", hybrid)
        if iterations > 0 { against += "; " + row("before rewards", PolicyScores(start, on: dev)) }
        table.append("| \(set.name) | \(set.world.passages.count) | \(dev.count) | \(two) | \(five) | \(against) |")
        show("\(set.name)\trecall@2 \(two)\trecall@5 \(five)\tagainst \(against)")
    }

    func text(command: String, data: [String], method: String, network: String, seed: UInt64) -> String {
        var lines = [
            "# \(name)", "",
            "Reads five passages one by one. At each step every passage in reach is scored: those that a keyword and a vector",
            "search with the question find, title links both ways, and what searches with the question and the passages read",
            "so far find.", "", "| | |", "| --- | --- |", "| Command | `\(command)` |",
            "| Data | the training questions of \(data.joined(separator: ", ")) |", "| Method | \(method) |",
            "| Network | \(network) |", "| Seed | \(seed) |",
            "| Cost | \(seconds(preparing)) reading and encoding (vectors kept from earlier runs included), \(seconds(cloning)) "
                + "cloning, \(seconds(rewarding)) learning from rewards |", "",
            "Recall of gold passages on the development questions, best choice at each step, no language model. Intervals are",
            "95 %, from 2,000 bootstrap samples of questions; p is that of a paired sign-flip test of recall@5.", "",
            "| set | passages | questions | recall@2 | recall@5 | against, recall@2 / recall@5 |",
            "| --- | --- | --- | --- | --- | --- |",
        ]
        lines += table
        let seeds = seedRows.map(\.seed).reduce(into: [UInt64]()) { if !$0.contains($1) { $0.append($1) } }
        if seeds.count > 1 {
            lines += ["", "The spread over seeds, recall@2 / recall@5:", ""]
            for set in seedRows.map(\.set).reduce(into: [String](), { if !$0.contains($1) { $0.append($1) } }) {
                let own = seedRows.filter { $0.set == set }.map {
                    String(format: "seed %llu %.4f / %.4f", $0.seed, $0.recallAt2, $0.recallAt5)
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
