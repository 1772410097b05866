// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import OrderedCollections
import Testing

@testable import Documents

/// Files that are damaged, or made to do harm: each is read as far as it goes or set aside, within bounds.
@Suite struct HostileFileTests {
    /// What must hold of whatever was read.
    private func check(_ reading: Reading, _ what: String) {
        for document in reading.documents {
            #expect(!document.id.isEmpty, "\(what)")
        }
        #expect(reading.problems.allSatisfy { !$0.reason.isEmpty }, "\(what)")
    }

    private func tryReading(_ bytes: [UInt8], name: String, _ what: String) {
        do {
            check(try read(bytes, name: name), what)
        } catch let error as DocumentError {
            #expect(!error.message.isEmpty, "\(what)")
        } catch { Issue.record("\(what): \(error)") }
    }

    /// Office files, books and archives with bytes changed, taken out, doubled or cut off.
    @Test(arguments: [
        "kelp.docx", "lights.pptx", "stock.xlsx", "salt.odt", "tides.ods", "lamps.epub", "bundle.zip", "bundle.tar.gz",
        "names.zip", "lines.jsonl.gz",
    ])
    func damagedPackages(_ name: String) throws {
        let whole = try testFile(name)
        var random = SeededNumbers(state: 11)
        for round in 0..<12 {
            var bytes = whole
            switch round % 4 {
            case 0: bytes = Array(bytes.prefix(Int.random(in: 0..<bytes.count, using: &random)))
            case 1:
                for _ in 0..<8 {
                    bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
                }
            case 2:
                let from = Int.random(in: 0..<bytes.count, using: &random)
                bytes.removeSubrange(from..<min(bytes.count, from + Int.random(in: 1...64, using: &random)))
            default:
                let from = Int.random(in: 0..<bytes.count, using: &random)
                bytes.insert(contentsOf: bytes[from..<min(bytes.count, from + 200)], at: from)
            }
            tryReading(bytes, name: name, "\(name), round \(round)")
        }
    }

    /// Texts made of the marks of their format, in any order.
    @Test(
        arguments: [
            (
                "a.html",
                [
                    "<p>", "</p>", "<table>", "<tr>", "<td rowspan=99999>", "<td colspan=-1>", "<script>", "<!--",
                    "-->", "<![CDATA[", "&#x110000;", "&amp", "<a href='", "\"", "<li>", "<pre>", "<nav>", "x ",
                ]
            ),
            (
                "a.md",
                [
                    "# ", "```", "---\n", "> ", "- ", "1. ", "|a|b|\n|-|-|\n", "**", "[x](", ")", "<b>", "\n\n", "\t",
                    "x ", "a: b\n",
                ]
            ),
            (
                "a.xml",
                [
                    "<a>", "</a>", "<b c='d'>", "</b>", "<!DOCTYPE a [<!ENTITY e 'eeee'>]>", "&e;", "&lt;", "<![CDATA[",
                    "]]>", "<?p?>", "x", "<!--", "-->",
                ]
            ),
            (
                "a.json",
                [
                    "{", "}", "[", "]", "\"a\":", "\"text\":", "\"x\"", "1e999", "-", ",", "null", "//c\n", "NaN",
                    "\\u0000",
                ]
            ),
            (
                "a.jsonl",
                [
                    "{\"text\":\"x\"}", "{", "\n", "[1]", "null", "\"", ",", "\u{FEFF}", "\r",
                    "{\"id\":\"a\",\"text\":1}",
                ]
            ),
            ("a.csv", ["a", ",", ";", "\t", "\"", "\"\"", "\n", "\r\n", "1", " ", "'", "|", "é"]),
            (
                "a.yaml",
                [
                    "a: b\n", "- x\n", "  c: d\n", "&x ", "*x\n", "<<: *x\n", "|\n", ">-\n", "[", "{", "---\n",
                    "!!binary x\n", "\t",
                ]
            ),
            ("a.rst", ["====\n", "Title\n", ".. x::\n", "   y\n", "::\n", ":a: b\n", "* x\n", "+--+\n", "| x|\n"]),
            (
                "a.org",
                ["* H\n", "#+TITLE: x\n", ":PROPERTIES:\n", ":END:\n", "|a|\n", "#+BEGIN_SRC\n", "#+END_SRC\n", "x\n"]
            ),
            (
                "a.eml",
                [
                    "From: a@b\n", "Subject: =?utf-8?B?////?=\n", "Content-Type: multipart/mixed; boundary=x\n", "\n",
                    "--x\n", "--x--\n", "Content-Transfer-Encoding: base64\n", "!!!!\n", "text\n",
                ]
            ),
            (
                "a.mbox",
                ["From a@b Mon Jan  1 10:00:00 2024\n", "From: a\n", "Subject: s\n", "\n", ">From x\n", "text\n"]
            ),
            (
                "a.ipynb",
                ["{\"cells\":[", "{\"cell_type\":\"code\",\"source\":[\"x\"]}", ",", "]", "}", "\"nbformat\":4", "{"]
            ),
        ] as [(String, [String])])
    func marksInAnyOrder(_ name: String, _ pieces: [String]) {
        var random = SeededNumbers(state: 5)
        for round in 0..<40 {
            let text = (0..<Int.random(in: 0...24, using: &random)).map { _ in
                pieces.randomElement(using: &random) ?? ""
            }.joined()
            tryReading(Array(text.utf8), name: name, "\(name) \(round): \(text.debugDescription)")
        }
    }

    /// Structures within structures, thousands deep.
    @Test(
        arguments: [
            ("a.json", "[", "]"), ("a.json", "{\"a\":", "}"), ("a.xml", "<a>", "</a>"), ("a.html", "<div><ul><li>", ""),
            ("a.html", "<table><tr><td>", ""), ("a.md", "> ", ""), ("a.md", "- ", ""), ("a.md", "[", "]"),
            ("a.yaml", "- ", ""), ("a.yaml", "[", "]"), ("a.yaml", "{a: ", "}"), ("a.rst", "* ", ""),
            ("a.org", "*", ""),
            ("a.jsonl", "[", "]"), ("a.ipynb", "{\"cells\":[", "]}"),
        ] as [(String, String, String)])
    func deepNesting(_ name: String, _ open: String, _ close: String) {
        let depth = 4000
        let text = String(repeating: open, count: depth) + "x" + String(repeating: close, count: depth)
        tryReading(Array(text.utf8), name: name, "\(name) \(open)")
    }

    /// What a file cannot make bigger: entities in entities, aliases of aliases, rows that say they are many.
    @Test func expansionsAreBounded() throws {
        var xml = "<!DOCTYPE a [<!ENTITY e0 'laughter '>"
        for level in 1...20 {
            xml += "<!ENTITY e\(level) '&e\(level - 1);&e\(level - 1);&e\(level - 1);&e\(level - 1);'>"
        }
        xml += "]><a>&e20;</a>"
        var yaml = "a0: &a0 [laughter, laughter]\n"
        for level in 1...30 { yaml += "a\(level): &a\(level) [*a\(level - 1), *a\(level - 1), *a\(level - 1)]\n" }
        let html = "<table>" + String(repeating: "<tr><td rowspan=65534 colspan=1000>x", count: 300) + "</table>"
        for (name, text) in [("a.xml", xml), ("a.yaml", yaml), ("a.html", html)] {
            do {
                let reading = try read(text, name: name)
                let size = reading.documents.reduce(0) { $0 + $1.text.utf8.count }
                #expect(size < 64 << 20, "\(name): \(size) bytes")
            } catch is DocumentError {}
        }
        do {
            let bomb = try read(testFile("bomb.zip"), name: "bomb.zip")
            #expect(bomb.documents.reduce(0) { $0 + $1.text.utf8.count } < 256 << 20)
        } catch is DocumentError {}
    }

    /// A few bytes that stand for many: one text in every cell, cells that reach over a thousand others, and so many attributes
    /// that comparing each with each takes hours. 800 MB of text are refused, the others read as far as they go.
    @Test(.timeLimit(.minutes(1))) func whatStandsForManyIsBounded() throws {
        #expect(throws: DocumentError.self) { try read(testFile("repeated-text.xlsx"), name: "repeated-text.xlsx") }
        let cell = "<tr><td colspan=999999999 rowspan=999999999>salt"
        let table = try read("<table>" + String(repeating: cell, count: 2000) + "</table>", name: "a.html")
        #expect(table.documents.reduce(0) { $0 + $1.text.utf8.count } < 32 << 20)
        #expect(table.documents.first?.text.contains("salt") == true)
        let attributes = (0..<100_000).map { "a\($0)=\"x\"" }.joined(separator: " ")
        #expect(throws: DocumentError.self) { try read("<r><e \(attributes)>salt</e></r>", name: "a.xml") }
        #expect(throws: DocumentError.self) { try read("<html><p \(attributes)>salt</p></html>", name: "a.html") }
        // Programs and texts with many signs are none of an element's.
        let program = String(repeating: "if (a<b) { c = d; e=f }\n", count: 20_000)
        let page = try read(
            "<html><script>\(program)</script><p>salt \(String(repeating: "a = b ", count: 9000))</p></html>",
            name: "b.html")
        #expect(page.documents.first?.text.contains("salt") == true)
    }

    /// Names of members are names: none leads out of its archive.
    @Test func namesInArchivesLeadNowhere() throws {
        for name in ["bundle.zip", "bundle.tar.gz", "names.zip", "names-cp437.zip", "cut.zip"] {
            guard let reading = try? read(testFile(name), name: name) else { continue }
            for document in reading.documents {
                #expect(!document.id.hasPrefix("/"), "\(document.id)")
                #expect(!document.id.split(separator: "/").contains(".."), "\(document.id)")
            }
        }
    }

    /// Bytes that are no text of any kind are set aside; a few stray ones cost no file.
    @Test func bytesOfNoKind() {
        var random = SeededNumbers(state: 3)
        for round in 0..<20 {
            let count = Int.random(in: 0...600, using: &random)
            let bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
            for name in ["a.txt", "a", "a.json", "a.csv", "a.docx", "a.zip", "a.eml"] {
                do { check(try read(bytes, name: name), "\(name) \(round)") } catch is DocumentError {} catch {
                    Issue.record("\(name) \(round): \(error)")
                }
            }
        }
    }
}
