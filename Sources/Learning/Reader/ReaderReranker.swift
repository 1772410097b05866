// SPDX-License-Identifier: Apache-2.0

public import Search

/// The reader's trunk as a cross-encoder: the relevance that it learned beside reading orders passages.
public struct ReaderReranker: Reranker {
    private let reader: SpanReader
    /// The share that its scores should have; see ``RerankMixture``.
    public var mixture: RerankMixture { RerankMixture(share: reader.rerankShare ?? 0) }

    public init(_ reader: SpanReader) { self.reader = reader }

    public var name: String { "reader" }
    public var fingerprint: String { reader.fingerprint }

    public func scores(query: String, passages: [(title: String, text: String)]) async throws -> [Float] {
        var scores: [Float] = []
        // In pieces, so that a cancelled request stops soon.
        for start in stride(from: 0, to: passages.count, by: 16) {
            try Task.checkCancellation()
            scores += try await reader.relevance(
                question: query, passages: Array(passages[start..<min(passages.count, start + 16)]))
        }
        return scores
    }
}

extension RankingRegistry {
    /// Adds the reranker `reader`, where its weights and the encoder that it was tuned from are at hand, and where it was
    /// measured to make rankings better.
    public func registerReader(_ open: @escaping @Sendable () throws -> SpanReader?) {
        register(reranker: "reader") {
            guard let reader = try open(), let share = reader.rerankShare, share > 0 else { return nil }
            return ReaderReranker(reader)
        }
    }
}

extension RerankMixture {
    /// The share under which the most gold passages stand among the first `depth`, of lists in the order that a search by
    /// words gives; 0, which leaves that order, unless another is better.
    ///
    /// - Parameter lists: Each list's scores in the search's order, and the places of its gold passages.
    static func best(_ lists: [(scores: [Float], gold: Set<Int>)], depth: Int = 2) -> (
        mixture: RerankMixture, gain: Double
    ) {
        func found(_ share: Float) -> Double {
            let sums = lists.map { list in
                let top = RerankMixture(share: share).order(list.scores).prefix(depth)
                return Double(top.count { list.gold.contains($0) }) / Double(max(1, min(depth, list.gold.count)))
            }
            return sums.reduce(0, +) / Double(max(1, sums.count))
        }
        let plain = found(0)
        var best = (mixture: RerankMixture(share: 0), gain: 0.0)
        for share in [0.25, 0.5, 0.75, 1] as [Float] {
            let gain = found(share) - plain
            if gain > best.gain { best = (RerankMixture(share: share), gain) }
        }
        return best
    }
}
