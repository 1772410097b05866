// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import Net
import TensorMath
import Testing
import Text
import Transformers

@testable import LanguageModels

/// The differentiable pass beside the fast one, and adapters in the fast one.
struct DecoderTrainingTests {
    private static let families: [ModelArchitecture] = [.llama, .qwen2]

    private func tokens(_ count: Int) -> [Int32] {
        var random = SplitMix64(seed: 5)
        return (0..<count).map { _ in Int32(random.integer(below: TinyModel.tokens.count)) }
    }

    private func logits(_ pass: ForwardPass, _ tokens: [Int32], parts: [Int]? = nil) -> [Float] {
        let sequence = CachedSequence(cache: pass.cache, prompt: [])
        var left = tokens[...]
        var found: [Float] = []
        for part in parts ?? [tokens.count] {
            let slice = Array(left.prefix(part))
            left = left.dropFirst(part)
            guard sequence.reserve(slice.count) else { return [] }
            found += Array(
                pass.run(ForwardBatch(runs: [.init(sequence: sequence, tokens: slice[...], wantedFrom: 0)])))
        }
        return found
    }

    private func distance(_ ours: [Float], _ theirs: [Double]) -> Double {
        let error = zip(ours, theirs).reduce(0) { $0 + (Double($1.0) - $1.1) * (Double($1.0) - $1.1) }
        return (error / theirs.reduce(0) { $0 + $1 * $1 }).squareRoot()
    }

    private func adapter(_ decoder: DifferentiableDecoder, _ model: LocalModel) -> (LowRankAdapter, ParameterSet) {
        let tuning = Tuning.lora(rank: 3, scale: 6, layers: .max)
        var parameters = decoder.parameters(for: tuning)
        var random = SplitMix64(seed: 9)
        for index in parameters.values.indices {
            let shape = parameters.values[index]
            let noise = Matrix(rows: shape.rows, columns: shape.columns, deviation: 0.1, using: &random)
            parameters.values[index].add(noise)
        }
        return (
            LowRankAdapter(parameters, tuning: tuning, of: decoder, base: model.identity, baseName: "tiny"), parameters
        )
    }

    @Test(arguments: families) func bothPassesAgree(architecture: ModelArchitecture) throws {
        var tiny = TinyModel()
        tiny.architecture = architecture
        let temporary = try TemporaryFile(tiny.writer().encoded())
        let model = try LocalModel(path: temporary.path, options: .init(threads: 2, cacheBytes: 1 << 24))
        let decoder = try DifferentiableDecoder(model)
        let tokens = tokens(45)
        var batch = DecoderBatch()
        batch.append(tokens, learned: tokens.map { _ in false })
        let ours = decoder.logits(of: batch).elements
        let reference = try ReferenceForward(GGUFFile(path: temporary.path)).logits(tokens.map(Int.init)).flatMap { $0 }
        #expect(distance(ours, reference) < 1e-5)
        // The fast pass keeps keys and values in half precision.
        let pass = try ForwardPass(weights: model.weights, threads: 2, cacheBytes: 1 << 24)
        #expect(distance(logits(pass, tokens), ours.map(Double.init)) < 2e-3)
    }

    @Test(arguments: families) func anAdapterIsTheSameInBothPassesAndMerged(architecture: ModelArchitecture) throws {
        var tiny = TinyModel()
        tiny.architecture = architecture
        let temporary = try TemporaryFile(tiny.writer().encoded())
        let plain = try LocalModel(path: temporary.path, options: .init(threads: 2, cacheBytes: 1 << 24))
        let decoder = try DifferentiableDecoder(plain)
        let (adapter, parameters) = adapter(decoder, plain)
        let tokens = tokens(40)
        var batch = DecoderBatch()
        batch.append(tokens, learned: tokens.map { _ in false })
        let ours = decoder.logits(of: batch, parameters: parameters, tuning: adapter.tuning).elements.map(Double.init)
        let before = decoder.logits(of: batch).elements
        #expect(distance(before, ours) > 0.2)
        let packed = PackedAdapter(
            adapter, shape: decoder.shape, layers: decoder.layerCount, quantises: false)
        let pass = try ForwardPass(weights: plain.weights, adapter: packed, threads: 2, cacheBytes: 1 << 24)
        let fast = logits(pass, tokens)
        #expect(distance(fast, ours) < 3e-3)
        // Any way to cut the tokens into steps gives the same bits.
        #expect(logits(pass, tokens, parts: [1, 5, 4, 30]) == fast)
        #expect(logits(pass, tokens, parts: Array(repeating: 1, count: 40)) == fast)
        // Trained from again, it is what it was.
        #expect(adapter.parameters(of: decoder).values == parameters.values.map { $0 })
        let folder = NSTemporaryDirectory() + "forage-merge-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try adapter.write(to: folder + "/agent.safetensors")
        for (type, tolerance) in [("f32", 4e-3), ("q8_0", 5e-2)] {
            try MergedModel.write(
                model: temporary.path, adapter: folder + "/agent.safetensors", type: type,
                to: folder + "/merged.gguf")
            let merged = try LocalModel(path: folder + "/merged.gguf", options: .init(threads: 2, cacheBytes: 1 << 24))
            let pass = try ForwardPass(weights: merged.weights, threads: 2, cacheBytes: 1 << 24)
            #expect(distance(logits(pass, tokens), ours) < tolerance, "\(type)")
            #expect(merged.tokenizer.count == plain.tokenizer.count)
        }
        let tuned = try LocalModel(
            path: temporary.path, adapter: folder + "/agent.safetensors", options: .init(threads: 1))
        #expect(tuned.fingerprint != plain.fingerprint && tuned.fingerprint.hasPrefix(plain.fingerprint))
        #expect(tuned.identity == plain.identity)
    }

    @Test func anAdapterOfAnotherModelIsRefused() throws {
        let one = try TemporaryFile(TinyModel().writer().encoded())
        let plain = try LocalModel(path: one.path, options: .init(threads: 1))
        let (adapter, _) = adapter(try DifferentiableDecoder(plain), plain)
        let path = NSTemporaryDirectory() + "forage-adapter-\(UUID().uuidString).safetensors"
        defer { try? FileManager.default.removeItem(atPath: path) }
        try adapter.write(to: path)
        var tiny = TinyModel()
        tiny.layers = 1
        let other = try TemporaryFile(tiny.writer().encoded())
        #expect(throws: LowRankAdapterError.self) { try LocalModel(path: other.path, adapter: path) }
        tiny = TinyModel()
        tiny.architecture = .qwen3
        let third = try TemporaryFile(tiny.writer().encoded())
        #expect(throws: LanguageModelError.self) { try LocalModel(path: third.path, adapter: path) }
        // The same model with its matrices quantised takes it.
        tiny = TinyModel()
        tiny.type = 8
        let quantised = try TemporaryFile(tiny.writer().encoded())
        #expect(throws: Never.self) { try LocalModel(path: quantised.path, adapter: path) }
    }

    @Test func namesFindAdapters() throws {
        let folder = NSTemporaryDirectory() + "forage-names-\(UUID().uuidString)"
        let files = FileManager.default
        try files.createDirectory(atPath: folder + "/store/a+b", withIntermediateDirectories: true)
        try files.createDirectory(atPath: folder + "/Policies", withIntermediateDirectories: true)
        defer { try? files.removeItem(atPath: folder) }
        for name in ["store/a+b/beside.safetensors", "Policies/a+b+shipped.safetensors", "file.safetensors"] {
            try Data([1, 2, 3]).write(to: URL(fileURLWithPath: folder + "/" + name))
        }
        let store = ModelStore(root: folder + "/store")
        func find(_ name: String) throws -> LocalModelName? {
            try LocalModelName.find(name, in: store, folders: [folder + "/Policies"])
        }
        #expect(try find("a+b") == LocalModelName(path: folder + "/store/a+b"))
        #expect(try find("a+b+beside")?.adapter == folder + "/store/a+b/beside.safetensors")
        #expect(try find("a+b+shipped")?.adapter == folder + "/Policies/a+b+shipped.safetensors")
        #expect(try find("a+b+\(folder)/file.safetensors")?.adapter == folder + "/file.safetensors")
        #expect(try find("other+beside") == nil && find("a+b+") == nil)
        #expect(throws: LanguageModelError.self) { try find("a+b+missing") }
    }
}
