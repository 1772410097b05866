// SPDX-License-Identifier: Apache-2.0

import Base
import Documents
import Foundation
import GRDB
import Synchronization
import Testing
import Text

@testable import Corpus

@Suite struct IngestionTests {
    let folder: TemporaryFolder
    init() throws { folder = try TemporaryFolder() }

    func writer() throws -> CorpusWriter { try CorpusWriter.open(creatingAt: folder("c.forage")) }

    func lines(_ range: Range<Int>, note: String = "one") -> String {
        range.map {
            #"{"id":"d\#($0)","title":"T\#($0)","text":"Text \#(note) of \#($0).","metadata":{"n":\#($0)}}"# + "\n"
        }.joined()
    }

    /// A copy of a file keeps what it holds when the other one goes, or loses a row.
    @Test func copiesKeepTheirDocuments() throws {
        let table = "id,name\n1,Ann\n2,Bob\n"
        try folder.write("in/x.csv", table)
        try folder.write("in/y.csv", table)
        try folder.write("in/z.csv", "id,name\n2,Bob\n3,Cid\n")
        let writer = try writer()
        #expect(try writer.ingest([folder("in")]).added == 3)
        func ids() throws -> [String] {
            try writer.read { try String.fetchAll($0, sql: "SELECT id FROM documents ORDER BY id") }
        }
        // A row less in the file that the documents came from.
        try folder.write("in/x.csv", "id,name\n2,Bob\n")
        try writer.ingest([folder("in")])
        #expect(try ids() == ["1", "2", "3"])
        try FileManager.default.removeItem(atPath: folder("in/x.csv"))
        try writer.ingest([folder("in")])
        #expect(try ids() == ["1", "2", "3"])
        try FileManager.default.removeItem(atPath: folder("in/y.csv"))
        try writer.ingest([folder("in")])
        #expect(try ids() == ["2", "3"])
        #expect(try writer.ingest([folder("in")]).sourcesRead == 0)
    }

    /// A name need not be UTF-8; what is left out is named with the reason.
    @Test func filesOfAnyNameAreReadAndOthersNamed() throws {
        try folder.write("odd/plain.txt", "A plain one.")
        try folder.write("odd/.hidden", "no")
        let name = Array((folder("odd") + "/caf").utf8) + [0xE9] + Array(".txt".utf8) + [0]
        let descriptor = name.withUnsafeBufferPointer { bytes in
            bytes.withMemoryRebound(to: CChar.self) { own in own.baseAddress.map { creat($0, 0o600) } ?? -1 }
        }
        try #require(descriptor >= 0)
        let words = "Written on an old system."
        #expect(write(descriptor, words, words.utf8.count) == words.utf8.count)
        close(descriptor)
        symlink("/etc/passwd", folder("odd/link.txt"))
        mkfifo(folder("odd/pipe"), 0o600)
        let writer = try writer()
        let summary = try writer.ingest([folder("odd")])
        #expect(summary.added == 2 && summary.bad == 0, "\(summary.setAside)")
        #expect(summary.filesIgnored == 3)
        let reasons = Dictionary(uniqueKeysWithValues: summary.leftOut.map { ($0.place, $0.reason) })
        #expect(reasons[folder("odd/link.txt")]?.contains("link") == true)
        #expect(reasons[folder("odd/pipe")]?.contains("pipe") == true)
        #expect(reasons[folder("odd/.hidden")] == IngestSummary.leftOutByName)
        let reader = try writer.publish()
        #expect(try reader.document(id: "odd/caf\\xE9.txt")?.text == "Written on an old system.")
        // Run again, it is known; named as arguments come, it is found.
        #expect(try writer.ingest([folder("odd")]).sourcesUnchanged == 2)
        let other = try CorpusWriter.open(creatingAt: folder("other.forage"))
        #expect(try other.ingest([folder("odd/caf\u{FFFD}.txt")]).added == 1)
    }

    /// Tables of one folder all count from 1: none takes the place of another's rows, now or when one of them changes.
    @Test func filesWithTheSameIDsKeepTheirRecords() throws {
        try folder.write("in/orders.csv", "id,item\n1,lamp\n2,oar\n")
        try folder.write("in/parts.csv", "id,name\n1,wick\n2,blade\n2,again\n")
        let writer = try writer()
        let first = try writer.ingest([folder("in")])
        #expect(first.added == 4 && first.bad == 1 && first.notes.count == 1, "\(first.notes)")
        func ids() throws -> [String: String] {
            let reader = try writer.publish()
            var found: [String: String] = [:]
            for id in ["1", "2", "3", "parts:1", "parts:2", "orders:1"] {
                found[id] = try reader.document(id: id)?.text
            }
            return found
        }
        let expected = ["1": "id: 1\nitem: lamp", "2": "id: 2\nitem: oar", "parts:1": "id: 1\nname: wick"]
        #expect(try ids().merging(expected) { $1 } == ids())
        #expect(try ids()["parts:2"] == "id: 2\nname: blade")
        try folder.write("in/parts.csv", "id,name\n1,wick\n2,blades\n")
        let second = try writer.ingest([folder("in")])
        #expect(second.replaced == 1 && second.deleted == 0 && second.added == 0)
        #expect(try ids()["2"] == "id: 2\nitem: oar" && ids()["parts:2"] == "id: 2\nname: blades")
        try folder.write("in/orders.csv", "id,item\n1,lamps\n2,oar\n")
        #expect(try writer.ingest([folder("in")]).replaced == 1)
        #expect(try ids()["1"] == "id: 1\nitem: lamps" && ids().count == 4)
        // A file of its own with the same ids brings newer states of the same documents.
        let newer = try folder.write("newer.csv", "id,item\n1,lantern\n")
        #expect(try writer.ingest([newer]).replaced == 1)
    }

    /// Copies and overlapping exports: when one goes, what the others gave stays.
    @Test func documentsOfSeveralFilesOutliveOneOfThem() throws {
        try folder.write("in/x.csv", "id,name\n1,a\n2,b\n")
        try folder.write("in/y.csv", "id,name\n1,a\n2,b\n")
        try folder.write("in/z.csv", "id,name\n2,b\n3,c\n")
        let writer = try writer()
        let first = try writer.ingest([folder("in")])
        #expect(first.added == 3 && first.repeated == 3 && first.kinds[.csv]?.documents == 3, "\(first)")
        try FileManager.default.removeItem(atPath: folder("in/x.csv"))
        let second = try writer.ingest([folder("in")])
        #expect(second.deleted == 0 && second.sourcesRead == 0)
        func sources() throws -> [String: String?] {
            let reader = try writer.publish()
            return try Dictionary(
                uniqueKeysWithValues: ["1", "2", "3"].map { id in
                    (id, try reader.document(id: id)?.source.split(separator: "/").last.map(String.init))
                })
        }
        #expect(try sources() == ["1": "y.csv", "2": "y.csv", "3": "z.csv"])
        // Within a file that stays, too: a row that it gives no more.
        try folder.write("in/y.csv", "id,name\n1,a\n")
        #expect(try writer.ingest([folder("in")]).deleted == 0)
        #expect(try sources() == ["1": "y.csv", "2": "z.csv", "3": "z.csv"])
        try FileManager.default.removeItem(atPath: folder("in/z.csv"))
        #expect(try writer.ingest([folder("in")]).deleted == 2)
        #expect(try writer.committedDocumentCount == 1)
        try FileManager.default.removeItem(atPath: folder("in/y.csv"))
        _ = try writer.ingest([folder("in")])
        #expect(try writer.committedDocumentCount == 0)
    }

    /// The owner's row changes: the file that gave what it was before gives it still.
    @Test func aChangedRowLeavesThoseOfOtherFiles() throws {
        try folder.write("in/x.jsonl", #"{"id": 1, "text": "same"}"# + "\n")
        try folder.write("in/y.jsonl", #"{"id": 1, "text": "same"}"# + "\n")
        let writer = try writer()
        #expect(try writer.ingest([folder("in")]).added == 1)
        try folder.write("in/x.jsonl", #"{"id": 1, "text": "new"}"# + "\n")
        let summary = try writer.ingest([folder("in")])
        #expect(summary.replaced == 1 && summary.added == 1)
        var reader = try writer.publish()
        #expect(try reader.document(id: "1")?.text == "new" && reader.document(id: "y:1")?.text == "same")
        #expect(try writer.ingest([folder("in")]).sourcesRead == 0)
        // A file that is given later, alone, brings newer states; when it goes the earlier one is read again.
        let later = try folder.write("later/z.jsonl", #"{"id": 1, "text": "newest"}"# + "\n")
        #expect(try writer.ingest([later]).replaced == 1)
        try FileManager.default.removeItem(atPath: later)
        _ = try writer.ingest([folder("later"), folder("in")])
        reader = try writer.publish()
        #expect(try reader.document(id: "1")?.text == "new" && writer.committedDocumentCount == 2)
    }

    /// Rows without ids of files that differ in their ending alone.
    @Test func rowsOfFilesWithOneStemHaveIDsOfTheirOwn() throws {
        try folder.write("in/data.csv", "name\na\nb\n")
        let writer = try writer()
        #expect(try writer.ingest([folder("in")]).added == 2)
        try folder.write("in/data.tsv", "name\tyear\nc\t1\nd\t2\n")
        try folder.write("in/data.jsonl", #"{"name": "e", "year": 1}"# + "\n" + #"{"name": "f", "year": 2}"# + "\n")
        try folder.write("in/data.json", #"{"rows": [{"name": "g", "year": 1}, {"name": "h", "year": 2}]}"#)
        let second = try writer.ingest([folder("in")])
        #expect(second.added == 6 && second.bad == 0 && second.replaced == 0, "\(second)")
        let ids = [
            "in/data:2", "in/data:3", "in/data.tsv:2", "in/data.tsv:3", "in/data.jsonl:1", "in/data.jsonl:2",
            "in/data.json:1",
            "in/data.json:2",
        ]
        var reader = try writer.publish()
        for id in ids { #expect(try reader.document(id: id) != nil, "\(id)") }
        // The names stay when the first file is gone and another one changes.
        try FileManager.default.removeItem(atPath: folder("in/data.csv"))
        try folder.write("in/data.tsv", "name\tyear\nc\t1\nd\t3\n")
        let third = try writer.ingest([folder("in")])
        #expect(third.deleted == 2 && third.replaced == 1 && third.added == 0)
        // Files of one name, given one after the other.
        let own = try self.writer2()
        let other = try folder.write("b/data.csv", "name\nx\ny\n")
        #expect(try own.ingest([folder.write("a/data.csv", "name\na\nb\n")]).added == 2)
        let last = try own.ingest([other])
        #expect(last.added == 2 && last.replaced == 0)
        reader = try own.publish()
        #expect(try reader.document(id: "data.csv:2") != nil)
    }

    func writer2() throws -> CorpusWriter { try CorpusWriter.open(creatingAt: folder("second.forage")) }

    @Test func whatIsLeftOutNowIsTakenOut() throws {
        try folder.write("in/a.txt", "one")
        try folder.write("in/drafts/b.txt", "two")
        try folder.write("in/drafts/c.txt", "three")
        let writer = try writer()
        #expect(try writer.ingest([folder("in")]).added == 3)
        try folder.write("in/forage.yaml", "leave_out: [drafts]")
        let summary = try writer.ingest([folder("in")])
        #expect(summary.deleted == 2)
        #expect(try writer.committedDocumentCount == 1)
        try folder.write("in/forage.yaml", "leave_out: []")
        #expect(try writer.ingest([folder("in")]).added == 2)
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
        ("{}", "the record is empty"), ("[1]", "expected a JSON object, found array"),
        ("{\"text\":\"x\"", "expected a JSON object"),
        ("{\"id\":\"d1\",\"text\":\"another\"}", "the id \"d1\" was given before"),
        ("{\"id\":\"\",\"text\":\"t\"}", "a document's id is empty"),
        ("{\"id\":[],\"text\":\"t\"}", "\"id\" must be a text or a number"),
    ])
    func badLines(_ line: String, _ expected: String) throws {
        let file = try folder.write("in.jsonl", lines(0..<2) + line + "\n" + lines(2..<4))
        let writer = try writer()
        let summary = try writer.ingest([file])
        #expect(summary.bad == 1 && summary.added == 4 && summary.setAside.first?.place == "\(file):3")
        #expect(summary.setAside.first?.reason.contains(expected) == true, "\(summary.setAside)")
        #expect(try writer.committedDocumentCount == 4)
    }

    @Test func otherEncodingsAndLongLines() throws {
        let writer = try writer()
        let latin = try folder.write(
            "latin.jsonl", Array(#"{"id":"l","text":"caf"#.utf8) + [0xE9] + Array("\"}\n".utf8))
        #expect(try writer.ingest([latin]).added == 1)
        let data = try folder.write("bad.txt", [UInt8](repeating: 0, count: 5000))
        let bad = try writer.ingest([data])
        #expect(bad.added == 0 && bad.setAside.first?.reason.contains("no document: binary data") == true)
        let long = try folder.write(
            "long.jsonl", #"{"text":""# + String(repeating: "x", count: 3 << 20) + "\"}\n" + lines(0..<1))
        let summary = try writer.ingest([long], options: IngestOptions(lineLimit: 1 << 20))
        #expect(summary.bad == 1 && summary.added == 1)
        #expect(summary.setAside.map(\.description) == ["\(long):1: the line is longer than 1048576 bytes"])
        #expect(try writer.ingest([try folder.write("empty.jsonl", "")]).added == 0)
        #expect(try writer.ingest([try folder.write("empty.csv", "")]).bad == 1)
        #expect(try writer.ingest([try folder.write("empty.md", "")]).added == 1)
        #expect(throws: CorpusError.self) { try writer.ingest([folder("nowhere.jsonl")]) }
        #expect(throws: CorpusError.self) { try writer.ingest([long], options: IngestOptions(encoding: "nonsense")) }
        // A name that says nothing is read by its content.
        #expect(try writer.ingest([try folder.write("a.xyz", "plain words")]).added == 1)
    }

    @Test func aMessyFolderIsReadToItsEnd() throws {
        try folder.write("mix/a.md", "# A\r\n\r\nText.")
        try folder.write("mix/parts.csv", "sku,name,note\n1,Anchor,24\" wide\n2,Rope,\n")
        try folder.write(
            "mix/list.json", #"[{"id":"j1","text":"one"},{"id":"j2","text":NaN},{"id":"j3","text":"three"}]"#)
        try folder.write(
            "mix/box.mbox", "From a\nFrom: a@b\nSubject: One\n\nHi\n\nFrom b\nFrom: c@d\nSubject: Two\n\nHo\n")
        try folder.write("mix/broken.pdf", "%PDF-1.4 nothing")
        try folder.write("mix/data.bin", [UInt8](repeating: 0, count: 300))
        try folder.write("mix/drafts/no.md", "# Draft")
        try folder.write("mix/run", "#!/bin/sh\necho hello\n")
        try folder.write(
            "mix/forage.yaml",
            "leave_out: [drafts/]\ntypes: {name: text}\nfiles:\n  - match: '*.csv'\n    id: sku\n    text: [note, name]\n"
        )
        symlink("/etc/passwd", folder("mix/link.txt"))
        let writer = try writer()
        let summary = try writer.ingest([folder("mix")])
        #expect(summary.setAside.map(\.place).sorted() == [folder("mix/broken.pdf"), folder("mix/data.bin")].sorted())
        #expect(summary.kinds[.csv]?.files == 1 && summary.kinds[.csv]?.documents == 2)
        #expect(summary.kinds[.mbox]?.documents == 2 && summary.kinds[.json]?.documents == 3)
        #expect(summary.filesIgnored == 2)
        let reader = try writer.publish()
        #expect(try reader.document(id: "1")?.text == "24\" wide\n\nAnchor")
        #expect(try reader.document(id: "mix/a.md")?.title == "A")
        // What was set aside is looked at again; what was read is not.
        let again = try writer.ingest([folder("mix")])
        #expect(again.bad == 2 && again.sourcesRead == 2 && !again.changed)
        try folder.write("mix/forage.yaml", "leave_outs: []\n")
        #expect(throws: CorpusError.self) { try writer.ingest([folder("mix")]) }
    }

    @Test func pagesAreKept() throws {
        let page = String(repeating: "Words of a page that go on and on. ", count: 40)
        try folder.write("book.txt", [page, page, page].joined(separator: "\u{0C}"))
        let writer = try writer()
        try writer.ingest([folder("book.txt")])
        let reader = try writer.publish()
        let passages = try reader.passages(at: (0..<UInt32(reader.passageCount)).map { $0 })
        #expect(passages.first?.pages?.lowerBound == 1 && passages.last?.pages?.upperBound == 3)
        #expect(
            zip(passages, passages.dropFirst()).allSatisfy {
                ($0.pages?.lowerBound ?? 0) <= ($1.pages?.lowerBound ?? 0)
            })
        try writer.add([Document(id: "flat", text: "no pages")])
        #expect(try writer.publish().passage(id: "flat")?.pages == nil)
    }

    @Test func nulCharactersAreReplaced() throws {
        let writer = try writer()
        let escaped = try folder.write(
            "nul.jsonl", #"{"id":"a","title":"x\u0000y","text":"One.\u0000 Two. Three."}"# + "\n")
        let raw = try folder.write("nul.txt", Array("A text with one zero \u{0} in it, as some programs leave. ".utf8))
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
        #expect(ada.title == "Ada" && ada.text.hasSuffix("\n\nShe wrote\nthe \"first\" program."))
        #expect(ada.text.contains("full, name: Lovelace, Ada"))
        #expect(ada.metadata["full, name"] == .text("Lovelace, Ada"))
        #expect(ada.metadata["born"] == .date(-4_861_728_000))
        #expect(ada.metadata["blank"] == nil)
        #expect(try reader.document(id: "t:3")?.metadata["n"] == .number(6))
        let wide = try folder.write("wide.csv", "text,b\n1,2,3\n1\n")
        let summary = try writer.ingest([wide])
        #expect(summary.added == 1 && summary.setAside.map(\.description) == ["\(wide):2: expected 2 columns, found 3"])
        let named = try writer.ingest([wide], options: IngestOptions(textField: "c"))
        #expect(named.setAside.first?.reason.contains("there is no column \"c\"") == true)
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
        try folder.write("docs/picture.png", [0, 1, 2, 3])
        try folder.write("docs/.hidden.md", "# no")
        let writer = try writer()
        let summary = try writer.ingest([folder("docs")])
        #expect(summary.added == 4 && summary.filesIgnored == 1 && summary.bad == 1)
        let reader = try writer.publish()
        let a = try #require(try reader.document(id: "docs/a.md"))
        #expect(a.title == "The first one" && a.text == "Body.")
        #expect(a.metadata["tags"] == .list([.text("x"), .text("y z")]) && a.metadata["draft"] == .boolean(true))
        #expect(a.metadata["date"] == .date(1_709_251_200))
        #expect(try reader.document(id: "docs/b.markdown")?.title == "Underlined")
        #expect(try reader.document(id: "docs/deep/c.txt")?.title == "c")
        let d = try #require(try reader.document(id: "docs/deep/d.html"))
        #expect(d.title == "Fish & chips" && d.metadata["author"] == .text("A. Cook"))
        #expect(d.text == "Heading\n\nOne two éA 3 < 4 & 5\n\nNext\nline bold\n\nx\ny")
        // A second look reads nothing; a changed file is read, a removed one forgotten.
        let again = try writer.ingest([folder("docs")])
        #expect(again.sourcesUnchanged == 4 && again.sourcesRead == 1 && !again.changed)
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
        let batches = Atomic<Int>(0)
        let options = IngestOptions(batchSize: 100)
        let first = try writer.ingest(
            [file], options: options, progress: { _ in batches.add(1, ordering: .relaxed) },
            isCancelled: { batches.load(ordering: .relaxed) >= 3 })
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
