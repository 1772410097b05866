// SPDX-License-Identifier: Apache-2.0

import Corpus
import Foundation
import Search
import Testing
import Text

/// A corpus is indexed in the language of its texts, told from what there is and again when there is more.
@Suite struct CorpusLanguageTests {
    private static let english =
        "The lamps of the harbour are lit at dusk and it is the keeper who looks after them. In the winter there was no light on the quay, as the boats were not out and they will be in the yard."
    private static let german =
        "Die Lampen des Hafens werden am Abend angezündet und der Wärter ist es, der sich um sie kümmert. Im Winter war kein Licht auf dem Kai, weil die Boote nicht draußen waren und in der Werft sind."

    private struct Outcome: Equatable {
        var told: String?
        var stemmer: String?
        init(_ told: String?, _ stemmer: String?) {
            self.told = told
            self.stemmer = stemmer
        }
    }

    private func add(_ texts: [String], to path: String, detects: Bool = true) async throws -> Outcome {
        let writer = try CorpusWriter.open(creatingAt: path)
        let folder = path + "-texts"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        for (index, text) in texts.enumerated() {
            try text.write(toFile: folder + "/\(texts.count)-\(index).txt", atomically: true, encoding: .utf8)
        }
        try writer.ingest([folder])
        let generation = try writer.beginGeneration()
        var builder = IndexBuilder(encoder: nil, encoderName: "none")
        if let before = generation.previous?.path(ofRole: IndexRole.keyword) {
            builder.keywords = try KeywordIndex.options(path: before)
        }
        builder.detectsLanguage = detects
        var told: String?
        builder.onLanguage = { told = $0.name }
        try await builder.build(generation)
        let reader = try generation.publish()
        let index = try #require(reader.path(ofRole: IndexRole.keyword))
        return Outcome(told, try KeywordIndex.options(path: index).analyzer.stemmer)
    }

    private func withFolder(_ body: (String) async throws -> Void) async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("language-\(UUID())").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try await body(folder + "/c.forage")
    }

    @Test func littleDoesNotDecideForMuch() async throws {
        try await withFolder { path in
            let run1 = try await add([Self.german], to: path)
            #expect(run1 == Outcome("german", "german"))
            // Ten English texts outweigh the one.
            let run2 = try await add(Array(repeating: Self.english, count: 10), to: path)
            #expect(run2 == Outcome("english", "english"))
            let run3 = try await add([Self.english, Self.english], to: path)
            #expect(run3 == Outcome(nil, "english"))
        }
    }

    @Test func muchStandsAgainstLittle() async throws {
        try await withFolder { path in
            let run4 = try await add(Array(repeating: Self.german, count: 40), to: path)
            #expect(run4 == Outcome("german", "german"))
            let run5 = try await add(Array(repeating: Self.english, count: 12), to: path)
            #expect(run5 == Outcome(nil, "german"))
        }
    }

    @Test func aLanguageThatWasSaidStays() async throws {
        try await withFolder { path in
            let run6 = try await add([Self.german], to: path, detects: false)
            #expect(run6 == Outcome(nil, "english"))
            let run7 = try await add(Array(repeating: Self.german, count: 10), to: path)
            #expect(run7 == Outcome(nil, "english"))
        }
    }
}
