// SPDX-License-Identifier: Apache-2.0

/// Postings under construction: for each term a chain of chunks in one growing buffer, as pairs of variable-length
/// numbers (gap to the passage before, frequency in quarters). About three bytes a posting, whatever the number of terms.
struct PostingsBuffer {
    private struct Chain {
        var first: UInt32
        var current: UInt32
        var used: UInt32
        var size: UInt32
    }

    /// Chunks grow from 8 bytes on, so that rare terms stay small; each begins with the four bytes of the next one's place.
    private static let head: UInt32 = 4
    private var bytes: [UInt8] = []
    private var chains: [Chain] = []
    private(set) var lastPassage: [UInt32] = []
    private(set) var counts: [UInt32] = []

    var termCount: Int { chains.count }

    /// Adds a term with no postings; its number is `termCount` before.
    mutating func addTerm() {
        let place = UInt32(bytes.count)
        bytes.append(contentsOf: repeatElement(0, count: 12))
        chains.append(Chain(first: place, current: place, used: 0, size: 8))
        lastPassage.append(.max)
        counts.append(0)
    }

    /// Appends a posting. Passages of a term must ascend.
    mutating func append(term: Int, passage: UInt32, quarters: UInt32) {
        write(passage &- lastPassage[term] &- 1, to: term)
        write(quarters, to: term)
        lastPassage[term] = passage
        counts[term] += 1
    }

    private mutating func write(_ value: UInt32, to term: Int) {
        var value = value
        while value >= 0x80 {
            put(UInt8(truncatingIfNeeded: value | 0x80), to: term)
            value >>= 7
        }
        put(UInt8(truncatingIfNeeded: value), to: term)
    }

    @inline(__always) private mutating func put(_ byte: UInt8, to term: Int) {
        if chains[term].used == chains[term].size { grow(term) }
        let chain = chains[term]
        bytes[Int(chain.current + Self.head + chain.used)] = byte
        chains[term].used += 1
    }

    private mutating func grow(_ term: Int) {
        var chain = chains[term]
        let size = min(chain.size * 2, 4096)
        let place = UInt32(bytes.count)
        bytes.append(contentsOf: repeatElement(0, count: Int(size + Self.head)))
        for shift in 0..<4 { bytes[Int(chain.current) + shift] = UInt8(truncatingIfNeeded: place >> (8 * UInt32(shift))) }
        chain.current = place
        chain.used = 0
        chain.size = size
        chains[term] = chain
    }

    /// Whether so much is held that the next passages should go to another index. The chunk places have 32 bits.
    var isNearlyFull: Bool { bytes.count > 3_500_000_000 }

    /// The postings of a term, in order.
    func forEachPosting(of term: Int, _ body: (_ passage: UInt32, _ quarters: UInt32) -> Void) {
        let chain = chains[term]
        var place = chain.first
        var size: UInt32 = 8
        var at: UInt32 = 0
        func next() -> UInt32 {
            var value: UInt32 = 0
            var shift: UInt32 = 0
            while true {
                if at == size {
                    var following: UInt32 = 0
                    for byte in 0..<4 { following |= UInt32(bytes[Int(place) + byte]) << (8 * UInt32(byte)) }
                    place = following
                    size = min(size * 2, 4096)
                    at = 0
                }
                let byte = bytes[Int(place + Self.head + at)]
                at += 1
                value |= UInt32(byte & 0x7F) << shift
                if byte < 0x80 { return value }
                shift += 7
            }
        }
        var passage = UInt32.max
        for _ in 0..<counts[term] {
            passage = passage &+ 1 &+ next()
            body(passage, next())
        }
    }
}
