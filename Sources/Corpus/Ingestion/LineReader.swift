// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import Text

/// Reads lines, or CSV records that span lines, from a file or pipe, with memory bounded by the longest line allowed.
struct LineReader {
    /// A line that was appended to the caller's buffer.
    struct Line {
        /// Its bytes in the buffer, without the line's end; empty when too long.
        var range: Range<Int>
        /// The number of its first line in the file, from 1.
        var number: Int
        /// Where the next line starts in the file.
        var end: Int
        /// Whether it is longer than the limit; its bytes were passed over.
        var isTooLong: Bool
    }

    private static let pieceSize = 1 << 20
    let path: String
    private let descriptor: Int32
    private let limit: Int
    private let quoted: Bool
    private var piece: [UInt8]
    private var pieceCount = 0
    private var at = 0
    private var offset: Int
    private var lineNumber: Int
    private var ended = false
    private var hash: UInt64?

    /// - Parameters:
    ///   - descriptor: an open file at `offset`; the caller closes it.
    ///   - quoted: whether a line's end between double quotes belongs to the record.
    init(path: String, descriptor: Int32, limit: Int, quoted: Bool, offset: Int = 0, lineNumber: Int = 0) {
        self.path = path
        self.descriptor = descriptor
        self.limit = limit
        self.quoted = quoted
        self.offset = offset
        self.lineNumber = lineNumber
        piece = [UInt8](repeating: 0, count: Self.pieceSize)
        hash = offset == 0 ? 0 : nil
    }

    /// The hash of the whole file, once its end was reached and when it was read from its start.
    var contentHash: UInt64? { ended ? hash : nil }

    /// The bytes before the next line.
    var position: Int { offset }
    /// The number of the last line read.
    var lastLine: Int { lineNumber }

    /// Appends the next line to `buffer`; nil at the end.
    mutating func next(into buffer: inout [UInt8]) throws -> Line? {
        let start = buffer.count
        let first = lineNumber + 1
        var tooLong = false
        var isQuoteOpen = false
        var sawByte = false
        while true {
            if at == pieceCount {
                guard try fill() else {
                    guard sawByte else { return nil }
                    if isQuoteOpen {
                        buffer.removeSubrange(start...)
                        throw CorpusError(.badInput, "\(path):\(first): a double quote is opened and never closed")
                    }
                    lineNumber += 1
                    break
                }
            }
            sawByte = true
            let segment: Int
            let found: Bool
            (segment, found) = piece.withUnsafeBufferPointer { piece in
                guard let base = piece.baseAddress else { return (0, false) }
                if let mark = memchr(base + at, 10, pieceCount - at) {
                    return (UnsafePointer(mark.assumingMemoryBound(to: UInt8.self)) - (base + at), true)
                }
                return (pieceCount - at, false)
            }
            if quoted {
                for byte in piece[at..<(at + segment)] where byte == UInt8(ascii: "\"") { isQuoteOpen.toggle() }
            }
            if !tooLong {
                if buffer.count - start + segment > limit {
                    tooLong = true
                    buffer.removeSubrange(start...)
                } else {
                    buffer.append(contentsOf: piece[at..<(at + segment)])
                }
            }
            at += segment + (found ? 1 : 0)
            offset += segment + (found ? 1 : 0)
            guard found else { continue }
            lineNumber += 1
            if isQuoteOpen, !tooLong {
                buffer.append(10)
                continue
            }
            break
        }
        if buffer.count > start, buffer.last == 13 { buffer.removeLast() }
        return Line(range: start..<buffer.count, number: first, end: offset, isTooLong: tooLong)
    }

    private mutating func fill() throws -> Bool {
        guard !ended else { return false }
        pieceCount = 0
        at = 0
        while pieceCount < Self.pieceSize {
            let have = pieceCount
            let count = piece.withUnsafeMutableBytes {
                read(descriptor, $0.baseAddress?.advanced(by: have), Self.pieceSize - have)
            }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw CorpusError.system("read", path) }
            if count == 0 {
                ended = true
                break
            }
            pieceCount += count
        }
        if let seed = hash, pieceCount > 0 {
            hash = piece.withUnsafeBytes { XXH64.hash(UnsafeRawBufferPointer(rebasing: $0[..<pieceCount]), seed: seed) }
        }
        return pieceCount > 0
    }
}
