// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus

/// The terms of an index in the order of their bytes, in blocks of 16: the first term of a block is whole, each other
/// one says how many bytes it shares with the one before. A look-up is a binary search over blocks and one short scan.
struct TermDictionary: Sendable {
    static let blockSize = 16

    /// Where a block's terms start, and where the postings of its first term do.
    struct Block: BitwiseCopyable, Sendable {
        var terms: UInt64
        var postings: UInt64
    }

    /// A term's postings in the section of postings.
    struct Entry: Sendable, Hashable {
        var start: UInt64
        var size: Int
        var count: Int
    }

    let bytes: MappedArray<UInt8>
    let blocks: MappedArray<Block>

    /// Long lists start at multiples of 4, for their skip entries.
    static func start(of count: Int, after end: UInt64) -> UInt64 { count > 128 ? (end + 3) & ~3 : end }

    /// Reads the terms of a block, in order, until `body` returns false. A damaged block ends early.
    func forEachTerm(inBlock index: Int, _ body: (borrowing [UInt8], Entry) -> Bool) {
        guard index < blocks.count else { return }
        let block = blocks.elements[index]
        let limit = index + 1 < blocks.count ? Int(clamping: blocks.elements[index + 1].terms) : bytes.count
        guard limit <= bytes.count, block.terms <= UInt64(limit) else { return }
        var at = Int(block.terms)
        var end = block.postings
        var term: [UInt8] = []
        func number() -> Int? {
            var value = 0
            var shift = 0
            while at < limit, shift < 63 {
                let byte = bytes.elements[at]
                at += 1
                value |= Int(byte & 0x7F) << shift
                if byte < 0x80 { return value }
                shift += 7
            }
            return nil
        }
        while at < limit {
            guard let shared = number(), let added = number(), shared <= term.count, added <= limit - at else { return }
            term.removeSubrange(shared...)
            term.append(contentsOf: UnsafeBufferPointer(rebasing: bytes.elements[at..<(at + added)]))
            at += added
            guard let count = number(), let size = number(), end < 1 << 62 else { return }
            let start = Self.start(of: count, after: end)
            end = start + UInt64(size)
            if !body(term, Entry(start: start, size: size, count: count)) { return }
        }
    }

    /// The first term of a block, as bytes of the file.
    private func firstTerm(ofBlock index: Int) -> UnsafeBufferPointer<UInt8> {
        // The first term shares nothing: a zero byte, its length, its bytes.
        var at = Int(clamping: blocks.elements[index].terms) &+ 1
        var length = 0
        var shift = 0
        while at < bytes.count, shift < 28 {
            let byte = bytes.elements[at]
            at += 1
            length |= Int(byte & 0x7F) << shift
            if byte < 0x80 { break }
            shift += 7
        }
        guard at >= 0, at <= bytes.count, length <= bytes.count - at else {
            return UnsafeBufferPointer(start: nil, count: 0)
        }
        return UnsafeBufferPointer(rebasing: bytes.elements[at..<(at + length)])
    }

    /// The last block whose first term is not after `term`; nil when the term would stand before all.
    func block(for term: UnsafeBufferPointer<UInt8>) -> Int? {
        var low = 0
        var high = blocks.count
        while low < high {
            let middle = (low + high) / 2
            if term.lexicographicallyPrecedes(firstTerm(ofBlock: middle)) { high = middle } else { low = middle + 1 }
        }
        return low == 0 ? nil : low - 1
    }

    /// A term's postings; nil when no passage has it.
    func find(_ term: UnsafeBufferPointer<UInt8>) -> Entry? {
        guard let block = block(for: term) else { return nil }
        var found: Entry?
        forEachTerm(inBlock: block) { candidate, entry in
            if candidate.elementsEqual(term) {
                found = entry
                return false
            }
            return candidate.lexicographicallyPrecedes(term)
        }
        return found
    }

    /// The terms that start with `prefix`, in order, at most `limit`.
    func terms(startingWith prefix: UnsafeBufferPointer<UInt8>, limit: Int) -> [(term: [UInt8], entry: Entry)] {
        var result: [(term: [UInt8], entry: Entry)] = []
        var block = block(for: prefix) ?? 0
        var goesOn = true
        while goesOn, block < blocks.count, result.count < limit {
            forEachTerm(inBlock: block) { term, entry in
                if term.starts(with: prefix) {
                    result.append((copy term, entry))
                } else if !term.lexicographicallyPrecedes(prefix) {
                    goesOn = false
                }
                return goesOn && result.count < limit
            }
            block += 1
        }
        return result
    }
}

/// Writes what `TermDictionary` reads.
struct TermDictionaryBuilder {
    private(set) var bytes: [UInt8] = []
    private(set) var blocks: [TermDictionary.Block] = []
    private(set) var count = 0
    private var last: [UInt8] = []
    private var end: UInt64 = 0

    /// Adds the next term in the order of bytes.
    mutating func add(_ term: UnsafeBufferPointer<UInt8>, count postings: Int, start: UInt64, size: Int) {
        var shared = 0
        if count % TermDictionary.blockSize == 0 {
            blocks.append(TermDictionary.Block(terms: UInt64(bytes.count), postings: end))
        } else {
            let limit = min(last.count, term.count)
            while shared < limit, last[shared] == term[shared] { shared += 1 }
        }
        put(shared)
        put(term.count - shared)
        bytes.append(contentsOf: term[shared...])
        put(postings)
        put(size)
        last.removeSubrange(shared...)
        last.append(contentsOf: term[shared...])
        end = start + UInt64(size)
        count += 1
    }

    private mutating func put(_ number: Int) {
        var value = UInt(number)
        while value >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: value) | 0x80)
            value >>= 7
        }
        bytes.append(UInt8(value))
    }
}
