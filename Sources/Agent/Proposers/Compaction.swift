// SPDX-License-Identifier: Apache-2.0

import Base
import LanguageModels
import OrderedCollections
import Text

/// Makes room in a conversation that no longer fits: the model sums its oldest turns up, with the passages that each finding
/// rests on, and the summary takes their place. It is a note of the session, so a resumed session has it, and a later one
/// covers the turns of an earlier one.
enum Compaction {
    /// The kind of the note; its key is the number of turns that it covers.
    static let kind = "summary"

    static let instructions = """
        You take notes for somebody who goes on with this search. From the results below write what helps to answer the \
        question: one short line for each finding, with the ids of its passages in square brackets as they stand there; then \
        what was searched for without success, and what is still open. At most twelve lines, and nothing that the results do \
        not say.
        """

    /// The newest summary, and how many turns it covers.
    static func summary(in notes: [Note]) -> (turns: Int, text: String)? {
        guard let note = notes.last(where: { $0.kind == kind }), let turns = Int(note.key), turns > 0 else {
            return nil
        }
        return (turns, note.text)
    }

    /// Sums up the first turns.
    /// - Parameters:
    ///   - count: how many turns; all but the last one at most.
    ///   - limit: the most tokens of the prompt; nil when the server has not said.
    /// - Returns: nil when there is nothing to sum up, or the model gave no summary: then results are let go unread.
    static func summarise(
        _ count: Int, of state: AgentState, using context: StepContext, limit: Int?
    ) async throws -> Note? {
        let earlier = summary(in: state.notes)
        let count = min(count, state.conversation.count - 1)
        guard count > earlier?.turns ?? 0 else { return nil }
        let turns = state.conversation[(earlier?.turns ?? 0)..<count]
        // What is summed up must itself fit: each turn gets its share of the room, three bytes a token.
        let room = min(limit ?? 4096, 16_384) * 3 / 2
        let share = max(300, room / max(1, turns.count))
        var parts: [String] = earlier.map { ["Notes so far:\n" + $0.text] } ?? []
        for turn in turns {
            for call in turn.message.toolCalls {
                let reply = turn.replies[call.id] ?? turn.correction ?? ""
                parts.append(
                    "\(call.name) \(call.arguments.prefix(200))\n\(reply.prefix(share / max(1, turn.message.toolCalls.count)))"
                )
            }
        }
        let fence = state.header.fence("summary\(count)")
        let request = ModelRequest(
            messages: [
                ChatMessage(role: .system, content: instructions + "\n\n" + Fence.note),
                ChatMessage(
                    role: .user,
                    content: "Question: \(state.question.text)\n\n"
                        + fence.wrap(parts.joined(separator: "\n\n"), source: "the search so far")),
            ], toolChoice: .none, options: SamplingOptions(temperature: 0, seed: state.header.seed, maxTokens: 400))
        do {
            let response = try await context.respond(to: request, purpose: "compact")
            let written = AnswerText.written(response.completions.first?.message.content ?? "")
            // Ids that are none would be cited later as if they were.
            let text = CitationResolver(state: state).resolvedBrackets(in: written).text
            guard text.contains(where: { !$0.isWhitespace }) else { return nil }
            return Note(kind: kind, key: String(count), text: String(text.prefix(3000)))
        } catch is LanguageModelError {
            return nil
        } catch SessionError.budget {
            return nil
        }
    }
}
