// SPDX-License-Identifier: Apache-2.0

import Text

/// The fixed-size entries of the file `passages.NNNNNN.tbl`, little-endian as all machines that Forage runs on.
enum PassageTable {
    static let kind = "passages"
    static let textsKind = "texts"
    static let version: UInt32 = 1

    /// One document. The table has one more entry than documents, whose `firstPassage` is the number of passages.
    struct DocumentEntry: BitwiseCopyable {
        /// The row in the database: grows with the ordinal.
        var row: Int64
        /// Where the text record is: the segment in the upper 16 bits, the byte in its records in the lower 48.
        var address: UInt64
        var firstPassage: UInt32
        /// The index in the list of sources.
        var source: UInt32
    }

    /// One passage: where it lies in its document's text, and the hash of title and text.
    struct PassageEntry: BitwiseCopyable {
        var start: UInt32
        var length: UInt32
        var firstCharacter: UInt32
        var characterCount: UInt32
        var hash: UInt64
    }

    /// The lengths at the head of a text record; id, title and text follow.
    struct RecordHead: BitwiseCopyable {
        var id: UInt32
        var title: UInt32
        var text: UInt32
    }

    static let segmentLimit = 16

    static func address(segment: Int, offset: Int) -> UInt64 { UInt64(segment) << 48 | UInt64(offset) }

    static func place(_ address: UInt64) -> (segment: Int, offset: Int) {
        (Int(address >> 48), Int(address & 0xFFFF_FFFF_FFFF))
    }
}
