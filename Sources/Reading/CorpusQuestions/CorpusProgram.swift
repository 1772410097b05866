// SPDX-License-Identifier: Apache-2.0

/// A test of one column of a row.
package struct ProgramCondition: Sendable, Hashable {
    package enum Test: Sendable, Hashable {
        /// One of these codes.
        case isIn([UInt32])
        /// Between two places of the column's scale; nil is open. The upper end of dates is excluded.
        case range(low: Double?, includesLow: Bool, high: Double?, includesHigh: Bool)
        /// Has a value.
        case exists
        /// The document's text mentions these words; the column is not looked at.
        case mentions(String)
    }

    package var column: Int
    package var test: Test
    /// Rows that have a value and fail the test; for `exists`, rows without a value.
    package var isNegated = false
}

/// Which rows: each clause must hold, of a clause at least one condition.
package typealias ProgramFilter = [[ProgramCondition]]

/// A set of rows.
package indirect enum RowSet: Sendable, Hashable {
    case filter(ProgramFilter)
    /// The rows with the greatest (or least) values of a column: `count` of them and, for one, all that tie with it.
    case extreme(ProgramFilter, column: Int, isDescending: Bool, count: Int)
    /// The first rows in the table's own order; negative counts are the last.
    case place(ProgramFilter, Int)
    /// The rows that stand so many places after those of a set.
    case neighbour(RowSet, Int)
    /// The rows that share a column's value with the rows of a filter, without these.
    case sameAs(ProgramFilter, column: Int)
}

/// A part of a column's values: the value itself, or the calendar period of a date.
package enum ProgramPeriod: String, Sendable, Hashable, CaseIterable { case value, month, year, day }

/// A program over a table, in the terms that `filter` and `aggregate` have.
package indirect enum CorpusProgram: Sendable, Hashable {
    package enum Statistic: String, Sendable, Hashable, CaseIterable { case sum, mean, minimum, maximum, range }
    package enum GroupMeasure: Sendable, Hashable {
        case count
        case sum(Int)
        case mean(Int)
        /// How many different values of another column.
        case distinct(Int)
    }
    package enum Comparison: String, Sendable, Hashable {
        case less = "<", lessOrEqual = "<=", equal = "==", greaterOrEqual = ">=", greater = ">"
    }
    package enum Arithmetic: String, Sendable, Hashable { case difference, sum, ratio, percentChange, mean, percentOf }

    /// The distinct values of a column among rows, in the order of the rows.
    case values(RowSet, Int)
    /// As `values`, of the calendar periods of a date column.
    case periods(RowSet, Int, ProgramPeriod)
    case count(RowSet)
    /// How many distinct values.
    case distinct(RowSet, Int, ProgramPeriod)
    case statistic(Statistic, RowSet, Int)
    /// The groups with the greatest (or least) measure; for one, all that tie. Or the measure itself.
    case groupExtreme(
        ProgramFilter, Int, ProgramPeriod, GroupMeasure, isDescending: Bool, count: Int, givesMeasure: Bool)
    /// The groups whose measure compares so with a number; or how many groups.
    case groupsWhere(ProgramFilter, Int, GroupMeasure, Comparison, Double, givesCount: Bool)
    /// The values of a column among the rows of the first filter that are also among those of the second; negated, those
    /// that are not. Or how many.
    case shared(ProgramFilter, ProgramFilter, Int, isNegated: Bool, givesCount: Bool)
    /// Rows a group on average.
    case meanPerGroup(ProgramFilter, Int, ProgramPeriod)
    /// A number that the question names.
    case constant(Double)
    /// Arithmetic over two numbers.
    case arithmetic(Arithmetic, CorpusProgram, CorpusProgram)
    /// Whether the first number is so much as the second: yes or no.
    case compare(CorpusProgram, Comparison, CorpusProgram)
    /// Whether there are rows: yes or no.
    case exists(RowSet)
    /// Whether every row of the first filter is in the second.
    case every(ProgramFilter, ProgramFilter)
}

/// What a program gives.
package enum Denotation: Sendable, Hashable {
    /// Values of a column, by code.
    case values(column: Int, codes: [UInt32])
    case number(Double)
    case truth(Bool)
    /// Texts that are no values of a column: calendar periods.
    case texts([String])

    package var isEmpty: Bool {
        switch self {
        case .values(_, let codes): return codes.isEmpty
        case .texts(let texts): return texts.isEmpty
        case .number(let number): return !number.isFinite
        case .truth: return false
        }
    }

    /// As a reader sees it, part by part.
    package func texts(in table: DocumentTable) -> [String] {
        switch self {
        case .values(let column, let codes): return codes.map { table.columns[column].texts[Int($0) - 1] }
        case .texts(let texts): return texts
        case .number(let number): return number.isFinite ? [Self.shown(number)] : []
        case .truth(let truth): return [truth ? "yes" : "no"]
        }
    }

    package static func shown(_ number: Double) -> String {
        if number == number.rounded(), abs(number) < 1e15 { return String(Int(number)) }
        let rounded = (number * 10_000).rounded() / 10_000
        return "\(rounded)"
    }
}
