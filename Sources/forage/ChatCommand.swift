// SPDX-License-Identifier: Apache-2.0

import Agent
import ArgumentParser
import Base
import Foundation
import LanguageModels
import Text
import Traces

/// Answers one question after the other, each understood from those before it.
struct ChatCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "chat", abstract: "Ask one question after the other; each may refer to those before it.",
        discussion: """
            Reads a question a line from the terminal or from standard input. What a question refers to is put into it ("And \
            where was she born?"), and what was found before can be cited again. Every question is a stored session; \
            --resume goes on with a conversation from the last of its sessions. A blank line or /quit ends it, /new begins \
            another conversation.
            """)

    @OptionGroup var agent: AgentOptions
    @OptionGroup var limits: BudgetOptions

    @Option(
        help:
            "Seeds every random choice, the markers around retrieved text too; default: 0, and markers of this session's own."
    )
    var seed: UInt64?

    @Option(help: "The session, or the conversation, to go on from.")
    var resume: String?

    @Option(help: "What the model is told about tone, language and form, within the rules for citations.")
    var system: String?

    @Flag(help: "Print only the answers.")
    var quiet = false

    @Flag(
        name: [.short, .long],
        help: "Print the sessions' events as JSON lines on standard output, and nothing else there.")
    var json = false

    @Flag(help: "Do not store the sessions.")
    var ephemeral = false

    func run() async throws {
        let (environment, strategy) = try await agent.environment(quiet: quiet || json)
        let store: any EventStore = ephemeral ? InMemoryEventStore() : try await agent.storeOfNewSessions()
        var dialogue = try await resumed(store)
        var status: Int32 = 0
        let isTerminal = isatty(STDIN_FILENO) == 1
        if isTerminal { note("ask a question; /new begins another conversation, /quit ends") }
        while true {
            if isTerminal { FileHandle.standardError.write(Data("> ".utf8)) }
            guard let line = readLine(strippingNewline: true) else { break }
            let asked = line.trimmingCharacters(in: .whitespacesAndNewlines)
            if asked.isEmpty {
                // In a file of questions an empty line is only an empty line.
                if isTerminal { break }
                continue
            }
            if asked == "/quit" || asked == "/exit" { break }
            if asked == "/new" {
                dialogue = Dialogue(instructions: system ?? "")
                continue
            }
            let question = try await FollowUp(model: environment.model).question(asked, in: dialogue)
            let session = try await SessionNaming.session(
                question, strategy: strategy, environment: environment, store: store, seed: seed,
                budget: limits.applied(to: strategy.budget))
            if question.text != asked, !quiet, !json { note("understood as: \(SessionNarrator.clean(question.text))") }
            do {
                try await SessionRunner(style: json ? .json : quiet ? .answer : .story).run(session)
            } catch let code as ExitCode where code.rawValue == SessionRunner.silentModelStatus {
                // The conversation goes on; its end tells.
                status = code.rawValue
            }
            if let next = Dialogue.after(try await store.events(of: session.id), session: session.id) {
                dialogue = next
            }
        }
        let isStored = (store as? FallbackEventStore).map { $0.failure == nil } ?? false
        if isStored, !dialogue.previous.isEmpty, !quiet {
            note("go on with: forage chat --resume \(dialogue.previous)")
        }
        if status != 0 { throw ExitCode(status) }
    }

    private func resumed(_ store: any EventStore) async throws -> Dialogue {
        guard let resume else { return Dialogue(instructions: system ?? "") }
        var last = resume
        // A conversation is named by its first session: the newest one that belongs to it counts.
        for session in try await store.sessions() {
            guard let first = try await store.events(of: session.id).first, case .started(let header) = first.kind,
                header.question.dialogue.conversation == resume
            else { continue }
            last = session.id
            break
        }
        guard var dialogue = Dialogue.after(try await store.events(of: last), session: last) else {
            throw SessionError.notFound(resume)
        }
        if let system { dialogue.instructions = system }
        for turn in dialogue.turns where !quiet && !json {
            note("> \(SessionNarrator.clean(turn.question))\n\(SessionNarrator.clean(turn.answer))")
        }
        return dialogue
    }
}

/// New sessions under ids that are free.
enum SessionNaming {
    /// A session; asking the same again is a new session with a number of its own.
    static func session(
        _ question: Question, strategy: Strategy, environment: AgentEnvironment, store: any EventStore, seed: UInt64?,
        budget: Budget
    ) async throws -> AgentSession {
        // Who asks for a seed asks for the same bytes again; else no document can know the markers.
        let salt = seed == nil ? UInt64.random(in: .min ... .max) : 0
        let seed = seed ?? 0
        var session = AgentSession(
            question, strategy: strategy, environment: environment, store: store, seed: seed, fenceSalt: salt,
            budget: budget)
        let taken = Set(try await store.sessions().map(\.id))
        var number = 2
        let base = session.id
        while taken.contains(session.id) {
            session = AgentSession(
                question, strategy: strategy, environment: environment, store: store, seed: seed, fenceSalt: salt,
                budget: budget, id: "\(base)-\(number)")
            number += 1
        }
        return session
    }
}
