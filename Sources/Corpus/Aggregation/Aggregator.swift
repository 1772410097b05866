// SPDX-License-Identifier: Apache-2.0

import Base
import CKernels

/// Computes aggregates over sets of documents of a generation.
public struct Aggregator: Sendable {
    /// The documents.
    public let reader: CorpusReader

    public init(reader: CorpusReader) { self.reader = reader }

    /// Computes a request over a set of documents; without groupings the result is one row.
    /// - Throws: `CorpusError` `badArgument` for a field that does not exist or has the wrong type.
    public func aggregate(_ documents: DocumentBitmap, _ request: AggregateRequest) throws -> AggregateResult {
        let matched = documents.count
        let axes = try request.groupBy.map { try GroupAxis($0, column: column($0.field)) }
        let names = request.groupBy.map(\.name) + request.measures.map(\.name)
        for order in request.sort where !names.contains(order.column) {
            throw CorpusError(
                .badArgument, "cannot sort by \"\(order.column)\"; the columns are \(names.joined(separator: ", "))")
        }
        for measure in request.measures { try check(measure.statistic) }
        if axes.isEmpty, let row = try wholeSet(documents, matched, request.measures) {
            return AggregateResult(
                columns: names, rows: request.offset == 0 && request.limit > 0 ? [row] : [], documents: [],
                matched: matched,
                rowCount: 1, offset: request.offset)
        }
        let table: GroupTable
        if matched == documents.documentCount, axes.count == 1, !axes[0].column.isList,
            request.measures.allSatisfy({ $0.statistic == .count })
        {
            table = GroupTable(
                axes: axes, counts: (0..<axes[0].groupCount).map { UInt64(axes[0].documentCount(ofGroup: $0)) })
        } else {
            table = try GroupTable(documents, matched, axes: axes, measures: request.measures, column: column)
        }
        let (groups, count) = table.page(request)
        let rows = try groups.map { group in
            table.labels(of: group) + (try request.measures.map { try table.value($0.statistic, group, reader) })
        }
        return AggregateResult(
            columns: names, rows: rows, documents: [], matched: matched, rowCount: count, offset: request.offset)
    }

    private func column(_ field: String) throws -> MetadataColumn {
        if let column = try reader.columns.column(field) { return column }
        let schema = FilterSchema(fields: reader.columns.fields)
        _ = try schema.requiredType(of: field)
        throw CorpusError(.badArgument, "\"\(field)\" is no metadata field. Fields: \(schema.summary)")
    }

    private func check(_ statistic: AggregateRequest.Statistic) throws {
        guard let field = statistic.field else { return }
        let type = try column(field).type
        switch statistic {
        case .sum, .mean, .quantile:
            guard type.isNumeric else {
                throw CorpusError(.badArgument, "sums, means and quantiles need numbers; \"\(field)\" has type \(type)")
            }
        case .argumentOfMinimum, .argumentOfMaximum:
            guard !type.isList else { throw CorpusError(.badArgument, "\"\(field)\" has several values a document") }
        case .count, .countOf, .distinct, .minimum, .maximum: break
        }
    }

    /// Measures of one whole set by the short ways; nil when some measure has none.
    private func wholeSet(
        _ documents: DocumentBitmap, _ matched: Int, _ measures: [AggregateRequest.Measure]
    ) throws -> [MetadataValue?]? {
        var documents = documents
        let isAll = matched == documents.documentCount
        var totals: [String: forage_group] = [:]
        var row: [MetadataValue?] = []
        for measure in measures {
            guard let field = measure.statistic.field else {
                row.append(.number(Double(matched)))
                continue
            }
            let column = try column(field)
            guard column.type == .number, let values = column.values else { return nil }
            let total: forage_group
            if let known = totals[field] {
                total = known
            } else {
                var fresh = forage_group()
                documents.withWords {
                    forage_values_total(values.elements.baseAddress, values.count, isAll ? nil : $0.baseAddress, &fresh)
                }
                totals[field] = fresh
                total = fresh
            }
            switch measure.statistic {
            case .countOf: row.append(.number(Double(total.count)))
            case .sum: row.append(.number(total.sum))
            case .mean: row.append(total.count > 0 ? .number(total.sum / Double(total.count)) : nil)
            case .minimum: row.append(total.count > 0 ? .number(total.least) : nil)
            case .maximum: row.append(total.count > 0 ? .number(total.greatest) : nil)
            case .distinct where isAll: row.append(.number(Double(column.distinctCount)))
            case .quantile(_, let q) where isAll: row.append(Self.quantile(q, column, values: total.count))
            default: return nil
            }
        }
        return row
    }

    /// A quantile of all documents, from the column's order.
    private static func quantile(_ q: Double, _ column: MetadataColumn, values count: UInt64) -> MetadataValue? {
        guard count > 0, let values = column.values else { return nil }
        let place = q * Double(count - 1)
        let missing = column.count(ofCode: 0)
        let lower = values[Int(column.postings[missing + Int(place)])]
        let upper = values[Int(column.postings[missing + min(Int(place) + 1, Int(count) - 1)])]
        return .number(lower + (upper - lower) * (place - place.rounded(.down)))
    }
}
