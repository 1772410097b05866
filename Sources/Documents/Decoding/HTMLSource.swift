// SPDX-License-Identifier: Apache-2.0

/// Takes wrappers around wrappers out of pages that nest them deeper than libxml2 reads (256 elements).
enum HTMLNesting {
    private static let wrappers: Set<String> = [
        "div", "span", "section", "article", "font", "center", "blockquote", "b", "i", "em", "strong", "small", "big",
        "u",
    ]
    private static let limit = 100

    /// The page without the tags of wrappers that nest deeper than a hundred; nil when there are none.
    static func flattened(_ text: String) -> String? {
        let bytes = Array(text.utf8)
        var output: [UInt8] = []
        output.reserveCapacity(bytes.count)
        var depth = 0
        var isChanged = false
        var at = 0
        while at < bytes.count {
            guard bytes[at] == UInt8(ascii: "<"), at + 1 < bytes.count else {
                output.append(bytes[at])
                at += 1
                continue
            }
            let isEnd = bytes[at + 1] == UInt8(ascii: "/")
            let name = bytes[(at + (isEnd ? 2 : 1))...].prefix(12).prefix { $0 | 32 >= 97 && $0 | 32 <= 122 }
            guard wrappers.contains(String(decoding: name, as: UTF8.self).lowercased()),
                let end = bytes[at...].firstIndex(of: UInt8(ascii: ">"))
            else {
                output.append(bytes[at])
                at += 1
                continue
            }
            if isEnd { depth -= 1 }
            if depth >= limit {
                isChanged = true
                output.append(UInt8(ascii: " "))
            } else {
                output.append(contentsOf: bytes[at...end])
            }
            if !isEnd { depth += 1 }
            depth = max(0, depth)
            at = end + 1
        }
        return isChanged ? String(decoding: output, as: UTF8.self) : nil
    }
}

/// Replaces character references before libxml2 sees them, except those that stand for markup.
enum HTMLEntities {
    static func resolved(_ text: String) -> String {
        let bytes = text.utf8
        guard bytes.contains(UInt8(ascii: "&")) else { return text }
        var output: [UInt8] = []
        output.reserveCapacity(bytes.count)
        var at = bytes.startIndex
        var isInTag = false
        while let mark = bytes[at...].firstIndex(of: UInt8(ascii: "&")) {
            var last: UInt8 = 0
            for byte in bytes[at..<mark] {
                if byte == UInt8(ascii: ">") { isInTag = false }
                if last == UInt8(ascii: "<"), byte | 32 >= 97, byte | 32 <= 122 { isInTag = true }
                last = byte
            }
            output.append(contentsOf: bytes[at..<mark])
            let next = bytes.index(after: mark)
            if let (replacement, end) = reference(bytes[next...], isInTag: isInTag) {
                output.append(contentsOf: replacement.utf8)
                at = end
            } else {
                output.append(UInt8(ascii: "&"))
                at = next
            }
        }
        output.append(contentsOf: bytes[at...])
        return String(decoding: output, as: UTF8.self)
    }

    /// The text of the reference after an ampersand, and where it ends; nil leaves it to libxml2 or as it is.
    private static func reference(_ rest: Substring.UTF8View, isInTag: Bool) -> (String, String.Index)? {
        if rest.first == UInt8(ascii: "#") { return numeric(rest.dropFirst()) }
        let name = rest.prefix { ($0 | 32 >= 97 && $0 | 32 <= 122) || ($0 >= 48 && $0 < 58) }.prefix(32)
        guard !name.isEmpty else { return nil }
        let hasEnd = name.endIndex < rest.endIndex && rest[name.endIndex] == UInt8(ascii: ";")
        if hasEnd {
            switch String(Substring(name)) {
            case "amp", "lt", "gt", "quot", "AMP", "LT", "GT", "QUOT": return nil
            default:
                if let text = HTMLReferences.text(name) { return (text, rest.index(after: name.endIndex)) }
            }
        }
        // Old names count without a semicolon; in attributes only where nothing goes on behind them.
        for length in stride(from: min(name.count, 6), through: 2, by: -1) {
            let prefix = name.prefix(length)
            guard HTMLReferences.legacy.contains(String(Substring(prefix))) else { continue }
            let follows = prefix.endIndex < rest.endIndex ? rest[prefix.endIndex] : 32
            if isInTag, follows == UInt8(ascii: "=") || length < name.count { return nil }
            switch String(Substring(prefix)).lowercased() {
            // What stands for markup stays a reference.
            case "amp", "lt", "gt", "quot": return ("&\(Substring(prefix).lowercased());", prefix.endIndex)
            default: return HTMLReferences.text(prefix).map { ($0, prefix.endIndex) }
            }
        }
        return nil
    }

    private static func numeric(_ rest: Substring.UTF8View) -> (String, String.Index)? {
        let isHex = rest.first == UInt8(ascii: "x") || rest.first == UInt8(ascii: "X")
        let digits = (isHex ? rest.dropFirst() : rest).prefix {
            ($0 >= 48 && $0 < 58) || (isHex && $0 | 32 >= 97 && $0 | 32 <= 102)
        }
        guard !digits.isEmpty else { return nil }
        var end = digits.endIndex
        if end < rest.endIndex, rest[end] == UInt8(ascii: ";") { end = rest.index(after: end) }
        let value = UInt32(Substring(digits), radix: isHex ? 16 : 10) ?? 0xFFFD
        switch value {
        case 0x26, 0x3C, 0x3E, 0x22: return nil
        case 0x80...0x9F: return (String(windows1252(value)), end)
        case 0: return ("\u{FFFD}", end)
        default: return (String(Unicode.Scalar(value) ?? "\u{FFFD}"), end)
        }
    }

    /// What HTML takes the control characters from U+0080 to U+009F for.
    private static func windows1252(_ value: UInt32) -> Unicode.Scalar {
        let table: [UInt32] = [
            0x20AC, 0x81, 0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160, 0x2039, 0x0152, 0x8D,
            0x017D, 0x8F, 0x90, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A,
            0x0153, 0x9D, 0x017E, 0x0178,
        ]
        return Unicode.Scalar(table[Int(value - 0x80)]) ?? "\u{FFFD}"
    }
}
