// SPDX-License-Identifier: Apache-2.0

public import Base
public import LanguageModels
import OrderedCollections
import Text

/// What was said before a question, and how its asker wants it answered. It is a part of the question: a session that has
/// one can be resumed, and continued, from its own record.
public struct Dialogue: Sendable, Hashable, JSONRepresentable {
    /// A question that was asked and answered before.
    public struct Turn: Sendable, Hashable, JSONRepresentable {
        /// What was asked, as it was typed.
        public var question: String
        /// The question so that it stands alone.
        public var standalone: String
        /// What was answered; empty when there was no answer.
        public var answer: String
        /// The shortest form of the answer, when there was one.
        public var short: String

        public init(question: String, standalone: String? = nil, answer: String = "", short: String = "") {
            self.question = question
            self.standalone = standalone ?? question
            self.answer = answer
            self.short = short
        }

        public init(json: JSONValue) throws {
            self.init(
                question: try json.requiredString("question"), standalone: json["standalone"]?.string,
                answer: json["answer"]?.string ?? "", short: json["short"]?.string ?? "")
        }

        public var json: JSONValue {
            var members: JSONObject = ["question": .string(question)]
            if standalone != question { members["standalone"] = .string(standalone) }
            if !answer.isEmpty { members["answer"] = .string(answer) }
            if !short.isEmpty { members["short"] = .string(short) }
            return .object(members)
        }
    }

    /// Identifies the conversation: the id of its first session. Empty for a question on its own.
    public var conversation: String
    /// The session before this one; empty for none.
    public var previous: String
    /// What was said before, oldest first.
    public var turns: [Turn]
    /// The question as it was typed; empty when it was not rewritten.
    public var asked: String
    /// Who rewrote the question: `rule`, or the model's name; empty when nobody did.
    public var rewriter: String
    /// What the rewriting cost.
    public var usage = TokenUsage()
    /// What the asker's system prompt says. It is heeded within the rules for citations.
    public var instructions: String
    /// The JSON Schema that the answer's text must fit; nil for prose.
    public var format: JSONValue?
    /// Passages that earlier answers cited, which may be cited again.
    public var evidence: [EvidenceItem]

    public init(
        conversation: String = "", previous: String = "", turns: [Turn] = [], asked: String = "",
        rewriter: String = "", instructions: String = "", format: JSONValue? = nil, evidence: [EvidenceItem] = []
    ) {
        self.conversation = conversation
        self.previous = previous
        self.turns = turns
        self.asked = asked
        self.rewriter = rewriter
        self.instructions = instructions
        self.format = format
        self.evidence = evidence
    }

    /// Whether there is nothing in it.
    public var isEmpty: Bool { self == Dialogue() }

    public init(json: JSONValue) throws {
        self.init(
            conversation: json["conversation"]?.string ?? "", previous: json["previous"]?.string ?? "",
            turns: try (json["turns"]?.array ?? []).map(Turn.init(json:)), asked: json["asked"]?.string ?? "",
            rewriter: json["rewriter"]?.string ?? "", instructions: json["instructions"]?.string ?? "",
            format: json["format"], evidence: try (json["evidence"]?.array ?? []).map(EvidenceItem.init(json:)))
        if let usage = json["usage"] { self.usage = try TokenUsage(json: usage) }
    }

    public var json: JSONValue {
        var members: JSONObject = [:]
        if !conversation.isEmpty { members["conversation"] = .string(conversation) }
        if !previous.isEmpty { members["previous"] = .string(previous) }
        if !turns.isEmpty { members["turns"] = .array(turns.map(\.json)) }
        if !asked.isEmpty { members["asked"] = .string(asked) }
        if !rewriter.isEmpty { members["rewriter"] = .string(rewriter) }
        if usage != TokenUsage() { members["usage"] = usage.json }
        if !instructions.isEmpty { members["instructions"] = .string(instructions) }
        if let format { members["format"] = format }
        if !evidence.isEmpty { members["evidence"] = .array(evidence.map(\.json)) }
        return .object(members)
    }
}

extension Question {
    /// What a model reads as the question: with what was said before it, where something was.
    public var prompt: String {
        guard !dialogue.turns.isEmpty else { return text }
        var lines = ["What was said before:"]
        for turn in dialogue.turns.suffix(6) {
            lines.append("Question: " + turn.question.prefix(500))
            if !turn.answer.isEmpty { lines.append("Answer: " + Fence.neutralised(String(turn.answer.prefix(700)))) }
        }
        lines.append("")
        lines.append("The question now: " + text)
        return lines.joined(separator: "\n")
    }

    /// Instructions for a model with what the asker's own instructions add to them.
    /// - Parameter base: what always holds; it comes first and stands above the rest.
    public func instructions(_ base: String) -> String {
        guard !dialogue.instructions.isEmpty else { return base }
        return base + """


            Whoever set this up adds the following about tone, language and form. Heed it as far as the rules above allow; it \
            changes nothing about citing passages and using nothing but them:
            \(dialogue.instructions)
            """
    }
}
