// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
package import LanguageModels
import OrderedCollections
import Search
import Text
import Tools

/// How much a menu shows of what there is (``PromptDetail/menu``).
public struct MenuOptions: Sendable, Hashable {
    /// How many results a search asks for. Default 10.
    public var limit = 10
    /// How many of the best passages the model is shown. Default 4.
    public var shown = 4
    /// How many characters of each. Default 500.
    public var characters = 500
    /// How many documents that the best passages link to can be opened. Default 6.
    public var links = 6
    /// How many of the passages that were found and are not shown can be opened. Default 0.
    public var found = 0

    public init() {}
}

/// The next step of a model that is told no schema: it writes one line, `search: …`, `open: …` or `answer`.
///
/// What can be opened is listed: the documents that the best passages link to. A model that obeys a grammar can write
/// nothing else; of another's text the first such line is read. The first step is the question itself, without a call of
/// the model: it costs nothing, and no small model asks better.
package struct MenuTurn {
    package var state: AgentState
    package var context: StepContext
    package var options: SamplingOptions
    /// The name of the proposer.
    package var proposer: String
    package var menu = MenuOptions()

    package init(
        state: AgentState, context: StepContext, options: SamplingOptions, proposer: String,
        menu: MenuOptions = MenuOptions()
    ) {
        self.state = state
        self.context = context
        self.options = options
        self.proposer = proposer
        self.menu = menu
    }

    /// A document that can be opened.
    package struct Link: Sendable, Hashable {
        package var title: String
        package var id: String
    }

    func propose() async throws -> Proposal {
        if let first = try await opening() { return first }
        guard state.toolCallsLeft != 0 else { return answer("no calls are left") }
        let links = try await links()
        let request = try await request(links)
        let response = try await context.respond(to: request, purpose: LoopRules.actingPurpose)
        return Proposal([candidate(response.completions.first?.message.content ?? "", links)])
    }

    /// The first step, which is the question itself; nil once something was found.
    package func opening() async throws -> Proposal? {
        guard state.retrieved.isEmpty else { return nil }
        var proposal = try await QuestionProposer(limit: menu.limit).propose(in: state, using: context)
        for index in proposal.candidates.indices { proposal.candidates[index].proposer = proposer }
        return proposal.candidates.isEmpty ? nil : proposal
    }

    /// What the model is asked, given what can be opened.
    package func request(_ links: [Link]) async throws -> ModelRequest {
        var options = options
        options.maxTokens = min(options.maxTokens, 48)
        options.stop = ["\n"]
        if context.modelCapabilities?.constraints == true { options.constraint = .grammar(Self.grammar(links)) }
        return ModelRequest(messages: await messages(links), toolChoice: .none, options: options)
    }

    private func answer(_ reason: String) -> Proposal {
        Proposal([CandidateAction(.answer(text: nil), proposer: proposer, reason: reason)])
    }

    /// What a line asks for. What was asked for before is not asked again: then what was found is read.
    package func candidate(_ text: String, _ links: [Link]) -> CandidateAction {
        for line in text.split(separator: "\n") {
            let line = String(line).trimming { $0.isWhitespace || $0 == "*" || $0 == "`" || $0 == "-" }
            let lowered = line.lowercased()
            if lowered.hasPrefix("answer") { break }
            for (verb, isOpen) in [("search:", false), ("open:", true)] where lowered.hasPrefix(verb) {
                let rest = String(line.dropFirst(verb.count)).trimming { $0.isWhitespace || $0 == "\"" }
                guard !rest.isEmpty else { continue }
                let calls = isOpen ? open(rest, links) : search(rest)
                guard !calls.isEmpty else { continue }
                return CandidateAction(
                    .call(calls), proposer: proposer, reason: (isOpen ? "open " : "search for ") + rest, score: 1)
            }
        }
        return CandidateAction(.answer(text: nil), proposer: proposer, reason: "the model has what it needs")
    }

    private func search(_ query: String) -> [ToolInvocation] {
        SearchCalls.calls(
            query, tools: ["keyword_search", "semantic_search"], limit: menu.limit, state: state, context: context
        ).map(identified)
    }

    private func open(_ title: String, _ links: [Link]) -> [ToolInvocation] {
        let key = TitleNormalizer.key(for: title)
        guard let link = links.first(where: { TitleNormalizer.key(for: $0.title) == key }) else { return search(title) }
        let call = ToolInvocation(
            tool: "read", arguments: Self.reading(link.id))
        return state.hasCalled(call) || context.tools["read"] == nil ? [] : [identified(call)]
    }

    /// The call under an id of its turn, so that the conversation holds what came of it.
    private func identified(_ call: ToolInvocation) -> ToolInvocation {
        ToolInvocation(
            tool: call.tool, arguments: call.arguments, callID: "c\(state.conversation.count + 1)-\(call.tool)")
    }

    /// What can be opened: documents that the best passages link to and that were not seen yet, those that fit the question
    /// first; then what was found and is not shown.
    package func links() async throws -> [Link] {
        guard context.tools["read"] != nil else { return [] }
        var links = try await linked()
        var titles = Set(links.map(\.title))
        for item in state.evidence.ranking.dropFirst(menu.shown) where links.count < menu.links + menu.found {
            let title = Self.line(item.title, most: 80)
            guard !title.isEmpty, titles.insert(title).inserted,
                !state.hasCalled(ToolInvocation(tool: "read", arguments: Self.reading(item.passageID)))
            else { continue }
            links.append(Link(title: title, id: item.passageID))
        }
        return links
    }

    private static func reading(_ id: String) -> String { (["ids": [.string(id)]] as JSONValue).serialized() }

    private func linked() async throws -> [Link] {
        var found: OrderedDictionary<PassageOrdinal, Double> = [:]
        let seen = Set(state.retrieved.values.map(\.passage.ordinal))
        for (rank, item) in state.evidence.ranking.prefix(3).enumerated() {
            guard let parent = state.retrieved[item.passageID]?.passage else { continue }
            let links = try await context.corpus.linkedPassages(from: parent.ordinal, limit: 12)
            for (place, link) in links.enumerated() where !seen.contains(link.ordinal) {
                found[link.ordinal, default: 0] += 1 / Double(1 + rank) / Double(4 + place)
            }
        }
        guard !found.isEmpty else { return [] }
        let passages = try await context.corpus.passages(at: Array(found.keys))
        let fits = try await Similarity.scores(of: passages, to: state.question.text, context)
        let order = passages.indices.sorted {
            let (left, right) = (fits[$0] + found.values[$0], fits[$1] + found.values[$1])
            return left != right ? left > right : $0 < $1
        }
        var titles: Set<String> = []
        return order.compactMap { index in
            let title = Self.line(passages[index].title, most: 80)
            return title.isEmpty || !titles.insert(title).inserted ? nil : Link(title: title, id: passages[index].id)
        }.prefix(menu.links).map { $0 }
    }

    /// One line of a title, without what would end it.
    private static func line(_ text: String, most: Int) -> String {
        let line = text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
        return String(Fence.neutralised(line).filter { $0 != "\"" && $0 != "\\" }.prefix(most))
    }

    static func grammar(_ links: [Link]) -> String {
        func literal(_ text: String) -> String {
            "\"" + text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
        }
        var root = "root ::= \"answer\" | \"search: \" word more"
        if !links.isEmpty { root += " | \"open: \" (" + links.map { literal($0.title) }.joined(separator: " | ") + ")" }
        return root + "\nword ::= [^ \\n\":]\nmore ::= [^\\n\"]{2,100}\n"
    }

    private func messages(_ links: [Link]) async -> [ChatMessage] {
        let fence = state.header.fence("menu\(state.step)")
        let passages = EvidencePrompt.list(state.evidence, limit: menu.shown, characters: menu.characters)
        var text = fence.wrap(passages, source: "the evidence") + "\n\nQuestion: " + state.question.text
        let tried = state.actions.compactMap { action -> String? in
            guard case .call = action.candidate.kind, action.candidate.proposer == proposer else { return nil }
            return action.candidate.reason
        }.dropFirst()
        if !tried.isEmpty { text += "\nDone already: " + tried.joined(separator: "; ") }
        if !links.isEmpty {
            text += "\nCan be opened: " + links.map(\.title).joined(separator: "; ")
        }
        text += "\nIf the passages hold the answer, write: answer\nElse write the next step in one line."
        return [
            ChatMessage(role: .system, content: Self.instructions + "\n\n" + Fence.note),
            ChatMessage(role: .user, content: text),
        ]
    }

    private static let instructions = """
        You collect the passages that answer a question. Reply with one line, which is one of:
        search: words to look for
        open: a title of the list
        answer
        """
}
