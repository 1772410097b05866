// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Learning

/// `forage train corpus-questions`: trains the reader of questions about whole corpora, and writes it with its card.
struct TrainCorpusQuestionsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "corpus-questions",
        abstract: "Train the reader of questions about a whole corpus, from questions and answers alone.",
        discussion: """
            Every folder holds questions.train.jsonl and questions.dev.jsonl, and corpus.jsonl beside them: with --tables \
            documents whose text is a table (cells parted by " | "), with --records documents with metadata. Of --passages \
            only the questions are read: questions about single passages, which are not to be taken for questions about the \
            whole. No programs are given; those that run to the answer are found by running them.
            """)

    @Option(name: .long, help: "A folder with tables and questions about them; may be given more than once.")
    var tables: [String] = []

    @Option(name: .long, help: "A folder with records and questions about them; may be given more than once.")
    var records: [String] = []

    @Option(name: .long, help: "A folder with questions about single passages; may be given more than once.")
    var passages: [String] = []

    @Option(name: .long, help: "The file to write the weights to.")
    var out = "Policies/corpus-questions.safetensors"

    @Option(name: .long, help: "Times through the questions.")
    var epochs = 8

    @Option(name: .long, help: "How much a question about records counts beside one about a table.")
    var recordWeight = 2.0

    @Option(name: .long, help: "The seed.")
    var seed: UInt64 = 1

    func validate() throws {
        guard !tables.isEmpty || !records.isEmpty else {
            throw ValidationError("give at least one folder with --tables or --records")
        }
        guard epochs > 0 else { throw ValidationError("--epochs must be at least 1") }
        guard recordWeight > 0, recordWeight.isFinite else { throw ValidationError("--record-weight must be above 0") }
    }

    func run() async throws {
        let begun = Date()
        var training = CorpusQuestionTraining(tables: tables, records: records, passages: passages)
        training.epochs = epochs
        training.recordWeight = recordWeight
        training.seed = seed
        training.say = { FileHandle.standardError.write(Data(($0 + "\n").utf8)) }
        let outcome = try training.run(to: out)
        var table = ""
        for (kind, scores) in [("left out of training", outcome.leftOut), ("development", outcome.development)] {
            for score in scores where !score.right.isEmpty {
                let exact = PolicyScores.estimate(score.right)
                let time = score.seconds > 0 ? String(format: "%.1f", score.seconds * 1000) : "–"
                let passed = score.accepted.isEmpty ? "–" : String(Int(score.accepted.reduce(0, +)))
                let both = zip(score.right, score.accepted).map { $0 * $1 }.reduce(0, +)
                let rightPassed = score.accepted.isEmpty ? "–" : String(Int(both))
                print(
                    "\(score.name)\t\(kind)\t\(score.right.count) questions\texact \(exact)\tpass \(passed)\tright of these \(rightPassed)\t\(time) ms"
                )
                table +=
                    "| \(score.name) | \(kind) | \(score.right.count) | \(exact) | \(passed) | \(rightPassed) | \(time) |\n"
            }
        }
        var taken = ""
        for score in outcome.passages where !score.accepted.isEmpty {
            let count = Int(score.accepted.reduce(0, +))
            print("\(score.name)\ttaken for questions about the whole: \(count) of \(score.accepted.count)")
            taken += "| \(score.name) | \(score.accepted.count) | \(count) |\n"
        }
        let card = """
            # corpus-questions

            Reads questions about a whole corpus in natural words: links words to fields, values, numbers and dates, makes the
            programs of a grammar that the links support, and ranks them by a log-linear model whose features name no field
            and no value. Learned from answers alone, by the marginal likelihood of the programs that run to the answer.

            | | |
            | --- | --- |
            | Command | `\(TrainPolicyCommand.command)` |
            | Data | \(outcome.trained) training questions; for \(String(format: "%.1f", outcome.covered * 100)) % the grammar has a program that gives the answer |
            | Weights | \(outcome.weights), and the gate, with its threshold at \(String(format: "%.2f", outcome.threshold)) |
            | Seed | \(seed) |
            | Cost | \(Int(Date().timeIntervalSince(begun))) s |

            Exact answers, lists as sets; 95 % bootstrap intervals. Tables and fields of the development questions are not those
            of the training questions.

            | set | part | questions | exact | pass the gate | right of these | ms a question |
            | --- | --- | --- | --- | --- | --- | --- |
            \(table)
            Questions about single passages, asked over the last collection of records:

            | set | questions | taken for questions about the whole |
            | --- | --- | --- |
            \(taken)
            """
        let name = out.hasSuffix(".safetensors") ? String(out.dropLast(".safetensors".count)) : out
        try Data(card.utf8).write(to: URL(fileURLWithPath: name + ".md"), options: .atomic)
        training.say("wrote \(out) and \(name).md")
    }
}
