// SPDX-License-Identifier: Apache-2.0

import Base
import OrderedCollections

/// Questions with answers under the names and in the shapes in which people keep and publish them.
enum PlainQuestions {
    private static let questionNames = ["question", "query", "user_input", "input", "prompt", "text", "q"]
    private static let answerNames = [
        "golden_answers", "answers", "possible_answers", "answer", "reference_answer", "reference", "ground_truth",
        "ground_truths", "expected_answer", "expected_output", "expected", "correct_answer", "best_answer",
        "best answer",
        "target", "gold", "gold_answers", "a", "reward_model",
    ]
    private static let aliasNames = ["answer_aliases", "aliases"]
    private static let idNames = ["id", "_id", "qid", "question_id", "questionid", "query_id", "example_id"]
    private static let goldNames = [
        "supporting", "gold_ids", "golden_doc_ids", "positive_ctxs", "positive_passages", "relevant_docs",
        "gold_passages",
    ]

    /// The first member with one of the names, in any case, that has a value.
    private static func member(_ names: [String], of record: JSONObject) -> JSONValue? {
        for name in names {
            if let value = record[name], !value.isNull { return value }
            if let key = record.keys.first(where: { $0.lowercased() == name }), let value = record[key], !value.isNull {
                return value
            }
        }
        return nil
    }

    /// Whether a record has a question, and an answer or gold passages to it.
    static func isQuestion(_ record: JSONObject) -> Bool {
        question(in: record) != nil
            && (member(answerNames, of: record) ?? member(goldNames, of: record) ?? record["is_impossible"]) != nil
    }

    private static func question(in record: JSONObject) -> String? {
        guard let value = member(questionNames, of: record) else { return nil }
        // A conversation asks with its last turn.
        return value.string ?? value.array?.last?["content"]?.string
    }

    /// - Returns: the question, and the passage that it was asked about where the record has it.
    static func question(
        _ json: JSONValue, fallbackID: String
    ) throws -> (question: EvalQuestion, contexts: [(title: String, text: String)]) {
        guard let record = json.object, let text = question(in: record) else {
            throw JSONError(message: "expected a question under one of \(questionNames.joined(separator: ", "))")
        }
        var answers: [String] = []
        for value in [member(answerNames, of: record), member(aliasNames, of: record)] {
            for answer in value.map({ self.answers($0, depth: 0) }) ?? [] where !answers.contains(answer) {
                answers.append(answer)
            }
        }
        var supporting: [String] = []
        if let gold = member(goldNames, of: record) {
            for element in try EvalQuestion.unwrapped(gold, "gold passages").array ?? [gold] {
                let id = element["passage_id"] ?? element["docid"] ?? element["id"] ?? element["title"] ?? element
                if let id = EvalQuestion.text(id), !supporting.contains(id) { supporting.append(id) }
            }
        }
        let id = member(idNames, of: record).flatMap(EvalQuestion.text) ?? fallbackID
        let question = EvalQuestion(
            id: id, text: text, answers: answers, supporting: supporting, type: record["type"]?.string ?? "",
            hops: record["hops"]?.int,
            isAnswerable: (record["answerable"] ?? record["is_answerable"])?.bool
                ?? !(record["is_impossible"]?.bool ?? false))
        guard supporting.isEmpty else { return (question, []) }
        if let context = record["context"]?.string { return (question, [(record["title"]?.string ?? "", context)]) }
        // Texts without titles, which answers were written from (LlamaIndex, Ragas): their first words name them.
        let texts = member(["reference_contexts"], of: record).flatMap { try? EvalQuestion.unwrapped($0, "contexts") }
        let contexts = (texts?.array ?? []).compactMap(\.string).filter { !$0.isEmpty }
        return (question, contexts.map { (String($0.prefix(80)).split { $0.isWhitespace }.joined(separator: " "), $0) })
    }

    /// The answers of a value: texts, lists of them, also as text in JSON or Python; objects of a text and its aliases.
    private static func answers(_ value: JSONValue, depth: Int) -> [String] {
        guard depth < 6 else { return [] }
        switch value {
        case .string(let text):
            if text.hasPrefix("["), text.hasSuffix("]"), let list = LenientJSON.read(text)?.value.array {
                return list.flatMap { answers($0, depth: depth + 1) }
            }
            let text = text.trimmingPrefix { $0.isWhitespace }
            return text.isEmpty ? [] : [String(text)]
        case .bool(let flag): return flag ? ["yes", "true"] : ["no", "false"]
        case .array(let elements): return elements.flatMap { answers($0, depth: depth + 1) }
        case .object(let members):
            let names = ["value", "text", "answer", "answers", "aliases", "spans", "target", "ground_truth"]
            return names.compactMap { name in members.first { $0.key.lowercased() == name }?.value }
                .flatMap { answers($0, depth: depth + 1) }
        case .null: return []
        default: return EvalQuestion.text(value).map { [$0] } ?? []
        }
    }

    /// Queries and what is relevant to them in tables of their own, as LlamaIndex stores pairs; nil for others.
    private static func pairs(_ record: FileRecord) -> [FileRecord]? {
        guard let queries = record.value["queries"]?.object, let relevant = record.value["relevant_docs"]?.object else {
            return nil
        }
        return queries.map { id, text in
            FileRecord(
                line: record.line,
                value: ["id": .string(id), "question": text, "gold_ids": relevant[id] ?? .array([])])
        }
    }

    /// Records that hold questions inside: SQuAD's articles and paragraphs, TriviaQA's and others' one list.
    static func unfolded(_ records: [FileRecord]) -> [FileRecord] {
        guard records.count == 1, let record = records.first, let members = record.value.object,
            !isQuestion(members),
            let list = member(["data", "questions", "examples", "items", "rows"], of: members)?.array
        else { return records.count == 1 ? pairs(records[0]) ?? records : records }
        var found: [FileRecord] = []
        for element in list {
            // As the viewer of Hugging Face hands out rows.
            let element = element["row_idx"] != nil ? element["row"] ?? element : element
            guard let paragraphs = element["paragraphs"]?.array else {
                found.append(FileRecord(line: record.line, value: element))
                continue
            }
            for paragraph in paragraphs {
                for asked in paragraph["qas"]?.array ?? [] {
                    guard var question = asked.object else { continue }
                    if question["is_impossible"]?.bool == true {
                        question["answerable"] = false
                        question["answers"] = []
                    }
                    question["context"] = paragraph["context"]
                    question["title"] = element["title"]
                    found.append(FileRecord(line: record.line, value: .object(question)))
                }
            }
        }
        return found
    }

    /// The rows of a table as records. A table without a header is questions, a tab, and answers.
    static func rows(_ file: RecordFile) throws(DatasetError) -> [FileRecord] {
        let head = file.bytes.prefix { $0 != 0x0A }
        // Of marks that are as frequent the tab: the others stand in texts too.
        let candidates = [9, UInt8(ascii: ","), UInt8(ascii: ";"), UInt8(ascii: "|")]
        let counts = candidates.map { mark in head.count { $0 == mark } }
        let delimiter = zip(candidates, counts).max { $0.1 < $1.1 }?.0 ?? UInt8(ascii: ",")
        let rows = try file.csvRows(delimiter: delimiter)
        guard var header = rows.first?.fields.map({ $0.trimmingPrefix { $0.isWhitespace } }).map({ String($0) }) else {
            return []
        }
        func record(_ fields: [String]) -> JSONObject {
            var record = JSONObject()
            for (name, value) in zip(header, fields) where record[name] == nil { record[name] = .string(value) }
            return record
        }
        var body = rows.dropFirst()
        if !isQuestion(record(header.map { $0.isEmpty ? "-" : $0 })) {
            guard header.count == 2, delimiter == 9, header[1].hasPrefix("[") else {
                throw file.failure(
                    rows.first?.line,
                    "expected columns for the question and the answer; the columns are \(header.prefix(12).joined(separator: ", "))"
                )
            }
            header = ["question", "answers"]
            body = rows[...]
        }
        return body.map { FileRecord(line: $0.line, value: .object(record($0.fields))) }
    }

    static func yaml(_ file: RecordFile) throws(DatasetError) -> [FileRecord] {
        do {
            let value = try YAMLReader.read(String(decoding: file.bytes, as: UTF8.self), name: file.path)
            return (value.array ?? [value]).map { FileRecord(line: 1, value: $0) }
        } catch { throw file.failure(error.line, error.message) }
    }
}
