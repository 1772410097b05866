// SPDX-License-Identifier: Apache-2.0

/// A keyword query: words that add to the score, and words that passages must or must not hold.
public struct KeywordQuery: Sendable, Hashable {
    /// Text whose terms add to a passage's score; repeats count.
    public var text: String
    /// Further terms with weights: what relevance feedback adds. Each text is analysed like `text`.
    public var weighted: [WeightedTerm]
    /// Texts of which a passage must hold every term.
    public var must: [String]
    /// Texts of which a passage must hold no term.
    public var mustNot: [String]
    /// Beginnings of words; the passages that hold a word with one of them score as for that word. At most 64 words each.
    public var prefixes: [String]

    /// A term with its weight relative to a word of the query.
    public struct WeightedTerm: Sendable, Hashable {
        public var text: String
        public var weight: Double

        public init(text: String, weight: Double) {
            self.text = text
            self.weight = weight
        }
    }

    public init(
        _ text: String, weighted: [WeightedTerm] = [], must: [String] = [], mustNot: [String] = [],
        prefixes: [String] = []
    ) {
        self.text = text
        self.weighted = weighted
        self.must = must
        self.mustNot = mustNot
        self.prefixes = prefixes
    }
}

extension KeywordQuery: ExpressibleByStringLiteral {
    public init(stringLiteral value: String) { self.init(value) }
}
