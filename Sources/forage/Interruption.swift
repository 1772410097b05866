// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Base
import Foundation
import Synchronization

/// Ctrl-C: the first one asks long steps to finish what they are at, the second one ends the program.
enum Interruption {
    private static let count = Atomic<Int>(0)

    /// Starts to listen. Call before a long step.
    static func listen() {
        _ = count.load(ordering: .relaxed)
        // Work within one document looks at nothing else: a minute after SIGTERM it ends.
        signal(SIGALRM) { _ in _exit(130) }
        for number in [SIGINT, SIGTERM] {
            signal(number) { received in
                if Interruption.count.add(1, ordering: .relaxed).oldValue > 0 { _exit(130) }
                if received == SIGTERM { alarm(60) }
            }
        }
    }

    /// Ends the program so many seconds after SIGTERM or Ctrl-C, whatever is busy then: what ends it in order needs threads
    /// that work which does not end may hold.
    /// - Parameter ask: asks for that end in order.
    static func endsAtLatest(after seconds: Double, ask: @escaping @Sendable () -> Void) {
        for number in [SIGINT, SIGTERM] {
            let source = DispatchSource.makeSignalSource(
                signal: number, queue: DispatchQueue(label: "forage.end", qos: .userInteractive))
            source.setEventHandler {
                ask()
                Thread.detachNewThread {
                    Thread.sleep(forTimeInterval: seconds)
                    note("work does not end: stopped")
                    _exit(1)
                }
            }
            source.activate()
            let held = HeldSource(source: source)
            ends.withLock { $0.append(held) }
        }
    }

    /// A source that is held and no more than that; Dispatch's own sources may be let go on any thread.
    private struct HeldSource: @unchecked Sendable {
        let source: any DispatchSourceSignal
    }

    /// Sources that nobody holds are cancelled.
    private static let ends = Mutex<[HeldSource]>([])

    /// Whether Ctrl-C was pressed.
    static var isRequested: Bool { count.load(ordering: .relaxed) > 0 }

    /// The exit code of a cancelled command.
    static let exitCode = ExitCode(130)

    /// Runs work that the first Ctrl-C cancels; what it has on disk by then stays.
    /// - Parameter announce: says that the first one was understood.
    /// - Throws: `exitCode` when the work was cancelled so, else what the work throws.
    static func cancelling<Value: Sendable>(
        announce: @escaping @Sendable (String) -> Void = { note($0) },
        _ work: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        listen()
        let task = Task { try await work() }
        // A signal handler may do next to nothing, so the request is looked for here.
        let watch = Task {
            while !isRequested { try await Task.sleep(for: .milliseconds(50)) }
            announce("finishing what is running; press Ctrl-C again to end at once")
            task.cancel()
        }
        defer { watch.cancel() }
        do { return try await task.value } catch is CancellationError where isRequested { throw exitCode }
    }
}

/// A line on the terminal that is written over and over; nothing where standard error is no terminal.
final class ProgressLine {
    private let isTerminal = isatty(2) != 0
    private var lastDraw = Date.distantPast
    private var isDrawn = false

    /// Shows a text, at most ten times a second.
    func show(_ text: @autoclosure () -> String) {
        guard isTerminal, Date().timeIntervalSince(lastDraw) > 0.1 else { return }
        lastDraw = Date()
        isDrawn = true
        writeForPeople("\r\u{1B}[K" + TerminalText.safe(text()))
    }

    /// Removes the line.
    func clear() {
        guard isDrawn else { return }
        isDrawn = false
        writeForPeople("\r\u{1B}[K")
    }

    /// A bar with a share, a note and the time left.
    static func bar(share: Double?, note: String, secondsLeft: Double?) -> String {
        var text = ""
        if let share {
            let filled = Int((min(max(share, 0), 1) * 24).rounded())
            text += "[" + String(repeating: "#", count: filled) + String(repeating: "-", count: 24 - filled) + "] "
            text += "\(Int(min(max(share, 0), 1) * 100)) % "
        }
        text += note
        if let secondsLeft, secondsLeft.isFinite {
            let seconds = Int(secondsLeft.rounded(.up))
            let time = [seconds / 3600, seconds / 60 % 60, seconds % 60].drop { $0 == 0 }.map {
                $0 < 10 ? "0\($0)" : "\($0)"
            }
            text += ", " + (time.isEmpty ? "0" : time.joined(separator: ":")) + (seconds < 60 ? " s" : "") + " left"
        }
        return text
    }
}

/// Writes a line for people to standard error.
func note(_ text: String) { writeForPeople(TerminalText.safe(text) + "\n") }

/// Writes to standard error. A reader that went away (`2>&1 | head`) does not end the work.
func writeForPeople(_ text: String) { try? FileHandle.standardError.write(contentsOf: Data(text.utf8)) }
