// SPDX-License-Identifier: Apache-2.0

/// A keyword query: words that add to the score, and words that passages must or must not hold.
public struct KeywordQuery: Sendable, Hashable {
    /// Text whose terms add to a passage's score; repeats count.
    public var text: String
    /// Further terms with weights: what relevance feedback adds. Each text is analysed like `text`.
    public var weighted: [WeightedTerm]
    /// Texts of which a passage must hold every term.
    public var must: [String]
    /// Texts whose terms a passage must hold one after the other.
    public var phrases: [String]
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
        _ text: String, weighted: [WeightedTerm] = [], must: [String] = [], phrases: [String] = [],
        mustNot: [String] = [], prefixes: [String] = []
    ) {
        self.text = text
        self.weighted = weighted
        self.must = must
        self.phrases = phrases
        self.mustNot = mustNot
        self.prefixes = prefixes
    }
}

extension KeywordQuery: ExpressibleByStringLiteral {
    public init(stringLiteral value: String) { self.init(value) }
}

extension KeywordQuery {
    /// Reads a query as people type them: `jazz +Louis "new orleans" -album trump*`. What is no operator is text.
    public init(parsing text: String) {
        self.init("")
        var plain: [Substring] = []
        var rest = text[...]
        while let first = rest.first {
            if first.isWhitespace {
                rest.removeFirst()
                continue
            }
            if first == "\"", let end = rest.dropFirst().firstIndex(of: "\"") {
                phrases.append(String(rest[rest.index(after: rest.startIndex)..<end]))
                rest = rest[rest.index(after: end)...]
                continue
            }
            let word = rest.prefix { !$0.isWhitespace }
            rest = rest[word.endIndex...]
            if word.count > 1, word.first == "+" {
                must.append(String(word.dropFirst()))
            } else if word.count > 1, word.first == "-" {
                mustNot.append(String(word.dropFirst()))
            } else if word.count > 2, word.last == "*" {
                prefixes.append(String(word.dropLast()))
            } else {
                plain.append(word)
            }
        }
        self.text = plain.joined(separator: " ")
    }
}
