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
}
