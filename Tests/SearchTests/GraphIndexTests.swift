// SPDX-License-Identifier: Apache-2.0

import Base
import CKernels
import Corpus
import Foundation
import TensorMath
import Testing

@testable import Search

@Suite struct GraphIndexTests {
    /// Vectors around some centres, as embeddings are: the same centres for every seed.
    static func makeVectors(_ count: Int, dimension: Int, seed: UInt64) -> [[Float]] {
        var places = SplitMix64(seed: 1)
        let centres = (0..<20).map { _ in (0..<dimension).map { _ in Float(places.gaussian()) } }
        var generator = SplitMix64(seed: seed)
        return (0..<count).map { _ in
            let centre = centres[generator.integer(below: centres.count)]
            let values = centre.map { $0 + 0.7 * Float(generator.gaussian()) }
            let length = values.reduce(0) { $0 + $1 * $1 }.squareRoot()
            return values.map { $0 / length }
        }
    }

    static func write(_ rows: [[Float]], to path: String, precision: VectorPrecision = .float32) throws -> VectorIndex {
        let writer = try VectorIndex.Writer(path: path, dimension: rows[0].count, precision: precision)
        try rows.flatMap { $0 }.withUnsafeBufferPointer { try writer.append($0) }
        try writer.finish()
        return try VectorIndex(path: path)
    }

    static func recall(_ graph: GraphIndex, _ queries: [[Float]], within scope: OrdinalSet? = nil) throws -> Double {
        var found = 0
        var wanted = 0
        for query in queries {
            let right = Set(try graph.vectors.search(query, limit: 10, within: scope).map(\.ordinal))
            let hits = try graph.search(
                query, limit: 10, within: scope, options: GraphIndex.SearchOptions(effort: 64, exactScope: 100))
            #expect(hits == hits.sorted(by: ScoredPassage.ranksBefore))
            if let scope { #expect(hits.allSatisfy { scope.contains($0.ordinal) }) }
            found += hits.count { right.contains($0.ordinal) }
            wanted += right.count
        }
        return Double(found) / Double(max(1, wanted))
    }

    @Test func findsNearlyAllNeighboursAlsoAfterExtension() throws {
        let folder = try TemporaryFolder()
        let rows = Self.makeVectors(4_000, dimension: 48, seed: 5)
        let queries = Self.makeVectors(60, dimension: 48, seed: 6)
        let vectors = try Self.write(rows, to: folder.path + "/all")
        var builder = GraphIndexBuilder()
        builder.threads = 2
        try builder.build(vectors, path: folder.path + "/graph")
        let graph = try GraphIndex(path: folder.path + "/graph", vectors: vectors)
        #expect(try Self.recall(graph, queries) > 0.97)
        for share in [2, 10, 100, 1000] {
            let scope = OrdinalSet((0..<UInt32(4_000)).filter { Int($0) % share == 1 })
            #expect(try Self.recall(graph, queries, within: scope) > 0.97, "one in \(share)")
        }
        let first = try Self.write(Array(rows.prefix(2_500)), to: folder.path + "/first")
        try builder.build(first, path: folder.path + "/graph.first")
        let before = try GraphIndex(path: folder.path + "/graph.first", vectors: first)
        try builder.build(vectors, extending: before, path: folder.path + "/graph.extended")
        let extended = try GraphIndex(path: folder.path + "/graph.extended", vectors: vectors)
        #expect(try Self.recall(extended, queries) > 0.97)
        #expect(throws: SearchIndexError.self) { try GraphIndex(path: folder.path + "/graph", vectors: first) }
    }

    /// Passages that repeat have the same vector many times. They must not fill each other's links: a query finds the
    /// vector next to it from wherever the search begins, and many copies of one vector do not hide the others.
    /// With two threads many times, as what one of them sees of the other's half-made links is never the same.
    @Test(arguments: [1] + Array(repeating: 2, count: 24)) func copiesOfAVectorDoNotCutTheGraph(threads: Int) throws {
        let folder = try TemporaryFolder()
        let distinct = Self.makeVectors(400, dimension: 48, seed: 25)
        var rows = distinct.enumerated().flatMap { Array(repeating: $1, count: $0 % 40 == 7 ? 300 : 5) }
        var generator = SplitMix64(seed: 26)
        generator.shuffle(&rows)
        let vectors = try Self.write(rows, to: folder.path + "/all")
        var builder = GraphIndexBuilder()
        builder.threads = threads
        try builder.build(vectors, path: folder.path + "/graph")
        let graph = try GraphIndex(path: folder.path + "/graph", vectors: vectors)
        let odd = OrdinalSet((0..<UInt32(rows.count)).filter { $0 % 2 == 1 })
        for (number, query) in distinct.enumerated() {
            let options = GraphIndex.SearchOptions(effort: 64, exactScope: 0)
            let best = try graph.search(query, limit: 10, options: options)
            #expect(best.first.map { abs($0.score - 1) < 1e-5 } ?? false)
            if number % 40 == 7 {
                #expect(best == (try vectors.search(query, limit: 10)))
                #expect(
                    try graph.search(query, limit: 10, within: odd, options: options)
                        == vectors.search(query, limit: 10, within: odd))
            }
        }
    }

    /// Vectors of a few words each, of which many are equally far from each other.
    @Test func equalDistancesDoNotCutTheGraph() throws {
        let folder = try TemporaryFolder()
        var generator = SplitMix64(seed: 31)
        let rows = (0..<3_000).map { _ in
            var row = [Float](repeating: 0.01, count: 32)
            for fixed in [3, 3, 8, 11, 17, 17, 20, 29] { row[fixed] += 1 }
            for _ in 0..<3 { row[generator.integer(below: 32)] += 1 }
            let length = row.reduce(0) { $0 + $1 * $1 }.squareRoot()
            return row.map { $0 / length }
        }
        let vectors = try Self.write(rows, to: folder.path + "/all")
        try GraphIndexBuilder().build(vectors, path: folder.path + "/graph")
        let graph = try GraphIndex(path: folder.path + "/graph", vectors: vectors)
        let missed = try rows.count { row in
            let best = try graph.search(row, limit: 5, options: GraphIndex.SearchOptions(effort: 64))
            return (best.first?.score ?? 0) < 0.9999
        }
        #expect(missed <= 3)
    }

    @Test func oneThreadGivesTheSameGraphEachTime() throws {
        let folder = try TemporaryFolder()
        let vectors = try Self.write(Self.makeVectors(700, dimension: 24, seed: 9), to: folder.path + "/all")
        var builder = GraphIndexBuilder()
        builder.threads = 1
        builder.width = 4
        try builder.build(vectors, path: folder.path + "/a")
        try builder.build(vectors, path: folder.path + "/b")
        let (a, b) = (URL(fileURLWithPath: folder.path + "/a"), URL(fileURLWithPath: folder.path + "/b"))
        #expect(try Data(contentsOf: a) == Data(contentsOf: b))
        let level = forage_cpu_get_level()
        let graph = try GraphIndex(path: folder.path + "/a", vectors: vectors)
        let query = try vectors.vector(at: 3)
        let fast = try graph.search(query, limit: 5).map(\.ordinal)
        #expect(fast.first == 3)
        #expect(forage_cpu_force_level(FORAGE_CPU_PORTABLE) == 1)
        let portable = try graph.search(query, limit: 5).map(\.ordinal)
        #expect(forage_cpu_force_level(level) == 1)
        #expect(fast == portable)
    }

    @Test func otherPrecisionsAndBatchesFindTheSame() throws {
        let folder = try TemporaryFolder()
        let rows = Self.makeVectors(3_000, dimension: 40, seed: 15)
        let queries = Self.makeVectors(30, dimension: 40, seed: 16)
        let exact = try Self.write(rows, to: folder.path + "/floats")
        let halves = try Self.write(rows, to: folder.path + "/halves", precision: .float16)
        try CompactVectorIndex.build(from: exact, path: folder.path + "/bytes")
        let bytes = try CompactVectorIndex(path: folder.path + "/bytes", exact: exact)
        let batch = try exact.search(queries, limit: 10)
        var kept = 0
        for (query, together) in zip(queries, batch) {
            let right = try exact.search(query, limit: 10)
            #expect(together == right)
            let near = try halves.search(query, limit: 10)
            for (hit, expected) in zip(near, right) { #expect(abs(hit.score - expected.score) < 2e-3) }
            let members = Set(right.map(\.ordinal))
            kept += try bytes.search(query, limit: 10).count { members.contains($0.ordinal) }
            #expect(try exact.scores(query, of: right.map(\.ordinal)) == right.map(\.score))
        }
        #expect(kept >= 298)
        let values = try halves.vector(at: 17)
        for (value, expected) in zip(values, rows[17]) { #expect(abs(value - expected) < 5e-4) }
    }
}
