// SPDX-License-Identifier: Apache-2.0

import Base
import TensorMath

/// Runs many episodes at once over shared caches.
public enum Rollouts {
    /// One group: the episodes of one question, for methods that compare them with each other.
    public struct Group: Sendable {
        /// The index of the question in the list that was given.
        public let question: Int
        /// The episodes that ended well, in order of their number.
        public var episodes: [Episode]
        /// How many failed: data about the run, not the end of it.
        public var failures: Int
    }

    /// Runs a group of episodes for each of some questions, and rewards them.
    ///
    /// Episodes of different questions run concurrently; the result does not depend on how: each episode draws from a
    /// generator of its own, made from the seed, the iteration, the question and its number in the group.
    ///
    /// - Parameters:
    ///   - chosen: Indices into `questions`.
    ///   - size: Episodes for each question.
    ///   - iteration: Counts the batches of a run, so that each draws anew.
    ///   - workers: Questions at work at the same time.
    /// - Throws: `CancellationError`.
    @concurrent
    public static func run(
        _ chosen: [Int], of questions: [PreparedQuestion], policy: LearnedPolicy, options: EpisodeOptions, size: Int,
        rewards: RewardMix, seed: UInt64, iteration: Int, workers: Int = 2
    ) async throws -> [Group] {
        try await withThrowingTaskGroup(of: (Int, Group).self) { tasks in
            var results = [Group?](repeating: nil, count: chosen.count)
            var next = 0
            func start() {
                guard next < chosen.count else { return }
                let slot = next
                next += 1
                tasks.addTask {
                    try Task.checkCancellation()
                    let index = chosen[slot]
                    let question = questions[index]
                    var group = Group(question: index, episodes: [], failures: 0)
                    for number in 0..<size {
                        var generator = SplitMix64(
                            seed: seed, stream: UInt64(iteration) << 40 | UInt64(index) << 16 | UInt64(number))
                        let episode = question.run(policy, options: options, using: &generator)
                        do {
                            group.episodes.append(try await rewards.rewarded(episode))
                        } catch is CancellationError {
                            throw CancellationError()
                        } catch {
                            group.failures += 1
                        }
                    }
                    return (slot, group)
                }
            }
            for _ in 0..<max(1, workers) { start() }
            while let (slot, group) = try await tasks.next() {
                results[slot] = group
                start()
            }
            return results.compactMap { $0 }
        }
    }
}
