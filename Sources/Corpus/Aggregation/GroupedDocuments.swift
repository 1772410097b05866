// SPDX-License-Identifier: Apache-2.0

import Base
import CKernels

/// Documents with the group of each, handed out in chunks that fit the processor's cache.
struct GroupedDocuments {
    /// A chunk: documents and their groups. `places` is nil when the documents are `base ..< base + count`.
    struct Chunk {
        let places: UnsafePointer<UInt32>?
        let base: Int
        let count: Int
        let keys: UnsafeMutablePointer<UInt32>

        func document(_ index: Int) -> Int { places.map { Int($0[index]) } ?? base + index }
    }

    private static let chunkSize = 8192
    /// More groups than this are numbered as they are met instead of by their place in the grid of all combinations.
    private static let gridLimit = 1 << 21

    let axes: [GroupAxis]
    /// The number of groups that accumulators must have room for.
    private(set) var groupCount: Int
    /// The documents, where not all: members of lists' groups are repeated.
    private var places: [UInt32]?
    private let total: Int
    /// The keys of axes over lists, beside `places`.
    private var listKeys: [Int: [UInt32]] = [:]
    private let tables: [[UInt32]?]
    /// Where groups were numbered as they were met: the group of each place, and the combination of each group.
    private var numbered: [UInt32]?
    private var combinations: [UInt64] = []

    init(_ documents: DocumentBitmap, matched: Int, axes: [GroupAxis]) {
        self.axes = axes
        tables = axes.map { $0.table() }
        if matched < documents.documentCount || axes.contains(where: \.column.isList) {
            places = documents.members(limit: matched)
        }
        for (index, axis) in axes.enumerated() where axis.column.isList {
            Self.expand(&places, &listKeys, axis.column, index)
        }
        total = places?.count ?? documents.documentCount
        var grid = 1
        for axis in axes {
            let (product, overflow) = grid.multipliedReportingOverflow(by: axis.groupCount)
            grid = overflow ? Int.max : product
        }
        groupCount = grid
        if grid > Self.gridLimit { number() }
    }

    private static func expand(
        _ places: inout [UInt32]?, _ listKeys: inout [Int: [UInt32]], _ column: MetadataColumn, _ axis: Int
    ) {
        var (newPlaces, newKeys): ([UInt32], [UInt32]) = ([], [])
        var others = listKeys.mapValues { _ in [UInt32]() }
        for (index, place) in (places ?? []).enumerated() {
            let range = Int(column.listStarts[Int(place)])..<Int(column.listStarts[Int(place) + 1])
            var seen: [UInt32] = []
            for element in range where !seen.contains(column.elements[element]) {
                seen.append(column.elements[element])
            }
            for code in seen.isEmpty ? [0] : seen {
                newPlaces.append(place)
                newKeys.append(code)
                for key in others.keys { others[key]?.append(listKeys[key]?[index] ?? 0) }
            }
        }
        places = newPlaces
        listKeys = others
        listKeys[axis] = newKeys
    }

    /// Numbers the combinations that occur.
    private mutating func number() {
        var numbers: [UInt64: UInt32] = [:]
        var result: [UInt32] = []
        result.reserveCapacity(total)
        for index in 0..<total {
            let document = places.map { Int($0[index]) } ?? index
            var combination: UInt64 = 0
            for (axis, table) in tables.enumerated() {
                let code = listKeys[axis]?[index] ?? axes[axis].column.code(of: document)
                let key = table.map { $0[Int(code)] } ?? code
                combination = combination &* UInt64(axes[axis].groupCount) &+ UInt64(key)
            }
            if let known = numbers[combination] {
                result.append(known)
            } else {
                numbers[combination] = UInt32(combinations.count)
                result.append(UInt32(combinations.count))
                combinations.append(combination)
            }
        }
        numbered = result
        groupCount = combinations.count
    }

    /// The group on each axis of a combined group.
    func groups(of group: Int) -> [Int] { axes.indices.map { self.group(of: group, onAxis: $0) } }

    /// The group on one axis of a combined group.
    func group(of group: Int, onAxis axis: Int) -> Int {
        var rest = numbered == nil ? UInt64(group) : combinations[group]
        for later in axes.indices.reversed() where later > axis { rest /= UInt64(axes[later].groupCount) }
        return Int(rest % UInt64(axes[axis].groupCount))
    }

    /// Calls the body with each chunk.
    func forEachChunk(_ body: (Chunk) -> Void) {
        withUnsafeTemporaryAllocation(of: UInt32.self, capacity: Self.chunkSize) { keys in
            guard let keysBase = keys.baseAddress else { return }
            keys.initialize(repeating: 0)
            var base = 0
            while base < total {
                let count = min(Self.chunkSize, total - base)
                if let places {
                    places.withUnsafeBufferPointer { places in
                        guard let start = places.baseAddress?.advanced(by: base) else { return }
                        fill(keysBase, base: base, count: count, places: start)
                        body(Chunk(places: start, base: base, count: count, keys: keysBase))
                    }
                } else {
                    fill(keysBase, base: base, count: count, places: nil)
                    body(Chunk(places: nil, base: base, count: count, keys: keysBase))
                }
                base += count
            }
        }
    }

    private func fill(_ keys: UnsafeMutablePointer<UInt32>, base: Int, count: Int, places: UnsafePointer<UInt32>?) {
        if let numbered {
            for index in 0..<count { keys[index] = numbered[base + index] }
            return
        }
        for (axis, table) in tables.enumerated() {
            // The first axis multiplies what the last chunk left by nothing.
            let radix = axis == 0 ? 0 : UInt32(axes[axis].groupCount)
            if let own = listKeys[axis] {
                for index in 0..<count { keys[index] = keys[index] &* radix &+ own[base + index] }
            } else if let table {
                table.withUnsafeBufferPointer {
                    axes[axis].column.combineKeys(
                        places: places, base: base, count: count, table: $0.baseAddress, radix: radix, into: keys)
                }
            } else {
                axes[axis].column.combineKeys(
                    places: places, base: base, count: count, table: nil, radix: radix, into: keys)
            }
        }
    }
}
