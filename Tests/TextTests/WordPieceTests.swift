// SPDX-License-Identifier: Apache-2.0
import Base
import Foundation
import Testing
import Text

@Suite struct WordPieceTests {
    static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("Fixtures/wordpiece").path

    static func tokenizer() throws -> WordPieceTokenizer {
        try WordPieceTokenizer(vocabularyFile: folder + "/vocab.txt")
    }

    @Test func givesTheReferenceIdsOnTwoThousandTexts() throws {
        let tokenizer = try Self.tokenizer()
        let json = [UInt8](try Data(contentsOf: URL(fileURLWithPath: Self.folder + "/texts.json")))
        let texts = try #require(JSONValue(parsing: json).array).compactMap(\.string)
        let data = [UInt8](try Data(contentsOf: URL(fileURLWithPath: Self.folder + "/ids.bin")))
        #expect(texts.count == 2000)
        var offset = 0
        func next() -> Int {
            defer { offset += 2 }
            return Int(data[offset]) | Int(data[offset + 1]) << 8
        }
        for text in texts {
            let expected = (0..<next()).map { _ in Int32(next()) }
            let encoding = tokenizer.encode(text)
            #expect(encoding.ids == expected, "\(text.debugDescription)")
            #expect(encoding.offsets.count == expected.count)
            var last = 0
            for range in encoding.offsets where !range.isEmpty {
                #expect(range.lowerBound >= last || range.upperBound > last, "\(text.debugDescription)")
                #expect(range.upperBound <= text.utf8.count)
                last = range.lowerBound
            }
        }
        #expect(offset == data.count)
    }

    @Test func offsetsPointIntoTheText() throws {
        let tokenizer = try Self.tokenizer()
        let text = "Unaffable Café 東京 [SEP]!"
        let encoding = tokenizer.encode(text)
        let utf8 = Array(text.utf8)
        let cut = encoding.offsets.map { String(decoding: utf8[$0], as: UTF8.self) }
        #expect(cut == ["", "Una", "ffa", "ble", "Café", "東", "京", "[SEP]", "!", ""])
        #expect(tokenizer.pieces(encoding.ids)[1...3] == ["una", "##ffa", "##ble"])
    }

    @Test func truncatesLikeTheReference() throws {
        let tokenizer = try Self.tokenizer()
        let whole = tokenizer.encode("one two three four five six")
        let cut = tokenizer.encode("one two three four five six", maximumLength: 5)
        #expect(cut.ids == Array(whole.ids[0..<4]) + [tokenizer.separatorID])
        let pair = tokenizer.encode("one two", "three four five", maximumLength: 7)
        #expect(pair.ids.count == 7)
        #expect(pair.typeIDs == [0, 0, 0, 0, 1, 1, 1])
        #expect(tokenizer.encode("one", maximumLength: 0).ids.count == 2)
    }

    @Test func refusesVocabulariesWithoutSpecialPieces() {
        #expect(throws: WordPieceError.missingSpecialPiece("[CLS]")) { try WordPieceTokenizer(pieces: ["a", "[UNK]"]) }
        #expect(throws: WordPieceError.self) { try WordPieceTokenizer(folder: "/nonexistent") }
    }
}
