// SPDX-License-Identifier: Apache-2.0

/// Runs programs over a table. Filters that several programs share are computed once.
struct ProgramExecutor {
    let table: DocumentTable
    /// The rows whose text mentions each phrase.
    let mentions: [String: RowBits]
    private var conditions: [ProgramCondition: RowBits] = [:]
    private var filters: [ProgramFilter: RowBits] = [:]
    private var lists: [RowSet: [Int]] = [:]
    private var groupings: [Int: Grouping] = [:]

    /// The groups of a column: which one each code is in, and what each is called.
    private struct Grouping {
        var groupOfCode: [Int]
        var keys: [Int]
    }

    /// Rows and values a group, in the order of `Grouping.keys`.
    private struct Totals {
        var counts: [Int]
        var sums: [Double]
        var numbers: [Int]
    }

    init(table: DocumentTable, mentions: [String: RowBits] = [:]) {
        self.table = table
        self.mentions = mentions
    }

    // MARK: Rows

    mutating func rows(_ condition: ProgramCondition) -> RowBits {
        if let known = conditions[condition] { return known }
        var bits = RowBits(rowCount: table.rowCount)
        if case .mentions(let phrase) = condition.test {
            bits = mentions[phrase] ?? bits
            if condition.isNegated {
                var rest = RowBits(rowCount: table.rowCount, all: true)
                rest.subtract(bits)
                bits = rest
            }
            conditions[condition] = bits
            return bits
        }
        let column = table.columns[condition.column]
        // Whether each code passes, then a look-up a row.
        var passes = [Bool](repeating: false, count: column.texts.count + 1)
        switch condition.test {
        case .isIn(let codes): for code in codes where Int(code) < passes.count { passes[Int(code)] = true }
        case .range(let low, let includesLow, let high, let includesHigh):
            for index in column.numbers.indices {
                let number = column.numbers[index]
                guard !number.isNaN else { continue }
                if let low, includesLow ? number < low : number <= low { continue }
                if let high, includesHigh ? number > high : number >= high { continue }
                passes[index + 1] = true
            }
        case .exists: for index in passes.indices.dropFirst() { passes[index] = true }
        case .mentions: break
        }
        if condition.isNegated {
            let isExistence = condition.test == .exists
            for index in passes.indices.dropFirst() { passes[index].toggle() }
            passes[0] = isExistence
        }
        for row in 0..<table.rowCount where passes[Int(column.codes[row])] { bits.insert(row) }
        // Of several values one must pass, and of a negation all.
        for (row, codes) in column.further {
            if condition.isNegated {
                if bits.contains(row), !codes.allSatisfy({ passes[Int($0)] }) { bits.remove(row) }
            } else if codes.contains(where: { passes[Int($0)] }) {
                bits.insert(row)
            }
        }
        conditions[condition] = bits
        return bits
    }

    mutating func rows(_ filter: ProgramFilter) -> RowBits {
        if let known = filters[filter] { return known }
        var bits = RowBits(rowCount: table.rowCount, all: true)
        for clause in filter {
            guard let first = clause.first else { continue }
            var any = rows(first)
            for condition in clause.dropFirst() { any.formUnion(rows(condition)) }
            bits.formIntersection(any)
        }
        filters[filter] = bits
        return bits
    }

    mutating func rows(_ set: RowSet) -> [Int] {
        if let known = lists[set] { return known }
        var found: [Int]
        switch set {
        case .filter(let filter): found = rows(filter).rows
        case .extreme(let filter, let column, let isDescending, let count):
            let members = rows(filter).rows
            let values = table.columns[column]
            if count == 1 {
                var best = Double.nan
                for row in members {
                    let number = values.number(ofRow: row)
                    if number.isNaN { continue }
                    if best.isNaN || (isDescending ? number > best : number < best) { best = number }
                }
                found = best.isNaN ? [] : members.filter { values.number(ofRow: $0) == best }
            } else {
                var measured: [(row: Int, number: Double)] = []
                for row in members {
                    let number = values.number(ofRow: row)
                    if !number.isNaN { measured.append((row, number)) }
                }
                measured.sort { a, b in
                    if a.number == b.number { return a.row < b.row }
                    return isDescending ? a.number > b.number : a.number < b.number
                }
                found = measured.prefix(count).map { $0.row }
            }
        case .place(let filter, let place):
            let members = rows(filter).rows
            found = place > 0 ? Array(members.prefix(place)) : Array(members.suffix(-place))
        case .neighbour(let inner, let offset):
            let members = rows(inner)
            let anchor = offset > 0 ? members.last : members.first
            found = anchor.map { $0 + offset }.flatMap { (0..<table.rowCount).contains($0) ? [$0] : nil } ?? []
        case .sameAs(let filter, let column):
            let own = rows(filter)
            let values = table.columns[column]
            let codes = Set(own.rows.flatMap { values.allCodes(ofRow: $0) })
            found = (0..<table.rowCount).filter { row in
                !own.contains(row) && values.allCodes(ofRow: row).contains { codes.contains($0) }
            }
        }
        lists[set] = found
        return found
    }

    // MARK: Programs

    mutating func run(_ program: CorpusProgram) -> Denotation {
        switch program {
        case .values(let set, let column):
            let rows = rows(set)
            return .values(column: column, codes: distinctCodes(rows, column))
        case .periods(let set, let column, let period):
            var seen: Set<Int> = []
            var texts: [String] = []
            for row in rows(set) {
                let number = table.columns[column].number(ofRow: row)
                guard !number.isNaN else { continue }
                let key = Self.key(number, period)
                if seen.insert(key).inserted { texts.append(Self.name(key, period)) }
            }
            return .texts(texts)
        case .count(let set):
            if case .filter(let filter) = set { return .number(Double(rows(filter).count)) }
            return .number(Double(rows(set).count))
        case .distinct(let set, let column, let period):
            let totals = totals(rows(set), column, period)
            return .number(Double(totals.counts.count { $0 > 0 }))
        case .statistic(let statistic, let set, let column): return .number(value(statistic, rows(set), column))
        case .groupExtreme(
            let filter, let column, let period, let measure, let isDescending, let count, let givesMeasure):
            return groupExtreme(rows(filter).rows, column, period, measure, isDescending, count, givesMeasure)
        case .groupsWhere(let filter, let column, let measure, let comparison, let number, let givesCount):
            let matching = measured(rows(filter).rows, column, .value, measure).filter {
                Self.holds($0.value, comparison, number)
            }
            if givesCount { return .number(Double(matching.count)) }
            return .values(column: column, codes: matching.map { UInt32($0.key) })
        case .shared(let first, let second, let column, let isNegated, let givesCount):
            let others = Set(distinctCodes(rows(second).rows, column))
            let codes = distinctCodes(rows(first).rows, column).filter { others.contains($0) != isNegated }
            if givesCount { return .number(Double(codes.count)) }
            return .values(column: column, codes: codes)
        case .meanPerGroup(let filter, let column, let period):
            let totals = totals(rows(filter).rows, column, period)
            let groups = totals.counts.count { $0 > 0 }
            let members = totals.counts.reduce(0, +)
            return .number(groups == 0 ? .nan : Double(members) / Double(groups))
        case .arithmetic(let operation, let left, let right):
            guard let a = number(left), let b = number(right) else { return .number(.nan) }
            switch operation {
            case .difference: return .number(a - b)
            case .sum: return .number(a + b)
            case .ratio: return .number(b == 0 ? .nan : a / b)
            case .percentChange: return .number(b == 0 ? .nan : (a - b) / abs(b) * 100)
            case .mean: return .number((a + b) / 2)
            case .percentOf: return .number(b == 0 ? .nan : a / b * 100)
            }
        case .compare(let left, let comparison, let right):
            guard let a = number(left), let b = number(right) else { return .number(.nan) }
            return .truth(Self.holds(a, comparison, b))
        case .constant(let number): return .number(number)
        case .exists(let set): return .truth(!rows(set).isEmpty)
        case .every(let some, let all):
            var rest = rows(some)
            guard !rest.isEmpty else { return .number(.nan) }
            rest.subtract(rows(all))
            return .truth(rest.isEmpty)
        }
    }

    /// The one number that a program gives.
    private mutating func number(_ program: CorpusProgram) -> Double? {
        switch run(program) {
        case .number(let number): return number.isFinite ? number : nil
        case .values(let column, let codes):
            guard codes.count == 1 else { return nil }
            let number = table.columns[column].numbers[Int(codes[0]) - 1]
            return number.isNaN ? nil : number
        case .truth, .texts: return nil
        }
    }

    private func distinctCodes(_ rows: [Int], _ column: Int) -> [UInt32] {
        let values = table.columns[column]
        var seen: Set<UInt32> = []
        var codes: [UInt32] = []
        for row in rows {
            if values.further.isEmpty {
                let code = values.codes[row]
                if code != 0, seen.insert(code).inserted { codes.append(code) }
            } else {
                for code in values.allCodes(ofRow: row) where seen.insert(code).inserted { codes.append(code) }
            }
        }
        return codes
    }

    private mutating func grouping(_ column: Int, _ period: ProgramPeriod) -> Grouping {
        let place = column * ProgramPeriod.allCases.count + (ProgramPeriod.allCases.firstIndex(of: period) ?? 0)
        if let known = groupings[place] { return known }
        let values = table.columns[column]
        var grouping = Grouping(groupOfCode: [-1], keys: [])
        if period == .value {
            grouping.groupOfCode += Array(values.texts.indices)
            grouping.keys = Array(1...max(1, values.texts.count))
        } else {
            var groups: [Int: Int] = [:]
            for number in values.numbers {
                guard !number.isNaN else {
                    grouping.groupOfCode.append(-1)
                    continue
                }
                let key = Self.key(number, period)
                let group = groups[key] ?? grouping.keys.count
                if group == grouping.keys.count {
                    groups[key] = group
                    grouping.keys.append(key)
                }
                grouping.groupOfCode.append(group)
            }
        }
        groupings[place] = grouping
        return grouping
    }

    private mutating func totals(
        _ rows: [Int], _ column: Int, _ period: ProgramPeriod, of measured: Int? = nil
    ) -> Totals {
        let grouping = grouping(column, period)
        let values = table.columns[column]
        let count = grouping.keys.count
        var totals = Totals(
            counts: Array(repeating: 0, count: count), sums: Array(repeating: 0, count: count),
            numbers: Array(repeating: 0, count: count))
        for row in rows {
            let number = measured.map { table.columns[$0].number(ofRow: row) } ?? .nan
            func add(_ code: UInt32) {
                let group = grouping.groupOfCode[Int(code)]
                guard group >= 0 else { return }
                totals.counts[group] += 1
                guard !number.isNaN else { return }
                totals.sums[group] += number
                totals.numbers[group] += 1
            }
            if values.further.isEmpty {
                add(values.codes[row])
            } else {
                for code in values.allCodes(ofRow: row) { add(code) }
            }
        }
        return totals
    }

    private func value(_ statistic: CorpusProgram.Statistic, _ rows: [Int], _ column: Int) -> Double {
        let values = table.columns[column]
        var sum = 0.0
        var least = Double.infinity
        var greatest = -Double.infinity
        var count = 0
        for row in rows {
            let number = values.number(ofRow: row)
            if number.isNaN { continue }
            sum += number
            least = min(least, number)
            greatest = max(greatest, number)
            count += 1
        }
        guard count > 0 else { return .nan }
        switch statistic {
        case .sum: return sum
        case .mean: return sum / Double(count)
        case .minimum: return least
        case .maximum: return greatest
        case .range: return greatest - least
        }
    }

    private mutating func groupExtreme(
        _ rows: [Int], _ column: Int, _ period: ProgramPeriod, _ measure: CorpusProgram.GroupMeasure,
        _ isDescending: Bool, _ count: Int, _ givesMeasure: Bool
    ) -> Denotation {
        var measured = measured(rows, column, period, measure)
        measured.sort { a, b in
            if a.value == b.value { return a.key < b.key }
            return isDescending ? a.value > b.value : a.value < b.value
        }
        guard let best = measured.first else { return .number(.nan) }
        if givesMeasure { return .number(best.value) }
        let chosen = count == 1 ? measured.prefix { $0.value == best.value } : measured.prefix(count)
        if period == .value { return .values(column: column, codes: chosen.map { UInt32($0.key) }) }
        return .texts(chosen.map { Self.name($0.key, period) })
    }

    /// The measure of each group that has one, in the order of the groups.
    private mutating func measured(
        _ rows: [Int], _ column: Int, _ period: ProgramPeriod, _ measure: CorpusProgram.GroupMeasure
    ) -> [(key: Int, value: Double)] {
        let keys = grouping(column, period).keys
        var other: Int?
        switch measure {
        case .count: break
        case .distinct(let counted):
            let groups = grouping(column, period).groupOfCode
            let (values, others) = (table.columns[column], table.columns[counted])
            var seen: [Int: Set<UInt32>] = [:]
            for row in rows {
                let codes = others.allCodes(ofRow: row)
                for code in values.allCodes(ofRow: row) where groups[Int(code)] >= 0 {
                    seen[groups[Int(code)], default: []].formUnion(codes)
                }
            }
            return seen.keys.sorted().map { (keys[$0], Double(seen[$0]?.count ?? 0)) }
        case .sum(let column), .mean(let column): other = column
        }
        let totals = totals(rows, column, period, of: other)
        var measured: [(key: Int, value: Double)] = []
        for group in totals.counts.indices where totals.counts[group] > 0 {
            switch measure {
            case .count: measured.append((keys[group], Double(totals.counts[group])))
            case .sum where totals.numbers[group] > 0: measured.append((keys[group], totals.sums[group]))
            case .mean where totals.numbers[group] > 0:
                measured.append((keys[group], totals.sums[group] / Double(totals.numbers[group])))
            case .sum, .mean, .distinct: break
            }
        }
        return measured
    }

    static func holds(_ a: Double, _ comparison: CorpusProgram.Comparison, _ b: Double) -> Bool {
        switch comparison {
        case .less: return a < b
        case .lessOrEqual: return a <= b
        case .equal: return a == b
        case .greaterOrEqual: return a >= b
        case .greater: return a > b
        }
    }

    /// A number for the calendar period of a moment.
    static func key(_ seconds: Double, _ period: ProgramPeriod) -> Int {
        switch period {
        case .value, .day: return Int((seconds / 86_400).rounded(.down))
        case .year: return DatePhrase.year(ofSeconds: seconds)
        case .month:
            return DatePhrase.year(ofSeconds: seconds) * 12 + DatePhrase.monthAndDay(ofSeconds: seconds).month - 1
        }
    }

    static func name(_ key: Int, _ period: ProgramPeriod) -> String {
        func padded(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
        switch period {
        case .year: return "\(key)"
        case .month:
            let names = [
                "January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
                "November", "December",
            ]
            return "\(names[((key % 12) + 12) % 12]) \(key / 12)"
        case .value, .day:
            let seconds = Double(key) * 86_400
            let (month, day) = DatePhrase.monthAndDay(ofSeconds: seconds)
            return "\(DatePhrase.year(ofSeconds: seconds))-\(padded(month))-\(padded(day))"
        }
    }
}
