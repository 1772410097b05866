// SPDX-License-Identifier: Apache-2.0

import Base
import CKernels

/// What is gathered for one field by group: enough for the statistics that were asked of it.
final class FieldAccumulator {
    let column: MetadataColumn
    /// Number and sum, where least and greatest are not asked for.
    private(set) var sums: [forage_group_sum] = []
    /// Number, sum, least and greatest of numbers.
    private(set) var groups: [forage_group] = []
    /// For each group the least and greatest code with the first document that has it.
    private(set) var extremes: [Extremes] = []
    /// For each group the number of documents with a value; only of lists.
    private(set) var documentsWithValue: [UInt32] = []
    /// For each group and code the number of documents, in a grid where that is small.
    private var grid: [UInt32] = []
    /// Else group and code of each document.
    private var pairs: [UInt64] = []

    struct Extremes {
        var least: UInt32 = .max
        var leastDocument: UInt32 = 0
        var greatest: UInt32 = 0
        var greatestDocument: UInt32 = 0
    }

    private static let gridLimit = 1 << 22
    private let groupCount: Int
    private let wantsSums: Bool
    private let wantsBounds: Bool
    private let wantsExtremes: Bool
    private let wantsHistogram: Bool
    private let usesGrid: Bool
    private let table: [Double]?
    private var scratch: [Double] = []

    init(column: MetadataColumn, statistics: [AggregateRequest.Statistic], groupCount: Int) {
        self.column = column
        self.groupCount = groupCount
        var (sums, bounds, extremes, histogram) = (false, false, false, false)
        let isNumber = column.type == .number
        for statistic in statistics {
            switch statistic {
            case .count: break
            case .countOf: if isNumber { sums = true } else { histogram = true }
            case .sum, .mean: if isNumber { sums = true } else { histogram = true }
            case .minimum, .maximum: if isNumber { bounds = true } else { extremes = true }
            case .argumentOfMinimum, .argumentOfMaximum: extremes = true
            case .distinct, .quantile: histogram = true
            }
        }
        wantsBounds = bounds
        wantsSums = sums && !bounds
        wantsExtremes = extremes
        wantsHistogram = histogram
        usesGrid = groupCount * (column.distinctCount + 1) <= Self.gridLimit
        if wantsSums { self.sums = Array(repeating: forage_group_sum(), count: groupCount) }
        if wantsBounds {
            groups = Array(repeating: forage_group(), count: groupCount)
            forage_groups_clear(&groups, groupCount)
        }
        if column.isList { documentsWithValue = Array(repeating: 0, count: groupCount) }
        if wantsExtremes { self.extremes = Array(repeating: Extremes(), count: groupCount) }
        if wantsHistogram, usesGrid { grid = Array(repeating: 0, count: groupCount * (column.distinctCount + 1)) }
        if wantsSums || wantsBounds {
            scratch = [Double](repeating: 0, count: 8192)
            if column.values == nil, case .numbers(let numbers) = column.dictionary {
                table = [.nan] + Array(numbers.elements)
            } else {
                table = nil
            }
        } else {
            table = nil
        }
    }

    func add(_ chunk: GroupedDocuments.Chunk) {
        if wantsSums || wantsBounds {
            let values = values(of: chunk)
            if wantsSums {
                forage_groups_sum(chunk.keys, values, chunk.count, &sums)
            } else {
                forage_groups_add(chunk.keys, values, chunk.count, &groups)
            }
        }
        guard wantsExtremes || wantsHistogram else { return }
        let width = column.distinctCount + 1
        for index in 0..<chunk.count {
            let (document, key) = (chunk.document(index), Int(chunk.keys[index]))
            if column.isList {
                if column.listStarts[document] < column.listStarts[document + 1] { documentsWithValue[key] += 1 }
                for element in Int(column.listStarts[document])..<Int(column.listStarts[document + 1]) {
                    add(column.elements[element], key, document, width)
                }
            } else {
                add(column.code(of: document), key, document, width)
            }
        }
    }

    @inline(__always) private func add(_ code: UInt32, _ key: Int, _ document: Int, _ width: Int) {
        guard code != 0 else { return }
        if wantsExtremes {
            if code < extremes[key].least {
                extremes[key].least = code
                extremes[key].leastDocument = UInt32(document)
            }
            if code > extremes[key].greatest {
                extremes[key].greatest = code
                extremes[key].greatestDocument = UInt32(document)
            }
        }
        if wantsHistogram {
            if usesGrid { grid[key * width + Int(code)] += 1 } else { pairs.append(UInt64(key) << 32 | UInt64(code)) }
        }
    }

    private func values(of chunk: GroupedDocuments.Chunk) -> UnsafePointer<Double>? {
        scratch.withUnsafeMutableBufferPointer { out in
            if let values = column.values?.elements.baseAddress {
                guard let places = chunk.places else { return values.advanced(by: chunk.base) }
                forage_values_gather(values, places, chunk.count, out.baseAddress)
            } else if let table {
                let from = chunk.places == nil ? chunk.base : 0
                switch column.codes {
                case .bytes(let codes):
                    forage_values_lookup8(
                        codes.elements.baseAddress?.advanced(by: from), chunk.places, chunk.count, table,
                        out.baseAddress)
                case .shorts(let codes):
                    forage_values_lookup16(
                        codes.elements.baseAddress?.advanced(by: from), chunk.places, chunk.count, table,
                        out.baseAddress)
                case .words(let codes):
                    forage_values_lookup32(
                        codes.elements.baseAddress?.advanced(by: from), chunk.places, chunk.count, table,
                        out.baseAddress)
                case nil: return nil
                }
            }
            // The buffer lives as long as this object and is read before the next chunk.
            return UnsafePointer(out.baseAddress)
        }
    }

    /// Call once after the last chunk.
    func finish() { pairs.sort() }

    /// The codes of a group with the number of each, ascending.
    func histogram(ofGroup group: Int) -> [(code: Int, count: Int)] {
        if usesGrid {
            let width = column.distinctCount + 1
            return (1..<width).compactMap { code in
                let count = grid[group * width + code]
                return count > 0 ? (code, Int(count)) : nil
            }
        }
        var (low, high) = (0, pairs.count)
        while low < high {
            let middle = (low + high) / 2
            if pairs[middle] < UInt64(group) << 32 { low = middle + 1 } else { high = middle }
        }
        var result: [(code: Int, count: Int)] = []
        while low < pairs.count, Int(pairs[low] >> 32) == group {
            let code = Int(pairs[low] & 0xFFFF_FFFF)
            if result.last?.code == code { result[result.count - 1].count += 1 } else { result.append((code, 1)) }
            low += 1
        }
        return result
    }
}
