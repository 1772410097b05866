// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
import Foundation
import LanguageModels
public import OrderedCollections
import Text
public import Tools

/// Looks jargon and abbreviations of the question up in a dictionary, and searches with their meanings in the query
/// (Golden-Retriever, An et al., 2024). A term with several senses is read in the context that the model gives the question,
/// out of those that the dictionary knows; without a model all senses are searched for. A term that looks like jargon and is
/// in no dictionary is looked for in the corpus, as `(TERM)` behind the words that it stands for; where that fails too it is
/// said to be unknown, as a note that the answer can own up to.
public struct JargonProposer: ActionProposer {
    public var name: String { "jargon" }
    public var tools: [any RetrievalTool] { looksUp ? [FindTextTool()] : [] }
    /// Meanings by term, as written; more than one are by context.
    public var dictionary: OrderedDictionary<String, Senses>
    /// The search tools that are called.
    public var toolNames: [String]
    public var limit: Int
    /// Whether terms that the dictionary lacks are looked for in the corpus. Default false.
    public var looksUp: Bool

    /// What a term means, by context; a single meaning has the context "".
    public typealias Senses = OrderedDictionary<String, String>

    public init(
        dictionary: OrderedDictionary<String, Senses>, toolNames: [String] = ["keyword_search", "semantic_search"],
        limit: Int = 10, looksUp: Bool = false
    ) {
        self.dictionary = dictionary
        self.toolNames = toolNames
        self.limit = limit
        self.looksUp = looksUp
    }

    /// Reads a dictionary file: YAML, one `term: meaning` a line, or `term: {context: meaning, …}`.
    public static func dictionary(file path: String) throws -> OrderedDictionary<String, Senses> {
        let content = try YAMLReader.read(file: path)
        guard let members = content.object else {
            throw PolicyError(file: path, message: "expected `term: meaning` lines")
        }
        var dictionary: OrderedDictionary<String, Senses> = [:]
        for (term, meaning) in members {
            guard let senses = senses(meaning) else {
                throw PolicyError(file: path, path: term, message: "expected a text, or texts by context")
            }
            dictionary[term] = senses
        }
        return dictionary
    }

    /// The meanings that stand behind a term; nil for what is none.
    static func senses(_ value: JSONValue) -> Senses? {
        if let text = value.string { return ["": text] }
        guard let members = value.object, !members.isEmpty else { return nil }
        var senses: Senses = [:]
        for (context, meaning) in members {
            guard let text = meaning.string else { return nil }
            senses[context] = text
        }
        return senses
    }

    /// The question with the meanings that were looked up.
    static func explained(_ question: String, by notes: [Note]) -> String {
        let meanings = notes.filter { $0.kind == "jargon" }.map { "(\($0.key): \($0.text))" }
        return ([question] + meanings).joined(separator: " ")
    }

    public func propose(in state: AgentState, using context: StepContext) async throws -> Proposal {
        guard !state.notes.contains(where: { $0.kind == "jargon" || $0.kind == "unknown_term" }) else {
            return learned(state, context)
        }
        let question = state.question.text
        let words = question.split { !$0.isLetter && !$0.isNumber && $0 != "-" }.map(String.init)
        let found = dictionary.filter { term, _ in
            let isAbbreviation = term == term.uppercased()
            return term.contains(" ")
                ? question.lowercased().contains(term.lowercased())
                : words.contains { isAbbreviation ? $0 == term : $0.lowercased() == term.lowercased() }
        }
        var notes: [Note] = []
        let field = try await field(of: state, found.values.filter { $0.count > 1 }, context)
        if let field { notes.append(Note(kind: "context", key: "", text: field)) }
        for (term, senses) in found {
            let meaning = field.flatMap { senses[$0] } ?? senses.values.joined(separator: " or ")
            notes.append(Note(kind: "jargon", key: term, text: meaning))
        }
        var unknown: [String] = []
        for word in words
        where (2...8).contains(word.count) && word == word.uppercased() && word.contains(where: \.isLetter) {
            if dictionary[word] == nil, !unknown.contains(word) {
                unknown.append(word)
                notes.append(Note(kind: "unknown_term", key: word, text: "\(word) is not in the dictionary"))
            }
        }
        let lookUps = looksUp ? unknown.prefix(3).compactMap { lookUp($0, state, context) } : []
        let meanings = notes.filter { $0.kind == "jargon" }
        guard !meanings.isEmpty || !lookUps.isEmpty else { return Proposal([], notes: notes) }
        if !lookUps.isEmpty {
            let reason = "looks in the corpus for what \(unknown.prefix(3).joined(separator: ", ")) stands for"
            return Proposal([CandidateAction(.call(lookUps), proposer: name, reason: reason, score: 1)], notes: notes)
        }
        return search(with: meanings, state, context, notes: notes)
    }

    /// The search with the meanings.
    private func search(
        with meanings: [Note], _ state: AgentState, _ context: StepContext, notes: [Note]
    ) -> Proposal {
        let query = Self.explained(state.question.text, by: meanings)
        let calls = SearchCalls.calls(query, tools: toolNames, limit: limit, state: state, context: context)
        guard !meanings.isEmpty, !calls.isEmpty else { return Proposal([], notes: notes) }
        let reason = meanings.map { "\($0.key) means \($0.text)" }.joined(separator: "; ")
        return Proposal([CandidateAction(.call(calls), proposer: name, reason: reason, score: 1)], notes: notes)
    }

    /// The context of the question, where a term's meaning hangs on it and a model can say.
    private func field(
        of state: AgentState, _ ambiguous: [Senses], _ context: StepContext
    ) async throws -> String? {
        var contexts: OrderedSet<String> = []
        for senses in ambiguous { contexts.formUnion(senses.keys) }
        guard context.hasModel, contexts.count > 1 else { return nil }
        let text = try await ModelText.ask(
            """
            To which of these fields does the question belong? Reply with its name and nothing else: \
            \(contexts.joined(separator: ", ")).
            """, state.question.text, evidence: nil, options: SamplingOptions(temperature: 0, maxTokens: 16),
            purpose: "context", state: state, context: context, constraint: .choices(Array(contexts)))
        let named = ModelText.firstLine(text).lowercased()
        return contexts.first { $0.lowercased() == named } ?? contexts.first { named.contains($0.lowercased()) }
    }

    private func lookUp(_ term: String, _ state: AgentState, _ context: StepContext) -> ToolInvocation? {
        let arguments: JSONValue = ["text": .string("(\(term))"), "case_sensitive": true, "limit": 3]
        let call = ToolInvocation(tool: FindTextTool.name, arguments: arguments.serialized())
        return context.tools[call.tool] == nil || state.hasCalled(call) ? nil : call
    }

    /// After looking in the corpus: the search with what its passages say that the terms stand for.
    private func learned(_ state: AgentState, _ context: StepContext) -> Proposal {
        guard looksUp, !state.hasNote("jargon_learned", key: "") else { return Proposal() }
        var notes = [Note(kind: "jargon_learned", key: "", text: "the corpus was looked through")]
        for unknown in state.notes where unknown.kind == "unknown_term" {
            for found in state.retrieved.values {
                guard let meaning = Self.meaning(of: unknown.key, in: found.passage.text) else { continue }
                notes.append(Note(kind: "jargon", key: unknown.key, text: meaning))
                break
            }
        }
        let known = state.notes.filter { $0.kind == "jargon" }
        return search(with: known + notes.filter { $0.kind == "jargon" }, state, context, notes: notes)
    }

    /// The words before `(TERM)` that begin with its letters, small words between them left aside.
    static func meaning(of term: String, in text: String) -> String? {
        guard let range = text.range(of: "(\(term))") else { return nil }
        let words = text[..<range.lowerBound].split(whereSeparator: \.isWhitespace).suffix(2 * term.count + 2)
        var letters = Array(term.lowercased().filter { $0.isLetter || $0.isNumber })[...]
        var start: Int?
        for index in words.indices.reversed() {
            if letters.isEmpty { break }
            // Both halves of a hyphenated word may give a letter.
            var given = false
            for part in words[index].split(separator: "-").reversed()
            where part.lowercased().first(where: { $0.isLetter || $0.isNumber }) == letters.last {
                letters.removeLast()
                given = true
                if letters.isEmpty { break }
            }
            if given {
                start = index
            } else if words[index].count > 3 {
                return nil
            }
        }
        guard letters.isEmpty, let start else { return nil }
        return words[start...].joined(separator: " ")
    }
}
