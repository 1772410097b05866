// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
import Foundation
import Testing
import Text

/// Metadata as people have it, after public bug reports: odd values among numbers, spans of dates, large integers, lists of
/// objects.
@Suite struct RealValuesTests {
    let folder: TemporaryFolder
    let reader: CorpusReader

    init() throws {
        folder = try TemporaryFolder()
        let path = try folder.write(
            "filters.jsonl",
            """
            {"id": "1", "text": "one", "price": 9, "cost": "9", "day": "2024-01-31T18:30:00Z", "when": "31/01/2024", "tweet": 1460323737035677698, "zip": "01234", "country": "Norway", "reviews": [{"stars": 5}, {"stars": 1}]}
            {"id": "2", "text": "two", "price": 10, "cost": "10", "day": "2024-02-01T00:30:00Z", "when": "01/02/2024", "tweet": 1460323737035677699, "zip": "90210", "country": "Sri Lanka", "reviews": []}
            {"id": "3", "text": "three", "price": "N/A", "cost": "1,100", "day": "2024-01-15T09:00:00Z", "when": "15/01/2024", "tweet": 5, "zip": "10001", "country": "Norway"}
            {"id": "4", "text": "four", "price": 100, "cost": "ask", "day": "2024-01-31T23:30:00-05:00", "when": "28/02/2024", "tweet": 6, "zip": "99999", "version": "3.11.7"}
            {"id": "5", "text": "five", "price": null, "cost": "12.50", "day": "2023-12-31T23:59:59Z", "when": "soon", "tweet": 7, "zip": "55555", "reviews": [{"stars": 4, "by": {"name": "Ann"}}]}

            """)
        let writer = try CorpusWriter.open(creatingAt: folder("c.forage"))
        _ = try writer.ingest([path])
        reader = try writer.publish()
    }

    func found(_ condition: String) throws -> String {
        let filter = try DocumentFilter(reader: reader)
        let expression = try FilterExpression(json: .string(condition), schema: filter.schema)
        return try filter.documents(matching: expression).ordinals.ordinals.map { try reader.documentID(of: $0) }
            .joined(separator: " ")
    }

    @Test func aFewOddValuesLeaveNumbersNumbers() throws {
        #expect(try found("price >= 10") == "2 4")
        #expect(try found("price < 20") == "1 2")
        #expect(try found("price exists") == "1 2 4")
        #expect(try found("cost >= 10") == "2 3 5")
        #expect(try found("cost = 1100") == "3")
        let cost = try #require(reader.columns.field("cost"))
        #expect(cost.type == .number && cost.oddCount == 1 && cost.oddExamples == ["ask"])
        #expect(try #require(reader.columns.field("price")).oddCount == 1)
        // Codes with leading zeros are texts.
        #expect(try #require(reader.columns.field("zip")).type == .text)
        #expect(try found(#"zip = "01234""#) == "1")
    }

    @Test func textsAreNeverComparedAsNumbersInSilence() throws {
        #expect(throws: CorpusError.self) { try found("zip >= 10000") }
        #expect(throws: CorpusError.self) { try found(#"version > "3.9""#) }
        #expect(try found(#"country >= "S""#) == "2")
    }

    @Test(arguments: [
        ("day <= 2024-01-31", "1 3 5"), ("day = 2024-01-31", "1"), ("day > 2024-01-31", "2 4"),
        ("day >= 2024-01-31", "1 2 4"), ("day < 2024-01-31", "3 5"), ("day != 2024-01-31", "2 3 4 5"),
        ("day between 2024-01 and 2024-01", "1 3"), ("day between 2023 and 2024", "1 2 3 4 5"), ("day = 2023", "5"),
        ("day in (2023, 2024-02)", "2 4 5"), ("day = 2024-01-31T18:30", "1"), ("day = 2024-01-31T18:30:00Z", "1"),
        ("day = January 2024", "1 3"), ("day = 2024-Q1", "1 2 3 4"), ("not day = 2024", "5"),
        ("when >= 2024-02-01", "2 4"), ("when = 2024-01", "1 3"), ("when <= 31.01.2024", "1 3"),
    ])
    func aDateMeansItsWholeSpan(_ condition: String, _ expected: String) throws {
        #expect(try found(condition) == expected)
    }

    @Test func integersAreExact() throws {
        #expect(try found("tweet = 1460323737035677698") == "1")
        #expect(try found("tweet > 1460323737035677698") == "2")
        #expect(try found("tweet <= 1460323737035677698") == "1 3 4 5")
        let all = DocumentBitmap(documentCount: reader.documentCount, all: true)
        let request = AggregateRequest([
            .init(.sum(field: "tweet"), name: "sum"), .init(.minimum(field: "tweet"), name: "min"),
            .init(.maximum(field: "tweet"), name: "max"),
        ])
        let row = try Aggregator(reader: reader).aggregate(all, request).json["rows"]?[0]
        #expect(row == [.integer(2_920_647_474_071_355_415), .integer(5), .integer(1_460_323_737_035_677_699)])
    }

    @Test func listsOfObjectsByPath() throws {
        #expect(try found("reviews.stars >= 4") == "1 5")
        #expect(try found("reviews.stars = 1") == "1")
        #expect(try found("reviews.by.name = Ann") == "5")
    }

    @Test func theShortForm() throws {
        #expect(try found("country = Norway and (price >= 9 or cost > 1000)") == "1 3")
        #expect(try found("country = Sri Lanka") == "2")
        #expect(try found("country not in (Norway, 'Sri Lanka') and country not exists") == "")
        #expect(try found("country is missing") == "4 5" && found("country is not empty") == found("country exists"))
        #expect(try found("NOT country is Norway AND price between 10 and 100") == "2 4")
        #expect(try found("country contains lanka or text matches five") == "2 5")
        #expect(try found(#"{"field": "country", "op": "==", "value": "Norway"}"#) == "1 3")
        for bad in [
            "", "country", "country =", "= Norway", "country = Norway or", "(price > 1", "price ~ 4", "country = 'x",
        ] {
            #expect(throws: CorpusError.self, "\(bad)") { try found(bad) }
        }
    }

    /// Patterns, names of several words, and quotes as SQL doubles them.
    @Test func conditionsAsSQLWritesThem() throws {
        #expect(try found("country like N*") == "1 3")
        #expect(try found("country like '%lanka'") == "2")
        #expect(try found("country like 'n_rway'") == "1 3")
        #expect(try found("country not like s%") == "1 3")
        #expect(try found("id like '?'") == "1 2 3 4 5")
        #expect(try found("`country` = 'Norway'") == "1 3")
        #expect(try found("country = 'Nor''way'") == "")
        let text = try WhereText.json(#"'first name' = 'Côte d''Ivoire' and "a ""b""" = 1"#)
        #expect(text["and"]?[0]?["value"] == "Côte d'Ivoire" && text["and"]?[1]?["field"] == #"a "b""#)
        #expect(try WhereText.json("first name = Ann")["field"] == "first name")
        let pattern = LikePattern("a%b%c")
        #expect(pattern.matches("axxbyybzc") && !pattern.matches("axxbyyb") && LikePattern("*").matches(""))
    }

    /// Whole numbers of more than 53 bits keep their last digits beside fractions.
    @Test func largeNumbersBesideFractions() throws {
        let path = try folder.write(
            "large.jsonl",
            """
            {"id": "a", "text": "t", "price": 9007199254740993}
            {"id": "b", "text": "t", "price": 9007199254740992}
            {"id": "c", "text": "t", "price": 1.5}
            {"id": "d", "text": "t", "price": 1152921504606846977}
            {"id": "e", "name": "big", "number": 18446744073709551615}

            """)
        let writer = try CorpusWriter.open(creatingAt: folder("large.forage"))
        _ = try writer.ingest([path])
        let reader = try writer.publish()
        let filter = try DocumentFilter(reader: reader)
        func ids(_ condition: String) throws -> String {
            try filter.documents(matching: FilterExpression(json: .string(condition), schema: filter.schema))
                .ordinals.ordinals.map { try reader.documentID(of: $0) }.joined(separator: " ")
        }
        #expect(try ids("price = 9007199254740993") == "a")
        #expect(try ids("price = 9007199254740992") == "b")
        #expect(try ids("price > 9007199254740992") == "a d")
        #expect(try ids("price < 2") == "c" && ids("price = 1152921504606846976") == "")
        #expect(try reader.columns.bounds(of: "price")?.greatest == .integer(1_152_921_504_606_846_977))
        let request = try AggregateRequest(
            json: ["measures": [["op": "max", "field": "price"], ["op": "sum", "field": "price"]]],
            schema: filter.schema)
        let all = DocumentBitmap(documentCount: reader.documentCount, all: true)
        let row = try Aggregator(reader: reader).aggregate(all, request).json["rows"]?[0]
        #expect(row?[0] == .integer(1_152_921_504_606_846_977))
        #expect(try reader.document(id: "e")?.text.contains("18446744073709551615") == true)
    }

    /// A column that a few values keep from being numbers is told, and a list that is empty everywhere is no field.
    @Test func columnsThatAreNearlyNumbers() throws {
        var rows = (0..<20).map { "\($0),\($0 * 3),2024-01-\(10 + $0)\n" }
        rows += ["20,some,soon\n", "21,few,later\n", "22,more,never\n"]
        let path = try folder.write("near.csv", "id,amount,day\n" + rows.joined())
        let writer = try CorpusWriter.open(creatingAt: folder("near.forage"))
        _ = try writer.ingest([path])
        let columns = try writer.publish().columns
        let amount = try #require(columns.field("amount"))
        #expect(amount.type == .text && amount.nearly?.type == .number && amount.nearly?.oddCount == 3)
        #expect(amount.nearly?.oddExamples == ["some", "few", "more"])
        #expect(columns.field("day")?.nearly?.type == .date)
        #expect(reader.columns.field("country")?.nearly == nil && reader.columns.field("zip")?.nearly == nil)
        #expect(reader.columns.field("reviews") == nil)
    }

    /// Any text is read or refused, without a crash and in bounded depth.
    @Test func hostileConditions() {
        var generator = SystemRandomNumberGenerator()
        let parts = [
            "(", ")", "and", "or", "not", "price", ">=", "10", "in", ",", "'", "\"", "between", "é", "{", "\\",
        ]
        for _ in 0..<300 {
            let text = (0..<Int.random(in: 0..<12, using: &generator)).map { _ in parts.randomElement() ?? "" }
                .joined(separator: " ")
            _ = try? WhereText.json(text)
        }
        _ = try? WhereText.json(String(repeating: "(", count: 100_000))
        _ = try? WhereText.json(String(repeating: "not ", count: 100_000))
    }
}
