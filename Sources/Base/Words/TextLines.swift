// SPDX-License-Identifier: Apache-2.0

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
        guard utf8.contains(13) else { return String(self) }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(utf8.count)
        var wasReturn = false
        for byte in utf8 {
            if byte == 13 {
                bytes.append(10)
            } else if byte != 10 || !wasReturn {
                bytes.append(byte)
            }
            wasReturn = byte == 13
        }
        return String(decoding: bytes, as: UTF8.self)
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
