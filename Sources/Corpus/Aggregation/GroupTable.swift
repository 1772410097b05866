// SPDX-License-Identifier: Apache-2.0

import Base
import CKernels

/// The groups of an aggregate with what was gathered for each.
struct GroupTable {
    private let axes: [GroupAxis]
    private let counts: [UInt64]
    private let grouped: GroupedDocuments?
    private var fields: [String: FieldAccumulator] = [:]

    /// A table of counts that are known already, on one axis.
    init(axes: [GroupAxis], counts: [UInt64]) {
        self.axes = axes
        self.counts = counts
        grouped = nil
    }

    /// Goes through the documents once and gathers what the measures need.
    init(
        _ documents: DocumentBitmap, _ matched: Int, axes: [GroupAxis], measures: [AggregateRequest.Measure],
        column: (String) throws -> MetadataColumn
    ) throws {
        let grouped = GroupedDocuments(documents, matched: matched, axes: axes)
        var statistics: [String: [AggregateRequest.Statistic]] = [:]
        for measure in measures {
            if let field = measure.statistic.field { statistics[field, default: []].append(measure.statistic) }
        }
        var fields: [String: FieldAccumulator] = [:]
        for (field, statistics) in statistics {
            fields[field] = FieldAccumulator(
                column: try column(field), statistics: statistics, groupCount: grouped.groupCount)
        }
        var counts = [UInt64](repeating: 0, count: grouped.groupCount)
        grouped.forEachChunk { chunk in
            forage_groups_count(chunk.keys, chunk.count, &counts)
            for field in fields.values { field.add(chunk) }
        }
        for field in fields.values { field.finish() }
        self.axes = axes
        self.counts = counts
        self.grouped = grouped
        self.fields = fields
    }

    private func groups(of group: Int) -> [Int] { grouped?.groups(of: group) ?? [group] }

    /// The values of the grouping columns.
    func labels(of group: Int) -> [MetadataValue?] {
        zip(axes, groups(of: group)).map { $0.label(ofGroup: $1) }
    }

    /// The groups that have documents, in the order of the request. Without groupings there is one, if empty.
    /// - Returns: those of the request's page, and how many there are in all.
    func page(_ request: AggregateRequest) -> (groups: [Int], count: Int) {
        let present = counts.indices.filter { counts[$0] > 0 || axes.isEmpty }
        guard present.count > 1, request.limit > 0 else {
            return (Array(present.dropFirst(request.offset).prefix(request.limit)), present.count)
        }
        let names = request.groupBy.map(\.name) + request.measures.map(\.name)
        var orders = request.sort
        let isScale = request.groupBy.contains { if case .value = $0 { return false } else { return true } }
        if orders.isEmpty, !isScale, let first = request.measures.first {
            orders = [AggregateRequest.Order(first.name, descending: true)]
        }
        let sorted = orders.map { order in
            (column: names.firstIndex(of: order.column) ?? 0, sign: order.descending ? -1.0 : 1.0)
        }
        /// The sort key of a group for one order: a number, +inf where there is no value, whatever the direction.
        func key(_ order: (column: Int, sign: Double), _ group: Int) -> Double {
            let key =
                order.column < axes.count
                ? place(of: group, onAxis: order.column)
                : sortKey(request.measures[order.column - axes.count].statistic, group)
            return key < .infinity ? order.sign * key : key
        }
        /// Whether a group comes before another by the orders behind the first, then by their places on the axes.
        func precedes(_ a: Int, _ b: Int) -> Bool {
            for order in sorted.dropFirst() {
                let (x, y) = (key(order, a), key(order, b))
                if x != y { return x < y }
            }
            for axis in axes.indices {
                let (x, y) = (place(of: a, onAxis: axis), place(of: b, onAxis: axis))
                if x != y { return x < y }
            }
            return a < b
        }
        typealias Keyed = (key: Double, group: Int)
        func isBefore(_ a: Keyed, _ b: Keyed) -> Bool { a.key != b.key ? a.key < b.key : precedes(a.group, b.group) }
        let keyed = present.map { group in (key: sorted.first.map { key($0, group) } ?? 0, group: group) }
        let wanted = min(request.offset, 1 << 40) + min(request.limit, 1 << 40)
        guard wanted <= Self.selectionLimit, wanted < present.count else {
            return (
                keyed.sorted(by: isBefore).dropFirst(request.offset).prefix(request.limit).map(\.group), present.count
            )
        }
        // A short page of many groups: the best ones so far, in order.
        var best: [Keyed] = []
        for item in keyed {
            if best.count == wanted {
                guard let last = best.last, isBefore(item, last) else { continue }
                best.removeLast()
            }
            var (low, high) = (0, best.count)
            while low < high {
                let middle = (low + high) / 2
                if isBefore(item, best[middle]) { high = middle } else { low = middle + 1 }
            }
            best.insert(item, at: low)
        }
        return (best.dropFirst(request.offset).map(\.group), present.count)
    }

    /// Up to this many groups are selected; more are sorted.
    private static let selectionLimit = 256

    /// The place of a group on an axis, +inf for that of no value.
    private func place(of group: Int, onAxis axis: Int) -> Double {
        let place = grouped?.group(of: group, onAxis: axis) ?? group
        return place == 0 ? .infinity : Double(place)
    }

    private func sortKey(_ statistic: AggregateRequest.Statistic, _ group: Int) -> Double {
        guard let field = statistic.field else { return Double(counts[group]) }
        guard let accumulator = fields[field] else { return .infinity }
        switch statistic {
        case .minimum where accumulator.groups.isEmpty, .argumentOfMinimum:
            let extremes = accumulator.extremes[group]
            return extremes.greatest == 0 ? .infinity : Double(extremes.least)
        case .maximum where accumulator.groups.isEmpty, .argumentOfMaximum:
            let extremes = accumulator.extremes[group]
            return extremes.greatest == 0 ? .infinity : Double(extremes.greatest)
        default: return number(statistic, group, accumulator) ?? .infinity
        }
    }

    /// A measure of a group.
    func value(_ statistic: AggregateRequest.Statistic, _ group: Int, _ reader: CorpusReader) throws -> MetadataValue? {
        guard let field = statistic.field else { return .number(Double(counts[group])) }
        guard let accumulator = fields[field] else { return nil }
        switch statistic {
        case .minimum where accumulator.groups.isEmpty:
            let extremes = accumulator.extremes[group]
            return extremes.greatest == 0 ? nil : accumulator.column.value(ofCode: Int(extremes.least))
        case .maximum where accumulator.groups.isEmpty:
            let extremes = accumulator.extremes[group]
            return extremes.greatest == 0 ? nil : accumulator.column.value(ofCode: Int(extremes.greatest))
        case .argumentOfMinimum:
            let extremes = accumulator.extremes[group]
            return extremes.greatest == 0 ? nil : .text(try reader.documentID(of: extremes.leastDocument))
        case .argumentOfMaximum:
            let extremes = accumulator.extremes[group]
            return extremes.greatest == 0 ? nil : .text(try reader.documentID(of: extremes.greatestDocument))
        case .sum where accumulator.column.needsExactSums: return Self.exactSum(group, accumulator)
        default: return number(statistic, group, accumulator).map { .number($0) }
        }
    }

    private func number(_ statistic: AggregateRequest.Statistic, _ group: Int, _ field: FieldAccumulator) -> Double? {
        let hasNumbers = !field.sums.isEmpty || !field.groups.isEmpty
        func total() -> (count: Double, sum: Double) {
            if !field.groups.isEmpty { return (Double(field.groups[group].count), field.groups[group].sum) }
            if hasNumbers { return (Double(field.sums[group].count), field.sums[group].sum) }
            var result = (count: 0.0, sum: 0.0)
            for (code, count) in field.histogram(ofGroup: group) {
                result.count += Double(count)
                if let number = field.column.value(ofCode: code).double { result.sum += number * Double(count) }
            }
            return result
        }
        switch statistic {
        case .count: return Double(counts[group])
        case .countOf: return field.column.isList ? documentsWithValue(group, field) : total().count
        case .sum: return total().sum
        case .mean:
            let (count, sum) = total()
            return count > 0 ? sum / count : nil
        case .minimum: return field.groups[group].count > 0 ? field.groups[group].least : nil
        case .maximum: return field.groups[group].count > 0 ? field.groups[group].greatest : nil
        case .distinct: return Double(field.histogram(ofGroup: group).count)
        case .quantile(_, let q): return Self.quantile(q, field.histogram(ofGroup: group), field.column)
        case .argumentOfMinimum, .argumentOfMaximum: return nil
        }
    }

    /// The sum of whole numbers, without rounding as far as 64 bits go; fractions beside them are added as Doubles.
    private static func exactSum(_ group: Int, _ field: FieldAccumulator) -> MetadataValue {
        var sum: Int128 = 0
        var fractions = 0.0
        for (code, count) in field.histogram(ofGroup: group) {
            switch field.column.value(ofCode: code) {
            case .integer(let number): sum += Int128(number) * Int128(count)
            case .number(let number) where number == number.rounded() && number.magnitude < 0x1p70:
                sum += Int128(number) * Int128(count)
            case .number(let number): fractions += number * Double(count)
            default: break
            }
        }
        guard fractions == 0 else { return .number(Double(sum) + fractions) }
        return Int64(exactly: sum).map { .exact($0) } ?? .number(Double(sum))
    }

    private func documentsWithValue(_ group: Int, _ field: FieldAccumulator) -> Double {
        Double(field.documentsWithValue[group])
    }

    private static func quantile(_ q: Double, _ histogram: [(code: Int, count: Int)], _ column: MetadataColumn)
        -> Double?
    {
        let count = histogram.reduce(0) { $0 + $1.count }
        guard count > 0 else { return nil }
        let place = q * Double(count - 1)
        func value(at rank: Int) -> Double {
            var before = 0
            for (code, count) in histogram {
                before += count
                if rank < before, let number = column.value(ofCode: code).double { return number }
            }
            return .nan
        }
        let lower = value(at: Int(place))
        return lower + (value(at: min(Int(place) + 1, count - 1)) - lower) * (place - place.rounded(.down))
    }
}
