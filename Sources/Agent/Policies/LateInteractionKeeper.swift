// SPDX-License-Identifier: Apache-2.0

import Corpus
import OrderedCollections
import Search
import Tools

/// Keeps the passages that match the question best token by token (MaxSim; Khattab and Zaharia, 2020). Focused, from the
/// second hop on, a passage need only match what the evidence so far leaves open (Khattab et al., 2021).
public struct LateInteractionKeeper: EvidenceKeeper {
    public var name: String { "late" }
    /// How many passages the evidence holds at most. Default 10.
    public var limit: Int
    /// Whether the evidence is the condensed context of later hops. Default true.
    public var isFocused: Bool

    /// The weight of the place that the searches gave a passage, against the match of its tokens: token vectors of an
    /// encoder that was not trained for them rank worse alone. Default 0.5.
    public var fusion: Double

    public init(limit: Int = 10, isFocused: Bool = true, fusion: Double = 0.5) {
        self.limit = limit
        self.isFocused = isFocused
        self.fusion = fusion
    }

    public func keep(after calls: [String], in state: AgentState, using context: StepContext) async throws -> Keeping {
        let found = Array(state.retrieved.values)
        let known = state.evidence.items.prefix(3).map { $0.sentences.first ?? $0.title }
        let condensed = isFocused && !known.isEmpty ? known.joined(separator: " ") : nil
        guard
            var scores = try await context.corpus.lateInteraction(
                of: found.map(\.passage.ordinal), with: state.question.text, context: condensed)
        else {
            throw CorpusError(
                .badArgument, "the corpus has no token vectors: run `forage index` on it with --late-interaction")
        }
        let matches = ScoreInterpolation.normalised(scores, .minMax)
        let places = ReciprocalRank().scores(state.rankings).filter { state.retrieved[$0.key] != nil }
        let most = places.values.max() ?? 1
        scores = found.indices.map { index in
            (1 - fusion) * matches[index] + fusion * (places[found[index].passage.id] ?? 0) / most
        }
        let ranked = found.indices.sorted {
            scores[$0] != scores[$1] ? scores[$0] > scores[$1] : found[$0].passage.id < found[$1].passage.id
        }.prefix(limit)
        let kept = ranked.map { found[$0].evidence(score: scores[$0]) }
        return Keeping(kept: kept, dropped: state.evidence.dropping(all: kept))
    }
}
