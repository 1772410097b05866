// SPDX-License-Identifier: Apache-2.0

import CKernels

/// A set of documents as one bit each: what filters compute and aggregates run over.
public struct DocumentBitmap: Sendable, Hashable {
    /// The bits, 64 a word; those at and above `documentCount` are 0.
    private(set) var words: [UInt64]
    /// The number of documents of the corpus, members or not.
    public let documentCount: Int

    /// The empty set, or all documents.
    public init(documentCount: Int, all: Bool = false) {
        self.documentCount = documentCount
        words = [UInt64](repeating: all ? .max : 0, count: (documentCount + 63) / 64)
        if all { clearPastEnd() }
    }

    /// The set of these documents; ordinals out of range are left out.
    public init(documentCount: Int, _ documents: OrdinalSet) {
        self.init(documentCount: documentCount)
        for ordinal in documents.ordinals where Int(ordinal) < documentCount { insert(ordinal) }
    }

    /// The number of members.
    public var count: Int { words.withUnsafeBufferPointer { forage_bits_count($0.baseAddress, $0.count) } }

    /// Whether there is no member.
    public var isEmpty: Bool { words.allSatisfy { $0 == 0 } }

    /// Whether a document is a member.
    public func contains(_ document: DocumentOrdinal) -> Bool {
        Int(document) < documentCount && words[Int(document) / 64] & (1 << UInt64(document % 64)) != 0
    }

    /// The members as a sorted list.
    public var ordinals: OrdinalSet { OrdinalSet(ascending: members(limit: count)) }

    /// The first members, at most `limit`.
    func members(limit: Int) -> [UInt32] {
        guard limit > 0 else { return [] }
        return [UInt32](unsafeUninitializedCapacity: limit) { buffer, count in
            count = words.withUnsafeBufferPointer {
                forage_bits_list($0.baseAddress, $0.count, buffer.baseAddress, limit)
            }
        }
    }

    /// Adds a document.
    /// - Precondition: the ordinal is below `documentCount`.
    mutating func insert(_ document: DocumentOrdinal) { words[Int(document) / 64] |= 1 << UInt64(document % 64) }

    mutating func formUnion(_ other: DocumentBitmap) { combine(other) { $0 | $1 } }
    mutating func formIntersection(_ other: DocumentBitmap) { combine(other) { $0 & $1 } }
    mutating func subtract(_ other: DocumentBitmap) { combine(other) { $0 & ~$1 } }

    mutating func invert() {
        words.withUnsafeMutableBufferPointer { words in
            for index in words.indices { words[index] = ~words[index] }
        }
        clearPastEnd()
    }

    mutating func removeAll() {
        words.withUnsafeMutableBufferPointer { $0.update(repeating: 0) }
    }

    mutating func withWords<Result>(_ body: (UnsafeMutableBufferPointer<UInt64>) -> Result) -> Result {
        words.withUnsafeMutableBufferPointer { body($0) }
    }

    private mutating func combine(_ other: DocumentBitmap, _ operation: (UInt64, UInt64) -> UInt64) {
        precondition(other.documentCount == documentCount, "sets of two corpora do not mix")
        words.withUnsafeMutableBufferPointer { mine in
            other.words.withUnsafeBufferPointer { theirs in
                for index in mine.indices { mine[index] = operation(mine[index], theirs[index]) }
            }
        }
    }

    private mutating func clearPastEnd() {
        if documentCount % 64 != 0, !words.isEmpty { words[words.count - 1] &= (1 << UInt64(documentCount % 64)) - 1 }
    }
}
