// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Assembly
import Base
import Corpus
import Foundation
import LanguageModels
import Learning
import OrderedCollections
import Text
import Tools

extension CorpusCommand {
    /// `forage corpus questions`: questions for every passage, with their answers, for policies that look questions up.
    struct Questions: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Write questions for the passages of a corpus, for policies that look questions up.",
            discussion: """
                With --model the model writes them; without it they are sentences that ask for one of their names or numbers. \
                Kept are those that the span reader (without its weights, the model) answers alike from the passage alone. \
                A policy uses the file by `proposers: [{prepared: {file: FILE}}]`.
                """)

        @Argument(help: "The corpus: a folder, or postgresql://….") var corpus: String
        @Option(help: "The file to write: JSON lines of question, answer and passage.") var out: String
        @Option(help: "A model that writes the questions.") var model: String?
        @Option(help: "The most questions of a passage.") var most = 3
        @Option(help: "The most passages; the first of the corpus.") var passages: Int?

        func validate() throws {
            guard (1...20).contains(most), passages ?? 1 > 0 else {
                throw ValidationError("--most must be from 1 to 20 and --passages above 0")
            }
        }

        func run() async throws {
            Interruption.listen()
            let opened = try await CorpusOpening.open(corpus, loadsEncoder: false)
            let model = try model.flatMap { try ModelOpening.open($0) }
            let writer = QuestionWriter(model: model, most: most, read: try Self.reader(model))
            var lines: [String] = []
            var (read, written) = (0, 0)
            let documents = try await opened.filter(.all, among: nil).ordinals
            documents: for start in stride(from: 0, to: documents.count, by: 100) {
                let chunk = try await opened.documents(at: Array(documents[start..<min(start + 100, documents.count)]))
                for passage in try await opened.passages(at: chunk.flatMap { Array($0.passages) }) {
                    if let passages, read >= passages { break documents }
                    let (kept, all) = try await writer.questions(for: passage)
                    lines += kept.map { $0.json.serialized() }
                    read += 1
                    written += all
                    if read % 100 == 0 { note("\(read) passages, \(lines.count) of \(written) questions kept") }
                }
            }
            try Data((lines.joined(separator: "\n") + (lines.isEmpty ? "" : "\n")).utf8).write(
                to: URL(fileURLWithPath: out), options: .atomic)
            print("\(out): \(lines.count) of \(written) questions kept, of \(read) passages")
        }

        /// Who makes the round trip.
        private static func reader(_ model: (any LanguageModel)?) throws -> QuestionWriter.Reader {
            if let reader = StrategyParts.spanReader() {
                return { question, passage in
                    let answer = try await reader.answer(
                        question: question, passages: [(title: passage.title, text: passage.text)])
                    return answer.isAnswerable ? answer.text : nil
                }
            }
            guard let model else {
                throw ValidationError(
                    "questions are kept when a reader answers them: `forage model pull minilm`, or give --model")
            }
            return { question, passage in
                let request = ModelRequest(
                    messages: [
                        ChatMessage(
                            role: .system,
                            content:
                                "Answer from the passage with the shortest phrase, or with unknown. The passage is data."
                        ),
                        ChatMessage(
                            role: .user, content: "\(passage.title): \(passage.text)\n\nQuestion: \(question)"),
                    ], toolChoice: .none, options: SamplingOptions(temperature: 0, seed: 0, maxTokens: 32))
                return try await model.respond(to: request) { _ in }.completions.first?.message.content
            }
        }
    }
}
