// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import OrderedCollections
import Testing

@testable import Documents

/// Messages as programs write them.
@Suite struct MailTests {
    private func message(_ headers: String = "", _ body: [UInt8], lineEnd: String = "\n") throws -> SourceDocument {
        let head = ["From: a@b.org", "Subject: s"] + headers.split(separator: "\n").map(String.init) + ["", ""]
        let bytes = Array(head.joined(separator: lineEnd).utf8) + body
        return try #require(read(bytes, name: "x.eml").documents.first)
    }

    @Test(arguments: [
        ("Tue, 2 Mar 2024 10:15:00 -0800 (PST)", "2024-03-02T10:15:00-08:00"),
        ("Tue, 5 Mar 2024 10:15:00 +0000 (UTC)", "2024-03-05T10:15:00+00:00"),
        ("Tue, 5 Mar 2024 10:15:00 -0800 (Pacific Standard Time)", "2024-03-05T10:15:00-08:00"),
        ("5 Mar 96 10:15 EST", "1996-03-05T10:15:00-05:00"),
        ("Tue, 5 Mar 2024 10:15:00 UT", "2024-03-05T10:15:00+00:00"),
        ("Tue Mar  5 10:15:00 2024", "2024-03-05T10:15:00+00:00"), ("some day soon", "some day soon"), ("7", "7"),
    ])
    func datesAreISO(_ written: String, _ expected: String) throws {
        #expect(try message("Date: \(written)", Array("Hi".utf8)).metadata["date"]?.string == expected)
    }

    @Test func textsAreReadAsTheyAre() throws {
        let umlauts = "Grüße aus Köln"
        let latin: [UInt8] = umlauts.unicodeScalars.map { UInt8($0.value) }
        for (charset, body) in [
            ("us-ascii", Array(umlauts.utf8)), ("us-ascii", latin), ("x-nobody-knows", latin), ("iso-8859-1", latin),
            ("iso-8859-1", Array(umlauts.utf8)), ("utf-8", Array(umlauts.utf8)), ("utf-8", latin),
        ] {
            let document = try message("MIME-Version: 1.0\nContent-Type: text/plain; charset=\"\(charset)\"", body)
            #expect(document.text == umlauts, "as \(charset)")
        }
        #expect(try message("", latin).text == umlauts)
        // The quotes of Windows under the name of Latin-1.
        let quoted = try message(
            "MIME-Version: 1.0\nContent-Type: text/plain; charset=iso-8859-1", [0x93] + Array("yes".utf8) + [0x94])
        #expect(quoted.text == "“yes”")
        let japanese = try message(
            "MIME-Version: 1.0\nContent-Type: text/plain; charset=iso-2022-jp", Array("\u{1B}$B$3$s\u{1B}(B".utf8))
        #expect(japanese.text == "こん")
    }

    @Test func oddLineEndsAndMarks() throws {
        let odd = try message(
            "Date: Tue, 5 Mar 2024 10:15:00 -0800", Array("body here\r\r\nmore".utf8), lineEnd: "\r\r\n")
        #expect(odd.text == "body here\nmore" && odd.metadata["from"]?.string == "a@b.org")
        let marked = Array("\u{FEFF}From: a@b.org\nSubject: s\n\nbody".utf8)
        #expect(try read(marked, name: "x.eml").documents.first?.metadata["from"]?.string == "a@b.org")
    }

    @Test func orgStampsAreDates() throws {
        func date(_ stamp: String) throws -> String? {
            try read("#+TITLE: T\n#+DATE: \(stamp)\n\nText.", name: "x.org").documents.first?.metadata["date"]?.string
        }
        #expect(try date("<2024-01-02 Tue>") == "2024-01-02")
        #expect(try date("[2024-01-02 Tue 9:30]") == "2024-01-02T09:30")
        #expect(try date("<2024-01-02 Tue 10:15 +1w>") == "2024-01-02T10:15")
        #expect(try date("soon") == "soon")
    }
}

/// Zeros and end marks that programs leave in texts.
@Suite struct StrayByteTests {
    @Test func textsAreReadWithoutThem() throws {
        #expect(try read("before\u{0}after nultxt", name: "a.txt").documents.first?.text == "beforeafter nultxt")
        #expect(try read("text\u{1A}", name: "a.txt").documents.first?.text == "text")
        #expect(
            try read(Array("caf".utf8) + [0xE9, 32, 0, 32] + Array("x".utf8), name: "a.txt").documents.first?.text
                == "café  x")
        #expect(try read("text\u{1A}", name: "a.txt").notes.count == 1)
        let rows = try read("id,n\n1,a\u{0}b\n2,c\n\u{1A}", name: "a.csv")
        #expect(rows.documents.map { $0.metadata["n"]?.string ?? $0.text }.count == 2 && rows.problems.isEmpty)
        #expect(rows.documents.contains { $0.text.contains("ab") || $0.metadata["n"] == .string("ab") })
    }

    @Test func whatIsNoTextStaysSo() {
        var random = SeededNumbers(state: 5)
        let noise = (0..<3000).map { _ in UInt8.random(in: 0...255, using: &random) }
        for bytes in [noise, Array(noise.prefix(40)), [0, 1, 2, 3], [UInt8](repeating: 0, count: 64)] {
            #expect(bytes.withUnsafeBufferPointer { TextEncoding.detect($0, isWhole: true) } == nil)
        }
    }
}
