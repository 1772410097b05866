// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import Documents

/// A text of a page: where it stands in points from the lower left corner, and how large it is.
struct PlacedText {
    var x: Int
    var y: Int
    var text: String
    var size = 12

    init(_ x: Int, _ y: Int, _ text: String, size: Int = 12) {
        self.x = x
        self.y = y
        self.text = text
        self.size = size
    }
}

/// A PDF of A4 pages with these texts, in Helvetica, and lines from (x1, y1) to (x2, y2).
func pdf(_ pages: [[PlacedText]], lines: [(Int, Int, Int, Int)] = []) -> [UInt8] {
    var objects = ["<< /Type /Catalog /Pages 2 0 R >>", "", "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"]
    var kids: [String] = []
    for page in pages {
        var content = page.map { "BT /F1 \($0.size) Tf \($0.x) \($0.y) Td (\($0.text)) Tj ET" }.joined(separator: "\n")
        content += lines.map { "\n\($0.0) \($0.1) m \($0.2) \($0.3) l S" }.joined()
        objects.append("<< /Length \(content.utf8.count) >>\nstream\n\(content)\nendstream")
        objects.append(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents \(objects.count) 0 R /Resources << /Font << /F1 3 0 R >> >> >>"
        )
        kids.append("\(objects.count) 0 R")
    }
    objects[1] = "<< /Type /Pages /Count \(pages.count) /Kids [\(kids.joined(separator: " "))] >>"
    var file = "%PDF-1.4\n"
    var places: [Int] = []
    for (index, object) in objects.enumerated() {
        places.append(file.utf8.count)
        file += "\(index + 1) 0 obj\n\(object)\nendobj\n"
    }
    let start = file.utf8.count
    file += "xref\n0 \(objects.count + 1)\n0000000000 65535 f \n"
    file += places.map { String(format: "%010d 00000 n \n", $0) }.joined()
    file += "trailer << /Size \(objects.count + 1) /Root 1 0 R >>\nstartxref\n\(start)\n%%EOF\n"
    return Array(file.utf8)
}

private func pages(_ bytes: [UInt8]) throws -> [String] {
    try #require(read(bytes, name: "x.pdf").documents.first).text.components(separatedBy: "\u{0C}")
}

struct PDFPageTests {
    /// A book: head, folio and text; what heads the pages stays once, the folios go, the text stays.
    @Test func aHeadStaysOnceAndTheNumbersOfPagesGo() throws {
        let book = (0..<6).map { page in
            [
                PlacedText(60, 800, "Birds of the Marsh"), PlacedText(500, 800, "\(page + 11)"),
                PlacedText(60, 740, "The crane of page \(page) stood in the reeds."),
                PlacedText(60, 724, "It did not move for \(page * 7) minutes."), PlacedText(60, 40, "Acme Press"),
            ]
        }
        let texts = try pages(pdf(book))
        #expect(texts.count == 6)
        #expect(texts.count { $0.contains("Birds of the Marsh") } == 1 && texts[0].contains("Birds of the Marsh"))
        #expect(texts.count { $0.contains("Acme Press") } == 1)
        for (page, text) in texts.enumerated() {
            #expect(text.contains("The crane of page \(page) stood") && text.contains("for \(page * 7) minutes"))
            #expect(!text.contains("\(page + 11)"))
        }
    }

    /// One record a page: what differs from page to page is content wherever it stands.
    @Test func pagesThatDifferInTheirNumbersKeepThem() throws {
        let invoices = (0..<5).map { page in
            [PlacedText(60, 790, "Invoice \(1001 + page)"), PlacedText(60, 760, "Customer: Customer\(page)")]
                + (0..<6).flatMap { row in
                    [
                        PlacedText(60, 700 - row * 20, "Item \(row) widget\(row)\(page)"),
                        PlacedText(400, 700 - row * 20, "\(row * 10 + page).00"),
                    ]
                } + [PlacedText(60, 60, "Total \(1000 + page * 10).00 EUR")]
        }
        for (page, text) in try pages(pdf(invoices)).enumerated() {
            for expected in [
                "Invoice \(1001 + page)", "Customer: Customer\(page)", "widget5\(page)", "\(50 + page).00",
                "Total \(1000 + page * 10).00 EUR",
            ] { #expect(text.contains(expected), "\(expected) of page \(page + 1)") }
        }
    }

    @Test func pagesOfFewLinesAreNotEmptied() throws {
        let slides = (0..<6).map { page in
            [
                PlacedText(60, 750, "Quarter \(page + 1)", size: 24),
                PlacedText(60, 700, "Revenue was \(100 + page * 7)"),
                PlacedText(60, 40, "Acme Corp"), PlacedText(500, 40, "\(page + 1)"),
            ]
        }
        for (page, text) in try pages(pdf(slides)).enumerated() {
            #expect(text.contains("Quarter \(page + 1)") && text.contains("Revenue was \(100 + page * 7)"))
        }
        let exam = (0..<8).map { page in
            [PlacedText(60, 800, "Question \(page + 1)"), PlacedText(60, 400, "What is \(page) times \(page + 2)?")]
        }
        for (page, text) in try pages(pdf(exam)).enumerated() {
            #expect(text.contains("Question \(page + 1)") && text.contains("What is \(page) times"))
        }
        // Nothing but the same line on every page: it is all that there is.
        let same = (0..<5).map { _ in [PlacedText(60, 800, "Certificate of attendance")] }
        #expect(try pages(pdf(same)).allSatisfy { $0 == "Certificate of attendance" })
    }

    /// The row of names above the columns of a long table stays on every page: a passage of it needs them.
    @Test func aTableKeepsItsHeadOnEveryPage() throws {
        let table = (0..<5).map { page in
            (0..<20).flatMap { row in
                let y = 770 - row * 18
                let cells =
                    row == 0
                    ? ["No", "Name", "Amount"] : ["\(page * 19 + row)", "Name\(page)x\(row)", "\(row * 3).50"]
                return zip([60, 160, 300], cells).map { PlacedText($0, y, $1) }
            }
        }
        for text in try pages(pdf(table)) {
            #expect(text.contains("No") && text.contains("Name |") && text.contains("Amount"))
        }
    }
}

struct WrappedCellTests {
    /// A cell of several lines is one cell, whether its neighbours stand at its first line or at its last.
    @Test(arguments: [0, 3]) func aWrappedCellIsOneCell(_ beside: Int) throws {
        let lines = ["A long description", "that wraps over lines", "in its own cell because", "it is long indeed"]
        var page = [
            PlacedText(60, 700, "Code", size: 10), PlacedText(130, 700, "Description", size: 10),
            PlacedText(300, 700, "Qty", size: 10),
        ]
        for (index, line) in lines.enumerated() {
            page.append(PlacedText(130, 680 - index * 12, line, size: 10))
            if index == beside {
                page.append(PlacedText(60, 680 - index * 12, "A1", size: 10))
                page.append(PlacedText(300, 680 - index * 12, "5", size: 10))
            }
        }
        for (row, cells) in [["B2", "short", "7"], ["C3", "shorter", "9"]].enumerated() {
            for (x, cell) in zip([60, 130, 300], cells) { page.append(PlacedText(x, 624 - row * 20, cell, size: 10)) }
        }
        let text = try #require(read(pdf([page]), name: "x.pdf").documents.first).text
        #expect(text.contains("A1 | \(lines.joined(separator: " ")) | 5"), "\(text)")
        #expect(text.contains("B2 | short | 7"))
    }
}
