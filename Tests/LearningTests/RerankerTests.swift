// SPDX-License-Identifier: Apache-2.0

import Base
import Encoders
import Foundation
import Search
import TensorMath
import Testing
import Transformers

@testable import Learning

/// Rerankers that are trained, over a tiny encoder.
@Suite struct RerankerTests {
    private static let encoder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("Fixtures/encoder/tiny").path

    /// Towns on rivers, and of each a second passage that shares its words and tells nothing.
    private static func material() throws -> (folder: String, set: ReaderMaterial) {
        let folder = SmallWorld.folder()
        var (corpus, questions) = ("", "")
        for (index, (town, river)) in zip(SmallWorld.towns, SmallWorld.rivers).enumerated() {
            corpus +=
                "{\"id\":\"a\(index)\",\"title\":\"\(town)\",\"text\":\"\(town) lies beside the river \(river).\"}\n"
            corpus +=
                "{\"id\":\"b\(index)\",\"title\":\"\(town)\",\"text\":\"\(town) has a market and \(index + 3) mills.\"}\n"
            questions +=
                "{\"id\":\"q\(index)\",\"question\":\"What does \(town) lie beside?\",\"answers\":[\"\(river)\"],"
                + "\"supporting\":[\"a\(index)\"]}\n"
        }
        try corpus.write(toFile: folder + "/corpus.jsonl", atomically: true, encoding: .utf8)
        try questions.write(toFile: folder + "/questions.jsonl", atomically: true, encoding: .utf8)
        return (folder, try ReaderMaterial(folder: folder))
    }

    private static func training(_ tune: String, _ loss: RankingLoss, steps: Int) throws -> RerankerTraining {
        var training = RerankerTraining(
            tuning: Tuning(tune), loss: loss, negatives: try #require(NegativeSampler.named("bm25")), steps: steps)
        training.batch = 4
        training.hard = 3
        training.headRate = 2e-2
        training.encoderRate = 5e-3
        training.longest = 64
        return training
    }

    /// The mean place of the gold passage among all passages of the set, from 0.
    private func meanPlace(_ reranker: CrossEncoder, _ set: ReaderMaterial) async throws -> Double {
        var sum = 0
        for item in set.items {
            let scores = try await reranker.scores(
                query: item.question, passages: set.passages.map { (title: $0.title, text: $0.text) })
            let own = scores[item.gold[0]]
            sum += scores.count { $0 > own }
        }
        return Double(sum) / Double(set.items.count)
    }

    @Test func trainingPutsTheGoldPassagesFirst() async throws {
        let (folder, set) = try Self.material()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let training = try Self.training("top:1", .infoNCE, steps: 40)
        let plain = CrossEncoder(
            heads: CrossEncoder.initialHeads(dimension: 32, seed: 1), encoder: try BERTEncoder(folder: Self.encoder),
            longest: 64, share: 1)
        let out = folder + "/reranker.safetensors"
        let held = try await set.half(1).firstRankings(count: 8, most: 6)
        #expect(held.count == 6 && held.allSatisfy { $0.passages.count > 1 && $0.goldCount == 1 })
        let trained = try await RerankerRun(training: training, model: Self.encoder, out: out)
            .train(on: [set.half(0)], held: held) { _ in }
        let (before, after) = (try await meanPlace(plain, set), try await meanPlace(trained, set))
        #expect(after < before - 3 && after < 6.5, "\(before) before, \(after) after")
        // The file is the reranker that was trained, and it says how much it may change of a ranking.
        let again = try CrossEncoder(weights: out, model: Self.encoder)
        #expect(again.fingerprint == trained.fingerprint && again.mixture == trained.mixture)
        let passages = set.passages.map { (title: $0.title, text: $0.text) }
        let scores = try await again.scores(query: "What does Arlen lie beside?", passages: passages)
        #expect(scores.count == passages.count && scores.allSatisfy(\.isFinite))
        #expect(try await again.scores(query: "What does Arlen lie beside?", passages: []).isEmpty)
        // Re-ranking is measured against the ranking as it was found.
        let measured = try await RerankScores(held, by: again)
        #expect(measured.before.two.count == held.count && measured.after.five.count == held.count)
    }

    @Test func aRunThatWasStoppedEndsAsOneThatWasNot() async throws {
        let (folder, set) = try Self.material()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        var whole = RerankerRun(
            training: try Self.training("lora:2", .rankNet, steps: 8), model: Self.encoder,
            out: folder + "/a.safetensors")
        whole.interval = 4
        let straight = try await whole.train(on: [set], held: []) { _ in }
        var stopped = whole
        stopped.out = folder + "/b.safetensors"
        // Stopped as soon as it has written its first checkpoint.
        let out = stopped.out, run = stopped
        let task = Task { try await run.train(on: [set], held: []) { _ in withUnsafeCurrentTask { $0?.cancel() } } }
        await #expect(throws: CancellationError.self) { try await task.value }
        #expect(FileManager.default.fileExists(atPath: out + ".checkpoint"))
        let resumed = try await stopped.train(on: [set], held: []) { _ in }
        #expect(resumed.fingerprint == straight.fingerprint)
        #expect(!FileManager.default.fileExists(atPath: out + ".checkpoint"))
    }

    @Test func whatIsNoRerankerOfThisEncoderIsRefused() async throws {
        let (folder, set) = try Self.material()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let out = folder + "/reranker.safetensors"
        _ = try await RerankerRun(
            training: try Self.training("heads", .infoNCE, steps: 1), model: Self.encoder, out: out
        ).train(on: [set], held: []) { _ in }
        // The same encoder with one weight changed.
        let other = folder + "/other"
        try FileManager.default.copyItem(atPath: Self.encoder, toPath: other)
        let file = try SafetensorsFile(path: Self.encoder + "/model.safetensors")
        var writer = SafetensorsWriter(metadata: file.metadata)
        for (number, name) in file.names.enumerated() {
            var values = try file.floats(named: name)
            if number == 0 { values[0] += 1 }
            writer.add(name, shape: try file.tensor(named: name).shape, values)
        }
        try writer.write(to: other + "/model.safetensors")
        #expect(throws: PolicyFileError.self) { try CrossEncoder(weights: out, model: other) }
        #expect(throws: PolicyFileError.self) {
            try CrossEncoder(weights: Self.encoder + "/model.safetensors", model: Self.encoder)
        }
        let cut = try Data(contentsOf: URL(fileURLWithPath: out)).dropLast(100)
        try cut.write(to: URL(fileURLWithPath: folder + "/cut.safetensors"))
        #expect(throws: SafetensorsError.self) {
            try CrossEncoder(weights: folder + "/cut.safetensors", model: Self.encoder)
        }
    }

    @Test func aBatchInPartsHasTheGradientOfTheWhole() throws {
        let (folder, set) = try Self.material()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        var training = try Self.training("top:1", .rankNet, steps: 1)
        training.together = 1
        let lists = training.draw([set], step: 0)
        #expect(lists.count == 4 && lists.allSatisfy { $0.passages.count == 4 && $0.right == 1 })
        #expect(training.draw([set], step: 0) == lists && training.draw([set], step: 1) != lists)
        let model = try DifferentiableBERT(folder: Self.encoder)
        let fast = try BERTEncoder(folder: Self.encoder)
        let state = training.start(model)
        let parts = try training.gradients(state, lists, teacher: nil, model: model, fast: fast, dropout: 0)
        let whole = try training.gradients(
            state, lists, teacher: nil, model: model, fast: fast, dropout: 0, undivided: true)
        #expect(abs(parts.loss - whole.loss) < 1e-5)
        #expect(parts.gradients.count == whole.gradients.count && GradientNorm.norm(parts.gradients) > 1e-3)
        for (one, other) in zip(parts.gradients, whole.gradients) {
            for (a, b) in zip(one.elements, other.elements) { #expect(abs(a - b) < 1e-4) }
        }
    }

    @Test func anothersGoldPassageFillsAListUnlessItIsRightHereToo() throws {
        let (folder, set) = try Self.material()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        var twice = set
        // Two questions of one passage.
        twice.items = [set.items[0], set.items[0], set.items[1]]
        twice.items[1].question = "Beside what is it?"
        var training = try Self.training("heads", .infoNCE, steps: 1)
        training.negatives = try #require(NegativeSampler.named("in-batch"))
        training.batch = 8
        let lists = training.draw([twice], step: 0)
        #expect(!lists.isEmpty)
        for list in lists {
            #expect(list.passages.dropFirst().allSatisfy { $0 != list.passages[0] })
        }
    }

    @Test func rerankersInFilesAreNamedByKind() async throws {
        let registry = RankingRegistry()
        registry.register(
            rerankerKind: "cross",
            .init(names: { ["near"] }, open: { Fixed(name: "cross:" + $0) }))
        #expect(registry.rerankers == ["cross:near"] && registry.rerankerForms == ["cross:FILE"])
        #expect(try registry.reranker("cross:near", anyFile: false).name == "cross:near")
        #expect(try registry.reranker("cross:/a/b.safetensors").name == "cross:/a/b.safetensors")
        // A request names what is offered, even where somebody else has opened the file.
        #expect(throws: RankingError.self) { try registry.reranker("cross:/a/b.safetensors", anyFile: false) }
        #expect(throws: RankingError.self) { try registry.reranker("cross") }
        #expect(throws: RankingError.self) { try registry.reranker("other:near") }
    }

    private struct Fixed: Reranker {
        let name: String
        var fingerprint: String { name }
        func scores(query: String, passages: [(title: String, text: String)]) async throws -> [Float] {
            passages.map { _ in 0 }
        }
    }
}
