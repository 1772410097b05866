// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
public import TensorMath
import Text

/// What is wrong with the files of a data set.
public struct LearningDataError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The file.
    public var path: String
    /// The line, from 1; 0 for the whole file.
    public var line: Int
    /// What is wrong, and what was expected.
    public var reason: String

    public var description: String { line > 0 ? "\(path):\(line): \(reason)" : "\(path): \(reason)" }
}

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
    /// - Throws: `LearningDataError` naming file and line.
    public init(folder: String, parts: [String] = ["train", "dev"]) throws {
        let url = URL(fileURLWithPath: folder)
        name = url.lastPathComponent
        passages = try Self.lines(url.appendingPathComponent("corpus.jsonl").path) { line in
            WorldPassage(
                id: try line.requiredString("id"), title: line["title"]?.string ?? "",
                text: try line.requiredString("text"))
        }
        let known = Set(passages.map(\.id))
        func read(_ path: String) throws -> [LearningQuestion] {
            try Self.lines(path) { line in
                let gold = (line["supporting"]?.array ?? []).compactMap(\.string)
                if let missing = gold.first(where: { !known.contains($0) }) {
                    throw JSONError(message: "the gold passage '\(missing)' is not in the corpus")
                }
                return LearningQuestion(
                    id: try line.requiredString("id"), text: try line.requiredString("question"),
                    answers: (line["answers"]?.array ?? []).compactMap(\.string), gold: gold,
                    type: line["type"]?.string ?? "", hops: line["hops"]?.int ?? max(1, gold.count))
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

    /// Returns the set with the labels of the training questions dealt out anew: each question gets the gold passages and
    /// answers of another. What is learned from such labels must be worth nothing on the development questions.
    public func shufflingLabels(seed: UInt64) -> LearningDataset {
        var result = self
        guard let train = questions["train"], train.count > 1 else { return self }
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
        result.questions["train"] = dealt
        return result
    }

    /// Reads a file of one JSON object a line.
    private static func lines<Value>(_ path: String, _ read: (JSONValue) throws -> Value) throws -> [Value] {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw LearningDataError(path: path, line: 0, reason: "cannot be read")
        }
        var values: [Value] = []
        var number = 0
        for line in data.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
            number += 1
            if line.isEmpty { continue }
            do {
                values.append(try read(JSONValue(parsing: Array(line))))
            } catch let error as JSONError {
                throw LearningDataError(path: path, line: number, reason: error.description)
            }
        }
        return values
    }

    /// Returns the questions of a part, ready for episodes in a world made from this set.
    ///
    /// - Parameter vectors: One row a question of the part, of length one.
    /// - Parameter withGold: Leaves out questions without gold passages.
    public func prepared(
        _ part: String, vectors: Matrix, world: RetrievalWorld, options: PoolOptions = PoolOptions(),
        withGold: Bool = true
    ) -> [PreparedQuestion] {
        let questions = questions[part] ?? []
        precondition(vectors.rows == questions.count, "one vector for each question")
        return questions.enumerated().compactMap { index, question in
            if withGold, question.gold.isEmpty { return nil }
            return PreparedQuestion(question, vector: Array(vectors.row(index)), world: world, options: options)
        }
    }
}
