// SPDX-License-Identifier: Apache-2.0

public import Base

/// How passages are searched.
public enum RetrievalMode: String, Sendable, Hashable, CaseIterable {
    /// By words (BM25).
    case keyword
    /// By meaning (embeddings).
    case semantic
    /// By both, fused.
    case hybrid
}

/// A corpus whose passages can be searched and read.
///
/// A conformer keeps these promises:
/// - all calls answer from the generation that `fingerprint` names, however long the value lives;
/// - hits are ordered by descending score, equal scores by ascending ordinal, and the first k of a longer search are
///   the search for k;
/// - a search within a scope ranks the scope's passages as if no others were there to be returned;
/// - cancelling the task ends a call promptly with `CancellationError`.
public protocol PassageSearch: Sendable {
    /// Identifies the generation: what is in it and how it was indexed.
    var fingerprint: String { get }
    /// What is in it: counts, metadata fields, and the modes in which it can be searched.
    var summary: CorpusSummary { get }
    /// The passages that match a query best, at most `limit`, best first.
    /// - Parameter scope: searches only these; nil for all.
    func search(
        _ mode: RetrievalMode, query: String, limit: Int, within scope: CorpusScope?
    ) async throws -> [RankedPassage]
    /// The passages that match each of several queries best: the same as one by one, sooner.
    func search(
        _ mode: RetrievalMode, queries: [String], limit: Int, within scope: CorpusScope?
    ) async throws -> [[RankedPassage]]
}

/// A corpus whose passages and documents can be read, by place and by id.
public protocol PassageReading: Sendable {
    /// The passages at these places, in their order; a place that does not exist is an error.
    func passages(at ordinals: [PassageOrdinal]) async throws -> [Passage]
    /// The passages that an id names: one for a passage's id, all for a document's id, none for an unknown one.
    func passages(withID id: String) async throws -> [Passage]
    /// The documents at these places, in their order; a place that does not exist is an error.
    func documents(at ordinals: [DocumentOrdinal]) async throws -> [CorpusDocument]
}

/// A corpus whose documents can be filtered, listed and aggregated by their metadata.
public protocol MetadataQuery: Sendable {
    /// The fields that filters and aggregates can name.
    var schema: FilterSchema { get }
    /// All documents that a filter matches.
    /// - Parameter documents: only these; nil for all.
    /// - Throws: `CorpusError` `badArgument` that says what was wrong and what is accepted.
    func filter(_ expression: FilterExpression, among documents: OrdinalSet?) async throws -> OrdinalSet
    /// A page of documents in the order of some fields, with id, title and the fields asked for.
    func list(_ documents: OrdinalSet, _ request: DocumentListRequest) async throws -> TablePage
    /// Measures over documents, for all of them or by group.
    func aggregate(_ documents: OrdinalSet, _ request: AggregateRequest) async throws -> TablePage
}

/// A corpus whose passages lead to each other. Without links the lists are empty.
public protocol LinkGraph: Sendable {
    /// The passages that a passage's document links to, by citation or by a title that its text names, best first.
    func linkedPassages(from ordinal: PassageOrdinal, limit: Int) async throws -> [RankedPassage]
    /// The passages whose text names the title of this passage's document, best first: its incoming links.
    func passagesNaming(_ ordinal: PassageOrdinal, limit: Int) async throws -> [RankedPassage]
    /// The other passages that mention a name that this one mentions and that is no title, best first: those that share
    /// rare names and several of them.
    func passagesSharingNames(with ordinal: PassageOrdinal, limit: Int) async throws -> [RankedPassage]
}

/// A corpus that gives its vectors, and makes some as its encoder does. Without an encoder everything is nil.
public protocol VectorAccess: Sendable {
    /// The vectors of the passages at these places, as the corpus's encoder made them of title and text; nil where none
    /// are stored.
    func vectors(of ordinals: [PassageOrdinal]) async throws -> [[Float]]?
    /// The passages whose vectors are most like a vector of the corpus's encoder, by cosine, best first, equal ones by place;
    /// nil where no vectors are stored.
    /// - Parameter scope: searches only these; nil for all.
    func nearest(to vector: [Float], limit: Int, within scope: CorpusScope?) async throws -> [RankedPassage]?
    /// Makes vectors of texts as the corpus's encoder makes them; nil without an encoder.
    var embedding: (@Sendable ([String]) async throws -> [[Float]])? { get }
    /// Vectors of texts such as `nearest` compares; nil where none are stored or the encoder is not at hand. Default: those of
    /// `embedding`.
    func searchVectors(of texts: [String]) async throws -> [[Float]]?
    /// The late-interaction score of each of some passages; nil where no token vectors are stored.
    /// - Parameter context: what was found so far, condensed; nil for the first hop.
    func lateInteraction(
        of ordinals: [PassageOrdinal], with question: String, context: String?
    ) async throws -> [Double]?
}

/// A corpus as the tools see it: everything that a corpus can be asked. Behind it stand a folder (`LocalCorpus`), a database
/// (`PostgresCorpus`) and memory (`InMemoryCorpus`, for tests); one conformance suite runs over all three.
public protocol RetrievalCorpus: PassageSearch, PassageReading, MetadataQuery, LinkGraph, VectorAccess {}

extension PassageSearch {
    /// One query after the other.
    public func search(
        _ mode: RetrievalMode, queries: [String], limit: Int, within scope: CorpusScope?
    ) async throws -> [[RankedPassage]] {
        var lists: [[RankedPassage]] = []
        for query in queries { lists.append(try await search(mode, query: query, limit: limit, within: scope)) }
        return lists
    }
}

extension LinkGraph {
    /// No links.
    public func linkedPassages(from ordinal: PassageOrdinal, limit: Int) async throws -> [RankedPassage] { [] }

    /// No incoming links.
    public func passagesNaming(_ ordinal: PassageOrdinal, limit: Int) async throws -> [RankedPassage] { [] }

    /// No names.
    public func passagesSharingNames(with ordinal: PassageOrdinal, limit: Int) async throws -> [RankedPassage] { [] }
}

extension VectorAccess {
    /// No encoder.
    public var embedding: (@Sendable ([String]) async throws -> [[Float]])? { nil }

    /// Those of the encoder.
    public func searchVectors(of texts: [String]) async throws -> [[Float]]? { try await embedding?(texts) }

    /// No token vectors.
    public func lateInteraction(
        of ordinals: [PassageOrdinal], with question: String, context: String?
    ) async throws -> [Double]? { nil }

    /// No vectors.
    public func nearest(
        to vector: [Float], limit: Int, within scope: CorpusScope?
    ) async throws -> [RankedPassage]? { nil }

    /// No vectors.
    public func vectors(of ordinals: [PassageOrdinal]) async throws -> [[Float]]? { nil }
}

/// A passage in a ranked list, without its text.
public struct RankedPassage: Sendable, Hashable {
    /// The citable identity.
    public var id: String
    public var ordinal: PassageOrdinal
    public var documentOrdinal: DocumentOrdinal
    public var score: Double

    public init(id: String, ordinal: PassageOrdinal, documentOrdinal: DocumentOrdinal, score: Double) {
        self.id = id
        self.ordinal = ordinal
        self.documentOrdinal = documentOrdinal
        self.score = score
    }
}

/// The rows of an aggregation.
public struct ResultTable: Sendable, Hashable {
    /// The columns' names: the groups first, then the measures.
    public var columns: [String]
    /// One cell a column.
    public var rows: [[JSONValue]]

    public init(columns: [String], rows: [[JSONValue]]) {
        self.columns = columns
        self.rows = rows
    }
}

/// A page of rows over documents, and how much there is beside it.
public struct TablePage: Sendable, Hashable {
    public var table: ResultTable
    /// The documents that were listed or aggregated.
    public var matched: Int
    /// The rows on all pages.
    public var rowCount: Int
    /// The rows before this page.
    public var offset: Int

    public init(table: ResultTable, matched: Int, rowCount: Int, offset: Int) {
        self.table = table
        self.matched = matched
        self.rowCount = rowCount
        self.offset = offset
    }
}

/// A document as a list shows it: everything but its text.
public struct CorpusDocument: Sendable, Hashable {
    public var id: String
    public var ordinal: DocumentOrdinal
    public var title: String
    public var metadata: [String: MetadataValue]
    /// Its passages' places.
    public var passages: Range<PassageOrdinal>

    public init(
        id: String, ordinal: DocumentOrdinal, title: String, metadata: [String: MetadataValue],
        passages: Range<PassageOrdinal>
    ) {
        self.id = id
        self.ordinal = ordinal
        self.title = title
        self.metadata = metadata
        self.passages = passages
    }
}

/// A metadata field: its name, its type, and how many documents have it.
public struct CorpusField: Sendable, Hashable {
    public var name: String
    public var type: FieldType
    public var documentCount: Int

    public init(name: String, type: FieldType, documentCount: Int) {
        self.name = name
        self.type = type
        self.documentCount = documentCount
    }
}

/// What is in a corpus.
public struct CorpusSummary: Sendable, Hashable {
    public var name: String
    public var documentCount: Int
    public var passageCount: Int
    /// The metadata fields, by name.
    public var fields: [CorpusField]
    /// The modes that its indexes allow, in the order of `RetrievalMode.allCases`.
    public var modes: [RetrievalMode]

    public init(
        name: String, documentCount: Int, passageCount: Int, fields: [CorpusField],
        modes: [RetrievalMode] = RetrievalMode.allCases
    ) {
        self.name = name
        self.documentCount = documentCount
        self.passageCount = passageCount
        self.fields = fields
        self.modes = modes
    }
}

/// A part of a corpus: some passages, or some documents with all their passages.
public enum CorpusScope: Sendable, Hashable {
    case passages(OrdinalSet)
    case documents(OrdinalSet)

    /// The number of passages or of documents.
    public var count: Int {
        switch self {
        case .passages(let set), .documents(let set): return set.count
        }
    }
}
