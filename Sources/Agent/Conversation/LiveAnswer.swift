// SPDX-License-Identifier: Apache-2.0

import Base
import LanguageModels
import OrderedCollections
import Text

/// The answer of a running session, piece by piece, as its model writes it: without reasoning, with citations resolved, and
/// without the last line that holds only its short form. What is shown is never taken back, so nothing is shown before it is
/// certain to be part of the answer.
public struct LiveAnswer: Sendable {
    /// What an update shows.
    public enum Piece: Sendable, Hashable {
        /// The next words of the answer.
        case text(String)
        /// A model writes what is not (yet) shown: how many pieces it has written, which is about its tokens.
        case thinking(tokens: Int)
        /// Reasoning, as the model writes it.
        case reasoning(String)
    }

    /// The text of the answer that has been shown.
    public private(set) var shown = ""
    private var loop: AgentLoop?
    private var purposes: [String: String] = [:]
    private var call: String?
    private var raw = ""
    private var tokens = 0
    /// The bytes of `raw` when it was last looked at as a whole.
    private var seen = 0
    private var resolver: CitationResolver?
    private var isShaped = false

    public init() {}

    /// Takes an update of the session.
    public mutating func take(_ update: SessionUpdate) -> [Piece] {
        switch update {
        case .event(let event):
            take(event)
            return []
        case .model(let call, let event): return take(event, of: call)
        }
    }

    private mutating func take(_ event: SessionEvent) {
        switch event.kind {
        case .started(let header):
            loop = AgentLoop(header: header)
            isShaped = header.question.dialogue.format != nil
        case .modelCalled(let record):
            purposes[record.id] = record.purpose
            tokens = 0
        default: break
        }
        loop?.receive(event)
    }

    private mutating func take(_ event: ModelStreamEvent, of id: String) -> [Piece] {
        switch event {
        case .retrying:
            raw = ""
            return []
        case .toolCallStarted:
            // What was written before a call is a thought about it.
            let thought = call == id ? raw : ""
            raw = ""
            return thought.isEmpty || !shown.isEmpty ? [] : [.reasoning(thought)]
        case .reasoning(_, let text):
            tokens += 1
            return [.thinking(tokens: tokens), .reasoning(text)]
        case .content(let sample, let text):
            tokens += 1
            let purpose = purposes[id] ?? ""
            guard sample == 0, !isShaped, purpose == "answer" || purpose == LoopRules.actingPurpose else {
                return [.thinking(tokens: tokens)]
            }
            if call != id {
                call = id
                raw = ""
                seen = 0
                resolver = loop.map { CitationResolver(state: $0.state) }
            }
            guard raw.utf8.count < 64 << 10 else { return [.thinking(tokens: tokens)] }
            raw += text
            // Every look is at the whole: a long text is looked at less often, so that all looks together stay few.
            let length = raw.utf8.count
            guard length < 8192 || length - seen >= length / 64 || length < seen else {
                return [.thinking(tokens: tokens)]
            }
            seen = length
            // A turn of an acting model may still turn into a call; one that cites what was found is an answer.
            let (written, cites) = certain
            guard purpose == "answer" || cites || !shown.isEmpty else { return [.thinking(tokens: tokens)] }
            guard written.count > shown.count, written.hasPrefix(shown) else { return [.thinking(tokens: tokens)] }
            let next = String(written.dropFirst(shown.count))
            shown = written
            return [.text(next)]
        }
    }

    /// The part of what was written that no further word can change, and whether it cites anything.
    private var certain: (text: String, cites: Bool) {
        var text = AnswerText.written(raw.replacing("\r\n", with: "\n"))
        // A tag or a citation that is not closed yet.
        if let open = text.lastIndex(where: { $0 == "<" }), text[open...].count < 64, !text[open...].contains(">") {
            text = String(text[..<open])
        }
        if let open = text.lastIndex(of: "◁"), !text[open...].contains("▷") { text = String(text[..<open]) }
        if let open = text.lastIndex(where: { $0 == "[" || $0 == "【" }) {
            let rest = text[open...]
            let close = rest.firstIndex { $0 == "]" || $0 == "】" }
            // One that closes at the end may be a citation or not, by what follows.
            let isOpen = close.map { rest[$0...].dropFirst().allSatisfy(\.isWhitespace) } ?? true
            let isLong = rest.utf8.count > CitationResolver.longestCitation || rest.contains("\n") && close == nil
            let isKnown = close.map { resolver?.resolve(String(rest[..<$0].dropFirst())) != .unknown } ?? false
            if isOpen, !isLong, !isKnown { text = String(text[..<open]) }
        }
        if text.contains("\\boxed") { return ("", false) }
        // The last line may be the short form.
        if let line = text.split(separator: "\n", omittingEmptySubsequences: false).last {
            let plain = line.lowercased().drop { $0.isWhitespace || $0 == "*" || $0 == "#" }
            let marks = [
                "answer:", "final answer:", "short answer:", "<answer>", "user:", "human:", "question:", "assistant:",
                "instruction:",
            ]
            if marks.contains(where: { $0.hasPrefix(plain) || plain.hasPrefix($0) }) {
                text = String(text.dropLast(line.count))
            }
        }
        guard let resolver else { return ("", false) }
        // What a number in brackets stands for is known only when the answer is there.
        if let number = text.firstMatch(of: /\[\s*[0-9]{1,3}(\s*,\s*[0-9]{1,3})*\s*\]/) {
            let written = text[number.range].dropFirst().dropLast()
            if resolver.resolve(String(written)) == .unknown { text = String(text[..<number.range.lowerBound]) }
        }
        let resolved = resolver.resolvedBrackets(in: text)
        var shown = resolved.text[...]
        while let first = shown.first, first.isWhitespace { shown = shown.dropFirst() }
        while let last = shown.last, last.isWhitespace { shown = shown.dropLast() }
        return (String(shown), resolved.cites)
    }

    /// What is left to show when the answer is there.
    public mutating func rest(of answer: String) -> String {
        defer { shown = answer }
        if answer.hasPrefix(shown) { return String(answer.dropFirst(shown.count)) }
        // The answer is another than what its model wrote: both cannot be unsaid, so the last word is marked as such.
        return "\n\nCorrection: " + answer
    }
}
