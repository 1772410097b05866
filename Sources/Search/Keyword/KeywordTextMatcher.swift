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
    private let candidates: TextMatchCandidates
    private let scanner: ScanningTextMatcher

    /// - Throws: when the index's analyzer cannot be made here.
    public init(index: KeywordIndex, reader: CorpusReader) throws {
        self.index = index
        candidates = try TextMatchCandidates(options: index.options)
        scanner = try ScanningTextMatcher(reader: reader, analyzer: TextAnalyzer(.plain))
    }

    public func passages(
        matching words: String, mode: FilterExpression.MatchMode, field: String?
    ) throws -> OrdinalSet {
        let candidates = try candidates.passages(matching: words, mode: mode, in: index)
        if let candidates, candidates.isEmpty { return candidates }
        return try scanner.passages(matching: words, mode: mode, field: field, among: candidates)
    }
}
