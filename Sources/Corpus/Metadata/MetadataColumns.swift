// SPDX-License-Identifier: Apache-2.0

package import Base
import Text

/// What a metadata field is: its name, its type and how many values it has.
public struct MetadataField: Sendable, Hashable {
    /// The name; members of nested objects are `outer.inner`.
    public var name: String
    /// The type, inferred from the values unless it was declared.
    public var type: FieldType
    /// Whether the type was declared.
    public var isDeclared: Bool
    /// The number of distinct values.
    public var distinctCount: Int
    /// The number of documents with a value.
    public var documentCount: Int

    /// The number of values that are none of the type, and so count as missing ("N/A" among numbers).
    public var oddCount: Int
    /// A few of them.
    public var oddExamples: [String]
    /// For texts that are numbers or dates for the most part: what they would be, and what keeps them from it.
    public var nearly: NearType?
    /// Whether its numbers were written with a comma before the fraction.
    public var hasDecimalComma: Bool

    public init(
        name: String, type: FieldType, isDeclared: Bool, distinctCount: Int, documentCount: Int, oddCount: Int = 0,
        oddExamples: [String] = [], hasDecimalComma: Bool = false,
        nearly: NearType? = nil
    ) {
        self.nearly = nearly
        self.hasDecimalComma = hasDecimalComma
        self.oddCount = oddCount
        self.oddExamples = oddExamples
        self.name = name
        self.type = type
        self.isDeclared = isDeclared
        self.distinctCount = distinctCount
        self.documentCount = documentCount
    }
}

/// The type that a field of texts would have without some of its values.
public struct NearType: Sendable, Hashable {
    /// Numbers or dates.
    public var type: FieldType
    /// How many values are none.
    public var oddCount: Int
    /// A few of them.
    public var oddExamples: [String]
    /// Whether all are dates of which day and month cannot be told apart.
    public var isAmbiguous = false

    package init(type: FieldType, oddCount: Int, oddExamples: [String]) {
        self.type = type
        self.oddCount = oddCount
        self.oddExamples = oddExamples
    }

    package init?(_ json: JSONValue?) {
        guard let json, let type = json["type"]?.string.flatMap(FieldType.init(rawValue:)) else { return nil }
        self.init(
            type: type, oddCount: json["odd"]?.int ?? 0,
            oddExamples: json["examples"]?.array?.compactMap(\.string) ?? [])
        isAmbiguous = json["ambiguous"]?.bool ?? false
    }

    package var json: JSONValue {
        [
            "type": .string(type.rawValue), "odd": .integer(oddCount),
            "examples": .array(oddExamples.map { .string($0) }), "ambiguous": .bool(isAmbiguous),
        ]
    }

    /// The odd values in words: `2 values are no number (soon, later)`.
    package var description: String {
        if isAmbiguous { return "day and month cannot be told apart (\(oddExamples.joined(separator: ", ")))" }
        return
            "\(oddCount) \(oddCount == 1 ? "value is" : "values are") no \(type.singular) (\(oddExamples.joined(separator: ", ")))"
    }
}

/// The typed metadata of a generation's documents, as columns in a mapped file.
public final class MetadataColumns: Sendable {
    /// The fields, by name.
    public let fields: [MetadataField]
    /// The number of documents.
    public let documentCount: Int
    private let columns: [String: MetadataColumn]
    let file: SectionFile

    convenience init(path: String, documentCount: Int) throws {
        try self.init(file: SectionFile(path: path, kind: ColumnsBuilder.kind), documentCount: documentCount)
    }

    init(file: SectionFile, documentCount: Int) throws {
        let path = file.file.path
        let bytes: MappedArray<UInt8> = try file.array("fields")
        func damaged(_ what: String) -> CorpusError { CorpusError(.damaged, "\(path): \(what)") }
        guard let list = try JSONValue(parsing: bytes.elements).array else {
            throw damaged("the list of fields is damaged")
        }
        var fields: [MetadataField] = []
        var columns: [String: MetadataColumn] = [:]
        for (index, entry) in list.enumerated() {
            guard let name = entry["name"]?.string, let type = entry["type"]?.string.flatMap(FieldType.init(rawValue:)),
                let distinct = entry["distinct"]?.int, distinct >= 0, distinct < Int(UInt32.max)
            else { throw damaged("the list of fields is damaged") }
            let column = try MetadataColumn(
                file: file, key: "\(index)", type: type, distinctCount: distinct, documentCount: documentCount)
            columns[name] = column
            fields.append(
                MetadataField(
                    name: name, type: type, isDeclared: entry["declared"]?.bool ?? false, distinctCount: distinct,
                    documentCount: documentCount - column.count(ofCode: 0), oddCount: entry["odd"]?.int ?? 0,
                    oddExamples: entry["odd_examples"]?.array?.compactMap(\.string) ?? [],
                    hasDecimalComma: entry["decimal_comma"]?.bool ?? false, nearly: NearType(entry["nearly"])))
        }
        self.fields = fields
        self.columns = columns
        self.documentCount = documentCount
        self.file = file
    }

    /// The field of that name.
    public func field(_ name: String) -> MetadataField? { fields.first { $0.name == name } }

    /// The column of a field, checked on first use.
    /// - Throws: `CorpusError` `damaged` when the file fails its checksums.
    func column(_ name: String) throws -> MetadataColumn? {
        guard let column = columns[name] else { return nil }
        try column.validate()
        return column
    }

    /// The metadata of a document.
    public func metadata(of document: DocumentOrdinal) throws -> [String: MetadataValue] {
        var metadata: [String: MetadataValue] = [:]
        for field in fields {
            if let value = try column(field.name)?.value(of: document) { metadata[field.name] = value }
        }
        return metadata
    }

    /// A field's value of a document; nil when it has none or there is no such field.
    public func value(of field: String, document: DocumentOrdinal) throws -> MetadataValue? {
        try column(field)?.value(of: document)
    }

    /// A field's most frequent values with the number of documents of each; ties in the order of the values.
    public func frequentValues(of field: String, limit: Int) throws -> [(value: MetadataValue, count: Int)] {
        guard let column = try column(field) else { return [] }
        var top: [(code: Int, count: Int)] = []
        for code in 0..<column.distinctCount {
            let count = column.count(ofCode: code + 1)
            guard top.count < limit || count > (top.last?.count ?? 0) else { continue }
            let place = top.firstIndex { $0.count < count } ?? top.count
            top.insert((code + 1, count), at: place)
            if top.count > limit { top.removeLast() }
        }
        return top.map { (column.value(ofCode: $0.code), $0.count) }
    }

    /// A field's least and greatest value; nil when no document has one.
    public func bounds(of field: String) throws -> (least: MetadataValue, greatest: MetadataValue)? {
        guard let column = try column(field), column.distinctCount > 0 else { return nil }
        return (column.value(ofCode: 1), column.value(ofCode: column.distinctCount))
    }
}
