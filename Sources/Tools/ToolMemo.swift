// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
import LanguageModels
import Synchronization
import Text

/// What the built-in tools answered over one corpus: an episode that makes a call which another made gets the same answer
/// without another search.
///
/// A call is the same when tool, arguments, handle, limits and every result set that its arguments name are the same; by
/// the contract of tools its answer is then the same too, so that nobody can tell a remembered answer from a fresh one.
/// Only built-in tools are remembered: what an outside tool says may change. Passages that several answers hold are held
/// once. The memo is bounded: of two halves the older one is let go when the newer is full.
public final class ToolMemo: Sendable {
    struct Key: Hashable {
        var tool: String
        var arguments: String
        var handle: String
        var limits: ToolLimits
        var sets: [ResultSet]
    }

    private struct State {
        var young: [Key: ToolOutput] = [:]
        var old: [Key: ToolOutput] = [:]
        var passages: [String: ShownPassage] = [:]
        var hits = 0
        var misses = 0
    }

    private let state = Mutex(State())
    /// The most answers that are held.
    public let limit: Int
    /// The fingerprint of the corpus whose answers are held.
    public let corpus: String

    /// - Parameters:
    ///   - corpus: the fingerprint of the corpus; calls over another one are not remembered.
    ///   - limit: the most answers that are held. Default 20,000: some 100 MB where passages are of ordinary length.
    public init(corpus: String, limit: Int = 20_000) {
        self.corpus = corpus
        self.limit = max(2, limit)
    }

    /// How many calls were answered from memory, and how many were made.
    public var counts: (hits: Int, misses: Int) { state.withLock { ($0.hits, $0.misses) } }

    func answer(_ key: Key) -> ToolOutput? {
        state.withLock { state in
            if let known = state.young[key] {
                state.hits += 1
                return known
            }
            guard let known = state.old[key] else {
                state.misses += 1
                return nil
            }
            state.hits += 1
            Self.add(known, key, to: &state, limit: limit)
            return known
        }
    }

    func remember(_ output: ToolOutput, for key: Key) {
        state.withLock { state in
            var output = output
            for index in output.passages.indices {
                let id = output.passages[index].passage.id
                if let known = state.passages[id], known.passage == output.passages[index].passage {
                    output.passages[index].passage = known.passage
                } else {
                    state.passages[id] = output.passages[index]
                }
            }
            Self.add(output, key, to: &state, limit: limit)
        }
    }

    private static func add(_ output: ToolOutput, _ key: Key, to state: inout State, limit: Int) {
        if state.young.count >= limit / 2 {
            state.old = state.young
            state.young = [:]
            state.passages = [:]
        }
        state.young[key] = output
    }

    /// The result sets that a call's arguments name.
    static func sets(named arguments: String, in sets: [String: ResultSet]) -> [ResultSet] {
        guard arguments.contains("\"within\"") || arguments.contains("\"over\"") else { return [] }
        return arguments.split { !$0.isLetter && !$0.isNumber }.compactMap { sets[String($0)] }
    }
}
