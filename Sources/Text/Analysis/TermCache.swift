// SPDX-License-Identifier: Apache-2.0
import Foundation

/// Words already analysed: an open-addressed table from a word's bytes to its term (empty: the word is left out).
/// Bounded: it starts afresh when full, so that a corpus of random strings cannot exhaust memory.
struct TermCache: ~Copyable {
    private struct Entry {
        var hash: UInt64 = 0
        /// Where the word starts in the arena; its term follows it. The first byte of the arena is unused, so 0
        /// marks an empty slot.
        var offset: UInt32 = 0
        var wordLength: UInt16 = 0
        /// Its top bit marks a stop word.
        var termLength: UInt16 = 0
    }

    /// A term and whether it is a stop word. The memory is valid until the next `insert`.
    struct Term {
        var bytes: UnsafeBufferPointer<UInt8>
        var isStopWord: Bool
    }

    private static let stopBit: UInt16 = 0x8000

    private static let slots = 1 << 17
    private static let arenaCapacity = 4 << 20
    private let entries: UnsafeMutablePointer<Entry>
    private let arena: UnsafeMutablePointer<UInt8>
    private var used = 1
    private var count = 0

    init() {
        entries = .allocate(capacity: Self.slots)
        entries.initialize(repeating: Entry(), count: Self.slots)
        arena = .allocate(capacity: Self.arenaCapacity)
    }

    deinit {
        entries.deallocate()
        arena.deallocate()
    }

    /// The term of a known word.
    func find(_ word: UnsafeBufferPointer<UInt8>, hash: UInt64) -> Term? {
        var slot = Self.slot(of: hash)
        while entries[slot].offset != 0 {
            let entry = entries[slot]
            if entry.hash == hash, Int(entry.wordLength) == word.count {
                let start = arena + Int(entry.offset)
                if let base = word.baseAddress, memcmp(start, base, word.count) == 0 {
                    return Term(
                        bytes: UnsafeBufferPointer(
                            start: start + word.count, count: Int(entry.termLength & ~Self.stopBit)),
                        isStopWord: entry.termLength & Self.stopBit != 0)
                }
            }
            slot = (slot + 1) & (Self.slots - 1)
        }
        return nil
    }

    /// Stores a word (at most a few kilobytes) and its term.
    mutating func insert(
        _ word: UnsafeBufferPointer<UInt8>, hash: UInt64, term: [UInt8], isStopWord: Bool
    ) -> Term {
        if count >= Self.slots / 2 || used + word.count + term.count > Self.arenaCapacity {
            entries.update(repeating: Entry(), count: Self.slots)
            used = 1
            count = 0
        }
        var slot = Self.slot(of: hash)
        while entries[slot].offset != 0 { slot = (slot + 1) & (Self.slots - 1) }
        let start = arena + used
        if let base = word.baseAddress { start.update(from: base, count: word.count) }
        (start + word.count).update(from: term, count: term.count)
        entries[slot] = Entry(
            hash: hash, offset: UInt32(used), wordLength: UInt16(word.count),
            termLength: UInt16(term.count) | (isStopWord ? Self.stopBit : 0))
        used += word.count + term.count
        count += 1
        return Term(
            bytes: UnsafeBufferPointer(start: start + word.count, count: term.count), isStopWord: isStopWord)
    }

    private static func slot(of hash: UInt64) -> Int {
        Int(truncatingIfNeeded: (hash ^ hash >> 32) & UInt64(slots - 1))
    }
}
