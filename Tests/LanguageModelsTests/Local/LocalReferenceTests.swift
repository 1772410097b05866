// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing
import TextProcessing

@testable import LanguageModels

/// The real default model beside llama.cpp's results; runs where the model has been pulled.
enum SmolLM2 {
    static let path: String = {
        let environment = ProcessInfo.processInfo.environment
        let root = environment["FORAGE_MODELS"] ?? NSHomeDirectory() + "/.cache/forage/models"
        return root + "/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
    }()
    static var isPresent: Bool { FileManager.default.fileExists(atPath: path) }

    static func resource(_ name: String) throws -> String {
        let url = try #require(Bundle.module.url(forResource: "Resources/" + name, withExtension: nil))
        return try String(contentsOf: url, encoding: .utf8)
    }
}

@Suite(.enabled(if: SmolLM2.isPresent), .serialized)
struct LocalReferenceTests {
    @Test func tokensOfTwoThousandTextsAreLlamaCppsOwn() throws {
        let tokenizer = try GGUFFile(path: SmolLM2.path).tokenizer()
        var count = 0
        for line in try SmolLM2.resource("smollm2-tokens.jsonl").split(separator: "\n") {
            let entry = try JSONValue(parsing: String(line))
            let text = try #require(entry[0]?.string)
            let ids = tokenizer.encode(text)
            #expect(ids.count == entry[1]?.int, "\(text.debugDescription): \(ids)")
            let crc = crc32(ids.flatMap { id in withUnsafeBytes(of: Int32(id).littleEndian, Array.init) })
            #expect(Int(crc) == entry[2]?.int, "\(text.debugDescription): \(ids)")
            #expect(tokenizer.decode(ids) == text)
            count += 1
        }
        #expect(count == 2000)
    }

    @Test func greedyContinuationsAndLogitsAgreeWithLlamaCpp() throws {
        let file = try GGUFFile(path: SmolLM2.path)
        let tokenizer = try file.tokenizer()
        let pass = try ForwardPass(weights: file.weights(), threads: 2, cacheBytes: 1 << 28)
        let vocabulary = pass.weights.configuration.vocabulary
        var agreeing = 0
        let cases = try #require(try JSONValue(parsing: SmolLM2.resource("smollm2-greedy.json")).array)
        for entry in cases {
            let prompt = try #require(entry["prompt"]?.string)
            let ids = tokenizer.encode(prompt, frame: true)
            #expect(ids == entry["ids"]?.array?.compactMap(\.int))
            let expected = try #require(entry["continuation"]?.array).compactMap(\.int)
            let sequence = CachedSequence(cache: pass.cache, prompt: ids.map(Int32.init))
            var feed = ids.map(Int32.init)[sequence.tokens.count...]
            var out: [Int] = []
            while out.count < expected.count {
                #expect(sequence.reserve(feed.count))
                let logits = pass.run(
                    ForwardBatch(runs: [.init(sequence: sequence, tokens: feed, wantedFrom: feed.count - 1)]))
                if out.isEmpty, sequence.tokens.count == ids.count {
                    let sampled = stride(from: 0, to: vocabulary, by: 769).map { Double(logits[$0]) }
                    let reference = try #require(entry["logits"]?.array).compactMap(\.double)
                    #expect(sampled.count == reference.count)
                    let worst = zip(sampled, reference).map { abs($0 - $1) }.max() ?? 0
                    // Both round activations to 8 bits, in slightly different places.
                    #expect(worst < 1, "\(prompt.suffix(60).debugDescription): logits differ by \(worst)")
                }
                let best = try #require(logits.indices.max { (logits[$0], -$0) < (logits[$1], -$1) })
                if out.elementsEqual(expected.prefix(out.count)), best != expected[out.count] {
                    // The first difference is a near tie: the reference adds up in half precision (flash attention).
                    #expect(logits[best] - logits[expected[out.count]] < 1)
                }
                out.append(best)
                feed = [Int32(best)]
            }
            if out == expected {
                agreeing += 1
            } else {
                let same = zip(out, expected).prefix { $0 == $1 }.count
                print(
                    "differs after \(same) tokens (gap \(entry["gap"]?.double ?? 0)): \(prompt.suffix(50).debugDescription)"
                )
            }
        }
        print("greedy continuations that agree with llama.cpp: \(agreeing) of \(cases.count)")
        #expect(agreeing >= 5)
    }

    private func crc32(_ bytes: [UInt8]) -> UInt32 {
        var crc: UInt32 = 0xFFFF_FFFF
        for byte in bytes {
            crc ^= UInt32(byte)
            for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0xEDB8_8320 : crc >> 1 }
        }
        return ~crc
    }
}
