// SPDX-License-Identifier: Apache-2.0

public import Agent
import Base
import Corpus
import Foundation
import OrderedCollections
import Text
import Tools

/// The learned policy inside a session: proposes reading passages, each with the policy's log-probability as its score.
///
/// With `OrderedPolicy` the session takes the best one, with `RandomPolicy(temperature: 1)` it samples, and its
/// log-probabilities are those of the network.
public final class LearnedProposer: ActionProposer {
    public let name = "learned"
    public var fingerprint: String { session.retriever.policy.fingerprint }
    private let session: SessionRetriever
    /// How many of the best passages are proposed. Default: 8.
    private let width: Int
    /// Whether answering is proposed beside them, with its own log-probability.
    private let stops: Bool

    /// Wraps a retriever.
    public init(_ session: SessionRetriever, width: Int = 8, stops: Bool = true) {
        self.session = session
        self.width = max(1, width)
        self.stops = stops
    }

    public func propose(in state: AgentState, using context: StepContext) async throws -> Proposal {
        guard context.tools["read"] != nil,
            let seen = try await session.assess(state, stops: stops, embed: context.embed)
        else { return Proposal() }
        let (decision, world) = (seen.decision, session.retriever.world)
        var candidates: [CandidateAction] = []
        // Another passage of a document that was read seldom adds one; the policy learned on documents of one passage.
        let read = Set(state.evidence.items.map(\.documentID))
        for row in largest(seen.logProbabilities, count: width + 4 * read.count) where candidates.count < width {
            let score = Double(seen.logProbabilities[row])
            guard row < decision.candidates.count else {
                candidates.append(
                    CandidateAction(.answer(text: nil), proposer: name, reason: "the policy has enough", score: score))
                continue
            }
            let passage = world.passages[decision.candidates[row]]
            guard !read.contains(Self.document(of: passage.id)) else { continue }
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
