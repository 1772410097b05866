// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
import Foundation
import OrderedCollections
import Synchronization
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

    /// The first requests to a server come together: each would load the weights for itself, and keep a thread meanwhile.
    @Test func manyWhoAskAtOnceOpenARerankerOnce() {
        let opened = Mutex(0)
        let registry = RankingRegistry()
        registry.register(reranker: "slow") {
            opened.withLock { $0 += 1 }
            Thread.sleep(forTimeInterval: 0.05)
            return Fixed()
        }
        DispatchQueue.concurrentPerform(iterations: 8) { _ in _ = try? registry.reranker("slow") }
        #expect(opened.withLock { $0 } == 1)
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

/// What must hold of every way to make one ranking of several.
@Suite struct FusionPropertyTests {
    static let fusions: [any RankFusion] = [
        ReciprocalRank(), ReciprocalRank(k: 0), ScoreInterpolation(), ScoreInterpolation(.zScore),
        ScoreInterpolation(.none),
    ]

    private func drawn(_ random: inout SplitMix64) -> [Ranking<String>] {
        (0..<Int.random(in: 0...4, using: &random)).map { _ in
            let ids = Array(0..<12).shuffled(using: &random).prefix(Int.random(in: 0...12, using: &random))
            let scores = ids.map { _ in Double(Int.random(in: -8...8, using: &random)) / 4 }.sorted(by: >)
            return Ranking(
                ids.map { "p\($0)" }, scores: scores, weight: Double(Int.random(in: 0...4, using: &random)) / 2)
        }
    }

    @Test(arguments: fusions.indices) func allAreScoredAndTheOrderOfTheListsDoesNotCount(_ number: Int) {
        let fusion = Self.fusions[number]
        var random = SplitMix64(seed: 17)
        for _ in 0..<200 {
            let lists = drawn(&random)
            let scores = fusion.scores(lists)
            #expect(Set(scores.keys) == Set(lists.flatMap(\.ids)) && scores.values.allSatisfy(\.isFinite))
            let other = fusion.scores(lists.shuffled(using: &random))
            #expect(scores.keys.allSatisfy { abs(scores[$0, default: 9] - other[$0, default: -9]) < 1e-12 })
            let ranked = fusion.fuse(lists)
            #expect(ranked.map(\.score) == ranked.map(\.score).sorted(by: >))
            #expect(fusion.fuse(lists, limit: 3).map(\.id) == ranked.prefix(3).map(\.id))
        }
    }

    /// One list comes out as it is, and a list of weight 0 says nothing.
    @Test(arguments: fusions.indices) func oneListStays(_ number: Int) {
        let fusion = Self.fusions[number]
        let list = Ranking(["c", "a", "b"], scores: [3, 2, 1])
        #expect(fusion.fuse([list]).map(\.id) == ["c", "a", "b"])
        let silent = Ranking(["b", "a", "c"], scores: [9, 8, 7], weight: 0)
        #expect(fusion.fuse([list, silent]).map(\.id) == ["c", "a", "b"])
        #expect(fusion.fuse([Ranking<String>]()).isEmpty)
    }

    /// Whatever moves up in a list does not fall in the whole.
    @Test func movingUpNeverHurts() {
        var random = SplitMix64(seed: 23)
        for _ in 0..<200 {
            var lists = drawn(&random)
            guard let index = lists.indices.first(where: { lists[$0].ids.count > 1 }) else { continue }
            let place = Int.random(in: 1..<lists[index].ids.count, using: &random)
            let id = lists[index].ids[place]
            let before = ReciprocalRank().scores(lists)[id] ?? 0
            lists[index].ids.swapAt(place, place - 1)
            #expect((ReciprocalRank().scores(lists)[id] ?? 0) >= before)
        }
    }
}

@Suite struct RankedSearchTests {
    private static let corpus: InMemoryCorpus? = {
        let texts = [
            "The quay was built of granite in 1801.", "Granite is quarried on the moor; masons cut it.",
            "Masons of the moor formed a guild.", "The lighthouse burns rape oil at night.",
            "Rape oil is pressed from seeds.", "The harbour master keeps the tide tables.",
        ]
        return try? InMemoryCorpus(documents: texts.enumerated().map { Document(id: "d\($0)", text: $1) })
    }()

    private func search(_ search: RankedSearch, _ query: String, limit: Int = 4) async throws -> [RankedPassage] {
        try await search.search([query], in: try #require(Self.corpus), limit: limit)[0]
    }

    @Test(arguments: RetrievalMode.allCases) func plainIsTheCorpusItself(_ mode: RetrievalMode) async throws {
        let corpus = try #require(Self.corpus)
        let found = try await search(RankedSearch(mode), "granite quay")
        #expect(found == (try await corpus.search(mode, query: "granite quay", limit: 4, within: nil)))
    }

    @Test func aNamedFusionIsTheFusionOfTheTwoSearches() async throws {
        let corpus = try #require(Self.corpus)
        let found = try await search(RankedSearch(.hybrid, fusion: ScoreInterpolation()), "granite masons")
        var lists: [Ranking<PassageOrdinal>] = []
        for mode in [RetrievalMode.keyword, .semantic] {
            let hits = try await corpus.search(mode, query: "granite masons", limit: 100, within: nil)
            lists.append(Ranking(hits.map(\.ordinal), scores: hits.map(\.score)))
        }
        let expected = ScoreInterpolation().fuse(lists, limit: 4)
        #expect(found.map(\.ordinal) == expected.map(\.id) && found.map(\.score) == expected.map(\.score))
        // Reciprocal rank by name is what the corpus does by itself.
        let named = try await search(RankedSearch(.hybrid, fusion: ReciprocalRank()), "granite masons")
        #expect(named == (try await corpus.search(.hybrid, query: "granite masons", limit: 4, within: nil)))
    }

    /// A second query with the words of the best passages reaches what the first could not.
    @Test(arguments: ["rm3", "tf-idf"]) func feedbackFindsWhatTheQueryDoesNotName(_ name: String) async throws {
        let plain = try await search(RankedSearch(.keyword), "quarried granite")
        #expect(!plain.map(\.id).contains("d2"))
        var refined = RankedSearch(.keyword, feedback: try RankingRegistry().feedback(.string(name)))
        refined.relevant = (passages: 2, words: 10)
        #expect(try await search(refined, "quarried granite").map(\.id).contains("d2"))
        #expect(try await search(refined, "zebra").isEmpty)
    }

    private struct Longest: Reranker {
        var name: String { "longest" }
        var fingerprint: String { "longest" }
        func scores(query: String, passages: [(title: String, text: String)]) async throws -> [Float] {
            passages.map { Float($0.text.count) }
        }
    }

    @Test func rerankersOrderTheBestAnew() async throws {
        let corpus = try #require(Self.corpus)
        let found = try await search(RankedSearch(.hybrid, reranker: Longest()), "granite", limit: 3)
        let all = try await corpus.search(.hybrid, query: "granite", limit: 50, within: nil)
        let lengths = try await corpus.passages(at: all.map(\.ordinal)).map(\.text.count).sorted(by: >)
        #expect(found.map(\.score) == lengths.prefix(3).map(Double.init))
    }

    /// Feedback by vectors searches the corpus with the moved vector: what the first search missed can be found.
    @Test func rocchioSearchesWithTheMovedVector() async throws {
        let corpus = try #require(Self.corpus)
        let query = "granite"
        var plain = RankedSearch(.semantic, feedback: Rocchio(alpha: 0, beta: 1))
        plain.relevant = (passages: 1, words: 10)
        let first = try await corpus.search(.semantic, query: query, limit: 1, within: nil)
        let found = try await plain.search([query], in: corpus, limit: 3)[0]
        let vector = try #require(try await corpus.vectors(of: [first[0].ordinal])?.first)
        let near = try #require(try await corpus.nearest(to: vector, limit: 3, within: nil))
        // The first search's three and the moved vector's, fused: nothing else, and the moved vector's first is the passage.
        #expect(near.first?.ordinal == first[0].ordinal)
        let both = Set(near.map(\.ordinal)).union(
            try await corpus.search(.semantic, query: query, limit: 3, within: nil).map(\.ordinal))
        #expect(Set(found.map(\.ordinal)).isSubset(of: both) && found.first?.ordinal == first[0].ordinal)
    }

    /// LaPraDoR: the product of the scores; what a list lacks counts as its lowest there.
    @Test func productsMultiplyScores() {
        let words = Ranking(["a", "b", "c"], scores: [8, 4, 2])
        let meaning = Ranking(["c", "a", "d"], scores: [0.9, 0.5, -0.2])
        let scores = ProductFusion().scores([words, meaning])
        #expect(scores == ["a": 4, "b": 0, "c": 1.8, "d": 0])
        #expect(ProductFusion().scores([meaning, words]) == scores)
        #expect(ProductFusion().fuse([words, meaning]).map(\.id) == ["a", "c", "b", "d"])
        #expect(ProductFusion().scores([words]) == ["a": 8, "b": 4, "c": 2])
    }

    @Test func namesAndOptionsAreChecked() throws {
        let registry = RankingRegistry()
        #expect(try registry.fusion("interpolation").name == "interpolation")
        #expect(try (registry.fusion(["reciprocal_rank": ["k": 5]]) as? ReciprocalRank)?.k == 5)
        for bad: JSONValue in [
            "none", 1, [:], ["reciprocal_rank": ["k": -1]], ["reciprocal_rank": ["q": 1]],
            ["interpolation": ["normalization": "max"]], ["a": [:], "b": [:]], ["reciprocal_rank": 7],
        ] {
            #expect(throws: RankingError.self, "\(bad)") { try registry.fusion(bad) }
        }
        #expect(throws: RankingError("there is no feedback \"x\"; there are rm3, rocchio, tf-idf")) {
            try registry.feedback("x")
        }
        registry.register(fusion: "mine") { options throws(RankingError) in
            ReciprocalRank(k: try options.number("k", default: 1, in: 0...2))
        }
        #expect(registry.fusions == ["interpolation", "mine", "product", "reciprocal_rank"])
        #expect(try (registry.fusion("mine") as? ReciprocalRank)?.k == 1)
        let search = try RankedSearch(
            .hybrid, fusion: ["mine": ["k": 2]], feedback: .null, reranker: nil, from: registry)
        #expect((search.fusion as? ReciprocalRank)?.k == 2 && search.feedback == nil && !search.isPlain)
    }
}
