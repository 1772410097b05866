// SPDX-License-Identifier: Apache-2.0

import Agent
import Corpus
import Datasets
import Episodes
import Foundation
import LanguageModels
import OrderedCollections
import Search
import TensorMath
import Testing
import Tools
import Transformers

@testable import Learning

/// How sure an answer may be, and when it is not given, with a reader over a tiny encoder.
@Suite struct AnswerTrustTests {
    private static let encoder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("Fixtures/encoder/tiny").path

    /// A folder with a data set and a reader of which the encoder's last block was tuned for two steps.
    private static func tuned() async throws -> (folder: String, reader: String) {
        let folder = SmallWorld.folder()
        var (corpus, questions) = ("", "")
        for index in 0..<6 {
            corpus +=
                "{\"id\":\"p\(index)\",\"title\":\"Town \(index)\",\"text\":\"Town \(index) lies beside the Ostra\(index).\"}\n"
            questions +=
                "{\"id\":\"q\(index)\",\"question\":\"What does Town \(index) lie beside?\","
                + "\"answers\":[\"Ostra\(index)\"],\"supporting\":[\"p\(index)\"]}\n"
        }
        try corpus.write(toFile: folder + "/corpus.jsonl", atomically: true, encoding: .utf8)
        try questions.write(toFile: folder + "/questions.train.jsonl", atomically: true, encoding: .utf8)
        var training = ReaderTraining(tuning: Tuning("top:1"), steps: 2)
        training.batch = 2
        training.encoderRate = 1e-2
        let run = ReaderRun(training: training, model: encoder, out: folder + "/reader.safetensors")
        try await run.train(on: [ReaderMaterial(folder: folder)], held: []) { _ in }
        return (folder, folder + "/reader.safetensors")
    }

    private static let evidence = Evidence([
        EvidenceItem(
            passageID: "p1", documentID: "p1", title: "Town 1", text: "Town 1 lies beside the Ostra1.", score: 1)
    ])

    private static func context() throws -> StepContext {
        StepContext(corpus: try SmallWorld.corpus(), tools: try ToolRegistry.builtIn())
    }

    /// A confidence that holds every question answerable with the same probability.
    private static func confidence(threshold: Float) -> ReaderConfidence {
        var confidence = ReaderConfidence(
            [
                .init(signs: ["coverage": 1], isAnswerable: true, isRight: true),
                .init(signs: ["coverage": 0], isAnswerable: false, isRight: false),
            ])
        confidence.threshold = threshold
        return confidence
    }

    @Test func aThresholdDecidesBetweenAnswerAndRefusal() async throws {
        let (folder, path) = try await Self.tuned()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let question = Question("What does Town 1 lie beside?")
        let plain = try await SpanAnswerer(SpanReader(weights: path, model: Self.encoder))
            .answer(question, from: Self.evidence, using: Self.context())
        #expect(plain.label == .span && !plain.signs.isEmpty && plain.signs["name count"] == 2)

        let lenient = Self.confidence(threshold: 0)
        try SpanReader.write(lenient, into: path)
        let reader = try SpanReader(weights: path, model: Self.encoder)
        #expect(reader.confidence == lenient)
        let answer = try await SpanAnswerer(reader).answer(question, from: Self.evidence, using: Self.context())
        #expect(answer.text == plain.text && answer.confidence == lenient.probabilities(answer.signs).correct)
        #expect(try Answer(json: answer.json) == answer)

        try SpanReader.write(Self.confidence(threshold: 1), into: path)
        let strict = try SpanReader(weights: path, model: Self.encoder)
        let refusal = try await SpanAnswerer(strict).answer(question, from: Self.evidence, using: Self.context())
        #expect(refusal.label == .none && refusal.text.hasPrefix("Not in this corpus"))
        #expect(refusal.text.contains("Town"), "it says what was looked for")
        #expect(refusal.signs == answer.signs && refusal.citations.isEmpty)
    }

    /// What a reader remembers of a question with a passage is what it reads anew, in whatever company.
    @Test func rememberedPairsAreReadAlike() async throws {
        let (folder, path) = try await Self.tuned()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let question = "What does Town 1 lie beside?"
        let passages = (0..<6).map { (title: "Town \($0)", text: "Town \($0) lies beside the Ostra\($0).") }
        func fresh() throws -> SpanReader { try SpanReader(weights: path, model: Self.encoder, memory: 8) }
        let together = try await fresh().relevance(question: question, passages: passages)
        let reader = try fresh()
        for (number, passage) in passages.enumerated() {
            let alone = try await reader.relevance(question: question, passages: [passage])
            // The heads add up in another order where there are more rows.
            #expect(abs(alone[0] - together[number]) < 1e-5)
        }
        #expect(try await reader.relevance(question: question, passages: passages) == together)
        let first = try await reader.answer(question: question, passages: Array(passages.prefix(3)))
        let anew = try await fresh().answer(question: question, passages: Array(passages.prefix(3)))
        #expect(first == anew)
    }

    @Test func anotherAnswererIsJudgedByTheReader() async throws {
        let (folder, path) = try await Self.tuned()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let question = Question("What does Town 1 lie beside?")
        try SpanReader.write(Self.confidence(threshold: 0), into: path)
        let reader = try SpanReader(weights: path, model: Self.encoder)
        let judged = JudgedAnswerer(ExtractiveAnswerer(), by: reader)
        let answer = try await judged.answer(question, from: Self.evidence, using: Self.context())
        #expect(answer.text == "Town 1 lies beside the Ostra1." && answer.label == .extractive)
        // A sentence is none of the reader's candidates: its probability of it is nothing.
        #expect((answer.signs["score"] ?? 0) < -9)
        #expect(judged.fingerprint != ExtractiveAnswerer().fingerprint)

        try SpanReader.write(Self.confidence(threshold: 1), into: path)
        let strict = JudgedAnswerer(ExtractiveAnswerer(), by: try SpanReader(weights: path, model: Self.encoder))
        #expect(try await strict.answer(question, from: Self.evidence, using: Self.context()).label == .none)
    }

    @Test func headsCanLearnOverTheEncoderOfAnEarlierReader() async throws {
        let (folder, path) = try await Self.tuned()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        var training = ReaderTraining(tuning: nil, steps: 1)
        (training.batch, training.seed, training.learning) = (2, 5, ["relevance"])
        var run = ReaderRun(training: training, model: Self.encoder, out: folder + "/again.safetensors")
        run.start = path
        run.renewed = ["relevance"]
        try await run.train(on: [ReaderMaterial(folder: folder)], held: []) { _ in }
        let (before, after) = try (SafetensorsFile(path: path), SafetensorsFile(path: run.out))
        let (tuned, kept) = try (WeightDelta(file: before), WeightDelta(file: after))
        #expect(!tuned.names.isEmpty && tuned.names == kept.names)
        for name in tuned.names {
            let (one, other) = (tuned.change(of: name) ?? [], kept.change(of: name) ?? [])
            #expect(one.count == other.count && zip(one, other).allSatisfy { abs($0 - $1) < 1e-6 }, "\(name)")
        }
        // What starts anew learns, and nothing else.
        func distance(_ name: String) throws -> Float {
            try zip(before.floats(named: name), after.floats(named: name)).reduce(0) { max($0, abs($1.0 - $1.1)) }
        }
        #expect(try distance("heads.logit.weight") == 0)
        #expect(try distance("heads.relevance.weight") > 3e-3)
    }

    /// A run that goes on keeps what the earlier one changed, and a share of it lies between the two.
    @Test func aRunGoesOnFromAnEarlierReader() async throws {
        let (folder, path) = try await Self.tuned()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        func change(share: Float) async throws -> [String: [Float]] {
            var training = ReaderTraining(tuning: Tuning("top:1"), steps: 2)
            (training.batch, training.seed, training.encoderRate) = (2, 5, 1e-3)
            var run = ReaderRun(training: training, model: Self.encoder, out: folder + "/on\(share).safetensors")
            (run.start, run.share) = (path, share)
            try await run.train(on: [ReaderMaterial(folder: folder)], held: []) { _ in }
            let delta = try WeightDelta(file: SafetensorsFile(path: run.out))
            return delta.names.reduce(into: [:]) { $0[$1] = delta.change(of: $1) }
        }
        let first = try WeightDelta(file: SafetensorsFile(path: path))
        let (whole, half) = (try await change(share: 1), try await change(share: 0.5))
        func distance(_ a: [Float], _ b: [Float]) -> Float { zip(a, b).reduce(0) { $0 + abs($1.0 - $1.1) } }
        var (moved, between, size): (Float, Float, Float) = (0, 0, 0)
        for name in first.names {
            let (old, new, mean) = (first.change(of: name) ?? [], whole[name] ?? [], half[name] ?? [])
            moved += distance(old, new)
            between += distance(old, mean)
            size += distance(old, Array(repeating: 0, count: old.count))
        }
        #expect(moved > 0 && moved < size / 2, "\(moved) of \(size)")
        #expect(abs(between / moved - 0.5) < 0.1, "\(between) of \(moved)")
    }

    /// Where a corpus has no vectors, or those of another encoder, nothing is concluded from a nearness that is not known.
    @Test func withoutNearnessAnotherFitDecides() async throws {
        let observations = (0..<40).map { number in
            let isHeld = number % 2 == 0
            return ReaderConfidence.Observation(
                signs: ["coverage": isHeld || number % 4 == 1 ? 1 : 0, "near": isHeld ? 0.8 : 0.2],
                isAnswerable: isHeld, isRight: isHeld)
        }
        var confidence = ReaderConfidence(observations)
        confidence.probe = [1, 0, 0]
        #expect(confidence.holds(["coverage": 1, "near": 0.8]) && !confidence.holds(["coverage": 1, "near": 0.2]))
        #expect(confidence.holds(["coverage": 1]) && !confidence.holds(["coverage": 0]))
        let plain = ReaderConfidence(
            observations.map { seen in
                .init(
                    signs: ["coverage": seen.signs["coverage"] ?? 0], isAnswerable: seen.isAnswerable,
                    isRight: seen.isRight)
            })
        #expect(confidence.probabilities(["coverage": 1]) == plain.probabilities(["coverage": 1]))

        let (folder, path) = try await Self.tuned()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try SpanReader.write(confidence, into: path)
        let reader = try SpanReader(weights: path, model: Self.encoder)
        #expect(reader.confidence == confidence)
        var context = try Self.context()
        context.embed = { texts in texts.map { _ in [0, 1, 0] } }
        let answer = try await SpanAnswerer(reader)
            .answer(Question("What does Town 1 lie beside?"), from: Self.evidence, using: context)
        #expect(answer.signs["near"] == nil && answer.signs["coverage"] != nil)
    }

    @Test func sentencesAreJudgedByWhatTheReaderFindsItself() async throws {
        let (folder, path) = try await Self.tuned()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let reader = try SpanReader(weights: path, model: Self.encoder)
        let passages = [(title: "Town 1", text: "Town 1 lies beside the Ostra1.")]
        let own = try await reader.answer(question: "What does Town 1 lie beside?", passages: passages)
        let prose = try await reader.answer(
            question: "What does Town 1 lie beside?", passages: passages,
            given: "As far as the passages tell it, the town of that name lies beside the river Ostra1.")
        #expect(prose.signs == own.signs)
    }
}
