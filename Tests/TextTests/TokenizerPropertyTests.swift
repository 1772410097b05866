// SPDX-License-Identifier: Apache-2.0

import Base
import OrderedCollections
import Testing

@testable import Text

/// What must hold of every text, whatever is in it.
@Suite struct TokenizerPropertyTests {
    private static let pieces = [
        "a", "the", "The", "'s", "'LL", " ", "  ", "\n", "\r\n", "\t", "1", "2024", "3.14", "é", "Ω", "中", "文", "🙂",
        "👨‍👩‍👧", "\u{301}",
        "\u{A0}", ".", "!?", "—", "(", ")", "\"", "“", "”", "Dr.", "U.S.", "\u{0}", "\u{200B}", "ﬁ", "ß", "İ",
    ]

    private static func text(_ random: inout SplitMix64, most: Int = 20) -> String {
        (0..<Int.random(in: 0...most, using: &random)).map { _ in pieces.randomElement(using: &random) ?? "" }.joined()
    }

    /// The pieces of a pre-tokenizer lie side by side and are the text.
    @Test(arguments: PreTokenizer.allCases)
    func piecesAreTheText(_ kind: PreTokenizer) {
        var random = SplitMix64(seed: 1)
        for _ in 0..<500 {
            let bytes = Array(Self.text(&random).utf8)
            let ranges = bytes.withUnsafeBufferPointer { kind.pieces(of: $0) }
            #expect(ranges.allSatisfy { !$0.isEmpty })
            #expect(ranges.first?.lowerBound ?? 0 == 0 && ranges.last?.upperBound ?? 0 == bytes.count)
            #expect(zip(ranges, ranges.dropFirst()).allSatisfy { $0.upperBound == $1.lowerBound })
        }
    }

    /// A byte-level tokenizer with some merges gives back every text, byte for byte.
    @Test func bytesComeBack() throws {
        let letters = (0...255).map { ByteAlphabet.encode(UInt8($0)) }
        let space = ByteAlphabet.encode(0x20)
        let merges: [(left: [UInt8], right: [UInt8])] = [
            (Array("t".utf8), Array("h".utf8)), (Array("th".utf8), Array("e".utf8)), (space, Array("the".utf8)),
            (Array("2".utf8), Array("0".utf8)), (Array("20".utf8), Array("24".utf8)),
            (Array("2".utf8), Array("4".utf8)),
        ]
        let names = letters + merges.map { $0.left + $0.right } + [Array("<|end|>".utf8)]
        for kind in PreTokenizer.allCases {
            let tokenizer = try SubwordTokenizer(
                names: names, kinds: names.indices.map { $0 == names.count - 1 ? .control : .normal }, merges: merges,
                algorithm: .byteLevel(kind, wholePieces: false))
            var random = SplitMix64(seed: 2)
            for _ in 0..<300 {
                let text = Self.text(&random)
                let ids = tokenizer.encode(text)
                #expect(String(decoding: ids.flatMap { tokenizer.bytes[$0] }, as: UTF8.self) == text, "\(text)")
                // Plain text never becomes a control token.
                #expect(!ids.contains(names.count - 1))
            }
            #expect(!tokenizer.encode("a <|end|> b").contains(names.count - 1))
            #expect(tokenizer.encode(" the").count == 1)
        }
    }

    /// The best cut is the best of all cuts.
    @Test func theBestCutIsTheBestOfAll() throws {
        var random = SplitMix64(seed: 3)
        let alphabet = ["a", "b", "c"]
        for round in 0..<40 {
            var vocabulary: OrderedDictionary<String, Double> = ["<unk>": -50, "▁": -3]
            for letter in alphabet { vocabulary[letter] = -Double(Int.random(in: 2...9, using: &random)) }
            for _ in 0..<8 {
                let length = Int.random(in: 2...4, using: &random)
                var piece = Bool.random(using: &random) ? "▁" : ""
                for _ in 0..<length { piece += alphabet.randomElement(using: &random) ?? "a" }
                vocabulary[piece] = -Double(Int.random(in: 1...12, using: &random)) - 0.125
            }
            let json: JSONValue = [
                "model": [
                    "type": "Unigram", "unk_id": 0,
                    "vocab": .array(vocabulary.map { [.string($0.key), .number($0.value)] }),
                ]
            ]
            let tokenizer = try UnigramTokenizer(tokenizerJSON: json)
            for _ in 0..<12 {
                let word = (0..<Int.random(in: 1...7, using: &random)).map { _ in
                    alphabet.randomElement(using: &random) ?? "a"
                }.joined()
                let ids = tokenizer.encode(word).ids
                #expect(ids.compactMap { tokenizer.piece($0) }.joined() == "▁" + word)
                let score = ids.reduce(0) { $0 + (vocabulary.elements[Int($1)].value) }
                // All cuts, letter by letter.
                let letters = Array("▁" + word)
                var best = [Double](repeating: -.infinity, count: letters.count + 1)
                best[0] = 0
                for end in 1...letters.count {
                    for start in 0..<end {
                        guard let value = vocabulary[String(letters[start..<end])] else { continue }
                        best[end] = max(best[end], best[start] + value)
                    }
                }
                #expect(abs(score - best[letters.count]) < 1e-9, "round \(round): \(word)")
            }
        }
        #expect(throws: SubwordTokenizerError.self) { try UnigramTokenizer(tokenizerJSON: ["model": ["type": "BPE"]]) }
        #expect(throws: SubwordTokenizerError.self) {
            try UnigramTokenizer(tokenizerJSON: ["model": ["type": "Unigram", "unk_id": 7, "vocab": [["a", -1]]]])
        }
    }

    /// Every word stands in a passage, none is longer than was asked, and without an overlap none stands in two.
    @Test func passagesHoldEveryWordOnce() {
        var random = SplitMix64(seed: 4)
        for _ in 0..<200 {
            let text = Self.text(&random, most: 120)
            let size = Int.random(in: 1...30, using: &random)
            let spans = PassageSplitter(.init(size: size)).passages(in: text)
            #expect(spans.allSatisfy { $0.wordCount <= size && !$0.text(in: text).isEmpty }, "\(text)")
            #expect(zip(spans, spans.dropFirst()).allSatisfy { $0.utf8.upperBound <= $1.utf8.lowerBound }, "\(text)")
            func letters(_ text: some StringProtocol) -> Int {
                text.unicodeScalars.count { $0.properties.isAlphabetic }
            }
            #expect(spans.reduce(0) { $0 + letters($1.text(in: text)) } == letters(text), "\(text)")
            let repeated = PassageSplitter(.init(size: size, overlap: size / 2)).passages(in: text)
            #expect(repeated.allSatisfy { $0.wordCount <= size } && repeated.count >= spans.count - 1, "\(text)")
        }
    }

    @Test func titlesAreComparedByTheirWords() {
        var random = SplitMix64(seed: 5)
        for _ in 0..<500 {
            let title = Self.text(&random, most: 8)
            let key = TitleNormalizer.key(for: title)
            #expect(TitleNormalizer.key(for: key) == key, "\(title)")
            #expect(!key.hasPrefix(" ") && !key.hasSuffix(" ") && !key.contains("  "), "\(title)")
        }
        for (title, key) in [
            ("The Gift (2015 film)", "the gift"), ("  R.E.M. ", "r.e.m"), ("Élan", "elan"), ("(untitled)", "untitled"),
        ] {
            #expect(TitleNormalizer.key(for: title) == key)
        }
        #expect(TitleNormalizer.disambiguation(of: "Mercury (planet)") == "planet")
        #expect(TitleNormalizer.disambiguation(of: "(planet)") == nil)
    }
}
