// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Assembly
import Base
import Corpus
import Datasets
import Evaluation
import Foundation
import OrderedCollections
import QualityMetrics
import Text
import Tools

struct EvalRetrievalCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "retrieval",
        abstract: "Recall of keyword, semantic and hybrid search on a question file.")

    @Argument(help: "The question files, or the folders of BEIR sets.") var questions: [String]
    @Option(name: [.short, .long], help: "The corpus: a folder made by `forage index`, or JSON lines.") var corpus:
        String
    @Option(help: "The modes; default: all that the corpus has.") var mode: [String] = []
    @Option(name: [.customShort("k"), .long], help: "At most so many questions of each file.") var limit: Int?
    @Option(parsing: .upToNextOption, help: "The cut-offs of recall.") var cutoffs: [Int] = [
        2, 5, 10, 100,
    ]
    @Option(help: "Writes the runs in TREC form into this folder, one file a mode, and the judgments (qrels.txt).")
    var trec: String?
    @Option(help: "A file of published recall (Examples/suites/published-recall.yaml) to print the rows beside.")
    var beside: String?
    @Option(help: "The question set's name in that file; default: by the question file.") var name: String?
    @Option(help: "Which judgments of a BEIR set.") var split = "test"
    @Option(help: "The judgments of questions that have none of their own, as TREC's topics: a qrels file.")
    var qrels: String?
    @Flag(name: [.short, .long], help: "Print the results as JSON.") var json = false

    func run() async throws {
        let published = try beside.map { try PublishedRecall(file: $0) }
        let modes = try mode.map { name in
            guard let mode = RetrievalMode(rawValue: name) else {
                throw ValidationError("unknown mode \"\(name)\"; expected one of keyword, semantic, hybrid")
            }
            return mode
        }
        let opened = try await CorpusOpening.open(corpus, memoryLimit: .max)
        let summary = opened.summary
        var set = try DatasetReader.read(questions[0], split: split)
        for file in questions.dropFirst() {
            let further = try DatasetReader.read(file, split: split)
            set.questions += further.questions
            set.refused += further.refused
        }
        if let qrels {
            let judgments = try TRECFiles.qrels(qrels)
            for index in set.questions.indices {
                guard let grades = judgments[set.questions[index].id] else { continue }
                set.questions[index].judgments = grades
                set.questions[index].supporting = grades.filter { $0.value > 0 }.keys.sorted()
            }
        }
        for line in set.refusals { note(line) }
        if let limit { set = set.sample(limit, seed: 1) }
        let evaluation = RetrievalEvaluation(set: set, cutoffs: cutoffs.filter { $0 > 0 }.sorted())
        // Hybrid search of a corpus without vectors is keyword search, and no row of its own.
        let hasVectors = opened.summary.modes.contains(.semantic)
        if !hasVectors, let mode = modes.first(where: { $0 != .keyword }) {
            throw ValidationError(
                "\(corpus) has no vectors, so there is no \(mode.rawValue) search; `forage index` with an encoder makes them"
            )
        }
        let wanted = modes.isEmpty ? opened.summary.modes.filter { hasVectors || $0 != .hybrid } : modes
        if !hasVectors { note("\(corpus) has no vectors: keyword search only") }
        let trec = trec
        let rows = try await Interruption.cancelling {
            var rows: [RetrievalEvaluation.Row] = []
            for mode in wanted {
                note(
                    "\(mode.rawValue): \(counted(evaluation.set.questions.count, "question")) over \(counted(opened.summary.passageCount, "passage")) …"
                )
                let rankings = try await evaluation.rankings(mode, in: opened)
                rows.append(evaluation.row(mode.rawValue, rankings))
                guard let trec else { continue }
                var run: [String: [String: Double]] = [:]
                for ranking in rankings {
                    run[ranking.question.id] = Dictionary(
                        zip(ranking.ranked, ranking.scores).map { ($0, $1) },
                        uniquingKeysWith: { first, _ in first })
                }
                try writeFile(
                    TRECFiles.runLines(run, tag: "forage-" + mode.rawValue).joined(separator: "\n") + "\n",
                    to: "\(trec)/\(mode.rawValue).run")
            }
            if let trec {
                let judged = evaluation.set.questions.filter { !$0.relevance.isEmpty }
                try writeFile(
                    TRECFiles.qrelsLines(
                        Dictionary(judged.map { ($0.id, $0.relevance) }, uniquingKeysWith: { first, _ in first })
                    ).joined(separator: "\n") + "\n", to: "\(trec)/qrels.txt")
            }
            return rows
        }
        if json {
            print(RetrievalEvaluation.json(rows).serialized())
        } else if let published {
            let title = name ?? set.name
            guard published.rows[title] != nil else {
                throw ValidationError(
                    "\(beside ?? "") has no set \"\(title)\"; it has \(published.rows.keys.sorted().joined(separator: ", ")): give --name"
                )
            }
            let questions = rows.first?.means.values.first?.count ?? 0
            print("## \(title)\n")
            print(
                published.markdown(
                    title, own: rows,
                    source:
                        "this run, \(counted(questions, "question")), \(counted(summary.passageCount, "passage")); 95% interval"
                ))
        } else {
            print(RetrievalEvaluation.markdown(rows), terminator: "")
        }
    }
}

struct EvalScoreCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "score",
        abstract: "Score the released predictions of any system as the benchmark's own script does.",
        discussion: """
            GOLD is a question file, the folder of a BEIR set, or TREC judgments. PREDICTIONS is HotpotQA's or \
            2WikiMultihopQA's {"answer": …, "sp": …}, {id: answer}, MuSiQue's lines, FlashRAG's intermediate_data.json, \
            MultiHop-RAG's lists of answers or of retrieved texts, lines of {"id", "answer", "retrieved"}, or a TREC run.
            """)

    @Argument(help: "The gold answers.") var gold: String
    @Argument(help: "The predictions.") var predictions: String
    @Option(help: "The benchmark whose scoring is used; default: by the question file.") var benchmark: String?
    @Option(help: "Other names of answers and entities: 2WikiMultihopQA's id_aliases.json.") var aliases: String?
    @Option(help: "Which judgments of a BEIR set.") var split = "test"
    @Flag(name: [.short, .long], help: "Print the scores as JSON.") var json = false

    func run() throws {
        let given = try PredictionSet.read(predictions)
        let scores: PredictionSet.Scores
        if given.predictions.values.contains(where: { $0.run != nil }),
            let qrels = try? TRECFiles.qrels(gold)
        {
            scores = given.trecScores(qrels)
        } else {
            var set = try DatasetReader.read(gold, split: split)
            for line in set.refusals { note(line) }
            if let benchmark {
                guard let known = AnswerBenchmark(rawValue: benchmark) else {
                    throw ValidationError(
                        "unknown benchmark \"\(benchmark)\"; expected one of "
                            + AnswerBenchmark.allCases.map(\.rawValue).joined(separator: ", "))
                }
                set.benchmark = known
            }
            scores = given.scores(set, aliases: try aliases.map { try EntityAliases(file: $0) })
        }
        if scores.missing > 0 {
            note(
                "\(scores.missing) of \(counted(scores.questions, "question")) \(scores.missing == 1 ? "has" : "have") no prediction"
            )
        }
        if scores.unknown > 0 {
            note(
                "\(counted(scores.unknown, "prediction")) \(scores.unknown == 1 ? "is" : "are") of questions that are not in \(gold)"
            )
        }
        guard scores.missing < scores.questions else {
            throw ValidationError("no question of \(gold) has a prediction in \(predictions)")
        }
        if json {
            print(
                JSONValue.object(
                    JSONObject(uniqueKeysWithValues: scores.means.map { ($0.key, JSONValue.number($0.value)) })
                ).serialized())
        } else {
            for (name, value) in scores.means { print("\(name): \(value)") }
        }
    }
}

struct EvalGenerateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "generate",
        abstract:
            "Make corpus-level questions (count, extremum, sorting, top-k) with exact answers from a corpus with metadata."
    )

    @Argument(help: "The corpus: a folder made by `forage index`, or JSON lines of {id, title, text, metadata}.")
    var corpus: String
    @Option(help: "Where questions.train.jsonl and questions.test.jsonl are written.") var output: String
    @Option(help: "Training questions.") var train = 100
    @Option(help: "Test questions; none has a twin in the training part.") var test = 100
    @Option(help: "Seeds the drawing.") var seed: UInt64 = 1
    @Option(help: "What a document is called in the questions.") var noun = "document"
    @Option(help: "The largest gold set.") var largestGold = 50
    @Option(parsing: .upToNextOption, help: "Fields that are not used.") var exclude: [String] = []
    @Option(parsing: .upToNextOption, help: "easy (one condition), medium (two), hard (three, or, not); default: all.")
    var difficulty: [String] = []
    @Option(
        parsing: .upToNextOption,
        help:
            "count, minimum, maximum, sort_asc, sort_desc, topk_largest, topk_smallest; default: all.")
    var family: [String] = []
    @Option(help: "Uses only documents whose metadata has this value, as field=value.") var only: String?

    func run() async throws {
        var passages = try await CorpusOpening.documents(corpus)
        if let only {
            let parts = only.split(separator: "=", maxSplits: 1).map(String.init)
            guard parts.count == 2 else {
                throw ValidationError("--only must be field=value, found \"\(only)\"")
            }
            passages = passages.filter { $0.metadata[parts[0]]?.string == parts[1] }
        }
        var options = CorpusQuestionGenerator.Options()
        options.train = train
        options.test = test
        options.seed = seed
        options.noun = noun
        options.largestGold = largestGold
        if !difficulty.isEmpty { options.difficulties = try difficulty.map { try one($0, "--difficulty") } }
        if !family.isEmpty { options.families = try family.map { try one($0, "--family") } }
        let generator = CorpusQuestionGenerator(passages: passages, excludedFields: Set(exclude))
        let sets = generator.generate(options)
        for (name, set) in [("train", sets.train), ("test", sets.test)] {
            try writeFile(
                set.questions.map { $0.json.serialized() + "\n" }.joined(),
                to: "\(output)/questions.\(name).jsonl")
        }
        note(
            "\(sets.train.questions.count) training and \(counted(sets.test.questions.count, "test question")) from \(counted(passages.count, "document")) in \(output)"
        )
    }

    /// One of the values that an option takes.
    private func one<Value: RawRepresentable<String> & CaseIterable>(_ text: String, _ option: String) throws -> Value {
        guard let value = Value(rawValue: text) else {
            throw ValidationError(
                "\(option): expected one of \(Value.allCases.map(\.rawValue).joined(separator: ", ")), found \"\(text)\""
            )
        }
        return value
    }
}

struct EvalDataCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "data", abstract: "Check a question set, or write it in Forage's own format.")

    @Argument(help: "The question file, - for standard input, or the folder of a BEIR set.") var questions: String
    @Option(help: "The format; default: recognised.") var format: String?
    @Option(
        name: [.short, .long],
        help: "The corpus that the gold passages must be in: a folder made by `forage index`, or JSON lines.")
    var corpus: String?
    @Option(
        help: "Writes questions.jsonl and, where the set has passages, corpus.jsonl into this folder.")
    var output: String?
    @Option(help: "A sample of so many questions.") var sample: Int?
    @Option(help: "Writes questions.train.jsonl and questions.test.jsonl instead, with this share in the test part.")
    var holdOut: Double?
    @Option(help: "Seeds the sample and the parts.") var seed: UInt64 = 1
    @Option(help: "Which judgments of a BEIR set.") var split = "test"

    func validate() throws {
        guard let holdOut else { return }
        guard holdOut > 0, holdOut < 1 else {
            throw ValidationError("--hold-out must be a share between 0 and 1, found \(holdOut)")
        }
        guard output != nil else { throw ValidationError("--hold-out needs --output, the folder of the two parts") }
    }

    func run() async throws {
        var chosen: DatasetFormat?
        if let format {
            chosen = DatasetFormat(rawValue: format)
            guard chosen != nil else {
                throw ValidationError(
                    "unknown format \"\(format)\"; expected one of "
                        + DatasetFormat.allCases.map(\.rawValue).joined(separator: ", "))
            }
        }
        var set = try DatasetReader.read(questions, format: chosen, split: split)
        for error in set.refused.prefix(50) { note("\(error)") }
        if let sample { set = set.sample(sample, seed: seed) }
        var ids = set.passages.isEmpty ? nil : Set(set.passages.map(\.id))
        if let corpus { ids = Set(try await CorpusOpening.documents(corpus).map(\.id)) }
        let issues = set.issues(passageIDs: ids)
        for issue in issues.prefix(50) { note("\(questions): \(issue)") }
        if issues.count > 50 { note("… and \(issues.count - 50) more") }
        let types = Dictionary(grouping: set.questions, by: \.type).sorted { $0.key < $1.key }
        print(
            "\(set.name): \(counted(set.questions.count, "question")), \(counted(set.passages.count, "passage")), scored as \(set.benchmark.rawValue)"
        )
        for (type, group) in types { print("  \(type.isEmpty ? "(no type)" : type): \(group.count)") }
        print("  unanswerable: \(set.questions.count { !$0.isAnswerable })")
        if let output {
            var parts = [("questions", set)]
            if let holdOut {
                let (first, second) = set.split(second: holdOut, seed: seed)
                parts = [("questions.train", first), ("questions.test", second)]
                note(
                    "\(first.questions.count) training and \(counted(second.questions.count, "test question")) in \(output)"
                )
            }
            for (name, part) in parts {
                try writeFile(
                    part.questions.map { $0.json.serialized() + "\n" }.joined(), to: "\(output)/\(name).jsonl")
            }
            if !set.passages.isEmpty {
                try writeFile(
                    set.passages.map { $0.json.serialized() + "\n" }.joined(), to: output + "/corpus.jsonl")
            }
        }
        if !issues.isEmpty || !set.refused.isEmpty { throw ExitCode.failure }
    }
}
