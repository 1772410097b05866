// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import QualityMetrics

/// Reads and writes TREC runs and judgments.
public enum TRECFiles {
    /// The fields of a line. Tabs or commas separate where a line has two or more of them, so that ids can hold spaces; else
    /// white space.
    private static func fields(_ text: String) -> [String] {
        for separator: Character in ["\t", ","] where text.count(where: { $0 == separator }) >= 2 {
            return text.split(separator: separator, omittingEmptySubsequences: false).map {
                $0.trimmingCharacters(in: CharacterSet(charactersIn: " \""))
            }
        }
        return text.split(whereSeparator: \.isWhitespace).map(String.init)
    }

    /// A whole grade, also as pandas writes it ("1.0").
    private static func grade(_ text: String?) -> Int? {
        text.flatMap { Int($0) ?? Double($0).flatMap { Int(exactly: $0) } }
    }

    /// An id as TREC's files can hold it: white space is percent-encoded.
    static func encoded(_ id: String) -> String {
        guard id.contains(where: \.isWhitespace) else { return id }
        return id.reduce(into: "") { result, character in
            guard character.isWhitespace else { return result.append(character) }
            for byte in character.utf8 {
                result += "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
            }
        }
    }

    /// Judgments by query and document: `query iteration document grade`, or BEIR's `query document grade` with a header,
    /// separated by tabs, commas or spaces.
    /// - Throws: `DatasetError` with the file and the line.
    public static func qrels(_ path: String) throws(DatasetError) -> [String: [String: Int]] {
        let file = try RecordFile(path: path)
        var result: [String: [String: Int]] = [:]
        for (line, text) in try file.textLines() {
            let fields = fields(text)
            if line == 1, grade(fields.last) == nil { continue }
            guard fields.count == 3 || fields.count == 4, let grade = grade(fields.last) else {
                throw file.failure(
                    line,
                    "expected \"query 0 document grade\" or \"query document grade\", separated by tabs, commas or "
                        + "spaces (tabs where ids hold spaces); found \(fields.count) fields")
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
            let fields = fields(text)
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
                "\(encoded(query)) Q0 \(encoded(document)) \(rank + 1) \(scores[document] ?? 0) \(tag)"
            }
        }
    }

    /// The lines of judgments, by query and document.
    public static func qrelsLines(_ judgments: [String: [String: Int]]) -> [String] {
        judgments.keys.sorted().flatMap { query in
            (judgments[query] ?? [:]).sorted { $0.key < $1.key }.map {
                "\(encoded(query)) 0 \(encoded($0.key)) \($0.value)"
            }
        }
    }
}
