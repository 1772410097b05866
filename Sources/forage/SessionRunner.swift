// SPDX-License-Identifier: Apache-2.0

import Agent
import ArgumentParser
import Base
import Dispatch
import Foundation
import LanguageModels
import Synchronization
import Text
import Traces

/// Runs a session on a terminal: prints its events and, as it is written, its answer; says what a model is about while it
/// thinks; and turns Ctrl-C into a request to finish.
struct SessionRunner {
    enum Style { case story, json, answer }

    var style: Style
    /// When the program began to open what the session needs; nil prints no timings.
    var timedFrom: ContinuousClock.Instant?
    /// Runs that end without the model's answer, when it was asked, end the program with this status.
    static let silentModelStatus: Int32 = 3

    /// Runs a session to its end.
    /// - Throws: `ExitCode`: 130 when a person stopped it, 3 when its model never answered, or failed before it did so that
    ///   the answer is without it.
    func run(_ session: AgentSession) async throws {
        let updates = session.updates()
        let style = style
        let timedFrom = timedFrom
        let printing = Task {
            var printer = SessionPrinter(style: style, width: Self.width)
            var timings = SessionTimings()
            for await update in updates {
                if let timedFrom { timings.take(update, at: (ContinuousClock.now - timedFrom) / .seconds(1)) }
                printer.take(update)
            }
            let failure = printer.finish()
            if timedFrom != nil { for line in ["where the time went"] + timings.lines() { note(line) } }
            return failure
        }
        let work = Task { try await session.run() }
        let presses = Atomic<Int>(0)
        signal(SIGINT, SIG_IGN)
        let source = DispatchSource.makeSignalSource(signal: SIGINT, queue: DispatchQueue(label: "forage.interrupt"))
        source.setEventHandler {
            if presses.add(1, ordering: .relaxed).newValue == 1 {
                session.interrupt()
                FileHandle.standardError.write(Data("finishing this step; press Ctrl-C again to stop at once\n".utf8))
            } else {
                work.cancel()
            }
        }
        source.resume()
        defer { source.cancel() }
        do {
            _ = try await work.value
        } catch is CancellationError {
            _ = await printing.value
            FileHandle.standardError.write(Data("stopped; go on with: forage resume \(session.id)\n".utf8))
            throw ExitCode(130)
        }
        if let failure = await printing.value {
            let (error, hadAnswered) = failure
            note(
                (hadAnswered
                    ? "the model failed before it answered, and the answer is without it: "
                    : "the model never answered: ") + "\(error). \(error.advice)")
            throw ExitCode(Self.silentModelStatus)
        }
    }

    private static var width: Int {
        guard isatty(STDOUT_FILENO) == 1 else { return 200 }
        var size = winsize()
        return ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0 ? Int(size.ws_col) : 120
    }

    /// Writes a line to standard output. A reader that went away, as `head` does, ends the program with the status of
    /// SIGPIPE and without a word; a full disk ends it with one.
    static func write(_ line: String, terminator: String = "\n") {
        var bytes = ArraySlice((line + terminator).utf8)
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { Foundation.write(STDOUT_FILENO, $0.baseAddress, $0.count) }
            if count > 0 {
                bytes = bytes.dropFirst(count)
            } else if errno == EPIPE {
                exit(141)
            } else if errno != EINTR, errno != EAGAIN {
                note("standard output: \(String(cString: strerror(errno)))")
                exit(1)
            }
        }
    }
}
