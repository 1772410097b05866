// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation

/// Tells the kind of a text that has no name to go by: standard input, and files without an ending. Only what its marks
/// leave no doubt of; everything else is text.
enum UnnamedText {
    /// Bytes that are looked at.
    private static let reach = 1 << 16

    /// - Parameter isWhole: whether `head` is all of it.
    static func kind(_ head: UnsafeBufferPointer<UInt8>, isWhole: Bool) -> SourceFormat? {
        guard let encoding = TextEncoding.detect(head, isWhole: isWhole),
            let text = try? TextDecoding.text(
                UnsafeBufferPointer(rebasing: head.prefix(reach)), encoding: encoding
            ).text
        else { return nil }
        var lines = text.textLines().map { String($0) }
        // The last line of a beginning may be cut off.
        if !isWhole || head.count > reach, lines.count > 1 { lines.removeLast() }
        while lines.first?.allSatisfy(\.isWhitespace) == true { lines.removeFirst() }
        while lines.last?.allSatisfy(\.isWhitespace) == true { lines.removeLast() }
        guard let first = lines.first else { return nil }
        if first.lowercased().hasPrefix("#+title:") { return .org }
        if first == "---" || first.hasPrefix("%YAML ") { return settings(lines) }
        if isRestructured(lines) { return .rst }
        if isMarkdown(lines) { return .markdown }
        if isYAML(lines) { return .yaml }
        return table(Array(text.utf8), lines, isWhole: isWhole && head.count <= reach)
    }

    /// What begins with a line of dashes: YAML, or a text with front matter.
    private static func settings(_ lines: [String]) -> SourceFormat? {
        guard let end = lines.dropFirst().firstIndex(where: { $0 == "---" || $0 == "..." }) else {
            return isYAML(Array(lines.dropFirst())) ? .yaml : nil
        }
        guard isYAML(Array(lines[1..<end])) else { return nil }
        let rest = lines[(end + 1)...].drop { $0.allSatisfy(\.isWhitespace) }
        return rest.isEmpty || isYAML(Array(rest.prefix { $0 != "---" })) ? .yaml : .markdown
    }

    /// Whether every line is a member, an element or a comment, and the first members have plain names.
    private static func isYAML(_ lines: [String]) -> Bool {
        var members = 0
        for line in lines {
            let bare = line.drop { $0 == " " }
            if bare.isEmpty || bare.hasPrefix("#") { continue }
            var rest = bare
            while rest.hasPrefix("- ") { rest = rest.dropFirst(2).drop { $0 == " " } }
            let name = rest.prefix { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_" || $0 == "-" || $0 == ".") }
            let behind = rest[name.endIndex...]
            if !name.isEmpty, behind == ":" || behind.hasPrefix(": ") {
                // Labels of a note ("Subject: …") are written with a capital.
                if bare.startIndex == line.startIndex, name.first?.isUppercase == true { return false }
                members += 1
            } else if members == 0 || !(bare.hasPrefix("- ") || bare.startIndex > line.startIndex) {
                return false
            }
        }
        return members >= 2
    }

    /// Whether titles are underlined as in reStructuredText, beside a mark that only it has.
    private static func isRestructured(_ lines: [String]) -> Bool {
        var (titles, marks) = (0, 0)
        for (line, next) in zip(lines, lines.dropFirst()) {
            let isRule =
                next.count >= 3 && next.allSatisfy { $0 == next.first } && "=-~^\"*+#".contains(next.first ?? " ")
            if isRule, next.count >= line.count, line.first?.isLetter == true { titles += 1 }
        }
        for line in lines {
            if line.hasPrefix(".. "), line.contains("::") || line.hasPrefix(".. _") { marks += 1 }
            if line.hasPrefix(":"), line.dropFirst().contains(": ") { marks += 1 }
        }
        return titles > 0 && marks > 0
    }

    /// Whether a text has two kinds of Markdown's marks or more.
    private static func isMarkdown(_ lines: [String]) -> Bool {
        var kinds: Set<String> = []
        var last = ""
        for (index, line) in lines.enumerated() {
            let isFree = last.allSatisfy(\.isWhitespace)
            let isFollowedByBlank = index + 1 >= lines.count || lines[index + 1].allSatisfy(\.isWhitespace)
            let marks = line.prefix { $0 == "#" }.count
            if isFree, (1...6).contains(marks), line.dropFirst(marks).hasPrefix(" "), isFollowedByBlank {
                kinds.insert("heading \(marks)")
            }
            if isFree, line.hasPrefix("```") { kinds.insert("fence") }
            if line.hasPrefix("|"), line.contains("--"), line.allSatisfy({ "|-: ".contains($0) }) {
                kinds.insert("table")
            }
            if let link = line.range(of: "]("), line[..<link.lowerBound].contains("["),
                line[link.upperBound...].contains(")")
            {
                kinds.insert("link")
            }
            if line.split(separator: "**", omittingEmptySubsequences: false).count >= 3 { kinds.insert("bold") }
            last = line
        }
        return kinds.count >= 2
    }

    /// Whether rows of values stand below a line of names, all of one width.
    private static func table(_ bytes: [UInt8], _ lines: [String], isWhole: Bool) -> SourceFormat? {
        guard lines.count >= 2, let first = lines.first else { return nil }
        for (mark, format) in [("\t", SourceFormat.tsv), (",", .csv), (";", .csv), ("|", .csv)]
        where first.contains(mark) && mark.utf8.first.map({ isTable(bytes, mark: $0, isWhole: isWhole) }) == true {
            return format
        }
        return nil
    }

    private static func isTable(_ bytes: [UInt8], mark: UInt8, isWhole: Bool) -> Bool {
        bytes.withUnsafeBufferPointer { bytes in
            guard
                let dialect = try? DelimitedDialect(head: bytes, delimiter: mark, isForced: true, isWhole: isWhole),
                dialect.preamble == 0, dialect.hasHeader, dialect.header.count >= 2,
                dialect.sample.count >= (dialect.header.count > 2 ? 1 : 2)
            else { return false }
            // Names are short, different, and no sentences.
            guard
                dialect.header.allSatisfy({ name in
                    !name.isEmpty && name.count <= 40 && name.split(separator: " ").count <= 4
                        && name.contains(where: \.isLetter) && !name.hasSuffix(".")
                })
            else { return false }
            let even = dialect.sample.count { $0.count == dialect.header.count }
            guard even * 20 >= dialect.sample.count * 19 else { return false }
            // Signs of sentences stand before spaces.
            let fields = dialect.sample.flatMap { $0.dropFirst() }
            return mark == 9 || fields.count { $0.hasPrefix(" ") } * 2 < fields.count
        }
    }
}

extension JSONShape {
    /// Whether what begins with a bracket or a brace goes on as JSON does, also as people write it (names without quotes,
    /// comments). `[INFO] started`, `[section]` and `[1] a reference` do not.
    static func isPlausible(_ head: UnsafeBufferPointer<UInt8>) -> Bool {
        var scan = Scan(bytes: head.drop { $0 == 32 || ($0 >= 9 && $0 <= 13) || [0xEF, 0xBB, 0xBF].contains($0) })
        return scan.run()
    }

    /// Looks at the first tokens.
    private struct Scan {
        var bytes: Slice<UnsafeBufferPointer<UInt8>>
        private var open: [UInt8] = []

        init(bytes: Slice<UnsafeBufferPointer<UInt8>>) { self.bytes = bytes }

        mutating func run() -> Bool {
            /// Whether a value or a name has just ended.
            var isAfterValue = false
            for _ in 0..<64 {
                passBlanks()
                guard let byte = bytes.first else { return true }
                switch byte {
                case UInt8(ascii: "{"), UInt8(ascii: "["):
                    guard !isAfterValue else { return false }
                    open.append(byte)
                    bytes.removeFirst()
                case UInt8(ascii: "}"), UInt8(ascii: "]"):
                    guard open.popLast() == (byte == UInt8(ascii: "}") ? UInt8(ascii: "{") : UInt8(ascii: "[")) else {
                        return false
                    }
                    bytes.removeFirst()
                    if open.isEmpty { return isEndOfValue() }
                    isAfterValue = true
                case UInt8(ascii: ","), UInt8(ascii: ":"):
                    guard isAfterValue else { return false }
                    isAfterValue = false
                    bytes.removeFirst()
                case UInt8(ascii: "\""), UInt8(ascii: "'"):
                    guard !isAfterValue, passText(byte) else { return false }
                    isAfterValue = true
                default:
                    guard !isAfterValue, passWord() else { return false }
                    isAfterValue = true
                }
            }
            return true
        }

        /// Whether nothing but a further value stands behind a whole one, on its line or on the next.
        private mutating func isEndOfValue() -> Bool {
            passBlanks()
            guard let next = bytes.first else { return true }
            return [UInt8(ascii: "{"), UInt8(ascii: "["), UInt8(ascii: ","), 0x1E].contains(next)
        }

        private mutating func passBlanks() {
            while let byte = bytes.first {
                if byte == 32 || (byte >= 9 && byte <= 13) {
                    bytes.removeFirst()
                } else if byte == UInt8(ascii: "/"), let second = bytes.dropFirst().first {
                    if second == UInt8(ascii: "/") {
                        bytes = bytes.drop { $0 != 10 }
                    } else if second == UInt8(ascii: "*") {
                        bytes = bytes.dropFirst(2)
                        while let next = bytes.popFirst() {
                            if next == UInt8(ascii: "*"), bytes.first == UInt8(ascii: "/") {
                                bytes.removeFirst()
                                break
                            }
                        }
                    } else {
                        return
                    }
                } else {
                    return
                }
            }
        }

        private mutating func passText(_ quote: UInt8) -> Bool {
            bytes.removeFirst()
            while let byte = bytes.popFirst() {
                if byte == UInt8(ascii: "\\") {
                    _ = bytes.popFirst()
                } else if byte == quote {
                    return true
                }
            }
            // The beginning ends within it.
            return true
        }

        /// A number, a word for a value, or a name before its colon.
        private mutating func passWord() -> Bool {
            let word = bytes.prefix {
                ($0 >= 48 && $0 < 58) || ($0 | 0x20 >= 97 && $0 | 0x20 <= 122) || [43, 45, 46, 95, 36].contains($0)
                    || $0 >= 0x80
            }
            guard !word.isEmpty else { return false }
            bytes = bytes[word.endIndex...]
            let text = String(decoding: word, as: UTF8.self)
            let values = [
                "true", "false", "null", "NaN", "Infinity", "-Infinity", "None", "True", "False", "undefined",
            ]
            if values.contains(text) || Double(text) != nil { return true }
            return open.last == UInt8(ascii: "{")
                && bytes.drop { $0 == 32 || ($0 >= 9 && $0 <= 13) }.first == UInt8(ascii: ":")
        }
    }
}
