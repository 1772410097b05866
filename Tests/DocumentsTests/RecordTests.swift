// SPDX-License-Identifier: Apache-2.0

import Base
import OrderedCollections
import Testing

@testable import Documents

@Suite struct RecordTests {
    @Test func jsonOfEveryShape() throws {
        let array = try read(
            "[\n {\"id\":\"a\",\"text\":\"first\"},\n {\"id\":\"b\",\"text\":\"second\"}\n]", name: "x.json")
        #expect(array.documents.map(\.id) == ["a", "b"])
        let single = try read("{\n \"id\": \"a\",\n \"title\": \"Pretty\",\n \"text\": \"one\"\n}", name: "x.json")
        #expect(single.documents.map(\.title) == ["Pretty"])
        let lines = try read("{\"text\":\"one\"}\n{\"text\":\"two\"}\n", name: "x.json")
        #expect(lines.documents.map(\.id) == ["x:1", "x:2"])
        let many = try read("{\n\"text\":\"one\"\n}\n{\n\"text\":\"two\"\n}\n", name: "x.json")
        #expect(many.documents.map(\.text) == ["one", "two"])
        let wrapped = try read(
            #"{"count":2,"items":[{"name":"Anchor","price":3},{"name":"Rope","price":4}]}"#, name: "x.json")
        #expect(
            wrapped.documents.map(\.title) == ["Anchor", "Rope"]
                && wrapped.documents[0].text == "name: Anchor\nprice: 3")
        let keyed = try read(
            #"{"k1":{"title":"A","text":"x"},"k2":{"title":"B","text":"y"},"k3":{"title":"C","text":"z"}}"#,
            name: "x.json")
        #expect(keyed.documents.map(\.id) == ["k1", "k2", "k3"])
        let notebook = try read(
            ##"{"cells":[{"cell_type":"markdown","source":["# Tides\n","High."]},{"cell_type":"code","source":"print(1)","outputs":[{"text":["1\n"]}]}],"nbformat":4}"##,
            name: "n.ipynb")
        #expect(notebook.documents.map(\.title) == ["Tides"] && notebook.documents[0].text.hasSuffix("print(1)\n\n1"))
        let broken = try read("[{\"text\":\"one\"},{\"text\":\"two\"", name: "x.json")
        #expect(broken.documents.count == 1 && broken.problems.count == 1)
    }

    @Test func valuesAsWritersWriteThem() throws {
        let reading = try read(
            """
            {"id":1.0,"title":1984,"text":"Numbers as names","score":NaN,"low":-Infinity}
            {"id":null,"text":null,"contents":"Under another name.\\nAnd more."}
            {"id":"c","text":"x","metadata":"source=web"}
            {"id":"d","text":"x","reviews":[{"stars":5,"by":{"name":"Ada"}},{"stars":4}],"owner":{"age":3}}
            {"id":"e","text":"raw\ttab"}
            {"page_content":"From a loader.","metadata":{"page":3}}
            """, name: "x.jsonl")
        #expect(reading.problems.isEmpty, "\(reading.problems)")
        let documents = reading.documents
        #expect(documents[0].id == "1" && documents[0].title == "1984" && documents[0].metadata.isEmpty)
        #expect(
            documents[1].id == "x:2" && documents[1].title == "Under another name." && documents[1].text == "And more.")
        #expect(documents[2].metadata["metadata"] == .string("source=web"))
        #expect(documents[3].metadata["reviews"] == ["stars": [5, 4], "by": ["name": ["Ada"]]])
        #expect(documents[3].metadata["owner"] == ["age": 3])
        #expect(documents[4].text == "raw\ttab" && documents[5].metadata["page"] == 3)
    }

    @Test func badRecordsAreSetAside() throws {
        let reading = try read(
            "{\"text\":\"a\"}\n{\"text\":\n[1]\n{\"id\":[],\"text\":\"t\"}\n{\"text\":\"b\"}\n", name: "x.jsonl")
        #expect(reading.documents.map(\.text) == ["a", "b"])
        #expect(reading.problems.map(\.place) == ["2", "3", "4"])
    }

    @Test func recordsAreCutTheSameInAnyPieces() throws {
        let texts: [(RecordCut, String, [String])] = [
            (.lines, "a\r\n\nb\nc", ["a", "b", "c"]),
            (.json, " [ {\"a\":\"]}\\\"\"} , [1,2],\n3 \"x\" ] ", ["{\"a\":\"]}\\\"\"}", "[1,2]", "3", "\"x\""]),
            (
                .mailbox, "From a\nSubject: x\n\nHi\n\nFrom b\nSubject: y\n\nFrom here\n",
                ["Subject: x\n\nHi\n", "Subject: y\n\nFrom here\n"]
            ),
        ]
        for (cut, text, expected) in texts {
            for size in 1...8 {
                let reader = RecordReader(DrippingStream(Array(text.utf8), size: size), cut: cut, limit: 1000)
                var found: [String] = []
                var buffer: [UInt8] = []
                while let record = try reader.next(into: &buffer) {
                    found.append(String(decoding: buffer[record.range], as: UTF8.self))
                }
                #expect(found == expected)
            }
        }
    }

    @Test func longRecordsArePassedOver() throws {
        let text = "short\n" + String(repeating: "x", count: 5000) + "\nend\n"
        let reader = RecordReader(DrippingStream(Array(text.utf8), size: 700), cut: .lines, limit: 1000)
        var buffer: [UInt8] = []
        var problems: [String?] = []
        while let record = try reader.next(into: &buffer) { problems.append(record.problem) }
        #expect(problems == [nil, "the line is longer than 1000 bytes", nil])
    }

    @Test func yamlAndXML() throws {
        let list = try read("- name: Anchor\n  price: 3\n- name: Rope\n  price: 4\n", name: "x.yaml")
        #expect(list.documents.map(\.title) == ["Anchor", "Rope"])
        let settings = try read("port: 80\nhosts:\n  - a\n", name: "x.yml")
        #expect(settings.documents.map(\.text) == ["port: 80\nhosts:\n  - a"])
        let odd = try read("a: [b\n", name: "x.yaml")
        #expect(odd.documents.count == 1 && odd.notes.count == 1)
        let records = try read(
            "<?xml version='1.0'?><parts><part id='p1'><name>Anchor</name><price>3</price></part><part id='p2'><name>Rope</name><price>4</price></part></parts>",
            name: "x.xml")
        #expect(records.documents.map(\.id) == ["p1", "p2"] && records.documents[0].text.contains("price: 3"))
        let book = try read(
            "<book><title>Lamps</title><para>A <emphasis>wick</emphasis> burns.</para></book>", name: "x.xml")
        #expect(book.documents[0].title == "Lamps" && book.documents[0].text == "Lamps\n\nA wick burns.")
    }

    @Test func xmlReadsNothingFromOutside() throws {
        let reading = try read(
            "<!DOCTYPE a [<!ENTITY e SYSTEM \"file:///etc/passwd\"><!ENTITY l \"lollollol\"><!ENTITY m \"&l;&l;&l;\">]><a><b>x&e;y</b><c>&m;</c></a>",
            name: "x.xml")
        #expect(!reading.documents.contains { $0.text.contains("root:") })
        let deep = String(repeating: "<a>", count: 5000)
        #expect(throws: (any Error).self) { try read("<?xml version='1.0'?>" + deep, name: "x.xml") }
    }
}
