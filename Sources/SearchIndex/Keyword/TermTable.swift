// SPDX-License-Identifier: Apache-2.0

import TextProcessing

/// Numbers the distinct terms of a corpus while it is indexed: an open-addressing table over one buffer of term bytes.
struct TermTable {
    private var slots: [UInt32] = Array(repeating: .max, count: 1 << 14)
    private var hashes: [UInt64] = []
    private var offsets: [UInt32] = [0]
    private var bytes: [UInt8] = []

    var count: Int { hashes.count }

    /// The number of a term, and whether it is new.
    mutating func number(of term: UnsafeBufferPointer<UInt8>) -> (number: Int, isNew: Bool) {
        let hash = XXH64.hash(UnsafeRawBufferPointer(term))
        let mask = slots.count - 1
        var slot = Int(truncatingIfNeeded: hash) & mask
        while slots[slot] != .max {
            let number = Int(slots[slot])
            if hashes[number] == hash, equals(number, term) { return (number, false) }
            slot = (slot + 1) & mask
        }
        let number = hashes.count
        slots[slot] = UInt32(number)
        hashes.append(hash)
        bytes.append(contentsOf: term)
        offsets.append(UInt32(bytes.count))
        if hashes.count * 2 > slots.count { rehash() }
        return (number, true)
    }

    private func equals(_ number: Int, _ term: UnsafeBufferPointer<UInt8>) -> Bool {
        let range = Int(offsets[number])..<Int(offsets[number + 1])
        guard range.count == term.count else { return false }
        return bytes.withUnsafeBufferPointer { UnsafeBufferPointer(rebasing: $0[range]).elementsEqual(term) }
    }

    private mutating func rehash() {
        slots = Array(repeating: .max, count: slots.count * 2)
        let mask = slots.count - 1
        for (number, hash) in hashes.enumerated() {
            var slot = Int(truncatingIfNeeded: hash) & mask
            while slots[slot] != .max { slot = (slot + 1) & mask }
            slots[slot] = UInt32(number)
        }
    }

    /// The bytes of a term.
    func term(_ number: Int) -> ArraySlice<UInt8> { bytes[Int(offsets[number])..<Int(offsets[number + 1])] }

    /// The numbers of all terms, in ascending order of their bytes.
    func sortedNumbers() -> [Int] {
        bytes.withUnsafeBufferPointer { bytes in
            (0..<count).sorted { left, right in
                bytes[Int(offsets[left])..<Int(offsets[left + 1])]
                    .lexicographicallyPrecedes(bytes[Int(offsets[right])..<Int(offsets[right + 1])])
            }
        }
    }
}
