// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
import Testing
import Text
import Tools

@Suite struct ResultSetTests {
    @Test(arguments: [
        ResultSet.Content.passages([
            RankedPassage(id: "a#1", ordinal: 4, documentOrdinal: 2, score: 1.25),
            RankedPassage(id: "b", ordinal: 9, documentOrdinal: 7, score: 1),
        ]),
        .passages([]), .documents(OrdinalSet([0, 1, 2, 7, 9, 10])), .documents(OrdinalSet()),
        .table(ResultTable(columns: ["source", "count"], rows: [["x", 3], [nil, 1.5]])),
    ])
    func survivesJSON(content: ResultSet.Content) throws {
        let set = ResultSet(
            handle: "r3", tool: "filter", description: "source is x", content: content, total: 12, isComplete: false)
        let text = set.json.description
        #expect(try ResultSet(json: JSONValue(parsing: text)) == set)
    }

    @Test func documentsAreRuns() {
        let set = ResultSet(
            handle: "r1", tool: "filter", description: "", content: .documents(OrdinalSet([0, 1, 2, 7, 9, 10])),
            total: 6,
            isComplete: true)
        #expect(set.json["documents"] == "0-2,7,9-10")
    }

    @Test(arguments: ["5-3", "3,2", "a", "1-2-3", "0-4294967295", "-1", "1,1"])
    func refusesBadRuns(runs: String) {
        let json: JSONValue = [
            "handle": "r1", "tool": "t", "description": "", "total": 1, "complete": true, "documents": .string(runs),
        ]
        #expect(throws: JSONError.self) { try ResultSet(json: json) }
    }
}
