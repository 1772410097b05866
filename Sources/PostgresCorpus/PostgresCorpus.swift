// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
public import Encoders
public import Postgres
import Search
import Synchronization
import Text

/// A generation of a corpus in PostgreSQL, opened for searching: what ``LocalCorpus`` is for a folder.
///
/// Keyword search reads the postings of the query's terms, in one statement for a batch, and scores them here, with the
/// kernel and the arithmetic of the folder's index; lists that were read stay in a cache of bounded size. Searches by meaning
/// run in the server, by pgvector. Filters and aggregates are SQL with bound parameters, made from the expression trees.
///
/// A value answers from the generation that was live when it was opened. It holds a shared advisory lock on it, so that no
/// writer removes that generation while it is read.
public final class PostgresCorpus: Sendable {
    /// The address, without its password.
    public let address: PostgresAddress
    /// The encoder for queries; nil when there are no vectors or the encoder is not at hand.
    public let encoder: (any TextEncoder)?
    /// The encoder as the corpus names it; nil without vectors.
    public var encoderName: String? { record.encoder }
    /// The generation's number.
    public var generation: Int { record.number }

    let pool: PostgresPool
    let place: CorpusSchema
    let record: GenerationRecord
    let frame: KeywordFrame?
    private let encoderProblem: String?
    private let lists: PostingCache
    let selections = Selections()
    /// Holds the lock on the generation while this value lives; nil where it could not be taken.
    private let lock: PostgresConnection

    /// Opens the live generation.
    /// - Parameters:
    ///   - address: `postgresql://USER@HOST/DATABASE?corpus=NAME`.
    ///   - encoder: encodes queries; nil finds the one that the corpus names.
    ///   - loadsEncoder: false leaves the encoder out.
    ///   - options: how many connections, and how long anything may take.
    ///   - cacheBytes: how many bytes of postings stay in memory. Default: 64 MiB.
    /// - Throws: `PostgresError`, `CorpusError`, `SearchIndexError`.
    public init(
        _ address: PostgresAddress, encoder: (any TextEncoder)? = nil, loadsEncoder: Bool = true,
        options: PostgresPool.Options = PostgresPool.Options(), cacheBytes: Int = 64 << 20
    ) async throws {
        self.address = address
        place = try CorpusSchema(address)
        var options = options
        options.startup = "SET hnsw.ef_search = 200"
        pool = PostgresPool(address, options: options)
        (record, lock) = try await Self.hold(place, pool)
        lists = PostingCache(limit: cacheBytes)
        frame =
            record.hasKeywords
            ? try await Self.frame(pool, place.table("keyword", record.number), name: address.description) : nil
        var chosen: (any TextEncoder)?
        var problem: String?
        if let name = record.encoder, loadsEncoder {
            do {
                // The name comes with the corpus: it may choose a model, never where texts and keys go.
                if let encoder {
                    chosen = encoder
                } else {
                    chosen = try await EncoderChoice(name).load(namedBy: .corpus)
                }
            } catch {
                problem =
                    "the corpus was indexed with the encoder \(name), which is not at hand (\(error)); "
                    + "run `forage model pull \(name)` or search by keyword"
            }
            if let chosen, let made = record.encoderFingerprint, chosen.fingerprint != made {
                throw SearchIndexError.encoderMismatch(
                    "\(address) was indexed with the encoder \(name) (\(made.prefix(12))), not with the one given "
                        + "(\(chosen.fingerprint.prefix(12)))")
            }
        }
        self.encoder = chosen
        encoderProblem = problem
    }

    /// Finds the live generation and takes the readers' lock on it.
    private static func hold(
        _ schema: CorpusSchema, _ pool: PostgresPool
    ) async throws -> (GenerationRecord, PostgresConnection) {
        let connection = try await pool.dedicatedConnection()
        var attempts = 0
        while true {
            attempts += 1
            let record = try await live(schema, connection, address: pool.address)
            try await connection.query(
                "SELECT pg_advisory_lock_shared($1)", [.integer(schema.readerKey(record.number))])
            // A writer may have published between the two, and removed this one.
            let now = try await live(schema, connection, address: pool.address)
            if now.number == record.number || attempts > 8 { return (now, connection) }
        }
    }

    private static func live(
        _ schema: CorpusSchema, _ connection: PostgresConnection, address: PostgresAddress
    ) async throws -> GenerationRecord {
        let rows: PostgresRows
        do {
            rows = try await connection.query(
                """
                SELECT \(GenerationRecord.columns) FROM forage.corpora c
                JOIN forage.generations g ON g.corpus = c.name AND g.number = c.live WHERE c.name = $1
                """, [.text(schema.name)])
        } catch let error as PostgresError where error.isUndefined {
            throw missing(schema, address)
        }
        guard !rows.isEmpty else { throw missing(schema, address) }
        try await CorpusSchema.migrations.version(on: connection)
        return try GenerationRecord(rows, row: 0)
    }

    private static func missing(_ schema: CorpusSchema, _ address: PostgresAddress) -> CorpusError {
        CorpusError(
            .notACorpus,
            "there is no corpus \"\(schema.name)\" at \(address); make one with `forage index SOURCE --output \(address)`"
        )
    }

    private static func frame(_ pool: PostgresPool, _ table: String, name: String) async throws -> KeywordFrame {
        let rows = try await pool.read("SELECT about, norms, places FROM \(table)")
        guard !rows.isEmpty else { throw CorpusError(.damaged, "\(name): the keyword index is not there") }
        return try KeywordFrame(about: rows.bytes(0, 0), norms: rows.bytes(0, 1), places: rows.bytes(0, 2), name: name)
    }

    /// Whether another generation has been published since: one short statement.
    public func isOutdated() async throws -> Bool {
        let rows = try await pool.read("SELECT live FROM forage.corpora WHERE name = $1", [.text(place.name)])
        return try rows.isEmpty || rows.optionalInteger(0, 0) != record.number
    }

    /// Whether passages can be searched by meaning.
    public var hasSemanticSearch: Bool { record.encoder != nil && encoder != nil }

    func table(_ name: String) -> String { place.table(name, record.number) }

    /// Reads; a generation that is gone is told as such.
    func read(_ sql: String, _ values: [PostgresValue] = []) async throws -> PostgresRows {
        do {
            return try await pool.read(sql, values)
        } catch let error as PostgresError where error.isUndefined {
            throw CorpusError(
                .notFound, "\(address): generation \(record.number) was removed; open the corpus again (\(error))")
        }
    }

    // MARK: Keywords

    /// An index of the terms that the queries look up.
    func index(for terms: [String]) async throws -> KeywordIndex {
        guard let frame else { throw missing("keyword") }
        return try KeywordIndex(frame: frame, lists: try await postings(of: terms))
    }

    private func postings(of terms: [String]) async throws -> [PostingList] {
        let wanted = Set(terms)
        var (found, missing) = lists.find(wanted)
        guard !missing.isEmpty else { return found }
        missing.sort()
        let rows = try await read(
            "SELECT term, passages, lists FROM \(table("postings")) WHERE term = ANY($1)",
            [.byteStrings(missing.map { Array($0.utf8) })])
        var read: [PostingList] = []
        for row in 0..<rows.count {
            read.append(
                PostingList(
                    term: try rows.bytes(row, 0), passageCount: try rows.integer(row, 1), bytes: try rows.bytes(row, 2))
            )
        }
        lists.keep(read, askedFor: missing)
        found += read
        return found
    }

    /// The best passages by BM25 for each of several queries.
    func keywordSearch(_ queries: [String], limit: Int, within scope: OrdinalSet?) async throws -> [[Search
        .ScoredPassage]]
    {
        guard let frame else { throw missing("keyword") }
        let terms = queries.map { frame.terms(of: $0) }
        var index = try await index(for: terms.flatMap(\.first))
        // Where none of a query's words is known, what is mostly grammar is looked up after all.
        let known = index
        let rest = terms.filter { terms in
            !terms.otherwise.isEmpty && !terms.first.contains { known.term($0) != nil }
        }
        if !rest.isEmpty {
            index = try await self.index(for: terms.flatMap(\.first) + rest.flatMap(\.otherwise))
        }
        return try index.search(queries.map { KeywordQuery($0) }, limit: limit, within: scope)
    }

    // MARK: Vectors

    /// The vectors of queries.
    func encode(_ queries: [String]) async throws -> [[Float]] {
        guard record.encoder != nil else { throw missing("vector") }
        guard let encoder else {
            throw SearchIndexError.missingIndex(encoderProblem ?? "the corpus was opened without its encoder")
        }
        let matrix = try await encoder.encodeQueries(queries)
        return (0..<matrix.count).map { Array(matrix[$0]) }
    }

    /// The best passages for each of several vectors, in one statement.
    func semanticSearch(
        vectors: [[Float]], limit: Int, within scope: OrdinalSet?
    ) async throws -> [[ScoredPassage]] {
        guard record.encoder != nil else { throw missing("vector") }
        var lists = [[ScoredPassage]](repeating: [], count: vectors.count)
        guard limit > 0, !vectors.isEmpty, scope?.isEmpty != true else { return lists }
        for vector in vectors where vector.count != record.dimension || !vector.allSatisfy(\.isFinite) {
            throw SearchIndexError.invalidOption(
                "a query's vector has \(vector.count) numbers; those of the corpus have \(record.dimension)")
        }
        var values: [PostgresValue] = [.texts(vectors.map(Self.text)), .integer(Int64(limit))]
        var condition = ""
        if let scope {
            values.append(.ordinals(scope.ordinals))
            condition = "WHERE ordinal = ANY($3)"
        }
        // Behind "+ 0" the order is not the graph's: every vector of the scope is compared.
        let usesGraph = record.hasGraph && scope == nil && limit <= 200
        let order = usesGraph ? "embedding <#> q.v" : "(embedding <#> q.v) + 0, ordinal"
        let rows = try await read(
            """
            SELECT q.n, v.ordinal, v.score
            FROM (SELECT n, v::vector(\(record.dimension)) AS v FROM unnest($1) WITH ORDINALITY AS u (v, n) OFFSET 0) q
            CROSS JOIN LATERAL (
                SELECT ordinal, -(embedding <#> q.v) AS score FROM \(table("vectors")) \(condition)
                ORDER BY \(order) LIMIT $2) v
            """, values)
        for row in 0..<rows.count {
            let query = try rows.integer(row, 0) - 1
            guard lists.indices.contains(query) else { continue }
            lists[query].append(
                ScoredPassage(
                    ordinal: PassageOrdinal(try rows.integer(row, 1)), score: Float(try rows.number(row, 2))))
        }
        return lists.map { $0.sorted(by: ScoredPassage.ranksBefore) }
    }

    /// A vector as pgvector reads it.
    private static func text(_ vector: [Float]) -> String { "[" + vector.map { "\($0)" }.joined(separator: ",") + "]" }

    func missing(_ index: String) -> SearchIndexError {
        .missingIndex(
            index == "vector"
                ? "\(address) has no vectors: run `forage index` again with --encoder minilm, or another encoder"
                : "\(address) has no \(index) index: run `forage index` again")
    }
}

/// Postings that were read, up to a number of bytes; the least lately used ones go.
private final class PostingCache: Sendable {
    private struct Entry {
        /// Nil for a term that no passage holds.
        var list: PostingList?
        var used: Int
        var size: Int { (list?.bytes.count ?? 0) + 100 }
    }

    private struct State {
        var entries: [String: Entry] = [:]
        var size = 0
        var clock = 0
    }

    private let limit: Int
    private let state = Mutex(State())

    init(limit: Int) { self.limit = limit }

    func find(_ terms: Set<String>) -> (found: [PostingList], missing: [String]) {
        state.withLock { state in
            var (found, missing): ([PostingList], [String]) = ([], [])
            for term in terms {
                guard let entry = state.entries[term] else {
                    missing.append(term)
                    continue
                }
                state.clock += 1
                state.entries[term]?.used = state.clock
                if let list = entry.list { found.append(list) }
            }
            return (found, missing)
        }
    }

    func keep(_ lists: [PostingList], askedFor terms: [String]) {
        let known = Dictionary(
            lists.map { (String(decoding: $0.term, as: UTF8.self), $0) }, uniquingKeysWith: { first, _ in first })
        state.withLock { state in
            for term in terms {
                state.clock += 1
                let entry = Entry(list: known[term], used: state.clock)
                state.size += entry.size - (state.entries[term]?.size ?? 0)
                state.entries[term] = entry
            }
            guard state.size > limit else { return }
            for (term, entry) in state.entries.sorted(by: { $0.value.used < $1.value.used }) {
                guard state.size > limit * 3 / 4 else { break }
                state.size -= entry.size
                state.entries[term] = nil
            }
        }
    }
}
