// SPDX-License-Identifier: Apache-2.0

public import Base
public import Datasets
import Foundation
import LanguageModels
import OrderedCollections
import Text

/// A scripted scenario: a corpus, a model, a question, and what must and must not happen.
///
///     scenario: two-hops
///     about: The second search uses what the first one found.
///     corpus: corpora/island.jsonl          # or a list of {id, title, text, metadata}
///     question: Who built the lighthouse of Northay?
///     policy: react                          # a name, a path, or a mapping that is a whole policy file
///     model: {turns: […]}                    # a scripted model, {recorded: file}, or none
///     tools: [keyword_search, read]          # default: all built in
///     tool_failures: {keyword_search: [error, ok, timeout, garbage]}   # what happens at each call, then ok
///     budget: {tool_calls: 2}
///     vectors: true                          # policies may embed texts: letter trigrams stand for an encoder
///     seed: 1
///     crash_after: [3, 9]                    # also cut off after so many events and resumed: same trace
///     golden: true                           # the trace equals golden/two-hops.jsonl
///     expect: {…}                            # see `Expectation`
///     contrast:                              # minimal edits with what they must change
///       - {name: other-place, question: …, model: …, corpus_edit: {id: "new text"}, changes_answer: true, expect: {…}}
public struct ScenarioFile: Sendable {
    /// One run of a scenario: the base, or an edit of it.
    public struct Case: Sendable {
        /// `scenario` or `scenario/edit`.
        public var name: String
        public var question: String
        /// Nil for none.
        public var model: JSONValue?
        /// New texts by passage id; an empty text takes the passage away.
        public var corpusEdit: [String: String]
        public var expectation: Expectation
        /// Whether the answer must differ from the base's (true), or be the same (false); nil for either.
        public var changesAnswer: Bool?
    }

    public var path: String
    public var name: String
    public var about: String
    public var passages: [EvalPassage]
    public var policy: JSONValue
    public var tools: [String]?
    public var toolFailures: [String: [String]]
    public var budget: JSONValue?
    /// Whether policies may embed texts, with the in-memory corpus's own vectors (letter trigrams).
    public var hasVectors: Bool
    public var seed: UInt64
    public var crashAfter: [Int]
    public var hasGolden: Bool
    /// The base first.
    public var cases: [Case]

    private static let keys = [
        "scenario", "about", "corpus", "question", "policy", "model", "tools", "tool_failures", "budget", "vectors",
        "seed",
        "crash_after", "golden", "expect", "contrast",
    ]
    static let failureKinds = ["ok", "error", "timeout", "garbage", "empty"]

    /// The folder of the file.
    var directory: String {
        let folder = (path as NSString).deletingLastPathComponent
        return folder.isEmpty ? "." : folder
    }

    /// Where the golden trace stands.
    public var goldenPath: String { directory + "/golden/" + name + ".jsonl" }

    /// Reads a scenario.
    /// - Throws: `YAMLError` or `DatasetError` with the file and what was expected.
    public init(file path: String) throws {
        try self.init(content: YAMLReader.read(file: path), path: path)
    }

    /// Takes a scenario that was read already.
    public init(content: JSONValue, path: String) throws {
        self.path = path
        func error(_ message: String) -> YAMLError { YAMLError(file: path, message: message) }
        func check(_ value: JSONValue, _ known: [String], _ place: String) throws {
            guard case .object(let members) = value else { throw error("\(place) must be a mapping") }
            for key in members.keys where !known.contains(key) {
                throw error("\(place): unknown key \"\(key)\"; known are \(known.joined(separator: ", "))")
            }
        }
        try check(content, Self.keys, "the scenario")
        guard let name = content["scenario"]?.string, !name.isEmpty,
            name.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-" || $0 == "_") })
        else { throw error("scenario must be a name of letters, digits, - and _") }
        self.name = name
        about = content["about"]?.string ?? ""
        guard let question = content["question"]?.string, !question.isEmpty else {
            throw error("question must be a text")
        }
        guard let policy = content["policy"] else { throw error("policy must be a name or a mapping") }
        self.policy = policy
        tools = content["tools"]?.array?.compactMap(\.string)
        toolFailures = [:]
        for (tool, kinds) in content["tool_failures"]?.object ?? [:] {
            toolFailures[tool] = try Expectation.texts(kinds).map { kind in
                guard Self.failureKinds.contains(kind) else {
                    throw error(
                        "tool_failures.\(tool): each must be one of \(Self.failureKinds.joined(separator: ", "))")
                }
                return kind
            }
        }
        budget = content["budget"]
        hasVectors = content["vectors"]?.bool ?? false
        seed = UInt64(max(0, content["seed"]?.int ?? 1))
        crashAfter = (content["crash_after"]?.array ?? []).compactMap(\.int)
        hasGolden = content["golden"]?.bool ?? false
        guard let expect = content["expect"] else { throw error("expect is missing") }
        let base = Case(
            name: name, question: question,
            model: Self.model(content["model"]),
            corpusEdit: [:], expectation: try Expectation(expect, file: path), changesAnswer: nil)
        cases = [base]
        for (index, edit) in (content["contrast"]?.array ?? []).enumerated() {
            let place = "contrast[\(index)]"
            try check(edit, ["name", "question", "model", "corpus_edit", "changes_answer", "expect"], place)
            var corpusEdit: [String: String] = [:]
            for (id, text) in edit["corpus_edit"]?.object ?? [:] { corpusEdit[id] = text.string ?? "" }
            guard edit["question"] != nil || edit["model"] != nil || !corpusEdit.isEmpty else {
                throw error("\(place) must edit the question, the model or the corpus")
            }
            cases.append(
                Case(
                    name: name + "/" + (edit["name"]?.string ?? String(index + 1)),
                    question: edit["question"]?.string ?? question,
                    model: edit["model"] == nil ? base.model : Self.model(edit["model"]),
                    corpusEdit: corpusEdit,
                    expectation: try Expectation(edit["expect"] ?? .object([:]), file: path, place: place + ".expect"),
                    changesAnswer: edit["changes_answer"]?.bool))
        }
        passages = []
        guard let corpus = content["corpus"] else { throw error("corpus must be a file or a list of documents") }
        if let file = corpus.string {
            passages = try CorpusFiles.read(file.hasPrefix("/") ? file : directory + "/" + file)
        } else {
            for (index, document) in (corpus.array ?? []).enumerated() {
                guard let id = document["id"]?.string, let text = document["text"]?.string else {
                    throw error("corpus[\(index)] must have an id and a text")
                }
                passages.append(
                    EvalPassage(
                        id: id, title: document["title"]?.string ?? "", text: text,
                        metadata: document["metadata"]?.object ?? [:]))
            }
        }
        guard !passages.isEmpty else { throw error("corpus has no documents") }
    }

    /// The model of a case; nil for none.
    private static func model(_ value: JSONValue?) -> JSONValue? {
        guard let value, !value.isNull, value.string != "none" else { return Optional.none }
        return value
    }

    /// The scenario files of a folder or the one file, by name.
    public static func find(_ path: String) throws -> [String] {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
            throw YAMLError(file: path, message: "there is no such file or folder")
        }
        guard isFolder.boolValue else { return [path] }
        return try FileManager.default.contentsOfDirectory(atPath: path)
            .filter { $0.hasSuffix(".yaml") || $0.hasSuffix(".yml") }.sorted().map { path + "/" + $0 }
    }
}
