// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Corpus
import Foundation
import Text

/// Filters and aggregates over a million documents: the queries of the comparison with DuckDB, SQLite and numpy.
///
/// The rows are (category of 100 Zipf values, year 1950 to 2025, score in [0, 1)). A latency is from typed request to
/// all result rows. The rows stay beside the corpus as JSON lines for `peers/peer.py`.
struct FilterBenchmark: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "filter", abstract: "Filters and aggregates over a million documents.")

    @Option(help: "Documents.") var documents = 1_000_000
    @Option(help: "Folder for the corpus and its rows, kept between runs; default: a temporary one.") var folder:
        String?
    @Option(help: "Repetitions of each query.") var repetitions = 51

    func run() throws {
        let root = folder ?? NSTemporaryDirectory() + "forage-filter-benchmark"
        try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
        let path = root + "/filter-\(documents).forage"
        if (try? CorpusReader(path: path)) == nil { try build(path, input: root + "/filter-\(documents).jsonl") }
        let opened = wallSeconds()
        let reader = try CorpusReader(path: path)
        var open = Measurement("filter-open")
        open.set("documents", reader.documentCount)
        open.set("open_ms", (wallSeconds() - opened) * 1e3)
        open.print()
        for (name, query) in try queries(reader) {
            let size = try query()
            _ = try query()
            var times: [Double] = []
            for _ in 0..<repetitions {
                let start = wallSeconds()
                _ = try query()
                times.append(wallSeconds() - start)
            }
            var line = Measurement("filter")
            line.set("query", name)
            line.set("matched_or_rows", size)
            line.set(latencies: times)
            line.print()
        }
    }

    private func build(_ path: String, input: String) throws {
        var state: UInt64 = 99
        func uniform() -> Double {
            state &+= 0x9E37_79B9_7F4A_7C15
            var z = state
            z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
            return Double((z ^ (z >> 31)) >> 11) * 0x1p-53
        }
        var cumulative: [Double] = []
        for rank in 1...100 { cumulative.append((cumulative.last ?? 0) + 1 / Double(rank)) }
        let total = cumulative[99]
        _ = FileManager.default.createFile(atPath: input, contents: nil)
        guard let file = FileHandle(forWritingAtPath: input) else { throw ValidationError("cannot write \(input)") }
        var lines = Data()
        for index in 0..<documents {
            let draw = uniform() * total
            let category = cumulative.firstIndex { $0 >= draw } ?? 99
            let year = 1950 + Int(uniform() * 76)
            let score = (uniform() * 1e6).rounded(.down) / 1e6
            let label = (category < 10 ? "c0" : "c") + "\(category)"
            lines.append(
                contentsOf: Array(
                    "{\"id\":\"\(index)\",\"text\":\"Row \(index) of the table.\",\"metadata\":{\"category\":\"\(label)\",\"year\":\(year),\"score\":\(score)}}\n"
                        .utf8))
            if lines.count > 1 << 20 {
                try file.write(contentsOf: lines)
                lines.removeAll(keepingCapacity: true)
            }
        }
        try file.write(contentsOf: lines)
        try file.close()
        let start = wallSeconds()
        let writer = try CorpusWriter.open(creatingAt: path)
        let summary = try writer.ingest([input])
        let ingested = wallSeconds()
        try writer.publish()
        var line = Measurement("filter-build")
        line.set("documents", summary.added)
        line.set("ingest_s", ingested - start)
        line.set("publish_s", wallSeconds() - ingested)
        line.setMemory()
        line.print()
    }

    /// The queries by name; each returns the number of documents or rows of its result.
    private func queries(_ reader: CorpusReader) throws -> [(String, () throws -> Int)] {
        let filter = try DocumentFilter(reader: reader)
        let aggregator = Aggregator(reader: reader)
        let all = DocumentBitmap(documentCount: reader.documentCount, all: true)
        func category(_ name: String) -> FilterExpression { .compare(field: "category", .equal, .text(name)) }
        let five = FilterExpression.isIn(field: "category", ["c03", "c11", "c25", "c40", "c77"].map { .text($0) })
        func aggregate(_ set: DocumentBitmap, _ request: AggregateRequest) throws -> Int {
            try aggregator.aggregate(set, request).rows.count
        }
        let byScore = [AggregateRequest.Order("score", descending: true)]
        return [
            (
                "count_cat_year",
                {
                    try filter.documents(
                        matching: .and([category("c07"), .between(field: "year", .number(2000), .number(2010))])
                    ).count
                }
            ),
            ("count_in5", { try filter.documents(matching: five).count }),
            (
                "ids_filter",
                {
                    try filter.documents(
                        matching: .and([category("c20"), .compare(field: "year", .greaterOrEqual, .number(1990))])
                    )
                    .ordinals.count
                }
            ),
            (
                "top10_score",
                { try reader.list(all, DocumentListRequest(sort: byScore, fields: ["score"], limit: 10)).rows.count }
            ),
            (
                "top10_filtered",
                {
                    let set = try filter.documents(
                        matching: .and([category("c07"), .compare(field: "year", .greaterOrEqual, .number(2000))]))
                    return try reader.list(set, DocumentListRequest(sort: byScore, fields: ["score"], limit: 10)).rows
                        .count
                }
            ),
            (
                "group_category",
                { try aggregate(all, AggregateRequest(groupBy: [.value(field: "category")], limit: 100)) }
            ),
            (
                "group_cat_year_top10",
                {
                    try aggregate(
                        all,
                        AggregateRequest(
                            [.init(.count, name: "n"), .init(.mean(field: "score"), name: "mean")],
                            groupBy: [.value(field: "category"), .value(field: "year")],
                            sort: [.init("n", descending: true)], limit: 10))
                }
            ),
            (
                "filter_group_year",
                {
                    try aggregate(
                        filter.documents(matching: five),
                        AggregateRequest(
                            [
                                .init(.count, name: "n"), .init(.mean(field: "score"), name: "mean"),
                                .init(.minimum(field: "score"), name: "least"),
                                .init(.maximum(field: "score"), name: "greatest"),
                            ], groupBy: [.value(field: "year")], limit: 100))
                }
            ),
            (
                "histogram20",
                {
                    try aggregate(all, AggregateRequest(groupBy: [.interval(field: "score", width: 0.05)], limit: 100))
                }
            ),
            (
                "stats_all",
                {
                    try aggregate(
                        all,
                        AggregateRequest([
                            .init(.count, name: "n"), .init(.sum(field: "score"), name: "sum"),
                            .init(.minimum(field: "score"), name: "least"),
                            .init(.maximum(field: "score"), name: "greatest"),
                            .init(.mean(field: "score"), name: "mean"),
                        ]))
                }
            ),
            ("sort_all_ids", { try reader.sorted(all, by: [.init("year"), .init("score")]).count }),
        ]
    }
}
