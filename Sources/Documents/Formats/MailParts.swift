// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Counts the parts of a message before it is parsed: the parser makes some kilobytes of objects for each, and a part can be
/// as short as its delimiter.
enum MailParts {
    /// Where the part begins that is one more than `count`, by the delimiter lines (RFC 2046, 5.1.1) of all boundaries that
    /// occur in the message; nil when there are not so many.
    ///
    /// A boundary that is written in a way which this does not read, as with RFC 2231's continuations, makes every line a
    /// delimiter that begins like one.
    static func end(ofFirst count: Int, in bytes: UnsafeBufferPointer<UInt8>) -> Int? {
        // Nearly all messages have too few such lines altogether.
        guard let first = end(ofFirst: count, in: bytes, isDelimiter: { _ in true }) else { return nil }
        guard let boundaries = boundaries(in: bytes) else { return first }
        let lengths = Set(boundaries.map(\.count)).sorted()
        guard lengths.count <= 32 else { return first }
        return end(ofFirst: count, in: bytes) { place in
            lengths.contains { length in
                place + length <= bytes.count && boundaries.contains(Array(bytes[place..<(place + length)]))
            }
        }
    }

    /// - Parameter isDelimiter: whether what stands behind the hyphens at a line's beginning makes it a delimiter.
    private static func end(
        ofFirst count: Int, in bytes: UnsafeBufferPointer<UInt8>, isDelimiter: (Int) -> Bool
    ) -> Int? {
        var found = 0
        var line = 0
        while line + 2 < bytes.count {
            if bytes[line] == 45, bytes[line + 1] == 45, bytes[line + 2] != 10, isDelimiter(line + 2) {
                found += 1
                if found > count { return line }
            }
            guard let base = bytes.baseAddress, let feed = memchr(base + line, 10, bytes.count - line) else {
                return nil
            }
            line = base.distance(to: feed.assumingMemoryBound(to: UInt8.self)) + 1
        }
        return nil
    }

    /// What parameters of the name `boundary` say; nil where one of them is written in another way than as a plain word or a
    /// quoted text.
    private static func boundaries(in bytes: UnsafeBufferPointer<UInt8>) -> Set<[UInt8]>? {
        let name = Array("boundary".utf8)
        let blanks: Set<UInt8> = [9, 10, 13, 32]
        let special = Set("()<>@,;:\\\"/[]?=".utf8)
        var found: Set<[UInt8]> = []
        var place = 0
        while place + name.count < bytes.count {
            guard bytes[place] | 0x20 == name[0],
                name.indices.allSatisfy({ bytes[place + $0] | 0x20 == name[$0] })
            else {
                place += 1
                continue
            }
            place += name.count
            if bytes[place] == UInt8(ascii: "*") { return nil }
            while place < bytes.count, blanks.contains(bytes[place]) { place += 1 }
            guard place < bytes.count, bytes[place] == UInt8(ascii: "=") else { continue }
            place += 1
            while place < bytes.count, blanks.contains(bytes[place]) { place += 1 }
            let isQuoted = place < bytes.count && bytes[place] == UInt8(ascii: "\"")
            if isQuoted { place += 1 }
            let start = place
            while place < bytes.count, place - start < 1000,
                isQuoted
                    ? bytes[place] != UInt8(ascii: "\"")
                    : bytes[place] > 32 && bytes[place] < 127 && !special.contains(bytes[place])
            {
                place += 1
            }
            let value = bytes[start..<place]
            // Escapes, folded lines, encoded words and comments stand for other letters than they have.
            if value.isEmpty || value.count == 1000 || found.count == 10_000
                || value.contains(where: { $0 < 32 || $0 == UInt8(ascii: "\\") || $0 > 126 })
                || value.starts(with: Array("=?".utf8))
            {
                return nil
            }
            found.insert(Array(value))
        }
        return found
    }
}
