// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
import LanguageModels
import OrderedCollections
import Search
import Testing
import Text

@testable import Tools

/// Calls as models and servers write them, against the schemas of the built-in tools.
@Suite struct CallRepairTests {
    /// A call that is mended, and what it must be afterwards.
    struct Mended: Sendable, CustomTestStringConvertible {
        var tool: String
        var written: String
        var meant: JSONValue
        var testDescription: String { written }
    }

    static let mended: [Mended] = [
        Mended(
            tool: "keyword_search", written: #"{"query":"clown novel","limit":"3"}"#,
            meant: ["query": "clown novel", "limit": 3]),
        Mended(
            tool: "keyword_search", written: #"{"query":"clown novel","limit":null,"within":""}"#,
            meant: ["query": "clown novel"]),
        Mended(
            tool: "keyword_search", written: #"{"query":"clown novel","limit":5000}"#,
            meant: ["query": "clown novel", "limit": 100]),
        Mended(tool: "keyword_search", written: #"{"query":["clown","novel"]}"#, meant: ["query": "clown novel"]),
        Mended(tool: "keyword_search", written: #"{"query":1984}"#, meant: ["query": "1984"]),
        Mended(tool: "keyword_search", written: #"{"Query":"clown"}"#, meant: ["query": "clown"]),
        Mended(tool: "keyword_search", written: #"{"q":"clown","top_k":4}"#, meant: ["query": "clown", "limit": 4]),
        Mended(tool: "keyword_search", written: #"{"arguments":{"query":"clown"}}"#, meant: ["query": "clown"]),
        Mended(tool: "keyword_search", written: #"{"keyword_search":{"query":"clown"}}"#, meant: ["query": "clown"]),
        Mended(tool: "keyword_search", written: #"[{"query":"clown"}]"#, meant: ["query": "clown"]),
        Mended(tool: "keyword_search", written: #""{\"query\":\"clown\"}""#, meant: ["query": "clown"]),
        Mended(tool: "keyword_search", written: "clown novel", meant: ["query": "clown novel"]),
        Mended(tool: "keyword_search", written: #""clown novel""#, meant: ["query": "clown novel"]),
        Mended(
            tool: "filter", written: #"{"where":"{\"field\":\"text\",\"op\":\"contains\",\"value\":\"clown\"}"}"#,
            meant: ["where": ["field": "text", "op": "contains", "value": "clown"]]),
        Mended(tool: "filter", written: #"{"fields":"title"}"#, meant: ["fields": ["title"]]),
        Mended(tool: "filter", written: #"{"fields":"[\"title\",\"year\"]"}"#, meant: ["fields": ["title", "year"]]),
        Mended(
            tool: "filter", written: #"{"sort":{"by":"year","order":"DESC"}}"#,
            meant: ["sort": [["by": "year", "order": "descending"]]]),
        Mended(
            tool: "aggregate", written: #"{"measures":[{"op":"AVG","field":"price"}]}"#,
            meant: ["measures": [["op": "mean", "field": "price"]]]),
        Mended(tool: "aggregate", written: #"{"groupBy":["year"]}"#, meant: ["group_by": ["year"]]),
        Mended(tool: "aggregate", written: "", meant: [:]),
        Mended(tool: "read", written: #"{"ids":"it#1","around":"2"}"#, meant: ["ids": ["it#1"], "around": 2]),
        Mended(tool: "read", written: #"{"id":"it#1"}"#, meant: ["ids": ["it#1"]]),
        Mended(
            tool: "keyword_search", written: #"{"query":"clown","reason":"x","top_k":3}"#,
            meant: ["query": "clown", "limit": 3]),
        Mended(tool: "keyword_search", written: #"{"input":"clown"}"#, meant: ["query": "clown"]),
        Mended(
            tool: "keyword_search", written: #"{"query":"clown","limit":"five"}"#,
            meant: ["query": "clown", "limit": 5]),
        Mended(tool: "keyword_search", written: #"{"query":"clown","limit":"many"}"#, meant: ["query": "clown"]),
        Mended(
            tool: "keyword_search", written: #"{"type":"object","properties":{"query":"clown"}}"#,
            meant: ["query": "clown"]),
    ]

    @Test(arguments: mended) func readsACallAsItWasMeant(_ call: Mended) throws {
        let tool = try #require(ToolRegistry.builtIn()[call.tool])
        let read = try #require(ArgumentRepair.read(call.written, schema: tool.specification.parameters))
        #expect(read.value == call.meant)
        #expect(call.written.isEmpty || !read.repairs.isEmpty, "a repair is said")
        let again = ArgumentRepair.fit(read.value, schema: tool.specification.parameters)
        #expect(again.value == read.value && again.repairs.isEmpty, "what is right stays as it is")
    }

    @Test(arguments: [
        #"{"query":"within","limit":7}"#, #"{"query":"3"}"#, #"{"query":"null","within":"r1"}"#,
        #"{"query":"{\"a\":1}"}"#,
    ]) func neverTouchesWhatIsRight(_ text: String) throws {
        let tool = try #require(ToolRegistry.builtIn()["keyword_search"])
        let read = try #require(ArgumentRepair.read(text, schema: tool.specification.parameters))
        #expect(read.value == (try JSONValue(parsing: text)))
        #expect(read.repairs.isEmpty)
    }

    /// Left out of a count, what is not known would make another count of it.
    @Test(arguments: ["aggregate", "filter"]) func whatNarrowsAWholeSetIsNotLeftOut(_ name: String) throws {
        let tool = try #require(ToolRegistry.builtIn()[name])
        let read = try #require(
            ArgumentRepair.read(#"{"having":"more than 3"}"#, schema: tool.specification.parameters))
        #expect(read.value == ["having": "more than 3"])
    }

    @Test(arguments: [
        ("functions.keyword_search", "keyword_search"), ("keyword_search:0", "keyword_search"),
        (" Keyword_Search ", "keyword_search"),
        ("keyword search", "keyword_search"), ("keyword_search<|channel|>commentary", "keyword_search"),
        ("<|channel|>commentary to=functions.keyword_search", "keyword_search"),
        ("keyword_searchkeyword_search", "keyword_search"),
        ("default_api.read", "read"), ("mcp__corpus__semantic_search", "semantic_search"),
        ("read({\"ids\": [\"a\"]})", "read"),
        ("semantic_serach", "semantic_search"),
    ]) func readsAName(_ written: String, _ meant: String) throws {
        #expect(try ToolRegistry.builtIn().toolName(written) == meant)
    }

    @Test(arguments: ["", "search", "delete_everything", "read_or_filter", "<|x|>"]) func doesNotGuessANameThatIsNone(
        _ written: String
    ) throws {
        #expect(try ToolRegistry.builtIn().toolName(written) == nil)
    }

    @Test func recordsRepairsAndRunsTheCall() async throws {
        let corpus = try InMemoryCorpus(
            name: "c", documents: [Document(id: "it", title: "It", text: "A novel with a clown.")])
        let output = try await ToolRegistry.builtIn().run(
            ToolCall(id: "a", name: "functions.keyword_search", arguments: "{'query': 'clown', 'limit': '3',}"),
            in: ToolContext(corpus: corpus))
        #expect(!output.isError)
        #expect(output.passages.map(\.passage.documentID) == ["it"])
        #expect(output.repairs.count >= 3, "\(output.repairs)")
    }

    @Test func saysWhatIsWrongWhereNothingCanBeMended() async throws {
        let corpus = try InMemoryCorpus(name: "c", documents: [])
        let registry = try ToolRegistry.builtIn()
        for (name, arguments) in [
            ("filter", "clown"), ("keyword_search", "{}"), ("nothing", "{}"), ("read", "{\"ids\": {}}"),
        ] {
            let output = try await registry.run(
                ToolCall(id: "", name: name, arguments: arguments), in: ToolContext(corpus: corpus))
            #expect(output.isError, "\(name) \(arguments)")
        }
    }
}
