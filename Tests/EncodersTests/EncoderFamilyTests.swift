// SPDX-License-Identifier: Apache-2.0

import Base
import Encoders
import Foundation
import Testing
import Text

/// Tiny models with random weights of each family beside transformers and torch (`Fixtures/scripts/make_encoder_families.py`).
@Suite struct EncoderFamilyTests {
    static let families = ["bert-dense", "distilbert", "roberta", "xlm-roberta", "mpnet"]

    private struct Expected {
        let folder: String
        let texts: [String]
        let ids: [[Int32]]
        let vectors: [Float]

        init(_ name: String) throws {
            folder = Fixtures.folder + "/families/" + name
            let json = try JSONValue(
                parsing: [UInt8](Data(contentsOf: URL(fileURLWithPath: folder + "/expected.json"))))
            texts = try #require(json["texts"]?.array).compactMap(\.string)
            ids = try #require(json["ids"]?.array).map { ($0.array ?? []).compactMap(\.int).map { Int32($0) } }
            vectors = try Fixtures.floats(folder + "/vectors.f32")
        }
    }

    @Test(arguments: families) func idsEqualTheReference(_ name: String) throws {
        let expected = try Expected(name)
        let encoder = try BERTEncoder(folder: expected.folder, threads: 1)
        for (text, ids) in zip(expected.texts, expected.ids) {
            let own = encoder.tokenizer.encode(text, maximumLength: encoder.configuration.maximumLength)
            #expect(own.ids == ids, "\(name): \(text.debugDescription)")
            #expect(own.offsets.count == own.ids.count)
            #expect(own.offsets.allSatisfy { $0.upperBound <= text.utf8.count })
        }
    }

    @Test(arguments: families) func vectorsEqualTheReference(_ name: String) async throws {
        let expected = try Expected(name)
        let encoder = try BERTEncoder(folder: expected.folder, threads: 2)
        let vectors = try await encoder.encode(expected.texts)
        let width = encoder.dimension
        try #require(expected.vectors.count == vectors.values.count)
        for row in 0..<expected.texts.count {
            let reference = expected.vectors[(row * width)..<((row + 1) * width)]
            #expect(
                Fixtures.cosine(vectors[row], reference) > 0.999_9, "\(name): \(expected.texts[row].debugDescription)")
        }
    }

    @Test func promptsAreReadAndUsed() async throws {
        let encoder = try BERTEncoder(folder: Fixtures.folder + "/families/bert-dense", threads: 1)
        #expect(encoder.prompts == EncoderPrompts(query: "query: ", passage: "passage: "))
        #expect(encoder.dimension == 24 && encoder.tokenDimension == 32)
        let plain = try await encoder.encode(["query: foxes", "passage: foxes", "foxes"])
        #expect(try await Array(encoder.encodeQueries(["foxes"])[0]) == Array(plain[0]))
        #expect(try await Array(encoder.encodePassages(["foxes"])[0]) == Array(plain[1]))
        #expect(Array(plain[0]) != Array(plain[2]))
    }

    @Test func whatIsNotDoneIsSaid() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("family-\(UUID())")
        try FileManager.default.copyItem(atPath: Fixtures.folder + "/families/distilbert", toPath: folder.path)
        defer { try? FileManager.default.removeItem(at: folder) }
        func write(_ name: String, _ text: String) throws {
            try Data(text.utf8).write(to: folder.appendingPathComponent(name))
        }
        try write(
            "config_sentence_transformers.json", #"{"prompts": {"clustering": "c: "}, "similarity_fn_name": "dot"}"#)
        #expect(try BERTEncoder(folder: folder.path, threads: 1).warnings.count == 2)
        try write("modules.json", #"[{"type": "sentence_transformers.models.WordWeights", "path": "3"}]"#)
        #expect(throws: TextEncoderError.self) { try BERTEncoder(folder: folder.path, threads: 1) }
    }
}
