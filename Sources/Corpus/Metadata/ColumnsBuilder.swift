// SPDX-License-Identifier: Apache-2.0

import Base
import OrderedCollections
import Text

/// Gathers the metadata of documents and writes the columns file.
///
/// Each field becomes a dictionary of its distinct values in order, a code for each document (0 for none, else 1 and
/// up in the order of the values), and for each code the documents that have it. `MetadataColumns` reads it.
final class ColumnsBuilder {
    static let kind = "columns"
    static let version: UInt32 = 1
    /// Numbers with more distinct values than this are also stored as they are, because looking each up would miss the
    /// processor's cache.
    static let dictionaryLimit = 4096

    private var indexes: [String: Int] = [:]
    private var columns: [(name: String, raw: RawColumn)] = []

    /// Adds a document's metadata. Documents come in ascending order. Objects become fields `outer.inner`.
    func add(metadata: JSONValue, document: Int) {
        add(metadata, prefix: "", document: document)
    }

    private func add(_ metadata: JSONValue, prefix: String, document: Int) {
        guard let members = metadata.object else { return }
        for (name, value) in members {
            let name = prefix + name
            if case .object = value {
                add(value, prefix: name + ".", document: document)
                continue
            }
            let index: Int
            if let known = indexes[name] {
                index = known
            } else {
                index = columns.count
                indexes[name] = index
                columns.append((name, RawColumn()))
            }
            columns[index].raw.add(value, document: document)
        }
    }

    /// Writes the file.
    func write(to path: String, documentCount: Int, declared: [String: FieldType]) throws {
        let file = try SectionFileWriter(path: path, kind: Self.kind, version: Self.version)
        var fields: [JSONValue] = []
        // A declared field is there for filters to name, also while no document has it.
        for name in declared.keys.sorted() where indexes[name] == nil { columns.append((name, RawColumn())) }
        for index in columns.indices.sorted(by: { columns[$0].name < columns[$1].name }) {
            let name = columns[index].name
            let type = declared[name] ?? columns[index].raw.inferredType()
            let number = fields.count
            let distinct = try write(
                columns[index].raw, type: type, as: "\(number)", documentCount: documentCount, to: file)
            fields.append([
                "name": .string(name), "type": .string(type.rawValue), "declared": .bool(declared[name] != nil),
                "distinct": .integer(distinct),
            ])
            columns[index].raw = RawColumn()  // its memory is not needed any more
        }
        try file.add("fields", Array(JSONValue.array(fields).serialized().utf8))
        try file.finish()
    }

    /// Writes one field; returns the number of its distinct values.
    private func write(
        _ raw: RawColumn, type: FieldType, as key: String, documentCount: Int, to file: SectionFileWriter
    ) throws -> Int {
        let (finalCodes, distinct, floats) = try writeDictionary(raw, type: type, as: key, to: file)
        let isList = type == .textList || type == .numberList
        var codes = [UInt32](repeating: 0, count: isList ? 0 : documentCount)
        var counts = [UInt32](repeating: 0, count: distinct + 2)
        var lists: [UInt32] = []
        var pairs: [(code: UInt32, document: UInt32)] = []
        if isList {
            var listStarts = [UInt32](repeating: 0, count: documentCount + 1)
            var has = [Bool](repeating: false, count: documentCount)
            var last: (code: UInt32, document: UInt32)?
            var seen: Set<UInt32> = []
            for (document, rawCode) in zip(raw.documents, raw.codes) {
                let code = finalCodes[Int(rawCode)]
                guard code != 0 else { continue }
                lists.append(code)
                listStarts[Int(document) + 1] += 1
                has[Int(document)] = true
                if last?.document != document { seen.removeAll(keepingCapacity: true) }
                last = (code, document)
                if seen.insert(code).inserted { pairs.append((code, document)) }
            }
            for document in 0..<documentCount { listStarts[document + 1] += listStarts[document] }
            for document in 0..<documentCount where !has[document] { pairs.append((0, UInt32(document))) }
            try file.add("\(key).lists", listStarts)
            try file.add("\(key).elements", lists)
        } else {
            for (document, rawCode) in zip(raw.documents, raw.codes) { codes[Int(document)] = finalCodes[Int(rawCode)] }
            if distinct < 256 {
                try file.add("\(key).codes", codes.map { UInt8($0) })
            } else if distinct < 65_536 {
                try file.add("\(key).codes", codes.map { UInt16($0) })
            } else {
                try file.add("\(key).codes", codes)
            }
            if type == .number, distinct > Self.dictionaryLimit {
                try file.add("\(key).values", codes.map { $0 == 0 ? Double.nan : floats[Int($0) - 1] })
            }
        }
        // Counting sort: for each code its documents, ascending.
        if isList {
            for pair in pairs { counts[Int(pair.code) + 1] += 1 }
        } else {
            for code in codes { counts[Int(code) + 1] += 1 }
        }
        for code in 0...distinct { counts[code + 1] += counts[code] }
        var next = counts
        var postings = [UInt32](repeating: 0, count: isList ? pairs.count : documentCount)
        if isList {
            for pair in pairs {
                postings[Int(next[Int(pair.code)])] = pair.document
                next[Int(pair.code)] += 1
            }
        } else {
            for (document, code) in codes.enumerated() {
                postings[Int(next[Int(code)])] = UInt32(document)
                next[Int(code)] += 1
            }
        }
        try file.add("\(key).starts", counts)
        try file.add("\(key).postings", postings)
        return distinct
    }

    /// Writes the sorted distinct values. Returns the code of each raw value (0 where it has no such type), the number
    /// of distinct values, and for numbers the values.
    private func writeDictionary(
        _ raw: RawColumn, type: FieldType, as key: String, to file: SectionFileWriter
    ) throws -> (codes: [UInt32], distinct: Int, floats: [Double]) {
        switch type {
        case .number, .numberList:
            let (codes, values) = Self.rank(raw) { RawColumn.number($0) }
            try file.add("\(key).numbers", values)
            return (codes, values.count, values)
        case .date:
            let (codes, values) = Self.rank(raw) { RawColumn.date($0) }
            try file.add("\(key).dates", values)
            return (codes, values.count, [])
        case .boolean:
            let (codes, values) = Self.rank(raw) { RawColumn.boolean($0).map { $0 ? UInt8(1) : 0 } }
            try file.add("\(key).booleans", values)
            return (codes, values.count, [])
        case .text, .textList:
            let (codes, values) = Self.rank(raw) { ByteOrderedText(text: RawColumn.text($0)) }
            var offsets: [UInt64] = [0]
            offsets.reserveCapacity(values.count + 1)
            try file.begin("\(key).bytes")
            for value in values {
                var text = value.text
                try text.withUTF8 { try file.append(UnsafeRawBufferPointer($0)) }
                offsets.append(UInt64(file.sectionLength))
            }
            try file.end()
            try file.add("\(key).offsets", offsets)
            return (codes, values.count, [])
        }
    }

    private static func rank<Value: Comparable>(
        _ raw: RawColumn, _ convert: (RawColumn.Value) -> Value?
    ) -> (codes: [UInt32], values: [Value]) {
        var converted: [(value: Value, index: Int)] = []
        converted.reserveCapacity(raw.interner.count)
        for index in 0..<raw.interner.count {
            if let value = convert(raw.value(index)) { converted.append((value, index)) }
        }
        converted.sort { $0.value < $1.value }
        var codes = [UInt32](repeating: 0, count: raw.interner.count)
        var values: [Value] = []
        values.reserveCapacity(converted.count)
        for (value, index) in converted {
            if values.last != value { values.append(value) }
            codes[index] = UInt32(values.count)
        }
        return (codes, values)
    }
}

/// A text that is compared by its UTF-8 bytes, as the dictionary of a column is ordered.
struct ByteOrderedText: Comparable {
    var text: String

    static func == (a: ByteOrderedText, b: ByteOrderedText) -> Bool { a.text.utf8.elementsEqual(b.text.utf8) }
    static func < (a: ByteOrderedText, b: ByteOrderedText) -> Bool {
        a.text.utf8.lexicographicallyPrecedes(b.text.utf8)
    }
}
