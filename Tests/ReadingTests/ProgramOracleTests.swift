// SPDX-License-Identifier: Apache-2.0

import Base
import Testing

@testable import Reading

/// A drawn table, and programs worked out over its rows one by one.
private struct Drawn {
    /// A row as values: some names, a number, a day; empty where there is none.
    struct Row {
        var names: [String]
        var number: Double?
        var day: Int?
    }

    var rows: [Row]
    let names = ["Ann", "Ben", "Cyd", "Dee"]
    var random: SplitMix64

    init(seed: UInt64) {
        random = SplitMix64(seed: seed)
        rows = []
        let count = Int.random(in: 0...70, using: &random)
        for _ in 0..<count {
            let many = Int.random(in: 0...5, using: &random)
            // Some rows have several names, as fields with lists do.
            let chosen = names.shuffled(using: &random).prefix(many < 2 ? many : many == 5 ? 2 : 1)
            rows.append(
                Row(
                    names: chosen.sorted(),
                    number: chance(0.8) ? Double(Int.random(in: -3...9, using: &random)) / 2 : nil,
                    day: chance(0.8) ? Int.random(in: 10_900...11_700, using: &random) : nil))
        }
    }

    mutating func chance(_ share: Double) -> Bool { Double.random(in: 0..<1, using: &random) < share }

    var table: DocumentTable {
        let numbers = Set(rows.compactMap(\.number)).sorted()
        let days = Set(rows.compactMap(\.day)).sorted()
        func code(_ name: String) -> UInt32 { UInt32((names.firstIndex(of: name) ?? 0) + 1) }
        var further: [Int: [UInt32]] = [:]
        for (index, row) in rows.enumerated() where row.names.count > 1 { further[index] = row.names.map(code) }
        return DocumentTable(
            columns: [
                .init(
                    name: "name", kind: .text, texts: names, codes: rows.map { $0.names.first.map(code) ?? 0 },
                    further: further),
                .init(
                    name: "size", kind: .number, texts: numbers.map { "\($0)" }, numbers: numbers,
                    codes: rows.map { row in
                        row.number.flatMap { numbers.firstIndex(of: $0) }.map { UInt32($0 + 1) } ?? 0
                    }),
                .init(
                    name: "day", kind: .date, texts: days.map { "\($0)" }, numbers: days.map { Double($0) * 86_400 },
                    codes: rows.map { row in row.day.flatMap { days.firstIndex(of: $0) }.map { UInt32($0 + 1) } ?? 0 }),
                .init(
                    name: "title", kind: .text, texts: rows.indices.map { "R\($0)" },
                    codes: rows.indices.map { UInt32($0 + 1) }, isTitle: true),
            ], rowCount: rows.count)
    }

    /// A condition, and which rows hold it.
    mutating func condition() -> (ProgramCondition, (Row) -> Bool) {
        switch Int.random(in: 0..<4, using: &random) {
        case 0:
            let code = Int.random(in: 1...4, using: &random)
            let name = names[code - 1]
            let isNegated = chance(0.4)
            return (
                ProgramCondition(column: 0, test: .isIn([UInt32(code)]), isNegated: isNegated),
                { isNegated ? !$0.names.isEmpty && !$0.names.contains(name) : $0.names.contains(name) }
            )
        case 1:
            let bound = Double(Int.random(in: -2...8, using: &random)) / 2
            let includes = chance(0.5)
            return (
                ProgramCondition(
                    column: 1, test: .range(low: nil, includesLow: false, high: bound, includesHigh: includes)),
                { $0.number.map { includes ? $0 <= bound : $0 < bound } ?? false }
            )
        case 2:
            let day = Int.random(in: 10_900...11_700, using: &random)
            return (
                ProgramCondition(
                    column: 2,
                    test: .range(low: Double(day) * 86_400, includesLow: true, high: nil, includesHigh: false)),
                { $0.day.map { $0 >= day } ?? false }
            )
        default:
            let isNegated = chance(0.5)
            return (
                ProgramCondition(column: 1, test: .exists, isNegated: isNegated),
                { ($0.number == nil) == isNegated }
            )
        }
    }

    /// A filter of up to three clauses, each of up to two alternatives.
    mutating func filter() -> (ProgramFilter, (Row) -> Bool) {
        var clauses: [[(ProgramCondition, (Row) -> Bool)]] = []
        for _ in 0..<Int.random(in: 0...3, using: &random) {
            clauses.append((0..<Int.random(in: 1...2, using: &random)).map { _ in condition() })
        }
        return (
            clauses.map { $0.map(\.0) }, { row in clauses.allSatisfy { $0.contains { $0.1(row) } } }
        )
    }
}

@Suite struct ProgramOracleTests {
    private func texts(_ program: CorpusProgram, _ drawn: Drawn) -> [String] {
        var executor = ProgramExecutor(table: drawn.table)
        return executor.run(program).texts(in: drawn.table)
    }

    @Test func countsValuesAndStatistics() {
        for seed in 0..<150 {
            var drawn = Drawn(seed: UInt64(seed))
            let (filter, holds) = drawn.filter()
            let members = drawn.rows.indices.filter { holds(drawn.rows[$0]) }
            #expect(texts(.count(.filter(filter)), drawn) == ["\(members.count)"], "seed \(seed)")
            #expect(texts(.values(.filter(filter), 3), drawn) == members.map { "R\($0)" }, "seed \(seed)")
            #expect(texts(.exists(.filter(filter)), drawn) == [members.isEmpty ? "no" : "yes"])
            let named = Set(members.flatMap { drawn.rows[$0].names })
            #expect(texts(.distinct(.filter(filter), 0, .value), drawn) == ["\(named.count)"], "seed \(seed)")
            let numbers = members.compactMap { drawn.rows[$0].number }
            let sum = numbers.reduce(0, +)
            let expected: [(CorpusProgram.Statistic, Double?)] = [
                (.sum, numbers.isEmpty ? nil : sum),
                (.mean, numbers.isEmpty ? nil : sum / Double(numbers.count)), (.minimum, numbers.min()),
                (.maximum, numbers.max()), (.range, numbers.min().flatMap { low in numbers.max().map { $0 - low } }),
            ]
            for (statistic, value) in expected {
                #expect(
                    texts(.statistic(statistic, .filter(filter), 1), drawn) == value.map { [Denotation.shown($0)] }
                        ?? [],
                    "seed \(seed), \(statistic)")
            }
        }
    }

    @Test func extremesTieAndCountsCut() {
        for seed in 0..<150 {
            var drawn = Drawn(seed: UInt64(seed))
            let (filter, holds) = drawn.filter()
            let isDescending = drawn.chance(0.5)
            let measured = drawn.rows.indices.filter { holds(drawn.rows[$0]) && drawn.rows[$0].number != nil }
            let values = measured.compactMap { drawn.rows[$0].number }
            let best = isDescending ? values.max() : values.min()
            let one = RowSet.extreme(filter, column: 1, isDescending: isDescending, count: 1)
            #expect(
                texts(.values(one, 3), drawn) == measured.filter { drawn.rows[$0].number == best }.map { "R\($0)" },
                "seed \(seed)")
            let three = RowSet.extreme(filter, column: 1, isDescending: isDescending, count: 3)
            let order = measured.sorted { a, b in
                let (x, y) = (drawn.rows[a].number ?? 0, drawn.rows[b].number ?? 0)
                return x == y ? a < b : isDescending ? x > y : x < y
            }
            #expect(texts(.values(three, 3), drawn) == order.prefix(3).map { "R\($0)" }, "seed \(seed)")
        }
    }

    @Test func groupsAreThoseOfARowByRowCount() {
        for seed in 0..<150 {
            var drawn = Drawn(seed: UInt64(seed))
            let (filter, holds) = drawn.filter()
            let members = drawn.rows.filter(holds)
            var counts: [String: Int] = [:]
            for row in members { for name in row.names { counts[name, default: 0] += 1 } }
            let most = counts.values.max()
            let expected = drawn.names.filter { counts[$0] != nil && counts[$0] == most }
            #expect(
                texts(
                    .groupExtreme(filter, 0, .value, .count, isDescending: true, count: 1, givesMeasure: false), drawn)
                    == expected, "seed \(seed)")
            let atLeast = drawn.names.filter { (counts[$0] ?? 0) >= 3 }
            #expect(
                texts(.groupsWhere(filter, 0, .count, .greaterOrEqual, 3, givesCount: false), drawn) == atLeast,
                "seed \(seed)")
            #expect(
                texts(.groupsWhere(filter, 0, .count, .greaterOrEqual, 3, givesCount: true), drawn)
                    == ["\(atLeast.count)"])
            let average = counts.isEmpty ? nil : Double(counts.values.reduce(0, +)) / Double(counts.count)
            #expect(
                texts(.meanPerGroup(filter, 0, .value), drawn) == average.map { [Denotation.shown($0)] } ?? [],
                "seed \(seed)")
        }
    }

    @Test func setsAreHeldAgainstEachOther() {
        for seed in 0..<150 {
            var drawn = Drawn(seed: UInt64(seed))
            let (left, holdsLeft) = drawn.filter()
            let (right, holdsRight) = drawn.filter()
            let (a, b) = (drawn.rows.filter(holdsLeft), drawn.rows.filter(holdsRight))
            let (first, second) = (Set(a.flatMap(\.names)), Set(b.flatMap(\.names)))
            for isNegated in [false, true] {
                let expected = isNegated ? first.subtracting(second) : first.intersection(second)
                #expect(
                    Set(texts(.shared(left, right, 0, isNegated: isNegated, givesCount: false), drawn)) == expected,
                    "seed \(seed)")
                #expect(
                    texts(.shared(left, right, 0, isNegated: isNegated, givesCount: true), drawn)
                        == ["\(expected.count)"])
            }
            let all = a.allSatisfy(holdsRight)
            #expect(texts(.every(left, right), drawn) == (a.isEmpty ? [] : [all ? "yes" : "no"]), "seed \(seed)")
            let difference = CorpusProgram.arithmetic(.difference, .count(.filter(left)), .count(.filter(right)))
            #expect(texts(difference, drawn) == ["\(a.count - b.count)"])
            let comparison = CorpusProgram.compare(.count(.filter(left)), .less, .count(.filter(right)))
            #expect(texts(comparison, drawn) == [a.count < b.count ? "yes" : "no"])
        }
    }

    @Test func placesAndNeighboursStayInTheTable() {
        for seed in 0..<100 {
            var drawn = Drawn(seed: UInt64(seed))
            let (filter, holds) = drawn.filter()
            let members = drawn.rows.indices.filter { holds(drawn.rows[$0]) }
            #expect(texts(.values(.place(filter, 2), 3), drawn) == members.prefix(2).map { "R\($0)" })
            #expect(texts(.values(.place(filter, -2), 3), drawn) == members.suffix(2).map { "R\($0)" })
            for offset in [-3, -1, 1, 3] {
                let anchor = offset > 0 ? members.last : members.first
                let place = anchor.map { $0 + offset }.flatMap { drawn.rows.indices.contains($0) ? $0 : nil }
                #expect(
                    texts(.values(.neighbour(.filter(filter), offset), 3), drawn) == place.map { ["R\($0)"] } ?? [],
                    "seed \(seed)")
            }
        }
    }

    /// Questions made of the grammar's own words in any order are read without harm, and what is answered can be computed.
    @Test func wordsInAnyOrder() {
        let words = [
            "how", "many", "which", "most", "least", "name", "Ann", "Ben", "size", "day", "before", "after", "between",
            "2000",
            "2001", "and", "or", "not", "more", "than", "average", "first", "last", "two", "3", "1.5", "March", "the",
            "is",
            "\"Cyd\"", "?", "largest", "year",
        ]
        for seed in 0..<60 {
            var drawn = Drawn(seed: UInt64(seed))
            let reader = QuestionReader(index: TableIndex(drawn.table))
            let length = Int.random(in: 1...14, using: &drawn.random)
            let question = (0..<length).map { _ in words[Int.random(in: 0..<words.count, using: &drawn.random)] }
                .joined(separator: " ")
            for read in reader.candidates(question) {
                #expect(!read.denotation.isEmpty)
                #expect(read.features.allSatisfy { Int($0) < ProgramWeights.featureSpace }, "\(question)")
                #expect(!read.denotation.texts(in: drawn.table).contains(""), "\(question)")
            }
            let reading = reader.read(question)
            #expect(reading.agreement >= 0 && reading.agreement <= 1 + 1e-9, "\(question)")
            #expect(zip(reading.programs, reading.programs.dropFirst()).allSatisfy { $0.score >= $1.score })
        }
    }
}
