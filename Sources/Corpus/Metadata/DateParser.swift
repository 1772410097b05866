// SPDX-License-Identifier: Apache-2.0

import Base

/// Reads dates as they are commonly written: ISO 8601 (`2023-10-01`, `2023-10-01T12:30:00+02:00`, `20231001`),
/// `2023/10/01`, `2023.10.01`, `October 1, 2023`, `1 October 2023`, `Sun, 01 Oct 2023 12:30:00 GMT`, `31.12.2023`, `31.12.23`,
/// `31/12/2023`, `31-Dec-98`, `1. Oktober 2023`, `martes, 5 de marzo de 2024`, `2024年1月31日`, `Fri Mar  5 10:00:00 UTC 2021`,
/// and of less precision `2023-10`, `10/2023`, `October 2023`, `Q4 2023`, `2023-H2`, `2023-W07`, `2023`. Months and days of
/// the week may be named in English, German, French, Spanish, Italian, Portuguese, Dutch, Swedish, Danish, Norwegian,
/// Finnish, Polish, Czech, Russian and Turkish.
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
        guard text.utf8.count <= 100 else { return nil }
        var text = text
        // Before "PM" some programs write a space that does not break.
        if text.utf8.contains(0xE2) || text.utf8.contains(0xC2) {
            text = text.replacing("\u{202F}", with: " ").replacing("\u{A0}", with: " ")
        }
        var scanner = Scanner(bytes: Array((yearMoved(text) ?? text).utf8))
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

    /// The first two numbers of a date such as `31/12/2023` or `31-12-2023`; nil for other texts.
    static func slashed(_ text: String) -> (first: Int, second: Int)? {
        guard text.utf8.count <= 32 else { return nil }
        var scanner = Scanner(bytes: Array(text.utf8))
        scanner.skipSpace()
        return (scanner.slashes(mark: UInt8(ascii: "/")) ?? scanner.slashes(mark: UInt8(ascii: "-")))
            .map { ($0.first, $0.second) }
    }

    /// A date as C and Unix write it, `Fri Mar  5 10:00:00 UTC 2021`, with its year before the time.
    private static func yearMoved(_ text: String) -> String? {
        guard text.utf8.last.map({ $0 >= 48 && $0 < 58 }) == true, text.utf8.contains(UInt8(ascii: ":")) else {
            return nil
        }
        let parts = text.split(separator: " ")
        guard (4...6).contains(parts.count), let year = parts.last, year.utf8.count == 4, Int(year) != nil,
            let time = parts.firstIndex(where: { $0.contains(":") }), time >= 2, time < parts.count - 1
        else { return nil }
        return (parts[..<time] + [year] + parts[time..<(parts.count - 1)]).joined(separator: " ")
    }

    private static func period(from start: (year: Int, month: Int), months: Int) -> ClosedRange<Int64> {
        let next = start.month - 1 + months
        let first = CalendarDate.day(year: start.year, month: start.month, day: 1)
        let end = CalendarDate.day(year: start.year + next / 12, month: next % 12 + 1, day: 1)
        return Int64(first) * 86_400...(Int64(end) * 86_400 - 1)
    }

    /// A week as ISO 8601 counts them: the first of a year has its first Thursday.
    private static func week(_ week: Int, of year: Int) -> ClosedRange<Int64> {
        let fourth = CalendarDate.day(year: year, month: 1, day: 4)
        let monday = fourth - ((fourth + 3) % 7 + 7) % 7 + (week - 1) * 7
        return Int64(monday) * 86_400...(Int64(monday + 7) * 86_400 - 1)
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

        /// `2023`, `2023-Q4`, `Q4 2023`, `2023-H2`, `10/2023`, `2023-W07`, whole.
        mutating func period() -> ClosedRange<Int64>? {
            let start = at
            if let year = year() {
                skipSpace()
                if atEnd { return DateParser.period(from: (year, 1), months: 12) }
                _ = take(UInt8(ascii: "-")) || take(UInt8(ascii: "/"))
                skipSpace()
                if let part = partOfYear(), atEnd {
                    return DateParser.period(from: (year, part.month), months: part.months)
                }
                if take(UInt8(ascii: "W")), let week = digits(2...2), (1...53).contains(week), atEnd {
                    return DateParser.week(week, of: year)
                }
            }
            at = start
            if let part = partOfYear() {
                skipSpace()
                _ = take(UInt8(ascii: "-")) || take(UInt8(ascii: "/")) || take(UInt8(ascii: ","))
                skipSpace()
                if let year = year(), atEnd {
                    return DateParser.period(from: (year, part.month), months: part.months)
                }
            }
            at = start
            if let month = digits(1...2), (1...12).contains(month),
                take(UInt8(ascii: "/")) || take(UInt8(ascii: "-")), let year = year(), (1800...2199).contains(year),
                atEnd
            {
                return DateParser.period(from: (year, month), months: 1)
            }
            at = start
            return nil
        }

        private mutating func year() -> Int? {
            let start = at
            if let year = digits(4...4), (1000...2999).contains(year) { return year }
            at = start
            return nil
        }

        /// `Q4`, `H2`: the month it begins with, and how many it has.
        private mutating func partOfYear() -> (month: Int, months: Int)? {
            let start = at
            let isQuarter = take(UInt8(ascii: "Q")) || take(UInt8(ascii: "q"))
            if isQuarter || take(UInt8(ascii: "H")), let number = digits(1...1) {
                let months = isQuarter ? 3 : 6
                if (1...(12 / months)).contains(number) { return ((number - 1) * months + 1, months) }
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

        /// The ending of a number in an order: 1st, 2nd, 3rd, 4th, 1er, 1º.
        mutating func skipOrdinal() {
            let start = at
            if ["st", "nd", "rd", "th", "er", "e", "ste", "de"].contains(word()) { return }
            at = start
            for sign in ["º", "ª", "°"] where bytes[at...].starts(with: sign.utf8) { at += sign.utf8.count }
        }

        /// The name of a day of the week, as a date begins with it.
        mutating func skipWeekday() {
            let start = at
            while let byte = next, byte | 32 >= 97 && byte | 32 <= 122 || byte >= 0x80 { at += 1 }
            guard at > start, WeekdayNames.holds(String(decoding: bytes[start..<at], as: UTF8.self).lowercased()) else {
                at = start
                return
            }
            // "segunda-feira"
            if take(UInt8(ascii: "-")), word() != "feira" { at = start }
            _ = take(UInt8(ascii: "."))
            _ = take(UInt8(ascii: ","))
            skipSpace()
            // "den 5. März", "le 5 mars"
            let article = at
            if !["the", "den", "der", "le", "el", "il"].contains(word()) || next != 32 { at = article }
            skipSpace()
        }

        /// A year of four digits, or of two behind a full date.
        mutating func namedYear() -> Int? {
            let start = at
            if let year = digits(4...4) { return year }
            at = start
            if !take(UInt8(ascii: "'")), bytes[at...].starts(with: "’".utf8) { at += "’".utf8.count }
            if let year = digits(2...2), next.map({ $0 == 32 || $0 == UInt8(ascii: ",") }) ?? true {
                return year + (year < 69 ? 2000 : 1900)
            }
            at = start
            return nil
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

        /// `October 1, 2023`, `1 October 2023`, `2023 October 1`, with an optional day of the week before.
        mutating func named() -> (year: Int, month: Int, day: Int)? {
            skipWeekday()
            let start = at
            if let year = year(), next == 32 || next == UInt8(ascii: "-") || next == UInt8(ascii: ",") {
                at += 1
                skipSpace()
                guard let month = month() else { return nil }
                _ = take(UInt8(ascii: "-"))
                skipSpace()
                return (year, month, digits(1...2) ?? 0)
            }
            at = start
            if let day = digits(1...2) {
                _ = take(UInt8(ascii: "."))
                skipOrdinal()
                let mark = [UInt8(ascii: "-"), UInt8(ascii: "/")].first { take($0) }
                skipLinks()
                guard let month = month() else { return nil }
                _ = take(UInt8(ascii: ","))
                if let mark { _ = take(mark) }
                skipLinks()
                return namedYear().map { ($0, month, day) }
            }
            guard let month = month() else { return nil }
            let isHyphenated = take(UInt8(ascii: "-"))
            _ = take(UInt8(ascii: ","))
            skipLinks()
            if let year = digits(4...4) { return (year, month, 0) }
            let rest = at
            // "Mar '98", "Mar-98"; "Mar-12" may be a day.
            if isHyphenated || next == UInt8(ascii: "'"), let year = namedYear() {
                if !isHyphenated || year > 1931 && year < 2000 || year > 2031 { return (year, month, 0) }
            }
            at = rest
            guard let day = digits(1...2) else { return nil }
            skipOrdinal()
            _ = take(UInt8(ascii: ","))
            if isHyphenated { _ = take(UInt8(ascii: "-")) }
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
                let start = at
                if !["at", "um", "kl"].contains(word()) || next != 32 { at = start }
                skipSpace()
            }
            if let time = compactTime() { return zoned(time, length: 1) }
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
            return zoned(Int64(hour * 3600 + minute * 60 + second), length: length)
        }

        /// `083000` behind a `T`, as calendars write it.
        private mutating func compactTime() -> Int64? {
            guard at > 0, bytes[at - 1] == UInt8(ascii: "T") else { return nil }
            let start = at
            if let all = digits(6...6), all / 10_000 < 25, all / 100 % 100 < 60, all % 100 < 61 {
                return Int64(all / 10_000 * 3600 + all / 100 % 100 * 60 + all % 100)
            }
            at = start
            return nil
        }

        /// A time of day with the zone that follows.
        private mutating func zoned(_ time: Int64, length: Int64) -> (start: Int64, length: Int64)? {
            var time = time
            if take(UInt8(ascii: "Z")) || take(UInt8(ascii: "z")) { return (time, length) }
            if next == UInt8(ascii: "+") || next == UInt8(ascii: "-") {
                let sign: Int64 = take(UInt8(ascii: "+")) ? 1 : -1
                if sign < 0 { at += 1 }
                guard let hours = digits(2...2) else { return nil }
                _ = take(UInt8(ascii: ":"))
                let minutes = digits(2...2) ?? 0
                time -= sign * Int64(hours * 3600 + minutes * 60)
                skipRemark()
                return (time, length)
            }
            let zone = word()
            guard let hours = Self.zones[zone] else { return nil }
            // "GMT+0100 (CET)"
            if hours == 0, next == UInt8(ascii: "+") || next == UInt8(ascii: "-") {
                let sign: Int64 = take(UInt8(ascii: "+")) ? 1 : -1
                if sign < 0 { at += 1 }
                guard let offset = digits(2...2) else { return nil }
                _ = take(UInt8(ascii: ":"))
                time -= sign * Int64(offset * 3600 + (digits(2...2) ?? 0) * 60)
            }
            skipRemark()
            return (time - Int64(hours) * 3600, length)
        }

        /// The name of a zone in brackets behind its offset.
        private mutating func skipRemark() {
            skipSpace()
            if next == UInt8(ascii: "("), bytes.last == UInt8(ascii: ")") { at = bytes.count }
        }

        /// Zones of time by the hours that they are ahead.
        private static let zones = [
            "": 0, "gmt": 0, "utc": 0, "z": 0, "wet": 0, "bst": 1, "cet": 1, "met": 1, "mez": 1, "west": 1, "cest": 2,
            "mest": 2, "mesz": 2, "eet": 2, "eest": 3, "msk": 3, "jst": 9, "kst": 9, "aest": 10, "aedt": 11,
            "est": -5, "edt": -4, "cst": -6, "cdt": -5, "mst": -7, "mdt": -6, "pst": -8, "pdt": -7,
        ]
    }
}
