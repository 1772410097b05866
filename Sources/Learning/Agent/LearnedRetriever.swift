// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import TensorMath

/// Retrieval by a learned policy: question in, passages out, in the order in which the policy keeps them.
///
///     let world = try RetrievalWorld(passages: passages, vectors: vectors)
///     let retriever = LearnedRetriever(policy: try LearnedPolicy(weights: "Policies/multihop.safetensors"), world: world)
///     let kept = retriever.retrieve("Who directed …?", vector: vector, count: 5)
public struct LearnedRetriever: Sendable {
    /// The network and its weights.
    public let policy: LearnedPolicy
    /// The corpus.
    public let world: RetrievalWorld
    /// What enters the pool of candidates.
    public var pool = PoolOptions()

    /// Joins a policy and a corpus.
    public init(policy: LearnedPolicy, world: RetrievalWorld) {
        self.policy = policy
        self.world = world
    }

    /// A passage that the policy kept.
    public struct Kept: Sendable, Hashable {
        /// The passage.
        public let passage: WorldPassage
        /// The probability that the policy gave to keeping it, among all that was in reach.
        public let probability: Float
    }

    /// Keeps the most probable passage step by step.
    ///
    /// - Parameters:
    ///   - vector: The encoder's vector of the question, of length one.
    ///   - count: How many passages are kept; fewer where no more are in reach or the policy stops.
    ///   - stops: Whether the policy may stop before `count`.
    public func retrieve(_ question: String, vector: [Float], count: Int = 5, stops: Bool = false) -> [Kept] {
        let prepared = PreparedQuestion(
            LearningQuestion(id: "", text: question), vector: vector, world: world, options: pool)
        var options = EpisodeOptions.ranking
        options.steps = count
        options.allowsStop = stops
        var generator = SplitMix64(seed: 0)
        let episode = prepared.run(policy, options: options, using: &generator)
        return zip(episode.kept, episode.steps).map {
            Kept(passage: $0, probability: exp($1.logProbability))
        }
    }
}
