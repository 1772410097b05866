// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Documents
import Foundation

/// Reads one PDF for `forage index`, in a process of its own that may crash or be ended without harm.
struct ReadDocumentCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "read-document", abstract: "Read one PDF and print what it holds.", shouldDisplay: false)

    @Option(help: "The id that documents get.") var id: String
    @Option(help: "The file; default: standard input.") var path: String?

    func run() throws {
        FileHandle.standardOutput.write(Data((PDFHelper.answer(path: path, id: id) + "\n").utf8))
    }

    /// The program and arguments that run this command; nil when it is not known where this program is.
    static var invocation: [String]? {
        guard let program = Bundle.main.executablePath, FileManager.default.isExecutableFile(atPath: program) else {
            return nil
        }
        return [program, configuration.commandName ?? "read-document"]
    }
}
