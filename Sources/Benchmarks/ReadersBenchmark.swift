// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Base
import Corpus
import Foundation
import Search
import TensorMath
import Tools

/// Several processes that read while one writes: every reader must see one state of the corpus, whole.
///
/// The writer brings all documents to a new round, deletes some, publishes with all indexes, and compacts now and then.
/// Each reader opens the live generation, asks it for some time by word, by meaning and by metadata, and checks each
/// answer against what a corpus of that round must hold; then it opens the next one.
struct ReadersBenchmark: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "readers", abstract: "Reads in several processes while another writes; checks every answer.")

    @Option(help: "Reading processes.") var readers = 8
    @Option(help: "Seconds.") var seconds = 600.0
    @Option(help: "Documents of the corpus.") var documents = 2000
    @Option(help: "The folder to work in; default: a temporary one, removed at the end.") var folder: String?
    @Option(help: .hidden) var role: String?
    @Option(help: .hidden) var number = 0

    private static let groups = 97

    /// The documents of a round: their number changes from round to round.
    private func count(_ round: Int) -> Int { documents - (round * 37) % 200 }

    private func text(_ index: Int, _ round: Int) -> String {
        "Document number\(index) of round\(round) stands in group\(index % Self.groups) and says so."
    }

    func run() async throws {
        let root = folder ?? NSTemporaryDirectory() + "forage-readers-\(getpid())"
        switch role {
        case "writer": return try await write(root)
        case "reader": return try await read(root)
        default: break
        }
        try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
        defer { if folder == nil { try? FileManager.default.removeItem(atPath: root) } }
        try await publish(root, round: 0)
        let roles = ["writer"] + Array(repeating: "reader", count: readers)
        let processes = try roles.enumerated().map { number, role in
            let process = Process()
            process.executableURL = URL(fileURLWithPath: "/proc/self/exe")
            process.arguments = [
                "readers", "--role", role, "--number", String(number), "--folder", root, "--seconds", String(seconds),
                "--documents", String(documents),
            ]
            try process.run()
            return process
        }
        for process in processes { process.waitUntilExit() }
        let failed = processes.count { $0.terminationStatus != 0 }
        var line = Measurement("readers")
        line.set("readers", readers)
        line.set("seconds", seconds)
        line.set("failed", failed)
        line.print()
        if failed > 0 { throw ExitCode(1) }
    }

    private func publish(_ root: String, round: Int) async throws {
        let path = root + "/c.forage"
        let writer = try CorpusWriter.open(creatingAt: path)
        try writer.add(
            (0..<count(round)).map { index in
                Document(
                    id: "d\(index)", title: "Title \(index)", text: text(index, round),
                    metadata: ["round": .number(Double(round)), "group": .number(Double(index % Self.groups))])
            })
        let known = try? CorpusReader(path: path)
        if let known, known.documentCount > count(round) {
            try writer.delete(ids: (count(round)..<documents).map { "d\($0)" })
        }
        let generation = try writer.beginGeneration()
        var builder = IndexBuilder(encoder: WordBagEncoder(), encoderName: "word-bag")
        builder.graph = round % 2 == 0 ? .on : .off
        builder.vectorFormat = round % 3 == 0 ? .int8 : .float32
        try await builder.build(generation)
        try generation.publish()
    }

    private func write(_ root: String) async throws {
        let end = wallSeconds() + seconds
        var round = 0
        while wallSeconds() < end {
            round += 1
            try await publish(root, round: round)
            if round % 5 == 0 { try CorpusWriter(path: root + "/c.forage").compact() }
        }
        var line = Measurement("readers-writer")
        line.set("rounds", round)
        line.print()
    }

    private func read(_ root: String) async throws {
        let end = wallSeconds() + seconds
        var random = SplitMix64(seed: UInt64(number))
        var (opened, queries) = (0, 0)
        var rounds: Set<Int> = []
        while wallSeconds() < end {
            let corpus = try await LocalCorpus(path: root + "/c.forage", encoder: WordBagEncoder())
            opened += 1
            let first = try corpus.reader.passage(at: 0)
            guard let word = first.text.split(separator: " ").first(where: { $0.hasPrefix("round") }),
                let round = Int(word.dropFirst(5))
            else { throw ValidationError("a passage without its round: \(first.text)") }
            rounds.insert(round)
            let total = count(round)
            func expect(_ condition: Bool, _ what: String) throws {
                guard condition else {
                    throw ValidationError(
                        "reader \(number), generation \(corpus.reader.manifest.number), round \(round): \(what)")
                }
            }
            try expect(corpus.reader.documentCount == total, "\(corpus.reader.documentCount) documents, not \(total)")
            let inRound = try await corpus.filter(.compare(field: "round", .equal, .number(Double(round))), among: nil)
            try expect(inRound.count == total, "\(inRound.count) documents of the round by metadata")
            for _ in 0..<(20 + random.integer(below: 200)) {
                let index = random.integer(below: total)
                let group = index % Self.groups
                let members = Set((0..<total).filter { $0 % Self.groups == group }.map { text($0, round) })
                let byWord = try corpus.keywordSearch(KeywordQuery("group\(group)"), limit: 1000)
                let texts = try byWord.map { try corpus.reader.passage(at: $0.ordinal).text }
                try expect(Set(texts) == members && texts.count == members.count, "group \(group) by word")
                let wanted = text(index, round)
                let byMeaning = try await corpus.semanticSearch("Title \(index) " + wanted, limit: 3)
                try expect(byMeaning.count == 3, "\(byMeaning.count) passages by meaning")
                for hit in byMeaning {
                    let found = try corpus.reader.passage(at: hit.ordinal).text
                    try expect(found.contains(" round\(round) "), "by meaning: \(found)")
                }
                queries += 1
                if wallSeconds() > end { break }
            }
        }
        var line = Measurement("readers-reader")
        line.set("number", number)
        line.set("opened", opened)
        line.set("rounds", rounds.count)
        line.set("checked", queries)
        line.print()
    }
}
