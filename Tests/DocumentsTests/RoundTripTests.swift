// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import OrderedCollections
import Testing

@testable import Documents

/// What a writer of a format puts into a file comes out again, word for word.
@Suite struct RoundTripTests {
    private static let vocabulary = [
        "harbour", "<b>", "a&b", "\"quoted\"", "it's", "é", "中文", "🙂", "1,000", "3.5", "x=y", "#no", "*star*", "--",
        "…", "ß",
        "100%", "C:\\path", "a;b", "Ångström", "a|b", "{c}", "[d]", "_e_", "~", "@f", "&amp;",
    ]

    /// Words, of which the first and the last are plain.
    private static func text(_ random: inout SeededNumbers) -> String {
        let count = Int.random(in: 3...30, using: &random)
        let words = (0..<count).map { _ in vocabulary.randomElement(using: &random) ?? "x" }
        return (["Begin"] + words + ["end"]).joined(separator: " ")
    }

    private func words(_ text: String) -> [String] { text.split(whereSeparator: \.isWhitespace).map(String.init) }

    private func check(
        _ name: String, times: Int = 40, _ write: (String) -> String
    ) throws {
        var random = SeededNumbers(state: 31)
        for _ in 0..<times {
            let text = Self.text(&random)
            let reading = try read(write(text), name: name)
            #expect(reading.documents.count == 1 && reading.problems.isEmpty, "\(name): \(text)")
            #expect(words(reading.documents.first?.text ?? "") == words(text), "\(name): \(text)")
        }
    }

    @Test func plainTexts() throws {
        try check("a.txt") { $0 }
        try check("a.txt") { $0.replacing(" ", with: "\r\n") }
    }

    @Test func pages() throws {
        try check("a.html") { "<!DOCTYPE html><html><body><p>\($0.htmlEscaped)</p></body></html>" }
        // Every letter as a reference to its number.
        try check("a.html") { text in
            let letters = text.unicodeScalars.map { $0 == " " ? " " : "&#\($0.value);" }.joined()
            return "<html><body><p>\(letters)</p></body></html>"
        }
        try check("a.html") { text in
            let letters = text.unicodeScalars.map { $0 == " " ? " " : "&#x\(String($0.value, radix: 16));" }.joined()
            return "<html><body><div><p>\(letters)</p></div></body></html>"
        }
    }

    @Test func objects() throws {
        func object(_ text: String) -> String {
            JSONValue.object(["id": "1", "text": .string(text)]).serialized()
        }
        try check("a.jsonl") { object($0) + "\n" }
        try check("a.json") { "[" + object($0) + "]" }
        // Every letter of the text as an escape.
        try check("a.jsonl") { text in
            let units = text.utf16.map { unit in
                let digits = String(unit, radix: 16)
                return "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            }
            return "{\"text\": \"" + units.joined() + "\"}\n"
        }
    }

    private static func message(_ encoding: String, _ body: String) -> String {
        """
        From: ada@example.org
        Subject: Tides
        MIME-Version: 1.0
        Content-Type: text/plain; charset=utf-8
        Content-Transfer-Encoding: \(encoding)

        \(body)
        """
    }

    @Test func messages() throws {
        try check("a.eml") {
            Self.message("base64", Data($0.utf8).base64EncodedString(options: .lineLength76Characters))
        }
        try check("a.eml") { text in
            var lines = ""
            for (place, byte) in text.utf8.enumerated() {
                let digits = String(byte, radix: 16, uppercase: true)
                lines += "=" + (digits.count == 1 ? "0" : "") + digits
                if place % 20 == 19 { lines += "=\n" }
            }
            return Self.message("quoted-printable", lines)
        }
        try check("a.eml") { Self.message("8bit", $0) }
    }

    /// Many records in one file come out in their order, each with what it holds.
    @Test func manyRecordsKeepTheirOrder() throws {
        var random = SeededNumbers(state: 77)
        let texts = (0..<60).map { _ in Self.text(&random) }
        let lines = texts.enumerated().map {
            JSONValue.object(["id": .string("r\($0)"), "title": .string("T\($0)"), "text": .string($1)]).serialized()
        }
        for (name, content) in [
            ("a.jsonl", lines.joined(separator: "\n")), ("a.json", "[" + lines.joined(separator: ",\n") + "]"),
            ("b.jsonl", lines.joined(separator: "\r\n") + "\r\n"),
        ] {
            let documents = try read(content, name: name).documents
            #expect(documents.map(\.title) == texts.indices.map { "T\($0)" }, "\(name)")
            #expect(documents.map { words($0.text) } == texts.map { words($0) }, "\(name)")
        }
    }
}
