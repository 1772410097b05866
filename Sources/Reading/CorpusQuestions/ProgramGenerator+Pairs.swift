// SPDX-License-Identifier: Apache-2.0

/// Programs that hold two sets against each other.
extension ProgramGenerator {
    /// Values that two sets have in common ("both"), or that one has and the other has not ("but never").
    mutating func shared() {
        let none = Filter(clauses: [], conditions: [], mask: 0, quality: 0)
        var done = 0
        for (place, clause) in clauses.enumerated() where !clause.isNegated {
            func columns(_ other: ClauseCandidate?) -> [Int] {
                groups.filter { group in
                    ![clause, other].contains { $0?.conditions.contains { $0.column == group } ?? false }
                }
            }
            func put(_ first: Filter, _ second: ClauseCandidate, _ column: Int, isNegated: Bool, also: [Int]) {
                for givesCount in cues.asksNumber ? [false, true] : [false] {
                    add(
                        .shared(
                            first.conditions, [second.conditions], column, isNegated: isNegated, givesCount: givesCount),
                        givesCount ? .sharedCount : .sharedValues, first, target: column, isDescending: isNegated,
                        mask: second.mask | cues.sharedMask, also: also)
                }
            }
            for column in columns(nil) { put(none, clause, column, isNegated: true, also: [place]) }
            for (next, other) in clauses.enumerated()
            where !other.isNegated && clause.span.upperBound <= other.span.lowerBound && done < 24 {
                done += 1
                let first = Filter(
                    clauses: [place], conditions: [clause.conditions], mask: clause.mask, quality: clause.quality)
                for column in columns(other) {
                    for isNegated in [false, true] { put(first, other, column, isNegated: isNegated, also: [next]) }
                }
            }
        }
    }

    /// Two sets that differ in one clause: differences, sums, comparisons.
    mutating func pairs() {
        guard cues.asksDifference || cues.isYesNo || cues.asksTotal || cues.asksPercent else { return }
        var done = 0
        for left in clauses.indices {
            for right in clauses.indices where left != right {
                let (a, b) = (clauses[left], clauses[right])
                guard a.span.mask & b.span.mask == 0, done < 40 else { continue }
                let isSame = a.conditions.first?.column == b.conditions.first?.column
                guard isSame || cues.isYesNo || cues.asksPercent else { continue }
                done += 1
                let contexts =
                    [Filter(clauses: [], conditions: [], mask: 0, quality: 0)]
                    + filters.prefix(10).filter {
                        $0.clauses.count == 1 && $0.mask & (a.mask | b.mask) == 0
                            && $0.conditions.first?.first?.column != a.conditions.first?.column
                    }.prefix(2)
                for context in contexts {
                    pair(left, right, in: context, isSame: isSame)
                }
            }
        }
    }

    private mutating func pair(_ left: Int, _ right: Int, in context: Filter, isSame: Bool) {
        let (a, b) = (clauses[left], clauses[right])
        let first = RowSet.filter(context.conditions + [a.conditions])
        let second = RowSet.filter(context.conditions + [b.conditions])
        let mask = a.mask | b.mask
        func put(
            _ program: CorpusProgram, _ operation: ProgramCandidate.Operator, order: Int = -1,
            isDescending: Bool = false
        ) {
            add(
                program, operation, context, order: order, isDescending: isDescending, mask: mask,
                also: [left, right])
        }
        let isInOrder = a.span.lowerBound < b.span.lowerBound
        if cues.isYesNo {
            // "Did I spend more on food or on travel?" compares what was spent, not how often.
            let spent = isSame && cues.asksSum ? orders.first { isSpent($0) } : nil
            if let spent {
                let sums = [first, second].map { CorpusProgram.statistic(.sum, $0, spent) }
                let isOutgoing = isOutgoing(spent)
                put(
                    .compare(sums[isOutgoing ? 1 : 0], .greater, sums[isOutgoing ? 0 : 1]), .compareCounts,
                    order: spent,
                    isDescending: isInOrder)
            } else {
                put(.compare(.count(first), .greater, .count(second)), .compareCounts, isDescending: isInOrder)
            }
            if isInOrder {
                if !isSame { put(.every(context.conditions + [a.conditions], [b.conditions]), .every) }
                put(.compare(.count(first), .equal, .count(second)), .compareCounts)
            }
        }
        if cues.asksPercent, !isSame || a.quality > 0 {
            put(
                .arithmetic(
                    .percentOf, .count(.filter(context.conditions + [a.conditions, b.conditions])), .count(second)),
                .percentOf)
        }
        guard isSame else { return }
        if isInOrder {
            if cues.asksDifference {
                // People ask how far apart two are; the sign is not part of that.
                put(.arithmetic(.difference, .count(first), .count(second)), .differenceOfCounts)
                put(.arithmetic(.difference, .count(second), .count(first)), .differenceOfCounts)
            }
            if cues.asksTotal { put(.arithmetic(.sum, .count(first), .count(second)), .sumOfCounts) }
        }
        for column in orders where column != a.conditions.first?.column {
            let (x, y) = (CorpusProgram.values(first, column), CorpusProgram.values(second, column))
            if cues.asksDifference {
                put(.arithmetic(.difference, x, y), .differenceOfValues, order: column, isDescending: isInOrder)
            }
            if cues.asksPercent {
                put(.arithmetic(.percentChange, x, y), .percentChange, order: column, isDescending: isInOrder)
            }
            if cues.asksTotal, isInOrder { put(.arithmetic(.sum, x, y), .sumOfValues, order: column) }
            if cues.isYesNo {
                put(.compare(x, .greater, y), .compareValues, order: column, isDescending: isInOrder)
                if isInOrder { put(.compare(x, .equal, y), .compareValues, order: column) }
            }
        }
    }

    /// Arithmetic between two columns of the rows of a filter: "the change in sales from 2018 to 2019", a column a year.
    mutating func columnArithmetic() {
        let named = orders.filter {
            (links.field($0)?.match ?? .related) >= .part && index.table.columns[$0].kind != .date
        }
        guard named.count >= 2,
            cues.asksDifference || cues.asksPercent || cues.asksMean || cues.asksTotal || cues.asksRatio
        else { return }
        for filter in filters.prefix(10) where !filter.clauses.isEmpty {
            let rows = RowSet.filter(filter.conditions)
            for left in named.prefix(5) {
                for right in named.prefix(5) where left != right {
                    let (x, y) = (CorpusProgram.values(rows, left), CorpusProgram.values(rows, right))
                    let isInOrder =
                        (links.field(left)?.span.lowerBound ?? 0) < (links.field(right)?.span.lowerBound ?? 0)
                    func put(_ arithmetic: CorpusProgram.Arithmetic, _ operation: ProgramCandidate.Operator) {
                        add(
                            .arithmetic(arithmetic, x, y), operation, filter, target: left, order: right,
                            isDescending: isInOrder)
                    }
                    if cues.asksDifference { put(.difference, .columnDifference) }
                    if cues.asksPercent { put(.percentChange, .columnPercentChange) }
                    if cues.asksRatio { put(.ratio, .columnRatio) }
                    if isInOrder, cues.asksMean { put(.mean, .columnMean) }
                    if isInOrder, cues.asksTotal { put(.sum, .columnSum) }
                }
            }
        }
    }
}
