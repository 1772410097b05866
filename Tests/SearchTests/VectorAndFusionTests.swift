// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
import Foundation
import TensorMath
import Testing

@testable import Search

@Suite struct VectorIndexTests {
    static func unit(_ dimension: Int, _ generator: inout SplitMix64) -> [Float] {
        let values = (0..<dimension).map { _ in Float.random(in: -1...1, using: &generator) }
        let length = values.reduce(0) { $0 + $1 * $1 }.squareRoot()
        return values.map { $0 / length }
    }

    @Test(arguments: [(3, 50), (48, 3_000), (384, 6_000)])
    func findsWhatABruteForceScanFinds(dimension: Int, count: Int) throws {
        let folder = try TemporaryFolder()
        var generator = SplitMix64(seed: UInt64(dimension))
        let rows = (0..<count).map { _ in Self.unit(dimension, &generator) }
        let path = folder.path + "/vectors.idx"
        let writer = try VectorIndex.Writer(path: path, dimension: dimension)
        try rows.flatMap { $0 }.withUnsafeBufferPointer { try writer.append($0) }
        try writer.finish()
        let index = try VectorIndex(path: path)
        #expect(index.count == count)
        #expect(try index.vector(at: 7) == rows[7])
        for _ in 0..<5 {
            let query = Self.unit(dimension, &generator)
            let exact = rows.enumerated().map { row in
                (row.offset, zip(row.element, query).reduce(0.0) { $0 + Double($1.0) * Double($1.1) })
            }.sorted { $0.1 > $1.1 }
            let found = try index.search(query, limit: 10)
            for (hit, right) in zip(found, exact) { #expect(abs(Double(hit.score) - right.1) < 1e-5) }
            let scope = OrdinalSet((0..<UInt32(count)).filter { $0 % 7 == 3 })
            let inside = try index.search(query, limit: 10, within: scope)
            let rightInside = exact.filter { $0.0 % 7 == 3 }
            #expect(inside.count == min(10, rightInside.count))
            for (hit, right) in zip(inside, rightInside) { #expect(abs(Double(hit.score) - right.1) < 1e-5) }
        }
        #expect(throws: SearchIndexError.self) { try index.search([1], limit: 1) }
    }

    @Test func keepsTheBestWithTiesByOrdinal() {
        var generator = SplitMix64(seed: 3)
        for limit in [0, 1, 5, 40] {
            let passages = (0..<200).map {
                ScoredPassage(ordinal: UInt32($0), score: Float(Int.random(in: 0..<12, using: &generator)))
            }
            var heap = TopPassages(capacity: limit)
            let shuffled = passages.shuffled(using: &generator)
            for start in stride(from: 0, to: shuffled.count, by: 7) {
                let part = shuffled[start..<min(start + 7, shuffled.count)]
                part.map(\.score).withUnsafeBufferPointer { scores in
                    part.map(\.ordinal).withUnsafeBufferPointer { heap.offer(scores, ordinals: $0) }
                }
            }
            #expect(heap.finish() == Array(passages.sorted(by: ScoredPassage.ranksBefore).prefix(limit)))
        }
    }
}

@Suite struct FusionTests {
    func ranking(_ ordinals: [UInt32]) -> [ScoredPassage] {
        ordinals.enumerated().map { ScoredPassage(ordinal: $0.element, score: Float(10 - $0.offset)) }
    }

    @Test func reciprocalRankAddsOneOverRank() {
        let fused = ReciprocalRank().fuse([ranking([1, 2, 3]), ranking([3, 1])])
        #expect(fused.map(\.ordinal) == [1, 3, 2])
        #expect(abs(fused[0].score - Float(1.0 / 61 + 1.0 / 62)) < 1e-7)
    }

    @Test func interpolationNormalises() {
        let left = [ScoredPassage(ordinal: 1, score: 20), ScoredPassage(ordinal: 2, score: 10)]
        let right = [ScoredPassage(ordinal: 2, score: 0.9), ScoredPassage(ordinal: 3, score: 0.1)]
        let fused = ScoreInterpolation().fuse([left, right], weights: [0.25, 0.75])
        #expect(fused.map(\.ordinal) == [2, 1, 3])
        #expect(fused.map(\.score) == [0.75, 0.25, 0])
        let plain = ScoreInterpolation(.none).fuse([left], weights: [2])
        #expect(plain.map(\.score) == [40, 20])
    }

    @Test func marginalRelevancePrefersTheNew() {
        let found = Diversity.marginalRelevance(ranking([1, 2, 3]), lambda: 0.5, limit: 3) { left, right in
            left + right == 3 ? 1 : 0
        }
        #expect(found.map(\.ordinal) == [1, 3, 2])
    }

    @Test func bestAtBothEnds() {
        #expect(Diversity.bestAtBothEnds([1, 2, 3, 4, 5, 6]) == [1, 3, 5, 6, 4, 2])
        #expect(Diversity.bestAtBothEnds([Int]()) == [])
    }

    @Test func rocchioHasLengthOneAndLeansToThePassages() throws {
        let query: [Float] = [1, 0]
        let moved = try #require(Rocchio().vector(query: query, passages: [[0, 1]]))
        #expect(abs(moved[0] * moved[0] + moved[1] * moved[1] - 1) < 1e-6)
        #expect(moved[1] > 0.4)
        #expect(Rocchio().vector(query: query, passages: []) == query)
    }

    @Test func rm3MixesTheQueryWithThePassagesTerms() {
        let terms = RelevanceModel().expanded(
            query: ["a", "b"], passages: [(["c", "c", "a"], 2), (["d"], -50)], terms: 2)
        #expect(terms.map(\.text) == ["a", "b", "c"])
        #expect(abs(terms.reduce(0) { $0 + $1.weight } - 2) < 1e-9)
        #expect(terms[2].weight > 0.6)
        #expect(RelevanceModel().expanded(query: ["a"], passages: []).map(\.weight) == [1])
    }
}
