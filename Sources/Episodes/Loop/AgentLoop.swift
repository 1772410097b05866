// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
import LanguageModels
import OrderedCollections
import Tools

/// The loop as a pure state machine: events in, actions out, no input or output inside. A test, a replay, a resume and a
/// rollout drive exactly what a live session drives.
///
///     started → step_started → [assessed →] proposed → chose → tool_called… → tool_returned… → kept → step_started …
///                                    └ certain ┐            └ answer, give up ┐         └ limit, nothing new ┐
///                                              closing ←──────────────────────┴──────────────────────────────┘
///                                              → answered → finished
///
/// A run that ends before anything was retrieved (a model that failed, that could not be read, that answered without having
/// looked, a limit) searches for the question itself before it answers:
/// `closing → proposed → chose → tool_called… → tool_returned… → kept → answered`.
///
/// `pending` holds the actions that are still to be done; the event that reports an action takes it off. So a loop that
/// was fed the events of an interrupted session knows what is left to do.
public struct AgentLoop: Sendable {
    /// Something that the driver does next, and reports with an event.
    public enum Action: Sendable, Hashable {
        /// Append this event.
        case record(SessionEvent.Kind)
        /// Ask the gate; report with `assessed`.
        case assess
        /// Ask the proposers; report with `proposed`.
        case propose
        /// Ask the policy; report with `chose`.
        case choose([CandidateAction])
        /// Call the tools at the same time; report each with `tool_called` and `tool_returned`.
        case callTools([ToolCallRecord])
        /// Ask the keeper about these calls; report with `kept`.
        case keep([String])
        /// Let the keeper's defences look at what the policy keeps; report with `kept`.
        case screen(Keeping)
        /// Ask for a search that needs no model; report with `proposed`.
        case proposeUnaided
        /// Answer from the evidence; report with `answered`.
        case answer
    }

    /// What the agent knows now.
    public private(set) var state: AgentState
    /// What is to be done now, in order.
    public private(set) var pending: [Action] = []
    /// The rules of the run.
    public let rules: LoopRules

    private var openModelCalls: [String: ModelCallRecord] = [:]
    private var openToolCalls: [ToolCallRecord] = []
    private var batch: [ToolCallRecord] = []
    private var candidates: [CandidateAction] = []
    private var toolCallCount = 0
    private var correctionsInRow = 0
    /// Whether the model was told in this step what was wrong with a call or a turn, and can do better in the next.
    private var wasRefused = false
    private var isInterrupted = false

    public init(header: SessionHeader, rules: LoopRules = LoopRules()) {
        state = AgentState(header: header)
        self.rules = rules
    }

    /// Takes an event and returns what is to be done now.
    @discardableResult
    public mutating func receive(_ event: SessionEvent) -> [Action] {
        state.spent.seconds = max(state.spent.seconds, event.time)
        switch event.kind {
        case .started: beginStep()
        case .stepStarted(let step):
            state.step = step
            state.spent.steps += 1
            wasRefused = false
            pending = [rules.isGated ? .assess : .propose]
        case .assessed(let decision):
            state.uncertainty = decision
            if state.stop != nil {
                // The answer that was thought to be known is not: the question is searched for after all.
                pending = decision.retrieve ? [.proposeUnaided] : [.answer]
            } else {
                pending = decision.retrieve ? [.propose] : [.record(.closing(.confident))]
            }
        case .modelCalled(let record): charge(record)
        case .modelReturned(let id, let response): settle(id, response)
        case .modelFailed(let id, let error):
            if let record = openModelCalls.removeValue(forKey: id) {
                // A server that refused a call did nothing for it; one that broke off may have read the prompt.
                let prompt = error.mayHaveCost ? 0 : record.promptTokens
                if error.mayHaveCost { state.spent.estimatedCalls += 1 }
                state.spent.promptTokens -= prompt
                state.spent.completionTokens -= record.completionTokens
                state.spent.money -= state.header.prices.money(prompt: prompt, completion: record.completionTokens)
            }
        case .proposed(let proposal):
            state.notes += proposal.notes
            candidates = proposal.candidates
            if state.stop != nil {
                pending = candidates.isEmpty ? [.answer] : [.record(.chose(PolicyChoice(index: 0)))]
            } else {
                pending = candidates.isEmpty ? [.record(.closing(.exhausted))] : [.choose(candidates)]
            }
        case .chose(let choice): act(on: choice)
        case .toolCalled(let record):
            state.spent.toolCalls += 1
            state.calls.insert(AgentState.key(of: record.invocation))
            openToolCalls.append(record)
        case .toolReturned(let id, let output): integrate(id, output)
        case .kept(let keeping): apply(keeping)
        case .corrected(let callID, let message): correct(callID, message)
        case .interrupted:
            isInterrupted = true
            if case .record(.stepStarted) = pending.first { pending = [.record(.closing(.interrupted))] }
        case .closing(let reason):
            state.stop = reason
            pending = [isLeftEmptyHanded(by: reason) ? .proposeUnaided : .answer]
        case .answered(let answer):
            state.answer = answer
            pending = [.record(.finished(state.stop ?? .answered, state.spent))]
        case .finished: pending = []
        }
        return pending
    }

    // MARK: Steps

    private mutating func beginStep() {
        if isInterrupted {
            pending = [.record(.closing(.interrupted))]
        } else if let limit = Ledger(state: state).reachedLimit {
            pending = [.record(.closing(.budget(limit)))]
        } else {
            pending = [.record(.stepStarted(state.step + 1))]
        }
    }

    /// Whether the run ends, for whatever reason, before a passage was seen: then the question itself is searched for first.
    /// What a person broke off, what the gate found certain and what was computed over a whole set ends as it is.
    private func isLeftEmptyHanded(by reason: StopReason) -> Bool {
        guard state.retrieved.isEmpty, state.toolCallsLeft != 0 else { return false }
        switch reason {
        case .confident, .interrupted: return false
        case .answered: return state.resultSets.isEmpty && state.draftLabel == .model
        default: return true
        }
    }

    private mutating func endStep() {
        guard state.stop == nil else {
            pending = [.answer]
            return
        }
        let news = state.actions.last?.newPassages ?? 0
        if wasRefused, news == 0 {
            // What was wrong was said, and says nothing about what there is to find.
            correctionsInRow += 1
        } else {
            correctionsInRow = 0
            if case .call = state.actions.last?.candidate.kind {
                state.barrenSteps = news > 0 ? 0 : state.barrenSteps + 1
            }
        }
        if correctionsInRow >= rules.corrections {
            pending = [.record(.closing(.unreadableModel))]
        } else if state.barrenSteps >= rules.barrenSteps {
            pending = [.record(.closing(.repeating))]
        } else {
            beginStep()
        }
    }

    private mutating func act(on choice: PolicyChoice) {
        // A stored choice may be damaged; a policy's is checked by the driver before it is recorded.
        guard candidates.indices.contains(choice.index) else {
            pending = [.record(.closing(.failed("the policy chose candidate \(choice.index) of \(candidates.count)")))]
            return
        }
        let candidate = candidates[choice.index]
        state.actions.append(PastAction(step: state.step, candidate: candidate, choice: choice))
        switch candidate.kind {
        case .call(let invocations): plan(invocations)
        case .keep(let ids):
            var items: [EvidenceItem] = []
            for id in ids {
                guard let found = state.retrieved[id] else { continue }
                // What was chosen earlier is better: the order of keeping is the ranking of the evidence.
                items.append(
                    found.evidence(
                        score: 1 / Double(state.evidence.count + items.count + 1), reason: candidate.reason))
            }
            pending = [.screen(Keeping(kept: items))]
        case .answer(let text, let label):
            state.draft = text
            state.draftLabel = label
            pending = [.record(.closing(.answered))]
        case .correct(let message): pending = [.record(.corrected(callID: "", message: message))]
        case .giveUp: pending = [.record(.closing(.exhausted))]
        }
    }

    /// Turns wanted calls into calls and corrections: what was called before, and what the budget does not allow, is
    /// answered with a message instead of a result, so that every call of a model gets its reply.
    private mutating func plan(_ invocations: [ToolInvocation]) {
        pending = []
        batch = []
        var planned: Set<String> = []
        var left = state.toolCallsLeft ?? Int.max
        for invocation in invocations {
            let key = AgentState.key(of: invocation)
            if state.calls.contains(key) || !planned.insert(key).inserted {
                pending.append(.record(.corrected(callID: invocation.callID, message: rules.messages.repeated)))
            } else if left == 0 {
                pending.append(.record(.corrected(callID: invocation.callID, message: rules.messages.noCallsLeft)))
            } else {
                left -= 1
                toolCallCount += 1
                batch.append(
                    ToolCallRecord(id: "t\(toolCallCount)", invocation: invocation, handle: "r\(toolCallCount)"))
            }
        }
        if !batch.isEmpty { pending.append(.callTools(batch)) }
        if pending.isEmpty {
            pending = [.record(.corrected(callID: "", message: rules.messages.noCalls))]
        }
    }

    private mutating func correct(_ callID: String, _ message: String) {
        if let last = state.conversation.indices.last {
            if callID.isEmpty {
                state.conversation[last].correction = message
            } else {
                state.conversation[last].replies[callID] = message
            }
        }
        if let last = state.actions.indices.last { state.actions[last].failures += 1 }
        // A repeated call was right; it only brings nothing.
        if message != rules.messages.repeated { wasRefused = true }
        if !pending.isEmpty { pending.removeFirst() }
        if pending.isEmpty { endStep() }
    }

    // MARK: Results

    private mutating func integrate(_ id: String, _ output: ToolOutput) {
        guard let index = openToolCalls.firstIndex(where: { $0.id == id }) else { return }
        let record = openToolCalls.remove(at: index)
        if let set = output.resultSet { state.resultSets[set.handle] = set }
        var news = 0
        for (rank, scored) in output.passages.enumerated() {
            if var known = state.retrieved[scored.passage.id] {
                known.timesFound += 1
                known.rank = min(known.rank, rank)
                state.retrieved[scored.passage.id] = known
            } else {
                news += 1
                state.retrieved[scored.passage.id] = RetrievedPassage(
                    passage: scored.passage, score: scored.score, callID: id, rank: rank)
            }
        }
        // A filter or an aggregation shows no passage, but what it returns is new all the same.
        if news == 0, !output.isError, output.resultSet != nil, output.passages.isEmpty { news = 1 }
        if let last = state.actions.indices.last {
            state.actions[last].callIDs.append(id)
            state.actions[last].newPassages += news
            if output.isError {
                state.actions[last].failures += 1
                state.actions[last].errors.append(output.text)
            }
        }
        if output.isError, !record.invocation.callID.isEmpty { wasRefused = true }
        if let last = state.conversation.indices.last, !record.invocation.callID.isEmpty {
            let fence = state.header.fence(id)
            state.conversation[last].replies[record.invocation.callID] =
                output.isError
                ? Fence.neutralised(output.text) : fence.wrap(output.text, source: record.invocation.tool)
        }
        batch.removeAll { $0.id == id }
        guard batch.isEmpty else {
            pending = [.callTools(batch)]
            return
        }
        pending = [.keep(state.actions.last?.callIDs ?? [])]
    }

    private mutating func apply(_ keeping: Keeping) {
        state.evidence.drop(Set(keeping.dropped))
        for item in keeping.kept { state.evidence.keep(item) }
        endStep()
    }

    // MARK: Accounts

    private mutating func charge(_ record: ModelCallRecord) {
        openModelCalls[record.id] = record
        state.spent.modelCalls += 1
        state.spent.promptTokens += record.promptTokens
        state.spent.completionTokens += record.completionTokens
        state.spent.money += state.header.prices.money(prompt: record.promptTokens, completion: record.completionTokens)
    }

    /// Replaces the estimate by what the call cost; a server that reports nothing is charged the estimate.
    private mutating func settle(_ id: String, _ response: ModelResponse) {
        guard let record = openModelCalls.removeValue(forKey: id) else { return }
        let usage = response.usage
        if usage.promptTokens > 0 || usage.completionTokens > 0 {
            state.spent.promptTokens += usage.promptTokens - record.promptTokens
            state.spent.completionTokens += usage.completionTokens - record.completionTokens
            state.spent.money +=
                state.header.prices.money(prompt: usage.promptTokens, completion: usage.completionTokens)
                - state.header.prices.money(prompt: record.promptTokens, completion: record.completionTokens)
        } else {
            // Four bytes a token, of what came: the limit of what was asked for is what it at most may have been.
            let written = response.completions.reduce(0) { sum, completion in
                let message = completion.message
                return sum + message.content.utf8.count + message.reasoning.utf8.count
                    + message.toolCalls.reduce(0) { $0 + $1.name.utf8.count + $1.arguments.utf8.count }
            }
            let estimate = min(record.completionTokens, written / 4 + response.completions.count)
            state.spent.completionTokens += estimate - record.completionTokens
            state.spent.money +=
                state.header.prices.money(prompt: record.promptTokens, completion: estimate)
                - state.header.prices.money(prompt: record.promptTokens, completion: record.completionTokens)
            state.spent.estimatedCalls += 1
        }
        if record.purpose == LoopRules.actingPurpose, let message = response.completions.first?.message {
            state.conversation.append(ConversationTurn(message: message))
        }
    }
}

extension RetrievedPassage {
    /// The passage as evidence.
    package func evidence(score: Double? = nil, reason: String = "") -> EvidenceItem {
        EvidenceItem(
            passageID: passage.id, documentID: passage.documentID, title: passage.title, text: passage.text,
            score: score ?? self.score, handle: "r" + callID.dropFirst(), reason: reason)
    }
}
