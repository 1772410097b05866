// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Corpus
import Datasets
import Search

/// `forage train`: trains a retrieval policy (the default), the reader, the encoder, a reranker, a small language model, how
/// sure answers are, or the reader of questions about a whole corpus.
struct TrainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "train",
        abstract:
            "Train a retrieval policy from gold passages or answer rewards, the reader, the encoder, a reranker, a small model, or corpus-questions.",
        subcommands: [
            TrainPolicyCommand.self, TrainReaderCommand.self, TrainConfidenceCommand.self, TrainEncoderCommand.self,
            TrainRerankerCommand.self, TrainModelCommand.self, TrainCorpusQuestionsCommand.self,
            TrainExportCommand.self,
        ],
        defaultSubcommand: TrainPolicyCommand.self)
}
