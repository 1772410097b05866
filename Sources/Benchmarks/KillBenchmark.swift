// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Corpus
import Foundation
import Search
import Text

/// Kills an indexing process at random moments and checks what is left each time.
///
/// Each round a child process reads a changed source, deletes documents, publishes generations with all indexes (keyword,
/// links, names, vectors with their compact form, a graph), and compacts, over and over, until `kill -9` hits it. Then
/// the corpus must open, pass `verify`, hold a state that was committed, and go on to exactly the source's documents,
/// found by word and by meaning.
struct KillBenchmark: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "kill", abstract: "Kills an indexing process at random moments and checks the corpus.")

    @Option(help: "How often to kill.") var kills = 300
    @Option(help: "Documents of the source.") var documents = 3000
    @Option(help: "Seed of moments and contents.") var seed: UInt64 = 1
    @Option(help: "The folder to work in; default: a temporary one, removed at the end.") var folder: String?
    @Flag(help: .hidden) var worker = false

    func run() async throws {
        let root = folder ?? NSTemporaryDirectory() + "forage-kill-\(getpid())"
        if worker { return try await work(root) }
        try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
        defer { if folder == nil { try? FileManager.default.removeItem(atPath: root) } }
        var generator = seed
        func below(_ bound: Int) -> Int {
            generator = generator &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int((generator >> 33) % UInt64(bound))
        }
        var moments: [String: Int] = [:]
        for round in 0..<kills {
            let expected = try writeSource(root, round: round)
            let child = Process()
            child.executableURL = URL(fileURLWithPath: "/proc/self/exe")
            child.arguments = ["kill", "--worker", "--folder", root]
            child.standardError = FileHandle.nullDevice
            try child.run()
            // Starting takes some 20 ms; the work after it a few hundred.
            usleep(UInt32(5000 + below(400_000)))
            kill(child.processIdentifier, SIGKILL)
            child.waitUntilExit()
            let path = root + "/c.forage"
            let before = try found(in: path)
            moments[before, default: 0] += 1
            try check(path, "after kill \(round)")
            let writer = try CorpusWriter.open(creatingAt: path)
            try touchSource(root)
            try writer.ingest([root + "/source.jsonl"])
            let reader = try await publish(writer, round: round)
            guard reader.documentCount == expected.count else {
                throw ValidationError(
                    "round \(round): \(reader.documentCount) documents after resuming, expected \(expected.count)")
            }
            for (id, text) in expected {
                guard try reader.document(id: id)?.text == text else {
                    throw ValidationError("round \(round): document \(id) is wrong")
                }
            }
            try check(path, "after resuming from kill \(round)")
            try await checkSearch(path, expected)
            if round % 4 == 3 {
                try writer.compact()
                try check(path, "after compacting behind kill \(round)")
            }
            if round % 25 == 24 { print("\(round + 1) kills, all sound") }
        }
        print(
            "found after the kills: "
                + moments.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", "))
    }

    /// What the kill interrupted, as far as the folder tells.
    private func found(in path: String) throws -> String {
        guard FileManager.default.fileExists(atPath: path + "/corpus.sqlite") else { return "no database" }
        do {
            let reader = try CorpusReader(path: path)
            let names = try FileManager.default.contentsOfDirectory(atPath: path)
            // role.000007.ext: files of a generation that was not published.
            let loose = names.filter { name in
                let parts = name.split(separator: ".")
                return parts.count >= 3 && (Int(parts[parts.count - 2]) ?? 0) > reader.manifest.number
            }
            return loose.isEmpty ? "between generations" : "inside a generation"
        } catch let error as CorpusError where error.code == .notFound || error.code == .notACorpus {
            return "before the first generation"
        }
    }

    private func check(_ path: String, _ when: String) throws {
        guard FileManager.default.fileExists(atPath: path + "/corpus.sqlite") else { return }
        let report: VerificationReport
        do { report = try CorpusVerifier.withIndexes.verify(path: path) } catch let error as CorpusError
            where error.code == .notACorpus
        { return }
        guard report.isSound else { throw ValidationError("\(when): " + report.problems.joined(separator: "; ")) }
    }

    private func writeSource(_ root: String, round: Int) throws -> [String: String] {
        var expected: [String: String] = [:]
        var lines = ""
        for index in 0..<documents where (index + round) % 11 != 0 {
            let version = (index + round) % 7 == 0 ? round : index % 5
            let text = "Document \(index) in version \(version). It has a second sentence."
            expected["d\(index)"] = text
            lines +=
                "{\"id\":\"d\(index)\",\"title\":\"T\(index)\",\"text\":\"\(text)\",\"metadata\":{\"n\":\(index % 100)}}\n"
        }
        try lines.write(toFile: root + "/source.jsonl", atomically: true, encoding: .utf8)
        return expected
    }

    private func publish(_ writer: CorpusWriter, round: Int) async throws -> CorpusReader {
        let generation = try writer.beginGeneration()
        var builder = IndexBuilder(encoder: WordBagEncoder(), encoderName: "word-bag")
        builder.graph = round % 2 == 0 ? .on : .off
        builder.vectorFormat = round % 3 == 0 ? .int8 : .float32
        try await builder.build(generation)
        return try generation.publish()
    }

    /// What was written last is found, by word and by meaning.
    private func checkSearch(_ path: String, _ expected: [String: String]) async throws {
        let corpus = try await LocalCorpus(path: path, encoder: WordBagEncoder())
        var missed = 0
        for (id, text) in expected.prefix(5) {
            guard let index = Int(id.dropFirst()) else { continue }
            let byWord = try corpus.keywordSearch(KeywordQuery("T\(index)"), limit: 5)
            guard try byWord.contains(where: { try corpus.reader.passageID(of: $0.ordinal) == id }) else {
                throw ValidationError("document \(id) is not found by its title")
            }
            let byMeaning = try await corpus.semanticSearch("T\(index) " + text, limit: 5)
            // Graphs are approximate: of bags of a few words, one in a thousand is not found.
            if byMeaning.count < 5 || byMeaning[0].score < 0.99 { missed += 1 }
            guard missed < 2 else { throw ValidationError("nothing is near the text of document \(id)") }
        }
    }

    /// The child: changes the corpus until it is killed.
    private func work(_ root: String) async throws {
        var round = 0
        while true {
            round += 1
            let writer = try CorpusWriter.open(creatingAt: root + "/c.forage")
            try writer.ingest([root + "/source.jsonl"], options: IngestOptions(batchSize: 200))
            _ = try await publish(writer, round: round)
            try writer.delete(ids: (0..<50).map { "d\(($0 * 7 + round) % documents)" })
            // Only documents that the source has: it brings them back, and would not delete what others added.
            let source = try String(contentsOfFile: root + "/source.jsonl", encoding: .utf8)
            let known = (0..<20).filter { source.contains("{\"id\":\"d\($0)\",") }
            try writer.add(known.map { Document(id: "d\($0)", text: "Worker's own version \(round) of \($0).") })
            _ = try await publish(writer, round: round)
            if round % 2 == 0 { try writer.compact() }
            try touchSource(root)
        }
    }

    /// Adds an empty line: a changed source is read again, which brings back the documents that were deleted by their ids.
    private func touchSource(_ root: String) throws {
        let source = try Data(contentsOf: URL(fileURLWithPath: root + "/source.jsonl"))
        try (source + Data("\n".utf8)).write(to: URL(fileURLWithPath: root + "/source.jsonl"), options: .atomic)
    }
}
