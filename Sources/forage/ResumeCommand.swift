// SPDX-License-Identifier: Apache-2.0

import Agent
import ArgumentParser
import Base

/// Goes on with a session that was cut off.
struct ResumeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "resume", abstract: "Go on with a session that was cut off.",
        discussion: """
            Finished tool calls and model turns are taken from the record, not made again. Give the same corpus, model \
            and policy as before; anything else is refused.
            """)

    @OptionGroup var agent: AgentOptions

    @Flag(
        name: [.short, .long],
        help: "Print the session's events as JSON lines on standard output, and nothing else there.")
    var json = false

    @Argument(help: "The session's id.")
    var session: String

    func run() async throws {
        let (environment, strategy) = try await agent.environment(quiet: json)
        let resumed = try await AgentSession.resume(
            session, strategy: strategy, environment: environment, store: try await agent.store())
        try await SessionRunner(style: json ? .json : .story).run(resumed)
    }
}
