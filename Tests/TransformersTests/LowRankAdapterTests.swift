// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import TensorMath
import Testing

@testable import Transformers

@Suite struct LowRankAdapterTests {
    private let folder = NSTemporaryDirectory() + "forage-adapter-\(UUID().uuidString)"

    private static let shape = DecoderShape(
        width: 12, hidden: 10, heads: 4, keyValueHeads: 2, headSize: 6, epsilon: 1e-5, frequencies: [1, 0.5, 0.2],
        interleavesRotation: true)

    private func adapter() -> LowRankAdapter {
        var generator = SplitMix64(seed: 4)
        var adapter = LowRankAdapter(rank: 2, scale: 2, base: "xxh64:1", baseName: "tiny", notes: ["steps": "9"])
        for (layer, projection) in [(0, DecoderProjection.query), (1, .down), (1, .key)] {
            let size = projection.size(Self.shape)
            func halves(_ rows: Int, _ columns: Int) -> Matrix {
                // Numbers that half precision holds exactly.
                Matrix(
                    rows: rows, columns: columns,
                    elements: (0..<rows * columns).map { _ in
                        Float(generator.integer(below: 64) - 32) / 16
                    })
            }
            adapter.pairs[.init(layer, projection)] = .init(a: halves(2, size.inputs), b: halves(size.outputs, 2))
        }
        return adapter
    }

    @Test(arguments: ["one.safetensors", "peft"]) func whatIsWrittenIsReadAgain(name: String) throws {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let adapter = adapter()
        try adapter.write(to: folder + "/" + name)
        #expect(try LowRankAdapter(path: folder + "/" + name) == adapter)
    }

    @Test func rowsOfRotatedHeadsKeepTheirPlace() throws {
        // The first halves of a head's numbers go to the even places of a file that interleaves them.
        var adapter = adapter()
        let rows = (0..<24).map { Float($0) }
        adapter.pairs = [
            .init(0, .query): .init(
                a: Matrix(rows: 2, columns: 12), b: Matrix(rows: 24, columns: 2, elements: rows.flatMap { [$0, 0] }))
        ]
        let own = try #require(adapter.pair(.init(0, .query), shape: Self.shape))
        #expect((0..<6).map { own.b[$0, 0] } == [0, 3, 1, 4, 2, 5])
        #expect(own.b[6, 0] == 6 && own.b[7, 0] == 9)
    }

    @Test func anotherModelsAdapterIsRefused() {
        let adapter = adapter()
        #expect(adapter.fault(shape: Self.shape, layers: 2, base: "xxh64:1") == nil)
        #expect(adapter.fault(shape: Self.shape, layers: 2, base: "xxh64:2")?.contains("tiny") == true)
        #expect(adapter.fault(shape: Self.shape, layers: 1, base: "xxh64:1")?.contains("layers") == true)
        var wider = Self.shape
        wider.width = 14
        #expect(adapter.fault(shape: wider, layers: 2, base: "xxh64:1")?.contains("matrix") == true)
    }

    /// A file with these settings and tensors.
    private func write(_ settings: String, _ tensors: [(String, [Int], [Float])]) throws -> String {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        var writer = SafetensorsWriter(metadata: ["adapter_config": settings])
        for (name, shape, numbers) in tensors { writer.add(name, shape: shape, numbers) }
        let path = folder + "/\(UUID().uuidString).safetensors"
        try writer.write(to: path)
        return path
    }

    @Test func hostileFilesAreRefused() throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let good = #"{"r": 2, "lora_alpha": 4}"#
        let name = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"
        let other = name.replacing("lora_A", with: "lora_B")
        let pair: [(String, [Int], [Float])] = [
            (name, [2, 12], [Float](repeating: 0, count: 24)), (other, [24, 2], [Float](repeating: 0, count: 48)),
        ]
        #expect(try LowRankAdapter(path: write(good, pair)).pairs.count == 1)
        let settings = [
            "", "[]", "{", #"{"r": 2}"#, #"{"r": 0, "lora_alpha": 4}"#, #"{"r": 100000000, "lora_alpha": 4}"#,
            #"{"r": 2, "lora_alpha": 1e300}"#, #"{"r": 2, "lora_alpha": 4, "use_dora": true}"#,
            #"{"r": 2, "lora_alpha": 4, "peft_type": "PROMPT_TUNING"}"#, #"{"r": 3, "lora_alpha": 4}"#,
            #"{"r": 2, "lora_alpha": 4, "bias": "all"}"#, #"{"r": 2, "lora_alpha": 4, "rank_pattern": {"x": 3}}"#,
            String(repeating: "[", count: 100_000),
        ]
        for text in settings { #expect(throws: (any Error).self) { try LowRankAdapter(path: write(text, pair)) } }
        let tensors: [[(String, [Int], [Float])]] = [
            [], [pair[0]], [("layers.0.other.lora_A.weight", [2, 12], pair[0].2)],
            [(name.replacing("layers.0", with: "layers.99999999999999999999"), [2, 12], pair[0].2), pair[1]],
            [(name.replacing("self_attn", with: "mlp"), [2, 12], pair[0].2), pair[1]],
            [(name, [24], pair[0].2), pair[1]], [(name, [2, 12], [Float](repeating: .nan, count: 24)), pair[1]],
            pair + [("base_model.model.model.embed_tokens.weight", [1, 1], [0])],
        ]
        for list in tensors { #expect(throws: (any Error).self) { try LowRankAdapter(path: write(good, list)) } }
        #expect(throws: (any Error).self) { try LowRankAdapter(path: folder) }
        #expect(throws: (any Error).self) { try LowRankAdapter(path: folder + "/none") }
    }
}
