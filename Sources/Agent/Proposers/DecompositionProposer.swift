// SPDX-License-Identifier: Apache-2.0

import Foundation
public import LanguageModels
import Text

/// Splits a question into sub-questions that refer to earlier answers as `#1`, `#2` …, and works through them in the order
/// of their dependencies; sub-questions that do not depend on each other are searched at the same time.
///
/// The plan and the sub-answers are notes: a resumed session finds them, a reader sees them. Without a model the plan is
/// made by rules for the two commonest forms (comparison of two names; a possessive or relative clause), and sub-answers
/// are the best-supported name of the evidence.
public struct DecompositionProposer: ActionProposer {
    public var name: String { "decompose" }
    public var tools: [String]
    /// How many results a sub-question asks for. Default 5.
    public var limit: Int
    /// The most sub-questions. Default 6.
    public var most: Int
    public var options: SamplingOptions

    public init(
        tools: [String] = ["keyword_search", "semantic_search"], limit: Int = 5, most: Int = 6,
        options: SamplingOptions = SamplingOptions(temperature: 0, maxTokens: 256)
    ) {
        self.tools = tools
        self.limit = limit
        self.most = most
        self.options = options
    }

    /// One sub-question of a plan.
    struct SubQuestion: Equatable {
        var number: Int
        var text: String

        /// The numbers of the sub-questions whose answers it needs.
        var needs: Set<Int> {
            var numbers: Set<Int> = []
            var rest = Substring(text)
            while let mark = rest.firstIndex(of: "#") {
                rest = rest[rest.index(after: mark)...]
                if let value = Int(rest.prefix { $0.isASCII && $0.isNumber }), value != number { numbers.insert(value) }
            }
            return numbers
        }

        /// The text with the answers in the place of the references; longer numbers first, so that `#12` is not `#1`.
        func filled(_ answers: [Int: String]) -> String {
            var text = text
            for number in needs.sorted(by: >) {
                if let answer = answers[number] { text = text.replacingOccurrences(of: "#\(number)", with: answer) }
            }
            return text
        }
    }

    public func propose(in state: AgentState, using context: StepContext) async throws -> Proposal {
        var notes: [Note] = []
        let plan: [SubQuestion]
        let recorded = state.notes.filter { $0.kind == "sub_question" }
        if recorded.isEmpty {
            plan = try await makePlan(state, context)
            notes += plan.map { Note(kind: "sub_question", key: String($0.number), text: $0.text) }
        } else {
            plan = recorded.compactMap { note in Int(note.key).map { SubQuestion(number: $0, text: note.text) } }
        }
        var answers: [Int: String] = [:]
        for note in state.notes where note.kind == "sub_answer" {
            if let number = Int(note.key) { answers[number] = note.text }
        }
        // What was searched in the last step is answered now.
        let searched = Set(state.notes.filter { $0.kind == "searched" }.compactMap { Int($0.key) })
        let open = plan.filter { searched.contains($0.number) && answers[$0.number] == nil }
        let asked = open.map { (question: $0.filled(answers), evidence: state.evidence) }
        for (question, answer) in zip(open, try await Self.answer(asked, using: context)) {
            answers[question.number] = answer
            notes.append(Note(kind: "sub_answer", key: String(question.number), text: answer))
        }
        let known = Set(plan.map(\.number))
        let ready = plan.filter { question in
            !searched.contains(question.number)
                && question.needs.intersection(known).allSatisfy { answers[$0] != nil }
        }
        guard !ready.isEmpty else {
            // A plan with a circle, or one that is done.
            return Proposal(
                [
                    CandidateAction(
                        .answer(text: nil), proposer: name, reason: "all sub-questions are answered", score: 2)
                ],
                notes: notes)
        }
        notes += ready.map { Note(kind: "searched", key: String($0.number), text: $0.filled(answers)) }
        let calls = ready.flatMap {
            SearchCalls.calls($0.filled(answers), tools: tools, limit: limit, state: state, context: context)
        }
        let reason = ready.map { "#\($0.number) \($0.filled(answers))" }.joined(separator: "; ")
        guard !calls.isEmpty else {
            return Proposal(
                [CandidateAction(.answer(text: nil), proposer: name, reason: "nothing new to search", score: 1)],
                notes: notes)
        }
        return Proposal([CandidateAction(.call(calls), proposer: name, reason: reason, score: 1)], notes: notes)
    }

    func makePlan(_ state: AgentState, _ context: StepContext) async throws -> [SubQuestion] {
        let texts: [String]
        if context.hasModel {
            let text = try await ModelText.ask(
                """
                Split the question into at most \(most) simple questions, one a line, each answerable from one document. \
                Refer to the answer of an earlier line as #1, #2 …. Write only the lines.
                """, state.question.text, evidence: nil, options: options, purpose: "decompose", state: state,
                context: context)
            texts = ModelText.lines(text)
        } else {
            texts = Self.rules(state.question.text)
        }
        let plan = texts.prefix(most).enumerated().map { SubQuestion(number: $0 + 1, text: $1) }
        return plan.isEmpty ? [SubQuestion(number: 1, text: state.question.text)] : plan
    }

    /// The plan without a model: one look-up a name for a comparison, else the question itself.
    static func rules(_ question: String) -> [String] {
        let names = NameSpotter().distinctNames(in: question)
        let folded = question.lowercased()
        let compares = [" or ", " both ", " and ", "same", "older", "first", "earlier", "later", "more", "longer"]
        if names.count >= 2, compares.contains(where: { folded.contains($0) }) { return names.prefix(4).map { $0 } }
        return [question]
    }

    /// The shortest answer of each question from its evidence: the model's, asked for all at the same time, or without a model
    /// the best-supported name.
    static func answer(
        _ questions: [(question: String, evidence: Evidence)], using context: StepContext
    ) async throws -> [String] {
        guard !questions.isEmpty else { return [] }
        guard context.hasModel else {
            return questions.map { question, evidence in
                let words = EvidenceWords(question: question, items: evidence.ranking)
                let sentence = words.bestSentence()?.text ?? ""
                let asked = EvidenceWords.terms(question)
                let names = NameSpotter().distinctNames(in: sentence)
                return names.first { EvidenceWords.terms($0).isDisjoint(with: asked) } ?? names.first ?? sentence
            }
        }
        var random = context.random
        let requests = questions.map { question, evidence in
            let fence = Fence(seed: random.next(), salt: context.fenceSalt, call: question)
            return ModelRequest(
                messages: [
                    ChatMessage(
                        role: .system,
                        content: "Answer from the passages with the shortest phrase, and nothing else. " + Fence.note),
                    ChatMessage(
                        role: .user,
                        content: fence.wrap(EvidencePrompt.list(evidence, limit: 8), source: "the evidence")
                            + "\n\nQuestion: " + question),
                ], toolChoice: .none, options: SamplingOptions(temperature: 0, maxTokens: 48))
        }
        return try await context.respond(toAll: requests, purpose: "sub_answer").map {
            ModelText.firstLine(AnswerText.written($0.completions.first?.message.content ?? ""))
        }
    }
}

/// Splits a description of something half forgotten into clues (title words, dates, people, plot, looks), searches each
/// on its own, and lets the keeper add the scores up (Lin et al., "Decomposing Complex Queries for Tip-of-the-tongue
/// Retrieval", 2023). Without a model a clue is a sentence or a clause.
///
/// A clue that the model calls exact (a name, a date, words of the text) goes to the search by words, one that describes to
/// the search by meaning, any other to the tools of the policy.
public struct ClueProposer: ActionProposer {
    public var name: String { "clues" }
    public var tools: [String]
    public var limit: Int
    /// The most clues. Default 6.
    public var most: Int
    public var options: SamplingOptions

    public init(
        tools: [String] = ["semantic_search"], limit: Int = 20, most: Int = 6,
        options: SamplingOptions = SamplingOptions(temperature: 0, maxTokens: 256)
    ) {
        self.tools = tools
        self.limit = limit
        self.most = most
        self.options = options
    }

    public func propose(in state: AgentState, using context: StepContext) async throws -> Proposal {
        let known = state.notes.filter { $0.kind == "clue" }.map(\.text)
        let texts: [String]
        if !known.isEmpty {
            texts = known
        } else if context.hasModel {
            texts = ModelText.lines(
                try await ModelText.ask(
                    """
                    Someone describes a thing whose name they forgot. Write its clues, one a line, each a few words that \
                    can be searched on their own. Begin a line with "exact: " where the clue is a name, a date or words \
                    that stand in the text itself, and with "about: " where it says in other words what the thing is or \
                    looks like. At most \(most) lines, nothing else.
                    """, state.question.text, evidence: nil, options: options, purpose: "clues", state: state,
                    context: context))
        } else {
            texts = SentenceSplitter().split(state.question.text).flatMap { sentence in
                sentence.split { $0 == "," || $0 == ";" }.map { $0.trimmingCharacters(in: .whitespaces) }
            }.filter { EvidenceWords.terms($0).count >= 2 }
        }
        let clues = Array(texts.prefix(most))
        let calls = clues.flatMap { clue -> [ToolInvocation] in
            let (query, tools) = route(clue)
            return SearchCalls.calls(query, tools: tools, limit: limit, state: state, context: context)
        }
        guard !calls.isEmpty else { return Proposal() }
        return Proposal(
            [CandidateAction(.call(calls), proposer: name, reason: clues.joined(separator: "; "), score: 1)],
            notes: known.isEmpty ? clues.enumerated().map { Note(kind: "clue", key: String($0 + 1), text: $1) } : [])
    }

    /// A clue's words and where they are searched.
    private func route(_ clue: String) -> (query: String, tools: [String]) {
        let parts = clue.split(separator: ":", maxSplits: 1).map { $0.trimmingCharacters(in: .whitespaces) }
        guard parts.count == 2, !parts[1].isEmpty else { return (clue, tools) }
        switch parts[0].lowercased() {
        case "exact": return (parts[1], ["keyword_search"])
        case "about": return (parts[1], ["semantic_search"])
        default: return (clue, tools)
        }
    }
}
