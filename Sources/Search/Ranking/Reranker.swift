// SPDX-License-Identifier: Apache-2.0

/// Scores passages by how much they have to do with a query, reading both together: slower and more exact than vectors.
///
/// Contract: one finite number for each passage, in their order, higher for better; comparable within one call only.
public protocol Reranker: Sendable {
    /// The name that policies and requests use.
    var name: String { get }
    /// Identifies what makes the scores: configuration and weights.
    var fingerprint: String { get }
    /// How its scores and the ranking that it was given become one. Default: its scores alone.
    var mixture: RerankMixture { get }
    /// Scores passages.
    func scores(query: String, passages: [(title: String, text: String)]) async throws -> [Float]
}

extension Reranker {
    public var mixture: RerankMixture { RerankMixture(share: 1) }
}

/// How a reranker's scores and the ranking that it was given become one ranking.
///
/// A reranker that was trained on one field can be worse than the search on another: its share of the sum is measured on
/// held-out questions of several corpora, and 0 leaves the ranking as it was.
public struct RerankMixture: Sendable, Hashable {
    /// The reranker's share, 0 to 1; the rest is the first ranking's.
    public var share: Float

    public init(share: Float) { self.share = share }

    /// The order of the passages, best first, as indices.
    ///
    /// Each side counts by its standing: reciprocal ranks with the constant 10 for the given order, and the reranker's
    /// scores between the lowest (0) and the highest (1) of the list.
    public func order(_ scores: [Float]) -> [Int] {
        guard let low = scores.min(), let high = scores.max(), high > low, high.isFinite, low.isFinite else {
            return Array(scores.indices)
        }
        let given = ReciprocalRank(k: 10)
        let values = scores.enumerated().map { place, score in
            Double(share) * Double(score - low) / Double(high - low)
                + Double(1 - share) * given.score(ofPlace: place) / given.score(ofPlace: 0)
        }
        return scores.indices.sorted { values[$0] != values[$1] ? values[$0] > values[$1] : $0 < $1 }
    }
}
