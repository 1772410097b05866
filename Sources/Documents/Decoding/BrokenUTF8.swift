// SPDX-License-Identifier: Apache-2.0

import Base

/// UTF-8 with a few bytes in it that are none: files that several programs wrote to.
enum BrokenUTF8 {
    /// Whether at least as many characters of several bytes are whole as bytes are wrong. In a text of another encoding
    /// whole ones are rare accidents.
    static func isMostly(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
        var (whole, wrong) = (0, 0)
        var at = 0
        while at < bytes.count {
            if bytes[at] < 0x80 {
                at += 1
                continue
            }
            let length = length(bytes, at)
            // A beginning may end within a character.
            if length == 0, bytes.count - at >= 4 { wrong += 1 }
            if length > 1 { whole += 1 }
            at += max(1, length)
        }
        return whole > 0 && whole >= wrong
    }

    /// The text, with each wrong byte as what it is in Windows-1252: that is where stray quotes and dashes come from.
    static func mended(_ bytes: UnsafeBufferPointer<UInt8>) -> String {
        var output: [UInt8] = []
        output.reserveCapacity(bytes.count + 64)
        let converter = CharacterConverter(from: "WINDOWS-1252")
        var at = 0
        while at < bytes.count {
            let length = length(bytes, at)
            if length == 0 {
                let wrong = UnsafeBufferPointer(rebasing: bytes[at...at])
                _ = converter?.convert(wrong, isLast: true, into: &output)
            } else {
                output.append(contentsOf: bytes[at..<(at + length)])
            }
            at += max(1, length)
        }
        return String(decoding: output, as: UTF8.self)
    }

    /// How many bytes the character at a place has; 0 for a byte that begins none.
    private static func length(_ bytes: UnsafeBufferPointer<UInt8>, _ at: Int) -> Int {
        let first = bytes[at]
        if first < 0x80 { return 1 }
        let count = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2
        guard first >= 0xC2, first < 0xF5, at + count <= bytes.count else { return 0 }
        let isValid = String(validating: bytes[at..<(at + count)], as: UTF8.self) != nil
        return isValid ? count : 0
    }
}
