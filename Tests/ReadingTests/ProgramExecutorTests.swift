// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Reading

/// A small fleet: who owns which boat, how long it is, and when it was built.
enum Fleet {
    static let owners = ["Ada", "Bo", "Ada", "Cyn", "Bo", "Ada", nil]
    static let lengths: [Double?] = [12, 30, 30, 7, 9, nil, 15]
    static let built: [Double] = [0.0, 86_400, 40 * 86_400, 400 * 86_400, 500 * 86_400, 501 * 86_400, 900 * 86_400]

    static let table: DocumentTable = {
        let names = ["Ada", "Bo", "Cyn"]
        let sizes: [Double] = [7, 9, 12, 15, 30]
        return DocumentTable(
            columns: [
                DocumentTable.Column(
                    name: "owner", kind: .text, texts: names,
                    codes: owners.map { owner in owner.flatMap { names.firstIndex(of: $0) }.map { UInt32($0 + 1) } ?? 0
                    }),
                DocumentTable.Column(
                    name: "length_m", kind: .number, texts: sizes.map { Denotation.shown($0) }, numbers: sizes,
                    codes: lengths.map { length in
                        length.flatMap { sizes.firstIndex(of: $0) }.map { UInt32($0 + 1) } ?? 0
                    }),
                DocumentTable.Column(
                    name: "built_on", kind: .date, texts: built.map { "\($0)" }, numbers: built,
                    codes: built.indices.map { UInt32($0 + 1) }),
                DocumentTable.Column(
                    name: "title", kind: .text, texts: built.indices.map { "Boat \($0)" },
                    codes: built.indices.map { UInt32($0 + 1) }, isTitle: true),
            ], rowCount: built.count)
    }()

    static func run(_ program: CorpusProgram) -> [String] {
        var executor = ProgramExecutor(table: table)
        return executor.run(program).texts(in: table)
    }
}

@Suite struct ProgramExecutorTests {
    private let ada: ProgramFilter = [[ProgramCondition(column: 0, test: .isIn([1]))]]
    private let bo: ProgramFilter = [[ProgramCondition(column: 0, test: .isIn([2]))]]

    @Test func countsAndNegations() {
        #expect(Fleet.run(.count(.filter([]))) == ["7"])
        #expect(Fleet.run(.count(.filter(ada))) == ["3"])
        // Not Ada's: of those that have an owner.
        let others = [[ProgramCondition(column: 0, test: .isIn([1]), isNegated: true)]]
        #expect(Fleet.run(.count(.filter(others))) == ["3"])
        let ownerless = [[ProgramCondition(column: 0, test: .exists, isNegated: true)]]
        #expect(Fleet.run(.values(.filter(ownerless), 3)) == ["Boat 6"])
    }

    @Test func extremesGiveAllThatTie() {
        let longest = RowSet.extreme([], column: 1, isDescending: true, count: 1)
        #expect(Fleet.run(.values(longest, 3)) == ["Boat 1", "Boat 2"])
        let top = RowSet.extreme([], column: 1, isDescending: false, count: 3)
        #expect(Fleet.run(.values(top, 3)) == ["Boat 3", "Boat 4", "Boat 0"])
    }

    @Test func groupsAndStatistics() {
        #expect(
            Fleet.run(
                .groupExtreme([], 0, .value, .count, isDescending: true, count: 1, givesMeasure: false)) == ["Ada"])
        #expect(
            Fleet.run(
                .groupExtreme([], 0, .value, .mean(1), isDescending: true, count: 1, givesMeasure: false)) == ["Ada"])
        #expect(Fleet.run(.groupsWhere([], 0, .count, .greaterOrEqual, 2, givesCount: false)) == ["Ada", "Bo"])
        #expect(Fleet.run(.groupsWhere([], 0, .count, .less, 2, givesCount: true)) == ["1"])
        #expect(Fleet.run(.statistic(.sum, .filter(bo), 1)) == ["39"])
        #expect(Fleet.run(.statistic(.range, .filter([]), 1)) == ["23"])
        #expect(Fleet.run(.distinct(.filter([]), 0, .value)) == ["3"])
        #expect(Fleet.run(.distinct(.filter([]), 2, .year)) == ["3"])
        #expect(Fleet.run(.meanPerGroup([], 0, .value)) == ["2"])
    }

    @Test func setsHeldAgainstEachOther() {
        #expect(Fleet.run(.shared(ada, bo, 1, isNegated: false, givesCount: false)) == ["30"])
        #expect(Fleet.run(.shared(ada, bo, 1, isNegated: true, givesCount: false)) == ["12"])
        #expect(Fleet.run(.shared([], bo, 1, isNegated: true, givesCount: true)) == ["3"])
        #expect(Fleet.run(.groupsWhere([], 0, .distinct(1), .less, 2, givesCount: false)) == ["Cyn"])
        #expect(
            Fleet.run(
                .groupExtreme([], 0, .value, .distinct(1), isDescending: true, count: 1, givesMeasure: false))
                == ["Ada", "Bo"])
    }

    @Test func arithmeticAndComparison() {
        let difference = CorpusProgram.arithmetic(.difference, .count(.filter(ada)), .count(.filter(bo)))
        #expect(Fleet.run(difference) == ["1"])
        #expect(Fleet.run(.compare(.count(.filter(ada)), .greater, .count(.filter(bo)))) == ["yes"])
        #expect(Fleet.run(.compare(.count(.filter(ada)), .greater, .constant(3))) == ["no"])
        #expect(Fleet.run(.every(ada, [[ProgramCondition(column: 1, test: .exists)]])) == ["no"])
        // A value that is none makes no number.
        #expect(Fleet.run(.arithmetic(.ratio, .count(.filter(ada)), .constant(0))) == [])
    }

    /// Filters against a row-by-row oracle, over random conditions.
    @Test func filtersAgreeWithAnOracle() {
        var state: UInt64 = 7
        func draw(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
        for _ in 0..<300 {
            let low = Double(draw(35))
            let includesLow = draw(2) == 0
            let codes = (1...3).filter { _ in draw(2) == 0 }.map { UInt32($0) }
            let isNegated = draw(2) == 0
            let range = ProgramCondition(
                column: 1, test: .range(low: low, includesLow: includesLow, high: nil, includesHigh: false))
            let owner = ProgramCondition(column: 0, test: .isIn(codes), isNegated: isNegated)
            let isOr = draw(2) == 0
            let filter: ProgramFilter = isOr ? [[range, owner]] : [[range], [owner]]
            let expected = Fleet.owners.indices.filter { row in
                let long = Fleet.lengths[row].map { includesLow ? $0 >= low : $0 > low } ?? false
                let code = Fleet.owners[row].flatMap { ["Ada", "Bo", "Cyn"].firstIndex(of: $0) }.map { UInt32($0 + 1) }
                let owned = code.map { codes.contains($0) != isNegated } ?? false
                return isOr ? long || owned : long && owned
            }
            var executor = ProgramExecutor(table: Fleet.table)
            #expect(executor.rows(filter).rows == expected)
        }
    }
}
