// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Base
import Corpus
import Foundation
import Search

/// Graph search over a raw file of float32 rows: build, recall and speed by effort, scopes of 1 % and 0.1 %.
struct GraphBenchmark: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "hnsw", abstract: "Approximate nearest neighbours.")

    @Option(help: "Raw float32 rows.") var vectors: String
    @Option(help: "Raw float32 queries.") var queries: String
    @Option(help: "Raw int32 neighbours, ten a query.") var neighbours: String
    @Option(help: "Folder for the index files.") var folder: String
    @Option(help: "Numbers in a vector.") var dimension = 384
    @Option(help: "Links a node.") var width = 16
    @Option(help: "Effort while building.") var buildEffort = 100
    @Option(help: "Efforts of the searches.") var efforts: [Int] = [24, 32, 48, 64, 96, 128]

    func run() throws {
        let queries = try VectorBenchmark.floats(queries)
        let truth = try Data(contentsOf: URL(fileURLWithPath: neighbours)).withUnsafeBytes {
            Array($0.bindMemory(to: Int32.self))
        }
        let all = (0..<(queries.count / dimension)).map { Array(queries[($0 * dimension)..<(($0 + 1) * dimension)]) }
        let size = try FileManager.default.attributesOfItem(atPath: vectors)[.size] as? Int ?? 0
        let total = size / 4 / dimension
        let path = "\(folder)/vectors.float32.\(total)"
        if !FileManager.default.fileExists(atPath: path) {
            let writer = try VectorIndex.Writer(path: path, dimension: dimension)
            try VectorBenchmark.floats(vectors).withUnsafeBufferPointer { try writer.append($0) }
            try writer.finish()
        }
        let exact = try VectorIndex(path: path)
        let graphPath = "\(folder)/graph.\(total).\(width).\(buildEffort)"
        if !FileManager.default.fileExists(atPath: graphPath) {
            var builder = GraphIndexBuilder()
            builder.width = width
            builder.effort = buildEffort
            let start = wallSeconds()
            try builder.build(exact, path: graphPath)
            var line = Measurement("hnsw-build")
            line.set("N", total)
            line.set("build_s", wallSeconds() - start)
            line.setMemory()
            line.print()
        }
        let graph = try GraphIndex(path: graphPath, vectors: exact)
        for effort in efforts {
            let options = GraphIndex.SearchOptions(effort: effort)
            for query in all { _ = try graph.search(query, limit: 10, options: options) }
            var found = 0
            var wall: [Double] = []
            var cpu = 0.0
            for (number, query) in all.enumerated() {
                let (start, began) = (wallSeconds(), threadSeconds())
                let hits = try graph.search(query, limit: 10, options: options)
                cpu += threadSeconds() - began
                wall.append(wallSeconds() - start)
                let expected = Set(truth[(number * 10)..<(number * 10 + 10)])
                found += hits.count { expected.contains(Int32($0.ordinal)) }
            }
            var line = Measurement("hnsw-search")
            line.set("N", total)
            line.set("effort", effort)
            line.set("recall10", Double(found) / Double(10 * all.count))
            line.set(latencies: wall)
            line.set("cpu_qps", Double(all.count) / cpu)
            line.setMemory()
            line.print()
        }
        for share in [0.1, 0.01, 0.001] {
            let step = Int(1 / share)
            let scope = OrdinalSet(ascending: stride(from: 3, to: total, by: step).map { UInt32($0) })
            var found = 0
            var wall: [Double] = []
            let some = all.prefix(100)
            for query in some {
                let expected = Set(try exact.search(query, limit: 10, within: scope).map(\.ordinal))
                let start = wallSeconds()
                let hits = try graph.search(query, limit: 10, within: scope)
                wall.append(wallSeconds() - start)
                found += hits.count { expected.contains($0.ordinal) }
            }
            var line = Measurement("hnsw-filtered")
            line.set("N", total)
            line.set("share", share)
            line.set("recall10", Double(found) / Double(10 * some.count))
            line.set(latencies: wall)
            line.print()
        }
    }
}
