// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Base
import Corpus
import Foundation
import Search
import Text

/// Keyword search over a file of JSON lines with `title` and `text`: build, open, search, batches, scopes.
///
/// Like the peers' scripts: k1 1.2, b 0.75, no stop words, no stemming, repeated query terms once, top 10.
struct KeywordBenchmark: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "keyword", abstract: "BM25: build and search.")

    @Option(help: "JSON lines with title and text.") var corpus: String
    @Option(help: "One query a line.") var queries: String
    @Option(help: "Where the index goes.") var index: String
    @Option(help: "build, search, batch or answers (prints ids and scores of the first queries).") var operation =
        "search"
    @Option(help: "Results a query.") var limit = 10
    @Option(help: "Seconds after which a timed pass stops.") var seconds = 8.0

    func run() throws {
        switch operation {
        case "build": try build()
        case "batch": try batch()
        case "answers": try answers()
        default: try search()
        }
    }

    private func build() throws {
        let file = try MappedFile(path: corpus)
        let options = KeywordIndexOptions(k1: 1.2, b: 0.75, titleWeight: 1, analyzer: .plain)
        let writer = try KeywordIndexWriter(options, runFolder: (index as NSString).deletingLastPathComponent)
        // Lines are read in portions, untimed, and their pages given back, so that memory shows the index's needs.
        var seconds = 0.0
        var portion: [(title: String, text: String)] = []
        func flush() throws {
            let start = wallSeconds()
            for passage in portion {
                var (title, text) = passage
                try title.withUTF8 { title in try text.withUTF8 { try writer.add(title: title, text: $0) } }
            }
            seconds += wallSeconds() - start
            portion.removeAll(keepingCapacity: true)
        }
        let cpu = threadSeconds()
        var readCPU = 0.0
        let bytes = file.bytes
        var at = 0
        while at < bytes.count {
            let began = threadSeconds()
            let first = at
            while portion.count < 4096, at < bytes.count {
                let end = bytes[at...].firstIndex(of: 10) ?? bytes.count
                if end > at {
                    let line = try JSONValue(parsing: bytes[at..<end].map { $0 })
                    portion.append((line["title"]?.string ?? "", line["text"]?.string ?? ""))
                }
                at = end + 1
            }
            file.release(first..<at)
            readCPU += threadSeconds() - began
            try flush()
        }
        let start = wallSeconds()
        let count = writer.passageCount
        try writer.write(to: index)
        seconds += wallSeconds() - start
        var line = Measurement("keyword-build")
        line.set("passages", count)
        line.set("build_s", seconds)
        line.set("docs_per_s", Double(count) / seconds)
        line.set("build_cpu_s", threadSeconds() - cpu - readCPU)
        let size = try FileManager.default.attributesOfItem(atPath: index)[.size] as? Int ?? 0
        line.set("disk_MB", Double(size) / 1e6)
        line.setMemory()
        line.print()
    }

    private func readQueries() throws -> [String] {
        try String(contentsOfFile: queries, encoding: .utf8).split(separator: "\n").map { line in
            var seen = Set<Substring>()
            let words = line.lowercased()
            return words.split(separator: " ").filter { seen.insert($0).inserted }.joined(separator: " ")
        }
    }

    private func search() throws {
        let opening = wallSeconds()
        let index = try KeywordIndex(path: self.index)
        let opened = wallSeconds() - opening
        let queries = try readQueries().map { KeywordQuery($0) }
        let first = wallSeconds()
        _ = try index.search(queries[0], limit: limit)
        let firstSeconds = wallSeconds() - first
        let warm = wallSeconds()
        for query in queries {
            _ = try index.search(query, limit: limit)
            if wallSeconds() - warm > seconds / 3 { break }
        }
        var wall: [Double] = []
        var cpu: [Double] = []
        let start = wallSeconds()
        for query in queries {
            let (w, c) = (wallSeconds(), threadSeconds())
            _ = try index.search(query, limit: limit)
            cpu.append(threadSeconds() - c)
            wall.append(wallSeconds() - w)
            if wallSeconds() - start > seconds { break }
        }
        var line = Measurement("keyword-search")
        line.set("passages", index.passageCount)
        line.set("open_ms", opened * 1e3)
        line.set("first_query_ms", firstSeconds * 1e3)
        line.set(latencies: wall)
        line.set("cpu_qps", Double(cpu.count) / cpu.reduce(0, +))
        line.set("cpu_p99_ms", cpu.sorted()[min(cpu.count - 1, cpu.count * 99 / 100)] * 1e3)
        line.setMemory()
        line.print()
    }

    private func batch() throws {
        let index = try KeywordIndex(path: self.index)
        let queries = try readQueries().map { KeywordQuery($0) }
        _ = try index.search(Array(queries.prefix(32)), limit: limit)
        let start = wallSeconds()
        _ = try index.search(queries, limit: limit)
        var line = Measurement("keyword-batch")
        line.set("passages", index.passageCount)
        line.set("n", queries.count)
        line.set("qps", Double(queries.count) / (wallSeconds() - start))
        line.setMemory()
        line.print()
    }

    private func answers() throws {
        let index = try KeywordIndex(path: self.index)
        for query in try readQueries().prefix(300) {
            let hits = try index.search(KeywordQuery(query), limit: limit)
            print("[" + hits.map { "[\($0.ordinal), \($0.score)]" }.joined(separator: ", ") + "]")
        }
    }
}
