// SPDX-License-Identifier: Apache-2.0

import Foundation

// Where lines end, decided here for the whole program: at "\n", at "\r\n" and at a "\r" that stands alone. Swift's own
// `split(separator: "\n")` does not see "\r\n", which is one `Character` of its own.

extension StringProtocol {
    /// The lines without their ends. A text that ends with a line's end has no empty line after it.
    /// - Parameter omittingEmpty: leaves out lines with nothing in them. Default: false.
    public func textLines(omittingEmpty: Bool = false) -> [SubSequence] {
        var lines: [SubSequence] = []
        let bytes = utf8
        var start = bytes.startIndex
        var at = start
        func close(_ end: Index) {
            if !omittingEmpty || start < end { lines.append(self[start..<end]) }
        }
        while at < bytes.endIndex {
            let byte = bytes[at]
            guard byte == 10 || byte == 13 else {
                at = bytes.index(after: at)
                continue
            }
            close(at)
            at = bytes.index(after: at)
            if byte == 13, at < bytes.endIndex, bytes[at] == 10 { at = bytes.index(after: at) }
            start = at
        }
        if start < bytes.endIndex { close(bytes.endIndex) }
        return lines
    }

    /// The same text with "\n" as the end of every line.
    public func withUnixLineEnds() -> String {
        guard holds(13) else { return String(self) }
        var text = String(self)
        return text.withUTF8 { bytes in
            String(unsafeUninitializedCapacity: bytes.count) { target in
                var filled = 0
                var at = 0
                while at < bytes.count {
                    let end = bytes.firstIndex(of: 13, from: at) ?? bytes.count
                    for index in at..<end {
                        target[filled] = bytes[index]
                        filled += 1
                    }
                    at = end + 1
                    guard end < bytes.count else { break }
                    target[filled] = 10
                    filled += 1
                    if at < bytes.count, bytes[at] == 10 { at += 1 }
                }
                return filled
            }
        }
    }

    /// Whether a byte of ASCII is in the text.
    public func holds(_ byte: UInt8) -> Bool {
        utf8.withContiguousStorageIfAvailable { $0.firstIndex(of: byte, from: 0) != nil } ?? utf8.contains(byte)
    }
}

extension UnsafeBufferPointer<UInt8> {
    /// The first place of a byte from an index on.
    public func firstIndex(of byte: UInt8, from start: Int) -> Int? {
        guard let base = baseAddress, start < count else { return nil }
        guard let found = memchr(base + start, Int32(byte), count - start) else { return nil }
        return UnsafeRawPointer(found) - UnsafeRawPointer(base)
    }
}

extension Collection<UInt8> {
    /// The lines of a text in bytes, without their ends, as `textLines()` finds them.
    /// - Parameter omittingEmpty: leaves out lines with nothing in them. Default: false.
    public func textLines(omittingEmpty: Bool = false) -> [SubSequence] {
        var lines: [SubSequence] = []
        var start = startIndex
        var at = start
        while at < endIndex {
            let byte = self[at]
            let end = at
            at = index(after: at)
            guard byte == 10 || byte == 13 else { continue }
            if byte == 13, at < endIndex, self[at] == 10 { at = index(after: at) }
            if !omittingEmpty || start < end { lines.append(self[start..<end]) }
            start = at
        }
        if start < endIndex { lines.append(self[start..<endIndex]) }
        return lines
    }
}
