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
            once, and `forage resume` goes on from there. The exit status is 3 when the model never answered, or failed \
            before it did: then the answer comes without it, and one line on standard error says why.
            """)

    @OptionGroup var agent: AgentOptions
    @OptionGroup var limits: BudgetOptions

    @Option(
        help:
            "Seeds every random choice, the markers around retrieved text too; default: 0, and markers of this session's own."
    )
    var seed: UInt64?

    @Flag(
        name: [.short, .long],
        help: "Print the session's events as JSON lines on standard output, and nothing else there.")
    var json = false

    @Flag(help: "Print only the answer.")
    var quiet = false

    @Flag(help: "Do not store the session.")
    var ephemeral = false

    @Flag(help: "Say at the end, on standard error, where the time went.")
    var timings = false

    @Argument(
        help: "The question; - reads it from standard input.", transform: { try inputText($0, name: "question") })
    var question: String

    func validate() throws {
        if question.allSatisfy(\.isWhitespace) { throw ValidationError("the question is empty") }
    }

    func run() async throws {
        let start = ContinuousClock.now
        let (environment, strategy) = try await agent.environment(quiet: quiet || json)
        let store: any EventStore = ephemeral ? InMemoryEventStore() : try await agent.storeOfNewSessions()
        // The id is derived from what is asked.
        let session = try await SessionNaming.session(
            Question(question), strategy: strategy, environment: environment, store: store, seed: seed,
            budget: limits.applied(to: strategy.budget))
        try await SessionRunner(style: json ? .json : quiet ? .answer : .story, timedFrom: timings ? start : nil)
            .run(session)
    }
}
