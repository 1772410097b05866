// SPDX-License-Identifier: Apache-2.0

import Base

/// The events of one episode as (state, candidates, choice, log-probability, reward): what a trainer learns from.
///
/// The states are not stored anywhere: they are folded from the events again, by the loop that made them.
public struct Trajectory: Sendable {
    /// One decision.
    public struct Step: Sendable {
        /// What the policy saw.
        public var state: AgentState
        public var candidates: [CandidateAction]
        public var choice: PolicyChoice
        /// What the decision earned; 0 until a trainer says otherwise.
        public var reward: Double
    }

    public var steps: [Step]
    /// The state at the end of the events: with the evidence, the answer and what was spent.
    public var final: AgentState

    /// Folds the events of a session, whole or unfinished.
    /// - Throws: `SessionError.damaged` when they do not begin with `started`, or a choice names no candidate.
    public init(events: [SessionEvent]) throws(SessionError) {
        guard let first = events.first, case .started(let header) = first.kind else {
            throw SessionError.damaged("the first event must be \"started\"")
        }
        var loop = AgentLoop(header: header)
        var candidates: [CandidateAction] = []
        steps = []
        for event in events {
            switch event.kind {
            case .proposed(let proposal): candidates = proposal.candidates
            case .chose(let choice):
                guard candidates.indices.contains(choice.index) else {
                    throw SessionError.damaged(
                        "event \(event.sequence) chooses candidate \(choice.index) of \(candidates.count)")
                }
                steps.append(Step(state: loop.state, candidates: candidates, choice: choice, reward: 0))
            default: break
            }
            loop.receive(event)
        }
        final = loop.state
    }
}
