// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation

/// Bytes that come one piece after the other: a file, a member of an archive, standard input.
package protocol ByteStream: AnyObject {
    /// Fills the front of a buffer, which is not empty.
    /// - Returns: how many bytes there are; 0 at the end and only there.
    func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int
}

/// The bytes of an open file.
package final class FileStream: ByteStream {
    private static let pieceSize = 1 << 20
    private let descriptor: Int32
    private var hash: UInt64?
    private var piece: [UInt8] = []
    private var at = 0
    private let budget: SourceBudget?

    /// - Parameters:
    ///   - place: the file.
    ///   - offset: where to begin.
    ///   - budget: says when nobody waits for the file any more; then reading it is an error.
    /// - Throws: `DocumentError` when the file cannot be opened.
    package init(_ place: FilePlace, offset: Int = 0, budget: SourceBudget? = nil) throws(DocumentError) {
        descriptor = try place.open()
        self.budget = budget
        hash = offset == 0 ? 0 : nil
        if offset > 0, lseek(descriptor, off_t(offset), SEEK_SET) < 0 {
            let reason = String(cString: strerror(errno))
            close(descriptor)
            throw DocumentError("it cannot be read: \(reason)")
        }
    }

    deinit { close(descriptor) }

    /// The hash of what was read so far, in pieces of 1 MiB; nil when reading did not begin at the start.
    package var contentHash: UInt64? { hash }

    package func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        if at == piece.count {
            try fill()
            if piece.isEmpty { return 0 }
        }
        let count = min(buffer.count, piece.count - at)
        piece.withUnsafeBytes { buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[at..<(at + count)])) }
        at += count
        return count
    }

    /// Reads what is left for its hash alone.
    package func passOver() throws {
        repeat { try fill() } while !piece.isEmpty
    }

    private func fill() throws {
        if budget?.isCancelled == true { throw DocumentError.cancelled }
        if piece.capacity < Self.pieceSize { piece.reserveCapacity(Self.pieceSize) }
        var failure: Int32 = 0
        piece = [UInt8](unsafeUninitializedCapacity: Self.pieceSize) { buffer, filled in
            while filled < Self.pieceSize {
                let count = Glibc.read(descriptor, buffer.baseAddress?.advanced(by: filled), Self.pieceSize - filled)
                if count < 0, errno == EINTR { continue }
                if count < 0 { failure = errno }
                guard count > 0 else { break }
                filled += count
            }
        }
        at = 0
        guard failure == 0 else { throw DocumentError("it cannot be read: \(String(cString: strerror(failure)))") }
        if let seed = hash, !piece.isEmpty { hash = piece.withUnsafeBytes { XXH64.hash($0, seed: seed) } }
    }
}

/// Bytes in memory.
package final class MemoryStream: ByteStream {
    private let bytes: [UInt8]
    private var at = 0

    package init(_ bytes: [UInt8]) { self.bytes = bytes }

    package func read(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        let count = min(buffer.count, bytes.count - at)
        bytes.withUnsafeBytes { buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[at..<(at + count)])) }
        at += count
        return count
    }
}

/// A stream whose beginning was looked at already, which is given again.
package final class PeekedStream: ByteStream {
    package let head: [UInt8]
    /// Whether the head is all there is.
    package let isWhole: Bool
    private let rest: any ByteStream
    private var at = 0

    /// Reads the first `count` bytes, or as many as there are.
    package init(_ stream: any ByteStream, count: Int) throws {
        rest = stream
        var head = [UInt8](repeating: 0, count: count)
        var filled = 0
        var ended = false
        while filled < count {
            let piece = try head.withUnsafeMutableBytes {
                try stream.read(into: UnsafeMutableRawBufferPointer(rebasing: $0[filled...]))
            }
            if piece == 0 {
                ended = true
                break
            }
            filled += piece
        }
        head.removeSubrange(filled...)
        self.head = head
        isWhole = ended
    }

    package func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        guard at < head.count else { return isWhole ? 0 : try rest.read(into: buffer) }
        let count = min(buffer.count, head.count - at)
        head.withUnsafeBytes { buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[at..<(at + count)])) }
        at += count
        return count
    }

    /// All bytes.
    /// - Throws: `DocumentError` when there are more than `limit`.
    package func all(limit: Int) throws -> [UInt8] {
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 1 << 18)
        while true {
            let count = try piece.withUnsafeMutableBytes { try read(into: $0) }
            if count == 0 { return bytes }
            guard bytes.count + count <= limit else {
                throw DocumentError("it is longer than \(limit) bytes, the limit for one document")
            }
            bytes.append(contentsOf: piece[..<count])
        }
    }
}

/// A text without the zeros that programs leave in it, and without the end mark of DOS.
package final class CleanedStream: ByteStream {
    private let base: any ByteStream
    /// End marks that are held back until it is known whether anything follows.
    private var held = 0
    private var output: [UInt8] = []
    private var at = 0
    private var ended = false

    package init(_ base: any ByteStream) { self.base = base }

    package func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        while at == output.count {
            guard !ended else { return 0 }
            var piece = [UInt8](repeating: 0, count: 1 << 16)
            let count = try piece.withUnsafeMutableBytes { try base.read(into: $0) }
            ended = count == 0
            output.removeAll(keepingCapacity: true)
            at = 0
            for byte in piece[..<count] where byte != 0 {
                if byte == 0x1A {
                    held += 1
                    continue
                }
                if held > 0 { output.append(contentsOf: repeatElement(0x1A, count: held)) }
                held = 0
                output.append(byte)
            }
        }
        let count = min(buffer.count, output.count - at)
        output.withUnsafeBytes { buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[at..<(at + count)])) }
        at += count
        return count
    }
}

/// A stream of another encoding, as UTF-8.
package final class TranscodingStream: ByteStream {
    private let base: any ByteStream
    private let converter: CharacterConverter
    private var skip: Int
    private var input: [UInt8] = []
    private var output: [UInt8] = []
    private var at = 0
    private var ended = false

    /// - Throws: `DocumentError` when there is no such encoding.
    package init(_ base: any ByteStream, from encoding: TextEncoding) throws(DocumentError) {
        guard let converter = CharacterConverter(from: encoding.name) else {
            throw DocumentError("there is no character encoding \"\(encoding.name)\"")
        }
        self.base = base
        self.converter = converter
        skip = encoding.markLength
    }

    package func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        while at == output.count {
            guard !ended else { return 0 }
            var piece = [UInt8](repeating: 0, count: 1 << 18)
            let count = try piece.withUnsafeMutableBytes { try base.read(into: $0) }
            ended = count == 0
            let dropped = min(skip, count)
            skip -= dropped
            input.append(contentsOf: piece[dropped..<count])
            output.removeAll(keepingCapacity: true)
            at = 0
            let used = input.withUnsafeBufferPointer { converter.convert($0, isLast: ended, into: &output) }
            input.removeFirst(used)
        }
        let count = min(buffer.count, output.count - at)
        output.withUnsafeBytes { buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[at..<(at + count)])) }
        at += count
        return count
    }
}
