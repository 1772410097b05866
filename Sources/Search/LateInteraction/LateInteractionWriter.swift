// SPDX-License-Identifier: Apache-2.0
import Base
import Foundation
import Text

/// The first 64 bytes of an index of token vectors.
struct LateInteractionHeader {
    var dimension: Int
    var passages: Int
    var tokens: Int
    var sectionChecksum: UInt32

    init(dimension: Int, passages: Int, tokens: Int, sectionChecksum: UInt32) {
        self.dimension = dimension
        self.passages = passages
        self.tokens = tokens
        self.sectionChecksum = sectionChecksum
    }

    init(_ bytes: UnsafeRawBufferPointer, path: String) throws {
        func malformed(_ reason: String) -> LateInteractionError { .malformed(path: path, reason: reason) }
        func word(_ offset: Int) -> UInt32 {
            UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
        }
        func long(_ offset: Int) -> UInt64 {
            UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
        }
        guard bytes[0..<8].elementsEqual(LateInteractionIndex.magic) else { throw malformed("its first bytes differ") }
        guard word(8) == LateInteractionIndex.version else { throw malformed("version \(word(8)), expected 1") }
        guard CRC32C.checksum(UnsafeRawBufferPointer(rebasing: bytes[0..<60])) == word(60) else {
            throw malformed("the checksum of its header is wrong")
        }
        let limit = UInt64(bytes.count)
        guard (1...65_536).contains(word(12)), long(16) <= limit, long(24) <= limit else {
            throw malformed("its sizes are out of range")
        }
        self.init(
            dimension: Int(word(12)), passages: Int(long(16)), tokens: Int(long(24)), sectionChecksum: word(32))
        guard bytes.count == fileBytes else {
            throw malformed("\(bytes.count) bytes long, expected \(fileBytes)")
        }
    }

    var fileBytes: Int { LateInteractionIndex.headerBytes + (passages + 1) * 8 + tokens * (4 + dimension) }

    var bytes: [UInt8] {
        var result = LateInteractionIndex.magic
        func put(_ value: some FixedWidthInteger) {
            withUnsafeBytes(of: value.littleEndian) { result.append(contentsOf: $0) }
        }
        put(LateInteractionIndex.version)
        put(UInt32(dimension))
        put(UInt64(passages))
        put(UInt64(tokens))
        put(sectionChecksum)
        result += [UInt8](repeating: 0, count: 60 - result.count)
        put(result.withUnsafeBytes { CRC32C.checksum($0) })
        return result
    }
}

/// Writes an index of token vectors, one passage after the other in the order of their ordinals. Codes go to a file
/// beside the target as they come; offsets and scales (12 bytes a token at most) stay in memory until the end.
public struct LateInteractionWriter: ~Copyable {
    private let path: String
    private let dimension: Int
    private var starts: [UInt64]
    private var scales: [Float]
    private let codes: FileHandle

    /// - Throws: ``LateInteractionError/system(path:reason:)`` where the folder cannot be written.
    public init(path: String, dimension: Int) throws {
        let place = path + ".codes"
        guard FileManager.default.createFile(atPath: place, contents: nil),
            let handle = FileHandle(forUpdatingAtPath: place)
        else { throw LateInteractionError.system(path: place, reason: "cannot be written") }
        self.path = path
        self.dimension = dimension
        starts = [0]
        scales = []
        codes = handle
    }

    deinit {
        try? codes.close()
        unlink(path + ".codes")
    }

    /// Adds the next passage.
    public mutating func append(_ tokens: TokenMatrix) throws {
        precondition(tokens.dimension == dimension, "vectors of another length")
        try tokens.codes.withUnsafeBytes { try codes.write(contentsOf: Data($0)) }
        scales += tokens.scales
        starts.append(UInt64(scales.count))
    }

    /// Writes the index under its name, all at once.
    public consuming func finish() throws {
        let fresh = path + ".new"
        guard FileManager.default.createFile(atPath: fresh, contents: nil),
            let file = FileHandle(forWritingAtPath: fresh)
        else { throw LateInteractionError.system(path: fresh, reason: "cannot be written") }
        do {
            var checksum: UInt32 = 0
            func write(_ data: Data) throws {
                checksum = data.withUnsafeBytes { CRC32C.checksum($0, continuing: checksum) }
                try file.write(contentsOf: data)
            }
            try file.write(contentsOf: Data(count: LateInteractionIndex.headerBytes))
            try write(starts.map(\.littleEndian).withUnsafeBytes { Data($0) })
            try write(scales.map(\.bitPattern.littleEndian).withUnsafeBytes { Data($0) })
            try codes.seek(toOffset: 0)
            while let chunk = try codes.read(upToCount: 1 << 20), !chunk.isEmpty { try write(chunk) }
            let header = LateInteractionHeader(
                dimension: dimension, passages: starts.count - 1, tokens: scales.count, sectionChecksum: checksum)
            try file.seek(toOffset: 0)
            try file.write(contentsOf: Data(header.bytes))
            try file.synchronize()
            try file.close()
            guard rename(fresh, path) == 0 else {
                throw LateInteractionError.system(path: path, reason: String(cString: strerror(errno)))
            }
        } catch {
            unlink(fresh)
            throw error
        }
    }
}
