// SPDX-License-Identifier: Apache-2.0

/// A name or title found in a text.
public struct SpottedName: Hashable, Sendable {
    /// How it was recognised.
    public enum Kind: String, Hashable, Sendable {
        /// Capitalised words: "Barack Obama", "University of Chicago", "NASA".
        case capitalised
        /// Words in quotation marks: "The Old Man and the Sea".
        case quoted
    }

    /// The name as written, without quotation marks and possessive.
    public var text: String
    public var kind: Kind
    /// Its UTF-8 byte range in the text.
    public var utf8: Range<Int>
    /// Words in it.
    public var wordCount: Int
}

/// Finds names and quoted titles by spelling alone: what an agent asks for next when it has no model to tell it.
public struct NameSpotter: Sendable {
    /// Words that may stand in lower case inside a name.
    private static let connectors: Set<String> = [
        "of", "the", "and", "de", "la", "le", "les", "du", "des", "da", "do", "dos", "del", "della", "di", "von", "van",
        "der", "den", "und", "y", "el", "al", "bin", "ibn", "for", "in", "on", "at", "to", "a", "an", "&", "with",
    ]
    /// Connectors that stand between two names more often than inside one ("Paris and London", "Rome in Italy").
    private static let joiners: Set<String> = ["and", "&", "with", "in"]
    /// Capitalised because they start a sentence or question, not because they name anything.
    private static let openers: Set<String> = Set(
        [
            "the", "a", "an", "this", "that", "these", "those", "it", "its", "he", "she", "they", "his", "her", "their",
            "we", "our", "you", "your", "i", "my", "me", "in", "on", "at", "as", "of", "to", "by", "for", "from",
            "with", "and", "or", "but", "nor", "so", "if", "then", "than", "when", "where", "while", "what", "which",
            "who", "whom", "whose", "why", "how", "is", "are", "was", "were", "be", "been", "am", "do", "does", "did",
            "has", "have", "had", "can", "could", "will", "would", "shall", "should", "may", "might", "must", "after",
            "before", "during", "since", "although", "though", "however", "there", "here", "some", "many", "most",
            "all", "both", "each", "every", "one", "two", "three", "other", "another", "also", "because", "despite",
            "following", "under", "until", "upon", "such", "not", "no", "yes", "between", "among", "about", "into",
            "over", "through", "according", "given", "based", "name", "tell", "find", "give", "list", "are", "later",
            "once", "only", "while", "within", "without", "out", "up", "its", "him", "them", "us", "very",
        ])

    public init() {}

    /// The names in `text`, by position; a quoted title hides the capitalised names inside it.
    public func names(in text: String) -> [SpottedName] {
        let source = ScalarText(text)
        let quoted = quotedTitles(source)
        var names = quoted
        for name in capitalised(source) where !quoted.contains(where: { $0.utf8.overlaps(name.utf8) }) {
            names.append(name)
        }
        return names.sorted { ($0.utf8.lowerBound, $0.utf8.upperBound) < ($1.utf8.lowerBound, $1.utf8.upperBound) }
    }

    /// The different names in `text` by first appearance, compared as ``TitleNormalizer/key(for:)`` does.
    public func distinctNames(in text: String) -> [String] {
        var seen = Set<String>()
        return names(in: text).compactMap { name in
            seen.insert(TitleNormalizer.key(for: name.text)).inserted ? name.text : nil
        }
    }

    // MARK: Quotation marks

    private func quotedTitles(_ source: ScalarText) -> [SpottedName] {
        let scalars = source.scalars
        var result: [SpottedName] = []
        var index = 0
        while index < scalars.count {
            guard let closer = Self.closer(for: scalars[index]),
                index == 0 || !Self.isWordCharacter(scalars[index - 1])
            else {
                index += 1
                continue
            }
            // A title is short and on one line; anything else is speech.
            var end = index + 1
            while end < scalars.count, end - index <= 120, scalars[end] != closer, scalars[end] != "\n" { end += 1 }
            guard end < scalars.count, scalars[end] == closer else {
                index += 1
                continue
            }
            var (low, high) = (index + 1, end)
            while high > low, ",.;: ".unicodeScalars.contains(scalars[high - 1]) { high -= 1 }
            while low < high, scalars[low] == " " { low += 1 }
            let span = source.span(low..<high)
            let startsAsTitle =
                low < high
                && (scalars[low].properties.isUppercase || scalars[low].value >= 0x2E80
                    || scalars[low].properties.numericType != nil)
            if startsAsTitle, span.wordCount <= 12 {
                result.append(
                    SpottedName(
                        text: String(String.UnicodeScalarView(scalars[low..<high])), kind: .quoted, utf8: span.utf8,
                        wordCount: span.wordCount))
            }
            index = end + 1
        }
        return result
    }

    private static func closer(for opener: Unicode.Scalar) -> Unicode.Scalar? {
        switch opener {
        case "\"": "\""
        case "“", "„": "”"
        case "«": "»"
        case "「": "」"
        case "『": "』"
        case "《": "》"
        default: nil
        }
    }

    // MARK: Capitals

    private struct Token {
        var range: Range<Int>
        var lower: String
        var isCapitalised: Bool
        var isNumber: Bool
        /// Ends in "'s": the name goes on behind it only with a capital ("Arthur's Magazine").
        var isPossessive: Bool
        /// Only spaces lie between it and the token before it.
        var followsDirectly: Bool
    }

    private func capitalised(_ source: ScalarText) -> [SpottedName] {
        let tokens = tokens(of: source)
        var result: [SpottedName] = []
        var index = 0
        while index < tokens.count {
            guard tokens[index].isCapitalised else {
                index += 1
                continue
            }
            var last = index
            var next = index + 1
            while next < tokens.count, tokens[next].followsDirectly {
                if tokens[next].isCapitalised
                    || (tokens[next].isNumber && last == next - 1 && !tokens[last].isPossessive)
                {
                    last = next
                    next += 1
                } else if !tokens[last].isPossessive, Self.connectors.contains(tokens[next].lower),
                    !Self.joiners.contains(tokens[next].lower),
                    next - last <= 2
                {
                    next += 1
                } else {
                    break
                }
            }
            var first = index
            while first < last, Self.openers.contains(tokens[first].lower),
                tokens[first].lower != "the" || first > index
                    || startsSentence(source, tokens[first])
            {
                first += 1
                // A connector must not become the first word: "In the Valley".
                while first < last, !tokens[first].isCapitalised { first += 1 }
            }
            let isOpener = first == last && Self.openers.contains(tokens[first].lower)
            let letters = tokens[first].range.count
            if !isOpener, first < last || letters > 1 {
                let end = tokens[last].range.upperBound - (tokens[last].isPossessive ? 2 : 0)
                let span = source.span(tokens[first].range.lowerBound..<end)
                result.append(
                    SpottedName(
                        text: String(String.UnicodeScalarView(source.scalars[span.characters])), kind: .capitalised,
                        utf8: span.utf8, wordCount: span.wordCount))
            }
            index = last + 1
        }
        return result
    }

    /// Whether nothing but white space, quotation marks or a sentence's end stands before the token.
    private func startsSentence(_ source: ScalarText, _ token: Token) -> Bool {
        var index = token.range.lowerBound
        while index > 0 {
            let before = source.scalars[index - 1]
            if SentenceSplitter.isTerminator(before) { return true }
            guard
                before.properties.isWhitespace || SentenceSplitter.isOpener(before)
                    || SentenceSplitter.isCloser(before)
            else { return false }
            index -= 1
        }
        return true
    }

    private func tokens(of source: ScalarText) -> [Token] {
        let scalars = source.scalars
        var tokens: [Token] = []
        var index = 0
        var onlySpaces = false
        while index < scalars.count {
            guard Self.isWordCharacter(scalars[index]) || scalars[index] == "&" else {
                if scalars[index] != " " { onlySpaces = false }
                index += 1
                continue
            }
            let start = index
            while index < scalars.count {
                if Self.isWordCharacter(scalars[index]) || scalars[index] == "&" {
                    index += 1
                } else if index + 1 < scalars.count, Self.isWordCharacter(scalars[index + 1]),
                    "'’-–.".unicodeScalars.contains(scalars[index])
                {
                    index += 1
                } else {
                    break
                }
            }
            let end = index
            let isPossessive =
                end - start > 2 && scalars[end - 1] == "s"
                && (scalars[end - 2] == "'" || scalars[end - 2] == "’")
            // The full stop of an initial or a title belongs to the name: "J. K. Rowling", "St. Louis".
            let letters = end - start
            let lower = String(String.UnicodeScalarView(scalars[start..<end])).lowercased()
            let isAbbreviated =
                index < scalars.count && scalars[index] == "."
                && (letters == 1 || ["st", "mt", "dr", "mr", "mrs", "ms", "ft", "jr", "sr"].contains(lower))
            tokens.append(
                Token(
                    range: start..<end, lower: lower,
                    isCapitalised: scalars[start].properties.isUppercase,
                    isNumber: scalars[start..<end].allSatisfy { $0.properties.numericType != nil },
                    isPossessive: isPossessive, followsDirectly: onlySpaces))
            onlySpaces = true
            if isAbbreviated { index += 1 }
        }
        return tokens
    }

    private static func isWordCharacter(_ scalar: Unicode.Scalar) -> Bool {
        CharacterClass(scalar) != .separator
    }
}
