// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import OrderedCollections
import Testing

@testable import Documents

@Suite struct FileFormatTests {
    @Test func numbersInCellsAreWhatTheyShow() {
        for code in ["yyyy-mm-dd", "d. mmmm", "[$-407]d/m/yyyy h:mm", "\\d d"] {
            #expect(Workbook.format(code) == .date)
        }
        for code in ["h:mm", "[h]:mm:ss", "mm:ss", "hh:mm AM/PM"] { #expect(Workbook.format(code) == .time) }
        for code in ["0.00", "#,##0 \"h\"", "General", "[Red]0", "@", "#,##0.00 [$h]"] {
            #expect(Workbook.format(code) == .plain, "\(code)")
        }
    }

    @Test func pdfKeepsColumnsTablesAndPages() throws {
        let reading = try read(testFile("report.pdf"), name: "report.pdf")
        let document = try #require(reading.documents.first)
        #expect(document.title == "Harbour Report" && document.metadata["author"] == .string("Ada Quill"))
        #expect(document.metadata["pages"] == 5)
        let pages = document.text.split(separator: "\u{0C}", omittingEmptySubsequences: false)
        #expect(pages.count == 5)
        // The first column to its end, then the second.
        let first = pages[0].split(whereSeparator: \.isWhitespace).joined(separator: " ")
        #expect(
            first.contains("was sold to a museum. The eastern quay")
                && first.contains("for lack of money. Pilots asked"))
        #expect(pages[1].contains("North | 12 | 4.50 | 1,200") && pages[1].contains("Quay | Ships | Fee | Tonnage"))
        // The name of the report heads each page and stays on the first, the number that foots it goes.
        #expect(document.text.components(separatedBy: "Annual Report").count == 2 && !document.text.contains("Page 3"))
    }

    @Test func scansSayWhatTheyNeed() throws {
        do {
            let reading = try read(testFile("scan.pdf"), name: "scan.pdf")
            #expect(reading.notes.contains { $0.contains("OCR") })
            #expect(reading.documents.first?.text.contains("LANTERNS") == true)
        } catch let error as DocumentError {
            #expect(error.message.contains("OCR"))
        }
        #expect(throws: DocumentError.self) { try read("%PDF-1.4\nnothing", name: "x.pdf") }
    }

    @Test func officeFiles() throws {
        let word = try #require(try read(testFile("kelp.docx"), name: "kelp.docx").documents.first)
        #expect(word.title == "Kelp farming" && word.metadata["author"] == .string("Bo Reed"))
        #expect(
            word.text.contains("Ropes\n\nKelp grows on ropes")
                && word.text.contains("Month | Water | Yield\nMay | 9 | 120\nJune |  | 180"))
        let slides = try #require(try read(testFile("lights.pptx"), name: "lights.pptx").documents.first)
        #expect(slides.title == "Lighthouses" && slides.text.split(separator: "\u{0C}").count == 2)
        #expect(slides.text.contains("Skerry | 41 m") && slides.text.contains("storm of 1953"))
        let stock = try read(testFile("stock.xlsx"), name: "stock.xlsx")
        #expect(
            stock.documents.map(\.id) == [
                "stock.xlsx/Stock:2", "stock.xlsx/Stock:3", "stock.xlsx/Stock:4", "stock.xlsx/Plan",
            ])
        #expect(stock.documents[0].text == "Part: Monitor 24\"\nPrice: 199.5\nSince: 2021-05-17\nNote: with stand")
        #expect(
            stock.documents[2].metadata["Price"] == .string("1234567")
                && stock.documents[3].text == "Budget\nRent | 500")
    }

    @Test func openDocumentsAndBooks() throws {
        let text = try #require(try read(testFile("salt.odt"), name: "salt.odt").documents.first)
        #expect(
            text.title == "Salt roads" && text.text.contains("Salt went inland on mules.")
                && text.text.contains("Lune | 40"))
        let tides = try read(testFile("tides.ods"), name: "tides.ods").documents
        #expect(tides.map(\.text) == ["Place: Skerry\nHigh: 4.1\nLow: 0.5", "Place: Lune\nHigh: 3.2\nLow: 0.9"])
        let book = try read(testFile("lamps.epub"), name: "lamps.epub").documents
        #expect(book.map(\.title) == ["The Lamp Book: Wicks", "The Lamp Book: Oils"])
        #expect(book[0].text.contains("trimmed at dusk") && book[0].metadata["author"] == .string("Ada Quill"))
    }

    @Test func messagesAndMailboxes() throws {
        let mail = """
            From: =?utf-8?q?J=C3=B6rg?= <j@example.org>\r
            To: Ada <a@example.org>, "Reed, Bo" <b@example.org>\r
            Subject: =?iso-8859-1?Q?Gr=FC=DFe?=\r
            Date: Fri, 1 Mar 2024 10:00:00 +0100\r
            MIME-Version: 1.0\r
            Content-Type: multipart/mixed; boundary=xx\r
            \r
            --xx\r
            Content-Type: multipart/alternative; boundary=yy\r
            \r
            --yy\r
            Content-Type: text/plain; charset=iso-8859-1\r
            Content-Transfer-Encoding: quoted-printable\r
            \r
            Die M=FChle steht =\r
            still.=zz\r
            --yy\r
            Content-Type: text/html\r
            \r
            <p>Die M&uuml;hle</p>\r
            --yy--\r
            --xx\r
            Content-Type: text/csv\r
            Content-Disposition: attachment; filename="rows.csv"\r
            \r
            id,text\r
            1,Attached row\r
            --xx--\r
            """
        let reading = try read(mail, name: "a.eml")
        #expect(reading.problems.isEmpty, "\(reading.problems)")
        let message = try #require(reading.documents.first)
        #expect(
            message.title == "Grüße" && message.text.hasPrefix("Die Mühle steht still.")
                && !message.text.contains("<p>"))
        #expect(
            message.metadata["from"]?.string?.hasPrefix("Jörg") == true && message.metadata["to"]?.array?.count == 2)
        #expect(reading.documents.last?.text == "Attached row")
        let box = "From a Fri\nFrom: a@b\nSubject: One\n\nHi\n>From here\n\nFrom b Fri\nFrom: c@d\nSubject: Two\n\nHo\n"
        let boxed = try read(box, name: "m.mbox")
        #expect(boxed.documents.map(\.title) == ["One", "Two"] && boxed.documents[0].text == "Hi\nFrom here")
        #expect(boxed.documents.map(\.id) == ["m.mbox:1", "m.mbox:2"])
    }

    @Test func archivesInArchives() throws {
        let reading = try read(testFile("bundle.zip"), name: "bundle.zip")
        #expect(
            reading.documents.map(\.id) == [
                "bundle.zip/notes/first.md", "bundle.zip/escape.txt", "z1", "z2", "bundle.zip/inner.zip/deep.md",
            ])
        #expect(reading.problems.map(\.place) == ["picture.bin"])
        let tar = try read(testFile("bundle.tar.gz"), name: "bundle.tar.gz")
        #expect(tar.documents.map(\.id) == ["bundle.tar.gz/folder/plain.txt"])
        let lines = try read(testFile("lines.jsonl.gz"), name: "lines.jsonl.gz")
        #expect(lines.documents.map(\.id) == ["g1", "g2"])
        #expect(throws: (any Error).self) { try read(testFile("bomb.zip"), name: "bomb.zip") }
    }

    /// Files cut short and with bytes changed give documents or an error, whatever they are.
    @Test(arguments: ["report.pdf", "kelp.docx", "stock.xlsx", "salt.odt", "lamps.epub", "bundle.zip", "bundle.tar.gz"])
    func damagedFilesAreSurvived(_ name: String) throws {
        let bytes = try testFile(name)
        var numbers = SeededNumbers(state: 3)
        for step in 0..<12 {
            _ = try? read(Array(bytes.prefix(bytes.count * step / 12)), name: name)
            var changed = bytes
            for _ in 0..<20 {
                changed[Int.random(in: 0..<bytes.count, using: &numbers)] = UInt8.random(in: 0...255, using: &numbers)
            }
            _ = try? read(changed, name: name)
        }
    }
}
