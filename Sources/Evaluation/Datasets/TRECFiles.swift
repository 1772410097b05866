// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import QualityMetrics

/// Reads and writes TREC runs and judgments.
public enum TRECFiles {
    /// Judgments by query and document: `query iteration document grade`, or BEIR's `query document grade` with a header.
    /// - Throws: `DatasetError` with the file and the line.
    public static func qrels(_ path: String) throws(DatasetError) -> [String: [String: Int]] {
        let file = try RecordFile(path: path)
        var result: [String: [String: Int]] = [:]
        for (line, text) in try file.textLines() {
            let fields = text.split { $0 == " " || $0 == "\t" }.map(String.init)
            if line == 1, fields.last.flatMap(Int.init) == nil { continue }
            guard fields.count == 3 || fields.count == 4, let grade = fields.last.flatMap(Int.init) else {
                throw file.failure(line, "expected \"query 0 document grade\" or \"query document grade\"")
            }
            let document = fields[fields.count - 2]
            guard result[fields[0], default: [:]].updateValue(grade, forKey: document) == nil else {
                throw file.failure(line, "the document \"\(document)\" is judged twice for query \"\(fields[0])\"")
            }
        }
        return result
    }

    /// A run: scores by query and document, from lines `query Q0 document rank score tag`. The rank is not used: trec_eval
    /// orders by score.
    /// - Throws: `DatasetError` with the file and the line.
    public static func run(_ path: String) throws(DatasetError) -> [String: [String: Double]] {
        let file = try RecordFile(path: path)
        var result: [String: [String: Double]] = [:]
        for (line, text) in try file.textLines() {
            let fields = text.split { $0 == " " || $0 == "\t" }.map(String.init)
            guard fields.count == 6, let score = Double(fields[4]), score.isFinite else {
                throw file.failure(line, "expected \"query Q0 document rank score tag\"")
            }
            guard result[fields[0], default: [:]].updateValue(score, forKey: fields[2]) == nil else {
                throw file.failure(line, "the document \"\(fields[2])\" occurs twice for query \"\(fields[0])\"")
            }
        }
        return result
    }

    /// The lines of a run, queries and documents in trec_eval's order.
    public static func runLines(_ run: [String: [String: Double]], tag: String) -> [String] {
        run.keys.sorted().flatMap { query in
            let scores = run[query] ?? [:]
            return JudgedRanking.trecOrder(scores).enumerated().map { rank, document in
                "\(query) Q0 \(document) \(rank + 1) \(scores[document] ?? 0) \(tag)"
            }
        }
    }

    /// The lines of judgments, by query and document.
    public static func qrelsLines(_ judgments: [String: [String: Int]]) -> [String] {
        judgments.keys.sorted().flatMap { query in
            (judgments[query] ?? [:]).sorted { $0.key < $1.key }.map { "\(query) 0 \($0.key) \($0.value)" }
        }
    }
}
