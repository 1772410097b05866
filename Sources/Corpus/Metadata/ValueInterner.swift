// SPDX-License-Identifier: Apache-2.0

import Base
import Text

/// Gives each distinct byte string a number, in the order of first sight: the raw values of a metadata field.
///
/// The strings lie end to end in one array, so that a million of them cost their bytes and 16 more each.
struct ValueInterner {
    private var bytes: [UInt8] = []
    private var ends: [Int] = []
    private var hashes: [UInt32] = []
    private var slots: [UInt32] = [UInt32](repeating: 0, count: 16)

    /// The number of distinct strings.
    var count: Int { ends.count }

    /// The number of a string, new or old.
    mutating func intern(_ value: UnsafeRawBufferPointer) -> UInt32 {
        let hash = UInt32(truncatingIfNeeded: XXH64.hash(value))
        var slot = Int(hash) & (slots.count - 1)
        while slots[slot] != 0 {
            let index = Int(slots[slot] - 1)
            if hashes[index] == hash, equals(index, value) { return UInt32(index) }
            slot = (slot + 1) & (slots.count - 1)
        }
        bytes.append(contentsOf: value)
        ends.append(bytes.count)
        hashes.append(hash)
        slots[slot] = UInt32(ends.count)
        if ends.count * 4 > slots.count * 3 { grow() }
        return UInt32(ends.count - 1)
    }

    /// The bytes of a string by number.
    func withValue<Result>(_ index: Int, _ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
        let start = index == 0 ? 0 : ends[index - 1]
        return try bytes.withUnsafeBytes { try body(UnsafeRawBufferPointer(rebasing: $0[start..<ends[index]])) }
    }

    private func equals(_ index: Int, _ value: UnsafeRawBufferPointer) -> Bool {
        withValue(index) { $0.count == value.count && $0.elementsEqual(value) }
    }

    private mutating func grow() {
        var larger = [UInt32](repeating: 0, count: slots.count * 2)
        for (index, hash) in hashes.enumerated() {
            var slot = Int(hash) & (larger.count - 1)
            while larger[slot] != 0 { slot = (slot + 1) & (larger.count - 1) }
            larger[slot] = UInt32(index + 1)
        }
        slots = larger
    }
}
