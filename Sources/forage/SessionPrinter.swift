// SPDX-License-Identifier: Apache-2.0

import Agent
import Base
import Foundation
import LanguageModels
import Text
import Traces

/// Prints a session as it happens. On a terminal the answer comes word by word, and while a model writes what is not shown a
/// line says so, with tokens a second; elsewhere whole lines come, so that a script reads the same in every run.
struct SessionPrinter {
    private let style: SessionRunner.Style
    private var narrator: SessionNarrator
    private var live = LiveAnswer()
    private let isLive: Bool
    private let showsStatus: Bool
    private let start = ContinuousClock.now
    private var callStart = ContinuousClock.now
    private var lastStatus = ContinuousClock.now
    private var hasStatus = false
    private var firstText: Duration?
    private var isAtLineStart = true
    /// The last failure of a model since it last answered, and whether it ever has.
    private var failure: LanguageModelError?
    private var hasAnswered = false
    /// What each call of a model is for.
    private var purposes: [String: String] = [:]
    /// Whether the session's answer is a model's own.
    private var isAnsweredByModel = false

    init(style: SessionRunner.Style, width: Int) {
        self.style = style
        let isTerminal = isatty(STDOUT_FILENO) == 1
        isLive = isTerminal && style != .json
        showsStatus = isatty(STDERR_FILENO) == 1 && style != .json
        narrator = SessionNarrator(
            usesStyle: isTerminal && ProcessInfo.processInfo.environment["NO_COLOR"] == nil, width: width)
    }

    mutating func take(_ update: SessionUpdate) {
        let before = live.shown
        for piece in live.take(update) { show(piece, isFirst: before.isEmpty) }
        guard case .event(let event) = update else { return }
        switch event.kind {
        case .modelCalled(let record):
            callStart = .now
            purposes[record.id] = record.purpose
        case .modelReturned:
            hasAnswered = true
            failure = nil
        case .modelFailed(let id, let error) where purposes[id] != "shape": failure = failure ?? error
        case .answered(let answer): isAnsweredByModel = answer.label == .model || answer.label == .memory
        default: break
        }
        eraseStatus()
        switch style {
        case .story: tell(event)
        case .json: SessionRunner.write(event.json.serialized())
        case .answer:
            guard case .answered(let answer) = event.kind else { return }
            if isLive {
                SessionRunner.write(SessionNarrator.cleanLines(live.rest(of: answer.text)))
            } else {
                SessionRunner.write(SessionNarrator.clean(answer.text))
            }
        }
    }

    private mutating func tell(_ event: SessionEvent) {
        var lines = narrator.lines(for: event)
        if case .answered(let answer) = event.kind, !live.shown.isEmpty, isLive {
            // The text stands there already: only what is left of it, and then what it rests on.
            SessionRunner.write(SessionNarrator.cleanLines(live.rest(of: answer.text)))
            lines = Array(lines.drop { $0.isEmpty }.dropFirst())
        }
        for line in lines { SessionRunner.write(line) }
        if case .finished = event.kind, let firstText, isLive {
            SessionRunner.write("first words of the answer after \(Self.seconds(firstText)) s")
        }
    }

    private mutating func show(_ piece: LiveAnswer.Piece, isFirst: Bool) {
        switch piece {
        case .text(let text):
            if firstText == nil { firstText = ContinuousClock.now - start }
            guard isLive else { return }
            eraseStatus()
            if isFirst, style == .story { SessionRunner.write("\nAnswer: ", terminator: "") }
            SessionRunner.write(SessionNarrator.cleanLines(text), terminator: "")
        case .thinking(let tokens):
            guard showsStatus, live.shown.isEmpty, ContinuousClock.now - lastStatus > .milliseconds(200) else { return }
            lastStatus = .now
            hasStatus = true
            let seconds = (ContinuousClock.now - callStart) / .seconds(1)
            let rate = seconds > 0.2 ? String(format: ", %.1f a second", Double(tokens) / seconds) : ""
            FileHandle.standardError.write(Data("\r\u{1B}[K  the model is thinking: \(tokens) tokens\(rate)".utf8))
        case .reasoning: break
        }
    }

    private mutating func eraseStatus() {
        guard hasStatus else { return }
        hasStatus = false
        FileHandle.standardError.write(Data("\r\u{1B}[K".utf8))
    }

    private static func seconds(_ duration: Duration) -> String { String(format: "%.2f", duration / .seconds(1)) }

    /// Ends the printing.
    /// - Returns: why the model gave no answer, and whether it ever said anything; nil when it did, or was not asked.
    mutating func finish() -> (failure: LanguageModelError, hadAnswered: Bool)? {
        eraseStatus()
        guard let failure, !isAnsweredByModel else { return nil }
        return (failure, hasAnswered)
    }
}
