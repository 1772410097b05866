// SPDX-License-Identifier: Apache-2.0

public import Agent
public import Base
import Corpus
import Foundation
import OrderedCollections
import TensorMath
import Tools

/// Chooses among what a model and other proposers want, by the trained network: a frozen model behind the ordinary
/// protocol proposes, the policy disposes.
///
/// A call weighs as much as the passages it would bring: the sum of the probabilities that the network gives to keeping
/// each. Answering weighs as much as stopping does, less the more uncertain the model is. Neither sees the model's weights.
public struct LearnedChooser: RetrievalPolicy {
    public var name: String { "learned" }
    public var fingerprint: String {
        "learned/1:\(uncertaintyWeight),\(callCost),\(temperature.map { String($0) } ?? "best"):"
            + session.retriever.policy.fingerprint
    }
    private let session: SessionRetriever
    private let embed: SessionRetriever.Embed?
    /// How much the last measured uncertainty speaks against answering: its weight in e^(-weight·uncertainty). Default: 1.
    public var uncertaintyWeight: Double
    /// What a call must at least bring, as probability. Default: 0.02.
    public var callCost: Double
    /// Samples with this temperature; nil takes the best.
    public var temperature: Double?

    /// Wraps a retriever.
    ///
    /// - Parameter embed: Makes vectors of questions and queries.
    public init(
        _ session: SessionRetriever, embed: SessionRetriever.Embed?, uncertaintyWeight: Double = 1,
        callCost: Double = 0.02,
        temperature: Double? = nil
    ) {
        self.session = session
        self.embed = embed
        self.uncertaintyWeight = uncertaintyWeight
        self.callCost = callCost
        self.temperature = temperature
    }

    public func choose(
        among candidates: [CandidateAction], in state: AgentState, random: inout SplitMix64
    ) async throws -> PolicyChoice {
        guard let seen = try await session.assess(state, stops: true, embed: embed) else {
            return PolicyChoice(index: 0)
        }
        let probabilities = seen.probabilities
        func mass(_ passages: Set<Int>) -> Double { passages.reduce(0) { $0 + (probabilities[$1] ?? 0) } }
        var weights: [Double] = []
        for candidate in candidates {
            switch candidate.kind {
            case .call(let calls):
                var passages: Set<Int> = []
                var unknown = 0.0
                for call in calls where !state.hasCalled(call) {
                    if let found = try await session.passages(of: call, embed: embed) {
                        passages.formUnion(found)
                    } else {
                        // A filter, an aggregation, an outside tool: half of what is left to find, for want of knowledge.
                        unknown = (1 - seen.stop) / 2
                    }
                }
                weights.append(max(1e-6, mass(passages) + unknown - callCost * Double(calls.count)))
            case .keep(let ids):
                weights.append(mass(Set(ids.compactMap { session.retriever.world.ordinals[$0] })))
            case .answer:
                // With nothing kept an answer rests on the model alone: only its certainty speaks for it.
                let base =
                    state.evidence.isEmpty ? state.uncertainty?.uncertainty.map { max(0, 1 - $0) } ?? 0 : seen.stop
                weights.append(base * exp(-uncertaintyWeight * (state.uncertainty?.uncertainty ?? 0)))
            case .correct: weights.append(1e-6)
            case .giveUp: weights.append(1e-9)
            }
        }
        let sharpened = weights.map { pow(max($0, 1e-12), 1 / max(1e-3, temperature ?? 1)) }
        let total = sharpened.reduce(0, +)
        let shares = sharpened.map { $0 / total }
        guard temperature != nil else {
            let best = shares.indices.max { shares[$0] < shares[$1] } ?? 0
            // The first of equals, so that the order of the proposers decides.
            let index = shares.firstIndex { $0 == shares[best] } ?? best
            return PolicyChoice(index: index, value: Double(seen.value), probabilities: shares)
        }
        var rest = random.uniform()
        let drawn =
            shares.indices.first { index in
                rest -= shares[index]
                return rest < 0
            } ?? shares.count - 1
        return PolicyChoice(
            index: drawn, logProbability: log(shares[drawn]), value: Double(seen.value), probabilities: shares)
    }
}

/// Keeps of what tools found the passages that the trained network would keep, best first, until it would stop.
public struct LearnedKeeper: EvidenceKeeper {
    public var name: String { "learned" }
    private let session: SessionRetriever
    /// The most passages kept in a session. Default: 5.
    public var limit: Int
    /// The least probability, among what was found and stopping, of a passage that is kept. Default: 0.2.
    public var least: Double

    /// Wraps a retriever.
    public init(_ session: SessionRetriever, limit: Int = 5, least: Double = 0.2) {
        self.session = session
        self.limit = limit
        self.least = least
    }

    public func keep(after calls: [String], in state: AgentState, using context: StepContext) async throws -> Keeping {
        let world = session.retriever.world
        var kept: [EvidenceItem] = []
        while state.evidence.items.count + kept.count < limit {
            let found = state.retrieved.values.filter { found in
                !state.evidence.contains(found.passage.id) && !kept.contains { $0.passageID == found.passage.id }
            }
            guard !found.isEmpty,
                let seen = try await session.assess(
                    state, keeping: kept.map(\.passageID), stops: true, embed: context.embed)
            else { break }
            let probabilities = seen.probabilities
            let shares = found.map { world.ordinals[$0.passage.id].flatMap { probabilities[$0] } ?? 0 }
            let total = shares.reduce(seen.stop, +)
            guard let best = shares.indices.max(by: { shares[$0] < shares[$1] }), total > 0,
                shares[best] > seen.stop, shares[best] / total >= least
            else { break }
            let passage = found[best].passage
            kept.append(
                EvidenceItem(
                    passageID: passage.id, documentID: passage.documentID, title: passage.title, text: passage.text,
                    score: 1 / Double(state.evidence.items.count + kept.count + 1),
                    handle: "r" + found[best].callID.dropFirst(),
                    reason: "the policy keeps it, probability \(String(format: "%.2f", shares[best] / total))"))
        }
        return Keeping(kept: kept)
    }
}
