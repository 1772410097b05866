// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
public import Encoders
public import Search
import TensorMath
import Text

/// What a search puts first for a question of a set: what a reranker orders anew, and is measured against.
public struct FirstRanking: Sendable {
    public var question: String
    public var passages: [ReaderPassage]
    /// The places of gold passages among them.
    public var gold: Set<Int>
    /// How many gold passages there are, those that were not found with them.
    public var goldCount: Int

    /// The share of the gold passages among the first `depth`, of as many as can stand there.
    func recall(_ order: [Int], at depth: Int) -> Double {
        Double(order.prefix(depth).count { gold.contains($0) }) / Double(max(1, min(depth, goldCount)))
    }
}

extension ReaderMaterial {
    /// What the search by words (BM25), or hybrid search, puts first for questions of the set.
    ///
    /// - Parameters:
    ///   - count: Passages of a ranking.
    ///   - most: The most questions, evenly spread over the set.
    ///   - encoder: Ranks too, and both rankings are fused by reciprocal rank, as hybrid search does; nil for words alone.
    /// - Throws: `CancellationError`, or what the encoder throws.
    @concurrent
    public func firstRankings(
        count: Int, most: Int, encoder: BERTEncoder? = nil
    ) async throws -> [FirstRanking] {
        let usable = items.indices.filter { !items[$0].gold.isEmpty }
        let step = max(1, (usable.count + max(1, most) - 1) / max(1, most))
        let chosen = stride(from: 0, to: usable.count, by: step).map { usable[$0] }
        guard !chosen.isEmpty else { return [] }
        let corpus = try InMemoryCorpus(
            documents: passages.enumerated().map { Document(id: "\($0)", title: $1.title, text: $1.text) },
            splitter: PassageSplitter(.init(size: 1_000_000)), embedding: { _ in [] })
        let dense = try await nearest(chosen, count: max(100, count), encoder)
        var rankings: [FirstRanking] = []
        for (row, item) in chosen.enumerated() {
            let words = try await corpus.search(
                .keyword, query: items[item].question, limit: max(100, count), within: nil
            ).map { Int($0.documentOrdinal) }
            let lists = [words] + (dense.map { [$0[row]] } ?? [])
            let found = ReciprocalRank().fuse(lists.map { Ranking($0, scores: $0.map { _ in 0 }) }, limit: count)
            let gold = Set(items[item].gold)
            rankings.append(
                FirstRanking(
                    question: items[item].question, passages: found.map { passages[$0.id] },
                    gold: Set(found.indices.filter { gold.contains(found[$0].id) }), goldCount: gold.count))
        }
        return rankings
    }

    /// The passages nearest to some questions by an encoder's vectors; nil without one.
    private func nearest(_ chosen: [Int], count: Int, _ encoder: BERTEncoder?) async throws -> [[Int]]? {
        guard let encoder else { return nil }
        let width = encoder.dimension
        let all = try await encoder.encodePassages(passages.map(\.full))
        let asked = try await encoder.encodeQueries(chosen.map { items[$0].question })
        let scores = Matrix(rows: chosen.count, columns: width, elements: asked.values)
            .multiplied(
                by: Matrix(rows: passages.count, columns: width, elements: all.values), transposingOther: true)
        return try Parallel.map(chosen.count) { row in
            let line = Array(scores.row(row))
            return Array(line.indices.sorted { (line[$0], $1) > (line[$1], $0) }.prefix(count))
        }
    }
}

/// What re-ranking does to rankings: the shares of gold passages among the first two and five, question by question, and
/// the same of the rankings as they were.
public struct RerankScores: Sendable {
    public var before: (two: [Double], five: [Double]) = ([], [])
    public var after: (two: [Double], five: [Double]) = ([], [])
    /// By the reranker's scores alone.
    public var alone: (two: [Double], five: [Double]) = ([], [])

    /// Re-ranks.
    ///
    /// - Throws: What the reranker throws.
    @concurrent
    public init(_ rankings: [FirstRanking], by reranker: any Reranker) async throws {
        for ranking in rankings {
            let given = try await reranker.scores(
                query: ranking.question, passages: ranking.passages.map { (title: $0.title, text: $0.text) })
            func note(_ order: [Int], _ scores: inout (two: [Double], five: [Double])) {
                scores.two.append(ranking.recall(order, at: 2))
                scores.five.append(ranking.recall(order, at: 5))
            }
            note(Array(ranking.passages.indices), &before)
            note(reranker.mixture.order(given), &after)
            note(RerankMixture(share: 1).order(given), &alone)
        }
    }
}
