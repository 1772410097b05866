// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
import LanguageModels
import OrderedCollections
import Text
public import Tools

/// Splits a question into sub-questions and gives each to an agent of its own: proposers of the policy's choosing, which see
/// that sub-question and what its own calls found, within a budget of its own. Agents whose sub-questions do not depend on
/// each other work at the same time; one that needs an answer (`#1`) begins when it is there.
///
/// The agents share the session: their calls run together as one action, are charged to its budget, recorded and resumed as
/// all calls are, and a call that another agent has made is not made again. Whose a call is stands in the notes.
public struct SubAgentsProposer: ActionProposer {
    public var name: String { "agents" }
    public var fingerprint: String { proposers.map(\.fingerprint).joined(separator: " ") }
    public var tools: [any RetrievalTool] { proposers.flatMap(\.tools) }
    /// What each agent proposes with: in every step it takes the first proposal of calls.
    public var proposers: [any ActionProposer]
    /// What each agent may spend at most, besides what the session allows. Default: three steps and six tool calls.
    public var budget: Budget
    /// How many passages an agent keeps for its answer. Default 6.
    public var kept: Int
    /// Makes the plan.
    public var plan: DecompositionProposer

    public init(
        proposers: [any ActionProposer], budget: Budget = Budget(steps: 3, toolCalls: 6), kept: Int = 6,
        plan: DecompositionProposer = DecompositionProposer(most: 4)
    ) {
        self.proposers = proposers
        self.budget = budget
        self.kept = kept
        self.plan = plan
    }

    public func propose(in state: AgentState, using context: StepContext) async throws -> Proposal {
        var notes: [Note] = []
        var questions = state.notes.filter { $0.kind == "sub_question" }.compactMap { note in
            Int(note.key).map { DecompositionProposer.SubQuestion(number: $0, text: note.text) }
        }
        if questions.isEmpty {
            questions = try await plan.makePlan(state, context)
            notes += questions.map { Note(kind: "sub_question", key: String($0.number), text: $0.text) }
        }
        var answers: [Int: String] = [:]
        for note in state.notes where note.kind == "sub_answer" {
            if let number = Int(note.key) { answers[number] = note.text }
        }
        let known = Set(questions.map(\.number))
        // An agent that is done makes room for those that wait for its answer, in the same step.
        while true {
            let ready = questions.filter { question in
                answers[question.number] == nil
                    && question.needs.intersection(known).allSatisfy { answers[$0] != nil }
            }
            guard !ready.isEmpty else { break }
            var calls: [ToolInvocation] = []
            var asked: [String] = []
            var done: [(number: Int, question: String, evidence: Evidence)] = []
            for question in ready {
                let agent = SubAgent(
                    number: question.number, question: question.filled(answers), state: state, notes: notes,
                    budget: budget, kept: kept)
                let (wanted, made) = try await next(of: agent, context)
                notes += made
                if wanted.isEmpty {
                    done.append((question.number, agent.question, agent.view.evidence))
                } else {
                    asked.append("#\(question.number) \(agent.question)")
                    calls += wanted.filter { call in
                        !state.hasCalled(call) && !calls.contains { AgentState.key(of: $0) == AgentState.key(of: call) }
                    }
                }
            }
            let written = try await DecompositionProposer.answer(
                done.map { ($0.question, $0.evidence) }, using: context)
            for (agent, answer) in zip(done, written) {
                answers[agent.number] = answer
                notes.append(Note(kind: "sub_answer", key: String(agent.number), text: answer))
            }
            if !calls.isEmpty {
                return Proposal(
                    [
                        CandidateAction(
                            .call(calls), proposer: name, reason: asked.joined(separator: "; "), score: 1)
                    ], notes: notes)
            }
            // All that was wanted had been called already: the next round shows each agent what came of it.
            guard !done.isEmpty || !asked.isEmpty else { break }
        }
        return Proposal(
            [CandidateAction(.answer(text: nil), proposer: name, reason: "all agents are done", score: 2)],
            notes: notes)
    }

    /// What an agent does next: its calls, none when it is done, and the notes that say so.
    private func next(
        of agent: SubAgent, _ context: StepContext
    ) async throws -> (calls: [ToolInvocation], notes: [Note]) {
        guard agent.view.stepsLeft != 0, agent.view.toolCallsLeft != 0 else { return ([], []) }
        for proposer in proposers {
            let proposal = try await proposer.propose(in: agent.view, using: context)
            let best = proposal.candidates.filter { candidate in
                if case .call = candidate.kind { return true }
                return false
            }.max { $0.score < $1.score }
            guard case .call(let invocations)? = best?.kind else { continue }
            let calls = Array(
                invocations.filter { !agent.view.hasCalled($0) }.prefix(agent.view.toolCallsLeft ?? Int.max))
            guard !calls.isEmpty else { continue }
            let key = String(agent.number)
            return (
                calls,
                [Note(kind: "sub_step", key: key, text: proposer.name)]
                    + calls.map { Note(kind: "sub_call", key: key, text: SubAgent.name(of: $0)) }
            )
        }
        return ([], [])
    }
}

/// One agent of several: a view of the session that holds its question, its calls and what they found.
private struct SubAgent {
    let number: Int
    let question: String
    private(set) var view: AgentState

    /// A call as notes name it.
    static func name(of call: ToolInvocation) -> String {
        AgentState.key(of: call).replacing("\u{0}", with: " ")
    }

    /// - Parameter notes: what this step has noted so far, which the state does not hold yet.
    init(number: Int, question: String, state: AgentState, notes: [Note], budget: Budget, kept: Int) {
        self.number = number
        self.question = question
        let key = String(number)
        let own = (state.notes + notes).filter { $0.key == key }
        let names = Set(own.filter { $0.kind == "sub_call" }.map(\.text))
        var header = state.header
        header.question = Question(question)
        header.budget = budget
        view = AgentState(header: header)
        view.step = state.step
        view.spent.steps = own.count { $0.kind == "sub_step" }
        view.spent.toolCalls = names.count
        var ids: Set<String> = []
        for action in state.actions {
            guard case .call(let invocations) = action.candidate.kind else { continue }
            let own = zip(invocations, action.callIDs).filter { names.contains(Self.name(of: $0.0)) }
            guard !own.isEmpty else { continue }
            view.calls.formUnion(own.map { AgentState.key(of: $0.0) })
            let mine = own.map(\.1)
            ids.formUnion(mine)
            var part = action
            part.callIDs = mine
            view.actions.append(part)
        }
        let handles = Set(ids.map { "r" + $0.dropFirst() })
        for (handle, set) in state.resultSets where handles.contains(handle) { view.resultSets[handle] = set }
        let found = Set(
            view.resultSets.values.flatMap { set -> [String] in
                if case .passages(let passages) = set.content { return passages.map(\.id) }
                return []
            })
        for (id, passage) in state.retrieved where ids.contains(passage.callID) || found.contains(id) {
            view.retrieved[id] = passage
        }
        let items = view.retrieved.values.map { $0.evidence() }
        let words = EvidenceWords(question: question, items: items)
        var worth: [String: Double] = [:]
        for sentence in words.sentences {
            let id = items[sentence.item].passageID
            worth[id] = max(worth[id] ?? 0, sentence.value)
        }
        let ranked = items.enumerated().sorted { left, right in
            let (a, b) = (worth[left.element.passageID] ?? 0, worth[right.element.passageID] ?? 0)
            return a != b ? a > b : left.offset < right.offset
        }
        for (place, item) in ranked.prefix(kept).enumerated() {
            var item = item.element
            item.score = 1 / Double(place + 1)
            view.evidence.keep(item)
        }
    }
}

extension StrategyRegistry {
    /// Makes a proposer. `agents` holds proposers of its own, of this registry.
    func proposer(
        _ component: (name: String, options: PolicyReader), _ file: PolicyFile
    ) throws -> any ActionProposer {
        guard component.name == "agents" else { return try make(component, from: proposers, file) }
        var options = component.options
        let inner = try options.components("proposers").map { try make($0, from: proposers, file) }
        guard !inner.isEmpty else { throw options.error("proposers", "expected at least one proposer") }
        let standard = DecompositionProposer(most: 4)
        let made = SubAgentsProposer(
            proposers: inner,
            budget: Budget(
                steps: try options.int("steps", default: 3, in: 1...100),
                toolCalls: try options.int("tool_calls", default: 6, in: 1...1000)),
            kept: try options.int("kept", default: 6, in: 1...100),
            plan: DecompositionProposer(
                most: try options.int("most", default: standard.most, in: 1...32),
                options: try Self.sampling(&options, maxTokens: standard.options.maxTokens)))
        try options.finish()
        return made
    }
}
