// SPDX-License-Identifier: Apache-2.0

import ArgumentParser

/// `forage train`: trains a retrieval policy (the default) or the span reader.
struct TrainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "train",
        abstract: "Train a retrieval policy from gold passages or from answer rewards, or the span reader.",
        subcommands: [TrainPolicyCommand.self, TrainReaderCommand.self, TrainExportCommand.self],
        defaultSubcommand: TrainPolicyCommand.self)
}
