// SPDX-License-Identifier: Apache-2.0

public import Text

/// Finds the passages in which words occur: a keyword index, or a scan where there is none.
public protocol TextMatcher: Sendable {
    /// The passages that match, ascending. The words of `all`, `phrase` and `prefix` must meet in one passage, where a
    /// passage's text and its document's title are two texts of one passage, and a phrase lies within one of them.
    /// - Parameter field: `title`, `text`, or nil for either.
    func passages(matching words: String, mode: FilterExpression.MatchMode, field: String?) throws -> OrdinalSet
}

/// Matches by reading every passage: exact, needs no index, and takes seconds on a million passages.
public struct ScanningTextMatcher: TextMatcher {
    private let reader: CorpusReader
    private let analyzer: TextAnalyzer

    /// - Parameter analyzer: how texts become words; the default folds case and accents and keeps every word whole.
    public init(reader: CorpusReader, analyzer: TextAnalyzer? = nil) throws {
        self.reader = reader
        self.analyzer = try analyzer ?? TextAnalyzer(.plain)
    }

    public func passages(
        matching words: String, mode: FilterExpression.MatchMode, field: String?
    ) throws -> OrdinalSet {
        try passages(matching: words, mode: mode, field: field, among: nil)
    }

    /// The passages among candidates that match: how an index checks what its postings cannot tell.
    /// - Parameter candidates: nil for every passage.
    public func passages(
        matching words: String, mode: FilterExpression.MatchMode, field: String?, among candidates: OrdinalSet?
    ) throws -> OrdinalSet {
        let pattern = WordPattern(words: words, mode: mode, analyzer: analyzer)
        var found: [UInt32] = []
        guard !pattern.isEmpty else { return OrdinalSet() }
        let extractor = analyzer.makeExtractor()
        func look(_ ordinal: PassageOrdinal, _ title: UnsafeBufferPointer<UInt8>, _ text: UnsafeBufferPointer<UInt8>) {
            var texts: [[[UInt8]]] = []
            for (name, bytes) in [("title", title), ("text", text)] where field == nil || field == name {
                var terms: [[UInt8]] = []
                extractor.forEachTerm(inUTF8: bytes) { term, _ in terms.append(Array(term)) }
                texts.append(terms)
            }
            if pattern.matches(texts) { found.append(ordinal) }
        }
        guard let candidates else {
            try reader.forEachPassage(in: 0..<UInt32(reader.passageCount), look)
            return OrdinalSet(ascending: found)
        }
        for ordinal in candidates.ordinals { try reader.forEachPassage(in: ordinal..<(ordinal + 1), look) }
        return OrdinalSet(ascending: found)
    }
}

/// The words of a text match, and whether texts have them.
///
/// A word of a script without spaces is several terms, which must stand side by side.
package struct WordPattern {
    private let words: [[[UInt8]]]
    private let mode: FilterExpression.MatchMode

    package init(words text: String, mode: FilterExpression.MatchMode, analyzer: TextAnalyzer) {
        var words: [[[UInt8]]] = []
        var end = -1
        var text = text
        text.withUTF8 { bytes in
            analyzer.forEachTerm(inUTF8: bytes) { term, range in
                if range.lowerBound == end, !words.isEmpty, mode != .phrase {
                    words[words.count - 1].append(Array(term))
                } else {
                    words.append([Array(term)])
                }
                end = range.upperBound
            }
        }
        self.words = mode == .phrase && !words.isEmpty ? [words.flatMap { $0 }] : words
        self.mode = mode
    }

    /// Whether no word is left of the pattern: then nothing matches.
    package var isEmpty: Bool { words.isEmpty }

    /// - Parameter texts: the terms of each text of one passage.
    package func matches(_ texts: [[[UInt8]]]) -> Bool {
        func has(_ word: [[UInt8]], isPrefix: Bool = false) -> Bool {
            guard let last = word.last else { return false }
            return texts.contains { text in
                text.indices.contains { start in
                    let end = start + word.count - 1
                    guard end < text.count, isPrefix ? text[end].starts(with: last) : text[end] == last else {
                        return false
                    }
                    return word.indices.dropLast().allSatisfy { text[start + $0] == word[$0] }
                }
            }
        }
        switch mode {
        case .any: return words.contains { has($0) }
        case .all, .phrase: return words.allSatisfy { has($0) }
        case .prefix:
            guard let last = words.last else { return false }
            return words.dropLast().allSatisfy { has($0) } && has(last, isPrefix: true)
        }
    }
}
