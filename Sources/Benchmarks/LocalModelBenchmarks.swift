// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Base
import Encoders
import Foundation
import LanguageModels
import Learning
import Net
import QualityMetrics
import Text

/// A model in this process as a reader: its answers from gold passages, chosen and written.
struct ReaderBenchmark: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reader", abstract: "F1 of a local model on gold passages, by choice and by free writing.",
        discussion: "With --training, fits the weights of the choice first and prints them.")

    @Option(help: "A pulled model's name or a path.") var model = "smollm2"
    @Option(help: "JSON lines of question, answers and supporting.") var questions: String
    @Option(help: "JSON lines of id, title and text.") var corpus: String
    @Option(help: "Questions to fit the weights on, in the same form.") var training: String?
    @Option(help: "How many questions to fit on.") var fitted = 200
    @Option(help: "How many questions to answer.") var count = 200
    @Option(help: "The most candidates that the model scores.") var candidates = 60
    @Flag(help: "Leave the free writing out.") var choiceOnly = false
    @Option(help: "A span reader's weights: its spans are the candidates.") var reader: String?
    @Option(help: "The most passages of a question.") var passages = 10
    @Option(help: "How many examples stand in the prompt.") var examples = 4
    @Flag(help: "Put the question before the passages as well.") var asksFirst = false
    @Option(help: "Write every candidate with its features here, as JSON lines, and answer nothing.") var dump: String?

    private func writeFeatures(_ answerer: EvidenceAnswerer, to path: String) async throws {
        try Data().write(to: URL(fileURLWithPath: path))
        let file = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
        defer { try? file.close() }
        for item in try ReaderMeasurement.items(questions: questions, corpus: corpus, skip: 0, count: count) {
            var item = item
            item.passages = Array(item.passages.prefix(passages))
            let start = wallSeconds()
            let response = try await answerer.model.respond(to: answerer.request(item.question, item.passages)) { _ in }
            let raw = response.completions.first?.message.content ?? ""
            let drafted = wallSeconds()
            let short = EvidenceAnswerer.short(raw)
            let answer = try await answerer.answer(item.question, passages: item.passages, written: short)
            let line: JSONValue = [
                "question": .string(item.question), "gold": .array(item.gold.map(JSONValue.string)),
                "titles": .array(item.passages.map { .string($0.title) }), "raw": .string(raw),
                "short": .string(short), "draft_f1": .number(ReaderMeasurement.scores(short, item).f1),
                "prompt": .integer(response.usage.promptTokens), "cached": .integer(response.usage.cachedTokens),
                "draft_seconds": .number(drafted - start), "seconds": .number(wallSeconds() - start),
                "candidates": .array(
                    answer.ranked.map { ranked in
                        [
                            "text": .string(ranked.candidate.text),
                            "passage": ranked.candidate.passage.map { .integer($0) } ?? .null,
                            "features": .array(ranked.candidate.features.map(JSONValue.number)),
                            "f1": .number(ReaderMeasurement.scores(ranked.candidate.text, item).f1),
                            "em": .number(ReaderMeasurement.scores(ranked.candidate.text, item).exactMatch),
                        ]
                    }),
            ]
            try file.write(contentsOf: Data((line.serialized() + "\n").utf8))
        }
    }

    func run() async throws {
        guard let path = ModelStore().resolve(model) else { throw ValidationError("there is no model \(model)") }
        let model = try LocalModel(path: path)
        var proposer: EvidenceAnswerer.Proposer?
        if let reader {
            guard let folder = ModelStore().resolve("minilm") else { throw ValidationError("there is no model minilm") }
            proposer = try SpanReader(weights: reader, model: folder).proposer()
        }
        var answerer = EvidenceAnswerer(model: model, proposer: proposer, mostCandidates: candidates)
        answerer.prompt = .init(asksFirst: asksFirst, examples: examples)
        if let dump { return try await writeFeatures(answerer, to: dump) }
        if let training {
            var choices: [[ReaderMeasurement.Choice]] = []
            for item in try ReaderMeasurement.items(questions: training, corpus: corpus, skip: 0, count: fitted) {
                choices.append(try await ReaderMeasurement.choices(item, by: answerer))
            }
            let weights = ReaderMeasurement.fit(choices)
            let looks = reader == nil ? EvidenceAnswerer.featureNames.count : 2
            answerer.weights = .init(
                logProbabilities: Array(weights.dropFirst(looks)), features: Array(weights.prefix(looks)))
            print("fitted: \(answerer.weights)")
        }
        var (chosen, written, match, writtenMatch, best, tokens) = (0.0, 0.0, 0.0, 0.0, 0.0, 0)
        let items = try ReaderMeasurement.items(questions: questions, corpus: corpus, skip: 0, count: count)
        let start = wallSeconds()
        for item in items {
            let answer = try await answerer.answer(
                item.question, passages: item.passages, written: ReaderMeasurement.draft(item, by: answerer))
            let scores = ReaderMeasurement.scores(answer.text, item)
            chosen += scores.f1
            match += scores.exactMatch
            best += answer.ranked.map { ReaderMeasurement.scores($0.candidate.text, item).f1 }.max() ?? 0
            tokens += answer.tokens
        }
        let seconds = wallSeconds() - start
        if !choiceOnly {
            for item in items {
                let scores = try await ReaderMeasurement.written(item, by: model).scores
                written += scores.f1
                writtenMatch += scores.exactMatch
            }
        }
        let number = Double(max(1, items.count))
        var line = Measurement("local-reader")
        line.set("questions", items.count)
        line.set("chosen_f1", chosen / number)
        line.set("chosen_em", match / number)
        line.set("best_candidate_f1", best / number)
        if !choiceOnly {
            line.set("written_f1", written / number)
            line.set("written_em", writtenMatch / number)
        }
        line.set("seconds_per_question", seconds / number)
        line.set("tokens_per_question", Double(tokens) / number)
        line.print()
    }
}

/// Constrained tool calls of a model in this process.
struct ToolCallBenchmark: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tool-calls", abstract: "Constrained tool calls: how many are valid, and what a token costs more.")

    @Option(help: "A pulled model's name or a path.") var model = "smollm2"
    @Option(help: "JSON lines of questions.") var questions: String
    @Option(help: "How many calls.") var calls = 1000

    func run() async throws {
        guard let path = ModelStore().resolve(model) else { throw ValidationError("there is no model \(model)") }
        let model = try LocalModel(path: path)
        let texts = try String(contentsOfFile: questions, encoding: .utf8).textLines(omittingEmpty: true).compactMap {
            try JSONValue(parsing: String($0))["question"]?.string
        }
        guard !texts.isEmpty else { throw ValidationError("\(questions) holds no question") }
        var result = try await ConstrainedCallMeasurement.run(model, questions: texts, calls: calls)
        try await result.measureOverhead(model)
        for fault in result.faults.prefix(10) { print(fault) }
        var line = Measurement("tool-calls")
        line.set("calls", result.calls)
        line.set("valid", result.valid)
        line.set("tokens", result.tokens)
        line.set("constrained_token_ms", result.constrainedToken * 1e3)
        line.set("free_token_ms", result.freeToken * 1e3)
        line.set("overhead", result.overhead)
        line.print()
    }
}
