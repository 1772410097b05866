// SPDX-License-Identifier: Apache-2.0

import Corpus
import OrderedCollections
import Tools

/// Keeps every document that the filters selected, by its first passage, of filters within filters those of the last: for
/// questions whose evidence is the whole set. Without a filter it keeps what `FusionKeeper` does.
public struct WholeSetKeeper: EvidenceKeeper {
    public var name: String { "set" }
    /// How many documents the evidence holds at most. Default 100.
    public var limit: Int

    public init(limit: Int = 100) {
        self.limit = limit
    }

    public func keep(after calls: [String], in state: AgentState, using context: StepContext) async throws -> Keeping {
        let sets = state.resultSets.values.filter { $0.tool == "filter" }
        // A set that a later one was taken from is not what the answer rests on.
        let last = sets.filter { set in !sets.contains { $0.description.hasSuffix("within \(set.handle)") } }
        var chosen: [(handle: String, ordinals: [DocumentOrdinal])] = []
        var seen: Set<DocumentOrdinal> = []
        for set in last {
            guard case .documents(let documents) = set.content else { continue }
            chosen.append((set.handle, documents.ordinals.filter { seen.insert($0).inserted }))
        }
        guard !chosen.isEmpty else {
            return try await FusionKeeper(limit: min(limit, 10)).keep(after: calls, in: state, using: context)
        }
        var kept: [EvidenceItem] = []
        for (handle, ordinals) in chosen {
            let first = try await context.corpus.documents(at: Array(ordinals.prefix(limit - kept.count)))
                .filter { !$0.passages.isEmpty }.map(\.passages.lowerBound)
            kept += try await context.corpus.passages(at: first).map { passage in
                EvidenceItem(
                    passageID: passage.id, documentID: passage.documentID, title: passage.title, text: passage.text,
                    score: 1, handle: handle)
            }
        }
        let ids = Set(kept.map(\.passageID))
        return Keeping(kept: kept, dropped: state.evidence.items.map(\.passageID).filter { !ids.contains($0) })
    }
}
