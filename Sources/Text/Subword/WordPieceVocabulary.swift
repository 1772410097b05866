// SPDX-License-Identifier: Apache-2.0

import Base

/// Word pieces by their bytes: an open-addressed table, so that a prefix is looked up without making a string.
struct WordPieceVocabulary: Sendable {
    /// Pieces by id; ids without a piece hold an empty string.
    let pieces: [String]
    private let ids: [String: Int32]
    /// Slots of piece ids + 1; 0 is empty. Pieces that continue a word are stored without their prefix under `salt`.
    private let slots: [Int32]
    private let bytes: [UInt8]
    private let starts: [Int32]
    private let continues: [Bool]
    /// The longest piece in bytes, without prefix.
    let longest: Int

    static let initialHash: UInt64 = 0xCBF2_9CE4_8422_2325
    static let continuationHash: UInt64 = 0x9E37_79B9_7F4A_7C15

    init(pieces: [String], continuingPrefix: String) {
        self.pieces = pieces
        var ids: [String: Int32] = [:]
        ids.reserveCapacity(pieces.count)
        var capacity = 16
        while capacity < pieces.count * 2 { capacity *= 2 }
        var slots = [Int32](repeating: 0, count: capacity)
        var bytes: [UInt8] = []
        var starts: [Int32] = [0]
        var continues: [Bool] = []
        var longest = 0
        let prefix = Array(continuingPrefix.utf8)
        for (id, piece) in pieces.enumerated() {
            var text = Array(piece.utf8)
            // A later duplicate does not hide the first.
            let isNew = !piece.isEmpty && ids[piece] == nil
            if isNew { ids[piece] = Int32(id) }
            let isContinuing = !prefix.isEmpty && text.count > prefix.count && text.starts(with: prefix)
            if isContinuing { text.removeFirst(prefix.count) }
            longest = max(longest, text.count)
            bytes.append(contentsOf: text)
            starts.append(Int32(bytes.count))
            continues.append(isContinuing)
            guard isNew else { continue }
            var hash = isContinuing ? Self.continuationHash : Self.initialHash
            for byte in text { hash = Self.step(hash, byte) }
            var slot = Int(truncatingIfNeeded: (hash ^ hash >> 32) & UInt64(capacity - 1))
            while slots[slot] != 0 { slot = (slot + 1) & (capacity - 1) }
            slots[slot] = Int32(id + 1)
        }
        self.ids = ids
        self.slots = slots
        self.bytes = bytes
        self.starts = starts
        self.continues = continues
        self.longest = longest
    }

    /// The id of a piece, spelled with its prefix.
    func id(of piece: String) -> Int32? { ids[piece] }

    /// One step of the hash that `find` expects.
    @inline(__always) static func step(_ hash: UInt64, _ byte: UInt8) -> UInt64 {
        (hash ^ UInt64(byte)) &* 0x100_0000_01B3
    }

    /// The id of the piece with these bytes; `hash` is theirs, begun with the initial or the continuation value.
    func find(_ text: Slice<UnsafeBufferPointer<UInt8>>, continuing: Bool, hash: UInt64) -> Int32? {
        var slot = Int(truncatingIfNeeded: (hash ^ hash >> 32) & UInt64(slots.count - 1))
        while slots[slot] != 0 {
            let id = Int(slots[slot] - 1)
            let range = Int(starts[id])..<Int(starts[id + 1])
            if range.count == text.count, continues[id] == continuing, bytes[range].elementsEqual(text) {
                return Int32(id)
            }
            slot = (slot + 1) & (slots.count - 1)
        }
        return nil
    }
}
