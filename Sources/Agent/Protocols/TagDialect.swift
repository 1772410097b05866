// SPDX-License-Identifier: Apache-2.0

import Base

/// The tags with which a model that was trained on a text protocol asks for a search and answers.
public struct TagDialect: Sendable, Hashable {
    public var name: String
    /// Around a query, or around a JSON tool call.
    public var query: (open: String, close: String) { (queryOpen, queryClose) }
    var queryOpen: String
    var queryClose: String
    /// Around what the environment answers.
    public var result: (open: String, close: String) { (resultOpen, resultClose) }
    var resultOpen: String
    var resultClose: String
    /// Around the final answer; empty where the answer is `\boxed{…}`.
    var answerOpen: String
    var answerClose: String
    /// Around reasoning.
    var thinkOpen: String
    var thinkClose: String
    /// Whether a query is a JSON object `{"name": …, "arguments": …}`.
    public var queriesAreJSON: Bool
    /// Whose prompts, results and continuations the episode's text follows.
    var style: EpisodeStyle

    /// Search-R1, and ZeroSearch.
    public static let searchR1 = TagDialect(
        name: "search-r1", queryOpen: "<search>", queryClose: "</search>", resultOpen: "<information>",
        resultClose: "</information>", answerOpen: "<answer>", answerClose: "</answer>", thinkOpen: "<think>",
        thinkClose: "</think>", queriesAreJSON: false, style: .searchR1)
    /// ReSearch: an answer's text ends with `\boxed{…}`.
    public static let reSearch = TagDialect(
        name: "research", queryOpen: "<search>", queryClose: "</search>", resultOpen: "<result>",
        resultClose: "</result>", answerOpen: "<answer>", answerClose: "</answer>", thinkOpen: "<think>",
        thinkClose: "</think>", queriesAreJSON: false, style: .reSearch)
    /// R1-Searcher.
    public static let r1Searcher = TagDialect(
        name: "r1-searcher", queryOpen: "<|begin_of_query|>", queryClose: "<|end_of_query|>",
        resultOpen: "<|begin_of_documents|>", resultClose: "<|end_of_documents|>", answerOpen: "<answer>",
        answerClose: "</answer>", thinkOpen: "<think>", thinkClose: "</think>", queriesAreJSON: false,
        style: .r1Searcher)
    /// Search-o1 and SimpleDeepSearcher: the answer is `\boxed{…}`.
    public static let searchO1 = TagDialect(
        name: "search-o1", queryOpen: "<|begin_search_query|>", queryClose: "<|end_search_query|>",
        resultOpen: "<|begin_search_result|>", resultClose: "<|end_search_result|>", answerOpen: "\\boxed{",
        answerClose: "}", thinkOpen: "<think>", thinkClose: "</think>", queriesAreJSON: false, style: .searchO1)
    /// Qwen and Hermes tool calls as text.
    public static let hermes = TagDialect(
        name: "hermes", queryOpen: "<tool_call>", queryClose: "</tool_call>", resultOpen: "<tool_response>",
        resultClose: "</tool_response>", answerOpen: "<answer>", answerClose: "</answer>", thinkOpen: "<think>",
        thinkClose: "</think>", queriesAreJSON: true, style: .hermes)

    /// All dialects.
    public static let all = [searchR1, r1Searcher, reSearch, searchO1, hermes]

    /// The grammar (GBNF) of one turn: perhaps a thought, then a query or the answer. For models in this process, which
    /// then write nothing that cannot be read.
    var grammar: String {
        func literal(_ text: String) -> String { "\"" + text.replacing("\\", with: "\\\\") + "\"" }
        let content = queriesAreJSON ? "[^<]{1,600}" : "[^<\\n]{1,200}"
        let answer = answerClose == "}" ? "[^{}<\\n]{1,200}" : "[^<\\n]{1,200}"
        return """
            root ::= think? (query | answer)
            think ::= \(literal(thinkOpen)) [^<]{1,400} \(literal(thinkClose)) "\\n"?
            query ::= \(literal(queryOpen)) \(content) \(literal(queryClose))
            answer ::= \(literal(answerOpen)) \(answer) \(literal(answerClose))
            """
    }

    /// Texts at which a turn ends; the environment speaks next.
    public var stops: [String] {
        answerClose == "}" || style == .reSearch ? [queryClose] : [queryClose, answerClose]
    }
}

/// Reads a model's text as it streams, and says what it asks for. Only what the model writes is fed to it: retrieved text
/// never is, so that no tag in a document can act.
///
/// The first query or answer ends the turn; what follows is ignored, as the protocols' own environments do.
public struct TagStreamParser: Sendable {
    /// What the text asks for.
    public enum Outcome: Sendable, Hashable {
        case query(String)
        case answer(String)
        /// The text ended without a whole query or answer.
        case incomplete
    }

    private enum Mode { case free, think, query, answer, result, done }

    private let dialect: TagDialect
    private var mode = Mode.free
    /// Text that may still turn out to be a tag, or that stands in the open element.
    private var pending = ""
    private var depth = 0
    /// The reasoning so far.
    public private(set) var reasoning = ""
    /// The text outside all tags so far.
    public private(set) var text = ""
    public private(set) var outcome = Outcome.incomplete

    public init(_ dialect: TagDialect) {
        self.dialect = dialect
    }

    /// Takes the next piece of text, cut anywhere.
    /// - Returns: whether the turn has ended.
    @discardableResult
    public mutating func push(_ piece: String) -> Bool {
        guard mode != .done else { return true }
        pending += piece
        while advance() {}
        return mode == .done
    }

    /// Ends the text. A stop string that a server cut off counts as written: an open query or answer is whole then.
    /// - Parameter stopped: whether the model ended at a stop string.
    public mutating func finish(stopped: Bool) -> Outcome {
        switch mode {
        case .query where stopped: end(.query(trimmed(withoutPartial(dialect.queryClose))))
        case .answer where stopped && dialect.answerClose != "}":
            end(.answer(trimmed(withoutPartial(dialect.answerClose))))
        case .think: reasoning += pending
        case .free: text += pending
        default: break
        }
        mode = .done
        return outcome
    }

    private mutating func advance() -> Bool {
        switch mode {
        case .free:
            let openers: [(String, Mode)] = [
                (dialect.thinkOpen, .think), (dialect.queryOpen, .query), (dialect.answerOpen, .answer),
                (dialect.resultOpen, .result),
            ]
            guard let (range, next) = first(of: openers) else {
                release(holding: openers.map(\.0)) { $0.text += $1 }
                return false
            }
            text += pending[..<range.lowerBound]
            pending = String(pending[range.upperBound...])
            mode = next
            depth = 1
            return true
        case .think:
            // Search-o1 asks in the middle of its reasoning.
            let ends: [(String, Mode)] = [(dialect.thinkClose, .free), (dialect.queryOpen, .query)]
            guard let (range, next) = first(of: ends) else {
                release(holding: ends.map(\.0)) { $0.reasoning += $1 }
                return false
            }
            reasoning += pending[..<range.lowerBound]
            pending = String(pending[range.upperBound...])
            mode = next
            return true
        case .query:
            guard let range = find(dialect.queryClose, in: pending) else { return false }
            end(.query(trimmed(String(pending[..<range.lowerBound]))))
            return false
        case .answer:
            guard let close = answerEnd() else { return false }
            end(.answer(trimmed(String(pending[..<close]))))
            return false
        case .result:
            // A model that makes up its own results is not believed: they are skipped.
            guard let range = find(dialect.resultClose, in: pending) else {
                pending = String(pending.suffix(dialect.resultClose.count))
                return false
            }
            pending = String(pending[range.upperBound...])
            mode = .free
            return true
        case .done: return false
        }
    }

    private mutating func end(_ outcome: Outcome) {
        self.outcome = outcome
        pending = ""
        mode = .done
    }

    /// Where the answer ends; braces inside `\boxed{…}` are counted.
    private func answerEnd() -> String.Index? {
        guard dialect.answerClose == "}" else { return find(dialect.answerClose, in: pending)?.lowerBound }
        var depth = 1
        for index in pending.indices {
            if pending[index] == "{" { depth += 1 }
            if pending[index] == "}" {
                depth -= 1
                if depth == 0 { return index }
            }
        }
        return nil
    }

    private func first(of openers: [(String, Mode)]) -> (Range<String.Index>, Mode)? {
        var best: (Range<String.Index>, Mode)?
        for (tag, mode) in openers {
            guard let range = find(tag, in: pending) else { continue }
            if range.lowerBound < best?.0.lowerBound ?? pending.endIndex { best = (range, mode) }
        }
        return best
    }

    private func find(_ tag: String, in text: String) -> Range<String.Index>? { text.firstRange(of: tag) }

    /// Lets go of the text that can no longer be the start of a tag.
    private mutating func release(holding tags: [String], into sink: (inout TagStreamParser, String) -> Void) {
        var hold = 0
        for tag in tags {
            var length = min(tag.count - 1, pending.count)
            while length > hold {
                if tag.hasPrefix(String(pending.suffix(length))) { hold = length }
                length -= 1
            }
        }
        let free = String(pending.dropLast(hold))
        pending = String(pending.suffix(hold))
        sink(&self, free)
    }

    private func withoutPartial(_ close: String) -> String {
        var length = min(close.count - 1, pending.count)
        while length > 0 {
            if close.hasPrefix(String(pending.suffix(length))) { return String(pending.dropLast(length)) }
            length -= 1
        }
        return pending
    }

    private func trimmed(_ text: String) -> String {
        var text = Substring(text)
        while let first = text.first, first.isWhitespace { text.removeFirst() }
        while let last = text.last, last.isWhitespace { text.removeLast() }
        return String(text)
    }
}
