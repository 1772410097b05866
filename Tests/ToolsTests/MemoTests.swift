// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
import LanguageModels
import Search
import Testing
import Text
import Tools

/// What tools answered is remembered, and nobody can tell.
@Suite struct MemoTests {
    private func corpus() throws -> InMemoryCorpus {
        try InMemoryCorpus(
            documents: [
                Document(
                    id: "a", title: "Arlen", text: "Arlen lies beside the Ostra.", metadata: ["kind": .text("town")]),
                Document(id: "b", title: "Ostra", text: "The Ostra is a river.", metadata: ["kind": .text("river")]),
                Document(
                    id: "c", title: "Ada Brook", text: "Ada Brook was born in Arlen.", metadata: ["kind": .text("x")]),
            ], links: true)
    }

    @Test func aRememberedAnswerIsTheSame() async throws {
        let corpus = try corpus()
        let plain = try ToolRegistry.builtIn().adding([LinksTool()])
        let memo = ToolMemo(corpus: corpus.fingerprint)
        let remembering = plain.remembering(memo)
        let calls = [
            ToolCall(id: "", name: "keyword_search", arguments: #"{"query":"river"}"#),
            ToolCall(id: "", name: "links", arguments: #"{"ids":["a"]}"#),
            ToolCall(id: "", name: "filter", arguments: #"{"where":{"field":"kind","op":"==","value":"town"}}"#),
            ToolCall(id: "", name: "links", arguments: #"{"ids":["nowhere"]}"#),
            ToolCall(id: "", name: "magic", arguments: "{}"),
        ]
        for call in calls + calls {
            let context = ToolContext(corpus: corpus, handle: "r3")
            let expected = try await plain.run(call, in: context)
            let found = try await remembering.run(call, in: context)
            #expect(expected == found, "\(call.name)")
        }
        #expect(memo.counts.hits == 3)
        // Another handle is another answer.
        let other = try await remembering.run(calls[0], in: ToolContext(corpus: corpus, handle: "r4"))
        #expect(other.resultSet?.handle == "r4" && memo.counts.hits == 3)
    }

    @Test func aSearchWithinAnotherSetIsAnotherSearch() async throws {
        let corpus = try corpus()
        let memo = ToolMemo(corpus: corpus.fingerprint)
        let tools = try ToolRegistry.builtIn().remembering(memo)
        func within(_ ordinals: [UInt32]) async throws -> [String] {
            let set = ResultSet(
                handle: "r1", tool: "filter", description: "", content: .documents(OrdinalSet(ordinals)),
                total: ordinals.count, isComplete: true)
            let call = ToolCall(id: "", name: "keyword_search", arguments: #"{"query":"Arlen Ostra","within":"r1"}"#)
            let output = try await tools.run(
                call, in: ToolContext(corpus: corpus, resultSets: ["r1": set], handle: "r2"))
            return output.passages.map(\.passage.id).sorted()
        }
        #expect(try await within([0]) == ["a"])
        #expect(try await within([1]) == ["b"])
        #expect(try await within([0]) == ["a"] && memo.counts.hits == 1)
    }

    @Test func theMemoIsBoundedAndOfOneCorpus() async throws {
        let corpus = try corpus()
        let memo = ToolMemo(corpus: corpus.fingerprint, limit: 4)
        let tools = try ToolRegistry.builtIn().remembering(memo)
        func ask(_ query: String, _ corpus: InMemoryCorpus) async throws {
            let arguments: JSONValue = ["query": .string(query)]
            let call = ToolCall(id: "", name: "keyword_search", arguments: arguments.serialized())
            _ = try await tools.run(call, in: ToolContext(corpus: corpus, handle: "r1"))
        }
        for number in 0..<40 { try await ask("river \(number)", corpus) }
        let before = memo.counts
        // The oldest are gone, the newest are there.
        try await ask("river 39", corpus)
        try await ask("river 0", corpus)
        #expect(memo.counts.hits == before.hits + 1 && memo.counts.misses == before.misses + 1)
        let other = try InMemoryCorpus(documents: [Document(id: "z", title: "", text: "another river")])
        let counts = memo.counts
        try await ask("river 39", other)
        #expect(memo.counts == counts)
    }

    @Test func linksLeadBothWays() async throws {
        let corpus = try corpus()
        let output = try await ToolRegistry([LinksTool()]).run(
            "links", ["ids": ["a"]], in: ToolContext(corpus: corpus, handle: "r1"))
        #expect(output.passages.map(\.passage.id) == ["b", "c"])
        let none = try await ToolRegistry([LinksTool()]).run("links", ["ids": []], in: ToolContext(corpus: corpus))
        #expect(none.isError)
    }
}
