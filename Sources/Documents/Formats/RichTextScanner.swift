// SPDX-License-Identifier: Apache-2.0

/// Cuts Rich Text Format (version 1.9.1) into groups, control words and text.
struct RichTextScanner {
    enum Token {
        case open, close
        /// A control word, `\par`, with its number, `\fs24`.
        case word(String, Int?)
        /// A control symbol, `\~`.
        case symbol(UInt8)
        /// A byte of text: as it stands, or written as `\'e9`.
        case byte(UInt8, isEscaped: Bool)
    }

    private let bytes: UnsafeBufferPointer<UInt8>
    private var at = 0

    init(_ bytes: UnsafeBufferPointer<UInt8>) { self.bytes = bytes }

    mutating func next() -> Token? {
        while at < bytes.count {
            let byte = bytes[at]
            at += 1
            switch byte {
            case UInt8(ascii: "{"): return .open
            case UInt8(ascii: "}"): return .close
            case UInt8(ascii: "\\"): return control()
            // Line ends are only for people who look at the file.
            case 10, 13, 0: continue
            case 9: return .word("tab", nil)
            default: return .byte(byte, isEscaped: false)
            }
        }
        return nil
    }

    /// Goes past bytes that are no text, as `\bin` says.
    mutating func skip(_ count: Int) { at += min(max(count, 0), bytes.count - at) }

    private mutating func control() -> Token? {
        guard at < bytes.count else { return nil }
        let first = bytes[at]
        guard Self.isLetter(first) else {
            at += 1
            switch first {
            case UInt8(ascii: "'"):
                guard at + 1 < bytes.count, let high = Self.digit(bytes[at]), let low = Self.digit(bytes[at + 1]) else {
                    return next()
                }
                at += 2
                return .byte(high << 4 | low, isEscaped: true)
            case UInt8(ascii: "\\"), UInt8(ascii: "{"), UInt8(ascii: "}"): return .byte(first, isEscaped: false)
            case 10, 13: return .word("par", nil)
            case 9: return .word("tab", nil)
            default: return .symbol(first)
            }
        }
        let start = at
        while at < bytes.count, at - start < 32, Self.isLetter(bytes[at]) { at += 1 }
        let name = String(decoding: bytes[start..<at], as: UTF8.self)
        var number: Int?
        let sign = at
        if at < bytes.count, bytes[at] == UInt8(ascii: "-") { at += 1 }
        let digits = at
        while at < bytes.count, at - digits < 10, (48...57).contains(bytes[at]) {
            number = (number ?? 0) * 10 + Int(bytes[at] - 48)
            at += 1
        }
        if number == nil { at = sign } else if sign < digits { number = -(number ?? 0) }
        if at < bytes.count, bytes[at] == 32 { at += 1 }
        return .word(name, number)
    }

    private static func isLetter(_ byte: UInt8) -> Bool { byte | 32 >= 97 && byte | 32 <= 122 }

    private static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 48...57: byte - 48
        case 65...70: byte - 55
        case 97...102: byte - 87
        default: nil
        }
    }
}
