// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Reading

/// A statement as banks give them: what goes out is below zero.
@Suite struct SpendingTests {
    private static let table: DocumentTable = {
        let payees = ["Northway Energy", "Lantern Toys", "Northway Energy", "Salary", "Kestrel Bikes"]
        let kinds = ["Utilities", "Toys", "Utilities", "Income", "Toys"]
        let amounts = [-61.95, -12.5, -144.93, 2100, -20]
        func texts(_ values: [String]) -> (texts: [String], codes: [UInt32]) {
            let distinct = Set(values).sorted()
            return (distinct, values.map { UInt32((distinct.firstIndex(of: $0) ?? 0) + 1) })
        }
        let sorted = amounts.sorted()
        return DocumentTable(
            columns: [
                DocumentTable.Column(
                    name: "description", kind: .text, texts: texts(payees).texts, codes: texts(payees).codes),
                DocumentTable.Column(
                    name: "category", kind: .text, texts: texts(kinds).texts, codes: texts(kinds).codes),
                DocumentTable.Column(
                    name: "amount", kind: .number, texts: sorted.map { "\($0)" }, numbers: sorted,
                    codes: amounts.map { UInt32((sorted.firstIndex(of: $0) ?? 0) + 1) }, isOrdered: true),
            ], rowCount: 5)
    }()

    private func answers(_ question: String, _ operation: ProgramCandidate.Operator) -> [String] {
        QuestionReader(index: TableIndex(Self.table)).candidates(question)
            .filter { $0.candidate.operation == operation && $0.candidate.isDescending }
            .map { $0.denotation.texts(in: Self.table).joined(separator: ", ") }
    }

    @Test func theMostThatWasPaidIsTheLowestNumber() {
        let reader = QuestionReader(index: TableIndex(Self.table))
        let highest = reader.candidates("What was my highest energy bill?").filter {
            $0.candidate.operation == .maximum
        }
        .map { $0.denotation.texts(in: Self.table).joined() }
        #expect(highest.contains("-144.93") && !highest.contains("-61.95"))
        // Without a word for spending the numbers are as they stand.
        let plain = reader.candidates("What was the highest amount?").filter { $0.candidate.operation == .maximum }
            .map { $0.denotation.texts(in: Self.table).joined() }
        #expect(plain.contains("2100") || plain.contains("2100.0"))
    }

    @Test func whereMostWasSpentIsASum() {
        #expect(answers("In which category did I spend the most?", .groupCount).contains("Utilities"))
        #expect(answers("Which category comes most often?", .groupCount).contains("Toys, Utilities"))
    }

    @Test func moreSpentIsNotMoreOften() {
        #expect(answers("Did I spend more on toys or on utilities?", .compareCounts).contains("no"))
        #expect(answers("Did I spend more on utilities or on toys?", .compareCounts).contains("yes"))
    }

    /// A list of prices: an amount of money is compared with those, and not with years or counts.
    @Test(arguments: [
        ("How many wines are under £15?", ["2"]), ("How many wines cost more than 40?", ["1"]),
        ("How many wines are over 20 euros?", ["1"]), ("How many wines are between £10 and £13?", ["1"]),
    ])
    func moneyIsComparedWithPrices(_ question: String, _ counts: [String]) {
        func numbers(_ name: String, _ values: [Double]) -> DocumentTable.Column {
            let sorted = Set(values).sorted()
            return DocumentTable.Column(
                name: name, kind: .number, texts: sorted.map { "\($0)" }, numbers: sorted,
                codes: values.map { UInt32((sorted.firstIndex(of: $0) ?? 0) + 1) }, isOrdered: true)
        }
        let table = DocumentTable(
            columns: [
                DocumentTable.Column(
                    name: "wine", kind: .text, texts: ["Encosta", "La Volpe", "Slate"], codes: [1, 2, 3]),
                numbers("vintage", [2015, 2016, 2021]), numbers("price", [12, 45, 14.5]),
                numbers("stock", [3, 60, 11]),
            ], rowCount: 3)
        let found = QuestionReader(index: TableIndex(table)).candidates(question)
            .filter { $0.candidate.operation == .count && !$0.candidate.clauses.isEmpty }
            .filter { "\($0.program)".contains("range") && !"\($0.program)".contains("isNegated: true") }
            .map { $0.denotation.texts(in: table).joined() }
        #expect(Set(found) == Set(counts), "\(question)")
    }
}
