// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
import Foundation
import Synchronization
import Testing
import Text

@Suite struct IngestionTests {
    let folder: TemporaryFolder
    init() throws { folder = try TemporaryFolder() }

    func writer() throws -> CorpusWriter { try CorpusWriter.open(creatingAt: folder("c.forage")) }

    func lines(_ range: Range<Int>, note: String = "one") -> String {
        range.map {
            #"{"id":"d\#($0)","title":"T\#($0)","text":"Text \#(note) of \#($0).","metadata":{"n":\#($0)}}"# + "\n"
        }.joined()
    }

    @Test func jsonLinesInAllShapes() throws {
        let file = try folder.write(
            "in.jsonl",
            #"{"id":"a","title":"A title","text":"The text.","metadata":{"year":2001,"where":{"city":"Bern"},"none":null}}"#
                + "\r\n\n"
                + #"{"_id":7,"contents":"First line\nThe rest\nof it.","url":"http://x"}"# + "\n"
                + #"{"text":"No id here."}"#)
        let writer = try writer()
        let summary = try writer.ingest([file])
        #expect(summary.added == 3 && summary.bad == 0)
        #expect(try summary.bytes == Data(contentsOf: URL(fileURLWithPath: file)).count)
        let reader = try writer.publish()
        let a = try #require(try reader.document(id: "a"))
        #expect(a.metadata == ["year": .number(2001), "where.city": .text("Bern")])
        #expect(a.source == file)
        let seven = try #require(try reader.document(id: "7"))
        #expect(
            seven.title == "First line" && seven.text == "The rest\nof it."
                && seven.metadata["url"] == .text("http://x"))
        #expect(try reader.document(id: "in:4")?.text == "No id here.")
    }

    @Test(arguments: [
        ("{\"id\":\"x\"}", "expected \"text\" or \"contents\" (a string); the object has \"id\""),
        ("{\"text\":3}", "\"text\" must be a string, found integer"),
        ("[1]", "expected a JSON object with \"text\", found array"),
        ("{\"text\":\"x\"", "expected a JSON object on one line"),
        ("{\"id\":\"d1\",\"text\":\"another\"}", "the id \"d1\" was given before"),
        ("{\"id\":\"\",\"text\":\"t\"}", "a document's id is empty"),
        ("{\"id\":[],\"text\":\"t\"}", "\"id\" must be a string or a whole number"),
        ("{\"text\":\"t\",\"metadata\":[]}", "\"metadata\" must be an object, found array"),
    ])
    func badLines(_ line: String, _ expected: String) throws {
        let file = try folder.write("in.jsonl", lines(0..<2) + line + "\n" + lines(2..<4))
        let writer = try writer()
        let error = #expect(throws: CorpusError.self) { try writer.ingest([file]) }
        #expect(error?.code == .badInput)
        #expect(error?.message.hasPrefix("\(file):3: ") == true)
        #expect(error?.message.contains(expected) == true, "\(error?.message ?? "")")
        #expect(try writer.committedDocumentCount == 2)
        let summary = try writer.ingest([file], options: IngestOptions(skipsBad: true))
        #expect(summary.bad == 1 && summary.added == 2 && summary.badMessages.first?.contains(":3: ") == true)
        #expect(try writer.committedDocumentCount == 4)
    }

    @Test func invalidUTF8AndLongLines() throws {
        let writer = try writer()
        let bad = try folder.write("bad.jsonl", Array(#"{"text":"a"#.utf8) + [0xFF, 0xFE] + Array("\"}\n".utf8))
        #expect(throws: CorpusError.self) { try writer.ingest([bad]) }
        let text = try folder.write("bad.txt", [0x80, 0x81])
        let error = #expect(throws: CorpusError.self) { try writer.ingest([text]) }
        #expect(error?.message.contains("not valid UTF-8") == true)
        let long = try folder.write(
            "long.jsonl", #"{"text":""# + String(repeating: "x", count: 3 << 20) + "\"}\n" + lines(0..<1))
        let limited = IngestOptions(skipsBad: true, lineLimit: 1 << 20)
        let summary = try writer.ingest([long], options: limited)
        #expect(summary.bad == 1 && summary.added == 1)
        #expect(summary.badMessages == ["\(long):1: the line is longer than 1048576 bytes"])
        let empty = try folder.write("empty.jsonl", "")
        #expect(try writer.ingest([empty]).added == 0)
        #expect(try writer.ingest([try folder.write("empty.csv", "")]).added == 0)
        #expect(try writer.ingest([try folder.write("empty.md", "")]).added == 1)
        #expect(throws: CorpusError.self) { try writer.ingest([folder("nowhere.jsonl")]) }
        #expect(throws: CorpusError.self) { try writer.ingest([try folder.write("a.xyz", "x")]) }
    }

    @Test func nulCharactersAreReplaced() throws {
        let writer = try writer()
        let escaped = try folder.write(
            "nul.jsonl", #"{"id":"a","title":"x\u0000y","text":"One.\u0000 Two. Three."}"# + "\n")
        let raw = try folder.write("nul.txt", [UInt8](repeating: 0, count: 5000))
        try writer.ingest([escaped, raw])
        let reader = try writer.beginGeneration().publish()
        #expect(try reader.document(id: "a")?.text == "One.\u{FFFD} Two. Three.")
        #expect(reader.documentCount == 2)
        #expect(throws: CorpusError.self) { try writer.add([Document(id: "a\0", text: "x")]) }
    }

    @Test func delimitedValues() throws {
        let file = try folder.write(
            "people.csv",
            "\u{FEFF}id,Title,body,born,\"full, name\",blank\r\n1,Ada,\"She wrote\nthe \"\"first\"\" program.\",1815-12-10,\"Lovelace, Ada\",\r\n2,Alan,Computing.,1912-06-23,Turing,\r\n"
        )
        let writer = try writer()
        #expect(try writer.ingest([file]).added == 2)
        let tabs = try folder.write("t.tsv", "text\tn\nhello\t5\nworld\t6\n")
        #expect(try writer.ingest([tabs]).added == 2)
        let reader = try writer.publish()
        let ada = try #require(try reader.document(id: "1"))
        #expect(ada.title == "Ada" && ada.text == "She wrote\nthe \"first\" program.")
        #expect(ada.metadata["full, name"] == .text("Lovelace, Ada"))
        #expect(ada.metadata["born"] == .date(-4_861_728_000))
        #expect(ada.metadata["blank"] == nil)
        #expect(try reader.document(id: "t:3")?.metadata["n"] == .number(6))
        for (text, expected) in [
            ("a,b\n1,2\n", ":1: which column is the text?"), ("text,b\n1\n", ":2: expected 2 columns, found 1"),
            ("text,b\n\"x\"y,2\n", ":2: expected a delimiter after the closing quote"),
            ("text,b\n1,2\n\"x,2\n", ":3: a double quote is opened and never closed"),
            ("text,text\n1,2\n", ":1: two columns of the header have the same name"),
        ] {
            let bad = try folder.write("bad.csv", text)
            let error = #expect(throws: CorpusError.self) { try writer.ingest([bad]) }
            #expect(error?.message.hasPrefix(bad + expected) == true, "\(error?.message ?? "")")
        }
        let other = try folder.write("other.csv", "key,a,b\nk,x,y\n")
        _ = try writer.ingest([other], options: IngestOptions(idField: "key", titleField: "a", textField: "b"))
        #expect(try writer.publish().document(id: "k")?.text == "y")
    }

    @Test func foldersOfMarkdownTextAndHTML() throws {
        try folder.write(
            "docs/a.md", "---\ndate: 2024-03-01\ntags: [x, \"y z\"]\ndraft: true\n---\n\n# The *first* one #\n\nBody.\n"
        )
        try folder.write("docs/b.markdown", "Underlined\n=====\n\nMore.")
        try folder.write("docs/deep/c.txt", "Plain text.")
        try folder.write(
            "docs/deep/d.html",
            """
            <!DOCTYPE html><html><head><title>Fish &amp; chips</title><style>p{}</style>
            <meta name="author" content="A. Cook"><script>if (a < b) { document.write("<p>no</p>") }</script></head>
            <body><!-- no --><h1>Heading</h1><p>One&nbsp;two &#233;&#x41; 3 < 4 & 5</p><p>Next<br>line <b>bold</b><ul><li>x<li>y</ul>
            """)
        try folder.write("docs/picture.png", [1, 2, 3])
        try folder.write("docs/.hidden.md", "# no")
        let writer = try writer()
        let summary = try writer.ingest([folder("docs")])
        #expect(summary.added == 4 && summary.filesIgnored == 1)
        let reader = try writer.publish()
        let a = try #require(try reader.document(id: "docs/a.md"))
        #expect(a.title == "The *first* one" && a.text == "Body.")
        #expect(a.metadata["tags"] == .list([.text("x"), .text("y z")]) && a.metadata["draft"] == .boolean(true))
        #expect(a.metadata["date"] == .date(1_709_251_200))
        #expect(try reader.document(id: "docs/b.markdown")?.title == "Underlined")
        #expect(try reader.document(id: "docs/deep/c.txt")?.title == "c")
        let d = try #require(try reader.document(id: "docs/deep/d.html"))
        #expect(d.title == "Fish & chips" && d.metadata["author"] == .text("A. Cook"))
        #expect(d.text == "Heading\n\nOne two éA 3 < 4 & 5\n\nNext\nline bold\n\nx\ny")
        // A second look reads nothing; a changed file is read, a removed one forgotten.
        let again = try writer.ingest([folder("docs")])
        #expect(again.sourcesUnchanged == 4 && again.sourcesRead == 0 && !again.changed)
        try folder.write("docs/a.md", "# New\n\nText.")
        try FileManager.default.removeItem(atPath: folder("docs/deep/c.txt"))
        let third = try writer.ingest([folder("docs")])
        #expect(third.replaced == 1 && third.deleted == 1 && third.sourcesUnchanged == 2)
        #expect(try writer.publish().documentCount == 3)
    }

    @Test func reindexingReadsWhatChanged() throws {
        let file = try folder.write("in.jsonl", lines(0..<100))
        let writer = try writer()
        #expect(try writer.ingest([file]).added == 100)
        #expect(try writer.ingest([file]).sourcesUnchanged == 1)
        // Touched but the same: the content's hash tells.
        try FileManager.default.setAttributes([.modificationDate: Date(timeIntervalSince1970: 1)], ofItemAtPath: file)
        #expect(try writer.ingest([file]).sourcesUnchanged == 1)
        try folder.write("in.jsonl", lines(10..<100) + lines(100..<110) + lines(5..<6, note: "two"))
        let summary = try writer.ingest([file])
        #expect(summary.added == 10 && summary.replaced == 1 && summary.unchanged == 90 && summary.deleted == 9)
        #expect(try writer.publish().documentCount == 101)
    }

    @Test func cancelledIngestionResumes() throws {
        let file = try folder.write("in.jsonl", lines(0..<1000))
        let writer = try writer()
        let asked = Atomic<Int>(0)
        let options = IngestOptions(batchSize: 100)
        let first = try writer.ingest(
            [file], options: options, isCancelled: { asked.add(1, ordering: .relaxed).newValue > 3 })
        #expect(first.wasCancelled && first.added == 300)
        #expect(try writer.publish().documentCount == 300)
        var seen: [IngestProgress] = []
        let second = try writer.ingest([file], options: options, progress: { seen.append($0) })
        #expect(!second.wasCancelled && second.added == 700 && second.unchanged == 0)
        #expect(seen.last?.bytes == seen.last?.bytesTotal)
        #expect(try writer.publish().documentCount == 1000)
        #expect(try writer.ingest([file]).sourcesUnchanged == 1)
    }

    @Test func typesAreInferredAndDeclared() throws {
        let file = try folder.write(
            "in.jsonl",
            """
            {"text":"a","number":1,"word":"x","mixed":1,"date":"2024-01-02","stamp":"2024-01-02T03:04:05+01:00","flag":true,"zip":"00501","list":[1,2],"words":["b","a"],"csv":"4"}
            {"text":"b","number":2.5,"word":"y","mixed":"z","date":"March 3, 2024","stamp":"2024-01-02T03:04:05Z","flag":false,"zip":"90210","list":[3],"words":"c","csv":"5.5"}
            """)
        let writer = try writer()
        try writer.ingest([file])
        let reader = try writer.publish()
        let types = Dictionary(uniqueKeysWithValues: reader.columns.fields.map { ($0.name, $0.type) })
        #expect(
            types == [
                "number": .number, "word": .text, "mixed": .text, "date": .date, "stamp": .date, "flag": .boolean,
                "zip": .text,
                "list": .numberList, "words": .textList, "csv": .number,
            ])
        #expect(try reader.columns.value(of: "stamp", document: 0) == .date(1_704_161_045))
        #expect(try reader.columns.value(of: "mixed", document: 0) == .text("1"))
        #expect(try reader.columns.value(of: "words", document: 1) == .list([.text("c")]))
        try writer.declare(field: "number", type: .text)
        try writer.declare(field: "mixed", type: .number)
        let declared = try writer.publish()
        #expect(try declared.columns.value(of: "number", document: 1) == .text("2.5"))
        #expect(try declared.columns.value(of: "mixed", document: 1) == nil)
        #expect(declared.columns.field("mixed")?.isDeclared == true)
        #expect(declared.columns.field("mixed")?.documentCount == 1)
    }

    @Test func dates() {
        for (text, seconds) in [
            ("1970-01-01", 0), ("2000-02-29", 951_782_400), ("20240102", 1_704_153_600), ("2023/10/01", 1_696_118_400),
            ("1 October 2023", 1_696_118_400), ("Oct 1, 2023", 1_696_118_400),
            ("Sun, 01 Oct 2023 12:30:00 GMT", 1_696_163_400),
            ("2023-10", 1_696_118_400), ("2023-10-01 12:30:00.123", 1_696_163_400), ("1969-12-31T23:59:59Z", -1),
            ("0001-01-01", -62_135_596_800),
        ] as [(String, Int64)] {
            #expect(DateParser.seconds(text) == seconds, "\(text)")
        }
        for text in [
            "", "2023", "01/10/2023", "2023-13-01", "2023-02-29", "may", "2024-01-02T25:61", "12345678", "tomorrow",
            "2023-10-01x",
        ] {
            #expect(DateParser.seconds(text) == nil, "\(text)")
        }
        for step in 0..<2000 {
            let seconds = Int64(step) * 99_999_989 - 100_000_000_000
            if seconds > -62_135_596_800 { #expect(DateParser.seconds(CalendarDate.text(seconds: seconds)) == seconds) }
        }
        #expect(
            CalendarDate.name(of: .week, start: CalendarDate.start(of: .week, seconds: 1_704_067_200)) == "2024-W01")
        #expect(
            CalendarDate.name(of: .week, start: CalendarDate.start(of: .week, seconds: 1_609_459_200)) == "2020-W53")
        #expect(
            CalendarDate.name(of: .quarter, start: CalendarDate.start(of: .quarter, seconds: 1_704_067_199))
                == "2023-Q4")
    }
}
