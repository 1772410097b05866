// SPDX-License-Identifier: Apache-2.0

import Base

/// Reads dates as they are commonly written: ISO 8601 (`2023-10-01`, `2023-10-01T12:30:00+02:00`, `20231001`),
/// `2023/10/01`, `2023.10.01`, `October 1, 2023`, `1 October 2023`, `Sun, 01 Oct 2023 12:30:00 GMT`, `31.12.2023`, `31.12.23`,
/// `31/12/2023`, `1. Oktober 2023`, `5 de marzo de 2024`, `2024年1月31日`, and of less precision `2023-10`, `October 2023`,
/// `2023-Q4`, `2023`. Months may be named in English, German, French, Spanish, Italian, Portuguese, Dutch, Swedish, Danish,
/// Norwegian and Polish.
///
/// Forms whose day and month cannot be told apart (`01/10/2023`) are read only where the order is known.
public enum DateParser {
    /// Which of day and month is written first.
    public enum Order: Sendable, Hashable { case dayFirst, monthFirst }

    /// The moment at which the date begins, in seconds since 1970 (UTC where no zone is given); nil when the text is no
    /// date, or only a year, which is a number as well.
    public static func seconds(_ text: String) -> Int64? {
        guard text.utf8.count != 4 || text.utf8.contains(where: { $0 < 48 || $0 > 57 }) else { return nil }
        return span(text)?.lowerBound
    }

    /// The first and last second of a date: one second of a moment, a minute, a day, a month, a quarter, a year.
    public static func span(_ text: String, order: Order? = nil) -> ClosedRange<Int64>? {
        guard text.utf8.count <= 64 else { return nil }
        var scanner = Scanner(bytes: Array(text.utf8))
        scanner.skipSpace()
        if let whole = scanner.period() { return whole }
        guard let date = scanner.iso() ?? scanner.slashedDate(order) ?? scanner.han() ?? scanner.named() else {
            return nil
        }
        guard date.month >= 1, date.month <= 12 else { return nil }
        if date.day == 0 {
            scanner.skipSpace()
            return scanner.atEnd ? period(from: (date.year, date.month), months: 1) : nil
        }
        guard date.day >= 1, date.day <= days(date.year, date.month) else { return nil }
        guard let (time, length) = scanner.time() else { return nil }
        scanner.skipSpace()
        guard scanner.atEnd else { return nil }
        let start = Int64(CalendarDate.day(year: date.year, month: date.month, day: date.day)) * 86_400 + time
        return start...(start + length - 1)
    }

    /// The first two numbers of a date such as `31/12/2023`; nil for other texts.
    static func slashed(_ text: String) -> (first: Int, second: Int)? {
        guard text.utf8.count <= 32 else { return nil }
        var scanner = Scanner(bytes: Array(text.utf8))
        scanner.skipSpace()
        return scanner.slashes(mark: UInt8(ascii: "/")).map { ($0.first, $0.second) }
    }

    private static func period(from start: (year: Int, month: Int), months: Int) -> ClosedRange<Int64> {
        let next = start.month - 1 + months
        let first = CalendarDate.day(year: start.year, month: start.month, day: 1)
        let end = CalendarDate.day(year: start.year + next / 12, month: next % 12 + 1, day: 1)
        return Int64(first) * 86_400...(Int64(end) * 86_400 - 1)
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

        /// `2023`, `2023-Q4`, whole.
        mutating func period() -> ClosedRange<Int64>? {
            let start = at
            if let year = digits(4...4), (1000...2999).contains(year) {
                skipSpace()
                if atEnd { return DateParser.period(from: (year, 1), months: 12) }
                _ = take(UInt8(ascii: "-"))
                if take(UInt8(ascii: "Q")), let quarter = digits(1...1), (1...4).contains(quarter), atEnd {
                    return DateParser.period(from: (year, quarter * 3 - 2), months: 3)
                }
            }
            at = start
            return nil
        }

        /// `31/12/2023` or with another mark between.
        mutating func slashes(mark: UInt8) -> (first: Int, second: Int, year: Int)? {
            let start = at
            if let first = digits(1...2), take(mark), let second = digits(1...2), take(mark) {
                let isPadded = at - start == 6
                if let year = digits(4...4) { return (first, second, year) }
                // A year of two digits only where the others have two as well, or behind slashes: 1.2.10 is a version.
                if isPadded || mark == UInt8(ascii: "/"), let year = digits(2...2), atEnd || next == 32 {
                    return (first, second, year + (year < 69 ? 2000 : 1900))
                }
            }
            at = start
            return nil
        }

        /// A date that ends in its year: with full stops the day is first, else the order decides, or the numbers.
        mutating func slashedDate(_ order: Order?) -> (year: Int, month: Int, day: Int)? {
            if let (day, month, year) = slashes(mark: UInt8(ascii: ".")) { return (year, month, day) }
            for mark in [UInt8(ascii: "/"), UInt8(ascii: "-")] {
                guard let (first, second, year) = slashes(mark: mark) else { continue }
                switch order ?? (first > 12 ? .dayFirst : second > 12 ? .monthFirst : nil) {
                case .dayFirst?: return (year, second, first)
                case .monthFirst?: return (year, first, second)
                case nil: return nil
                }
            }
            return nil
        }

        /// `2023-10-01`, `2023/10/01`, `20231001`, and `2023-10` with day 0.
        mutating func iso() -> (year: Int, month: Int, day: Int)? {
            let start = at
            if let all = digits(8...8), next == nil || next == UInt8(ascii: "T") {
                // Eight digits with a year that is none are a number.
                if (1000...2999).contains(all / 10_000) { return (all / 10_000, all / 100 % 100, all % 100) }
            }
            at = start
            // With full stops only as a whole day: 2023.10 is a number, 2023.1.2 a version.
            if let year = digits(4...4), take(UInt8(ascii: ".")), let month = digits(2...2), take(UInt8(ascii: ".")),
                let day = digits(2...2)
            {
                return (year, month, day)
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
            guard take(mark) else {
                // 2024.3 is a number.
                if mark == UInt8(ascii: ".") { at = start }
                return atEnd ? (year, month, 0) : nil
            }
            guard let day = digits(1...2) else { return nil }
            return (year, month, day)
        }

        mutating func word() -> String {
            let start = at
            while let byte = next, byte | 32 >= 97, byte | 32 <= 122 { at += 1 }
            return String(decoding: bytes[start..<at].map { $0 | 32 }, as: UTF8.self)
        }

        /// A month by its name, or by the beginning of it.
        mutating func month() -> Int? {
            let start = at
            while let byte = next, byte | 32 >= 97 && byte | 32 <= 122 || byte >= 0x80 { at += 1 }
            guard at - start >= 3 else { return nil }
            let name = String(decoding: bytes[start..<at], as: UTF8.self).lowercased()
            _ = take(UInt8(ascii: "."))
            return MonthNames.number(of: name)
        }

        /// The ending of a number in an order: 1st, 2nd, 3rd, 4th, 1er.
        mutating func skipOrdinal() {
            let start = at
            if !["st", "nd", "rd", "th", "er"].contains(word()) { at = start }
        }

        /// `of`, `de` and the like between the parts of a date.
        mutating func skipLinks() {
            skipSpace()
            let start = at
            if !["of", "de", "del", "di"].contains(word()) || next != 32 { at = start }
            skipSpace()
        }

        /// `2024年1月31日`, `2024年1月`, and in Korean.
        mutating func han() -> (year: Int, month: Int, day: Int)? {
            let start = at
            func sign(_ signs: [String], in scanner: inout Scanner) -> Bool {
                for sign in signs where scanner.bytes[scanner.at...].starts(with: sign.utf8) {
                    scanner.at += sign.utf8.count
                    scanner.skipSpace()
                    return true
                }
                return false
            }
            if let year = digits(4...4), sign(["年", "년"], in: &self), let month = digits(1...2),
                sign(["月", "월"], in: &self)
            {
                guard let day = digits(1...2) else { return (year, month, 0) }
                if sign(["日", "일"], in: &self) { return (year, month, day) }
            }
            at = start
            return nil
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
                _ = take(UInt8(ascii: "."))
                skipOrdinal()
                let isHyphenated = take(UInt8(ascii: "-"))
                skipLinks()
                guard let month = month() else { return nil }
                _ = take(UInt8(ascii: ","))
                if isHyphenated { _ = take(UInt8(ascii: "-")) }
                skipLinks()
                guard let year = digits(4...4) else { return nil }
                return (year, month, day)
            }
            guard let month = month() else { return nil }
            _ = take(UInt8(ascii: ","))
            skipLinks()
            if let year = digits(4...4) { return (year, month, 0) }
            guard let day = digits(1...2) else { return nil }
            skipOrdinal()
            _ = take(UInt8(ascii: ","))
            skipSpace()
            guard let year = digits(4...4) else { return nil }
            return (year, month, day)
        }

        /// Takes `am` and `pm`, also with full stops: the hours that they add.
        private mutating func halfOfDay() -> Int? {
            let start = at
            guard let letter = next.map({ $0 | 32 }), letter == UInt8(ascii: "a") || letter == UInt8(ascii: "p") else {
                return nil
            }
            at += 1
            _ = take(UInt8(ascii: "."))
            guard take(UInt8(ascii: "m")) || take(UInt8(ascii: "M")) else {
                at = start
                return nil
            }
            _ = take(UInt8(ascii: "."))
            return letter == UInt8(ascii: "p") ? 12 : 0
        }

        /// Seconds of a time of day with its zone, and how many seconds it names; the whole day when the text ends here;
        /// nil when it is malformed.
        mutating func time() -> (start: Int64, length: Int64)? {
            guard !atEnd else { return (0, 86_400) }
            if !take(UInt8(ascii: "T")) {
                guard next == 32 || next == UInt8(ascii: ",") else { return nil }
                _ = take(UInt8(ascii: ","))
                skipSpace()
                if atEnd { return (0, 86_400) }
            }
            guard var hour = digits(1...2), hour < 25, take(UInt8(ascii: ":")), let minute = digits(2...2), minute < 60
            else { return nil }
            var second = 0
            var length: Int64 = 60
            if take(UInt8(ascii: ":")) {
                guard let value = digits(2...2), value < 61 else { return nil }
                second = value
                length = 1
                if take(UInt8(ascii: ".")) || take(UInt8(ascii: ",")) { guard digits(1...9) != nil else { return nil } }
            }
            skipSpace()
            if let half = halfOfDay() {
                guard (1...12).contains(hour) else { return nil }
                hour = hour % 12 + half
                skipSpace()
            }
            var time = Int64(hour * 3600 + minute * 60 + second)
            if take(UInt8(ascii: "Z")) || take(UInt8(ascii: "z")) { return (time, length) }
            if next == UInt8(ascii: "+") || next == UInt8(ascii: "-") {
                let sign: Int64 = take(UInt8(ascii: "+")) ? 1 : -1
                if sign < 0 { at += 1 }
                guard let hours = digits(2...2) else { return nil }
                _ = take(UInt8(ascii: ":"))
                let minutes = digits(2...2) ?? 0
                time -= sign * Int64(hours * 3600 + minutes * 60)
                return (time, length)
            }
            let zone = word()
            return zone.isEmpty || zone == "gmt" || zone == "utc" ? (time, length) : nil
        }
    }
}
