// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import Synchronization
import Testing

@testable import Documents

/// What the files inside of one file may cost together.
@Suite struct SourceBudgetTests {
    /// A ZIP archive of stored members.
    static func zip(_ members: [(name: String, bytes: [UInt8])]) -> [UInt8] {
        func little(_ value: Int, _ count: Int) -> [UInt8] { (0..<count).map { UInt8(value >> (8 * $0) & 255) } }
        func sum(_ bytes: [UInt8]) -> Int {
            var sum: UInt32 = 0xFFFF_FFFF
            for byte in bytes {
                sum ^= UInt32(byte)
                for _ in 0..<8 { sum = sum & 1 == 1 ? sum >> 1 ^ 0xEDB8_8320 : sum >> 1 }
            }
            return Int(~sum)
        }
        var output: [UInt8] = []
        var directory: [UInt8] = []
        for (name, bytes) in members {
            let name = Array(name.utf8)
            let sizes = little(sum(bytes), 4) + little(bytes.count, 4) + little(bytes.count, 4)
            let common = little(20, 2) + little(0, 8) + sizes + little(name.count, 2) + little(0, 2)
            directory += little(0x0201_4B50, 4) + little(20, 2) + common + little(0, 10)
            directory += little(output.count, 4) + name
            output += little(0x0403_4B50, 4) + common + name + bytes
        }
        let end = little(0x0605_4B50, 4) + little(0, 4) + little(members.count, 2) + little(members.count, 2)
        return output + directory + end + little(directory.count, 4) + little(output.count, 4) + little(0, 2)
    }

    private static let notes = zip((0..<40).map { ("n\($0).txt", Array("salt".utf8)) })

    @Test func nestedFilesAreReadWithinTheBudget() throws {
        let whole = try read(Self.zip((0..<40).map { ("z\($0).zip", Self.notes) }), name: "all.zip")
        #expect(whole.documents.count == 1600)
        #expect(whole.problems.isEmpty)
    }

    @Test func tooManyNestedFilesAreLeftOut() throws {
        // The same bytes, as if they had been packed in little space.
        var options = ReadingOptions()
        options.budget = SourceBudget(size: 100)
        let many = Self.zip((0..<60).map { ("z\($0).zip", Self.notes) })
        let reading = try read(many, name: "all.zip", options: options)
        #expect((1900...2001).contains(reading.documents.count), "\(reading.documents.count)")
        #expect(reading.problems.contains { $0.reason.contains("too many files are nested") })
        #expect(reading.problems.count < 50, "what is left out is said once for each level")
    }

    @Test func whatIsNestedTooDeepIsNotUnpacked() throws {
        var bytes = Self.notes
        for level in 0..<4 { bytes = Self.zip([("l\(level).zip", bytes)]) }
        let reading = try read(bytes, name: "deep.zip")
        #expect(reading.documents.isEmpty)
        #expect(reading.problems.count == 1)
        #expect(reading.problems.first?.reason.contains("nested deeper") == true)
    }

    @Test func readingEndsWhenNobodyWaits() throws {
        let asked = Mutex(0)
        var options = ReadingOptions()
        options.budget = SourceBudget(size: 1 << 20) {
            asked.withLock {
                $0 += 1
                return $0 > 50
            }
        }
        let reading = try read(Self.zip((0..<40).map { ("z\($0).zip", Self.notes) }), name: "all.zip", options: options)
        #expect(reading.documents.count < 50)
    }

    /// A few kilobytes that say a hundred megabytes.
    @Test func whatSaysFarMoreThanItHasIsSetAside() throws {
        func sheet(rows: Int, text: String) -> [UInt8] {
            let space = "xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\""
            let relation = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
            let kinds = "http://schemas.openxmlformats.org/package/2006/relationships"
            let cells = String(
                repeating: "<row>" + String(repeating: "<c t=\"s\"><v>0</v></c>", count: 20) + "</row>", count: rows)
            return Self.zip(
                [
                    (
                        "_rels/.rels",
                        "<Relationships xmlns=\"\(kinds)\"><Relationship Id=\"r\" Type=\"\(relation)/officeDocument\" Target=\"xl/workbook.xml\"/></Relationships>"
                    ),
                    (
                        "xl/workbook.xml",
                        "<workbook \(space) xmlns:r=\"\(relation)\"><sheets><sheet name=\"a\" sheetId=\"1\" r:id=\"s\"/></sheets></workbook>"
                    ),
                    (
                        "xl/_rels/workbook.xml.rels",
                        "<Relationships xmlns=\"\(kinds)\"><Relationship Id=\"s\" Type=\"\(relation)/worksheet\" Target=\"worksheets/s.xml\"/></Relationships>"
                    ),
                    ("xl/sharedStrings.xml", "<sst \(space)><si><t>\(text)</t></si></sst>"),
                    ("xl/worksheets/s.xml", "<worksheet \(space)><sheetData>\(cells)</sheetData></worksheet>"),
                ].map { ($0.0, Array($0.1.utf8)) })
        }
        #expect(!(try read(sheet(rows: 20, text: "salt"), name: "a.xlsx").documents.isEmpty))
        let error = #expect(throws: DocumentError.self) {
            try read(sheet(rows: 100, text: String(repeating: "salt ", count: 8000)), name: "a.xlsx")
        }
        #expect(error?.message.contains("bytes of text") == true)
    }

    /// A part costs its parser far more than the message that holds it.
    @Test(arguments: [
        "boundary=b", "boundary=\"b\"", "BOUNDARY = b", "boundary*0=\"b\"", "charset=x; boundary=\"b\"",
    ]) func messagesOfManyPartsAreCut(_ parameter: String) throws {
        let head = "From: a@b\nSubject: s\nMIME-Version: 1.0\nContent-Type: multipart/mixed; \(parameter)\n\n"
        let few = try read(head + String(repeating: "--b\n\nsalt\n", count: 900) + "--b--\n", name: "x.eml")
        #expect(few.notes.isEmpty)
        #expect(few.documents.first?.text.components(separatedBy: "salt").count == 901)
        let many = try read(head + String(repeating: "--b\n\nsalt\n", count: 5000) + "--b--\n", name: "x.eml")
        #expect(many.notes.contains { $0.contains("more parts") })
        #expect((900...1002).contains(many.documents.first?.text.components(separatedBy: "salt").count ?? 0))
    }

    /// Lines that begin as delimiters do are no parts: a dump of a database, or rules of a table.
    @Test func linesWithHyphensAreNoParts() throws {
        let lines = String(repeating: "-- Table of salt\n------\n", count: 3000)
        let plain = try read("From: a@b\nSubject: s\n\n" + lines, name: "x.eml")
        let mixed = try read(
            "From: a@b\nSubject: s\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"=_x\"\n\n--=_x\n\n"
                + lines + "--=_x--\n", name: "x.eml")
        for reading in [plain, mixed] {
            #expect(reading.notes.isEmpty)
            #expect(reading.documents.first?.text.components(separatedBy: "Table of salt").count == 3001)
        }
    }
}
