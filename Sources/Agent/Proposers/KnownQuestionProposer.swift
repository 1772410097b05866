// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
import Foundation
import LanguageModels
import OrderedCollections
import Search
import Text
public import Tools

/// Looks a question up among those that were written for the corpus's passages beforehand: first for their passages; then,
/// where one is the same question in nearly the same words and its passage still holds the answer, that answer is offered,
/// with the passage as its citation. Any other question goes on with what was found.
public struct KnownQuestionProposer: ActionProposer {
    public var name: String { "prepared" }
    public var fingerprint: String { "prepared/1:\(space.entries.count)" }
    public var tools: [any RetrievalTool] { [QuestionSearchTool(space)] }
    public var space: QuestionSpace
    /// How many passages are asked for. Default 5.
    public var limit: Int
    /// How alike a prepared question must be for its answer to be offered, 0 to 1; above 1 offers none. Default 0.85.
    public var likeness: Double

    public init(space: QuestionSpace, limit: Int = 5, likeness: Double = 0.85) {
        self.space = space
        self.limit = limit
        self.likeness = likeness
    }

    public func propose(in state: AgentState, using context: StepContext) async throws -> Proposal {
        let question = state.question.text
        let arguments: JSONValue = ["query": .string(question), "limit": .integer(limit)]
        let call = ToolInvocation(tool: QuestionSearchTool.name, arguments: arguments.serialized())
        guard state.hasCalled(call) else {
            guard context.tools[call.tool] != nil else { return Proposal() }
            return Proposal([
                CandidateAction(.call([call]), proposer: name, reason: "questions that were answered before", score: 1)
            ])
        }
        guard let match = try await space.matches(question, limit: 1).first, match.likeness >= likeness,
            let found = state.retrieved[match.entry.passage],
            !match.entry.answer.isEmpty, found.passage.text.localizedCaseInsensitiveContains(match.entry.answer)
        else { return Proposal() }
        return Proposal([
            CandidateAction(
                .answer(
                    text: "\(match.entry.answer) [\(match.entry.passage)]\nAnswer: \(match.entry.answer)", label: .span),
                proposer: name, reason: "answered before: " + match.entry.question, score: 2)
        ])
    }
}
