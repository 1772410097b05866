// SPDX-License-Identifier: Apache-2.0

import Corpus
import OrderedCollections
import Tools

/// Keeps the passages that match the question best token by token (MaxSim; Khattab and Zaharia, 2020). Focused, from the
/// second hop on, a passage need only match what the evidence so far leaves open (Khattab et al., 2021).
public struct LateInteractionKeeper: EvidenceKeeper {
    public var name: String { "late" }
    /// How many passages the evidence holds at most. Default 10.
    public var limit: Int
    /// Whether the evidence is the condensed context of later hops. Default true.
    public var isFocused: Bool

    public init(limit: Int = 10, isFocused: Bool = true) {
        self.limit = limit
        self.isFocused = isFocused
    }

    public func keep(after calls: [String], in state: AgentState, using context: StepContext) async throws -> Keeping {
        let found = Array(state.retrieved.values)
        let known = state.evidence.items.prefix(3).map { $0.sentences.first ?? $0.title }
        let condensed = isFocused && !known.isEmpty ? known.joined(separator: " ") : nil
        guard
            let scores = try await context.corpus.lateInteraction(
                of: found.map(\.passage.ordinal), with: state.question.text, context: condensed)
        else {
            throw CorpusError(
                .badArgument, "the corpus has no token vectors: run `forage index` on it with --late-interaction")
        }
        let ranked = found.indices.sorted {
            scores[$0] != scores[$1] ? scores[$0] > scores[$1] : found[$0].passage.id < found[$1].passage.id
        }.prefix(limit)
        let kept = ranked.map { found[$0].evidence(score: scores[$0]) }
        return Keeping(kept: kept, dropped: state.evidence.dropping(all: kept))
    }
}
