// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import OrderedCollections
import Testing

@testable import Documents

/// Streams of bytes and what is cut from them.
@Suite struct StreamTests {
    private func all(_ stream: any ByteStream, pieces: Int) throws -> [UInt8] {
        var result: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: pieces)
        while true {
            let count = try buffer.withUnsafeMutableBytes { try stream.read(into: $0) }
            if count == 0 { return result }
            result += buffer[..<count]
        }
    }

    /// A text in another encoding is the same text in UTF-8, however it arrives.
    @Test(arguments: ["windows-1251", "utf-16le", "utf-16be", "iso-8859-1", "shift_jis"])
    func transcodedInAnyPieces(_ name: String) throws {
        let texts = [
            "windows-1251": "Старый маяк", "iso-8859-1": "Größe für außen", "shift_jis": "灯台の光",
        ]
        let text = String(repeating: (texts[name] ?? "Grüße 灯 🙂") + "\n", count: 40)
        let encodings: [String: String.Encoding] = [
            "windows-1251": .windowsCP1251, "utf-16le": .utf16LittleEndian, "utf-16be": .utf16BigEndian,
            "iso-8859-1": .isoLatin1, "shift_jis": .shiftJIS,
        ]
        let bytes = try #require(encodings[name].flatMap { text.data(using: $0) })
        let encoding = try #require(TextDecoding.encoding(named: name))
        for (drip, piece) in [(1, 16), (3, 7), (64, 4096), (100_000, 13)] {
            let stream = try TranscodingStream(DrippingStream(Array(bytes), size: drip), from: encoding)
            #expect(String(decoding: try all(stream, pieces: piece), as: UTF8.self) == text, "\(drip), \(piece)")
        }
    }

    /// However the bytes of a table arrive, and whatever stands in its cells, the same rows come out.
    @Test func tablesArriveInAnyPieces() throws {
        var random = SeededNumbers(state: 21)
        let cells = ["a", "b c", "1.5", "\"q, x\"", "\"two\nlines\"", "\"say \"\"hi\"\"\"", "", "é", "x'y"]
        for _ in 0..<12 {
            let width = Int.random(in: 2...5, using: &random)
            var text = (0..<width).map { "column\($0)" }.joined(separator: ",") + "\r\n"
            let rows = Int.random(in: 1...30, using: &random)
            for row in 0..<rows {
                text +=
                    (["r\(row)"] + (1..<width).map { _ in cells.randomElement(using: &random) ?? "" })
                    .joined(separator: ",") + "\r\n"
            }
            let whole = try read(text, name: "t.csv")
            #expect(whole.documents.count == rows)
            for size in [1, 5, 64] {
                let source = try RecordSource(
                    DrippingStream(Array(text.utf8), size: size), format: .csv, id: "t.csv", options: ReadingOptions())
                var buffer: [UInt8] = []
                var count = 0
                while try source.reader.next(into: &buffer) != nil { count += 1 }
                #expect(count == rows, "\(text)")
            }
        }
    }

    /// UTF-8 with stray bytes keeps every whole character, and text without any stays as it is.
    @Test func strayBytesCostNoNeighbours() {
        var random = SeededNumbers(state: 2)
        let letters = Array("aé中🙂ß—")
        for _ in 0..<300 {
            let text = String((0..<20).map { _ in letters.randomElement(using: &random) ?? "a" })
            #expect(TextDecoding.lenient(Array(text.utf8)) == text)
            var bytes = Array(text.utf8)
            let at = Int.random(in: 0...bytes.count, using: &random)
            bytes.insert(0xFF, at: at)
            let mended = TextDecoding.lenient(bytes)
            #expect(!mended.isEmpty && mended.unicodeScalars.count >= 20, "\(text)")
        }
    }

    @Test func endingsAreTold() {
        for (path, format) in [
            ("a.JSONL", .jsonl), ("dir.x/b.Md", .markdown), ("x.tar.gz", .archive), ("deep/.hidden", nil),
            ("noending", nil),
            ("a.docx", .docx), ("a.PY", .code), ("a.ipynb", .notebook), (".json", nil), ("a.", nil), ("", nil),
        ] as [(String, SourceFormat?)] {
            #expect(SourceFormat(path: path) == format, "\(path)")
        }
        #expect(SourceNames.isLeftOut(path: "a/.git/x") && !SourceNames.isLeftOut(path: "a/b.txt"))
        #expect(DocumentReader.withoutPacking("a.json.gz") == "a.json")
    }
}
