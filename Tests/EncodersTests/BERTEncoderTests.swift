// SPDX-License-Identifier: Apache-2.0
import Base
import Foundation
import Net
import TensorMath
import Testing
import Text
import Transformers

@testable import Encoders

enum Fixtures {
    static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("Fixtures/encoder").path
    static let tiny = folder + "/tiny"
    static let minilm = ModelStore().folder(of: "minilm")
    static let hasMiniLM = FileManager.default.fileExists(atPath: minilm + "/model.safetensors")

    static func texts(_ path: String) throws -> [String] {
        let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
        return try #require(JSONValue(parsing: bytes).array).compactMap(\.string)
    }

    static func floats(_ path: String) throws -> [Float] {
        let data = try Data(contentsOf: URL(fileURLWithPath: path))
        return data.withUnsafeBytes { bytes in
            stride(from: 0, to: bytes.count, by: 4).map {
                Float(bitPattern: UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: $0, as: UInt32.self)))
            }
        }
    }

    static func halves(_ path: String) throws -> [Float] {
        let data = try Data(contentsOf: URL(fileURLWithPath: path))
        return data.withUnsafeBytes { bytes in
            stride(from: 0, to: bytes.count, by: 2).map { offset -> Float in
                let bits = UInt32(UInt16(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt16.self)))
                let exponent = bits >> 10 & 31
                let magnitude =
                    exponent == 0
                    ? Float(bits & 1023) * 0x1p-24
                    : Float(bitPattern: (exponent + 112) << 23 | (bits & 1023) << 13)
                return bits & 0x8000 == 0 ? magnitude : -magnitude
            }
        }
    }

    static func cosine(_ a: ArraySlice<Float>, _ b: ArraySlice<Float>) -> Double {
        var (dot, x, y) = (0.0, 0.0, 0.0)
        for (p, q) in zip(a, b) {
            dot += Double(p) * Double(q)
            x += Double(p) * Double(p)
            y += Double(q) * Double(q)
        }
        return dot / (x * y).squareRoot()
    }
}

@Suite struct TinyBERTTests {
    @Test(arguments: [1, 2, 3]) func vectorsEqualTheReference(threads: Int) async throws {
        let encoder = try BERTEncoder(folder: Fixtures.tiny, threads: threads)
        let texts = try Fixtures.texts(Fixtures.tiny + "/texts.json")
        let expected = EmbeddingMatrix(dimension: 32, values: try Fixtures.floats(Fixtures.tiny + "/vectors.f32"))
        let vectors = try await encoder.encode(texts)
        #expect(vectors.count == texts.count && vectors.dimension == 32)
        for row in 0..<texts.count {
            #expect(Fixtures.cosine(vectors[row], expected[row]) > 0.999_999, "\(texts[row].debugDescription)")
            // Alone, on all threads together, a text gets the vector that it got in a batch.
            let alone = try encoder.embeddings(of: [texts[row]])
            for (one, other) in zip(alone[0], vectors[row]) { #expect(abs(one - other) < 1e-5) }
            #expect(abs(alone[0].reduce(0) { $0 + $1 * $1 } - 1) < 1e-5)
        }
    }

    @Test func tokenVectorsEqualTheReference() async throws {
        let encoder = try BERTEncoder(folder: Fixtures.tiny, threads: 2)
        let texts = try Fixtures.texts(Fixtures.tiny + "/texts.json")
        let expected = try Fixtures.floats(Fixtures.tiny + "/tokens.f32")
        let tokens = try await encoder.encodeTokens(texts)
        let values = tokens.flatMap(\.vectors.values)
        try #require(values.count == expected.count)
        for (value, reference) in zip(values, expected) { #expect(abs(value - reference) < 1e-3) }
        for (text, embedding) in zip(texts, tokens) {
            #expect(embedding.ids.count == embedding.vectors.count)
            #expect(embedding.offsets.allSatisfy { $0.upperBound <= text.utf8.count })
        }
    }

    @Test func integersComeClose() throws {
        let exact = try BERTEncoder(folder: Fixtures.tiny, threads: 1)
        let quick = try BERTEncoder(folder: Fixtures.tiny, precision: .int8, threads: 2)
        let texts = try Fixtures.texts(Fixtures.tiny + "/texts.json")
        let (a, b) = (try exact.embeddings(of: texts), try quick.embeddings(of: texts))
        for row in 0..<a.count { #expect(Fixtures.cosine(a[row], b[row]) > 0.97) }
        #expect(exact.fingerprint != quick.fingerprint)
    }

    @Test func fingerprintFollowsTheFiles() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
            "tiny-\(UInt64.random(in: 0 ... .max))")
        try FileManager.default.copyItem(atPath: Fixtures.tiny, toPath: folder.path)
        defer { try? FileManager.default.removeItem(at: folder) }
        let first = try BERTEncoder(folder: folder.path, threads: 1).fingerprint
        #expect(try BERTEncoder(folder: Fixtures.tiny, threads: 2).fingerprint == first)
        let weights = folder.appendingPathComponent("model.safetensors")
        var data = try Data(contentsOf: weights)
        data[data.count - 2] ^= 1
        try data.write(to: weights)
        #expect(try BERTEncoder(folder: folder.path, threads: 1).fingerprint != first)
        // Every truncation of the file is an error, not a crash.
        for length in stride(from: 0, to: data.count, by: 7919) {
            try data.prefix(length).write(to: weights)
            #expect(throws: (any Error).self) { try BERTEncoder(folder: folder.path, threads: 1) }
        }
    }

    @Test func wrongConfigurationsAreRefused() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
            "tiny-\(UInt64.random(in: 0 ... .max))")
        try FileManager.default.copyItem(atPath: Fixtures.tiny, toPath: folder.path)
        defer { try? FileManager.default.removeItem(at: folder) }
        let path = folder.appendingPathComponent("config.json")
        let good = try String(contentsOf: path, encoding: .utf8)
        for (key, value) in [
            ("\"hidden_size\": 32", "\"hidden_size\": 48"), ("\"hidden_size\": 32", "\"hidden_size\": 0"),
            ("\"num_attention_heads\": 4", "\"num_attention_heads\": 5"), ("\"bert\"", "\"gpt2\""),
            ("\"gelu\"", "\"swish\""),
            ("\"vocab_size\": ", "\"vocab_size\": 9"), ("{", ""),
        ] {
            try good.replacingOccurrences(of: key, with: value).write(to: path, atomically: true, encoding: .utf8)
            #expect(throws: (any Error).self, "\(value)") { try BERTEncoder(folder: folder.path, threads: 1) }
        }
        #expect(throws: (any Error).self) { try BERTEncoder(folder: "/nonexistent", threads: 1) }
    }

    @Test func manyCallersAtOnce() async throws {
        let encoder = try BERTEncoder(folder: Fixtures.tiny, threads: 2)
        let texts = (0..<40).map { "the city of paris number \($0) " + String(repeating: "and ", count: $0 % 13) }
        let expected = try encoder.embeddings(of: texts)
        try await withThrowingTaskGroup(of: EmbeddingMatrix.self) { group in
            for _ in 0..<8 { group.addTask { try await encoder.encode(texts) } }
            for try await vectors in group {
                for (a, b) in zip(vectors.values, expected.values) { #expect(abs(a - b) < 1e-5) }
            }
        }
    }

    @Test func cancelledTasksThrow() async throws {
        let encoder = try BERTEncoder(folder: Fixtures.tiny, threads: 2)
        let texts = Array(repeating: String(repeating: "the city of paris ", count: 15), count: 400_000)
        let task = Task { try await encoder.encode(texts) }
        try await Task.sleep(for: .milliseconds(20))
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
    }
}

@Suite(.enabled(if: Fixtures.hasMiniLM, "the model minilm is not installed")) struct MiniLMTests {
    @Test(arguments: [(BERTEncoder.Precision.float32, 0.9999), (.int8, 0.99)])
    func vectorsEqualTheReference(precision: BERTEncoder.Precision, least: Double) throws {
        let encoder = try BERTEncoder(folder: Fixtures.minilm, precision: precision)
        let texts = try Fixtures.texts(Fixtures.folder + "/minilm.texts.json")
        let expected = EmbeddingMatrix(
            dimension: 384, values: try Fixtures.halves(Fixtures.folder + "/minilm.vectors.f16"))
        let vectors = try encoder.embeddings(of: texts)
        try #require(vectors.count == 200 && expected.count == 200)
        var lowest = 1.0
        for row in 0..<200 {
            let cosine = Fixtures.cosine(vectors[row], expected[row])
            lowest = min(lowest, cosine)
            #expect(cosine >= least, "\(texts[row].prefix(60).debugDescription)")
        }
        print("\(precision): lowest cosine of 200 texts \(lowest)")
    }
}

@Suite struct DifferentiableBERTTests {
    @Test func statesAndGradientsEqualThoseOfPyTorch() throws {
        let file = try SafetensorsFile(path: Fixtures.tiny + "/gradients.safetensors")
        let model = try DifferentiableBERT(folder: Fixtures.tiny)
        let fast = try BERTEncoder(folder: Fixtures.tiny, threads: 1)
        var batch = TokenBatch()
        var encodings: [WordPieceTokenizer.Encoding] = []
        for text in 0..<3 {
            let ids = try file.integers(named: "\(text).ids").map(Int32.init)
            let types = try file.integers(named: "\(text).types").map(Int32.init)
            batch.append(ids, types: types)
            encodings.append(.init(ids: ids, offsets: ids.map { _ in 0..<0 }, typeIDs: types))
        }
        let pull = try (0..<3).flatMap { try file.floats(named: "\($0).pull") }
        let expected = try (0..<3).flatMap { try file.floats(named: "\($0).states") }
        let quick = try fast.states(of: encodings, layers: model.layerCount).flatMap { $0 }
        let parameters = model.parameters(for: .full)
        let tape = Tape()
        let variables = parameters.variables(on: tape)
        let states = model.states(of: batch, weights: model.weights(parameters, variables, .full, on: tape))
        for (index, value) in states.value.elements.enumerated() {
            #expect(abs(value - expected[index]) < 1e-4 && abs(value - quick[index]) < 1e-4)
        }
        let pulled = (states * tape.constant(Matrix(rows: batch.count, columns: 32, elements: pull))).sum()
        let gradients = tape.gradients(of: pulled, for: variables.variables)
        for (name, gradient) in zip(parameters.names, gradients) {
            let reference = try file.floats(named: "gradient." + name)
            let largest = reference.reduce(Float(1)) { max($0, abs($1)) }
            for (one, other) in zip(gradient.elements, reference) {
                #expect(abs(one - other) < 1e-4 * largest, "\(name): \(one), \(other)")
            }
        }
    }

    @Test func upperBlocksGoOnWhereTheFastPassStopped() throws {
        let model = try DifferentiableBERT(folder: Fixtures.tiny)
        let fast = try BERTEncoder(folder: Fixtures.tiny, threads: 1)
        let encoding = fast.encoding(of: "the city of paris")
        var batch = TokenBatch()
        batch.append(encoding.ids, types: encoding.typeIDs)
        let lower = try fast.states(of: [encoding], layers: 1)[0]
        let tape = Tape(records: false)
        let none = ParameterSet()
        let states = model.states(
            of: batch, weights: model.weights(none, none.variables(on: tape), .top(1), on: tape),
            lower: (Matrix(rows: batch.count, columns: 32, elements: lower), 1))
        for (one, other) in zip(states.value.elements, try fast.states(of: [encoding], layers: 2)[0]) {
            #expect(abs(one - other) < 1e-4)
        }
    }

    @Test func aChangeOfWeightsReachesTheFastPass() throws {
        let model = try DifferentiableBERT(folder: Fixtures.tiny)
        var tuned = model.base
        let name = "encoder.layer.1.output.dense.weight"
        tuned[name].add(tuned[name], times: 0.1)
        let delta = WeightDelta(from: model.base, to: tuned)
        let changed = try BERTEncoder(folder: Fixtures.tiny, threads: 1, delta: delta)
        let plain = try BERTEncoder(folder: Fixtures.tiny, threads: 1)
        #expect(changed.fingerprint != plain.fingerprint)
        let encoding = plain.encoding(of: "making 123")
        var batch = TokenBatch()
        batch.append(encoding.ids, types: encoding.typeIDs)
        let other = try DifferentiableBERT(folder: Fixtures.tiny, delta: delta)
        let tape = Tape(records: false)
        let none = ParameterSet()
        let states = other.states(of: batch, weights: other.weights(none, none.variables(on: tape), .top(1), on: tape))
        for (one, two) in zip(states.value.elements, try changed.states(of: [encoding], layers: 2)[0]) {
            #expect(abs(one - two) < 1e-4)
        }
    }
}
