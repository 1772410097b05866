// SPDX-License-Identifier: Apache-2.0

import Base
public import Corpus
import LanguageModels
import OrderedCollections
import QualityMetrics
import Tools

extension Dialogue {
    /// The most passages that are carried from one question to the next.
    static let carried = 12
    /// The newest turns that count; what was said before them is not read.
    public static let turnsRead = 32
    /// The characters of a question or an answer that count.
    static let charactersRead = 8192

    /// What a session leaves to the question after it: its question and answer, and the passages that the answer cites.
    /// - Parameters:
    ///   - events: the session's events, whole or cut off.
    ///   - id: the session's id.
    /// - Returns: nil when the events do not begin with a session's first.
    public static func after(_ events: [SessionEvent], session id: String) -> Dialogue? {
        guard let first = events.first, case .started(let header) = first.kind else { return nil }
        var dialogue = header.question.dialogue
        let asked = dialogue.asked.isEmpty ? header.question.text : dialogue.asked
        var turn = Turn(question: asked, standalone: header.question.text)
        var passages: [String: EvidenceItem] = [:]
        for item in dialogue.evidence { passages[item.passageID] = item }
        var cited: [EvidenceItem] = []
        for event in events {
            switch event.kind {
            case .toolReturned(_, let output):
                for scored in output.passages where passages[scored.passage.id] == nil {
                    passages[scored.passage.id] = EvidenceItem(scored.passage, score: scored.score)
                }
            case .kept(let keeping):
                for item in keeping.kept where passages[item.passageID] == nil { passages[item.passageID] = item }
            case .answered(let answer):
                // That there is no answer, and how one was counted, is nothing to refer to.
                turn.answer = answer.label == .none ? "" : answer.label == .aggregate ? answer.prediction : answer.text
                turn.short = answer.label == .none ? "" : answer.short ?? ""
                cited = answer.citations.compactMap { passages[$0.passageID] }
            default: break
            }
        }
        let kept = Set(cited.map(\.passageID))
        dialogue.evidence = Array((cited + dialogue.evidence.filter { !kept.contains($0.passageID) }).prefix(carried))
        dialogue.turns = Array((dialogue.turns + [turn]).suffix(turnsRead))
        if dialogue.conversation.isEmpty { dialogue.conversation = id }
        dialogue.previous = id
        dialogue.asked = ""
        dialogue.rewriter = ""
        dialogue.usage = TokenUsage()
        dialogue.format = nil
        return dialogue
    }

    /// What stands in a conversation that a client sends: turns, and the passages that its answers cite by id in brackets.
    /// - Parameter passages: looks a passage up by its id; ids that are none are no citations.
    public static func from(
        _ messages: [(isUser: Bool, text: String)], passages: (String) async throws -> [Passage]
    ) async throws -> Dialogue {
        var dialogue = Dialogue()
        var cited: [String] = []
        for (isUser, whole) in newest(messages) {
            let text = whole.head(charactersRead)
            if isUser {
                dialogue.turns.append(Turn(question: text))
            } else if let last = dialogue.turns.indices.last, !Answer.isNothing(text) {
                let ids = bracketed(text)
                cited = ids + cited.filter { !ids.contains($0) }
                dialogue.turns[last].answer =
                    dialogue.turns[last].answer.isEmpty
                    ? text : (dialogue.turns[last].answer + "\n" + text).head(charactersRead)
                // How many documents were counted is no part of what the answer names.
                let counted = /\s*\(of [0-9,.]+ [^()]{0,80}\)/
                let plain = withoutBrackets(text.replacing(counted, with: ""))
                let isShort = plain.count <= 80 && !plain.contains("\n") && isName(plain)
                if isShort, !AbstentionWording.isAbstention(plain) { dialogue.turns[last].short = plain }
            }
        }
        for index in dialogue.turns.indices {
            let before = Array(dialogue.turns[..<index])
            dialogue.turns[index].standalone = FollowUpRule.standalone(dialogue.turns[index].question, after: before)
        }
        for id in cited.prefix(carried * 2) where dialogue.evidence.count < carried {
            let found = try await passages(id)
            guard found.count == 1, let passage = found.first else { continue }
            dialogue.evidence.append(EvidenceItem(passage, score: 0))
        }
        return dialogue
    }

    /// The messages from the first question of the newest turns on.
    private static func newest(_ messages: [(isUser: Bool, text: String)]) -> ArraySlice<(isUser: Bool, text: String)> {
        var start = messages.endIndex
        var turns = 0
        // Answers without a question between them are one turn's; a few of them are enough.
        while start > messages.startIndex, turns < turnsRead, messages.endIndex - start < 4 * turnsRead {
            start -= 1
            if messages[start].isUser { turns += 1 }
        }
        return messages[start...]
    }

    /// What stands in square brackets, one entry each; ids may hold commas, so the whole comes first.
    private static func bracketed(_ text: String) -> [String] {
        var result: [String] = []
        var known: Set<String> = []
        var rest = text[...]
        while let open = rest.firstIndex(of: "["), let close = rest[open...].firstIndex(of: "]"), result.count < 64 {
            let inner = rest[rest.index(after: open)..<close]
            if (1...600).contains(inner.utf8.count) {
                let parts =
                    [String(inner)] + (inner.contains(",") ? inner.split(separator: ",").map { $0.trimmed } : [])
                for part in parts where known.insert(part).inserted { result.append(part) }
            }
            rest = rest[rest.index(after: close)...]
        }
        return result
    }

    /// Whether a text may be what a question asks for, and not a sentence about it.
    private static func isName(_ text: String) -> Bool {
        let words = text.split(separator: " ")
        let opening: Set<Substring> = ["the", "a", "an", "in", "at", "on", "by", "from"]
        if let first = words.first, opening.contains(first), words.count <= 6 { return true }
        return words.count <= 3 && !text.hasSuffix(".") || words.allSatisfy { $0.first?.isLowercase != true }
            || !words.contains { $0.first?.isUppercase == true }
    }

    private static func withoutBrackets(_ text: String) -> String {
        var result = ""
        var depth = 0
        for character in text {
            if character == "[" { depth += 1 }
            if depth == 0 { result.append(character) }
            if character == "]", depth > 0 { depth -= 1 }
        }
        return result[...].trimmed
    }
}

extension Substring {
    fileprivate var trimmed: String {
        var text = self
        while let first = text.first, first.isWhitespace { text = text.dropFirst() }
        while let last = text.last, last.isWhitespace { text = text.dropLast() }
        return String(text)
    }
}

extension EvidenceItem {
    init(_ passage: Passage, score: Double) {
        self.init(
            passageID: passage.id, documentID: passage.documentID, title: passage.title, text: passage.text,
            score: score)
    }
}
