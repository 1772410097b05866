// SPDX-License-Identifier: Apache-2.0

import Base
import CKernels

extension CorpusReader {
    /// Documents of a set in the order of some fields, `limit` of them from `offset` on.
    ///
    /// Documents without a value come last in either direction; ties are in the order of the corpus. One field walks its
    /// sorted postings; several sort by counting, so that a million documents take some ten milliseconds.
    /// - Throws: `CorpusError` `badArgument` for a field that is no metadata field.
    public func sorted(
        _ documents: DocumentBitmap, by orders: [AggregateRequest.Order], offset: Int = 0, limit: Int = .max
    ) throws -> [DocumentOrdinal] {
        let count = documents.count
        let wanted = min(limit, max(0, count - offset))
        guard wanted > 0 else { return [] }
        let keys = try orders.map { order in
            guard let column = try columns.column(order.column) else {
                throw CorpusError(
                    .badArgument,
                    "cannot sort by \"\(order.column)\". Fields: \(FilterSchema(fields: columns.fields).summary)")
            }
            return (column: column, descending: order.descending)
        }
        guard let last = keys.last else { return Array(documents.members(limit: offset + wanted).dropFirst(offset)) }
        let isPage = keys.count == 1 && !last.column.isList
        if count <= 4096 || (isPage && count * 16 < documentCount && wanted < count)
            || keys.contains(where: \.column.isList)
        {
            var ordinals = documents.members(limit: count)
            Self.sort(&ordinals, keys.map { ($0.column, $0.descending) }, keep: offset + wanted)
            return Array(ordinals.dropFirst(offset).prefix(wanted))
        }
        let target = isPage ? offset + wanted : count
        var ordinals = Self.walk(
            last.column, descending: last.descending, among: documents, total: count, limit: target)
        for key in keys.dropLast().reversed() {
            ordinals = Self.stableSort(ordinals, key.column, descending: key.descending)
        }
        return offset == 0 && ordinals.count == wanted ? ordinals : Array(ordinals.dropFirst(offset).prefix(wanted))
    }

    /// The members of a set in the order of a column's postings, the first `limit`.
    private static func walk(
        _ column: MetadataColumn, descending: Bool, among documents: DocumentBitmap, total: Int, limit: Int
    ) -> [UInt32] {
        let isWhole = total == documents.documentCount
        return [UInt32](unsafeUninitializedCapacity: limit) { buffer, count in
            count = 0
            func visit(_ postings: UnsafeBufferPointer<UInt32>) {
                for document in postings {
                    if count == limit { return }
                    if isWhole || documents.contains(document) {
                        buffer[count] = document
                        count += 1
                    }
                }
            }
            if descending {
                var code = column.distinctCount
                while code > 0, count < limit {
                    visit(column.postings(ofCodes: code..<(code + 1)))
                    code -= 1
                }
            } else {
                visit(column.postings(ofCodes: 1..<(column.distinctCount + 1)))
            }
            visit(column.postings(ofCodes: 0..<1))
        }
    }

    /// The place of a code in an order where no value comes last.
    @inline(__always) private static func rank(_ code: UInt32, _ distinct: Int, _ descending: Bool) -> Int {
        if code == 0 { return distinct }
        return descending ? distinct - Int(code) : Int(code) - 1
    }

    /// A counting sort that keeps the order of equals.
    private static func stableSort(_ ordinals: [UInt32], _ column: MetadataColumn, descending: Bool) -> [UInt32] {
        let distinct = column.distinctCount
        return ordinals.withUnsafeBufferPointer { ordinals in
            var keys = [UInt32](repeating: 0, count: ordinals.count)
            column.combineKeys(
                places: ordinals.baseAddress, base: 0, count: ordinals.count, table: nil, radix: 1, into: &keys)
            var starts = [Int](repeating: 0, count: distinct + 2)
            for key in keys { starts[rank(key, distinct, descending) + 1] += 1 }
            for index in 0...distinct { starts[index + 1] += starts[index] }
            return [UInt32](unsafeUninitializedCapacity: ordinals.count) { buffer, count in
                starts.withUnsafeMutableBufferPointer { starts in
                    for (index, key) in keys.enumerated() {
                        let rank = rank(key, distinct, descending)
                        buffer[starts[rank]] = ordinals[index]
                        starts[rank] += 1
                    }
                }
                count = ordinals.count
            }
        }
    }

    /// Sorts by comparison; only the first `keep` need to be right.
    private static func sort(
        _ ordinals: inout [UInt32], _ keys: [(column: MetadataColumn, descending: Bool)], keep: Int
    ) {
        if let key = keys.first, keys.count == 1 {
            let distinct = key.column.distinctCount
            var packed = ordinals.map {
                UInt64(rank(key.column.code(of: Int($0)), distinct, key.descending)) << 32 | UInt64($0)
            }
            if keep * 8 < packed.count {
                // A bounded insertion: almost every element fails the first comparison.
                var best: [UInt64] = []
                best.reserveCapacity(keep + 1)
                for value in packed where best.count < keep || value < best[best.count - 1] {
                    var (low, high) = (0, best.count)
                    while low < high {
                        let middle = (low + high) / 2
                        if best[middle] < value { low = middle + 1 } else { high = middle }
                    }
                    best.insert(value, at: low)
                    if best.count > keep { best.removeLast() }
                }
                packed = best
            } else {
                packed.sort()
            }
            ordinals = packed.map { UInt32(truncatingIfNeeded: $0) }
            return
        }
        ordinals.sort { a, b in
            for key in keys {
                let (x, y) = (
                    rank(key.column.code(of: Int(a)), key.column.distinctCount, key.descending),
                    rank(key.column.code(of: Int(b)), key.column.distinctCount, key.descending)
                )
                if x != y { return x < y }
            }
            return a < b
        }
    }

    /// A page of documents with id, title and the fields asked for.
    public func list(_ documents: DocumentBitmap, _ request: DocumentListRequest) throws -> AggregateResult {
        let ordinals = try sorted(documents, by: request.sort, offset: request.offset, limit: request.limit)
        let rows = try ordinals.map { ordinal -> [MetadataValue?] in
            [.text(try documentID(of: ordinal)), .text(try title(of: ordinal))]
                + (try request.fields.map { try columns.value(of: $0, document: ordinal) })
        }
        return AggregateResult(
            columns: ["id", "title"] + request.fields, rows: rows, documents: ordinals, matched: documents.count,
            rowCount: documents.count, offset: request.offset)
    }
}

extension MetadataColumn {
    /// `keys[i] = keys[i] * radix + key` with the codes of `count` documents: those at `places`, or from `base` on.
    func combineKeys(
        places: UnsafePointer<UInt32>?, base: Int, count: Int, table: UnsafePointer<UInt32>?, radix: UInt32,
        into keys: UnsafeMutablePointer<UInt32>
    ) {
        let from = places == nil ? base : 0
        switch codes {
        case .bytes(let codes):
            forage_keys_combine8(codes.elements.baseAddress?.advanced(by: from), places, count, table, radix, keys)
        case .shorts(let codes):
            forage_keys_combine16(codes.elements.baseAddress?.advanced(by: from), places, count, table, radix, keys)
        case .words(let codes):
            forage_keys_combine32(codes.elements.baseAddress?.advanced(by: from), places, count, table, radix, keys)
        case nil: preconditionFailure("lists are expanded before")
        }
    }
}
