// SPDX-License-Identifier: Apache-2.0

extension FilterExpression {
    /// The most text matches in one filter: each may read every passage.
    public static let mostTextMatches = 64

    /// How many of its clauses are text matches.
    private var textMatches: Int {
        switch self {
        case .match: return 1
        case .and(let parts), .or(let parts): return parts.reduce(0) { $0 + $1.textMatches }
        case .not(let part): return part.textMatches
        default: return 0
        }
    }

    /// Refuses a filter that would take too long, before anything is read for it.
    /// - Throws: `CorpusError` `badArgument`.
    package func checkCost() throws(CorpusError) {
        let count = textMatches
        guard count <= Self.mostTextMatches else {
            throw CorpusError(
                .badArgument, "a filter may hold at most \(Self.mostTextMatches) text matches, found \(count)")
        }
    }
}
