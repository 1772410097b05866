// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
import Foundation
import Search
import Testing
import Text

@Suite struct SubstringIndexTests {
    static func index(_ texts: [String], titles: [String?] = [], mostBytes: Int = 1 << 20) throws -> SubstringIndex {
        try SubstringIndex(
            fingerprint: "test",
            passages: texts.enumerated().map { number, text in
                (ordinal: PassageOrdinal(number), title: number < titles.count ? titles[number] : nil, text: text)
            }, mostBytes: mostBytes)
    }

    /// Every string of random texts is found as often as looking through the texts finds it.
    @Test(arguments: 0..<20) func countsAreThoseOfLookingThroughAllTexts(_ seed: Int) throws {
        var random = SplitMix64(seed: UInt64(seed))
        let letters = Array("abAB c")
        func text(_ most: Int) -> String {
            String((0..<1 + random.integer(below: most)).map { _ in letters[random.integer(below: letters.count)] })
        }
        let texts = (0..<8).map { _ in text(40) }
        let index = try Self.index(texts)
        // As the index reads texts: one space for each run of them.
        func plain(_ text: String) -> [Character] {
            Array(text.split(separator: " ").joined(separator: " "))
        }
        func count(_ needle: [Character], in hay: [Character]) -> Int {
            guard needle.count <= hay.count else { return 0 }
            return (0...hay.count - needle.count).count { Array(hay[$0..<$0 + needle.count]) == needle }
        }
        for _ in 0..<200 {
            let needle = text(4)
            guard !plain(needle).isEmpty else { continue }
            for isExact in [true, false] {
                func read(_ text: String) -> [Character] { plain(isExact ? text : text.lowercased()) }
                let expected = texts.indices.map { count(read(needle), in: read(texts[$0])) }
                let found = index.matches(needle, isExact: isExact)
                #expect(found.allSatisfy { $0.count == expected[Int($0.ordinal)] })
                #expect(found.count == expected.count { $0 > 0 }, "\(needle) in \(texts)")
                #expect(zip(found, found.dropFirst()).allSatisfy { ($0.count, $1.ordinal) > ($1.count, $0.ordinal) })
            }
        }
    }

    @Test func readsWhatPeopleType() throws {
        let index = try Self.index(
            ["The Ärzte played\n  in Zürich, 1982.", "SKU-4711/b costs 3.50 €", "Art in the heart"],
            titles: ["Konzert", nil, "Art"])
        #expect(index.matches("ärzte PLAYED in zürich").map(\.ordinal) == [0])
        #expect(index.matches("ärzte", isExact: true).isEmpty)
        #expect(index.matches("Zu\u{308}rich", isExact: true).map(\.ordinal) == [0])
        #expect(index.matches("sku-4711/B").map(\.ordinal) == [1])
        #expect(index.matches("€").map(\.ordinal) == [1])
        #expect(index.matches("art") == [.init(ordinal: 2, count: 3)], "the title is one")
        #expect(index.matches("art", wholeWords: true) == [.init(ordinal: 2, count: 2)])
        #expect(index.matches("1982. SKU").isEmpty, "no string goes from one text into the next")
        #expect(index.matches(" \n ").isEmpty && index.matches("").isEmpty)
        #expect(try Self.index([]).matches("a").isEmpty)
        #expect(try Self.index(["", " "]).spans(of: "a b c").isEmpty)
    }

    @Test func findsWhatATextWasCopiedFrom() throws {
        let index = try Self.index([
            "The Vane Light is a lighthouse on the northern cape of Northay.",
            "It was designed by the engineer Ada Lind and first lit in 1871.",
        ])
        let spans = index.spans(
            of: "Built early, it was designed by the engineer Ada Lind; a lighthouse on the northern moor.")
        #expect(spans.map(\.text) == ["it was designed by the engineer Ada Lind", "a lighthouse on the northern"])
        #expect(spans.map(\.wordCount) == [8, 5])
        #expect(spans.map(\.passages) == [[1], [0]])
        #expect(index.spans(of: "nothing of the kind").isEmpty)
    }

    /// What can be written byte by byte is exactly what the texts have, and words end where they end there.
    @Test func walksAlongTheTexts() throws {
        let texts = ["Hamburg is a port.", "Ham is meat; it is salted.", "Port wine"]
        let index = try Self.index(texts)
        func walk(_ text: String) -> SubstringIndex.Place? {
            var place: SubstringIndex.Place? = index.start
            for byte in text.utf8 { place = place.flatMap { index.next($0, byte) } }
            return place
        }
        #expect(walk("hamburg is") != nil && walk("port") != nil && walk("HAM IS MEAT;") != nil)
        #expect(walk("amburg") == nil, "a walk begins where a word does")
        #expect(walk("a port. Ham") == nil)
        let ham = try #require(walk("Ham"))
        #expect(index.isWordEnd(ham))
        #expect(walk("Ha").map { index.bytesToWordEnd($0) } ?? 0 >= 1)
        #expect(walk("Hambu").map { index.isWordEnd($0) } == false)
        #expect(walk("meat").map { index.isWordEnd($0) } == true, "before a sign")
        #expect(walk("wine").map { index.isWordEnd($0) } == true, "at the end of a text")
        #expect(index.place(after: "ham is meat") == walk("ham is meat"))
        #expect(index.place(after: "ham is fish") == nil)
        let exact = try SubstringIndex(
            fingerprint: "exact", passages: [(ordinal: PassageOrdinal(0), title: String?.none, text: texts[0])],
            foldsCase: false)
        #expect(exact.place(after: "Hamburg is") != nil && exact.place(after: "hamburg is") == nil)
        #expect(exact.matches("Hamburg").count == 1 && exact.matches("hamburg").isEmpty)
    }

    @Test func refusesWhatIsTooLarge() throws {
        #expect(throws: SearchIndexError.self) { try Self.index(["abcdefgh", "abcdefgh"], mostBytes: 15) }
        #expect(throws: Never.self) { try Self.index(["abcdefgh"], mostBytes: 15) }
    }

    @Test func seesOnlyWhatACorpusLetsBeSeen() async throws {
        let corpus = try InMemoryCorpus(documents: [
            Document(id: "a", title: "A", text: "a secret word"), Document(id: "b", title: "B", text: "an open word"),
        ])
        let whole = try await SubstringIndexes.shared.index(of: corpus)
        #expect(whole.matches("word").count == 2)
        #expect(try await SubstringIndexes.shared.index(of: corpus) === whole)
        let part = try await SubstringIndexes.shared.index(of: WithheldCorpus(corpus, without: ["a"]))
        #expect(part.matches("word").map(\.ordinal) == [1] && part.matches("secret").isEmpty)
    }
}
