// SPDX-License-Identifier: Apache-2.0

/// A stretch of calendar time that a question names: a day, a month, a year, a quarter, a decade, or a part of one
/// ("the first week of November"). The year may be left to the corpus.
struct DatePhrase: Sendable, Hashable {
    enum Part: Sendable, Hashable {
        case whole
        /// The n-th seven days from the start; negative from the end.
        case week(Int)
        case firstHalf, secondHalf
        /// A third: beginning, middle, end.
        case early, mid, late
        /// The last n months of a year, or the first n.
        case months(Int)
    }

    var span: Range<Int>
    var year: Int?
    var month: Int?
    var day: Int?
    var quarter: Int?
    var isDecade = false
    var part = Part.whole

    /// The first second, and the first second after.
    func interval(inYear standard: Int) -> (start: Double, end: Double)? {
        let year = year ?? standard
        guard year > 0, year < 10_000 else { return nil }
        var first: Int
        var last: Int
        if isDecade {
            first = Self.dayNumber(year, 1, 1)
            last = Self.dayNumber(year + 10, 1, 1)
        } else if let quarter {
            first = Self.dayNumber(year, quarter * 3 - 2, 1)
            last = quarter == 4 ? Self.dayNumber(year + 1, 1, 1) : Self.dayNumber(year, quarter * 3 + 1, 1)
        } else if let month {
            guard (1...12).contains(month) else { return nil }
            first = Self.dayNumber(year, month, 1)
            last = month == 12 ? Self.dayNumber(year + 1, 1, 1) : Self.dayNumber(year, month + 1, 1)
            if let day {
                guard day >= 1, first + day - 1 < last else { return nil }
                first += day - 1
                last = first + 1
            }
        } else {
            first = Self.dayNumber(year, 1, 1)
            last = Self.dayNumber(year + 1, 1, 1)
        }
        let length = last - first
        let isMonth = month != nil && day == nil
        switch part {
        case .whole: break
        case .week(let place) where place > 0:
            first += (place - 1) * 7
            last = min(last, first + 7)
        case .week(let place):
            last += (place + 1) * 7
            first = max(first, last - 7)
        case .firstHalf:
            last = month == nil ? Self.dayNumber(year, 7, 1) : first + 15
        case .secondHalf:
            first = month == nil ? Self.dayNumber(year, 7, 1) : first + 15
        case .early: last = isMonth ? first + 10 : first + length / 3
        case .mid: (first, last) = isMonth ? (first + 10, first + 20) : (first + length / 3, first + 2 * length / 3)
        case .late: first = isMonth ? first + 20 : first + 2 * length / 3
        case .months(let count):
            guard abs(count) < 12 else { return nil }
            if count > 0 {
                last = Self.dayNumber(year, count + 1, 1)
            } else {
                first = Self.dayNumber(year, 13 + count, 1)
            }
        }
        guard first < last else { return nil }
        return (Double(first) * 86_400, Double(last) * 86_400)
    }

    /// Days since 1970 in the Gregorian calendar.
    static func dayNumber(_ year: Int, _ month: Int, _ day: Int) -> Int {
        let shifted = month <= 2 ? year - 1 : year
        let era = (shifted >= 0 ? shifted : shifted - 399) / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    /// The year of a moment in seconds since 1970.
    static func year(ofSeconds seconds: Double) -> Int {
        var year = 1970 + Int((seconds / 86_400 / 365.2425).rounded(.down))
        while Double(dayNumber(year + 1, 1, 1)) * 86_400 <= seconds { year += 1 }
        while Double(dayNumber(year, 1, 1)) * 86_400 > seconds { year -= 1 }
        return year
    }

    /// The month, 1 to 12, and the day of a moment.
    static func monthAndDay(ofSeconds seconds: Double) -> (month: Int, day: Int) {
        let year = year(ofSeconds: seconds)
        let day = Int((seconds / 86_400).rounded(.down))
        var month = 12
        while month > 1, dayNumber(year, month, 1) > day { month -= 1 }
        return (month, day - dayNumber(year, month, 1) + 1)
    }

    static let months: [String: Int] = [
        "january": 1, "february": 2, "march": 3, "april": 4, "may": 5, "june": 6, "july": 7, "august": 8,
        "september": 9,
        "october": 10, "november": 11, "december": 12, "jan": 1, "feb": 2, "mar": 3, "apr": 4, "jun": 6, "jul": 7,
        "aug": 8, "sep": 9, "sept": 9, "oct": 10, "nov": 11, "dec": 12,
    ]

    // MARK: Finding

    /// The stretches of time that a question names, longest first at each place.
    static func find(in tokens: [QuestionToken]) -> [DatePhrase] {
        var phrases: [DatePhrase] = []
        var index = 0
        while index < tokens.count {
            if let phrase = phrase(tokens, at: index) {
                phrases.append(phrase)
                index = phrase.span.upperBound
            } else {
                index += 1
            }
        }
        return phrases
    }

    private static func phrase(_ tokens: [QuestionToken], at start: Int) -> DatePhrase? {
        func word(_ index: Int) -> String { index < tokens.count ? tokens[index].text : "" }
        // A part of something: "the first week of November", "early 2023", "the last two months of 2023".
        var at = start
        if word(at) == "the" { at += 1 }
        if let (part, after) = part(tokens, at) {
            var inner = after
            if word(inner) == "of" || word(inner) == "in" { inner += 1 }
            if word(inner) == "the", word(inner + 1) == "year" { inner += 1 }
            if word(inner) == "the", word(inner + 1) == "month" { inner += 2 }
            if var phrase = plain(tokens, at: inner) {
                phrase.part = part
                phrase.span = start..<phrase.span.upperBound
                return phrase
            }
        }
        return plain(tokens, at: start)
    }

    private static func part(_ tokens: [QuestionToken], _ at: Int) -> (Part, Int)? {
        guard at < tokens.count else { return nil }
        let first = tokens[at].text
        let next = at + 1 < tokens.count ? tokens[at + 1].text : ""
        let third = at + 2 < tokens.count ? tokens[at + 2].text : ""
        switch first {
        case "early", "beginning", "start": return (.early, at + 1)
        case "mid", "middle": return (.mid, at + 1)
        case "late", "end": return (.late, at + 1)
        default: break
        }
        let place = first == "last" || first == "final" ? -1 : WordForms.ordinal(first)
        guard let place else { return nil }
        if next == "week" || (next == "seven" && third == "days") {
            return (.week(place), at + (next == "week" ? 2 : 3))
        }
        if next == "half" { return place == 1 ? (.firstHalf, at + 2) : (.secondHalf, at + 2) }
        if third == "months", let count = tokens[at + 1].number.flatMap({ Int(exactly: $0) }), place == 1 || place == -1
        {
            return (.months(count * place), at + 3)
        }
        return nil
    }

    private static func plain(_ tokens: [QuestionToken], at start: Int) -> DatePhrase? {
        guard start < tokens.count else { return nil }
        func word(_ index: Int) -> String { index < tokens.count ? tokens[index].text : "" }
        func year(_ index: Int) -> Int? {
            guard word(index).utf8.count == 4, let year = Int(word(index)), (1000...2999).contains(year) else {
                return nil
            }
            return year
        }
        func day(_ index: Int) -> Int? {
            if let day = Int(word(index)), (1...31).contains(day), word(index).utf8.count <= 2 { return day }
            let endings = ["st", "nd", "rd", "th"]
            if endings.contains(where: word(index).hasSuffix), let day = WordForms.ordinal(word(index)),
                word(index).first?.isNumber == true, (1...31).contains(day)
            {
                return day
            }
            return nil
        }
        func month(_ index: Int) -> Int? {
            // "may" and "march" are words as well; capitals, or a number beside them, tell.
            guard let month = months[word(index)] else { return nil }
            if ["may", "march", "mar", "jan", "sep", "dec"].contains(word(index)), !tokens[index].isCapitalised {
                let isBesideNumber =
                    day(index + 1) != nil || year(index + 1) != nil || (index > 0 && day(index - 1) != nil)
                let previous = index > 0 ? word(index - 1) : ""
                guard
                    isBesideNumber
                        || ["in", "of", "since", "before", "after", "during", "until", "by", "late", "early"]
                            .contains(previous)
                else { return nil }
            }
            return month
        }
        // 2023-10-18 comes as three tokens.
        if let year = year(start), let month = Int(word(start + 1)), let day = Int(word(start + 2)),
            word(start + 1).utf8.count == 2, word(start + 2).utf8.count == 2, (1...12).contains(month)
        {
            return DatePhrase(span: start..<(start + 3), year: year, month: month, day: day)
        }
        if let month = month(start) {
            if let day = day(start + 1) {
                if let year = year(start + 2) {
                    return DatePhrase(span: start..<(start + 3), year: year, month: month, day: day)
                }
                return DatePhrase(span: start..<(start + 2), month: month, day: day)
            }
            if let year = year(start + 1) {
                return DatePhrase(span: start..<(start + 2), year: year, month: month)
            }
            if word(start + 1) == "of", let year = year(start + 2) {
                return DatePhrase(span: start..<(start + 3), year: year, month: month)
            }
            return DatePhrase(span: start..<(start + 1), month: month)
        }
        if let day = day(start) {
            let at = word(start + 1) == "of" ? start + 2 : start + 1
            if let month = month(at) {
                if let year = year(at + 1) {
                    return DatePhrase(span: start..<(at + 2), year: year, month: month, day: day)
                }
                return DatePhrase(span: start..<(at + 1), month: month, day: day)
            }
        }
        if word(start).utf8.count == 2, word(start).hasPrefix("q"), let quarter = Int(word(start).dropFirst()),
            (1...4).contains(quarter)
        {
            if let year = year(start + 1) {
                return DatePhrase(span: start..<(start + 2), year: year, quarter: quarter)
            }
            return DatePhrase(span: start..<(start + 1), quarter: quarter)
        }
        if let quarter = WordForms.ordinal(word(start)), word(start + 1) == "quarter", (1...4).contains(quarter) {
            let at = word(start + 2) == "of" ? start + 3 : start + 2
            if let year = year(at) { return DatePhrase(span: start..<(at + 1), year: year, quarter: quarter) }
            return DatePhrase(span: start..<(start + 2), quarter: quarter)
        }
        if let year = year(start) { return DatePhrase(span: start..<(start + 1), year: year) }
        if word(start).utf8.count == 5, word(start).hasSuffix("0s"), let year = Int(word(start).dropLast()) {
            return DatePhrase(span: start..<(start + 1), year: year, isDecade: true)
        }
        return nil
    }
}

/// Dates in cells of tables, with or without a year.
package enum DateReading {
    /// Seconds since 1970 of a date that names a month; without a year in the year 2000. Nil for anything else.
    package static func seconds(_ text: String) -> Double? {
        guard text.utf8.count <= 60 else { return nil }
        let tokens = WordForms.tokens(text)
        guard let phrase = DatePhrase.find(in: tokens).first(where: { $0.month != nil }) else { return nil }
        // A date with much beside it is a text that mentions a date.
        guard tokens.count - phrase.span.count <= 2 else { return nil }
        return phrase.interval(inYear: 2000)?.start
    }

    /// Seconds since 1970 of a date in ISO 8601 (of a month, its first day), its zone taken for UTC; nil for anything else.
    package static func iso(_ text: String) -> Double? {
        let bytes = Array(text.utf8.prefix(11))
        if bytes.count == 7, bytes[4] == 45, let year = Int(text.prefix(4)), let month = Int(text.suffix(2)),
            (1...12).contains(month)
        {
            return Double(DatePhrase.dayNumber(year, month, 1)) * 86_400
        }
        guard bytes.count >= 10, bytes[4] == 45, bytes[7] == 45,
            bytes.count == 10 || bytes[10] == 84 || bytes[10] == 32,
            let year = Int(text.prefix(4)), let month = Int(text.dropFirst(5).prefix(2)),
            let day = Int(text.dropFirst(8).prefix(2)), (1...12).contains(month), (1...31).contains(day)
        else { return nil }
        var seconds = Double(DatePhrase.dayNumber(year, month, day)) * 86_400
        let time = text.dropFirst(11).prefix(8).split(separator: ":").compactMap { Double($0) }
        if time.count == 3 { seconds += time[0] * 3600 + time[1] * 60 + time[2] }
        return seconds
    }
}
