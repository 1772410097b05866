// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
import Foundation
public import LanguageModels
import OrderedCollections
import Reading
import Synchronization
import Text
import Tools

/// Questions about the whole corpus ("how many", "which of all"): filter to everything that qualifies, then aggregate over
/// the whole set, never over the top k.
///
/// With a model, the model writes the filter and the aggregation as JSON for those tools. Arguments that a tool refuses go
/// back to it with what the tool said, a few times; an aggregation that never becomes right is a count.
///
/// Without one, a `QuestionReader` links the question's words to fields and values, ranks the programs that they may mean by
/// weights learned from answers, and the best program runs as calls of the same tools. Where it is not sure that the question
/// is about the whole and read rightly, nothing of this is proposed and the question is searched for as any other.
public struct CorpusQuestionProposer: ActionProposer {
    /// The name of the proposer, by which policies know its calls.
    public static let proposer = "corpus"
    public var name: String { Self.proposer }
    public var options: SamplingOptions
    /// How often the model may correct the arguments of a tool. Default 2.
    public var corrections: Int
    /// The least confidence with which a program is run. Default 0.5.
    public var confidence: Double
    /// Proposes the search for the question itself where no program is run.
    public var searches: Bool
    /// Whether a session's model writes the calls; else the trained reader does, with a model as without. Default true.
    public var asksModel: Bool
    private let weights: CorpusQuestionWeights?

    /// - Parameter weights: the trained scorer; nil leaves questions without a model to the other proposers.
    public init(
        options: SamplingOptions = SamplingOptions(temperature: 0, maxTokens: 400), corrections: Int = 2,
        weights: CorpusQuestionWeights? = nil, confidence: Double = 0.5, searches: Bool = true, asksModel: Bool = true
    ) {
        self.options = options
        self.corrections = corrections
        self.weights = weights
        self.confidence = confidence
        self.searches = searches
        self.asksModel = asksModel
    }

    public var fingerprint: String { weights?.fingerprint ?? "" }

    /// Everything that the program selected is the evidence.
    public var keeper: (any EvidenceKeeper)? { WholeSetKeeper() }

    public func propose(in state: AgentState, using context: StepContext) async throws -> Proposal {
        let hasTools = context.tools["filter"] != nil && context.tools["aggregate"] != nil
        if context.hasModel, asksModel { return hasTools ? try await proposeByModel(state, context) : Proposal() }
        if hasTools, let proposal = try await proposeProgram(state, context) { return proposal }
        return searches ? try await QuestionProposer().propose(in: state, using: context) : Proposal()
    }

    // MARK: Programs

    private struct Plan: Sendable {
        var question: String
        var fingerprint: String
        var program: CorpusProgram?
        var answer: [String] = []
        var confidence = 0.0
        var mentions: [String: RowBits] = [:]
    }

    /// Questions that were read, the last ones: each step of a session asks again.
    private static let recent = Mutex<[Plan]>([])

    /// The next call of the program that the question means, or its answer; nil where no program is sure enough, or where a
    /// tool found something else than the reading did.
    private func proposeProgram(_ state: AgentState, _ context: StepContext) async throws -> Proposal? {
        // Without metadata all that can be asked of the whole is what texts mention.
        let hasGround =
            !context.corpus.summary.fields.isEmpty || !TextMention.phrases(in: state.question.text).isEmpty
        // Reading a large corpus as a table takes seconds: not for every question that is for the search all the same.
        let isLarge = CorpusTables.values(context.corpus.summary) > CorpusTables.readilyRead
        if !searches, isLarge, !QuestionReader.asksOfMany(state.question.text) { return nil }
        guard let weights, hasGround, let index = try await CorpusTables.index(of: context.corpus) else { return nil }
        let reader = QuestionReader(index: index, weights: weights.values)
        let plan = try await plan(state.question.text, reader, weights, context)
        guard plan.confidence >= confidence, let program = plan.program,
            let steps = ProgramCalls(program, reading: reader, mentions: plan.mentions)
        else { return nil }
        let past = state.actions.filter { $0.candidate.proposer == name }
        guard past.allSatisfy({ $0.failures == 0 }), past.count <= steps.calls.count else { return nil }
        let handles = past.flatMap(\.callIDs).map { "r" + $0.dropFirst() }
        guard handles.count == past.count else { return nil }
        for (handle, call) in zip(handles, steps.calls) {
            guard let set = state.resultSets[handle] else { return nil }
            if let rows = call.rows, rows != set.total { return nil }
        }
        if past.count < steps.calls.count {
            let call = steps.calls[past.count]
            let arguments = call.arguments(handles)
            return Proposal(
                [.call(call.tool, arguments, proposer: name, reason: call.reason, score: 1)],
                notes: [Note(kind: "corpus", key: call.tool, text: arguments.serialized())])
        }
        let sets = handles.compactMap { state.resultSets[$0] }
        let counted = sets.filter { $0.tool == "filter" }.map { String($0.total) }
        let shown = plan.answer.prefix(Self.longestList)
        let rest = plan.answer.count - shown.count
        let completeness = rest > 0 ? ", the first \(shown.count) of \(plan.answer.count)" : ""
        let answer = shown.joined(separator: ", ")
        let verb = counted.count == 1 && counted[0] == "1" ? "qualifies" : "qualify"
        let basis =
            counted.isEmpty
            ? ""
            : " (of \(index.table.rowCount) documents \(counted.joined(separator: " and ")) \(verb))"
        let text = "\(answer)\(completeness)\(basis)\nAnswer: \(answer)"
        return Proposal([
            CandidateAction(
                .answer(text: text, label: .aggregate), proposer: name, reason: "the whole set is aggregated", score: 2)
        ])
    }

    /// The most values that an answer lists.
    private static let longestList = 50

    private func plan(
        _ question: String, _ reader: QuestionReader, _ weights: CorpusQuestionWeights, _ context: StepContext
    ) async throws -> Plan {
        let fingerprint = context.corpus.fingerprint + "/" + weights.fingerprint
        let known = Self.recent.withLock { plans in
            plans.first { $0.question == question && $0.fingerprint == fingerprint }
        }
        if let known { return known }
        var plan = Plan(question: question, fingerprint: fingerprint)
        for phrase in TextMention.phrases(in: question) where plan.mentions[phrase] == nil {
            let documents = try await context.corpus.filter(.match(field: nil, words: phrase, .phrase), among: nil)
            plan.mentions[phrase] = RowBits(
                rowCount: reader.index.table.rowCount, rows: documents.ordinals.lazy.map { Int($0) })
        }
        let reading = reader.read(question, mentions: plan.mentions, isAccepted: ProgramCalls.isExpressible)
        if let best = reading.programs.first {
            plan.program = best.program
            plan.answer = best.denotation.texts(in: reader.index.table)
            plan.confidence = reading.objection == nil ? reading.confidence ?? reading.agreement : 0
            if let sides = reading.sides, case .truth(let isFirst) = best.denotation {
                plan.answer = [isFirst ? sides.first : sides.second]
            }
            for word in reading.unexplained where try await !isKnown(word, context) { plan.confidence = 0 }
            if plan.confidence >= confidence {
                for word in reading.passedOver where try await isRare(word, context) { plan.confidence = 0 }
            }
        }
        let made = plan
        Self.recent.withLock { plans in
            plans.insert(made, at: 0)
            if plans.count > 32 { plans.removeLast() }
        }
        return plan
    }

    /// The most of the documents that a word may stand in to be something that only texts speak of.
    private static let rareShare = 0.1

    /// Whether a few texts, and only a few, have a word with this beginning: then they answer, and not the fields of all.
    private func isRare(_ stem: String, _ context: StepContext) async throws -> Bool {
        let count = try await context.corpus.filter(.match(field: nil, words: stem, .prefix), among: nil).count
        return count > 0 && Double(count) <= max(2, Self.rareShare * Double(context.corpus.summary.documentCount))
    }

    /// Whether a word with this beginning stands in a text, a title or the name of a source.
    private func isKnown(_ stem: String, _ context: StepContext) async throws -> Bool {
        for field in [nil, "source"]
        where try await context.corpus.filter(.match(field: field, words: stem, .prefix), among: nil).count > 0 {
            return true
        }
        return false
    }
}
