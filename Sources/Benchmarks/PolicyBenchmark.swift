// SPDX-License-Identifier: Apache-2.0

import Agent
import ArgumentParser
import Base
import Corpus
import Datasets
import Encoders
import Episodes
import Foundation
import Learning
import Search
import TensorMath
import Tools

/// What a learned policy costs: episodes a second over an indexed corpus, the time of one decision, and the time to a first
/// session's answer beside plain hybrid search.
struct PolicyBenchmark: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "policy",
        abstract: "Episodes a second, the time of a learned policy's decision, and a session beside hybrid search.")

    @Option(help: "An indexed corpus.") var corpus: String
    @Option(help: "Its questions, one JSON object a line.") var questions: String
    @Option(help: "The policy's weights; none draws some, which costs the same.") var weights =
        "Policies/forage.safetensors"
    @Option(help: "Episodes for each question.") var group = 8
    @Option(help: "The most questions.") var most = 500
    @Option(help: "Questions at work at the same time.") var workers = 2
    @Option(
        help: """
            Makes the corpus first, where it is not there: so many documents, each of sentences drawn from two passages of \
            --texts, with vectors of 384 numbers that are bags of words.
            """
    ) var drawn: Int?
    @Option(help: "The JSON lines (id, title, text) that --drawn draws from.") var texts: String?

    private var encoder: (any TextEncoder)? { drawn == nil ? nil : WordBagEncoder(dimension: 384) }

    private func open() async throws -> LocalCorpus { try await LocalCorpus(path: corpus, encoder: encoder) }

    func run() async throws {
        if let drawn {
            guard let texts else { throw ValidationError("--drawn needs --texts to draw from") }
            try await draw(drawn, from: texts)
        }
        let policy =
            weights == "none"
            ? try LearnedPolicy(architecture: CandidateScorer.architecture, seed: 1)
            : try LearnedPolicy(weights: weights)
        let asked = Array(try DatasetReader.read(questions).questions.prefix(most).map { LearningQuestion($0) })
        try await sessions(policy, asked)
        let opened = try await open()
        let training = try TrainingCorpus(opened)
        let material = asked.map { TrainingQuestion($0, on: training) }
        let rewards = RewardMix([(1, AnswerSupport()), (0.5, QuestionCoverage())])
        // The first round asks the tools what later rounds remember.
        for (round, name) in ["first visit", "visited before", "and again"].enumerated() {
            var episodes = 0
            let begun = wallSeconds()
            for start in stride(from: 0, to: material.count, by: 24) {
                let groups = try await Rollouts.run(
                    Array(start..<min(material.count, start + 24)), of: material, policy: policy,
                    options: EpisodeOptions(), size: group, rewards: rewards, seed: 1, iteration: start,
                    workers: workers)
                episodes += groups.reduce(0) { $0 + $1.episodes.count }
            }
            var line = Measurement("rollouts, \(name)")
            line.set("episodes", episodes)
            line.set("episodes_per_s", Double(episodes) / (wallSeconds() - begun))
            line.set("answered_from_memory", training.memo.counts.hits)
            line.set("tool_calls_made", training.memo.counts.misses)
            line.setMemory()
            line.print()
            if round == 2 { try await decisions(policy, material) }
        }
    }

    /// Indexes `count` documents: the texts themselves, so that questions about them have answers, then drawn mixtures of
    /// two, whose titles are the first one's with a number.
    private func draw(_ count: Int, from texts: String) async throws {
        guard !FileManager.default.fileExists(atPath: corpus) else { return }
        let base = try RecordFile(path: texts).records().map {
            (
                id: $0.value["id"]?.string ?? "", title: $0.value["title"]?.string ?? "",
                text: $0.value["text"]?.string ?? ""
            )
        }
        guard !base.isEmpty else { throw ValidationError("\(texts) holds no text") }
        let sentences = base.map { $0.text.components(separatedBy: ". ") }
        var random = SplitMix64(seed: 3)
        let writer = try CorpusWriter(path: corpus)
        let begun = wallSeconds()
        for start in stride(from: 0, to: count, by: 20_000) {
            try writer.add(
                (start..<min(count, start + 20_000)).map { number in
                    guard number >= base.count else {
                        let text = base[number]
                        return Document(id: text.id, title: text.title, text: text.text)
                    }
                    let (first, second) = (random.integer(below: base.count), random.integer(below: base.count))
                    let mixed = (sentences[first] + sentences[second]).filter { _ in random.uniform() < 0.5 }
                    return Document(
                        id: "drawn-\(number)", title: "\(base[first].title) \(number)",
                        text: mixed.joined(separator: ". ") + ".")
                })
        }
        let generation = try writer.beginGeneration()
        try await IndexBuilder(encoder: encoder, encoderName: "word-bag").build(generation)
        try generation.publish()
        var line = Measurement("corpus drawn")
        line.set("documents", count)
        line.set("documents_per_s", Double(count) / (wallSeconds() - begun))
        line.setMemory()
        line.print()
    }

    /// The time of single decisions of the network, over states of the best choices' episodes.
    private func decisions(_ policy: LearnedPolicy, _ questions: [TrainingQuestion]) async throws {
        var times: [Double] = []
        var candidates = 0
        for question in questions.prefix(100) {
            let episode = try await Rollouts.run(question, policy: policy, options: .ranking, seed: 1)
            for step in episode.trajectory.steps {
                let begun = threadSeconds()
                let features = question.corpus.space.features(step.state, step.candidates, options: .init())
                _ = policy.logits(Decision(features: features))
                times.append(threadSeconds() - begun)
                candidates += step.candidates.count
            }
        }
        var line = Measurement("decision of the network")
        line.set("candidates", Double(candidates) / Double(max(1, times.count)))
        line.set(latencies: times)
        line.print()
    }

    /// A session's whole time from an unopened corpus to its answer, beside a hybrid search from an unopened corpus; then
    /// further questions on the open one.
    private func sessions(_ policy: LearnedPolicy, _ asked: [LearningQuestion]) async throws {
        guard let first = asked.first else { throw ValidationError("there is no question") }
        func session(_ question: LearningQuestion, _ corpus: LocalCorpus, _ space: ActionSpace) async throws {
            let options = EpisodeOptions.ranking
            let strategy = options.strategy(
                choosing: NetworkPolicy(policy, space: space, options: options.actions), space: space)
            let environment = AgentEnvironment(
                corpus: corpus, tools: try ToolRegistry.builtIn(), embed: corpus.embedding)
            _ = try await Rollouts.events(question.asked, strategy: strategy, environment: environment, seed: 1)
        }
        var begun = wallSeconds()
        let plain = try await open()
        _ = try await plain.search(.hybrid, query: first.text, limit: 5, within: nil)
        let hybrid = wallSeconds() - begun
        begun = wallSeconds()
        let learned = try await open()
        let space = try ActionSpace()
        let opened = wallSeconds() - begun
        try await session(first, learned, space)
        let answered = wallSeconds() - begun
        var line = Measurement("first answer, corpus opened anew")
        line.set("passages", learned.reader.passageCount)
        line.set("hybrid_ms", hybrid * 1000)
        line.set("learned_open_ms", opened * 1000)
        line.set("learned_ms", answered * 1000)
        line.set("ratio", answered / hybrid)
        line.setMemory()
        line.print()
        var times: [Double] = []
        var plainTimes: [Double] = []
        for question in asked.dropFirst().prefix(60) {
            begun = wallSeconds()
            _ = try await learned.search(.hybrid, query: question.text, limit: 5, within: nil)
            plainTimes.append(wallSeconds() - begun)
            begun = wallSeconds()
            try await session(question, learned, space)
            times.append(wallSeconds() - begun)
        }
        for (name, values) in [("hybrid search, corpus open", plainTimes), ("learned session, corpus open", times)] {
            var line = Measurement(name)
            line.set(latencies: values)
            line.setMemory()
            line.print()
        }
    }
}
