// SPDX-License-Identifier: Apache-2.0

import Base
public import Corpus
import Foundation
import TensorMath
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

    /// Reads a file of one JSON object a line.
    private static func lines<Value>(_ path: String, _ read: (JSONValue) throws -> Value) throws -> [Value] {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw LearningDataError(path: path, line: 0, reason: "cannot be read")
        }
        var values: [Value] = []
        var number = 0
        for line in data.textLines() {
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

    /// Reads a file of questions, one JSON object a line: `question` (or `text`), and as far as there are any `id`,
    /// `answers` (or `answer`), `supporting` (or `gold`), `type`, `hops`. A line that cannot be read is set aside.
    ///
    /// - Returns: The questions, and what was wrong with each line that was set aside.
    /// - Throws: `LearningDataError` where the file cannot be read or holds no question.
    public static func questions(file path: String) throws -> (
        questions: [LearningQuestion], refused: [LearningDataError]
    ) {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw LearningDataError(path: path, line: 0, reason: "cannot be read")
        }
        var questions: [LearningQuestion] = []
        var refused: [LearningDataError] = []
        for (index, line) in data.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated()
        where !line.allSatisfy({ $0 == 0x20 || $0 == 0x0D || $0 == 0x09 }) {
            do {
                let json = try JSONValue(parsing: Array(line))
                guard let text = json["question"]?.string ?? json["text"]?.string, !text.isEmpty else {
                    throw JSONError(message: "expected \"question\"")
                }
                func strings(_ keys: String...) -> [String] {
                    for key in keys {
                        guard let value = json[key], !value.isNull else { continue }
                        if let list = value.array {
                            return list.compactMap { $0.string ?? $0.double.map(Self.written) }
                        }
                        if let single = value.string ?? value.double.map(Self.written) { return [single] }
                    }
                    return []
                }
                let gold = strings("supporting", "gold", "gold_passages")
                questions.append(
                    LearningQuestion(
                        id: json["id"]?.string ?? json["id"]?.int.map(String.init) ?? String(index + 1), text: text,
                        answers: strings("answers", "answer", "gold_answers"), gold: gold,
                        type: json["type"]?.string ?? "", hops: json["hops"]?.int ?? max(1, gold.count)))
            } catch {
                refused.append(LearningDataError(path: path, line: index + 1, reason: "\(error)"))
            }
        }
        guard !questions.isEmpty else {
            throw LearningDataError(path: path, line: 0, reason: "holds no question")
        }
        return (questions, refused)
    }

    private static func written(_ number: Double) -> String {
        Int(exactly: number).map(String.init) ?? String(number)
    }

    /// The passages as documents of a corpus.
    public var documents: [Document] {
        passages.map { Document(id: $0.id, title: $0.title, text: $0.text) }
    }
}
