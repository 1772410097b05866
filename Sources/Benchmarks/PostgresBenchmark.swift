// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Base
import Corpus
import Encoders
import Foundation
import Postgres
import PostgresCorpus
import Search
import Tools

/// A corpus in PostgreSQL: loading without encoding, searches by words and by meaning one by one and as a batch, filters and
/// groups beside the same question in SQL by hand.
///
/// The passages are drawn: sixty words of 50,000 with Zipf's frequencies, a category of 100, a year, a score. Their vectors
/// are bags of words, so that no model is needed. The corpus `forage_bench` of the database is made anew.
struct PostgresBenchmark: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "postgres", abstract: "A corpus in PostgreSQL: loading, searching, filtering.")

    @Option(help: "postgresql://USER@HOST/DATABASE") var address: String
    @Option(help: "Passages, each a document of its own.") var passages = 100_000
    @Option(help: "Words a passage.") var words = 60
    @Option(help: "Queries of three words.") var queries = 200
    @Option(help: "Queries in a batch.") var batch = 16
    @Flag(help: "Leaves vectors out.") var keywordsOnly = false

    func run() async throws {
        let place = try PostgresAddress(address + (address.contains("?") ? "&" : "?") + "corpus=bench")
        let encoder: (any TextEncoder)? = keywordsOnly ? nil : WordBagEncoder()
        let pool = PostgresPool(place)
        try await pool.query("DROP SCHEMA IF EXISTS forage_bench CASCADE")
        try await forget(pool)
        let asked = try await load(place, encoder)
        let corpus = try await PostgresCorpus(place, encoder: encoder)
        try await search(corpus, .keyword, asked)
        if encoder != nil { try await search(corpus, .semantic, asked) }
        try await filter(corpus, pool)
    }

    /// Takes the corpus of an earlier run out of the list of corpora.
    private func forget(_ pool: PostgresPool) async throws {
        let known = try await pool.query("SELECT to_regclass('forage.corpora')::text")
        guard try known.optionalText(0, 0) != nil else { return }
        try await pool.query("UPDATE forage.corpora SET live = NULL WHERE name = 'bench'")
        try await pool.query("DELETE FROM forage.generations WHERE corpus = 'bench'")
    }

    /// Loads the corpus; the queries, each of three neighbouring words of a passage.
    private func load(_ place: PostgresAddress, _ encoder: (any TextEncoder)?) async throws -> [String] {
        let staging = NSTemporaryDirectory() + "forage-postgres-benchmark-\(getpid())"
        defer { try? FileManager.default.removeItem(atPath: staging) }
        let writer = try await PostgresCorpusWriter(place, stagingFolder: staging)
        try await writer.prepare(encoder: encoder)
        let (asked, seconds) = try await index(writer.staging, encoder)
        let built = wallSeconds()
        try await writer.publish()
        var line = Measurement("postgres-load")
        line.set("passages", passages)
        line.set("index_s", seconds)
        line.set("load_s", wallSeconds() - built)
        line.set("passages_per_s", Double(passages) / (wallSeconds() - built))
        line.print()
        return asked
    }

    /// Draws the documents and indexes them in a folder; the queries, and how long indexing took.
    private func index(_ path: String, _ encoder: (any TextEncoder)?) async throws -> ([String], Double) {
        var random = SplitMix64(seed: 11)
        var cumulative: [Double] = []
        for rank in 1...50_000 { cumulative.append((cumulative.last ?? 0) + 1 / Double(rank)) }
        let total = cumulative[cumulative.count - 1]
        func word() -> String {
            let draw = random.uniform() * total
            var (low, high) = (0, cumulative.count - 1)
            while low < high {
                let middle = (low + high) / 2
                if cumulative[middle] < draw { low = middle + 1 } else { high = middle }
            }
            return "w" + String(low, radix: 36)
        }
        let folder = try CorpusWriter.open(creatingAt: path)
        var asked: [String] = []
        for start in stride(from: 0, to: passages, by: 2000) {
            try folder.add(
                (start..<min(start + 2000, passages)).map { number in
                    let drawn = (0..<words).map { _ in word() }
                    if asked.count < queries, number % max(1, passages / queries) == 0 {
                        asked.append(drawn[10..<13].joined(separator: " "))
                    }
                    return Document(
                        id: String(number), title: "Passage \(number)", text: drawn.joined(separator: " ") + ".",
                        metadata: [
                            "category": .text("c" + String(random.integer(below: 100))),
                            "year": .integer(Int64(1950 + random.integer(below: 76))),
                            "score": .number(random.uniform()),
                        ])
                })
        }
        let generation = try folder.beginGeneration()
        let began = wallSeconds()
        try await IndexBuilder(encoder: encoder, encoderName: "words").build(generation)
        try generation.publish()
        return (asked, wallSeconds() - began)
    }

    private func search(_ corpus: PostgresCorpus, _ mode: RetrievalMode, _ asked: [String]) async throws {
        for pass in ["cold", "warm"] {
            var times: [Double] = []
            for query in asked {
                let start = wallSeconds()
                _ = try await corpus.search(mode, query: query, limit: 10, within: nil)
                times.append(wallSeconds() - start)
            }
            var line = Measurement("postgres-\(mode.rawValue)")
            line.set("postings", pass)
            line.set(latencies: times)
            line.print()
        }
        var times: [Double] = []
        for start in stride(from: 0, to: asked.count, by: batch) {
            let part = Array(asked[start..<min(start + batch, asked.count)])
            let began = wallSeconds()
            _ = try await corpus.search(mode, queries: part, limit: 10, within: nil)
            times.append((wallSeconds() - began) / Double(part.count))
        }
        var line = Measurement("postgres-\(mode.rawValue)-batch")
        line.set("batch", batch)
        line.set(latencies: times)
        line.print()
    }

    private func filter(_ corpus: PostgresCorpus, _ pool: PostgresPool) async throws {
        let table = "forage_bench.documents_\(corpus.generation)"
        let names = try await pool.query(
            "SELECT column_name::text FROM information_schema.columns WHERE table_schema = 'forage_bench' AND table_name = $1",
            [.text("documents_\(corpus.generation)")])
        func column(_ field: String) throws -> String {
            for row in 0..<names.count where try names.text(row, 0) == "m_" + field { return "m_" + field }
            throw ValidationError("the table has no column of the field \(field)")
        }
        let (category, year, score) = (try column("category"), try column("year"), try column("score"))
        let wanted = FilterExpression.and([
            .compare(field: "category", .equal, .text("c7")), .between(field: "year", .number(2000), .number(2010)),
        ])
        let everything = OrdinalSet(0..<UInt32(passages))
        let grouped = AggregateRequest(
            [.init(.count, name: "n"), .init(.mean(field: "score"), name: "mean")], groupBy: [.value(field: "year")],
            limit: 100)
        try await beside("filter", { _ = try await corpus.filter(wanted, among: nil) }) {
            _ = try await pool.read(
                "SELECT ordinal FROM \(table) WHERE \(category) = $1 AND \(year) BETWEEN $2 AND $3 ORDER BY ordinal",
                [.text("c7"), .number(2000), .number(2010)])
        }
        try await beside("group", { _ = try await corpus.aggregate(everything, grouped) }) {
            _ = try await pool.read(
                "SELECT \(year), count(*), avg(\(score)) FROM \(table) GROUP BY \(year) ORDER BY \(year) LIMIT 100")
        }
    }

    /// Times two ways in turn, 21 times each.
    private func beside(_ name: String, _ own: () async throws -> Void, _ hand: () async throws -> Void) async throws {
        var (ours, theirs) = ([Double](), [Double]())
        for round in 0..<22 {
            let start = wallSeconds()
            try await own()
            let middle = wallSeconds()
            try await hand()
            if round == 0 { continue }
            ours.append(middle - start)
            theirs.append(wallSeconds() - middle)
        }
        func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] * 1e3 }
        var line = Measurement("postgres-\(name)")
        line.set("documents", passages)
        line.set("p50_ms", median(ours))
        line.set("sql_by_hand_p50_ms", median(theirs))
        line.set("ratio", median(ours) / median(theirs))
        line.print()
    }
}
