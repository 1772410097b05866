// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Base
import Corpus
import Foundation
import Search
import Text
import Tools

/// Links on an indexed corpus: their speed, and how much of the gold the pool of policies holds.
///
/// The pool of a question is the top of a search, the passages that its first three lead to, and those named in the
/// question.
struct LinkBenchmark: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "links", abstract: "Title and name links: speed, and the pool's share of gold passages.")

    @Option(help: "The indexed corpus.") var corpus: String?
    @Option(help: "JSON lines to index without an encoder instead, in a temporary folder.") var source: String?
    @Option(help: "JSON lines with question and supporting.") var questions: String
    @Option(help: "Passages from the search.") var top = 20
    @Option(help: "Passages whose links are followed.") var followed = 3
    @Option(help: "keyword or hybrid.") var mode = "hybrid"

    func run() async throws {
        let temporary = NSTemporaryDirectory() + "forage-links-\(getpid()).forage"
        defer { try? FileManager.default.removeItem(atPath: temporary) }
        if let source {
            let writer = try CorpusWriter.open(creatingAt: temporary)
            try writer.ingest([source])
            let generation = try writer.beginGeneration()
            try await IndexBuilder(encoder: nil).build(generation)
            try generation.publish()
        }
        guard let path = self.corpus ?? source.map({ _ in temporary }) else {
            throw ValidationError("give --corpus or --source")
        }
        let corpus = try await LocalCorpus(path: path, loadsEncoder: mode == "hybrid")
        guard let links = corpus.links else { throw ValidationError("the corpus has no link index") }
        let lines = try String(contentsOfFile: questions, encoding: .utf8).split(separator: "\n")
        var (gold, held, pooled, recall2, recall5, count) = (0, 0, 0, 0, 0, 0)
        var (heldWithNames, pooledWithNames) = (0, 0)
        var (naming, following, sharing): ([Double], [Double], [Double]) = ([], [], [])
        for line in lines {
            let json = try JSONValue(parsing: Array(line.utf8))
            guard let question = json["question"]?.string, let supporting = json["supporting"]?.array else { continue }
            var expected = Set<PassageOrdinal>()
            for item in supporting {
                let id = item.string ?? item["id"]?.string ?? item["passage"]?.string ?? ""
                if let ordinal = try corpus.reader.passageOrdinal(id: id) { expected.insert(ordinal) }
            }
            guard !expected.isEmpty else { continue }
            let found =
                mode == "hybrid"
                ? try await corpus.hybridSearch(question, limit: top)
                : try corpus.keywordSearch(KeywordQuery(question), limit: top)
            var pool = Set(found.map(\.ordinal))
            var start = wallSeconds()
            let named = links.links(in: question)
            naming.append(wallSeconds() - start)
            pool.formUnion(named.map(\.target))
            for hit in found.prefix(followed) {
                start = wallSeconds()
                let targets = links.links(from: hit.ordinal)
                following.append(wallSeconds() - start)
                pool.formUnion(targets.map(\.target))
            }
            var wider = pool
            for hit in found.prefix(followed) {
                start = wallSeconds()
                let others = try await corpus.passagesSharingNames(with: hit.ordinal, limit: 5)
                sharing.append(wallSeconds() - start)
                wider.formUnion(others.map(\.ordinal))
            }
            count += 1
            heldWithNames += expected.intersection(wider).count
            pooledWithNames += wider.count
            gold += expected.count
            held += expected.intersection(pool).count
            pooled += pool.count
            recall2 += expected.intersection(found.prefix(2).map(\.ordinal)).count
            recall5 += expected.intersection(found.prefix(5).map(\.ordinal)).count
        }
        var line = Measurement("links-pool")
        line.set("mode", mode)
        line.set("questions", count)
        line.set("recall2", Double(recall2) / Double(max(1, gold)))
        line.set("recall5", Double(recall5) / Double(max(1, gold)))
        line.set("pool_gold", Double(held) / Double(max(1, gold)))
        line.set("pool_size", Double(pooled) / Double(max(1, count)))
        line.set("names", corpus.names?.nameCount ?? 0)
        line.set("pool_gold_with_names", Double(heldWithNames) / Double(max(1, gold)))
        line.set("pool_size_with_names", Double(pooledWithNames) / Double(max(1, count)))
        line.set("sharing_us_p50", sharing.sorted()[sharing.count / 2] * 1e6)
        line.set("question_us_p50", naming.sorted()[naming.count / 2] * 1e6)
        line.set("passage_us_p50", following.sorted()[following.count / 2] * 1e6)
        line.set("question_us_p99", naming.sorted()[naming.count * 99 / 100] * 1e6)
        line.print()
    }
}
