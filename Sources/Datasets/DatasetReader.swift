// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import OrderedCollections
import QualityMetrics
import Text

/// Reads question sets in the formats in which they are published.
public enum DatasetReader {
    /// Reads a question set.
    /// - Parameters:
    ///   - path: the file, `-` for standard input, or the folder of a BEIR set.
    ///   - format: nil recognises it by its fields.
    ///   - split: which judgments of a BEIR set; default `test`.
    /// - Returns: the questions; a record that cannot be read is set aside (``QuestionSet/refused``).
    /// - Throws: `DatasetError` with the file and the line where nothing can be read.
    public static func read(
        _ path: String, format: DatasetFormat? = nil, split: String = "test"
    ) throws(DatasetError) -> QuestionSet {
        var isFolder: ObjCBool = false
        guard path == "-" || FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
            throw DatasetError(file: path, message: "there is no such file")
        }
        let name = setName(path)
        if isFolder.boolValue || format == .beir { return try BEIRFiles.read(path, name: name, split: split) }
        let file = try RecordFile(path: path)
        let topics = format == nil || format == .qa ? QuestionShapes.topics(file) : nil
        let known: DatasetFormat? = topics == nil ? format : .qa
        let isTable =
            [".csv", ".tsv", ".tab"].contains { path.lowercased().hasSuffix($0) }
            || (path == "-" && file.looksLikeTable)
        if format == .bamboogle || (format == nil && isTable && name.lowercased().contains("bamboogle")) {
            return try bamboogle(file, name: name)
        }
        var records: [FileRecord]
        var refused: [DatasetError] = []
        if let topics {
            records = topics
        } else if isTable, format == nil || format == .qa {
            records = try PlainQuestions.rows(file)
        } else if [".yaml", ".yml"].contains(where: { path.lowercased().hasSuffix($0) })
            || (path == "-" && file.looksLikeYAML)
        {
            records = try PlainQuestions.yaml(file)
        } else {
            records = file.records(refused: &refused)
        }
        let nodes = QuestionShapes.nodes(records)
        records = QuestionShapes.unfolded(records)
        guard let first = records.first else {
            throw refused.first ?? DatasetError(file: path, message: "the file has no questions")
        }
        // By the first record that is one of a known format.
        guard let format = known ?? records.lazy.compactMap({ recognize($0.value) }).first else {
            let found = first.value.object?.keys.prefix(20).joined(separator: ", ") ?? first.value.typeName
            throw file.failure(
                first.line,
                "unknown format: the record has \(found); looked for "
                    + signatures.map { "\($0.format.rawValue) (\($0.fields.joined(separator: ", ")))" }
                    .joined(separator: ", ") + ". Name the format with --format")
        }
        var builder = SetBuilder(file: file, passages: nodes)
        for (index, record) in records.enumerated() {
            do {
                try builder.add(record, index: index, format: format)
            } catch let error as DatasetError {
                refused.append(error)
            } catch {
                refused.append(file.failure(record.line, "\(error)"))
            }
        }
        if builder.questions.isEmpty, let first = refused.first { throw first }
        let benchmark = format == .forage ? DatasetFormat.benchmark(named: path) : format.benchmark
        var set = QuestionSet(
            name: name, benchmark: benchmark, questions: builder.questions, passages: Array(builder.passages.values))
        set.refused = refused.sorted { ($0.line ?? 0) < ($1.line ?? 0) }
        return set
    }

    /// The fields that give a format away, the most telling first. Forage's own is told by its names for answers and gold
    /// passages, which no other format has, whatever further fields it carries.
    private static let signatures: [(format: DatasetFormat, fields: [String])] = [
        (.forage, ["id", "question", "supporting"]), (.forage, ["id", "question", "answers"]),
        (.flashrag, ["question", "golden_answers"]), (.globalqa, ["question", "golden_doc_ids"]),
        (.multiHopRAG, ["query", "evidence_list"]), (.musique, ["question", "paragraphs"]),
        (.twoWiki, ["question", "answer", "evidences"]),
        (.hotpotqa, ["question", "answer", "supporting_facts", "context"]), (.qa, ["question", "answer"]),
    ]

    /// Tells the format of a record from its fields.
    static func recognize(_ value: JSONValue) -> DatasetFormat? {
        guard let members = value.object else { return nil }
        let format = signatures.first { $0.fields.allSatisfy { members[$0] != nil } }?.format
        // SQuAD has Forage's names with other values: answers with their places, and a text as context.
        let answers = members["answers"]
        if format == .forage, members["supporting"] == nil,
            answers?.object != nil || answers?.array?.first?.object != nil || members["context"]?.string != nil
        {
            return .qa
        }
        return format ?? (PlainQuestions.isQuestion(members) ? .qa : nil)
    }

    private static func setName(_ path: String) -> String {
        let parts = path.split(separator: "/")
        guard let last = parts.last else { return path }
        let stem = last.split(separator: ".").first.map(String.init) ?? String(last)
        return stem == "questions" && parts.count > 1 ? String(parts[parts.count - 2]) : stem
    }

    private static func bamboogle(_ file: RecordFile, name: String) throws(DatasetError) -> QuestionSet {
        let rows = try file.csvRows()
        guard let header = rows.first else { throw DatasetError(file: file.path, message: "the file has no rows") }
        let names = header.fields.map { $0.lowercased() }
        guard let question = names.firstIndex(of: "question"), let answer = names.firstIndex(of: "answer") else {
            throw file.failure(header.line, "expected a header with the columns Question and Answer")
        }
        var result: [EvalQuestion] = []
        var refused: [DatasetError] = []
        for (index, row) in rows.dropFirst().enumerated() {
            guard row.fields.count > max(question, answer), !row.fields[question].isEmpty else {
                refused.append(file.failure(row.line, "expected a question and an answer in each row"))
                continue
            }
            result.append(
                EvalQuestion(
                    id: "bamboogle-\(index + 1)", text: row.fields[question], answers: [row.fields[answer]],
                    type: "compositional", hops: 2))
        }
        if result.isEmpty, let first = refused.first { throw first }
        var set = QuestionSet(name: name, benchmark: .bamboogle, questions: result)
        set.refused = refused
        return set
    }
}

/// Collects questions and their context passages, each passage once.
private struct SetBuilder {
    let file: RecordFile
    var questions: [EvalQuestion] = []
    var passages: OrderedDictionary<String, EvalPassage> = [:]
    private var lines: [String: Int] = [:]
    private var answerable: [String: Bool] = [:]
    /// The id of a passage by its title and text.
    private var known: [String: String] = [:]

    init(file: RecordFile, passages: [EvalPassage] = []) {
        self.file = file
        for passage in passages { self.passages[passage.id] = passage }
    }

    mutating func add(_ record: FileRecord, index: Int, format: DatasetFormat) throws {
        var question: EvalQuestion
        switch format {
        case .forage: question = try EvalQuestion(json: record.value)
        case .hotpotqa, .twoWiki: question = try hotpot(record.value, twoWiki: format == .twoWiki)
        case .musique: question = try musique(record.value)
        case .multiHopRAG: question = try multiHopRAG(record.value, index: index)
        case .globalqa: question = try globalQA(record.value, index: index)
        case .flashrag: question = try flashRAG(record.value)
        case .bamboogle: question = try flashRAG(record.value)
        case .qa:
            let plain = try PlainQuestions.question(record.value, fallbackID: "\(file.stem)-\(index + 1)")
            question = plain.question
            for context in plain.contexts {
                let id = passage(context.title, context.text)
                if context.isGold, !question.supporting.contains(id) { question.supporting.append(id) }
            }
        case .beir: throw file.failure(record.line, "a BEIR set is a folder")
        }
        guard !question.text.isEmpty else { throw JSONError(message: "the question is empty") }
        // MuSiQue-Full asks each question twice under one id, with and without the paragraphs that it needs.
        if format == .musique, let before = answerable.updateValue(question.isAnswerable, forKey: question.id),
            before != question.isAnswerable
        {
            question.id += EvalQuestion.twinSuffix
        }
        if let before = lines.updateValue(record.line, forKey: question.id) {
            throw file.failure(record.line, "the id \"\(question.id)\" occurs on line \(before) already")
        }
        questions.append(question)
    }

    /// Adds a context passage and returns its id: its title, with a number when another passage has that title.
    private mutating func passage(_ title: String, _ text: String) -> String {
        let key = title + "\u{0}" + text
        if let id = known[key] { return id }
        // One without a title is called after its text.
        let base = title.isEmpty ? "context-" + String(XXH64.hash(text, seed: 0), radix: 16) : title
        var id = base
        var number = 2
        while passages[id] != nil {
            id = "\(base) (\(number))"
            number += 1
        }
        known[key] = id
        passages[id] = EvalPassage(id: id, title: title, text: text)
        return id
    }

    private mutating func hotpot(_ json: JSONValue, twoWiki: Bool) throws -> EvalQuestion {
        let facts = try EvalQuestion.facts(json["supporting_facts"])
        var byTitle: [String: [String]] = [:]
        for paragraph in try EvalQuestion.paragraphs(json["context"]) {
            let text = paragraph.sentences.joined().trimmingCharacters(in: .whitespaces)
            byTitle[paragraph.title, default: []].append(passage(paragraph.title, text))
        }
        var supporting: [String] = []
        for fact in facts {
            for id in byTitle[fact.title] ?? [fact.title] where !supporting.contains(id) { supporting.append(id) }
        }
        var extra: JSONObject = [:]
        for key in ["level", "evidences", "evidences_id", "answer_id"] {
            if let value = json[key] { extra[key] = try EvalQuestion.unwrapped(value, key) }
        }
        let type = json["type"]?.string ?? ""
        return EvalQuestion(
            id: try json["_id"].map { _ in try json.requiredString("_id") } ?? json.requiredString("id"),
            text: try json.requiredString("question"), answers: try EvalQuestion.texts(json, "answer"),
            supporting: supporting, supportingFacts: facts, type: type,
            hops: twoWiki && type == "bridge_comparison" ? 4 : 2, extra: extra)
    }

    private mutating func musique(_ json: JSONValue) throws -> EvalQuestion {
        var supporting: [String] = []
        var places: [JSONValue] = []
        for (place, paragraph) in try json.requiredArray("paragraphs").enumerated() {
            let id = passage(paragraph["title"]?.string ?? "", try paragraph.requiredString("paragraph_text"))
            if paragraph["is_supporting"]?.bool == true {
                supporting.append(id)
                places.append(.integer(paragraph["idx"]?.int ?? place))
            }
        }
        let id = try json.requiredString("id")
        var extra: JSONObject = [:]
        if let steps = json["question_decomposition"] { extra["decomposition"] = steps }
        // MuSiQue's script compares paragraphs by their places.
        extra["support_idxs"] = .array(places)
        let type = String(id.prefix { $0 != "_" })
        return EvalQuestion(
            id: id, text: try json.requiredString("question"),
            answers: try EvalQuestion.texts(json, "answer") + EvalQuestion.texts(json, "answer_aliases"),
            supporting: supporting, type: type,
            hops: json["question_decomposition"]?.array?.count ?? type.first.flatMap { $0.wholeNumberValue },
            isAnswerable: json["answerable"]?.bool ?? true, extra: extra)
    }

    private func multiHopRAG(_ json: JSONValue, index: Int) throws -> EvalQuestion {
        var supporting: [String] = []
        let evidence = json["evidence_list"]?.array ?? []
        for item in evidence {
            guard let id = item["url"]?.string ?? item["title"]?.string else {
                throw JSONError(message: "each item of \"evidence_list\" must have a url or a title")
            }
            if !supporting.contains(id) { supporting.append(id) }
        }
        let type = json["question_type"]?.string ?? ""
        return EvalQuestion(
            id: json["id"]?.string ?? "multihop-rag-\(index + 1)", text: try json.requiredString("query"),
            answers: try EvalQuestion.texts(json, "answer"), supporting: supporting, type: type,
            hops: supporting.isEmpty ? nil : supporting.count, isAnswerable: type != "null_query",
            extra: ["evidence_list": .array(evidence)])
    }

    private func globalQA(_ json: JSONValue, index: Int) throws -> EvalQuestion {
        let ids = try EvalQuestion.texts(json, "golden_doc_ids")
        return EvalQuestion(
            id: json["id"].flatMap(EvalQuestion.text) ?? "globalqa-\(index + 1)",
            text: try json.requiredString("question"), answers: try EvalQuestion.texts(json, "answer"), supporting: ids,
            type: json["type"]?.string ?? json["family"]?.string ?? "", hops: nil)
    }

    private mutating func flashRAG(_ json: JSONValue) throws -> EvalQuestion {
        let given = try json.required("id")
        guard let id = EvalQuestion.text(given) else {
            throw JSONError(message: "\"id\" must be a string, found \(given.typeName)")
        }
        var answers = try EvalQuestion.texts(json, "golden_answers")
        let choices = try EvalQuestion.texts(json, "choices")
        if !choices.isEmpty {
            // In a multiple-choice set the golden answers are indexes of choices.
            answers = try answers.map { answer in
                guard let index = Int(answer) else { return answer }
                guard choices.indices.contains(index) else {
                    throw JSONError(message: "the golden answer \(index) is not one of the \(choices.count) choices")
                }
                return choices[index]
            }
        }
        let metadata = try json["metadata"].map { try EvalQuestion.unwrapped($0, "metadata") }
        let (supporting, facts) = try metadata.map { try goldPassages($0) } ?? ([], [])
        var extra: JSONObject = [:]
        if let metadata { extra["metadata"] = metadata }
        if !choices.isEmpty { extra["choices"] = .array(choices.map(JSONValue.string)) }
        return EvalQuestion(
            id: id, text: try json.requiredString("question"), answers: answers, supporting: supporting,
            supportingFacts: facts, type: metadata?["type"]?.string ?? "", extra: extra)
    }

    /// The gold passages that FlashRAG keeps in a question's metadata: those of HotpotQA and 2WikiMultihopQA as facts, of
    /// MuSiQue as paragraphs. The metadata's own passages are not the set's corpus: only their titles are taken.
    private func goldPassages(_ metadata: JSONValue) throws -> (ids: [String], facts: [SupportingFact]) {
        let facts = try EvalQuestion.facts(metadata["supporting_facts"])
        var titles = facts.map(\.title)
        for paragraph in metadata["paragraphs"]?.array ?? [] where paragraph["is_supporting"]?.bool == true {
            if let title = paragraph["title"]?.string { titles.append(title) }
        }
        for step in metadata["question_decomposition"]?.array ?? [] {
            if let title = step["support_paragraph"]?["title"]?.string { titles.append(title) }
        }
        return (Array(OrderedSet(titles)), facts)
    }
}
