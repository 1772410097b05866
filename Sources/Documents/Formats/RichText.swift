// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation

/// Rich Text Format, which the program unrtf turns into HTML in a process of its own.
enum RichText {
    /// - Throws: `DocumentError` when unrtf is not installed, or cannot read the file.
    static func read(
        _ bytes: [UInt8], id: String, name: String, limits: ReadingLimits
    ) throws(DocumentError) -> SourceDocument {
        guard let program = ExternalProgram.find("unrtf") else {
            throw DocumentError("RTF needs the program unrtf, which is not installed")
        }
        guard
            let result = ExternalProgram.run(
                program, ["--html", "--nopict", "--quiet"], input: .bytes(withHexReplacements(bytes)),
                outputLimit: limits.textBytes, seconds: limits.seconds)
        else { throw DocumentError("unrtf cannot be started") }
        if result.ranOutOfTime { throw DocumentError("reading the RTF took more than \(limits.seconds) seconds") }
        if result.wroteTooMuch { throw DocumentError("the RTF gives more than \(limits.textBytes) bytes of text") }
        guard result.status == 0, !result.output.isEmpty else { throw DocumentError("the RTF is damaged") }
        return try HTMLDocument.read(joined(TextDecoding.lenient(result.output)), id: id, name: name)
    }

    /// The same text with the replacement after each `\u246` written as `\'3f`: unrtf takes any other for a whole word,
    /// and loses it.
    static func withHexReplacements(_ bytes: [UInt8]) -> [UInt8] {
        var output: [UInt8] = []
        output.reserveCapacity(bytes.count + bytes.count / 16)
        /// How many characters stand after a `\u` (`\uc`), for each open group.
        var counts = [1]
        var at = 0
        func number(from start: Int) -> (value: Int, end: Int)? {
            var end = start
            if end < bytes.count, bytes[end] == UInt8(ascii: "-") { end += 1 }
            while end < bytes.count, end - start < 7, (0x30...0x39).contains(bytes[end]) { end += 1 }
            return Int(String(decoding: bytes[start..<end], as: UTF8.self)).map { ($0, end) }
        }
        while at < bytes.count {
            let byte = bytes[at]
            if byte == UInt8(ascii: "{"), counts.count < 1 << 12 { counts.append(counts.last ?? 1) }
            if byte == UInt8(ascii: "}"), counts.count > 1 { counts.removeLast() }
            guard byte == UInt8(ascii: "\\"), at + 1 < bytes.count else {
                output.append(byte)
                at += 1
                continue
            }
            if bytes[at + 1] == UInt8(ascii: "u") {
                if at + 2 < bytes.count, bytes[at + 2] == UInt8(ascii: "c"), let (count, end) = number(from: at + 3) {
                    counts[counts.count - 1] = max(0, min(count, 8))
                    output += bytes[at..<end]
                    at = end
                    continue
                }
                if let (_, end) = number(from: at + 2) {
                    output += bytes[at..<end]
                    at = end
                    if at < bytes.count, bytes[at] == 32 { at += 1 }
                    var left = counts.last ?? 1
                    while left > 0, at < bytes.count, ![UInt8(ascii: "{"), UInt8(ascii: "}")].contains(bytes[at]) {
                        if bytes[at] == UInt8(ascii: "\\") {
                            guard at + 3 < bytes.count, bytes[at + 1] == UInt8(ascii: "'") else { break }
                            at += 3
                        }
                        at += 1
                        left -= 1
                    }
                    output += "\\'3f".utf8
                    continue
                }
            }
            output += bytes[at...(at + 1)]
            at += 2
        }
        return output
    }

    /// The page with the two halves of a character beyond U+FFFF as one reference.
    static func joined(_ page: String) -> String {
        guard page.contains("&#55") || page.contains("&#56") else { return page }
        var output = ""
        var rest = page[...]
        while let mark = rest.firstRange(of: "&#") {
            output += rest[..<mark.lowerBound]
            rest = rest[mark.lowerBound...]
            let parts = rest.prefix(16).split(separator: ";", omittingEmptySubsequences: false)
            if parts.count >= 3, parts[1].hasPrefix("&#"), let high = UInt32(parts[0].dropFirst(2)),
                let low = UInt32(parts[1].dropFirst(2)), (0xD800..<0xDC00).contains(high),
                (0xDC00..<0xE000).contains(low)
            {
                output += "&#\(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00));"
                rest = rest.dropFirst(parts[0].count + parts[1].count + 2)
            } else {
                output += "&#"
                rest = rest.dropFirst(2)
            }
        }
        return output + rest
    }
}
