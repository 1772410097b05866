// SPDX-License-Identifier: Apache-2.0

import Base

/// Reads dates as they are commonly written: ISO 8601 (`2023-10-01`, `2023-10-01T12:30:00+02:00`, `20231001`),
/// `2023/10/01`, `October 1, 2023`, `1 October 2023`, `Sun, 01 Oct 2023 12:30:00 GMT`, `2023-10`.
///
/// Forms whose day and month cannot be told apart (`01/10/2023`) are not read.
public enum DateParser {
    /// The moment in seconds since 1970 (UTC where no zone is given); nil when the text is no date.
    public static func seconds(_ text: String) -> Int64? {
        guard text.utf8.count <= 64 else { return nil }
        var scanner = Scanner(bytes: Array(text.utf8))
        scanner.skipSpace()
        guard let date = scanner.iso() ?? scanner.named() else { return nil }
        guard date.month >= 1, date.month <= 12, date.day >= 1, date.day <= days(date.year, date.month) else {
            return nil
        }
        guard let time = scanner.time() else { return nil }
        scanner.skipSpace()
        guard scanner.atEnd else { return nil }
        return Int64(CalendarDate.day(year: date.year, month: date.month, day: date.day)) * 86_400 + time
    }

    private static func days(_ year: Int, _ month: Int) -> Int {
        switch month {
        case 2: return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: return 30
        default: return 31
        }
    }

    private struct Scanner {
        let bytes: [UInt8]
        var at = 0

        init(bytes: [UInt8]) { self.bytes = bytes }

        var atEnd: Bool { at == bytes.count }
        var next: UInt8? { at < bytes.count ? bytes[at] : nil }

        mutating func skipSpace() { while let byte = next, byte == 32 || byte == 9 { at += 1 } }

        mutating func take(_ byte: UInt8) -> Bool {
            guard next == byte else { return false }
            at += 1
            return true
        }

        /// A run of digits of a length in range.
        mutating func digits(_ counts: ClosedRange<Int>) -> Int? {
            var value = 0
            let start = at
            while let byte = next, byte >= 48, byte < 58, at - start < counts.upperBound {
                value = value * 10 + Int(byte - 48)
                at += 1
            }
            guard counts.contains(at - start) else {
                at = start
                return nil
            }
            return value
        }

        /// `2023-10-01`, `2023/10/01`, `20231001`, `2023-10`.
        mutating func iso() -> (year: Int, month: Int, day: Int)? {
            let start = at
            if let all = digits(8...8), next == nil || next == UInt8(ascii: "T") {
                // Eight digits with a year that is none are a number.
                if (1000...2999).contains(all / 10_000) { return (all / 10_000, all / 100 % 100, all % 100) }
            }
            at = start
            guard let year = digits(4...4), let mark = next, mark == UInt8(ascii: "-") || mark == UInt8(ascii: "/")
            else {
                at = start
                return nil
            }
            at += 1
            guard let month = digits(1...2) else {
                at = start
                return nil
            }
            guard take(mark) else { return atEnd ? (year, month, 1) : nil }
            guard let day = digits(1...2) else { return nil }
            return (year, month, day)
        }

        mutating func word() -> String {
            let start = at
            while let byte = next, byte | 32 >= 97, byte | 32 <= 122 { at += 1 }
            return String(decoding: bytes[start..<at].map { $0 | 32 }, as: UTF8.self)
        }

        mutating func month() -> Int? {
            let names = [
                "january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
                "november", "december",
            ]
            let name = word()
            guard name.utf8.count >= 3 else { return nil }
            _ = take(UInt8(ascii: "."))
            if name == "sept" { return 9 }
            return names.firstIndex { $0 == name || (name.utf8.count == 3 && $0.hasPrefix(name)) }.map { $0 + 1 }
        }

        /// `October 1, 2023`, `1 October 2023`, with an optional day of the week before.
        mutating func named() -> (year: Int, month: Int, day: Int)? {
            let start = at
            let first = word()
            if ["mon", "tue", "wed", "thu", "fri", "sat", "sun"].contains(where: { first.hasPrefix($0) }),
                first.utf8.count >= 3
            {
                _ = take(UInt8(ascii: "."))
                _ = take(UInt8(ascii: ","))
                skipSpace()
            } else {
                at = start
            }
            if let day = digits(1...2) {
                skipSpace()
                guard let month = month() else { return nil }
                _ = take(UInt8(ascii: ","))
                skipSpace()
                guard let year = digits(4...4) else { return nil }
                return (year, month, day)
            }
            guard let month = month() else { return nil }
            skipSpace()
            guard let day = digits(1...2) else { return nil }
            _ = take(UInt8(ascii: ","))
            skipSpace()
            guard let year = digits(4...4) else { return nil }
            return (year, month, day)
        }

        /// Seconds of a time of day with its zone; 0 when the text ends here; nil when it is malformed.
        mutating func time() -> Int64? {
            guard !atEnd else { return 0 }
            if !take(UInt8(ascii: "T")) {
                guard next == 32 || next == UInt8(ascii: ",") else { return nil }
                _ = take(UInt8(ascii: ","))
                skipSpace()
                if atEnd { return 0 }
            }
            guard let hour = digits(2...2), hour < 25, take(UInt8(ascii: ":")), let minute = digits(2...2), minute < 60
            else { return nil }
            var second = 0
            if take(UInt8(ascii: ":")) {
                guard let value = digits(2...2), value < 61 else { return nil }
                second = value
                if take(UInt8(ascii: ".")) || take(UInt8(ascii: ",")) { guard digits(1...9) != nil else { return nil } }
            }
            skipSpace()
            var time = Int64(hour * 3600 + minute * 60 + second)
            if take(UInt8(ascii: "Z")) || take(UInt8(ascii: "z")) { return time }
            if next == UInt8(ascii: "+") || next == UInt8(ascii: "-") {
                let sign: Int64 = take(UInt8(ascii: "+")) ? 1 : -1
                if sign < 0 { at += 1 }
                guard let hours = digits(2...2) else { return nil }
                _ = take(UInt8(ascii: ":"))
                let minutes = digits(2...2) ?? 0
                time -= sign * Int64(hours * 3600 + minutes * 60)
                return time
            }
            let zone = word()
            return zone.isEmpty || zone == "gmt" || zone == "utc" ? time : nil
        }
    }
}
