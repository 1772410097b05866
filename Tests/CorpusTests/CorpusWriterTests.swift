// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
import Foundation
import Testing
import Text

@Suite struct CorpusWriterTests {
    let folder: TemporaryFolder
    init() throws { folder = try TemporaryFolder() }

    static func documents(_ range: Range<Int>, note: String = "first") -> [Document] {
        range.map { index in
            Document(
                id: "d\(index)", title: "Title \(index)",
                text: "This is the \(note) text of document \(index). It is short.",
                metadata: [
                    "year": .number(Double(1990 + index % 30)), "kind": .text(index % 3 == 0 ? "news" : "book"),
                    "draft": .boolean(index % 2 == 0), "day": .text("2024-01-\(10 + index % 10)"),
                    "tags": .list([.text("t\(index % 5)"), .text("t\(index % 7)")]),
                ], source: "made.jsonl")
        }
    }

    @Test func roundTrip() throws {
        let writer = try CorpusWriter.open(creatingAt: folder("c.forage"))
        #expect(try writer.add(Self.documents(0..<100)) == 100)
        #expect(try writer.hasUnpublishedChanges)
        let reader = try writer.publish()
        #expect(try !writer.hasUnpublishedChanges)
        #expect(reader.documentCount == 100)
        #expect(reader.passageCount == 100)
        let document = try #require(try reader.document(id: "d42"))
        #expect(document.title == "Title 42")
        #expect(document.text == "This is the first text of document 42. It is short.")
        #expect(document.source == "made.jsonl")
        #expect(document.metadata["year"] == .number(2002))
        #expect(document.metadata["draft"] == .boolean(true))
        #expect(document.metadata["day"] == .date(1_705_017_600))
        #expect(document.metadata["tags"] == .list([.text("t2"), .text("t0")]))
        #expect(reader.columns.field("tags")?.type == .textList)
        #expect(try reader.document(id: "nobody") == nil)
        let passage = try #require(try reader.passage(id: "d7"))
        #expect(passage.text == "This is the first text of document 7. It is short.")
        #expect(passage.range == 0..<50)
        #expect(try reader.passages(at: [5, 3]).map(\.id) == ["d5", "d3"])
        #expect(throws: CorpusError.self) { try reader.passages(at: [100]) }
    }

    @Test func longDocumentsHaveNumberedPassages() throws {
        let writer = try CorpusWriter.open(
            creatingAt: folder("c.forage"), options: CorpusOptions(passages: PassageSplitter.Options(size: 5)))
        let text = "Un élan vit ici maintenant. A bear lives over there. The fox sleeps all day."
        try writer.add([Document(id: "a#1", text: text), Document(id: "empty", title: "Only a title", text: "")])
        let reader = try writer.publish()
        let document = try #require(try reader.documentOrdinal(id: "a#1"))
        let passages = try reader.passages(at: reader.passageRange(of: document))
        #expect(passages.map(\.id) == ["a#1#1", "a#1#2", "a#1#3"])
        let scalars = Array(text.unicodeScalars)
        for passage in passages {
            #expect(String(String.UnicodeScalarView(scalars[passage.range])) == passage.text)
            #expect(try reader.passage(id: passage.id) == passage)
        }
        #expect(try reader.passage(id: "a#1") == nil)
        #expect(try reader.passage(id: "a#1#4") == nil)
        #expect(try reader.passage(id: "empty")?.title == "Only a title")
        var seen: [String] = []
        try reader.forEachPassageText(in: 1..<4) { seen.append("\($0) \($1) \($2)") }
        #expect(seen == ["1  A bear lives over there.", "2  The fox sleeps all day.", "3 Only a title "])
    }

    @Test func updatesKeepWhatDidNotChange() throws {
        let path = folder("c.forage")
        let writer = try CorpusWriter.open(creatingAt: path)
        try writer.add(Self.documents(0..<50))
        let first = try writer.publish()
        #expect(try writer.add(Self.documents(0..<50)) == 0)
        #expect(try !writer.hasUnpublishedChanges)
        #expect(try writer.delete(ids: ["d3", "nobody", "d10"]) == ["nobody"])
        #expect(try writer.add(Self.documents(20..<22, note: "second")) == 2)
        let generation = try writer.beginGeneration()
        #expect(generation.documentsChanged)
        let previous = try generation.previousPassageOrdinals()
        #expect(generation.reader.documentCount == 48)
        for (new, old) in previous.enumerated() {
            let passage = try generation.reader.passage(at: UInt32(new))
            if old == .max {
                #expect(["d20", "d21"].contains(passage.id))
            } else {
                #expect(try first.passage(at: old).id == passage.id)
                #expect(try first.contentHash(of: old) == generation.reader.contentHash(of: UInt32(new)))
            }
        }
        #expect(try CorpusReader(path: path).manifest.number == first.manifest.number)
        let second = try generation.publish()
        #expect(try CorpusReader(path: path).manifest.number == second.manifest.number)
        // The old snapshot stays as it was, though its files have no names any more.
        #expect(try first.document(id: "d3")?.title == "Title 3")
        #expect(try first.document(id: "d20")?.text.contains("first") == true)
        #expect(try second.document(id: "d3") == nil)
        #expect(try second.document(id: "d20")?.text.contains("second") == true)
        #expect(second.manifest.files.keys.sorted() == ["columns", "passages", "texts.0", "texts.1"])
    }

    @Test func manyGenerationsAreCompacted() throws {
        let writer = try CorpusWriter.open(creatingAt: folder("c.forage"))
        var expected: [String: String] = [:]
        for round in 0..<25 {
            let documents = Self.documents((round * 3)..<(round * 3 + 10), note: "round \(round)")
            try writer.add(documents)
            for document in documents { expected[document.id] = document.text }
            if round % 4 == 3 {
                let gone = expected.keys.sorted()[0]
                try writer.delete(ids: [gone])
                expected[gone] = nil
            }
            let reader = try writer.publish()
            #expect(reader.documentCount == expected.count)
            #expect(reader.manifest.files.keys.filter { $0.hasPrefix("texts") }.count <= 17)
            for (id, text) in expected { #expect(try reader.document(id: id)?.text == text) }
        }
        try writer.compact()
        for (id, text) in expected {
            #expect(try CorpusReader(path: folder("c.forage")).document(id: id)?.text == text)
        }
        let names = try FileManager.default.contentsOfDirectory(atPath: folder("c.forage"))
        let live = try CorpusReader(path: folder("c.forage")).manifest.files.values.map(\.name)
        #expect(
            Set(names).subtracting(["corpus.sqlite", "corpus.sqlite-wal", "corpus.sqlite-shm", "lock"]) == Set(live))
    }

    @Test func indexFilesOfAGeneration() throws {
        let path = folder("c.forage")
        let writer = try CorpusWriter.open(creatingAt: path)
        try writer.add(Self.documents(0..<5))
        let generation = try writer.beginGeneration()
        let file = generation.newFile(role: "keyword")
        try Data("postings".utf8).write(to: URL(fileURLWithPath: file))
        try generation.finish(role: "keyword", parameters: ["k1": 1.2])
        let reader = try generation.publish()
        #expect(reader.path(ofRole: "keyword") == file)
        #expect(try CorpusReader(path: path).manifest.files["keyword"]?.parameters["k1"]?.double == 1.2)
        let next = try writer.beginGeneration()
        #expect(!next.documentsChanged)
        #expect(next.carryOver(role: "keyword"))
        #expect(!next.carryOver(role: "vectors"))
        #expect(try next.publish().path(ofRole: "keyword") == file)
        #expect(FileManager.default.fileExists(atPath: file))
        try writer.add(Self.documents(5..<6))
        try writer.publish()
        // A reader may be about to open it: it goes with the generation after.
        #expect(FileManager.default.fileExists(atPath: file))
        try writer.add(Self.documents(6..<7))
        try writer.publish()
        #expect(!FileManager.default.fileExists(atPath: file))
    }

    @Test func oneWriterAtATime() throws {
        let path = folder("c.forage")
        let writer = try CorpusWriter.open(creatingAt: path)
        let error = #expect(throws: CorpusError.self) { try CorpusWriter(path: path) }
        #expect(error?.code == .locked)
        #expect(error?.message.contains("pid \(ProcessInfo.processInfo.processIdentifier)") == true)
        try withExtendedLifetime(writer) { _ = try $0.committedDocumentCount }
    }

    @Test func clearErrors() throws {
        #expect(throws: CorpusError(.notACorpus, "there is no corpus at \(folder("none"))")) {
            try CorpusReader(path: folder("none"))
        }
        try folder.write("full/file.txt", "hello")
        #expect(throws: CorpusError.self) { try CorpusWriter.open(creatingAt: folder("full")) }
        #expect(throws: CorpusError.self) { try CorpusWriter(path: folder("full")) }
        try folder.write("bad/corpus.sqlite", "this is no database, whatever its name says")
        #expect(throws: CorpusError.self) { try CorpusReader(path: folder("bad")) }
        _ = try CorpusWriter.open(creatingAt: folder("c.forage"))
        let error = #expect(throws: CorpusError.self) { try CorpusReader(path: folder("c.forage")) }
        #expect(error?.code == .notFound)
        #expect(throws: CorpusError.self) {
            try CorpusWriter.open(
                creatingAt: folder("c.forage"), options: CorpusOptions(passages: PassageSplitter.Options(size: 7)))
        }
    }

    @Test func damageIsFound() throws {
        let path = folder("c.forage")
        let live: GenerationManifest
        do {
            let writer = try CorpusWriter.open(creatingAt: path)
            try writer.add(Self.documents(0..<2000))
            live = try writer.publish().manifest
        }
        for file in live.files.values {
            let whole = try Data(contentsOf: URL(fileURLWithPath: path + "/" + file.name))
            for position in stride(from: 3, to: whole.count, by: whole.count / 40 + 1) {
                var bytes = whole
                bytes[position] ^= 0x10
                try bytes.write(to: URL(fileURLWithPath: path + "/" + file.name))
                // Whatever a reader returns is right; what it cannot vouch for it refuses.
                do {
                    let reader = try CorpusReader(path: path)
                    for ordinal in stride(from: 0, to: 2000, by: 97) {
                        #expect(
                            try reader.document(at: UInt32(ordinal)).metadata["kind"]
                                == .text(ordinal % 3 == 0 ? "news" : "book"))
                        #expect(try reader.document(at: UInt32(ordinal)).title == "Title \(ordinal)")
                    }
                } catch let error as CorpusError { #expect(error.code == .damaged) }
            }
            try whole.dropLast(whole.count / 2).write(to: URL(fileURLWithPath: path + "/" + file.name))
            #expect(throws: CorpusError.self) { try CorpusReader(path: path) }
            try whole.write(to: URL(fileURLWithPath: path + "/" + file.name))
        }
    }
}
