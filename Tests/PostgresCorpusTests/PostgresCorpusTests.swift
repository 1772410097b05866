// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
import Encoders
import Foundation
import Postgres
import PostgresCorpus
import PostgresTestServer
import Search
import Testing
import Text

/// Counts of a text's words, hashed: vectors that cost nothing.
struct WordBag: TextEncoder {
    let fingerprint = "word-bag-test"
    let dimension = 48

    func encode(_ texts: [String]) async throws -> EmbeddingMatrix {
        var rows: [Float] = []
        for text in texts {
            var row = [Float](repeating: 0.01, count: dimension)
            for word in text.lowercased().split(whereSeparator: { !$0.isLetter }) {
                row[Int(XXH64.hash(String(word)) % UInt64(dimension))] += 1
            }
            let length = row.reduce(0) { $0 + $1 * $1 }.squareRoot()
            rows += row.map { $0 / length }
        }
        return EmbeddingMatrix(dimension: dimension, values: rows)
    }
}

/// A corpus in a folder, and the same in the database.
struct BothCorpora {
    let folder: String
    let address: PostgresAddress
    let local: LocalCorpus
    let remote: PostgresCorpus

    static func temporaryFolder() -> String { NSTemporaryDirectory() + "forage-pg-" + UUID().uuidString }

    static func address(_ name: String) throws -> PostgresAddress {
        try PostgresAddress(TestServer.address() + "?corpus=\(name)")
    }

    /// Adds documents to the corpus and publishes it.
    @discardableResult
    static func publish(
        _ documents: [Document], to address: PostgresAddress, in folder: String, size: Int = 20, graph: Int = 20_000,
        deleting: [String] = []
    ) async throws -> Int {
        let writer = try await PostgresCorpusWriter(address, stagingFolder: folder)
        try await writer.prepare(encoder: WordBag())
        do {
            let corpus = try CorpusWriter.open(
                creatingAt: writer.staging,
                options: FileManager.default.fileExists(atPath: writer.staging)
                    ? nil : CorpusOptions(passages: .init(size: size)))
            try corpus.add(documents)
            try corpus.delete(ids: deleting)
            let generation = try corpus.beginGeneration()
            var builder = IndexBuilder(encoder: WordBag(), encoderName: "word-bag")
            builder.graph = .off
            try await builder.build(generation)
            try generation.publish()
        }
        var loader = GenerationLoader()
        loader.graphThreshold = graph
        return try await writer.publish(loader)
    }

    static func make(
        _ name: String, _ documents: [Document], size: Int = 20, graph: Int = 20_000, on server: TestServer? = nil
    ) async throws -> Self {
        let folder = temporaryFolder()
        let address = try server.map { try PostgresAddress($0.address + "?corpus=\(name)") } ?? address(name)
        try await publish(documents, to: address, in: folder, size: size, graph: graph)
        let path = try #require(
            try FileManager.default.contentsOfDirectory(atPath: folder).first { $0.hasSuffix(".forage") })
        return BothCorpora(
            folder: folder, address: address,
            local: try await LocalCorpus(path: folder + "/" + path, encoder: WordBag()),
            remote: try await PostgresCorpus(address, encoder: WordBag()))
    }

    func remove() { try? FileManager.default.removeItem(atPath: folder) }
}

/// Documents of every kind that matters: without text, of several passages, with and without each type of metadata.
func oddDocuments() -> [Document] {
    let long = (1...12).map { "Sentence number \($0) tells of the river and of boat \($0)." }.joined(separator: " ")
    return [
        Document(
            id: "arthur", title: "Arthur's Magazine",
            text: "Arthur's Magazine was a periodical of Philadelphia from 1844.",
            metadata: [
                "kind": .text("news"), "year": .number(1844), "tags": .list([.text("magazine"), .text("River")]),
                "day": .date(-3_975_955_200), "open": .boolean(false),
            ]),
        Document(
            id: "first", title: "First for Women",
            text:
                "First for Women, unlike Arthur's Magazine, was started in 1989 in Englewood Cliffs by Anna Maria Bell.",
            metadata: [
                "kind": .text("news"), "year": .number(1989), "open": .boolean(true),
                "sizes": .list([.number(2), .number(7)]),
            ]),
        Document(
            id: "long", title: "A long story", text: long,
            metadata: [
                "kind": .text("book"), "year": .number(1900), "tags": .list([.text("river")]),
                "sizes": .list([.number(7)]),
            ]),
        Document(id: "empty", title: "", text: ""),
        Document(
            id: "ü#1", title: "Fluß'\"; DROP TABLE x",
            text: "Ein Fluß in Ägypten: First for Women, said Anna Maria Bell.",
            metadata: [
                "kind": .text("Été"), "year": .number(1900.5), "day": .date(86_400 * 365),
                "serial": .integer(9_007_199_254_740_995),
            ]),
        Document(
            id: "pages", title: "Pages",
            text: "One page of words.\u{0C}Another page of Anna Maria Bell.\u{0C}A third page.",
            metadata: ["kind": .text("book"), "serial": .number(7), "open": .boolean(true), "day": .date(0)]),
    ]
}

@Suite(.serialized) struct ConformanceTests {
    @Test func inMemory() async throws {
        // The twin keeps texts as they are, and knows no pages.
        let documents = oddDocuments().filter { $0.id != "empty" && $0.id != "pages" && $0.id != "ü#1" }
        try await CorpusConformance(
            corpus: InMemoryCorpus(documents: documents, splitter: PassageSplitter(.init(size: 20)), links: true),
            documents: documents
        ).check()
    }

    @Test func folder() async throws {
        let both = try await BothCorpora.make("conformance_folder", oddDocuments())
        defer { both.remove() }
        try await CorpusConformance(corpus: both.local, documents: oddDocuments()).check()
    }

    @Test func postgres() async throws {
        let both = try await BothCorpora.make("conformance_postgres", oddDocuments())
        defer { both.remove() }
        try await CorpusConformance(corpus: both.remote, documents: oddDocuments()).check()
    }

    @Test func postgresWithAGraph() async throws {
        let both = try await BothCorpora.make("conformance_graph", oddDocuments(), graph: 1)
        defer { both.remove() }
        let found = try await both.remote.search(.semantic, query: "river boat", limit: 3, within: nil)
        let exact = try await both.local.search(.semantic, query: "river boat", limit: 3, within: nil)
        #expect(found.map(\.id) == exact.map(\.id))
    }
}

@Suite(.serialized) struct SameAnswersTests {
    /// News articles with metadata, which the repository carries as an example.
    static func news() throws -> [Document] {
        var path = #filePath
        for _ in 0..<3 { path = (path as NSString).deletingLastPathComponent }
        let text = try String(contentsOfFile: path + "/Examples/news/corpus.jsonl", encoding: .utf8)
        return try text.split(separator: "\n").prefix(200).map { line in
            let row = try JSONValue(parsing: String(line))
            var metadata: [String: MetadataValue] = [:]
            for name in ["source", "author", "category"] {
                if let text = (row["metadata"]?[name] ?? row[name])?.string { metadata[name] = .text(text) }
            }
            return Document(
                id: row["id"]?.string ?? "", title: row["title"]?.string ?? "", text: row["text"]?.string ?? "",
                metadata: metadata)
        } + oddDocuments()
    }

    static func expectSame(_ a: [RankedPassage], _ b: [RankedPassage], _ what: String) {
        #expect(a.map(\.id) == b.map(\.id), "\(what)")
        #expect(a.map(\.ordinal) == b.map(\.ordinal) && a.map(\.documentOrdinal) == b.map(\.documentOrdinal))
        for (x, y) in zip(a, b) { #expect(abs(x.score - y.score) < 1e-4, "\(what)") }
    }

    @Test func asTheFolder() async throws {
        let documents = try Self.news()
        let both = try await BothCorpora.make("same", documents, size: 100)
        defer { both.remove() }
        let (local, remote) = (both.local, both.remote)
        #expect(local.fingerprint == remote.fingerprint)
        #expect(local.schema == remote.schema)
        #expect(local.summary.fields == remote.summary.fields && local.summary.modes == remote.summary.modes)
        let queries =
            documents.enumerated().filter { $0.offset % 9 == 0 }.map { $0.element.title } + [
                "the of and", "zzyzx", "", "Google antitrust trial", "日本", "Anna Maria Bell",
            ]
        let scope = CorpusScope.documents(OrdinalSet((0..<UInt32(documents.count)).filter { $0 % 3 == 0 }))
        for mode in RetrievalMode.allCases {
            for within in [nil, scope] {
                let a = try await local.search(mode, queries: queries, limit: 10, within: within)
                let b = try await remote.search(mode, queries: queries, limit: 10, within: within)
                for (query, lists) in zip(queries, zip(a, b)) {
                    if mode == .keyword {
                        Self.expectSame(lists.0, lists.1, "\(mode) \(query)")
                    } else {
                        // Sums in another order: neighbours whose scores agree to six digits may change places.
                        for (x, y) in zip(lists.0, lists.1) {
                            #expect(abs(x.score - y.score) < 1e-3, "\(mode) \(query)")
                        }
                    }
                }
            }
        }
        for ordinal in stride(from: 0, to: PassageOrdinal(local.reader.passageCount), by: 7) {
            Self.expectSame(
                try await local.linkedPassages(from: ordinal, limit: 20),
                try await remote.linkedPassages(from: ordinal, limit: 20), "links of \(ordinal)")
            Self.expectSame(
                try await local.passagesNaming(ordinal, limit: 20), try await remote.passagesNaming(ordinal, limit: 20),
                "naming \(ordinal)")
            Self.expectSame(
                try await local.passagesSharingNames(with: ordinal, limit: 20),
                try await remote.passagesSharingNames(with: ordinal, limit: 20), "names of \(ordinal)")
        }
        try await Self.compareMetadata(local, remote)
    }

    private static func compareMetadata(_ local: LocalCorpus, _ remote: PostgresCorpus) async throws {
        let all = OrdinalSet(0..<UInt32(local.reader.documentCount))
        var generator = SplitMix64(seed: 5)
        var values: [String: [MetadataValue]] = ["title": [.text("A long story")], "id": [.text("long"), .text("z")]]
        for field in local.reader.columns.fields {
            values[field.name] = try local.reader.columns.frequentValues(of: field.name, limit: 12).map(\.value)
        }
        func filter(_ depth: Int) -> FilterExpression {
            switch Int.random(in: 0..<(depth > 0 ? 8 : 5), using: &generator) {
            case 5: return .and([filter(depth - 1), filter(depth - 1)])
            case 6: return .or([filter(depth - 1), filter(depth - 1)])
            case 7: return .not(filter(depth - 1))
            case 4:
                let words =
                    ["google", "the court", "river boat", "Anna Maria", "micro", "fluss ägypten"].randomElement(
                        using: &generator) ?? ""
                return .match(
                    field: [nil, "title", "text", "kind"].randomElement(using: &generator) ?? nil, words: words,
                    FilterExpression.MatchMode.allCases.randomElement(using: &generator) ?? .all)
            case let kind:
                guard let field = values.keys.sorted().randomElement(using: &generator),
                    let value = values[field]?.randomElement(using: &generator),
                    let other = values[field]?.randomElement(using: &generator)
                else { return .all }
                switch kind {
                case 0:
                    return .compare(
                        field: field, FilterExpression.Comparison.allCases.randomElement(using: &generator) ?? .equal,
                        value)
                case 1: return .isIn(field: field, [value, other])
                case 2: return .between(field: field, value, other)
                default:
                    return Bool.random(using: &generator) ? .exists(field: field) : .contains(field: field, value)
                }
            }
        }
        for _ in 0..<150 {
            let filter = filter(3)
            let expected = try await local.filter(filter, among: nil)
            #expect(try await remote.filter(filter, among: nil) == expected, "\(filter)")
        }
        let fields = local.reader.columns.fields
        for field in fields {
            var measures: [AggregateRequest.Measure] = [
                .init(.count, name: "n"), .init(.countOf(field: field.name), name: "with"),
            ]
            measures += [
                .init(.distinct(field: field.name), name: "distinct"),
                .init(.minimum(field: field.name), name: "least"),
            ]
            measures += [.init(.maximum(field: field.name), name: "greatest")]
            if field.type == .number || field.type == .numberList {
                measures += [
                    .init(.sum(field: field.name), name: "sum"), .init(.mean(field: field.name), name: "mean"),
                    .init(.quantile(field: field.name, 0.3), name: "q"),
                ]
            }
            if field.type != .textList && field.type != .numberList {
                measures += [
                    .init(.argumentOfMinimum(field: field.name), name: "first"),
                    .init(.argumentOfMaximum(field: field.name), name: "last"),
                ]
            }
            var groupings: [[AggregateRequest.Grouping]] = [[]] + fields.map { [.value(field: $0.name)] }
            groupings.append([.value(field: "kind"), .value(field: "open")])
            groupings += CalendarPeriod.allCases.map { [.period(field: "day", $0)] }
            groupings.append([.interval(field: "year", width: 10)])
            for groups in groupings {
                let request = AggregateRequest(measures, groupBy: groups, limit: 30)
                let a = try await local.aggregate(all, request)
                let b = try await remote.aggregate(all, request)
                #expect(a.rowCount == b.rowCount && a.table.columns == b.table.columns && a.matched == b.matched)
                expectSame(a.table, b.table, "\(request)")
            }
            for descending in [false, true] {
                let request = DocumentListRequest(
                    sort: [.init(field.name, descending: descending)], fields: [field.name], limit: 300)
                guard field.type != .textList, field.type != .numberList else { continue }
                expectSame(
                    try await local.list(all, request).table, try await remote.list(all, request).table, field.name)
            }
        }
    }

    private static func expectSame(_ a: ResultTable, _ b: ResultTable, _ what: String) {
        #expect(a.rows.count == b.rows.count, "\(what)")
        for (x, y) in zip(a.rows, b.rows) {
            let isSame = zip(x, y).allSatisfy { x, y in
                if let x = x.double, let y = y.double { return abs(x - y) <= 1e-9 * max(1, abs(x)) }
                return x == y
            }
            #expect(isSame, "\(what): \(x) \(y)")
        }
    }
}

@Suite(.serialized) struct GenerationTests {
    @Test func readersKeepTheirGeneration() async throws {
        let both = try await BothCorpora.make("generations", oddDocuments())
        defer { both.remove() }
        let old = both.remote
        #expect(old.generation == 1)
        for number in 2...4 {
            try await BothCorpora.publish(
                [Document(id: "new \(number)", title: "New", text: "Something new about rivers, number \(number).")],
                to: both.address, in: both.folder, deleting: number == 2 ? ["long"] : [])
        }
        #expect(try await old.isOutdated())
        #expect(try await !old.passages(withID: "long").isEmpty)
        #expect(
            try await old.search(.keyword, query: "river", limit: 9, within: nil).contains { $0.id.hasPrefix("long") })
        let new = try await PostgresCorpus(both.address, encoder: WordBag())
        #expect(new.generation == 4 && new.summary.documentCount == oddDocuments().count + 2)
        #expect(try await new.passages(withID: "long").isEmpty)
        // The one before the live one and the one that is read stay; the rest is gone.
        let pool = PostgresPool(both.address)
        let kept = try await pool.query("SELECT number FROM forage.generations WHERE corpus = 'generations' ORDER BY 1")
        #expect(try (0..<kept.count).map { try kept.integer($0, 0) } == [1, 3, 4])
    }

    @Test func twoWritersBothCount() async throws {
        let address = try BothCorpora.address("writers")
        let folders = [BothCorpora.temporaryFolder(), BothCorpora.temporaryFolder()]
        defer { for folder in folders { try? FileManager.default.removeItem(atPath: folder) } }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (number, folder) in folders.enumerated() {
                group.addTask {
                    for round in 0..<2 {
                        // Two machines: each has a staging folder of its own, and the other's documents come from the database.
                        try await BothCorpora.publish(
                            [Document(id: "\(number)-\(round)", title: "T", text: "Text \(number) of round \(round).")],
                            to: address, in: folder)
                    }
                }
            }
            try await group.waitForAll()
        }
        let corpus = try await PostgresCorpus(address, encoder: WordBag())
        let all = try await corpus.documents(at: (0..<4).map { DocumentOrdinal($0) })
        #expect(Set(all.map(\.id)) == ["0-0", "0-1", "1-0", "1-1"])
    }

    @Test func aLoadThatIsCutOffLeavesNothing() async throws {
        let server = try TestServer.start()
        let both = try await BothCorpora.make("cut", oddDocuments(), on: server)
        defer { both.remove() }
        struct Stop: Error {}
        let address = both.address
        let folder = both.folder
        let task = Task {
            let writer = try await PostgresCorpusWriter(address, stagingFolder: folder)
            try await writer.prepare()
            let corpus = try CorpusWriter(path: writer.staging)
            try corpus.add([Document(id: "late", title: "", text: "late")])
            let generation = try corpus.beginGeneration()
            try await IndexBuilder(encoder: WordBag(), encoderName: "word-bag").build(generation)
            try generation.publish()
            var loader = GenerationLoader()
            loader.onProgress = { if $0.stage == "passages" { server.kill() } }
            return try await writer.publish(loader)
        }
        await #expect(throws: (any Error).self) { try await task.value }
        // The server was killed in the middle: it comes back with the generation before, and reading goes on by itself.
        let found = try await both.remote.search(.keyword, query: "river boat", limit: 3, within: nil)
        #expect(!found.isEmpty)
        let again = try await PostgresCorpus(both.address, encoder: WordBag())
        #expect(again.generation == 1 && again.summary.documentCount == oddDocuments().count)
    }

    @Test func whatIsMissingIsSaid() async throws {
        await #expect(throws: CorpusError.self) { try await PostgresCorpus(BothCorpora.address("nothing_here")) }
        await #expect(throws: CorpusError.self) { try await PostgresCorpus(BothCorpora.address("bad-name")) }
    }
}
