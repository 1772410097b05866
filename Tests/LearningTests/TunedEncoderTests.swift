// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
import Encoders
import Foundation
import Search
import TensorMath
import Testing
import Text
import Transformers

@testable import Learning

/// Encoders of which a prompt, or the reading of queries alone, was tuned.
@Suite struct TunedEncoderTests {
    private static let encoder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("Fixtures/encoder/tiny").path

    private static func material(_ folder: String) throws -> ReaderMaterial {
        var (corpus, questions) = ("", "")
        for (index, (town, river)) in zip(SmallWorld.towns, SmallWorld.rivers).enumerated() {
            corpus += "{\"id\":\"a\(index)\",\"title\":\"\(town)\",\"text\":\"It is beside the \(river).\"}\n"
            questions +=
                "{\"id\":\"q\(index)\",\"question\":\"What is \(town) beside?\",\"answers\":[\"\(river)\"],"
                + "\"supporting\":[\"a\(index)\"]}\n"
        }
        try corpus.write(toFile: folder + "/corpus.jsonl", atomically: true, encoding: .utf8)
        try questions.write(toFile: folder + "/questions.jsonl", atomically: true, encoding: .utf8)
        return try ReaderMaterial(folder: folder)
    }

    private static func write(_ delta: WeightDelta, _ model: DifferentiableBERT, side: String?, to path: String) throws
    {
        var writer = SafetensorsWriter(metadata: ["encoder": try BERTEncoder.weightsFingerprint(folder: encoder)])
        writer.metadata["side"] = side
        delta.add(to: &writer, shapes: model.base)
        try writer.write(to: path)
    }

    @Test func aPromptIsReadAlikeByBothPasses() throws {
        let folder = SmallWorld.folder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let model = try DifferentiableBERT(folder: Self.encoder)
        let parameters = model.parameters(for: .prompt(3))
        #expect(parameters.count == 3 * model.shape.width * model.layerCount)
        let merged = model.merged(parameters, tuning: .prompt(3))
        let delta = WeightDelta(from: model.base, to: merged)
        #expect(delta.names == ["prompt.0", "prompt.1"], "the encoder stays as it is")
        try Self.write(delta, model, side: nil, to: folder + "/p.safetensors")
        let read = try WeightDelta(file: SafetensorsFile(path: folder + "/p.safetensors"))
        let plain = try BERTEncoder(folder: Self.encoder)
        let fast = try BERTEncoder(folder: Self.encoder, delta: read)
        #expect(fast.fingerprint != plain.fingerprint)
        let encodings = ["the city is red", "a", "What is Arlen beside? It is beside the Ostra."].map {
            fast.tokenizer.encode($0, maximumLength: 60)
        }
        var tokens = TokenBatch()
        for encoding in encodings { tokens.append(encoding.ids, types: encoding.typeIDs) }
        let tape = Tape(records: false)
        let states = model.states(
            of: tokens, weights: model.weights(parameters, parameters.variables(on: tape), .prompt(3), on: tape)
        ).value
        let prompted = try fast.states(of: encodings, layers: .max).flatMap { $0 }
        let before = try plain.states(of: encodings, layers: .max).flatMap { $0 }
        #expect(states.elements.count == prompted.count && prompted.count == before.count)
        for (one, other) in zip(states.elements, prompted) { #expect(abs(one - other) < 1e-4) }
        #expect(zip(prompted, before).contains { abs($0 - $1) > 1e-2 })
        // A prompt before some of the blocks only was made for another model.
        var short = model.base
        short.add("prompt.0", parameters["prompt.0"])
        #expect(throws: TextEncoderError.self) {
            try BERTEncoder(folder: Self.encoder, delta: WeightDelta(from: model.base, to: short))
        }
    }

    @Test func aPromptLearnsByItsGradient() throws {
        let model = try DifferentiableBERT(folder: Self.encoder)
        var parameters = model.parameters(for: .prompt(2))
        var tokens = TokenBatch()
        tokens.append([2, 7, 9, 3], types: [0, 0, 0, 0])
        tokens.append([2, 5, 3], types: [0, 0, 0])
        func value(_ parameters: ParameterSet) -> (Float, [Matrix]) {
            let tape = Tape()
            let variables = parameters.variables(on: tape)
            let pooled = model.states(of: tokens, weights: model.weights(parameters, variables, .prompt(2), on: tape))
                .meanPooled(starts: tokens.starts)
            let loss = pooled.rows(at: [0]).rowDots(pooled.rows(at: [1])).sum()
            return (loss.scalar, tape.gradients(of: loss, for: variables.variables))
        }
        let gradients = value(parameters).1
        for (tensor, place) in [(0, 0), (0, 40), (1, 5), (1, 63)] {
            let own = parameters.values[tensor].elements[place]
            parameters.values[tensor].elements[place] = own + 1e-2
            let up = value(parameters).0
            parameters.values[tensor].elements[place] = own - 1e-2
            let down = value(parameters).0
            parameters.values[tensor].elements[place] = own
            #expect(abs((up - down) / 2e-2 - gradients[tensor].elements[place]) < 2e-3)
        }
        #expect(GradientNorm.norm(gradients) > 1e-3)
        #expect(Tuning("prompt:32") == .prompt(32) && Tuning.prompt(32).description == "prompt:32")
        #expect(Tuning("prompt:0") == nil && Tuning("prompt") == nil && Tuning("prompt:100000") == nil)
    }

    @Test func aTunedReadingOfQueriesLeavesAnIndexAsItIs() async throws {
        let folder = SmallWorld.folder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let set = try Self.material(folder)
        var training = EncoderTraining(
            tuning: .top(1), loss: .infoNCE, negatives: try #require(NegativeSampler.named("in-batch")), steps: 6)
        training.queriesOnly = true
        training.batch = 4
        training.rate = 5e-3
        let (delta, model) = try await training.train(folder: Self.encoder, on: [set]) { _, _ in }
        let file = folder + "/q.safetensors"
        try Self.write(delta, model, side: "query", to: file)
        let plain = try BERTEncoder(folder: Self.encoder)
        let name = Self.encoder + "+" + file
        let tuned = try #require(try await EncoderChoice(name).load() as? BERTEncoder)
        #expect(tuned.fingerprint == plain.fingerprint)
        let texts = ["It is beside the Ostra.", "the city is red"]
        let passages = (try await tuned.encodePassages(texts), try await plain.encodePassages(texts))
        #expect(passages.0 == passages.1)
        let (own, before) = (try await tuned.encodeQueries(texts), try await plain.encodeQueries(texts))
        #expect(zip(own.values, before.values).contains { abs($0 - $1) > 1e-3 })
        let broken = own.values.count { !$0.isFinite }
        #expect(broken == 0)

        // A corpus that the untuned encoder made opens with it; indexing it so notes the name and encodes nothing.
        let path = folder + "/c.forage"
        let writer = try CorpusWriter.open(creatingAt: path)
        try writer.ingest([folder + "/corpus.jsonl"])
        var generation = try writer.beginGeneration()
        try await IndexBuilder(encoder: plain, encoderName: Self.encoder).build(generation)
        try generation.publish()
        let first = try await LocalCorpus(path: path, encoder: tuned)
        let vectors = try await first.vectors(of: [0, 1, 2])
        let asked = try await first.encode("What is Arlen beside?")
        let untuned = try await plain.encodeQueries(["What is Arlen beside?"]).values
        #expect(asked != untuned)
        generation = try writer.beginGeneration()
        let builder = IndexBuilder(encoder: tuned, encoderName: name)
        #expect(!builder.isUpToDate(generation))
        try await builder.build(generation)
        try generation.publish()
        let second = try await LocalCorpus(path: path)
        let again = (try await second.vectors(of: [0, 1, 2]), try await second.encode("What is Arlen beside?"))
        #expect(again.0 == vectors && again.1 == asked)
        // A file that was tuned from another encoder is refused.
        var other = SafetensorsWriter(metadata: ["encoder": "weights-0000", "side": "query"])
        delta.add(to: &other, shapes: model.base)
        try other.write(to: folder + "/other.safetensors")
        await #expect(throws: TextEncoderError.self) {
            try await EncoderChoice(Self.encoder + "+" + folder + "/other.safetensors").load()
        }
    }
}
