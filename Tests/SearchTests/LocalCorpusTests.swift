// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
import Encoders
import Foundation
import Search
import TensorMath
import Testing

/// An encoder of bags of words: texts that share words are near each other.
private struct WordEncoder: TextEncoder {
    let fingerprint = "words-1"
    let dimension = 32
    func encode(_ texts: [String]) async throws -> EmbeddingMatrix {
        var rows: [Float] = []
        for text in texts {
            var row = [Float](repeating: 0.01, count: dimension)
            for word in text.lowercased().split(whereSeparator: { !$0.isLetter && !$0.isNumber }) {
                var hash = 5381
                for byte in word.utf8 { hash = (hash &* 33 &+ Int(byte)) & 0xFFFF }
                row[hash % dimension] += 1
            }
            let length = row.reduce(0) { $0 + $1 * $1 }.squareRoot()
            rows += row.map { $0 / length }
        }
        return EmbeddingMatrix(dimension: dimension, values: rows)
    }
}

/// A corpus folder through its life: what it finds is what a scan over its documents finds, after every change.
@Suite struct LocalCorpusTests {
    private func index(
        _ path: String, graph: IndexBuilder.GraphChoice, format: IndexBuilder.VectorFormat? = nil
    ) async throws {
        let writer = try CorpusWriter.open(creatingAt: path)
        let generation = try writer.beginGeneration()
        var builder = IndexBuilder(encoder: WordEncoder(), encoderName: "words")
        builder.graph = graph
        builder.vectorFormat = format
        try await builder.build(generation)
        try generation.publish()
    }

    @Test func searchesAreThoseOfAScanUnderRandomUpdates() async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("updates-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let path = folder + "/c.forage"
        let source = folder + "/documents.jsonl"
        let words = (0..<60).map { "word\($0)" }
        var random = SplitMix64(seed: 21)
        var documents: [String: String] = [:]
        let encoder = WordEncoder()
        for round in 0..<6 {
            for _ in 0..<40 {
                let id = "d\(random.integer(below: 150))"
                if random.integer(below: 4) == 0 {
                    documents[id] = nil
                } else {
                    documents[id] = (0..<12).map { _ in words[random.integer(below: words.count)] }.joined(
                        separator: " ")
                }
            }
            let lines = documents.sorted { $0.key < $1.key }.map { #"{"id":"\#($0.key)","text":"\#($0.value)"}"# }
            try lines.joined(separator: "\n").write(toFile: source, atomically: true, encoding: .utf8)
            try CorpusWriter.open(creatingAt: path).ingest([source])
            // Left open, the corpus keeps what it has.
            try await index(path, graph: round % 3 == 0 ? .on : round % 3 == 1 ? .automatic : .off)
            let corpus = try await LocalCorpus(path: path, encoder: encoder)
            #expect(corpus.reader.passageCount == documents.count)
            #expect((corpus.graph != nil) == (round % 3 < 2))
            try corpus.verifyIndexes()
            // Several queries at once find what each finds alone.
            let batch = (0..<9).map { _ in
                (0..<3).map { _ in words[random.integer(below: words.count)] }.joined(separator: " ")
            }
            let together = try await corpus.hybridSearch(batch, limit: 7)
            for (query, hits) in zip(batch, together) {
                #expect(try await corpus.hybridSearch(query, limit: 7) == hits)
            }
            for _ in 0..<10 {
                let query = (0..<3).map { _ in words[random.integer(below: words.count)] }.joined(separator: " ")
                let wanted = try await encoder.encode(query)
                var best: [Float] = []
                for text in documents.values {
                    let vector = try await encoder.encode(text)
                    best.append(zip(wanted, vector).reduce(0) { $0 + $1.0 * $1.1 })
                }
                best.sort(by: >)
                let hits = try await corpus.semanticSearch(query, limit: 5)
                // Documents may tie: their scores are what must agree. A graph may miss one now and then.
                let agree = zip(hits, best).count { abs($0.score - $1) < 1e-4 }
                #expect(corpus.graph == nil ? agree == 5 : agree >= 4)
                // By words: exactly the documents that hold one of them.
                let holding = documents.filter { entry in
                    let own = Set(entry.value.split(separator: " "))
                    return query.split(separator: " ").contains { own.contains($0) }
                }
                let found = try corpus.keywordSearch(KeywordQuery(query), limit: 1000)
                #expect(Set(try found.map { try corpus.reader.passageID(of: $0.ordinal) }) == Set(holding.keys))
            }
        }
    }

    /// The format of the vectors stays with the corpus until another is asked for, and what is found stays the same.
    @Test func vectorsAreKeptAsAskedFor() async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("formats-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let path = folder + "/c.forage"
        let source = folder + "/documents.jsonl"
        func write(_ count: Int) throws {
            let lines = (0..<count).map { #"{"id":"d\#($0)","text":"word\#($0 % 37) word\#($0 % 11) word\#($0)"}"# }
            try lines.joined(separator: "\n").write(toFile: source, atomically: true, encoding: .utf8)
            try CorpusWriter.open(creatingAt: path).ingest([source])
        }
        var expected: [Float] = []
        let formats: [IndexBuilder.VectorFormat?] = [nil, .float16, nil, .int8, nil, .float32]
        for (round, format) in formats.enumerated() {
            try write(300 + round % 2)
            try await index(path, graph: .off, format: format)
            let corpus = try await LocalCorpus(path: path, encoder: WordEncoder())
            #expect(corpus.vectors?.precision == (round == 1 || round == 2 ? .float16 : .float32), "round \(round)")
            #expect((corpus.compact != nil) == (round == 3 || round == 4), "round \(round)")
            try corpus.verifyIndexes()
            let hits = try await corpus.semanticSearch("word3 word5", limit: 10)
            if round == 0 { expected = hits.map(\.score) }
            #expect(hits.count == 10)
            for (hit, score) in zip(hits, expected) { #expect(abs(hit.score - score) < 2e-3, "round \(round)") }
            let batch = try await corpus.semanticSearch(["word3 word5", "word7"], limit: 10)
            #expect(batch[0] == hits, "round \(round)")
        }
    }

    @Test func tokenVectorsNeedAnEncoderOfThisProcess() async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("tokens-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try #"{"id":"a","text":"one two"}"#.write(toFile: folder + "/d.jsonl", atomically: true, encoding: .utf8)
        let writer = try CorpusWriter.open(creatingAt: folder + "/c.forage")
        try writer.ingest([folder + "/d.jsonl"])
        var builder = IndexBuilder(encoder: WordEncoder(), encoderName: "words")
        builder.tokens = true
        let generation = try writer.beginGeneration()
        await #expect(throws: SearchIndexError.self) { try await builder.build(generation) }
    }
}
