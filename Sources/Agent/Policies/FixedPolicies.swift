// SPDX-License-Identifier: Apache-2.0

public import Base
import Foundation
import TensorMath

/// Takes what the model asked for: the first candidate of the model's proposer, else the first of all.
public struct ModelDrivenPolicy: RetrievalPolicy {
    public var name: String { "model-driven" }
    public var fingerprint: String { "model-driven/1" }

    public init() {}

    public func choose(
        among candidates: [CandidateAction], in state: AgentState, random: inout SplitMix64
    ) async throws -> PolicyChoice {
        PolicyChoice(index: candidates.firstIndex { $0.proposer == "model" } ?? 0)
    }
}

/// Takes the best candidate of the first proposer, in the policy's order, that has one: a fixed strategy.
public struct OrderedPolicy: RetrievalPolicy {
    /// Proposers, the most wanted first; those that are not named come last.
    public var order: [String]

    public var name: String { "ordered" }
    public var fingerprint: String { "ordered/1:" + order.joined(separator: ",") }

    public init(order: [String] = []) {
        self.order = order
    }

    public func choose(
        among candidates: [CandidateAction], in state: AgentState, random: inout SplitMix64
    ) async throws -> PolicyChoice {
        func rank(_ candidate: CandidateAction) -> Int { order.firstIndex(of: candidate.proposer) ?? order.count }
        var best = 0
        for index in candidates.indices {
            let (left, right) = (rank(candidates[index]), rank(candidates[best]))
            if left < right || (left == right && candidates[index].score > candidates[best].score) { best = index }
        }
        return PolicyChoice(index: best)
    }
}

/// Draws a candidate with equal chances, or by the soft-max of the scores: a baseline, and a way to explore.
public struct RandomPolicy: RetrievalPolicy {
    /// The soft-max temperature over the candidates' scores; nil for equal chances.
    public var temperature: Double?

    public var name: String { "random" }
    public var fingerprint: String { "random/1:" + (temperature.map { String($0) } ?? "uniform") }

    public init(temperature: Double? = nil) {
        self.temperature = temperature
    }

    public func choose(
        among candidates: [CandidateAction], in state: AgentState, random: inout SplitMix64
    ) async throws -> PolicyChoice {
        var weights = candidates.map { _ in 1.0 }
        if let temperature, temperature > 0 {
            let top = candidates.map(\.score).max() ?? 0
            weights = candidates.map { exp(($0.score - top) / temperature) }
        }
        let total = weights.reduce(0, +)
        let probabilities = weights.map { $0 / total }
        var rest = random.uniform()
        var chosen = candidates.count - 1
        for (index, probability) in probabilities.enumerated() {
            rest -= probability
            if rest < 0 {
                chosen = index
                break
            }
        }
        return PolicyChoice(index: chosen, logProbability: log(probabilities[chosen]), probabilities: probabilities)
    }
}
