// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Reading

@Suite struct DatePhraseTests {
    private func interval(_ text: String, year: Int = 2023) -> [String]? {
        let tokens = WordForms.tokens(text)
        guard let phrase = DatePhrase.find(in: tokens).first, let (start, end) = phrase.interval(inYear: year) else {
            return nil
        }
        func day(_ seconds: Double) -> String { ProgramExecutor.name(ProgramExecutor.key(seconds, .day), .day) }
        return [day(start), day(end)]
    }

    @Test(
        arguments: [
            ("in the first week of November", "2023-11-01", "2023-11-08"),
            ("in the last week of February 2024", "2024-02-23", "2024-03-01"),
            ("before March", "2023-03-01", "2023-04-01"),
            ("during 1998", "1998-01-01", "1999-01-01"),
            ("in the 1990s", "1990-01-01", "2000-01-01"),
            ("on 18 October 2023", "2023-10-18", "2023-10-19"),
            ("on October 18th, 2023", "2023-10-18", "2023-10-19"),
            ("on 2023-10-18", "2023-10-18", "2023-10-19"),
            ("in the second half of 2021", "2021-07-01", "2022-01-01"),
            ("in the third quarter of 2020", "2020-07-01", "2020-10-01"),
            ("in Q4 2020", "2020-10-01", "2021-01-01"),
            ("early December 2022", "2022-12-01", "2022-12-11"),
            ("the last two months of 2022", "2022-11-01", "2023-01-01"),
            ("in Sept. 2019", "2019-09-01", "2019-10-01"),
        ] as [(String, String, String)])
    func stretches(text: String, start: String, end: String) throws {
        #expect(try #require(interval(text)) == [start, end])
    }

    @Test(arguments: ["they may win", "march on", "the second song", "30 February 2020"] as [String])
    func noDates(text: String) {
        #expect(interval(text) == nil || text.contains("February"))
        if text.contains("February") { #expect(interval(text) == nil) }
    }

    /// The day number is the inverse of what the names are made from, over four centuries.
    @Test func daysAndNamesAgree() {
        for day in stride(from: -80_000, to: 80_000, by: 37) {
            let seconds = Double(day) * 86_400
            let year = DatePhrase.year(ofSeconds: seconds)
            let (month, dayOfMonth) = DatePhrase.monthAndDay(ofSeconds: seconds)
            #expect(DatePhrase.dayNumber(year, month, dayOfMonth) == day)
        }
    }
}
