// SPDX-License-Identifier: Apache-2.0

import Base
public import LanguageModels
import OrderedCollections
import Text

/// Turns what is asked within a conversation into a question that stands alone: what is searched for must name what it is
/// about. The model rewrites it where there is one; its rewriting is taken only when it keeps what was asked, else a rule's.
public struct FollowUp: Sendable {
    /// The model's part; nil leaves it to the rule.
    public var model: (any LanguageModel)?
    /// The longest time for the model, in seconds. Default 60.
    public var timeout = 60.0

    public init(model: (any LanguageModel)? = nil) { self.model = model }

    /// The question for a session.
    /// - Parameters:
    ///   - asked: what was typed.
    ///   - dialogue: what was said before.
    /// - Returns: the question that stands alone, with the dialogue, which says who rewrote it and what that cost.
    /// - Throws: `CancellationError`.
    public func question(_ asked: String, in dialogue: Dialogue) async throws -> Question {
        var dialogue = dialogue
        guard !dialogue.turns.isEmpty else { return Question(asked, dialogue: dialogue) }
        let byRule = FollowUpRule.standalone(asked, after: dialogue.turns)
        var text = byRule
        dialogue.rewriter = byRule == asked ? "" : "rule"
        if let model {
            do {
                let response = try await model.respond(to: request(asked, dialogue)) { _ in }
                dialogue.usage = response.usage
                let written = response.completions.first?.message.content ?? ""
                if let rewritten = Self.accepted(written, for: asked, dialogue) {
                    text = rewritten
                    dialogue.rewriter = rewritten == asked ? "" : model.name
                }
            } catch let error as CancellationError {
                throw error
            } catch {
                // The session will meet the same failure and report it; the rule's rewriting serves until then.
            }
        }
        if text != asked { dialogue.asked = asked }
        return Question(text, dialogue: dialogue)
    }

    private func request(_ asked: String, _ dialogue: Dialogue) -> ModelRequest {
        var lines: [String] = []
        for turn in dialogue.turns.suffix(6) {
            lines.append("User: " + turn.question.prefix(400))
            if !turn.answer.isEmpty { lines.append("Assistant: " + Fence.neutralised(String(turn.answer.prefix(400)))) }
        }
        lines.append("User: " + asked)
        return ModelRequest(
            messages: [
                ChatMessage(
                    role: .system,
                    content: """
                        Rewrite the user's last question so that it can be understood without the conversation: put names in \
                        the place of words such as it, he, they or there, and add what it leaves out. Change nothing else, and \
                        do not answer it. When it can be understood as it is, repeat it. Write only the question.
                        """),
                ChatMessage(role: .user, content: lines.joined(separator: "\n")),
            ], toolChoice: .none,
            options: SamplingOptions(temperature: 0, seed: 0, maxTokens: 256, timeout: timeout))
    }

    /// The model's rewriting, when it is one question that keeps the words of what was asked and takes its names from the
    /// conversation.
    static func accepted(_ written: String, for asked: String, _ dialogue: Dialogue) -> String? {
        var text = AnswerText.written(written)
        for prefix in ["rewritten question:", "question:", "user:"]
        where text.lowercased().drop(while: \.isWhitespace).hasPrefix(prefix) {
            text = String(text.drop(while: \.isWhitespace).dropFirst(prefix.count))
        }
        let lines = text.split(whereSeparator: \.isNewline).map {
            $0.trimming { $0.isWhitespace || $0 == "\"" || $0 == "*" }
        }
        .filter { !$0.isEmpty }
        guard lines.count == 1, let line = lines.first, line.count <= asked.count + 240 else { return nil }
        let kept = EvidenceWords.terms(asked)
        let now = EvidenceWords.terms(line)
        let shared = kept.intersection(now).count
        guard shared * 3 >= kept.count * 2 else { return nil }
        // A word from nowhere is the model's answer or its invention.
        var known = kept
        for turn in dialogue.turns {
            known.formUnion(EvidenceWords.terms(turn.question))
            known.formUnion(EvidenceWords.terms(turn.standalone))
            known.formUnion(EvidenceWords.terms(turn.answer))
        }
        guard now.subtracting(known).count <= 1 else { return nil }
        return line
    }
}

extension StringProtocol {
    fileprivate func trimming(_ isTrimmed: (Character) -> Bool) -> String {
        var text = self[...]
        while let first = text.first, isTrimmed(first) { text = text.dropFirst() }
        while let last = text.last, isTrimmed(last) { text = text.dropLast() }
        return String(text)
    }
}
