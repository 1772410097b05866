// SPDX-License-Identifier: Apache-2.0

public import Agent
public import Base
public import Episodes
import Foundation
import TensorMath

/// A trained network that chooses among the candidates of a state: tool calls, passages to keep, answering.
///
/// It sees candidates of other proposers as well, a model's calls among them, and the last measured uncertainty speaks
/// against answering.
public struct NetworkPolicy: RetrievalPolicy {
    public var name: String { "learned" }
    public var fingerprint: String {
        "learned/4:\(first.joined(separator: "+")),\(uncertaintyWeight),\(sure),\(temperature.map { String($0) } ?? "best"):"
            + policy.fingerprint
    }
    /// The network with its weights.
    public let policy: LearnedPolicy
    private let space: ActionSpace
    /// What the session's `actions` offer.
    public var options: ActionOptions
    /// How much the last measured uncertainty speaks against answering, in nats. Default: 1.
    public var uncertaintyWeight: Double
    /// Samples with this temperature; nil takes the best.
    public var temperature: Double?
    /// The least probability with which answering is the best choice while there is another one; it bears on the best
    /// choice alone, not on samples. Default: 0: wherever answering is likelier than each other choice.
    public var sure: Double
    /// Proposers whose candidates are taken before the network is asked, as those that propose only where they are sure.
    public var first: [String]

    public init(
        _ policy: LearnedPolicy, space: ActionSpace, options: ActionOptions = ActionOptions(),
        uncertaintyWeight: Double = 1, temperature: Double? = nil, sure: Double = 0,
        first: [String] = []
    ) {
        self.first = first
        self.sure = sure
        self.policy = policy
        self.space = space
        self.options = options
        self.uncertaintyWeight = uncertaintyWeight
        self.temperature = temperature
    }

    public func choose(
        among candidates: [CandidateAction], in state: AgentState, random: inout SplitMix64
    ) async throws -> PolicyChoice {
        for proposer in first {
            if let wanted = candidates.firstIndex(where: { $0.proposer == proposer }) {
                return PolicyChoice(index: wanted)
            }
        }
        let (raw, value) = policy.logits(Decision(features: space.features(state, candidates, options: options)))
        var logits = raw.map(Double.init)
        if let uncertainty = state.uncertainty?.uncertainty {
            for (row, candidate) in candidates.enumerated() {
                if case .answer = candidate.kind { logits[row] -= uncertaintyWeight * uncertainty }
            }
        }
        // The stored log-probability is that of the draw: temperature included.
        let scale = 1 / max(1e-3, temperature ?? 1)
        let top = logits.max() ?? 0
        let weights = logits.map { exp(($0 - top) * scale) }
        let total = weights.reduce(0, +)
        let shares = weights.map { $0 / total }
        guard temperature != nil else {
            // The first of equals.
            func likeliest(_ rows: [Int]) -> Int? {
                rows.max { shares[$0] != shares[$1] ? shares[$0] < shares[$1] : $0 > $1 }
            }
            var best = likeliest(Array(shares.indices)) ?? 0
            if case .answer = candidates[best].kind, shares[best] < sure {
                let others = candidates.indices.filter { if case .answer = candidates[$0].kind { false } else { true } }
                best = likeliest(others) ?? best
            }
            return PolicyChoice(index: best, value: Double(value), probabilities: shares)
        }
        var rest = random.uniform()
        let drawn =
            shares.indices.first { index in
                rest -= shares[index]
                return rest < 0
            } ?? shares.count - 1
        return PolicyChoice(
            index: drawn, logProbability: log(shares[drawn]), value: Double(value), probabilities: shares)
    }
}

/// Keeps nothing of its own accord: the policy chooses what is kept.
public struct ChosenKeeper: EvidenceKeeper {
    public var name: String { "chosen" }

    public init() {}

    public func keep(after calls: [String], in state: AgentState, using context: StepContext) async throws -> Keeping {
        Keeping()
    }
}
