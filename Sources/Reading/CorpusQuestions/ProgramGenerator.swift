// SPDX-License-Identifier: Apache-2.0

/// A program that a question may mean, with what the scorer looks at.
struct ProgramCandidate: Sendable {
    /// The outermost operation, in terms that hold for any table.
    enum Operator: UInt32, Sendable, CaseIterable {
        case values = 1, valuesExtreme, valuesPlace, valuesNeighbour, valuesSame, periods, periodsExtreme, count
        case countExtreme, exists, every, distinct, distinctPeriods, sum, mean, minimum, maximum, range, groupCount
        case groupSum, groupMean, groupMeasure, groupPeriods, groupsWhere, groupsWhereCount, meanPerGroup
        case meanPerPeriod, differenceOfCounts, differenceOfValues, sumOfCounts, sumOfValues, percentChange, percentOf
        case compareCounts, compareValues, compareWithNumber, columnDifference, columnPercentChange, columnMean
        case columnSum, columnRatio
        case sharedValues, sharedCount, groupDistinct, groupsWhereDistinct, percentOfAll, compareMean
    }

    var program: CorpusProgram
    var operation: Operator
    /// Places in the list of clauses.
    var clauses: [Int] = []
    /// The column that is shown or grouped by; -1 for none.
    var target = -1
    /// The column that orders or is measured; -1 for none.
    var order = -1
    var isDescending = false
    /// How many are wanted; 0 where that means nothing.
    var count = 0
    /// The words that the program explains.
    var mask: UInt64 = 0
}

/// Makes every program of the grammar that a question's links support, at most some thousand.
struct ProgramGenerator {
    let links: QuestionLinks
    let index: TableIndex
    let clauses: [ClauseCandidate]
    let cues: QuestionCues
    private(set) var candidates: [ProgramCandidate] = []

    struct Filter {
        var clauses: [Int]
        var conditions: ProgramFilter
        var mask: UInt64
        var quality: Double
    }

    var filters: [Filter] = []
    var targets: [Int] = []
    var orders: [Int] = []
    var groups: [Int] = []
    var dates: [Int] = []

    static let mostCandidates = 4000

    init(links: QuestionLinks, index: TableIndex, mentions: Set<String>) {
        self.links = links
        self.index = index
        clauses = ConditionFinder(links: links, index: index, mentions: mentions).clauses()
        cues = QuestionCues(links.tokens)
        filters = makeFilters()
        chooseColumns()
        generate()
    }

    // MARK: Parts

    private func makeFilters() -> [Filter] {
        var all: [Filter] = []
        let usable = Array(clauses.indices)
        func extend(_ base: Filter, from start: Int, depth: Int) {
            guard depth > 0 else { return }
            for place in usable[start...] {
                let clause = clauses[place]
                guard base.mask & clause.span.mask == 0, !contradicts(base, clause) else { continue }
                let next = Filter(
                    clauses: base.clauses + [place], conditions: base.conditions + [clause.conditions],
                    mask: base.mask | clause.mask, quality: base.quality + clause.quality)
                all.append(next)
                extend(next, from: place + 1, depth: depth - 1)
            }
        }
        let none = Filter(clauses: [], conditions: [], mask: 0, quality: 0)
        extend(none, from: 0, depth: clauses.count > 14 ? 2 : 3)
        if clauses.count > 14 {
            // Three clauses of the best ones only.
            for a in 0..<8 {
                for b in (a + 1)..<9 {
                    for c in (b + 1)..<10 {
                        var filter = none
                        for place in [a, b, c] {
                            let clause = clauses[place]
                            guard filter.mask & clause.span.mask == 0, !contradicts(filter, clause) else { break }
                            filter = Filter(
                                clauses: filter.clauses + [place], conditions: filter.conditions + [clause.conditions],
                                mask: filter.mask | clause.mask, quality: filter.quality + clause.quality)
                        }
                        if filter.clauses.count == 3 { all.append(filter) }
                    }
                }
            }
        }
        let order = all.indices.sorted {
            all[$0].quality != all[$1].quality ? all[$0].quality > all[$1].quality : $0 < $1
        }
        // Single clauses stay: the best whole is not always the sum of the best parts.
        var kept: [Filter] = [none]
        for place in order where kept.count < 28 { kept.append(all[place]) }
        for place in order where kept.count < 40 && all[place].clauses.count == 1 {
            if !kept.contains(where: { $0.clauses == all[place].clauses }) { kept.append(all[place]) }
        }
        return kept
    }

    /// Whether one row cannot meet both: two different values of a column with one value a row.
    private func contradicts(_ filter: Filter, _ clause: ClauseCandidate) -> Bool {
        guard clause.conditions.count == 1, let new = clause.conditions.first, !new.isNegated,
            case .isIn(let codes) = new.test, index.table.columns[new.column].further.isEmpty
        else { return false }
        return filter.conditions.contains { old in
            guard old.count == 1, let first = old.first, first.column == new.column, !first.isNegated,
                case .isIn(let others) = first.test
            else { return false }
            return Set(codes).isDisjoint(with: others)
        }
    }

    private mutating func chooseColumns() {
        let columns = index.table.columns
        func strength(_ column: Int) -> Int { links.field(column)?.match.rawValue ?? 0 }
        dates = columns.indices.filter { columns[$0].kind == .date }
        orders = columns.indices.filter { columns[$0].isOrdered }
        orders.sort { strength($0) != strength($1) ? strength($0) > strength($1) : $0 < $1 }
        orders = Array(orders.prefix(6))
        let joined = Set(clauses.filter { $0.kind == .alternatives }.flatMap { $0.conditions.map(\.column) })
        var seenKey = 0
        var seenCategory = 0
        var ranked: [(column: Int, rank: Int)] = []
        for column in columns.indices {
            let profile = index.profiles[column]
            var rank = strength(column) * 4
            if joined.contains(column) { rank += 6 }
            if columns[column].isHidden { continue }
            if columns[column].isTitle { rank += 5 }
            if profile.isKey, !profile.isOpaque, seenKey < 2 {
                rank += 3
                seenKey += 1
            } else if columns[column].kind == .text, !profile.isOpaque, seenCategory < 3 {
                rank += 2
                seenCategory += 1
            } else if columns[column].kind != .text {
                rank += 1
            }
            ranked.append((column, rank))
        }
        ranked.sort { $0.rank != $1.rank ? $0.rank > $1.rank : $0.column < $1.column }
        targets = ranked.prefix(9).filter { $0.rank > 0 }.map(\.column)
        groups = columns.indices.filter {
            !columns[$0].isTitle && columns[$0].kind != .date && !index.profiles[$0].isOpaque
                && (index.profiles[$0].distinctShare < 0.999 || strength($0) > 1)
        }
        groups.sort { strength($0) != strength($1) ? strength($0) > strength($1) : $0 < $1 }
        groups = Array(groups.prefix(7))
    }

    mutating func add(
        _ program: CorpusProgram, _ operation: ProgramCandidate.Operator, _ filter: Filter, target: Int = -1,
        order: Int = -1, isDescending: Bool = false, count: Int = 0, mask: UInt64 = 0, also other: [Int] = []
    ) {
        guard candidates.count < Self.mostCandidates else { return }
        var all = filter.mask | mask
        if target >= 0, let link = links.field(target) { all |= link.span.mask }
        if order >= 0, let link = links.field(order) { all |= link.span.mask }
        candidates.append(
            ProgramCandidate(
                program: program, operation: operation, clauses: filter.clauses + other, target: target, order: order,
                isDescending: isDescending, count: count, mask: all))
    }

    // MARK: The grammar

    private mutating func generate() {
        for filter in filters {
            let rows = RowSet.filter(filter.conditions)
            if cues.asksNumber || !filter.clauses.isEmpty { add(.count(rows), .count, filter) }
            if cues.isYesNo, !filter.clauses.isEmpty { add(.exists(rows), .exists, filter) }
            for target in targets where !filter.clauses.isEmpty || cues.asksList {
                add(.values(rows, target), .values, filter, target: target)
            }
            for column in dates where cues.asksTime && !filter.clauses.isEmpty {
                for period in [ProgramPeriod.year, .month] {
                    add(.periods(rows, column, period), .periods, filter, target: column)
                }
            }
            if cues.asksNumber {
                for group in groups { add(.distinct(rows, group, .value), .distinct, filter, target: group) }
                for column in dates {
                    for period in [ProgramPeriod.year, .month, .day] where cues.periods.contains(period) {
                        add(.distinct(rows, column, period), .distinctPeriods, filter, target: column)
                    }
                }
            }
            if cues.asksPercent, !filter.clauses.isEmpty {
                add(.arithmetic(.percentOf, .count(rows), .count(.filter([]))), .percentOfAll, filter)
            }
            statistics(filter)
        }
        for filter in filters.prefix(12) {
            extremes(filter)
            groupings(filter)
            if index.table.rowsAreOrdered {
                positions(filter)
                if cues.words.contains("same") { sames(filter) }
            }
        }
        pairs()
        if cues.asksShared { shared() }
        columnArithmetic()
    }

    private mutating func statistics(_ filter: Filter) {
        let rows = RowSet.filter(filter.conditions)
        for column in orders {
            func statistic(_ statistic: CorpusProgram.Statistic, _ operation: ProgramCandidate.Operator) {
                add(.statistic(statistic, rows, column), operation, filter, order: column)
            }
            let isNumber = index.table.columns[column].kind != .date
            if isNumber, cues.asksNumber || cues.asksTotal { statistic(.sum, .sum) }
            if isNumber, cues.asksMean { statistic(.mean, .mean) }
            if cues.hasSuperlative || cues.asksTotal {
                let isOutgoing = isOutgoing(column)
                statistic(isOutgoing ? .maximum : .minimum, .minimum)
                statistic(isOutgoing ? .minimum : .maximum, .maximum)
            }
            if isNumber, cues.asksDifference { statistic(.range, .range) }
        }
        if cues.asksMean {
            for group in groups {
                add(.meanPerGroup(filter.conditions, group, .value), .meanPerGroup, filter, target: group)
            }
            for column in dates {
                for period in [ProgramPeriod.year, .month, .day] where cues.periods.contains(period) {
                    add(.meanPerGroup(filter.conditions, column, period), .meanPerPeriod, filter, target: column)
                }
            }
        }
    }

    private mutating func extremes(_ filter: Filter) {
        guard cues.hasSuperlative || cues.asksOrder else { return }
        var counts = [1] + cues.smallNumbers
        if cues.asksOrder { counts.append(50) }
        for order in orders {
            for isDescending in [true, false] {
                for count in counts {
                    let rows = RowSet.extreme(
                        filter.conditions, column: order, isDescending: isDescending != isOutgoing(order), count: count)
                    let mask = count > 1 && count < 50 ? cues.mask(ofNumber: count) : 0
                    for target in targets where target != order || index.table.columns[order].kind == .date {
                        add(
                            .values(rows, target), .valuesExtreme, filter, target: target, order: order,
                            isDescending: isDescending, count: count, mask: mask)
                    }
                    guard count == 1, cues.asksTime, dates.contains(order) else { continue }
                    for period in [ProgramPeriod.year, .month] {
                        add(
                            .periods(rows, order, period), .periodsExtreme, filter, target: order, order: order,
                            isDescending: isDescending, count: 1)
                    }
                }
            }
        }
    }

    /// Whether a column holds what goes out as numbers below zero, as the statements of banks do, and the question is about
    /// that: the most that was paid is then the lowest number.
    func isOutgoing(_ column: Int) -> Bool {
        guard cues.asksSpending else { return false }
        let numbers = index.table.columns[column].numbers
        return index.table.columns[column].kind == .number
            && Double(numbers.count { $0 < 0 }) > 0.5 * Double(numbers.count { !$0.isNaN })
    }

    /// Whether a column says how much was spent.
    func isSpent(_ column: Int) -> Bool {
        index.table.columns[column].kind == .number && (isOutgoing(column) || links.field(column) != nil)
    }

    private mutating func groupings(_ filter: Filter) {
        if cues.hasSuperlative {
            // "Where did I spend the most?" adds up what was spent.
            let spent = cues.asksSum ? orders.first { isSpent($0) } : nil
            let measures = orders.filter { index.table.columns[$0].kind != .date }.prefix(4)
            for isDescending in [true, false] {
                for count in [1] + cues.smallNumbers {
                    let mask = count > 1 ? cues.mask(ofNumber: count) : 0
                    for group in groups {
                        add(
                            .groupExtreme(
                                filter.conditions, group, .value, spent.map { .sum($0) } ?? .count,
                                isDescending: isDescending != (spent.map { isOutgoing($0) } ?? false), count: count,
                                givesMeasure: false), .groupCount, filter, target: group, isDescending: isDescending,
                            count: count, mask: mask)
                        for other in groups where other != group && links.field(other) != nil {
                            add(
                                .groupExtreme(
                                    filter.conditions, group, .value, .distinct(other), isDescending: isDescending,
                                    count: count, givesMeasure: false), .groupDistinct, filter, target: group,
                                order: other, isDescending: isDescending, count: count, mask: mask)
                        }
                        for measure in measures where measure != group && index.profiles[group].isCategory {
                            add(
                                .groupExtreme(
                                    filter.conditions, group, .value, .sum(measure),
                                    isDescending: isDescending != isOutgoing(measure),
                                    count: count, givesMeasure: false), .groupSum, filter, target: group,
                                order: measure, isDescending: isDescending, count: count, mask: mask)
                            guard cues.asksMean else { continue }
                            add(
                                .groupExtreme(
                                    filter.conditions, group, .value, .mean(measure), isDescending: isDescending,
                                    count: count, givesMeasure: false), .groupMean, filter, target: group,
                                order: measure, isDescending: isDescending, count: count, mask: mask)
                        }
                    }
                    for column in dates {
                        for period in [ProgramPeriod.year, .month, .day] where cues.periods.contains(period) {
                            add(
                                .groupExtreme(
                                    filter.conditions, column, period, .count, isDescending: isDescending,
                                    count: count, givesMeasure: false), .groupPeriods, filter, target: column,
                                isDescending: isDescending, count: count, mask: mask)
                        }
                    }
                }
                guard cues.asksNumber else { continue }
                for group in groups {
                    add(
                        .groupExtreme(
                            filter.conditions, group, .value, .count, isDescending: isDescending, count: 1,
                            givesMeasure: true), .groupMeasure, filter, target: group, isDescending: isDescending)
                }
            }
        }
        comparisonsWithNumbers(filter)
    }

    /// Groups, counts and means held against a number that the question names.
    private mutating func comparisonsWithNumbers(_ filter: Filter) {
        let finder = ConditionFinder(links: links, index: index, mentions: [])
        for number in links.numbers
        where number.value >= 1 && number.value < 10_000 && filter.mask & number.span.mask == 0 {
            let (comparison, words) = finder.comparison(around: number.span) ?? (.equal, 0)
            let mask = number.span.mask | words
            for group in groups
            where comparison != .equal || cues.words.contains("only") || cues.words.contains("exactly")
                || cues.words.contains("times") || number.value <= 3
            {
                add(
                    .groupsWhere(filter.conditions, group, .count, comparison, number.value, givesCount: false),
                    .groupsWhere, filter, target: group, mask: mask)
                if cues.asksNumber {
                    add(
                        .groupsWhere(filter.conditions, group, .count, comparison, number.value, givesCount: true),
                        .groupsWhereCount, filter, target: group, mask: mask)
                }
                for other in groups where other != group && links.field(other) != nil {
                    add(
                        .groupsWhere(
                            filter.conditions, group, .distinct(other), comparison, number.value, givesCount: false),
                        .groupsWhereDistinct, filter, target: group, order: other, mask: mask)
                }
            }
            if cues.isYesNo {
                let rows = RowSet.filter(filter.conditions)
                add(
                    .compare(.count(rows), comparison, .constant(number.value)), .compareWithNumber, filter, mask: mask)
                for column in orders where cues.asksMean && index.table.columns[column].kind != .date {
                    add(
                        .compare(.statistic(.mean, rows, column), comparison, .constant(number.value)), .compareMean,
                        filter, order: column, mask: mask)
                }
            }
        }
    }

    /// First, last, next and previous, where rows have an order of their own.
    private mutating func positions(_ filter: Filter) {
        if cues.hasPlace {
            for target in targets {
                for place in [1, -1] {
                    add(
                        .values(.place(filter.conditions, place), target), .valuesPlace, filter, target: target,
                        isDescending: place < 0, count: 1)
                }
                for number in cues.smallNumbers {
                    for place in [number, -number] {
                        add(
                            .values(.place(filter.conditions, place), target), .valuesPlace, filter, target: target,
                            isDescending: place < 0, count: number, mask: cues.mask(ofNumber: number))
                    }
                }
            }
        }
        if cues.hasNeighbour, !filter.clauses.isEmpty {
            for target in targets {
                for offset in [1, -1] {
                    add(
                        .values(.neighbour(.filter(filter.conditions), offset), target), .valuesNeighbour, filter,
                        target: target, isDescending: offset < 0)
                }
            }
        }
    }

    private mutating func sames(_ filter: Filter) {
        guard !filter.clauses.isEmpty else { return }
        for column in index.table.columns.indices where links.field(column) != nil {
            let rows = RowSet.sameAs(filter.conditions, column: column)
            for target in targets where target != column {
                add(.values(rows, target), .valuesSame, filter, target: target, order: column)
            }
            if cues.asksNumber { add(.count(rows), .countExtreme, filter, order: column) }
        }
    }
}
