// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
import OrderedCollections
import Reading
import Text

/// A program as calls of `filter` and `aggregate`: sets under handles, sets within sets, measures over sets.
struct ProgramCalls {
    /// One call; its arguments are complete once the handles of the calls before it are known.
    struct Call {
        var tool: String
        var reason: String
        var arguments: ([String]) -> JSONValue
        /// How many documents the reading found there; another number means that the two do not mean the same.
        var rows: Int?
    }

    private(set) var calls: [Call] = []
    private let reading: QuestionReader
    private let table: DocumentTable
    private let mentions: [String: RowBits]

    /// - Returns: nil for a program that the tools have no words for.
    init?(_ program: CorpusProgram, reading: QuestionReader, mentions: [String: RowBits]) {
        guard Self.isExpressible(program) else { return nil }
        self.reading = reading
        table = reading.index.table
        self.mentions = mentions
        add(program)
    }

    /// Whether tools can run it: rows of a corpus have no order of their own.
    static func isExpressible(_ program: CorpusProgram) -> Bool {
        func rows(_ set: RowSet) -> Bool {
            switch set {
            case .filter, .extreme: return true
            case .place, .neighbour, .sameAs: return false
            }
        }
        switch program {
        case .values(let set, _), .periods(let set, _, _), .count(let set), .distinct(let set, _, _), .exists(let set),
            .statistic(_, let set, _):
            return rows(set)
        case .groupExtreme, .groupsWhere, .shared, .meanPerGroup, .constant, .every: return true
        case .arithmetic(_, let left, let right), .compare(let left, _, let right):
            return isExpressible(left) && isExpressible(right)
        }
    }

    // MARK: Calls

    private mutating func add(_ program: CorpusProgram) {
        switch program {
        case .values(let set, let column):
            let place = addRows(set, showing: column)
            if case .filter = set, !table.columns[column].isTitle { addGroups(place, column, .value, limit: 50) }
        case .periods(let set, let column, let period):
            addGroups(addRows(set, showing: column), column, period, limit: 50)
        case .count(let set): addMeasure(addRows(set), [["op": "count"]], "count them")
        case .exists(let set): _ = addRows(set)
        case .distinct(let set, let column, let period):
            let place = addRows(set)
            if period == .value, !table.columns[column].isTitle {
                addMeasure(place, [["op": "distinct", "field": field(column)]], "count its different values")
            } else {
                addGroups(place, column, period, limit: 50)
            }
        case .statistic(let statistic, let set, let column): addStatistic(statistic, set, column)
        case .groupExtreme(let filter, let column, let period, let measure, let isDescending, let count, _):
            addGroups(
                addRows(.filter(filter)), column, period, measure: measure, isDescending: isDescending,
                limit: max(count, 5))
        case .groupsWhere(let filter, let column, let measure, _, _, _):
            addGroups(addRows(.filter(filter)), column, .value, measure: measure, limit: 50)
        case .shared(let first, let second, let column, _, _):
            addGroups(addRows(.filter(first)), column, .value, limit: 50)
            addGroups(addRows(.filter(second)), column, .value, limit: 50)
        case .meanPerGroup(let filter, let column, let period): addMean(filter, column, period)
        case .constant: break
        case .arithmetic(_, let left, let right), .compare(let left, _, let right):
            add(left)
            add(right)
        case .every(let some, let all):
            let place = addRows(.filter(some))
            let condition = self.condition(all)
            calls.append(
                Call(
                    tool: "filter", reason: "which of them are as asked",
                    arguments: { ["within": .string($0[place]), "where": condition] }, rows: nil))
        }
    }

    /// - Returns: the place of the call that makes the set.
    private mutating func addRows(_ set: RowSet, showing column: Int? = nil) -> Int {
        switch set {
        case .filter(let filter):
            return addFilter(filter)
        case .extreme(let filter, let column, let isDescending, let count):
            let base = addFilter(filter)
            let operation = isDescending ? "max" : "min"
            let name = field(column)
            addMeasure(
                base, [["op": .string(operation), "field": name]], "the \(operation) of \(table.columns[column].name)")
            let extremes = reading.rows(set, mentions: mentions)
            let numbers = extremes.map { table.columns[column].number(ofRow: $0) }
            let bound = (isDescending ? numbers.min() : numbers.max()) ?? 0
            let value = self.value(column, bound)
            let order: JSONValue = ["by": name, "order": .string(isDescending ? "descending" : "ascending")]
            calls.append(
                Call(
                    tool: "filter", reason: "those that have it",
                    arguments: {
                        [
                            "within": .string($0[base]),
                            "where": ["field": name, "op": .string(isDescending ? ">=" : "<="), "value": value],
                            "sort": [order], "fields": [name], "limit": .integer(min(50, max(1, count))),
                        ]
                    }, rows: count == 1 ? extremes.count : nil))
            return calls.count - 1
        case .place(let filter, _), .sameAs(let filter, _): return addFilter(filter)
        case .neighbour(let inner, _): return addRows(inner)
        }
    }

    private mutating func addFilter(_ filter: ProgramFilter) -> Int {
        let condition = self.condition(filter)
        let rows = reading.rows(.filter(filter), mentions: mentions).count
        calls.append(
            Call(
                tool: "filter", reason: "everything that qualifies", arguments: { _ in ["where": condition] },
                rows: rows))
        return calls.count - 1
    }

    private mutating func addMeasure(_ place: Int, _ measures: [JSONValue], _ reason: String) {
        calls.append(
            Call(
                tool: "aggregate", reason: reason,
                arguments: { ["over": .string($0[place]), "measures": .array(measures)] }, rows: nil))
    }

    private mutating func addStatistic(_ statistic: CorpusProgram.Statistic, _ set: RowSet, _ column: Int) {
        let place = addRows(set)
        let name = field(column)
        switch statistic {
        case .sum: addMeasure(place, [["op": "sum", "field": name]], "add them up")
        case .mean: addMeasure(place, [["op": "mean", "field": name]], "their average")
        case .minimum: addMeasure(place, [["op": "min", "field": name]], "the least")
        case .maximum: addMeasure(place, [["op": "max", "field": name]], "the greatest")
        case .range:
            addMeasure(
                place,
                [
                    ["op": "max", "field": name, "as": "greatest"], ["op": "min", "field": name, "as": "least"],
                    ["expression": "greatest - least", "as": "range"],
                ], "how far apart they are")
        }
    }

    private mutating func addMean(_ filter: ProgramFilter, _ column: Int, _ period: ProgramPeriod) {
        let place = addRows(.filter(filter))
        if period == .value {
            addMeasure(
                place,
                [
                    ["op": "count", "field": field(column), "as": "documents"],
                    ["op": "distinct", "field": field(column), "as": "groups"],
                    ["expression": "documents / groups", "as": "each"],
                ], "how many each has on average")
        } else {
            addGroups(place, column, period, limit: 50)
        }
    }

    private mutating func addGroups(
        _ place: Int, _ column: Int, _ period: ProgramPeriod, measure: CorpusProgram.GroupMeasure = .count,
        isDescending: Bool = true, limit: Int
    ) {
        guard !table.columns[column].isTitle else { return }
        let name = field(column)
        let group: JSONValue = period == .value ? name : ["field": name, "every": .string(period.rawValue)]
        let measured: JSONValue
        switch measure {
        case .count: measured = ["op": "count", "as": "measure"]
        case .sum(let other): measured = ["op": "sum", "field": field(other), "as": "measure"]
        case .mean(let other): measured = ["op": "mean", "field": field(other), "as": "measure"]
        case .distinct(let other): measured = ["op": "distinct", "field": field(other), "as": "measure"]
        }
        let order: JSONValue = ["by": "measure", "order": .string(isDescending ? "descending" : "ascending")]
        calls.append(
            Call(
                tool: "aggregate", reason: "by \(table.columns[column].name)",
                arguments: {
                    [
                        "over": .string($0[place]), "measures": [measured], "group_by": [group], "sort": [order],
                        "limit": .integer(limit),
                    ]
                }, rows: nil))
    }

    // MARK: Conditions

    private func field(_ column: Int) -> JSONValue { .string(table.columns[column].name) }

    private func condition(_ filter: ProgramFilter) -> JSONValue {
        let clauses = filter.map { clause -> JSONValue in
            let parts = clause.map(condition)
            return parts.count == 1 ? parts[0] : ["or": .array(parts)]
        }
        return clauses.count == 1 ? clauses[0] : ["and": .array(clauses)]
    }

    private func condition(_ condition: ProgramCondition) -> JSONValue {
        let name = condition.column < table.columns.count ? field(condition.column) : .null
        let column = table.columns[condition.column]
        let test: JSONValue
        switch condition.test {
        case .mentions(let phrase):
            test = ["op": "match", "value": .string(phrase), "mode": "phrase"]
            return condition.isNegated ? ["not": test] : test
        case .exists:
            let filled: JSONValue = ["field": name, "op": "exists"]
            let isText = column.kind == .text
            let both: JSONValue =
                isText ? ["and": [filled, ["not": ["field": name, "op": "==", "value": ""]]]] : filled
            return condition.isNegated ? ["not": both] : both
        case .isIn(let codes):
            let values = codes.map { value(condition.column, code: $0) }
            test =
                values.count == 1
                ? ["field": name, "op": "==", "value": values[0]]
                : ["field": name, "op": "in", "value": .array(values)]
        case .range(let low, let includesLow, let high, let includesHigh):
            var parts: [JSONValue] = []
            if let low {
                parts.append(
                    ["field": name, "op": includesLow ? ">=" : ">", "value": value(condition.column, low)])
            }
            if let high {
                parts.append(
                    ["field": name, "op": includesHigh ? "<=" : "<", "value": value(condition.column, high)])
            }
            test = parts.count == 1 ? parts[0] : ["and": .array(parts)]
        }
        guard condition.isNegated else { return test }
        // "not from X" asks for documents that have a source.
        var parts: [JSONValue] = [["field": name, "op": "exists"], ["not": test]]
        if column.kind == .text { parts.append(["not": ["field": name, "op": "==", "value": ""]]) }
        return ["and": .array(parts)]
    }

    private func value(_ column: Int, code: UInt32) -> JSONValue {
        let values = table.columns[column]
        if values.kind == .text { return .string(values.texts[Int(code) - 1]) }
        return value(column, values.numbers[Int(code) - 1])
    }

    /// A place of a column's scale as the tools take it.
    private func value(_ column: Int, _ number: Double) -> JSONValue {
        switch table.columns[column].kind {
        case .date: return .string(CalendarDate.text(seconds: Int64(exactly: number.rounded()) ?? 0))
        case .boolean: return .bool(number != 0)
        case .number, .text: return Int(exactly: number).map(JSONValue.integer) ?? .number(number)
        }
    }
}
