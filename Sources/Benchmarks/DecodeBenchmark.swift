// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Base
import Foundation
import LanguageModels
import Net

/// The speed of a model in this process: prefill, one sequence's tokens, and those of several together.
struct DecodeBenchmark: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "decode", abstract: "Tokens a second of a local model, by context and by sequences together.")

    @Option(help: "A pulled model's name or a path.") var model = "smollm2"
    @Option(help: "Threads.") var threads = ProcessInfo.processInfo.activeProcessorCount
    @Option(parsing: .upToNextOption, help: "Tokens before the ones that are timed.") var contexts = [256, 4096]
    @Option(parsing: .upToNextOption, help: "Sequences together.") var sequences = [1, 8]
    @Option(help: "Tokens that are timed.") var generate = 32
    @Option(help: "Rounds; the median counts.") var rounds = 3

    func run() async throws {
        guard let path = ModelStore().resolve(model) else { throw ValidationError("there is no model \(model)") }
        // A token of one sequence reads the whole file, but for what of its vocabulary is looked up.
        let size = try? FileManager.default.attributesOfItem(atPath: path)[.size] as? Int
        for context in contexts {
            var alone = 0.0
            for count in sequences {
                let opened = try LocalModel(
                    path: path, options: .init(threads: threads, cacheBytes: 4 << 30, guessesFromContext: false))
                // Eight prompts of 4,096 tokens would take minutes of prefill: several sequences share a short one.
                let prompt = count > 1 ? min(context, 256) : context
                let result = try await LocalModelBenchmark(
                    promptTokens: prompt, generatedTokens: generate, sequences: count, repeats: rounds
                ).run(opened)
                var line = Measurement("decode")
                line.set("model", model)
                line.set("threads", threads)
                line.set("context", prompt)
                line.set("sequences", count)
                line.set("prefill_tokens_per_s", result.medianPrefill)
                line.set("tokens_per_s", result.medianDecode)
                if count == 1 {
                    alone = result.medianDecode
                    if let size { line.set("GB_per_s", result.medianDecode * Double(size) / 1e9) }
                } else if alone > 0 {
                    line.set("of_one", result.medianDecode / alone)
                }
                line.setMemory()
                line.print()
            }
        }
    }
}

/// Answers from three passages with and without guesses from the context, in turn, greedily.
struct GuessBenchmark: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "guesses", abstract: "Answers from three passages with and without guesses: the same, how fast.")

    @Option(help: "A pulled model's name or a path.") var model = "smollm2"
    @Option(help: "Threads.") var threads = ProcessInfo.processInfo.activeProcessorCount
    @Option(help: "JSON lines of question, answers and supporting.") var questions: String
    @Option(help: "JSON lines of id, title and text.") var corpus: String
    @Option(help: "How many questions.") var count = 20
    @Option(help: "The most tokens of an answer.") var tokens = 96
    @Option(help: "What the model is asked for.") var instruction =
        "Answer the question from the passages in one or two full sentences, in the passages' own words."

    func run() async throws {
        guard let path = ModelStore().resolve(model) else { throw ValidationError("there is no model \(model)") }
        let models = try [true, false].map {
            try LocalModel(path: path, options: .init(threads: threads, guessesFromContext: $0))
        }
        let items = try ReaderMeasurement.items(questions: questions, corpus: corpus, skip: 0, count: count)
        var seconds = [0.0, 0.0]
        var (written, equal, ratios) = (0, 0, [Double]())
        for (number, item) in items.enumerated() {
            let passages = (item.passages + items[(number + 1) % items.count].passages).prefix(3)
            let evidence = passages.map { "\($0.title): \($0.text)" }.joined(separator: "\n\n")
            let messages = [
                ChatMessage(role: .system, content: instruction),
                ChatMessage(role: .user, content: "\(evidence)\n\nQuestion: \(item.question)"),
            ]
            var texts = ["", ""]
            var times = [0.0, 0.0]
            for which in number % 2 == 0 ? [0, 1] : [1, 0] {
                let prompt = try models[which].promptTokens(for: messages)
                // The prompt is in the cache, all but its last tokens: decoding is what is timed.
                _ = try await models[which].complete(prompt: prompt, options: .init(temperature: 0, maxTokens: 1))
                let start = wallSeconds()
                let answer = try await models[which].complete(
                    prompt: prompt, options: .init(temperature: 0, maxTokens: tokens))[0]
                times[which] = wallSeconds() - start
                texts[which] = answer.message.content
                if which == 0 { written += answer.tokenIDs.count }
            }
            equal += texts[0] == texts[1] ? 1 : 0
            ratios.append(times[1] / times[0])
            for which in 0...1 { seconds[which] += times[which] }
        }
        guard !ratios.isEmpty else { throw ValidationError("\(questions) holds no question") }
        var line = Measurement("guesses")
        line.set("model", model)
        line.set("questions", ratios.count)
        line.set("equal", equal)
        line.set("tokens", written)
        line.set("tokens_per_s", Double(written) / seconds[0])
        line.set("plain_tokens_per_s", Double(written) / seconds[1])
        line.set("speedup", seconds[1] / seconds[0])
        line.set("median_speedup", ratios.sorted()[ratios.count / 2])
        line.print()
    }
}
