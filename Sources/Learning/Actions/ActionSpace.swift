// SPDX-License-Identifier: Apache-2.0

public import Agent
import Base
import Corpus
public import Episodes
import LanguageModels
import OrderedCollections
import Synchronization
public import TensorMath
import Text
public import Tools

/// What a learned policy may choose among, by name in policy files under `actions`.
public struct ActionOptions: Sendable, Hashable {
    /// The most look-ups (searches, links, filters) of an episode. Default: 10.
    public var lookups = 10
    /// The most passages that are kept. Default: 5.
    public var keep = 5
    /// Whether answering is a choice before so many are kept. Default: true.
    public var stops = true
    /// Results of a search with the question. Default: 20.
    public var first = 20
    /// Results of each later search. Default: 10.
    public var next = 10
    /// The most passages among which is chosen. Default: 40.
    public var width = 40
    /// Ways of looking up that are left out, by the names of ``ActionOptions/ways``: for comparisons.
    public var without: Set<String> = []

    /// The ways of looking up that can be left out.
    public static let ways = ["names", "clauses", "words", "meaning", "links", "filters"]

    /// Makes the defaults.
    public init() {}
}

/// The actions of a learned policy and what it sees of them: pure functions of a state, remembered while they are asked
/// for again, as episodes of one question share their beginnings.
///
/// At first the question is searched by words and by meaning. Then there are: keeping a passage that was shown; searching
/// for names and clauses of the question; from each kept passage, searching on with what it leaves open, with it condensed,
/// and following its links; filtering by values of fields that the question names, and searching within; answering.
public final class ActionSpace: Sendable {
    /// What candidates say that they come from.
    public static let proposer = "actions"

    private let reading: TextReading
    private let passages: BoundedMemo<String, PassageFacts>
    private let questions: BoundedMemo<String, QuestionContext>
    private let fields = BoundedMemo<String, FieldValues>(limit: 8)
    private let decisions: BoundedMemo<DecisionKey, Remembered>

    private struct DecisionKey: Hashable {
        var corpus: String
        var question: String
        var options: ActionOptions
        var history: Int
    }

    private struct Remembered: Sendable {
        var candidates: [CandidateAction]
        var features: Matrix?
    }

    /// - Parameter memory: Decisions that are remembered, some 30 KB each. Default: 512, for sessions; training, which
    ///   comes back to the same states in many episodes, takes more.
    /// - Throws: `AnalyzerError` never for the built-in analysis.
    public init(memory: Int = 512) throws {
        reading = try TextReading()
        decisions = BoundedMemo(limit: memory)
        passages = BoundedMemo(limit: 2 * max(memory, 2048))
        questions = BoundedMemo(limit: max(memory / 8, 32))
    }

    private func context(_ state: AgentState) -> QuestionContext {
        let key = state.header.corpus.value + "\u{0}" + state.question.text
        if let known = questions[key] { return known }
        let made = QuestionContext(
            state.question.text, corpus: state.header.corpus.value, reading: reading, passages: passages)
        questions.store(made, for: key)
        return made
    }

    /// What was done so far decides, with the corpus, what can be done now.
    private func key(_ state: AgentState, _ options: ActionOptions) -> DecisionKey {
        var hasher = Hasher()
        for action in state.actions { hasher.combine(action.candidate.kind) }
        hasher.combine(state.retrieved.count)
        hasher.combine(state.evidence.count)
        hasher.combine(state.spent.toolCalls)
        return DecisionKey(
            corpus: state.header.corpus.value, question: state.question.text, options: options,
            history: hasher.finalize())
    }

    // MARK: Candidates

    /// The candidates of a state.
    func candidates(
        _ state: AgentState, corpus: any RetrievalCorpus, tools: ToolRegistry, options: ActionOptions
    ) async throws -> [CandidateAction] {
        let key = key(state, options)
        if let known = decisions[key] { return known.candidates }
        let view = StateView(state, context: context(state))
        var made: [CandidateAction] = []
        if view.lookups < options.lookups {
            made += try await lookups(state, view, corpus, tools, options)
        }
        if view.kept.count < options.keep {
            made += view.keepable(most: options.width).map { place in
                CandidateAction(.keep([view.ids[place]]), proposer: Self.proposer)
            }
        }
        // With nothing kept there is nothing to answer from; with all kept nothing else is left.
        if !view.kept.isEmpty, options.stops || made.isEmpty || view.kept.count >= options.keep {
            if view.kept.count >= options.keep { made = [] }
            made.append(CandidateAction(.answer(text: nil), proposer: Self.proposer, reason: "there is enough"))
        }
        decisions.store(Remembered(candidates: made, features: nil), for: key)
        return made
    }

    private func lookups(
        _ state: AgentState, _ view: StateView, _ corpus: any RetrievalCorpus, _ tools: ToolRegistry,
        _ options: ActionOptions
    ) async throws -> [CandidateAction] {
        let maker = LookupMaker(state: state, tools: tools, modes: corpus.summary.modes)
        let question = view.question.question
        let first = maker.searches(question.text, limit: options.first)
        if !first.isEmpty, !view.lists.contains(where: { $0.role == .question }) {
            return [maker.candidate(first, .question, -1, "searches for the question")]
        }
        var made: [CandidateAction] = []
        func add(_ calls: [ToolInvocation], _ role: LookupRole, _ source: Int, _ reason: String) {
            let new = calls.filter { !state.hasCalled($0) }
            if !new.isEmpty { made.append(maker.candidate(new, role, source, reason)) }
        }
        if !options.without.contains("names") {
            for name in question.names.prefix(4) {
                add(maker.keyword(name, limit: 5), .name, -1, "searches for \(name)")
            }
        }
        if !options.without.contains("clauses") {
            for clause in question.clauses.prefix(3) {
                add(maker.semantic(clause, limit: options.next), .clause, -1, "searches for a part of the question")
            }
        }
        let follows = !options.without.contains("links") && Self.mayLink(view)
        if follows {
            let top = view.fusedRank.indices.filter { (0..<3).contains(view.fusedRank[$0]) }
                .sorted { view.fusedRank[$0] < view.fusedRank[$1] }.map { view.ids[$0] }
            if !top.isEmpty { add(maker.links(top), .top, -1, "follows the links of the first results") }
        }
        for (source, place) in view.kept.enumerated() {
            guard let passage = state.retrieved[view.ids[place]]?.passage else { continue }
            var ways: [[ToolInvocation]] = []
            if follows {
                ways.append(maker.links([passage.id]))
                add(ways[ways.count - 1], .next, source, "follows the links of \"\(passage.title)\"")
            }
            if !options.without.contains("words") {
                // What was open when the passage was kept, so that the call stays the same one later.
                let covered = view.kept[...source].reduce(0) { $0 | view.facts[$1].held }
                ways.append(
                    maker.keyword(view.question.nextKeywords(view.facts[place], covered: covered), limit: options.next))
                add(ways[ways.count - 1], .next, source, "searches on from \"\(passage.title)\"")
            }
            if !options.without.contains("meaning") {
                ways.append(maker.semantic(view.question.nextMeaning(passage), limit: options.next))
                add(ways[ways.count - 1], .next, source, "searches on with \"\(passage.title)\"")
            }
            // All ways at once: one decision, but every call of it counts.
            let open = ways.filter { way in way.contains { !state.hasCalled($0) } }
            if open.count > 1, view.lookups + open.count <= options.lookups {
                add(open.flatMap { $0 }, .all, source, "looks on from \"\(passage.title)\" in every way")
            }
        }
        if !options.without.contains("filters"), tools["filter"] != nil {
            made += try await filters(state, view, maker, corpus, options)
        }
        return made
    }

    /// Filters by values that the question names, and searches within what they gave.
    private func filters(
        _ state: AgentState, _ view: StateView, _ maker: LookupMaker, _ corpus: any RetrievalCorpus,
        _ options: ActionOptions
    ) async throws -> [CandidateAction] {
        let fingerprint = state.header.corpus.value
        let values: FieldValues
        if let known = fields[fingerprint] {
            values = known
        } else {
            values = try await FieldValues(of: corpus, reading: reading)
            fields.store(values, for: fingerprint)
        }
        var made: [CandidateAction] = []
        func add(_ calls: [ToolInvocation], _ role: LookupRole, _ reason: String) {
            let new = calls.filter { !state.hasCalled($0) }
            if !new.isEmpty { made.append(maker.candidate(new, role, -1, reason)) }
        }
        let conditions = values.conditions(in: view.question.question)
        for (name, condition) in conditions { add(maker.filter(condition), .filter, "filters by \(name)") }
        if conditions.count > 1 {
            add(maker.filter(FieldValues.any(of: conditions.map(\.json))), .filter, "filters by all that are named")
        }
        for set in state.resultSets.values where set.tool == "filter" && set.count > 0 {
            let query = view.question.question.text
            add(maker.searches(query, limit: options.next, within: set.handle), .scoped, "searches in \(set.handle)")
        }
        return made
    }

    /// Whether links are worth a try: not where two calls brought none.
    private static func mayLink(_ view: StateView) -> Bool {
        let lists = view.lists.filter { $0.way == .links }
        return lists.count < 2 || lists.contains { !$0.hits.isEmpty }
    }

    // MARK: Features

    /// What a policy sees of each candidate: candidates × features.
    public func features(
        _ state: AgentState, _ candidates: [CandidateAction], options: ActionOptions = ActionOptions()
    ) -> Matrix {
        let key = key(state, options)
        let known = decisions[key]
        // Other proposers may have joined in; then nothing is remembered.
        let isOwn = known?.candidates == candidates
        if isOwn, let features = known?.features { return features }
        let made = ActionFeatures.matrix(StateView(state, context: context(state)), state, candidates, options)
        if isOwn { decisions.store(Remembered(candidates: candidates, features: made), for: key) }
        return made
    }
}

/// Makes the calls of look-ups that a session can make.
private struct LookupMaker {
    let state: AgentState
    let tools: ToolRegistry
    let modes: [RetrievalMode]

    func candidate(_ calls: [ToolInvocation], _ role: LookupRole, _ source: Int, _ reason: String) -> CandidateAction {
        CandidateAction(
            .call(calls), proposer: ActionSpace.proposer, reason: reason,
            features: [Float(role.rawValue), Float(source)])
    }

    private func search(_ mode: RetrievalMode, _ query: String, _ limit: Int, _ within: String?) -> [ToolInvocation] {
        let tool = mode.rawValue + "_search"
        guard tools[tool] != nil, modes.contains(mode), query.contains(where: { !$0.isWhitespace }) else { return [] }
        var arguments: JSONObject = ["query": .string(String(query.prefix(2000))), "limit": .integer(limit)]
        if let within { arguments["within"] = .string(within) }
        return [ToolInvocation(tool: tool, arguments: JSONValue.object(arguments).serialized())]
    }

    func keyword(_ query: String, limit: Int) -> [ToolInvocation] { search(.keyword, query, limit, nil) }

    func semantic(_ query: String, limit: Int) -> [ToolInvocation] { search(.semantic, query, limit, nil) }

    func searches(_ query: String, limit: Int, within: String? = nil) -> [ToolInvocation] {
        search(.keyword, query, limit, within) + search(.semantic, query, limit, within)
    }

    func links(_ ids: [String]) -> [ToolInvocation] {
        guard tools[LinksTool.name] != nil else { return [] }
        let arguments: JSONValue = ["ids": .array(ids.map(JSONValue.string))]
        return [ToolInvocation(tool: LinksTool.name, arguments: arguments.serialized())]
    }

    func filter(_ condition: JSONValue) -> [ToolInvocation] {
        let arguments: JSONValue = ["where": condition, "limit": .integer(1)]
        return [ToolInvocation(tool: "filter", arguments: arguments.serialized())]
    }
}

/// Proposes the actions of a learned policy.
public struct ActionProposals: ActionProposer {
    public var name: String { ActionSpace.proposer }
    /// What may be chosen.
    public var options: ActionOptions
    private let space: ActionSpace

    public init(_ space: ActionSpace, options: ActionOptions = ActionOptions()) {
        self.space = space
        self.options = options
    }

    public var tools: [any RetrievalTool] { [LinksTool()] }

    public func propose(in state: AgentState, using context: StepContext) async throws -> Proposal {
        Proposal(
            try await space.candidates(state, corpus: context.corpus, tools: context.tools, options: options))
    }
}
