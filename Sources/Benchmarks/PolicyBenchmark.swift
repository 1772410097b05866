// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Base
import Encoders
import Learning
import Net
import TensorMath

/// What a learned policy costs: the time of one decision, and episodes a second with cached vectors.
struct PolicyBenchmark: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "policy", abstract: "Time of a learned policy's decision, and episodes a second.")

    @Option(help: "A folder with corpus.jsonl and questions.") var data: String
    @Option(help: "The encoder: a name in the model folder.") var encoder = "minilm"
    @Option(help: "The folder that keeps the texts' vectors.") var vectors = "runs/vectors"
    @Option(help: "The policy's weights.") var weights = "Policies/multihop.safetensors"
    @Option(help: "Episodes for each question.") var group = 8
    @Option(help: "Questions at work at the same time.") var workers = 2

    func run() async throws {
        guard let folder = ModelStore().resolve(encoder) else {
            throw ValidationError("no encoder '\(encoder)' in the model folder")
        }
        let policy = try LearnedPolicy(weights: weights)
        let encoder = try CachedEncoder(try BERTEncoder(folder: folder), folder: vectors)
        let set = try await LearningDataset(folder: data).prepared(with: encoder)
        let questions = set.questions["train"] ?? []
        guard !questions.isEmpty else { throw ValidationError("\(data) has no training questions") }

        // The first round finds and links what the second has at hand.
        for (round, name) in ["first visit", "visited before"].enumerated() {
            var episodes = 0
            let begun = wallSeconds()
            let rewards = RewardMix([(1, AnswerSupport()), (0.5, QuestionCoverage())])
            for start in stride(from: 0, to: questions.count, by: 24) {
                let groups = try await Rollouts.run(
                    Array(start..<min(questions.count, start + 24)), of: questions, policy: policy,
                    options: EpisodeOptions(), size: group, rewards: rewards, seed: UInt64(round), iteration: start,
                    workers: workers)
                episodes += groups.reduce(0) { $0 + $1.episodes.count }
            }
            var line = Measurement("rollouts, \(name)")
            line.set("episodes", episodes)
            line.set("episodes_per_s", Double(episodes) / (wallSeconds() - begun))
            line.setMemory()
            line.print()
        }

        var times: [Double] = []
        var candidates = 0
        for question in questions.prefix(200) {
            var generator = SplitMix64(seed: 1)
            for step in question.run(policy, options: .ranking, using: &generator).steps {
                let begun = threadSeconds()
                _ = policy.assess(step.decision)
                times.append(threadSeconds() - begun)
                candidates += step.decision.count
            }
        }
        var line = Measurement("decision of the network")
        line.set("candidates", Double(candidates) / Double(max(1, times.count)))
        line.set(latencies: times)
        line.print()
    }
}
