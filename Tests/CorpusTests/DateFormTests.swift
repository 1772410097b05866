// SPDX-License-Identifier: Apache-2.0

import Base
import Testing

@testable import Corpus

/// Dates as people and programs write them.
@Suite struct DateFormTests {
    @Test(
        arguments: [
            ("Montag, 3. Mai 2021", "2021-05-03"), ("Mo., den 3. Mai 2021", "2021-05-03"),
            ("lundi 3 mai 2021", "2021-05-03"), ("mercredi 1er août 2018", "2018-08-01"),
            ("martes, 5 de marzo de 2024", "2024-03-05"), ("mercoledì 1º giugno 2022", "2022-06-01"),
            ("segunda-feira, 7 de março de 2022", "2022-03-07"), ("vrijdag 2 augustus 2019", "2019-08-02"),
            ("5 марта 2021", "2021-03-05"), ("3. května 2020", "2020-05-03"), ("12 Mart 2021", "2021-03-12"),
            ("3. toukokuuta 2021", "2021-05-03"), ("Thursday, March 5th, 1998", "1998-03-05"),
            ("Fri 5 March 2021", "2021-03-05"), ("05-Mar-98", "1998-03-05"), ("5 Mar 21", "2021-03-05"),
            ("5 March '98", "1998-03-05"), ("2021-Mar-05", "2021-03-05"), ("2021 March 5", "2021-03-05"),
            ("05/Mar/2021", "2021-03-05"), ("25-12-2020", "2020-12-25"),
            ("Fri Mar  5 10:00:00 2021", "2021-03-05T10:00:00Z"),
            ("Fri Mar  5 10:00:00 UTC 2021", "2021-03-05T10:00:00Z"),
            ("Wed Oct 10 20:19:24 +0000 2018", "2018-10-10T20:19:24Z"),
            ("Fri Mar 05 2021 10:00:00 GMT+0100 (Central European Standard Time)", "2021-03-05T09:00:00Z"),
            ("Fri, 5 Mar 2021 10:00:00 +0100 (CET)", "2021-03-05T09:00:00Z"),
            ("Fri, 05 Mar 2021 10:00:00 EST", "2021-03-05T15:00:00Z"),
            ("March 5, 2021 at 10:30 PM", "2021-03-05T22:30Z"), ("20240311T083000Z", "2024-03-11T08:30:00Z"),
            ("Tuesday, March 12, 2024 at 9:15:22\u{202F}AM UTC", "2024-03-12T09:15:22Z"),
            ("March 1998", "1998-03"), ("Mar '98", "1998-03"), ("Mar-98", "1998-03"), ("3/1998", "1998-03"),
            ("03-1998", "1998-03"), ("Q2 1998", "1998-Q2"), ("1998 Q2", "1998-Q2"), ("Q2/1998", "1998-Q2"),
            ("1998Q2", "1998-Q2"),
        ]) func saysTheSameAs(_ text: String, _ iso: String) throws
    {
        let expected = try #require(DateParser.span(iso))
        #expect(DateParser.span(text) == expected, "\(text)")
    }

    @Test func halvesAndWeeksOfYears() throws {
        let half = try #require(DateParser.span("H2 2020"))
        #expect(half.lowerBound == DateParser.span("2020-07-01")?.lowerBound)
        #expect(half.upperBound == DateParser.span("2020-12-31")?.upperBound)
        let week = try #require(DateParser.span("2023-W01"))
        #expect(week.lowerBound == DateParser.span("2023-01-02")?.lowerBound)
        #expect(week.upperBound == DateParser.span("2023-01-08")?.upperBound)
    }

    @Test(arguments: [
        "Mar-12", "3/12", "13/1998", "10/5000", "Q5 2020", "2023-W60", "so 2021", "Monday", "5 Foo 2021", "Mr 5 2021",
        "31 February 2021", "Fri Mar 5 2021 10:00:00 XYZ", "1.2.10", "H3 2020", "03.1998", "5 Mar 2021 (note)",
    ]) func isNoDate(_ text: String) { #expect(DateParser.span(text) == nil, "\(text)") }

    private func column(_ values: [String]) -> RawColumn {
        var column = RawColumn()
        for (document, value) in values.enumerated() { column.add(.string(value), document: document) }
        return column
    }

    @Test func anOrderHoldsForTheWholeColumn() {
        let dashes = column(["01-02-2024", "25-02-2024", "03-04-2024"]).inferred()
        #expect(dashes.type == .date && dashes.order == .dayFirst)
        #expect(RawColumn.date(.text("01-02-2024"), dashes.order) == DateParser.seconds("2024-02-01"))
        #expect(column(["01/02/2024", "03/04/2024"]).inferred().type == .text)
        #expect(column(["01/02/2024", "03/04/2024"]).nearly(decimal: .point)?.isAmbiguous == true)
        var open = column(["01/02/2024", "03/04/2024"])
        open.orderBeside = .monthFirst
        #expect(open.inferred().order == .monthFirst)
        // What a column says of its own goes before what those beside it say.
        var own = column(["01/02/2024", "25/04/2024"])
        own.orderBeside = .monthFirst
        #expect(own.inferred().order == .dayFirst)
        #expect(column(["March 1998", "Q2 1998", "1998", "3/1999"]).inferred().type == .date)
    }
}
