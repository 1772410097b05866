// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
import Datasets
import Episodes
import Foundation
import OrderedCollections
import TensorMath
import Testing

@testable import Learning

/// Sets to learn from, and how they are divided.
@Suite struct LearningDataTests {
    private let folder = NSTemporaryDirectory() + "learning-data-\(UUID().uuidString)"

    private func write(_ name: String, _ lines: [String]) throws {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try lines.joined(separator: "\n").write(toFile: folder + "/" + name, atomically: true, encoding: .utf8)
    }

    private func question(_ number: Int) -> String {
        #"{"id":"q\#(number)","question":"Who \#(number)?","answers":["a\#(number)"],"supporting":["p\#(number % 3)"]}"#
    }

    @Test func aFolderHasItsParts() throws {
        try write("corpus.jsonl", (0..<3).map { #"{"id":"p\#($0)","title":"T\#($0)","text":"text \#($0)"}"# })
        try write("questions.train.jsonl", (0..<8).map(question))
        try write("questions.dev.jsonl", [question(9)])
        let set = try LearningDataset(folder: folder)
        #expect(set.questions["train"]?.count == 8 && set.questions["dev"]?.map(\.id) == ["q9"])
        #expect(set.documents.map(\.id) == ["p0", "p1", "p2"] && set.passages[1].title == "T1")
        #expect(set.questions["train"]?.first?.gold == ["p0"] && set.questions["train"]?.first?.hops == 1)
        // The policy gets the text, never the gold.
        #expect(set.questions["train"]?.first?.asked.goldAnswers.isEmpty == true)
    }

    @Test func oneFileIsDividedAndTheMissingIsNamed() throws {
        try write("corpus.jsonl", (0..<3).map { #"{"id":"p\#($0)","text":"text"}"# })
        try write("questions.jsonl", (0..<20).map(question))
        let set = try LearningDataset(folder: folder)
        let (train, dev) = (set.questions["train"] ?? [], set.questions["dev"] ?? [])
        #expect(train.count == 16 && dev.count == 4 && Set(train.map(\.id)).isDisjoint(with: dev.map(\.id)))
        try write("questions.jsonl", [#"{"id":"x","question":"?!","answers":[],"supporting":["nowhere"]}"#])
        do {
            _ = try LearningDataset(folder: folder)
            Issue.record("a gold passage that is not there was taken")
        } catch let error as DatasetError { #expect(error.message.contains("nowhere")) }
        #expect(throws: DatasetError.self) { try LearningDataset(folder: folder + "/none") }
    }

    /// Labels that are dealt out anew belong to nobody's own question, and none is lost.
    @Test func shuffledLabelsAreAnothersAndAllThere() {
        let questions = (0..<30).map {
            LearningQuestion(id: "\($0)", text: "?\($0)", answers: ["a\($0)"], gold: ["p\($0)"])
        }
        let dealt = LearningDataset.shufflingLabels(questions, seed: 5)
        #expect(dealt.map(\.text) == questions.map(\.text))
        #expect(zip(dealt, questions).allSatisfy { $0.answers != $1.answers && $0.gold != $1.gold })
        #expect(Set(dealt.flatMap(\.answers)) == Set(questions.flatMap(\.answers)))
        #expect(dealt.allSatisfy { $0.answers.first?.dropFirst() == $0.gold.first?.dropFirst() })
        #expect(LearningDataset.shufflingLabels(questions, seed: 5) == dealt)
        #expect(LearningDataset.shufflingLabels([questions[0]], seed: 5) == [questions[0]])
    }

    @Test func divisionsAreWholeAndRepeatable() {
        var random = SplitMix64(seed: 12)
        for seed in 0..<40 {
            let questions = (0..<Int.random(in: 0...60, using: &random)).map { number in
                LearningQuestion(
                    id: "\(number)", text: "?",
                    gold: (0..<Int.random(in: 0...3, using: &random)).map { _ in
                        "p\(Int.random(in: 0..<40, using: &random))"
                    })
            }
            let (train, held) = QuestionSplit.divide(questions, seed: UInt64(seed))
            #expect(Set(train.map(\.id)).union(held.map(\.id)).count == questions.count)
            #expect(train.count + held.count == questions.count)
            #expect(QuestionSplit.divide(questions, seed: UInt64(seed)).held == held)
            if questions.count > 1 { #expect(!held.isEmpty && !train.isEmpty, "seed \(seed)") }
        }
    }
}
