// SPDX-License-Identifier: Apache-2.0

import Base
import Testing

@testable import Reading

/// The calendar that questions and cells are read by, and the words in them.
@Suite struct CalendarTests {
    @Test func daysAreCountedWithoutAGap() {
        var day = DatePhrase.dayNumber(1899, 12, 31)
        let lengths = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        for year in 1900...2101 {
            let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
            for month in 1...12 {
                for date in 1...lengths[month - 1] + (month == 2 && isLeap ? 1 : 0) {
                    day += 1
                    guard DatePhrase.dayNumber(year, month, date) == day else {
                        Issue.record("\(year)-\(month)-\(date)")
                        return
                    }
                    if date == 1 || date == 28 {
                        let noon = Double(day) * 86_400 + 43_200
                        #expect(DatePhrase.year(ofSeconds: noon) == year)
                        #expect(DatePhrase.monthAndDay(ofSeconds: noon) == (month, date))
                    }
                }
            }
        }
        #expect(DatePhrase.dayNumber(1970, 1, 1) == 0)
    }

    private static let months = [
        "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
        "December",
    ]

    /// Every way to write a day is read as that day.
    @Test func aDayIsReadHoweverItIsWritten() {
        var random = SplitMix64(seed: 4)
        for _ in 0..<200 {
            let (year, month, day) = (
                Int.random(in: 1800...2100, using: &random), Int.random(in: 1...12, using: &random),
                Int.random(in: 1...28, using: &random)
            )
            let name = Self.months[month - 1]
            let ending =
                [1, 21].contains(day) ? "st" : [2, 22].contains(day) ? "nd" : [3, 23].contains(day) ? "rd" : "th"
            func padded(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
            let start = Double(DatePhrase.dayNumber(year, month, day)) * 86_400
            for text in [
                "\(year)-\(padded(month))-\(padded(day))", "\(name) \(day), \(year)", "\(day) \(name) \(year)",
                "\(day)\(ending) of \(name) \(year)", "\(name.prefix(3)) \(day) \(year)",
            ] {
                let phrases = DatePhrase.find(in: WordForms.tokens("What was sent on \(text) by Ada?"))
                #expect(phrases.count == 1, "\(text)")
                let interval = phrases.first?.interval(inYear: 1)
                #expect(interval?.start == start && interval?.end == start + 86_400, "\(text)")
                #expect(DateReading.seconds(text) == start, "\(text)")
            }
            #expect(DateReading.iso("\(year)-\(padded(month))-\(padded(day))") == start)
            #expect(DateReading.iso("\(year)-\(padded(month))-\(padded(day))T06:30:00Z") == start + 23_400)
        }
    }

    /// The parts of a whole lie within it, and halves and quarters fill it.
    @Test func partsLieWithinTheirWhole() throws {
        for year in [1999, 2000, 2023] {
            let whole = try #require(DatePhrase(span: 0..<1, year: year).interval(inYear: 1))
            let halves = [DatePhrase.Part.firstHalf, .secondHalf].compactMap {
                DatePhrase(span: 0..<1, year: year, part: $0).interval(inYear: 1)
            }
            #expect(halves.count == 2 && halves[0].start == whole.start && halves[1].end == whole.end)
            #expect(halves[0].end == halves[1].start)
            let quarters = (1...4).compactMap {
                DatePhrase(span: 0..<1, year: year, quarter: $0).interval(inYear: 1)
            }
            #expect(quarters.map(\.start).dropFirst() == quarters.map(\.end).dropLast()[...])
            #expect(quarters.first?.start == whole.start && quarters.last?.end == whole.end)
            for month in 1...12 {
                let all = try #require(DatePhrase(span: 0..<1, year: year, month: month).interval(inYear: 1))
                for part: DatePhrase.Part in [.week(1), .week(-1), .firstHalf, .secondHalf, .early, .mid, .late] {
                    let some = try #require(
                        DatePhrase(span: 0..<1, year: year, month: month, part: part).interval(inYear: 1))
                    #expect(some.start >= all.start && some.end <= all.end && some.start < some.end)
                }
                // The 31st of a month that has none is no day.
                #expect(DatePhrase(span: 0..<1, year: year, month: month, day: 32).interval(inYear: 1) == nil)
            }
        }
    }

    @Test func whatIsNoDateIsNone() {
        for text in [
            "", "1", "may", "march on", "12345", "2023-13-01", "0000-00-00", "in 99", "second", "quarter", "-1-1-1",
            "Q5 2023", "99999999999999999999",
        ] {
            #expect(DateReading.iso(text) == nil, "\(text)")
            #expect(DateReading.seconds(text) == nil, "\(text)")
        }
    }

    /// Distances against the plain recurrence.
    @Test func distancesAgreeWithTheDefinition() {
        func plain(_ a: [UInt8], _ b: [UInt8]) -> Int {
            var table = [[Int]](repeating: [Int](repeating: 0, count: b.count + 1), count: a.count + 1)
            for i in 0...a.count {
                for j in 0...b.count {
                    if i == 0 || j == 0 {
                        table[i][j] = max(i, j)
                    } else {
                        table[i][j] = min(
                            table[i - 1][j] + 1, table[i][j - 1] + 1,
                            table[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1))
                    }
                }
            }
            return table[a.count][b.count]
        }
        var random = SplitMix64(seed: 9)
        for _ in 0..<2000 {
            func word() -> String {
                String(
                    (0..<Int.random(in: 0...7, using: &random)).map { _ in "abc".randomElement(using: &random) ?? "a" })
            }
            let (a, b) = (word(), word())
            let distance = plain(Array(a.utf8), Array(b.utf8))
            #expect(EditDistance.within(2, a, b) == (distance <= 2 ? distance : nil), "\(a) \(b)")
        }
    }

    @Test func setsOfRowsAreSets() {
        var random = SplitMix64(seed: 3)
        for count in [0, 1, 63, 64, 65, 200] {
            let left = Set((0..<count).filter { _ in Bool.random(using: &random) })
            let right = Set((0..<count).filter { _ in Bool.random(using: &random) })
            let (a, b) = (RowBits(rowCount: count, rows: left), RowBits(rowCount: count, rows: right))
            var (union, intersection, difference) = (a, a, a)
            union.formUnion(b)
            intersection.formIntersection(b)
            difference.subtract(b)
            #expect(union.rows == left.union(right).sorted() && union.count == left.union(right).count)
            #expect(intersection.rows == left.intersection(right).sorted())
            #expect(difference.rows == left.subtracting(right).sorted())
            #expect(RowBits(rowCount: count, all: true).rows == Array(0..<count))
            #expect(a.isEmpty == left.isEmpty && (0..<count).allSatisfy { a.contains($0) == left.contains($0) })
        }
        // Rows that do not exist are not taken.
        #expect(RowBits(rowCount: 3, rows: [-1, 2, 3, 99]).rows == [2])
    }

    @Test func tokensAreWordsOfTheText() {
        var random = SplitMix64(seed: 8)
        let pieces = [
            "Ada", "'s", "1,000", "2.5", " ", ",", "\"", "“", "”", "é", "中文", "-", "€", "don't", "U.S.", "\u{0}",
        ]
        for _ in 0..<500 {
            let text = (0..<Int.random(in: 0...12, using: &random)).map { _ in
                pieces.randomElement(using: &random) ?? ""
            }.joined()
            for token in WordForms.tokens(text) {
                #expect(!token.text.isEmpty && !token.text.contains(" ") && !token.stem.isEmpty, "\(text)")
            }
        }
        #expect(WordForms.tokens("1,000 boats and 2.5 m").map(\.text) == ["1000", "boats", "and", "2.5", "m"])
        #expect(WordForms.tokens("Ada's, Bo's").map(\.text) == ["ada", "bo"])
        #expect(WordForms.nameTokens("pricePerUnit_eur").map(\.text) == ["price", "per", "unit", "eur"])
    }
}
