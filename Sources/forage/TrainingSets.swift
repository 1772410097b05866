// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Assembly
import Base
import Corpus
import Datasets
import Encoders
import Foundation
import Learning
import Search
import Tools

/// A corpus to learn on, with the questions to learn from and those to judge by.
struct TrainingSet {
    var name: String
    var corpus: TrainingCorpus
    var train: [TrainingQuestion]
    var judged: [TrainingQuestion]
}

/// Opens the sets that a command line names.
struct TrainingSets {
    /// Corpora with question files, pair by pair.
    var corpora: [String]
    var questions: [String]
    /// Question files to judge by, pair by pair; where there are none a part of `questions` is held back.
    var judged: [String]
    /// Folders with corpus.jsonl and question files.
    var folders: [String]
    /// The encoder for folders that are indexed here.
    var encoder: String
    /// Where folders are indexed.
    var indexed: String
    var seed: UInt64
    var shuffles: Bool
    let say: (String) -> Void

    func open() async throws -> [TrainingSet] {
        let space = try ActionSpace(memory: 1 << 14)
        var sets: [TrainingSet] = []
        for (index, path) in corpora.enumerated() {
            let corpus = try await CorpusOpening.open(path)
            var (train, held) = (try Self.read(questions[index], say), [LearningQuestion]())
            if index < judged.count {
                held = try Self.read(judged[index], say)
            } else {
                (train, held) = QuestionSplit.divide(train, seed: seed)
            }
            sets.append(try set(corpus.summary.name, corpus, space, train, held))
        }
        for folder in folders {
            let dataset = try LearningDataset(folder: folder)
            let corpus = try await index(folder, named: dataset.name)
            sets.append(
                try set(
                    dataset.name, corpus, space, dataset.questions["train"] ?? [], dataset.questions["dev"] ?? []))
        }
        return sets
    }

    private static func read(_ path: String, _ say: (String) -> Void) throws -> [LearningQuestion] {
        let set = try DatasetReader.read(path)
        for line in set.refusals { say(line) }
        return set.questions.map { LearningQuestion($0) }
    }

    private func set(
        _ name: String, _ corpus: any RetrievalCorpus, _ space: ActionSpace, _ train: [LearningQuestion],
        _ judged: [LearningQuestion]
    ) throws -> TrainingSet {
        let learned = shuffles ? LearningDataset.shufflingLabels(train, seed: seed) : train
        let training = try TrainingCorpus(corpus, name: name, space: space)
        say(
            "\(name): \(corpus.summary.passageCount) passages, \(train.count) questions to learn from, \(judged.count) to judge by"
        )
        return TrainingSet(
            name: name, corpus: training, train: learned.map { TrainingQuestion($0, on: training) },
            judged: judged.map { TrainingQuestion($0, on: training) })
    }

    /// The corpus of a folder: indexed once, and kept beside the runs.
    private func index(_ folder: String, named name: String) async throws -> any RetrievalCorpus {
        let path = indexed + "/" + name + ".forage"
        let options = try IndexingOptions.parse(["--encoder", encoder])
        try await options.check()
        try FileManager.default.createDirectory(atPath: indexed, withIntermediateDirectories: true)
        let writer = try CorpusWriter.open(creatingAt: path, options: nil)
        _ = try writer.ingest([folder + "/corpus.jsonl"], options: IngestOptions(), progress: { _ in }) {
            Interruption.isRequested
        }
        _ = try await options.publish(writer)
        return try await CorpusOpening.open(path)
    }
}
