// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
import Foundation
import LanguageModels
import OrderedCollections
import Text
import Tools

/// The values of a corpus's text fields that have few enough to be named: read once, as a schema is.
///
/// A question names a value where its words stand one after the other in it, or those before a bar or a dash in it: a
/// "BBC News - Travel" is named by "BBC News".
struct FieldValues: Sendable {
    private struct Value {
        var field: String
        var value: String
        /// Its folded words between spaces, whole and without what stands behind a bar or dash.
        var names: [String]
    }

    private let values: [Value]

    static let none = FieldValues(values: [])
    /// Fields with more values are no categories.
    static let mostValues = 300

    private init(values: [Value]) { self.values = values }

    init(of corpus: any RetrievalCorpus, reading: TextReading) async throws {
        var values: [Value] = []
        let everything = OrdinalSet(0..<DocumentOrdinal(corpus.summary.documentCount))
        for field in corpus.schema.fields where field.type == .text || field.type == .textList {
            guard (2...Self.mostValues).contains(field.distinctCount) else { continue }
            let page = try await corpus.aggregate(
                everything, AggregateRequest(groupBy: [.value(field: field.name)], limit: Self.mostValues))
            guard let column = page.table.columns.firstIndex(of: field.name) else { continue }
            for row in page.table.rows {
                guard let value = row[column].string, value.utf8.count <= 200 else { continue }
                var names: [String] = []
                for part in [value] + value.split(separator: "|").prefix(1).map(String.init)
                    + value.components(separatedBy: " - ").prefix(1)
                {
                    let words = reading.words(part).joined(separator: " ")
                    if words.utf8.count > 2, !names.contains(words) { names.append(words) }
                }
                if !names.isEmpty { values.append(Value(field: field.name, value: value, names: names)) }
            }
        }
        self.values = values
    }

    /// The conditions that a question names, each with what is named: one a value, values of one name together.
    func conditions(in question: QuestionFacts) -> [(name: String, json: JSONValue)] {
        var found: OrderedDictionary<String, [Value]> = [:]
        for value in values {
            // The longest name of a value that stands in the question.
            let named = value.names.filter { question.words.contains(" \($0) ") }.max { $0.utf8.count < $1.utf8.count }
            if let named { found[value.field + "\u{0}" + named, default: []].append(value) }
        }
        return found.prefix(4).map { key, values in
            let name = String(key.split(separator: "\u{0}").last ?? "")
            return (name, Self.condition(values.map { ($0.field, $0.value) }))
        }
    }

    /// A clause for one value, or one that any of several meets.
    private static func condition(_ values: [(field: String, value: String)]) -> JSONValue {
        let clauses = values.map { value -> JSONValue in
            ["field": .string(value.field), "op": "==", "value": .string(value.value)]
        }
        return clauses.count == 1 ? clauses[0] : ["or": .array(clauses)]
    }

    /// A clause that any of some conditions meets.
    static func any(of conditions: [JSONValue]) -> JSONValue { ["or": .array(conditions)] }
}
