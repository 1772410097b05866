// SPDX-License-Identifier: Apache-2.0

import Base
import OrderedCollections
import Text

/// What a corpus-level question asks of the documents that meet its condition.
public enum QuestionFamily: String, Sendable, Hashable, CaseIterable {
    /// How many there are.
    case count
    /// The one with the smallest value of a field.
    case minimum
    /// The one with the largest value of a field.
    case maximum
    /// All, smallest value first.
    case sortAscending = "sort_asc"
    /// All, largest value first.
    case sortDescending = "sort_desc"
    /// The k with the largest values, largest first.
    case topKLargest = "topk_largest"
    /// The k with the smallest values, smallest first.
    case topKSmallest = "topk_smallest"
}

/// A corpus-level question as a small program: a condition and what to do with the documents that meet it.
public struct CorpusPlan: Sendable, Hashable {
    public var family: QuestionFamily
    public var condition: CorpusCondition
    /// The field that orders the documents; nil for `count`.
    public var orderField: String?
    /// How many documents a top-k question asks for; 0 for the other families.
    public var k: Int

    /// What running the plan gives.
    public struct Outcome: Sendable, Hashable {
        /// The answer: a number, or ids joined with comma and space.
        public var answer: String
        /// Every document that meets the condition, by id: the complete gold set.
        public var gold: [String]
        /// The ids that the answer names, in order; empty for `count`.
        public var named: [String]
    }

    /// Runs the plan; nil when the answer is not the only right one: two documents with the same value where their order
    /// matters, a document without the ordering field, or fewer documents than asked for.
    func run(over documents: [IndexedDocument]) -> Outcome? {
        let matching = documents.filter { condition.holds(for: $0) }
        let gold = matching.map(\.id).sorted()
        guard !gold.isEmpty else { return nil }
        if family == .count { return Outcome(answer: String(gold.count), gold: gold, named: []) }
        guard let orderField else { return nil }
        var keyed: [(value: FieldValue, id: String)] = []
        for document in matching {
            guard let value = document.single(orderField) else { return nil }
            keyed.append((value, document.id))
        }
        let descending = family == .maximum || family == .sortDescending || family == .topKLargest
        keyed.sort { descending ? $0.value > $1.value : $0.value < $1.value }
        let wanted: Int
        switch family {
        case .minimum, .maximum: wanted = 1
        case .topKLargest, .topKSmallest: wanted = k
        default: wanted = keyed.count
        }
        guard wanted > 0, wanted <= keyed.count else { return nil }
        // Ties decide something unless both stand behind the last one that is named.
        for index in 0..<min(wanted, keyed.count - 1) where keyed[index].value == keyed[index + 1].value { return nil }
        let named = keyed.prefix(wanted).map(\.id)
        return Outcome(answer: named.joined(separator: ", "), gold: gold, named: named)
    }

    /// The same text for the same question.
    var canonical: String { "\(family.rawValue)|\(orderField ?? "")|\(k)|\(condition.canonical)" }

    var json: JSONValue {
        var members: JSONObject = ["family": .string(family.rawValue), "where": condition.json]
        if let orderField { members["order"] = .string(orderField) }
        if k > 0 { members["k"] = .integer(k) }
        return .object(members)
    }
}
