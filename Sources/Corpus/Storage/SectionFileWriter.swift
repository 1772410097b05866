// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import Text

/// Writes a section file: named arrays one after the other, each 64-byte aligned, with a checksum for each 64 KiB block.
///
/// Layout, little-endian: a 64-byte header (magic, format version, kind), the sections, the block checksums, the
/// directory of sections, and a 64-byte trailer that says where these are. `SectionFile` reads it.
public final class SectionFileWriter {
    static let magic: UInt64 = 0x3130_4345_5347_4F46  // "FOGSEC01"
    static let blockSize = 1 << 16

    private let file: OutputFile
    private var directory: [(name: String, offset: Int, length: Int)] = []
    private var openSection: (name: String, offset: Int)?
    private var block: [UInt8] = []
    private var checksums: [UInt64] = []

    /// Starts a file.
    /// - Parameters:
    ///   - path: where; an existing file is replaced.
    ///   - kind: at most 16 ASCII bytes that say what the file holds, checked when it is opened.
    ///   - version: the version of what the sections mean.
    public init(path: String, kind: String, version: UInt32) throws {
        file = try OutputFile(path: path)
        block.reserveCapacity(Self.blockSize)
        var header = [UInt8](repeating: 0, count: 64)
        header.withUnsafeMutableBytes { bytes in
            bytes.storeBytes(of: Self.magic.littleEndian, as: UInt64.self)
            bytes.storeBytes(of: version.littleEndian, toByteOffset: 8, as: UInt32.self)
            for (index, byte) in kind.utf8.prefix(16).enumerated() { bytes[16 + index] = byte }
        }
        try header.withUnsafeBytes { try put($0) }
    }

    /// Writes a whole section.
    public func add<Element: BitwiseCopyable>(_ name: String, _ elements: [Element]) throws {
        try begin(name)
        try elements.withUnsafeBytes { try append($0) }
        try end()
    }

    /// Starts a section that is written piece by piece.
    public func begin(_ name: String) throws {
        precondition(openSection == nil, "a section is open")
        let padding = -file.count & 63
        if padding > 0 { try [UInt8](repeating: 0, count: padding).withUnsafeBytes { try put($0) } }
        openSection = (name, file.count)
    }

    /// Appends bytes to the open section.
    public func append(_ bytes: UnsafeRawBufferPointer) throws {
        precondition(openSection != nil, "no section is open")
        try put(bytes)
    }

    /// The bytes of the open section so far.
    public var sectionLength: Int { file.count - (openSection?.offset ?? file.count) }

    /// Ends the open section.
    public func end() throws {
        guard let section = openSection else { preconditionFailure("no section is open") }
        directory.append((section.name, section.offset, file.count - section.offset))
        openSection = nil
    }

    /// Writes checksums and directory, synchronises the file to the disk and closes it.
    public func finish() throws {
        precondition(openSection == nil, "a section is open")
        let padding = -file.count & 63
        if padding > 0 { try [UInt8](repeating: 0, count: padding).withUnsafeBytes { try put($0) } }
        let dataLength = file.count
        if !block.isEmpty { closeBlock() }
        var tail: [UInt8] = []
        for checksum in checksums { Self.append(checksum, to: &tail) }
        let directoryOffset = dataLength + tail.count
        for section in directory {
            let name = Array(section.name.utf8)
            Self.append(UInt64(section.offset), to: &tail)
            Self.append(UInt64(section.length), to: &tail)
            Self.append(UInt64(name.count), to: &tail)
            tail.append(contentsOf: name)
        }
        var trailer: [UInt8] = []
        Self.append(UInt64(dataLength), to: &trailer)
        Self.append(UInt64(directoryOffset), to: &trailer)
        Self.append(UInt64(dataLength + tail.count + 64), to: &trailer)
        Self.append(UInt64(directory.count), to: &trailer)
        Self.append(tail.withUnsafeBytes { XXH64.hash($0) }, to: &trailer)
        Self.append(0, to: &trailer)
        Self.append(trailer.withUnsafeBytes { XXH64.hash($0) }, to: &trailer)
        Self.append(Self.magic, to: &trailer)
        try tail.withUnsafeBytes { try file.append($0) }
        try trailer.withUnsafeBytes { try file.append($0) }
        try file.finish()
    }

    private static func append(_ value: UInt64, to bytes: inout [UInt8]) {
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }

    private func put(_ bytes: UnsafeRawBufferPointer) throws {
        try file.append(bytes)
        var rest = bytes
        while !rest.isEmpty {
            if block.isEmpty, rest.count >= Self.blockSize {
                checksums.append(XXH64.hash(UnsafeRawBufferPointer(rebasing: rest[..<(Self.blockSize)])))
                rest = UnsafeRawBufferPointer(rebasing: rest[(Self.blockSize)...])
                continue
            }
            let count = min(Self.blockSize - block.count, rest.count)
            block.append(contentsOf: rest[..<count])
            rest = UnsafeRawBufferPointer(rebasing: rest[count...])
            if block.count == Self.blockSize { closeBlock() }
        }
    }

    private func closeBlock() {
        checksums.append(block.withUnsafeBytes { XXH64.hash($0) })
        block.removeAll(keepingCapacity: true)
    }
}
