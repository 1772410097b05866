// SPDX-License-Identifier: Apache-2.0

import Agent
import ArgumentParser
import Base
import Foundation
import Text

/// Lists and shows policies.
struct PolicyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "policy", abstract: "List policies, and show their files.",
        discussion: """
            A policy is named by its file in ./Policies, in share/forage/Policies beside the program, or by the name of \
            a built-in one. To write your own, save what `forage policy show NAME` prints, change it, and give its path \
            as --policy.
            """,
        subcommands: [List.self, Show.self], defaultSubcommand: List.self)

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "One line a policy, by name.")
        @Flag(name: [.short, .long], help: "Print JSON lines.") var json = false

        func run() throws {
            let policies = try PolicyFile.all()
            let width = policies.map(\.name.count).max() ?? 0
            for policy in policies {
                if json {
                    let record: JSONValue = [
                        "name": .string(policy.name), "model": .string(policy.model.rawValue),
                        "description": .string(policy.description), "source": .string(policy.source),
                    ]
                    SessionRunner.write(record.serialized())
                } else {
                    let name = policy.name.padding(toLength: width, withPad: " ", startingAt: 0)
                    let use = "model \(policy.model.rawValue)".padding(toLength: 14, withPad: " ", startingAt: 0)
                    SessionRunner.write("\(name)  \(use)  \(ToolArguments.printable(policy.description))")
                }
            }
        }
    }

    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Print a policy's file.")
        @Argument(help: "The policy's name, or the path of its file.") var name: String

        func run() throws { SessionRunner.write(try PolicyFile.text(of: name)) }
    }
}
