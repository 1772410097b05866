// SPDX-License-Identifier: Apache-2.0

public import Base
import Foundation
import Synchronization
import Text

/// A section file that is mapped for reading: named arrays with a checksum for each 64 KiB block.
///
/// Opening checks header, directory and size. A block is checked when it is first used through `check`, `array` (for
/// the whole section) or `verify` (for the whole file), and remembered as good, so that readers pay once.
public final class SectionFile: Sendable {
    /// The mapped file.
    public let file: MappedFile
    /// The version that the writer gave.
    public let version: UInt32
    private let sections: [String: Range<Int>]
    private let dataLength: Int
    private let checked: CheckedBlocks

    /// Opens a section file.
    /// - Throws: `CorpusError` `damaged` when it is truncated or its structure fails its checksum, or is of another kind.
    public init(path: String, kind: String) throws {
        let file = try MappedFile(corpusFile: path)
        let bytes = file.bytes
        func damaged(_ what: String) -> CorpusError { CorpusError(.damaged, "\(path): \(what)") }
        func word(_ offset: Int) -> UInt64 {
            UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
        }
        guard bytes.count >= 128 else { throw damaged("the file is truncated (\(bytes.count) bytes)") }
        let trailer = bytes.count - 64
        guard word(0) == SectionFileWriter.magic, word(bytes.count - 8) == SectionFileWriter.magic else {
            throw damaged("this is no index file of a corpus, or it is truncated")
        }
        guard XXH64.hash(UnsafeRawBufferPointer(rebasing: bytes[trailer..<(trailer + 48)])) == word(trailer + 48),
            word(trailer + 16) == UInt64(bytes.count), let dataLength = Int(exactly: word(trailer)),
            let directoryOffset = Int(exactly: word(trailer + 8)), let count = Int(exactly: word(trailer + 24)),
            dataLength >= 64, dataLength <= directoryOffset, directoryOffset <= trailer,
            directoryOffset - dataLength == (dataLength + SectionFileWriter.blockSize - 1) / SectionFileWriter.blockSize
                * 8,
            XXH64.hash(UnsafeRawBufferPointer(rebasing: bytes[dataLength..<trailer])) == word(trailer + 32)
        else { throw damaged("the file's directory fails its checksum") }
        let found = String(decoding: bytes[16..<32].prefix { $0 != 0 }, as: UTF8.self)
        guard found == kind else { throw damaged("expected a file of kind \(kind), found \(found)") }
        var sections: [String: Range<Int>] = [:]
        var at = directoryOffset
        for _ in 0..<count {
            guard at + 24 <= trailer, let offset = Int(exactly: word(at)), let length = Int(exactly: word(at + 8)),
                let nameLength = Int(exactly: word(at + 16)), nameLength <= trailer - at - 24, offset >= 64,
                offset <= dataLength, length <= dataLength - offset
            else { throw damaged("the file's directory is inconsistent") }
            let name = String(decoding: bytes[(at + 24)..<(at + 24 + nameLength)], as: UTF8.self)
            sections[name] = offset..<(offset + length)
            at += 24 + nameLength
        }
        self.file = file
        self.version = UInt32(truncatingIfNeeded: word(8))
        self.sections = sections
        self.dataLength = dataLength
        checked = CheckedBlocks(count: (directoryOffset - dataLength) / 8)
    }

    /// The names of the sections, sorted.
    public var sectionNames: [String] { sections.keys.sorted() }

    /// Whether there is a section of that name.
    public func contains(_ name: String) -> Bool { sections[name] != nil }

    /// Where a section lies in the file.
    /// - Throws: `CorpusError` `damaged` when it is missing.
    public func range(of name: String) throws -> Range<Int> {
        guard let range = sections[name] else {
            throw CorpusError(.damaged, "\(file.path): section \(name) is missing")
        }
        return range
    }

    /// A section as an array of fixed-size elements.
    /// - Parameter checking: whether to check the section's blocks now; otherwise the caller uses `check`.
    /// - Throws: `CorpusError` `damaged` when it is missing, of a wrong length or fails its checksums.
    public func array<Element: BitwiseCopyable>(
        _ name: String, of type: Element.Type = Element.self, checking: Bool = true
    ) throws -> MappedArray<Element> {
        let range = try range(of: name)
        let stride = MemoryLayout<Element>.stride
        guard range.count % stride == 0 else {
            throw CorpusError(.damaged, "\(file.path): section \(name) is no whole number of elements")
        }
        if checking { try check(range) }
        guard !range.isEmpty, let base = file.bytes.baseAddress else { return MappedArray() }
        // Sections start at multiples of 64 from a page boundary, which aligns every element type in use.
        let start = base.advanced(by: range.lowerBound).assumingMemoryBound(to: Element.self)
        return MappedArray(
            elements: UnsafeBufferPointer(start: start, count: range.count / stride), owner: file)
    }

    /// Checks the blocks that hold these bytes of the file, unless they were found good before. O(1) then.
    /// - Parameter releasing: whether to give the blocks' memory back after the check: for data of which only parts will
    ///   be read.
    /// - Throws: `CorpusError` `damaged` with the block's place.
    public func check(_ range: Range<Int>, releasing: Bool = false) throws {
        guard !range.isEmpty else { return }
        let first = range.lowerBound / SectionFileWriter.blockSize
        let last = (range.upperBound - 1) / SectionFileWriter.blockSize
        for block in first...last where !checked.isGood(block) {
            let start = block * SectionFileWriter.blockSize
            let end = min(start + SectionFileWriter.blockSize, dataLength)
            guard start < end else {
                throw CorpusError(.damaged, "\(file.path): bytes outside of the file were asked for")
            }
            let expected = file.bytes.loadUnaligned(fromByteOffset: dataLength + block * 8, as: UInt64.self)
            guard
                XXH64.hash(UnsafeRawBufferPointer(rebasing: file.bytes[start..<end])) == UInt64(littleEndian: expected)
            else {
                throw CorpusError(.damaged, "\(file.path): the block at bytes \(start)..<\(end) fails its checksum")
            }
            if releasing { file.release(start..<end) }
            checked.setGood(block)
        }
    }

    /// Checks every block again, whether or not it was found good before.
    /// - Returns: the number of blocks.
    @discardableResult public func verify() throws -> Int {
        checked.clear()
        file.advise(.sequential)
        defer { file.advise(.normal) }
        try check(0..<dataLength)
        return checked.count
    }
}

/// One bit for each block: found good. A lost update only means that a block is checked twice.
private final class CheckedBlocks: @unchecked Sendable {
    // Sendable: each word is only touched through atomic operations.
    let count: Int
    private let words: UnsafeMutablePointer<Atomic<UInt64>>
    private let wordCount: Int

    init(count: Int) {
        self.count = count
        wordCount = (count + 63) / 64
        words = .allocate(capacity: max(wordCount, 1))
        for index in 0..<wordCount { (words + index).initialize(to: Atomic(0)) }
    }

    deinit {
        words.deinitialize(count: wordCount)
        words.deallocate()
    }

    func isGood(_ block: Int) -> Bool {
        block < count && words[block / 64].load(ordering: .relaxed) & (1 << UInt64(block % 64)) != 0
    }

    func setGood(_ block: Int) {
        words[block / 64].bitwiseOr(1 << UInt64(block % 64), ordering: .relaxed)
    }

    func clear() {
        for index in 0..<wordCount { words[index].store(0, ordering: .relaxed) }
    }
}
