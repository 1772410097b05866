// SPDX-License-Identifier: Apache-2.0
import Base
import TensorMath
import Testing

@testable import Text

@Suite struct SentenceSplitterTests {
    @Test(arguments: [
        ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
        ("Mr. J. K. Smith paid $3.50. He left.", ["Mr. J. K. Smith paid $3.50.", "He left."]),
        ("He said \"Stop.\" Then he ran.", ["He said \"Stop.\"", "Then he ran."]),
        ("\"Why?\" she asked. No one knew.", ["\"Why?\" she asked.", "No one knew."]),
        (
            "Apple Inc. was founded in 1976. Acme Corp. The end.",
            [
                "Apple Inc. was founded in 1976.", "Acme Corp.", "The end.",
            ]
        ),
        ("He lives in the U.S. The U.S. Army called.", ["He lives in the U.S.", "The U.S. Army called."]),
        (
            "See No. 5, e.g. Chanel. Born c. 1900 in St. Louis.",
            ["See No. 5, e.g. Chanel.", "Born c. 1900 in St. Louis."]
        ),
        ("東京です。京都です！「はい。」次", ["東京です。", "京都です！", "「はい。」", "次"]),
        ("Title\n\nBody text\nwraps here. End", ["Title", "Body text\nwraps here.", "End"]),
        ("1. Introduction. 2. Method.", ["1. Introduction.", "2. Method."]),
        ("Wait... what? Yes... No.", ["Wait... what?", "Yes...", "No."]),
        ("", []), ("   ", []), ("...", ["..."]),
    ]) func splits(text: String, expected: [String]) {
        #expect(SentenceSplitter().split(text) == expected)
    }

    /// A text that is looked at in pieces has the sentences that it has as a whole.
    @Test(arguments: [UInt64](0..<12)) func piecesGiveTheSameSentences(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let parts = [
            "a ", "Bc ", "d.", ". ", "! ", "?\n", "\n\n", "  ", "No. ", "U.S. ", "„", "\" ", "(1) ", "ไทย", "漢字", "。",
            "é", "\u{2029}", "12. ",
        ]
        let text = (0..<6000).map { _ in parts[random.integer(below: parts.count)] }.joined()
        var before = [0]
        for byte in text.utf8 { before.append(before[before.count - 1] + (byte & 0xC0 != 0x80 ? 1 : 0)) }
        var pieces: [Range<Int>] = []
        SentenceSplitter().forEachWindow(of: text, windowBytes: 12_000) { window, sentences, utf8, characters in
            for sentence in sentences {
                let start = utf8 + window.offset(of: sentence.lowerBound)
                pieces.append(start..<(utf8 + window.offset(of: sentence.upperBound)))
                #expect(before[start] == characters + sentence.lowerBound)
            }
        }
        var whole: [Range<Int>] = []
        SentenceSplitter().forEachWindow(of: text, windowBytes: 1 << 24) { window, sentences, _, _ in
            whole = sentences.map { window.offset(of: $0.lowerBound)..<window.offset(of: $0.upperBound) }
        }
        #expect(pieces == whole && pieces.count > 100)
    }

    @Test func longTextsOfNothingEnd() {
        #expect(SentenceSplitter().sentences(in: String(repeating: " ", count: 600_000)).isEmpty)
        #expect(SentenceSplitter().sentences(in: String(repeating: "é", count: 400_000)).count == 1)
        let far = "One." + String(repeating: "\n", count: 300_000) + "Two."
        #expect(SentenceSplitter().split(far) == ["One.", "Two."])
    }

    @Test func spansAreInOrderAndConsistent() {
        let text = "Café A. b ünï. 🙂 Zwei! \u{2028}Drei? \n\n東京。"
        var last = 0
        for span in SentenceSplitter().sentences(in: text) {
            #expect(span.utf8.lowerBound >= last)
            last = span.utf8.upperBound
            let scalars = Array(text.unicodeScalars)[span.characters]
            #expect(String(String.UnicodeScalarView(scalars)) == String(span.text(in: text)))
        }
    }
}

@Suite struct PassageSplitterTests {
    static func document(seed: UInt64) -> String {
        var random = SplitMix64(seed: seed)
        return (0..<(1 + random.integer(below: 60))).map { _ in
            (0..<(1 + random.integer(below: 45))).map { _ in "w\(random.integer(below: 1000))" }
                .joined(separator: " ") + "."
        }.map { $0.prefix(1).uppercased() + $0.dropFirst() }.joined(separator: " ")
    }

    @Test(arguments: [(20, 0), (50, 0), (50, 20), (7, 3), (1, 0)]) func everyWordIsInSomePassage(
        size: Int, overlap: Int
    ) {
        for seed in 0..<20 {
            let text = Self.document(seed: UInt64(seed))
            let splitter = PassageSplitter(.init(size: size, overlap: overlap))
            let passages = splitter.passages(in: text)
            var covered = 0
            var repeated = 0
            for passage in passages {
                #expect(passage.wordCount <= size)
                #expect(passage.wordCount == passage.text(in: text).split(separator: " ").count)
                // Only white space may lie between passages.
                if passage.utf8.lowerBound > covered {
                    let gap = Array(text.utf8)[covered..<passage.utf8.lowerBound]
                    #expect(gap.allSatisfy { $0 == 0x20 })
                }
                repeated += max(0, covered - passage.utf8.lowerBound)
                #expect(passage.utf8.upperBound > covered)
                covered = passage.utf8.upperBound
            }
            #expect(covered == text.utf8.count)
            if overlap == 0 { #expect(repeated == 0) }
        }
    }

    @Test func shortTailIsBalanced() {
        let sentence = "One two three four five six seven eight nine ten."
        let text = Array(repeating: sentence, count: 10).joined(separator: " ") + " End."
        let passages = PassageSplitter(.init(size: 100)).passages(in: text)
        #expect(passages.map(\.wordCount) == [60, 41] || passages.map(\.wordCount) == [50, 51])
    }

    @Test func emptyTextHasNoPassage() {
        #expect(PassageSplitter().passages(in: " \n ").isEmpty)
    }
}

@Suite struct NameTests {
    @Test(arguments: [
        (
            "Which magazine was started first, Arthur's Magazine or First for Women?",
            ["Arthur's Magazine", "First for Women"]
        ),
        ("Were Scott Derrickson and Ed Wood of the same nationality?", ["Scott Derrickson", "Ed Wood"]),
        ("Who wrote \"The Old Man and the Sea\" and when?", ["The Old Man and the Sea"]),
        ("The University of Chicago is in Illinois.", ["University of Chicago", "Illinois"]),
        ("In the Valley of the Kings they found J. R. R. Tolkien's map.", ["Valley of the Kings", "J. R. R. Tolkien"]),
        ("no names here", []), ("", []),
    ]) func spots(text: String, expected: [String]) {
        let names = NameSpotter().distinctNames(in: text)
        #expect(names == expected)
    }

    @Test func rangesHoldTheNames() {
        let text = "Überall: „Der Zauberberg” von Thomas Mann’s Haus, NASA 2001."
        let bytes = Array(text.utf8)
        for name in NameSpotter().names(in: text) {
            #expect(String(decoding: bytes[name.utf8], as: UTF8.self) == name.text)
        }
    }

    @Test(arguments: [
        ("Mercury (planet)", "mercury"), ("The Gift (2015 film)", "the gift"), ("(500) Days", "500 days"),
        ("(Untitled)", "untitled"), ("Amélie ", "amelie"), ("Arthur's Magazine", "arthur's magazine"),
        ("R.E.M.", "r.e.m"), ("AC/DC", "ac dc"), ("", ""), ("()", ""),
    ]) func normalisesTitles(title: String, key: String) {
        #expect(TitleNormalizer.key(for: title) == key)
        #expect(TitleNormalizer.key(for: key) == key)
    }

    @Test func disambiguations() {
        #expect(TitleNormalizer.disambiguation(of: "Mercury (planet)") == "planet")
        #expect(TitleNormalizer.disambiguation(of: "Mercury") == nil)
    }
}
