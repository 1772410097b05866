// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import LanguageModels
public import OrderedCollections
import Text

/// Looks jargon and abbreviations of the question up in a dictionary, and searches with their meanings in the query
/// (after An et al., "Golden-Retriever", 2024). A term that looks like jargon and is not in the dictionary is said to be
/// unknown, as a note that the answer can own up to.
public struct JargonProposer: ActionProposer {
    public var name: String { "jargon" }
    /// Meanings by term, as written.
    public var dictionary: OrderedDictionary<String, String>
    public var tools: [String]
    public var limit: Int

    public init(
        dictionary: OrderedDictionary<String, String>, tools: [String] = ["keyword_search", "semantic_search"],
        limit: Int = 10
    ) {
        self.dictionary = dictionary
        self.tools = tools
        self.limit = limit
    }

    /// Reads a dictionary file: YAML, one `term: meaning` a line.
    public static func dictionary(file path: String) throws -> OrderedDictionary<String, String> {
        let content = try YAMLReader.read(file: path)
        guard let members = content.object else {
            throw PolicyError(file: path, message: "expected `term: meaning` lines")
        }
        var dictionary: OrderedDictionary<String, String> = [:]
        for (term, meaning) in members {
            guard let text = meaning.string else {
                throw PolicyError(file: path, path: term, message: "expected a text")
            }
            dictionary[term] = text
        }
        return dictionary
    }

    /// The question with the meanings that were looked up.
    static func explained(_ question: String, by notes: [Note]) -> String {
        let meanings = notes.filter { $0.kind == "jargon" }.map { "(\($0.key): \($0.text))" }
        return ([question] + meanings).joined(separator: " ")
    }

    public func propose(in state: AgentState, using context: StepContext) async throws -> Proposal {
        guard !state.notes.contains(where: { $0.kind == "jargon" || $0.kind == "unknown_term" }) else {
            return Proposal()
        }
        let question = state.question.text
        let words = question.split { !$0.isLetter && !$0.isNumber && $0 != "-" }.map(String.init)
        var notes: [Note] = []
        for (term, meaning) in dictionary {
            let isAbbreviation = term == term.uppercased()
            let occurs =
                term.contains(" ")
                ? question.lowercased().contains(term.lowercased())
                : words.contains { isAbbreviation ? $0 == term : $0.lowercased() == term.lowercased() }
            if occurs { notes.append(Note(kind: "jargon", key: term, text: meaning)) }
        }
        for word in words
        where (2...8).contains(word.count) && word == word.uppercased() && word.contains(where: \.isLetter) {
            if dictionary[word] == nil, !notes.contains(where: { $0.key == word }) {
                notes.append(Note(kind: "unknown_term", key: word, text: "\(word) is not in the dictionary"))
            }
        }
        let meanings = notes.filter { $0.kind == "jargon" }
        guard !meanings.isEmpty else { return Proposal([], notes: notes) }
        let query = Self.explained(question, by: notes)
        let calls = SearchCalls.calls(query, tools: tools, limit: limit, state: state, context: context)
        guard !calls.isEmpty else { return Proposal([], notes: notes) }
        let reason = meanings.map { "\($0.key) means \($0.text)" }.joined(separator: "; ")
        return Proposal([CandidateAction(.call(calls), proposer: name, reason: reason, score: 1)], notes: notes)
    }
}
