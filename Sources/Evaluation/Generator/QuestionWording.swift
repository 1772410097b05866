// SPDX-License-Identifier: Apache-2.0

import Base
import TensorMath

/// Words a plan as a question. Several templates a family and several phrases a condition, drawn with the generator.
struct QuestionWording {
    /// What a document is called, such as "article".
    var noun: String
    var plural: String

    func question(_ plan: CorpusPlan, isDate: Bool, random: inout SplitMix64) -> String {
        let condition = phrase(plan.condition, &random)
        let field = (plan.orderField ?? "").replacing("_", with: " ")
        let (low, high) = isDate ? ("earliest", "latest") : ("lowest", "highest")
        let k = String(plan.k)
        let templates: [String]
        switch plan.family {
        case .count:
            templates = [
                "How many {plural} {c} are there?", "Count the {plural} {c}.", "What is the number of {plural} {c}?",
                "In the whole collection, how many {plural} {c} can be found?",
                "Give the total number of {plural} {c}.",
            ]
        case .minimum:
            templates = [
                "Which {noun} {c} has the {low} {field}?", "Among the {plural} {c}, which one has the {low} {field}?",
                "Find the {noun} with the {low} {field} among those {c}.",
                "Of all {plural} {c}, name the one whose {field} is the {low}.",
            ]
        case .maximum:
            templates = [
                "Which {noun} {c} has the {high} {field}?", "Among the {plural} {c}, which one has the {high} {field}?",
                "Find the {noun} with the {high} {field} among those {c}.",
                "Of all {plural} {c}, name the one whose {field} is the {high}.",
            ]
        case .sortAscending:
            templates = [
                "List all {plural} {c}, ordered by {field}, {low} first.",
                "Sort the {plural} {c} by {field} from {low} to {high}.",
                "Put the {plural} {c} in ascending order of {field}.",
                "Which {plural} {c} are there? Give them by {field}, starting with the {low}.",
            ]
        case .sortDescending:
            templates = [
                "List all {plural} {c}, ordered by {field}, {high} first.",
                "Sort the {plural} {c} by {field} from {high} to {low}.",
                "Put the {plural} {c} in descending order of {field}.",
                "Which {plural} {c} are there? Give them by {field}, starting with the {high}.",
            ]
        case .topKLargest:
            templates = [
                "Name the {k} {plural} {c} with the {high} {field}, {high} first.",
                "What are the top {k} {plural} {c} when ranked by {field} from {high} down?",
                "Among the {plural} {c}, give the {k} whose {field} is {high}, in descending order.",
                "Which {k} {plural} {c} have the {high} {field}? Start with the {high}.",
            ]
        case .topKSmallest:
            templates = [
                "Name the {k} {plural} {c} with the {low} {field}, {low} first.",
                "What are the first {k} {plural} {c} when ranked by {field} from {low} up?",
                "Among the {plural} {c}, give the {k} whose {field} is {low}, in ascending order.",
                "Which {k} {plural} {c} have the {low} {field}? Start with the {low}.",
            ]
        }
        return pick(templates, &random).replacing("{noun}", with: noun).replacing("{plural}", with: plural)
            .replacing("{low}", with: low).replacing("{high}", with: high).replacing("{field}", with: field)
            .replacing("{k}", with: k).replacing("{c}", with: condition)
    }

    private func phrase(_ condition: CorpusCondition, _ random: inout SplitMix64) -> String {
        func name(_ field: String) -> String { field.replacing("_", with: " ") }
        switch condition {
        case .equals(let field, let value):
            return pick(
                [
                    "whose {f} is \"{v}\"", "with the {f} \"{v}\"", "where the {f} is given as \"{v}\"",
                    "that have \"{v}\" as their {f}",
                ], &random
            ).replacing("{f}", with: name(field)).replacing("{v}", with: value.shown)
        case .isNot(let field, let value):
            return pick(["whose {f} is not \"{v}\"", "with a {f} other than \"{v}\""], &random)
                .replacing("{f}", with: name(field)).replacing("{v}", with: value.shown)
        case .above(let field, let value):
            let isDate = if case .date = value { true } else { false }
            let phrases =
                isDate
                ? ["with a {f} after {v}", "whose {f} is later than {v}"]
                : ["with a {f} above {v}", "whose {f} is greater than {v}"]
            return pick(phrases, &random).replacing("{f}", with: name(field)).replacing("{v}", with: value.shown)
        case .below(let field, let value):
            let isDate = if case .date = value { true } else { false }
            let phrases =
                isDate
                ? ["with a {f} before {v}", "whose {f} is earlier than {v}"]
                : ["with a {f} below {v}", "whose {f} is less than {v}"]
            return pick(phrases, &random).replacing("{f}", with: name(field)).replacing("{v}", with: value.shown)
        case .mentions(let word):
            return pick(
                ["that mention the word \"{w}\"", "whose text contains the word \"{w}\"", "in which \"{w}\" occurs"],
                &random
            ).replacing("{w}", with: word)
        case .all(let parts): return parts.map { phrase($0, &random) }.joined(separator: " and ")
        case .any(let parts): return "either " + parts.map { phrase($0, &random) }.joined(separator: " or ")
        }
    }

    private func pick(_ choices: [String], _ random: inout SplitMix64) -> String {
        choices[random.integer(below: choices.count)]
    }
}
