// SPDX-License-Identifier: Apache-2.0

public import AgentRuntime
import CorpusStore
import Foundation
import OrderedCollections
import RetrievalTools
import Synchronization
import TensorMath
import TextProcessing

/// The learned policy inside a session: proposes reading passages, each with the policy's log-probability as its score.
///
/// The decision of a step is the one of a training episode: the evidence of the session, in the order in which it was
/// kept, is the state; the passages in reach are the candidates. With `OrderedPolicy` the session takes the best one,
/// with `RandomPolicy(temperature: 1)` it samples, and its log-probabilities are those of the network.
public final class LearnedProposer: ActionProposer {
    public let name = "learned"
    public var fingerprint: String { retriever.policy.fingerprint }
    private let retriever: LearnedRetriever
    /// How many of the best passages are proposed. Default: 8.
    private let width: Int
    /// Whether answering is proposed beside them, with its own log-probability.
    private let stops: Bool
    // Questions are few in a session; keeping them spares reading the question again at each step.
    private let prepared = Mutex<[String: PreparedQuestion]>([:])

    /// Wraps a retriever.
    public init(_ retriever: LearnedRetriever, width: Int = 8, stops: Bool = true) {
        self.retriever = retriever
        self.width = max(1, width)
        self.stops = stops
    }

    public func propose(in state: AgentState, using context: StepContext) async throws -> Proposal {
        guard context.tools["read"] != nil, let question = try await question(state.question.text, context) else {
            return Proposal()
        }
        var evidence = EvidenceState(question.pool)
        for item in state.evidence.items { evidence.keep(passage: item.passageID) }
        guard !evidence.candidates.isEmpty else { return Proposal() }
        let decision = evidence.decision(allowsStop: stops && !state.evidence.isEmpty)
        let logProbabilities = retriever.policy.assess(decision).logProbabilities
        var candidates: [CandidateAction] = []
        // Another passage of a document that was read seldom adds one; the policy learned on documents of one passage.
        let read = Set(state.evidence.items.map(\.documentID))
        for row in largest(logProbabilities, count: width + 4 * read.count) where candidates.count < width {
            let score = Double(logProbabilities[row])
            if row < decision.candidates.count,
                read.contains(Self.document(of: retriever.world.passages[decision.candidates[row]].id))
            {
                continue
            }
            guard row < decision.candidates.count else {
                candidates.append(
                    CandidateAction(.answer(text: nil), proposer: name, reason: "the policy has enough", score: score))
                continue
            }
            let passage = retriever.world.passages[decision.candidates[row]]
            candidates.append(
                .call(
                    "read", ["ids": [.string(passage.id)]], proposer: name,
                    reason: "reads \"\(passage.title)\" next, probability \(String(format: "%.2f", exp(score)))",
                    score: score))
        }
        return Proposal(candidates)
    }

    /// The document of a passage's id: `doc` for `doc` and for `doc#2`.
    private static func document(of id: String) -> String {
        guard let mark = id.lastIndex(of: "#"), !id[id.index(after: mark)...].isEmpty,
            id[id.index(after: mark)...].allSatisfy(\.isNumber)
        else { return id }
        return String(id[..<mark])
    }

    private func question(_ text: String, _ context: StepContext) async throws -> PreparedQuestion? {
        if let known = prepared.withLock({ $0[text] }) { return known }
        guard let embed = context.embed, let vector = try await embed([text]).first,
            vector.count == retriever.world.vectors.columns
        else { return nil }
        let question = PreparedQuestion(
            LearningQuestion(id: "", text: text), vector: vector, world: retriever.world, options: retriever.pool)
        prepared.withLock { prepared in
            if prepared.count >= 256 { prepared.removeAll() }
            prepared[text] = question
        }
        return question
    }
}

/// Keeps every passage that was read, in the order of reading: the evidence that a learned policy chose.
public struct ReadingKeeper: EvidenceKeeper {
    public var name: String { "reading" }

    /// Makes the keeper.
    public init() {}

    public func keep(after calls: [String], in state: AgentState, using context: StepContext) async throws -> Keeping {
        var kept: [EvidenceItem] = []
        for (position, found) in state.retrieved.values.enumerated() where !state.evidence.contains(found.passage.id) {
            // Earlier is better: the ranking of the evidence is the order in which the policy chose.
            kept.append(
                EvidenceItem(
                    passageID: found.passage.id, documentID: found.passage.documentID, title: found.passage.title,
                    text: found.passage.text, score: 1 / Double(position + 1), handle: "r" + found.callID.dropFirst()))
        }
        return Keeping(kept: kept)
    }
}
