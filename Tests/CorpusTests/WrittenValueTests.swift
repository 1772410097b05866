// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import Testing
import Text

@testable import Corpus

/// Numbers and dates as tables have them.
@Suite struct WrittenValueTests {
    @Test(
        arguments: [
            ("12", 12), ("-3.5", -3.5), ("+7", 7), ("1,299.00", 1299), ("$1,234.50", 1234.5), ("$ 12", 12),
            ("12 €", 12),
            ("EUR 5", 5), ("5 kr", 5), ("10%", 10), ("5.5 %", 5.5), ("(450.25)", -450.25), ("($12)", -12), ("−4", -4),
            ("30-", -30), ("1'234.50", 1234.5), ("12,34,567", 1_234_567), ("2.5E-2", 0.025), ("-1.5e10", -1.5e10),
            (".5", 0.5), ("１２３", 123), ("٤٢", 42), ("1\u{202F}000.5", 1000.5), ("0", 0), ("0.50", 0.5),
        ] as [(String, Double)]) func aPointBeforeTheFraction(_ text: String, _ value: Double)
    {
        #expect(NumberText.value(text) == .number(value), "\(text)")
    }

    @Test(
        arguments: [
            ("1.234,56", 1234.56), ("0,99", 0.99), ("12,5 %", 12.5), ("1 234,50", 1234.5), ("12.345,60 €", 12345.6),
            ("1.500", 1500), ("-7,25", -7.25), ("1 500", 1500), ("10", 10), ("1'234,5", 1234.5), ("٣٫٥", 3.5),
        ] as [(String, Double)]) func aCommaBeforeTheFraction(_ text: String, _ value: Double)
    {
        #expect(NumberText.value(text, decimal: .comma) == .number(value) || text == "٣٫٥", "\(text)")
    }

    @Test(arguments: [
        "", "abc", "01234", "+1 555 0100", "1.2.3", "12:30", "1,2,3", "1,23", "12a", "A12", "--5", "1e", "1,5e3",
        "192.168.0.1", "2024-01-01", "+4791234567", "+12025550123", "1 2 3", "555-0100", "99999999999999999999", "(",
        "%", "5%%", "1.", "€",
    ]) func whatIsNoNumber(_ text: String) { #expect(NumberText.value(text) == nil, "\(text)") }

    @Test func wholeNumbersStayExact() {
        #expect(NumberText.value("9,223,372,036,854,775,807") == .integer(.max))
        #expect(NumberText.value("-9223372036854775808") == .integer(.min))
        #expect(NumberText.value("9.007.199.254.740.993", decimal: .comma) == .integer(9_007_199_254_740_993))
    }

    /// Every number written in a notation is read back in it, and says which one it is where it can.
    @Test(arguments: [UInt64](1...6)) func notationsAreReadBack(_ seed: UInt64) {
        var numbers = SplitMix64(seed: seed)
        for _ in 0..<300 {
            let cents = Int(numbers.next() % 10_000_000_000)
            let whole = String(cents / 100)
            var grouped = ""
            for (index, digit) in whole.enumerated() {
                if index > 0, (whole.count - index) % 3 == 0 { grouped += "g" }
                grouped.append(digit)
            }
            let fraction = String(format: "%02d", cents % 100)
            for (group, mark, decimal) in [
                (",", ".", NumberText.Decimal.point), (".", ",", .comma), ("'", ".", .point), (" ", ",", .comma),
                ("\u{A0}", ",", .comma), ("", ".", .point), ("", ",", .comma),
            ] {
                let text = grouped.replacing("g", with: group) + mark + fraction
                let number = WrittenNumber(text)
                #expect(number?.decimal == decimal, "\(text)")
                #expect(number?.value(decimal)?.double == Double("\(cents / 100).\(fraction)"), "\(text)")
                let other: NumberText.Decimal = decimal == .point ? .comma : .point
                #expect(number?.value(other) == nil, "\(text)")
            }
        }
    }

    private func column(_ values: [JSONValue], beside: NumberText.Decimal = .point) -> RawColumn.Reading {
        var column = RawColumn()
        for (document, value) in values.enumerated() { column.add(value, document: document) }
        return column.inferred(beside: beside)
    }

    @Test func columnsOfNumbers() {
        #expect(column(["1.234,56", "0,99", "12,00"]) == RawColumn.Reading(type: .number, decimal: .comma))
        #expect(column(["1.500", "2.250"]).decimal == .point)
        #expect(column(["1.500", "2.250"], beside: .comma) == RawColumn.Reading(type: .number, decimal: .comma))
        #expect(column(["1,5", "2.5", "3,25"]).type == .text)
        #expect(column(["5", "7", "NULL", "\\N", "N/A", "-", "#DIV/0!"]).type == .number)
        let percents = column(["10%", "5.5%", "0%"])
        #expect(percents == RawColumn.Reading(type: .number, isPercents: true))
        #expect(RawColumn.number(.text("10%"), percents) == .number(10))
        // Beside 0.1 the number before a sign of percentage is another one.
        let mixed = column(["10%", "0.1", "0.2", "0.5"])
        #expect(mixed == RawColumn.Reading(type: .number))
        #expect(RawColumn.number(.text("10%"), mixed) == nil && RawColumn.number(.text("0.1"), mixed) == .number(0.1))
        #expect(column(["1E5", "2E7", "3E1"]).type == .text)
        #expect(column(["1e3", "2.5E-2", "7"]).type == .number)
        #expect(column(["01234", "90210"]).type == .text)
    }

    @Test func columnsOfTruthValues() {
        #expect(column(["TRUE", "FALSE", "TRUE"]).type == .boolean)
        #expect(column(["True", "False", "N/A"]).type == .boolean)
        #expect(column(["TRUE", "perhaps", "FALSE"]).type == .text)
    }

    @Test func aWordInManyDocumentsMakesText() {
        let rooms: [JSONValue] = ["1", "2", "3", "4", "1", "2", "depot", "depot", "depot", "3"]
        #expect(column(rooms).type == .text)
        #expect(column(["1", "2", "3", "4", "1", "2", "broken", "3"]).type == .number)
    }

    /// What the name of a column says of its numbers.
    @Test func versionsAndDaysOfEightDigits() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write(
            "r.csv",
            """
            app,version,release date,price,seen
            a,1.9,20240305,1.9,9:05
            b,1.10,20240306,1.10,10:15
            c,1.2,20240401,1.2,23:59

            """)
        let writer = try CorpusWriter.open(creatingAt: folder("c.forage"))
        try writer.ingest([path])
        let reader = try writer.publish()
        #expect(reader.columns.field("version")?.type == .text && reader.columns.field("price")?.type == .number)
        #expect(reader.columns.field("release date")?.type == .date)
        let filter = try DocumentFilter(reader: reader)
        func found(_ condition: String) throws -> Int {
            let expression = try FilterExpression(json: .string(condition), schema: filter.schema)
            return try filter.documents(matching: expression).count
        }
        #expect(try found("version = 1.10") == 1 && found("version in (1.9, 1.10)") == 2)
        #expect(try found("\"release date\" = 2024-03") == 2)
        #expect(try found("seen > 9:30") == 2 && found("seen between 9:00 and 10:30") == 2)
        #expect(try found("app = B") == 1 && found("app != B") == 2)
        #expect(try found("app is missing") == 0 && found("not app is empty") == 3)
    }

    @Test func columnsOfDates() {
        #expect(column(["31.01.2024", "1.2.2024", "01.12.24"]).type == .date)
        #expect(column(["2020", "2021-05", "2019-03-01"]).type == .date)
        #expect(column([2020, "2021-05", "March 2019"]).type == .date)
        #expect(column(["2020", "2021"]).type == .number)
        #expect(RawColumn.date(.number(2020), nil) == DateParser.span("2020")?.lowerBound)
        #expect(RawColumn.date(.number(1_704_067_200_000), nil) == 1_704_067_200)
    }

    @Test(arguments: [
        ("1. Oktober 2023", "2023-10-01"), ("31 janvier 2024", "2024-01-31"), ("5 de marzo de 2024", "2024-03-05"),
        ("3 août 2021", "2021-08-03"), ("2024年1月31日", "2024-01-31"), ("2024년 1월 31일", "2024-01-31"),
        ("01.12.24", "2024-12-01"), ("05.06.87", "1987-06-05"), ("14-Mar-2022", "2022-03-14"),
        ("March 3rd, 2020", "2020-03-03"), ("1st of May 2020", "2020-05-01"), ("12 września 2023", "2023-09-12"),
        ("1 maart 2024", "2024-03-01"), ("1 mei 2024", "2024-05-01"),
        ("Fri, 02 Feb 2024 10:11:12 +0100", "2024-02-02T09:11:12Z"), ("2/15/24", "2024-02-15"),
        ("15/2/2024 9:05 PM", "2024-02-15T21:05Z"), ("2024-02-15 12:30 a.m.", "2024-02-15T00:30Z"),
    ]) func datesOfManyLanguages(_ text: String, _ iso: String) {
        #expect(
            DateParser.span(text)?.lowerBound == DateParser.span(iso)?.lowerBound && DateParser.span(iso) != nil,
            "\(text)")
    }

    @Test(arguments: ["1.2.10", "10.15.24", "31 Foo 2024", "de 2024", "5 March", "2024年13月1日", "1.2.3.4"])
    func whatIsNoDate(_ text: String) { #expect(DateParser.span(text) == nil, "\(text)") }

    @Test func monthsOfLessPrecisionAreSpans() throws {
        let month = try #require(DateParser.span("Oktober 2023"))
        #expect(month == DateParser.span("2023-10"))
        #expect(DateParser.span("2024年1月") == DateParser.span("2024-01"))
    }

    /// A German table: prices with commas, counts with points, dates with full stops; and what the corpus says of it.
    @Test func aTableWithDecimalCommas() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write(
            "preise.csv",
            """
            Artikel;Preis;Menge;Anteil;Datum
            Schraube;1.234,56;10;12,5 %;31.01.2024
            Mutter;0,99;1.500;7,25 %;01.02.2024
            Bolzen;12,00;2.250;0 %;15.02.2024

            """)
        let writer = try CorpusWriter.open(creatingAt: folder("c.forage"))
        try writer.ingest([path])
        let reader = try writer.publish()
        let price = try #require(reader.columns.field("Preis"))
        #expect(price.type == .number && price.hasDecimalComma && price.oddCount == 0)
        #expect(reader.columns.field("Menge")?.hasDecimalComma == true)
        #expect(reader.columns.field("Datum")?.type == .date)
        let filter = try DocumentFilter(reader: reader)
        func found(_ condition: String) throws -> Int {
            let expression = try FilterExpression(json: .string(condition), schema: filter.schema)
            return try filter.documents(matching: expression).ordinals.ordinals.count
        }
        #expect(try found("Preis > 1000") == 1)
        #expect(try found("Preis < 1") == 1)
        #expect(try found("Menge >= 1500") == 2)
        #expect(try found("Anteil > 7") == 2)
        #expect(try found("Datum = 2024-02") == 2)
    }

    @Test func aTableOfTooManyColumns() throws {
        let folder = try TemporaryFolder()
        let names = (0..<1500).map { "c\($0)" }
        let row = (0..<1500).map(String.init)
        let wide = try folder.write("a_wide.csv", "\(names.joined(separator: ","))\n\(row.joined(separator: ","))\n")
        let small = try folder.write("b.csv", "zebra,yak\n5,6\n")
        let writer = try CorpusWriter.open(creatingAt: folder("c.forage"))
        let summary = try writer.ingest([wide, small])
        #expect(summary.added == 2 && summary.bad == 0)
        #expect(summary.notes.contains { $0.reason.hasPrefix("476 fields are beyond") })
        let reader = try writer.publish()
        #expect(reader.columns.field("zebra")?.documentCount == 1 && reader.columns.field("c1023") != nil)
        #expect(reader.columns.field("c1024") == nil && reader.columns.fields.count == 1026)
        // Read again, nothing has changed.
        let again = try writer.ingest([wide, small])
        #expect(!again.changed)
    }
}
