// SPDX-License-Identifier: Apache-2.0

import Base
import Testing

@testable import Corpus

@Suite struct MeasureExpressionTests {
    private let values = ["sum": 12.0, "count": 4.0, "none of it": 0.0]

    @Test(
        arguments: [
            ("sum / count", 3.0), ("sum - count * 2", 4.0), ("(sum - count) * 2", 16.0), ("-sum + 1.5", -10.5),
            ("abs(count - sum)", 8.0), ("sum - -count", 16.0), ("100 * count / sum", 400.0 / 12),
            ("\"none of it\" + 1", 1.0), ("((((sum))))", 12.0), ("sum/count/3", 1.0), ("1e2 - sum", 88.0),
        ] as [(String, Double)])
    func values(text: String, expected: Double) throws {
        let value = try #require(try MeasureExpression(text).value { values[$0] })
        #expect(abs(value - expected) < 1e-12, "\(text)")
    }

    @Test func whatHasNoValue() throws {
        #expect(try MeasureExpression("sum / \"none of it\"").value { values[$0] } == nil)
        #expect(try MeasureExpression("sum + unknown").value { values[$0] } == nil)
        #expect(try MeasureExpression("1e308 * 1e308").value { values[$0] } == nil)
        #expect(try MeasureExpression("a + b * a").measures == ["a", "b"])
    }

    @Test(
        arguments: [
            "", "sum +", "(sum", "sum)", "sum count", "* 2", "\"open", "\"\"", "sum & 1", "abs(", "2 ** 3",
            String(repeating: "(", count: 200) + "1" + String(repeating: ")", count: 200),
            String(repeating: "1+", count: 400) + "1",
        ] as [String])
    func refused(text: String) {
        #expect(throws: CorpusError.self) { try MeasureExpression(text) }
    }

    @Test func requestsReadExpressionsAndNameWhatTheyLack() throws {
        let schema = FilterSchema(fields: [
            MetadataField(name: "price", type: .number, isDeclared: false, distinctCount: 3, documentCount: 3)
        ])
        let request = try AggregateRequest(
            json: JSONValue(
                parsing:
                    #"{"measures":[{"op":"max","field":"price","as":"high"},{"op":"min","field":"price","as":"low"},{"expression":"high - low","as":"spread"}],"sort":[{"by":"spread"}]}"#
            ), schema: schema)
        #expect(request.measures.map(\.name) == ["high", "low"])
        #expect(request.computed.map(\.name) == ["spread"])
        #expect {
            try AggregateRequest(
                json: JSONValue(parsing: #"{"measures":[{"op":"count"},{"expression":"total / count"}]}"#),
                schema: schema)
        } throws: { error in "\(error)".contains("\"total\"") && "\(error)".contains("count") }
    }
}
