// SPDX-License-Identifier: Apache-2.0

/// What a term of an index or a query is worth.
public enum TermRole: UInt8, Sendable, Hashable {
    /// A word, or a pair of characters where words are not spaced. Counts in a text's length.
    case word
    /// One character of a longer row of Chinese characters: half a word in a query. Counts in a text's length.
    case character
    /// A frequent word. It is in the index but not in a text's length, and searched where a query has little else.
    case stopWord
    /// A short piece of a row without spaces, which is mostly grammar. As a stop word, but searched only where nothing
    /// else of the query is in the index.
    case fragment
    /// Another form of the word before it ("3.11" of "3.11.7"): in the index only.
    case variant
}

/// A term of a query.
public struct AnalyzedTerm: Sendable, Hashable {
    /// In the form that the index has.
    public var text: String
    public var role: TermRole
    /// The word of the query that it stands for.
    public var surface: String

    public init(text: String, role: TermRole, surface: String) {
        self.text = text
        self.role = role
        self.surface = surface
    }
}
