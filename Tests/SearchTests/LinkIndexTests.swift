// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
import Foundation
import Search
import TensorMath
import Testing
import Text

/// Links by titles and recurring names, against a reader of words in strings.
@Suite struct LinkIndexTests {
    private struct Document {
        var title: String
        var text: String
    }

    private func corpus(_ path: String, _ documents: [String: Document]) async throws -> LocalCorpus {
        let source = path + ".jsonl"
        let lines = documents.sorted { $0.key < $1.key }.map { id, document in
            #"{"id":"\#(id)","title":"\#(document.title)","text":"\#(document.text)"}"#
        }
        try lines.joined(separator: "\n").write(toFile: source, atomically: true, encoding: .utf8)
        try CorpusWriter.open(creatingAt: path).ingest([source])
        let generation = try CorpusWriter.open(creatingAt: path).beginGeneration()
        try await IndexBuilder(encoder: nil).build(generation)
        try generation.publish()
        return try await LocalCorpus(path: path, encoder: nil)
    }

    private func withFolder(_ body: (String) async throws -> Void) async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("links-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try await body(folder + "/c.forage")
    }

    @Test func titlesNamedInATextLeadToTheirDocuments() async throws {
        try await withFolder { path in
            let corpus = try await corpus(
                path,
                [
                    "a": Document(title: "Meet Corliss Archer", text: "A radio play with Shirley Temple."),
                    "b": Document(title: "Shirley Temple", text: "She acted, and was once an envoy to Ghana."),
                    "c": Document(title: "Mercury (planet)", text: "The planet Mercury is near the Sun."),
                    "d": Document(
                        title: "Mercury (element)", text: "A metal; the mercury in a glass. The Band played."),
                    "e": Document(title: "The Band", text: "Played with Shirley temple and SHIRLEY TEMPLE BLACK."),
                    "f": Document(title: "Shirley Temple Black", text: "No title is here: shirley temple."),
                ])
            let links = try #require(corpus.links)
            func targets(_ found: [LinkIndex.Link]) throws -> [String] {
                try found.map { try corpus.reader.passageID(of: $0.target) }.sorted()
            }
            func ordinal(_ id: String) throws -> PassageOrdinal {
                try #require(try corpus.reader.passageOrdinal(id: id))
            }
            #expect(try targets(links.links(from: ordinal("a"))) == ["b"])
            #expect(try targets(links.links(from: ordinal("c"))) == [], "its own title, however ambiguous, is left out")
            #expect(try targets(links.links(from: ordinal("d"))) == ["e"], "an article may be left out of a title")
            #expect(try targets(links.links(from: ordinal("e"))) == ["b", "f"], "the longest title counts")
            #expect(try targets(links.links(from: ordinal("f"))) == [], "without a capital nothing is named")
            #expect(try links.passages(naming: ordinal("b")) == [ordinal("a"), ordinal("e")].sorted())
            let question = "Is Mercury larger than Meet Corliss Archer?"
            let named = links.links(in: question)
            #expect(try targets(named) == ["a", "c", "d"])
            #expect(named.map(\.candidates).sorted() == [1, 2, 2])
            #expect(
                Set(named.map { String(decoding: Array(question.utf8)[$0.span], as: UTF8.self) })
                    == ["Mercury", "Meet Corliss Archer"])
        }
    }

    @Test func recurringNamesJoinTheirPassages() async throws {
        try await withFolder { path in
            let corpus = try await corpus(
                path,
                [
                    "a": Document(title: "One", text: "In the spring J. R. Ewing met Ludwig van Holt. Dallas grew."),
                    "b": Document(title: "Two", text: "The late Ludwig van Holt, and J. R. Ewing; Bert Lowe too."),
                    "c": Document(title: "Three", text: "Bert Lowe, Bert Lowe and Bert Lowe! However, nobody else."),
                    "d": Document(title: "Four", text: "Élise Marchand was seen. Later Éric Marchand left."),
                    "e": Document(title: "Five", text: "Here élise marchand and ludwig van holt have no capitals."),
                    "f": Document(title: "Six", text: "While Élise Marchand slept, Quite Alone stood there."),
                    "g": Document(title: "Bert Lowe", text: "A title is no recurring name."),
                ])
            let names = try #require(corpus.names)
            func found(_ id: String) throws -> [String] {
                let passage = try #require(try corpus.reader.passage(id: id))
                return try names.names(in: #require(try corpus.reader.passageOrdinal(id: id))).map {
                    String(decoding: Array(passage.text.utf8)[$0.span], as: UTF8.self)
                }
            }
            #expect(names.nameCount == 3)
            #expect(try found("a") == ["J. R. Ewing", "Ludwig van Holt"])
            #expect(try found("b") == ["Ludwig van Holt", "J. R. Ewing"])
            #expect(try found("c") == [])
            #expect(try found("d") == ["Élise Marchand"])
            #expect(try found("e") == [])
            #expect(try found("f") == ["Élise Marchand"])
            let asked = names.names(in: "Who met Élise Marchand?")
            #expect(asked.map(\.passageCount) == [2])
            #expect(
                try names.passages(naming: asked[0].name).map { try corpus.reader.passageID(of: $0) }.sorted()
                    == ["d", "f"])
            try corpus.verifyIndexes()
        }
    }

    /// Random titles and texts through rounds of changes: the same links as a search over arrays of strings finds.
    @Test func linksAreThoseOfAScanUnderRandomUpdates() async throws {
        try await withFolder { path in
            var random = SplitMix64(seed: 77)
            let words = ["ash", "birch", "cedar", "oak", "elm", "fir", "yew", "pine", "teak", "palm"]
            func phrase(_ count: Int, capitals: Int) -> [String] {
                (0..<count).map { _ in
                    let word = words[random.integer(below: words.count)]
                    return random.integer(below: 100) < capitals ? word.capitalized : word
                }
            }
            var documents: [String: Document] = [:]
            for _ in 0..<4 {
                for _ in 0..<40 {
                    let id = "d\(random.integer(below: 90))"
                    if random.integer(below: 4) == 0 {
                        documents[id] = nil
                    } else {
                        let title = phrase(1 + random.integer(below: 3), capitals: 100)
                        documents[id] = Document(
                            title: title.joined(separator: " "),
                            text: phrase(20, capitals: 40).joined(separator: " "))
                    }
                }
                let corpus = try await corpus(path, documents)
                let links = try #require(corpus.links)
                var bearers: [[String]: [String]] = [:]
                for (id, document) in documents {
                    bearers[document.title.lowercased().split(separator: " ").map(String.init), default: []].append(id)
                }
                for (id, document) in documents {
                    let own = document.title.lowercased().split(separator: " ").map(String.init)
                    let text = document.text.split(separator: " ").map(String.init)
                    var expected: Set<String> = []
                    var place = 0
                    while place < text.count {
                        let lengths = (1...3).filter { length in
                            guard place + length <= text.count else { return false }
                            let part = text[place..<(place + length)]
                            return bearers[part.map { $0.lowercased() }] != nil
                                && part.contains { $0 != $0.lowercased() }
                        }
                        guard let length = lengths.last else {
                            place += 1
                            continue
                        }
                        let key = text[place..<(place + length)].map { $0.lowercased() }
                        if key != own { expected.formUnion(bearers[key] ?? []) }
                        place += length
                    }
                    let ordinal = try #require(try corpus.reader.passageOrdinal(id: id))
                    #expect(
                        Set(try links.links(from: ordinal).map { try corpus.reader.passageID(of: $0.target) })
                            == expected)
                    for target in links.links(from: ordinal) {
                        #expect(links.passages(naming: target.target).contains(ordinal))
                    }
                }
            }
        }
    }
}
