// SPDX-License-Identifier: Apache-2.0

import Base
import FoundationEssentials
import LanguageModels
import OrderedCollections
import Testing
import Text
import Tools

@testable import Episodes

/// Runs the loop with a driver that reports whatever may happen, and checks what must hold of every run.
private struct RandomRun {
    var events: [SessionEvent] = []
    var loop: AgentLoop
    /// Whether the run came to its end.
    var isFinished = false
    private var draw: RandomEvents
    private var modelCalls = 0

    init(seed: UInt64) {
        draw = RandomEvents(seed: seed)
        let budget = Budget(
            steps: draw.below(7), toolCalls: draw.below(9), promptTokens: draw.chance(0.5) ? draw.below(4000) : nil,
            completionTokens: draw.chance(0.5) ? draw.below(900) : nil, money: draw.chance(0.3) ? 0.01 : nil,
            seconds: draw.chance(0.3) ? 40 : nil, closing: .init(promptTokens: 200, completionTokens: 50, seconds: 5))
        let header = draw.header(budget: budget)
        loop = AgentLoop(
            header: header, rules: LoopRules(isGated: draw.chance(0.3), barrenSteps: 1 + draw.below(3), corrections: 2))
        report(.started(header))
        while events.count < 400, let action = loop.pending.first {
            if draw.chance(0.02) { report(.interrupted) }
            if case .record = action {} else if draw.chance(0.3) { callModel() }
            perform(action)
        }
        isFinished = loop.pending.isEmpty
    }

    private mutating func report(_ kind: SessionEvent.Kind) {
        let event = SessionEvent(sequence: events.count, time: Double(events.count) / 4, kind: kind)
        events.append(event)
        loop.receive(event)
    }

    /// A model call as the driver makes it: only what the ledger grants, charged before it is made.
    private mutating func callModel() {
        let prompt = 1 + draw.below(300)
        let closing = loop.state.stop != nil
        guard
            case .success(let granted) = Ledger(state: loop.state).grant(
                prompt: prompt, completion: 1 + draw.below(200), closing: closing)
        else { return }
        modelCalls += 1
        let id = "m\(modelCalls)"
        report(
            .modelCalled(
                ModelCallRecord(
                    id: id, purpose: draw.chance(0.6) ? LoopRules.actingPurpose : "plan", digest: id,
                    promptTokens: prompt, completionTokens: granted)))
        if draw.chance(0.2) {
            report(.modelFailed(id: id, draw.error()))
        } else {
            report(.modelReturned(id: id, draw.response(prompt: prompt, completion: draw.below(granted + 1))))
        }
    }

    private mutating func perform(_ action: AgentLoop.Action) {
        switch action {
        case .record(let kind): report(kind)
        case .assess: report(.assessed(GateDecision(measure: "degmat", uncertainty: 0.5, retrieve: draw.chance(0.9))))
        case .propose, .proposeUnaided:
            let candidates = (0..<draw.below(4)).map { _ in draw.candidate() }
            report(.proposed(Proposal(candidates, notes: [Note(kind: "thought", key: "k", text: draw.text())])))
        case .choose(let candidates):
            report(.chose(PolicyChoice(index: draw.below(candidates.count), logProbability: -0.5, value: 0.25)))
        case .callTools(let calls):
            for call in calls { report(.toolCalled(call)) }
            var left = calls
            while !left.isEmpty {
                let call = left.remove(at: draw.below(left.count))
                report(.toolReturned(id: call.id, draw.output(handle: call.handle)))
            }
        case .keep: report(.kept(draw.keeping()))
        case .screen(let keeping): report(.kept(keeping))
        case .answer: report(.answered(draw.answer()))
        }
    }
}

@Suite struct LoopPropertyTests {
    @Test func everyRunEndsInOneAnswer() {
        for seed in 0..<400 {
            let run = RandomRun(seed: UInt64(seed))
            #expect(run.isFinished, "seed \(seed)")
            let answers = run.events.count { if case .answered = $0.kind { true } else { false } }
            #expect(answers == 1, "seed \(seed)")
            guard case .finished(let reason, let spent)? = run.events.last?.kind else {
                Issue.record("seed \(seed): the last event is no end")
                continue
            }
            // Seconds go on while the end is written down.
            #expect(reason == run.loop.state.stop && spent.json == run.loop.state.spent.json, "seed \(seed)")
        }
    }

    @Test func noLimitIsOvershot() {
        for seed in 0..<400 {
            let run = RandomRun(seed: UInt64(seed))
            let (spent, budget) = (run.loop.state.spent, run.loop.state.budget)
            #expect(spent.steps <= budget.steps ?? .max && spent.toolCalls <= budget.toolCalls ?? .max, "seed \(seed)")
            let dialogue = run.loop.state.question.dialogue.usage
            if let limit = budget.promptTokens {
                #expect(spent.promptTokens <= max(limit, dialogue.promptTokens), "seed \(seed)")
            }
            if let limit = budget.completionTokens {
                #expect(spent.completionTokens <= max(limit, dialogue.completionTokens), "seed \(seed)")
            }
            if let limit = budget.money { #expect(spent.money <= limit + 1e-9, "seed \(seed)") }
        }
    }

    /// The accounts are a sum over the events, whoever adds them up.
    @Test func theAccountsAreTheEvents() {
        for seed in 0..<200 {
            let run = RandomRun(seed: UInt64(seed))
            let calls = run.events.compactMap { event -> ToolCallRecord? in
                if case .toolCalled(let record) = event.kind { return record }
                return nil
            }
            let state = run.loop.state
            #expect(state.spent.toolCalls == calls.count)
            #expect(Set(calls.map(\.id)).count == calls.count && Set(calls.map(\.handle)).count == calls.count)
            // No call is made twice, however its arguments are spelt.
            #expect(Set(calls.map { AgentState.key(of: $0.invocation) }).count == calls.count, "seed \(seed)")
            let steps = run.events.count { if case .stepStarted = $0.kind { true } else { false } }
            #expect(state.spent.steps == steps && state.step == steps)
            let modelCalls = run.events.count { if case .modelCalled = $0.kind { true } else { false } }
            let dialogue = state.question.dialogue.usage == TokenUsage() ? 0 : 1
            #expect(state.spent.modelCalls == modelCalls + dialogue)
            // What is evidence was kept by an event, and is there once.
            #expect(Set(state.evidence.items.map(\.passageID)).count == state.evidence.count)
            #expect(state.actions.reduce(0) { $0 + $1.newPassages } >= 0)
        }
    }

    /// Every call of the model's gets a reply, and what it is shown of a document is fenced.
    @Test func repliesAreFenced() {
        for seed in 0..<200 {
            let state = RandomRun(seed: UInt64(seed)).loop.state
            for reply in state.conversation.flatMap(\.replies.values) {
                #expect(!reply.contains("<answer>"), "seed \(seed): \(reply)")
                if reply.hasPrefix("<<data ") { #expect(reply.components(separatedBy: "<<end ").count == 2) }
            }
        }
    }

    /// Cut off after any event, a run goes on where it was: the fold of the stored events is the state, and asks for the same.
    @Test func aRunCutAnywhereIsTakenUpAgain() throws {
        for seed in 0..<60 {
            let run = RandomRun(seed: UInt64(seed))
            let stored = try run.events.map { event in
                var read = try SessionEvent(json: JSONValue(parsing: event.timedJSON.serialized()))
                // The id of a session is the store's key.
                if case .started(var header) = read.kind {
                    header.session = "s"
                    read.kind = .started(header)
                }
                return read
            }
            var live = AgentLoop(header: run.loop.state.header, rules: run.loop.rules)
            var replayed = AgentLoop(header: run.loop.state.header, rules: run.loop.rules)
            for (event, read) in zip(run.events, stored) {
                #expect(live.receive(event) == replayed.receive(read), "seed \(seed), event \(event.sequence)")
            }
            #expect(live.state.spent == replayed.state.spent && live.state.evidence == replayed.state.evidence)
            #expect(live.state.retrieved == replayed.state.retrieved && live.state.notes == replayed.state.notes)
            #expect(live.state.conversation == replayed.state.conversation)
            #expect(live.state.resultSets == replayed.state.resultSets && live.state.answer == replayed.state.answer)
        }
    }

    /// Events in any order, doubled or missing, are an error or a state, never a trap.
    @Test func disorderedEventsDoNoHarm() {
        for seed in 0..<200 {
            var events = RandomRun(seed: UInt64(seed)).events
            var draw = RandomEvents(seed: UInt64(seed) &+ 1000)
            for _ in 0..<1 + draw.below(6) where events.count > 2 {
                let (left, right) = (1 + draw.below(events.count - 1), 1 + draw.below(events.count - 1))
                switch draw.below(3) {
                case 0: events.swapAt(left, right)
                case 1: events.insert(events[left], at: right)
                default: events.remove(at: left)
                }
            }
            do {
                let trajectory = try Trajectory(events: events)
                #expect(trajectory.steps.allSatisfy { $0.candidates.indices.contains($0.choice.index) })
            } catch {
                guard case .damaged = error else {
                    Issue.record("seed \(seed): \(error)")
                    continue
                }
            }
        }
    }
}
