// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import OrderedCollections
import Testing

@testable import Documents

/// Files in the encodings that are found in old folders. `Encodings/expected.json` has what each says.
@Suite struct EncodingTests {
    static let expected: [String: String] = {
        guard let bytes = try? testFile("Encodings/expected.json"), let value = try? JSONValue(parsing: bytes) else {
            return [:]
        }
        return (value.object ?? [:]).reduce(into: [:]) { $0[$1.key] = $1.value.string }
    }()

    @Test func thereAreFiles() { #expect(Self.expected.count == 11) }

    @Test(arguments: expected.keys.sorted()) func isReadAsItWasWritten(_ name: String) throws {
        let reading = try read(testFile("Encodings/\(name)"), name: name)
        #expect(reading.documents.first?.text == Self.expected[name])
        // A guess is said; UTF-8 is none.
        let isPlain = name.contains("vietnamese")
        #expect(reading.notes.isEmpty == isPlain)
    }

    /// A conversion gives the same text in one piece and in many, to the last letter.
    @Test(arguments: expected.keys.filter { !$0.contains("utf8") }.sorted(), [1, 2, 3, 7])
    func piecesGiveTheSame(_ name: String, _ size: Int) throws {
        let bytes = try testFile("Encodings/\(name)")
        let found = try #require(bytes.withUnsafeBufferPointer { TextEncoding.detect($0, isWhole: true) })
        let stream = try TranscodingStream(DrippingStream(bytes, size: size), from: found)
        let all = try PeekedStream(stream, count: 1).all(limit: 1 << 20)
        #expect(String(decoding: all, as: UTF8.self) == Self.expected[name])
    }

    @Test func strayBytesInUTF8() {
        func mended(_ bytes: [UInt8]) -> String { TextDecoding.lenient(bytes) }
        #expect(mended(Array("é".utf8) + [0x92] + Array("ü".utf8)) == "é’ü")
        #expect(mended([0x93, 0x61, 0x94]) == "“a”")
        // A beginning that ends within a character is no mistake.
        let cut = Array("Größe und Maße".utf8).dropLast(3)
        #expect(cut.withUnsafeBufferPointer { TextEncoding.detect($0, isWhole: false)?.name } == "UTF-8")
        // Any bytes give some text.
        var numbers = SeededNumbers(state: 9)
        for _ in 0..<300 {
            let bytes = (0..<20).map { _ in UInt8.random(in: 0x20...0xFF, using: &numbers) }
            let text = bytes.withUnsafeBufferPointer { BrokenUTF8.mended($0) }
            #expect(!text.isEmpty)
            if let plain = String(validating: bytes, as: UTF8.self) { #expect(text == plain) }
        }
    }
}
