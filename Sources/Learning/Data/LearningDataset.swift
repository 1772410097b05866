// SPDX-License-Identifier: Apache-2.0

import Base
public import Corpus
public import Datasets
import Foundation
import TensorMath
import Text

/// The passages and questions of one data set, as `corpus.jsonl` and `questions.train.jsonl`, `questions.dev.jsonl` in a folder.
///
/// A folder with one file `questions.jsonl` instead, as small samples have it, is divided: each fifth question is kept
/// for development.
public struct LearningDataset: Sendable {
    /// The folder's name.
    public let name: String
    /// The passages of `corpus.jsonl`.
    public let passages: [WorldPassage]
    /// The questions by part of the set: `train`, `dev`.
    public private(set) var questions: [String: [LearningQuestion]]

    /// Reads a folder. A missing part of the questions is an empty one.
    ///
    /// - Throws: `DatasetError` naming the file.
    public init(folder: String, parts: [String] = ["train", "dev"]) throws {
        let url = URL(fileURLWithPath: folder)
        name = url.lastPathComponent
        passages = try CorpusFiles.read(url.appendingPathComponent("corpus.jsonl").path).map {
            WorldPassage(id: $0.id, title: $0.title, text: $0.text)
        }
        let known = Set(passages.map(\.id))
        func read(_ path: String) throws -> [LearningQuestion] {
            try DatasetReader.read(path).questions.map { question in
                if let missing = question.supporting.first(where: { !known.contains($0) }) {
                    throw DatasetError(
                        file: path, message: "\(question.id): the gold passage '\(missing)' is not in the corpus")
                }
                return LearningQuestion(question)
            }
        }
        let files = FileManager.default
        var questions: [String: [LearningQuestion]] = [:]
        for part in parts {
            let path = url.appendingPathComponent("questions.\(part).jsonl").path
            questions[part] = files.fileExists(atPath: path) ? try read(path) : []
        }
        let single = url.appendingPathComponent("questions.jsonl").path
        if questions.values.allSatisfy(\.isEmpty), !parts.isEmpty, files.fileExists(atPath: single) {
            let all = try read(single)
            for part in parts {
                questions[part] = all.indices.filter { ($0 % 5 == 4) == (part != "train") }.map { all[$0] }
            }
        }
        self.questions = questions
    }

    /// Returns training questions with their labels dealt out anew: each question gets the gold passages and answers of
    /// another. What is learned from such labels must be worth nothing on other questions.
    public static func shufflingLabels(_ train: [LearningQuestion], seed: UInt64) -> [LearningQuestion] {
        guard train.count > 1 else { return train }
        var generator = SplitMix64(seed: seed, stream: 0x5A0F)
        var order = Array(train.indices)
        generator.shuffle(&order)
        var dealt = train
        for (place, index) in order.enumerated() {
            // A ring of the shuffled order, so that none keeps its own.
            let other = train[order[(place + 1) % order.count]]
            dealt[index].gold = other.gold
            dealt[index].answers = other.answers
        }
        return dealt
    }

    /// The passages as documents of a corpus.
    public var documents: [Document] {
        passages.map { Document(id: $0.id, title: $0.title, text: $0.text) }
    }
}

extension LearningQuestion {
    /// A question of a data set, with its gold.
    public init(_ question: EvalQuestion) {
        self.init(
            id: question.id, text: question.text, answers: question.answers, gold: question.supporting,
            type: question.type, hops: question.hops ?? max(1, question.supporting.count))
    }
}
