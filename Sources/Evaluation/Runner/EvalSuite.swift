// SPDX-License-Identifier: Apache-2.0

public import Base
public import Datasets
import Foundation
import LanguageModels
import OrderedCollections
public import QualityMetrics
import Text

/// A suite file: which questions are run under which policies and models.
///
///     suite: hotpot-dev
///     corpus: hotpot.forage            # a corpus folder, or passages as JSON Lines
///     questions:
///       - {file: questions.dev.jsonl, format: forage, limit: 100, sample_seed: 1, name: hotpotqa, benchmark: hotpotQA}
///                                      # withhold: 0.5 takes the gold passages of half of them out of the corpus
///     policies: [single-shot, hops]    # names, or paths of policy files
///     models: [none]                   # none, or {name, scripted: file}, {name, recorded: file},
///                                      # {name, url, model, key_env}, {name, local: folder or file}
///     seeds: [1]
///     concurrency: 2
///     deadline: 300                    # seconds a question
///     cutoffs: [2, 5, 10]
///     judge: none                      # or a model as above
///     output: runs/hotpot-dev          # default: runs/<suite>
///     gate: [f1]                       # the measures that `forage eval compare` decides by
public struct EvalSuite: Sendable {
    /// One question file.
    public struct Questions: Sendable {
        public var file: String
        public var format: DatasetFormat?
        public var limit: Int?
        public var sampleSeed: UInt64
        public var name: String?
        public var benchmark: AnswerBenchmark?
        /// The share of the questions whose gold passages are hidden from them, so that a refusal is right. Default: 0.
        public var withhold = 0.0
    }

    /// How a model is had.
    public struct Model: Sendable {
        public enum Source: Sendable, Hashable {
            case none
            case scripted(String)
            case recorded(String)
            /// An OpenAI-compatible endpoint; the key is in the environment variable of that name.
            case remote(url: String, model: String, keyVariable: String?)
            /// A model in this process: a name under the models folder, or a path.
            case local(String)
        }

        public var name: String
        public var source: Source
    }

    public var name: String
    public var corpus: String
    public var questions: [Questions]
    public var policies: [String]
    public var models: [Model]
    public var seeds: [UInt64]
    public var concurrency: Int
    public var deadline: Double
    public var cutoffs: [Int]
    public var judge: Model?
    public var output: String
    public var gate: [String]
    /// The file as it was read, for the run's header.
    public let content: JSONValue

    private static let keys = [
        "suite", "corpus", "questions", "policies", "models", "seeds", "concurrency", "deadline", "cutoffs", "judge",
        "output", "gate",
    ]

    /// Reads a suite. Paths are relative to the suite's folder; `output` to the working folder.
    /// - Throws: `YAMLError` with the file and what was expected.
    public init(file path: String) throws {
        let folder = (path as NSString).deletingLastPathComponent
        try self.init(content: YAMLReader.read(file: path), source: path, directory: folder.isEmpty ? "." : folder)
    }

    /// Takes a suite that was read already.
    public init(content: JSONValue, source: String, directory: String) throws {
        func error(_ message: String) -> YAMLError { YAMLError(file: source, message: message) }
        func check(_ value: JSONValue, _ known: [String], _ place: String) throws {
            guard case .object(let members) = value else { throw error("\(place) must be a mapping") }
            for key in members.keys where !known.contains(key) {
                throw error("\(place): unknown key \"\(key)\"; known are \(known.joined(separator: ", "))")
            }
        }
        func within(_ name: String) -> String {
            name.hasPrefix("/") || directory == "." ? name : directory + "/" + name
        }
        func whole(_ key: String, default value: Int, in range: ClosedRange<Int>) throws -> Int {
            guard let given = content[key] else { return value }
            guard let number = given.int, range.contains(number) else {
                throw error("\(key) must be a whole number of \(range.lowerBound)…\(range.upperBound)")
            }
            return number
        }
        func model(_ value: JSONValue, _ place: String) throws -> Model {
            if let name = value.string {
                guard name == "none" else { throw error("\(place) must be none, or a mapping with a name") }
                return Model(name: name, source: .none)
            }
            try check(value, ["name", "scripted", "recorded", "url", "model", "key_env", "local"], place)
            let source: Model.Source
            if let file = value["scripted"]?.string {
                source = .scripted(within(file))
            } else if let file = value["recorded"]?.string {
                source = .recorded(within(file))
            } else if let url = value["url"]?.string {
                guard let id = value["model"]?.string else {
                    throw error("\(place).model must be the endpoint's model")
                }
                source = .remote(url: url, model: id, keyVariable: value["key_env"]?.string)
            } else if let local = value["local"]?.string {
                source = .local(local)
            } else {
                throw error("\(place) must have one of scripted, recorded, url or local")
            }
            guard let name = value["name"]?.string ?? value["model"]?.string ?? value["local"]?.string else {
                throw error("\(place).name must be a text")
            }
            return Model(name: name, source: source)
        }
        try check(content, Self.keys, "the suite")
        self.content = content
        name = content["suite"]?.string ?? ((source as NSString).lastPathComponent as NSString).deletingPathExtension
        guard let corpus = content["corpus"]?.string else { throw error("corpus must be a path") }
        self.corpus = within(corpus)
        questions = []
        for (index, entry) in (content["questions"]?.array ?? content["questions"].map { [$0] } ?? []).enumerated() {
            let place = "questions[\(index)]"
            if let file = entry.string {
                questions.append(
                    Questions(file: within(file), format: nil, limit: nil, sampleSeed: 1, name: nil, benchmark: nil))
                continue
            }
            try check(entry, ["file", "format", "limit", "sample_seed", "name", "benchmark", "withhold"], place)
            guard let file = entry["file"]?.string else { throw error("\(place).file must be a path") }
            var format: DatasetFormat?
            if let text = entry["format"]?.string {
                format = DatasetFormat(rawValue: text)
                guard format != nil else {
                    throw error(
                        "\(place).format must be one of \(DatasetFormat.allCases.map(\.rawValue).joined(separator: ", "))"
                    )
                }
            }
            var benchmark: AnswerBenchmark?
            if let text = entry["benchmark"]?.string {
                benchmark = AnswerBenchmark(rawValue: text)
                guard benchmark != nil else {
                    throw error(
                        "\(place).benchmark must be one of \(AnswerBenchmark.allCases.map(\.rawValue).joined(separator: ", "))"
                    )
                }
            }
            var set = Questions(
                file: within(file), format: format, limit: entry["limit"]?.int,
                sampleSeed: UInt64(max(0, entry["sample_seed"]?.int ?? 1)), name: entry["name"]?.string,
                benchmark: benchmark)
            if let given = entry["withhold"] {
                guard let share = given.double, (0...1).contains(share) else {
                    throw error("\(place).withhold must be a share from 0 to 1")
                }
                set.withhold = share
            }
            questions.append(set)
        }
        guard !questions.isEmpty else { throw error("questions must be a file or a list of files") }
        policies = (content["policies"]?.array ?? []).compactMap(\.string).map {
            $0.hasSuffix(".yaml") || $0.hasSuffix(".yml") ? within($0) : $0
        }
        guard !policies.isEmpty else { throw error("policies must be a list of names or paths") }
        models = try (content["models"]?.array ?? ["none"]).enumerated().map {
            try model($0.element, "models[\($0.offset)]")
        }
        guard Set(models.map(\.name)).count == models.count else { throw error("two models have one name") }
        seeds = (content["seeds"]?.array ?? [1]).compactMap(\.int).map { UInt64(max(0, $0)) }
        guard !seeds.isEmpty else { throw error("seeds must be a list of whole numbers") }
        concurrency = try whole("concurrency", default: 2, in: 1...1024)
        deadline = content["deadline"]?.double ?? 300
        cutoffs = (content["cutoffs"]?.array ?? [2, 5, 10]).compactMap(\.int).filter { $0 > 0 }
        judge = nil
        if let given = content["judge"], given.string != "none" { judge = try model(given, "judge") }
        output = content["output"]?.string ?? "runs/" + name
        gate = content["gate"]?.array?.compactMap(\.string) ?? ["f1"]
    }

    /// Reads the question files.
    /// - Throws: `DatasetError`.
    public func questionSets() throws -> [QuestionSet] {
        var seen: Set<String> = []
        return try questions.map { entry in
            var set = try DatasetReader.read(entry.file, format: entry.format)
            if let name = entry.name { set.name = name }
            if let benchmark = entry.benchmark { set.benchmark = benchmark }
            if let limit = entry.limit { set = set.sample(limit, seed: entry.sampleSeed) }
            set = set.withholding(entry.withhold, seed: entry.sampleSeed)
            while !seen.insert(set.name).inserted { set.name += "-2" }
            return set
        }
    }
}
