// SPDX-License-Identifier: Apache-2.0

import ArgumentParser

/// `forage train`: trains a retrieval policy (the default), the span reader, or the reader of questions about a corpus.
struct TrainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "train",
        abstract:
            "Train a retrieval policy from gold passages or from answer rewards, the span reader, or the reader of questions about a whole corpus.",
        subcommands: [
            TrainPolicyCommand.self, TrainReaderCommand.self, TrainCorpusQuestionsCommand.self, TrainExportCommand.self,
        ],
        defaultSubcommand: TrainPolicyCommand.self)
}
