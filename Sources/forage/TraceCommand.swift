// SPDX-License-Identifier: Apache-2.0

import Agent
import ArgumentParser
import Base
import Encoders
import Foundation
import Text
import Tools
import Traces

/// Shows what a session did: on the terminal, as a page, as OpenTelemetry spans.
struct TraceCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "trace", abstract: "Show a session on the terminal, as an HTML page, or as OpenTelemetry spans.",
        subcommands: [Show.self, Page.self, Export.self], defaultSubcommand: Show.self)

    /// Where the events are: a stored session, or a file of JSON lines that `ask --json` or `sessions export` wrote.
    struct Source: ParsableArguments {
        @OptionGroup var store: SessionsCommand.StoreOptions
        @Argument(help: "The session's id, or a file of events (.jsonl).") var session: String

        func events() async throws -> [SessionEvent] {
            try await Self.events(of: session, in: store)
        }

        static func events(
            of session: String, in store: SessionsCommand.StoreOptions
        ) async throws -> [SessionEvent] {
            guard session.hasSuffix(".jsonl") else { return try await store.events(of: session) }
            let text = try String(contentsOfFile: session, encoding: .utf8)
            let budget = ExpansionBudget()
            var events: [SessionEvent] = []
            for (index, line) in text.textLines(omittingEmpty: true).enumerated() {
                do {
                    events.append(try budget.within { try SessionEvent(json: JSONValue(parsing: String(line))) })
                } catch {
                    throw ValidationError("\(session):\(index + 1): expected an event of a session: \(error)")
                }
            }
            return events
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Tell a session on the terminal.")
        @OptionGroup var source: Source

        func run() async throws {
            var narrator = SessionNarrator(detail: .full, usesStyle: isatty(STDOUT_FILENO) == 1)
            for event in try await source.events() {
                for line in narrator.lines(for: event) { SessionRunner.write(line) }
            }
        }
    }

    struct Page: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "html", abstract: "Write a session as one self-contained HTML page.")
        @OptionGroup var source: Source
        @Option(name: .shortAndLong, help: "The file; default: standard output.") var output: String?

        func run() async throws {
            let html = try TracePage(events: try await source.events()).html()
            if let output {
                try Data(html.utf8).write(to: URL(fileURLWithPath: output), options: .atomic)
            } else {
                SessionRunner.write(html)
            }
        }
    }

    struct Export: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Export a session as OpenTelemetry spans (OTLP, JSON).",
            discussion: """
                Sends the spans to OTEL_EXPORTER_OTLP_ENDPOINT (or --endpoint) with OTEL_EXPORTER_OTLP_HEADERS; without an \
                endpoint it prints them. Texts are left out unless --content is given.
                """)
        @OptionGroup var source: Source
        @Option(help: "The collector's base URL.") var endpoint: String?
        @Flag(help: "Add questions, arguments, passages' ids and answers.") var content = false

        func run() async throws {
            let environment = ProcessInfo.processInfo.environment
            let exporter = SpanExporter(
                includesContent: content, service: environment["OTEL_SERVICE_NAME"] ?? "forage")
            let events = try await source.events()
            let started =
                try await source.session.hasSuffix(".jsonl")
                ? 0 : source.store.open().sessions().first { $0.id == source.session }?.created ?? 0
            if let endpoint = endpoint ?? environment["OTEL_EXPORTER_OTLP_ENDPOINT"] {
                try await exporter.send(
                    events: events, started: started, to: endpoint,
                    headers: SpanExporter.headers(from: environment["OTEL_EXPORTER_OTLP_HEADERS"] ?? ""))
            } else {
                SessionRunner.write(try exporter.request(events: events, started: started).serialized())
            }
        }
    }
}
