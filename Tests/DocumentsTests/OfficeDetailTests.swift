// SPDX-License-Identifier: Apache-2.0

import Base
import OrderedCollections
import Testing

@testable import Documents

/// What Office files have beside plain cells and paragraphs. `make_document_files.py` makes the files.
@Suite struct OfficeDetailTests {
    @Test func cellsThatStandForSeveral() throws {
        let reading = try read(testFile("berths.xlsx"), name: "berths.xlsx")
        let rows = reading.documents
        #expect(rows.count == 4)
        // A merged cell is the value of all its rows; dates count from 1904 where the book says so.
        #expect(rows[0].metadata["Quay"] == "North" && rows[1].metadata["Quay"] == "North")
        #expect(rows[0].metadata["Arrived"] == "2024-01-31" && rows[1].metadata["Arrived"] == "2024-02-01")
        #expect(rows[0].metadata["Fee"] == "1234.5" && rows[2].metadata["Fee"] == "n/a")
        // What nobody worked out is not there, and said; a link shows its label; an error is no value.
        #expect(rows[1].metadata["Note"] == "papers" && rows[2].metadata["Note"] == nil)
        #expect(rows[3].metadata["Fee"] == nil)
        #expect(reading.notes.contains { $0.hasPrefix("1 formula has no stored result") })
        #expect(rows[0].text.hasSuffix("Comment on Ship: Leaves at dawn"))
    }

    @Test func chartsAreTables() throws {
        let slides = try #require(try read(testFile("catch.pptx"), name: "catch.pptx").documents.first)
        #expect(slides.text.contains("Herring | Cod\nSpring | 12 | 3\nAutumn | 7.5 | 4"), "\(slides.text)")
    }

    @Test func notesStandInTheirSentence() throws {
        let minutes = try #require(try read(testFile("minutes.odt"), name: "minutes.odt").documents.first)
        #expect(minutes.text == "Minutes\n\nThe crane was sold ( To a museum in Narvik. For scrap value.) in May.")
    }

    @Test func namesInArchives() throws {
        func names(_ file: String) throws -> [String] {
            let archive = try Archive(testFile(file), limits: ReadingLimits())
            var names: [String] = []
            while let member = try archive.next() { names.append(member.path) }
            return names
        }
        #expect(try names("names.zip") == ["Größe/ångström.txt", "plain.txt"])
        #expect(try names("names-cp437.zip") == ["Grösse.txt"])
        #expect(throws: DocumentError.self) { try names("cut.zip") }
    }

    @Test func cellsOfSeveralRowsInPages() throws {
        let page = try read(
            """
            <table><tr><th>Dish<th>Size<th>Price<tr><td rowspan=2>Cod<td>small<td>9<tr><td>large<td>12
            <tr><td colspan=2>Haddock<td>7</table>
            """, name: "t.html")
        #expect(page.documents[0].text == "Dish | Size | Price\nCod | small | 9\nCod | large | 12\nHaddock |  | 7")
    }
}
