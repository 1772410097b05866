// SPDX-License-Identifier: Apache-2.0

import Base
import CKernels
import Foundation
import TensorMath
import Testing

@testable import LanguageModels

struct LocalForwardTests {
    /// F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K, Q6_K.
    static let types = [0, 1, 30, 8, 2, 3, 6, 7, 12, 13, 14]

    private func run(_ pass: ForwardPass, _ tokens: [Int], parts: [Int]) -> [[Float]] {
        let sequence = CachedSequence(cache: pass.cache, prompt: [])
        var left = tokens.map(Int32.init)[...]
        var out: [[Float]] = []
        for part in parts {
            let slice = left.prefix(part)
            left = left.dropFirst(part)
            guard sequence.reserve(slice.count) else { return [] }
            let logits = pass.run(
                ForwardBatch(runs: [.init(sequence: sequence, tokens: ArraySlice(Array(slice)), wantedFrom: 0)]))
            let vocabulary = pass.weights.configuration.vocabulary
            for row in 0..<slice.count { out.append(Array(logits[row * vocabulary..<(row + 1) * vocabulary])) }
        }
        return out
    }

    private func check(_ model: TinyModel, tolerance: Double) throws {
        let temporary = try TemporaryFile(model.writer().encoded())
        let file = try GGUFFile(path: temporary.path)
        let pass = try ForwardPass(weights: file.weights(), threads: 2, cacheBytes: 1 << 24)
        var random = SplitMix64(seed: 5)
        let tokens = (0..<45).map { _ in random.integer(below: TinyModel.tokens.count) }
        let whole = run(pass, tokens, parts: [45])
        let reference = try ReferenceForward(file).logits(tokens)
        #expect(whole.count == 45)
        var error = 0.0
        var size = 0.0
        for (ours, theirs) in zip(whole, reference) {
            for (a, b) in zip(ours, theirs) {
                error += (Double(a) - b) * (Double(a) - b)
                size += b * b
            }
        }
        #expect((error / size).squareRoot() < tolerance, "type \(model.type), \(model.architecture)")
        // Any way to cut the tokens into steps gives the same bits.
        #expect(run(pass, tokens, parts: [1, 7, 1, 30, 6]) == whole)
        #expect(run(pass, tokens, parts: Array(repeating: 1, count: 45)) == whole)
    }

    @Test(arguments: types) func everyTypeAgreesWithTheReference(type: Int) throws {
        var model = TinyModel()
        model.type = type
        model.width = 256
        model.hidden = 256
        model.headSize = 64
        model.layers = 1
        // Float types: the cache's half precision. Quantised types: activations of 8 bits too.
        try check(model, tolerance: [0, 1, 30].contains(type) ? 2e-3 : 3e-2)
    }

    @Test(arguments: ModelArchitecture.allCases) func everyArchitectureAgreesWithTheReference(
        architecture: ModelArchitecture
    ) throws {
        var model = TinyModel()
        model.architecture = architecture
        model.layers = architecture == .gemma3 ? 7 : 2
        try check(model, tolerance: 5e-3)
    }

    @Test func sequencesRunTogetherAsTheyRunAlone() throws {
        var model = TinyModel()
        model.type = 3
        let temporary = try TemporaryFile(model.writer().encoded())
        let pass = try ForwardPass(weights: GGUFFile(path: temporary.path).weights(), threads: 2, cacheBytes: 1 << 24)
        let prompts: [[Int]] = [[5, 9, 200], Array(10..<60), [77]]
        let alone = prompts.map { run(pass, $0, parts: [$0.count]) }
        let runs = try prompts.map { prompt -> ForwardBatch.Run in
            let sequence = CachedSequence(cache: pass.cache, prompt: [])
            try #require(sequence.reserve(prompt.count))
            return .init(sequence: sequence, tokens: prompt.map(Int32.init)[...], wantedFrom: 0)
        }
        let together = Array(pass.run(ForwardBatch(runs: runs)))
        #expect(together == alone.flatMap { $0 }.flatMap { $0 })
    }

    @Test(arguments: types) func vectorKernelsAgreeWithThePortableOnes(type: Int) throws {
        let columns = 512
        let rows = 37
        var random = SplitMix64(seed: UInt64(type))
        let weights = (0..<rows * columns).map { _ in Float(random.gaussian()) }
        let bytes = columns / Int(forage_lm_block_weights(Int32(type))) * Int(forage_lm_block_bytes(Int32(type))) * rows
        let stored = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 64)
        defer { stored.deallocate() }
        #expect(forage_lm_quantize(Int32(type), weights, stored, weights.count) == 1)
        let pool = try #require(forage_pool_create(2))
        defer { forage_pool_destroy(pool) }
        let size = forage_lm_packed_bytes(Int32(type), Int32(rows), Int32(columns))
        let panels = UnsafeMutableRawPointer.allocate(byteCount: max(size, 64), alignment: 64)
        defer { panels.deallocate() }
        if size > 0 { forage_lm_pack(pool, Int32(type), stored, Int32(rows), Int32(columns), panels) }
        var results: [[Float]] = []
        let counts = [1, 6, 21]
        for portable in [true, false] {
            for tokens in counts {
                var x = (0..<tokens * columns).map { Float(sin(Double($0) * 0.37)) }
                var q = [Int8](repeating: 0, count: x.count)
                var d = [Float](repeating: 0, count: x.count / 32)
                var sum = d
                var half = [Float](repeating: 0, count: x.count / 16)
                var out = [Float](repeating: 0, count: tokens * rows)
                let scratch = UnsafeMutableRawPointer.allocate(
                    byteCount: 2 * forage_lm_matmul_scratch(Int32(columns)), alignment: 64)
                defer { scratch.deallocate() }
                x.withUnsafeMutableBufferPointer { x in
                    q.withUnsafeMutableBufferPointer { q in
                        d.withUnsafeMutableBufferPointer { d in
                            sum.withUnsafeMutableBufferPointer { sum in
                                half.withUnsafeMutableBufferPointer { half in
                                    out.withUnsafeMutableBufferPointer { out in
                                        var a = forage_lm_activations(
                                            rows: Int32(tokens), columns: Int32(columns), x: x.baseAddress,
                                            q: q.baseAddress, d: d.baseAddress, sum: sum.baseAddress,
                                            half_sum: half.baseAddress)
                                        forage_lm_quantize_activations(&a, 0, Int32(tokens))
                                        var product = forage_lm_product(
                                            type: Int32(type), weights: portable || size == 0 ? stored : panels,
                                            rows: Int32(rows), out: out.baseAddress, out_stride: rows, bias: nil)
                                        if portable {
                                            forage_lm_matmul_portable(&a, &product)
                                        } else {
                                            forage_lm_matmul(pool, &a, &product, 1, scratch)
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
                results.append(out)
            }
        }
        for (portable, vector) in zip(results, results.dropFirst(counts.count)) {
            for (a, b) in zip(portable, vector) { #expect(abs(a - b) <= 1e-4 * max(1, abs(a))) }
        }
        // One token, a few and many take different ways to the same bits.
        let alone = results[counts.count]
        for some in results.dropFirst(counts.count + 1) { #expect(Array(some.prefix(rows)) == alone) }
    }
}
