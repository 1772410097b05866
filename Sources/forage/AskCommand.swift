// SPDX-License-Identifier: Apache-2.0

import Agent
import ArgumentParser
import Base
import Dispatch
import Foundation
import LanguageModels
import Synchronization
import Text
import Tools

/// Answers a question from a corpus, and shows how.
struct AskCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ask", abstract: "Answer a question from a corpus, citing passages.",
        discussion: """
            Prints, as it happens, what is tried and why, the tool calls with their results, the evidence that is kept, \
            and an answer that cites passages. Ctrl-C once ends the step and answers from what there is; twice stops at \
            once, and `forage resume` goes on from there.
            """)

    @OptionGroup var agent: AgentOptions
    @OptionGroup var limits: BudgetOptions

    @Option(help: "Seeds every random choice.")
    var seed: UInt64 = 0

    @Flag(help: "Print the session's events as JSON lines on standard output, and nothing else there.")
    var json = false

    @Flag(help: "Print only the answer.")
    var quiet = false

    @Flag(help: "Do not store the session.")
    var ephemeral = false

    @Argument(help: "The question.")
    var question: String

    func validate() throws {
        if question.allSatisfy(\.isWhitespace) { throw ValidationError("the question is empty") }
    }

    func run() async throws {
        let (environment, strategy) = try await agent.environment(quiet: quiet || json)
        let store: any EventStore = ephemeral ? InMemoryEventStore() : try agent.store()
        var session = AgentSession(
            Question(question), strategy: strategy, environment: environment, store: store, seed: seed,
            budget: limits.applied(to: strategy.budget))
        // The id is derived from what is asked; asking the same again is a new session with a number of its own.
        let taken = Set(try await store.sessions().map(\.id))
        var number = 2
        let base = session.id
        while taken.contains(session.id) {
            session = AgentSession(
                Question(question), strategy: strategy, environment: environment, store: store, seed: seed,
                budget: limits.applied(to: strategy.budget), id: "\(base)-\(number)")
            number += 1
        }
        try await SessionRunner(style: json ? .json : quiet ? .answer : .story).run(session)
    }
}

/// Goes on with a session that was cut off.
struct ResumeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "resume", abstract: "Go on with a session that was cut off.",
        discussion: """
            Finished tool calls and model turns are taken from the record, not made again. Give the same corpus, model \
            and policy as before; anything else is refused.
            """)

    @OptionGroup var agent: AgentOptions

    @Flag(help: "Print the session's events as JSON lines on standard output, and nothing else there.")
    var json = false

    @Argument(help: "The session's id.")
    var session: String

    func run() async throws {
        let (environment, strategy) = try await agent.environment(quiet: json)
        let resumed = try await AgentSession.resume(
            session, strategy: strategy, environment: environment, store: try agent.store())
        try await SessionRunner(style: json ? .json : .story).run(resumed)
    }
}

/// Runs a session on a terminal: prints its events, and turns Ctrl-C into a request to finish.
struct SessionRunner {
    enum Style { case story, json, answer }

    var style: Style

    func run(_ session: AgentSession) async throws {
        let events = session.events()
        let style = style
        let printing = Task {
            var narrator = SessionNarrator(
                usesStyle: isatty(STDOUT_FILENO) == 1 && ProcessInfo.processInfo.environment["NO_COLOR"] == nil,
                width: Self.width)
            for await event in events {
                switch style {
                case .story: for line in narrator.lines(for: event) { Self.write(line) }
                case .json: Self.write(event.json.serialized())
                case .answer:
                    if case .answered(let answer) = event.kind { Self.write(SessionNarrator.clean(answer.text)) }
                }
            }
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
            await printing.value
            FileHandle.standardError.write(Data("stopped; go on with: forage resume \(session.id)\n".utf8))
            throw ExitCode(130)
        }
        await printing.value
    }

    private static var width: Int {
        guard isatty(STDOUT_FILENO) == 1 else { return 200 }
        var size = winsize()
        return ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0 ? Int(size.ws_col) : 120
    }

    /// Writes a line to standard output. A reader that went away, as `head` does, ends the program with the status of
    /// SIGPIPE and without a word; a full disk ends it with one.
    static func write(_ line: String) {
        var bytes = ArraySlice((line + "\n").utf8)
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
