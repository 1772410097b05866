// SPDX-License-Identifier: Apache-2.0

import Base
import Episodes
import Testing

/// The fold of events into states and steps, without any driver.
@Suite struct TrajectoryTests {
    private static func header(budget: Budget = Budget()) -> SessionHeader {
        SessionHeader(
            session: "s", question: Question("Who built it?", id: "q"), corpus: .init(), model: .init(),
            policy: .init(), seed: 1, budget: budget, tools: ["keyword_search"])
    }

    private static func events(_ kinds: [SessionEvent.Kind]) -> [SessionEvent] {
        kinds.enumerated().map { SessionEvent(sequence: $0.offset, time: 0, kind: $0.element) }
    }

    @Test func eventsMustBeginWithTheHeader() {
        #expect(throws: SessionError.self) { try Trajectory(events: []) }
        #expect(throws: SessionError.self) { try Trajectory(events: Self.events([.stepStarted(1)])) }
    }

    @Test func aChoiceMustNameACandidate() {
        let answer = CandidateAction(.answer(text: "he"), proposer: "p")
        let damaged = Self.events([
            .started(Self.header()), .stepStarted(1), .proposed(Proposal([answer])), .chose(PolicyChoice(index: 1)),
        ])
        #expect(throws: SessionError.self) { try Trajectory(events: damaged) }
    }

    @Test func theLoopSaysWhatIsLeftToDo() throws {
        let answer = CandidateAction(.answer(text: "he"), proposer: "p")
        var loop = AgentLoop(header: Self.header())
        let story: [SessionEvent.Kind] = [
            .started(Self.header()), .stepStarted(1), .proposed(Proposal([answer])), .chose(PolicyChoice(index: 0)),
        ]
        for event in Self.events(story) { loop.receive(event) }
        #expect(loop.pending == [.record(.closing(.answered))])
        let trajectory = try Trajectory(events: Self.events(story))
        #expect(trajectory.steps.count == 1)
        #expect(trajectory.steps[0].state.actions.isEmpty)
        #expect(trajectory.final.draft == "he")
    }

    @Test func aStepIsNotBegunBeyondTheBudget() {
        var loop = AgentLoop(header: Self.header(budget: Budget(steps: 0)))
        loop.receive(SessionEvent(sequence: 0, time: 0, kind: .started(Self.header(budget: Budget(steps: 0)))))
        #expect(loop.pending == [.record(.closing(.budget(.steps)))])
    }
}
