// SPDX-License-Identifier: Apache-2.0

/// Words that a question asks the documents' texts to mention: a quotation, or what stands after "mention", "about" and
/// the like.
package struct TextMention: Sendable, Hashable {
    package var phrase: String
    var span: Range<Int>
    var mask: UInt64
    var isQuoted: Bool

    /// The phrases of a question, in order, at most four.
    package static func phrases(in question: String) -> [String] {
        find(in: Array(WordForms.tokens(question).prefix(62))).map(\.phrase)
    }

    /// The words of a text, as phrases have them.
    package static func words(in text: String) -> [String] { WordForms.tokens(text).map(\.text) }

    private static let cues = WordList(
        """
        mention mentions mentioning mentioned about contain contains containing word discuss discusses
        discussing cover covers covering concerning regarding
        """)

    static func find(in tokens: [QuestionToken]) -> [TextMention] {
        var found: [TextMention] = []
        var at = 0
        while at < tokens.count, found.count < 4 {
            if let quotation = tokens[at].quotation {
                var end = at
                while end < tokens.count, tokens[end].quotation == quotation { end += 1 }
                found.append(mention(tokens, at..<end, isQuoted: true))
                at = end
                continue
            }
            if Self.cues.contains(tokens[at].text) {
                var start = at + 1
                while start < tokens.count,
                    ["the", "a", "an", "word", "words", "term", "phrase"].contains(tokens[start].text)
                {
                    start += 1
                }
                var end = start
                while end < tokens.count, end - start < 4, !tokens[end].followsComma || end == start,
                    tokens[end].quotation == nil,
                    !WordForms.function.contains(tokens[end].text) || tokens[end].isCapitalised
                {
                    end += 1
                }
                if start < end {
                    found.append(mention(tokens, start..<end, isQuoted: false))
                    at = end
                    continue
                }
            }
            at += 1
        }
        return found
    }

    private static func mention(_ tokens: [QuestionToken], _ span: Range<Int>, isQuoted: Bool) -> TextMention {
        TextMention(
            phrase: tokens[span].map(\.text).joined(separator: " "), span: span, mask: span.mask, isQuoted: isQuoted)
    }
}
