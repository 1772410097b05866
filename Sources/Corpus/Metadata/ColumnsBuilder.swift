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

    /// Adds a document's metadata. Documents come in ascending order. Objects become fields `outer.inner`, lists of
    /// objects lists of their members' values.
    func add(metadata: JSONValue, document: Int) {
        add(metadata, prefix: "", document: document)
    }

    private func add(_ metadata: JSONValue, prefix: String, document: Int, inList: Bool = false) {
        guard let members = metadata.object else { return }
        for (name, value) in members {
            let name = prefix + name
            switch value {
            case .object: add(value, prefix: name + ".", document: document, inList: inList)
            case .array(let elements) where elements.contains(where: { $0.object != nil }):
                // A list of objects has a list of values at each path.
                for element in elements {
                    if case .object = element {
                        add(element, prefix: name + ".", document: document, inList: true)
                    } else {
                        columns[column(name)].raw.add(element, document: document, inList: true)
                    }
                }
            default: columns[column(name)].raw.add(value, document: document, inList: inList)
            }
        }
    }

    private func column(_ name: String) -> Int {
        if let known = indexes[name] { return known }
        indexes[name] = columns.count
        columns.append((name, RawColumn()))
        return columns.count - 1
    }

    /// Writes the file.
    func write(to path: String, documentCount: Int, declared: [String: FieldType]) throws {
        let file = try SectionFileWriter(path: path, kind: Self.kind, version: Self.version)
        var fields: [JSONValue] = []
        // A declared field is there for filters to name, also while no document has it.
        for name in declared.keys.sorted() where indexes[name] == nil { columns.append((name, RawColumn())) }
        let decimals = decimalsBeside(documentCount: documentCount)
        orderDates()
        for index in columns.indices.sorted(by: { columns[$0].name < columns[$1].name }) {
            let name = columns[index].name
            // What held empty lists only, beside objects with members, is no field.
            if columns[index].raw.documents.isEmpty, declared[name] == nil,
                columns.contains(where: { $0.name.hasPrefix(name + ".") })
            {
                continue
            }
            var reading = columns[index].raw.inferred(beside: decimals[index])
            if reading.type == .number { reading.type = Self.named(name, columns[index].raw) ?? .number }
            reading.type = declared[name] ?? reading.type
            let number = fields.count
            let (distinct, odd) = try write(
                columns[index].raw, reading, as: "\(number)", documentCount: documentCount, to: file)
            let type = reading.type
            let isComma = reading.decimal == .comma && (type == .number || type == .numberList)
            fields.append([
                "name": .string(name), "type": .string(type.rawValue), "declared": .bool(declared[name] != nil),
                "distinct": .integer(distinct), "odd": .integer(odd.count), "decimal_comma": .bool(isComma),
                "odd_examples": .array(odd.examples.map { .string($0) }),
                "nearly": declared[name] == nil && type == .text
                    ? columns[index].raw.nearly(decimal: reading.decimal)?.json ?? .null : .null,
            ])
            columns[index].raw = RawColumn()  // its memory is not needed any more
        }
        try file.add("fields", Array(JSONValue.array(fields).serialized().utf8))
        try file.finish()
    }

    /// The type of numbers that their column's name says are none: versions, and days of eight digits.
    private static func named(_ name: String, _ raw: RawColumn) -> FieldType? {
        let words = Set(name.lowercased().split { !$0.isLetter }.map(String.init))
        if !words.isDisjoint(with: ["version", "versions", "ver", "release"]), raw.holdsVersions() { return .text }
        let isDay = words.contains { $0.hasSuffix("date") || ["day", "datum", "fecha", "data", "date"].contains($0) }
        return isDay && raw.holdsCompactDays() ? .date : nil
    }

    /// What stands before the fractions of the numbers beside each column: those of the same documents. A column of
    /// `1.500` and `2.250` says nothing of its own; beside prices of `12,50` they are thousands.
    private func decimalsBeside(documentCount: Int) -> [NumberText.Decimal] {
        let notations = columns.map { $0.raw.notation() }
        var decimals = [NumberText.Decimal](repeating: .point, count: columns.count)
        guard notations.contains(where: { $0.comma > 0 && $0.comma >= 9 * $0.point }) else { return decimals }
        var hasComma = [Bool](repeating: false, count: documentCount)
        var hasPoint = hasComma
        for (column, notation) in zip(columns, notations) where notation.comma + notation.point > 0 {
            for document in column.raw.documents {
                if notation.comma >= 9 * notation.point {
                    hasComma[Int(document)] = true
                } else {
                    hasPoint[Int(document)] = true
                }
            }
        }
        for (index, notation) in notations.enumerated() where notation.comma + notation.point == 0 {
            let documents = columns[index].raw.documents
            let commas = documents.count { hasComma[Int($0)] && !hasPoint[Int($0)] }
            if commas > 0, commas * 2 > documents.count { decimals[index] = .comma }
        }
        return decimals
    }

    /// Says of columns of dates such as `03/04/2024` which of day and month is first, where other dates of the same documents
    /// say so and no two of them differ.
    private func orderDates() {
        let dates = columns.map { $0.raw.slashedDates() }
        for (index, own) in dates.enumerated() where own.any && !own.dayFirst && !own.monthFirst {
            let documents = Set(columns[index].raw.documents)
            let beside = dates.indices.filter { other in
                guard dates[other].dayFirst || dates[other].monthFirst else { return false }
                let shared = columns[other].raw.documents.count { documents.contains($0) }
                return shared * 2 > columns[other].raw.documents.count
            }
            let (days, months) = (beside.contains { dates[$0].dayFirst }, beside.contains { dates[$0].monthFirst })
            if days != months { columns[index].raw.orderBeside = days ? .dayFirst : .monthFirst }
        }
    }

    /// Values that a field's type does not have: how many, and a few of them.
    private struct OddValues {
        var count = 0
        var examples: [String] = []

        init(_ raw: RawColumn, codes: [UInt32]) {
            for rawCode in raw.codes where codes[Int(rawCode)] == 0 {
                let text = RawColumn.text(raw.value(Int(rawCode)))
                guard !text.isEmpty else { continue }
                count += 1
                if examples.count < 3, !examples.contains(text) { examples.append(String(text.prefix(40))) }
            }
        }
    }

    /// Writes one field; returns the number of its distinct values, and what was no value of the type.
    private func write(
        _ raw: RawColumn, _ reading: RawColumn.Reading, as key: String, documentCount: Int, to file: SectionFileWriter
    ) throws -> (distinct: Int, odd: OddValues) {
        let (finalCodes, distinct, floats) = try writeDictionary(raw, reading, as: key, to: file)
        let type = reading.type
        let odd = OddValues(raw, codes: finalCodes)
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
            if type == .number, distinct > Self.dictionaryLimit, floats.count == distinct {
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
        return (distinct, odd)
    }

    /// Writes the sorted distinct values. Returns the code of each raw value (0 where it has no such type), the number
    /// of distinct values, and for numbers the values.
    private func writeDictionary(
        _ raw: RawColumn, _ reading: RawColumn.Reading, as key: String, to file: SectionFileWriter
    ) throws -> (codes: [UInt32], distinct: Int, floats: [Double]) {
        switch reading.type {
        case .number, .numberList:
            // Whole numbers beyond 53 bits are kept as such, also where fractions stand beside them.
            if let integers = Self.integers(raw, reading) {
                let (codes, values) = Self.rank(raw) {
                    RawColumn.number($0, reading).flatMap(integers)
                }
                try file.add("\(key).integers", values)
                return (codes, values.count, [])
            }
            if Self.hasLargeIntegers(raw, reading) {
                let (codes, values) = Self.rank(raw) { RawColumn.number($0, reading).flatMap(ExactNumber.init) }
                let numbers = values.map(\.number)
                try file.add("\(key).numbers", numbers)
                try file.add("\(key).exact", values.map(\.exact))
                return (codes, values.count, numbers)
            }
            let (codes, values) = Self.rank(raw) { RawColumn.number($0, reading)?.double }
            try file.add("\(key).numbers", values)
            return (codes, values.count, values)
        case .date:
            let (codes, values) = Self.rank(raw) { RawColumn.date($0, reading.order) }
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

    /// How the column's numbers become 64-bit integers; nil where Doubles are exact enough, or some number is no integer.
    private static func integers(
        _ raw: RawColumn, _ reading: RawColumn.Reading
    ) -> ((MetadataValue) -> Int64?)? {
        func integer(_ value: MetadataValue) -> Int64? {
            switch value {
            case .integer(let number): number
            case .number(let number): Int64(exactly: number)
            default: nil
            }
        }
        var isLarge = false
        for index in 0..<raw.interner.count {
            guard let number = RawColumn.number(raw.value(index), reading) else { continue }
            guard integer(number) != nil else { return nil }
            if case .integer = number { isLarge = true }
        }
        return isLarge ? integer : nil
    }

    private static func hasLargeIntegers(_ raw: RawColumn, _ reading: RawColumn.Reading) -> Bool {
        (0..<raw.interner.count).contains { index in
            if case .integer? = RawColumn.number(raw.value(index), reading) { return true }
            return false
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

/// A number with what a `Double` loses of it: whole numbers of 54 to 64 bits.
private struct ExactNumber: Comparable {
    var number: Double
    /// The number itself where it is whole and of more than 53 bits; else 0.
    var exact: Int64

    init?(_ value: MetadataValue) {
        switch value {
        case .integer(let integer): (number, exact) = (Double(integer), integer)
        case .number(let own):
            let isLarge = own.magnitude > Double(NumberText.exactLimit)
            (number, exact) = (own, isLarge ? Int64(exactly: own) ?? 0 : 0)
        default: return nil
        }
    }

    static func < (a: ExactNumber, b: ExactNumber) -> Bool { (a.number, a.exact) < (b.number, b.exact) }
}

/// A text that is compared by its UTF-8 bytes, as the dictionary of a column is ordered.
struct ByteOrderedText: Comparable {
    var text: String

    static func == (a: ByteOrderedText, b: ByteOrderedText) -> Bool { a.text.utf8.elementsEqual(b.text.utf8) }
    static func < (a: ByteOrderedText, b: ByteOrderedText) -> Bool {
        a.text.utf8.lexicographicallyPrecedes(b.text.utf8)
    }
}
