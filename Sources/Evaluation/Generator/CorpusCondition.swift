// SPDX-License-Identifier: Apache-2.0

import Base
import Datasets
import OrderedCollections
import QualityMetrics
import Text

/// The value of a metadata field, typed for comparison.
public enum FieldValue: Sendable, Hashable, Comparable {
    case number(Double)
    /// A date as `yyyy-mm-dd`, which sorts as text does.
    case date(String)
    case text(String)

    public static func < (left: FieldValue, right: FieldValue) -> Bool {
        switch (left, right) {
        case (.number(let a), .number(let b)): return a < b
        case (.date(let a), .date(let b)), (.text(let a), .text(let b)): return a < b
        default: return left.order < right.order
        }
    }

    private var order: Int {
        switch self {
        case .number: return 0
        case .date: return 1
        case .text: return 2
        }
    }

    /// A JSON value as a field value: a number, an ISO date (its time of day is cut), or a text.
    init?(_ json: JSONValue) {
        switch json {
        case .integer(let value): self = .number(Double(value))
        case .number(let value): self = .number(value)
        case .string(let text): self = FieldValue.isDate(text) ? .date(String(text.prefix(10))) : .text(text)
        default: return nil
        }
    }

    private static func isDate(_ text: String) -> Bool {
        let bytes = Array(text.utf8.prefix(11))
        guard bytes.count >= 10, bytes.count == 10 || bytes[10] == UInt8(ascii: "T") || bytes[10] == 0x20 else {
            return false
        }
        for (index, byte) in bytes.prefix(10).enumerated() {
            if index == 4 || index == 7 {
                if byte != UInt8(ascii: "-") { return false }
            } else if byte < UInt8(ascii: "0") || byte > UInt8(ascii: "9") {
                return false
            }
        }
        return true
    }

    /// As it stands in a question.
    var shown: String {
        switch self {
        case .number(let value): return value == value.rounded() && abs(value) < 1e15 ? String(Int(value)) : "\(value)"
        case .date(let text), .text(let text): return text
        }
    }

    var json: JSONValue {
        switch self {
        case .number(let value): return .number(value)
        case .date(let text), .text(let text): return .string(text)
        }
    }
}

/// A boolean condition on a document's metadata and text.
///
/// A document without the field meets no condition on it, also not `isNot`: "whose category is not sports" asks for documents
/// that have a category.
public indirect enum CorpusCondition: Sendable, Hashable {
    case equals(field: String, value: FieldValue)
    case isNot(field: String, value: FieldValue)
    /// Strictly above.
    case above(field: String, value: FieldValue)
    /// Strictly below.
    case below(field: String, value: FieldValue)
    /// The title or the text holds the word, whole and in any case.
    case mentions(word: String)
    case all([CorpusCondition])
    case any([CorpusCondition])

    /// Whether a document meets the condition.
    func holds(for document: IndexedDocument) -> Bool {
        switch self {
        case .equals(let field, let value): return document.fields[field]?.contains(value) ?? false
        case .isNot(let field, let value): return document.fields[field].map { !$0.contains(value) } ?? false
        case .above(let field, let value): return document.fields[field]?.contains { $0 > value } ?? false
        case .below(let field, let value): return document.fields[field]?.contains { $0 < value } ?? false
        case .mentions(let word): return document.words.contains(word)
        case .all(let parts): return parts.allSatisfy { $0.holds(for: document) }
        case .any(let parts): return parts.contains { $0.holds(for: document) }
        }
    }

    /// The same text for the same meaning: parts in one order.
    var canonical: String {
        switch self {
        case .equals(let field, let value): return "\(field)=\(value.shown)"
        case .isNot(let field, let value): return "\(field)!=\(value.shown)"
        case .above(let field, let value): return "\(field)>\(value.shown)"
        case .below(let field, let value): return "\(field)<\(value.shown)"
        case .mentions(let word): return "word:\(word)"
        case .all(let parts): return "all(" + parts.map(\.canonical).sorted().joined(separator: ",") + ")"
        case .any(let parts): return "any(" + parts.map(\.canonical).sorted().joined(separator: ",") + ")"
        }
    }

    /// The condition as data, so that a reader of the set can run it again.
    var json: JSONValue {
        switch self {
        case .equals(let field, let value): return ["field": .string(field), "is": value.json]
        case .isNot(let field, let value): return ["field": .string(field), "is_not": value.json]
        case .above(let field, let value): return ["field": .string(field), "above": value.json]
        case .below(let field, let value): return ["field": .string(field), "below": value.json]
        case .mentions(let word): return ["mentions": .string(word)]
        case .all(let parts): return ["all": .array(parts.map(\.json))]
        case .any(let parts): return ["any": .array(parts.map(\.json))]
        }
    }
}

/// A document prepared for conditions.
struct IndexedDocument: Sendable {
    var id: String
    var title: String
    /// The values of each field; several for a list.
    var fields: [String: Set<FieldValue>]
    /// The words of title and text, in SQuAD's normal form.
    var words: Set<String>

    init(_ passage: EvalPassage) {
        id = passage.id
        title = passage.title
        fields = [:]
        for (name, value) in passage.metadata {
            let values = (value.array ?? [value]).compactMap(FieldValue.init)
            if !values.isEmpty { fields[name] = Set(values) }
        }
        words = Set(AnswerNormalization.squad.tokens(of: passage.title + " " + passage.text))
    }

    /// The one value of a field; nil without the field or with several.
    func single(_ field: String) -> FieldValue? {
        guard let values = fields[field], values.count == 1 else { return nil }
        return values.first
    }
}
