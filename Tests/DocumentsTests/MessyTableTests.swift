// SPDX-License-Identifier: Apache-2.0

import Base
import OrderedCollections
import Testing

@testable import Documents

/// Tables as programs and people hand them on.
@Suite struct MessyTableTests {
    private func rows(_ text: String, name: String = "t.csv") throws -> [JSONObject] {
        let reading = try read(text, name: name)
        #expect(reading.problems.isEmpty, "\(reading.problems)")
        return reading.documents.map(\.metadata)
    }

    @Test func backslashesBeforeQuotes() throws {
        let reading = try read(
            #"""
            id,quote,n
            1,"He said \"hi, all\", ok",5
            2,plain,6
            3,"C:\\temp\\",7
            4,"odd \n stays",8

            """#, name: "t.csv")
        #expect(reading.problems.isEmpty && reading.documents.count == 4)
        #expect(reading.documents[0].metadata["quote"] == .string("He said \"hi, all\", ok"))
        #expect(reading.documents[2].metadata["quote"] == .string(#"C:\temp\"#))
        #expect(reading.documents[3].metadata["quote"] == .string(#"odd \n stays"#))
        // By the standard a backslash is a letter.
        let standard = try rows("id,path\n1,\"C:\\\"\n2,\"D:\\x, y\"\n")
        #expect(standard.map { $0["path"] } == [.string("C:\\"), .string("D:\\x, y")])
    }

    @Test(arguments: [
        "text\nThe first note about otters.\nThe second, about seals.\n",
        "text\nHello, world\nOne, two, three\nAnother, one\nSeals, and otters\n",
        "sentence\nOne; two\nThree; four\nFive; six\n",
    ]) func oneColumnOfSentencesIsOneColumn(_ text: String) throws {
        let reading = try read(text, name: "notes.csv")
        #expect(reading.problems.isEmpty)
        let lines = text.split(separator: "\n").dropFirst().map(String.init)
        #expect(reading.documents.count == lines.count)
        for (document, line) in zip(reading.documents, lines) { #expect(document.text.contains(line)) }
    }

    @Test func spacesBeforeQuotes() throws {
        let table = try rows("id, name, city\n1, Ann, \"Oslo, Norway\"\n2, Bob, \"Bergen\"\n")
        #expect(table.map { $0["city"] } == ["Oslo, Norway", "Bergen"])
        #expect(try rows("id, \"a, b\"\n1, \"x, y\"\n2, \"z\"\n").map { $0["a, b"] } == ["x, y", "z"])
    }

    /// A sign that stands once in every line, in dates, divides nothing where another makes fields of them.
    @Test func shortRowsAreRows() throws {
        let reading = try read(
            "April 15, 2023;402;25.00;Ray;pending;\nApril 14, 2023;444;25.00;Scott;\nApril 9, 2023;678;4.00;Rosa;\n",
            name: "t.csv")
        #expect(reading.documents.count == 3 && reading.problems.isEmpty)
        #expect(reading.documents.first?.metadata.values.contains("April 15, 2023") == true)
    }

    @Test func rowsOfNothingAreBlank() throws {
        #expect(try rows("id,name,city\n1,Ann,Oslo\n,,\n , ,\n2,Bob,Rome\n,,\n").count == 2)
    }

    /// A name is a title and can be asked for; a title is known to filters anyway.
    @Test func namesAreFields() throws {
        #expect(try rows("name,age\nAnn,5\n").first == ["name": "Ann", "age": "5"])
        #expect(try rows("title,age\nAnn,5\n").first == ["age": "5"])
    }

    @Test func spacesAroundValuesAreLayout() throws {
        let table = try rows("name , age ,  city\nAnn , 5 ,  Oslo\nBob,6,\t\n")
        #expect(table[0]["age"] == .string("5") && table[0]["city"] == .string("Oslo"))
        #expect(table[1]["city"] == nil)
    }

    @Test func emptyTablesSayThatTheyAreEmpty() {
        #expect(throws: DocumentError.self) { try read("", name: "t.csv") }
        let empty = UnsafeBufferPointer<UInt8>(start: nil, count: 0)
        #expect(SourceFormat.binaryName(empty) == "the file is empty")
        #expect(SourceFormat.detect(name: "a.docx", head: empty, isWhole: true) == nil)
        // An empty note is one all the same.
        #expect(SourceFormat.detect(name: "a.txt", head: empty, isWhole: true) == .text)
    }

    /// What is written by the standard's rules is read as it was, whatever stands in the fields.
    @Test(arguments: [UInt64](1...8)) func writtenTablesAreRead(_ seed: UInt64) throws {
        var numbers = SeededNumbers(state: seed)
        let pieces = ["a", "Ω", "\"", ",", ";", "\n", " ", "\\", "7", "'", "é", "\t", "|", "x y"]
        let delimiter = [",", ";", "\t", "|"][Int(seed % 4)]
        let width = 2 + Int(seed % 3)
        var wanted: [[String]] = []
        for _ in 0..<40 {
            wanted.append(
                (0..<width).map { _ in
                    "v"
                        + (0..<Int.random(in: 0...6, using: &numbers)).map { _ in
                            pieces.randomElement(using: &numbers) ?? ""
                        }.joined() + "w"
                })
        }
        let header = (0..<width).map { "c\($0)" }
        let text = ([header] + wanted).map { row in
            row.map { "\"\($0.replacing("\"", with: "\"\""))\"" }.joined(separator: delimiter)
        }.joined(separator: "\r\n")
        let reading = try read(text, name: "t.csv")
        #expect(reading.problems.isEmpty && reading.documents.count == wanted.count)
        for (document, row) in zip(reading.documents, wanted) {
            #expect(header.map { document.metadata[$0] } == row.map { .string($0) })
        }
    }
}
