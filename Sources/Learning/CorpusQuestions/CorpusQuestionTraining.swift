// SPDX-License-Identifier: Apache-2.0

import Base
import Datasets
import Foundation
import OrderedCollections
import Reading
import TensorMath
import Text

/// Trains the reader of questions about whole corpora, from questions and answers alone, and judges it.
///
/// Three kinds of folders, each with `corpus.jsonl` and `questions.train.jsonl` (and `questions.dev.jsonl` to judge by):
/// - *tables*: each document's text is a table, cells parted by " | "; each question names its table in `supporting`;
/// - *records*: documents with metadata; each question names, in `collection`, the documents that it is about by the
///   `collection` of their metadata (all of them where it names none);
/// - *passages*: questions about single passages, which the gate must leave alone; only the questions are read.
public struct CorpusQuestionTraining: Sendable {
    public var tables: [String]
    public var records: [String]
    public var passages: [String]
    /// Rounds over the questions. Default 8.
    public var epochs = 8
    /// How much a question about records counts beside one about a table. Default 2.
    public var recordWeight = 2.0
    public var seed: UInt64 = 1
    /// Told what is being done.
    public var say: @Sendable (String) -> Void = { _ in }

    public init(tables: [String], records: [String], passages: [String]) {
        self.tables = tables
        self.records = records
        self.passages = passages
    }

    /// A folder's questions, answered or not.
    public struct Score: Sendable {
        public var name: String
        /// Whether each was answered right, in order.
        public var right: [Double]
        /// Whether the gate let each pass.
        public var accepted: [Double]
        /// Seconds a question.
        public var seconds: Double
    }

    /// What training gave.
    public struct Outcome: Sendable {
        public var trained: Int
        /// The share of training questions with a program that gives their answer.
        public var covered: Double
        /// Weights that are not zero.
        public var weights: Int
        /// Left-out collections of records, each read by a reader that was trained on the others.
        public var leftOut: [Score]
        /// The confidence from which on a reading is run.
        public var threshold: Double
        /// The development questions.
        public var development: [Score]
        /// Passage questions, by how many the gate took for questions about the whole.
        public var passages: [Score]
    }

    private struct Material {
        var indexes: [TableIndex] = []
        var collections: [Int: RecordCollection] = [:]
        var names: [Int: String] = [:]
        var trainTables: [TableQuestion] = []
        var trainRecords: [TableQuestion] = []
        var development: [(name: String, questions: [TableQuestion])] = []
        var passages: [(name: String, questions: [String])] = []
    }

    /// Trains, writes the weights, and judges them.
    /// - Throws: what reading and writing files throws; `CorpusQuestionTrainingError` where there is nothing to train on.
    public func run(to path: String) throws -> Outcome {
        let material = try read()
        guard !material.trainTables.isEmpty || !material.trainRecords.isEmpty else {
            throw CorpusQuestionTrainingError.noQuestions(tables + records)
        }
        let questions = material.trainTables + material.trainRecords
        let trainer = trainer()
        say("running the programs of \(questions.count) questions")
        let prepared = trainer.prepare(questions, tables: material.indexes)
        var leftOut: [Score] = []
        var examples: [ReadingGate.Example] = []
        // Collections take turns in being left out, so that the gate sees readings of fields that were not trained on.
        let collections = Set(material.trainRecords.map(\.table)).sorted()
        for round in 0..<min(Self.parts, collections.count) {
            let own = Set(collections.enumerated().filter { $0.offset % Self.parts == round }.map(\.element))
            say("leaving out part \(round + 1) of \(Self.parts)")
            let weights = trainer.train(zip(questions, prepared).compactMap { own.contains($0.table) ? nil : $1 })
            for collection in own.sorted() {
                let reader = QuestionReader(index: material.indexes[collection], weights: weights)
                var score = Score(name: material.names[collection] ?? "", right: [], accepted: [], seconds: 0)
                for question in material.trainRecords where question.table == collection {
                    let (reading, isRight) = judge(question, reader)
                    score.right.append(isRight ? 1 : 0)
                    examples.append(ReadingGate.Example(features: reading.gateFeatures, isRight: isRight))
                }
                leftOut.append(score)
                // Passage questions over the same documents: each once over all collections.
                let turn = collections.firstIndex(of: collection) ?? 0
                for (name, questions) in material.passages where name.hasSuffix("train") {
                    for (place, question) in questions.enumerated() where place % collections.count == turn {
                        let mentions = material.collections[collection]?.mentions(in: question) ?? [:]
                        let reading = reader.read(question, mentions: mentions)
                        examples.append(
                            ReadingGate.Example(features: reading.gateFeatures, isRight: false, isWhole: false))
                    }
                }
            }
        }
        say("training on all")
        var weights = trainer.train(prepared.compactMap { $0 })
        weights.gate = ReadingGate.fit(examples)
        let threshold = ReadingGate.threshold(examples, weights: weights.gate)
        say("threshold \(threshold)")
        try write(weights, threshold, to: path)
        return Outcome(
            trained: questions.count, covered: Double(prepared.count { $0 != nil }) / Double(questions.count),
            weights: weights.scores.count { $0 != 0 }, leftOut: leftOut,
            threshold: threshold,
            development: material.development.map { score($0.name, $0.questions, weights, threshold, material) },
            passages: passageScores(weights, threshold, material))
    }

    /// Into how many parts the collections are cut to train the gate.
    private static let parts = 3

    private func trainer() -> QuestionReaderTrainer {
        var options = QuestionReaderTrainer.Options()
        options.epochs = epochs
        options.seed = seed
        let (say, total) = (say, epochs)
        return QuestionReaderTrainer(options: options) { epoch, likelihood in
            say("round \(epoch) of \(total), log-likelihood \(String(format: "%.3f", likelihood))")
        }
    }

    private func judge(_ question: TableQuestion, _ reader: QuestionReader) -> (QuestionReading, Bool) {
        let reading = reader.read(question.text, mentions: question.mentions)
        let isRight =
            reading.programs.first.map { AnswerMatch.isRight($0.denotation, question.gold, in: reader.index.table) }
            ?? false
        return (reading, isRight)
    }

    private func score(
        _ name: String, _ questions: [TableQuestion], _ weights: ProgramWeights, _ threshold: Double,
        _ material: Material
    ) -> Score {
        var score = Score(name: name, right: [], accepted: [], seconds: 0)
        let begun = ContinuousClock.now
        for question in questions {
            let reader = QuestionReader(index: material.indexes[question.table], weights: weights)
            let (reading, isRight) = judge(question, reader)
            score.right.append(isRight ? 1 : 0)
            score.accepted.append((reading.confidence ?? 1) >= threshold ? 1 : 0)
        }
        let elapsed = ContinuousClock.now - begun
        score.seconds =
            (Double(elapsed.components.seconds) + Double(elapsed.components.attoseconds) * 1e-18)
            / Double(max(1, questions.count))
        return score
    }

    private func passageScores(_ weights: ProgramWeights, _ threshold: Double, _ material: Material) -> [Score] {
        guard let table = material.collections.keys.max() else { return [] }
        let reader = QuestionReader(index: material.indexes[table], weights: weights)
        return material.passages.filter { $0.name.hasSuffix("dev") }.map { name, questions in
            let accepted = questions.map { question in
                let mentions = material.collections[table]?.mentions(in: question) ?? [:]
                return (reader.read(question, mentions: mentions).confidence ?? 0) >= threshold ? 1.0 : 0
            }
            return Score(name: name, right: [], accepted: accepted, seconds: 0)
        }
    }

    private func write(_ weights: ProgramWeights, _ threshold: Double, to path: String) throws {
        let places = weights.scores.indices.filter { weights.scores[$0] != 0 }
        var writer = SafetensorsWriter(metadata: [
            "features": ProgramWeights.version, "seed": String(seed), "threshold": String(format: "%.2f", threshold),
        ])
        writer.add("places", shape: [places.count], places.map { Float($0) })
        writer.add("scores", shape: [places.count], places.map { weights.scores[$0] })
        writer.add("gate", shape: [weights.gate.count], weights.gate)
        try writer.write(to: path)
    }

    // MARK: Data

    private func read() throws -> Material {
        var material = Material()
        for folder in tables {
            var places: [String: Int] = [:]
            for document in try lines(folder + "/corpus.jsonl") {
                guard let id = document["id"]?.string, let text = document["text"]?.string,
                    let table = TableReading.table(lines: text)
                else { continue }
                places[id] = material.indexes.count
                material.indexes.append(TableIndex(table))
            }
            func questions(_ part: String) throws -> [TableQuestion] {
                try lines(folder + "/questions.\(part).jsonl").compactMap { line in
                    let named = (line["supporting"]?.array ?? []).compactMap { $0.string.flatMap { places[$0] } }
                    // An answer that stands in a text beside the table is none of the table's.
                    guard let table = named.first, line["answer_from"]?.string ?? "table" == "table" else { return nil }
                    return question(line, table: table)
                }
            }
            material.trainTables += try questions("train")
            material.development.append((name(folder), try questions("dev")))
        }
        for folder in records { try readRecords(folder, into: &material) }
        for folder in passages {
            for part in ["train", "dev"] {
                let texts = try lines(folder + "/questions.\(part).jsonl").compactMap { $0["question"]?.string }
                material.passages.append((name(folder) + " " + part, Array(texts.prefix(400))))
            }
        }
        return material
    }

    private func readRecords(_ folder: String, into material: inout Material) throws {
        var documents: [String: [JSONValue]] = [:]
        for document in try lines(folder + "/corpus.jsonl") {
            guard case .object(var members) = document else { continue }
            var collection = ""
            if case .object(var metadata)? = document["metadata"] {
                collection = metadata["collection"]?.string ?? ""
                metadata["collection"] = nil
                members["metadata"] = .object(metadata)
            }
            documents[collection, default: []].append(.object(members))
        }
        var places: [String: Int] = [:]
        for collection in documents.keys.sorted() {
            let made = RecordCollection(documents: documents[collection] ?? [])
            places[collection] = material.indexes.count
            material.collections[material.indexes.count] = made
            material.names[material.indexes.count] = collection.isEmpty ? name(folder) : collection
            material.indexes.append(made.index)
        }
        let collections = material.collections
        func questions(_ part: String, weight: Double) throws -> [TableQuestion] {
            try lines(folder + "/questions.\(part).jsonl").compactMap { line in
                guard let table = places[line["collection"]?.string ?? ""] else { return nil }
                guard var made = question(line, table: table) else { return nil }
                let mentions = collections[table]?.mentions(in: made.text) ?? [:]
                made.mentions = mentions
                made.weight = weight
                return made
            }
        }
        material.trainRecords += try questions("train", weight: recordWeight)
        material.development.append((name(folder), try questions("dev", weight: 1)))
    }

    private func question(_ line: JSONValue, table: Int) -> TableQuestion? {
        guard let text = line["question"]?.string, let answers = line["answers"]?.array else { return nil }
        return TableQuestion(
            id: line["id"]?.string ?? "", text: text, gold: Set(answers.compactMap(\.string).map(AnswerMatch.normal)),
            table: table)
    }

    private func name(_ folder: String) -> String { folder.split(separator: "/").last.map(String.init) ?? folder }

    /// The objects of a file of JSON lines; none where there is no such file.
    private func lines(_ path: String) throws -> [JSONValue] {
        guard FileManager.default.fileExists(atPath: path) else { return [] }
        return try RecordFile(path: path).records().map(\.value)
    }
}

/// Why the reader of questions about corpora cannot be trained.
public enum CorpusQuestionTrainingError: Error, Sendable, Hashable, CustomStringConvertible {
    /// None of the folders has a question with an answer and its table or records.
    case noQuestions([String])

    public var description: String {
        switch self {
        case .noQuestions(let folders):
            return
                "no training questions in \(folders.joined(separator: ", ")): expected corpus.jsonl and questions.train.jsonl with answers"
        }
    }
}
