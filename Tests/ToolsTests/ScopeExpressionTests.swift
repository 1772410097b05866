// SPDX-License-Identifier: Apache-2.0

import Corpus
import Testing
import Tools

private func passages(_ ordinals: [UInt32], document: (UInt32) -> UInt32 = { $0 / 2 }) -> ResultSet {
    ResultSet(
        handle: "", tool: "", description: "",
        content: .passages(
            ordinals.map { RankedPassage(id: "p\($0)", ordinal: $0, documentOrdinal: document($0), score: 1) }),
        total: ordinals.count, isComplete: true)
}

private func documents(_ ordinals: [UInt32]) -> ResultSet {
    ResultSet(
        handle: "", tool: "", description: "", content: .documents(OrdinalSet(ordinals)), total: ordinals.count,
        isComplete: true)
}

/// r1 and r2 are passages (of documents 0…3), r3 and r4 documents, r5 a table.
private let sets: [String: ResultSet] = [
    "r1": passages([5, 0, 3]), "r2": passages([3, 6]), "r3": documents([1, 2]), "r4": documents([2, 9]),
    "r5": ResultSet(
        handle: "r5", tool: "", description: "", content: .table(ResultTable(columns: [], rows: [])), total: 0,
        isComplete: true),
]

@Suite struct ScopeExpressionTests {
    @Test(arguments: [
        ("r1", CorpusScope.passages(OrdinalSet([0, 3, 5]))),
        ("r1 union r2", .passages(OrdinalSet([0, 3, 5, 6]))),
        ("r1 INTERSECT r2", .passages(OrdinalSet([3]))),
        ("r1 subtract r2", .passages(OrdinalSet([0, 5]))),
        ("r1 intersect r3", .passages(OrdinalSet([3, 5]))),
        ("r3 intersect r1", .passages(OrdinalSet([3, 5]))),
        ("r1 minus r3", .passages(OrdinalSet([0]))),
        ("r3 subtract r2", .documents(OrdinalSet([2]))),
        ("r3 or r1", .documents(OrdinalSet([0, 1, 2]))),
        ("r3 and r4", .documents(OrdinalSet([2]))),
        ("r1 union r2 intersect r2", .passages(OrdinalSet([0, 3, 5, 6]))),
        ("(r1 union r2)intersect r2", .passages(OrdinalSet([3, 6]))),
        ("r1 subtract r2 subtract r2", .passages(OrdinalSet([0, 5]))),
    ])
    func evaluates(text: String, expected: CorpusScope) throws {
        #expect(try ScopeExpression(text).evaluate(in: sets) == expected)
    }

    @Test(arguments: [
        ("", "expected a handle such as r1, found the end"),
        ("r1 r2", "expected union, intersect, subtract or the end, found \"r2\""),
        ("r1 union", "expected a handle such as r1, found the end"),
        ("(r1", "expected \")\", found the end"),
        ("results", "expected a handle such as r1, found \"results\""),
        ("r1; drop", "expected a handle such as r1, found \"r1;\""),
    ])
    func teaches(text: String, expected: String) throws {
        let error = #expect(throws: ToolError.self) { try ScopeExpression(text) }
        #expect(error?.message.hasPrefix(expected) == true, "\(error?.message ?? "")")
    }

    @Test func namesWhatThereIs() throws {
        let unknown = #expect(throws: ToolError.self) { try ScopeExpression("r9").evaluate(in: sets) }
        #expect(unknown?.message == "there is no result \"r9\"; there are r1, r2, r3, r4, r5")
        #expect(throws: ToolError.self) { try ScopeExpression("r1 union r5").evaluate(in: sets) }
    }

    @Test func depthIsBounded() {
        let deep = String(repeating: "(", count: 400) + "r1" + String(repeating: ")", count: 400)
        #expect(throws: ToolError.self) { try ScopeExpression(deep) }
    }

    @Test func fusesRankings() throws {
        // 3 is third in r1 and first in r2; 5 first in r1; 6 second in r2; 0 second in r1.
        guard case .passages(let fused) = try ScopeExpression("r1 union r2").content(in: sets) else {
            Issue.record("expected passages")
            return
        }
        #expect(fused.map(\.ordinal) == [3, 5, 0, 6])
        #expect(fused[0].score == 1.0 / 63 + 1.0 / 61)
    }
}
