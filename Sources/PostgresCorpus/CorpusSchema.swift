// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
import Postgres

/// Where a corpus lies in a database: one schema for each corpus, in it one set of tables for each generation, and a schema
/// `forage` that says which generation is live.
struct CorpusSchema: Sendable, Hashable {
    /// The name of the corpus in the address.
    let name: String

    /// - Throws: `CorpusError` `badArgument` for a name that is no plain one.
    init(name: String) throws {
        guard (1...40).contains(name.utf8.count),
            name.utf8.allSatisfy({
                (97...122).contains($0) || (48...57).contains($0) || $0 == UInt8(ascii: "_")
            })
        else {
            throw CorpusError(
                .badArgument,
                "a corpus in PostgreSQL has a name of 1 to 40 lower-case letters, digits and _; found \"\(name.prefix(60))\""
            )
        }
        self.name = name
    }

    /// The corpus that an address names: `?corpus=NAME`, or `corpus`.
    init(_ address: PostgresAddress) throws { try self.init(name: address.parameters["corpus"] ?? "corpus") }

    /// The schema, as SQL.
    var schema: String { "\"forage_\(name)\"" }

    /// A table of a generation, as SQL.
    func table(_ table: String, _ generation: Int) -> String { "\(schema).\"\(table)_\(generation)\"" }

    /// The first key of advisory locks: of the one writer, and of readers of a generation.
    var lockKey: Int64 { Int64(bitPattern: XXH64.hash("forage corpus \(name)")) }

    /// The key that readers of a generation share.
    func readerKey(_ generation: Int) -> Int64 {
        Int64(bitPattern: XXH64.hash("forage corpus \(name) generation \(generation)"))
    }

    static let tables = [
        "documents", "passages", "keyword", "postings", "vectors", "links", "mentioners", "names",
    ]

    /// An identifier, as SQL.
    static func quoted(_ name: String) -> String {
        "\"" + name.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
    }

    static let migrations = PostgresMigrations(
        part: "corpora",
        steps: [
            """
            CREATE TABLE forage.corpora (name text PRIMARY KEY, live integer);
            CREATE TABLE forage.generations (
                corpus text NOT NULL REFERENCES forage.corpora (name), number integer NOT NULL,
                fingerprint text NOT NULL, documents integer NOT NULL, passages integer NOT NULL,
                published timestamptz NOT NULL DEFAULT now(), about text NOT NULL, PRIMARY KEY (corpus, number));
            """
        ])
}

/// A generation as its row describes it.
struct GenerationRecord: Sendable {
    /// A metadata field with its column.
    struct Field: Sendable {
        var field: MetadataField
        var column: String
        /// Whether numbers are whole and some have more than 53 bits: a column of `bigint`.
        var isInteger: Bool
        /// The column of its values without case and accents, null where they are the same; of texts only.
        var folded: String { "f_" + column.dropFirst(2) }

        /// The column's type, as SQL.
        var sqlType: String {
            switch field.type {
            case .text: return "text COLLATE \"C\""
            case .textList: return "text[] COLLATE \"C\""
            case .number: return isInteger ? "bigint" : "double precision"
            case .numberList: return isInteger ? "bigint[]" : "double precision[]"
            case .boolean: return "boolean"
            case .date: return "timestamptz"
            }
        }

        var hasFolded: Bool { field.type == .text || field.type == .textList }
    }

    var number: Int
    var fingerprint: String
    var documentCount: Int
    var passageCount: Int
    var fields: [Field]
    var hasKeywords: Bool
    var hasLinks: Bool
    var hasNames: Bool
    /// The encoder as its user named it; nil without vectors.
    var encoder: String?
    var encoderFingerprint: String?
    var dimension: Int
    /// Whether searches by meaning go through an HNSW index.
    var hasGraph: Bool
    /// Words in a passage, and those repeated of the one before.
    var passageSize: Int
    var passageOverlap: Int

    func field(_ name: String) -> Field? { fields.first { $0.field.name == name } }

    var about: JSONValue {
        let encoder = encoder.map { JSONValue.string($0) } ?? .null
        let print = encoderFingerprint.map { JSONValue.string($0) } ?? .null
        let fields = fields.map { field -> JSONValue in
            let known = field.field
            return [
                "name": .string(known.name), "type": .string(known.type.rawValue), "declared": .bool(known.isDeclared),
                "distinct": .integer(known.distinctCount), "documents": .integer(known.documentCount),
                "odd": .integer(known.oddCount), "odd_examples": .array(known.oddExamples.map { .string($0) }),
                "column": .string(field.column), "integer": .bool(field.isInteger),
                "decimal_comma": .bool(known.hasDecimalComma), "nearly": known.nearly?.json ?? .null,
            ]
        }
        return [
            "fields": .array(fields), "keywords": .bool(hasKeywords), "links": .bool(hasLinks),
            "names": .bool(hasNames),
            "encoder": encoder, "encoder_fingerprint": print, "dimension": .integer(dimension),
            "graph": .bool(hasGraph),
            "passage_size": .integer(passageSize), "passage_overlap": .integer(passageOverlap),
        ]
    }
}

extension GenerationRecord {
    /// The columns of the row that `init(_:row:)` reads.
    static let columns = "g.number, g.fingerprint, g.documents, g.passages, g.about"

    init(_ rows: PostgresRows, row: Int) throws {
        let about = try JSONValue(parsing: rows.text(row, 4))
        func damaged() -> CorpusError {
            CorpusError(.damaged, "the description of a generation in the database cannot be read")
        }
        let fields = try (about["fields"]?.array ?? []).map { entry -> Field in
            guard let name = entry["name"]?.string, let column = entry["column"]?.string,
                let type = entry["type"]?.string.flatMap(FieldType.init(rawValue:))
            else { throw damaged() }
            return Field(
                field: MetadataField(
                    name: name, type: type, isDeclared: entry["declared"]?.bool ?? false,
                    distinctCount: entry["distinct"]?.int ?? 0, documentCount: entry["documents"]?.int ?? 0,
                    oddCount: entry["odd"]?.int ?? 0,
                    oddExamples: entry["odd_examples"]?.array?.compactMap(\.string) ?? [],
                    hasDecimalComma: entry["decimal_comma"]?.bool ?? false, nearly: NearType(entry["nearly"])),
                column: column, isInteger: entry["integer"]?.bool ?? false)
        }
        self.init(
            number: try rows.integer(row, 0), fingerprint: try rows.text(row, 1),
            documentCount: try rows.integer(row, 2),
            passageCount: try rows.integer(row, 3), fields: fields, hasKeywords: about["keywords"]?.bool ?? false,
            hasLinks: about["links"]?.bool ?? false, hasNames: about["names"]?.bool ?? false,
            encoder: about["encoder"]?.string, encoderFingerprint: about["encoder_fingerprint"]?.string,
            dimension: about["dimension"]?.int ?? 0, hasGraph: about["graph"]?.bool ?? false,
            passageSize: about["passage_size"]?.int ?? 0, passageOverlap: about["passage_overlap"]?.int ?? 0)
        guard documentCount >= 0, passageCount >= 0 else { throw damaged() }
    }

    /// Columns for metadata fields: the field's name behind `m_`, made short and distinct where PostgreSQL needs it.
    static func columns(of fields: [MetadataField], in reader: CorpusReader) throws -> [Field] {
        var taken: Set<String> = []
        return try fields.map { field in
            var base = "m_"
            for scalar in field.name.unicodeScalars where base.utf8.count < 48 && scalar.value >= 32 {
                base.unicodeScalars.append(scalar)
            }
            var column = base
            var number = 2
            while !taken.insert(column).inserted {
                column = "\(base)~\(number)"
                number += 1
            }
            let bounds = try reader.columns.bounds(of: field.name)
            let isInteger = [bounds?.least, bounds?.greatest].contains { value in
                if case .integer? = value { return true }
                return false
            }
            return Field(field: field, column: column, isInteger: isInteger)
        }
    }
}
