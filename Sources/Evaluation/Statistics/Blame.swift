// SPDX-License-Identifier: Apache-2.0

/// Where a wrong answer went wrong: the first stage at which gold evidence was lost.
public enum Blame: String, Sendable, Hashable, CaseIterable {
    /// The answer is right.
    case none
    /// The answer is right although gold evidence was never retrieved: known by heart, or luck.
    case rightWithoutEvidence = "right_without_evidence"
    /// A gold passage was never retrieved: the retriever.
    case notRetrieved = "not_retrieved"
    /// All were retrieved, one was not kept: the keeper.
    case notKept = "not_kept"
    /// All were kept, none was cited, and the answer is wrong: the reader looked elsewhere.
    case notCited = "not_cited"
    /// Gold evidence was retrieved, kept and cited, and the answer is still wrong: the reader.
    case reader
    /// An unanswerable question was answered.
    case answeredUnanswerable = "answered_unanswerable"
    /// An answerable question was refused although all gold evidence was kept.
    case refusedAnswerable = "refused_answerable"
    /// No gold passages are known, so the blame cannot be told.
    case unknown

    /// Tells the blame of one answer.
    /// - Parameters:
    ///   - gold: the gold passages.
    ///   - retrieved: every passage that a tool showed.
    ///   - kept: the passages kept as evidence.
    ///   - cited: the passages that the answer cites.
    public init(
        isRight: Bool, isAnswerable: Bool = true, refused: Bool = false, gold: Set<String>, retrieved: Set<String>,
        kept: Set<String>, cited: Set<String>
    ) {
        if !isAnswerable {
            self = isRight ? .none : .answeredUnanswerable
        } else if gold.isEmpty {
            self = isRight ? .none : .unknown
        } else if isRight {
            self = gold.isDisjoint(with: retrieved) ? .rightWithoutEvidence : .none
        } else if !gold.isSubset(of: retrieved) {
            self = .notRetrieved
        } else if !gold.isSubset(of: kept) {
            self = .notKept
        } else if refused {
            self = .refusedAnswerable
        } else {
            self = gold.isDisjoint(with: cited) ? .notCited : .reader
        }
    }
}
