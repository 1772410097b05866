// SPDX-License-Identifier: Apache-2.0

import Base
import LanguageModels
import OrderedCollections
import QualityMetrics
import TensorMath
import Text

extension AgentSession {
    /// Performs one action of the loop and appends the event that reports it.
    func perform(_ action: AgentLoop.Action) async throws {
        switch action {
        case .record(let kind): try await append(kind)
        case .assess: try await assess()
        case .propose: try await propose()
        case .choose(let candidates): try await choose(among: candidates)
        case .callTools(let records): try await callTools(records)
        case .keep(let calls): try await keep(after: calls)
        case .screen(let keeping): try await append(.kept(strategy.keeper.screened(keeping, in: seen)))
        case .proposeUnaided: try await proposeUnaided()
        case .answer: try await answer()
        }
    }

    /// What the components of the current action see.
    private var seen: AgentState { stateBeforeJournal ?? loop.state }

    private func context(for component: String, closing: Bool = false) -> StepContext {
        let state = seen
        var context = StepContext(
            corpus: environment.corpus, tools: environment.tools, modelCapabilities: environment.model?.capabilities,
            modelName: environment.model?.name ?? "",
            random: SplitMix64(seed: state.header.seed, stream: XXH64.hash(component, seed: UInt64(state.step))),
            embed: environment.embed,
            respond: { requests, purpose in try await self.respond(requests, purpose: purpose, closing: closing) })
        context.fenceSalt = state.header.fenceSalt
        return context
    }

    private func assess() async throws {
        guard let gate = strategy.gate else {
            try await append(.assessed(GateDecision(retrieve: true)))
            return
        }
        do {
            try await append(.assessed(try await gate.assess(seen, using: context(for: "gate"))))
        } catch let error as LanguageModelError {
            try await append(.assessed(GateDecision(retrieve: true, reason: "not measured: \(error)")))
        } catch SessionError.budget(let limit) {
            try await append(.closing(.budget(limit)))
        }
    }

    private func propose() async throws {
        var merged = Proposal()
        var stop: StopReason?
        for proposer in strategy.proposers {
            do {
                let proposal = try await proposer.propose(in: seen, using: context(for: proposer.name))
                merged.candidates += proposal.candidates
                merged.notes += proposal.notes
            } catch let error as CancellationError {
                throw error
            } catch SessionError.budget(let limit) {
                stop = stop ?? .budget(limit)
            } catch let error as SessionError {
                throw error
            } catch {
                try Task.checkCancellation()
                stop = stop ?? .failed("\(proposer.name): \(error)")
            }
        }
        // One proposer's failure does not end the run while another has something to propose.
        if merged.candidates.isEmpty, let stop {
            try await append(.closing(stop))
        } else {
            try await append(.proposed(merged))
        }
    }

    /// The search that is left when a run ends before anything was found.
    private func proposeUnaided() async throws {
        let proposer = QuestionProposer()
        var proposal = try await proposer.propose(in: seen, using: context(for: proposer.name))
        for index in proposal.candidates.indices {
            proposal.candidates[index].reason = "nothing was searched yet: search for the question itself"
        }
        try await append(.proposed(proposal))
    }

    private func choose(among candidates: [CandidateAction]) async throws {
        // Decided apart, so that no copy of the state is alive when the event changes it: the copy would cost a copy of
        // every past action at each step.
        let decision = try await decide(among: candidates)
        try await append(decision)
    }

    private func decide(among candidates: [CandidateAction]) async throws -> SessionEvent.Kind {
        let state = seen
        var random = SplitMix64(seed: state.header.seed, stream: UInt64(state.step))
        do {
            let choice = try await strategy.policy.choose(among: candidates, in: state, random: &random)
            guard candidates.indices.contains(choice.index) else {
                return .closing(
                    .failed("\(strategy.policy.name) chose candidate \(choice.index) of \(candidates.count)"))
            }
            return .chose(choice)
        } catch let error as CancellationError {
            throw error
        } catch let error as SessionError {
            throw error
        } catch {
            return .closing(.failed("\(strategy.policy.name): \(error)"))
        }
    }

    private func keep(after calls: [String]) async throws {
        do {
            let proposer = seen.actions.last?.candidate.proposer
            let own = strategy.proposers.first { $0.name == proposer }?.keeper
            let keeping = try await (own ?? strategy.keeper).keep(after: calls, in: seen, using: context(for: "keeper"))
            try await append(.kept(keeping))
        } catch let error as CancellationError {
            throw error
        } catch SessionError.budget(let limit) {
            try await append(.closing(.budget(limit)))
        } catch let error as SessionError {
            throw error
        } catch {
            try Task.checkCancellation()
            // Without a keeper's judgement everything that was found is kept, as plain search ranks it: losing it would be
            // worse.
            var plain = try await FusionKeeper(limit: .max).keep(
                after: calls, in: seen, using: context(for: "keeper"))
            for index in plain.kept.indices { plain.kept[index].reason = "kept unjudged: \(error)" }
            try await append(.kept(plain))
        }
    }

    /// The closing turn: the acting model's own answer, else the answerer's, else the best-supported sentence; attributed to
    /// the passages that support it.
    private func answer() async throws {
        let state = seen
        let resolver = CitationResolver(state: state)
        let attribution = Attribution(state: state)
        if let draft = state.draft {
            let proposer = state.actions.last?.candidate.proposer ?? ""
            let answer = resolver.answer(
                fromDraft: draft, model: state.draftLabel == .model ? state.header.model.name : proposer,
                label: state.draftLabel)
            // Reasoning alone, or a tool call as text, is no answer; nor is what a model said before it had looked, unless
            // what was then found bears it out.
            if !answer.text.isEmpty, !isBlind(state) || attribution.supports(answer) {
                let shaped = try await shaped(
                    attribution.attributed(answer), context(for: "shape", closing: true))
                try await append(.answered(shaped))
                return
            }
        }
        var context = context(for: "answerer", closing: true)
        context.isCertain = state.stop == .confident && state.uncertainty?.retrieve == false
        var answer: Answer
        do {
            answer = try await strategy.answerer.answer(
                state.question, from: state.evidence.with(state.question.dialogue.evidence), using: context)
        } catch let error as CancellationError {
            throw error
        } catch SessionError.damaged(let reason) {
            throw SessionError.damaged(reason)
        } catch SessionError.store(let reason) {
            throw SessionError.store(reason)
        } catch {
            try Task.checkCancellation()
            answer = ExtractiveAnswerer().extract(state.question, from: state.evidence)
        }
        answer = resolver.resolved(answer)
        let knowsNothing =
            answer.label == .none || answer.label == .memory && AbstentionWording.isAbstention(answer.prediction)
        if knowsNothing {
            if context.isCertain, state.retrieved.isEmpty, state.toolCallsLeft != 0 {
                // What was certain is nothing: that something is not there is said only when it was looked for.
                try await append(.assessed(GateDecision(retrieve: true, reason: GateMeasure.Reading.noAnswer)))
                return
            }
            answer = withoutAnswer(answer, state)
        }
        let shaped = try await shaped(
            attribution.attributed(answer), self.context(for: "shape", closing: true))
        try await append(.answered(shaped))
    }

    /// The answer that there is none, and whether that is because nothing was found or because nothing was looked for.
    private func withoutAnswer(_ answer: Answer, _ state: AgentState) -> Answer {
        var answer = answer
        if state.spent.toolCalls == 0, state.retrieved.isEmpty, state.question.dialogue.evidence.isEmpty {
            let why = state.stop.map { ": " + $0.explanation } ?? ""
            answer.text = "\(Answer.nothingSought)\(why)."
        } else if answer.label != .none {
            answer.text = Answer.nothingFound
        }
        answer.short = nil
        answer.label = .none
        answer.citations = []
        return answer
    }

    /// The answer in the form that the asker wants: by the model, whose text is taken only when the form's schema accepts
    /// it, else filled in by rule. An answer that fits neither way keeps its text, and whoever asked must look.
    private func shaped(_ answer: Answer, _ context: StepContext) async throws -> Answer {
        let state = seen
        guard let schema = state.question.dialogue.format, let shape = try? AnswerShape(schema: schema) else {
            return answer
        }
        var answer = answer
        if let own = shape.read(answer.text) {
            answer.text = own.serialized()
            return answer
        }
        if context.hasModel, answer.label != .none {
            do {
                let request = shape.request(
                    state.question, answer, state.evidence, fence: state.header.fence("shape"),
                    tokens: 768)
                let response = try await context.respond(to: request, purpose: "shape")
                if let value = response.completions.first.flatMap({ shape.read($0.message.content) }) {
                    answer.text = value.serialized()
                    return answer
                }
            } catch is LanguageModelError {
                // What a rule can tell of it is better than nothing.
            } catch SessionError.budget {
                // As above.
            }
        }
        if let value = shape.filled(from: answer) { answer.text = value.serialized() }
        return answer
    }

    /// Whether the draft was written before anything had been searched: the last action is the search that followed it.
    private func isBlind(_ state: AgentState) -> Bool {
        guard state.draftLabel == .model, case .call = state.actions.last?.candidate.kind else { return false }
        return true
    }
}
