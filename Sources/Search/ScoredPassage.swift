// SPDX-License-Identifier: Apache-2.0

public import Corpus

/// A passage with its score in a search; higher is better. What a score means depends on the search.
public struct ScoredPassage: Sendable, Hashable {
    public var ordinal: PassageOrdinal
    public var score: Float

    public init(ordinal: PassageOrdinal, score: Float) {
        self.ordinal = ordinal
        self.score = score
    }

    /// The order of every ranking: by descending score, equal scores by ascending ordinal.
    public static func ranksBefore(_ left: ScoredPassage, _ right: ScoredPassage) -> Bool {
        left.score != right.score ? left.score > right.score : left.ordinal < right.ordinal
    }
}
