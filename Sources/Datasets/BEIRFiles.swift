// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import OrderedCollections
import QualityMetrics
import Text

/// Reads a BEIR folder (Thakur et al. 2021): `queries.jsonl`, `qrels/<split>.tsv`, `corpus.jsonl`.
enum BEIRFiles {
    static func read(_ folder: String, name: String, split: String) throws(DatasetError) -> QuestionSet {
        let qrelsPath = folder + "/qrels/\(split).tsv"
        if !FileManager.default.fileExists(atPath: qrelsPath) {
            let files = (try? FileManager.default.contentsOfDirectory(atPath: folder + "/qrels")) ?? []
            let splits = files.filter { $0.hasSuffix(".tsv") }.map { String($0.dropLast(4)) }.sorted()
            throw DatasetError(
                file: folder,
                message: splits.isEmpty
                    ? "it is no BEIR set: it has no qrels/*.tsv"
                    : "there is no split \"\(split)\"; the splits are \(splits.joined(separator: ", "))")
        }
        let judgments = try TRECFiles.qrels(qrelsPath)
        let queries = try RecordFile(path: folder + "/queries.jsonl")
        var questions: [EvalQuestion] = []
        var seen: Set<String> = []
        for record in try queries.records() {
            do {
                let id = try record.value.requiredString("_id")
                // Queries of other splits stand in the same file.
                guard let grades = judgments[id] else { continue }
                guard seen.insert(id).inserted else { throw JSONError(message: "the id \"\(id)\" occurs twice") }
                questions.append(
                    EvalQuestion(
                        id: id, text: try record.value.requiredString("text"),
                        supporting: grades.filter { $0.value > 0 }.keys.sorted(), type: "ir", hops: 1,
                        judgments: grades))
            } catch {
                throw queries.failure(record.line, "\(error)")
            }
        }
        guard !questions.isEmpty else {
            throw DatasetError(file: qrelsPath, message: "no query of queries.jsonl is judged here")
        }
        let corpusPath = folder + "/corpus.jsonl"
        let passages = FileManager.default.fileExists(atPath: corpusPath) ? try CorpusFiles.read(corpusPath) : []
        return QuestionSet(
            name: name, benchmark: .flashRAG, questions: questions, passages: passages, leavesOutOwnDocument: true)
    }
}

/// Reads corpus files: Forage's (`id`, `title`, `text`, `metadata`), BEIR's (`_id`), FlashRAG's (`id`, `contents`) and
/// MultiHop-RAG's (`url`, `body`).
public enum CorpusFiles {
    /// Reads the passages of a corpus file.
    /// - Throws: `DatasetError` with the file and the line, also for an id that occurs twice.
    public static func read(_ path: String) throws(DatasetError) -> [EvalPassage] {
        let file = try RecordFile(path: path)
        var lines: [String: Int] = [:]
        var passages: [EvalPassage] = []
        for record in try file.records() {
            let passage: EvalPassage
            do { passage = try self.passage(record.value, fallbackID: String(record.line)) } catch {
                throw file.failure(record.line, "\(error)")
            }
            if let before = lines.updateValue(record.line, forKey: passage.id) {
                throw file.failure(record.line, "the id \"\(passage.id)\" occurs on line \(before) already")
            }
            passages.append(passage)
        }
        return passages
    }

    private static func passage(_ json: JSONValue, fallbackID: String) throws(JSONError) -> EvalPassage {
        guard json.object != nil else { throw JSONError(message: "expected an object, found \(json.typeName)") }
        // Without an id a passage is called by its line.
        let given = json["id"] ?? json["_id"] ?? json["url"] ?? .null
        guard let id = given.isNull ? fallbackID : EvalQuestion.text(given), !id.isEmpty else {
            throw JSONError(message: "expected a text under \"id\", \"_id\" or \"url\"")
        }
        if let contents = json["contents"]?.string {
            // The title is the first line, in quotes or not.
            let parts = contents.withUnixLineEnds().split(
                separator: "\n", maxSplits: 1, omittingEmptySubsequences: false)
            var title = String(parts.first ?? "")
            if title.count > 1, title.hasPrefix("\""), title.hasSuffix("\"") {
                title = String(title.dropFirst().dropLast())
            }
            return EvalPassage(id: id, title: title, text: parts.count > 1 ? String(parts[1]) : "")
        }
        guard let text = json["text"]?.string ?? json["body"]?.string else {
            throw JSONError(message: "expected \"text\", \"contents\" or \"body\"")
        }
        var metadata = json["metadata"]?.object ?? [:]
        for key in ["author", "source", "category", "published_at"] where metadata[key] == nil {
            if let value = json[key] { metadata[key] = value }
        }
        return EvalPassage(id: id, title: json["title"]?.string ?? "", text: text, metadata: metadata)
    }
}
