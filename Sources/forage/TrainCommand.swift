// SPDX-License-Identifier: Apache-2.0

import ArgumentParser

/// `forage train`: trains a retrieval policy (the default), the reader or the encoder.
struct TrainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "train",
        abstract: "Train a retrieval policy from gold passages or from answer rewards, the reader or the encoder.",
        subcommands: [
            TrainPolicyCommand.self, TrainReaderCommand.self, TrainEncoderCommand.self, TrainExportCommand.self,
        ],
        defaultSubcommand: TrainPolicyCommand.self)
}
