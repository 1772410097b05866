// SPDX-License-Identifier: Apache-2.0
import Base
import CKernels
import Encoders
import Foundation
import Search
import TensorMath
import Testing

@Suite struct LateInteractionTests {
    static func vectors(_ count: Int, _ dimension: Int, _ generator: inout SplitMix64) -> [[Float]] {
        (0..<count).map { _ in
            let raw = (0..<dimension).map { _ in Float(generator.gaussian()) }
            let length = raw.reduce(0) { $0 + $1 * $1 }.squareRoot()
            return raw.map { $0 / length }
        }
    }

    static func matrix(_ vectors: [[Float]], _ dimension: Int) -> TokenMatrix {
        var matrix = TokenMatrix(dimension: dimension)
        for vector in vectors { matrix.append(vector) }
        return matrix
    }

    static func similarities(_ query: [[Float]], _ passage: [[Float]]) -> [Float] {
        query.map { q in passage.map { p in zip(q, p).reduce(0) { $0 + $1.0 * $1.1 } }.max() ?? -.infinity }
    }

    private func temporary() -> String {
        FileManager.default.temporaryDirectory.appendingPathComponent("late-\(UInt64.random(in: 0 ... .max))").path
    }

    @Test(arguments: [8, 33, 96, 384]) func scoresEqualBruteForce(dimension: Int) throws {
        var generator = SplitMix64(seed: UInt64(dimension))
        let path = temporary()
        defer { try? FileManager.default.removeItem(atPath: path) }
        let passages = (0..<20).map { _ in Self.vectors(generator.integer(below: 30), dimension, &generator) }
        var writer = try LateInteractionWriter(path: path, dimension: dimension)
        for passage in passages { try writer.append(Self.matrix(passage, dimension)) }
        try writer.finish()
        let index = try LateInteractionIndex(path: path)
        try index.verify()
        #expect(index.passageCount == 20 && index.tokenCount == passages.reduce(0) { $0 + $1.count })

        let question = Self.vectors(45, dimension, &generator)
        let context = Self.vectors(11, dimension, &generator)
        let plain = LateInteractionQuery(Self.matrix(question, dimension))
        let focused = LateInteractionQuery(
            question: Self.matrix(question, dimension), context: Self.matrix(context, dimension))
        let short = LateInteractionQuery(
            question: Self.matrix(question, dimension), context: Self.matrix(Array(context[..<7]), dimension))
        let plainScores = index.scores(plain, of: Array(0..<21))
        let focusedScores = index.scores(focused, of: Array(0..<21))
        let shortScores = index.scores(short, of: Array(0..<21))
        for (ordinal, passage) in passages.enumerated() {
            guard !passage.isEmpty else {
                #expect(plainScores[ordinal] == -.infinity)
                continue
            }
            let q = Self.similarities(question, passage)
            let c = Self.similarities(context, passage)
            let best = q.sorted(by: >)[..<32].reduce(0, +)
            #expect(abs(plainScores[ordinal] - q.reduce(0, +)) < 0.15)
            #expect(abs(focusedScores[ordinal] - best - c.sorted(by: >)[..<8].reduce(0, +)) < 0.15)
            #expect(abs(shortScores[ordinal] - best) < 0.15)
        }
        #expect(plainScores[20] == -.infinity)
        let ranked = index.rerank(Array(0..<20), by: plain, limit: 5)
        #expect(ranked.map(\.score) == Array(plainScores[..<20].sorted(by: >)[..<5]))
    }

    @Test func everyPathGivesTheSameIntegers() {
        var generator = SplitMix64(seed: 5)
        for dimension in [1, 31, 32, 100, 384] {
            let query = (0..<(7 * dimension)).map { _ in Int8(generator.integer(below: 255) - 127) }
            let tokens = (0..<(9 * dimension)).map { _ in Int8(generator.integer(below: 255) - 127) }
            let ones = [Float](repeating: 1, count: 9)
            var fast = [Float](repeating: 0, count: 7)
            forage_maxsim_i8(query, ones, 7, tokens, ones, 9, dimension, &fast)
            for i in 0..<7 {
                let best = (0..<9).map { j in
                    (0..<dimension).reduce(0) { $0 + Int(query[i * dimension + $1]) * Int(tokens[j * dimension + $1]) }
                }.max()
                #expect(Int(fast[i]) == best)
            }
        }
    }

    @Test func damagedFilesAreRefused() throws {
        var generator = SplitMix64(seed: 6)
        let path = temporary()
        defer { try? FileManager.default.removeItem(atPath: path) }
        var writer = try LateInteractionWriter(path: path, dimension: 16)
        for _ in 0..<4 { try writer.append(Self.matrix(Self.vectors(3, 16, &generator), 16)) }
        try writer.finish()
        let whole = try Data(contentsOf: URL(fileURLWithPath: path))
        for length in 0..<whole.count {
            try whole.prefix(length).write(to: URL(fileURLWithPath: path))
            #expect(throws: LateInteractionError.self) { try LateInteractionIndex(path: path) }
        }
        for offset in 0..<whole.count {
            var data = whole
            data[offset] ^= 0x20
            try data.write(to: URL(fileURLWithPath: path))
            #expect(throws: LateInteractionError.self) { try LateInteractionIndex(path: path).verify() }
        }
    }

    @Test func specialTokensAreLeftOut() {
        let embeddings = TokenEmbeddings(
            vectors: EmbeddingMatrix(dimension: 2, values: [1, 0, 3, 4, 0, 1]), ids: [101, 7, 102],
            offsets: [0..<0, 0..<4, 0..<0])
        let matrix = TokenMatrix(embeddings)
        #expect(matrix.count == 1)
        #expect(abs(Float(matrix.codes[0]) * matrix.scales[0] - 0.6) < 0.01)
    }
}
