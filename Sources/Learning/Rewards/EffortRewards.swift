// SPDX-License-Identifier: Apache-2.0

import Base
import Episodes
import OrderedCollections

/// Pays for exploring with different tools: the first look-up of each way that brings something new; takes a little for
/// each look-up that brings nothing.
///
/// All ways together pay one. So tools are tried, and calls that find nothing new do not pay (METHODS.md 1).
public struct ToolExploration: RewardTerm {
    public static let name = "tool-exploration"
    /// What a look-up costs that shows nothing new.
    public var redundancy: Float = 0.1

    /// Makes the default.
    public init() {}

    public func rewards(for episode: Episode) async throws -> [Float] {
        var rewards = [Float](repeating: 0, count: episode.count)
        var tried = Set<LookupWay>()
        let retrieved =
            episode.trajectory.steps.map(\.state.retrieved.count) + [episode.trajectory.final.retrieved.count]
        for (index, calls) in episode.calls.enumerated() where !calls.isEmpty {
            guard episode.newPassages[index] > 0, retrieved[index + 1] >= retrieved[index] else {
                rewards[index] = -redundancy
                continue
            }
            for way in Set(calls.map { LookupWay(tool: $0.tool) }) where way != .other && tried.insert(way).inserted {
                // One way is `other`, which nothing pays for.
                rewards[index] += 1 / Float(LookupWay.allCases.count - 1)
            }
        }
        return rewards
    }
}

/// Takes one for each tool call that was made, as the events count them.
public struct CallCost: RewardTerm {
    public static let name = "call-cost"

    /// Makes the term.
    public init() {}

    public func rewards(for episode: Episode) async throws -> [Float] { episode.calls.map { -Float($0.count) } }
}

/// Takes one for each second that an episode would take in a session, by fixed prices of its parts: a clock would make
/// the rewards, and so the weights, different in every run.
public struct TimeCost: RewardTerm {
    public static let name = "time-cost"
    /// What a look-up takes, in seconds.
    public var lookup: Float = 0.01
    /// What reading a thousand words takes, in seconds.
    public var thousandWords: Float = 0.3

    /// Makes the default.
    public init() {}

    public func rewards(for episode: Episode) async throws -> [Float] {
        let words = try await ReadingCost().rewards(for: episode)
        return words.indices.map { thousandWords * words[$0] - lookup * Float(episode.calls[$0].count) }
    }
}
