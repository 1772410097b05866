// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
import Foundation
import OrderedCollections
import Testing
import Text

@testable import Search

@Suite struct RerankerTests {
    private struct Fixed: Reranker {
        var name: String { "fixed" }
        var fingerprint: String { "fixed" }
        func scores(query: String, passages: [(title: String, text: String)]) async throws -> [Float] {
            passages.map { Float($0.text.count) }
        }
    }

    @Test func registeredRerankersAreOpenedOnceAndMayBeAbsent() async throws {
        let registry = RankingRegistry()
        registry.register(reranker: "fixed") { Fixed() }
        registry.register(reranker: "absent") { nil }
        #expect(registry.rerankers == ["absent", "fixed"])
        #expect(throws: RankingError.self) { try registry.reranker("absent") }
        #expect(throws: RankingError("there is no reranker \"other\"; there are absent, fixed")) {
            try registry.reranker("other")
        }
        let found = try registry.reranker("fixed")
        #expect(try await found.scores(query: "q", passages: [("", "ab"), ("", "c")]) == [2, 1])
    }

    @Test func theMixtureFallsBackToTheRankingThatItWasGiven() {
        let scores: [Float] = [0, 1, 5, 2]
        #expect(RerankMixture(share: 0).order(scores) == [0, 1, 2, 3])
        #expect(RerankMixture(share: 1).order(scores) == [2, 3, 1, 0])
        #expect(RerankMixture(share: 1).order([3, 3, 3]) == [0, 1, 2])
        #expect(RerankMixture(share: 1).order([]).isEmpty)
        #expect(RerankMixture(share: 0.5).order([.nan, .nan]) == [0, 1])
    }
}
