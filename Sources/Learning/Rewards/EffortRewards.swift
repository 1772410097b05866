// SPDX-License-Identifier: Apache-2.0

/// Pays for exploring with different tools: the first passage that each way of searching brings, where it adds something
/// about the question; takes a little for each passage that adds nothing.
///
/// All ways together pay one. So tools are tried, and calls that find nothing new do not pay (METHODS.md 1).
public struct ToolExploration: RewardTerm {
    public static let name = "tool-exploration"
    /// What a passage costs that covers nothing more of the question.
    public var redundancy: Float = 0.1

    /// Makes the default.
    public init() {}

    public func rewards(for episode: Episode) async throws -> [Float] {
        var rewards = [Float](repeating: 0, count: episode.steps.count)
        var tried = Set<Reach>()
        var before: Float = 0
        for (index, reach) in episode.reach.enumerated() {
            let adds = episode.coverage[index] > before + 1e-6
            before = episode.coverage[index]
            if adds, tried.insert(reach).inserted {
                rewards[index] = 1 / Float(Reach.allCases.count)
            } else if !adds {
                rewards[index] = -redundancy
            }
        }
        return rewards
    }
}

/// Takes one for each call: two searches that each decision looks at, and the reading of each kept passage.
public struct CallCost: RewardTerm {
    public static let name = "call-cost"

    /// Makes the term.
    public init() {}

    public func rewards(for episode: Episode) async throws -> [Float] {
        episode.steps.indices.map { $0 < episode.kept.count ? -3 : -2 }
    }
}

/// Takes one for each second that an episode would take in a session, by fixed prices of its parts: a clock would make
/// the rewards, and so the weights, different in every run.
public struct TimeCost: RewardTerm {
    public static let name = "time-cost"
    /// What a decision with its searches takes, in seconds.
    public var decision: Float = 0.02
    /// What reading a thousand words takes, in seconds.
    public var thousandWords: Float = 0.3

    /// Makes the default.
    public init() {}

    public func rewards(for episode: Episode) async throws -> [Float] {
        let words = try await ReadingCost().rewards(for: episode)
        return words.map { -decision + thousandWords * $0 }
    }
}
