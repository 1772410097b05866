// SPDX-License-Identifier: Apache-2.0

import ArgumentParser

/// `forage train`: trains a retrieval policy (the default), the reader of passages, the reader of questions about a corpus,
/// or the encoder.
struct TrainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "train",
        abstract:
            "Train a retrieval policy (the default), the reader of passages, the reader of corpus questions, or the encoder.",
        subcommands: [
            TrainPolicyCommand.self, TrainReaderCommand.self, TrainCorpusQuestionsCommand.self,
            TrainEncoderCommand.self,
            TrainExportCommand.self,
        ],
        defaultSubcommand: TrainPolicyCommand.self)
}
