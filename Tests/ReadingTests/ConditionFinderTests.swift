// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Reading

/// What the words of a question may mean as conditions.
@Suite struct ConditionFinderTests {
    private static let table: DocumentTable = {
        let years: [Double] = [1949, 1950, 1959, 1960, 2001]
        let days: [Double] = [0, 31, 59, 90, 120].map { $0 * 86_400 }
        return DocumentTable(
            columns: [
                DocumentTable.Column(
                    name: "paid", kind: .boolean, texts: ["false", "true"], numbers: [0, 1], codes: [1, 2, 1, 2, 2]),
                DocumentTable.Column(
                    name: "planted", kind: .number, texts: years.map { Denotation.shown($0) }, numbers: years,
                    codes: [1, 2, 3, 4, 5]),
                DocumentTable.Column(
                    name: "sent_on", kind: .date, texts: days.map { "\($0)" }, numbers: days, codes: [1, 2, 3, 4, 5]),
                DocumentTable.Column(
                    name: "author", kind: .text, texts: ["Ada Holm", "Bo Roth"], codes: [1, 2, 1, 0, 2]),
                DocumentTable.Column(
                    name: "desk", kind: .text, texts: ["crime", "film"], codes: [1, 1, 2, 2, 1]),
                DocumentTable.Column(
                    name: "title", kind: .text, texts: ["One", "Two", "Three", "Four", "Five"],
                    codes: [1, 2, 3, 4, 5], isTitle: true),
            ], rowCount: 5)
    }()

    /// Whether a program of that answer, and of that form, is among those that the question may mean.
    private func finds(_ question: String, _ answer: [String], _ isWanted: (CorpusProgram) -> Bool) -> Bool {
        let reader = QuestionReader(index: TableIndex(Self.table))
        return reader.candidates(question).contains {
            isWanted($0.program) && $0.denotation.texts(in: Self.table) == answer
        }
    }

    private func isFilteredCount(_ program: CorpusProgram) -> Bool {
        if case .count(.filter(let filter)) = program { return filter.count == 1 }
        return false
    }

    @Test(arguments: [
        "How many letters aren't paid?", "How many letters have not been paid?", "How many letters are unpaid?",
    ])
    func whatIsNotSoIsFound(question: String) {
        #expect(finds(question, ["2"], isFilteredCount))
    }

    @Test func yearsThatAreNumbersHaveDecades() {
        #expect(finds("How many were planted in the 1950s?", ["2"], isFilteredCount))
        #expect(finds("How many were planted after the year 1960?", ["1"], isFilteredCount))
    }

    @Test func onOrAfterIncludesTheDay() {
        #expect(finds("How many were sent on or after 1 February 1970?", ["4"], isFilteredCount))
        #expect(finds("How many were sent after 1 February 1970?", ["3"], isFilteredCount))
        #expect(finds("How many were sent on or before 1 February 1970?", ["2"], isFilteredCount))
    }

    @Test func missingValuesAreFound() {
        #expect(finds("How many letters don't have an author?", ["1"], isFilteredCount))
    }

    @Test func setsAreHeldAgainstEachOther() {
        func isShared(_ program: CorpusProgram) -> Bool {
            if case .shared = program { true } else { false }
        }
        #expect(finds("Which author wrote for both crime and film?", ["Ada Holm"], isShared))
        #expect(finds("Which author wrote about crime but never about film?", ["Bo Roth"], isShared))
        #expect(finds("Which author never wrote about film?", ["Bo Roth"], isShared))
    }

    @Test func shareOfAll() {
        #expect(
            finds("What percentage is about film?", ["40"]) {
                if case .arithmetic(.percentOf, _, .count(.filter(let all))) = $0 { all.isEmpty } else { false }
            })
    }

    @Test(arguments: [
        "So did Ada Holm write about film?", "Anyone writing about film?", "Tell me whether film is there.",
    ])
    func yesOrNo(question: String) {
        #expect(finds(question, ["yes"]) { if case .exists = $0 { true } else { false } })
    }

    @Test func anOpeningContractionNegatesNothing() {
        func isNegated(_ program: CorpusProgram) -> Bool {
            if case .exists(.filter(let filter)) = program {
                filter.joined().contains(where: \.isNegated)
            } else {
                false
            }
        }
        #expect(!finds("Isn't there any film story by Ada Holm?", ["yes"], isNegated))
    }

    @Test func monthsAreDates() {
        #expect(DateReading.iso("1970-02") == 2_678_400.0)
        #expect(DateReading.iso("1970-13") == nil)
    }
}
