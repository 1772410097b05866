// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
import Foundation
import LanguageModels
import Search
import Testing
import Text
import Tools

@Suite struct SearchAndReadTests {
    @Test func searchesNamesAndReads() async throws {
        var session = try ToolSession(.builtIn())
        let found = try await session.run("keyword_search", ["query": "magazine", "limit": 5])
        #expect(!found.isError)
        #expect(
            found.passages.map(\.passage.id) == ["arthur", "first"]
                || found.passages.map(\.passage.id) == ["first", "arthur"])
        #expect(found.resultSet?.handle == "r1")
        #expect(found.resultSet?.isComplete == true)
        #expect(found.text.contains("[arthur] Arthur's Magazine (score "))

        let within = try await session.run("keyword_search", ["query": "first started", "within": "r1"])
        #expect(within.passages.map(\.passage.id) == ["first"])
        #expect(within.text.contains("within r1"))

        let combined = try await session.run("read", ["over": "r1 subtract r2"])
        #expect(combined.passages.map(\.passage.id) == ["arthur"])
        #expect(combined.resultSet?.handle == "r3")
        #expect(combined.resultSet?.count == 1)
        #expect(combined.text.hasPrefix("r3 = r1 subtract r2: 1 passage"))
    }

    @Test func tellsThatMoreMatch() async throws {
        var session = try ToolSession(.builtIn())
        let found = try await session.run("keyword_search", ["query": "river boat", "limit": 2])
        #expect(found.resultSet?.count == 2)
        #expect(found.resultSet?.isComplete == false)
        #expect(found.text.contains("the best 2, more match"))
        let nothing = try await session.run("keyword_search", ["query": "zebra"])
        #expect(!nothing.isError)
        #expect(nothing.resultSet?.count == 0)
        #expect(nothing.text.contains("nothing found"))
    }

    @Test func outputIsCappedAndPagesOn() async throws {
        var session = try ToolSession(.builtIn(), limits: ToolLimits(outputCharacters: 520))
        let whole = try await session.run("read", ["ids": ["long"]])
        #expect(whole.text.count <= 520)
        var ids = whole.passages.map(\.passage.id)
        #expect(ids.count < 6)
        var last = whole
        while let range = last.text.range(of: "with offset "),
            let offset = Int(last.text[range.upperBound...].prefix { $0.isNumber })
        {
            #expect(offset == ids.count)
            last = try await session.run("read", ["ids": ["long"], "offset": .integer(offset)])
            guard !last.passages.isEmpty else { break }
            ids += last.passages.map(\.passage.id)
        }
        let corpus = try makeCorpus()
        #expect(try await ids == corpus.passages(withID: "long").map(\.id))
    }

    @Test func readsNeighbours() async throws {
        var session = try ToolSession(.builtIn())
        let one = try await session.run("read", ["ids": ["long#3"], "around": 1])
        #expect(one.passages.map(\.passage.id) == ["long#2", "long#3", "long#4"])
        let edge = try await session.run("read", ["ids": ["long#1"], "around": 2])
        #expect(edge.passages.map(\.passage.id) == ["long#1", "long#2", "long#3"])
    }

    @Test(arguments: [
        ("read", #"{}"#, #"give "ids" (passages or documents) or "over" (a handle such as r1)"#),
        ("read", #"{"ids":["nope"]}"#, #"there is no passage or document "nope""#),
        ("read", #"{"over":"r7"}"#, #"there is no result "r7"; there are no results yet"#),
        ("keyword_search", #"{"query":"  "}"#, #""query" must not be empty"#),
        ("keyword_search", #"{"nothing":"x"}"#, #""query" is missing"#),
        ("keyword_search", "{{{", "the arguments of keyword_search are not JSON"),
        ("keyword", #"{"query":"x"}"#, "there is no tool \"keyword\""),
        ("semantic_search", #"[1]"#, "expected object"),
    ])
    func errorsTeach(tool: String, arguments: String, expected: String) async throws {
        let session = try ToolSession(.builtIn())
        let output = try await session.registry.run(
            ToolCall(id: "1", name: tool, arguments: arguments), in: session.context)
        #expect(output.isError)
        #expect(output.text.contains(expected), "\(output.text)")
    }

    @Test func conformance() async throws {
        let session = try ToolSession(.builtIn())
        for tool in session.registry.tools { try await ToolConformance.check(tool, in: session.context) }
    }

    @Test func manifestsAreThoseOfTheFolder() async throws {
        let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "Tools").path
        let loaded = try await ToolRegistry.load(directory: folder)
        #expect(try loaded.specifications == ToolRegistry.builtIn().specifications)
    }
}

/// What every tool must do, whatever it does.
enum ToolConformance {
    static func check(_ tool: any RetrievalTool, in context: ToolContext) async throws {
        #expect(tool.specification == tool.specification)
        try JSONSchemaValidator(schema: tool.specification.parameters).checkSchema()
        #expect(!tool.specification.description.isEmpty)
        // Arguments that the schema refuses are refused by a typed error, or ignored; never a trap.
        let hostile: [JSONValue] = [
            [:], [], nil, "text", 7, ["query": nil], ["query": 3.5, "limit": "x"], ["query": "x", "limit": -5],
            ["query": "x", "limit": 1e300], ["ids": [1, nil]], ["over": "((((", "within": 3],
            ["offset": -1, "over": "r1"],
            ["query": .string(String(repeating: "é", count: 10_000))], ["where": ["op": [:]]], ["measures": "count"],
        ]
        for arguments in hostile {
            do { _ = try await tool.call(arguments, in: context) } catch is ToolError {} catch is JSONError {} catch {
                Issue.record("\(tool.name) threw \(type(of: error)): \(error)")
            }
        }
        let task = Task { () async throws -> ToolOutput in
            withUnsafeCurrentTask { $0?.cancel() }
            return try await ToolRegistry([tool]).run(tool.name, ["query": "x"], in: context)
        }
        await #expect(throws: CancellationError.self) { try await task.value }
    }
}
