// SPDX-License-Identifier: Apache-2.0

import Base
import Text

/// The smaller questions that a line of a data set holds beside its own: steps of a decomposition, and evidence triples
/// ("A", "director", "B") turned into questions. Each rests on one passage, so that they teach plain reading.
enum StepQuestions {
    struct Step: Sendable, Hashable {
        var question: String
        var answer: String
        /// The id of the passage that answers it.
        var passage: String
    }

    /// The steps of a line.
    ///
    /// - Parameter passages: The title and text of the question's gold passages, by id.
    static func all(of line: JSONValue, passages: [(id: String, title: String, text: String)]) -> [Step] {
        decomposition(line) + triples(line, passages)
    }

    /// Steps as MuSiQue has them, "#1" standing for the first one's answer; a step may be a relation, "Green >> performer".
    private static func decomposition(_ line: JSONValue) -> [Step] {
        let rows = line["decomposition"]?.array ?? []
        let answers = rows.map { $0["answer"]?.string ?? "" }
        return rows.compactMap { row in
            guard let passage = row["supporting"]?.string, let answer = row["answer"]?.string, !answer.isEmpty,
                var text = row["question"]?.string
            else { return nil }
            for (index, earlier) in answers.enumerated().reversed() {
                text = text.replacing("#\(index + 1)", with: earlier)
            }
            let parts = text.split(separator: ">>").map { $0.drop { $0 == " " } }
            if parts.count == 2 { text = question(subject: String(parts[0]), relation: String(parts[1])) }
            return Step(question: text, answer: answer, passage: passage)
        }
    }

    /// Triples as 2WikiMultihopQA has them; the passage is the one about the subject, where it names the object.
    private static func triples(
        _ line: JSONValue, _ passages: [(id: String, title: String, text: String)]
    ) -> [Step] {
        (line["evidences"]?.array ?? []).compactMap { row in
            guard let parts = row.array, parts.count == 3, let subject = parts[0].string,
                let relation = parts[1].string, let object = parts[2].string
            else { return nil }
            let key = TitleNormalizer.key(for: subject)
            guard
                let passage = passages.first(where: {
                    TitleNormalizer.key(for: TitleNormalizer.withoutDisambiguation($0.title)) == key
                        && $0.text.contains(object)
                })
            else { return nil }
            return Step(
                question: question(subject: subject, relation: relation), answer: object, passage: passage.id)
        }
    }

    private static func question(subject: String, relation: String) -> String {
        let subject = subject.trimmed, relation = relation.trimmed
        return "What is the \(relation) of \(subject)?"
    }
}

extension String {
    /// Without spaces around it.
    fileprivate var trimmed: String {
        String(drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
    }
}
