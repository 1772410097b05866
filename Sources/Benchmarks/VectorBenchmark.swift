// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Base
import COpenBLAS
import Corpus
import Foundation
import Search

/// Exact vector search over a raw file of float32 rows: one query, batches, float16, int8.
struct VectorBenchmark: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "vector", abstract: "Exact nearest neighbours.")

    @Option(help: "Raw float32 rows.") var vectors: String
    @Option(help: "Raw float32 queries.") var queries: String
    @Option(help: "Raw int32 neighbours, ten a query.") var neighbours: String
    @Option(help: "Folder for the index files.") var folder: String
    @Option(help: "Numbers in a vector.") var dimension = 384
    @Option(help: "Threads.") var threads = 1
    @Option(help: "Single queries to time.") var count = 100

    func run() throws {
        let rows = try Self.floats(vectors)
        let queries = try Self.floats(queries)
        let truth = try Data(contentsOf: URL(fileURLWithPath: neighbours)).withUnsafeBytes {
            Array($0.bindMemory(to: Int32.self))
        }
        let total = rows.count / dimension
        let all = (0..<(queries.count / dimension)).map { Array(queries[($0 * dimension)..<(($0 + 1) * dimension)]) }
        for precision in VectorPrecision.allCases {
            let path = "\(folder)/vectors.\(precision.rawValue).\(total)"
            if !FileManager.default.fileExists(atPath: path) {
                let writer = try VectorIndex.Writer(path: path, dimension: dimension, precision: precision)
                try rows.withUnsafeBufferPointer { try writer.append($0) }
                try writer.finish()
            }
            let index = try VectorIndex(path: path)
            try single(
                "\(precision.rawValue)", all, truth, bytes: Double(total * dimension * (precision == .float32 ? 4 : 2))
            ) {
                try index.search($0, limit: 10, threads: threads)
            }
            guard precision == .float32 else { continue }
            _ = try index.search(Array(all.prefix(64)), limit: 10, threads: threads)
            let start = wallSeconds()
            let repeats = max(1, min(8, 400_000 / total))
            for round in 0..<repeats {
                _ = try index.search(Array(all[(round * 64)..<(round * 64 + 64)]), limit: 10, threads: threads)
            }
            let elapsed = wallSeconds() - start
            var line = Measurement("vector-batch-64")
            line.set("N", total)
            line.set("threads", threads)
            line.set("qps", Double(64 * repeats) / elapsed)
            line.set("gflops", 2 * Double(64 * repeats) * Double(total * dimension) / elapsed / 1e9)
            line.print()
            let compactPath = "\(folder)/vectors.int8.\(total)"
            if !FileManager.default.fileExists(atPath: compactPath) {
                try CompactVectorIndex.build(from: index, path: compactPath)
            }
            let compact = try CompactVectorIndex(path: compactPath, exact: index)
            try single("int8+rerank", all, truth, bytes: Double(total * dimension)) {
                try compact.search($0, limit: 10, threads: threads)
            }
        }
    }

    private func single(
        _ name: String, _ queries: [[Float]], _ truth: [Int32], bytes: Double,
        _ search: ([Float]) throws -> [ScoredPassage]
    ) throws {
        var found = 0
        var wall: [Double] = []
        let n = min(count, queries.count)
        _ = try search(queries[0])
        for (number, query) in queries.prefix(n).enumerated() {
            let start = wallSeconds()
            let hits = try search(query)
            wall.append(wallSeconds() - start)
            let expected = Set(truth[(number * 10)..<(number * 10 + 10)])
            found += hits.count { expected.contains(Int32($0.ordinal)) }
        }
        var line = Measurement("vector-single")
        line.set("engine", name)
        line.set("N", Int(truth.isEmpty ? 0 : bytes) / dimension / (name == "float32" ? 4 : name == "float16" ? 2 : 1))
        line.set("threads", threads)
        line.set("recall10", Double(found) / Double(10 * n))
        line.set(latencies: wall)
        line.set("GB_per_s", bytes / wall.sorted()[n / 2] / 1e9)
        line.setMemory()
        line.print()
    }

    static func floats(_ path: String) throws -> [Float] {
        try Data(contentsOf: URL(fileURLWithPath: path), options: .alwaysMapped).withUnsafeBytes {
            Array($0.bindMemory(to: Float.self))
        }
    }
}
