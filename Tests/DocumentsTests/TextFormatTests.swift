// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import OrderedCollections
import Testing

@testable import Documents

@Suite struct TextFormatTests {
    @Test func lineEndsAreOneThing() {
        #expect("a\r\nb\rc\n\nd".textLines() == ["a", "b", "c", "", "d"])
        #expect(
            "a\n".textLines() == ["a"] && "".textLines().isEmpty && "\r\n\r\n".textLines(omittingEmpty: true).isEmpty)
        #expect(Array("a\r\nb\n".utf8).textLines().map { Array($0) } == [Array("a".utf8), Array("b".utf8)])
        #expect("a\r\nb\rc".withUnixLineEnds() == "a\nb\nc")
        #expect("\r".withUnixLineEnds() == "\n" && "é\r\n\r\r\n".withUnixLineEnds() == "é\n\n\n")
    }

    /// Bytes that mark a format may also begin a text, or be spoken of in one.
    @Test(arguments: [
        "BMW sold more cars than ever in 2019, and the works in Dingolfing made most of them.",
        "A file that begins with %PDF- is a PDF, says the standard.", "MZ is how a program of DOS begins.",
        "RIFF files have chunks, and so on for a while.",
    ])
    func aTextAboutAFormatIsAText(_ text: String) throws {
        #expect(try read(text, name: "note.txt").documents.map(\.text) == [text])
    }

    /// Texts of one byte a letter, whose encoding nothing names.
    @Test(arguments: [
        ("ISO-8859-1", "Größe und Farbe können für jeden Käufer geändert werden, außer für große Straßenschilder."),
        ("ISO-8859-1", "L'été dernier, à la fenêtre de l'hôtel, le père était très élégant et même gai."),
        ("ISO-8859-1", "El niño también compró más peras en el año pasado, según la señora."),
        ("WINDOWS-1252", "På kvällen är det för mörkt att gå över ån, säger många människor."),
        ("ISO-8859-2", "Nie wiadomo, że także część książek była już sprzedana, być może wśród innych."),
        ("WINDOWS-1250", "Říkali, že při příštím měření může být výsledek také jiný než před rokem."),
        ("ISO-8859-2", "A gyerekek közül több is azt mondta, hogy ők később szeretnének új könyvet."),
    ])
    func encodingsOfEuropeAreToldApart(_ encoding: String, _ text: String) throws {
        let name = text.hasPrefix("Nie") || text.hasPrefix("A gy") ? "ISO-8859-2" : encoding
        let encodings: [String: String.Encoding] = [
            "ISO-8859-1": .isoLatin1, "WINDOWS-1252": .windowsCP1252, "ISO-8859-2": .isoLatin2,
            "WINDOWS-1250": .windowsCP1250,
        ]
        let kind = try #require(encodings[name])
        let bytes = try #require(text.data(using: kind))
        #expect(try read(Array(bytes), name: "note.txt").documents.map(\.text) == [text])
    }

    /// JSON with comments, values in a row on one line, and lines that were taken out of a list.
    @Test func jsonAsPeopleWriteIt() throws {
        let commented = try read("// note\n{\"title\": \"A\", /* x */ \"text\": \"alpha\",}\n", name: "a.json")
        #expect(commented.documents.map(\.text) == ["alpha"] && commented.notes.count == 1)
        let row = try read(#"{"title":"A","text":"alpha"}{"title":"B","text":"beta"}"#, name: "a.json")
        #expect(row.documents.map(\.text) == ["alpha", "beta"])
        let lines = try read("{\"text\":\"a\"},\n{\"text\":\"b\"}, \n{\"text\":\"c\"}\n", name: "a.jsonl")
        #expect(lines.documents.map(\.text) == ["a", "b", "c"] && lines.problems.isEmpty)
    }

    /// A paragraph that begins with "From" is no new message.
    @Test func mailboxesAreCutAtEnvelopes() throws {
        let box = """
            From a@x.org Mon Jan  1 10:00:00 2024
            From: a@x.org
            Subject: one

            Hello,

            From here we go: to the harbour.
            It is far.

            From b@x.org Tue Jan  2 10:00:00 2024
            From: b@x.org
            Subject: two

            Bye.

            """
        let reading = try read(box, name: "a.mbox")
        #expect(reading.documents.map(\.title) == ["one", "two"] && reading.problems.isEmpty)
        #expect(reading.documents[0].text.contains("It is far."))
        // However the bytes arrive.
        for size in [1, 7, 64] {
            let source = try RecordSource(
                DrippingStream(Array(box.utf8), size: size), format: .mbox, id: "a", options: ReadingOptions())
            var buffer: [UInt8] = []
            var count = 0
            while try source.reader.next(into: &buffer) != nil { count += 1 }
            #expect(count == 2)
        }
    }

    // After readmeio/rdme #1492: front matter of files saved on Windows.
    @Test(arguments: ["\n", "\r\n"], ["", "\u{FEFF}"]) func markdownFromAnySystem(_ end: String, _ mark: String) throws
    {
        let text = "---\ntitle: Harbour tariffs\nyear: 2021\ntags: [port, fees]\n---\n\n# Ignored\n\nFour crowns.\n"
        let document = try #require(try read(mark + text.replacing("\n", with: end), name: "a.md").documents.first)
        #expect(document.title == "Harbour tariffs" && document.text == "# Ignored\n\nFour crowns.")
        #expect(document.metadata == ["year": 2021, "tags": ["port", "fees"]])
    }

    @Test func frontMatterAsNoteToolsWriteIt() throws {
        let rich = try read(
            """
            ---
            title: "The \\"Blue\\" ledger"
            summary: >
              Two lines
              folded here
            authors:
              - name: Ada Quill
                role: clerk
              - name: Bo Reed
            tags: ["salt, fine", pepper]
            published: true # since spring
            'quoted key': x
            ---
            Body.
            """, name: "a.md"
        ).documents[0]
        #expect(rich.title == "The \"Blue\" ledger" && rich.text == "Body.")
        #expect(
            rich.metadata["summary"] == .string("Two lines folded here\n")
                || rich.metadata["summary"] == .string("Two lines folded here"))
        #expect(rich.metadata["authors"] == ["name": ["Ada Quill", "Bo Reed"], "role": ["clerk"]])
        #expect(rich.metadata["tags"] == ["salt, fine", "pepper"] && rich.metadata["published"] == true)
        let toml = try read(
            "+++\ntitle = \"Kelp\"\ndate = 2022-05-04\nweight = 1_000\n[extra]\na.b = ['x', \"y\"] # note\n+++\nGrows.\n",
            name: "a.md"
        ).documents[0]
        #expect(toml.title == "Kelp" && toml.text == "Grows.")
        #expect(toml.metadata == ["date": "2022-05-04", "weight": 1000, "extra": ["a": ["b": ["x", "y"]]]])
        let odd = try read("---\na: [b\n---\nText.\n", name: "a.md")
        #expect(odd.documents[0].text.contains("a: [b") && odd.notes.count == 1)
        #expect(try read("---\n\nA rule, then text.\n\n---\nMore\n", name: "a.md").documents[0].text.contains("A rule"))
    }

    @Test func headingsAreFoundByTheGrammar() throws {
        #expect(
            try read("```\n# no\n```\n\nThe *first*\none\n=====\n\nBody", name: "a.md").documents[0].title
                == "The first one")
        #expect(try read("# A `b` ##\nText", name: "a.md").documents[0].title == "A b")
        #expect(try read("No heading.", name: "dir/a.md").documents[0].title == "a")
    }

    @Test func encodingsAreFound() throws {
        func text(_ bytes: [UInt8]) throws -> String {
            try #require(try read(bytes, name: "a.txt").documents.first).text
        }
        #expect(try text([0x63, 0x61, 0x66, 0xE9, 0x20, 0x93, 0x78, 0x94]) == "café “x”")
        let words = "Grüße aus der Stadt – schön"
        for (encoding, mark) in [
            (String.Encoding.utf16LittleEndian, [0xFF, 0xFE]), (.utf16BigEndian, [0xFE, 0xFF]),
            (.utf16LittleEndian, []), (.utf16BigEndian, []),
        ] as [(String.Encoding, [UInt8])] {
            #expect(try text(mark + Array(try #require(words.data(using: encoding)))) == words)
        }
        let russian = String(repeating: "Старый маяк стоит на краю гавани. ", count: 8)
        #expect(try text(Array(try #require(russian.data(using: .windowsCP1251)))) == russian)
        #expect(throws: DocumentError.self) { try read([0, 1, 2, 3, 200, 0, 0, 7], name: "a.txt") }
        var options = ReadingOptions()
        options.encoding = "iso-8859-2"
        #expect(try read([0xB1, 0xE6], name: "a.txt", options: options).documents[0].text == "ąć")
        let page = Array("<meta charset='windows-1251'><p>".utf8) + [0xCC, 0xE0, 0xFF, 0xEA]
        #expect(try read(page, name: "a.html").documents[0].text == "Маяк")
        let rows = Array("id,text\n1,caf".utf8) + [0xE9, 10]
        #expect(try read(rows, name: "a.csv").documents[0].text == "café")
    }

    @Test func pagesKeepTheirMainText() throws {
        let page = try read(
            """
            <!DOCTYPE html><html><head><title>Fish &amp; chips</title><style>p{}</style>
            <meta name="author" content="A. Cook"><script>if (a < b) { document.write("<p>no</p>") }</script></head>
            <body><nav><a href=x>Home</a></nav><!-- no --><h1>Heading</h1><p>One&nbsp;two &#233;&#x41; 3 < 4 & 5 &#150; &check;&copy 2020 &amp;lt;</p>
            <table><tr><th>Quay<th>Fee</tr><tr><td>North<td>4.50</tr></table><p>Next<br>line <b>bold</b><ul><li>x<li>y</ul>
            <pre>a
              b</pre><footer>Impressum</footer>
            """, name: "a.html"
        ).documents[0]
        #expect(page.title == "Fish & chips" && page.metadata["author"] == .string("A. Cook"))
        #expect(
            page.text
                == "Heading\n\nOne two éA 3 < 4 & 5 – ✓© 2020 &lt;\n\nQuay | Fee\nNorth | 4.50\n\nNext\nline bold\n\nx\ny\n\na\n  b"
        )
        // A page of links only is its links.
        #expect(try read("<body><nav><a>One</a><a>Two</a></nav></body>", name: "a.html").documents[0].text == "OneTwo")
        let deep = String(repeating: "<div class=nav><table><tr><td>", count: 3000) + "x"
        #expect(try read(deep, name: "a.html").documents.count == 1)
    }

    @Test func restructuredTextAndOrg() throws {
        let rst = try read(
            "======\nTitle\n======\n\n:Author: Ada\n\nText.\n\n.. a comment\n   more\n\nPart\n----\n\nEnd.\n",
            name: "a.rst"
        ).documents[0]
        #expect(
            rst.title == "Title" && rst.metadata["author"] == .string("Ada")
                && rst.text.split(whereSeparator: \.isWhitespace) == ["Text.", "Part", "End."])
        let org = try read(
            "#+TITLE: Notes\n#+FILETAGS: :a:b:\n* Head\n:PROPERTIES:\n:ID: 5\n:END:\nText.\n", name: "a.org"
        ).documents[0]
        #expect(org.title == "Notes" && org.metadata["tags"] == ["a", "b"] && org.text == "Head\n\nText.")
    }

    @Test func kindsAreToldByContent() throws {
        func kind(_ text: String, _ name: String) -> SourceFormat? {
            var text = text
            return text.withUTF8 { SourceFormat.detect(name: name, head: $0, isWhole: true) }
        }
        #expect(kind("plain words", "README") == .text && kind("#!/bin/sh\necho", "run") == .code)
        #expect(kind("<!DOCTYPE html><p>x", "page") == .html && kind("{\"a\":1}\n{\"a\":2}", "data") == .jsonl)
        #expect(kind("%PDF-1.4 x", "file.txt") == .pdf && kind("int main", "a.c") == .code)
        #expect(kind("From: a@b\nTo: c@d\nSubject: x\n\nHi", "mail") == .eml && kind("x", "a.unknown") == .text)
    }
}

/// What pages and values in odd forms are.
@Suite struct OddFormTests {
    private func text(_ body: String) throws -> String {
        try #require(read("<html><body>\(body)</body></html>", name: "x.html").documents.first).text
    }

    /// References without a semicolon, by the tables of HTML.
    @Test func referencesWithoutASemicolon() throws {
        #expect(
            try text("<p>&copy2024 &ltx &amp;lt; &notit; &nbspz caf&eacute; &ampx &frac12x</p>")
                == "©2024 <x &lt; ¬it; z café &x ½x")
        #expect(try text("<p><a href=\"?a=1&copy=2&section=3\">go</a> &notin;</p>") == "go ∉")
    }

    @Test func menusOfManyLinksAreNoText() throws {
        let menu = (0..<50).map { "<li><a href=x>Menu item \($0)</a>" }.joined()
        let words = "The marsh harrier nests in reed beds across Europe and hunts over open water in the morning."
        #expect(try text("<ul class=\"menu\">\(menu)</ul><div><p>\(words)</p></div>") == words)
        // A page that is nothing but links is read.
        #expect(try text("<h1>All pages</h1><ul class=\"menu\">\(menu)</ul>").contains("Menu item 49"))
    }

    @Test func textBelowManyWrappersIsRead() throws {
        let deep =
            String(repeating: "<div>", count: 5000) + "<p>Deep down &amp; found</p>"
            + String(repeating: "</div>", count: 5000)
        #expect(try text(deep + "<p>After</p>") == "Deep down & found\n\nAfter")
    }

    @Test func jsonAsPeopleWriteIt() throws {
        let settings = try read(
            "// config\n{\n  /* c */ \"name\": \"x\", // y\n  \"list\": [1,2,3,],\n}\n", name: "a.json")
        #expect(settings.documents.count == 1 && settings.problems.isEmpty)
        let markdown = try read("# Markdown really\ntext", name: "a.json")
        #expect(markdown.documents.first?.text == "# Markdown really\ntext" && markdown.problems.isEmpty)
        let cut = try read("{\"id\":\"a\",\"text\":\"one\"}\n{\"id\":\"b\",\"text\":\"tw", name: "a.jsonl")
        #expect(cut.documents.count == 1 && cut.problems.count == 1)
        #expect(cut.problems.first?.reason.contains("null") == false, "\(cut.problems)")
    }

    @Test func tablesUnderTheNamesOfSheets() throws {
        #expect(try read("a\tb\n1\t2\n3\t4\n", name: "x.xls").documents.count == 2)
        #expect(try read("a,b\n1,x\n3,y\n", name: "x.xls").documents.count == 2)
        #expect(
            try read("<table><tr><td>a</td><td>b</td></tr></table>", name: "x.xls").documents.first?.text == "a | b")
        var problems: [String] = []
        var notes: [String] = []
        func records(_ rows: [[Int: String]]) -> [SourceDocument] {
            var sheet = Sheet(name: "s")
            sheet.rows = rows.enumerated().map { ($0.offset + 1, $0.element) }
            return sheet.documents(id: "s", title: "s", fields: RecordFields(), problems: &problems, notes: &notes)
        }
        #expect(
            records([[1: "Ships", 2: "Fee"], [0: "North", 1: "4", 2: "x"], [0: "South", 1: "5", 2: "y"]]).count == 2)
        #expect(records([[0: "n", 1: "n"], [0: "1", 1: "x"], [0: "2", 1: "y"]]).count == 2)
    }

    @Test func declarationsOfNamespacesAreNoFields() throws {
        let xml = "<r xmlns:a=\"urn:a\" xmlns=\"urn:b\"><i a:k=\"1\"><n>One</n></i><i a:k=\"2\"><n>Two</n></i></r>"
        let documents = try read(xml, name: "x.xml").documents
        #expect(!documents.isEmpty)
        #expect(
            documents.allSatisfy {
                !$0.text.contains("urn:") && $0.metadata.values.allSatisfy { $0 != .string("urn:a") }
            })
    }

    /// Standard input and files without an ending: what begins as JSON does and is none, and what marks leave no doubt of.
    @Test(arguments: [
        ("[INFO] started service\n[ERROR] broke\n", SourceFormat.text), ("[section]\nkey=value\n", .text),
        ("[2024-03-05 10:00:00] production.ERROR: x\n[2024-03-05 10:00:01] y\n", .text),
        ("[1] first reference\n[2] second\n", .text), ("{not json at all} some text\nmore\n", .text),
        ("[[a link]] of a note\n", .text), ("[12/03/24, 10:15:02] Ann: hello\n", .text),
        ("{\"a\": 1}\n{\"a\": 2}\n", .jsonl), ("[{\"a\": 1},\n {\"a\": 2}]", .json), ("{\n  name: 'x', // c\n}", .json),
        ("[1, 2, 3]", .json), ("{\"a\": [1, 2", .json),
        ("id,name,town\n1,Ann,Oslo\n2,Bo,Bergen\n", .csv), ("id;name\n1;Ann\n2;Bo\n", .csv),
        ("id\tname\n1\tAnn\n2\tBo\n", .tsv), ("name|age\nAnn|3\nBo|4\n", .csv),
        ("Dear Ann, it rained\nall day, and the\nharbour, too, was wet\n", .text),
        ("# Title\n\nSome text with **bold** words.\n", .markdown), ("# a setting\nport = 80\n", .text),
        ("---\ntitle: A\ntags: b\n---\n\nText of the note, in sentences.\n", .markdown),
        ("name: a\nports:\n  - 80\n  - 81\n", .yaml), ("- id: 1\n  text: one\n- id: 2\n  text: two\n", .yaml),
        ("Subject: hello\nTo: you\n", .text), ("- item one\n- item two\n", .text),
        ("#+TITLE: A\n* One\ntext\n", .org), ("Title\n=====\n\n.. note:: It rains.\n", .rst), ("Just a line", .text),
    ]) func textsWithoutAName(_ text: String, _ format: SourceFormat) {
        let found = Array(text.utf8).withUnsafeBufferPointer {
            SourceFormat.detect(name: "stdin", head: $0, isWhole: true)
        }
        #expect(found == format, "\(text)")
    }

    /// Doubled quotes in a field of two lines are quotes by the standard, though each line has all columns.
    @Test func quotedLinesWithDoubledQuotes() throws {
        let reading = try read(
            "text,label\n\"He said \"\"hi, there\"\"\nand left\",pos\n\"unclosed quote,neg\nlast,neg\n", name: "a.csv")
        #expect(reading.documents.count == 3)
        #expect(reading.documents.first?.text.contains("He said \"hi, there\"\nand left") == true)
    }
}
