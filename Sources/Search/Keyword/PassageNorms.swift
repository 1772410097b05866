// SPDX-License-Identifier: Apache-2.0

import Base
import CKernels
import Corpus

/// What the score knows of each passage's length, `k1 (1 − b + b · length / mean length)`: a table with one norm for each
/// length that occurs, and for each passage its place there, in one byte where there are at most 256 lengths, else in two.
struct PassageNorms: Sendable {
    private let table: MappedArray<Float>
    private let narrow: MappedArray<UInt8>?
    private let wide: MappedArray<UInt16>?

    /// The number of passages.
    var count: Int { narrow?.count ?? wide?.count ?? 0 }

    /// Reads the norms of `passageCount` passages.
    /// - Throws: `CorpusError` when sections are missing or fail their checksums, `SearchIndexError` when they do not fit.
    init(_ file: SectionFile, passageCount: Int) throws {
        table = try file.array("norms")
        let isNarrow = try file.range(of: "norms.places").count == passageCount
        narrow = isNarrow ? try file.array("norms.places") : nil
        wide = isNarrow ? nil : try file.array("norms.places")
        let last = Int(narrow?.elements.max() ?? 0) + Int(wide?.elements.max() ?? 0)
        guard count == passageCount, passageCount == 0 || last < table.count,
            table.elements.allSatisfy({ $0 >= 0 && $0.isFinite })
        else { throw SearchIndexError.damaged("\(file.file.path): the index's sections do not fit together") }
    }

    /// Norms that are kept elsewhere than in an index file: see `bytes`.
    /// - Throws: `SearchIndexError` when they do not fit.
    init(norms: [UInt8], places: [UInt8], passageCount: Int, name: String) throws {
        let (tableBytes, placeBytes) = (MappedFile(copying: norms, as: name), MappedFile(copying: places, as: name))
        let floats = UnsafeRawBufferPointer(rebasing: tableBytes.bytes[..<(norms.count / 4 * 4)])
        table = MappedArray(elements: floats.assumingMemoryBound(to: Float.self), owner: tableBytes)
        let isNarrow = places.count == passageCount
        let pairs = UnsafeRawBufferPointer(rebasing: placeBytes.bytes[..<(places.count / 2 * 2)])
        narrow =
            isNarrow
            ? MappedArray(elements: placeBytes.bytes.assumingMemoryBound(to: UInt8.self), owner: placeBytes) : nil
        wide = isNarrow ? nil : MappedArray(elements: pairs.assumingMemoryBound(to: UInt16.self), owner: placeBytes)
        let last = Int(narrow?.elements.max() ?? 0) + Int(wide?.elements.max() ?? 0)
        guard count == passageCount, passageCount == 0 || last < table.count,
            table.elements.allSatisfy({ $0 >= 0 && $0.isFinite })
        else { throw SearchIndexError.damaged("\(name): the lengths of the passages do not fit together") }
    }

    /// The table and the places as bytes.
    var bytes: (table: [UInt8], places: [UInt8]) {
        (
            Array(UnsafeRawBufferPointer(table.elements)),
            narrow.map { Array(UnsafeRawBufferPointer($0.elements)) } ?? wide.map {
                Array(UnsafeRawBufferPointer($0.elements))
            } ?? []
        )
    }

    /// The norm of a passage below `count`.
    subscript(_ passage: PassageOrdinal) -> Float {
        let passage = Int(passage)
        return table.elements[Int(narrow?.elements[passage] ?? 0) + Int(wide?.elements[passage] ?? 0)]
    }

    /// The kernel's view, valid while the norms live.
    var view: forage_norms {
        forage_norms(
            table: table.elements.baseAddress, narrow: narrow?.elements.baseAddress, wide: wide?.elements.baseAddress)
    }
}

/// The norms of an index that is being written.
struct PassageNormsBuilder {
    /// The lengths that occur, ascending.
    private let lengths: [UInt32]
    private let norms: [Float]
    private var narrow: [UInt8] = []
    private var wide: [UInt16] = []

    /// - Parameters:
    ///   - passageLengths: of each passage. Where more than 65,536 lengths occur, they count with 12 significant bits.
    ///   - norm: the norm of a length.
    init(_ passageLengths: [UInt32], norm: (UInt32) -> Float) {
        var passageLengths = passageLengths
        var known = Set(passageLengths)
        if known.count > Int(UInt16.max) + 1 {
            for place in passageLengths.indices { passageLengths[place] = Self.rounded(passageLengths[place]) }
            known = Set(passageLengths)
        }
        lengths = known.sorted()
        // The kernel reads no norms of an index without passages, but wants a table.
        norms = lengths.isEmpty ? [1] : lengths.map(norm)
        let places = Dictionary(uniqueKeysWithValues: zip(lengths, 0...))
        if lengths.count <= Int(UInt8.max) + 1 {
            narrow = passageLengths.map { UInt8(truncatingIfNeeded: places[$0] ?? 0) }
        } else {
            wide = passageLengths.map { UInt16(truncatingIfNeeded: places[$0] ?? 0) }
        }
    }

    /// The length with its 12 highest bits: of these there are 45,056.
    static func rounded(_ length: UInt32) -> UInt32 {
        let drop = max(0, UInt32.bitWidth - length.leadingZeroBitCount - 12)
        return (length >> drop) << drop
    }

    func write(to file: SectionFileWriter) throws {
        try file.add("norms", norms)
        if wide.isEmpty { try file.add("norms.places", narrow) } else { try file.add("norms.places", wide) }
    }

    /// Calls `body` with the kernel's view.
    func withView<Result>(_ body: (inout forage_norms) throws -> Result) rethrows -> Result {
        try norms.withUnsafeBufferPointer { norms in
            try narrow.withUnsafeBufferPointer { narrow in
                try wide.withUnsafeBufferPointer { wide in
                    var view = forage_norms(
                        table: norms.baseAddress, narrow: narrow.baseAddress,
                        wide: wide.isEmpty ? nil : wide.baseAddress)
                    return try body(&view)
                }
            }
        }
    }
}
