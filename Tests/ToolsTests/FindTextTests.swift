// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
import LanguageModels
import OrderedCollections
import Search
import Testing
import Tools

/// The tools that are there for those who name them.
@Suite struct FindTextTests {
    static func session() throws -> ToolSession {
        try ToolSession(
            ToolRegistry.builtIn().selecting(["keyword_search", "filter", "find_text", "vector_search"]))
    }

    @Test func areThereOnRequestOnly() throws {
        let builtIn = try ToolRegistry.builtIn()
        #expect(builtIn["find_text"] == nil && builtIn["vector_search"] == nil)
        #expect(
            try builtIn.selecting(["find_text", "read", "keyword_search"]).names == [
                "keyword_search", "read", "find_text",
            ])
        #expect(throws: ToolManifestError.self) { try builtIn.selecting(["find_text", "nothing"]) }
    }

    @Test func findsAStringAndCountsIt() async throws {
        var session = try Self.session()
        let all = try await session.run("find_text", ["text": "of the river and of BOAT 1"])
        #expect(all.text.contains("4 times in"), "1, 10, 11 and 12: \(all.text)")
        #expect(all.passages.allSatisfy { $0.passage.documentID == "long" })
        let exact = try await session.run("find_text", ["text": "BOAT", "case_sensitive": true])
        #expect(exact.passages.isEmpty && exact.text.contains("not there") && !exact.isError)
        let whole = try await session.run("find_text", ["text": "boat 1", "whole_words": true])
        #expect(whole.text.contains("1 time in 1 passage"))
        let magazines = try await session.run("keyword_search", ["query": "magazine"])
        #expect(!magazines.passages.isEmpty)
        let within = try await session.run("find_text", ["text": "the", "within": "r4"])
        #expect(within.passages.allSatisfy { ["arthur", "first"].contains($0.passage.documentID) })
        let news = try await session.run(
            "filter", ["where": ["field": "source", "op": "=", "value": "news"]])
        #expect(!news.isError)
        let among = try await session.run("find_text", ["text": "radio", "within": "r6"])
        #expect(among.passages.map(\.passage.documentID) == ["radio"])
        #expect(try await session.run("find_text", ["text": " "]).isError)
        #expect(try await session.run("find_text", ["text": "x", "within": "r99"]).isError)
    }

    @Test func saysWhereATextWasCopiedFrom() async throws {
        var session = try Self.session()
        let output = try await session.run(
            "find_text",
            [
                "text": "He read that it was started in 1989 in Englewood Cliffs, and on the first private FM radio.",
                "longest": true,
            ])
        #expect(output.text.contains("8 words in [first"), "\(output.text)")
        #expect(output.text.contains("first private FM radio"))
        #expect(Set(output.passages.map(\.passage.documentID)) == ["first", "radio"])
        let none = try await session.run("find_text", ["text": "quite another thing", "longest": true])
        #expect(none.text.contains("none of three words") && none.resultSet?.count == 0)
    }

    /// The mean of a question's vector and those of texts, and Rocchio's move, find what plain search with them would.
    @Test func searchesWithMeansAndMovedVectors() async throws {
        var session = try Self.session()
        let corpus = session.context.corpus
        let plain = try await session.run("vector_search", ["query": "radio station of India", "limit": 4])
        let search = try await corpus.search(.semantic, query: "radio station of India", limit: 4, within: nil)
        #expect(plain.passages.map(\.passage.id) == search.map(\.id))
        // A text twice is the text; as many texts as you like, all of them the query, are the query.
        let same = try await session.run(
            "vector_search",
            [
                "query": "radio station of India", "texts": ["radio station of India", "radio station of India"],
                "limit": 4,
            ])
        #expect(same.passages.map(\.passage.id) == search.map(\.id))
        let moved = try await session.run(
            "vector_search", ["query": "radio station of India", "like": ["arthur"], "alpha": 0, "beta": 1, "limit": 4])
        #expect(moved.passages.first?.passage.id == "arthur", "a vector that is the passage's finds it first")
        #expect(abs((moved.passages.first?.score ?? 0) - 1) < 1e-5)
        let texts = ["A periodical published in Philadelphia.", "An American magazine of 1844."]
        let mean = try await session.run(
            "vector_search", ["query": "What?", "texts": .array(texts.map { .string($0) })])
        let vectors = try #require(try await corpus.searchVectors(of: ["What?"] + texts))
        let expected = try #require(try await corpus.nearest(to: Rocchio.mean(vectors), limit: 10, within: nil))
        #expect(mean.passages.map(\.passage.id) == expected.map(\.id))
        #expect(mean.passages.first?.passage.documentID == "arthur")
        let unknown = try await session.run("vector_search", ["query": "x", "like": ["nobody"]])
        #expect(unknown.isError && unknown.text.contains("there is no passage"))
    }

    @Test func theMeanIsOfLengthOneAndOfAll() {
        let mean = Rocchio.mean([[1, 0], [0, 1], [0, 1]])
        #expect(
            abs(mean[0] - 1 / 5.0.squareRoot().asFloat) < 1e-6 && abs(mean[1] - 2 / 5.0.squareRoot().asFloat) < 1e-6)
        #expect(Rocchio.mean([[0.6, 0.8]]) == [0.6, 0.8] && Rocchio.mean([]).isEmpty)
    }
}

extension Double {
    fileprivate var asFloat: Float { Float(self) }
}
