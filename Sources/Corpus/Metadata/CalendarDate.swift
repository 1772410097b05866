// SPDX-License-Identifier: Apache-2.0

/// Dates of the proleptic Gregorian calendar in UTC, as seconds since 1970: reading, writing and calendar periods.
public enum CalendarDate {
    /// The day number (0 is 1970-01-01) of a date.
    static func day(year: Int, month: Int, day: Int) -> Int {
        // Years are counted from March, so that the leap day is the last of its year; 400 years have 146,097 days.
        let y = month > 2 ? year : year - 1
        let era = (y >= 0 ? y : y - 399) / 400
        let yearOfEra = y - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    /// The date of a day number.
    static func components(day: Int) -> (year: Int, month: Int, day: Int) {
        let z = day + 719_468
        let era = (z >= 0 ? z : z - 146_096) / 146_097
        let dayOfEra = z - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shifted = (5 * dayOfYear + 2) / 153
        let month = shifted < 10 ? shifted + 3 : shifted - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shifted + 2) / 5 + 1)
    }

    static func floorDivide(_ a: Int64, _ b: Int64) -> Int64 {
        let quotient = a / b
        return a % b < 0 ? quotient - 1 : quotient
    }

    /// The date in ISO 8601: `2023-10-01` at midnight, else `2023-10-01T12:30:00Z`.
    public static func text(seconds: Int64) -> String {
        let day = floorDivide(seconds, 86_400)
        let rest = Int(seconds - day * 86_400)
        let date = components(day: Int(day))
        var text = padded(date.year, 4) + "-" + padded(date.month, 2) + "-" + padded(date.day, 2)
        if rest != 0 {
            text += "T" + padded(rest / 3600, 2) + ":" + padded(rest / 60 % 60, 2) + ":" + padded(rest % 60, 2) + "Z"
        }
        return text
    }

    private static func padded(_ number: Int, _ width: Int) -> String {
        let digits = String(number.magnitude)
        return (number < 0 ? "-" : "") + String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
    }

    /// The first second of the period that holds a moment.
    public static func start(of period: CalendarPeriod, seconds: Int64) -> Int64 {
        let day = Int(floorDivide(seconds, 86_400))
        let date = components(day: day)
        let first: Int
        switch period {
        case .day: first = day
        case .week: first = day - ((day + 3) % 7 + 7) % 7  // 1970-01-01 was a Thursday; weeks start on Monday
        case .month: first = Self.day(year: date.year, month: date.month, day: 1)
        case .quarter: first = Self.day(year: date.year, month: (date.month - 1) / 3 * 3 + 1, day: 1)
        case .year: first = Self.day(year: date.year, month: 1, day: 1)
        }
        return Int64(first) * 86_400
    }

    /// The period's name: `2023-10-01`, `2023-W40`, `2023-10`, `2023-Q4`, `2023`.
    public static func name(of period: CalendarPeriod, start seconds: Int64) -> String {
        let day = Int(floorDivide(seconds, 86_400))
        let date = components(day: day)
        switch period {
        case .day: return text(seconds: Int64(day) * 86_400)
        case .week:
            // ISO 8601: the week belongs to the year of its Thursday.
            let thursday = components(day: day + 3)
            let week = (day + 3 - Self.day(year: thursday.year, month: 1, day: 1)) / 7 + 1
            return padded(thursday.year, 4) + "-W" + padded(week, 2)
        case .month: return padded(date.year, 4) + "-" + padded(date.month, 2)
        case .quarter: return padded(date.year, 4) + "-Q\((date.month - 1) / 3 + 1)"
        case .year: return padded(date.year, 4)
        }
    }
}

/// A calendar period of a histogram by date; weeks start on Monday (ISO 8601).
public enum CalendarPeriod: String, Sendable, Hashable, CaseIterable {
    case day, week, month, quarter, year
}
