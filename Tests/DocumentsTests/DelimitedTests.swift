// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import OrderedCollections
import Testing

@testable import Documents

@Suite struct DelimitedTests {
    /// The documents of a table, and what was set aside.
    func rows(_ text: String, _ name: String = "t.csv", _ options: ReadingOptions = ReadingOptions()) throws
        -> [SourceDocument]
    {
        let reading = try read(text, name: name, options: options)
        #expect(reading.problems.isEmpty, "\(reading.problems)")
        return reading.documents
    }

    // After pytorch/text #349 and primeqa #441: quoting by csv rules swallows the records behind a lone quote.
    @Test func loneQuotesAndInchMarksAreText() throws {
        let collection = try rows(
            "id\ttext\n0\tThe bridge opened.\n1\t\"Stairs\" is the old name of the quay, sailors say.\n2\tA 24\" screen is wide.\n3\tThe lamp.\n4\t\"A 17\" screen is small.\n5\tLast row.\n",
            "c.tsv")
        #expect(collection.map(\.id) == ["0", "1", "2", "3", "4", "5"])
        #expect(collection[1].text.hasPrefix("\"Stairs\" is") && collection[4].text == "\"A 17\" screen is small.")
        let parts = try rows(
            "id,title,text\n1,Monitor,24\" screen with stand\n2,Cable,Two metres\n3,Panel,32\" panel\n")
        #expect(parts.map(\.title) == ["Monitor", "Cable", "Panel"] && parts[0].text == "24\" screen with stand")
        #expect(try rows("text\nA 24\" screen is wide\nThe cat sat\nA 17\" screen is small\nLast line\n").count == 4)
        // A quote at the start of a field whose partner would be rows away, in rows that stand by themselves.
        let swallowed = try rows("id,text,n\n1,\"open,2\n2,plain,3\n3,closed\",4\n")
        #expect(swallowed.count == 3)
    }

    @Test func quotedFieldsMayHoldEverything() throws {
        let table = try rows(
            "id,text,note\r\n1,\"She wrote\r\nthe \"\"first\"\" program, alone.\",\"a,b\"\r\n2,Plain,\"\"\r\n\r\n3,\"x\",\r\n"
        )
        #expect(table.count == 3)
        #expect(
            table[0].text == "note: a,b\n\nShe wrote\nthe \"first\" program, alone." && table[0].metadata["note"] == .string("a,b"))
        #expect(table[1].metadata["note"] == nil && table[2].text == "x")
        let single = try rows("text\n\"line one\nline two\"\nanother\n")
        #expect(single.map(\.text) == ["line one\nline two", "another"])
    }

    @Test(arguments: [",", ";", "\t", "|"]) func delimitersAreFound(_ mark: String) throws {
        let text = [["id", "title", "text"], ["1", "Anchor", "Heavy, it is"], ["2", "Rope", "Two metres; wet"]]
            .map { $0.joined(separator: mark) }.joined(separator: "\n")
        let quoted = mark == "," ? text.replacing("Heavy, it is", with: "\"Heavy, it is\"") : text
        let plain = mark == ";" ? quoted.replacing("Two metres; wet", with: "\"Two metres; wet\"") : quoted
        #expect(try rows(plain).map(\.text) == ["Heavy, it is", "Two metres; wet"])
    }

    @Test func tablesAsPeopleSaveThem() throws {
        // Excel's line for the delimiter, trailing empty columns, short rows, a column without a name.
        #expect(try rows("sep=;\nid;text\n1;a\n").first?.text == "a")
        let ragged = try rows("id,title,text,,\n1,Anchor,Heavy anchor,,\n2,Rope\n\n3,Sail,White sail,,,,\n")
        #expect(ragged.map(\.title) == ["Anchor", "Rope", "Sail"] && ragged[1].text.contains("Rope"))
        #expect(try rows(",id,text\n0,1,First row here\n").first?.id == "1")
        // A title and notes above the table.
        let report = try rows("Sales 2024\n\nRegion,Amount,Month\nNorth,5,May\nSouth,7,May\nEast,9,June\n")
        #expect(report.count == 4 && report[0].text == "Sales 2024")
        #expect(report[1].text == "Region: North\nAmount: 5\nMonth: May")
        // A table without a header.
        let bare = try rows("7\tThe first passage of many.\n8\tThe second passage of many.\n", "b.tsv")
        #expect(bare.count == 2)
        let tooLong = try read("id,text\n1,a,b,c\n2,fine\n", name: "t.csv")
        #expect(tooLong.documents.count == 1 && tooLong.problems.first?.reason == "expected 2 columns, found 4")
        #expect(try rows("\u{FEFF}id,text\r1,Old Mac\r2,line ends\r").map(\.text) == ["Old Mac", "line ends"])
    }

    @Test func rowsBecomeReadableText() throws {
        let plain = try rows("name,price,stock\nMonitor,199.5,3\nCable,4,\n")
        #expect(plain[0].title == "Monitor" && plain[0].text == "name: Monitor\nprice: 199.5\nstock: 3")
        #expect(plain[0].metadata["price"] == .string("199.5") && plain[1].metadata["stock"] == nil)
        let prose = try read(
            "sku,description,price\na,A wide screen on a stand that turns and tilts,5\nb,A cable of two metres with plugs at both ends,6\n",
            name: "p.csv")
        #expect(prose.documents[0].text.hasPrefix("A wide screen") && prose.documents[0].text.hasSuffix("price: 5"))
        #expect(prose.notes.contains { $0.contains("\"description\"") })
        var options = ReadingOptions()
        options.fields = RecordFields(id: "sku", text: ["price", "description"], leftOut: ["sku"])
        let chosen = try rows("sku,description,price\na,x,5\n", "p.csv", options)
        #expect(chosen[0].id == "a" && chosen[0].text == "5\n\nx" && chosen[0].metadata.isEmpty)
    }

    /// Whatever a table holds, written by RFC 4180, it reads the same, in any pieces.
    @Test func randomTablesComeBack() throws {
        var numbers = SeededNumbers(state: 11)
        let pieces = ["a", "\"", ",", "\n", "é", " ", "x\"y", "\"\"", "1", "\t"]
        for _ in 0..<300 {
            let columns = Int.random(in: 2...4, using: &numbers)
            let table = (0..<Int.random(in: 1...6, using: &numbers)).map { _ in
                (0..<columns).map { _ in
                    (0..<Int.random(in: 1...5, using: &numbers)).map { _ in pieces.randomElement(using: &numbers) ?? ""
                    }.joined()
                }
            }
            let text = ([(0..<columns).map { "c\($0)" }] + table).map { row in
                row.map { "\"" + $0.replacing("\"", with: "\"\"") + "\"" }.joined(separator: ",")
            }.joined(separator: "\n")
            let bytes = Array((text + "\n").utf8)
            let grammar = DelimitedGrammar(delimiter: UInt8(ascii: ","), columns: columns)
            let size = Int.random(in: 1...9, using: &numbers)
            let reader = RecordReader(DrippingStream(bytes, size: size), cut: .delimited(grammar), limit: 1 << 20)
            var found: [[String]] = []
            var buffer: [UInt8] = []
            while let record = try reader.next(into: &buffer) {
                found.append(
                    buffer.withUnsafeBufferPointer { all in
                        let record = UnsafeBufferPointer(rebasing: all[record.range])
                        return grammar.fields(record).map { grammar.text($0, in: record) }
                    })
                buffer.removeAll()
            }
            #expect(Array(found.dropFirst()) == table)
        }
    }

    /// Signs that rarely divide columns, and lines above a table of two columns.
    @Test(arguments: [
        ("id^name^price\n1^Lamp^3.5\n2^Oar^4\n", ["id", "name", "price"]),
        ("id~name~note\n1~Lamp~brass, old\n2~Oar~ash, new\n", ["id", "name", "note"]),
        ("# made by a tool\n# in 2020\nid,name\n1,Lamp\n2,Oar\n3,Sail\n", ["id", "name"]),
        ("note\nat 10:30\nsee a: b\n", ["note"]), ("id,\n1,Lamp\n2,Oar\n3,Mast\n", ["id", "column 2"]),
    ])
    func dialectsAsTheyCome(_ text: String, _ header: [String]) throws {
        let dialect = try Array(text.utf8).withUnsafeBufferPointer {
            try DelimitedDialect(head: $0, delimiter: UInt8(ascii: ","), isWhole: true)
        }
        #expect(dialect.header == header)
    }
}
