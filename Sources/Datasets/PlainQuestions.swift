// SPDX-License-Identifier: Apache-2.0

import Base
import OrderedCollections

/// Questions with answers under the names and in the shapes in which people keep and publish them.
enum PlainQuestions {
    private static let questionNames = [
        "question", "query", "ambiguous_question", "user_input", "input", "prompt", "text", "q",
    ]
    private static let answerNames = [
        "golden_answers", "answers", "possible_answers", "answer", "reference_answer", "reference", "ground_truth",
        "ground_truths", "expected_answer", "expected_output", "expected", "correct_answer", "best_answer",
        "best answer",
        "target", "ideal", "gold", "gold_answers", "a", "reward_model", "qa_pairs", "output",
    ]
    private static let aliasNames = ["answer_aliases", "aliases"]
    private static let idNames = [
        "id", "_id", "qid", "question_id", "questionid", "query_id", "example_id", "q_id", "sample_id",
    ]
    private static let goldNames = [
        "supporting", "gold_ids", "golden_doc_ids", "positive_ctxs", "positive_passages", "relevant_docs",
        "gold_passages", "gold_docs", "gold_doc_ids",
    ]

    /// The first member with one of the names, in any case, that has a value.
    static func member(_ names: [String], of record: JSONObject) -> JSONValue? {
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
        // ELI5's posts: the title asks, the text says more.
        if let more = record["selftext"]?.string, let title = record["title"]?.string {
            return more.isEmpty ? title : title + "\n" + more
        }
        guard let value = member(questionNames, of: record) else { return nil }
        // A conversation asks with its last turn.
        return value.string ?? value.array?.last?["content"]?.string
    }

    /// - Returns: the question, and the passages that the record holds: what it was asked about, references.
    static func question(
        _ json: JSONValue, fallbackID: String
    ) throws -> (question: EvalQuestion, contexts: [(title: String, text: String, isGold: Bool)]) {
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
        if supporting.isEmpty { supporting = QuestionShapes.titles(record) }
        let id = member(idNames, of: record).flatMap(EvalQuestion.text) ?? fallbackID
        let question = EvalQuestion(
            id: id, text: text, answers: answers, supporting: supporting, type: record["type"]?.string ?? "",
            hops: record["hops"]?.int,
            isAnswerable: (record["answerable"] ?? record["is_answerable"])?.bool
                ?? !(record["is_impossible"]?.bool ?? false))
        let contexts = supporting.isEmpty ? QuestionShapes.contexts(record) : []
        return (question, contexts)
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
            let names = [
                "value", "text", "answer", "answers", "aliases", "spans", "target", "ground_truth", "short_answers",
            ]
            return names.compactMap { name in members.first { $0.key.lowercased() == name }?.value }
                .flatMap { answers($0, depth: depth + 1) }
        case .null: return []
        default: return EvalQuestion.text(value).map { [$0] } ?? []
        }
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
