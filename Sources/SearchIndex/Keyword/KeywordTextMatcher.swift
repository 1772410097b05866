// SPDX-License-Identifier: Apache-2.0

public import CorpusStore
import TextProcessing

/// Answers the text matches of filters from a keyword index: postings give the candidates, and where they cannot tell
/// (phrases, one field only) the candidates' texts are read.
///
/// Words are compared as the index holds them, that is after its stemming and without its stop words.
public struct KeywordTextMatcher: TextMatcher {
    private let index: KeywordIndex
    private let analyzer: TextAnalyzer
    private let scanner: ScanningTextMatcher
    /// The most terms that a prefix stands for.
    private static let prefixLimit = 4096

    /// - Throws: when the index's analyzer cannot be made here.
    public init(index: KeywordIndex, reader: CorpusReader) throws {
        self.index = index
        analyzer = try TextAnalyzer(index.options.analyzer)
        scanner = try ScanningTextMatcher(reader: reader, analyzer: analyzer)
    }

    public func passages(
        matching words: String, mode: FilterExpression.MatchMode, field: String?
    ) throws -> OrdinalSet {
        let terms = analyzer.terms(in: words)
        guard let last = terms.last else { return OrdinalSet() }
        func passages(with term: String) throws -> OrdinalSet {
            try index.term(term).map { try index.passages(with: $0) } ?? OrdinalSet()
        }
        var candidates: OrdinalSet
        switch mode {
        case .any: candidates = OrdinalSet(try terms.flatMap { try passages(with: $0).ordinals })
        case .all, .phrase:
            candidates = try passages(with: last)
            for term in terms.dropLast() { candidates = candidates.intersection(try passages(with: term)) }
        case .prefix:
            candidates = OrdinalSet(
                try index.terms(withPrefix: last, limit: Self.prefixLimit).flatMap {
                    try index.passages(with: $0).ordinals
                }
            )
            for term in terms.dropLast() { candidates = candidates.intersection(try passages(with: term)) }
        }
        if field == nil, mode != .phrase { return candidates }
        return try scanner.passages(matching: words, mode: mode, field: field, among: candidates)
    }
}
