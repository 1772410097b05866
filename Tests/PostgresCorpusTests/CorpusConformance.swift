// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
import Testing
import Text

/// What every corpus must do, whatever stands behind it: the promises of `PassageSearch`, `PassageReading`, `MetadataQuery`,
/// `LinkGraph` and `VectorAccess`, checked on the documents that it was made of.
struct CorpusConformance {
    let corpus: any RetrievalCorpus
    /// The documents in the order of the corpus.
    let documents: [Document]

    func check() async throws {
        try await checkReading()
        try await checkSearch()
        try await checkFilters()
        try await checkTables()
        try await checkLinks()
        try await checkVectors()
        try await checkCancellation()
    }

    /// Texts to search for: words of the documents, words that none holds, signs, other scripts, and nothing.
    private var queries: [String] {
        let words = documents.prefix(6).map { $0.text.split(separator: " ").prefix(5).joined(separator: " ") }
        return words + ["zzyzx qwertz", "", "the", "' OR 1=1; --", "%_\\", "ein Fluß in Ägypten", "日本", "a\u{0}b"]
    }

    private func checkReading() async throws {
        let summary = corpus.summary
        #expect(summary.documentCount == documents.count)
        let all = try await corpus.documents(at: documents.indices.map { DocumentOrdinal($0) })
        #expect(all.map(\.id) == documents.map(\.id))
        #expect(all.map(\.title) == documents.map(\.title))
        #expect(all.map(\.metadata) == documents.map(\.metadata))
        var end: PassageOrdinal = 0
        for document in all {
            #expect(document.passages.lowerBound == end)
            end = document.passages.upperBound
            let own = try await corpus.passages(withID: document.id)
            #expect(own.map(\.ordinal) == Array(document.passages))
            #expect(own.allSatisfy { $0.documentID == document.id && $0.documentOrdinal == document.ordinal })
            #expect(own.map(\.id) == (own.count == 1 ? [document.id] : (1...own.count).map { "\(document.id)#\($0)" }))
            for passage in own {
                let again = try await corpus.passages(withID: passage.id)
                #expect(again.first == passage)
                let scalars = documents[Int(document.ordinal)].text.unicodeScalars
                let text = String(
                    String.UnicodeScalarView(scalars.dropFirst(passage.range.lowerBound).prefix(passage.range.count)))
                #expect(text == passage.text)
            }
        }
        #expect(Int(end) == summary.passageCount)
        let backwards = Array((0..<end).reversed())
        #expect(try await corpus.passages(at: backwards).map(\.ordinal) == backwards)
        #expect(try await corpus.passages(at: []).isEmpty)
        #expect(try await corpus.passages(withID: "no such id #3").isEmpty)
        let beyond = end
        await #expect(throws: (any Error).self) { try await corpus.passages(at: [0, beyond]) }
        let missing = DocumentOrdinal(documents.count)
        await #expect(throws: (any Error).self) { try await corpus.documents(at: [missing]) }
    }

    private func checkSearch() async throws {
        let count = corpus.summary.passageCount
        for mode in corpus.summary.modes {
            for query in queries {
                let long = try await corpus.search(mode, query: query, limit: count + 5, within: nil)
                #expect(long.count <= count)
                for (a, b) in zip(long, long.dropFirst()) {
                    #expect(a.score > b.score || (a.score == b.score && a.ordinal < b.ordinal), "\(mode) \(query)")
                }
                #expect(Set(long.map(\.ordinal)).count == long.count)
                if mode != .hybrid {
                    let short = try await corpus.search(mode, query: query, limit: 3, within: nil)
                    #expect(short.map(\.ordinal) == long.prefix(3).map(\.ordinal), "\(mode) \(query)")
                }
                let places = try await corpus.passages(at: long.map(\.ordinal))
                #expect(places.map(\.id) == long.map(\.id))
                #expect(places.map(\.documentOrdinal) == long.map(\.documentOrdinal))
                let even = OrdinalSet((0..<UInt32(count)).filter { $0 % 2 == 0 })
                let within = try await corpus.search(mode, query: query, limit: count, within: .passages(even))
                #expect(within.allSatisfy { even.contains($0.ordinal) })
                if mode != .hybrid {
                    #expect(within.map(\.ordinal) == long.map(\.ordinal).filter { even.contains($0) })
                }
                let some = OrdinalSet([0, UInt32(documents.count - 1)])
                let inDocuments = try await corpus.search(mode, query: query, limit: count, within: .documents(some))
                #expect(inDocuments.allSatisfy { some.contains($0.documentOrdinal) })
                #expect(
                    try await corpus.search(mode, query: query, limit: 9, within: .passages(OrdinalSet())).isEmpty)
                #expect(try await corpus.search(mode, query: query, limit: 0, within: nil).isEmpty)
            }
            let together = try await corpus.search(mode, queries: queries, limit: 5, within: nil)
            #expect(together.count == queries.count)
            for (query, list) in zip(queries, together) {
                let alone = try await corpus.search(mode, query: query, limit: 5, within: nil)
                #expect(alone.map(\.ordinal) == list.map(\.ordinal), "\(mode) \(query)")
                for (a, b) in zip(alone, list) { #expect(abs(a.score - b.score) < 1e-4) }
            }
            #expect(try await corpus.search(mode, queries: [], limit: 5, within: nil).isEmpty)
        }
    }

    private func matching(_ test: (Document) -> Bool) -> OrdinalSet {
        OrdinalSet(documents.indices.filter { test(documents[$0]) }.map { UInt32($0) })
    }

    private func checkFilters() async throws {
        func number(_ document: Document) -> Double? { document.metadata["year"]?.double }
        let cases: [(FilterExpression, (Document) -> Bool)] = [
            (.all, { _ in true }),
            (.or([]), { _ in false }),
            (.compare(field: "year", .greaterOrEqual, .number(1950)), { number($0).map { $0 >= 1950 } ?? false }),
            (
                .not(.compare(field: "year", .less, .number(1950))), { number($0).map { $0 >= 1950 } ?? true }
            ),
            (.compare(field: "year", .notEqual, .number(1900)), { number($0).map { $0 != 1900 } ?? false }),
            (
                .between(field: "year", .number(1900), .number(1990)),
                { number($0).map { (1900...1990).contains($0) } ?? false }
            ),
            (.exists(field: "year"), { number($0) != nil }),
            (.isIn(field: "kind", [.text("book"), .text("x")]), { $0.metadata["kind"] == .text("book") }),
            (.contains(field: "kind", .text("NÉW")), { $0.metadata["kind"] == .text("news") }),
            (
                .compare(field: "tags", .equal, .text("river")),
                { if case .list(let tags)? = $0.metadata["tags"] { tags.contains(.text("river")) } else { false } }
            ),
            (.compare(field: "open", .equal, .boolean(true)), { $0.metadata["open"] == .boolean(true) }),
            (
                .compare(field: "day", .less, .date(0)),
                { if case .date(let day)? = $0.metadata["day"] { day < 0 } else { false } }
            ),
            (.compare(field: "id", .equal, .text(documents[1].id)), { $0.id == documents[1].id }),
            (.match(field: nil, words: "river", .all), { ($0.title + " " + $0.text).lowercased().contains("river") }),
            (.match(field: "title", words: "no such word", .any), { $0.title.lowercased().contains("such") }),
            (.match(field: "text", words: "boa", .prefix), { $0.text.lowercased().contains("boa") }),
            (.compare(field: "kind", .equal, .text("'; DROP TABLE x; --")), { _ in false }),
        ]
        let few = OrdinalSet([0, 2])
        for (filter, test) in cases {
            let found = try await corpus.filter(filter, among: nil)
            #expect(found == matching(test), "\(filter)")
            #expect(try await corpus.filter(filter, among: few) == found.intersection(few), "\(filter)")
            #expect(
                try await corpus.filter(.not(filter), among: nil)
                    == matching { _ in true }.subtracting(found), "\(filter)")
            for (other, _) in cases.prefix(6) {
                let both = try await corpus.filter(.and([filter, other]), among: nil)
                #expect(both == found.intersection(try await corpus.filter(other, among: nil)))
                let either = try await corpus.filter(.or([filter, other]), among: nil)
                #expect(either == found.union(try await corpus.filter(other, among: nil)))
            }
        }
        await #expect(throws: CorpusError.self) { try await corpus.filter(.exists(field: "yaer"), among: nil) }
    }

    private func checkTables() async throws {
        let all = matching { _ in true }
        let years = documents.compactMap { $0.metadata["year"]?.double }
        let request = AggregateRequest([
            .init(.count, name: "n"), .init(.countOf(field: "year"), name: "with"),
            .init(.sum(field: "year"), name: "sum"),
            .init(.mean(field: "year"), name: "mean"), .init(.minimum(field: "year"), name: "least"),
            .init(.maximum(field: "year"), name: "greatest"), .init(.distinct(field: "kind"), name: "kinds"),
        ])
        let row = try #require(try await corpus.aggregate(all, request).table.rows.first).map(\.double)
        #expect(row[0] == Double(documents.count) && row[1] == Double(years.count))
        #expect(abs((row[2] ?? 0) - years.reduce(0, +)) < 1e-6)
        #expect(abs((row[3] ?? 0) - years.reduce(0, +) / Double(years.count)) < 1e-6)
        #expect(row[4] == years.min() && row[5] == years.max())
        #expect(row[6] == Double(Set(documents.compactMap { $0.metadata["kind"] }).count))
        let grouped = try await corpus.aggregate(all, AggregateRequest(groupBy: [.value(field: "kind")], limit: 100))
        var counts: [JSONValue: Int] = [:]
        for document in documents { counts[document.metadata["kind"]?.json ?? .null, default: 0] += 1 }
        #expect(grouped.rowCount == counts.count && grouped.matched == documents.count)
        for row in grouped.table.rows { #expect(row[1].int == counts[row[0]]) }
        let sizes = grouped.table.rows.compactMap { $0[1].int }
        #expect(sizes == sizes.sorted(by: >))
        let page = try await corpus.aggregate(
            all, AggregateRequest(groupBy: [.value(field: "kind")], limit: 1, offset: 1))
        #expect(page.table.rows == Array(grouped.table.rows.dropFirst().prefix(1)) && page.rowCount == counts.count)
        let listed = try await corpus.list(
            all, DocumentListRequest(sort: [.init("year", descending: true)], fields: ["year"], limit: 1000))
        #expect(listed.table.rows.count == documents.count && listed.table.columns == ["id", "title", "year"])
        let shown = listed.table.rows.compactMap { $0[2].double }
        #expect(shown == years.sorted(by: >))
        // Those without a value come last.
        #expect(listed.table.rows.dropFirst(years.count).allSatisfy { $0[2] == .null })
    }

    private func checkLinks() async throws {
        let count = PassageOrdinal(corpus.summary.passageCount)
        for ordinal in 0..<count {
            for lists in [
                try await corpus.linkedPassages(from: ordinal, limit: 100),
                try await corpus.passagesNaming(ordinal, limit: 100),
                try await corpus.passagesSharingNames(with: ordinal, limit: 100),
            ] {
                #expect(lists.allSatisfy { $0.ordinal < count })
                for (a, b) in zip(lists, lists.dropFirst()) {
                    #expect(a.score > b.score || (a.score == b.score && a.ordinal < b.ordinal))
                }
            }
            #expect(try await corpus.linkedPassages(from: ordinal, limit: 0).isEmpty)
            #expect(
                try await !corpus.passagesSharingNames(with: ordinal, limit: 100).contains { $0.ordinal == ordinal })
        }
    }

    private func checkVectors() async throws {
        guard let embed = corpus.embedding else { return }
        let made = try await embed(["one", "two"])
        #expect(made.count == 2 && made[0].count == made[1].count)
        if let stored = try await corpus.vectors(of: [1, 0]) {
            #expect(stored.count == 2 && stored[0].count == made[0].count)
            let other = try await corpus.vectors(of: [0, 1])
            #expect(other == stored.reversed())
            let near = try #require(try await corpus.nearest(to: stored[0], limit: 3, within: nil))
            #expect(near.first?.score ?? 0 > 0.98 && near.count == min(3, corpus.summary.passageCount))
            let among = try await corpus.nearest(to: stored[0], limit: 3, within: .passages(OrdinalSet([0])))
            #expect(among?.map(\.ordinal) == [0])
            #expect(try await corpus.searchVectors(of: ["one"])?.first?.count == made[0].count)
        }
    }

    private func checkCancellation() async throws {
        let corpus = corpus
        for mode in corpus.summary.modes {
            let task = Task {
                while !Task.isCancelled { await Task.yield() }
                return try await corpus.search(mode, query: "river", limit: 3, within: nil)
            }
            task.cancel()
            // A corpus may be done before it looks; it must not fail in another way.
            do { _ = try await task.value } catch { #expect(error is CancellationError, "\(error)") }
        }
    }
}
