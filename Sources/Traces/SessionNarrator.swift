// SPDX-License-Identifier: Apache-2.0

import Base
public import Episodes
import Foundation
import LanguageModels
import OrderedCollections
import Text
import Tools

/// Tells a session as text, event by event: what is looked for, what is found, and the answer with its citations; in full
/// detail also what every component decided and why.
public struct SessionNarrator: Sendable {
    /// How much is told.
    public enum Detail: Sendable, Hashable {
        /// What a person who asked wants to follow: searches, findings, the answer.
        case story
        /// Every decision with its measure, its reason and what it was chosen over.
        case full
    }

    /// How much is told.
    public var detail: Detail
    /// Whether to use colours and bold (a terminal), or plain text.
    public var usesStyle: Bool
    /// The widest line, in characters; longer ones are cut with an ellipsis.
    public var width: Int
    private var candidates: [CandidateAction] = []
    private var evidence: Set<String> = []
    private var calls: [String: ToolCallRecord] = [:]
    private var purposes: [String: String] = [:]

    public init(detail: Detail = .story, usesStyle: Bool = false, width: Int = 120) {
        self.detail = detail
        self.usesStyle = usesStyle
        self.width = max(40, width)
    }

    /// The lines of an event; none for what a reader need not see.
    public mutating func lines(for event: SessionEvent) -> [String] {
        switch detail {
        case .story: storyLines(for: event)
        case .full: fullLines(for: event)
        }
    }

    private mutating func storyLines(for event: SessionEvent) -> [String] {
        switch event.kind {
        case .started(let header): return [bold(line(header.question.text)), ""]
        case .toolCalled(let record):
            calls[record.id] = record
            return []
        case .toolReturned(let id, let output):
            let invocation = calls[id]?.invocation
            return [
                line(Self.deed(invocation?.tool ?? "", invocation?.arguments ?? "")), dim(line("   " + output.summary)),
            ]
        case .modelCalled(let record):
            purposes[record.id] = record.purpose
            return []
        case .modelReturned(let id, let response):
            let thought = response.completions.first?.message.reasoning ?? ""
            guard purposes[id] == LoopRules.actingPurpose, !thought.isEmpty else { return [] }
            return [dim(line("(" + thought + ")"))]
        case .modelFailed(_, let error): return [line("The model failed: \(error)")]
        case .kept(let keeping): return kept(keeping)
        case .corrected(_, let message): return [dim(line("The model is asked again: " + message))]
        case .interrupted: return ["Finishing, as you asked …"]
        case .closing(let reason):
            switch reason {
            case .answered, .confident, .exhausted: return []
            default: return [dim(line("Stops here: " + reason.explanation + "."))]
            }
        case .answered(let answer): return told(answer)
        case .finished(_, let spent):
            var text = Self.counted(spent.toolCalls, "look-up")
            if spent.modelCalls > 0 {
                text += ", \(Self.counted(spent.modelCalls, "model call")), "
                text += "\(spent.promptTokens) tokens read and \(spent.completionTokens) written"
            }
            return ["", dim(text)]
        case .stepStarted, .assessed, .proposed, .chose: return []
        }
    }

    /// What a call does, as a sentence; a tool of the user's own by its name and arguments.
    private static func deed(_ tool: String, _ arguments: String) -> String {
        let object = (try? JSONValue(parsing: arguments))?.object ?? [:]
        func text(_ key: String) -> String { object[key].map { $0.string ?? $0.serialized() } ?? "" }
        let query = text("query")
        switch tool {
        case "keyword_search" where !query.isEmpty: return "Looks for the words “\(query)”"
        case "semantic_search" where !query.isEmpty: return "Looks for passages about “\(query)”"
        case "read" where object["ids"] != nil:
            return "Reads \((object["ids"]?.array ?? []).compactMap(\.string).joined(separator: ", "))"
        case "links":
            return "Follows the links of \((object["ids"]?.array ?? []).compactMap(\.string).joined(separator: ", "))"
        case "read": return "Reads on in \(text("over"))"
        case "filter" where object["where"] != nil: return "Selects all documents where \(text("where"))"
        case "filter": return "Selects all documents"
        case "aggregate": return "Counts and compares: \(Self.arguments(arguments))"
        default: return "Calls \(tool)(\(Self.arguments(arguments)))"
        }
    }

    private mutating func fullLines(for event: SessionEvent) -> [String] {
        switch event.kind {
        case .started(let header):
            let model = header.model.name.isEmpty ? "no model" : "model \(header.model.name)"
            let dialogue = header.question.dialogue
            let asked = dialogue.asked.isEmpty ? [] : [dim(line("asked as: " + dialogue.asked))]
            return [bold(line("Question: " + header.question.text))] + asked + [
                dim(
                    line(
                        "policy \(header.policy.name), \(model), corpus \(header.corpus.name), session \(header.session)"
                    ))
            ]
        case .stepStarted(let step): return ["", bold("Step \(step)")]
        case .assessed(let decision):
            var text = decision.retrieve ? "  gate: retrieve" : "  gate: certain enough"
            if let value = decision.uncertainty {
                text += " (\(decision.measure) \(Self.number(value))"
                if let threshold = decision.threshold { text += ", threshold \(Self.number(threshold))" }
                text += ")"
            }
            return [line(text + (decision.reason.isEmpty ? "" : ": " + decision.reason))]
        case .modelCalled(let record):
            purposes[record.id] = record.purpose
            return []
        case .modelReturned(let id, let response):
            guard let message = response.completions.first?.message else { return [] }
            let thought = message.reasoning.isEmpty ? "" : message.reasoning
            var lines: [String] = []
            if !thought.isEmpty { lines.append(dim(line("  thinks: " + thought))) }
            if purposes[id] != LoopRules.actingPurpose, purposes[id] != "answer", !message.content.isEmpty {
                lines.append(dim(line("  model (\(purposes[id] ?? "?")): " + message.content)))
            }
            return lines
        case .modelFailed(_, let error): return [line("  model failed: \(error)")]
        case .proposed(let proposal):
            candidates = proposal.candidates
            return proposal.notes.map { dim(line("  \($0.kind)\($0.key.isEmpty ? "" : " " + $0.key): \($0.text)")) }
        case .chose(let choice): return chosen(choice)
        case .toolCalled(let record):
            calls[record.id] = record
            return []
        case .toolReturned(let id, let output):
            let record = calls[id]
            let arguments = Self.arguments(record?.invocation.arguments ?? "")
            return [line("  → \(record?.invocation.tool ?? "?")(\(arguments))"), line("    \(output.summary)")]
        case .kept(let keeping): return kept(keeping)
        case .corrected(_, let message): return [line("  corrected: " + message)]
        case .interrupted: return ["  finishing, as you asked …"]
        case .closing(let reason): return ["", line("Stopped (\(reason.name)): \(reason.explanation)")]
        case .answered(let answer): return told(answer)
        case .finished(_, let spent):
            var text = "\(Self.counted(spent.steps, "step")), \(Self.counted(spent.toolCalls, "tool call"))"
            if spent.modelCalls > 0 {
                text +=
                    ", \(Self.counted(spent.modelCalls, "model call")), \(spent.promptTokens) + \(spent.completionTokens) tokens"
            }
            if spent.estimatedCalls > 0 {
                text += " (of \(Self.counted(spent.estimatedCalls, "call")) estimated: the server did not say)"
            }
            if spent.money > 0 { text += ", \(Self.number(spent.money)) spent" }
            return [dim(text)]
        }
    }

    private func chosen(_ choice: PolicyChoice) -> [String] {
        guard candidates.indices.contains(choice.index) else { return [] }
        let candidate = candidates[choice.index]
        var lines: [String] = []
        switch candidate.kind {
        case .call: lines = [line("  tries \(candidate.proposer): \(candidate.reason)")]
        case .keep(let ids): lines = [line("  keeps \(ids.joined(separator: ", ")): \(candidate.reason)")]
        case .answer: lines = [line("  answers: \(candidate.reason)")]
        case .correct: lines = []
        case .giveUp: lines = [line("  gives up: \(candidate.reason)")]
        }
        var others: OrderedDictionary<String, Int> = [:]
        for index in candidates.indices where index != choice.index {
            others[candidates[index].proposer, default: 0] += 1
        }
        let named = others.map { name, count in
            name == candidate.proposer ? "\(count) more of \(name)" : count > 1 ? "\(count) of \(name)" : name
        }
        if !named.isEmpty { lines.append(dim(line("    (rather than \(named.joined(separator: ", ")))"))) }
        return lines
    }

    private mutating func kept(_ keeping: Keeping) -> [String] {
        var lines: [String] = []
        for item in keeping.kept where evidence.insert(item.passageID).inserted {
            let why = item.reason.isEmpty ? "" : " (\(item.reason))"
            lines.append(line("  + [\(item.passageID)] \(item.title)\(why)"))
        }
        let shown = 5
        if lines.count > shown {
            let more = lines.count - shown
            lines = Array(lines.prefix(shown)) + [dim("  + \(more) more")]
        }
        for id in keeping.dropped { evidence.remove(id) }
        for (id, reason) in keeping.suspicious.sorted(by: { $0.key < $1.key }) {
            lines.append(line("  ! [\(id)] kept out: \(reason)"))
        }
        return lines
    }

    private func told(_ answer: Answer) -> [String] {
        var lines = ["", bold("Answer") + " (\(origin(of: answer))): " + Self.clean(answer.text)]
        if let short = answer.short, short != answer.text, answer.label != .aggregate {
            lines.append("In short: " + bold(Self.clean(short)))
        }
        for citation in answer.citations {
            let repaired = citation.repairedFrom.map { ", repaired from \"\($0)\"" } ?? ""
            lines.append(
                line(
                    "  [\(citation.passageID)] \(citation.title)"
                        + (detail == .full ? " (support \(Self.number(citation.support))\(repaired))" : ""))
            )
            if !citation.quote.isEmpty, citation.quote != answer.text {
                lines.append(dim(line("      “\(citation.quote)”")))
            }
        }
        if !answer.isSupported {
            lines.append("  (no passage that was found supports it)")
        } else if answer.citations.isEmpty, answer.label != .none {
            lines.append("  (it cites no passage)")
        }
        return lines
    }

    /// Who made an answer, for a person.
    private func origin(of answer: Answer) -> String {
        switch answer.label {
        case .extractive: "a sentence of a passage"
        case .span: "found in a passage"
        case .model: "written by \(answer.answerer.isEmpty ? "the model" : answer.answerer)"
        case .memory where !calls.isEmpty: "from the model's memory; nothing that was found was used"
        case .memory: "from the model's memory, nothing was looked up"
        case .aggregate: "computed over all that qualifies"
        case .none: calls.isEmpty ? "nothing was looked up" : "not in this corpus"
        }
    }

    private static func arguments(_ text: String) -> String {
        guard let object = (try? JSONValue(parsing: text))?.object else { return text }
        return object.map { key, value in key + ": " + (value.string.map { "\"\($0)\"" } ?? value.serialized()) }
            .joined(separator: ", ")
    }

    private static func counted(_ count: Int, _ noun: String) -> String { "\(count) \(noun)\(count == 1 ? "" : "s")" }

    static func number(_ value: Double) -> String {
        String(format: "%.3g", locale: Locale(identifier: "en_US_POSIX"), value)
    }

    /// The text without control characters and terminal escapes, on one line.
    public static func clean(_ text: String) -> String {
        var result = String.UnicodeScalarView()
        var lastWasSpace = false
        for scalar in text.unicodeScalars {
            let isControl = scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value) || scalar.value == 0x2028
            // Direction overrides make a terminal show another text than it holds; what has no width hides words.
            if scalar.value == 0xAD || !isControl && TerminalText.isUnsafe(scalar) { continue }
            if isControl || scalar == " " {
                if !lastWasSpace { result.append(" ") }
                lastWasSpace = true
            } else {
                result.append(scalar)
                lastWasSpace = false
            }
        }
        return String(result)
    }

    /// The text without control characters and terminal escapes, its lines kept: for text that comes in pieces.
    public static func cleanLines(_ text: String) -> String {
        text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
            clean(String(line))
        }.joined(separator: "\n")
    }

    private func line(_ text: String) -> String {
        let indent = text.prefix { $0 == " " }
        let clean = indent + Self.clean(String(text.dropFirst(indent.count)))
        return clean.count > width ? clean.prefix(width - 1) + "…" : String(clean)
    }

    private func bold(_ text: String) -> String { usesStyle ? "\u{1B}[1m\(text)\u{1B}[0m" : text }
    private func dim(_ text: String) -> String { usesStyle ? "\u{1B}[2m\(text)\u{1B}[0m" : text }
}
