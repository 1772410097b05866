// SPDX-License-Identifier: Apache-2.0

import Corpus
import OrderedCollections
import Tools

/// Keeps every document that the first filter selected, by its first passage: for questions whose evidence is the whole
/// set. Without a filter it keeps what `FusionKeeper` does.
public struct WholeSetKeeper: EvidenceKeeper {
    public var name: String { "set" }
    /// How many documents the evidence holds at most. Default 100.
    public var limit: Int

    public init(limit: Int = 100) {
        self.limit = limit
    }

    public func keep(after calls: [String], in state: AgentState, using context: StepContext) async throws -> Keeping {
        guard let set = state.resultSets.values.first(where: { $0.tool == "filter" }),
            case .documents(let documents) = set.content
        else { return try await FusionKeeper(limit: min(limit, 10)).keep(after: calls, in: state, using: context) }
        let first = try await context.corpus.documents(at: Array(documents.ordinals.prefix(limit)))
            .filter { !$0.passages.isEmpty }.map(\.passages.lowerBound)
        let kept = try await context.corpus.passages(at: first).map { passage in
            EvidenceItem(
                passageID: passage.id, documentID: passage.documentID, title: passage.title, text: passage.text,
                score: 1, handle: set.handle)
        }
        let ids = Set(kept.map(\.passageID))
        return Keeping(kept: kept, dropped: state.evidence.items.map(\.passageID).filter { !ids.contains($0) })
    }
}
