// SPDX-License-Identifier: Apache-2.0

import Agent
import Base
import Foundation
import Synchronization
import TensorMath
import Text
import Tools

/// A trained policy over a session's corpus: what the proposer, the gate, the chooser and the keeper of one strategy share.
///
/// The decision of a session's step is the one of a training episode: the evidence, in the order in which it was kept, is
/// the state; the passages in reach are the candidates.
public final class SessionRetriever: Sendable {
    /// Makes vectors of texts with the corpus's encoder.
    public typealias Embed = @Sendable ([String]) async throws -> [[Float]]

    /// The policy and the corpus.
    public let retriever: LearnedRetriever
    // Questions are few in a session; keeping them spares reading the question again at each step.
    private let prepared = Mutex<[String: PreparedQuestion]>([:])

    /// Wraps a retriever.
    public init(_ retriever: LearnedRetriever) {
        self.retriever = retriever
    }

    /// What the policy makes of a session's state.
    struct Assessment {
        var decision: Decision
        var logProbabilities: [Float]
        /// The reward that the policy expects from here.
        var value: Float

        /// The probability that the policy gives to stopping; 0 where that is no choice.
        var stop: Double { decision.allowsStop ? exp(Double(logProbabilities[decision.count - 1])) : 0 }
        /// The probability of keeping each passage in reach, by its ordinal.
        var probabilities: [Int: Double] {
            Dictionary(
                uniqueKeysWithValues: decision.candidates.enumerated().map {
                    ($0.element, exp(Double(logProbabilities[$0.offset])))
                })
        }
    }

    /// Assesses a state; nil where the question cannot be embedded or nothing is in reach.
    ///
    /// - Parameters:
    ///   - kept: Passages that count as kept beside the evidence.
    ///   - stops: Whether stopping is a choice; never before the first passage.
    func assess(
        _ state: AgentState, keeping kept: [String] = [], stops: Bool, embed: Embed?
    ) async throws -> Assessment? {
        guard let question = try await question(state.question.text, embed) else { return nil }
        var evidence = EvidenceState(question.pool)
        for id in state.evidence.items.map(\.passageID) + kept { evidence.keep(passage: id) }
        guard !evidence.candidates.isEmpty else { return nil }
        let decision = evidence.decision(allowsStop: stops && !(state.evidence.isEmpty && kept.isEmpty))
        let (logProbabilities, value) = retriever.policy.assess(decision)
        return Assessment(decision: decision, logProbabilities: logProbabilities, value: value)
    }

    private func question(_ text: String, _ embed: Embed?) async throws -> PreparedQuestion? {
        if let known = prepared.withLock({ $0[text] }) { return known }
        guard let embed, let vector = try await embed([text]).first, vector.count == retriever.world.vectors.columns
        else { return nil }
        let question = PreparedQuestion(
            LearningQuestion(id: "", text: text), vector: vector, world: retriever.world, options: retriever.pool)
        prepared.withLock { prepared in
            if prepared.count >= 256 { prepared.removeAll() }
            prepared[text] = question
        }
        return question
    }

    /// The passages, by ordinal, that a tool call would bring; nil for tools that the policy knows nothing of.
    func passages(of call: ToolInvocation, embed: Embed?) async throws -> Set<Int>? {
        guard let arguments = try? JSONValue(parsing: call.arguments) else { return [] }
        let world = retriever.world
        let limit = min(100, max(1, arguments["limit"]?.int ?? 10))
        switch call.tool {
        case "read":
            return Set((arguments["ids"]?.array ?? []).compactMap(\.string).compactMap { world.ordinals[$0] })
        case "keyword_search":
            return Set(world.search(arguments["query"]?.string ?? "", count: limit))
        case "semantic_search":
            guard let query = arguments["query"]?.string, let vector = try await embed?([query]).first,
                vector.count == world.vectors.columns
            else { return nil }
            return Set(largest(world.cosines(vector), count: limit))
        default: return nil
        }
    }
}
