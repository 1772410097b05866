// SPDX-License-Identifier: Apache-2.0

import Base
import OrderedCollections
import Testing

@testable import Documents

/// JSON as databases, web services and data frames write it.
@Suite struct ExportedJSONTests {
    private func documents(_ text: String, _ name: String = "x.json") throws -> [SourceDocument] {
        let reading = try read(text, name: name)
        #expect(reading.problems.isEmpty, "\(reading.problems)")
        return reading.documents
    }

    @Test func answersOfWebServices() throws {
        let nested = try documents(
            #"{"status":"ok","data":{"items":[{"id":1,"name":"Ann"},{"id":2,"name":"Bob"}],"total":2}}"#)
        #expect(nested.map(\.id) == ["1", "2"] && nested.map(\.title) == ["Ann", "Bob"])
        #expect(nested[0].metadata["status"] == nil && nested[0].metadata["total"] == nil)
        let single = try documents(#"{"count":1,"results":[{"name":"Only"}]}"#)
        #expect(single.map(\.title) == ["Only"])
    }

    @Test func whatIsSaidBesideAListIsSaidOfEachRecord() throws {
        let lines = try documents(
            #"{"invoice":"F-12","customer":"Acme","lines":[{"sku":"A","qty":2},{"sku":"B","qty":5}]}"#)
        #expect(lines.count == 2)
        #expect(lines.allSatisfy { $0.metadata["customer"] == .string("Acme") && $0.text.contains("invoice: F-12") })
        #expect(lines[1].metadata["qty"] == 5)
    }

    @Test func dataFrames() throws {
        let wanted = [("Ann", 3), ("Bob", 4)]
        for text in [
            #"{"name":{"0":"Ann","1":"Bob"},"age":{"0":3,"1":4}}"#,
            #"{"columns":["name","age"],"index":[0,1],"data":[["Ann",3],["Bob",4]]}"#,
            #"{"name":["Ann","Bob"],"age":[3,4]}"#,
            #"[["name","age"],["Ann",3],["Bob",4]]"#,
        ] {
            let rows = try documents(text)
            #expect(rows.map(\.title) == wanted.map(\.0), "\(text)")
            #expect(rows.map { $0.metadata["age"] } == wanted.map { .integer($0.1) }, "\(text)")
        }
        // Settings with lists in them are no table.
        #expect(try documents(#"{"name":["a","b"],"sizes":[1,2,3]}"#).count == 1)
        #expect(try documents(#"["first note","second note"]"#).map(\.text) == ["first note", "second note"])
    }

    @Test func databases() throws {
        let mongo = try documents(
            #"{"_id":{"$oid":"507f1f77bcf86cd799439011"},"at":{"$date":"2024-01-01T00:00:00Z"},"n":{"$numberLong":"12345678901"},"title":"T"}"#
                + "\n"
                + #"{"_id":{"$oid":"507f1f77bcf86cd799439012"},"at":{"$date":{"$numberLong":"-1500"}},"n":{"$numberDecimal":"2.5"},"title":"U","price":{"$us":3}}"#,
            "x.jsonl")
        #expect(mongo.map(\.id) == ["507f1f77bcf86cd799439011", "507f1f77bcf86cd799439012"])
        #expect(mongo[0].metadata["at"] == .string("2024-01-01T00:00:00Z") && mongo[0].metadata["n"] == 12_345_678_901)
        #expect(mongo[1].metadata["at"] == .string("1969-12-31T23:59:58Z") && mongo[1].metadata["n"] == 2.5)
        // A member that only looks like a type stays.
        #expect(mongo[1].metadata["price"] == .object(["$us": 3]))
        let dump = try documents(#"{"_index":"i","_id":"7","_source":{"title":"Quay","depth":4}}"#, "x.jsonl")
        #expect(dump.map(\.id) == ["7"] && dump[0].title == "Quay" && dump[0].metadata["depth"] == 4)
        let bulk = try read(
            "{\"index\":{\"_id\":\"1\"}}\n{\"title\":\"One\"}\n{\"index\":{\"_id\":\"2\"}}\n{\"title\":\"Two\"}\n",
            name: "x.ndjson")
        #expect(bulk.documents.map(\.title) == ["One", "Two"])
        let places = try documents(
            #"{"type":"FeatureCollection","features":[{"type":"Feature","properties":{"name":"Pier","built":1990},"geometry":{"type":"Point","coordinates":[1,2]}}]}"#,
            "x.geojson")
        #expect(places.map(\.title) == ["Pier"] && places[0].metadata["built"] == 1990)
    }

    @Test func linesOfOtherWriters() throws {
        let reading = try read(
            """
            {"id":"a","text":"strict"}
            {'id': 'b', 'text': 'Python', 'ok': True, 'none': None}
            {"id":"c","text":"comma",}
            {"id":"d","text":"cut of
            no json at all

            """, name: "x.jsonl")
        #expect(reading.documents.map(\.id) == ["a", "b", "c"])
        #expect(reading.documents[1].metadata["ok"] == true && reading.documents[1].metadata["none"] == nil)
        #expect(reading.problems.count == 2 && reading.notes.contains { $0.contains("no strict JSON") })
        #expect(reading.problems.contains { $0.reason.contains("found no json at all") })
    }

    @Test func listsOfListsKeepTheirMembers() throws {
        let field = RecordMapper.field(
            try JSONValue(
                parsing: #"[{"r":[{"stars":5},{"stars":2}]},{"r":[]},{"r":[{"stars":1}]}]"#))
        #expect(field == .object(["r": .object(["stars": [5, 2, 1]])]))
    }

    @Test func logsOfObjectsAreRecords() throws {
        let log = #"{"ts":"2024-01-01","level":"error"}"# + "\n" + #"{"ts":"2024-01-02","level":"info"}"# + "\n"
        #expect(try documents(log, "app.log").map { $0.metadata["level"] } == [.string("error"), .string("info")])
        #expect(try documents("{\"one\": 1}\nplain words\n", "app.log").count == 1)
        let coloured = try documents("10:00 \u{1B}[32mok\u{1B}[0m \u{1B}]0;title\u{7}done\n", "b.log")
        #expect(coloured[0].text == "10:00 ok done\n")
    }

    @Test func settingsHaveFields() throws {
        let yaml = try documents("title: Night ferry\nport: 8080\nzip: 01234\ntags: [a, b]\ndeep:\n  x: 1\n", "a.yaml")
        #expect(yaml[0].title == "Night ferry" && yaml[0].text.hasPrefix("title: Night ferry\nport"))
        #expect(yaml[0].metadata == ["port": 8080, "zip": "01234", "tags": ["a", "b"]])
        let toml = try documents("title = \"Ferry\"\nport = 80\n[x]\ny = 1\n", "a.toml")
        #expect(toml[0].title == "Ferry" && toml[0].metadata["port"] == 80)
    }

    @Test func feedsShowTheirText() throws {
        let feed = try documents(
            """
            <rss version="2.0"><channel><title>F</title><item><title>One</title>
            <description>&lt;p&gt;First &lt;b&gt;bold&lt;/b&gt; text&lt;/p&gt;</description></item>
            <item><title>Two</title><description>Plain, 1 &lt; 2</description></item></channel></rss>
            """, "feed.xml")
        #expect(feed[0].text.contains("First bold text"))
        #expect(feed[1].text.contains("Plain, 1 < 2"))
    }

    @Test func oldNotebooksAndErrors() throws {
        let old = try documents(
            #"{"worksheets":[{"cells":[{"cell_type":"heading","level":1,"source":["Old"]},{"cell_type":"code","input":["y=2"],"outputs":[{"output_type":"pyerr","ename":"ValueError","evalue":"bad"}]}]}],"nbformat":3}"#,
            "n.ipynb")
        #expect(old[0].title == "Old" && old[0].text == "Old\n\ny=2\n\nValueError: bad")
    }
}
