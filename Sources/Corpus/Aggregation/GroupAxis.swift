// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation

/// One grouping of an aggregate: how the codes of a column fall into groups. Group 0 is that of no value.
struct GroupAxis {
    let column: MetadataColumn
    let grouping: AggregateRequest.Grouping
    /// `firstCodes[g - 1]` is the first code of group g: groups are runs of codes, because codes are in order of value.
    /// Nil when every code is a group of its own.
    private let firstCodes: [Int]?

    init(_ grouping: AggregateRequest.Grouping, column: MetadataColumn) throws {
        self.grouping = grouping
        self.column = column
        switch (grouping, column.dictionary) {
        case (.value, _): firstCodes = nil
        case (.period(_, let period), .dates(let dates)):
            firstCodes = Self.runs(column.distinctCount) { CalendarDate.start(of: period, seconds: dates[$0 - 1]) }
        case (.interval(let field, let width), .numbers(let numbers)):
            guard width > 0, width.isFinite else {
                throw CorpusError(.badArgument, "the width of intervals of \"\(field)\" must be above 0")
            }
            firstCodes = Self.runs(column.distinctCount) { (numbers[$0 - 1] / width).rounded(.down) }
        case (.period(let field, _), _):
            throw CorpusError(.badArgument, "periods are for dates; \"\(field)\" has type \(column.type)")
        case (.interval(let field, _), _):
            throw CorpusError(.badArgument, "intervals are for numbers; \"\(field)\" has type \(column.type)")
        }
    }

    /// The first codes of runs with the same bin; bins grow with the codes. O(groups · log codes).
    private static func runs<Bin: Comparable>(_ distinct: Int, _ bin: (Int) -> Bin) -> [Int] {
        var firsts: [Int] = []
        var code = 1
        while code <= distinct {
            firsts.append(code)
            let own = bin(code)
            // Gallop, then halve: most runs are short or very long.
            var step = 1
            while code + step <= distinct, bin(code + step) == own { step *= 2 }
            var (low, high) = (code + step / 2, min(code + step, distinct + 1))
            while low < high {
                let middle = (low + high) / 2
                if bin(middle) == own { low = middle + 1 } else { high = middle }
            }
            code = low
        }
        return firsts
    }

    /// The number of groups, that of no value included.
    var groupCount: Int { (firstCodes?.count ?? column.distinctCount) + 1 }

    /// The group of each code; nil when they are the same.
    func table() -> [UInt32]? {
        guard let firstCodes else { return nil }
        var table = [UInt32](repeating: 0, count: column.distinctCount + 1)
        for (index, first) in firstCodes.enumerated() {
            let end = index + 1 < firstCodes.count ? firstCodes[index + 1] : column.distinctCount + 1
            for code in first..<end { table[code] = UInt32(index + 1) }
        }
        return table
    }

    /// The number of all documents in a group, from the index. Not for lists.
    func documentCount(ofGroup group: Int) -> Int {
        guard group > 0, let firstCodes else { return column.count(ofCode: group) }
        let end = group < firstCodes.count ? firstCodes[group] : column.distinctCount + 1
        return Int(column.starts[end]) - Int(column.starts[firstCodes[group - 1]])
    }

    /// The name of a group; nil for that of no value.
    func label(ofGroup group: Int) -> MetadataValue? {
        guard group > 0 else { return nil }
        guard let firstCodes else { return column.value(ofCode: group) }
        switch (grouping, column.value(ofCode: firstCodes[group - 1])) {
        case (.period(_, let period), .date(let seconds)):
            return .text(CalendarDate.name(of: period, start: CalendarDate.start(of: period, seconds: seconds)))
        case (.interval(_, let width), .number(let number)): return .number((number / width).rounded(.down) * width)
        default: return nil
        }
    }
}
