// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
import Search
import Testing
import Text
import Tools

/// A small corpus with a document of several passages and typed metadata.
func makeCorpus() throws -> InMemoryCorpus {
    try InMemoryCorpus(
        documents: [
            Document(
                id: "arthur", title: "Arthur's Magazine",
                text: "Arthur's Magazine was an American literary periodical published in Philadelphia from 1844.",
                metadata: [
                    "source": .text("wiki"), "year": .number(1844), "tags": .list([.text("magazine"), .text("us")]),
                ]),
            Document(
                id: "first", title: "First for Women",
                text: "First for Women is a woman's magazine. It was started in 1989 in Englewood Cliffs.",
                metadata: ["source": .text("wiki"), "year": .number(1989), "tags": .list([.text("magazine")])]),
            Document(
                id: "long", title: "A long story",
                text: (1...12).map { "Sentence number \($0) tells of the river and of boat \($0)." }.joined(
                    separator: " "),
                metadata: ["source": .text("book"), "year": .number(1900)]),
            Document(
                id: "radio", title: "Radio City", text: "Radio City is the first private FM radio station of India.",
                metadata: ["source": .text("news"), "year": .number(2001)]),
        ], splitter: PassageSplitter(.init(size: 20)))
}

/// Runs a tool as a session does, and keeps its result set under the next handle.
struct ToolSession {
    let registry: ToolRegistry
    var context: ToolContext

    init(_ registry: ToolRegistry, limits: ToolLimits = ToolLimits()) throws {
        self.registry = registry
        context = ToolContext(corpus: try makeCorpus(), limits: limits)
    }

    mutating func run(_ name: String, _ arguments: JSONValue) async throws -> ToolOutput {
        let output = try await registry.run(name, arguments, in: context)
        if let set = output.resultSet {
            #expect(set.handle == context.handle)
            context.resultSets[set.handle] = set
            context.handle = "r\(context.resultSets.count + 1)"
        }
        return output
    }
}
