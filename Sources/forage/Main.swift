// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Base
import COpenBLAS
import Foundation

/// The command line: thin; it parses, calls the modules, and prints.
@main struct ForageCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "forage",
        abstract:
            "An agentic retrieval runtime: index a corpus, ask it questions, train and evaluate retrieval policies.",
        discussion: """
            Records go to standard output, everything for people to standard error. Exit codes: 0 done, 1 failure, \
            3 the model never answered, 64 usage, 130 cancelled.
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
                subcommands: [ServeCommand.self, MCPCommand.self, HarnessCommand.self, ModelCommand.self]),
        ])

    static func main() async {
        // BLAS threads pay only when both cores are free; Forage's own loops spread the work instead.
        if ProcessInfo.processInfo.environment["OPENBLAS_NUM_THREADS"] == nil { openblas_set_num_threads(1) }
        // A reader that goes away is an error of the write, not the end of the process: servers and child processes need it so.
        signal(SIGPIPE, SIG_IGN)
        do {
            var command = try parseAsRoot()
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
        } catch {
            // What is wrong is often named after what someone else wrote: a file, an id, a field.
            let message = TerminalText.safe(fullMessage(for: error))
            let code = exitCode(for: error)
            let stream = code.isSuccess ? FileHandle.standardOutput : FileHandle.standardError
            if !message.isEmpty { try? stream.write(contentsOf: Data((message + "\n").utf8)) }
            Foundation.exit(code.rawValue)
        }
    }
}
