// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import OrderedCollections
import Testing

@testable import Documents

/// Tables as banks, spreadsheets and people shape them: notes above, names over two rows, totals below, codes and shares.
@Suite struct TableShapeTests {
    private func records(_ reading: Reading) -> [JSONObject] {
        reading.documents.map(\.metadata).filter { !$0.isEmpty }
    }

    /// Account data of two columns above the table, as exports of banks have it.
    @Test(arguments: [
        """
        Account Name:,Checking ...1234
        Date Range:,01/01/2025 - 11/27/2025

        Date,Description,Amount,Running Bal.
        01/01/2025,Beginning balance as of 01/01/2025,,"12,345.67"
        01/02/2025,"CARD BOOKS, WA","-10.50","12,335.17"
        01/03/2025,"CARD TEA, WA","-4.00","12,331.17"
        01/05/2025,REFUND,"10.50","12,341.67"

        """,
        """
        Description,,Summary Amt.
        Beginning balance as of 01/01/2025,,"12,345.67"
        Total credits,,"10.50"

        Date,Description,Amount,Running Bal.
        01/01/2025,Beginning balance as of 01/01/2025,,"12,345.67"
        01/02/2025,"CARD BOOKS, WA","-10.50","12,335.17"
        01/03/2025,"CARD TEA, WA","-4.00","12,331.17"
        01/05/2025,REFUND,"10.50","12,341.67"

        """,
    ]) func notesAboveATable(_ text: String) throws {
        let reading = try read(text, name: "bank.csv")
        #expect(reading.problems.isEmpty, "\(reading.problems)")
        let rows = records(reading)
        #expect(rows.count == 4)
        #expect(rows[1]["Description"] == "CARD BOOKS, WA" && rows[1]["Running Bal."] == "12,335.17")
        #expect(reading.notes.contains { $0.contains("the table begins at line") })
        // What stands above is not lost.
        let first = try #require(text.textLines().first?.split(separator: ",").first)
        #expect(reading.documents.first?.text.contains(first) == true)
    }

    @Test func notesInQuotesAndRowsThatEndEarly() throws {
        let reading = try read(
            """
            "Girokonto";"DE99120300001234567890"
            ""
            "Kontostand vom 27.11.2025:";"12.345,67 €"
            ""
            "Buchungsdatum";"Status";"Empfänger*in";"Zweck";"Betrag (€)";"Gläubiger-ID";"Referenz"
            "01.01.25";"Gebucht";"REWE";"Einkauf";"1.100,00";"";""
            "02.02.25";"Gebucht";"Bahn";"Reise";"-101,01";"";""
            "03.03.25";"Gebucht";"Miete";"Wohnung";"-800,00";"";""

            """, name: "dkb.csv")
        #expect(reading.problems.isEmpty)
        #expect(records(reading).map { $0["Betrag (€)"] } == ["1.100,00", "-101,01", "-800,00"])
        #expect(reading.documents.first?.text.contains("Kontostand vom 27.11.2025: | 12.345,67 €") == true)
    }

    /// Tables whose first row is short, or that have gaps, lose nothing.
    @Test func plainTablesBeginAtTheirFirstLine() throws {
        for text in [
            "id,name,city,age\n1,Ann,,\n2,Bob,Rome,\n3,Cid,Bonn,7\n4,Dot,Oslo,8\n",
            "a,b,c\nx,,\ny,,\nz,one,two\nw,three,four\n", ",2023,2024\nNorth,1,2\nSouth,3,4\nWest,5,6\n",
            "name,note,kind,day\nAnn,,,\nCode,Text,Form,Date\nBob,hi,x,1\nCid,ho,y,2\n",
        ] {
            let reading = try read(text, name: "t.csv")
            #expect(reading.problems.isEmpty)
            #expect(reading.documents.count == text.split(separator: "\n").count - 1, "\(text)")
        }
    }

    @Test func namesOverTwoRows() throws {
        let years = records(
            try read(
                ",2023,2023,2024,2024\nRegion,Q1,Q2,Q1,Q2\nNorth,1,2,3,4\nSouth,5,6,7,8\nWest,9,10,11,12\n",
                name: "t.csv"))
        #expect(years.count == 3)
        #expect(years.first == ["Region": "North", "2023 Q1": "1", "2023 Q2": "2", "2024 Q1": "3", "2024 Q2": "4"])
        let merged = records(
            try read("Region,2023,,2024,\n,Q1,Q2,Q1,Q2\nNorth,1,2,3,4\nSouth,5,6,7,8\nWest,9,10,11,12\n", name: "t.csv")
        )
        #expect(merged.first == years.first)
        let units = records(
            try read(
                "Month,Revenue,Cost,Margin\n,kEUR,kEUR,%\nJan,100,80,20.0\nFeb,101,81,19.5\nMar,102,82,19.0\n",
                name: "t.csv"))
        #expect(units.first == ["Month": "Jan", "Revenue (kEUR)": "100", "Cost (kEUR)": "80", "Margin (%)": "20.0"])
        // A first row that lacks its numbers is a row.
        let open = records(try read("item,price,stock\nPear,open,n/a\nPlum,2,5\nFig,3,6\nNut,4,7\n", name: "t.csv"))
        #expect(open.count == 4 && open.first?["price"] == "open")
    }

    @Test func rowsOfTotalsAreNoRecords() throws {
        let reading = try read(
            "Month,Revenue,Cost\nJan,100,80\nFeb,101,81\nTotal,201,161\n", name: "t.csv")
        #expect(records(reading).count == 2)
        #expect(reading.notes.contains { $0.contains("line 4") && $0.contains("totals") && $0.contains("201") })
        let parts = try read(
            "Team,Hours\nA,1\nB,2\nSubtotal,3\nC,4\nSubtotal:,4\nGrand total,7\n\nSource: office,\n", name: "t.csv")
        #expect(records(parts).map { $0["Hours"] } == ["1", "2", "4", nil])
        // A company of that name among others is none.
        let company = try read("Merchant,Amount\nShell,5\nTotal,7\nEsso,9\n", name: "t.csv")
        #expect(records(company).count == 3)
        let german = try read("Ort;Menge;Preis\nBonn;1;2,50\nKöln;2;3,00\nSumme;3;5,50 €\n", name: "t.csv")
        #expect(records(german).count == 2)
    }

    @Test func codesAndSharesAsPeopleSeeThem() throws {
        for name in ["codes.xlsx", "groups.ods"] {
            let rows = records(try read(testFile(name), name: name))
            #expect(rows.prefix(3).map { $0["PLZ"] } == ["01067", "52062", "04109"], "\(name)")
        }
        let rows = records(try read(testFile("codes.xlsx"), name: "codes.xlsx"))
        #expect(rows.prefix(3).map { $0["Anteil"] } == ["5 %", "12.5 %", "100 %"])
        #expect(rows.prefix(3).map { $0["Telefon"] } == ["555-1234", "555-9876", "555-0000"])
        #expect(!rows.contains { $0["Ort"] == "Summe" })
        let shares = records(try read(testFile("groups.ods"), name: "groups.ods"))
        #expect(shares.map { $0["Share"] } == ["5 %", "10 %", "25 %"])
        #expect(shares.map { $0["Group"] } == ["Alpha", "Alpha", "Alpha"])
        #expect(shares.map { $0["Open"] } == ["true", "false", "true"])
    }

    @Test func yearsOverSeveralColumnsOfASheet() throws {
        let rows = records(try read(testFile("codes.xlsx"), name: "codes.xlsx"))
        let north = try #require(rows.first { $0["Region"] == "North" })
        #expect(north == ["Region": "North", "2023 Q1": "0", "2023 Q2": "1", "2024 Q1": "2", "2024 Q2": "3"])
    }

    /// The list of contents of a package may stand at its end.
    @Test func packagesAreKnownWhereverTheirListStands() throws {
        let reading = try read(testFile("codes-late-types.xlsx"), name: "book")
        #expect(records(reading).contains { $0["Region"] == "North" })
    }

    @Test func formatsOfNumbers() {
        #expect(Workbook.format("00000") == .mask("00000") && Workbook.format("0") == .plain)
        #expect(Workbook.format("0.00") == .plain && Workbook.format("#,##0") == .plain)
        #expect(Workbook.format("0.0%") == .percent(1) && Workbook.format("[Red]0%;-0%") == .percent(0))
        #expect(Workbook.format("000\\-00\\-0000") == .mask("000-00-0000"))
        #expect(NumberMask.shown(123_456_789, "000-00-0000") == "123-45-6789")
        #expect(NumberMask.shown(1_234_567, "00000") == "1234567" && NumberMask.shown(1.5, "00000") == nil)
        #expect(NumberMask.percent(0.05, decimals: 0) == "5 %" && NumberMask.percent(1.0 / 3, decimals: 0) == "33.33 %")
    }

    @Test func mergedCellsOfAWordTable() throws {
        let text = try #require(try read(testFile("rota.docx"), name: "rota.docx").documents.first?.text)
        #expect(text.contains("North | Tern | Monday\nNorth | Petrel | Tuesday\nClosed in winter |  | Sunday"))
        #expect(text.components(separatedBy: "Moved away sentence.").count == 2)
        #expect(text.components(separatedBy: "Harbour office, confidential").count == 2 && !text.contains("Page 1"))
    }
}
