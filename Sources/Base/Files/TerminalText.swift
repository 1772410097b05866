// SPDX-License-Identifier: Apache-2.0

/// Text of documents, models and file names as it may be shown on a terminal, in a log or on a page: characters that move
/// the cursor, change colours, answer for the user or turn the order of reading around are shown as their code.
public enum TerminalText {
    /// The text with every such character written as `\u{…}`; line ends and tabs stay.
    public static func safe(_ text: String) -> String {
        guard text.unicodeScalars.contains(where: { isUnsafe($0) }) else { return text }
        var result = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            if isUnsafe(scalar) {
                result.append(contentsOf: "\\u{\(String(scalar.value, radix: 16))}".unicodeScalars)
            } else {
                result.append(scalar)
            }
        }
        return String(result)
    }

    /// The same, where the program's own bold, dim and plain (`ESC [ 1 m`, `2 m`, `0 m`) are let through.
    public static func safeWithStyle(_ text: String) -> String {
        guard text.unicodeScalars.contains("\u{1B}") else { return safe(text) }
        var result = ""
        var rest = Substring(text)
        while let escape = rest.firstIndex(where: { $0.unicodeScalars.contains("\u{1B}") }) {
            result += safe(String(rest[..<escape]))
            rest = rest[escape...]
            if let style = styles.first(where: { rest.hasPrefix($0) }) {
                result += style
                rest = rest.dropFirst(style.count)
            } else {
                result += safe(String(rest.prefix(1)))
                rest = rest.dropFirst()
            }
        }
        return result + safe(String(rest))
    }

    /// The text without the codes that colour it or move the cursor (ECMA-48 control sequences, and titles of windows), as
    /// programs put them into their logs.
    public static func withoutCodes(_ text: String) -> String {
        guard text.holds(27) else { return text }
        let bytes = Array(text.utf8)
        var output: [UInt8] = []
        output.reserveCapacity(bytes.count)
        var at = 0
        while at < bytes.count {
            guard bytes[at] == 27, at + 1 < bytes.count else {
                output.append(bytes[at])
                at += 1
                continue
            }
            var end = at + 2
            switch bytes[at + 1] {
            case UInt8(ascii: "["):
                // Parameters, and the letter that ends them.
                while end < bytes.count, bytes[end] >= 0x20, bytes[end] < 0x40 { end += 1 }
                end = end < bytes.count && bytes[end] < 0x7F ? end + 1 : end
            case UInt8(ascii: "]"):
                let limit = min(bytes.count, end + 256)
                while end < limit, bytes[end] != 7, bytes[end] != 27, bytes[end] != 10 { end += 1 }
                if end < bytes.count, bytes[end] == 7 { end += 1 }
            default: end = at + 1
            }
            at = end
        }
        return String(decoding: output, as: UTF8.self)
    }

    private static let styles = ["\u{1B}[0m", "\u{1B}[1m", "\u{1B}[2m"]

    /// Whether a character is no text: controls of both sets, line and paragraph separators, and the marks, embeddings,
    /// overrides and isolates of bidirectional text.
    public static func isUnsafe(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x09, 0x0A: return false
        case 0..<0x20, 0x7F...0x9F: return true
        case 0x061C, 0x200E, 0x200F, 0x2028...0x202E, 0x2066...0x2069: return true
        // What has no width hides words from whoever reads, and tag characters spell them.
        case 0x200B, 0x2060...0x2064, 0x206A...0x206F, 0xFEFF, 0xFFF9...0xFFFB, 0xE0000...0xE00FF: return true
        default: return false
        }
    }
}
