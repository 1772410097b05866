// SPDX-License-Identifier: Apache-2.0

public import Corpus
import Text

/// Answers the text matches of filters: a keyword index gives the passages that can match, and their texts decide.
///
/// The result is that of `ScanningTextMatcher`: folded words, whole, without stemming or stop words. Two texts with the
/// same word have the same stem, so the postings of stems leave no match out; where postings cannot tell (stop words,
/// the last word of a prefix match) the other words narrow the candidates, or every passage is read.
public struct KeywordTextMatcher: TextMatcher {
    private let index: KeywordIndex
    private let analyzer: TextAnalyzer
    private let plain: TextAnalyzer
    private let scanner: ScanningTextMatcher

    /// - Throws: when the index's analyzer cannot be made here.
    public init(index: KeywordIndex, reader: CorpusReader) throws {
        self.index = index
        analyzer = try TextAnalyzer(index.options.analyzer)
        plain = try TextAnalyzer(.plain)
        scanner = try ScanningTextMatcher(reader: reader, analyzer: plain)
    }

    public func passages(
        matching words: String, mode: FilterExpression.MatchMode, field: String?
    ) throws -> OrdinalSet {
        let candidates = try candidates(for: words, mode: mode)
        if let candidates, candidates.isEmpty { return candidates }
        return try scanner.passages(matching: words, mode: mode, field: field, among: candidates)
    }

    /// The passages that can match; nil when the index cannot tell.
    private func candidates(for words: String, mode: FilterExpression.MatchMode) throws -> OrdinalSet? {
        // Words folded in another way have other stems, and titles without a weight have no postings.
        guard index.options.analyzer.foldsUnicode, index.options.titleWeight > 0 else { return nil }
        var terms = plain.terms(in: words)
        if mode == .prefix, !terms.isEmpty { terms.removeLast() }
        var found: OrdinalSet?
        for term in terms {
            let stems = analyzer.indexTerms(in: term).filter { $0.role != .variant }
            guard stems.count == 1 else {
                // A word that the index's lengths leave out: any passage may hold it.
                if mode == .any { return nil }
                continue
            }
            let passages = try index.term(stems[0].text).map { try index.passages(with: $0) } ?? OrdinalSet()
            guard let before = found else {
                found = passages
                continue
            }
            found = mode == .any ? before.union(passages) : before.intersection(passages)
        }
        return found
    }
}
