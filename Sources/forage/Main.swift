// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Assembly
import Base
import COpenBLAS
import Corpus
import Foundation
import Text

/// The command line: thin; it parses, calls the modules, and prints.
@main struct ForageCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "forage",
        abstract:
            "An agentic retrieval runtime: index a corpus, ask it questions, train and evaluate retrieval policies.",
        discussion: """
            Records go to standard output, everything for people to standard error. Exit codes: 0 done, 1 failure, \
            3 the model never answered, 64 usage, 130 cancelled. FORAGE_CORPUS names the corpus for commands that take \
            --corpus; .forage.yaml in the current folder, or ~/.config/forage/config.yaml, gives values for any options.
            """,
        version: "0.1.0",
        groupedSubcommands: [
            CommandGroup(
                name: "Corpora",
                subcommands: [
                    IndexCommand.self, CorpusCommand.self, SearchCommand.self, FilterCommand.self,
                    AggregateCommand.self,
                    ReadCommand.self,
                ]),
            CommandGroup(
                name: "Sessions",
                subcommands: [
                    AskCommand.self, ChatCommand.self, ResumeCommand.self, SessionsCommand.self, TraceCommand.self,
                    CalibrateCommand.self,
                ]),
            CommandGroup(name: "Policies", subcommands: [PolicyCommand.self, TrainCommand.self, EvalCommand.self]),
            CommandGroup(
                name: "Servers and models",
                subcommands: [
                    ServeCommand.self, MCPCommand.self, HarnessCommand.self, ModelCommand.self,
                    ReadDocumentCommand.self,
                ]),
        ])

    static func main() async {
        // BLAS threads pay only when both cores are free; Forage's own loops spread the work instead.
        if ProcessInfo.processInfo.environment["OPENBLAS_NUM_THREADS"] == nil { openblas_set_num_threads(1) }
        // A reader that goes away is an error of the write, not the end of the process: servers and child processes need it so.
        signal(SIGPIPE, SIG_IGN)
        var command: any ParsableCommand
        do {
            command = try parseAsRoot(try arguments())
        } catch let error as YAMLError {
            fail("\(error)", code: .validationFailure)
        } catch {
            exit(withError: error)
        }
        do {
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
        } catch {
            // How to use a command is no answer to what went wrong while it ran.
            switch error {
            // Help that was asked for comes as an error, too.
            case _ where exitCode(for: error) == .success: exit(withError: error)
            case let code as ExitCode: exit(withError: code)
            case is ValidationError, is AssemblyError: fail(message(for: error), code: .validationFailure)
            // As where a name leads to nothing at all.
            case let error as CorpusError where error.code == .notACorpus:
                fail(message(for: error), code: .validationFailure)
            default: fail(plain(error), code: .failure)
            }
        }
    }

    /// What was typed, with what the environment and the configuration file say behind it.
    private static func arguments() throws -> [String] {
        let typed = Array(CommandLine.arguments.dropFirst())
        if let problem = CommandSuggestion.problem(in: typed, root: Self.self) {
            fail(problem, code: .validationFailure)
        }
        let defaults = try CommandLineDefaults()
        if let reason = defaults.leftAside { note("note: left aside: \(reason)") }
        guard !defaults.isEmpty, !typed.isEmpty else { return typed }
        return defaults.completing(typed, help: try JSONValue(parsing: _dumpHelp()), root: Self.self) { name in
            note(
                "note: \(defaults.source) may not set \(name) so; say it in the command, or in the configuration of your own"
            )
        }
    }

    /// What went wrong in words: Foundation's errors show their insides otherwise. Ends the program where nobody reads its
    /// output any more.
    private static func plain(_ error: any Error) -> String {
        let system = error as NSError
        guard system.domain == NSCocoaErrorDomain else { return message(for: error) }
        let cause = system.userInfo[NSUnderlyingErrorKey] as? NSError
        let number = cause?.domain == NSPOSIXErrorDomain ? cause.map { Int32($0.code) } : nil
        if number == EPIPE { exit(withError: ExitCode(141)) }
        let place = system.userInfo[NSFilePathErrorKey] as? String ?? (system.userInfo[NSURLErrorKey] as? URL)?.path
        let reason =
            number.map { String(cString: strerror($0)) }
            ?? ([513, 257].contains(system.code) ? "permission denied" : system.localizedDescription)
        return (place.map { $0 + ": " } ?? "") + reason
    }

    private static func fail(_ message: String, code: ExitCode) -> Never {
        // What is wrong is often named after what someone else wrote: a file, an id, a field.
        note("Error: \(TerminalText.safe(message))")
        exit(withError: code)
    }
}
