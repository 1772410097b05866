// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
import Foundation
import Testing
import Text
import Tools

@Suite struct FilterAndAggregateTests {
    @Test func filtersComposeWithSearchesAndAggregates() async throws {
        var session = try ToolSession(.builtIn())
        let wiki = try await session.run(
            "filter", ["where": ["field": "source", "op": "==", "value": "wiki"], "fields": ["year"]])
        #expect(!wiki.isError, "\(wiki.text)")
        #expect(wiki.text.hasPrefix("r1: 2 documents match "))
        #expect(wiki.text.contains("arthur | Arthur's Magazine | 1844"))
        #expect(wiki.resultSet?.isComplete == true)

        let found = try await session.run("keyword_search", ["query": "started", "within": "r1"])
        #expect(found.passages.map(\.passage.id) == ["first"])
        let rest = try await session.run("filter", ["within": "r1 subtract r2"])
        #expect(rest.resultSet?.content == .documents(OrdinalSet([0])))

        let mean = try await session.run(
            "aggregate",
            ["over": "r1", "measures": [["op": "mean", "field": "year", "as": "average"], ["op": "count"]]])
        #expect(mean.summary == "r4: average 1916.5, count 2")
        let groups = try await session.run("aggregate", ["group_by": ["source"]])
        #expect(
            groups.resultSet?.content
                == .table(ResultTable(columns: ["source", "count"], rows: [["wiki", 2], ["book", 1], ["news", 1]])))
        let wrong = try await session.run("keyword_search", ["query": "x", "within": "r5"])
        #expect(wrong.isError && wrong.text.contains("r5 is a table"))
        let page = try await session.run("read", ["over": "r5", "offset": 1, "limit": 1])
        #expect(page.text.contains("book | 1") && page.text.contains("go on with offset 2"))
    }

    @Test func listsPageOn() async throws {
        var session = try ToolSession(.builtIn())
        var ids: [String] = []
        var offset = 0
        while true {
            let page = try await session.run(
                "filter",
                [
                    "where": ["field": "year", "op": "exists"], "sort": [["by": "year", "order": "descending"]],
                    "limit": 3,
                    "offset": .integer(offset),
                ])
            #expect(page.resultSet?.total == 4)
            #expect(page.resultSet?.count == 4)
            ids += page.text.split(separator: "\n").dropFirst(2).filter { !$0.hasPrefix("[") }
                .map { String($0.prefix { $0 != " " }) }
            guard let range = page.text.range(of: "with offset ") else { break }
            offset = Int(page.text[range.upperBound...].prefix { $0.isNumber }) ?? 99
        }
        #expect(ids == ["radio", "first", "long", "arthur"])
    }

    @Test(arguments: [
        ("filter", #"{"where":{"field":"sauce","op":"==","value":"x"}}"#, "did you mean \"source\"?"),
        ("filter", #"{"where":{"field":"year","op":"==","value":"x"}}"#, "has type number"),
        ("filter", #"{}"#, "give \"where\""),
        ("filter", #"{"where":"source = 'x' OR 1=1"}"#, "expected object or array"),
        ("aggregate", #"{"measures":[{"op":"mean","field":"source"}]}"#, "needs a number field"),
        ("aggregate", #"{"measures":[{"op":"avrg","field":"year"}]}"#, "expected one of"),
        ("aggregate", #"{"sort":[{"by":"nothing"}]}"#, "cannot sort by \"nothing\""),
        ("aggregate", #"{"over":"r9"}"#, "there is no result \"r9\""),
    ])
    func errorsTeach(tool: String, arguments: String, expected: String) async throws {
        var session = try ToolSession(.builtIn())
        let output = try await session.run(tool, JSONValue(parsing: arguments))
        #expect(output.isError)
        #expect(output.text.contains(expected), "\(output.text)")
    }
}
