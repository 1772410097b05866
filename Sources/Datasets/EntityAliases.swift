// SPDX-License-Identifier: Apache-2.0

import Base
import OrderedCollections
import Text

/// Other names of entities: 2WikiMultihopQA's `id_aliases.json`, lines of `{"Q_id", "aliases", "demonyms"}` by Wikidata id.
///
/// The set's script takes any of them for an answer (`answer_id`) and for the subject and object of an evidence triple
/// (`evidences_id`).
public struct EntityAliases: Sendable {
    private let names: [String: [String]]

    /// Reads the file.
    /// - Throws: `DatasetError` with the file and the line.
    public init(file path: String) throws(DatasetError) {
        let file = try RecordFile(path: path)
        var names: [String: [String]] = [:]
        for record in try file.records() {
            do {
                names[try record.value.requiredString("Q_id")] =
                    try EvalQuestion.texts(record.value, "aliases") + EvalQuestion.texts(record.value, "demonyms")
            } catch { throw file.failure(record.line, "\(error)") }
        }
        self.names = names
    }

    /// The question with the other names of its answer and of its triples.
    package func adding(to question: EvalQuestion) -> EvalQuestion {
        var result = question
        let own = question.extra["answer_id"].flatMap(EvalQuestion.text).flatMap { names[$0] } ?? []
        for name in own where !result.answers.contains(name) { result.answers.append(name) }
        let triples = question.extra["evidences"]?.array ?? []
        let ids = question.extra["evidences_id"]?.array ?? []
        guard !triples.isEmpty else { return result }
        result.extra["evidence_wordings"] = .array(
            triples.enumerated().map { index, triple in
                let parts = (triple.array ?? []).compactMap(EvalQuestion.text)
                guard parts.count == 3 else { return .array([triple]) }
                func wordings(_ part: Int) -> [String] {
                    let id = index < ids.count ? ids[index][part].flatMap(EvalQuestion.text) : nil
                    return [parts[part]] + (id.flatMap { names[$0] } ?? []).filter { $0 != parts[part] }
                }
                return .array(
                    wordings(0).flatMap { subject in
                        wordings(2).map { .array([.string(subject), .string(parts[1]), .string($0)]) }
                    })
            })
        return result
    }
}
