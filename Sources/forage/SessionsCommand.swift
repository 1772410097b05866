// SPDX-License-Identifier: Apache-2.0

import Agent
import ArgumentParser
import Base
import Foundation
import Text
import Traces

/// Lists, shows, exports and deletes stored sessions.
struct SessionsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sessions", abstract: "List, show, export and delete stored sessions.",
        subcommands: [List.self, Show.self, Export.self, Delete.self], defaultSubcommand: List.self)

    /// Where the sessions are.
    struct StoreOptions: ParsableArguments {
        @Option(help: "The session store. Default: $FORAGE_SESSIONS, else the user's state folder.")
        var sessions: String?

        func open() async throws -> any EventStore { try await SessionStores.open(sessions) }

        func events(of session: String) async throws -> [SessionEvent] {
            let events = try await open().events(of: session)
            guard !events.isEmpty else { throw SessionError.notFound(session) }
            return events
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "One line a session, newest first.")
        @OptionGroup var store: StoreOptions
        @Flag(name: [.short, .long], help: "Print JSON lines.") var json = false

        func run() async throws {
            for session in try await store.open().sessions() {
                if json {
                    let record: JSONValue = [
                        "id": .string(session.id), "question": .string(session.question),
                        "policy": .string(session.policy), "created": .number(session.created),
                        "events": .integer(session.eventCount), "stop": session.stop.map { .string($0.name) } ?? .null,
                    ]
                    SessionRunner.write(record.serialized())
                } else {
                    let date = Date(timeIntervalSince1970: session.created).formatted(.iso8601)
                    let stop = session.stop?.name ?? "unfinished"
                    SessionRunner.write(
                        "\(session.id)  \(date)  \(stop)  \(session.policy)  \(SessionNarrator.clean(session.question))"
                    )
                }
            }
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Tell a session from its events.")
        @OptionGroup var store: StoreOptions
        @Argument(help: "The session's id.") var session: String

        func run() async throws {
            var narrator = SessionNarrator(usesStyle: isatty(STDOUT_FILENO) == 1)
            for event in try await store.events(of: session) {
                for line in narrator.lines(for: event) { SessionRunner.write(line) }
            }
        }
    }

    struct Export: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Print a session's events as JSON lines.")
        @OptionGroup var store: StoreOptions
        @Flag(help: "Add the time of each event, in seconds from the start.") var times = false
        @Argument(help: "The session's id.") var session: String

        func run() async throws {
            for event in try await store.events(of: session) {
                SessionRunner.write((times ? event.timedJSON : event.json).serialized())
            }
        }
    }

    struct Delete: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Delete sessions.")
        @OptionGroup var store: StoreOptions
        @Argument(help: "The sessions' ids.") var session: [String]

        func run() async throws {
            let store = try await store.open()
            for id in session { try await store.delete(id) }
        }
    }
}
