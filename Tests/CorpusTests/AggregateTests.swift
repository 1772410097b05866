// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
import Foundation
import OrderedCollections
import Testing
import Text

@Suite struct AggregateTests {
    /// A measure computed the plain way.
    static func measure(_ statistic: AggregateRequest.Statistic, _ documents: [Document]) -> MetadataValue? {
        func values(_ field: String) -> [MetadataValue] { documents.flatMap { $0.metadata[field]?.elements ?? [] } }
        func numbers(_ field: String) -> [Double] { values(field).map(\.number).sorted() }
        func best(_ field: String, _ isBetter: (MetadataValue, MetadataValue) -> Bool) -> Document? {
            var best: (document: Document, value: MetadataValue)?
            for document in documents {
                guard let value = document.metadata[field] else { continue }
                if let known = best {
                    if isBetter(value, known.value) { best = (document, value) }
                } else {
                    best = (document, value)
                }
            }
            return best?.document
        }
        switch statistic {
        case .count: return .number(Double(documents.count))
        case .countOf(let field): return .number(Double(documents.filter { $0.metadata[field] != nil }.count))
        case .distinct(let field): return .number(Double(Set(values(field)).count))
        case .sum(let field): return .number(numbers(field).reduce(0, +))
        case .mean(let field):
            let numbers = numbers(field)
            return numbers.isEmpty ? nil : .number(numbers.reduce(0, +) / Double(numbers.count))
        case .minimum(let field): return values(field).min { $0.isBelow($1) }
        case .maximum(let field): return values(field).max { $0.isBelow($1) }
        case .quantile(let field, let q):
            let numbers = numbers(field)
            guard !numbers.isEmpty else { return nil }
            let place = q * Double(numbers.count - 1)
            let (low, high) = (numbers[Int(place)], numbers[min(Int(place) + 1, numbers.count - 1)])
            return .number(low + (high - low) * (place - place.rounded(.down)))
        case .argumentOfMinimum(let field): return best(field) { $0.isBelow($1) }.map { .text($0.id) }
        case .argumentOfMaximum(let field): return best(field) { $1.isBelow($0) }.map { .text($0.id) }
        }
    }

    static func label(_ grouping: AggregateRequest.Grouping, _ value: MetadataValue) -> MetadataValue {
        switch (grouping, value) {
        case (.period(_, let period), .date(let seconds)):
            return .text(CalendarDate.name(of: period, start: CalendarDate.start(of: period, seconds: seconds)))
        case (.interval(_, let width), .number(let number)): return .number((number / width).rounded(.down) * width)
        default: return value
        }
    }

    static func groups(_ documents: [Document], _ groupings: [AggregateRequest.Grouping]) -> [[MetadataValue?]:
        [Document]]
    {
        var groups: [[MetadataValue?]: [Document]] = [[]: documents]
        for grouping in groupings {
            var next: [[MetadataValue?]: [Document]] = [:]
            let field: String
            switch grouping {
            case .value(let name), .period(let name, _), .interval(let name, _): field = name
            }
            for (key, members) in groups {
                for document in members {
                    let labels = Set(document.metadata[field]?.elements.map { label(grouping, $0) } ?? [])
                    if labels.isEmpty { next[key + [nil], default: []].append(document) }
                    for label in labels { next[key + [label], default: []].append(document) }
                }
            }
            groups = next
        }
        return groups.mapValues { $0.sorted { (Int($0.id.dropFirst()) ?? 0) < (Int($1.id.dropFirst()) ?? 0) } }
    }

    static func isClose(_ a: MetadataValue?, _ b: MetadataValue?) -> Bool {
        if case .number(let x)? = a, case .number(let y)? = b { return abs(x - y) <= 1e-6 * max(1, abs(x), abs(y)) }
        return a == b
    }

    static let measures: [AggregateRequest.Statistic] = [
        .count, .countOf(field: "score"), .countOf(field: "tags"), .countOf(field: "day"), .distinct(field: "kind"),
        .distinct(field: "sizes"), .distinct(field: "score"), .sum(field: "score"), .sum(field: "sizes"),
        .mean(field: "year"),
        .mean(field: "sizes"), .minimum(field: "score"), .maximum(field: "score"), .minimum(field: "day"),
        .maximum(field: "name"), .minimum(field: "sizes"), .quantile(field: "score", 0.5),
        .quantile(field: "year", 0.9),
        .quantile(field: "sizes", 0.25), .argumentOfMinimum(field: "score"), .argumentOfMaximum(field: "year"),
        .argumentOfMaximum(field: "name"), .maximum(field: "flag"),
    ]

    @Test(
        arguments: [
            [], [.value(field: "kind")], [.value(field: "flag"), .value(field: "year")], [.value(field: "tags")],
            [.value(field: "tags"), .value(field: "sizes")], [.period(field: "day", .month)],
            [.period(field: "day", .week)],
            [.period(field: "day", .quarter), .value(field: "kind")], [.interval(field: "score", width: 37.5)],
            [.interval(field: "year", width: 10)],
            [.period(field: "day", .year), .interval(field: "score", width: 100)],
            [.value(field: "name"), .value(field: "score"), .value(field: "day")],
        ] as [[AggregateRequest.Grouping]])
    func groupsEqualBruteForce(_ groupings: [AggregateRequest.Grouping]) throws {
        let corpus = try RandomCorpus(seed: 11, count: 5000)
        let aggregator = Aggregator(reader: corpus.reader)
        let filter = try DocumentFilter(reader: corpus.reader)
        for expression in [
            FilterExpression.all, .compare(field: "year", .greater, .number(2004)),
            .compare(field: "year", .less, .number(0)),
        ] {
            let set = try filter.documents(matching: expression)
            let members = set.ordinals.ordinals.map { corpus.documents[Int($0)] }
            let request = AggregateRequest(
                Self.measures.enumerated().map { .init($1, name: "m\($0)") }, groupBy: groupings, limit: 100_000)
            let result = try aggregator.aggregate(set, request)
            let expected = Self.groups(members, groupings)
            #expect(result.matched == members.count)
            #expect(result.rows.count == (groupings.isEmpty ? 1 : expected.count))
            #expect(result.isComplete && result.nextOffset == nil)
            for row in result.rows {
                let key = Array(row.prefix(groupings.count))
                let documents = expected[key] ?? []
                #expect(groupings.isEmpty || !documents.isEmpty, "\(key)")
                for (index, statistic) in Self.measures.enumerated() {
                    let value = row[groupings.count + index]
                    let wanted = Self.measure(statistic, documents)
                    #expect(
                        Self.isClose(value, wanted),
                        "\(key) \(statistic): \(String(describing: value)) for \(String(describing: wanted))")
                }
            }
            // The short way for counts alone says the same.
            let counts = try aggregator.aggregate(set, AggregateRequest(groupBy: groupings, limit: 100_000))
            #expect(Set(counts.rows) == Set(result.rows.map { Array($0.prefix(groupings.count + 1)) }))
        }
    }

    @Test func orderAndPages() throws {
        let corpus = try RandomCorpus(seed: 12, count: 4000)
        let aggregator = Aggregator(reader: corpus.reader)
        let all = DocumentBitmap(documentCount: 4000, all: true)
        var request = AggregateRequest(
            [.init(.count, name: "n"), .init(.mean(field: "score"), name: "average")], groupBy: [.value(field: "name")],
            sort: [.init("n", descending: true), .init("average")], limit: 100_000)
        let whole = try aggregator.aggregate(all, request)
        for (a, b) in zip(whole.rows, whole.rows.dropFirst()) {
            let x = (-(a[1]?.number ?? 0), a[2]?.number ?? .infinity)
            let y = (-(b[1]?.number ?? 0), b[2]?.number ?? .infinity)
            #expect(x <= y)
        }
        // Short pages are selected, long ones are cut from the sorted groups.
        for limit in [30, 700] {
            var pages: [[MetadataValue?]] = []
            request.limit = limit
            var next: Int? = 0
            while let offset = next {
                request.offset = offset
                let page = try aggregator.aggregate(all, request)
                #expect(page.rowCount == whole.rows.count && !page.isComplete)
                pages += page.rows
                next = page.nextOffset
            }
            #expect(pages == whole.rows)
        }
    }

    @Test(
        arguments: [
            [("score", true)], [("score", false)], [("kind", true), ("score", false)],
            [("day", false), ("year", true)],
            [("tags", false), ("score", true)], [("flag", true)], [],
        ] as [[(String, Bool)]])
    func documentsInOrder(_ orders: [(String, Bool)]) throws {
        let corpus = try RandomCorpus(seed: 13, count: 9000)
        let filter = try DocumentFilter(reader: corpus.reader)
        let keys = orders.map { AggregateRequest.Order($0.0, descending: $0.1) }
        for expression in [
            FilterExpression.all, .compare(field: "year", .greater, .number(2000)),
            .compare(field: "year", .equal, .number(2010)),
        ] {
            let set = try filter.documents(matching: expression)
            var expected = set.ordinals.ordinals
            func isBefore(_ a: UInt32, _ b: UInt32) -> Bool {
                for (field, descending) in orders {
                    let x = corpus.documents[Int(a)].metadata[field]?.elements.first
                    let y = corpus.documents[Int(b)].metadata[field]?.elements.first
                    guard let x, let y else {
                        if x == nil && y == nil { continue }
                        return x != nil
                    }
                    if x.isBelow(y) { return !descending }
                    if y.isBelow(x) { return descending }
                }
                return a < b
            }
            expected.sort(by: isBefore)
            #expect(try corpus.reader.sorted(set, by: keys) == expected)
            #expect(
                try corpus.reader.sorted(set, by: keys, offset: 5, limit: 10) == Array(expected.dropFirst(5).prefix(10))
            )
            #expect(try corpus.reader.sorted(set, by: keys, offset: 100_000, limit: 10).isEmpty)
            let page = try corpus.reader.list(set, DocumentListRequest(sort: keys, fields: ["kind"], limit: 3))
            #expect(page.rows.map(\.first) == expected.prefix(3).map { .text("d\($0)") })
            #expect(page.nextOffset == 3 && page.matched == expected.count)
            #expect(page.json["next_offset"] == 3 && page.json["complete"] == false)
        }
    }

    @Test func parsing() throws {
        let corpus = try RandomCorpus(seed: 1, count: 100)
        let schema = FilterSchema(fields: corpus.reader.columns.fields)
        let request = try AggregateRequest(
            json: JSONValue(
                parsing:
                    #"{"measures":["count",{"op":"quantile","field":"score","q":0.9,"as":"top"}],"group_by":["kind",{"field":"day","every":"month"},{"field":"score","width":10}],"sort":[{"by":"top","order":"desc"}],"limit":5,"offset":10}"#
            ), schema: schema)
        #expect(
            request
                == AggregateRequest(
                    [.init(.count, name: "count"), .init(.quantile(field: "score", 0.9), name: "top")],
                    groupBy: [
                        .value(field: "kind"), .period(field: "day", .month), .interval(field: "score", width: 10),
                    ],
                    sort: [.init("top", descending: true)], limit: 5, offset: 10))
        for (text, expected) in [
            (#"{"measures":[{"op":"sum","field":"kind"}]}"#, #""sum" needs a number field; "kind" has type text"#),
            (#"{"measures":[{"op":"sum","field":"scroe"}]}"#, #"did you mean "score"?"#),
            (#"{"measures":[{"op":"variance","field":"score"}]}"#, "the operations are count, distinct"),
            (#"{"group_by":[{"field":"kind","every":"month"}]}"#, #""every" needs a date field"#),
            (#"{"group_by":[{"field":"day","every":"hour"}]}"#, "one of day, week, month"),
            (#"{"group_by":["kind"],"sort":["score"]}"#, "the columns are kind, count"),
            (#"{"measures":["count","count"]}"#, "two columns have the same name"),
            (#"{"limit":-1}"#, "whole number of 0 or more"), (#"{"having":1}"#, #"unexpected member "having""#),
            (#"{"group_by":["title"]}"#, "works on metadata fields"),
        ] {
            let error = #expect(throws: CorpusError.self) {
                try AggregateRequest(json: JSONValue(parsing: text), schema: schema)
            }
            #expect(error?.message.contains(expected) == true, "\(error?.message ?? "")")
        }
        let list = try DocumentListRequest(
            json: JSONValue(parsing: #"{"sort":[{"by":"score","order":"descending"}],"fields":["year"],"limit":3}"#),
            schema: schema)
        #expect(list == DocumentListRequest(sort: [.init("score", descending: true)], fields: ["year"], limit: 3))
    }
}
