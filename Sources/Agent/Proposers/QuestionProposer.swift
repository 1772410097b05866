// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
import OrderedCollections
import Text
import Tools

/// Searches for the question as it stands, by words and by meaning at the same time; where jargon of it was looked up,
/// with the meanings, so that it is not searched twice.
public struct QuestionProposer: ActionProposer {
    public var name: String { "question" }
    /// The search tools that are called; those that the session does not have are left out.
    public var tools: [String]
    /// How many results each search asks for. Default 10.
    public var limit: Int

    public init(tools: [String] = ["keyword_search", "semantic_search"], limit: Int = 10) {
        self.tools = tools
        self.limit = limit
    }

    public func propose(in state: AgentState, using context: StepContext) async throws -> Proposal {
        let query = JargonProposer.explained(state.question.text, by: state.notes)
        let calls = SearchCalls.calls(query, tools: tools, limit: limit, state: state, context: context)
        guard !calls.isEmpty else { return Proposal() }
        return Proposal([
            CandidateAction(.call(calls), proposer: name, reason: "search for the question itself", score: 1)
        ])
    }
}

/// Search calls that several proposers make.
enum SearchCalls {
    /// A search by vectors that was not made yet.
    static func vectorCalls(
        _ arguments: JSONObject, limit: Int, state: AgentState, isEmpty: Bool = false
    ) -> [ToolInvocation] {
        var arguments = arguments
        arguments["limit"] = .integer(limit)
        let call = ToolInvocation(tool: VectorSearchTool.name, arguments: JSONValue.object(arguments).serialized())
        return isEmpty || state.hasCalled(call) ? [] : [call]
    }

    /// Calls of the given search tools that the session has, the corpus has an index for, and that were not made yet.
    static func calls(
        _ query: String, tools: [String], limit: Int, state: AgentState, context: StepContext
    ) -> [ToolInvocation] {
        let modes = context.corpus.summary.modes
        return tools.compactMap { tool in
            guard context.tools[tool] != nil else { return nil }
            let mode = RetrievalMode.allCases.first { tool == $0.rawValue + "_search" }
            if let mode, !modes.contains(mode) { return nil }
            let arguments: JSONValue = ["query": .string(query), "limit": .integer(limit)]
            let call = ToolInvocation(tool: tool, arguments: arguments.serialized())
            return state.hasCalled(call) ? nil : call
        }
    }
}
