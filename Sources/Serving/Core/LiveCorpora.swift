// SPDX-License-Identifier: Apache-2.0

import Agent
import Corpus
import Synchronization
import Tools

/// The corpora that are served now. A corpus that is published anew takes the place of its former state between two
/// requests; whoever holds the former state goes on with it.
final class LiveCorpora: Sendable {
    typealias Renewal =
        @Sendable (any RetrievalCorpus) async -> (corpus: any RetrievalCorpus, strategies: [Strategy]?)?

    private struct State {
        var corpora: [(name: String, corpus: any RetrievalCorpus)]
        var strategies: [String: [Strategy]]
        var isRenewing = false
    }

    private let state: Mutex<State>
    let renewals: [String: Renewal]

    init(
        _ corpora: [(name: String, corpus: any RetrievalCorpus)], strategies: [String: [Strategy]],
        renewals: [String: Renewal]
    ) {
        state = Mutex(State(corpora: corpora, strategies: strategies))
        self.renewals = renewals
    }

    var corpora: [(name: String, corpus: any RetrievalCorpus)] { state.withLock { $0.corpora } }
    var strategies: [String: [Strategy]] { state.withLock { $0.strategies } }

    /// Looks for newer states. While one request does, the others go on with what there is.
    func refresh() async {
        guard !renewals.isEmpty else { return }
        let mayLook = state.withLock { state in
            defer { state.isRenewing = true }
            return !state.isRenewing
        }
        guard mayLook else { return }
        defer { state.withLock { $0.isRenewing = false } }
        for (name, corpus) in corpora {
            guard let newer = await renewals[name]?(corpus) else { continue }
            state.withLock { state in
                for index in state.corpora.indices where state.corpora[index].name == name {
                    state.corpora[index].corpus = newer.corpus
                }
                if let strategies = newer.strategies { state.strategies[name] = strategies }
            }
        }
    }
}
